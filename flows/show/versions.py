"""Versions and what differs between them, as the terminal shows them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from flows.versions.diff import Difference

# Languages and sites of which the changes are shown.
ROWS = 10
_SIGNS = {"added": ("+", "green"), "gone": ("-", "red"), "changed": ("~", "yellow")}


def table(found: Sequence[dict[str, Any]]) -> Iterator[Text]:
    """A line a version, as `Version.as_json` gives it, and a head; wider than a terminal they are not cut."""
    head = ["version", "published", "in", "kept", "rejected", "removed", "documents", "size", ""]
    shown = [head]
    for one in found:
        numbers = [f"{one[name]:,}" for name in head[2:7]]
        when = (one["published"] or "")[:16].replace("T", " ")
        marks = ", ".join(name for name in ("current", "held") if one[name])
        shown.append([one["version"], when, *numbers, _bytes(one["size"]), marks])
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for number, row in enumerate(shown):
        cells = [
            cell.rjust(width) if 2 <= at <= 7 else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield Text("  ".join(cells).rstrip(), style="" if number else "bold")


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:,.0f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


def lines(found: Difference) -> Iterator[Text]:
    """The lines of the terminal: how many, why, in which languages and sites, and samples."""
    before, after = found.documents
    yield Text(f"{found.a} → {found.b}: {before:,} → {after:,} documents")
    if not found.added + found.gone + found.changed:
        yield Text("No document differs.")
        return
    for change, count, why in (
        ("added", found.added, {}),
        ("gone", found.gone, found.gone_why),
        ("changed", found.changed, found.changed_columns),
    ):
        said = ", ".join(f"{name} {number:,}" for name, number in why.items())
        yield _marked(change, f"{count:,} {change}" + (f": {said}" if said else ""))
    for name, counts in (("language", found.languages), ("site", found.sites)):
        for value, changes in list(counts.items())[:ROWS]:
            said = ", ".join(f"{_SIGNS[change][0]}{number:,}" for change, number in changes.items())
            yield Text(f"  {name} {value or repr('')}  {said}")
        if len(counts) > ROWS:
            yield Text(f"  … and {len(counts) - ROWS:,} more", style="dim")
    for sample in found.samples:
        about = " ".join(filter(None, (sample.language, sample.url or sample.site, sample.title)))
        yield _marked(sample.change, f"{sample.id}  {about}" + (f"  ({sample.why})" if sample.why else ""))
        for line in sample.diff:
            yield Text(f"    {line}", style="dim")


def preview_lines(removed: Mapping[str, tuple[int, int]], found: Difference) -> Iterator[Text]:
    """What would differ, and of the reasons of removals those of which more or less would go."""
    shown = lines(found)
    yield next(shown)
    for reason, (before, after) in removed.items():
        if before != after:
            yield Text(f"  {reason}  {before:,} → {after:,} characters removed")
    yield from shown


def _marked(change: str, text: str) -> Text:
    sign, style = _SIGNS[change]
    return Text(f"{sign} ", style=style).append(text, style="default")
