"""Pair up: the candidate pairs whose texts are there, where each text stands, and in which parts they are verified.

Besides contents that share a band key, two texts under one key are paired: whether one is a state of the other's page
is a question to their words (transforms/dedup/succession.py).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from flows.compare.join import PAIRS
from flows.compare.match import present
from flows.stages.clean import FACTS
from flows.state import ROWS, at_of, linked_rows
from flows.step import Counts, Work
from flows.store import Ref
from flows.tables import U64, concat, distinct, is_among, look_up, open_table, read_table, write_work
from transforms.dedup.succession import ALL_PAIRED, paired

# Characters whose pairs are verified at once: 100 MB of tokens and working memory.
PART_CHARS = 1 << 25

# `number` is the place in `contents.parquet`.
PAIRED = pa.schema(
    [
        ("part", pa.int32()),
        ("one", pa.uint32()),
        ("other", pa.uint32()),
        ("is_candidate", pa.bool_()),  # shares a band key
        ("is_keyed", pa.bool_()),  # under one key
    ]
)
# A text stands in a row of piece `source`, or under an id in published file -1 - `source`.
WANTED = pa.schema(
    [("source", pa.int32()), ("part", pa.int32()), ("number", pa.uint32()), ("row", pa.int32()), ("id", pa.string())]
)


def pair_up(
    work: Work,
    joined: Sequence[Ref],
    contested: Ref,
    old: Ref,
    numbers: Ref,
    facts: Sequence[Ref],
    contents: Sequence[Ref],
    links: Sequence[Ref],
    rows: Sequence[Ref],
    *,
    before: int,
    files: Sequence[Sequence[int]],
) -> Counts:
    """`contents.parquet`: the contents of pairs; `pairs.parquet`, by part; `wanted.parquet`: their texts, by source.
    `files` has the published files: (first group, last group, whether of documents)."""
    store = work.store
    pairs = [read_table(store, ref) for ref in joined]
    found = distinct(np.concatenate([_numbered(table) for table in pairs])) if pairs else np.zeros(0, np.uint64)
    earlier, later = found >> np.uint64(32), found & np.uint64(0xFFFFFFFF)
    fresh = read_table(store, numbers)
    content_of_new = np.zeros(len(fresh), np.uint64)
    content_of_new[fresh["number"].to_numpy().astype(np.int64) - before] = fresh["content"].to_numpy()
    used = distinct(np.concatenate([earlier, later]))
    content = dict(zip(used.tolist(), _contents(work, contents, used, before, content_of_new).tolist(), strict=True))
    one = np.array([content[number] for number in earlier.tolist()], np.uint64)
    other = np.array([content[number] for number in later.tolist()], np.uint64)
    keyed = _key_pairs(work, contested, old, facts)
    one = np.concatenate([one, np.array([a for a, _ in keyed], np.uint64)])
    other = np.concatenate([other, np.array([b for _, b in keyed], np.uint64)])
    flags = np.stack([np.arange(len(one)) < len(found), np.arange(len(one)) >= len(found)])

    wanted = distinct(np.concatenate([one, other]))
    sources = _sources(work, wanted, fresh, links, rows, files)
    there = np.array([value in sources for value in wanted.tolist()], np.bool_)
    stays = (one != other) & _at(wanted, there, one) & _at(wanted, there, other)
    one, other, flags = _merged(one[stays], other[stays], flags[:, stays])
    kept = distinct(np.concatenate([one, other]))
    chars = np.array([sources[value][3] for value in kept.tolist()], np.int64)
    first, second = np.searchsorted(kept, one), np.searchsorted(kept, other)
    part = np.cumsum(chars[first] + chars[second]) // PART_CHARS
    table = pa.table(
        [part.astype(np.int32), first.astype(np.uint32), second.astype(np.uint32), *flags],
        schema=PAIRED,
    )
    with work.put("pairs.parquet") as path:
        write_work(path, table, sorted_by="part")
    with work.put("contents.parquet") as path:
        write_work(path, pa.table({"content": pa.array(kept)}))
    needed = sorted(
        {(p, n) for p, a, b in zip(part.tolist(), first.tolist(), second.tolist(), strict=True) for n in (a, b)}
    )
    texts = [(*sources[int(kept[number])][:3], part, number) for part, number in needed]
    places = sorted((source, part, number, row, document) for source, row, document, part, number in texts)
    columns = list(zip(*places, strict=True)) or [()] * len(WANTED)
    with work.put("wanted.parquet") as path:
        arrays = [pa.array(column, field.type) for column, field in zip(columns, WANTED, strict=True)]
        write_work(path, pa.table(arrays, schema=WANTED), sorted_by="source")
    by_source: dict[int, set[int]] = defaultdict(set)
    for source, part, *_ in places:
        by_source[source].add(part)
    return {
        "pairs": len(table),
        "parts": sorted({part for _, part, *_ in places}),
        "sources": [[source, sorted(parts)] for source, parts in sorted(by_source.items())],
    }


def _numbered(pairs: pa.Table) -> U64:
    earlier, later = (pairs[name].to_numpy().astype(np.uint64) for name in PAIRS.names)
    both: U64 = earlier << np.uint64(32) | later
    return both


def _contents(work: Work, files: Sequence[Ref], numbers: U64, before: int, fresh: U64) -> U64:
    """The contents of these numbers (sorted): those of the index, then this run's."""
    values = np.zeros(len(numbers), np.uint64)
    is_new = numbers >= before
    values[is_new] = fresh[(numbers[is_new] - np.uint64(before)).astype(np.int64)]
    start = 0
    for ref in files:
        with open_table(work.store, ref) as file:
            for group in range(file.metadata.num_row_groups):
                end = start + file.metadata.row_group(group).num_rows
                here = np.flatnonzero((numbers >= start) & (numbers < end))
                if len(here):
                    column = file.read_row_group(group)["content"].to_numpy()
                    values[here] = column[numbers[here].astype(np.int64) - start]
                start = end
    return values


