"""Verify: the tokens of published texts in pairs, file by file; then the pairs, part by part."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.compare.pair import PAIRED
from flows.state import EDGES
from flows.step import Counts, Work
from flows.store import Ref
from flows.tables import concat, open_table, read_range, read_table, take_rows, write_rows, write_sorted, write_work
from transforms.config import Config
from transforms.dedup.clusters import shared_shingles, verify
from transforms.dedup.minhash import digests_of, may_be_alike
from transforms.dedup.tokens import U32, batches_of, packed_tokens, unpack_tokens
from transforms.errors import RefusedError
from transforms.schema import column_type

OVERLAPS = pa.schema([("content", pa.uint64()), ("other", pa.uint64()), ("share", pa.float32())])


def token_texts(work: Work, published: Ref, file: Ref, *, source: int) -> Counts:
    """`tokens.arrow`: the tokens of a published file's texts that stand in pairs."""
    ids = read_range(work.store, published, source, source + 1)["id"].to_pylist()
    found: dict[str, pa.Scalar] = {}
    wanted = pa.array(sorted(set(ids)), pa.string())
    with open_table(work.store, file) as parquet:
        for group in range(parquet.metadata.num_row_groups):
            hit = pc.is_in(parquet.read_row_group(group, ["id"])["id"], wanted)
            if not pc.any(hit).as_py():
                continue
            rows = parquet.read_row_group(group, ["id", "text"], use_threads=False).filter(hit)
            texts = rows["text"].combine_chunks()
            lists = [packed for batch in batches_of(texts) for packed in packed_tokens(batch)]
            found |= dict(zip(rows["id"].to_pylist(), lists, strict=True))
    if len(found) != len(wanted):
        raise RefusedError(f"{file.key} should hold {len(wanted)} documents that are compared, it has {len(found)}")
    tokens = pa.array([found[document].as_py() for document in ids], column_type("tokens"))
    with work.put("tokens.arrow") as path:
        write_rows(path, pa.table({"tokens": tokens}))
    return {"texts": len(ids)}


def verify_pairs(
    work: Work, pairs: Ref, contents: Ref, tokens: Sequence[Ref], *, part: int, sources: Sequence[int], config: Config
) -> Counts:
    """Verify the pairs of a part: `edges.parquet`, contents that are alike; `overlaps.parquet`: of pairs under one key,
    the share of the shorter text that stands in the other. `tokens` are those of each of `sources`, row by row."""
    paired = read_range(work.store, pairs, part, part + 1, PAIRED.names)
    ends = np.stack([paired["one"].to_numpy(), paired["other"].to_numpy()], axis=1)
    numbers, places = np.unique(ends, return_inverse=True)
    places = places.reshape(ends.shape)
    compared = read_table(work.store, contents).take(pa.array(numbers))
    documents = _tokens(work, dict(zip(sources, tokens, strict=True)), compared)
    content = compared["content"].to_numpy()
    candidates = places[paired["is_candidate"].to_numpy(zero_copy_only=False)]
    # Of two new texts this was asked before (`pair_up`): a pair is the same whatever day its two came.
    with_old = np.flatnonzero((compared["source"].to_numpy() < 0)[candidates].any(axis=1))
    used, at = np.unique(candidates[with_old], return_inverse=True)
    stays = np.ones(len(candidates), np.bool_)
    digest = digests_of([documents[place] for place in used.tolist()])
    stays[with_old] = may_be_alike(digest, at.reshape(-1, 2), config.dedup.least)
    edges = verify(documents, candidates[stays], config.dedup)
    one, other = content[edges.earlier], content[edges.later]
    both = pa.concat_tables(
        [
            pa.table([one, other, edges.jaccard, edges.drops_later, edges.drops_earlier, edges.counts], schema=EDGES),
            pa.table([other, one, edges.jaccard, edges.drops_earlier, edges.drops_later, edges.counts], schema=EDGES),
        ]
    )
    with work.put("edges.parquet") as path:
        write_sorted(path, EDGES, [both.sort_by([("content", "ascending"), ("other", "ascending")])])
    keyed = places[paired["is_keyed"].to_numpy(zero_copy_only=False)]
    common, sizes = shared_shingles(documents, keyed)
    share = common / np.maximum(1, sizes.min(axis=1)) if len(keyed) else np.zeros(0)
    columns = [content[keyed[:, 0]], content[keyed[:, 1]], share.astype(np.float32)]
    with work.put("overlaps.parquet") as path:
        write_work(path, concat(OVERLAPS, [pa.table([pa.array(c) for c in columns], schema=OVERLAPS)]))
    return {"edges": len(one)}


def _tokens(work: Work, sources: Mapping[int, Ref], contents: pa.Table) -> list[U32]:
    """The tokens of these contents."""
    source, row = contents["source"].to_numpy(), contents["row"].to_numpy()
    order = np.argsort(source, kind="stable")
    found: list[U32] = []
    for at in np.split(order, np.flatnonzero(np.diff(source[order])) + 1):
        found += unpack_tokens(take_rows(work.store, sources[int(source[at[0]])], "tokens", row[at]))
    return [found[place] for place in np.argsort(order).tolist()]
