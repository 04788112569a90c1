"""Match: which documents are contested by key or by text, and the numbers of new contents."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from flows.state import CONTENTS, ROWS, at_of, linked_rows
from flows.step import Counts, Work
from flows.store import Ref, Store
from flows.tables import U64, distinct, is_among, read_table, write_sorted, write_work
from transforms.errors import RefusedError

# Numbers of contents are 32 bits: four billion of them in an index.
MAX_CONTENTS = 1 << 32
NUMBERS = pa.schema(
    [
        ("piece", pa.int32()),
        ("row", pa.int32()),
        ("chars", pa.int32()),
        ("number", pa.uint32()),
        ("content", pa.uint64()),
    ]
)
CONTESTED = pa.schema([("at", pa.uint64())])
_COMPARED = ["at", "row", "id", "key", "is_keyed", "batch", "chars", "content_hash", "repaired_hash"]


def match(work: Work, facts: Sequence[Ref], links: Sequence[Ref], rows: Sequence[Ref], *, before: int) -> Counts:
    """Compare new documents with all by key and by text; `before` is how many contents the index has.

    - `contested.parquet`: new documents under a key, or with a text, that another has, too;
    - `old.parquet`: ROWS of the published ones among those others;
    - `numbers.parquet`: the first document of each new content, by piece and row, and its number; `contents.parquet`.
    """
    documents = compared(work.store, facts)
    content, repaired = (at_of(documents[name]) for name in ("content_hash", "repaired_hash"))
    key = documents["key"].to_numpy()
    keyed = documents["is_keyed"].to_numpy(zero_copy_only=False)
    wanted = distinct(key[keyed], content, repaired)
    old = present(linked_rows(work.store, links, rows, wanted))
    old_content, old_repaired = (at_of(old[name]) for name in ("content_hash", "repaired_hash"))
    old_key = old["key"].to_numpy()
    hit = is_among(old_content, distinct(content)) | is_among(old_repaired, distinct(repaired))
    hit |= is_among(old_key, distinct(key[keyed])) & old["is_keyed"].to_numpy(zero_copy_only=False)
    contested = _shared(content, old_content) | _shared(repaired, old_repaired)
    contested |= keyed & _shared(np.where(keyed, key, np.arange(len(key), dtype=np.uint64)), old_key)
    with work.put("contested.parquet") as path:
        at = distinct(documents["at"].to_numpy()[contested])
        write_work(path, pa.table([pa.array(at)], schema=CONTESTED), sorted_by="at")
    with work.put("old.parquet") as path:
        write_work(path, old.filter(pa.array(hit)), sorted_by="at")
    numbers = _numbers(documents, content, distinct(old_content), before)
    with work.put("contents.parquet") as path:
        write_sorted(path, CONTENTS, [numbers.select(["content"])])
    with work.put("numbers.parquet") as path:
        write_work(path, numbers.sort_by([("piece", "ascending"), ("row", "ascending")]), sorted_by="piece")
    if before + len(numbers) > MAX_CONTENTS:
        raise RefusedError(f"the dedup index would have {before + len(numbers)} contents, it can have {MAX_CONTENTS}")
    return {"new": len(numbers), "contested": int(contested.sum())}


def compared(store: Store, facts: Sequence[Ref]) -> pa.Table:
    """Of every new document that reached the comparison, what it is compared by, and its piece."""
    tables = []
    for piece, ref in enumerate(facts):
        table = read_table(store, ref, [*_COMPARED, "reject_reason"])
        table = table.filter(pc.is_null(table["reject_reason"])).select(_COMPARED)
        tables.append(table.append_column("piece", pa.repeat(pa.scalar(piece, pa.int32()), len(table))))
    return pa.concat_tables(tables)


def present(rows: pa.Table) -> pa.Table:
    """ROWS that are kept, or would be but for another document."""
    reason = rows["reason"]
    waiting = pc.fill_null(pc.starts_with(reason, "duplicate."), False)
    return rows.filter(pc.or_(pc.is_null(reason), waiting)) if len(rows) else ROWS.empty_table()


def _shared(values: U64, others: U64) -> npt.NDArray[np.bool_]:
    """Whether each value stands more than once, or among the others."""
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    shared: npt.NDArray[np.bool_] = (counts[codes] > 1) | is_among(values, distinct(others))
    return shared


def _numbers(documents: pa.Table, content: U64, known: U64, before: int) -> pa.Table:
    """The first of each content that no published document has, in the order of canonicals."""
    fresh = np.flatnonzero(~is_among(content, known))
    ids: npt.NDArray[Any] = np.array(documents["id"].to_pylist(), dtype="U32")[fresh]
    batch, chars = documents["batch"].to_numpy()[fresh], documents["chars"].to_numpy()[fresh]
    order = fresh[np.lexsort((ids, -chars, batch))]
    _, first = np.unique(content[order], return_index=True)
    chosen = order[np.sort(first)]
    number = (np.arange(len(chosen), dtype=np.int64) + before).astype(np.uint32)
    columns = [documents[name].take(pa.array(chosen)) for name in ("piece", "row", "chars")]
    return pa.table([*columns, pa.array(number), pa.array(content[chosen])], schema=NUMBERS)
