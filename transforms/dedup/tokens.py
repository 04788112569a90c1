"""Tokens of whole batches of texts: what is compared of a text, with NumPy and Arrow kernels.

Every hash here is our own arithmetic over UTF-8, and the table of separators is written down: what is made of a text
stays what it is whatever the version of Python, NumPy, Arrow or Unicode, so an index of it lasts for years. (rensa
0.5.0 made every signature saved before unreadable; polars promises nothing of its `.hash()`.)

Two things are made of a text, both in lower case:

- its **words** as they are written, for exact duplicates: letters, digits and marks, one blank between two;
- its **tokens**, for near ones: the words folded, so that one text in two spellings has the same. Folded are accents,
  compatibility forms (full-width, ligatures), vowel signs and letter forms of Arabic, points of Hebrew, traditional
  Han to simplified, the Cyrillic of Serbian to Latin, digits of all scripts, and words parted at the end of a line.
  In scripts without spaces a token is one character. In a text that is mostly of such a script, so is every other
  character: an edit in its midst then costs three shingles whatever the script of the replacement.

Signs that carry something are words and tokens of their own in short texts and in code: the sign of a number,
operators, currencies, emoji. In prose that is long enough copies drop them.

>>> first, second = (unpack_tokens(packed_tokens(pa.array([text])))[0] for text in ("Łódź, 7 °C", "lodz 7 c"))
>>> len(first), (first >> KIND_BITS).tolist() == (second >> KIND_BITS).tolist()
(3, True)
>>> [len(tokens) for tokens in unpack_tokens(packed_tokens(pa.array(["1.5", "Straße 7", "東京タワー", "C++", ""])))]
[2, 2, 5, 3, 0]
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from transforms.scripts import UNSPACED

U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# Changes with anything that changes a hash below; an index of another is refused.
HASHES = "tamis-minhash-2"
# Share of a text's characters in scripts without spaces from which all its characters are tokens.
UNSPACED_SHARE = 0.3
# Batches of about this many bytes stay within the caches: twice as fast as at 64 KB, a quarter faster than at 4 MB.
BATCH_BYTES = 1 << 20
# UTF-8 bytes below which a text is short: its signs count, and the gaps between its digits. Of 51.8 MB of documents
# one in six is, and .02 of their bytes.
SHORT_BYTES = 1200
# A longer text with an operator in as many bytes is code.
OPERATOR_BYTES = 40
# UTF-8 bytes of letters from which on the same ones in a row are the same text, however spaced and punctuated.
LETTERS = 100

# What a token is, in its lowest bits: a capital letter may be the sentence's or the line's, or the word's own. Above
# them four bits tell its first letter from others: a word that is spelled otherwise has the same.
PLAIN, INITIAL, CAPITAL, NUMBER, SIGN, UNSPACED_LETTER = range(6)
KIND_BITS = 3
KIND_MASK = np.uint32(7)
FIRST = 15
FIRST_MASK = np.uint32(FIRST << KIND_BITS)

# Code points above ASCII that are no letter, digit or mark: Unicode 14, gaps without a letter closed.
_SEPARATORS = (
    "80-a9 ab-b1 b4 b6-b8 bb bf d7 f7 2c2-2c5 2d2-2df 2e5-2eb 2ed 2ef-2ff 375 37e 384-385 387 3f6 482 55a-55f 589-58f "
    "5be 5c0 5c3 5c6 5f3-60f 61b-61f 66a-66d 6d4 6dd-6de 6e9 6fd-6fe 700-70f 7f6-7f9 7fe-7ff 830-83e 85e 888 890-891 "
    "8e2 964-965 970 9f2-9f3 9fa-9fb 9fd a76 af0-af1 b70 bf3-bfa c77 c7f c84 d4f d79 df4 e3f e4f e5a-e5b f01-f17 "
    "f1a-f1f f34 f36 f38 f3a-f3d f85 fbe-fc5 fc7-fda 104a-104f 109e-109f 10fb 1360-1368 1390-1399 1400 166d-166e 1680 "
    "169b-169c 16eb-16ed 1735-1736 17d4-17d6 17d8-17db 1800-180a 180e 1940-1945 19de-19ff 1a1e-1a1f 1aa0-1aa6 "
    "1aa8-1aad 1b5a-1b6a 1b74-1b7e 1bfc-1bff 1c3b-1c3f 1c7e-1c7f 1cc0-1cc7 1cd3 1fbd 1fbf-1fc1 1fcd-1fcf 1fdd-1fdf "
    "1fed-1fef 1ffd-206f 207a-207e 208a-208e 20a0-20c0 2100-2101 2103-2106 2108-2109 2114 2116-2118 211e-2123 2125 "
    "2127 2129 212e 213a-213b 2140-2144 214a-214d 214f 218a-244a 249c-24e9 2500-2775 2794-2bff 2ce5-2cea 2cf9-2cfc "
    "2cfe-2cff 2d70 2e00-2e2e 2e30-3004 3008-3020 3030 3036-3037 303d-303f 309b-309c 30a0 30fb 3190-3191 3196-319f "
    "31c0-31e3 3200-321e 322a-3247 3250 3260-327f 328a-32b0 32c0-33ff 4dc0-4dff a490-a4c6 a4fe-a4ff a60d-a60f a673 "
    "a67e a6f2-a716 a720-a721 a789-a78a a828-a82b a836-a839 a874-a877 a8ce-a8cf a8f8-a8fa a8fc a92e-a92f a95f "
    "a9c1-a9cd a9de-a9df aa5c-aa5f aa77-aa79 aade-aadf aaf0-aaf1 ab5b ab6a-ab6b abeb fb29 fbb2-fbc2 fd3e-fd4f fdcf "
    "fdfc-fdff fe10-fe19 fe30-fe6b ff00-ff0f ff1a-ff20 ff3b-ff40 ff5b-ff65 ffe0-fffd 1f000-1fbca e0001-e007f"
)
# Of those, what carries something by itself: currencies, operators of mathematics, arrows, checks, stars, hearts,
# emoji. Bullets, boxes and geometric shapes carry nothing.
_SYMBOLS = "a2-a5 b1 d7 f7 2030 20a0-20c0 2190-2211 2213-2216 221a-22ba 22bb-22c4 22c6-22ff 2600-2755 2757-2767 "
_SYMBOLS += "2b50 2b55 1f000-1f3fa 1f400-1fbca"
# No more than hints to whoever renders a text: soft hyphen, zero-width spaces and joiners, marks of direction,
# variation selectors, tones of skin.
_IGNORED = "ad 34f 61c 180b-180e 200b-200f 202a-202e 2060-2064 fe00-fe0f feff 1f3fb-1f3ff e0001-e007f e0100-e01ef"
_DASHES = "2012-2013 2212"

# What a block of 64 code points has: only letters of scripts with spaces, only letters of those without, or
# something to look at.
_LETTER, _UNSPACED, _SEPARATOR, _SYMBOL, _IGNORE, _DASH, _MIXED = range(7)

# Letters whose upper case comes back as another when lowered, where that has as many bytes: ß, final sigma, micro.
_FOLDED = (("ß", "ss"), ("ς", "σ"), ("µ", "μ"))

# Letters that folding makes others of, beyond what Unicode decomposes. Both alphabets of Serbian, č and ć being c, and
# š s, by then; other letters of Cyrillic stay.
_LETTERS = dict(zip("абвгдђежзијклмнопрстћуфхцчш", "abvgddezzijklmnoprstcufhccs", strict=True))
_LETTERS |= {"љ": "lj", "њ": "nj", "џ": "dz", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "ı": "i"}
_LETTERS |= {"þ": "th", "ي": "ی", "ى": "ی", "ك": "ک", "ة": "ه", "ۀ": "ه", "ە": "ه", "ہ": "ه", "ـ": "", "ٱ": "ا"}
# Marks that folding takes off: accents, the vowels of Arabic, the points of Hebrew.
_MARKS = "300-36f 591-5bd 5bf 5c1-5c2 5c4-5c5 5c7 610-61a 64b-65f 670 6d6-6dc 6df-6e8 6ea-6ed 8d3-8e1 8e3-8ff"
# Blocks of which folding makes something else (Han has its own table).
_FOLDABLE = "80-58f 590-6ff 750-77f 8d3-8ff 900-9ff a00-dff e50-e59 ed0-ed9 f20-f29 1040-1049 17e0-17e9 1e00-1fff "
_FOLDABLE += "2070-209f 2100-217f 2460-249b fb00-fdff fe70-feff ff10-ff19 ff21-ff3a ff41-ff5a ff66-ff9f"
_NUMERALS = "〇零一二三四五六七八九十百千万亿两壹贰叁肆伍陆柒捌玖拾佰仟萬億兩"
_LETTERS |= {numeral: str(place) for place, numeral in enumerate("零一二三四五六七八九")} | {"〇": "0", "两": "2"}

# ASCII that may carry something, as what its bytes become; what a newline and all else that is no letter or digit do.
_SIGNS = "+=%$^<>*/-#!&|()"
(_PLUS, _EQUALS, _PERCENT, _DOLLAR, _CARET, _LESS, _MORE, _TIMES, _SLASH, _MINUS, _HASH, _NOT, _AND, _OR) = range(1, 15)
_OPENING, _CLOSING = 15, 16
_SPACE, _NEWLINE, _LOWER_A = 32, 10, 97
# Stands in no UTF-8: a byte that folding leaves out.
_FILL = np.uint8(0xFF)

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, MIX_2 = np.uint64(0xD6E8FEB86659FD93), np.uint64(0xFF51AFD7ED558CCD)
_ARTICLE = np.uint64(int.from_bytes("ال".encode(), "little"))
# A token's bytes beyond these are hashed one token at a time; in text, hardly any.
_WINDOWED_BYTES = 64


class Characters(NamedTuple):
    """UTF-8 of a batch of texts in lower case, separators as spaces, and spaces between texts and around all. Places
    are those of first bytes."""

    units: U8
    starts: I64  # where each text starts, and where the last ends
    initials: I64  # words with a capital letter
    capitals: I64  # those that no sentence or line begins with
    numerals: I64  # characters that are numbers
    unspaced: I64  # characters of scripts without spaces
    signs: I64  # signs that are tokens of their own
    folded: I64  # characters that folding makes something else of
    foldings: U32  # what of each: up to four bytes, the first lowest
    is_filled: bool  # whether there are bytes that stand for nothing, FILL


class Tokens(NamedTuple):
    """Tokens of a batch: uint32, a hash above the kind; those of document i at offsets[i] to offsets[i + 1]."""

    values: U32
    offsets: I64


def batches_of(texts: pa.Array) -> list[pa.Array]:
    """The texts in slices of about BATCH_BYTES, which is what the kernels are quickest on."""
    lengths = pc.cumulative_sum(pc.binary_length(texts).cast(pa.int64())).to_numpy(zero_copy_only=False)
    cuts = np.flatnonzero(np.diff(lengths // BATCH_BYTES)) + 1
    bounds = [0, *cuts.tolist(), len(texts)]
    return [texts.slice(start, end - start) for start, end in pairwise(bounds) if end > start]


def mix(hashes: U64) -> U64:
    """Spread every bit over all of them, in place."""
    shifted = hashes >> np.uint64(32)
    hashes ^= shifted
    hashes *= _MIX_1
    np.right_shift(hashes, np.uint64(29), out=shifted)
    hashes ^= shifted
    hashes *= MIX_2
    np.right_shift(hashes, np.uint64(32), out=shifted)
    hashes ^= shifted
    return hashes


# ------------------------------------------------------------------------------------------------------------- tables


@cache
def _ascii() -> bytes:
    """What ASCII becomes: itself, the number of a sign, or a space."""
    return bytes(
        code if code >= 128 or chr(code).isalnum() else _SIGNS.find(chr(code)) + 1 or _SPACE for code in range(256)
    )


def _ranges(text: str) -> list[range]:
    parts = [item.partition("-") for item in text.split()]
    return [range(int(low, 16), int(high or low, 16) + 1) for low, _, high in parts]


class _Table(NamedTuple):
    kinds: U8  # of each code point
    blocks: U8  # of each block of 64
    leads: bytes  # lead bytes that may begin anything but plain letters, as 1
    foldings: U32  # what folding makes of each code point; 0 where it stays
    numerals: Flags


@cache
def _table() -> _Table:
    kinds = np.zeros(0x110000, np.uint8)
    for first, last in UNSPACED:
        kinds[first : last + 1] = _UNSPACED
    marked = ((_SEPARATORS, _SEPARATOR), (_SYMBOLS, _SYMBOL), (_IGNORED, _IGNORE), (_DASHES, _DASH))
    for ranges, kind in marked:
        for codes in _ranges(ranges):
            kinds[codes.start : codes.stop] = kind
    foldings = np.zeros(0x110000, np.uint32)
    for code, folded in _foldings().items():
        foldings[code] = int.from_bytes(folded.ljust(len(chr(code).encode()), b"\xff"), "little")
    numerals = np.zeros(0x110000, np.bool_)
    numerals[[ord(numeral) for numeral in _NUMERALS]] = True
    by_block = kinds.reshape(-1, 64)
    uniform = (by_block == by_block[:, :1]).all(axis=1) & ~(foldings.reshape(-1, 64) > 0).any(axis=1)
    blocks = np.where(uniform, by_block[:, 0], _MIXED).astype(np.uint8)
    leads = {chr(block * 64).encode("utf-8", "surrogatepass")[0] for block in np.flatnonzero(blocks)}
    return _Table(kinds, blocks, bytes(lead in leads for lead in range(256)), foldings, numerals)


def _foldings() -> dict[int, bytes]:
    """What folding makes of each code point, in UTF-8 of no more bytes than its own."""
    marks = {code for codes in _ranges(_MARKS) for code in codes}
    foldings: dict[int, bytes] = {}
    for code in (code for codes in _ranges(_FOLDABLE) for code in codes):
        letter = chr(code)
        if unicodedata.category(letter)[0] not in "LNM":
            continue
        digit = unicodedata.decimal(letter, None)
        forms = unicodedata.normalize("NFKC", letter).lower() if digit is None else str(digit)
        bare = "".join(part for part in unicodedata.normalize("NFD", forms) if ord(part) not in marks)
        folded = unicodedata.normalize("NFC", "".join(_LETTERS.get(part, part) for part in bare))
        if folded != letter and (folded.isalnum() or not folded):
            foldings[code] = folded.encode()
    lines = files("transforms.dedup").joinpath("simplified.txt").read_text("utf-8").split("\n")
    for traditional, simplified in (line.split() for line in lines if line and not line.startswith("#")):
        foldings[ord(traditional)] = _LETTERS.get(simplified, simplified).encode()
    foldings |= {ord(numeral): folded.encode() for numeral, folded in _LETTERS.items() if numeral in _NUMERALS}
    return {code: folded for code, folded in foldings.items() if len(folded) <= len(chr(code).encode())}


# --------------------------------------------------------------------------------------------------------- characters


def _buffer(texts: pa.Array) -> tuple[bytes, I64]:
    """The texts with two spaces after each, and eight around all; where each text starts, and where the last ends."""
    gap, nothing = pa.scalar("  ", pa.large_string()), pa.scalar("", pa.large_string())
    joined = pc.binary_join_element_wise(texts.cast(pa.large_string()), gap, nothing)
    offsets = np.frombuffer(joined.buffers()[1], np.int64)[joined.offset : joined.offset + len(joined) + 1]
    content = joined.buffers()[2].to_pybytes()[offsets[0] : offsets[-1]] if offsets[-1] else b""
    return b" " * 8 + content + b" " * 8, offsets - offsets[0] + 8


def characters(texts: pa.Array) -> Characters:
    """Words of a batch of texts (string, no nulls), as they are written."""
    lowered = pc.utf8_lower(texts)
    # Where lowering changes the length no place in one is a place in the other: such a text is taken for lower case.
    same = pc.equal(pc.binary_length(texts), pc.binary_length(lowered))
    (as_written, _), (in_lower, starts) = _buffer(pc.if_else(same, texts, lowered)), _buffer(lowered)
    content = in_lower.translate(_ascii())
    written, low = (np.frombuffer(found, np.uint8) for found in (as_written, in_lower))
    units = np.frombuffer(content, np.uint8).copy()
    at = np.flatnonzero(np.frombuffer(content.translate(_table().leads), np.bool_))
    found = _rewrite(units, at)
    signs, parted = _signs(units, low, written, starts, found.symbols)
    initials, capitals = _capitals(units, low, written)
    # A word parted at the end of a line is whole without its hyphen and the newline.
    folded = np.concatenate([found.folded, parted])
    foldings = np.concatenate([found.foldings, np.full(len(parted), 0xFFFF, np.uint32)])
    return Characters(
        units, starts, initials, capitals, found.numerals, found.unspaced, signs, folded, foldings, found.has_ignored
    )


def fold(words: Characters) -> Characters:
    """The words folded."""
    if not len(words.folded) and not words.is_filled:
        return words
    units = words.units.copy()
    for byte in range(4):
        value = (words.foldings >> np.uint32(8 * byte)).astype(np.uint8)
        some = value > 0
        units[words.folded[some] + byte] = value[some]
    gone = np.flatnonzero(units == _FILL)

    def placed(at: I64) -> I64:
        return at - np.searchsorted(gone, at)

    return Characters(
        units=np.frombuffer(units.tobytes().translate(None, _FILL.tobytes()), np.uint8),
        starts=placed(words.starts),
        initials=placed(words.initials),
        capitals=placed(words.capitals),
        numerals=placed(words.numerals),
        unspaced=placed(words.unspaced),
        signs=placed(words.signs),
        folded=np.zeros(0, np.int64),
        foldings=np.zeros(0, np.uint32),
        is_filled=False,
    )


class _Found(NamedTuple):
    """What there is beyond ASCII: places of characters."""

    unspaced: I64
    symbols: I64
    numerals: I64
    folded: I64
    foldings: U32
    has_ignored: bool


def _rewrite(units: U8, at: I64) -> _Found:
    """Of the characters that begin at `at`, blank separators, mark what is ignored, and fold what case leaves."""
    if not len(at):
        return _Found(at, at, at, at, np.zeros(0, np.uint32), False)
    table = _table()
    lead, second = units[at], units[at + 1]
    is_two, is_four = lead < 0xE0, lead >= 0xF0
    block = ((lead.astype(np.int64) & 15) << 6) | (second & 63)
    block[is_two] = lead[is_two] & 31
    if is_four.any():
        four = np.flatnonzero(is_four)
        block[four] = ((lead[four].astype(np.int64) & 7) << 12) | ((second[four].astype(np.int64) & 63) << 6)
        block[four] |= units[at[four] + 2] & 63
    kind = table.blocks[block]
    mixed = np.flatnonzero(kind == _MIXED)
    places = at[mixed]
    last = places + 1 + (lead[mixed] >= 0xE0) + (lead[mixed] >= 0xF0)
    code = (block[mixed] << 6) | (units[last] & 63)
    kind[mixed] = table.kinds[code]
    foldings = table.foldings[code]
    some = np.flatnonzero(foldings)
    numerals = places[table.numerals[code]]
    for letter, lower in _FOLDED:
        these = places[code == ord(letter)]
        units[these], units[these + 1] = lower.encode()
    _fill(units, at[kind == _SEPARATOR], _SPACE)
    dashes = at[kind == _DASH]
    _fill(units, dashes, _SPACE)
    units[dashes + 2] = _MINUS
    ignored = at[kind == _IGNORE]
    _fill(units, ignored, int(_FILL))
    unspaced, symbols = at[kind == _UNSPACED], at[kind == _SYMBOL]
    return _Found(unspaced, symbols, numerals, places[some], foldings[some], len(ignored) > 0)


def _widths(units: U8, at: I64) -> I64:
    """Bytes of the characters that begin there."""
    lead = units[at]
    return 1 + (lead >= 0xC0).astype(np.int64) + (lead >= 0xE0) + (lead >= 0xF0)


def _fill(units: U8, at: I64, value: int) -> None:
    """Write a byte over whole characters."""
    widths = _widths(units, at)
    for byte in range(1, int(widths.max(initial=0))):
        units[at[widths > byte] + byte] = value
    units[at] = value


def _is_digit(units: U8) -> Flags:
    found: Flags = (units - np.uint8(48)) < 10
    return found


def _signs(units: U8, low: U8, written: U8, starts: I64, symbols: I64) -> tuple[I64, I64]:
    """Where signs are tokens of their own; all others are blanked. And where a hyphen parts a word at a line's end."""
    at = np.flatnonzero(units < _SPACE)
    code, before, after, ahead, beyond = (units[at + step] for step in (0, -1, 1, -2, 2))
    follows, leads = before > _SPACE, after > _SPACE
    numeric = np.isin(code, (_MINUS, _PLUS, _LESS, _MORE)) & ~follows & _is_digit(after)
    first = (before != code) & ~((after == code) & (beyond == code))  # of one or two
    single = first & (after != code)
    spaced = (before == _SPACE) & (ahead > _SPACE) & (after == _SPACE) & (beyond > _SPACE) & (low[at - 1] != _NEWLINE)
    operator = (first & (code == _EQUALS)) | (single & np.isin(code, (_PERCENT, _DOLLAR, _CARET)))
    operator |= spaced & np.isin(code, (_PLUS, _LESS, _MORE, _TIMES, _SLASH))
    operator |= follows & leads & np.isin(code, (_PLUS, _LESS, _MORE, _TIMES))
    operator |= (code == _PLUS) & (follows | ((before == code) & (ahead > _SPACE)))
    operator |= (code == _HASH) & follows & ~leads
    operator |= (code == _NOT) & ~follows & leads
    operator |= first & (after == code) & ((code == _AND) | (code == _OR))
    # Smileys: a bracket behind a colon, and perhaps a nose.
    eyes = np.where(low[at - 1] == ord("-"), low[at - 2], low[at - 1])
    operator |= ((code == _OPENING) | (code == _CLOSING)) & ((eyes == ord(":")) | (eyes == ord(";")))
    lengths = np.diff(starts)
    text = np.searchsorted(starts, at, "right") - 1
    counts = is_short(starts)
    counts |= np.bincount(text[operator], minlength=len(lengths)) * OPERATOR_BYTES >= np.maximum(lengths, 1)
    kept = (numeric | operator) & counts[text]
    letters = (low[at - 1] >= _LOWER_A) & (low[at + 2] >= _LOWER_A) & (written[at + 2] == low[at + 2])
    parted = at[(code == _MINUS) & (low[at] < 0x80) & (low[at + 1] == _NEWLINE) & letters]
    units[at[~kept]] = _SPACE
    stays = counts[np.searchsorted(starts, symbols, "right") - 1]
    _fill(units, symbols[~stays], _SPACE)
    return np.sort(np.concatenate([at[kept], symbols[stays]])), parted


