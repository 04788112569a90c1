"""Read: records of a piece of RAW, repaired and indexed.

`records-<n>.arrow`, rows as the stages work on them, in several files where a compressed one expands; with each, what
the records are known by (`facts-<n>`, sorted by key) and the index of their lines (`lines-<n>`, sorted by site).
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.readers import Reading
from flows.readers.guard import Reads, Watch, guarded
from flows.readers.records import Part, Record
from flows.state import at_of
from flows.step import Counts, Work
from flows.store import Ref
from flows.tables import write_rows, write_work
from transforms import pipeline
from transforms.config import Config
from transforms.identity import date_fetches, hash_of, know_documents
from transforms.schema import column_type

# What a record costs in memory besides its text.
ROW_BYTES = 200
# Text that a worker holds at once: room for that of a plain piece, so that it stays whole.
PIECE_TEXT = 16 * 1024 * 1024
# Columns of the line index (transforms/boilerplate/lines.py) that only the template count reads.
_COUNTED = ("line_document", "long_lines", "line_keys")


def read_piece(
    work: Work, raw: Sequence[Ref], *, parts: Sequence[Sequence[Any]], config: Config, before: str
) -> Counts:
    """Read these parts; `before` is the time from which on no page can have been fetched, ISO 8601.

    Counts: how many pieces, records in all, rejected ones, bytes of text; of each part its lines, records, failed
    records and the hashes of its blocks.
    """
    readings: list[dict[str, Any]] = []
    counts: Counts = {"pieces": 0, "parts": readings, "implausible": 0, "documents": 0, "rejected": 0, "text": 0}
    for batch in _batches(work, [Part(*part) for part in parts], config, readings):
        _write(work, batch, config, datetime.fromisoformat(before), counts)
    return counts


def _batches(
    work: Work, parts: Sequence[Part], config: Config, readings: list[dict[str, Any]]
) -> Iterator[list[Record]]:
    batch: list[Record] = []
    size = 0
    for reading in _readings(work, parts, config):
        records = failed = 0
        for record in reading:
            batch.append(record)
            records += 1
            failed += record.reject_reason is not None
            # a rejected record has no text, but it has a row
            size += len(record.original) + len(record.raw_head or b"") + len(record.extra or "") + ROW_BYTES
            if size >= PIECE_TEXT:
                yield batch
                batch, size = [], 0
        readings.append({"path": reading.part.path, "records": records, "failed": failed, **reading.said()})
    if batch:
        yield batch


def _readings(work: Work, parts: Sequence[Part], config: Config) -> Iterator[Reads]:
    """The parts, each to be read to its end; in a child where an earlier try didn't come back."""
    if work.was_ended:
        yield from guarded(work.store, parts, config, Reading)
        return
    watch = Watch(config, work.mark_risk)
    for part in parts:
        yield Reading(work.store, part, config, watch)


def documents_of(records: Sequence[Record]) -> pa.Table:
    """Records as the table that stages work on."""
    names = [name for name in Record._fields if name not in ("source_path", "is_html")]
    columns = dict(zip(Record._fields, zip(*records, strict=True), strict=True))
    table = pa.table({"source_path": pa.array(columns["source_path"], pa.string())})
    for name in names:
        table = table.append_column(name, pa.array(columns[name], column_type(name)))
    sha = [hashlib.sha256(text.encode()).hexdigest() for text in columns["original"]]
    stage = ["read" if reason else None for reason in columns["reject_reason"]]
    table = table.append_column("original_sha256", pa.array(sha, pa.string()))
    return table.append_column("reject_stage", pa.array(stage, pa.string()))


def _write(work: Work, batch: Sequence[Record], config: Config, before: datetime, counts: Counts) -> None:
    documents, implausible = date_fetches(documents_of(batch), before)
    counts["implausible"] += implausible
    counts["documents"] += len(documents)
    counts["rejected"] += len(documents) - documents["reject_reason"].null_count
    counts["text"] += pc.sum(pc.binary_length(documents["original"])).as_py()
    write_piece(work, pipeline.prepare(documents, config), config, counts["pieces"])
    counts["pieces"] += 1


def write_piece(work: Work, documents: pa.Table, config: Config, number: int) -> None:
    """A piece's files: its records, what they are known by, and the index of their lines."""
    documents = know_documents(documents, config.supersede_by)
    rows = pa.array(np.arange(len(documents), dtype=np.int32))
    facts = documents.select(["key", "text_hash", "name", "seen", "said", "is_keyed", "fetched_at", "source_path"])
    facts = facts.append_column("row", rows)
    sha = pa.array(at_of(documents["source_sha256"]))
    urls = pa.array([hash_of("url", url) if url else 0 for url in documents["url"].to_pylist()], pa.uint64())
    names = documents["site"].to_pylist()
    sites = {site: hash_of("site", site) for site in set(names)}
    hashes = pa.array([sites[site] for site in names], pa.uint64())
    facts = facts.append_column("url", urls).append_column("site", hashes)
    facts = facts.append_column("sha", sha).sort_by([("key", "ascending"), ("row", "ascending")])
    lines = documents.select(["site", *_COUNTED, "reject_reason"]).append_column("row", rows)
    lines = lines.add_column(0, "at", hashes).filter(pc.is_null(lines["reject_reason"]))
    lines = lines.drop_columns(["reject_reason"]).sort_by([("at", "ascending"), ("row", "ascending")])
    with work.put(f"records-{number:05}.arrow") as path:
        write_rows(path, documents.drop_columns([*_COUNTED, "seen"]))
    with work.put(f"facts-{number:05}.parquet") as path:
        write_work(path, facts, sorted_by="key")
    with work.put(f"lines-{number:05}.parquet") as path:
        write_work(path, lines, sorted_by="at")
