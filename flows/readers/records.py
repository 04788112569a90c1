"""A part of an input file, the records that a reader makes of it, and what a module that reads a format gives."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import BinaryIO, NamedTuple

from flows.readers.fields import FieldReader, Found
from transforms.config import Config

# Of a rejected record, enough bytes to see what it is and little enough to keep for every one.
RAW_HEAD_BYTES = 1_024
# What a message may quote of the input.
DETAIL_CHARS = 80


class Part(NamedTuple):
    """A part of one input file, and what that file was when it was listed."""

    path: str  # relative to RAW, '/'-separated, as it is shown
    key: str  # the same as the store takes it
    format: str  # of FORMATS, "unsupported", or of NEVER_OPENED
    compression: str  # "", or of COMPRESSIONS: what the name says
    size: int  # of the file; this and the next two as it was listed
    mtime_ns: int
    inode: int
    start: int = 0  # first byte of a plain JSONL, whose lines that begin here or later are read; first row group
    end: int = 0  # exclusive: the lines that begin before this byte; row groups, 0 for all; else 0
    first_row: int = 0  # of the file, at `start` (Parquet)
    first_block: int = 0  # blocks of the file that whoever reads this part hashes
    end_block: int = 0
    error: str = ""  # why it is "unreadable"; of what can be read, why it isn't: its work failed

    @property
    def is_whole(self) -> bool:
        """Whether it is all of its file."""
        return self.start == 0 and (self.end == self.size if self.is_lines else self.end == 0)

    @property
    def is_lines(self) -> bool:
        """Whether it is a range of bytes, cut anywhere."""
        return self.format == "jsonl" and not self.compression


class Record(NamedTuple):
    """One raw record, good (no `reject_reason`) or bad."""

    source_path: str
    source_format: str
    source_record: (
        str | None
    )  # number of the line (in the part), object or CSV row from 1, of the Parquet or Arrow row from 0
    source_sha256: str  # of the raw record's bytes; each reader says which
    source_id: str | None
    url: str | None
    fetched_at: datetime | None  # UTC
    original: str  # the text after decoding; BOM and line ends kept; '' where unreadable
    reject_reason: str | None
    reject_detail: str | None
    raw_head: bytes | None  # first 1,024 raw bytes of a rejected record; None where nothing was opened
    charset: str | None = None  # what the bytes were decoded from, by Python's name; None where UTF-8
    # What the record says of itself (flows/readers/fields.py), and its other fields as JSON.
    title: str | None = None
    authors: list[str] | None = None
    published_at: datetime | None = None
    modified_at: datetime | None = None
    tags: list[str] | None = None
    source_name: str | None = None
    declared_language: str | None = None
    license: str | None = None
    extra: str | None = None
    from_record: list[str] | None = None
    # Of a page of HTML (flows/readers/html.py): what made a text of it, and the lines of that which it leaves out.
    extractor: str | None = None
    left_out: list[int] | None = None
    is_html: bool = False  # that its text is HTML still


class Format(NamedTuple):
    """A kind of file, as the module that reads it knows it."""

    extensions: dict[str, str]  # what names of such files end in, and their `source_format`
    # None of an archive, whose members are read (flows/readers/archives.py).
    read: Callable[[BinaryIO, Part, Config, FieldReader], Iterator[Record]] | None = None
    # The parts of the open file, a piece's bytes or more each but the last, with the bytes of each. None: never cut.
    cut: Callable[[BinaryIO, Part, int], Iterator[tuple[Part, int]]] | None = None
    is_compressible: bool = True  # as a whole; else it compresses what is in it
    may_crash: bool = False  # C code opens its bytes that may end the process (flows/readers/guard.py)


def rejected_file(file: BinaryIO, part: Part, reason: str, detail: str) -> Record:
    """One record for a file that can't be used at all; `source_sha256` is the file's."""
    file.seek(0)
    sha256, raw_head, _ = digest_and_head(iter(lambda: file.read(1 << 20), b""))
    return rejected(part, reason, detail, raw=raw_head, sha256=sha256)


def accepted(
    part: Part, record: int, sha256: str, source_id: str | None, text: str, charset: str | None, found: Found
) -> Record:
    """A record that can be used, and what it says of itself."""
    return Record(
        part.path,
        part.format,
        str(record),
        sha256,
        source_id,
        found.url,
        found.fetched_at,
        text,
        None,
        None,
        None,
        charset,
        *found.own,
        found.extra,
        found.from_record,
    )


def rejected(
    part: Part,
    reason: str,
    detail: str,
    *,
    record: str | None = None,
    raw: bytes | None = None,
    sha256: str | None = None,
    source_id: str | None = None,
    url: str | None = None,
    fetched_at: datetime | None = None,
) -> Record:
    """A record that can't be used, and why. `raw` is its bytes, or their head if `sha256` is given."""
    return Record(
        source_path=part.path,
        source_format=part.format,
        source_record=record,
        source_sha256=sha256 or hashlib.sha256(raw or b"").hexdigest(),
        source_id=source_id,
        url=url,
        fetched_at=fetched_at,
        original="",
        reject_reason=reason,
        reject_detail=detail,
        raw_head=None if raw is None else raw[:RAW_HEAD_BYTES],
    )


def digest_and_head(chunks: Iterable[bytes]) -> tuple[str, bytes, int]:
    """SHA-256, first 1,024 bytes and length of what is too long or not wanted, without holding it."""
    digest, head, size = hashlib.sha256(), b"", 0
    for chunk in chunks:
        digest.update(chunk)
        head += chunk[: RAW_HEAD_BYTES - len(head)]
        size += len(chunk)
    return digest.hexdigest(), head, size


def quoted(value: object) -> str:
    """As much of a value as a message may hold."""
    text = str(value)
    return text if len(text) <= DETAIL_CHARS else text[: DETAIL_CHARS - 1] + "…"
