"""HTML: one file is one page; and whatever record has a page for its text, here it becomes a text.

What the page says of itself fills what its record leaves out, its canonical address also `url`, by which nothing is
known: sites give one address to many pages. `source_sha256` is that of the record's bytes, by which pages are known, so
that another version of the extractor makes no new text of an old page.
"""

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from flows.readers.fields import FieldReader
from flows.readers.records import RAW_HEAD_BYTES, Format, Part, Record
from flows.readers.text import read_whole
from transforms.charsets import codec_of, decode
from transforms.config import Config
from transforms.errors import RecordError
from transforms.html import looks_like_html, read_page
from transforms.values import OWN

# Where a page says what it is in: browsers look at the first 1,024 bytes, and some pages have much before.
DECLARED_BYTES = 4_096
_DECLARED = re.compile(
    rb"""<meta\b[^>]{0,200}?charset\s*=\s*["']?\s*([\w:.-]{2,40})|^\s*<\?xml\b[^>]{0,100}?encoding\s*=\s*["']([\w:.-]{2,40})""",
    re.IGNORECASE,
)
# Of several bytes a character, of which tags have a NUL.
_UNITS = ("utf-16", "utf-32")


def read(file: BinaryIO, part: Part, config: Config, _: FieldReader) -> Iterator[Record]:
    """One page, still HTML; a second record for bytes after the end of a compressed stream."""
    for record in read_whole(file, part, config, lambda raw: decode_page(raw, None, config)):
        yield record if record.reject_reason else record._replace(is_html=True)


def decode_page(raw: bytes, declared: str | None, config: Config) -> tuple[str, str]:
    """The HTML of bytes, and their charset; `declared` is what came with them, which goes before what they say, where
    there is such a charset and it can be.

    Raises: RecordError.
    """
    name = codec_of(declared)
    if name is None or (name.startswith(_UNITS) and b"\0" not in raw):
        name = declared_charset(raw)
    return decode(raw, name, configured=config.read.encoding)


def declared_charset(raw: bytes) -> str | None:
    """What the head says, but for UTF-16 and UTF-32: in these, what was found here could not have been.

    >>> declared_charset(b"<html><head><META http-equiv=Content-Type content='text/html; charset=windows-1251'>")
    'windows-1251'
    """
    found = _DECLARED.search(raw[:DECLARED_BYTES])
    name = (found[1] or found[2]).decode("ascii", "replace") if found else ""
    return None if (codec_of(name) or "").startswith(_UNITS) else name or None


def is_page(record: Record, config: Config) -> bool:
    """Whether the text of the record is HTML."""
    if record.reject_reason is not None:
        return False
    return record.is_html or (config.read.html and looks_like_html(record.original))


def unread(record: Record, error: RecordError) -> Record:
    """The rejected record of a page that can't be read."""
    raw_head = record.original.encode(errors="replace")[:RAW_HEAD_BYTES]
    return record._replace(
        original="", is_html=False, reject_reason=error.reason, reject_detail=error.detail, raw_head=raw_head
    )


def as_text(record: Record) -> Record:
    """The record of a page, with its text, or rejected."""
    try:
        page = read_page(record.original, record.url)
    except RecordError as error:
        return unread(record, error)
    said: dict[str, Any] = page.own._asdict() | {"url": page.url}
    filled = {name: value for name, value in said.items() if value and getattr(record, name) is None}
    own = {*(record.from_record or ()), *filled}
    return record._replace(
        original=page.text,
        extractor=page.extractor,
        left_out=page.left_out,
        is_html=False,
        from_record=[name for name in (*OWN, "url") if name in own] or None,
        **filled,
    )


FORMAT = Format({".html": "html", ".htm": "html", ".xhtml": "html"}, read)
