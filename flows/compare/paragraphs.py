"""Share paragraphs: how much of each new document stands in other kept ones; a part of the paragraphs at a time."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.compare.settle import CHANGES, VERDICTS
from flows.stages.clean import PIECE_PARAGRAPHS
from flows.state import PARAGRAPHS, at_of, rows_at
from flows.step import Counts, Work
from flows.store import Ref
from flows.tables import U64, concat, distinct, is_among, look_up, read_range, read_table, write_sorted, write_work

SHARED = pa.schema([("piece", pa.int32()), ("at", pa.uint64()), ("chars", pa.int32())])


def share_paragraphs(
    work: Work,
    paragraphs: Sequence[Ref],
    verdicts: Ref,
    changes: Ref,
    index: Sequence[Ref],
    rows: Sequence[Ref],
    *,
    low: int,
    high: int,
) -> Counts:
    """`shared.parquet`: of each new document that is kept, by piece, the code points of its paragraphs of this range
    that stand in other kept ones, of this version or an earlier one; `paragraphs.parquet`: those of this version."""
    store = work.store
    tables = []
    for piece, ref in enumerate(paragraphs):
        table = read_range(store, ref, low, high, PIECE_PARAGRAPHS.names)
        tables.append(table.append_column("piece", pa.repeat(pa.scalar(piece, pa.int32()), len(table))))
    came = pa.concat_tables(tables).sort_by([("paragraph", "ascending"), ("at", "ascending")])
    dropped = read_table(store, verdicts, VERDICTS.names)
    dropped = dropped.filter(pc.is_valid(dropped["reject_reason"]))
    gone = distinct(at_of(dropped["id"]))
    fresh = came.filter(pa.array(~is_among(came["at"].to_numpy(), gone)))
    paragraph, at = fresh["paragraph"].to_numpy(), fresh["at"].to_numpy()
    values, codes, counts = np.unique(paragraph, return_inverse=True, return_counts=True)
    known = concat(PARAGRAPHS, look_up(store, index, values))
    kept = _kept(work, rows, changes, distinct(known["at"].to_numpy()))
    elsewhere = distinct(known["paragraph"].to_numpy()[is_among(known["at"].to_numpy(), kept)])
    several = (counts[codes] > 1) | is_among(paragraph, elsewhere)
    shared = pa.table([fresh["piece"], pa.array(at), fresh["chars"]], schema=SHARED).filter(pa.array(several))
    summed = shared.group_by(["piece", "at"], use_threads=False).aggregate([("chars", "sum")])
    summed = summed.rename_columns(SHARED.names).cast(SHARED).sort_by([("piece", "ascending"), ("at", "ascending")])
    with work.put("shared.parquet") as path:
        write_work(path, summed, sorted_by="piece")
    with work.put("paragraphs.parquet") as path:
        write_sorted(path, PARAGRAPHS, [came.select(PARAGRAPHS.names)])
    return {"sharing": len(summed)}


def _kept(work: Work, rows: Sequence[Ref], changes: Ref, at: U64) -> U64:
    """Of published rows, those that are kept in the version to come."""
    found = rows_at(work.store, rows, at)
    kept = found.filter(pc.is_null(found["reason"]))["at"].to_numpy()
    changed = read_table(work.store, changes, CHANGES.names)
    left = changed.filter(pc.is_valid(changed["reject_reason"]))
    came = changed.filter(pc.is_null(changed["reject_reason"]))
    kept = kept[~is_among(kept, distinct(at_of(left["id"])))]
    back = at_of(came["id"])
    return distinct(np.concatenate([kept, back[is_among(back, at)]]))
