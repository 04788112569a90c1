"""The line model's features against slow, obvious ones."""

from collections import Counter
from itertools import groupby

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from transforms.boilerplate.anchors import match_paragraph, rules
from transforms.boilerplate.lines import line_hashes
from transforms.boilerplate.model import (
    _POWERS,
    CASELESS,
    DIGIT,
    LOWER,
    NEWLINE,
    PART_CHARS,
    SPACE,
    UPPER,
    WIDE,
    Page,
    _best_runs,
    _copies,
    _Lines,
    _Words,
    load,
)
from transforms.boilerplate.templates import NO_TEMPLATES

LETTERS = (LOWER, UPPER, CASELESS, WIDE, DIGIT)
TEXTS = st.lists(
    st.lists(
        st.one_of(
            st.text(st.sampled_from("aB9ñßก港灯.,:|- \t\u00ad\u200b\u0301İ\U00020000"), max_size=12),
            st.sampled_from(["", "the lamp the mole", "Lamp Mole lamp", "a" * 70, "ก" * 130, "a.b,c " * 30]),
        ),
        max_size=6,
    ).map("\n".join),
    min_size=1,
    max_size=4,
)


def class_of(character: str) -> int:
    return int(load().classes[ord(character)]) if ord(character) < 0x20000 else int(load().classes[0])


def inked(text: str) -> list[str]:
    return [line for line in text.split("\n") if any(class_of(one) not in (SPACE, NEWLINE) for one in line)]


