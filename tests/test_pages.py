"""Which lines of a whole page stay, given their scores: runs, titles, gaps."""

import re
from itertools import pairwise, product
from math import isqrt

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transforms.boilerplate.lines import Kind, key, line_hashes
from transforms.boilerplate.model import Page, Scored
from transforms.boilerplate.pages import GAP_LINES, _has_word, _runs, _words, kept_lines, line_anchor, page_removals
from transforms.boilerplate.templates import NO_TEMPLATES, Templates
from transforms.config import Boilerplate

PROSE = [
    "The lamp on the north mole was lit again on Tuesday, after the keeper had climbed the stair with a can of oil.",
    "Nobody had asked for it, and the harbour office says nobody will be paid, since the rate went to the dredger.",
    "The keeper does not mind. She has counted the boats from up there for thirty years and likes to see their names.",
]


def kept(scored, threshold=-1000, templates=NO_TEMPLATES):
    """The lines that stay of (score, line) pairs."""
    text = "\n".join(line for _, line in scored)
    lines = text.split("\n")
    page = Page(text, line_hashes(text), [line_anchor(line) for line in lines], templates)
    found = Scored(list(range(len(lines))), [10 * len(line) for line in lines], [score for score, _ in scored])
    return [lines[at] for at in sorted(kept_lines(page, lines, found, threshold))]


MENU = [(-5000, "Home"), (-5000, "News"), (-5000, "Log in")]
FOOT = [(-5000, "Related articles"), (-4500, "Fog over the quay"), (-5000, "Contact"), (-5000, "Privacy policy")]
BODY = [(3000, line) for line in PROSE]


def test_a_link_amid_the_article_stays_and_a_sentence_amid_the_footer_goes():
    link, sentence = "Our map of the mole", "The weather is fair."
    page = [*MENU, BODY[0], (-1100, link), *BODY[1:], *FOOT, (-950, sentence), *FOOT]
    assert kept(page) == [PROSE[0], link, *PROSE[1:]]


@pytest.mark.parametrize(
    "above",
    [
        [(-2300, "A lamp for nobody")],
        [(-2300, "A lamp for nobody"), (-2000, "By Ann Quill"), (-2000, "March 3, 2024")],
        [(-3000, "The keeper and the lamp on the mole"), (-1500, "12 views")],
        [(-900, "A lamp for nobody"), (-3000, "12 views"), (-3000, "A A A")],
    ],
    ids=["right above", "byline and date between", "shared words", "by its score"],
)
def test_the_title_stays(above):
    page = [*MENU, *above, *BODY, *FOOT]
    assert above[0][1] in kept(page)
    assert not {line for _, line in MENU}.intersection(kept(page))


def test_the_title_on_top_of_a_text_stays():
    assert kept([(-4000, "Fog again"), (-3000, "A. Quill"), *BODY, *FOOT])[0] == "Fog again"


def test_a_first_line_that_stands_twice_is_the_title_though_related_lists_name_it():
    line = "Fog again"
    templates = Templates(9, {line_hashes(line)[0]: 3})
    page = [(-6000, line), (-6000, line), (-3000, "A. Quill"), *BODY, *FOOT]
    assert kept(page, templates=templates)[:2] == [line, line]


def test_a_template_or_an_anchor_is_no_title():
    line = "The Harbour Gazette"
    templates = Templates(9, {key(line_hashes(line)[0], Kind.TITLE): 9})
    assert kept([*MENU, (-3500, line), *BODY], templates=templates) == PROSE
    assert kept([*MENU, (-3500, "Most read"), *BODY]) == PROSE


INGREDIENTS = [(-2500, line) for line in ("Oil", "1 lamp", "2 wicks, dry", "a long match")]


def test_short_lines_between_kept_ones_stay():
    assert kept([*MENU, BODY[0], *INGREDIENTS, *BODY[1:], *FOOT]) == [
        PROSE[0], *(line for _, line in INGREDIENTS), *PROSE[1:],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "gap",
    [
        [*INGREDIENTS, (-2500, "Related articles")],
        [*INGREDIENTS, (-3600, "Fog over the quay")],
        [*INGREDIENTS, INGREDIENTS[0]],
        [(-2500, f"Boat number {letter}") for letter in "abcdefghijklmnop"[: GAP_LINES + 1]],
    ],
    ids=["an anchor", "a low score", "a second copy", "many"],
)
def test_a_gap_with_furniture_in_it_goes(gap):
    assert kept([*MENU, BODY[0], *gap, *BODY[1:], *FOOT]) == PROSE


