"""The decision which lines go. Precision first: inside the body nothing goes without template or anchor evidence.

What is known of a line is its evidence (evidence.py). Blocks are found first, for what stands in one goes with it: a
passage that an extractor took twice, an article appended under the article, what a heading ("Related articles") or a
line of the whole site heads, teasers cut off at one length, lists of links. Of every other line RULES decides, by its
zone, its evidence and whether nothing but residue stands between it and the edge of the text.

Every rule is applied until nothing changes, so stripping twice is stripping once.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

import pyarrow as pa

from transforms.boilerplate.anchors import HEADERS, Anchor, match_header
from transforms.boilerplate.evidence import NUMBERED_WIDTH, Evidence, Page
from transforms.boilerplate.lines import ends_sentence, fold, is_bulleted
from transforms.boilerplate.pages import Removal, left_out, page_removals
from transforms.boilerplate.scripts import script_lines
from transforms.boilerplate.templates import NO_TEMPLATES, Templates, template_share
from transforms.config import Boilerplate, Config
from transforms.schema import with_columns
from transforms.spans import Span, apply, compose, from_arrow, repaired_lines, to_arrow

TRANSFORM = "strip_boilerplate"
# The rule of a line that an extractor left out begins with it.
EXTRACT = "extract"

# A head has a title, a header and a byline; further down a short line is a sub-heading.
HEAD_LINES = 12
# A page without prose is taken apart where it has as many kinds of furniture (related, comments, legal …).
FURNITURE_KINDS = 3
# Inside the body an anchor goes alone only if it is this sure, and has so many words: "Delen", "App Store" and
# "Sponsored content" are sections of articles. Other reasons are subjects of an article too: the heading "Disclaimer",
# the credit of a table, the address in a letter.
BODY_CONFIDENCE = 0.9
# Between short paragraphs a label with a title ("Read more: …") need not be as sure.
SHORT_CONFIDENCE = 0.85
BODY_WORDS = 3
# One word that is this sure ("Advertisement") goes alone, too, where no other line may be the heading of a section.
SURE = 0.95
BODY_REASONS = frozenset(f"boilerplate.{name}" for name in ("related", "share", "subscribe", "promotion", "comments"))
# Below this an anchor counts only beside other evidence ("Tags a b c" without a colon, a date without a word).
ALONE_CONFIDENCE = 0.5
# Below this a heading ("See also", "Support") cuts the tail only where what follows shows itself as residue, …
HEADING_CONFIDENCE = 0.7
# … as it must after any heading of these, for companies write about themselves under them.
WEAK_HEADINGS = ("boilerplate.contact", "boilerplate.promotion")
# A witness is another line of the block with an anchor, a template or a notice: one in so many lines is enough.
WITNESS_EVERY = 4
# … but in two below "Contact": a venue has an address, too, and then its hours and rooms.
ADDRESS_EVERY = 2
# A list of links is no longer than this without a witness, …
BLOCK_LINES = 30
# … and not so many times longer than the article above it.
BLOCK_SHARE = 2.0
# Of the lines below a heading so few may be sentences or items, which are an article's, and the block still goes.
OWN_SHARE = 0.2
# Templates that are no headings of sections: so wide, or so many in a row, …
SITE_LINE_WIDTH = 35
SITE_LINE_RUN = 3
# … or, between paragraphs, so many without furniture among them: a menu, for no recipe shares as many with others.
SITE_LIST_RUN = 8
# … and, inside the body or where there is none, in so many of the site's articles.
SITE_SHARE = 0.2
# A bio that nothing follows must be sure of itself.
BIO_CONFIDENCE = 0.8
# The name with which it begins. What an article about the person repeats is the second word, the family's name.
_NAME = re.compile(r"[\u3040-\u9fff\uac00-\ud7af]{2,3}|(?:[ΟΗ] )?[\w.'’-]+ (?P<family>[\w'’-]{2,})")
# Most of the site's articles have the line: what recurs is the site's, and below it, where no prose comes, is all.
MOST = 0.5
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
# A block of links has so many lines, or so many links on one.
LINK_LINES = 2
_MAIL = re.compile(r"\S@\S+\.\w|\+?\d[\d ()/–-]{6,}\d")


class Line(NamedTuple):
    """A line where it stands, as a rule sees it."""

    page: "_Decision"
    zone: list[int]
    place: int  # in the zone
    is_edge: bool  # nothing of the article stands between it and the edge of the text

    @property
    def at(self) -> int:
        return self.zone[self.place]

    @property
    def anchor(self) -> Anchor | None:
        return self.page.anchor(self.at)

    def beside(self, *steps: int) -> list[int]:
        """The lines so far below (above, if less than 0) in the same zone."""
        return [self.zone[self.place + step] for step in steps if 0 <= self.place + step < len(self.zone)]


class Rule(NamedTuple):
    """Lines that go: where they stand, what shows them, and why that is enough.

    A line that is an anchor, too, goes under the anchor's reason.
    """

    name: str
    zone: str  # head | body | tail | alone
    when: Callable[[Line], bool]
    by: str  # anchor | paragraph | header | template | links: the evidence that names the reason
    confidence: float
    why: str


RULES = (
    Rule(
        "template.head", "head", lambda line: line.page.is_site_line(line) and line.page.may_leave_head(line),
        "template", 0.95, "menus and section names stand above the title on every page",
    ),
    Rule(
        "header", "head", lambda line: line.page.is_header(line),
        "header", 0.0, "byline, date and section are data; a row of them has nothing else",
    ),
    Rule(
        "anchor.head", "head", lambda line: line.page.is_head_anchor(line) and line.page.may_leave_head(line),
        "anchor", 0.0, "source, byline, share buttons below a title; a weak one needs another beside it",
    ),
    Rule(
        "cookie.banner", "head", lambda line: line.page.is_banner(line),
        "paragraph", 0.0, "a consent banner stands above the title",
    ),
    Rule(
        "links.head", "head", lambda line: line.page.is_link_list(line),
        "links", 0.9, "a menu in Markdown is nothing but links",
    ),
    Rule(
        "template.body", "body", lambda line: line.page.is_inserted(line),
        "template", 0.9, "what the site inserts between paragraphs: rows of links, calls, never a sentence alone",
    ),
    Rule(
        "anchor.body", "body", lambda line: line.page.is_body_anchor(line),
        "anchor", 0.0, "calls and labels between paragraphs; one or two words may be the heading of a section",
    ),
    Rule(
        "template.tail", "tail", lambda line: line.page.is_site_line(line) and not line.page.may_be_last(line.at),
        "template", 0.95, "footers and calls below the article on every page",
    ),
    Rule(
        "anchor.tail", "tail", lambda line: line.page.is_tail_line(line),
        "anchor", 0.0, "share buttons, notices, labels with a value",
    ),
    Rule(
        "template.enclosed", "tail", lambda line: line.page.is_enclosed(line),
        "template", 0.8, "a narrow line that ends the text below two lines of furniture is furniture",
    ),
    Rule(
        "paragraph.tail", "tail", lambda line: line.page.is_notice(line),
        "paragraph", 0.0, "bios, legal notices and pitches of which nothing of the article follows",
    ),
    Rule(
        "links.tail", "tail", lambda line: line.page.is_link_list(line),
        "links", 0.9, "a footer in Markdown is nothing but links",
    ),
    Rule(
        "template.alone", "alone", lambda line: line.page.is_alone(line),
        "template", 0.9, "without a body all may be a poem or a list: only what the site repeats goes",
    ),
)  # fmt: skip
_RULES_OF = {zone: [rule for rule in RULES if rule.zone == zone] for zone in ("head", "body", "tail", "alone")}


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
    page = _Decision(text.split("\n"), lines, templates, has_url, config)
    page.anchors = dict(enumerate(anchors or ()))
    page.gone.update(gone or {})
    if "{" in text or ");" in text:
        script = Removal("boilerplate.template", "page.script", 0.95)
        page.gone.update({at: script for at in script_lines(page.lines) if at not in page.gone})
    while page.round():
        pass
    return page.gone


class Judged(NamedTuple):
    """A line, all that is known of it, and why it goes; None where it stays."""

    line: str
    evidence: Evidence
    removal: Removal | None


def judge(document: tuple[str, Sequence[int], Templates], has_url: bool, config: Boilerplate) -> list[Judged]:
    """What is known of each line of a document (text, hash a line, templates) before anything went, and what is
    decided of it."""
    text, hashes, templates = document
    pages = page_removals([document], config)
    page = _Decision(text.split("\n"), hashes, templates, has_url, config)
    page.read({})
    gone = removals(text, hashes, templates, has_url, config, pages.removals.get(0))
    return [Judged(page.lines[at], page.evidence(place), gone.get(at)) for place, at in enumerate(page.left)]


class _Decision(Page):
    """A page, and which of its lines go."""

    def __init__(
        self, lines: Sequence[str], hashes: Sequence[int], templates: Templates, has_url: bool, settings: Boilerplate
    ) -> None:
        super().__init__(lines, hashes, templates, has_url, settings)
        self.gone: dict[int, Removal] = {}
        self.company: set[int] = set()
        self.unsearched: list[int] = []  # the zone in which company wasn't looked for yet
        self.last_article = 0
        self.link_rows: dict[int, int] = {}
        self.is_overview = False  # a text without a body, of several kinds of furniture

    @cached_property
    def copies(self) -> Counter[str]:
        """How often each line stands in the document."""
        return Counter(self.lines)

    def round(self) -> bool:
        """Apply every rule once to what is left; whether anything went."""
        before = len(self.gone)
        self.read(self.gone)
        self.link_rows.clear()
        if self.twice() or self.second_article():
            return True
        head, body, tail = self.left[: self.start], self.left[self.start : self.end], self.left[self.end :]
        if self.end == 0:
            self.without_body()
            return len(self.gone) > before
        self.title_repeat(head)
        self.decide("head", head, False)
        tail = self.cut(tail, self.left[: self.end])
        others = self.by_author(tail)
        self.gone.update(dict.fromkeys(tail[others:], Removal("boilerplate.related", "related.author", 0.9)))
        tail = tail[:others]
        self.teasers(tail)
        self.decide("tail", self.below(tail), True)
        self.decide("body", [at for at in body if at not in self.gone], False)
        return len(self.gone) > before

    def decide(self, name: str, zone: list[int], is_upward: bool) -> None:
        """Let every line of the zone go of which a rule says so, from the edge of the text on."""
        is_edge = name in ("head", "tail")
        self.unsearched = zone
        if name == "tail":  # below it nothing reads as an article's
            articles = (place for place in reversed(range(len(zone))) if self.is_article(zone[place]))
            self.last_article = next(articles, 0)
        if name in ("head", "tail"):
            self.find_links(zone)
        places = range(len(zone))
        for place in reversed(places) if is_upward else places:
            at = zone[place]
            if at in self.gone:
                continue
            if name == "body" and at not in self.support and (self.prose[at] or self.anchor(at) is None):
                continue
            line = Line(self, zone, place, is_edge)
            rule = next((rule for rule in _RULES_OF[name] if rule.when(line)), None)
            if rule is None:
                is_edge = False
            else:
                self.remove(at, rule)

    def remove(self, at: int, rule: Rule) -> None:
        """An anchor on the line names its reason better than where it stood."""
        anchor = self.anchor(at)
        if rule.by == "paragraph" or (anchor is None and rule.by == "template" and rule.zone == "tail"):
            anchor = self.paragraph(at) or anchor
        if rule.by == "header":
            anchor = max(match_header(self.lines[at]), key=lambda part: part.confidence)
        if anchor is None:
            reason = "boilerplate.navigation" if rule.by == "links" else "boilerplate.template"
            self.gone[at] = Removal(reason, rule.name, rule.confidence, self.support.get(at))
        else:
            self.gone[at] = Removal(
                anchor.reason, anchor.rule, max(anchor.confidence, rule.confidence), self.support.get(at)
            )

    # What lines are, by their evidence

    def is_residue(self, at: int) -> bool:
        """Whether the line shows by itself that it is the site's."""
        return at in self.support or self.is_tail_anchor(at) or self.paragraph(at) is not None

    def is_tail_anchor(self, at: int) -> bool:
        """Whether the line is furniture that stands below an article."""
        anchor = self.anchor(at)
        return anchor is not None and anchor.place != "head" and anchor.confidence >= ALONE_CONFIDENCE

    def is_own_anchor(self, at: int) -> bool:
        """Whether the anchor may be the article's own words: a heading of Markdown, a field of a record."""
        anchor = self.anchor(at)
        if anchor is None:
            return False
        return (
            self.lines[at].startswith("# ")
            or self.lines[at].startswith("##")
            or (anchor.reason in (*HEADERS, "boilerplate.contact") and at in self.records)
        )

    def is_weak(self, anchor: Anchor) -> bool:
        """Whether an article may have the heading for a section of its own."""
        return anchor.confidence < HEADING_CONFIDENCE or anchor.reason in WEAK_HEADINGS

    def is_site_line(self, line: Line) -> bool:
        """Whether a template line is furniture. A site's articles share headings of sections ("Ingredients", "London"),
        too, and sentences (the last of every statute): those go only in the company of furniture."""
        at, anchor = line.at, line.anchor
        if at not in self.support:
            return False
        if anchor is not None and not self.is_own_anchor(at) and (anchor.kind != "label" or anchor.value):
            if anchor.kind != "heading" or not self.is_weak(anchor):
                return True
        elif at in self.folded and not self.is_among_templates(line):
            return False
        if self.is_bare_sentence(at):
            if at == self.left[0] and self.is_wide(at):
                return self.share(at) >= MOST
            return self.share(at) >= (MOST if self.is_wide(at) else SITE_SHARE) and self.has_company(line)
        if line.is_edge and (line.zone[0] == self.left[0] or self.share(at) >= SITE_SHARE):
            return True
        if self.width(at) >= SITE_LINE_WIDTH and self.lines[at][-1] not in ":：":
            return True
        return self.run(line) >= SITE_LINE_RUN

    def is_bare_sentence(self, at: int) -> bool:
        """Whether the line is a sentence that no phrase shows to be the site's."""
        return ends_sentence(self.lines[at]) and self.anchor(at) is None and self.paragraph(at) is None

    def is_heading(self, line: Line) -> bool:
        """Whether an anchor may be the heading of a section: of a word or two, alone, once."""
        at, anchor = line.at, line.anchor
        if anchor is None or anchor.value or anchor.reason in HEADERS or self.words(at) >= BODY_WORDS:
            return False
        if self.copies[self.lines[at]] > 1:  # no article has two sections of one name
            return False
        return not any(self.is_residue(one) for one in line.beside(-1, 1))

    def is_among_templates(self, line: Line) -> bool:
        """Whether a line of other numbers than elsewhere is one of several narrow ones that the site repeats."""
        beside = line.beside(-1, 1)
        return (
            self.width(line.at) < NUMBERED_WIDTH
            and not self.is_sentence(line.at)
            and len(beside) > 0
            and all(at in self.support and at not in self.folded for at in beside)
        )

    def run(self, line: Line) -> int:
        """How many templates stand in a row there, up to SITE_LIST_RUN; none where the numbers are others elsewhere."""
        if line.at in self.folded or self.is_bare_sentence(line.at):
            return 0
        run = 1
        for step in (-1, 1):
            place = line.place + step
            while run < SITE_LIST_RUN and 0 <= place < len(line.zone):
                at = line.zone[place]
                if at not in self.support or at in self.folded or self.is_bare_sentence(at):
                    break
                run, place = run + 1, place + step
        return run

    def has_company(self, line: Line) -> bool:
        """Whether in the row of residue around the line one is furniture by itself: an anchor, a notice, or, where the
        text begins, a paragraph that most of the site's articles begin with."""
        if self.unsearched:  # few zones have a line of which this is asked
            self.find_company(self.unsearched)
            self.unsearched = []
        return line.at in self.company

    def find_company(self, zone: list[int]) -> None:
        """Find, of rows of residue, those with furniture."""
        if self.support.keys().isdisjoint(zone):
            return
        row: list[int] = []
        is_furniture = False
        near = {
            at
            for place, at in enumerate(zone)
            if any(one in self.support for one in zone[max(0, place - 1) : place + 2])
        }
        for at in (*zone, -1):
            # Only what stands beside a template is asked what it is, or the furniture beside that.
            is_sure = (at in near or bool(row)) and at >= 0 and self.is_residue(at) and self.is_furniture(at)
            if is_sure or (at in self.support and at not in self.folded):
                row.append(at)
                is_furniture = is_furniture or is_sure
                continue
            if is_furniture:
                self.company.update(row)
            row, is_furniture = [], False

    def is_furniture(self, at: int) -> bool:
        """Whether the line is the site's, whatever stands beside it."""
        if self.is_tail_anchor(at) or self.paragraph(at) is not None:
            return not self.is_own_anchor(at)
        return at == self.left[0] and self.is_wide(at) and self.share(at) >= MOST

    # Rules of the head

    def may_leave_head(self, line: Line) -> bool:
        """The first line is the title, unless it is furniture beside furniture and another can be it."""
        if line.place > 0:
            return True
        at, anchor = line.at, line.anchor
        other = any(
            self.anchor(one) is None and (one not in self.support or self.share(one) < MOST) for one in line.zone[1:]
        )
        if at in self.support and (self.is_wide(at) or match_header(self.lines[at])):
            return self.share(at) >= MOST  # it is no title, whatever stands below it
        if at in self.support and at not in self.folded:
            return (other and (anchor is not None or self.share(at) >= MOST)) or (
                self.share(at) >= MOST and anchor is not None
            )
        below = line.beside(1)
        return (
            other
            and bool(below)
            and (
                below[0] in self.support
                or ((next_ := self.anchor(below[0])) is not None and next_.reason not in HEADERS)
            )
        )

    def is_header(self, line: Line) -> bool:
        """Whether the line has several parts, each a header's."""
        anchor = line.anchor
        if anchor is not None and anchor.reason not in HEADERS:
            return False
        parts = match_header(self.lines[line.at]) if line.place < HEAD_LINES else ()
        # One part might be a title, two are none.
        return len(parts) > (line.place == 0) and line.at not in self.records

    def is_head_anchor(self, line: Line) -> bool:
        """Whether the line is an anchor of a head: one of a header or byline if it is unsure of itself."""
        anchor = line.anchor
        if anchor is None or anchor.place == "tail" or line.place >= HEAD_LINES or self.is_own_anchor(line.at):
            return False
        if (line.place == 0 and anchor.kind != "line") or (line.place == len(line.zone) - 1 and self.is_heading(line)):
            return False
        return anchor.confidence >= ALONE_CONFIDENCE or any(
            at in self.support
            or (
                (other := self.anchor(at)) is not None
                and other.reason in HEADERS
                and other.confidence >= ALONE_CONFIDENCE
            )
            for at in line.beside(-1, 1)
        )

    def is_banner(self, line: Line) -> bool:
        """Whether the text begins with a notice about cookies."""
        notice = self.paragraph(line.at) if line.is_edge else None
        return notice is not None and notice.reason == "boilerplate.cookie"

    def title_repeat(self, head: list[int]) -> None:
        """The first line again, before the body begins."""
        if not head:
            return
        title, others = fold(self.lines[head[0]]), 1
        for at in head[1:]:
            if self.hashes[at] and fold(self.lines[at]) == title:
                self.gone[at] = Removal("boilerplate.title_repeat", "title.repeat", 0.99)
            elif (others := others + 1) == HEAD_LINES:
                break

    # Rules of the body

    def is_inserted(self, line: Line) -> bool:
        """Whether a template line between paragraphs is the site's: of a real site, and no heading or sentence."""
        at, anchor = line.at, line.anchor
        if not self.has_url or self.prose[at] or self.share(at) < SITE_SHARE or self.is_own_anchor(at):
            return False
        if anchor is None and self.paragraph(at) is None:
            run = self.run(line)
            return run >= SITE_LIST_RUN or (run >= SITE_LINE_RUN and self.has_company(line))
        return not self.is_heading(line) and self.is_site_line(line)

    def is_body_anchor(self, line: Line) -> bool:
        """Whether an anchor between paragraphs is surely none of the article's words."""
        at, anchor = line.at, line.anchor
        if anchor is None or (at in self.support and self.has_url) or self.is_own_anchor(at):
            return False
        if anchor.reason not in BODY_REASONS or anchor.kind == "heading" or anchor.place == "head":
            return False
        if is_bulleted(self.lines[at]) or self.prose[at]:
            return False
        if anchor.value and self.is_short:
            return anchor.confidence >= SHORT_CONFIDENCE
        if anchor.value:
            return anchor.confidence >= BODY_CONFIDENCE
        if anchor.confidence < BODY_CONFIDENCE:
            return False
        return not self.is_heading(line) or (anchor.confidence >= SURE and not self.has_headings(line))

    def has_headings(self, line: Line) -> bool:
        """Whether other lines of the body head sections: an article has several, or none."""
        return any(not self.prose[at] and not self.is_sentence(at) for at in line.zone if at != line.at)

    # Rules of the tail

    def may_be_last(self, at: int) -> bool:
        """Whether a template line that ends the text may yet be the end of the article."""
        return at == self.left[-1] and self.is_wide(at) and self.share(at) < MOST

    def is_tail_line(self, line: Line) -> bool:
        """Whether the anchor needs no neighbour: an item of a list, an address and a bare label ("Sources:") do."""
        at, anchor = line.at, line.anchor
        if anchor is None or anchor.kind == "heading" or not self.is_tail_anchor(at) or self.is_own_anchor(at):
            return False
        return not (
            is_bulleted(self.lines[at])
            or anchor.reason == "boilerplate.contact"
            or (anchor.value and self.is_weak(anchor) and anchor.reason == "boilerplate.related")
            or (anchor.reason in HEADERS and anchor.kind == "label" and not anchor.value)
        ) or any(one in self.gone or self.is_residue(one) for one in line.beside(-1, 1))

    def is_notice(self, line: Line) -> bool:
        """Whether the paragraph is a bio, a legal notice or a pitch of which nothing of the article follows."""
        notice = self.paragraph(line.at)
        if notice is None:
            return False
        is_last = line.at == self.left[-1]
        if line.is_edge and not is_last:
            return True
        return line.place >= self.last_article and self.is_bio(line.at)

    def is_enclosed(self, line: Line) -> bool:
        """Whether the line is narrow, no sentence or item, and stands between furniture and the end of the text."""
        at, above = line.at, line.beside(-1, -2)
        if not line.is_edge or len(above) < 2 or line.anchor is not None or self.width(at) >= NUMBERED_WIDTH:
            return False
        if self.is_sentence(at) or self.is_item(at) or at in self.records or self.prose[at]:
            return False
        return all(
            (anchor := self.anchor(one)) is not None
            and self.is_tail_anchor(one)
            and anchor.kind != "heading"
            and anchor.confidence >= SHORT_CONFIDENCE
            and anchor.reason not in (*HEADERS, *WEAK_HEADINGS)
            for one in above
        )

    def is_article(self, at: int) -> bool:
        """Whether the line reads as an article's: a paragraph, a statement, code."""
        if self.is_residue(at) or self.is_teaser(at):
            return False
        return self.prose[at] or self.is_code(at) or self.is_statement(at)

    def is_bio(self, at: int) -> bool:
        """Whether the paragraph that ends the text tells of its author: a telling form, and of nobody of whom the
        article speaks."""
        note = self.paragraph(at)
        if note is None or note.reason != "boilerplate.author_bio" or note.confidence < BIO_CONFIDENCE:
            return False
        found = _NAME.match(self.lines[at])
        name = (found["family"] or found[0]) if found is not None else ""
        if name.islower():  # "The author is …"
            name = ""
        others = [other for other in self.left if other != at and self.prose[other]]
        if name and any(name in self.lines[other] for other in others):
            return False
        return not any((anchor := self.paragraph(other)) and anchor.reason == note.reason for other in others)

    def is_link_list(self, line: Line) -> bool:
        """Whether the line is one of several of nothing but links, and heads or ends the text."""
        if not line.is_edge or not self.is_links(line.at):
            return False
        if self.lines[line.at].count("](") >= LINK_LINES:
            return True
        row = self.link_rows.get(line.at, 0)
        return row >= LINK_LINES or (row > 0 and any(at in self.gone for at in line.beside(1)))

    def find_links(self, zone: list[int]) -> None:
        """Find rows of nothing but links, and how long they are; none that a heading or a colon introduces."""
        if not any(map(self.is_links, zone)):
            return
        above = ""
        for is_links, lines in groupby(zone, self.is_links):
            row = list(lines)
            if is_links and not above.startswith("#") and not above.endswith((":", "：")):
                self.link_rows.update(dict.fromkeys(row, len(row)))
            above = self.lines[row[-1]]

    # Blocks

    def twice(self) -> bool:
        """A passage of several paragraphs that stands a second time, word for word, goes. A refrain is shorter."""
        left = self.left
        paragraphs = [self.lines[at] for at in left if self.prose[at] and at not in self.quoted]
        if len(set(paragraphs)) == len(paragraphs):
            return False
        first: dict[str, int] = {}
        found: list[int] = []
        place = 0
        failed, distance = 0, 0  # up to where a passage so far above has been found too short
        while place < len(left):
            line = self.lines[left[place]]
            above = first.setdefault(line, place) if self.prose[left[place]] else place
            if above == place or (place < failed and place - above == distance):
                place += 1
                continue
            run = 0
            while above + run < place < len(left) - run and (
                self.lines[left[above + run]] == self.lines[left[place + run]]
            ):
                run += 1
            again = left[place : place + run]
            if (
                run >= TWICE_COVER * (place - above)
                and sum(self.prose[at] for at in again) >= TWICE_PARAGRAPHS
                and sum(self.width(at) for at in again) >= TWICE_WIDTH
            ):
                found += again
                place += run
            else:
                failed, distance = place + run, place - above
                place += 1
        self.gone.update(dict.fromkeys(found, Removal("boilerplate.template", "template.twice", 0.9)))
        return bool(found)

    def second_article(self) -> bool:
        """Another article of the site that stands below this one (infinite scroll) goes: it has a row of its own."""
        place = self.appended()
        if place is None:
            place = self.begun()
        if place is None:
            return False
        removal = Removal("boilerplate.related", "related.appended", 0.95)
        self.gone.update(dict.fromkeys(self.left[place:], removal))
        return True

    def begun(self) -> int | None:
        """Where the beginning of the next article stands, cut off: "Next article", a title, and up to the end."""
        end = len(self.left)
        while end > self.start and self.is_tail_anchor(self.left[end - 1]):  # "Read on"
            end -= 1
        if end == self.start or not self.is_teaser(self.left[end - 1]):
            return None
        for place in reversed(range(self.start + 1, end - 2)):
            anchor = None if self.prose[self.left[place]] else self.anchor(self.left[place])
            if anchor is not None:  # the last label above, with a title right below and no text of its own
                is_label = anchor.reason in ("boilerplate.navigation", "boilerplate.related") and not anchor.value
                return place if is_label and not self.is_sentence(self.left[place + 1]) else None
        return None

    def by_author(self, tail: list[int]) -> int:
        """Where in the tail a list of other articles by the author begins: a bio above it says the name."""
        bio = next((place for place, at in enumerate(tail) if self.is_bio(at)), len(tail))
        found = _NAME.match(self.lines[tail[bio]]) if bio < len(tail) else None
        if found is None:
            return len(tail)
        first = len(tail)
        while first - 1 > bio and not self.is_article(tail[first - 1]):
            first -= 1
        return next((place for place in range(first, len(tail)) if found[0] in self.lines[tail[place]]), len(tail))

    def cut(self, tail: list[int], body: list[int]) -> list[int]:
        """Cut from the first heading of a block on; what stands before it."""
        counts = _Counts(self, tail, body)
        cut = next(
            (place for place, at in enumerate(tail) if self.begins_cut(at) and self.is_block(tail, place, counts)),
            len(tail),
        )
        for at in tail[cut:]:
            anchor = self.anchor(at) or self.paragraph(at)
            support = self.support.get(at)
            if anchor is not None and anchor.place != "head":  # the first has one; a block reaches to the next
                block = Removal(anchor.reason, anchor.rule, anchor.confidence)
            elif support is not None:
                block = Removal("boilerplate.template", "template.tail", 0.95)
            self.gone[at] = block._replace(support=support)
        return tail[:cut]

    def begins_cut(self, at: int) -> bool:
        """Whether no prose comes after this line: the heading of a block, or a link to a neighbouring article."""
        anchor = self.anchor(at)
        if anchor is None or not self.is_tail_anchor(at) or is_bulleted(self.lines[at]):
            return False
        return anchor.kind == "heading" or anchor.field in ("previous_title", "next_title")

    def is_block(self, tail: list[int], place: int, counts: "_Counts") -> bool:
        """Whether all that begins with this heading is residue."""
        heading = self.anchor(tail[place])
        if heading is None:
            return False
        is_weak = self.is_weak(heading) or self.is_own_anchor(tail[place])
        rest = len(tail) - place - 1
        witnesses = counts.witnesses[place + 1]
        if heading.reason == "boilerplate.contact":
            witnesses += counts.addresses[place + 1]
        # Readers and bios have sentences, lists of the most read have items. Below a word alone both are the article's.
        statements, items = counts.statements[place + 1], counts.items[place + 1]
        is_word = is_weak or self.words(tail[place]) == 1
        if heading.reason == "boilerplate.author_bio":
            own = items
        elif heading.reason == "boilerplate.comments":
            own = statements + items if is_word else 0
        else:
            own = statements + items if is_word else statements
        if own > OWN_SHARE * rest:
            return False
        if tail[place] in self.support and not is_weak:  # but sections of a site have their headings too
            return True
        every = ADDRESS_EVERY if heading.reason == "boilerplate.contact" else WITNESS_EVERY
        if witnesses * every >= rest > 0:
            return True
        if is_weak:
            return False
        return witnesses > 1 or (rest <= BLOCK_LINES and counts.chars[place + 1] <= BLOCK_SHARE * counts.above)

    def below(self, tail: list[int]) -> list[int]:
        """Cut below a line that most articles of the site have; what stands before it."""
        last = next((place for place in reversed(range(len(tail))) if self.is_article(tail[place])), -1)
        places = range(max(0, last), len(tail) - 1)
        cut = next((place for place in places if self.begins_below(tail, place)), len(tail))
        for at in tail[cut:]:
            anchor = self.anchor(at) if self.is_tail_anchor(at) else self.paragraph(at)
            support = self.support.get(at)
            if anchor is not None:
                self.gone[at] = Removal(anchor.reason, anchor.rule, max(anchor.confidence, 0.9), support)
            else:
                rule = "template.tail" if support is not None else "template.below"
                self.gone[at] = Removal("boilerplate.template", rule, 0.9, support)
        return tail[:cut]

    def begins_below(self, tail: list[int], place: int) -> bool:
        """Whether what stands below this line is the site's: it is no item of a list that articles share."""
        at = tail[place]
        if self.share(at) < MOST or at in self.folded or self.is_own_anchor(at):
            return False
        if self.anchor(at) is None and (self.width(at) < SITE_LINE_WIDTH or self.is_sentence(at)):
            return False
        return self.is_site_line(Line(self, tail, place, False))

    def teasers(self, tail: list[int]) -> None:
        """Cut-off teasers, two or more of one length, each with the title above it, and only titles between them."""
        group: list[int] = []
        is_teaser = [self.is_teaser(at) and self.width(at) >= TEASER_WIDTH for at in tail]
        for place in (*(place for place in range(len(tail)) if is_teaser[place]), len(tail) + TEASER_GAP):
            if group and (
                place - group[-1] > TEASER_GAP
                or abs(len(self.lines[tail[place]]) - len(self.lines[tail[group[-1]]])) > TEASER_SPREAD
            ):
                if len(group) > 1:
                    for inside in range(max(0, group[0] - 1), group[-1] + 1):
                        self.gone[tail[inside]] = Removal("boilerplate.related", "related.teasers", 0.9)
                group = []
            group.append(place)

    # Texts without a body

    def without_body(self) -> None:
        """No prose at all. A page with several kinds of furniture is furniture: an overview, an empty article. Any
        other may be a poem or a list, and loses only lines of its site's template."""
        kinds = {anchor.reason for at in self.left if self.is_tail_anchor(at) and (anchor := self.anchor(at))}
        self.is_overview = len(kinds) >= FURNITURE_KINDS
        left = self.cut(self.left, []) if self.is_overview else self.left
        self.read_alone()
        self.decide("alone", left, False)

    def is_alone(self, line: Line) -> bool:
        """Whether a line of a text without a body is the site's: not a word of a poem, of a text cut into lines."""
        if self.prose[line.at] or self.share(line.at) < SITE_SHARE or not self.is_site_line(line):
            return False
        return self.has_url or self.is_overview or line.anchor is not None


