"""Words of a text, counted by the word boundaries of Unicode (UAX 29): one class a code point, no regular expression.

Combining signs, soft hyphens and joiners part no word; an apostrophe, a colon or a full stop between letters doesn't
either, nor does a comma or a full stop between digits. What is between boundaries is a word if it has a letter or a
digit. In scripts without spaces (Thai, Han, kana, …) each character is one: where its words end no table says.

>>> word_count("Guten Morgen, 世界"), word_count("C'est l'été : 3,5 °C"), word_count("नमस्ते दुनिया")
(4, 4, 2)
"""

import unicodedata
from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from transforms.batches import batches
from transforms.scripts import UNSPACED

# What a boundary depends on. Whatever has no class here parts words.
_OTHER, _LETTER, _HEBREW, _DIGIT, _UNSPACED, _CONNECTOR = range(6)
_MID_LETTER, _MID_NUMBER, _MID_BOTH, _QUOTES, _IGNORED, _SURROGATE = range(6, 12)
# WordBreakProperty.txt of Unicode 17, as far as general categories don't tell.
_MEMBERS = {
    _MID_LETTER: ":\u00b7\u0387\u055f\u05f4\u2027\ufe13\ufe55\uff1a",
    _MID_NUMBER: ",;\u037e\u0589\u060c\u060d\u066c\u07f8\u2044\ufe10\ufe14\ufe50\ufe54\uff0c\uff1b",
    _MID_BOTH: ".'\u2018\u2019\u2024\ufe52\uff07\uff0e",
    _QUOTES: '"',
    _DIGIT: "\u0600\u0601\u0602\u0603\u0604\u0605\u066b\u06dd\u0890\u0891\u08e2\u19da\U000110bd\U000110cd",
    _LETTER: "\u00b8\u055a\u055b\u055c\u055e\u058a\u05f3\u070f\ua720\ua721\ua789\ua78a\uab5b",
}
_LETTERS = ((0x2C2, 0x2C5), (0x2D2, 0x2D7), (0x2DE, 0x2DF), (0x2E5, 0x2EB), (0x2ED, 0x2ED), (0x2EF, 0x2FF),
            (0x24B6, 0x24E9), (0xA708, 0xA716), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189))  # fmt: skip
_HEBREW_LETTERS = ((0x5D0, 0x5EA), (0x5EF, 0x5F2), (0xFB1D, 0xFB1D), (0xFB1F, 0xFB28), (0xFB2A, 0xFB4F))
# 64 kB of classes: with 8 and with 128 kB it takes twice and half as long again.
_BATCH_CHARS = 1 << 16
_PLANE = 1 << 16
_IN_HALF_WIDTH, _ZERO_WIDTH_SPACE = (0xFF9E, 0xFF9F), 0x200B
_CLASS_OF_CATEGORY = {
    **dict.fromkeys(("Lu", "Ll", "Lt", "Lm", "Lo", "Nl"), _LETTER),
    **dict.fromkeys(("Mn", "Mc", "Me", "Cf"), _IGNORED),
    "Nd": _DIGIT,
    "Pc": _CONNECTOR,
    "Cs": _SURROGATE,
}


def _joins() -> npt.NDArray[np.bool_]:
    """Whether a sign of a class joins what stands on both sides of it: [class, before, after]."""
    joins = np.zeros((_SURROGATE + 1,) * 3, np.bool_)
    letters, digits = slice(_LETTER, _HEBREW + 1), slice(_DIGIT, _DIGIT + 1)
    for sign in (_MID_LETTER, _MID_BOTH):
        joins[sign, letters, letters] = True
    for sign in (_MID_NUMBER, _MID_BOTH):
        joins[sign, digits, digits] = True
    joins[_QUOTES, _HEBREW, _HEBREW] = True
    return joins


_JOINS = _joins()


def _class_of(code: int) -> int:
    return _CLASS_OF_CATEGORY.get(unicodedata.category(chr(code)), _OTHER)


