"""Counts of every text, and of what was removed from it."""

from collections import Counter

import pyarrow as pa

from transforms.schema import column_type, with_columns
from transforms.spans import from_arrow
from transforms.words import word_counts


def count_documents(documents: pa.Table) -> pa.Table:
    """Count every text and what was removed from it: adds the count columns; rows and order stay.

    The quality signals `q_*` are null as yet, but that of shared paragraphs (select.py).
    """
    texts = documents["text"].to_pylist()
    lengths = [len(text) for text in documents["original"].to_pylist()]
    removed = [
        [span for span in spans if span.reason.startswith(("boilerplate.", "pii."))]
        for spans in from_arrow(documents["spans"])
    ]
    chars = [sum(span.end - span.start for span in spans) for spans in removed]
    by_reason = []
    for spans in removed:
        spans_of: Counter[str] = Counter()
        chars_of: Counter[str] = Counter()
        for span in spans:
            spans_of[span.reason] += 1
            chars_of[span.reason] += span.end - span.start
        by_reason.append(
            [{"reason": reason, "spans": spans_of[reason], "chars": chars_of[reason]} for reason in sorted(spans_of)]
        )
    return with_columns(
        documents,
        char_count=[len(text) for text in texts],
        word_count=word_counts(texts),
        line_count=[sum(1 for line in text.split("\n") if line.strip()) for text in texts],
        original_char_count=lengths,
        removed_char_count=chars,
        removed_span_count=[len(spans) for spans in removed],
        removed_char_ratio=pa.array(
            [count / length if length else 0.0 for count, length in zip(chars, lengths, strict=True)],
            column_type("removed_char_ratio"),
        ),
        removed_by_reason=by_reason,
    )
