"""Metadata from the lines that were removed, and from the head lines that stay.

What is noise in the text is data beside it: a header's source and tags, the bio, the neighbours' titles. Nothing is
guessed: a field without a line that says it stays null.

* **Dates**: what says "published" comes before a bare date, and what stands above the body before what stands below;
  there a bare date is another article's. A date of change is `modified_at`, never `published_at`.
* **Under a heading of others** ("Related", "Comments", "More from …") dates and names are theirs.
* **A record** ("Date: … / Time: … / Venue: …") is about what it describes.

>>> from transforms.spans import Span
>>> document = "Spring\\n\\nSource: The Gazette\\n\\nIt rained."
>>> removed = [Span(8, 29, "", "boilerplate.header", "header.en.source", "strip_boilerplate")]
>>> metadata = describe(lines_of(document, removed))
>>> metadata.title, metadata.source_name
('Spring', 'The Gazette')
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa

from transforms.boilerplate.anchors import DATES, HEADERS, Anchor, match_header, match_line, match_paragraph
from transforms.boilerplate.lines import SHORTEST_PROSE, is_prose, is_teaser
from transforms.dates import DIGIT, pieces, says_change
from transforms.folding import fold
from transforms.names import split_names
from transforms.schema import own_or, with_columns
from transforms.spans import Span, from_arrow

# The bounds keep a mis-read line from becoming a field; titles of real articles stay below 250 characters.
TITLE_CHARS = 300
RELATED_TITLES = 50
# A date that stays is the article's where a header stands: right below the title.
HEAD_LINES = 4
# So many lines of a record beside a date make it a field of that record, …
RECORD_FIELDS = 2
# … if they stand so near.
RECORD_LINES = 3
# Shorter lines are no paragraph about the author.
BIO_CHARS = 60
# Of a stretch that stays, so many lines are looked at; among shorter ones is no paragraph.
STRETCH_LINES = 8
# Below their headings dates and names are those of other articles, or of readers.
OTHERS = ("boilerplate.related", "boilerplate.comments")

_TAG_SEPARATORS = re.compile(r"\s*[,;|、，；·•]\s*")
_SENTENCE_END = tuple(".。．؛;:：,，")
_FIELD = re.compile(r"[^\W\d_][^:：|,.!?，。]{0,24}[:：]\s*\S")
_WORD = re.compile(r"[^\W\d_]{2,}")
# Arrows and bullets of a list, at either end; "#" and "-" only as marks of a line, for a title may end in "C#".
_ARROWS = "".join(
    map(chr, (*range(0x2190, 0x2200), *range(0x25A0, 0x2600), *range(0x2794, 0x27C0), *range(0x2900, 0x2980)))
)
_EDGES = f" \t\u00a0\u3000|•·●‣◦∙›>{_ARROWS}"
_MARKS = ("#", "-", "*", "»")
_LINE_MARKS = re.compile(r"(?:#+|[-*]|»+)\s+|»+(?=[^«]*$)")
# What parts a title from the name of its site, and that name at the end.
_SITE_NAME = re.compile(r"(?:\s*[|｜_]\s*|\s+(?:[-–—·•»:~]|::)\s+|(?<=[\u3040-\u9fff])[-–—](?=\S))([^|｜_]{2,60})$")
_PARTED = re.compile(r"[|｜_·•»~–—:-]")
_CUT_OFF = ("...", "…")


class Line(NamedTuple):
    """A line of a document before stripping, without white space at its edges; none is blank."""

    text: str
    reason: str | None = None  # why it went; None where it stays
    anchors: tuple[Anchor, ...] | None = None  # what it was recognised as; None where that wasn't asked
    is_prose: bool = False  # a paragraph, of what stays


@dataclass(slots=True)
class Metadata:
    """The fields of one document; lists are None where nothing was found."""

    title: str | None = None
    authors: list[str] = field(default_factory=list)
    author_bio: str | None = None
    source_name: str | None = None
    tags: list[str] = field(default_factory=list)
    published_raw: str | None = None
    modified_raw: str | None = None
    previous_title: str | None = None
    next_title: str | None = None
    related_titles: list[str] = field(default_factory=list)


def lines_of(document: str, removed: Sequence[Span]) -> list[Line]:
    """The lines that can say something, in their order: all that went, and of each stretch that stays the first ones,
    up to a paragraph."""
    lines: list[Line] = []
    position = 0
    for span in removed:
        if position < span.start:
            lines += _kept(document, position, span.start)
        lines += [
            Line(text, span.reason) for text in map(str.strip, document[span.start : span.end].split("\n")) if text
        ]
        position = span.end
    return lines + _kept(document, position, len(document), is_last=True)


def _kept(document: str, start: int, end: int, is_last: bool = False) -> list[Line]:
    found: list[Line] = []
    opens = start == 0  # a paragraph on top may have the date of the article below it
    while start < end:
        stop = document.find("\n", start, end)
        stop = end if stop < 0 else stop
        text = document[start:stop].strip()
        start = stop + 1
        if not text:
            continue
        if len(text) >= SHORTEST_PROSE and is_prose(text):
            found.append(Line(text, None, None, True))
            if not opens:
                break
        elif len(found) < STRETCH_LINES:
            found.append(Line(text))
        elif is_last:  # nothing went below
            break
        opens = False
    return found


def line_anchors(line: Line) -> tuple[Anchor, ...]:
    """What the line says it is: parts of a header, or one thing, or nothing."""
    if line.anchors is not None:
        return line.anchors
    found = match_header(line.text) if line.reason is None or line.reason in HEADERS else ()
    if not found and (anchor := match_line(line.text)) is not None:
        return (anchor,)
    return found


def describe(lines: Sequence[Line], site: str = "") -> Metadata:
    """The metadata of one document, from its lines (`lines_of`) and the site it is on."""
    reader = _Reader(lines)
    for at, line in enumerate(reader.lines):
        if line.reason is None:
            reader.stays(at, line)
        elif line.reason == "boilerplate.title_repeat":
            reader.found.title = reader.found.title or line.text
        elif line.reason.startswith("boilerplate."):
            reader.went(at, line)
    return reader.finish(site)


class _Reader:
    """What has been read of one document."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = lines
        self.found = Metadata()
        self.own: list[Line] = []  # the lines that stay, up to the body
        self.is_head = True  # no prose has been read, but for the first line
        self.is_below = False  # prose has been read
        self.section = ""  # the reason of the heading above
        # How little it says that it is the date, and the date.
        self.dates: dict[str, list[tuple[bool, bool, str]]] = {name: [] for name in DATES}

    def stays(self, at: int, line: Line) -> None:
        """The title, and dates right below it."""
        if line.is_prose:
            self.is_below, self.section = True, ""
            self.is_head = self.is_head and not self.own
        if self.is_head or len(self.own) < 2:
            self.own.append(line)
            if self.is_head and 1 < len(self.own) <= HEAD_LINES and DIGIT.search(line.text):
                for anchor in line_anchors(line):
                    if anchor.field in DATES:
                        self.date(at, anchor)

    def went(self, at: int, line: Line) -> None:
        """The fields of a line that went."""
        anchors = line_anchors(line)
        for anchor in anchors:
            if anchor.kind == "heading" or (anchor.kind == "line" and anchor.reason in OTHERS):
                self.section = anchor.reason
            elif anchor.field in DATES:
                if not self.is_others(at) and not (self.is_below and _is_bare(anchor)):
                    self.date(at, anchor)
            elif anchor.field == "authors":
                if not self.is_others(at):
                    self.authors(anchor)
            elif anchor.field is not None:
                self.set(anchor.field, anchor.value)
        if not anchors:
            if self.is_bio(line):
                self.found.author_bio = "\n".join(filter(None, (self.found.author_bio, line.text)))
            elif line.reason == "boilerplate.related" and not is_teaser(line.text) and not is_prose(line.text):
                self.set("related_titles", line.text)

    def is_others(self, at: int) -> bool:
        """Whether the line is under a heading of others, or right beside a title of theirs."""
        if self.section in OTHERS:
            return True
        return self.is_below and any(
            line.reason == "boilerplate.related" and not line_anchors(line)
            for line in self.lines[max(0, at - 1) : at + 2 : 2 if at else 1]
        )

    def is_bio(self, line: Line) -> bool:
        """Whether the line, which is nothing else, is about the author."""
        if line.reason == "boilerplate.author_bio" or self.section == "boilerplate.author_bio":
            return True
        if not self.is_below or self.section in OTHERS or len(line.text) < BIO_CHARS or not is_prose(line.text):
            return False
        if any(_begins_with(line.text, name) for name in self.found.authors):
            return True
        paragraph = match_paragraph(line.text)
        return paragraph is not None and paragraph.reason == "boilerplate.author_bio"

    def is_record(self, at: int) -> bool:
        """Whether the line stands among fields that no header has."""
        fields = 0
        for step in (-1, 1):
            for beside in range(at + step, at + step * (RECORD_LINES + 1), step):
                if not 0 <= beside < len(self.lines) or _FIELD.match(self.lines[beside].text) is None:
                    break
                fields += not any(anchor.reason in HEADERS for anchor in line_anchors(self.lines[beside]))
        return fields >= RECORD_FIELDS

    def date(self, at: int, anchor: Anchor) -> None:
        """The dates of a value: "12 March 2020, updated 13 March 2020" are two."""
        if anchor.field is None or not anchor.value or (not _is_bare(anchor) and self.is_record(at)):
            return
        first, *others = pieces(anchor.value)
        self.dates[anchor.field].append((not self.is_head, _is_bare(anchor), first))
        for other in others:
            lead = fold(re.split(r"\d", other, maxsplit=1)[0])
            if says_change(lead):
                self.dates["modified_raw"].append((not self.is_head, False, other))
            elif anchor.field == "modified_raw" and _WORD.search(lead):
                self.dates["published_raw"].append((not self.is_head, False, other))

    def authors(self, anchor: Anchor) -> None:
        """The names of a byline, whose rule says in which language they are joined."""
        for name in split_names(anchor.value.strip(), anchor.rule.split(".")[1]):
            if name not in self.found.authors:
                self.found.authors.append(name)

    def set(self, name: str, value: str) -> None:
        """A field; the first line that says it holds, lists gather."""
        value = value.strip()
        if name in ("previous_title", "next_title", "related_titles"):
            value = plain_title(value)
        if not value:
            return
        if name == "tags":
            self.found.tags += [tag for tag in _TAG_SEPARATORS.split(value) if tag and tag not in self.found.tags]
        elif name == "related_titles":
            if value not in self.found.related_titles and len(self.found.related_titles) < RELATED_TITLES:
                self.found.related_titles.append(value)
        elif getattr(self.found, name) is None:
            setattr(self.found, name, value)

    def finish(self, site: str) -> Metadata:
        """What was found, put in order."""
        found = self.found
        title, found.title = plain_title(found.title or _head_title(self.own)), None
        if any(map(str.isalnum, title)):
            found.title = without_site(title, self.site_names(site))
        for name, dates in self.dates.items():
            if dates:
                setattr(found, name, min(dates, key=lambda date: date[:2])[2])
        found.related_titles = _whole_titles(found.related_titles)
        return found

    def site_names(self, site: str) -> Iterator[str]:
        """What the page says its site is called: the domain, the source, a line that went, who has the rights."""
        yield from (site.partition(".")[0], site, self.found.source_name or "")
        for line in self.lines:
            if line.reason is not None and len(line.text) <= TITLE_CHARS:
                yield line.text


