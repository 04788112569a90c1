"""Restore: the records that published files were made of, as a rebuild reads them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.readers.records import Record
from flows.stages.read import PIECE_TEXT, write_piece
from flows.state import at_of, rows_at
from flows.step import Counts, Work
from flows.store import Ref
from flows.tables import open_table
from flows.versions.ledger import Restored, restore_all
from transforms import pipeline
from transforms.boilerplate.strip import EXTRACT
from transforms.config import Config
from transforms.encoding import DECODING
from transforms.schema import column_type
from transforms.spans import LedgerEntry
from transforms.values import OWN

# What a published row keeps when its document is made anew; all else is worked out again.
_KEPT = ("id", "added_in", "supersedes", *Record._fields[:7], "original_sha256")
# Beside what the record says of itself, these.
_SAID = ("extra", "from_record", "extractor")
_REJECTION = ("reject_reason", "reject_detail", "reject_stage", "raw_head")


def restore_rows(
    work: Work,
    published: Ref,
    own: Sequence[Ref],
    others: Sequence[Ref],
    rows: Sequence[Ref],
    *,
    config: Config,
    up_to: int | None = None,
) -> Counts:
    """The records of a file of documents or rejected rows, repaired and indexed anew, with their ids, the versions they
    came in, and what stands of what was decided of them; with `up_to` those whose ids begin with it or less. Outputs as
    those of `read_piece`."""
    pieces = count = 0
    with open_table(work.store, published) as file:
        is_rejected = "reject_stage" in file.schema_arrow.names
        for batch in file.iter_batches(_batch_rows(file), use_threads=False):
            table = pa.Table.from_batches([batch])
            if up_to is not None:
                table = table.filter(pa.array(at_of(table["id"]) <= np.uint64(up_to)))
                if not len(table):
                    continue
            originals = restore_all(work.store, table, own, others, published.key)
            documents = _records(work, table, originals, rows, is_rejected)
            write_piece(work, pipeline.prepare(documents, config), config, pieces)
            pieces, count = pieces + 1, count + len(table)
    return {"pieces": pieces, "records": count}


def _batch_rows(file: Any) -> int:
    """Rows that hold about PIECE_TEXT."""
    rows = int(file.metadata.num_rows)
    size = sum(int(file.metadata.row_group(group).total_byte_size) for group in range(file.metadata.num_row_groups))
    return max(1, min(rows, PIECE_TEXT * rows // max(1, size)))


def _records(
    work: Work, table: pa.Table, originals: Sequence[Restored], rows: Sequence[Ref], is_rejected: bool
) -> pa.Table:
    ids = table["id"].to_pylist()
    nothing = pa.nulls(len(table), pa.string())
    known = rows_at(work.store, rows, at_of(table["id"]))
    times = dict(zip(known["id"].to_pylist(), known["time"].to_pylist(), strict=True))
    reason = table["reject_reason"] if is_rejected else nothing
    detail = table["reject_detail"] if is_rejected else nothing
    # What could not be read has no text to be judged anew: its row stands, also where it is superseded.
    if is_rejected:
        unread = pc.or_(pc.equal(table["reject_stage"], "read"), pc.is_valid(table["raw_head"]))
    else:
        unread = pa.chunked_array([pa.repeat(pa.scalar(False), len(table))])
    added = {
        "original": pa.array([one.original for one in originals], column_type("original")),
        "charset": pa.array([_charset(one.ledger) for one in originals], column_type("charset")),
        "left_out": pa.array([_left_out(one) for one in originals], column_type("left_out")),
        "time": pa.array([times.get(document, 0) for document in ids], pa.int64()),
        "leaves_for": _named(pc.equal(reason, "superseded"), detail, "by ", unread),
        "refused_of": _named(pc.equal(reason, "not_successor"), detail, "of ", unread),
    }
    documents = table.select(list(_KEPT))
    for name, values in own_columns(table).items():
        documents = documents.append_column(name, values)
    for name in _REJECTION:
        found = table[name] if is_rejected else pa.nulls(len(table), column_type(name))
        added[name] = pc.if_else(unread, found, pa.scalar(None, column_type(name)))
    for name, values in added.items():
        documents = documents.append_column(name, values)
    return documents


def own_columns(table: pa.Table) -> dict[str, pa.Array | pa.ChunkedArray]:
    """Of published rows, what their records said of themselves: null where it was read from the text."""
    if "from_record" not in table.column_names:  # a dataset made before there was such a column
        return {name: pa.nulls(len(table), column_type(name)) for name in (*OWN, *_SAID)}
    said = [set(names or ()) for names in table["from_record"].to_pylist()]
    columns: dict[str, pa.Array | pa.ChunkedArray] = {name: table[name] for name in _SAID}
    for name in OWN:
        values = zip(table[name].to_pylist(), said, strict=True)
        columns[name] = pa.array([value if name in names else None for value, names in values], column_type(name))
    return columns


def _named(hit: Any, detail: Any, prefix: str, unread: Any) -> Any:
    """The id that a detail names, where `hit`."""
    hit = pc.and_(pc.fill_null(hit, False), pc.invert(unread))
    return pc.if_else(hit, pc.replace_substring(detail, prefix, ""), pa.scalar(None, pa.string()))


def _left_out(restored: Restored) -> list[int]:
    """The lines that an extractor left out, where the ledger says so."""
    found: list[int] = []
    spans = [entry.span for entry in restored.ledger if entry.span.rule.startswith(f"{EXTRACT}.")]
    start = 0
    for number, line in enumerate(restored.original.split("\n") if spans else ()):
        end = start + len(line)
        while spans and spans[0].end < end:
            spans.pop(0)
        if spans and spans[0].start <= start and line.strip():
            found.append(number)
        start = end + 1
    return found


def _charset(ledger: Sequence[LedgerEntry]) -> str | None:
    """What the record was decoded from, where the ledger says so."""
    return next((entry.span.rule.split(".", 1)[1] for entry in ledger if entry.span.transform == DECODING), None)
