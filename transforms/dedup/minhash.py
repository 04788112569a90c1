"""Tokens, shingles and MinHash sketches of whole batches of texts, with NumPy and Arrow kernels.

Every hash here is our own arithmetic over UTF-8, and the table of separators is written down: a sketch stays what
it is whatever the version of Python, NumPy, Arrow or Unicode, so an index of it lasts for years. (rensa 0.5.0 made
every signature saved before unreadable; polars promises nothing of its `.hash()`.)

- A **token** is a run of letters, digits and marks in lower case; in scripts without spaces, one character. In a
  text that is mostly of such a script, so is every other character: an edit in its midst then costs three shingles
  whatever the script of the replacement.
- A **shingle** is three tokens in a row. At 5 tokens and a threshold of .7, what most tools take, one word in twenty
  changed is found in a third of cases, at 3 and .5 in .97 (measured on 60,000 documents, 11 tools).
- A **sketch** is a one-permutation MinHash (Li et al. 2012) of 96 bins, its empty bins filled from others (optimal
  densification, Shrivastava 2017).

>>> first, second = tokens_of(pa.array(["Hello,  world!", "hello WORLD"])).by_document()
>>> first.tolist() == second.tolist(), len(first)
(True, 2)
>>> [len(document) for document in tokens_of(pa.array(["1.5", "Straße 7", "東京タワー", ""])).by_document()]
[2, 2, 5, 0]
"""

from functools import cache
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

SHINGLE_TOKENS = 3
SKETCH_BINS = 96
# Changes with anything that changes a hash below; an index of another is refused.
HASHES = "tamis-minhash-1"
# Share of a text's characters in scripts without spaces from which all its characters are tokens.
UNSPACED_SHARE = 0.3
# Batches of about this many bytes stay within the caches: twice as fast as at 64 KB, a quarter faster than at 4 MB.
BATCH_BYTES = 1 << 20

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
    "fdfc-fdff fe10-fe19 fe30-fe6b feff-ff0f ff1a-ff20 ff3b-ff40 ff5b-ff65 ffe0-fffd 1f000-1fbca e0001-e007f"
)
# What a block of 64 code points has: only letters of scripts with spaces, only letters of those without, or
# something to look at.
_LETTER, _UNSPACED_LETTER, _SEPARATOR, _MIXED = 0, 1, 2, 3

# Letters whose upper case comes back as another when lowered, where that has as many bytes: ß, final sigma, micro.
_FOLDED = (("ß", "ss"), ("ς", "σ"), ("µ", "μ"))

# UTF-8 bytes of letters from which on the same ones in a row are the same text, however spaced and punctuated: in a
# short one "1.5" and "15" are two things.
LETTERS = 100

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xD6E8FEB86659FD93), np.uint64(0xFF51AFD7ED558CCD)
_EMPTY = np.uint32(0xFFFFFFFF)
_SPACE = 32
# A token's bytes beyond these are hashed one token at a time; in text, hardly any.
_WINDOWED_BYTES = 64


class Characters(NamedTuple):
    """UTF-8 of a batch of texts: lower case, separators as spaces, and spaces between texts and around all."""

    units: U8
    starts: I64  # where each text starts, and where the last ends
    unspaced: I64  # where characters of scripts without spaces start


class Tokens(NamedTuple):
    """Token hashes of a batch: uint64, those of document i at offsets[i] to offsets[i + 1]."""

    hashes: U64
    offsets: I64

    def by_document(self) -> list[U64]:
        """The hashes of each document."""
        return np.split(self.hashes, self.offsets[1:-1])


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
    hashes *= _MIX_2
    np.right_shift(hashes, np.uint64(32), out=shifted)
    hashes ^= shifted
    return hashes


@cache
def _ascii() -> bytes:
    """ASCII but letters and digits becomes space."""
    return bytes(code if code >= 128 or chr(code).isalnum() else _SPACE for code in range(256))


@cache
def _code_points() -> tuple[U8, U8, bytes]:
    """(class of each code point, class of each block of 64, lead bytes that may begin anything but letters as 1)."""
    kinds = np.zeros(0x110000, np.uint8)
    for first, last in UNSPACED:
        kinds[first : last + 1] = _UNSPACED_LETTER
    for item in _SEPARATORS.split():
        low, _, high = item.partition("-")
        kinds[int(low, 16) : int(high or low, 16) + 1] = _SEPARATOR
    by_block = kinds.reshape(-1, 64)
    blocks = np.where((by_block == by_block[:, :1]).all(axis=1), by_block[:, 0], _MIXED).astype(np.uint8)
    leads = {chr(block * 64).encode("utf-8", "surrogatepass")[0] for block in np.flatnonzero(blocks)}
    return kinds, blocks, bytes(lead in leads for lead in range(256))


