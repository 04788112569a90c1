"""Counts of every text, and of what was removed from it."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.schema import column_type, with_columns
from transforms.words import word_counts


def count_documents(documents: pa.Table) -> pa.Table:
    """Count every text and what was removed from it: adds the count columns; rows and order stay.

    The quality signals `q_*` are null as yet, but that of shared paragraphs (select.py).
    """
    removed = _removed(documents["spans"].combine_chunks())
    chars = np.array([sum(found["chars"] for found in row) for row in removed], np.int64)
    lengths = pc.utf8_length(documents["original"]).to_numpy()
    return with_columns(
        documents,
        char_count=pc.utf8_length(documents["text"]),
        word_count=word_counts(documents["text"].to_pylist()),
        line_count=line_counts(documents["text"]),
        original_char_count=pa.array(lengths),
        removed_char_count=pa.array(chars, pa.int32()),
        removed_span_count=[sum(found["spans"] for found in row) for row in removed],
        removed_char_ratio=pa.array(chars / np.maximum(lengths, 1), column_type("removed_char_ratio")),
        removed_by_reason=removed,
    )


def line_counts(texts: pa.ChunkedArray) -> list[int]:
    """Lines of each text with more than white space in them. Arrow knows white space as Python does.

    >>> line_counts(pa.chunked_array([["One\\n \\u2003\\n\\ntwo\\n", ""]]))
    [2, 0]
    """
    lines = pc.split_pattern(texts.combine_chunks(), "\n")
    line = lines.flatten()
    is_blank = pc.or_(pc.equal(line, ""), pc.utf8_is_space(line))
    rows = pc.list_parent_indices(lines).filter(pc.invert(is_blank))
    counts: list[int] = np.bincount(rows.to_numpy(), minlength=len(texts)).tolist()
    return counts


def _removed(spans: pa.ListArray) -> list[list[dict[str, Any]]]:
    """What was removed from each document, by reason, as `removed_by_reason` has it; repairs are no removals."""
    found = pa.table({name: pc.struct_field(spans.flatten(), name) for name in ("reason", "start", "end")})
    found = found.append_column("row", pc.list_parent_indices(spans))
    removals = pc.or_(pc.starts_with(found["reason"], "boilerplate."), pc.starts_with(found["reason"], "pii."))
    found = found.append_column("chars", pc.subtract(found["end"], found["start"])).filter(removals)
    sums = found.group_by(["row", "reason"], use_threads=False).aggregate([("chars", "count"), ("chars", "sum")])
    rows: list[list[dict[str, Any]]] = [[] for _ in range(len(spans))]
    for row, reason, count, chars in zip(
        *(sums[name].to_pylist() for name in ("row", "reason", "chars_count", "chars_sum")), strict=True
    ):
        rows[row].append({"reason": reason, "spans": count, "chars": chars})
    return [sorted(row, key=lambda one: one["reason"]) for row in rows]
