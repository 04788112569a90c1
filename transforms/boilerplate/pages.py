"""Whole pages: which lines of them go.

The line model scores lines (`model.py`); here they are chosen, block by block:

1. **Runs.** Of all ways to part a page into what stays and what goes, the one whose lines fit best, where every change
   between the two costs: a link amid the article's lines stays, a sentence amid a footer goes.
2. **The title** stays: of the lines above the first kept paragraph the one that shares its words, stands twice, stands
   nearest or on top of all.
3. **Gaps.** Short lines between two kept ones, or between the last one and a button of the article's, are the article's
   (ingredients, prices, captions), unless one of them shows itself as furniture: an anchor, a template, a second copy.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import pairwise
from math import isqrt
from typing import NamedTuple

from transforms.boilerplate import model as line_model
from transforms.boilerplate.anchors import HEADERS, Anchor, match_paragraph
from transforms.boilerplate.evidence import line_anchor
from transforms.boilerplate.lines import Kind, is_bulleted, is_prose, is_teaser, key
from transforms.boilerplate.templates import Templates
from transforms.config import Boilerplate

# What a change between staying and going costs, in the score of a line of 300 letters (a shorter or longer one counts
# by the root of its width), and how far a single line's score counts.
CHANGE_COST = 100
SCORE_CAP = 2000
_CHANGE_WIDTH = 300
# Lines apart from the block with the most text, by so many that score too low, must score so much more.
APART_LINES, APART_SCORE = 20, 700
# So many lines between two kept ones are the article's, unless one of them scores so low or is furniture.
GAP_LINES = 12
GAP_SCORE = -3500
# … and so are as many narrow ones and sentences below the last kept one, where a button of the article's comes next.
END_SCORE, END_WIDTH = -4000, 50
END_MARKS = tuple(".!?。！？।۔")
BUTTONS = frozenset(f"boilerplate.{name}" for name in ("share", "comments", "subscribe", "promotion", "navigation"))
# A title stands among so many lines above the first kept paragraph, …
TITLE_LINES = 12
TITLE_NARROW, TITLE_WIDTH = 8, 160
# … and scores so much at least, once the words it shares with the article, its second copy and its place are counted.
TITLE_SCORE = -500
# … or so much, where a line below it looks like the title already.
FURTHER_TITLE_SCORE = 1000
_SHARED_WORDS = 3000
_SECOND_COPY = 1500
_RIGHT_ABOVE = 1500
# The only line between furniture and the article, with its byline and date, …
_ONLY = 3000
# … or on top of a text.
_ON_TOP, _TOP_LINES = 4000, 4
# Shorter lines are no paragraph about the author, the law, or an offer.
PARAGRAPH_CHARS = 60
# What is read of the article for its words.
BODY_CHARS = 2000
# What stands where titles stand in so many articles of the site is none of this one.
SITE_TITLES = 3
# How sure it is that a line which an extractor leaves out is none of the article's.
LEFT_OUT_CONFIDENCE = 0.9
_FIELD = re.compile(r"[^:：]{1,20}[:：]\s*\S")
_WORD = re.compile(r"[^\W\d_]{4,}")
_LETTER = re.compile(r"[^\W\d_]")
_WIDE_LETTERS = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{2,}")


class Removal(NamedTuple):
    """Why a line goes."""

    reason: str
    rule: str
    confidence: float
    support: int | None = None


class Pages(NamedTuple):
    """What was found on looking for whole pages; rows are the shard's."""

    removals: dict[int, dict[int, Removal]]  # of a whole page: the lines that go
    anchors: dict[int, list[Anchor | None]]  # of whatever may have been one: what each line is