def _buffer(texts: pa.Array) -> tuple[bytes, I64]:
    """Lower case, ASCII separators as spaces, and spaces between texts and around all; where each text starts."""
    lowered = pc.utf8_lower(texts).cast(pa.large_string())
    space, nothing = pa.scalar(" ", pa.large_string()), pa.scalar("", pa.large_string())
    lowered = pc.binary_join_element_wise(lowered, space, nothing)
    offsets = np.frombuffer(lowered.buffers()[1], np.int64)[lowered.offset : lowered.offset + len(lowered) + 1]
    content = lowered.buffers()[2].to_pybytes()[offsets[0] : offsets[-1]] if offsets[-1] else b""
    return b" " * 8 + content.translate(_ascii()) + b" " * 8, offsets - offsets[0] + 8


def characters(texts: pa.Array) -> Characters:
    """Characters of a batch of texts (string, no nulls)."""
    content, starts = _buffer(texts)
    units = np.frombuffer(content, np.uint8)
    kinds, blocks, leads = _code_points()
    at = np.flatnonzero(np.frombuffer(content.translate(leads), np.bool_))
    if len(at):
        units = units.copy()
        at = _rewrite_characters(units, at, kinds, blocks)
    return Characters(units, starts, at)


def tokens(of: Characters) -> Tokens:
    """Tokens of a batch of texts."""
    inside = of.units != _SPACE
    if len(of.unspaced):
        starts, ends = _bounds_unspaced(of.units, inside, of.unspaced, of.starts)
    else:
        bounds = np.flatnonzero(inside[1:] != inside[:-1])
        bounds += 1
        starts, ends = bounds[::2], bounds[1::2]
    return Tokens(_token_hashes(of.units, starts, ends), np.searchsorted(starts, of.starts))


def tokens_of(texts: pa.Array) -> Tokens:
    """Tokens of a batch of texts (string, no nulls)."""
    return tokens(characters(texts))


def _rewrite_characters(units: U8, at: I64, kinds: U8, blocks: U8) -> I64:
    """Of the characters that begin at `at`, blank separators and fold letters; returns where characters of scripts
    without spaces begin."""
    lead, second = units[at], units[at + 1]
    is_two, is_four = lead < 0xE0, lead >= 0xF0
    block = ((lead.astype(np.int64) & 15) << 6) | (second & 63)
    block[is_two] = lead[is_two] & 31
    if is_four.any():
        four = np.flatnonzero(is_four)
        block[four] = ((lead[four].astype(np.int64) & 7) << 12) | ((second[four].astype(np.int64) & 63) << 6)
        block[four] |= units[at[four] + 2] & 63
    kind = blocks[block]
    mixed = np.flatnonzero(kind == _MIXED)
    if len(mixed):
        last = at[mixed] + 1 + (lead[mixed] >= 0xE0) + (lead[mixed] >= 0xF0)
        code = (block[mixed] << 6) | (units[last] & 63)
        kind[mixed] = kinds[code]
        for letter, folded in _FOLDED:
            found = at[mixed[code == ord(letter)]]
            units[found], units[found + 1] = folded.encode()
    gone = at[kind == _SEPARATOR]
    long, longest = units[gone] >= 0xE0, units[gone] >= 0xF0
    units[gone + 1] = _SPACE
    units[gone[long] + 2] = _SPACE
    units[gone[longest] + 3] = _SPACE
    units[gone] = _SPACE
    unspaced: I64 = at[kind == _UNSPACED_LETTER]
    return unspaced


def _bounds_unspaced(units: U8, inside: npt.NDArray[np.bool_], unspaced: I64, text_starts: I64) -> tuple[I64, I64]:
    """(starts, ends) of tokens where some characters are tokens of their own."""
    starts = inside.copy()
    starts[1:] &= ~inside[:-1]
    starts[unspaced] = True
    starts[unspaced + 3 + (units[unspaced] >= 0xF0)] = True
    per_text = np.diff(np.searchsorted(unspaced, text_starts))
    longest = np.diff(text_starts) // 4  # characters are 4 bytes or fewer
    for text in np.flatnonzero(per_text >= np.maximum(1, UNSPACED_SHARE * longest)):
        part = slice(text_starts[text], text_starts[text + 1])
        leads = (units[part] & 0xC0 != 0x80) & inside[part]
        if per_text[text] >= UNSPACED_SHARE * np.count_nonzero(leads):
            starts[part] |= leads
    starts &= inside
    last = inside
    last[:-1] &= ~inside[1:] | starts[1:]
    return np.flatnonzero(starts), np.flatnonzero(last) + 1


def _token_hashes(units: U8, starts: I64, ends: I64) -> U64:
    """A hash over the bytes of each token, 8 at a time."""
    windows: U64 = np.ndarray((len(units) - 7,), "<u8", units.data, 0, (1,))
    lengths = ends - starts
    masks = np.array([(1 << (8 * n)) - 1 for n in range(8)] + [2**64 - 1], np.uint64)
    hashes = windows[starts]
    hashes &= masks.take(lengths, mode="clip")
    hashes += lengths.view(np.uint64) << np.uint64(56)
    mix(hashes)
    longer = np.flatnonzero(lengths > 8)
    done = 8
    while len(longer) and done < _WINDOWED_BYTES:
        more = windows[starts[longer] + done]
        more &= masks.take(lengths[longer] - done, mode="clip")
        more += hashes[longer] * _GOLDEN
        hashes[longer] = mix(more)
        done += 8
        longer = longer[lengths[longer] > done]
    for token in longer:
        tail = xxhash.xxh3_64_intdigest(units[starts[token] + done : ends[token]].data)
        hashes[token] ^= np.uint64(tail)
    return hashes


