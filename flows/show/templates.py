"""The templates of a site, shown: which lines it repeats, in how many of its articles, since which version.

The state counts hashes of lines. Their words are looked up where they still stand: in the originals of the site's
documents, which the ledger restores. A line of which no document has the words any more is shown by its hash.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.compute as pc
from rich.text import Text

from flows.state import state_of
from flows.store import Store
from flows.tables import read_table
from flows.versions.checks import restorable
from flows.versions.ledger import restore_all
from flows.versions.manifest import reachable, require
from transforms.boilerplate.lines import KIND_BITS, Kind, key, line_hashes
from transforms.boilerplate.templates import least_groups
from transforms.config import from_mapping
from transforms.encoding import repair_text
from transforms.errors import ConfigError, RecordError


class SiteLine(NamedTuple):
    """A template line of a site."""

    line: str | None  # as it stands in a document; None where none has it any more
    is_title: bool  # counted where titles stand: first lines, and those right above the body
    groups: int  # in how many groups of the site's articles it stands
    site_groups: int  # of how many
    since: str  # the version with which it became a template
    hash: str  # 16 hex digits, as the state has it


class Site(NamedTuple):
    """A site that has templates."""

    site: str
    lines: int
    groups: int


def sites(curated: Path) -> list[Site]:
    """The sites that have template lines, by name. Raises: ConfigError where nothing is published."""
    store = Store(curated)
    lines = _template_lines(store, require(store), None)
    return [Site(site, len(found), found[0].site_groups) for site, found in lines.items()]


def site_lines(curated: Path, site: str) -> list[SiteLine]:
    """The template lines of a site, the most frequent first. Raises: ConfigError where it has none."""
    store = Store(curated)
    manifest = require(store)
    found = _template_lines(store, manifest, site).get(site)
    if not found:
        raise ConfigError(f"no template of a site {site!r} in {manifest['version']} of {curated}")
    words = _words(store, manifest, site, {int(line.hash, 16) for line in found})
    named = [line._replace(**words.get(int(line.hash, 16), {})) for line in found]
    return sorted(named, key=lambda line: (-line.groups, line.line or "", line.hash))


def render(found: Site | SiteLine) -> Text:
    """One line of the terminal."""
    if isinstance(found, Site):
        return Text(f"{found.lines:>6,} lines in {found.groups:,} articles  ").append(found.site or "''", style="bold")
    shown = Text(f"{found.groups:>6,} of {found.site_groups:,}  since {found.since}  ", style="cyan")
    if found.line is None:
        shown.append(f"(no document has the words of {found.hash} any more)", style="dim")
    else:
        shown.append(found.line, style="default")
    return shown.append("  (as a title)", style="dim") if found.is_title else shown


def _template_lines(store: Store, manifest: dict[str, Any], site: str | None) -> dict[str, list[SiteLine]]:
    """The template lines of a site, or of all, by site and hash; their words are still to be found."""
    settings = from_mapping(manifest["config"]).boilerplate
    groups: dict[tuple[str, int], int] = defaultdict(int)
    since: dict[tuple[str, int], int] = {}
    for ref in state_of(manifest)["counts"]:
        table = read_table(store, ref, ["site", "line", "groups", "since"])
        if site is not None:
            table = table.filter(pc.equal(table["site"], site))
        for name, line, count, version in zip(*(column.to_pylist() for column in table.columns), strict=True):
            groups[name, line] += count
            if version is not None:
                since.setdefault((name, line), version)
    names = {version["number"]: version["version"] for version in reachable(store, manifest)}
    found: dict[str, list[SiteLine]] = defaultdict(list)
    for (name, line), count in sorted(groups.items()):
        total = groups[name, 0]
        if line & KIND_BITS not in (Kind.LINE, Kind.TITLE):
            continue  # its folded form is counted, too
        if line and count >= least_groups(total, settings):
            number = since.get((name, line), 0)
            found[name].append(SiteLine(None, False, count, total, names.get(number, str(number)), f"{line:016x}"))
    return found


def _words(store: Store, manifest: dict[str, Any], site: str, wanted: set[int]) -> dict[int, dict[str, Any]]:
    """What the lines of these hashes say, and whether they were counted as titles; of one in several spellings the
    first met."""
    limits = from_mapping(manifest["config"]).limits
    words: dict[int, dict[str, Any]] = {}
    for original in _originals(store, manifest, site):
        try:
            text, _ = repair_text(original, limits)
        except RecordError:  # past a limit: its lines were never counted
            continue
        for line, value in zip(text.split("\n"), line_hashes(text), strict=True):
            for kind in (Kind.LINE, Kind.TITLE):
                if value and (found := key(value, kind)) in wanted:
                    words.setdefault(found, {"line": line.strip(), "is_title": kind is Kind.TITLE})
        if len(words) == len(wanted):
            break
    return words


def _originals(store: Store, manifest: dict[str, Any], site: str) -> Iterator[str]:
    """The originals of the site's documents, file by file."""
    for table in ("documents", "rejected"):
        for file, own, others in restorable(manifest, table):
            rows = read_table(store, file, ["id", "site", "text", "original_sha256"])
            rows = rows.filter(pc.equal(rows["site"], site))
            yield from (one.original for one in restore_all(store, rows, own, others, str(store.local(file))))
