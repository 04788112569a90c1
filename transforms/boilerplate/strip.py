"""The decision which lines go. Precision first: inside the body nothing goes without template or anchor evidence.

A document is a head, a body and a tail. The body runs from the first to the last line of prose (a full paragraph
that is no bio, legal notice or template); what stands before and after it is where residue lives: 68 % after,
19 % before, 13 % inside (daniel, extracted text).

* **Templates** (a line in several articles of its site) go where they are furniture and no heading of a section
  ("Ingredients", "Pros"): wide, in a row, at the very edge, or an anchor too. Below a wide one that half the site
  has, all goes. Without a URL the folder is no proof of a site, so only at head or tail (repetition alone took 7 %
  of good text).
* **Anchors** ("Related articles", "<<: title", "Source: …") go at head or tail; a heading among them cuts the
  tail from there on, because after it no prose comes. A weak heading ("Contact", "See also") needs witnesses.
* **Bios, legal notices, promotion** as whole paragraphs go only where nothing but residue follows, and something does.
* **Cut-off teasers** of one length go in groups of two or more.
* **The title repeated** right under itself goes once; so does a passage that an extractor took twice.

Every rule is applied until nothing changes, so stripping twice is stripping once.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from transforms.boilerplate import model as line_model
from transforms.boilerplate.anchors import HEADERS, Anchor, match_header, match_line, match_paragraph
from transforms.boilerplate.lines import PROSE_WIDTH, fold, is_bulleted, is_prose, is_teaser, key, title_places, width
from transforms.boilerplate.templates import NO_TEMPLATES, Templates
from transforms.config import Boilerplate, Config
from transforms.schema import with_columns
from transforms.spans import Span, apply, compose, from_arrow, to_arrow

TRANSFORM = "strip_boilerplate"

# Anchors are looked for in lines up to here; longer ones are prose or paragraphs.
ANCHOR_CHARS = 200
# Shorter lines are no paragraph about the author, the law, or an offer.
PARAGRAPH_CHARS = 60
# A head has a title, a header and a byline; further down a short line is a sub-heading.
HEAD_LINES = 12
# A page without prose is taken apart where it has as many kinds of furniture (related, comments, legal …).
FURNITURE_KINDS = 3
# Inside the body only an anchor this sure goes, and only alone. Other reasons are subjects of an article too: the
# heading "Disclaimer", the credit of a table, the address in a letter.
BODY_CONFIDENCE = 0.9
BODY_REASONS = frozenset(f"boilerplate.{name}" for name in ("related", "share", "subscribe", "promotion", "comments"))
# Below this an anchor counts only beside other evidence ("Tags a b c" without a colon, a date without a word).
ALONE_CONFIDENCE = 0.5
# Below this a heading ("See also", "Support") cuts the tail only where what follows shows itself as residue, …
HEADING_CONFIDENCE = 0.7
# … as it must after any heading of these, for companies write about themselves under them.
WEAK_HEADINGS = ("boilerplate.contact", "boilerplate.promotion")
# A witness is another line of the block with an anchor, a template or a notice: one in so many lines is enough.
WITNESS_EVERY = 4
# A list of links is no longer than this without a witness, …
BLOCK_LINES = 30
# … and not so many times longer than the article above it.
BLOCK_SHARE = 2.0
# Templates that are no headings of sections: so wide, or so many in a row, …
SITE_LINE_WIDTH = 35
SITE_LINE_RUN = 3
# … and, inside the body or where there is none, in so many of the site's articles.
SITE_SHARE = 0.2
# A whole paragraph that nothing follows may be the article's own: it goes as a template of this share of the site.
LAST_SHARE = 0.5
# A bio that nothing follows must be sure of itself.
BIO_CONFIDENCE = 0.8
# The name with which it begins. What an article about the person repeats is the second word, the family's name.
_NAME = re.compile(r"[\u3040-\u9fff\uac00-\ud7af]{2,3}|(?:[ΟΗ] )?[\w.'’-]+ (?P<family>[\w'’-]{2,})")
# Below a line of this share of the site's articles, and no prose after it, all is the site's.
BELOW_SHARE = 0.5
# A passage that stands twice word for word (an extractor took it from two places of the page): paragraphs, width, and
# what it covers of the text from its first place to its second. A quoted answer covers little.
TWICE_PARAGRAPHS = 2
TWICE_WIDTH = 300
TWICE_COVER = 0.5
# Teasers of one program are cut at one length, give or take a word, …
TEASER_SPREAD = 12
# … and have their titles between them.
TEASER_WIDTH = 20
TEASER_GAP = 3
# So many lines of one page that differ from other pages in their numbers, and such a share of it, are a record.
RECORD_FIELDS = 6
RECORD_SHARE = 0.2
_NUMBER = re.compile(r"\d")
# A row of a table, its head a label.
_ROW = re.compile(r"[^|]{1,40}[:：]\s*\|")


class Removal(NamedTuple):
    """Why a line goes."""

    reason: str
    rule: str
    confidence: float
    support: int | None = None


def removals(
    text: str,
    lines: Sequence[int],
    templates: Templates,
    has_url: bool,
    config: Boilerplate,
    gone: Mapping[int, Removal] | None = None,
    anchors: Sequence[Anchor | None] | None = None,
) -> dict[int, Removal]:
    """Which of `text.split("\\n")` go and why. `lines` has a hash a line (`lines.line_hashes`); `gone` went before;
    `anchors` says what each line is, where that was asked already."""
    page = _Page(text.split("\n"), lines, templates, has_url)
    page.anchors = dict(enumerate(anchors or ()))
    page.gone.update(gone or {})
    while page.round():
        pass
    return page.gone


class _Page:
    """The lines of one document while it is decided which go."""

    def __init__(self, lines: list[str], hashes: Sequence[int], templates: Templates, has_url: bool) -> None:
        self.lines = [line.strip() for line in lines]
        self.hashes, self.templates, self.groups = hashes, templates.lines, max(1, templates.groups)
        self.support: list[int | None] = [None] * len(lines)
        self.has_url = has_url
        self.gone: dict[int, Removal] = {}
        self.anchors: dict[int, Anchor | None] = {}
        self.paragraphs: dict[int, Anchor | None] = {}
        self.prose = [is_prose(line) for line in self.lines]

    def round(self) -> bool:
        """Apply every rule once to what is left; whether anything went."""
        before = len(self.gone)
        left = [at for at, line in enumerate(self.lines) if line and at not in self.gone]
        if self.templates:
            titles = title_places(self.lines, left)
            for at in left:
                self.support[at] = self.templates.get(key(self.hashes[at], at in titles))
            self.fields(left)
        if self.twice(left):
            return True
        body_start, body_end = self.body(left)
        self.title_repeat(left, body_start, body_end)
        self.head(left[:body_start])
        self.tail(left, body_end)
        self.inside(left[body_start:body_end])
        return len(self.gone) > before

    def fields(self, left: list[int]) -> None:
        """The fields of a record ("Area: 83 sq km", "Genesis 33", "Status: | Core") are no templates: they tell one
        page from another, if only in numbers, which are folded."""
        for at in left:
            if self.support[at] is not None and _ROW.match(self.lines[at]):
                self.support[at] = None
        numbered = [at for at in left if self.support[at] is not None and self.is_numbered(at)]
        if len(numbered) >= RECORD_FIELDS and len(numbered) >= RECORD_SHARE * len(left):
            for at in left:
                if self.anchor(at) is None and (self.is_numbered(at) or self.lines[at][-1] in ":："):
                    self.support[at] = None

    def is_numbered(self, at: int) -> bool:
        """Whether the line has numbers, which are folded: elsewhere it may have others."""
        return _NUMBER.search(self.lines[at]) is not None

    def anchor(self, at: int) -> Anchor | None:
        if at not in self.anchors:
            self.anchors[at] = line_anchor(self.lines[at])
        return self.anchors[at]

    def paragraph(self, at: int) -> Anchor | None:
        if at not in self.paragraphs:
            self.paragraphs[at] = match_paragraph(self.lines[at])
        return self.paragraphs[at]

    def body(self, left: list[int]) -> tuple[int, int]:
        """Where in `left` the body begins and ends. Without any prose all is body: nothing can be told apart."""
        end = len(left)
        while end > 0 and not (
            self.prose[left[end - 1]] and self.support[left[end - 1]] is None and self.paragraph(left[end - 1]) is None
        ):
            end -= 1
        if end == 0:
            return 0, 0
        start = 0
        while start < end and not (self.prose[left[start]] and self.support[left[start]] is None):
            start += 1
        return start, end

    def twice(self, left: list[int]) -> bool:
        """A passage of several paragraphs that stands a second time, word for word, goes. A refrain is shorter."""
        paragraphs = [self.lines[at] for at in left if self.prose[at]]
        if len(set(paragraphs)) == len(paragraphs):
            return False
        first: dict[str, int] = {}
        found: list[int] = []
        place = 0
        while place < len(left):
            line = self.lines[left[place]]
            above = first.setdefault(line, place) if self.prose[left[place]] else place
            run = 0
            while above + run < place < len(left) - run and (
                self.lines[left[above + run]] == self.lines[left[place + run]]
            ):
                run += 1
            again = left[place : place + run]
            if (
                run >= TWICE_COVER * (place - above)
                and sum(self.prose[at] for at in again) >= TWICE_PARAGRAPHS
                and sum(width(self.lines[at]) for at in again) >= TWICE_WIDTH
            ):
                found += again
                place += run
            else:
                place += 1
        self.gone.update(dict.fromkeys(found, Removal("boilerplate.template", "template.twice", 0.9)))
        return bool(found)

    def remove(self, at: int, anchor: Anchor | None, otherwise: Removal) -> None:
        """An anchor on the line names its reason better than where it stood."""
        if anchor is None:
            self.gone[at] = otherwise
        else:
            self.gone[at] = Removal(
                anchor.reason, anchor.rule, max(anchor.confidence, otherwise.confidence), self.support[at]
            )

    def title_repeat(self, left: list[int], body_start: int, body_end: int) -> None:
        """The first line again, before the body begins."""
        if body_end == 0 or body_start < 2:
            return
        title = fold(self.lines[left[0]])
        for at in left[1 : min(body_start, HEAD_LINES)]:
            if self.hashes[at] and fold(self.lines[at]) == title:
                self.gone[at] = Removal("boilerplate.title_repeat", "title.repeat", 0.99)

    def head(self, head: list[int]) -> None:
        """Anchors and templates before the body. The first line is the title and needs more than an anchor."""
        found = [self.anchor(at) for at in head[:HEAD_LINES]]
        edge = True  # nothing of the article's own stands above
        for place, (at, anchor) in enumerate(zip(head, found, strict=False)):
            if at in self.gone:
                continue
            edge = edge and self.support[at] is not None and (place > 0 or not self.is_numbered(at))
            if (support := self.support[at]) is not None and (edge or self.is_site_line(head, place)):
                self.remove(at, anchor, Removal("boilerplate.template", "template.head", 0.95, support))
            elif place > 0 and (anchor is None or anchor.reason in HEADERS) and (parts := match_header(self.lines[at])):
                sure = max(parts, key=lambda part: part.confidence)
                self.gone[at] = Removal(sure.reason, sure.rule, sure.confidence)
            elif anchor is not None and anchor.place != "tail" and (place > 0 or anchor.kind == "line"):
                beside = [i for i in (place - 1, place + 1) if 0 <= i < len(found)]
                if anchor.confidence >= ALONE_CONFIDENCE or any(
                    self.support[head[i]] is not None
                    or (
                        (other := found[i]) is not None
                        and other.reason in HEADERS
                        and other.confidence >= ALONE_CONFIDENCE
                    )
                    for i in beside
                ):
                    self.gone[at] = Removal(anchor.reason, anchor.rule, anchor.confidence)

    def is_site_line(self, lines: list[int], place: int) -> bool:
        """Whether a template line is furniture wherever it stands. A site's articles share headings of sections,
        too ("Ingredients", "London"): short lines, each with its own below it."""
        at = lines[place]
        anchor = self.anchor(at)
        if anchor is not None and (anchor.kind != "label" or anchor.value):  # a bare label is a heading
            return anchor.kind != "heading" or not self.is_weak(anchor)
        if width(self.lines[at]) >= SITE_LINE_WIDTH and self.lines[at][-1] not in ":：":
            return True
        if self.is_numbered(at):
            return False
        run = 1
        for step in (-1, 1):
            beside = place + step
            while (
                run < SITE_LINE_RUN
                and 0 <= beside < len(lines)
                and self.support[lines[beside]] is not None
                and not self.is_numbered(lines[beside])
            ):
                run, beside = run + 1, beside + step
        return run >= SITE_LINE_RUN

    def is_weak(self, anchor: Anchor) -> bool:
        """Whether an article may have the heading for a section of its own."""
        return anchor.confidence < HEADING_CONFIDENCE or anchor.reason in WEAK_HEADINGS

    def tail(self, left: list[int], body_end: int) -> None:
        tail = left[body_end:]
        if body_end == 0:
            self.without_body(left)
            return
        before = self.cut(tail, left[:body_end])
        self.teasers(before)
        before = self.below(before)
        solid = True  # nothing but residue follows
        for place in reversed(range(len(before))):
            at = before[place]
            anchor = self.anchor(at)
            if at in self.gone:
                continue
            last = at == left[-1]
            own = last and self.may_be_last(at)
            edge = solid and self.share(at) >= SITE_SHARE
            if (support := self.support[at]) is not None and not own and (edge or self.is_site_line(before, place)):
                self.remove(
                    at,
                    anchor or self.paragraph(at),
                    Removal("boilerplate.template", "template.tail", 0.95, support),
                )
            elif anchor is not None and anchor.kind != "heading" and self.is_tail_anchor(at):
                if self.stands_alone(at) or self.in_list(before, place):
                    self.gone[at] = Removal(anchor.reason, anchor.rule, anchor.confidence)
            elif solid and (paragraph := self.paragraph(at)) is not None and (not last or self.is_bio(at, left)):
                self.gone[at] = Removal(paragraph.reason, paragraph.rule, paragraph.confidence)
            else:
                solid = False

    def is_bio(self, at: int, left: list[int]) -> bool:
        """Whether the paragraph that ends the text tells of its author: a telling form, and of nobody of whom the
        article speaks."""
        note = self.paragraph(at)
        if note is None or note.reason != "boilerplate.author_bio" or note.confidence < BIO_CONFIDENCE:
            return False
        found = _NAME.match(self.lines[at])
        name = (found["family"] or found[0]) if found is not None else ""
        if name.islower():  # "The author is …"
            name = ""
        for other in left:
            if other != at and self.prose[other]:
                anchor = self.paragraph(other)
                if (name and name in self.lines[other]) or (anchor is not None and anchor.reason == note.reason):
                    return False
        return True

    def below(self, tail: list[int]) -> list[int]:
        """Cut below a line that most articles of the site have; what stands before it."""
        cut = next((place for place in range(len(tail) - 1) if self.begins_below(tail, place)), len(tail))
        for at in tail[cut:]:
            anchor = self.anchor(at) if self.is_tail_anchor(at) else self.paragraph(at)
            rule = "template.tail" if self.support[at] is not None else "template.below"
            self.remove(at, anchor, Removal("boilerplate.template", rule, 0.9, self.support[at]))
        return tail[:cut]

    def begins_below(self, tail: list[int], place: int) -> bool:
        """Whether what stands below this line is the site's: it is no item of a list that articles share."""
        at = tail[place]
        if self.share(at) < BELOW_SHARE:
            return False
        is_whole = self.anchor(at) is not None or width(self.lines[at]) >= SITE_LINE_WIDTH
        return is_whole and self.is_site_line(tail, place)

    def may_be_last(self, at: int) -> bool:
        """Whether a template line that ends the text may yet be the end of the article."""
        return width(self.lines[at]) >= PROSE_WIDTH and self.share(at) < LAST_SHARE

    def stands_alone(self, at: int) -> bool:
        """Whether the anchor needs no neighbour: an item of a list, an address and a bare label ("Sources:") do."""
        anchor = self.anchor(at)
        return not (
            anchor is None
            or is_bulleted(self.lines[at])
            or anchor.reason == "boilerplate.contact"
            or (anchor.reason in HEADERS and anchor.kind == "label" and not anchor.value)
        )

    def share(self, at: int) -> float:
        """In what share of the site's groups the line stands."""
        return (self.support[at] or 0) / self.groups

    def in_list(self, lines: list[int], place: int) -> bool:
        """Whether a neighbour is furniture too: "- Contact" alone may be an item of anything."""
        beside = [lines[i] for i in (place - 1, place + 1) if 0 <= i < len(lines)]
        return any(at in self.gone or self.is_witness(at) for at in beside)

    def is_witness(self, at: int) -> bool:
        """Whether the line shows by itself that it is residue."""
        return self.support[at] is not None or self.is_tail_anchor(at) or self.paragraph(at) is not None

    def cut(self, tail: list[int], body: list[int] | None) -> list[int]:
        """Cut from the first heading of a block on; what stands before it."""
        cut = next(
            (
                place
                for place, at in enumerate(tail)
                if self.begins_cut(at) and (body is None or self.is_block(tail[place:], body))
            ),
            len(tail),
        )
        for at in tail[cut:]:
            anchor = self.anchor(at) or self.paragraph(at)
            support = self.support[at]
            if anchor is not None and anchor.place != "head":  # the first has one; a block reaches to the next
                block = Removal(anchor.reason, anchor.rule, anchor.confidence)
            elif support is not None:
                block = Removal("boilerplate.template", "template.tail", 0.95)
            self.gone[at] = block._replace(support=support)
        return tail[:cut]

    def is_block(self, block: list[int], body: list[int]) -> bool:
        """Whether all that begins with this heading is residue."""
        heading = self.anchor(block[0])
        if heading is None:
            return False
        is_weak = self.is_weak(heading)
        if self.support[block[0]] is not None and not is_weak:  # but sections of a site have their headings too
            return True
        rest = block[1:]
        witnesses = sum(self.is_witness(at) for at in rest)
        if witnesses * WITNESS_EVERY >= len(rest) > 0:
            return True
        if is_weak:
            return False
        return witnesses > 1 or (len(rest) <= BLOCK_LINES and self.chars(rest) <= BLOCK_SHARE * self.chars(body))

    def chars(self, lines: list[int]) -> int:
        return sum(len(self.lines[at]) for at in lines)

    def is_tail_anchor(self, at: int) -> bool:
        """Whether the line is furniture that stands below an article."""
        anchor = self.anchor(at)
        return anchor is not None and anchor.place != "head" and anchor.confidence >= ALONE_CONFIDENCE

    def begins_cut(self, at: int) -> bool:
        """Whether no prose comes after this line: the heading of a block, or a link to a neighbouring article."""
        anchor = self.anchor(at)
        if anchor is None or not self.is_tail_anchor(at) or is_bulleted(self.lines[at]):
            return False
        return anchor.kind == "heading" or anchor.field in ("previous_title", "next_title")

    def teasers(self, tail: list[int]) -> None:
        """Cut-off teasers, two or more of one length, each with the title above it, and only titles between them."""
        group: list[int] = []
        for place in (*(place for place, at in enumerate(tail) if self.is_teaser(at)), len(tail) + TEASER_GAP):
            if group and (
                place - group[-1] > TEASER_GAP
                or abs(len(self.lines[tail[place]]) - len(self.lines[tail[group[-1]]])) > TEASER_SPREAD
            ):
                if len(group) > 1:
                    for inside in range(max(0, group[0] - 1), group[-1] + 1):
                        self.gone[tail[inside]] = Removal("boilerplate.related", "related.teasers", 0.9)
                group = []
            group.append(place)

    def is_teaser(self, at: int) -> bool:
        line = self.lines[at]
        return is_teaser(line) and width(line) >= TEASER_WIDTH and not is_bulleted(line)

    def inside(self, body: list[int]) -> None:
        """Single lines inside the body: templates of a real site, and anchors that stand alone."""
        for place, at in enumerate(body):
            support = self.support[at] if self.has_url else None
            if at in self.gone:
                continue
            if support is None and self.prose[at]:
                continue
            anchor = self.anchor(at)
            if support is not None:
                if self.share(at) >= SITE_SHARE and self.is_site_line(body, place):
                    self.remove(at, anchor, Removal("boilerplate.template", "template.body", 0.9, support))
            elif (
                anchor is not None
                and anchor.kind != "heading"
                and anchor.confidence >= BODY_CONFIDENCE
                and anchor.reason in BODY_REASONS
                and anchor.place != "head"
                and not is_bulleted(self.lines[at])
            ):
                self.gone[at] = Removal(anchor.reason, anchor.rule, anchor.confidence)

    def without_body(self, left: list[int]) -> None:
        """No prose at all. A page with several kinds of furniture is furniture: an overview, an empty article. Any
        other may be a poem or a list, and loses only lines of its site's template."""
        kinds = {anchor.reason for at in left if self.is_tail_anchor(at) and (anchor := self.anchor(at))}
        is_furniture = len(kinds) >= FURNITURE_KINDS
        if is_furniture:
            left = self.cut(left, None)
        # Nothing here is a title, so lines are looked up as what they are elsewhere.
        for at in left:
            self.support[at] = self.templates.get(self.hashes[at])
        self.fields(left)
        for place, at in enumerate(left):
            if self.share(at) < SITE_SHARE or not self.is_site_line(left, place):
                continue  # a word of a poem, of a text cut into lines
            if self.has_url or is_furniture or self.anchor(at) is not None:
                removal = Removal("boilerplate.template", "template.alone", 0.9, self.support[at])
                self.remove(at, self.anchor(at), removal)