class _Counts:
    """Of a tail, from each of its lines on: how many are witnesses of a block, how many statements or items of an
    article, characters; and those of the body above."""

    def __init__(self, page: _Decision, tail: list[int], body: list[int]) -> None:
        self.witnesses, self.statements, self.items, self.addresses, self.chars = (
            [0] * (len(tail) + 1) for _ in range(5)
        )
        self.above = 0
        if not any(page.begins_cut(at) for at in tail):
            return
        self.above = sum(len(page.lines[at]) for at in body)
        for place in reversed(range(len(tail))):
            at = tail[place]
            is_witness = page.is_residue(at) or page.is_known_title(at) or page.is_teaser(at)
            is_statement = not is_witness and page.is_article(at)
            is_item = not is_witness and not is_statement and page.is_item(at)
            self.witnesses[place] = self.witnesses[place + 1] + is_witness
            self.statements[place] = self.statements[place + 1] + is_statement
            self.items[place] = self.items[place + 1] + is_item
            is_address = not is_witness and _MAIL.search(page.lines[at]) is not None
            self.addresses[place] = self.addresses[place + 1] + is_address
            self.chars[place] = self.chars[place + 1] + len(page.lines[at])


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
    """Strip every document. Rewrites `text`, adds to `spans`, and hands on `repaired` (the text before), `removals`
    (what went, in its coordinates) and `template_share` (of what stays); rows and order stay.

    `templates` has the template lines of each site that has any. A document of which nothing is left gets
    `reject_reason`.
    """
    texts = documents["text"].to_pylist()
    removed: list[list[Span]] = [[] for _ in texts]
    shares = [0.0] * len(texts)
    ledgers = from_arrow(documents["spans"])
    reasons, stages = documents["reject_reason"].to_pylist(), documents["reject_stage"].to_pylist()
    columns = [documents[name].to_pylist() for name in ("lines", "site", "url")]
    judged = zip(texts, reasons, columns[0], columns[1], strict=True)
    asked: list[tuple[str, Sequence[int], Templates] | None] = [
        (text, hashes, templates.get(site, NO_TEMPLATES)) if reason is None else None
        for text, reason, hashes, site in judged
    ]
    masked = _left_out(documents, asked, ledgers)
    for row in masked:
        asked[row] = None
    pages = page_removals(asked, config.boilerplate)
    for row, (hashes, site, url) in enumerate(zip(*columns, strict=True)):
        text = texts[row]
        if reasons[row] is not None:
            continue
        if not text.strip():
            reasons[row], stages[row] = "empty", "strip"
            continue
        known = templates.get(site, NO_TEMPLATES)
        before = masked.get(row) or pages.removals.get(row)
        gone = removals(text, hashes, known, bool(url), config.boilerplate, before, pages.anchors.get(row))
        shares[row] = template_share(text, hashes, gone, known)
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
        template_share=shares,
        reject_reason=reasons,
        reject_stage=stages,
    )


def _left_out(
    documents: pa.Table,
    pages: Sequence[tuple[str, Sequence[int], Templates] | None],
    repairs: Sequence[Sequence[Span]],
) -> dict[int, dict[int, Removal]]:
    """Of the pages (text, hash a line, templates) of which an extractor leaves lines out, these, by row."""
    found: dict[int, dict[int, Removal]] = {}
    if "left_out" not in documents.column_names or documents["left_out"].null_count == len(documents):
        return found
    columns = [documents[name].to_pylist() for name in ("left_out", "extractor", "original")]
    for row, (places, extractor, original) in enumerate(zip(*columns, strict=True)):
        if places and (page := pages[row]) is not None:
            here = repaired_lines(original, repairs[row], page[0], places)
            if gone := left_out(page, here, f"{EXTRACT}.{extractor.split()[0]}"):
                found[row] = gone
    return found