def page_removals(documents: Sequence[tuple[str, Sequence[int], Templates] | None], config: Boilerplate) -> Pages:
    """Of the documents (text, hash a line, templates) that are whole pages: which lines the learned model takes.

    An anchor on a line names its reason, then a template, then the heading of the block the line is in. A page of which
    no prose would be left was misread: nothing goes by the model.
    """
    if config.input == "extracted":
        return Pages({}, {})
    model = line_model.load(config.model_path)
    pages, rows = [], []
    anchor_of = cache(line_anchor)  # a site's lines come back page after page
    for row, document in enumerate(documents):
        if document is not None and (config.input == "page" or line_model.may_be_page(document[0])):
            text, hashes, templates = document
            anchors = [anchor_of(line.strip()) for line in text.split("\n")]
            pages.append(line_model.Page(text, hashes, anchors, templates))
            rows.append(row)
    threshold = config.page_score if config.input == "auto" else None
    found: dict[int, dict[int, Removal]] = {}
    for number, scored in line_model.whole_pages(pages, model, threshold):
        lines = [line.strip() for line in pages[number].text.split("\n")]
        kept = kept_lines(pages[number], lines, scored, config.line_score)
        if _leaves_prose(lines, scored.places, kept):
            found[rows[number]] = _named(pages[number], lines, scored, kept, config.line_score)
    return Pages(found, {row: page.anchors for row, page in zip(rows, pages, strict=True)})


class _Page(NamedTuple):
    """A page while it is decided what stays."""

    page: line_model.Page
    lines: list[str]
    scored: line_model.Scored
    copies: Mapping[int, int]  # of each line hash

    def is_site_title(self, at: int) -> bool:
        """Whether several articles of the site have the line where titles stand."""
        return self.page.templates.lines.get(key(self.page.hashes[at], Kind.TITLE), 0) >= SITE_TITLES

    def is_furniture(self, number: int, lowest: int = GAP_SCORE) -> bool:
        """Whether a scored line shows itself as the site's."""
        at = self.scored.places[number]
        value = self.page.hashes[at]
        return (
            self.scored.scores[number] <= lowest
            or self.page.anchors[at] is not None
            or value in self.page.templates.lines
            or self.is_site_title(at)
            or (value != 0 and self.copies[value] > 1)
        )


def kept_lines(page: line_model.Page, lines: list[str], scored: line_model.Scored, threshold: int) -> set[int]:
    """Which of the scored lines stay, by their numbers among them."""
    found = _Page(page, lines, scored, Counter(page.hashes))
    kept = _runs(scored, threshold)
    kept |= _titles(found, kept, threshold)
    return kept | _gaps(found, kept)