def is_short(starts: I64) -> Flags:
    """Of each text, whether its signs and the gaps between its digits count, whatever it is."""
    short: Flags = np.diff(starts) <= SHORT_BYTES
    return short


def _capitals(units: U8, low: U8, written: U8) -> tuple[I64, I64]:
    """Where words with a capital letter start, and those of them that no sentence or line begins with."""
    at = np.flatnonzero(written != low)
    for _ in range(2):  # back to the first byte
        at = np.where(written[at] & 0xC0 == 0x80, at - 1, at)
    at = at[(units[at - 1] <= _SPACE) & (units[at] > _SPACE)]
    follows = (units[at - 2] > _SPACE) | (written[at - 2] == ord(","))
    return at, at[(written[at - 1] == _SPACE) & follows]


# ------------------------------------------------------------------------------------------------------------- tokens


def tokens(of: Characters) -> Tokens:
    """Tokens of folded words."""
    starts, ends = _bounds(of)
    begins: U64 = np.ndarray((len(of.units) - 7,), "<u8", of.units.data, 0, (1,))[starts]
    values = (_token_hashes(of.units, begins, starts, ends) >> np.uint64(32)).astype(np.uint32)
    values &= ~(KIND_MASK | FIRST_MASK)
    values |= _first_letters(begins)
    marks = np.zeros(len(of.units), np.uint8)
    for places, kind in (
        *((of.unspaced, UNSPACED_LETTER), (of.initials, INITIAL), (of.capitals, CAPITAL)),
        *((of.numerals, NUMBER), (of.signs, SIGN)),
    ):
        marks[places] = kind
    kinds = marks[starts]
    kinds[(_is_digit(of.units[starts]) | _is_digit(of.units[ends - 1])) & (kinds != SIGN)] = NUMBER
    values |= kinds
    return Tokens(values, np.searchsorted(starts, of.starts))


