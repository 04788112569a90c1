"""Exact duplicates: the same text but for case, punctuation and white space.

>>> content_hash("Hello,  world!") == content_hash("hello world")
True
>>> content_hash("1.5") == content_hash("15")
False
"""

import re
import sys
import unicodedata
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from transforms.schema import with_columns

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


@cache
def _separators() -> re.Pattern[str]:
    """Runs of anything but letters, digits and marks (`\\W` would break words at the vowel signs of Indic scripts)."""
    ranges: list[list[int]] = []
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code))[0] in "PSZ" or (
            code < 0xE000 and unicodedata.category(chr(code)) in ("Cc", "Cf")
        ):
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return re.compile("[" + "".join(f"{re.escape(chr(a))}-{re.escape(chr(b))}" for a, b in ranges) + "]+")


def content_hash(text: str) -> str:
    """32 hex digits (xxh3, 128 bit) over the words of a text; of a text without any, over the text."""
    words = _separators().sub(" ", text.casefold()).strip()
    return xxhash.xxh3_128_hexdigest((words or text).encode())


def sign_documents(documents: pa.Table) -> pa.Table:
    """Add `content_hash`; rows and order stay."""
    return with_columns(documents, content_hash=[content_hash(text) for text in documents["text"].to_pylist()])


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
