"""What is known of each line of a document, found out once: the decision, the metadata and `explain` read it.

A document is a head, a body and a tail. The body runs from the first to the last paragraph of prose (one that is no
bio, legal notice or template; where no line is as wide as a paragraph, of sentences); what stands before and after it
is where residue lives: 68 % after, 19 % before, 13 % inside (daniel, extracted text).
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from transforms.boilerplate.anchors import Anchor, match_glued, match_line, match_paragraph
from transforms.boilerplate.lines import (
    PROSE_WIDTH,
    SHORTEST_PROSE,
    Kind,
    ends_sentence,
    exact_hash,
    fold,
    is_bulleted,
    is_prose,
    is_teaser,
    key,
    openings,
    title_places,
    width,
    word_count,
)
from transforms.boilerplate.templates import Templates, least_groups
from transforms.config import Boilerplate

# Anchors are looked for in lines up to here; longer ones are prose or paragraphs.
ANCHOR_CHARS = 200
# Where no line is a paragraph, so many sentences, and such a share of the lines, are the body (tabloids, forums).
SENTENCES = 3
SENTENCES_SHARE = 0.5
SENTENCE_WORDS = 3
# A paragraph below "About the author" is no article's, unless the name with which it begins stands above, too.
AUTHOR_CONFIDENCE = 0.8
NAME_CHARS = 40
_SENTENCE_END = re.compile("[.!?。！？]")
_NAMES = re.compile(r"(?<=\s)[^\W\d_a-z][\w'’-]{2,}")
# A second article stands below so many paragraphs of the first: an update has one above what stood before.
OWN_PARAGRAPHS = 2
# A template of other numbers than here is one only where it is so narrow, and among others.
NUMBERED_WIDTH = 35
# A statement has more words than a title that happens to end in a full stop ("Dr. No.").
STATEMENT_WORDS = 5
# "Venue: Old pier" of a record: a key and its value.
_FIELD = re.compile(r"(?P<key>[^:：|]{1,40}?)\s*[:：]\s*(?P<value>[^\s:：].{0,150})$")
# A row of a table: "| a | b |", "Status: | Core".
_ROW = re.compile(r"\|.*\||[^|]{1,40}[:：]\s*\|")
# … and one with several cells, which extractors make of no layout.
_CELLS = re.compile(r"\|(?:[^|]*\w[^|]*\|){2,}")
_NUMBER = re.compile(r"\d")
_ITEM = re.compile(r"\(?(?:\d{1,3}|[a-zA-Z])[.)]\s|\d{4}(?:\s|年|년)|#")
_CODE = re.compile(
    r"[\w)\]]\s(?:[+*/|&-]?=|:=|=>|->|==)\s\S|[{};]$|^(?:def|class|import|return|let|var|const|for|if)\s.*[:;({]$"
)
_CODE_ENDS = tuple("{};:(")
# "12 January 2012 г.", "the Harbour Co.": a stop that ends no sentence.
_ABBREVIATED = re.compile(r"(?<!\w)\w{1,2}\.$")
_FENCE = re.compile(r"(?:```|~~~)")
_QUOTING = frozenset("`~|")
_LINK = r"!?\[[^\]]*\]\([^)]*\)"
_LINKS = re.compile(rf"(?:[*+-]\s+|\d+\.\s+)?{_LINK}(?:[\s|·•,/–-]*{_LINK})*")


def line_anchor(line: str) -> Anchor | None:
    """The phrase that a line is, or several in a row, or glued together."""
    if not line:
        return None
    return (match_line(line) if len(line) <= ANCHOR_CHARS else None) or match_glued(line)


class Evidence(NamedTuple):
    """What is known of one line."""

    zone: str  # head | body | tail | alone (of a text without a body)
    anchor: Anchor | None  # the phrase that the line is
    paragraph: Anchor | None  # the notice, pitch or bio that it is
    support: int | None  # in how many groups of the site it stands, where it is a template
    share: float  # … of all of them
    numbers: str  # "" without any, "equal" where the other pages have the same, "folded" where they have others
    is_prose: bool
    is_sentence: bool
    is_record: bool  # a field among others of a record


class Page:
    """The lines of one document while it is decided which go."""

    def __init__(
        self, lines: Sequence[str], hashes: Sequence[int], templates: Templates, has_url: bool, settings: Boilerplate
    ) -> None:
        self.lines = [line.strip() for line in lines]
        self.hashes, self.known, self.groups = hashes, templates.lines, max(1, templates.groups)
        self.has_url, self._least = has_url, float(least_groups(self.groups, settings))
        self.anchors: dict[int, Anchor | None] = {}
        self.paragraphs: dict[int, Anchor | None] = {}
        self.support: dict[int, int] = {}
        self.folded: set[int] = set()
        self._found_records: set[int] | None = None
        self.prose = [len(line) >= SHORTEST_PROSE and is_prose(line) for line in self.lines]
        self.quoted = self._quoted()
        for at in self.quoted:
            self.prose[at] = True
        self.left: list[int] = []
        self.start = self.end = 0  # of the body, in `left`
        self.is_short = False  # whether the body is of sentences, no line of it as wide as a paragraph

    def _quoted(self) -> set[int]:
        """Lines of fenced code, and rows of tables: whatever they say, they are the article's."""
        quoted: set[int] = set()
        if _QUOTING.isdisjoint([line[:1] for line in self.lines]):
            return quoted
        fence = ""
        for at, line in enumerate(self.lines):
            opens = _FENCE.match(line) if line[:1] in "`~" and line else None
            if fence or opens:
                quoted.add(at)
            if opens and not fence:
                fence = opens[0]
            elif fence and line.startswith(fence):
                fence = ""
            elif not fence and line[:1] == "|" and _CELLS.match(line):
                quoted.add(at)
        return quoted

    def read(self, gone: Mapping[int, object]) -> None:
        """Find out, of the lines that are left, which are templates and where the body is."""
        self.left = left = [at for at, line in enumerate(self.lines) if line and at not in gone]
        self._look_up(title_places(self.lines, left) if self.known else set())
        self.start, self.end = self._body()
        self._found_records = None

    def read_alone(self) -> None:
        """Of a text without a body no line is a title, so lines are looked up as what they are elsewhere."""
        self._look_up(set())

    def _look_up(self, titles: set[int]) -> None:
        """Find out which of the lines that are left are templates; those of `titles` as what stands where titles do."""
        self.support.clear()
        self.folded.clear()
        for at in self.left if self.known else ():
            if at not in self.quoted and (support := self._support(at, at in titles)) is not None:
                self.support[at] = support

    def _support(self, at: int, is_title: bool) -> int | None:
        """In how many groups of the site the line stands, where it is a template."""
        found = self.known.get(key(self.hashes[at], Kind.TITLE if is_title else Kind.LINE))
        if found is None or not self._is_template(found) or _ROW.match(self.lines[at]):
            return None
        if not _NUMBER.search(self.lines[at]):
            return found
        exact = self.known.get(key(exact_hash(self.lines[at]), Kind.EXACT))
        if exact is not None and self._is_template(exact):
            return min(found, exact)
        self.folded.add(at)
        return found

    def _is_template(self, groups: int) -> bool:
        return groups >= self._least

    def _body(self) -> tuple[int, int]:
        """Where in `left` the body begins and ends. Without any prose all is body: nothing can be told apart."""
        left = self.left
        own = [place for place, at in enumerate(left) if self.prose[at] and self.is_own(at)]
        while own and self.paragraph(left[own[-1]]) is not None:
            own.pop()
        if len(own) > 1 and self._is_about_author(own):
            own.pop()
        banner = self.paragraph(left[0]) if len(own) > 1 and own[0] == 0 else None
        if banner is not None and banner.reason == "boilerplate.cookie":  # it stands above the title
            own.pop(0)
        self.is_short = not own
        if not own:
            own = [place for place, at in enumerate(left) if self.is_sentence(at) and self.is_own(at)]
            own = [place for place in own if self.anchor(left[place]) is None and self.paragraph(left[place]) is None]
            if len(own) < max(SENTENCES, SENTENCES_SHARE * len(left)):
                return 0, 0
        return own[0], own[-1] + 1

    def _is_about_author(self, own: Sequence[int]) -> bool:
        """Whether the last paragraph stands alone below a heading that says it is about the author, of whom nothing
        above speaks."""
        at, heading = self.left[own[-1]], self.anchor(self.left[own[-1] - 1])
        if heading is None or heading.reason != "boilerplate.author_bio" or heading.kind != "heading":
            return False
        names = _NAMES.findall(_SENTENCE_END.split(self.lines[at][:NAME_CHARS])[0])
        above = [self.lines[self.left[place]] for place in own[:-1]]
        return heading.confidence >= AUTHOR_CONFIDENCE and not any(name in line for name in names for line in above)

    def is_own(self, at: int) -> bool:
        """Whether the line is no template by its words alone."""
        return at not in self.support or at in self.folded

    @property
    def records(self) -> set[int]:
        """The lines of records: "Date: …, Venue: …, Tickets: …", of which the keys are not all those of a header."""
        if self._found_records is None:  # few documents ask
            self._found_records = self._records()
        return self._found_records

    def _records(self) -> set[int]:
        found: set[int] = set()
        run: list[int] = []
        first = self.left[0] if self.left else 0
        for at in (*self.left, -1):
            is_field = at > first and not self.prose[at] and _FIELD.match(self.lines[at]) is not None
            if is_field:
                run.append(at)
                continue
            if not run:
                continue
            if len(run) > 1 and any(self.anchor(one) is None for one in run):
                found.update(run)
            run = []
        return found

    def anchor(self, at: int) -> Anchor | None:
        """The phrase that the line is."""
        if at not in self.anchors:
            self.anchors[at] = line_anchor(self.lines[at])
        return self.anchors[at]

    def paragraph(self, at: int) -> Anchor | None:
        """The notice, pitch or bio that the line is."""
        if at not in self.paragraphs:
            self.paragraphs[at] = match_paragraph(self.lines[at])
        return self.paragraphs[at]

    def share(self, at: int) -> float:
        """In what share of the site's groups the line stands."""
        return self.support.get(at, 0) / self.groups

    def width(self, at: int) -> float:
        """Of the line, in Latin letters."""
        return width(self.lines[at])

    def is_wide(self, at: int) -> bool:
        """Whether the line is as wide as a paragraph."""
        return self.width(at) >= PROSE_WIDTH

    def words(self, at: int) -> int:
        """Of the line; in scripts without blanks three letters count as one."""
        return word_count(self.lines[at])

    def is_sentence(self, at: int) -> bool:
        """Whether the line ends as a sentence does, and is one of several words."""
        return ends_sentence(self.lines[at]) and self.words(at) >= SENTENCE_WORDS

    def is_statement(self, at: int) -> bool:
        """Whether the line is a sentence of an article, and no title that ends in a question or an exclamation."""
        line = self.lines[at]
        if not ends_sentence(line, stops_only=True) or self.words(at) < STATEMENT_WORDS:
            return False
        return _ABBREVIATED.search(line) is None

    def is_teaser(self, at: int) -> bool:
        """Whether the line was cut off by a program."""
        return is_teaser(self.lines[at]) and not is_bulleted(self.lines[at])

    def is_item(self, at: int) -> bool:
        """Whether the line is numbered, dated, or bulleted."""
        line = self.lines[at]
        return is_bulleted(line) or _ITEM.match(line) is not None

    def is_code(self, at: int) -> bool:
        """Whether the line reads as one of a program."""
        line = self.lines[at]  # few lines have any of these, and the pattern is tried at every letter
        return ("=" in line or "->" in line or line[-1:] in _CODE_ENDS) and _CODE.search(line) is not None

    def is_known_title(self, at: int) -> bool:
        """Whether another article of the site has the line where titles stand."""
        return key(self.hashes[at], Kind.TITLE) in self.known and self.words(at) > 2

    def is_links(self, at: int) -> bool:
        """Whether the line is nothing but links, in Markdown."""
        return "](" in self.lines[at] and _LINKS.fullmatch(self.lines[at]) is not None

    def appended(self) -> int | None:
        """Where in `left` another article of the site begins: its title, and below it its first paragraph."""
        if not self.known:
            return None
        own: set[str] | None = None
        paragraphs = 0
        for place in range(self.start, self.end):
            at = self.left[place]
            if not self.prose[at] or at in self.support:
                continue
            paragraphs += 1
            if paragraphs <= OWN_PARAGRAPHS or self.prose[self.left[place - 1]]:
                continue
            for above, value in enumerate(openings(self.lines, self.hashes, self.left, place), 1):
                title = self.left[place - above]
                if value | Kind.OPENING not in self.known or self._is_template(self.known[value | Kind.OPENING]):
                    continue
                if self._is_template(self.known.get(key(self.hashes[title], Kind.TITLE), 0)) or self.anchor(title):
                    continue
                if own is None:
                    own = {fold(self.lines[one]) for one in self.left[: self.start]}
                if fold(self.lines[title]) not in own and self.words(title) > 1:
                    return place - above
        return None

    def evidence(self, place: int) -> Evidence:
        """All that is known of the line at `left[place]`."""
        at = self.left[place]
        zone = "alone" if self.end == 0 else "head" if place < self.start else "body" if place < self.end else "tail"
        numbers = "" if not _NUMBER.search(self.lines[at]) else "folded" if at in self.folded else "equal"
        return Evidence(
            zone,
            self.anchor(at),
            self.paragraph(at),
            self.support.get(at),
            self.share(at),
            numbers if at in self.support else "",
            self.prose[at],
            self.is_sentence(at),
            at in self.records,
        )