def line_anchor(line: str) -> Anchor | None:
    """What the line is, where it is short enough to ask."""
    return match_line(line) if 0 < len(line) <= ANCHOR_CHARS else None


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
    for row, document in enumerate(documents):
        if document is not None and (config.input == "page" or line_model.may_be_page(document[0])):
            text, hashes, templates = document
            anchors = [line_anchor(line.strip()) for line in text.split("\n")]
            pages.append(line_model.Page(text, hashes, anchors, templates))
            rows.append(row)
    threshold = config.page_score if config.input == "auto" else None
    found: dict[int, dict[int, Removal]] = {}
    for number, scores in line_model.whole_pages(pages, model, threshold):
        if _leaves_prose(pages[number], scores, config.line_score):
            found[rows[number]] = _named(pages[number], scores, config.line_score)
    return Pages(found, {row: page.anchors for row, page in zip(rows, pages, strict=True)})


def _leaves_prose(page: line_model.Page, scores: Mapping[int, int], threshold: int) -> bool:
    """Whether a line of prose stays, or, where the page has none, any line."""
    lines = page.text.split("\n")
    prose = [at for at in scores if is_prose(lines[at].strip())]
    return not scores or any(scores[at] > threshold for at in prose or scores)


def _named(page: line_model.Page, scores: Mapping[int, int], threshold: int) -> dict[int, Removal]:
    """The lines that score `threshold` or less. A run of one reason is one removal, as sure as its least sure line."""
    lines = page.text.split("\n")
    gone: dict[int, Removal] = {}
    run: list[int] = []
    reason, heading, support = "", "", None

    def finish() -> None:
        if run:
            margin = threshold - max(scores[at] for at in run)
            supports: list[int] = [page.templates.lines[page.hashes[at]] for at in run] if support is not None else []
            removal = Removal(reason, "model.page", line_model.confidence(margin), min(supports, default=None))
            gone.update(dict.fromkeys(run, removal))
            run.clear()

    for at, score in scores.items():
        if score > threshold:
            finish()
            heading = ""  # a block ends where the article goes on
            continue
        line = lines[at].strip()
        anchor = page.anchors[at] or (match_paragraph(line) if len(line) >= PARAGRAPH_CHARS else None)
        found = page.templates.lines.get(page.hashes[at])
        if anchor is not None:
            heading = anchor.reason if anchor.kind == "heading" else heading
            named = anchor.reason
        elif found is not None:
            named = "boilerplate.template"
        else:
            named = heading or (
                "boilerplate.related" if line[-1] in ".…]" and is_teaser(line) else "boilerplate.navigation"
            )
        if (named, found is None) != (reason, support is None):
            finish()
        reason, support = named, found
        run.append(at)
    finish()
    return gone


