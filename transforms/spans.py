"""The ledger: removed spans in coordinates of the original, so that every original can be rebuilt and proven.

A span is half-open in code points; spans of one document are disjoint and sorted. Applied forwards they make the
curated text, applied backwards they rebuild the original. No peer keeps this; dolma's attributes
(`[start, end, score]`, docs/data-format.md) gave the idea.

>>> spans = [Span(3, 7, "", "boilerplate.share", "share.en", "strip_boilerplate")]
>>> apply("abc f\\n\\ndef", spans)
'abcdef'
>>> restore("abcdef", ledger("abc f\\n\\ndef", spans))
'abc f\\n\\ndef'
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from transforms.schema import SPANS


class Span(NamedTuple):
    """A change: code points `start` to `end` give way to `replacement`."""

    start: int
    end: int
    replacement: str
    reason: str
    rule: str
    transform: str
    confidence: float | None = None
    support: int | None = None


class LedgerEntry(NamedTuple):
    """A change with what stood there and where its replacement stands in the final text."""

    span: Span
    clean_start: int
    text: str


def apply(original: str, spans: Sequence[Span]) -> str:
    """The text after the changes. Raises: ValueError where spans overlap, are unsorted or leave the text."""
    pieces: list[str] = []
    position = 0
    for span in spans:
        if not position <= span.start <= span.end <= len(original):
            raise ValueError(f"span {span.start}..{span.end} after {position} in {len(original)} characters")
        pieces += (original[position : span.start], span.replacement)
        position = span.end
    pieces.append(original[position:])
    return "".join(pieces)


def ledger(original: str, spans: Sequence[Span]) -> list[LedgerEntry]:
    """What `restore` needs, and what is published in `removed_spans`."""
    entries, shift = [], 0
    for span in spans:
        entries.append(LedgerEntry(span, span.start + shift, original[span.start : span.end]))
        shift += len(span.replacement) - (span.end - span.start)
    return entries


def restore(text: str, entries: Iterable[LedgerEntry]) -> str:
    """The original, from the final text and its ledger. Raises: ValueError where they don't fit each other."""
    pieces: list[str] = []
    position = 0
    for span, clean_start, removed in entries:
        end = clean_start + len(span.replacement)
        if clean_start < position or text[clean_start:end] != span.replacement:
            raise ValueError(f"at {clean_start} stands {text[clean_start:end]!r}, the ledger says {span.replacement!r}")
        pieces += (text[position:clean_start], removed)
        position = end
    pieces.append(text[position:])
    return "".join(pieces)


def compose(repairs: Sequence[Span], removals: Sequence[Span]) -> list[Span]:
    """Both, in coordinates of the original, where `removals` are in coordinates of the repaired text.

    A removal swallows the repairs inside it. Where one cuts through a replacement, what it takes of that is
    gone from the replacement, and the original characters stay with the repair.
    """
    if not repairs:
        return merge_adjacent(removals)
    pieces: list[tuple[int, Span]] = []  # (number of the removal it belongs to or -1, span)
    shift = 0  # place in the original - place in the repaired text
    number = 0

    def remove_until(limit: int, begin: int) -> None:
        """Cut the removals' share of the untouched stretch begin..limit of the repaired text."""
        for at in range(number, len(removals)):
            if removals[at].start >= limit:
                break
            start, end = max(removals[at].start, begin), min(removals[at].end, limit)
            if start < end:
                pieces.append((at, removals[at]._replace(start=start + shift, end=end + shift)))

    position = 0
    for repair in repairs:
        start = repair.start - shift
        remove_until(start, position)
        position = start + len(repair.replacement)
        shift = repair.end - position
        while number < len(removals) and removals[number].end <= start:
            number += 1
        keep = list(repair.replacement)
        swallowed_by = -1
        for at in range(number, len(removals)):
            removal = removals[at]
            if removal.start > position:
                break
            for place in range(max(removal.start, start), min(removal.end, position)):
                keep[place - start] = ""
            whole = removal.start <= start and position <= removal.end
            inside = removal.start < start < removal.end if start == position else whole
            swallowed_by = at if inside else swallowed_by
        if swallowed_by >= 0:
            pieces.append((swallowed_by, removals[swallowed_by]._replace(start=repair.start, end=repair.end)))
        else:
            pieces.append((-1, repair._replace(replacement="".join(keep))))
    remove_until(1 << 62, position)

    composed: list[Span] = []
    last = -1
    for at, span in pieces:
        if at >= 0 and at == last and composed[-1].end == span.start:
            composed[-1] = composed[-1]._replace(end=span.end)
        else:
            composed.append(span)
        last = at
    return merge_adjacent(composed)