def test_narrow_lines_before_a_button_stay():
    assert kept([*MENU, *BODY, *INGREDIENTS, (-5000, "Share"), *FOOT]) == [*PROSE, *(line for _, line in INGREDIENTS)]
    assert kept([*MENU, *BODY, *INGREDIENTS, *FOOT]) == PROSE  # links of a list that a heading of links ends


@given(st.lists(st.tuples(st.integers(-6000, 6000), st.sampled_from([*PROSE, "Home", "Oil", "1 lamp"])), max_size=30))
def test_a_threshold_below_all_scores_keeps_all_and_one_above_keeps_nothing(scored):
    page = [*scored, *BODY]
    assert kept(page, -100_000) == [line for _, line in page]
    assert kept(page, 100_000) == []


def test_a_page_keeps_its_recipe():
    text = "\n".join(
        [
            "Skip to content", "The Mole Kitchen", "Home", "Recipes", "Videos", "Log in", "Search", "Home / Recipes",
            "Ship's biscuit", *PROSE, "Ingredients", "500 g flour", "200 ml water", "1 spoon of salt", "Method",
            "Mix flour, salt and water until the dough is stiff, and leave it for an hour under a wet cloth.",
            "Roll it out, cut it into squares, prick each with a fork and bake them until they are dry and hard.",
            "Share", "Print", "Related recipes", "Oat cake", "Pease pudding", "About us", "Contact", "Privacy policy",
            "© 2026 The Mole Kitchen. All rights reserved.",
        ]
    )  # fmt: skip
    gone = page_removals([(text, line_hashes(text), NO_TEMPLATES)], Boilerplate()).removals[0]
    left = [line for at, line in enumerate(text.split("\n")) if at not in gone]
    assert left == text.split("\n")[8:19]


def obvious_words(text: str) -> set[str]:
    """Runs of four letters or more, and each pair of wide ones."""
    wide = re.findall("(?=([\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{2}))", text.lower())
    return {*re.findall(r"[^\W\d_]{4,}", text.lower()), *wide}


WORDS = st.text(st.sampled_from("abñ語港の²½_1- ̈İ"), max_size=40)


@given(WORDS, WORDS)
@example("the moored boats", "moor boats")
@example("港の灯は", "港の灯")
def test_shared_words_are_those_of_both(text: str, title: str) -> None:
    assert _words(title) == obvious_words(title)
    assert {word for word in _words(title) if _has_word(text.lower(), word)} == obvious_words(text) & _words(title)


SCORED = st.tuples(st.one_of(st.integers(-4000, 4000), st.sampled_from([-1000, -999])), st.integers(1, 9000))


@given(st.lists(SCORED, max_size=9))
@example([(-900, 100), (-1100, 40), (-900, 9000)])
def test_the_best_way_is_the_best_of_all(scored: list[tuple[int, int]]) -> None:
    enough = [number for number, (score, _) in enumerate(scored) if score > -1000]
    block = range(enough[0], enough[-1] + 1) if enough else range(len(scored))
    gains = []
    for number, (score, width) in enumerate(scored):
        margin = score + 1000 - (0 if number in block else 700)
        root = max(1, isqrt(100 * (min(width // 10, 299) + 10) // 300))
        gains.append(max(-2000, min(2000, margin)) * root)

    def worth(stays: tuple[bool, ...]) -> int:
        changes = sum(above != below for above, below in pairwise((False, *stays, False)))
        return sum(gain for gain, stay in zip(gains, stays, strict=True) if stay) - 1000 * changes

    widths, scores = [width for _, width in scored], [score for score, _ in scored]
    kept = _runs(Scored(list(range(len(scored))), widths, scores), -1000)
    ways = product((False, True), repeat=len(scored))
    assert worth(tuple(number in kept for number in range(len(scored)))) == max(map(worth, ways))
