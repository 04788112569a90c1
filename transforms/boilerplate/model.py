"""The learned line model: which lines of a whole page are its article, and whether a text is a whole page at all.

Rules take residue off extracted text, but on whole pages (every block of the page a line) navigation, teasers and
lists of links outweigh the article, and no phrase names most of them. A model that reads the shape of a line and of
its neighbourhood does: shingle F1 .77 → .9 on daniel where rules alone stopped (docs/decisions.md has the figures).

A page is looked at twice. The first look reads widths, classes of characters, how much of a line's vocabulary the
paragraphs share, how many of its words phrases of furniture are made of, lines that look, begin or end alike,
repetition in the document and on the site, anchors near it, its place among the paragraphs. The second reads the
first scores of the neighbourhood, of the block a line stands in and of the best run of lines, and how many words it
has from that run and from the title above it. What is the same for all lines of a document is no part of it, and no
feature is a word of the texts it learned from.

Three ensembles of oblivious trees (every node of a level asks the same question, so a tree is a table look-up): two
score lines, one tells whole pages from extracted text. Features, thresholds and leaves are integers and their sums are
exact, so a score is the same on every machine. Which lines stay is decided in `pages.py`.

Weights are data (`model/lines.npz`: trees, character classes, provenance), made by `benchmarks/train_line_model.py`.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from transforms.batches import batches
from transforms.boilerplate.anchors import WORD_SCRIPTS, Anchor, match_paragraph, notice_words, rules
from transforms.boilerplate.lines import LONG_PROSE_WIDTH, PROSE_WIDTH
from transforms.boilerplate.templates import Templates
from transforms.errors import ConfigError
from transforms.folding import fold
from transforms.scripts import first_script

Ints = npt.NDArray[np.int64]
Matrix = npt.NDArray[np.int16]

# Classes of characters; the table from code point to class ships with the weights, so that a newer Unicode in a
# newer Python changes nothing.
OTHER, SPACE, LOWER, UPPER, CASELESS, WIDE, DIGIT, END, COMMA, COLON, SEPARATOR, QUOTE, SIGN, NEWLINE = range(14)
CLASSES = 14
CODE_POINTS = 0x20000  # what lies above counts as OTHER

# Widths are in tenths of a Latin letter; a wide one counts 2.5 (`lines.WIDE_LETTER`).
_WIDE_TENTHS = 25
_PROSE = int(PROSE_WIDTH * 10)
_LONG_PROSE = int(LONG_PROSE_WIDTH * 10)
# A line as short as a link, without a sentence's end.
_LINK = 500
# Words are compared in buckets of a table a document: a few collisions cost nothing, sorting words would.
_BUCKETS = 4096
# Documents are taken together up to here, to bound memory (~50 bytes a character of a page), and what is reckoned of
# every character up to there, to stay in the cache. Trees look at the lines of several batches.
SCORED_CHARS, BATCH_CHARS, PART_CHARS = 2_000_000, 500_000, 100_000
_FAR = 99  # no such line; also the cap of distances
# No sum of gains over a document comes near it, and so many documents times it is no number too large.
_LEVEL = 1 << 40
_REASONS = (
    "related", "navigation", "share", "subscribe", "comments", "author_bio",
    "byline", "header", "legal", "contact", "cookie", "promotion",
)  # fmt: skip
_NEIGHBOURS = (-5, -4, -3, -2, -1, 1, 2, 3, 4, 5)
_WINDOWS = (2, 5, 12, 30)


class Page(NamedTuple):
    """One document as the model reads it."""

    text: str
    hashes: Sequence[int]  # a hash a line of `text.split("\\n")`
    anchors: list[Anchor | None]  # what each of those lines is
    templates: Templates


# So few rows are scored by all trees at once.
FEW_ROWS = 1000


class Trees(NamedTuple):
    """An ensemble of oblivious trees of one depth. A line's score is `bias` + the sum of its leaves."""

    feature: npt.NDArray[np.int16]  # [trees, depth]
    above: npt.NDArray[np.int16]  # [trees, depth]: whether the feature is greater
    leaves: npt.NDArray[np.int32]  # [trees, 2 ** depth], in 1/SCALE of a logit
    bias: int

    def scores(self, matrix: Matrix) -> npt.NDArray[np.int32]:
        """A score a column of `matrix` [features, rows]."""
        rows = matrix.shape[1]
        if 0 < rows <= FEW_ROWS and len(self.feature):
            return self._few_scores(matrix)
        scores = np.full(rows, self.bias, np.int32)
        above, leaf, gain = np.empty(rows, np.bool_), np.empty(rows, np.uint8), np.empty(rows, np.int32)
        bit = above.view(np.uint8)
        for features, thresholds, leaves in zip(self.feature.tolist(), self.above, self.leaves, strict=True):
            leaf.fill(0)
            for level in reversed(range(len(features))):  # the first split is the lowest bit
                np.greater(matrix[features[level]], thresholds[level], out=above)
                np.add(leaf, leaf, out=leaf)
                np.add(leaf, bit, out=leaf)
            np.take(leaves, leaf, out=gain, mode="clip")  # no leaf is out of range; "raise" would buffer
            np.add(scores, gain, out=scores)
        return scores

    def _few_scores(self, matrix: Matrix) -> npt.NDArray[np.int32]:
        """The same, all trees at once: for a page alone, calls cost more than what they do."""
        above = matrix[self.feature] > self.above[:, :, None]
        leaf = np.zeros((len(self.feature), matrix.shape[1]), np.uint8)
        for level in reversed(range(self.feature.shape[1])):
            leaf += leaf
            leaf += above[:, level].view(np.uint8)
        trees, size = self.leaves.shape
        gains = self.leaves.ravel().take(leaf + np.arange(0, trees * size, size)[:, None])
        return np.asarray(gains.sum(axis=0, dtype=np.int32) + np.int32(self.bias), np.int32)


# A whole page has at least so many short lines: 99 of 100 have more (daniel, wcxb, trafseg), half of extracted texts
# have fewer.
SHORT_LINE, PAGE_SHORT_LINES = 50, 10
# … and such a share of its lines is short: 1 of 500 found pages has less, as have a fifth of extracted texts (wcxb).
PAGE_SHORT_SHARE = 0.25
# … and has anchors of two kinds at least, so many of them or in so many of 1,000 lines.
PAGE_ANCHORS, PAGE_ANCHOR_SHARE = 5, 30
# Scores are in thousandths of a logit.
SCALE = 1000
# A line's score is seven parts of the second look, three of the first: the second alone costs wcxb and trafseg .002.
SECOND = 7
NO_TREES = Trees(np.zeros((0, 0), np.int16), np.zeros((0, 0), np.int16), np.zeros((0, 1), np.int32), 0)


