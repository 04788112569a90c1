"""One pass over a document's lines, shared by the template index and the stripping.

A line's **fold** is what makes it the same line on another page: lower case, runs of digits as `0`, white space
squeezed. Its hash (xxh3, 61 bit, the same in every version) stands for it; 0 stands for a line that says nothing
(blank, or without a letter), which is never evidence. The three lowest bits of a hash are 0: there a key says what it
counts (`Kind`).

>>> fold("  Seite 12  von 345 ")
'seite 0 von 0'
>>> line_hashes("Seite 1\\n***") == [line_hashes("SEITE 345")[0], 0]
True
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from transforms.batches import batches
from transforms.schema import with_columns
from transforms.scripts import FULL_STOPS, SENTENCE_ENDS, UNSPACED_SET

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_DIGITS = re.compile(r"\d\d*")  # re finds the first of a class three times faster than the first of a repetition
# What matters of a code point; beyond the last of the table is nothing of it.
_DIGIT, _ODD_SPACE, _BLANK, _BREAK = range(1, 5)
_KINDS = np.zeros(0x20000, np.uint8)
_ALL = "".join(map(chr, range(len(_KINDS))))
for _kind, _pattern in ((_DIGIT, r"\d"), (_ODD_SPACE, r"\s"), (_BLANK, " "), (_BREAK, r"\n")):
    _KINDS[[found.start() for found in re.finditer(_pattern, _ALL)]] = _kind
_LETTER = re.compile(r"[^\W\d_]")

# A line of prose: a full sentence's end and room for more than a teaser, in Latin letters; a CJK letter says
# about as much as two and a half of them. Longest teaser among 24 sites read: 93 characters.
PROSE_WIDTH = 100
# … or so long that no list of links has it, whatever its end.
LONG_PROSE_WIDTH = 250
WIDE_LETTER = 1.5
WIDEST = 1 + WIDE_LETTER
# Whatever letters it is of, a shorter line is none. Most lines are shorter, and where lines are walked, aren't asked.
SHORTEST_PROSE = int(PROSE_WIDTH / WIDEST)
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")
# Thai and Lao mark no sentence's end: there the length alone tells, about a sentence and a half.
UNMARKED_PROSE_WIDTH = 150
_UNMARKED = re.compile("[\u0e00-\u0eff][\"'”’»)]*$")
_SENTENCE_END = tuple(SENTENCE_ENDS)
_STOPS = tuple(FULL_STOPS)
_NO_SPACES = re.compile(f"[{UNSPACED_SET}]")
_CLOSING = "\"'”’»«“)]）」』】"
# Cut off by a program: an ellipsis glued to a letter. Prose that trails off is longer or ends a dialogue.
_CUT_OFF = re.compile(r"[^\W_](?:\.\.\.|…|\[\.\.\.\]|\[…\])$")
_CUT_OFF_CHARS = 6
_BULLET = re.compile(r"\s*[•●▪◦‣·*–—-]\s")

# A title stands in its own article once, and in the lists of related articles of many others: there it looks like
# a template. So where titles stand (first lines, and those right above the body) lines are counted apart.
TITLE_LINES = 3
# Of a tail so many lines are asked about; narrower ones are titles of nothing.
ASKED_LINES = 60
TITLE_WIDTH = 20

# The long lines by which articles are known again (templates.GROUP_LINES of them group), and those that tell the
# lines of the page around them apart: a footer stands among others on every page.
LONG_LINES = 6
LONG_LINE_CHARS = 80


class Kind(IntEnum):
    """What a key counts; it is the three lowest bits of the key."""

    LINE = 0  # the line, its numbers folded
    TITLE = 1  # the line where a title may stand
    EXACT = 2  # a line that has numbers, with its numbers as they are; a paragraph is told by its words
    OPENING = 3  # a title and the first paragraph below it


KIND_BITS = 7
_TITLE, _EXACT, _OPENING = np.uint64(Kind.TITLE), np.uint64(Kind.EXACT), np.uint64(Kind.OPENING)
_NONE, _HASH_BITS = np.uint64(0), np.uint64(0xFFFFFFFFFFFFFFFF & ~KIND_BITS)
# A key that is only asked about: whether another article of the site is called so, or begins so. It counts nothing.
ASKED = 4
_ASKED = np.uint64(ASKED)


def fold(line: str) -> str:
    """The form under which a line is counted."""
    return " ".join(_DIGITS.sub("0", line.lower()).split())


def line_hashes(text: str) -> list[int]:
    """A hash a line of `text.split("\\n")`: uint64, 0 for lines without a letter."""
    return _hashes(_DIGITS.sub("0", text.lower()).split("\n"))


def _hashes(lines: Iterable[str]) -> list[int]:
    return [value & ~KIND_BITS for value in _digests(" ".join(line.split()) for line in lines)]


def _digests(lines: Iterable[str]) -> list[int]:
    """Of lines whose white space is squeezed. Most begin with a letter."""
    digest, find_letter = xxhash.xxh3_64_intdigest, _LETTER.search
    return [digest(line.encode()) if line and (line[0].isalpha() or find_letter(line)) else 0 for line in lines]


def exact_hash(line: str) -> int:
    """The hash of a line with its numbers as they are."""
    return _hashes([line.lower()])[0]


def opening_hash(title: int, paragraph: int) -> int:
    """What stands for a title with the first paragraph below it, from the hashes of both."""
    return (title * _ODD ^ paragraph) & 0xFFFFFFFFFFFFFFFF & ~KIND_BITS


_ODD = 0x9E3779B97F4A7C15


def title_places(lines: Sequence[str], places: Iterable[int]) -> set[int]:
    """Those of `places` where a title may stand: the first lines, and the last ones above the body."""
    head: list[int] = []
    for at in places:
        if len(lines[at]) >= SHORTEST_PROSE and is_prose(lines[at]):
            return {*head[:TITLE_LINES], *head[-TITLE_LINES:]}
        head.append(at)
    return set(head[:TITLE_LINES])  # no body: nothing is above it


def key(line_hash: int, kind: Kind) -> int:
    """Under what a line is counted; 0 where it says nothing."""
    return line_hash | kind if line_hash else 0


def width(line: str) -> float:
    """The line's length in Latin letters."""
    return len(line) if line.isascii() else len(line) + WIDE_LETTER * len(_WIDE.findall(line))


