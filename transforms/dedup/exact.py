"""Exact duplicates: the same text but for case, punctuation and white space.

>>> content_hash("Hello,  world!") == content_hash("hello world")
True
>>> content_hash("1.5") == content_hash("15")
False
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.dedup.bands import band_keys
from transforms.dedup.minhash import I64, U64, batches_of, content_hashes, pack_shingles, shingles, sketches, tokens
from transforms.schema import column_type, with_columns

# What the clustering knows of a document. `batch` is 0 for what earlier versions kept, which always wins, then the
# version a document came in; within a batch the longest text wins, then the smallest id.
CANDIDATES = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("content_hash", pa.string(), nullable=False),
        pa.field("batch", pa.int64(), nullable=False),
        pa.field("char_count", pa.int32(), nullable=False),
    ]
)


def content_hash(text: str) -> str:
    """32 hex digits over the words of a text, as `minhash.tokens` has them; of a text without any, over the text."""
    texts = pa.array([text])
    return content_hashes(texts, tokens(texts))[0]


def sign_documents(documents: pa.Table) -> pa.Table:
    """Add `content_hash`, `shingles` and `bands` (null for a text without shingles); rows and order stay."""
    hashes: list[str] = []
    bands: list[U64] = []
    packed: list[pa.Array] = []
    counts: list[I64] = []
    for texts in batches_of(documents["text"].combine_chunks()):
        found = tokens(texts)
        hashes += content_hashes(texts, found)
        shingle = shingles(found)
        counts.append(np.diff(shingle.offsets))
        packed.append(pack_shingles(shingle.hashes, counts[-1]))
        bands.append(band_keys(sketches(shingle)).reshape(-1))
    none = pa.array(np.concatenate([np.zeros(0, np.int64), *counts]) == 0)
    keys = pa.array(np.concatenate([np.zeros(0, np.uint64), *bands]))
    return with_columns(
        documents,
        content_hash=hashes,
        shingles=pa.chunked_array(packed, column_type("shingles")).combine_chunks(),
        bands=pa.FixedSizeListArray.from_arrays(keys, type=column_type("bands"), mask=none),
    )


def exact_duplicates(candidates: pa.Table) -> pa.Table:
    """Which candidates duplicate which: (id, duplicate_of), for those that aren't the first of their hash."""
    ordered = candidates.sort_by(
        [
            ("content_hash", "ascending"),
            ("batch", "ascending"),
            ("char_count", "descending"),
            ("id", "ascending"),
        ]
    )
    if len(ordered) < 2:
        return pa.table({"id": ordered["id"][:0], "duplicate_of": ordered["id"][:0]})
    ids, hashes = ordered["id"].combine_chunks(), ordered["content_hash"].combine_chunks()
    first = pa.concat_arrays([pa.array([True]), pc.not_equal(hashes[1:], hashes[:-1])])
    canonical = pc.fill_null_forward(pc.if_else(first, ids, pa.scalar(None, pa.string())))
    duplicate = pc.and_(pc.invert(first), pc.greater(ordered["batch"].combine_chunks(), 0))
    return pa.table({"id": ids, "duplicate_of": canonical}).filter(duplicate)