def spans(text: str, gone: Mapping[int, Removal]) -> list[Span]:
    """The removed lines as spans of `text`: a line takes its newline, and blank runs its removal creates."""
    if not gone:
        return []
    lines = text.split("\n")
    found: list[Span] = []
    starts, position = [], 0
    for line in lines:
        starts.append(position)
        position += len(line) + 1
    starts.append(len(text))
    count = len(lines)
    at = 0
    while at < count:
        if at not in gone:
            at += 1
            continue
        first = at
        # The run: removed lines and the blank lines between them.
        last = probe = at
        while probe < count and (probe in gone or not lines[probe].strip()):
            if probe in gone:
                last = probe
            probe += 1
        above = first
        while above > 0 and not lines[above - 1].strip():
            above -= 1
        start, end = first, last + 1
        if above == 0:  # at the very top: what is left begins with text
            start, end = 0, probe
        elif probe == count:  # at the very end: what is left ends with its own newline
            start, end = above, count
        elif above < first:  # blank above and below: one of them is enough
            end = probe
        found += _run(starts, start, end, gone)
        at = probe
    return found


def _run(starts: list[int], start: int, end: int, gone: Mapping[int, Removal]) -> list[Span]:
    """One span a removal of a run; blank lines go with the removed line above them, or else below."""
    pieces: list[tuple[int, Removal]] = []
    for at in range(start, end):
        if at in gone and not (pieces and pieces[-1][1] is gone[at]):
            pieces.append((starts[at] if pieces else starts[start], gone[at]))
    places = [place for place, _ in pieces] + [starts[end] if end < len(starts) else starts[-1]]
    return [
        Span(
            place,
            places[i + 1],
            "",
            removal.reason,
            removal.rule,
            TRANSFORM,
            removal.confidence,
            removal.support,
        )
        for i, (place, removal) in enumerate(pieces)
    ]


