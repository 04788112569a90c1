"""Join: which contents share a band key; a range of keys at a time."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from flows.step import Counts, Work
from flows.store import Ref
from flows.tables import U64, distinct, parted, read_range, read_table, write_work
from transforms.dedup.bands import KEYS, pairs_of_buckets

# Keys that are joined at once, of the index and of this run: 100 MB of working memory.
RANGE_KEYS = 1 << 21
PAIRS = pa.schema([pa.field(name, pa.uint32(), nullable=False) for name in ("earlier", "later")])


def join_keys(
    work: Work,
    keys: Sequence[Ref],
    numbers: Ref,
    index: Sequence[Ref],
    *,
    low: int,
    high: int,
    before: int,
    bases: Sequence[int],
) -> Counts:
    """Candidate pairs of a range of keys: `pairs.parquet`, numbers of contents; and the range's keys of new contents:
    `keys.parquet`, whose `row` counts from `before`. `bases` are the first numbers of the files of `index`."""
    found: list[U64] = []
    owners: list[U64] = []
    numbered = read_table(work.store, numbers, ["piece", "row", "number"])
    for ref, here in zip(keys, parted(numbered, "piece", len(keys)), strict=True):
        mine = read_range(work.store, ref, low, high)
        rows = here["row"].to_numpy()
        number_of = np.full(max(int(rows.max(initial=0)), int(mine["row"].to_numpy().max(initial=0))) + 1, -1, np.int64)
        number_of[rows] = here["number"].to_numpy()
        number = number_of[mine["row"].to_numpy()]
        found.append(mine["key"].to_numpy()[number >= 0])
        owners.append(number[number >= 0].astype(np.uint64))
    own_rows = (_joined(owners) - np.uint64(before)).astype(np.uint32)
    order = np.lexsort((own_rows, own_keys := _joined(found)))
    own = pa.table([own_keys[order], own_rows[order]], schema=KEYS)
    with work.put("keys.parquet") as path:
        write_work(path, own, sorted_by="key")
    own_keys = own["key"].to_numpy()
    all_keys, all_numbers = [own_keys], [own["row"].to_numpy() + np.uint64(before)]
    wanted = distinct(own_keys)
    for ref, base in zip(index, bases, strict=True):
        old = read_range(work.store, ref, low, high)
        key = old["key"].to_numpy()
        at = np.searchsorted(key, wanted)
        counts = np.searchsorted(key, wanted, "right") - at
        rows = np.repeat(at - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
        all_keys.append(key[rows])
        all_numbers.append(old["row"].to_numpy()[rows].astype(np.uint64) + np.uint64(base))
    joined = _joined(all_keys)
    active = np.zeros(len(joined), np.bool_)
    active[: len(own_keys)] = True
    pairs = pairs_of_buckets(joined, _joined(all_numbers), active)
    halves = [pa.array((pairs >> np.uint64(32)).astype(np.uint32)), pa.array(pairs.astype(np.uint32))]
    with work.put("pairs.parquet") as path:
        write_work(path, pa.table(halves, schema=PAIRS))
    return {"pairs": len(pairs)}


def _joined(parts: Sequence[U64]) -> U64:
    return np.concatenate([np.zeros(0, np.uint64), *parts])
