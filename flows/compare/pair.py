"""Pair up: the candidate pairs whose texts are there, where each text stands, and in which parts they are verified.

Besides contents that share a band key, two texts under one key are paired: whether one is a state of the other's page
is a question to their words (transforms/dedup/succession.py).
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from flows.compare.join import PAIRS
from flows.compare.match import present
from flows.stages.clean import FACTS
from flows.state import at_of, linked_rows
from flows.step import Counts, Work
from flows.store import Ref
from flows.tables import U64, concat, distinct, is_among, look_up, open_table, parted, read_rows, read_table, write_work
from transforms.config import Config
from transforms.dedup.minhash import may_be_alike
from transforms.dedup.succession import ALL_PAIRED, paired

# Characters of texts that are verified at once: 100 MB of tokens and working memory.
PART_CHARS = 1 << 25

# `one` and `other` are places in `contents.parquet`.
PAIRED = pa.schema(
    [
        ("part", pa.int32()),
        ("one", pa.uint32()),
        ("other", pa.uint32()),
        ("is_candidate", pa.bool_()),  # shares a band key
        ("is_keyed", pa.bool_()),  # under one key
    ]
)
# The tokens of a content stand in a row of piece `source`; or they are made from the text of published file
# -1 - `source` that has this id.
SOURCES = pa.schema(
    [
        ("content", pa.uint64()),
        ("source", pa.int32()),
        ("row", pa.int32()),
        ("id", pa.string()),
        ("chars", pa.int32()),
    ]
)
# `row` of a published text: how many of its file's come before it.
CONTENTS = pa.schema([("content", pa.uint64()), ("source", pa.int32()), ("row", pa.int32())])


def pair_up(
    work: Work,
    joined: Sequence[Ref],
    tokens: Sequence[Ref],
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
    config: Config,
) -> Counts:
    """`contents.parquet`: the contents of pairs, and where their tokens stand; `pairs.parquet`, by part;
    `published.parquet`: the published texts among them, by file. `files` has the published files: (first group, last
    group, whether of documents)."""
    store = work.store
    fresh = read_table(store, numbers)
    found = _candidates(work, joined, _digests(work, tokens, fresh), before, config)
    earlier, later = found >> np.uint64(32), found & np.uint64(0xFFFFFFFF)
    content_of_new = np.zeros(len(fresh), np.uint64)
    content_of_new[fresh["number"].to_numpy().astype(np.int64) - before] = fresh["content"].to_numpy()
    used = distinct(earlier, later)
    content = _contents(work, contents, used, before, content_of_new)
    keyed = np.array(_key_pairs(work, contested, old, facts), np.uint64).reshape(-1, 2)
    one = np.concatenate([content[np.searchsorted(used, earlier)], keyed[:, 0]])
    other = np.concatenate([content[np.searchsorted(used, later)], keyed[:, 1]])
    is_candidate = np.arange(len(one)) < len(found)
    flags = np.stack([is_candidate, ~is_candidate])
    del found, earlier, later  # of many millions of pairs each of these is much

    sources = _sources(work, distinct(one, other), fresh, links, rows, files)
    there = sources["content"].to_numpy()
    stays = (one != other) & is_among(one, there) & is_among(other, there)
    one, other, flags = _merged(one[stays], other[stays], flags[:, stays])
    kept = distinct(one, other)
    sources = sources.filter(pa.array(is_among(there, kept)))
    chars = sources["chars"].to_numpy().astype(np.int64)
    first, second = np.searchsorted(kept, one), np.searchsorted(kept, other)
    is_next = np.diff(first, prepend=-1) > 0
    part = np.cumsum(np.where(is_next, chars[first], 0) + chars[second]) // PART_CHARS
    table = pa.table(
        [part.astype(np.int32), first.astype(np.uint32), second.astype(np.uint32), *flags],
        schema=PAIRED,
    )
    with work.put("pairs.parquet") as path:
        write_work(path, table, sorted_by="part")
    # The tokens of a file's texts will stand in the order in which these are.
    source, row = sources["source"].to_numpy(), sources["row"].to_numpy().copy()
    by_source = np.argsort(source, kind="stable")
    published = by_source[source[by_source] < 0]
    row[published] = np.arange(len(published)) - np.searchsorted(source[published], source[published])
    with work.put("published.parquet") as path:
        write_work(path, sources.select(["source", "id"]).take(pa.array(published)), sorted_by="source")
    with work.put("contents.parquet") as path:
        write_work(path, pa.table([pa.array(kept), sources["source"], pa.array(row)], schema=CONTENTS))
    return {"pairs": len(table), "parts": np.unique(part).tolist(), "sources": np.unique(source).tolist()}


def _digests(work: Work, tokens: Sequence[Ref], fresh: pa.Table) -> pa.Array:
    """The digests of new contents (NUMBERS), by number. Raises: ShardError where a piece's tokens are damaged: here all
    are read, and later only rows of them."""
    found = [
        read_rows(work.store, ref).select(["digest"]).take(here["row"])
        for ref, here in zip(tokens, parted(fresh, "piece", len(tokens)), strict=True)
    ]
    by_piece = pa.concat_tables(found)["digest"].combine_chunks()
    return by_piece.take(pa.array(np.argsort(fresh["number"].to_numpy())))


def _candidates(work: Work, joined: Sequence[Ref], digest: pa.Array, before: int, config: Config) -> U64:
    """The pairs that share a band key, as earlier << 32 | later; of two new texts only if their digests don't show that
    they are unlike."""
    found: list[U64] = []
    for ref in joined:
        table = read_table(work.store, ref)
        pairs = np.stack([table[name].to_numpy().astype(np.int64) for name in PAIRS.names], axis=1)
        is_new = np.flatnonzero((pairs >= before).all(axis=1))
        stays = np.ones(len(pairs), np.bool_)
        stays[is_new] = may_be_alike(digest, pairs[is_new] - before, config.dedup.least)
        earlier, later = pairs[stays].astype(np.uint64).T
        found.append(earlier << np.uint64(32) | later)
    return distinct(*found)


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
        at_of(fresh["content_hash"]).tolist(),
        strict=True,
    ):
        by_key[key].append((time, content))
    standing: dict[int, list[int]] = defaultdict(list)
    for table in (earlier, restored):
        for key, content in zip(table["key"].to_pylist(), at_of(table["content_hash"]).tolist(), strict=True):
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
) -> pa.Table:
    """Where the text of each content stands: SOURCES, a row each, sorted. Contents of which no document is there any
    more have none."""
    mine = fresh.filter(pa.array(is_among(fresh["content"].to_numpy(), wanted)))
    mine = pa.table(
        [mine["content"], mine["piece"], mine["row"], pa.nulls(len(mine), pa.string()), mine["chars"]], schema=SOURCES
    )
    old = present(linked_rows(work.store, links, rows, wanted))
    contents = at_of(old["content_hash"])
    is_kept, group = pc.is_null(old["reason"]).to_numpy(), old["group"].to_numpy()
    source = np.zeros(len(old), np.int32)
    for number, (low, high, of_documents) in enumerate(files):
        source[(low <= group) & (group <= high) & (is_kept == bool(of_documents))] = -1 - number
    old = pa.table(
        [contents, source, np.zeros(len(old), np.int32), old["id"], old["chars"], ~is_kept],
        schema=SOURCES.append(pa.field("is_rejected", pa.bool_())),
    )
    old = old.filter(pa.array(is_among(contents, wanted) & (source < 0)))
    old = old.sort_by([("is_rejected", "ascending"), ("id", "ascending")]).select(SOURCES.names)
    # Of several rows of one content the first: this run's, or else one that is kept.
    found = pa.concat_tables([mine, old])
    _, first = np.unique(found["content"].to_numpy(), return_index=True)
    return found.take(pa.array(first))


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