def is_teaser(line: str) -> bool:
    """Whether the line was cut off by a program."""
    return _is_cut_off(line) and width(line) < LONG_PROSE_WIDTH


def _is_cut_off(line: str) -> bool:
    # A search of the whole line would try every letter of it.
    return line.endswith(("...", "…", "]")) and _CUT_OFF.search(line[-_CUT_OFF_CHARS:]) is not None


def is_bulleted(line: str) -> bool:
    """Whether the line is an item of a list."""
    return _BULLET.match(line) is not None


def ends_sentence(line: str, stops_only: bool = False) -> bool:
    """Whether the line ends with the mark of a sentence; with `stops_only`, one of a statement. A teaser doesn't."""
    return line.rstrip(_CLOSING).endswith(_STOPS if stops_only else _SENTENCE_END) and not _is_cut_off(line)


def word_count(line: str) -> int:
    """Words of a line, as far as decisions need them: in scripts without blanks three letters count as one."""
    words = line.count(" ") + 1
    return words if line.isascii() else words + len(_NO_SPACES.findall(line)) // 3


def is_prose(line: str) -> bool:
    """Whether the line is a full paragraph."""
    length = len(line)
    if length < SHORTEST_PROSE or (length < PROSE_WIDTH and line.isascii()):
        return False
    if length < LONG_PROSE_WIDTH:  # wide letters are counted only where they can decide
        ends = ends_sentence(line)
        if ends and length < PROSE_WIDTH and width(line) < PROSE_WIDTH:
            return False
        if not ends and (length < LONG_PROSE_WIDTH / WIDEST or width(line) < LONG_PROSE_WIDTH):
            return length >= UNMARKED_PROSE_WIDTH and _UNMARKED.search(line) is not None and not is_bulleted(line)
    return not is_bulleted(line)


class Index(NamedTuple):
    """What the template count needs of one document."""

    lines: list[int]  # a hash a line, as `line_hashes`
    keys: list[int]  # what is counted, and what is asked (ASKED): distinct, sorted
    document: int  # uint64; documents of the same folded text are the same here
    long_lines: list[int]  # hashes of its longest lines, at most LONG_LINES


def index(text: str) -> Index:
    """The line index of one document."""
    lines, keys, documents, long_lines = _index([text])
    return Index(lines.values.tolist(), keys.values.tolist(), int(documents[0]), long_lines.values.tolist())


