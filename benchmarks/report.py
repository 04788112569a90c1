"""What benchmarks say in `docs/performance.md`: tables and a drawing of the runs in `docs/performance.json`, and parts
between two markers that other commands renew."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from benchmarks.floors import shares

DOCS = Path(__file__).resolve().parent.parent / "docs"
MB = 1e6
COLOURS = {"tamis": "#2a7f62", "inline": "#5fa98f", "before": "#9bc4b5"}
OTHERS = "#8a8f98"


def line(name: str, tool: Mapping[str, Any]) -> str:
    """A run in one line, as it ends."""
    return (
        f"{name}: {tool['mb_a_cpu_second']:.3f} MB a CPU second, {tool['cpu_seconds']:.1f} CPU s, "
        f"{tool['seconds']:.1f} s, peak {tool['peak'] / MB:.0f} MB, {tool['counts']['kept']:,} kept"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is left-aligned."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def tables(name: str, result: Mapping[str, Any]) -> str:
    """What a run cost, and what came out, as Markdown."""
    tools = result["tools"]
    own = tools.get("tamis", {}).get("mb_a_cpu_second")
    costs = [
        [
            tool,
            f"{one['mb_a_cpu_second']:.3f}",
            f"{one['documents_a_cpu_second']:,.0f}",
            f"{one['mb_a_second']:.3f}",
            f"{one['cpu_seconds']:,.1f}",
            f"{one['peak'] / MB:,.0f}",
            f"{one['written'] / MB:,.0f}",
            f"{one['out'] / MB:,.1f}",
            f"{own / one['mb_a_cpu_second']:.2f}" if own else "",
        ]
        for tool, one in tools.items()
    ]
    outcomes = [[tool, *_outcome(one["counts"], result["chars"])] for tool, one in tools.items()]
    head = ["", "kept", "dropped, by reason", "characters left", "languages"]
    if any("exact" in one["counts"] for one in tools.values()):
        head += ["exact copies found", "near", "articles gone", "text lost", "furniture left", "language right"]
    said = [
        f"{result['records']:,} documents, {result['bytes'] / MB:.1f} MB, {result['workers']} workers; "
        f"{result['date']}, {result['machine']}.",
        table(
            [
                "",
                "MB a CPU s",
                "documents",
                "MB a s",
                "CPU s",
                "peak MB",
                "MB written",
                "MB left",
                "Tamis is ×",
            ],
            costs,
        ),
        table(head, outcomes),
    ]
    said += [f"{tool}: {why}." for tool, why in result["missing"].items()]
    return "\n\n".join(said)


def _outcome(counts: Mapping[str, Any], chars: int) -> list[str]:
    languages = sorted(counts["languages"].items(), key=lambda one: (-one[1], one[0]))
    most = " ".join(f"{language} {count}" for language, count in languages[:3])
    found = [
        f"{counts['kept']:,}" + (f" ({counts['empty']:,} empty)" if counts["empty"] else ""),
        ", ".join(f"{reason} {count:,}" for reason, count in counts["dropped"].items()) or "–",
        f"{counts['chars'] / max(1, chars):.1%}",
        f"{len(languages)}: {most}",
    ]
    if of := shares(counts):
        found += [
            f"{counts['exact_found']:,} of {counts['exact']:,}",
            f"{counts['near_found']:,} of {counts['near']:,}",
            f"{counts['articles_gone']:,} of {counts['articles']:,}",
            f"{of['article_lost_share']:.2%}",
            f"{of['around_left_share']:.1%}",
            f"{of['language_right_share']:.1%}",
        ]
    return found


def drawing(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Bars of MB a CPU second by documents and tool, as SVG."""
    bars: list[str] = []
    most = max((one["mb_a_cpu_second"] for result in results.values() for one in result["tools"].values()), default=1.0)
    left, wide, high = 150, 470, 20
    at = 34
    for name, result in results.items():
        said = f"{name}: {result['records']:,} documents, {result['bytes'] / MB:.0f} MB"
        bars.append(f'<text x="10" y="{at + 14}" font-weight="bold">{escape(said)}</text>')
        at += high + 4
        for tool, one in result["tools"].items():
            speed = one["mb_a_cpu_second"]
            size = max(1.0, speed / most * wide)
            colour = COLOURS.get(tool, OTHERS)
            bars += [
                f'<text x="{left - 8}" y="{at + 14}" text-anchor="end">{escape(tool)}</text>',
                f'<rect x="{left}" y="{at + 2}" width="{size:.1f}" height="{high - 4}" fill="{colour}"/>',
                f'<text x="{left + size + 6:.1f}" y="{at + 14}">{speed:.2f}</text>',
            ]
            at += high
        at += 10
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="680" height="{at}" viewBox="0 0 680 {at}" '
        'font-family="sans-serif" font-size="13">\n'
        f'<rect width="680" height="{at}" fill="#ffffff"/>\n'
        '<text x="10" y="20" font-size="15">MB of raw text a CPU second, whole process</text>\n'
        + "\n".join(bars)
        + "\n</svg>\n"
    )


def replaced(text: str, marker: str, part: str) -> str:
    """A text with what stands between two markers another one. Raises: ValueError where they aren't there."""
    begin, end = f"<!-- {marker} -->", f"<!-- end of {marker} -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"{begin} and {end} must each stand there once")
    before, rest = text.split(begin)
    return f"{before}{begin}\n\n{part.strip()}\n\n{end}{rest.split(end)[1]}"


def renew(marker: str, part: str, docs: Path = DOCS) -> None:
    """Write a part of `performance.md` anew."""
    page = docs / "performance.md"
    page.write_text(replaced(page.read_text("utf-8"), marker, part), "utf-8")


def record(name: str, result: Mapping[str, Any], docs: Path = DOCS) -> None:
    """Keep a run, and write the pipelines' part of the page and its drawing anew, of all runs that are kept."""
    file = docs / "performance.json"
    results: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    results[name] = result
    file.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", "utf-8")
    (docs / "performance.svg").write_text(drawing(results), "utf-8")
    tools = {tool: one["says"] for one in results.values() for tool, one in one["tools"].items()}
    part = [
        "![MB of raw text a CPU second](performance.svg)",
        *(f"### {name}\n\n{tables(name, one)}" for name, one in results.items()),
        "\n".join(f"- {tool}: {says}" for tool, says in tools.items()),
    ]
    renew("pipelines", "\n\n".join(part), docs)