def tokens_of(texts: pa.Array) -> Tokens:
    """Tokens of a batch of texts (string, no nulls)."""
    return tokens(fold(characters(texts)))


def _bounds(of: Characters) -> tuple[I64, I64]:
    """(starts, ends) of tokens: of what stands between spaces, and of characters that are tokens of their own."""
    inside = of.units != _SPACE
    if not len(of.unspaced):
        bounds = np.flatnonzero(inside[1:] != inside[:-1])
        bounds += 1
        # Beside a sign one token ends where the next begins.
        beside = np.unique(np.concatenate([of.signs, of.signs + _widths(of.units, of.signs)]))
        beside = np.repeat(beside[inside[beside] & inside[beside - 1]], 2)
        bounds = np.insert(bounds, np.searchsorted(bounds, beside), beside)
        return bounds[::2], bounds[1::2]
    starts = inside.copy()
    starts[1:] &= ~inside[:-1]
    for single in (of.unspaced, of.signs):
        starts[single] = True
        starts[single + _widths(of.units, single)] = True
    per_text = np.diff(np.searchsorted(of.unspaced, of.starts))
    longest = np.diff(of.starts) // 4  # characters are 4 bytes or fewer
    for text in np.flatnonzero(per_text >= np.maximum(1, UNSPACED_SHARE * longest)):
        part = slice(of.starts[text], of.starts[text + 1])
        leads = (of.units[part] & 0xC0 != 0x80) & inside[part]
        if per_text[text] >= UNSPACED_SHARE * np.count_nonzero(leads):
            starts[part] |= leads
    starts &= inside
    last = inside
    last[:-1] &= ~inside[1:] | starts[1:]
    return np.flatnonzero(starts), np.flatnonzero(last) + 1