def openings(lines: Sequence[str], hashes: Sequence[int], places: Sequence[int], place: int) -> Iterator[int]:
    """What the paragraph at `places[place]` would be known by as the first of an article: the hash of it with each of
    the lines right above it that may be the title."""
    paragraph = hashes[places[place]]
    for above in range(place - 1, max(-1, place - 1 - TITLE_LINES), -1):
        at = places[above]
        if len(lines[at]) >= SHORTEST_PROSE and is_prose(lines[at]):
            return
        if hashes[at] and paragraph:
            yield opening_hash(hashes[at], paragraph)


# Documents are taken together up to here, to bound memory (~60 bytes a character) and stay near the cache.
BATCH_CHARS = 500_000


def index_lines(documents: pa.Table) -> pa.Table:
    """Index the lines of every document: adds `lines`, `line_keys`, `line_document`, `long_lines`.

    Rows and order stay.
    """
    found = list(batches(documents["text"].to_pylist(), len, BATCH_CHARS)) or [[]]  # of no document, empty columns
    lines, keys, known, long_lines = zip(*map(_index, found), strict=True)
    return with_columns(
        documents,
        lines=_column(lines),
        line_keys=_column(keys),
        line_document=pa.array(np.concatenate(known)),
        long_lines=_column(long_lines),
    )


class _Lists(NamedTuple):
    """A list a document."""

    values: U64  # those of all documents
    sizes: I64


def _column(parts: Sequence[_Lists]) -> pa.Array:
    offsets = np.cumsum(np.concatenate([[0], *(part.sizes for part in parts)]), dtype=np.int32)
    return pa.ListArray.from_arrays(offsets, np.concatenate([part.values for part in parts]))


def _index(texts: Sequence[str]) -> tuple[_Lists, _Lists, U64, _Lists]:
    """What `Index` has, of several documents."""
    folds, untidy, numbered = _folds("\n".join([text.lower() for text in texts]))
    parts = [text.split("\n") for text in texts]
    counts = np.array([len(part) for part in parts], np.int64)
    lines = list(chain.from_iterable(parts))
    for at in untidy.tolist():
        lines[at] = lines[at].strip()
    hashes = np.array(_digests(folds), np.uint64)[: len(lines)] & _HASH_BITS  # of no text there is a line, too
    document = np.repeat(np.arange(len(texts)), counts)
    lengths = np.fromiter(map(len, lines), np.int64, len(lines))
    prose = np.zeros(len(lines), np.bool_)
    wide = np.flatnonzero(lengths >= SHORTEST_PROSE)
    prose[wide] = [is_prose(lines[at]) for at in wide.tolist()]

    exact = numbered[(hashes[numbered] != _NONE) & ~prose[numbered]]
    keys = [
        (document[exact], np.array(_hashes([lines[at].lower() for at in exact.tolist()]), np.uint64) | _EXACT),
        *_keys(lines, lengths > 0, hashes, document, prose),
    ]
    known = _document_hashes(hashes, document, len(texts))
    return _Lists(hashes, counts), _distinct(keys, len(texts)), known, _longest(lengths, hashes, document, known)


def _document_hashes(hashes: U64, document: I64, documents: int) -> U64:
    """A hash a document, of those of its lines."""
    said = np.flatnonzero(hashes)
    content = hashes[said].astype("<u8").tobytes()
    bounds = [0, *(8 * np.cumsum(np.bincount(document[said], minlength=documents))).tolist()]
    return np.array([xxhash.xxh3_64_intdigest(content[begin:end]) for begin, end in pairwise(bounds)], np.uint64)


def _distinct(keys: Sequence[tuple[I64, U64]], documents: int) -> _Lists:
    """The distinct keys of each document, sorted."""
    document, values = (np.concatenate(parts) for parts in zip(*keys, strict=True))
    order = np.lexsort((values, document))
    document, values = document[order], values[order]
    is_other = (np.diff(document, prepend=-1) != 0) | (np.diff(values, prepend=_NONE) != 0)
    other = np.flatnonzero(is_other & (values != _NONE))
    return _Lists(values[other], np.bincount(document[other], minlength=documents))


