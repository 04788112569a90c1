"""Exact duplicates: the same text but for case, punctuation and white space, after stripping or before it.

Before it, since a copy that has other lines is stripped otherwise: of copies that differ in white space alone, .02
had another `content_hash`. There only letters, digits and signs count, since punctuation that is lost may join words.
What a sign is, and where it counts, dedup/tokens.py says.

>>> content_hash("Hello,  world!") == content_hash("hello world")
True
>>> content_hash("1.5") == content_hash("15")
False
>>> content_hash("a loop in C") == content_hash("a loop in C++")
False
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms.dedup.bands import band_keys
from transforms.dedup.minhash import digests, shingles, sketches
from transforms.dedup.tokens import (
    I64,
    U64,
    batches_of,
    characters,
    content_hashes,
    fold,
    letter_hashes,
    letters_of,
    pack_tokens,
    tokens,
)
from transforms.schema import column_type, with_columns

# Above this share of its site's template lines a text is a page of which its furniture was left, and like its
# neighbours by that alone: it is compared by its content only, and no record is lost for what is no article's.
FURNITURE_SHARE = 0.5
# What is broken in a text, each as many characters as a sentence is worth; and the part that capitals alone cost.
_FLAWS = "[a-z]-\n[a-z]|\ufffd|[\u00c2\u00c3][\u0080-\u00bf]|\u00e2\u20ac|&(?:#[0-9]+|[a-z]{2,6});"
FLAW_CHARS = 20
CAPITALS_COST = 10


def content_hash(text: str) -> str:
    """32 hex digits over the words of a text, as `tokens.characters` has them; of a text without any, over the text."""
    texts = pa.array([text])
    words = characters(texts)
    return content_hashes(texts, letters_of(words), tokens(fold(words)))[0]


def repaired_hash(text: str) -> str:
    """32 hex digits over the letters, digits and signs of a text, however it is spaced and punctuated, unless it is
    short.

    >>> repaired_hash("An e-mail " * 20) == repaired_hash("An email " * 20)
    True
    >>> repaired_hash("An e-mail") == repaired_hash("An email")
    False
    """
    texts = pa.array([text])
    return letter_hashes(texts, words := characters(texts), letters_of(words))[0]


def clean_chars(texts: pa.Array) -> pa.Array:
    """int32: the characters of each text less what is broken in it: of copies, the one with the most is kept.

    What is broken: words parted at line ends (a PDF), characters lost, mojibake, entities; text all in capitals.

    >>> clean_chars(pa.array(["The mill was sold.", "The mi-\\nll was sold.", "THE MILL WAS SOLD."])).to_pylist()
    [18, 0, 17]
    """
    chars = pc.utf8_length(texts)
    broken = pc.add(
        pc.multiply(pc.count_substring_regex(texts, _FLAWS), FLAW_CHARS),
        pc.if_else(pc.match_substring_regex(texts, r"\p{Ll}"), 0, pc.divide(chars, CAPITALS_COST)),
    )
    return pc.max_element_wise(pc.subtract(chars, broken), 0).cast(pa.int32())


def sign_documents(documents: pa.Table) -> pa.Table:
    """Add `content_hash`, `repaired_hash`, `chars` (`clean_chars`), `tokens`, `bands` (null for a text that is compared
    with none: without shingles, or mostly template lines) and `digest` (of a long one); rows and order stay."""
    hashes: list[str] = []
    before: list[str] = []
    bands: list[U64] = []
    packed: list[pa.Array] = []
    digested: list[pa.Array] = []
    counts: list[I64] = []
    for texts in batches_of(documents["text"].combine_chunks()):
        words = characters(texts)
        found = tokens(fold(words))
        letters = letters_of(words)
        hashes += content_hashes(texts, letters, found)
        before += letter_hashes(texts, words, letters)
        packed.append(pack_tokens(found))
        shingle = shingles(found)
        counts.append(np.diff(shingle.offsets))
        sketch = sketches(shingle)
        bands.append(band_keys(sketch).reshape(-1))
        digested.append(digests(shingle, sketch))
    stripped = pc.not_equal(documents["text"], documents["repaired"]).combine_chunks()
    longer: list[str] = []
    for texts in batches_of(documents["repaired"].filter(stripped).combine_chunks()):
        words = characters(texts)
        longer += letter_hashes(texts, words, letters_of(words))
    empty = pa.array(np.concatenate([np.zeros(0, np.int64), *counts]) == 0)
    none = pc.or_(empty, pc.greater(documents["template_share"], FURNITURE_SHARE).combine_chunks())
    keys = pa.array(np.concatenate([np.zeros(0, np.uint64), *bands]))
    return with_columns(
        documents,
        chars=clean_chars(documents["text"]),
        content_hash=hashes,
        repaired_hash=pc.replace_with_mask(pa.array(before, pa.string()), stripped, pa.array(longer, pa.string())),
        tokens=pa.chunked_array(packed, column_type("tokens")).combine_chunks(),
        digest=pa.chunked_array(digested, column_type("digest")).combine_chunks(),
        bands=pa.FixedSizeListArray.from_arrays(keys, type=column_type("bands"), mask=none),
    )


def exact_duplicates(content: pa.Array, repaired: pa.Array, is_settled: npt.NDArray[np.bool_]) -> tuple[I64, I64]:
    """What each document is the same as, from its two hashes: (root, first), places in the order of canonicals.

    A document is the same as the earliest with either hash, and what that is the same as. `root` is the last of that
    chain: the document itself where it is the first, and where it `is_settled`: those come first, and what they are
    is known. `first` is the earliest of the same content.
    """
    first = _first(content)
    root = np.where(is_settled, np.arange(len(first)), np.minimum(first, _first(repaired)))
    while True:
        following = root[root]
        if np.array_equal(following, root):
            return root, first
        root = following


def _first(values: pa.Array) -> I64:
    """For each value, the place where it first stands."""
    codes = pc.dictionary_encode(values).indices.to_numpy()
    first: I64 = np.unique(codes, return_index=True)[1][codes]
    return first