def _token_hashes(units: U8, begins: U64, starts: I64, ends: I64) -> U64:
    """A hash over the bytes of each token, 8 at a time; `begins` are the first."""
    windows: U64 = np.ndarray((len(units) - 7,), "<u8", units.data, 0, (1,))
    lengths = ends - starts
    masks = np.array([(1 << (8 * n)) - 1 for n in range(8)] + [2**64 - 1], np.uint64)
    hashes = begins & masks.take(lengths, mode="clip")
    hashes += lengths.view(np.uint64) << np.uint64(56)
    mix(hashes)
    longer = np.flatnonzero(lengths > 8)
    done = 8
    while len(longer) and done < _WINDOWED_BYTES:
        more = windows[starts[longer] + done]
        more &= masks.take(lengths[longer] - done, mode="clip")
        more += hashes[longer] * GOLDEN
        hashes[longer] = mix(more)
        done += 8
        longer = longer[lengths[longer] > done]
    for token in longer:
        tail = xxhash.xxh3_64_intdigest(units[starts[token] + done : ends[token]].data)
        hashes[token] ^= np.uint64(tail)
    return hashes


def _first_letters(begins: U64) -> U32:
    """FIRST_MASK of words that begin so; of an Arabic word with its article, of what follows."""
    article = np.flatnonzero(begins & np.uint64(0xFFFFFFFF) == _ARTICLE)
    if len(article):
        begins = begins.copy()
        begins[article] >>= np.uint64(32)
    letters = (begins & _letter_masks()[begins.astype(np.uint8)]).astype(np.uint32)
    letters *= np.uint32(0x9E3779B1)
    letters >>= np.uint32(32 - 4 - KIND_BITS)
    letters &= FIRST_MASK
    return letters