@dataclass(frozen=True, slots=True)
class Model:
    """Weights: the two ensembles, the classes of characters, and where they come from."""

    lines: Trees  # a first score of each line
    blocks: Trees  # a second one, now that its neighbours have one
    pages: Trees
    classes: npt.NDArray[np.uint8]
    letters: npt.NDArray[np.uint64]  # by code point: what it adds to the hash of its word, 0 where it is of none
    furniture: npt.NDArray[np.uint8]  # by the hash of a word: what furniture it is a word of
    folded: npt.NDArray[np.uint64]  # as `letters`, where words are folded as phrases are
    odd: npt.NDArray[np.bool_]  # by code point: whether it can't be folded alone
    notices: npt.NDArray[np.bool_]  # by the hash of a folded word: whether a notice may be known by it
    provenance: Mapping[str, Any]


@cache
def load(path: str = "") -> Model:
    """The model at `path`, or the shipped one. Raises: ConfigError where it can't be read."""
    return _learned(read(path))


@cache
def read(path: str = "") -> Model:
    """The same before it knows the phrases, which take half a second. Raises: as `load` does."""
    where = path or "transforms/boilerplate/model/lines.npz"
    try:
        content = (
            Path(path).read_bytes() if path else (files("transforms.boilerplate") / "model" / "lines.npz").read_bytes()
        )
        with np.load(BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        return from_arrays(arrays)
    except OSError as error:
        raise ConfigError(f"boilerplate.model_path: {where}: {error.strerror or error}") from None
    except (BadZipFile, ValueError, KeyError, EOFError) as error:
        raise ConfigError(f"boilerplate.model_path: {where} holds no line model: {error}") from None


def from_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> Model:
    """The model of the arrays of a weights file, before it knows the phrases. Raises: KeyError, ValueError where they
    aren't one."""
    provenance = json.loads(arrays["provenance"].tobytes())
    features = {"lines": len(LINE_FEATURES), "blocks": len(BLOCK_FEATURES), "pages": len(PAGE_FEATURES)}
    if provenance["features"] != features:
        raise ValueError(f"made for other features: {provenance['features']}")
    blank = _unread(
        _checked(arrays, "classes", np.uint8, (CODE_POINTS,)), _checked(arrays, "lower", np.int32, (CODE_POINTS,))
    )
    return replace(
        blank,
        lines=read_trees(arrays, "lines", len(LINE_FEATURES)),
        blocks=read_trees(arrays, "blocks", len(BLOCK_FEATURES)),
        pages=read_trees(arrays, "pages", len(PAGE_FEATURES)),
        provenance=provenance,
    )


def read_trees(arrays: Mapping[str, npt.NDArray[Any]], name: str, features: int) -> Trees:
    """The ensemble `name` of a weights file. Raises: KeyError, ValueError where there is none."""
    trees, depth = arrays[f"{name}_feature"].shape
    found = Trees(
        _checked(arrays, f"{name}_feature", np.int16, (trees, depth)),
        _checked(arrays, f"{name}_above", np.int16, (trees, depth)),
        _checked(arrays, f"{name}_leaves", np.int32, (trees, 2**depth)),
        int(arrays[f"{name}_bias"]),
    )
    if found.feature.min(initial=0) < 0 or found.feature.max(initial=0) >= features:
        raise ValueError(f"{name}: a feature out of range")
    return found


def _checked(arrays: Mapping[str, npt.NDArray[Any]], name: str, dtype: Any, shape: tuple[int, ...]) -> Any:
    array = arrays[name]
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(f"{name} is {array.dtype}{list(array.shape)}, expected {np.dtype(dtype)}{list(shape)}")
    return array


# ------------------------------------------------------------------------------------------------------------- features


def _chars(page: Page) -> int:
    return len(page.text)


class _Part:
    """Some pages of a batch, of so few characters that what is reckoned of each stays in the cache: where their lines
    lie and what they are made of, blank ones left out."""

    def __init__(self, pages: Sequence[Page], model: Model) -> None:
        text = "\n".join([page.text for page in pages])
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.int64)
        if codes.max(initial=0) >= CODE_POINTS:
            codes[codes >= CODE_POINTS] = 0
        classes = model.classes[codes]
        ends = np.append(np.flatnonzero(codes == 10), len(codes))
        starts = np.append(0, ends[:-1] + 1)
        line_of = np.repeat(np.arange(len(starts)), ends - starts + 1)[: len(codes)]
        counts = np.bincount(line_of * CLASSES + classes, minlength=len(starts) * CLASSES)
        counts = counts.reshape(len(starts), CLASSES)

        kinds = classes.copy()  # letters of every case look alike, and so do spaces and newlines
        np.copyto(kinds, LOWER, where=(classes == UPPER) | (classes == CASELESS))
        np.copyto(kinds, SPACE, where=classes == NEWLINE)
        ink = kinds != SPACE
        runs = ink.copy()
        runs[1:] &= kinds[1:] != kinds[:-1]
        begins = np.flatnonzero(runs)  # of runs of one kind, but those of spaces
        stops = np.flatnonzero(ink[:-1] & ~ink[1:])
        if ink[-1:].any():
            stops = np.append(stops, len(ink) - 1)
        kept = np.flatnonzero(counts.sum(axis=1) > counts[:, SPACE] + counts[:, NEWLINE])
        # A line's first ink begins a run, and its last ends a stretch of ink.
        first = begins[np.searchsorted(begins, starts[kept])]
        last = stops[np.searchsorted(stops, ends[kept]) - 1]

        self.model, self.lines = model, len(starts)
        self.kept, self.counts = kept, counts[kept]
        self.starts, self.ends = starts[kept], ends[kept]
        self.first, self.last = classes[first], classes[last]
        self.before_last = classes[np.maximum(last - 1, first)]
        self.is_cut_off = (codes[last] == 0x2026) | (
            (codes[last] == 46) & (codes[np.maximum(last - 1, 0)] == 46) & (codes[np.maximum(last - 2, 0)] == 46)
        )
        self.shape = self._shapes(kinds[begins], line_of[begins])[kept]

        # A run of letters and digits is a word, and so is every wide letter.
        wide = classes == WIDE
        is_word = _is_word(classes)
        opens = is_word.copy()
        opens[1:] &= ~is_word[:-1] | wide[1:] | wide[:-1]
        self._codes = codes
        self._begin = np.flatnonzero(opens)
        bounds = np.append(np.searchsorted(self._begin, starts), len(self._begin))
        self.words = np.diff(bounds)[kept]
        # Lines that have words, and where these begin: no word stands in a line that is left out.
        self._worded = np.flatnonzero(self.words)
        self._first_words = bounds[kept][self._worded]
        self.capitals = self.per_line(classes[self._begin] == UPPER)

    def _shapes(self, kind: npt.NDArray[np.uint8], line: Ints) -> Ints:
        """What each line looks like, of its runs of ink: their kinds in order, equal ones as one. 0 of one run."""
        is_other = np.ones(len(kind), np.bool_)
        is_other[1:] = (kind[1:] != kind[:-1]) | (line[1:] != line[:-1])
        begins = np.flatnonzero(is_other)
        kind, line = kind[begins], line[begins]
        number = np.bincount(line, minlength=self.lines)
        first = np.cumsum(number) - number
        rank = np.arange(len(line)) - first[line]
        mixed = (kind.astype(np.uint64) + np.uint64(1)) * _POWERS.take(rank, mode="clip")
        sums = np.append(np.uint64(0), np.cumsum(mixed))
        shape = (sums[first + number] - sums[first]).view(np.int64)
        return np.where(number > 1, shape, 0)

    def hashes(self, letters: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        """A hash a word, of what each letter adds."""
        begin, ends = self._begin, np.append(self._begin[1:], len(self._codes))
        if len(begin) == 0:
            return np.zeros(0, np.uint64)
        # As if one word began with the text and went on. What stands between words adds nothing.
        powers, inverse = _powers_of(len(self._codes))
        added = letters[self._codes]
        sums = np.diff(np.cumsum(added * powers)[ends - 1], prepend=np.uint64(0)) * inverse[begin]
        for word in np.flatnonzero(ends - begin > len(_POWERS)).tolist():
            of = added[begin[word] : ends[word]]
            sums[word] = (of * _POWERS.take(np.arange(len(of)), mode="clip")).sum()
        hashes: npt.NDArray[np.uint64] = sums * np.uint64(0x9E3779B97F4A7C15)
        return hashes

    def may_be_notices(self) -> npt.NDArray[np.bool_]:
        """Which lines `match_paragraph` may know: those with a word of a notice, and those it alone can read."""
        if len(self.kept) == 0:
            return np.zeros(0, np.bool_)
        buckets = (self.hashes(self.model.folded) >> np.uint64(64 - _NOTICE_BITS)).astype(np.int64)
        # Up to the next line that is not blank: what stands between is space.
        odd = np.logical_or.reduceat(self.model.odd[self._codes], self.starts)
        return (self.per_line(self.model.notices[buckets]) > 0) | odd

    def per_line(self, chosen: npt.NDArray[np.bool_]) -> Ints:
        """How many of the chosen words stand in each line."""
        found = np.zeros(len(self.kept), np.int64)
        if len(self._worded):
            found[self._worded] = np.add.reduceat(chosen, self._first_words, dtype=np.int64)
        return found


class _Lines:
    """The lines of a batch, blank ones left out."""

    def __init__(self, pages: Sequence[Page], model: Model) -> None:
        self._parts = [_Part(part, model) for part in batches(pages, _chars, PART_CHARS)]
        line_counts = np.array([page.text.count("\n") + 1 for page in pages])
        all_document = np.repeat(np.arange(len(pages)), line_counts)
        all_place = np.arange(len(all_document)) - np.repeat(np.cumsum(line_counts) - line_counts, line_counts)
        first = np.cumsum([0, *(part.lines for part in self._parts)])
        self.kept = np.concatenate([part.kept + at for part, at in zip(self._parts, first[:-1], strict=True)])
        self.pages, self.model, self.documents = pages, model, len(pages)
        self.document, self.place = all_document[self.kept], all_place[self.kept]
        self.sizes = np.bincount(self.document, minlength=len(pages))
        self.offsets = np.append(0, np.cumsum(self.sizes))
        self.counts, self.words = self._joined("counts"), self._joined("words")
        self.first, self.last, self.before_last = map(self._joined, ("first", "last", "before_last"))
        self.is_cut_off, self.capitals, self.shape = map(self._joined, ("is_cut_off", "capitals", "shape"))
        self.word_line = np.repeat(np.arange(len(self.kept)), self.words)
        self.around = _Around(self)

    def _joined(self, name: str) -> npt.NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in self._parts])

    def hashes(self) -> npt.NDArray[np.uint64]:
        """A hash a word, the case folded."""
        return np.concatenate([part.hashes(self.model.letters) for part in self._parts])

    def may_be_notices(self) -> npt.NDArray[np.bool_]:
        """Which lines `match_paragraph` may know."""
        return np.concatenate([part.may_be_notices() for part in self._parts])