def _key_pairs(work: Work, contested: Ref, old: Ref, facts: Sequence[Ref]) -> list[tuple[int, int]]:
    """Pairs of contents of texts under one key of which one is new."""
    wanted = read_table(work.store, contested)["at"].to_numpy()
    known = concat(FACTS, look_up(work.store, facts, wanted))
    known = known.filter(known["is_keyed"])
    fresh = known.filter(pc.and_(known["is_fresh"], pc.is_null(known["leaves_for"])))
    fresh = fresh.filter(pc.is_null(fresh["reject_reason"]))
    restored = known.filter(pc.invert(known["is_fresh"]))
    earlier = read_table(work.store, old)
    earlier = earlier.filter(pc.and_(earlier["is_keyed"], pc.is_null(earlier["reason"])))
    by_key: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for key, time, content in zip(
        fresh["key"].to_pylist(),
        fresh["time"].to_pylist(),
        at_of(fresh["content_hash"].to_pylist()).tolist(),
        strict=True,
    ):
        by_key[key].append((time, content))
    standing: dict[int, list[int]] = defaultdict(list)
    for table in (earlier, restored):
        for key, content in zip(
            table["key"].to_pylist(), at_of(table["content_hash"].to_pylist()).tolist(), strict=True
        ):
            standing[key].append(content)
    pairs: set[tuple[int, int]] = set()
    for key, states in by_key.items():
        ordered = [content for _, content in sorted(set(states))]
        pairs.update(paired(ordered))
        if len(standing[key]) <= ALL_PAIRED:
            pairs.update((content, ordered[-1]) for content in standing[key])
    return sorted((a, b) for a, b in pairs if a != b)


def _sources(
    work: Work, wanted: U64, fresh: pa.Table, links: Sequence[Ref], rows: Sequence[Ref], files: Sequence[Sequence[int]]
) -> Mapping[int, tuple[int, int, str | None, int]]:
    """Where the text of each content stands: (source, row, id, characters). Contents of which no document is there
    any more have none."""
    sources: dict[int, tuple[int, int, str | None, int]] = {}
    old = present(linked_rows(work.store, links, rows, wanted))
    hit = is_among(at_of(old["content_hash"].to_pylist()), wanted)
    for row in sorted(
        concat(ROWS, [old.filter(pa.array(hit))]).to_pylist(), key=lambda row: (row["reason"] is not None, row["id"])
    ):
        is_kept = row["reason"] is None
        for number, (low, high, of_documents) in enumerate(files):
            if low <= row["group"] <= high and bool(of_documents) == is_kept:
                content = int(row["content_hash"][:16], 16)
                sources.setdefault(content, (-1 - number, 0, row["id"], row["chars"]))
    mine = fresh.filter(pa.array(is_among(fresh["content"].to_numpy(), wanted)))
    columns = (mine[name].to_pylist() for name in ("piece", "row", "content", "chars"))
    for piece, row, content, chars in zip(*columns, strict=True):
        sources[content] = (piece, row, None, chars)
    return sources


def _at(values: U64, flags: npt.NDArray[np.bool_], wanted: U64) -> npt.NDArray[np.bool_]:
    result: npt.NDArray[np.bool_] = flags[np.searchsorted(values, wanted)]
    return result


def _merged(one: U64, other: U64, flags: npt.NDArray[np.bool_]) -> tuple[U64, U64, npt.NDArray[np.bool_]]:
    """Each unordered pair once, with the flags (bool[2, pairs]) of either."""
    low, high = np.minimum(one, other), np.maximum(one, other)
    order = np.lexsort((high, low))
    low, high, flags = low[order], high[order], flags[:, order]
    first = np.ones(len(low), np.bool_)
    first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    starts = np.flatnonzero(first)
    either = np.logical_or.reduceat(flags, starts, axis=1) if len(starts) else flags
    return low[starts], high[starts], either