def words_of(line: str) -> list[str]:
    """Runs of letters and digits; each wide letter alone."""
    apart = [one if class_of(one) != WIDE else f"\n{one}\n" for one in line]
    return "".join(one if class_of(one[len(one) // 2]) in LETTERS else "\n" for one in apart).split()


def hash_of(word: str) -> int:
    letters = [int(load().letters[ord(letter)]) for letter in word]
    mixed = sum(letter * int(_POWERS[min(rank, len(_POWERS) - 1)]) for rank, letter in enumerate(letters))
    return mixed * 0x9E3779B97F4A7C15 % 2**64


def shape_of(line: str) -> tuple[int, ...]:
    kinds = [class_of(one) for one in line if class_of(one) != SPACE]
    return tuple(kind for kind, _ in groupby(LOWER if kind in (UPPER, CASELESS) else kind for kind in kinds))


def lines_of(texts: list[str]) -> _Lines:
    pages = [Page(text, line_hashes(text), [None] * (text.count("\n") + 1), NO_TEMPLATES) for text in texts]
    return _Lines(pages, load())


@given(TEXTS)
@example(["the " * 40 + "\n" + "ก" * 200])
def test_words_and_shapes_are_those_of_obvious_ones(texts: list[str]) -> None:
    lines = lines_of(texts)
    there = [line for text in texts for line in inked(text)]
    words = [words_of(line) for line in there]
    assert lines.words.tolist() == [len(of) for of in words]
    assert lines.hashes().tolist() == [hash_of(word) for of in words for word in of]
    assert lines.capitals.tolist() == [sum(class_of(word[0]) == UPPER for word in of) for of in words]
    shapes = [shape_of(line) for line in there]
    assert (lines.shape == 0).tolist() == [len(shape) < 2 for shape in shapes]
    assert lines.first.tolist() == [next(class_of(one) for one in line if class_of(one) != SPACE) for line in there]
    for shape, number in zip(shapes, lines.shape.tolist(), strict=True):
        same = [other for other, value in zip(shapes, lines.shape.tolist(), strict=True) if value == number]
        assert number == 0 or len(shape) > 64 or set(same) == {shape}


def test_a_long_page_has_the_words_of_a_short_one() -> None:
    long = lines_of(["the lamp\n" * (PART_CHARS // 4)])
    assert len(long.kept) == PART_CHARS // 4
    assert set(long.hashes().tolist()) == {hash_of("the"), hash_of("lamp")}


@given(TEXTS, st.randoms(use_true_random=False))
def test_words_are_shared_with_the_chosen_lines(texts: list[str], random) -> None:
    lines = lines_of(texts)
    if len(lines.kept) == 0:
        return
    prose = np.array([random.random() < 0.5 for _ in lines.kept])
    chosen = np.array([random.random() < 0.5 for _ in lines.kept])
    found = _Words(lines, prose.astype(np.int64))
    there = [(number, line) for number, text in enumerate(texts) for line in inked(text)]
    buckets = [[(number, hash_of(word) >> 52) for word in words_of(line)] for number, line in there]
    said = Counter(one for of, is_prose in zip(buckets, prose, strict=True) if is_prose for one in of)
    total = {number: sum(count for (of, _), count in said.items() if of == number) for number in range(len(texts))}
    telling = [[one for one in of if said[one] * 100 < total[one[0]] + 200] for of in buckets]
    among = Counter(one for of, is_chosen in zip(telling, chosen, strict=True) if is_chosen for one in of)
    times = Counter(one for of in buckets for one in of)
    assert found.telling.tolist() == [len(of) for of in telling]
    assert found.novel().tolist() == [sum(times[one] == 1 for one in of) for of in buckets]
    assert found.shared(chosen).tolist() == [
        sum(among[one] > is_chosen for one in of) for of, is_chosen in zip(telling, chosen, strict=True)
    ]


@given(TEXTS, st.randoms(use_true_random=False))
def test_the_best_run_is_that_of_all(texts: list[str], random) -> None:
    lines = lines_of(texts)
    if len(lines.kept) == 0:
        return
    gains = np.array([random.choice([-2, -1, 0, 1, 2]) for _ in lines.kept])
    first, after = _best_runs(gains, lines)
    for begin, end in zip(lines.offsets[:-1].tolist(), lines.offsets[1:].tolist(), strict=True):
        runs = [(at, to) for to in range(begin + 1, end + 1) for at in reversed(range(begin, to))]
        best = max(runs, key=lambda run: gains[run[0] : run[1]].sum(), default=(begin, begin))
        if begin < end and gains[best[0] : best[1]].sum() <= 0:
            best = (begin, begin)
        assert set(zip(first[begin:end].tolist(), after[begin:end].tolist(), strict=True)) <= {best}


@given(TEXTS, st.integers(1, 6), st.integers(0, 30), st.randoms(use_true_random=False))
def test_neighbours_are_those_of_the_document(texts: list[str], by: int, radius: int, random) -> None:
    lines = lines_of(texts)
    values = [random.randrange(100) for _ in lines.kept]
    column = np.array(values, np.int64)
    for at, document in enumerate(lines.document.tolist()):
        begin, end = lines.offsets[document], lines.offsets[document + 1]
        assert lines.around.at(column, by)[at] == (values[at + by] if at + by < end else -1)
        assert lines.around.at(column, -by, 7)[at] == (values[at - by] if at - by >= begin else 7)
        near = values[max(begin, at - radius) : min(end, at + radius + 1)]
        assert lines.around.mean(column, radius)[at] == sum(near) * 16 // len(near)
        copies, nth = _copies(column, lines.document)
        same = [other for other in range(begin, end) if values[other] == values[at]]
        assert (copies[at], nth[at]) == ((len(same), same.index(at)) if values[at] else (1, 0))


NOTICES = [line for rule in rules() if rule.kind == "paragraph" for line in rule.strip]


@given(st.sampled_from(NOTICES), st.sampled_from([str, str.upper, str.title]), st.text(max_size=3), st.integers(0, 9))
def test_no_notice_goes_unasked(notice: str, written, noise: str, at: int) -> None:
    line = " ".join((written(notice[:at]) + noise + written(notice[at:])).split())
    asked = lines_of([f"Fog again\n{line}\nA. Quill"]).may_be_notices()
    assert match_paragraph(line) is None or asked[1]


def test_no_notice_goes_unasked_as_its_rule_has_it() -> None:
    assert lines_of(["\n".join(" ".join(notice.split()) for notice in NOTICES)]).may_be_notices().all()
    assert lines_of(["The keeper does not mind the fog.\nΟ φάρος άναψε ξανά."]).may_be_notices().tolist() == [False] * 2
