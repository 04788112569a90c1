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
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import xxhash

from transforms.schema import with_columns
from transforms.scripts import FULL_STOPS, SENTENCE_ENDS, UNSPACED_SET

_DIGITS = re.compile(r"\d\d*")  # re finds the first of a class three times faster than the first of a repetition
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
# A key that is only asked about: whether another article of the site is called so, or begins so. It counts nothing.
ASKED = 4


def fold(line: str) -> str:
    """The form under which a line is counted."""
    return " ".join(_DIGITS.sub("0", line.lower()).split())


def line_hashes(text: str) -> list[int]:
    """A hash a line of `text.split("\\n")`: uint64, 0 for lines without a letter."""
    return _hashes(_DIGITS.sub("0", text.lower()).split("\n"))


def _hashes(lines: Iterable[str]) -> list[int]:
    digest, find_letter, kept = xxhash.xxh3_64_intdigest, _LETTER.search, ~KIND_BITS
    # A printable line has no white space but blanks; most have nothing to squeeze, and splitting costs the most here.
    return [
        digest((line.strip(" ") if "  " not in line and line.isprintable() else " ".join(line.split())).encode()) & kept
        if line and (line[0].isalpha() or find_letter(line))
        else 0
        for line in lines
    ]


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
    if length < SHORTEST_PROSE:
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
    lowered = text.lower()
    folded = _DIGITS.sub("0", lowered)
    folds = folded.split("\n")
    hashes = _hashes(folds)
    lines = [line.strip() for line in text.split("\n")]
    places = [at for at, line in enumerate(lines) if line]
    prose = [place for place, at in enumerate(places) if len(lines[at]) >= SHORTEST_PROSE and is_prose(lines[at])]
    titles = title_places(lines, places)
    plain = hashes.copy()
    for at in titles:
        plain[at] = key(hashes[at], Kind.TITLE)
    counted = set(plain)
    if folded != lowered:
        is_paragraph = {places[place] for place in prose}
        exact = [
            was
            for at, (fold, was) in enumerate(zip(folds, lowered.split("\n"), strict=True))
            if fold != was and hashes[at] and at not in is_paragraph
        ]
        kind = int(Kind.EXACT)
        counted.update([value | kind for value in _hashes(exact)])
    for number, place in enumerate(prose):
        found = openings(lines, hashes, places, place)
        if number:
            counted.update(value | Kind.OPENING | ASKED for value in found)
        elif place <= TITLE_LINES:  # the last of them has the document's first line
            counted.update(value | Kind.OPENING for value in list(found)[-1:])
    for at in places[prose[-1] + 1 :][:ASKED_LINES] if prose else ():
        if hashes[at] and width(lines[at]) >= TITLE_WIDTH:
            counted.add(hashes[at] | Kind.TITLE | ASKED)
    keys = sorted(counted - {0})
    document = xxhash.xxh3_64_intdigest(np.array(list(filter(None, hashes)), "<u8").tobytes())
    long = sorted(
        (-len(line), value) for line, value in zip(lines, hashes, strict=True) if len(line) >= LONG_LINE_CHARS and value
    )
    longest = list(dict.fromkeys(value for _, value in long))[:LONG_LINES]
    return Index(hashes, keys, document, longest or [document])


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


def index_lines(documents: pa.Table) -> pa.Table:
    """Index the lines of every document: adds `lines`, `line_keys`, `line_document`, `long_lines`.

    Rows and order stay.
    """
    indexes = [index(text) for text in documents["text"].to_pylist()]
    return with_columns(
        documents,
        lines=[entry.lines for entry in indexes],
        line_keys=[entry.keys for entry in indexes],
        line_document=[entry.document for entry in indexes],
        long_lines=[entry.long_lines for entry in indexes],
    )