def _runs(scored: line_model.Scored, threshold: int) -> set[int]:
    """The lines that stay where every change between staying and going costs (Viterbi). All numbers are integers.

    Neighbours that score on one side of the threshold are never parted, so ways are weighed by runs of them.
    """
    first, after = _largest_block(scored, threshold)
    begins: list[int] = []
    gains: list[int] = []
    was_more = None
    for number, (score, width) in enumerate(zip(scored.scores, scored.widths, strict=True)):
        margin = score - threshold if first <= number < after else score - threshold - APART_SCORE
        is_more = margin > 0
        if margin > SCORE_CAP:
            margin = SCORE_CAP
        elif margin < -SCORE_CAP:
            margin = -SCORE_CAP
        gain = margin * _ROOTS[width // 10] if width < _WIDEST else margin * _WIDEST_ROOT
        if is_more is was_more:
            gains[-1] += gain
        else:
            begins.append(number)
            gains.append(gain)
            was_more = is_more
    cost = CHANGE_COST * _ROOTS_UNIT
    goes, stays = 0, -cost
    changed: list[tuple[bool, bool]] = []  # whether the best way to (go, stay) here comes from the other
    for gain in gains:
        from_stays, from_goes = stays - cost > goes, goes - cost > stays
        goes, stays = stays - cost if from_stays else goes, (goes - cost if from_goes else stays) + gain
        changed.append((from_stays, from_goes))
    kept: set[int] = set()
    stay = stays - cost > goes
    ends = [*begins[1:], len(scored.scores)]
    for begin, end, (from_stays, from_goes) in zip(begins[::-1], ends[::-1], changed[::-1], strict=False):
        if stay:
            kept.update(range(begin, end))
        if from_goes if stay else from_stays:
            stay = not stay
    return kept


def _largest_block(scored: line_model.Scored, threshold: int) -> tuple[int, int]:
    """Where the block with the most text that scores enough begins and has ended."""
    block = (0, len(scored.scores))
    largest = mass = first = 0
    last = -APART_LINES - 1
    for number in [number for number, score in enumerate(scored.scores) if score > threshold]:
        if number - last > APART_LINES:
            mass, first = 0, number
        mass += scored.widths[number]
        last = number
        if mass > largest:
            largest, block = mass, (first, number + 1)
    return block


# The root of a width of up to 300 letters, in tenths of that of _CHANGE_WIDTH.
_ROOTS_UNIT = 10
_ROOTS = [max(1, isqrt(_ROOTS_UNIT**2 * (letters + 10) // _CHANGE_WIDTH)) for letters in range(300)]
_WIDEST, _WIDEST_ROOT = 10 * len(_ROOTS), _ROOTS[-1]


def _titles(found: _Page, kept: set[int], threshold: int) -> set[int]:
    """The lines above the first kept paragraph that are its titles: each that scores enough by itself, and above those
    the one that has most in common with the article."""
    page, lines, (places, widths, scores) = found.page, found.lines, found.scored
    first = next((number for number in sorted(kept) if is_prose(lines[places[number]])), None)
    if first is None:
        return set()
    titles: set[int] = set()
    best, best_score = None, TITLE_SCORE
    body = ""
    right_above = True
    for number in range(first - 1, max(0, first - TITLE_LINES) - 1, -1):
        at = places[number]
        anchor, line = page.anchors[at], lines[at]
        is_title = 10 * TITLE_NARROW <= widths[number] <= 10 * TITLE_WIDTH and line[-1] not in ":：…|"
        if anchor is not None and (anchor.kind != "label" or anchor.value):
            right_above = right_above and anchor.reason in HEADERS
        elif number in kept or (is_title and scores[number] > threshold):
            titles.add(number)
            if _FIELD.match(line) is None:  # "Text: Jane Doe" in a language that no rule has
                best, best_score = None, FURTHER_TITLE_SCORE
        elif is_title and not is_bulleted(line):
            body = body or "\n".join(lines[places[of]] for of in sorted(kept) if of >= first)[:BODY_CHARS].lower()
            own = _words(line)
            shared = sum([_has_word(body, word) for word in own])
            # Related lists of other articles name it, too, so it is looked up as a title.
            is_own = not found.is_site_title(at)
            score = (
                scores[number]
                + (_SHARED_WORDS * shared // len(own) if own else 0)
                + _SECOND_COPY * (found.copies[page.hashes[at]] > 1 and shared > 0)
                + _RIGHT_ABOVE * (right_above and is_own)
                + _ONLY * (right_above and is_own and number > 0 and found.is_furniture(number - 1))
                + _ON_TOP * (number == 0 and first <= _TOP_LINES)
            )
            right_above = False
            if score > best_score:
                best, best_score = number, score
    is_twice = len(places) > 1 and first > 1 and page.hashes[places[0]] == page.hashes[places[1]] != 0
    # The first line twice is a title, however little it has in common with the rest.
    if is_twice and page.anchors[places[0]] is None and not found.is_site_title(places[0]):
        titles |= {0, 1}
    return titles if best is None else {*titles, best}


def _gaps(found: _Page, kept: set[int]) -> set[int]:
    """The short gaps between kept lines in which nothing shows itself as furniture."""
    gaps: set[int] = set()
    order = sorted(kept)
    for above, below in pairwise(order):
        gap = range(above + 1, below)
        if 0 < len(gap) <= GAP_LINES and not any(found.is_furniture(number) for number in gap):
            gaps.update(gap)
    return gaps | _end(found, order[-1]) if order else gaps


def _end(found: _Page, last: int) -> set[int]:
    """The narrow lines and sentences (a specification, a note) between the last kept one and "Share" or "Comment"."""
    places, widths, _ = found.scored
    end: set[int] = set()
    for number in range(last + 1, min(len(places), last + GAP_LINES + 2)):
        anchor = found.page.anchors[places[number]]
        if anchor is not None:
            return end if anchor.kind == "line" and anchor.reason in BUTTONS else set()
        is_sentence = found.lines[places[number]].endswith(END_MARKS)
        if (widths[number] > 10 * END_WIDTH and not is_sentence) or found.is_furniture(number, END_SCORE):
            break
        end.add(number)
    return set()


def _words(text: str) -> set[str]:
    """Words long enough to tell of something; where words have no spaces, pairs of letters."""
    text = text.lower()
    pairs = () if text.isascii() else (pair for run in _WIDE_LETTERS.findall(text) for pair in pairwise(run))
    return {*_WORD.findall(text), *map("".join, pairs)}


def _has_word(text: str, word: str) -> bool:
    """Whether the word is one of `_words(text)`; the text is in lower case."""
    at = text.find(word)
    while at >= 0 and len(word) > 2 and (_is_letter(text[at - 1 : at]) or _is_letter(text[at + len(word) :][:1])):
        at = text.find(word, at + 1)
    return at >= 0


def _is_letter(character: str) -> bool:
    return character.isalpha() or _LETTER.match(character) is not None


def _leaves_prose(lines: list[str], places: Sequence[int], kept: set[int]) -> bool:
    """Whether a line of prose stays, or, where the page has none, any line."""
    if any(is_prose(lines[places[number]]) for number in kept):
        return True
    return not places or (bool(kept) and not any(is_prose(lines[at]) for at in places))


def _named(
    page: line_model.Page, lines: list[str], scored: line_model.Scored, kept: set[int], threshold: int
) -> dict[int, Removal]:
    """The lines that go, as sure as the least sure line of their run."""
    scores = dict(zip(scored.places, scored.scores, strict=True))

    def removal(reason: str, support: int | None, run: list[int]) -> Removal:
        margin = max(0, threshold - max([scores[at] for at in run]))
        return Removal(reason, "model.page", line_model.confidence(margin), support)

    return _by_runs(page, lines, scored.places, kept, removal)


def left_out(document: tuple[str, Sequence[int], Templates], places: Sequence[int], rule: str) -> dict[int, Removal]:
    """The removals of the lines of a page (text, hash a line, templates) that its extractor leaves out. A page of which
    no prose would be left was misread: nothing goes."""
    text, hashes, templates = document
    lines = [line.strip() for line in text.split("\n")]
    page = line_model.Page(text, hashes, [line_anchor(line) for line in lines], templates)
    there = [at for at, line in enumerate(lines) if line]
    kept = {number for number, at in enumerate(there) if at not in set(places)}
    if not _leaves_prose(lines, there, kept):
        return {}
    return _by_runs(
        page, lines, there, kept, lambda reason, support, _: Removal(reason, rule, LEFT_OUT_CONFIDENCE, support)
    )


def _by_runs(
    page: line_model.Page,
    lines: list[str],
    places: Sequence[int],
    kept: set[int],
    removal: Callable[[str, int | None, list[int]], Removal],
) -> dict[int, Removal]:
    """The lines among `places` that go. A run of one reason, all templates or none, is one removal."""
    gone: dict[int, Removal] = {}
    run: list[int] = []
    reason, heading, support = "", "", None

    def finish() -> None:
        if run:
            least = None if support is None else min(page.templates.lines[page.hashes[at]] for at in run)
            gone.update(dict.fromkeys(run, removal(reason, least, run)))
            run.clear()

    known, hashes, anchors = page.templates.lines, page.hashes, page.anchors
    for number, at in enumerate(places):
        if number in kept:
            finish()
            heading = ""  # a block ends where the article goes on
            continue
        line, anchor, found = lines[at], anchors[at], known.get(hashes[at])
        if anchor is None and len(line) >= PARAGRAPH_CHARS:
            anchor = match_paragraph(line)
        if anchor is not None:
            named = anchor.reason
            if anchor.kind == "heading":
                heading = named
        elif found is not None:
            named = "boilerplate.template"
        else:
            named = heading or (
                "boilerplate.related" if line[-1] in ".…]" and is_teaser(line) else "boilerplate.navigation"
            )
        if named != reason or (found is None) != (support is None):
            finish()
        reason, support = named, found
        run.append(at)
    finish()
    return gone
