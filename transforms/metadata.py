"""Metadata from the lines that were removed, and from the head lines that stay.

What is noise in the text is data beside it: a header's source and tags, the bio, the neighbours' titles. Nothing is
guessed: a field without a line that says it stays null.

>>> from transforms.spans import Span, apply
>>> document = "Spring\\n\\nSource: The Gazette\\n\\nIt rained."
>>> removed = [Span(8, 29, "", "boilerplate.header", "header.en.source", "strip_boilerplate")]
>>> metadata = describe(apply(document, removed), ledger(document, removed))
>>> metadata.title, metadata.source_name
('Spring', 'The Gazette')
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from transforms.boilerplate.anchors import HEADERS, match_header, match_line
from transforms.boilerplate.lines import is_prose, is_teaser
from transforms.schema import with_columns
from transforms.spans import LedgerEntry, from_arrow, ledger

# The bounds keep a mis-read line from becoming a field; titles of real articles stay below 250 characters.
TITLE_CHARS = 300
RELATED_TITLES = 50
# A date that stays is the article's where a header stands: right below the title.
HEAD_LINES = 4
_TAG_SEPARATORS = re.compile(r"\s*[,;|、，；·•]\s*")
_AUTHOR_SEPARATORS = re.compile(r"\s*(?:[,;|、，；/&]|\b(?:and|und|et|y|e|и|i)\b)\s*")
_SENTENCE_END = re.compile(r"[.。．؛;:：,，]$")


@dataclass(slots=True)
class Metadata:
    """The fields of one document; lists are None where nothing was found."""

    title: str | None = None
    authors: list[str] = field(default_factory=list)
    author_bio: str | None = None
    source_name: str | None = None
    tags: list[str] = field(default_factory=list)
    published_raw: str | None = None
    previous_title: str | None = None
    next_title: str | None = None
    related_titles: list[str] = field(default_factory=list)


def describe(text: str, entries: Sequence[LedgerEntry]) -> Metadata:
    """The metadata of one document: `text` as curated, and what was stripped from it."""
    found = Metadata()
    for entry in entries:
        if entry.span.reason == "boilerplate.title_repeat":
            found.title = found.title or entry.text.strip()
        elif entry.span.reason == "boilerplate.author_bio":
            _bio(found, entry.text)
        elif entry.span.reason.startswith("boilerplate."):
            _lines(found, entry)
    found.title = found.title or _head_title(text)
    found.published_raw = found.published_raw or _head_date(text)
    return found


def _bio(found: Metadata, text: str) -> None:
    paragraphs = [line.strip() for line in text.split("\n") if line.strip()]
    bio = "\n".join(line for line in paragraphs if match_line(line) is None) or None
    found.author_bio = "\n".join(filter(None, (found.author_bio, bio))) or None


def _lines(found: Metadata, entry: LedgerEntry) -> None:
    related = entry.span.reason == "boilerplate.related"
    for line in filter(None, map(str.strip, entry.text.split("\n"))):
        parts = match_header(line) if entry.span.reason in HEADERS else ()
        for part in parts:
            if part.field is not None:
                _set(found, part.field, part.value)
        anchor = None if parts else match_line(line)
        if anchor is not None and anchor.field is not None and anchor.kind != "heading":
            _set(found, anchor.field, anchor.value)
        elif related and anchor is None and not is_teaser(line) and not is_prose(line):
            _set(found, "related_titles", line)


def _set(found: Metadata, name: str, value: str) -> None:
    value = value.strip()
    if not value:
        return
    if name == "tags":
        found.tags += [tag for tag in _TAG_SEPARATORS.split(value) if tag and tag not in found.tags]
    elif name == "authors":
        found.authors += [who for who in _AUTHOR_SEPARATORS.split(value) if who and who not in found.authors]
    elif name == "related_titles":
        if value not in found.related_titles and len(found.related_titles) < RELATED_TITLES:
            found.related_titles.append(value)
    elif getattr(found, name) is None:
        setattr(found, name, value)


def _head_title(text: str) -> str | None:
    """The first line, where it reads as a title: short, no sentence, and something follows."""
    first, _, rest = text.lstrip().partition("\n")
    first = first.strip()
    if not first or not rest.strip() or len(first) > TITLE_CHARS or is_prose(first) or _SENTENCE_END.search(first):
        return None
    return first


def _head_date(text: str) -> str | None:
    """The date among the first lines, where it stands alone on its line: stripping leaves one without a word."""
    head = [line for line in map(str.strip, text[: HEAD_LINES * TITLE_CHARS].split("\n")) if line][:HEAD_LINES]
    for line in head[1:]:
        if is_prose(line):
            return None
        anchor = match_line(line)
        if anchor is not None and anchor.field == "published_raw":
            return anchor.value
    return None


def describe_documents(documents: pa.Table) -> pa.Table:
    """Describe every document: adds the metadata columns from `text` and what was stripped; rows and order stay."""
    columns = (documents["text"].to_pylist(), documents["repaired"].to_pylist(), from_arrow(documents["removals"]))
    found = [describe(text, ledger(repaired, removed)) for text, repaired, removed in zip(*columns, strict=True)]
    lists = ("authors", "tags", "related_titles")
    names = ("title", "author_bio", "source_name", "published_raw", "previous_title", "next_title")
    return with_columns(
        documents,
        **{name: [getattr(metadata, name) for metadata in found] for name in names},
        **{name: [getattr(metadata, name) or None for metadata in found] for name in lists},
    )