@cache
def _classes(plane: int) -> npt.NDArray[np.uint8]:
    """The class of every code point of a plane: 64 kB, which stay in the processor's cache."""
    start = plane << 16
    end = start + _PLANE
    table = np.array([_class_of(code) for code in range(start, end)], np.uint8)
    for ranges, kind in ((_LETTERS, _LETTER), (_HEBREW_LETTERS, _HEBREW)):
        for first, last in ranges:
            if start <= first < end:
                table[first - start : last + 1 - start] = kind
    for first, last in UNSPACED:
        written = table[max(first - start, 0) : max(last + 1 - start, 0)]
        written[written != _IGNORED] = _UNSPACED
    for kind, members in _MEMBERS.items():
        table[[code - start for code in map(ord, members) if start <= code < end]] = kind
    if not plane:
        table[_IN_HALF_WIDTH[0] : _IN_HALF_WIDTH[1] + 1] = _IGNORED
        table[_ZERO_WIDTH_SPACE] = _OTHER
        table[0x202F] = _CONNECTOR  # between the groups of a number, and before a suffix in Mongolian
    return table


def word_count(text: str) -> int:
    """Words of a text; in scripts without spaces, characters."""
    return word_counts([text])[0]


def word_counts(texts: Sequence[str]) -> list[int]:
    """The words of each text. Texts are counted together, as many as stay in the processor's cache."""
    return [count for batch in batches(texts, len, _BATCH_CHARS) for count in _counts(batch)]


def _counts(texts: list[str]) -> list[int]:
    kinds = _kinds("\n".join(texts) + "\n")
    ends = np.cumsum([len(text) + 1 for text in texts])
    ignored = np.flatnonzero(kinds == _IGNORED)
    if len(ignored):
        # In a fifth of the time of np.delete.
        kinds = np.frombuffer(kinds.tobytes().replace(bytes([_IGNORED]), b""), np.uint8)
        ends -= np.searchsorted(ignored, ends)
    in_word = kinds - 1 < _DIGIT  # letters and digits; what has no class wraps round
    starts = np.empty(len(kinds), np.bool_)
    starts[0] = in_word[0]
    np.greater(in_word[1:], in_word[:-1], out=starts[1:])
    starts |= kinds == _UNSPACED
    signs = np.flatnonzero(kinds >= _CONNECTOR)
    words = np.add.reduceat(starts.view(np.uint8), [0, *ends[:-1].tolist()], dtype=np.uint32)
    joining = _joining(kinds, in_word, signs) if len(signs) else signs
    found: list[int] = (words - np.diff(np.searchsorted(joining, ends), prepend=0)).tolist()
    return found


def _kinds(text: str) -> npt.NDArray[np.uint8]:
    if text.isascii():
        return _classes(0).take(np.frombuffer(text.encode(), np.uint8))
    kinds = _classes(0).take(np.frombuffer(text.encode("utf-16-le", "surrogatepass"), np.uint16))
    if (kinds == _SURROGATE).any():
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        kinds = _classes(0).take(codes, mode="clip")
        beyond = np.flatnonzero(codes >= _PLANE)
        for plane in np.unique(codes[beyond] >> 16).tolist():
            here = beyond[codes[beyond] >> 16 == plane]
            kinds[here] = _classes(plane).take(codes[here] % _PLANE)
    return kinds


def _joining(
    kinds: npt.NDArray[np.uint8], in_word: npt.NDArray[np.bool_], signs: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Of the signs those that make one word of what stands around them; of a run of connectors its first.

    The last character of all is a line feed, so that every sign has one behind it.
    """
    before, after = kinds[signs - 1] * (signs > 0), kinds[np.minimum(signs + 1, len(kinds) - 1)]
    joining = _JOINS[kinds[signs], before, after]
    connectors = kinds[signs] == _CONNECTOR
    if connectors.any():
        ends = signs[connectors & (after != _CONNECTOR)]
        firsts = connectors & (before != _CONNECTOR)
        starts = signs[firsts]
        joining[firsts] = in_word[starts - 1] & (starts > 0) & in_word[ends + 1]
    return signs[joining]