def repaired_lines(original: str, repairs: Sequence[Span], repaired: str, lines: Sequence[int]) -> list[int]:
    """Which lines of the repaired text these lines of the original are. One that a repair joined to another, or parted,
    is none.

    >>> repaired_lines("a\\n\\x00b\\nc", [Span(2, 3, "", "", "", "")], "a\\nb\\nc", [1, 2])
    [1, 2]
    """
    if not repairs:
        return list(lines)
    ends = _ends(original)
    starts, stops = [0, *(at + 1 for at in ends)], [*ends, len(original)]
    moved = {0: 0, **{at + 1: number for number, at in enumerate(_ends(repaired), 1)}}
    stopped = [*_ends(repaired), len(repaired)]
    found = []
    before = shift = 0
    for line in sorted(lines):
        while before < len(repairs) and repairs[before].end <= starts[line]:
            shift += len(repairs[before].replacement) - (repairs[before].end - repairs[before].start)
            before += 1
        within, inside = before, shift
        while within < len(repairs) and repairs[within].start < stops[line]:
            inside += len(repairs[within].replacement) - (repairs[within].end - repairs[within].start)
            within += 1
        number = moved.get(starts[line] + shift)
        if number is not None and stopped[number] == stops[line] + inside:
            found.append(number)
    return found


def _ends(text: str) -> list[int]:
    return [at for at, char in enumerate(text) if char == "\n"]


def merge_adjacent(spans: Sequence[Span]) -> list[Span]:
    """Adjacent spans of one rule as one span."""
    runs: list[list[Span]] = []
    for span in spans:
        if runs and runs[-1][-1].end == span.start and runs[-1][-1][3:6] == span[3:6]:
            runs[-1].append(span)
        else:
            runs.append([span])
    return [run[0] if len(run) == 1 else _merged(run) for run in runs]


def _merged(run: Sequence[Span]) -> Span:
    """Each as sure, and seen in as many groups, as the least of them."""
    return run[0]._replace(
        end=run[-1].end,
        replacement="".join(span.replacement for span in run),
        confidence=min((span.confidence for span in run if span.confidence is not None), default=None),
        support=min((span.support for span in run if span.support is not None), default=None),
    )


def to_arrow(spans: Sequence[Sequence[Span]]) -> pa.ListArray:
    """The spans of a shard's documents as a column of type SPANS, a list a row."""
    offsets = np.zeros(len(spans) + 1, np.int32)
    np.cumsum([len(row) for row in spans], out=offsets[1:])
    flat = [span for row in spans for span in row]
    columns = zip(*flat, strict=True) if flat else [[] for _ in Span._fields]
    fields = list(SPANS.value_type)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, fields, strict=True)]
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(arrays, fields=fields), type=SPANS)


def from_arrow(column: pa.ChunkedArray) -> list[list[Span]]:
    """The spans of a shard's documents, back from a column of type SPANS."""
    rows: list[list[Span]] = []
    for chunk in column.chunks:
        flat = [Span(*values) for values in zip(*(part.to_pylist() for part in chunk.flatten().flatten()), strict=True)]
        base = chunk.offsets[0].as_py() if len(chunk) else 0
        offsets = [offset - base for offset in chunk.offsets.to_pylist()]
        rows += [flat[start:end] for start, end in itertools.pairwise(offsets)]
    return rows
