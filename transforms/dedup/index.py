"""The dedup index: immutable segments, one a version, of every content that was ever compared.

What it keeps (flows/state.py: contents, keys, edges, paragraphs) is of every content that came to the comparison.
Numbers count the contents through all segments, so they are the order in which canonicals are chosen. A content that
was dropped stays in it: the candidates of a document then don't depend on what became of others, and five daily runs
find what one run finds.

Deleting needs no change here: a content of which no document is published, or a paragraph, is passed over.

>>> merged_by([5, 41, 9, 3, 8])
3
>>> merged_by([100, 3]), merged_by([])
(0, 0)
"""

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from transforms.dedup.bands import BAND_BINS, BANDS, KEYS
from transforms.dedup.minhash import SHINGLE_TOKENS, SKETCH_BINS
from transforms.dedup.paragraphs import PARAGRAPH_CHARS
from transforms.dedup.tokens import HASHES, U32, U64
from transforms.errors import RefusedError

# What an index must have been made with for its keys to mean the same.
MAKING = json.dumps(
    {
        "hashes": HASHES,
        "shingle_tokens": SHINGLE_TOKENS,
        "sketch_bins": SKETCH_BINS,
        "bands": BANDS,
        "band_bins": BAND_BINS,
        "paragraph_chars": PARAGRAPH_CHARS,
    }
)
_KEY = b"tamis.dedup"
REBUILD = "restore the file from a backup, or make the version anew: `tamis run RAW CURATED --rebuild`"


def marked(schema: pa.Schema) -> pa.Schema:
    """The schema of a segment's file, which says what it was made with."""
    return schema.with_metadata({_KEY: MAKING.encode()})


def check_making(schema: pa.Schema, expected: pa.Schema, where: str) -> None:
    """Raises: RefusedError where a file is not of an index made as this one is."""
    made = (schema.metadata or {}).get(_KEY, b"").decode(errors="replace")
    if made != MAKING and made.startswith("{"):
        raise RefusedError(
            f"this dataset was compared by other hashes ({where}: {made}; now {MAKING}): make it anew with "
            "`tamis run RAW CURATED --rebuild`"
        )
    if made != MAKING or not schema.equals(expected, check_metadata=False):
        raise RefusedError(f"{where} is no part of a dedup index: it says {made or 'nothing'!r}; {REBUILD}")


def merged_by(rows: Sequence[int]) -> int:
    """How many of the last segments the next version merges into its own, by their rows, the newest last.

    As long as the one before has no more than twice what is merged so far: segments grow geometrically, so there
    are few of them, and a row is rewritten a few times in all.
    """
    merged = held = 0
    for count in reversed(rows):
        if merged and count > 2 * held:
            break
        merged, held = merged + 1, held + count
    return merged if merged > 1 else 0


def sort_keys(tables: Sequence[tuple[pa.Table, int]]) -> pa.Table:
    """KEYS of several segments as one, sorted by key, then row; each with the number its rows begin at."""
    if len(tables) == 1 and not tables[0][1]:
        return tables[0][0]
    keys: list[U64] = [table["key"].to_numpy() for table, _ in tables]
    rows: list[U32] = [table["row"].to_numpy() + np.uint32(base) for table, base in tables]
    key, row = np.concatenate(keys), np.concatenate(rows)
    order = np.lexsort((row, key))
    return pa.table([key[order], row[order]], schema=KEYS)