class Shingles(NamedTuple):
    """Shingle hashes of a batch: uint64, in order of the text, those of document i at offsets[i] to offsets[i + 1]."""

    hashes: U64
    offsets: I64


def shingles(of: Tokens) -> Shingles:
    """Hashes of every SHINGLE_TOKENS tokens in a row; none of a document with fewer."""
    lengths = np.maximum(np.diff(of.offsets) - (SHINGLE_TOKENS - 1), 0)
    offsets = np.zeros(len(of.offsets), np.int64)
    np.cumsum(lengths, out=offsets[1:])
    count = len(of.hashes) - (SHINGLE_TOKENS - 1)
    if count <= 0:
        return Shingles(np.zeros(0, np.uint64), offsets)
    hashes = of.hashes[:count] * _GOLDEN
    for token in range(1, SHINGLE_TOKENS):
        hashes += of.hashes[token : token + count]
        if token < SHINGLE_TOKENS - 1:
            hashes *= _GOLDEN
    within = np.ones(count, np.bool_)  # no shingle goes on into the next document
    for token in range(1, SHINGLE_TOKENS):
        across = of.offsets[1:-1] - token
        within[across[(across >= 0) & (across < count)]] = False
    return Shingles(mix(hashes[within]), offsets)


def pack_shingles(hashes: U64, counts: I64) -> pa.Array:
    """The shingles of each document in order of the text, as binary: little-endian uint32, the low half of each."""
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts * 4, out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(hashes.astype("<u4"))]
    return pa.Array.from_buffers(pa.large_binary(), len(counts), buffers)


def unpack_shingles(packed: pa.Array) -> list[U32]:
    """What `pack_shingles` packed, a document each."""
    offsets = np.frombuffer(packed.buffers()[1], np.int64)[packed.offset : packed.offset + len(packed) + 1] // 4
    values = np.frombuffer(packed.buffers()[2] or b"", "<u4")
    return [values[start:end] for start, end in pairwise(offsets.tolist())]


def packed_shingles(texts: pa.Array) -> pa.Array:
    """`pack_shingles` of texts."""
    found = shingles(tokens_of(texts))
    return pack_shingles(found.hashes, np.diff(found.offsets))


def sketches(of: Shingles) -> U32:
    """uint32[documents, SKETCH_BINS]; of a document without shingles, the largest value throughout."""
    documents = len(of.offsets) - 1
    bins = np.full(documents * SKETCH_BINS, _EMPTY, np.uint32)
    at = np.repeat(np.arange(0, documents * SKETCH_BINS, SKETCH_BINS), np.diff(of.offsets))
    at += ((of.hashes >> np.uint64(32)) * np.uint64(SKETCH_BINS) >> np.uint64(32)).view(np.int64)
    np.minimum.at(bins, at, of.hashes.astype(np.uint32))
    return _densify(bins.reshape(documents, SKETCH_BINS))


def _densify(sketch: U32) -> U32:
    """Fill every empty bin from one that is not, drawn by the bin's number, alike in every document."""
    empty = sketch == _EMPTY
    some = np.flatnonzero(empty.any(axis=1) & ~empty.all(axis=1))
    given = sketch[some]
    rows, bins = np.nonzero(empty[some])
    draw = 1
    while len(rows):
        donors = mix(np.arange(SKETCH_BINS, dtype=np.uint64) * _GOLDEN + np.array([draw], np.uint64) * _MIX_2)
        value = given[rows, (donors % np.uint64(SKETCH_BINS)).astype(np.int64)[bins]]
        found = value != _EMPTY
        sketch[some[rows[found]], bins[found]] = value[found]
        rows, bins = rows[~found], bins[~found]
        draw += 1
    return sketch


def content_hashes(texts: pa.Array, of: Tokens) -> list[str]:
    """32 hex digits (xxh3, 128 bit) over each document's tokens; of one without any, over the text."""
    digest, content = xxhash.xxh3_128_hexdigest, of.hashes.data.cast("B")
    return [
        digest(content[8 * start : 8 * end]) if end > start else digest(texts[row].as_py().encode())
        for row, (start, end) in enumerate(pairwise(of.offsets.tolist()))
    ]


def letter_hashes(texts: pa.Array, of: Characters) -> list[str]:
    """32 hex digits (xxh3, 128 bit) over each document's letters, digits and marks, whatever stands between them; of
    one with less than LETTERS bytes of them, over its words; of one without any, over the text."""
    digest, content = xxhash.xxh3_128_hexdigest, of.units.tobytes()
    hashes: list[str] = []
    for row, (start, end) in enumerate(pairwise(of.starts.tolist())):
        letters = content[start:end].translate(None, b" ")
        if len(letters) < LETTERS:
            letters = b" ".join(content[start:end].split()) or texts[row].as_py().encode()
        hashes.append(digest(letters))
    return hashes