@cache
def _letter_masks() -> U64:
    """By lead byte, the bytes of a letter, but the last of four."""
    return np.array([0xFF if lead < 0xC0 else 0xFFFF if lead < 0xE0 else 0xFFFFFF for lead in range(256)], np.uint64)


def pack_tokens(of: Tokens) -> pa.Array:
    """The tokens of each document as binary, little-endian uint32."""
    buffers = [None, pa.py_buffer(of.offsets * 4), pa.py_buffer(of.values.astype("<u4"))]
    return pa.Array.from_buffers(pa.large_binary(), len(of.offsets) - 1, buffers)


def unpack_tokens(packed: pa.Array) -> list[U32]:
    """What `pack_tokens` packed, a document each."""
    offsets = np.frombuffer(packed.buffers()[1], np.int64)[packed.offset : packed.offset + len(packed) + 1] // 4
    values = np.frombuffer(packed.buffers()[2] or b"", "<u4")
    return [values[start:end] for start, end in pairwise(offsets.tolist())]


def packed_tokens(texts: pa.Array) -> pa.Array:
    """`pack_tokens` of texts."""
    return pack_tokens(tokens_of(texts))


# -------------------------------------------------------------------------------------------------------- exact hashes


_DIGIT_GAPS = re.compile(rb"(?<=[0-9]) +(?=[0-9])")


