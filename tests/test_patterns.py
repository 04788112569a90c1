"""Patterns and copies that the comparison is measured on: what their README promises."""

import re
from collections import Counter
from itertools import combinations

import pytest

from benchmarks.patterns import (
    Document,
    Pattern,
    canonicals,
    differing,
    documents,
    edited,
    one_fact,
    pairs_alone,
    read_copies,
    read_patterns,
)
from transforms.words import word_count

PATTERNS = read_patterns()
MADE, PAIRS = documents(PATTERNS)
WORDS = {"short": (15, 35), "medium": (50, 115), "long": (120, 250)}


def of_pattern(pattern: Pattern) -> list[Document]:
    return [document for document in MADE if document.pattern is pattern]


def test_twenty_patterns_in_eight_languages() -> None:
    assert len({pattern.subject for pattern in PATTERNS}) == 20
    assert len({pattern.language for pattern in PATTERNS}) == 8
    assert Counter(pattern.length for pattern in PATTERNS) == {"short": 4, "medium": 10, "long": 6}
    assert (len(MADE), len(PAIRS)) == (20 * 50, 20 * 49)


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
def test_a_pattern(pattern: Pattern) -> None:
    slots = {slot for name in pattern.slots for slot in name.split()}
    assert set(re.findall(r"{(\w+)}", pattern.text)) == slots
    assert 3 <= len(pattern.slots) <= 9
    made = of_pattern(pattern)
    assert len({document.text for document in made}) == 50
    for one, other in combinations(made, 2):
        assert any(one.values[name] != other.values[name] for name in pattern.facts)
    # A word of Chinese is some 1.6 characters.
    words = [word_count(document.text) / (1.6 if pattern.language == "zh" else 1) for document in made]
    assert WORDS[pattern.length][0] <= min(words)
    assert max(words) <= WORDS[pattern.length][1]


def test_documents_depend_on_the_seed_alone() -> None:
    again, _ = documents(PATTERNS[3:4])
    assert [document.text for document in again] == [document.text for document in of_pattern(PATTERNS[3])]
    others, _ = documents(PATTERNS[3:4], seed=12)
    assert [document.text for document in others] != [document.text for document in again]


def test_adjacent_documents_differ_in_one_slot_or_in_all() -> None:
    for one, other in PAIRS:
        assert one.pattern is other.pattern
        assert other.number == one.number + 1
        assert 1 <= differing(one, other) <= len(one.pattern.slots)


def test_pairs_of_one_fact() -> None:
    pairs = one_fact(MADE)
    assert len(pairs) == 4 * sum(len(pattern.facts) for pattern in PATTERNS)
    assert {differing(one, other) for one, other, _ in pairs} == {1}
    assert all(one.text != other.text and one.values[fact] != other.values[fact] for one, other, fact in pairs)


def test_too_few_values_are_refused() -> None:
    pattern = Pattern("few", "en", "few", "short", ("colour",), "It is {colour}.", {"colour": ["red", "blue"]})
    with pytest.raises(ValueError, match="few: too few values of colour for 3 documents"):
        documents([pattern], count=3)


def test_copies() -> None:
    single = [copy for copy in read_copies() if copy.kind != "two kinds"]
    assert set(Counter(copy.article for copy in single).values()) == {5}
    assert Counter((copy.language, copy.words) for copy in single) == {
        (language, words): 5 for language in {pattern.language for pattern in PATTERNS} for words in (70, 150, 300)
    }
    for copy in single:
        assert copy.text != copy.original
        words = word_count(copy.original) / (1.6 if copy.language == "zh" else 1)
        assert copy.words * 0.7 <= words <= copy.words * 1.25, copy.article


@pytest.mark.parametrize(
    ("copy", "text"),
    [
        ({"change": [["one", "1"]]}, "A\n\n1 ë\n\ntwo"),
        ({"drop": [" ë"]}, "A\n\none\n\ntwo"),
        ({"plain": True}, "A\n\none e\n\ntwo"),
        ({"move": [3, 2]}, "A\n\ntwo\n\none ë"),
        ({"keep": 2, "after": "more"}, "A\n\none ë\n\nmore"),
        ({"replace": "B\n"}, "B"),
    ],
)
def test_edits(copy: dict[str, object], text: str) -> None:
    assert edited("A\n\none ë\n\ntwo", copy) == text


def test_an_edit_of_what_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="not in the text: 'three'"):
        edited("one two", {"change": [["three", "3"]]})


def test_texts_are_compared_as_a_run_compares_them() -> None:
    text, other = PAIRS[0][0].text, read_copies()[0].original
    assert canonicals([text, other, text]) in ([0, 1, 0], [2, 1, 2])
    assert pairs_alone([(text, text), (text, other)], ["a", "a"]) == [True, False]