def _begins_with(text: str, name: str) -> bool:
    """Whether the text begins with a whole name: of two words, or in a script without spaces."""
    return (
        text.startswith(f"{name} ") if " " in name else len(name) > 1 and name[0] >= "\u3040" and text.startswith(name)
    )


def _is_bare(anchor: Anchor) -> bool:
    return anchor.rule == "header.any.date"


def plain_title(title: str) -> str:
    """The title without the arrows and bullets of a list.

    >>> plain_title("» Why iron rusts →"), plain_title("«Iron» in C#")
    ('Why iron rusts', '«Iron» in C#')
    """
    title = title.strip(_EDGES)
    if title[:1] in _MARKS and (mark := _LINE_MARKS.match(title)) is not None:
        title = title[mark.end() :].lstrip(_EDGES)
    if title.endswith("»") and "«" not in title:  # else it closes a quotation
        title = title.rstrip(_EDGES + "»")
    return title


def without_site(title: str, names: Iterator[str] | Sequence[str]) -> str:
    """The title without its site's name at the end, where one of `names` is that name.

    >>> without_site("Why iron rusts | The Daily Swan", ["dailyswan"]), without_site("Swans - a love story", ["swans"])
    ('Why iron rusts', 'Swans - a love story')
    """
    end = _SITE_NAME.search(title) if _PARTED.search(title) is not None else None
    if end is None or not (name := _letters(end[1])):
        return title
    for other in names:
        said = _letters(other)
        if said == name or (other[:1] in "©(" and len(name) > 3 and name in said):
            return title[: end.start()].rstrip() or title
    return title