def letters_of(words: Characters) -> list[bytes]:
    """The letters, digits, marks and signs of each text, whatever stands between them. In a short text "1.25" and
    "12.5" are two things: a gap between digits is a letter."""
    content = words.units.tobytes()
    return [
        (_DIGIT_GAPS.sub(b"\x1f", content[start:end]) if end - start <= SHORT_BYTES else content[start:end]).translate(
            None, b" \xff"
        )
        for start, end in pairwise(words.starts.tolist())
    ]


def letter_hashes(texts: pa.Array, words: Characters, letters: Sequence[bytes]) -> list[str]:
    """32 hex digits (xxh3, 128 bit) over the letters of each text; of one with less than LETTERS bytes of them, over
    its words; of one without any, over the text."""
    hashes: list[str] = []
    for row, (start, found) in enumerate(zip(words.starts.tolist(), letters, strict=False)):
        if len(found) < LETTERS:
            part = words.units[start : words.starts[row + 1]].tobytes().replace(_FILL.tobytes(), b"")
            found = b" ".join(filter(None, part.split(b" "))) or texts[row].as_py().encode()
        hashes.append(xxhash.xxh3_128_hexdigest(found))
    return hashes


def content_hashes(texts: pa.Array, letters: Sequence[bytes], of: Tokens) -> list[str]:
    """32 hex digits (xxh3, 128 bit) over the words of each text: its letters as they are written, and where words end,
    which its tokens tell; of one without any, over the text."""
    digest, values = xxhash.xxh3_128_hexdigest, (of.values >> np.uint32(KIND_BITS)).tobytes()
    return [
        digest(found + values[first:last]) if last > first else digest(texts[row].as_py().encode())
        for row, (found, (first, last)) in enumerate(zip(letters, pairwise((of.offsets * 4).tolist()), strict=True))
    ]