def strip_boilerplate(documents: pa.Table, templates: Mapping[str, Templates], config: Config) -> pa.Table:
    """Strip every document. Rewrites `text`, adds to `spans`, and hands on `repaired` (the text before) and
    `removals` (what went, in its coordinates); rows and order stay.

    `templates` has the template lines of each site that has any. A document of which nothing is left gets
    `reject_reason`.
    """
    texts = documents["text"].to_pylist()
    removed: list[list[Span]] = [[] for _ in texts]
    ledgers = from_arrow(documents["spans"])
    reasons, stages = documents["reject_reason"].to_pylist(), documents["reject_stage"].to_pylist()
    columns = [documents[name].to_pylist() for name in ("lines", "site", "url")]
    judged = zip(texts, reasons, columns[0], columns[1], strict=True)
    pages = page_removals(
        [
            (text, hashes, templates.get(site, NO_TEMPLATES)) if reason is None else None
            for text, reason, hashes, site in judged
        ],
        config.boilerplate,
    )
    for row, (hashes, site, url) in enumerate(zip(*columns, strict=True)):
        text = texts[row]
        if reasons[row] is not None:
            continue
        if not text.strip():
            reasons[row], stages[row] = "empty", "strip"
            continue
        known = templates.get(site, NO_TEMPLATES)
        asked = pages.removals.get(row), pages.anchors.get(row)
        gone = removals(text, hashes, known, bool(url), config.boilerplate, *asked)
        if not gone:
            continue
        removed[row] = spans(text, gone)
        texts[row] = apply(text, removed[row])
        ledgers[row] = compose(ledgers[row], removed[row])
        if not texts[row].strip():
            reasons[row], stages[row] = "empty_after_cleaning", "strip"
    return with_columns(
        documents,
        text=texts,
        spans=to_arrow(ledgers),
        repaired=documents["text"],
        removals=to_arrow(removed),
        reject_reason=reasons,
        reject_stage=stages,
    )