def _letters(name: str) -> str:
    """Letters and digits only, in one case, without an article."""
    letters = "".join(filter(str.isalnum, fold(name)))
    return letters.removeprefix("the") or letters


def _head_title(own: Sequence[Line]) -> str:
    """The first line, where it reads as a title: short, no sentence, and something follows."""
    if len(own) < 2 or own[0].is_prose or len(own[0].text) > TITLE_CHARS or own[0].text.endswith(_SENTENCE_END):
        return ""
    return own[0].text


def _whole_titles(titles: list[str]) -> list[str]:
    """Without those that are cut off where another says the same: "Why iron rusts" and "Why iron rusts ..." are one."""
    if len(titles) < 2 or not any(title.endswith(_CUT_OFF) for title in titles):
        return titles
    folded = {title: fold(title).rstrip(".… ") for title in titles}

    def is_repeated(title: str) -> bool:
        return title.endswith(_CUT_OFF) and any(
            other != title and (folded[other].startswith(folded[title]) or folded[title].startswith(folded[other]))
            for other in titles
        )

    return [title for title in titles if not is_repeated(title)]


def describe_documents(documents: pa.Table) -> pa.Table:
    """Describe every document: adds the metadata columns, and `modified_raw`, from the text before stripping and what
    went from it; what the record says of itself stays. Rows and order stay."""
    columns = (documents["repaired"].to_pylist(), from_arrow(documents["removals"]), documents["site"].to_pylist())
    found = [describe(lines_of(text, removed), site) for text, removed, site in zip(*columns, strict=True)]
    lists = ("authors", "tags", "related_titles")
    names = ("title", "author_bio", "source_name", *DATES, "previous_title", "next_title", *lists)
    read = {name: [getattr(metadata, name) or None for metadata in found] for name in names}
    return with_columns(documents, **{name: own_or(documents, name, values) for name, values in read.items()})
