"""The ledger: what is removed can be put back, whatever the spans."""

import itertools

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.select import removed_spans
from transforms.spans import LedgerEntry, Span, apply, compose, ledger, merge_adjacent, restore, to_arrow


@st.composite
def spans_over(draw, length: int, reason: str, replacements: st.SearchStrategy[str]) -> list[Span]:
    cuts = sorted(draw(st.lists(st.integers(0, length), max_size=8)))
    pairs = list(zip(cuts[::2], cuts[1::2], strict=False))
    rules = st.sampled_from(["one", "two"])
    return [Span(start, end, draw(replacements), reason, draw(rules), "test") for start, end in pairs if start < end]


TEXT = st.text("ab\n \u00e9", max_size=30)


@st.composite
def two_steps(draw) -> tuple[str, list[Span], list[Span]]:
    original = draw(TEXT)
    repairs = draw(spans_over(len(original), "encoding.mojibake", st.text("XY\n", max_size=3)))
    repaired = apply(original, repairs)
    removals = draw(spans_over(len(repaired), "boilerplate.share", st.just("")))
    return original, repairs, removals


@given(two_steps())
def test_composed_spans_do_what_the_two_steps_do(case):
    original, repairs, removals = case
    composed = compose(repairs, removals)
    assert apply(original, composed) == apply(apply(original, repairs), removals)
    assert all(a.end <= b.start for a, b in itertools.pairwise(composed))


@given(two_steps())
def test_the_ledger_restores_the_original(case):
    original, repairs, removals = case
    composed = compose(repairs, removals)
    assert restore(apply(original, composed), ledger(original, composed)) == original


@given(two_steps())
def test_lengths_add_up(case):
    original, repairs, removals = case
    composed = compose(repairs, removals)
    change = sum(len(entry.text) - len(entry.span.replacement) for entry in ledger(original, composed))
    assert len(original) == len(apply(original, composed)) + change


@given(st.lists(two_steps(), max_size=4), st.integers(0, 2))
def test_the_ledger_of_all_documents_is_that_of_each(cases, cut):
    composed = [(original, compose(repairs, removals)) for original, repairs, removals in cases]
    ids = [f"{number}" for number in range(len(cases))]
    originals = pa.array([original for original, _ in composed], pa.string())
    spans = to_arrow([spans for _, spans in composed])
    documents = pa.table({"id": pa.array(ids, pa.string()), "original": originals, "spans": spans})
    expected = [
        (name, seq, *entry.span[:2], entry.clean_start, entry.text, *entry.span[2:])
        for name, (original, spans) in list(zip(ids, composed, strict=True))[cut:]
        for seq, entry in enumerate(ledger(original, spans))
    ]
    assert [tuple(row.values()) for row in removed_spans(documents.slice(cut)).to_pylist()] == expected


def span(start, end, replacement="", rule="r", reason="boilerplate.share"):
    return Span(start, end, replacement, reason, rule, "test")


@pytest.mark.parametrize(
    ("repairs", "removals", "expected"),
    [
        # a repair inside a removal is swallowed
        ([span(2, 4, "X", "fix", "encoding.mojibake")], [span(1, 5)], [span(1, 6)]),
        # one beside it stays
        (
            [span(0, 2, "X", "fix", "encoding.mojibake")],
            [span(1, 3)],
            [span(0, 2, "X", "fix", "encoding.mojibake"), span(2, 4)],
        ),
        # one after it is not moved
        (
            [span(6, 8, "X", "fix", "encoding.mojibake")],
            [span(0, 2)],
            [span(0, 2), span(6, 8, "X", "fix", "encoding.mojibake")],
        ),
    ],
)
def test_compose(repairs, removals, expected):
    assert compose(repairs, removals) == expected


def test_adjacent_spans_of_one_rule_are_one():
    assert merge_adjacent([span(0, 2), span(2, 4), span(4, 6, rule="other")]) == [
        span(0, 4),
        span(4, 6, rule="other"),
    ]


@pytest.mark.parametrize("spans", [[span(2, 4), span(1, 3)], [span(0, 99)], [span(3, 2)]])
def test_spans_that_overlap_or_leave_the_text_are_refused(spans):
    with pytest.raises(ValueError, match="span"):
        apply("abcdef", spans)


def test_a_ledger_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="ledger says"):
        restore("abc", [LedgerEntry(span(0, 1, "z"), 0, "q")])
