"""Band keys: documents that share one are candidate pairs.

32 bands of 3 bins. At a Jaccard similarity s two documents share a band with probability 1 - (1 - s³)³²: .986 at .5,
.66 at .32, .03 at .1. 32 bands of 4 are .87 at .5, and lost half-truncated copies (recall .82 against .91 on the
planted ones among 21,390 documents, with half as many candidate pairs again to refuse).

>>> import numpy as np
>>> band_keys(np.zeros((2, SKETCH_BINS), np.uint32)).shape
(2, 32)
>>> sort_bands(np.array([[7, 5], [9, 5]], np.uint64), np.array([0, 1], np.uint32)).to_pydict()
{'key': [5, 5, 7, 9], 'row': [0, 1, 0, 1]}
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.dedup.minhash import SKETCH_BINS
from transforms.dedup.tokens import U32, U64, mix

BAND_BINS = 3
BANDS = SKETCH_BINS // BAND_BINS
# What a bucket's member is paired with: this many of the bucket's first, and as many of those just before it. All
# pairs of a bucket of 100,000 would be five billion; one of each (star and chain) costs up to .01 of recall.
PARTNERS = 2

# Band keys of documents, sorted by key: `row` is where the document stands in a list of them.
KEYS = pa.schema([pa.field("key", pa.uint64(), nullable=False), pa.field("row", pa.uint32(), nullable=False)])

_WEIGHTS = np.array([0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93, 0xFF51AFD7ED558CCD], np.uint64)


def band_keys(sketch: U32) -> U64:
    """uint64[documents, BANDS]: a key says which band it is of, too."""
    bands = sketch.reshape(-1, BANDS, BAND_BINS).astype(np.uint64)
    keys = np.arange(BANDS, dtype=np.uint64) * _WEIGHTS[0] + bands[:, :, 0]
    for place in range(1, BAND_BINS):
        keys *= _WEIGHTS[place]
        keys += bands[:, :, place]
    return mix(keys.reshape(-1)).reshape(-1, BANDS)


def sort_bands(keys: U64, rows: U32) -> pa.Table:
    """KEYS of documents: keys is uint64[documents, bands], rows their rows."""
    flat = keys.reshape(-1)
    order = np.argsort(flat, kind="stable")
    repeated = np.repeat(rows, keys.shape[1] if keys.ndim == 2 else 1)
    return pa.table([flat[order], repeated[order]], schema=KEYS)


def pairs_of_buckets(keys: U64, numbers: U64, active: npt.NDArray[np.bool_], partners: int = PARTNERS) -> U64:
    """Candidate pairs among documents that share a key, each once, as earlier << 32 | later, sorted.

    Documents are known by their numbers, uint64 below 2³², which are their order; a pair has an active later one.
    Each is paired with the first `partners` of its bucket and with as many before it, so the work grows with the
    bucket, not with its square.
    """
    order = np.argsort(keys, kind="stable")  # merges the runs that are there
    same = keys[order][1:] == keys[order][:-1]
    shared = np.zeros(len(keys), np.bool_)
    shared[1:] = same
    shared[:-1] |= same
    order = order[shared]
    order = order[np.lexsort((numbers[order], keys[order]))]
    keys, numbers, active = keys[order], numbers[order], active[order]
    place = np.arange(len(keys))
    first = np.ones(len(keys), np.bool_)
    first[1:] = keys[1:] != keys[:-1]
    start = np.maximum.accumulate(np.where(first, place, 0))
    found = [np.zeros(0, np.uint64)]
    for step in range(1, partners + 1):
        for partner in (start + (step - 1), place - step):
            at = np.flatnonzero(active & (partner >= start) & (partner < place))
            earlier, later = numbers[partner[at]], numbers[at]
            found.append((earlier << np.uint64(32) | later)[earlier != later])
    return np.unique(np.concatenate(found))