def _longest(lengths: I64, hashes: U64, document: I64, known: U64) -> _Lists:
    """The hashes of each document's longest lines; its own, as `known`, where none is long."""
    long = np.flatnonzero((lengths >= LONG_LINE_CHARS) & (hashes != _NONE))
    long = long[np.lexsort((hashes[long], -lengths[long], document[long]))]
    found: list[dict[int, None]] = [{} for _ in known]
    for number, value in zip(document[long].tolist(), hashes[long].tolist(), strict=True):
        if len(found[number]) < LONG_LINES:
            found[number][value] = None
    chosen = [list(values) or [one] for values, one in zip(found, known.tolist(), strict=True)]
    sizes = np.array([len(values) for values in chosen], np.int64)
    return _Lists(np.array([value for values in chosen for value in values], np.uint64), sizes)


def _folds(lowered: str) -> tuple[list[str], I64, I64]:
    """The folded lines of texts in lower case; which of them had white space to squeeze, and which other numbers."""
    codes = np.frombuffer(lowered.encode("utf-32-le"), np.uint32).astype(np.int64)
    kinds = _KINDS.take(codes, mode="clip")
    breaks = np.append(np.flatnonzero(kinds == _BREAK), len(codes))
    digits = np.flatnonzero(kinds == _DIGIT)
    begins = np.flatnonzero(np.diff(digits, prepend=-2) != 1)
    starts, ends = digits[begins], digits[np.append(begins[1:], len(digits))[: len(begins)] - 1] + 1
    between = zip([0, *ends.tolist()], [*starts.tolist(), len(lowered)], strict=True)
    folds = "0".join([lowered[end:start] for end, start in between]).split("\n")

    # White space other than blanks, two of them, or one at the edge.
    is_gap = np.concatenate([[True], kinds >= _BLANK, [True]])
    untidy = (kinds == _ODD_SPACE) | ((kinds == _BLANK) & (is_gap[:-2] | is_gap[2:]))
    to_squeeze = np.unique(np.searchsorted(breaks, np.flatnonzero(untidy)))
    for at in to_squeeze.tolist():
        folds[at] = " ".join(folds[at].split())
    numbered = np.unique(np.searchsorted(breaks, starts[(ends - starts > 1) | (codes[starts] != ord("0"))]))
    return folds, to_squeeze, numbered


def _keys(lines: Sequence[str], inked: Bools, hashes: U64, document: I64, prose: Bools) -> Iterator[tuple[I64, U64]]:
    """Of the lines of several documents what is counted, and what is asked: the document of each key, and the key."""
    there = np.flatnonzero(inked)
    hashes, of, prose = hashes[there], document[there], prose[there]
    at = np.arange(len(there))
    start = np.searchsorted(of, of)
    paragraphs = np.flatnonzero(prose)
    # Of each line's document the first paragraph and the last; behind all lines where there is none.
    first, last = (np.full(int(document.max(initial=-1)) + 1, len(there)) for _ in range(2))
    first[of[paragraphs[::-1]]] = paragraphs[::-1]
    last[of[paragraphs]] = paragraphs
    first, last = first[of], last[of]

    is_above = at < first
    is_title = is_above & ((at < start + TITLE_LINES) | ((first < len(there)) & (at >= first - TITLE_LINES)))
    yield of, np.where(is_title & (hashes != _NONE), hashes | _TITLE, hashes)

    # The openings: each paragraph with the lines right above it.
    paragraph, top = hashes[paragraphs], start[paragraphs]
    is_first = paragraphs == first[paragraphs]
    is_open = np.ones(len(paragraphs), np.bool_)
    opening = np.zeros(len(paragraphs), np.uint64)
    for above in range(1, TITLE_LINES + 1):
        title = np.maximum(paragraphs - above, 0)
        is_open &= (paragraphs - above >= top) & ~prose[title]
        has_both = is_open & (hashes[title] != _NONE) & (paragraph != _NONE)
        value = (hashes[title] * np.uint64(_ODD) ^ paragraph) & _HASH_BITS
        later = has_both & ~is_first
        yield of[paragraphs[later]], value[later] | _OPENING | _ASKED
        opening = np.where(has_both & is_first, value | _OPENING, opening)
    yield of[paragraphs], np.where(paragraphs - top <= TITLE_LINES, opening, _NONE)

    # What may be titles of other articles, below the last paragraph.
    below = np.flatnonzero((at > last) & (at <= last + ASKED_LINES) & (hashes != _NONE))
    below = below[[width(lines[place]) >= TITLE_WIDTH for place in there[below].tolist()]]
    yield of[below], hashes[below] | _TITLE | _ASKED
