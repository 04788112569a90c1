"""Kept or rejected: the only place where rows part ways. Nothing is dropped; what is not kept is `rejected`, with
the reason.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.dedup.succession import Verdict
from transforms.schema import DOCUMENTS, REJECTED, REMOVED_SPANS, with_columns

# What the ledger is made of.
REMOVED_FROM = ("id", "original", "spans")


class Selection(NamedTuple):
    """The rows of a shard, as they are published: each table with its exact schema, sorted by (language, id)."""

    documents: pa.Table
    rejected: pa.Table
    removed_spans: pa.Table


def select_documents(
    documents: pa.Table, verdicts: Mapping[str, Verdict], shared_chars: Mapping[str, int]
) -> Selection:
    """Part a shard's documents by what the stages and the verdicts say; `shared_chars` are the code points of each in
    paragraphs that stand in another kept document, too. Both by id."""
    ids = documents["id"].to_pylist()
    reasons, stages = documents["reject_reason"].to_pylist(), documents["reject_stage"].to_pylist()
    judged = [verdicts.get(document, Verdict()) for document in ids]
    details = documents["reject_detail"].to_pylist()
    for row, verdict in enumerate(judged):
        # A record that could not be read, and now can, is superseded too.
        if verdict.reject_reason is not None and (reasons[row] is None or verdict.reject_reason == "superseded"):
            reasons[row], stages[row], details[row] = verdict.reject_reason, "dedup", verdict.reject_detail
    shares = [
        shared_chars.get(document, 0) / max(1, chars) if reason is None else None
        for document, chars, reason in zip(ids, documents["char_count"].to_pylist(), reasons, strict=True)
    ]
    documents = with_columns(
        documents,
        q_dup_paragraph_ratio=shares,
        reject_reason=reasons,
        reject_stage=stages,
        reject_detail=details,
        duplicate_of=[verdict.duplicate_of for verdict in judged],
        duplicate_similarity=[verdict.duplicate_similarity for verdict in judged],
        supersedes=[verdict.supersedes for verdict in judged],
    )
    order = pc.sort_indices(documents, sort_keys=[("language", "ascending"), ("id", "ascending")])
    is_kept = pc.is_null(documents["reject_reason"]).take(order)
    return Selection(
        _rows(documents, order.filter(is_kept), DOCUMENTS),
        _rows(documents, order.filter(pc.invert(is_kept)), REJECTED),
        removed_spans(documents.select(REMOVED_FROM).take(order)),
    )


def _rows(documents: pa.Table, order: pa.Array, schema: pa.Schema) -> pa.Table:
    """These rows, as they are published: texts are copied once, and only those that are."""
    there = [name for name in schema.names if name in documents.column_names]
    return publishable(documents.select(there).take(order), schema)


def publishable(documents: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table in exactly this schema: columns nothing filled are null."""
    columns = dict(zip(documents.column_names, documents.columns, strict=True))
    arrays = [
        columns[field.name].cast(field.type) if field.name in columns else pa.nulls(len(documents), field.type)
        for field in schema
    ]
    return pa.table(arrays, schema=schema)


def removed_spans(documents: pa.Table) -> pa.Table:
    """The ledger of a shard, in order of its rows: `spans.ledger` of all of them at once."""
    spans = documents["spans"].combine_chunks()
    columns = dict(zip(spans.type.value_type.names, spans.flatten().flatten(), strict=True))
    counts = pc.list_value_length(spans).to_numpy()
    row = np.repeat(np.arange(len(counts)), counts)
    first = np.repeat(np.cumsum(counts) - counts, counts)  # span of each one's document
    start, end = columns["start"].to_numpy(), columns["end"].to_numpy()
    change = pc.utf8_length(columns["replacement"]).to_numpy() - (end - start)
    before = np.cumsum(change) - change
    originals = documents["original"].to_pylist()
    columns |= {
        "doc_id": documents["id"].combine_chunks().take(row),
        "seq": np.arange(len(row)) - first,
        "clean_start": start + before - before[first],
        "text": [
            originals[at][begin:stop]
            for at, begin, stop in zip(row.tolist(), start.tolist(), end.tolist(), strict=True)
        ],
    }
    return pa.table([pa.array(columns[field.name], field.type) for field in REMOVED_SPANS], schema=REMOVED_SPANS)
