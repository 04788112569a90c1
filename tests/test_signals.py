"""Counts, and paragraphs, as columns of a shard: the same as counted one text and one span at a time."""

from collections import Counter

import pyarrow as pa
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from tests.test_spans import spans_over
from transforms.dedup.paragraphs import PARAGRAPH_CHARS, paragraphs_of
from transforms.signals import count_documents
from transforms.spans import Span, apply, to_arrow
from transforms.words import word_count

LINES = st.lists(st.text("ab 1.\t\u2003\u3000\u00e9\u6f22\U0001f600", max_size=200), max_size=6)
TEXTS = LINES.map("\n".join)


@st.composite
def documents_of(draw) -> list[tuple[str, list[Span]]]:
    rows = []
    for original in draw(st.lists(TEXTS, max_size=5)):
        reason = draw(st.sampled_from(["boilerplate.share", "boilerplate.legal", "pii.email", "encoding.control"]))
        spans = draw(spans_over(len(original), reason, st.just("")))
        other = [span._replace(reason="boilerplate.bio") if number % 2 else span for number, span in enumerate(spans)]
        rows.append((original, draw(st.sampled_from([spans, other]))))
    return rows


def counted(original: str, spans: list[Span]) -> dict[str, object]:
    """One document, one span at a time."""
    text = apply(original, spans)
    removed = [span for span in spans if span.reason.startswith(("boilerplate.", "pii."))]
    of, chars = Counter(span.reason for span in removed), Counter[str]()
    for span in removed:
        chars[span.reason] += span.end - span.start
    return {
        "char_count": len(text),
        "word_count": word_count(text),
        "line_count": sum(1 for line in text.split("\n") if line.strip()),
        "original_char_count": len(original),
        "removed_char_count": chars.total(),
        "removed_span_count": len(removed),
        "removed_by_reason": [{"reason": one, "spans": of[one], "chars": chars[one]} for one in sorted(of)],
    }


@given(documents_of(), st.integers(0, 2))
def test_counts_are_those_of_one_document_at_a_time(rows, cut):
    originals = [original for original, _ in rows]
    documents = pa.table(
        {
            "original": pa.array(originals, pa.string()),
            "text": pa.array([apply(*row) for row in rows], pa.string()),
            "spans": to_arrow([spans for _, spans in rows]),
        }
    )
    found = count_documents(documents.slice(cut))
    expected = [counted(*row) for row in rows[cut:]]
    names = ["char_count", "word_count", "line_count", "original_char_count", "removed_char_count"]
    names += ["removed_span_count", "removed_by_reason"]
    assert found.select(names).to_pylist() == expected
    lengths = [max(1, len(original)) for original in originals[cut:]]
    ratios = [row["removed_char_count"] / length for row, length in zip(expected, lengths, strict=True)]
    assert found["removed_char_ratio"].to_pylist() == pa.array(ratios, pa.float32()).to_pylist()


@given(st.lists(TEXTS, max_size=5), st.integers(0, 2))
def test_paragraphs_are_the_long_lines(texts, cut):
    ids = [f"{number}" for number in range(len(texts))]
    columns = [pa.array(ids, pa.string()), pa.array(texts, pa.string()), pa.nulls(len(texts), pa.string())]
    documents = pa.table(columns, ["id", "text", "reject_reason"]).slice(cut)
    expected = [
        {"paragraph": xxhash.xxh3_64_intdigest(line.encode()), "document": name, "chars": len(line)}
        for name, text in list(zip(ids, texts, strict=True))[cut:]
        for line in map(str.strip, text.split("\n"))
        if len(line) + len(line.encode()) >= 2 * PARAGRAPH_CHARS
    ]
    assert paragraphs_of(documents).to_pylist() == expected
