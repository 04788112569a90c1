"""The templates of a site, shown: which lines it repeats, in how many of its articles, since which version.

The state counts hashes of lines. Their words are looked up where they still stand: in the originals of the site's
documents, which the ledger restores. A line of which no document has the words any more is shown by its hash.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.compute as pc
from rich.text import Text

from flows import publish
from flows.database import connect, ledger_of, view
from flows.storage import read_table
from transforms.boilerplate.lines import key, line_hashes
from transforms.config import from_mapping
from transforms.encoding import repair_text
from transforms.errors import ConfigError, RecordError
from transforms.spans import restore


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
    found: dict[str, Site] = {}
    for site, _, _, site_groups, _ in _template_lines(curated, publish.require(curated), None):
        found[site] = Site(site, found[site].lines + 1 if site in found else 1, site_groups)
    return list(found.values())


def site_lines(curated: Path, site: str) -> list[SiteLine]:
    """The template lines of a site, the most frequent first. Raises: ConfigError where it has none."""
    manifest = publish.require(curated)
    found = list(_template_lines(curated, manifest, site))
    if not found:
        raise ConfigError(f"no template of a site {site!r} in {manifest['version']} of {curated}")
    words = _words(curated, manifest, site, {line for _, line, *_ in found})
    lines = [SiteLine(*words.get(line, (None, False)), *counted, f"{line:016x}") for _, line, *counted in found]
    return sorted(lines, key=lambda line: (-line.groups, line.line or "", line.hash))


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


def _template_lines(
    curated: Path, manifest: dict[str, Any], site: str | None
) -> Iterator[tuple[str, int, int, int, str]]:
    """(site, line hash, groups, groups of the site, version it became a template with), by site and line."""
    settings = from_mapping(manifest["config"]).boilerplate
    files = [file["path"] for file in manifest["state"] if Path(file["path"]).name.startswith("template-counts-")]
    names = [Path(path).stem.removeprefix("template-counts-") for path in files]
    with connect() as database:
        view(database, "counts", [curated / path for path in files], ["site", "line", "groups"])
        rows = database.execute(
            """
            WITH here AS (SELECT site, line, groups, piece FROM counts WHERE ? IS NULL OR site = ?),
            grown AS (
                SELECT site, line, piece, sum(groups) OVER (PARTITION BY site, line ORDER BY piece)::INTEGER AS groups
                FROM here),
            sites AS (SELECT site, piece, groups AS total FROM grown WHERE line = 0)
            SELECT site, line, max(g.groups), (SELECT max(total) FROM sites s WHERE s.site = g.site) AS now,
                   min(piece) FILTER (g.groups >= ? AND g.groups >= ? * total)
            FROM grown g JOIN sites USING (site, piece) WHERE line > 0 GROUP BY site, line
            HAVING max(g.groups) >= ? AND max(g.groups) >= ? * now ORDER BY site, line
            """,
            [site, site, *[settings.template_min_groups, settings.template_min_share] * 2],
        ).fetchall()
    for name, line, groups, total, since in rows:
        yield name, line, groups, total, names[since]


def _words(curated: Path, manifest: dict[str, Any], site: str, wanted: set[int]) -> dict[int, tuple[str, bool]]:
    """What the lines of these hashes say, and whether they were counted as titles; of one in several spellings the
    first met."""
    limits = from_mapping(manifest["config"]).limits
    words: dict[int, tuple[str, bool]] = {}
    for original in _originals(curated, manifest, site):
        try:
            text, _ = repair_text(original, limits)
        except RecordError:  # past a limit: its lines were never counted
            continue
        for line, value in zip(text.split("\n"), line_hashes(text), strict=True):
            for is_title in (False, True):
                if value and (found := key(value, is_title)) in wanted:
                    words.setdefault(found, (line.strip(), is_title))
        if len(words) == len(wanted):
            break
    return words


def _originals(curated: Path, manifest: dict[str, Any], site: str) -> Iterator[str]:
    """The originals of the site's documents, file by file."""
    spans = publish.files_of(curated, manifest, "removed_spans")
    for path in (*publish.files_of(curated, manifest, "documents"), *publish.files_of(curated, manifest, "rejected")):
        rows = read_table(path, ["id", "site", "text"])
        rows = rows.filter(pc.equal(rows["site"], site))
        ids = rows["id"].to_pylist()
        ledger = ledger_of(spans, ids) if ids else {}
        for document, text in zip(ids, rows["text"].to_pylist(), strict=True):
            yield restore(text, ledger.get(document, ()))
