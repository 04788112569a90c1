"""Verify: the tokens of texts in pairs, source by source; then the pairs, part by part."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.compare.pair import PAIRED
from flows.state import EDGES
from flows.step import Counts, Work
from flows.store import Ref
from flows.tables import concat, open_table, read_range, read_rows, read_table, write_rows, write_sorted, write_work
from transforms.config import Config
from transforms.dedup.clusters import shared_shingles, verify
from transforms.dedup.tokens import batches_of, packed_tokens, unpack_tokens
from transforms.errors import RefusedError
from transforms.schema import column_type

TOKENS = pa.schema([("number", pa.uint32()), ("tokens", column_type("tokens"))])
OVERLAPS = pa.schema([("content", pa.uint64()), ("other", pa.uint64()), ("share", pa.float32())])


def token_texts(work: Work, wanted: Ref, text: Ref, *, source: int, parts: Sequence[int]) -> Counts:
    """The tokens of a source's texts that stand in pairs, a file a part: `text` is a piece's `tokens.arrow`, or a
    published file, whose texts are signed again."""
    here = read_range(work.store, wanted, source, source + 1)
    if source >= 0:
        rows = here["row"].to_numpy()
        packed = read_rows(work.store, text)["tokens"].take(pa.array(rows)).combine_chunks()
    else:
        packed = _published(work, text, here["id"].to_pylist())
    for part in parts:
        at = pa.array(np.flatnonzero(here["part"].to_numpy() == part))
        table = pa.table([here["number"].take(at).combine_chunks(), packed.take(at)], schema=TOKENS)
        with work.put(f"{part}.arrow") as path:
            write_rows(path, table)
    return {"texts": len(here)}


def _published(work: Work, file: Ref, ids: Sequence[str]) -> pa.Array:
    """The tokens of published texts, in order of `ids`."""
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
    return pa.array([found[document].as_py() for document in ids], column_type("tokens"))


def verify_pairs(work: Work, pairs: Ref, contents: Ref, texts: Sequence[Ref], *, part: int, config: Config) -> Counts:
    """Verify the pairs of a part: `edges.parquet`, contents that are alike; `overlaps.parquet`: of pairs under one key,
    the share of the shorter text that stands in the other."""
    table = pa.concat_tables([read_rows(work.store, ref) for ref in texts]).sort_by("number")
    numbers, documents = table["number"].to_numpy(), unpack_tokens(table["tokens"].combine_chunks())
    paired = read_range(work.store, pairs, part, part + 1, PAIRED.names)
    places = np.searchsorted(numbers, np.stack([paired["one"].to_numpy(), paired["other"].to_numpy()], axis=1))
    content = read_table(work.store, contents)["content"].to_numpy()
    is_candidate = paired["is_candidate"].to_numpy(zero_copy_only=False)
    edges = verify(documents, places[is_candidate], config.dedup)
    one, other = content[numbers[edges.earlier]], content[numbers[edges.later]]
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
    columns = [content[numbers[keyed[:, 0]]], content[numbers[keyed[:, 1]]], share.astype(np.float32)]
    with work.put("overlaps.parquet") as path:
        write_work(path, concat(OVERLAPS, [pa.table([pa.array(c) for c in columns], schema=OVERLAPS)]))
    return {"edges": len(one)}