_PRIME = 0x100000001B3


def _powers(size: int) -> npt.NDArray[np.uint64]:
    """The powers of _PRIME, and what undoes the multiplication by each, modulo 2 ** 64: [2, size]."""
    bases = np.ones((2, size), np.uint64)
    bases[:, 1:] = np.array([[_PRIME], [pow(_PRIME, -1, 2**64)]], np.uint64)
    powers: npt.NDArray[np.uint64] = np.cumprod(bases, axis=1)
    return powers


_kept_powers = cache(_powers)


def _powers_of(size: int) -> npt.NDArray[np.uint64]:
    """The same. Those of a part, with what stands between its pages, are kept; few pages are longer."""
    most = 2 * PART_CHARS
    return _kept_powers(most)[:, :size] if size <= most else _powers(size)


# How a letter counts by its place in the word; those behind the last count as it.
_POWERS = _powers_of(64)[0].copy()


def _is_word(classes: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Which characters are of a word."""
    found: npt.NDArray[np.bool_] = (classes >= LOWER) & (classes <= DIGIT)
    return found


def _quotient(part: Ints, whole: Ints) -> Ints:
    """`part // whole` of what is not below 0 and 1, and below 2 ** 52: there a float's quotient rounds down exactly."""
    return (part / whole).astype(np.int64)


def _share(part: Ints, whole: Ints) -> Ints:
    """Per mille, -1 of nothing."""
    share = _quotient(part * 1000, np.maximum(whole, 1))
    share[whole <= 0] = -1
    return share


class Features:
    """What the ensembles read of a batch of documents. Blank lines have no column.

    Telling whole pages needs the shape of the lines; what stands around each costs as much again, and is only
    reckoned where lines are scored.
    """

    def __init__(self, pages: Sequence[Page], model: Model) -> None:
        self._lines = _Lines(pages, model)
        self.offsets: Ints = self._lines.offsets  # [documents + 1]: which columns of `lines()` are whose
        self.places: Ints = self._lines.place  # [lines]: the column's line number in its document
        self._shape = dict(_shape_columns(pages, self._lines)) if len(self.places) else {}
        self._words: _Words | None = None

    def pages(self) -> Matrix:
        """[features, documents]"""
        if not self._shape:
            return np.zeros((len(PAGE_FEATURES), self._lines.documents), np.int16)
        return matrix_of(dict(_page_columns(self._lines, self._shape)))

    def lines(self) -> Matrix:
        """[features, lines]"""
        if not self._shape:
            return np.zeros((len(LINE_FEATURES), 0), np.int16)
        self._words = _Words(self._lines, self._shape["prose"])
        return matrix_of(self._shape | dict(_context_columns(self._lines, self._shape, self._words)))

    def blocks(self, lines: Matrix, scores: npt.NDArray[np.int32]) -> Matrix:
        """[features, lines]: some of those of `lines`, and what the lines' first scores say of one another."""
        if self._words is None:
            return np.zeros((len(BLOCK_FEATURES), 0), np.int16)
        notices = _notices(self._lines, self._shape, scores)
        columns = dict(_block_columns(self._lines, self._shape, self._words, scores.astype(np.int64), notices))
        return np.concatenate([lines[[LINE_FEATURES.index(name) for name in _CARRIED]], matrix_of(columns)])


def matrix_of(columns: Mapping[str, Ints]) -> Matrix:
    # One call for all: a page has few rows and many columns.
    matrix = np.concatenate(list(columns.values()))
    np.maximum(matrix, -32768, out=matrix)
    np.minimum(matrix, 32767, out=matrix)
    return matrix.astype(np.int16).reshape(len(columns), -1)


_FURNITURE = (
    ("related", "navigation"),
    ("share", "subscribe", "comments", "promotion"),
    ("legal", "contact", "cookie"),
    ("byline", "header", "author_bio"),
)
_FURNITURE_BITS = 20
_NOTICE_BITS = 20
_WORD = re.compile(r"[^\W_]+")


def untrained(classes: npt.NDArray[np.uint8], lower: npt.NDArray[np.int32]) -> Model:
    """A model without trees, which reads features all the same."""
    return _learned(_unread(classes, lower))


def _unread(classes: npt.NDArray[np.uint8], lower: npt.NDArray[np.int32]) -> Model:
    letters = np.where(_is_word(classes), lower.astype(np.uint64) + np.uint64(1), np.uint64(0))
    return Model(
        lines=NO_TREES,
        blocks=NO_TREES,
        pages=NO_TREES,
        classes=classes,
        letters=letters,
        furniture=np.zeros(1 << _FURNITURE_BITS, np.uint8),
        folded=letters.copy(),
        odd=np.ones(CODE_POINTS, np.bool_),
        notices=np.zeros(1 << _NOTICE_BITS, np.bool_),
        provenance={},
    )


def _learned(model: Model) -> Model:
    """The model, now that it knows the phrases."""
    _learn_furniture(model)
    _learn_notices(model)
    return model


def _learn_furniture(model: Model) -> None:
    """Fill the table of the words of which phrases of furniture are made."""
    for bit, reasons in enumerate(_FURNITURE):
        phrases = [
            " ".join(phrase.split())
            for rule in rules()
            if rule.reason.removeprefix("boilerplate.") in reasons
            for phrase in rule.phrases
        ]
        page = Page("\n".join(phrases), [1] * len(phrases), [None] * len(phrases), Templates(0, {}))
        hashes = _Part([page], model).hashes(model.letters)
        model.furniture[(hashes >> np.uint64(64 - _FURNITURE_BITS)).astype(np.int64)] |= 1 << bit


# Latin, Greek, Cyrillic, and the marks of all: what folds letter by letter, and of whose words one is in every notice.
_APART = "\ue000"  # folds to itself, and stands in no text
_FOLDED = (range(0x530), range(0x1E00, 0x2C00))


def _learn_notices(model: Model) -> None:
    """Fill the tables by which paragraphs are known that can't be notices."""
    is_word = (model.letters > 0).tolist()
    codes = [code for part in _FOLDED for code in part]
    pieces = fold(_APART.join([f"a{chr(code)}b" for code in codes])).split(_APART)
    for code, piece in zip(codes, pieces, strict=True):
        folded = piece[1:-1]
        model.odd[code] = (
            not folded
            or (len(folded) > 1 and is_word[code])
            or any(is_word[ord(character)] != is_word[code] for character in folded)
            or first_script(folded) not in WORD_SCRIPTS
        )
        if is_word[code] and not model.odd[code]:
            model.folded[code] = ord(folded) + 1
    words = [max(_WORD.findall(word), key=len) for word in notice_words()]
    page = Page("\n".join(words), [1] * len(words), [None] * len(words), Templates(0, {}))
    model.notices[(_Part([page], model).hashes(model.folded) >> np.uint64(64 - _NOTICE_BITS)).astype(np.int64)] = True


class _Words:
    """The words of the lines, each the bucket it falls into: those that tell of something."""

    def __init__(self, lines: _Lines, prose: Ints) -> None:
        hashes = lines.hashes()
        # In its document's own table.
        document = lines.document[lines.word_line]
        bucket = document * _BUCKETS + (hashes >> np.uint64(64 - 12)).astype(np.int64)
        size = lines.documents * _BUCKETS
        in_prose = prose[lines.word_line] > 0
        in_paragraphs = np.bincount(bucket[in_prose], minlength=size)
        words = np.bincount(document[in_prose], minlength=lines.documents)
        # Words that every paragraph has, whatever it is about.
        is_often = in_paragraphs[bucket] * 100 >= words[document] + 200
        after = np.cumsum(lines.words)
        often = np.append(0, np.cumsum(is_often))
        self.common = often[after] - often[after - lines.words]
        self.first, self.last = (
            np.where(lines.words > 0, np.append(bucket, 0)[np.maximum(at, 0)] + 1, 0)
            for at in (np.minimum(after - lines.words, len(bucket)), after - 1)
        )
        telling = np.flatnonzero(~is_often)
        self.telling = lines.words - self.common
        self._line = lines.word_line[telling]
        self._bucket, self._buckets = _numbered(bucket[telling], size)
        self._ends = np.cumsum(self.telling)
        subjects = lines.model.furniture[(hashes[telling] >> np.uint64(64 - _FURNITURE_BITS)).astype(np.int64)]
        self.furniture = [self._per_line((subjects & (1 << bit)) > 0) for bit in range(len(_FURNITURE))]
        self.any_furniture = self._per_line(subjects > 0)

    def _per_line(self, chosen: npt.NDArray[np.bool_]) -> Ints:
        """How many of the chosen words stand in each line."""
        sums = np.append(0, np.cumsum(chosen))
        number: Ints = sums[self._ends] - sums[self._ends - self.telling]
        return number

    def novel(self) -> Ints:
        """How many words of each line stand nowhere else in its document."""
        return self._per_line(np.bincount(self._bucket, minlength=self._buckets)[self._bucket] == 1)

    def shared(self, lines: npt.NDArray[np.bool_]) -> Ints:
        """Of each line's telling words, how many stand among those of the chosen lines, but for itself."""
        chosen = lines[self._line]
        times = np.bincount(self._bucket[chosen], minlength=self._buckets)
        return self._per_line(times[self._bucket] > chosen)

    def elsewhere(self, lines: npt.NDArray[np.bool_]) -> Ints:
        """The same, per mille."""
        return _share(self.shared(lines), self.telling)


def _numbered(values: Ints, size: int) -> tuple[Ints, int]:
    """Values below `size`, numbered: a number each, and how many there are."""
    occurs = np.zeros(size, np.bool_)
    occurs[values] = True
    different = np.flatnonzero(occurs)
    number = np.empty(size, np.int32)
    number[different] = np.arange(len(different))
    return number[values].astype(np.int64), len(different)


class _Around:
    """What stands around each line, within its document."""

    def __init__(self, lines: _Lines) -> None:
        self.index = np.arange(len(lines.kept))
        self.start, self.stop = lines.offsets[lines.document], lines.offsets[lines.document + 1]
        self._outside = {by: np.flatnonzero(self._is_outside(by)) for by in (*_NEIGHBOURS, -6, 6)}
        self._near: dict[int, tuple[Ints, Ints, Ints]] = {}

    def _is_outside(self, by: int) -> npt.NDArray[np.bool_]:
        at = self.index + by
        outside: npt.NDArray[np.bool_] = (at < self.start) | (at >= self.stop)
        return outside

    def at(self, column: Ints, by: int, otherwise: int = -1) -> Ints:
        """The value so many lines below."""
        moved = np.empty_like(column)
        if by > 0:
            moved[:-by] = column[by:]
        else:
            moved[-by:] = column[:by]
        moved[self._outside[by]] = otherwise
        return moved

    def mean(self, column: Ints, radius: int) -> Ints:
        """The mean over the lines so near, in sixteenths. The column has nothing below 0."""
        if radius not in self._near:
            low, high = np.maximum(self.start, self.index - radius), np.minimum(self.stop, self.index + radius + 1)
            self._near[radius] = low, high, high - low
        low, high, number = self._near[radius]
        sums = np.append(0, np.cumsum(column))
        return _quotient((sums[high] - sums[low]) * 16, number)

    def above(self, chosen: npt.NDArray[np.bool_]) -> Ints:
        """Lines up to the last chosen one above, capped."""
        at = np.append(-1, np.maximum.accumulate(np.where(chosen, self.index, -1))[:-1])
        return np.where(at >= self.start, np.minimum(self.index - at, _FAR), _FAR)

    def below(self, chosen: npt.NDArray[np.bool_]) -> Ints:
        """Lines down to the next chosen one, capped."""
        none = 2 * len(self.index)
        at = np.append(np.minimum.accumulate(np.where(chosen, self.index, none)[::-1])[::-1][1:], none)
        return np.where(at < self.stop, np.minimum(at - self.index, _FAR), _FAR)


def _shape_columns(pages: Sequence[Page], lines: _Lines) -> Iterator[tuple[str, Ints]]:
    """What every line is by itself, on its site and in its document, named."""
    counts, document = lines.counts, lines.document
    around = lines.around
    index, start, stop = around.index, around.start, around.stop
    ink = counts.sum(axis=1) - counts[:, NEWLINE]
    letters = counts[:, [LOWER, UPPER, CASELESS, WIDE]].sum(axis=1)
    width = (ink * 10) + counts[:, WIDE] * (_WIDE_TENTHS - 10)
    closing = np.where((lines.last == QUOTE) & (lines.before_last == END), END, lines.last)
    ends = ((closing == END) & ~lines.is_cut_off).astype(np.int64)
    prose = ((width >= _LONG_PROSE) | ((width >= _PROSE) & (ends > 0))).astype(np.int64)
    link = ((width < _LINK) & ~np.isin(closing, (END, COMMA, COLON, QUOTE))).astype(np.int64)

    columns: dict[str, Ints] = {
        "width": width,
        "words": lines.words,
        "letters": _share(letters, ink),
        "upper": _share(counts[:, UPPER], letters),
        "capitals": _share(lines.capitals, lines.words),
        "digits": _share(counts[:, DIGIT], ink),
        "digit_count": counts[:, DIGIT],
        "wide": _share(counts[:, WIDE], letters),
        "word_width": width // np.maximum(lines.words, 1),
        "sentences": counts[:, END],
        "commas": counts[:, COMMA],
        "comma_share": _share(counts[:, COMMA] * 10, lines.words),
        "colons": counts[:, COLON],
        "separators": counts[:, SEPARATOR],
        "separator_share": _share(counts[:, SEPARATOR], lines.words + counts[:, SEPARATOR]),
        "quotes": counts[:, QUOTE],
        "signs": counts[:, SIGN],
        "others": counts[:, OTHER],
        "first": lines.first.astype(np.int64),
        "last": closing.astype(np.int64),
        "cut_off": lines.is_cut_off.astype(np.int64),
        "prose": prose,
        "link": link,
    }
    yield from columns.items()

    # Repetition in the document and on the site.
    hashes, support, groups = _repetition(pages, lines)
    copies, nth = _copies(hashes, document)
    yield "copies", copies
    yield "nth", nth
    yield "support", support
    yield "support_share", _share(support, groups)
    yield "groups", groups

    # Anchors.
    code, is_heading, confidence = _anchor_columns(pages, lines)
    yield "anchor", code
    yield "anchor_heading", is_heading
    yield "anchor_confidence", confidence
    above = np.maximum.accumulate(np.where(is_heading > 0, index, -1))
    yield "heading_above", np.where(above >= start, np.minimum(index - above, _FAR), _FAR)
    yield "heading_above_is", np.where(above >= start, code[np.maximum(above, 0)], 0)
    yield "anchor_above", around.above(code > 0)
    yield "anchor_below", around.below(code > 0)

    # Where among the paragraphs.
    place = index - start
    mass = np.append(0, np.cumsum(width))
    weight = np.maximum(mass[stop] - mass[start], 1)
    yield "place", place
    yield "place_end", stop - 1 - index
    yield "place_share", place * 1000 // (stop - start)
    yield "mass_above", (mass[index] - mass[start]) * 1000 // weight
    yield "lines", stop - start
    yield "mass", weight // 100
    yield "prose_above", around.above(prose > 0)
    yield "prose_below", around.below(prose > 0)
    prose_index = np.flatnonzero(prose)
    prose_count = np.bincount(document[prose_index], minlength=lines.documents)
    prose_sum = np.append(0, np.cumsum(prose))
    yield "prose_count", prose_count[document]
    yield "prose_before", prose_sum[index] - prose_sum[start]
    yield "prose_after", prose_sum[stop] - prose_sum[index + 1]


def _context_columns(lines: _Lines, columns: Mapping[str, Ints], words: _Words) -> Iterator[tuple[str, Ints]]:
    """What stands around every line, named."""
    document = lines.document
    around = lines.around
    index = around.index
    width, prose, code, copies = columns["width"], columns["prose"], columns["anchor"], columns["copies"]
    ends = ((columns["last"] == END) & (columns["cut_off"] == 0)).astype(np.int64)
    mass = np.append(0, np.cumsum(width))
    weight = np.maximum(mass[around.stop] - mass[around.start], 1)
    for name, gain in (
        ("segment", np.where(ends > 0, np.minimum(width, 4000), np.minimum(width, 4000) * 4 // 10) - 450),
        ("core", np.where(prose > 0, np.minimum(width, 4000), -1500)),
    ):
        first, after = _best_runs(gain, lines)
        inside = (index >= first) & (index < after)
        yield f"{name}_inside", inside.astype(np.int64)
        yield f"{name}_from", np.clip(index - first, -_FAR, _FAR)
        yield f"{name}_to", np.clip(after - 1 - index, -_FAR, _FAR)
        yield f"{name}_lines", after - first
        yield f"{name}_share", (mass[after] - mass[first]) * 1000 // weight

    # How much of its vocabulary the line shares with the best run, the paragraphs, the document.
    common = _share(words.common, lines.words)
    yield "common", common
    yield "topical", words.elsewhere(prose > 0)
    yield "cored", words.elsewhere(inside)
    yield "novel", _share(words.novel(), lines.words)

    # Words of which phrases of furniture are made, in whatever language.
    for number, column in enumerate(words.furniture):
        yield f"furniture_{number}", column
    furniture = _share(words.any_furniture, words.telling)
    yield "furniture", furniture
    for radius in (2, 5, 12):
        yield f"furniture_mean_{radius}", around.mean(np.maximum(furniture, 0), radius)

    # Lines that look alike, begin or end alike: dates of comments, "more about …", prices.
    alike = {"shape": lines.shape, "begin": words.first, "end": words.last}
    for name, values in alike.items():
        yield f"same_{name}", _copies(values, document)[0]

    # The neighbourhood.
    near = {name: columns[name] for name in ("width", "words", "capitals", "last", "first", "sentences", "digits")}
    near |= {"anchor": code, "support": columns["support"], "common": common, "copies": copies}
    for by in _NEIGHBOURS:
        for name, column in near.items():
            if abs(by) <= 2 or name in ("width", "last", "anchor"):
                yield f"{name}{by:+d}", around.at(column, by)
    capped = np.minimum(width, 3000)
    for radius in _WINDOWS:
        yield f"width_{radius}", around.mean(capped, radius)
        yield f"ends_{radius}", around.mean(ends, radius)
        yield f"prose_{radius}", around.mean(prose, radius)
        yield f"link_{radius}", around.mean(columns["link"], radius)
    for radius in (2, 5, 12):
        yield f"known_{radius}", around.mean((columns["support"] > 0).astype(np.int64), radius)
        yield f"anchors_{radius}", around.mean((code > 0).astype(np.int64), radius)
        yield f"copies_{radius}", around.mean((copies > 1).astype(np.int64), radius)
        yield f"digits_{radius}", around.mean((columns["digit_count"] > 0).astype(np.int64), radius)
        yield f"common_{radius}", around.mean(np.maximum(common, 0), radius)
    yield "same_shape_above", np.abs(around.at(width, -1, 0) - width)
    yield "same_shape_below", np.abs(around.at(width, 1, 0) - width)


# What the second look sees again of the first. Nothing that is the same for all lines of a document: by that it would
# know the documents it was trained on (with it, more log loss out of fold on all four sets).
_CARRIED = (
    "width", "words", "capitals", "last", "first", "sentences", "prose", "link", "copies", "nth", "support_share",
    "anchor", "anchor_heading", "anchor_confidence", "heading_above", "heading_above_is", "anchor_above",
    "anchor_below", "prose_above", "prose_below", "place_share", "mass_above", "segment_inside", "segment_from",
    "segment_to",
    "core_inside", "core_from", "core_to", "topical", "cored", "novel", "same_shape", "same_begin", "same_end",
    "furniture", "furniture_mean_2", "furniture_mean_5", "cut_off", "digits", "colons", "separators",
)  # fmt: skip
# What the second look makes of the first scores: a share of belief, per mille, without an exponential.
_BELIEF_FROM, _BELIEF_STEP = -3000, 6
# Lines so near one that is believed are of its block.
_REACH = 2
_BELIEVED = -1000
# A title stands so near above the best run, is so wide at most, and has so many words.
_TITLE_ABOVE, _TITLE_WIDTH, _TITLE_WORDS = 12, 1500, 2


# Paragraphs that may be a bio, a legal notice or an offer are asked for at the ends of what is believed so far.
_NOTICES_ABOVE, _NOTICES_BELOW = 3, 8
_NOTICE_TENTHS = 600


def _notices(lines: _Lines, columns: Mapping[str, Ints], scores: npt.NDArray[np.int32]) -> Ints:
    """What notice each line is, as a number of `_REASONS`; 0 where it is none or wasn't asked."""
    codes = {f"boilerplate.{reason}": number for number, reason in enumerate(_REASONS, 1)}
    found = np.zeros(len(scores), np.int64)
    asked = np.flatnonzero((scores > _BELIEVED - 500) & (columns["width"] >= _NOTICE_TENTHS) & (columns["anchor"] == 0))
    document = lines.document[asked]
    first, after = np.searchsorted(asked, lines.offsets[document]), np.searchsorted(asked, lines.offsets[document + 1])
    place = np.arange(len(asked))
    asked = asked[(place < first + _NOTICES_ABOVE) | (place >= after - _NOTICES_BELOW)]
    asked = asked[lines.may_be_notices()[asked]]
    for document, group in groupby(asked.tolist(), lines.document.__getitem__):
        text = lines.pages[document].text.split("\n")
        for at in group:
            known = match_paragraph(text[lines.place[at]].strip())
            found[at] = 0 if known is None else codes.get(known.reason, 0)
    return found


def _block_columns(
    lines: _Lines, columns: Mapping[str, Ints], words: _Words, scores: Ints, notices: Ints
) -> Iterator[tuple[str, Ints]]:
    """What the first scores of the lines say of one another, of blocks and of the document, named."""
    document, around = lines.document, lines.around
    index = around.index
    width = np.minimum(columns["width"], 4000)
    belief = np.clip((scores - _BELIEF_FROM) // _BELIEF_STEP, 0, 1000)
    mass = belief * width // 1000

    def total(column: Ints, of: Ints, number: int) -> Ints:
        return np.bincount(of, column, minlength=number).astype(np.int64)

    yield "score", scores
    for by in (-6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6):
        yield f"score{by:+d}", around.at(scores, by, -9999)
    for radius in (1, 2, 5, 12, 30):
        yield f"belief_{radius}", around.mean(belief, radius)
    for radius in (3, 8, 20):
        yield f"mass_{radius}", _share(around.mean(mass, radius), around.mean(width, radius))

    # The document.
    best = np.full(lines.documents, -32768, np.int64)
    np.maximum.at(best, document, scores)
    order = np.lexsort((scores, document))
    rank = np.empty(len(scores), np.int64)
    rank[order] = index - around.start[order]
    wanted = total(mass, document, lines.documents)
    yield "from_best", scores - best[document]
    yield "rank", rank * 1000 // (around.stop - around.start)
    sums = np.append(0, np.cumsum(mass))
    yield "wanted_above", _share(sums[index] - sums[around.start], wanted[document])
    believed = scores > _BELIEVED
    yield "believed_above", around.above(believed)
    yield "believed_below", around.below(believed)

    # The best run of lines by their scores, and by what they weigh.
    for name, gain in (
        ("run", np.clip(scores + 800, -1500, 2500)),
        ("weight", (belief - 350) * (width + 100) // 100),
    ):
        first, after = _best_runs(gain, lines)
        inside = (index >= first) & (index < after)
        yield f"{name}_inside", inside.astype(np.int64)
        yield f"{name}_from", np.clip(index - first, -_FAR, _FAR)
        yield f"{name}_to", np.clip(after - 1 - index, -_FAR, _FAR)

    # Blocks: lines near believed ones, and what stands between them.
    near = (around.above(believed) <= _REACH) | (around.below(believed) <= _REACH) | believed
    begins = np.append(True, (near[1:] != near[:-1]) | (document[1:] != document[:-1]))
    block = np.cumsum(begins) - 1
    blocks = int(block[-1]) + 1
    block_mass, size = total(mass, block, blocks), np.bincount(block, minlength=blocks)
    largest = np.zeros(lines.documents, np.int64)
    np.maximum.at(largest, document, block_mass[block])
    highest = np.full(blocks, -32768, np.int64)
    np.maximum.at(highest, block, scores)
    is_largest = near & (block_mass[block] == largest[document])
    yield "block_near", near.astype(np.int64)
    yield "block_lines", size[block]
    yield "block_place", index - np.flatnonzero(begins)[block]
    yield "block_share", _share(block_mass[block], wanted[document])
    yield "block_of_largest", _share(block_mass[block], largest[document])
    yield "block_mass", block_mass[block] // 100
    yield "block_belief", total(belief, block, blocks)[block] // size[block]
    yield "block_best", highest[block]
    yield "block_prose", total(columns["prose"], block, blocks)[block]
    yield "block_known", total(np.maximum(columns["support_share"], 0), block, blocks)[block] // size[block]
    yield "block_anchors", total((columns["anchor"] > 0).astype(np.int64), block, blocks)[block] * 1000 // size[block]
    yield "largest_above", around.above(is_largest)
    yield "largest_below", around.below(is_largest)

    # Bios, legal notices, offers as whole paragraphs.
    yield "notice", notices
    yield "notice_above", around.above(notices > 0)
    yield "notice_below", around.below(notices > 0)

    # The words of what is believed so far, and of the title above it.
    yield "believed_words", words.elsewhere(scores > 0)
    yield "run_words", words.elsewhere(inside)
    is_title = (
        (index >= first - _TITLE_ABOVE) & (index <= first) & (columns["width"] < _TITLE_WIDTH)
        & (lines.words >= _TITLE_WORDS) & (columns["prose"] == 0)
    )  # fmt: skip
    likely = np.full(lines.documents, -32768, np.int64)
    np.maximum.at(likely, document[is_title], scores[is_title])
    is_title &= scores == likely[document]
    in_title = np.where(is_title, 0, words.shared(is_title))
    yield "title", is_title.astype(np.int64)
    yield "title_above", around.above(is_title)
    yield "title_below", around.below(is_title)
    yield "title_words", in_title
    yield "title_share", _share(in_title, words.telling)
    yield "block_title_words", np.minimum(total(in_title, block, blocks), 999)[block]
    yield "block_title_share", _share(total(in_title, block, blocks) * 10, total(words.telling, block, blocks))[block]


def _copies(values: Ints, document: Ints) -> tuple[Ints, Ints]:
    """How many lines of its document have each line's value, and which of them it is. 0 is no value."""
    index = np.arange(len(values))
    order = np.argsort(values, kind="stable")  # lines come by document already
    same = (np.diff(values[order]) == 0) & (np.diff(document[order]) == 0) & (values[order][1:] != 0)
    run = np.cumsum(np.append(True, ~same)) - 1
    copies, nth = np.empty(len(values), np.int64), np.empty(len(values), np.int64)
    copies[order] = np.bincount(run)[run]
    nth[order] = index - np.flatnonzero(np.append(True, ~same))[run]
    return copies, nth


def _repetition(pages: Sequence[Page], lines: _Lines) -> tuple[Ints, Ints, Ints]:
    """A hash a line, in how many groups of its site it stands (0: none, or too few), and how many those are."""
    hashes = np.concatenate([np.array(page.hashes, np.uint64) for page in pages])[lines.kept].view(np.int64)
    groups = np.array([page.templates.groups for page in pages])
    if not any(page.templates.lines for page in pages):
        return hashes, np.zeros(len(hashes), np.int64), groups[lines.document]
    found: list[int] = []
    for page in pages:
        known = page.templates.lines
        found += [known.get(value, 0) for value in page.hashes]
    return hashes, np.array(found)[lines.kept], groups[lines.document]


def _anchor_columns(pages: Sequence[Page], lines: _Lines) -> tuple[Ints, Ints, Ints]:
    codes = {f"boilerplate.{reason}": number for number, reason in enumerate(_REASONS, 1)}
    anchors = [anchor for page in pages for anchor in page.anchors]
    places = [at for at, anchor in enumerate(anchors) if anchor is not None]
    found = [
        (codes.get(anchor.reason, 0), anchor.kind == "heading", round(anchor.confidence * 100))
        for anchor in anchors
        if anchor is not None
    ]
    columns = np.zeros((3, len(anchors)), np.int64)
    columns[:, places] = np.array(found, np.int64).reshape(-1, 3).T
    code, heading, sure = columns[:, lines.kept]
    return code, heading, sure


def _best_runs(gain: Ints, lines: _Lines) -> tuple[Ints, Ints]:
    """The run of lines of each document with the greatest sum, of each of its lines: where it begins and where it has
    ended. Of several the first that ends, and of these the shortest."""
    around = lines.around
    after = np.cumsum(gain)
    before = after - gain
    # Each document on its own level, far below those before it: so the least sum so far is one of its own.
    level = lines.document * _LEVEL
    lowest = np.minimum.accumulate(before - level) + level
    best = after - lowest
    there = np.flatnonzero(lines.sizes)
    most = np.maximum.reduceat(best, lines.offsets[there])
    most = np.repeat(most, lines.sizes[there])
    ends = np.flatnonzero(best == most)
    end = ends[np.searchsorted(ends, around.start)]
    begins = np.flatnonzero(before == lowest)
    first = begins[np.searchsorted(begins, end, side="right") - 1]
    is_none = most <= 0
    return np.where(is_none, around.start, first), np.where(is_none, around.start, end + 1)


def _page_columns(lines: _Lines, columns: Mapping[str, Ints]) -> Iterator[tuple[str, Ints]]:
    """Every feature of every document, named."""
    document, sizes = lines.document, lines.sizes
    number = lines.documents

    def count(chosen: npt.NDArray[np.bool_]) -> Ints:
        return np.bincount(document[chosen], minlength=number)

    def summed(column: Ints) -> Ints:
        return np.bincount(document, column, minlength=number).astype(np.int64)

    width, link, prose = columns["width"], columns["link"] > 0, columns["prose"] > 0
    head = columns["prose_before"] == 0
    tail = columns["prose_after"] == 0
    mass = summed(width)
    yield "lines", sizes
    yield "link", _share(count(link), sizes)
    yield "links", count(link)
    yield "link_mass", _share(summed(width * link), mass)
    yield "prose", count(prose)
    yield "prose_mass", _share(summed(width * prose), mass)
    yield "head", count(head & ~prose)
    yield "tail", count(tail & ~prose)
    yield "head_links", count(head & link)
    yield "tail_links", count(tail & link)
    yield "head_share", _share(count(head & link), count(head & ~prose))
    yield "tail_share", _share(count(tail & link), count(tail & ~prose))
    first = columns["place"] < 10
    last = columns["place_end"] < 10
    for name, part in (("first", first), ("last", last)):
        yield f"{name}_links", count(part & link)
        yield f"{name}_words", summed(np.minimum(columns["words"], 30) * part)
        yield f"{name}_anchors", count(part & (columns["anchor"] > 0))
    yield "anchors", count(columns["anchor"] > 0)
    yield "anchor_share", _share(count(columns["anchor"] > 0), sizes)
    for code, reason in enumerate(_REASONS, 1):
        yield f"anchors_{reason}", count(columns["anchor"] == code)
    kinds = sum((count(columns["anchor"] == code) > 0).astype(np.int64) for code in range(1, len(_REASONS) + 1))
    yield "anchor_kinds", np.asarray(kinds)
    yield "tail_legal", count(last & (columns["anchor"] == 1 + _REASONS.index("legal")))
    yield "copies", _share(count(columns["copies"] > 1), sizes)
    yield "signs", count(columns["signs"] > 0)
    yield "few_words", _share(count(columns["words"] <= 3), sizes)
    yield "capitals", _share(count(columns["capitals"] >= 800), sizes)
    yield "ends", _share(count(columns["last"] == END), sizes)
    yield "separators", _share(summed(columns["separators"]), sizes)
    yield "cut_off", count(columns["cut_off"] > 0)
    longest = np.zeros(number, np.int64)
    index = np.arange(len(document))
    # The line before the run, or the one before the document.
    before = np.maximum(np.maximum.accumulate(np.where(link, -1, index)), lines.offsets[document] - 1)
    np.maximum.at(longest, document, index - before)
    yield "longest_run", longest


LINE_FEATURES: tuple[str, ...] = ()
BLOCK_FEATURES: tuple[str, ...] = ()
PAGE_FEATURES: tuple[str, ...] = ()


def _names() -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The names of the features, from a page of one line."""
    letters, lower = np.full(CODE_POINTS, LOWER, np.uint8), np.arange(CODE_POINTS, dtype=np.int32)
    blank = _unread(letters, lower)
    pages = [Page("a", [1], [None], Templates(0, {}))]
    lines = _Lines(pages, blank)
    shape = dict(_shape_columns(pages, lines))
    words = _Words(lines, shape["prose"])
    return (
        (*shape, *dict(_context_columns(lines, shape, words))),
        (*_CARRIED, *dict(_block_columns(lines, shape, words, np.zeros(1, np.int64), np.zeros(1, np.int64)))),
        tuple(dict(_page_columns(lines, shape))),
    )


LINE_FEATURES, BLOCK_FEATURES, PAGE_FEATURES = _names()


# ------------------------------------------------------------------------------------------------------------ decisions


class Scored(NamedTuple):
    """The lines of a whole page, blank ones left out."""

    places: list[int]  # which of `text.split("\n")`
    widths: list[int]  # in tenths of a Latin letter
    scores: list[int]  # in thousandths of a logit: above 0 a line is rather the article's


def whole_pages(pages: Sequence[Page], model: Model, page_score: int | None) -> Iterator[tuple[int, Scored]]:
    """Which of `pages` score above `page_score` as whole pages (None: all are), and the scores of their lines."""
    asked = [number for number, page in enumerate(pages) if page_score is None or _may_be_furnished(page)]
    for several in batches(asked, lambda number: _chars(pages[number]), SCORED_CHARS):
        found: list[Features] = []
        chosen: list[tuple[int, int, int]] = []  # of each whole page: its number, its batch and which it is of it
        for numbers in batches(several, lambda number: _chars(pages[number]), BATCH_CHARS):
            batch = [pages[number] for number in numbers]
            features = Features(batch, model)
            among = list(range(len(batch)))
            if page_score is not None:
                shapes = features.pages()
                among = np.flatnonzero((model.pages.scores(shapes) > page_score) & _is_furnished(shapes)).tolist()
            columns = among
            if 0 < len(among) * 2 < len(batch):  # reckon what stands around the lines for these alone
                features, columns = Features([batch[at] for at in among], model), list(range(len(among)))
            chosen += [(numbers[at], len(found), column) for at, column in zip(among, columns, strict=True)]
            found += [features] if among else []
        if not chosen:
            continue
        lines = [features.lines() for features in found]
        first_scores = _scores(model.lines, lines)
        blocks = [
            features.blocks(matrix, one) for features, matrix, one in zip(found, lines, first_scores, strict=True)
        ]
        second_scores = _scores(model.blocks, blocks)
        scores = [
            ((SECOND * second + (10 - SECOND) * one) // 10).tolist()
            for one, second in zip(first_scores, second_scores, strict=True)
        ]
        widths = [matrix[LINE_FEATURES.index("width")].tolist() for matrix in lines]
        places = [features.places.tolist() for features in found]
        for number, at, column in chosen:
            of = slice(*found[at].offsets[column : column + 2])
            yield number, Scored(places[at][of], widths[at][of], scores[at][of])


def _scores(trees: Trees, matrices: Sequence[Matrix]) -> list[npt.NDArray[np.int32]]:
    """The scores of each, of all at once: of few rows the calls cost as much as what they do."""
    ends = np.cumsum([matrix.shape[1] for matrix in matrices])
    return np.split(trees.scores(np.concatenate(matrices, axis=1)), ends[:-1])


def _is_furnished(pages: Matrix) -> npt.NDArray[np.bool_]:
    """Which documents have as many anchors as a page has, whatever their shape: manuals and lists look like pages."""
    anchors, share, kinds = (pages[PAGE_FEATURES.index(name)] for name in ("anchors", "anchor_share", "anchor_kinds"))
    found: npt.NDArray[np.bool_] = (kinds > 1) & ((anchors >= PAGE_ANCHORS) | (share >= PAGE_ANCHOR_SHARE))
    return found


def _may_be_furnished(page: Page) -> bool:
    """Whether the page has anchors of two kinds; spares the features of most texts that are no whole pages."""
    return len({anchor.reason for anchor in page.anchors if anchor is not None}) > 1


def may_be_page(text: str) -> bool:
    """Whether the text has as many short lines as the smallest page; a cheap test that spares most extracted text."""
    widths = [len(line) for line in text.split("\n") if line]
    short = sum([width < SHORT_LINE for width in widths])
    return short >= PAGE_SHORT_LINES and short >= PAGE_SHORT_SHARE * len(widths)


def confidence(margin: int) -> float:
    """How sure a removal is whose score lies `margin` thousandths of a logit below the threshold, .5 to .99."""
    return min(99, 50 + margin // 60) / 100
