"""Readers: a file becomes records, good or bad. Nothing is skipped in silence.

One module per format, one function each: `open file, part, config -> records`. A record that can't be read is
a `Record` too, with its reason (`read.*`, `limit.*`), a detail for people and the first bytes of what was
found. No bytes make a reader raise. What the disk fails to give does: a failure of the machine is no fact about the
text, so it fails the step (only where reading is forbidden, which stays, that is a record). So does a file that isn't
what was listed.

Lines of a JSONL are counted from 1 within the part, as nobody has read what is before it; whoever has read all
parts adds up their `lines`.

>>> format_of("news/2024.JSONL.gz")
('jsonl', 'gz')
>>> format_of("news/2024.pdf")
('unsupported', '')
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO, NamedTuple

from flows.readers.fields import FieldReader, Found
from flows.readers.source import Source, check_unchanged
from flows.store import Facts, Ref, Store
from transforms.config import Config

# Of a rejected record, enough bytes to see what it is and little enough to keep for every one.
RAW_HEAD_BYTES = 1_024
# What a message may quote of the input.
DETAIL_CHARS = 80
FORMATS = {
    ".txt": "txt",
    ".text": "txt",
    ".md": "txt",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
}
COMPRESSIONS = {".gz": "gz", ".zst": "zst", ".bz2": "bz2", ".xz": "xz", ".lz4": "lz4"}
# Formats whose files may be compressed as a whole; Parquet compresses its pages.
COMPRESSIBLE = frozenset(FORMATS.values()) - {"parquet"}
# What is one rejected record without being opened: a link to nowhere; a fifo, socket or device, which could block; a
# link to a file that is read under another path.
NEVER_OPENED = ("unreadable", "not_a_file", "same_file")
# What decides, beside our code, whether bytes can be read.
_READING_CODE = ("flows/readers/*.py", "transforms/charsets.py", "transforms/profiles.py")
_READING_LIBRARIES = ("charset-normalizer", "ftfy", "langdetect", "lz4", "orjson", "pyarrow", "zstandard")


class Part(NamedTuple):
    """A part of one input file, and what that file was when it was listed."""

    path: str  # relative to RAW, '/'-separated, as it is shown
    key: str  # the same as the store takes it
    format: str  # "txt" | "jsonl" | "parquet" | "unsupported", or of NEVER_OPENED
    compression: str  # "", or of COMPRESSIONS: what the name says
    size: int  # of the file; this and the next two as it was listed
    mtime_ns: int
    inode: int
    start: int = 0  # first byte of a plain JSONL, whose lines that begin here or later are read; first row group
    end: int = 0  # exclusive: the lines that begin before this byte; row groups, 0 for all; else 0
    first_row: int = 0  # of the file, at `start` (Parquet)
    first_block: int = 0  # blocks of the file that whoever reads this part hashes
    end_block: int = 0
    error: str = ""  # why it is "unreadable"

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
    source_record: str | None  # line number in the part (1-based) of a JSONL, row number (0-based) in a Parquet
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


def format_of(path: str) -> tuple[str, str]:
    """Format and compression by extension. The format is not guessed at; the compression is asked when it is read."""
    stem, extension = os.path.splitext(path.lower())
    compression = COMPRESSIONS.get(extension, "")
    if compression:
        extension = os.path.splitext(stem)[1]
    format = FORMATS.get(extension, "unsupported")
    if format == "unsupported" or (compression and format not in COMPRESSIBLE):
        return "unsupported", ""
    return format, compression


class Reading:
    """A part being read: iterate over its records, then ask."""

    def __init__(self, store: Store, part: Part, config: Config) -> None:
        self.store = store
        self.part = part
        self.config = config
        # Lines that the part held, blank ones too: so much further are those of the next part. 0 in other formats.
        self.lines = 0
        # SHA-256 of the blocks from `part.first_block` on.
        self.blocks: tuple[str, ...] = ()
        # What was read as what.
        self.fields = FieldReader(config)
        # Whether all of it was read, so that the blocks say what it holds.
        self.is_read = False

    def __iter__(self) -> Iterator[Record]:
        """The records, in order. Raises: OSError, ShardError."""
        part = self.part
        if part.format in NEVER_OPENED:
            yield _never_opened(part)
            return
        listed = Facts(part.size, part.mtime_ns, part.inode)
        try:
            with self.store.open(Ref("raw", part.key, "")) as file:
                check_unchanged(self.store, file, part.path, listed)
                source = Source(file, part.size, part.first_block, part.end_block)
                for record in self._records(source):
                    # Libraries make other errors of those of the disk, and readers records of these.
                    source.raise_failure()
                    yield record
                source.raise_failure()
                self.blocks = source.finish()
                check_unchanged(self.store, file, part.path, listed)
                self.is_read = True
        except PermissionError as error:
            if not part.is_whole:  # it could be opened when it was cut
                raise
            yield rejected(part, "read.unreadable", f"{part.path}: {error.strerror}")

    def _records(self, file: BinaryIO) -> Iterator[Record]:
        # Imported here, as these modules take `Part` and `Record` from this one.
        from flows.readers import delimited, jsonl, objects, parquet, text
        from flows.readers.compression import as_it_is

        part = as_it_is(file, self.part)
        if part.format == "jsonl" and not objects.is_list(file, part, self.config):
            self.lines = yield from jsonl.read_jsonl(file, part, self.config, self.fields)
            return
        readers = {
            "jsonl": objects.read,
            "json": objects.read,
            "csv": delimited.read,
            "tsv": delimited.read,
            "parquet": parquet.read_parquet,
        }
        if part.format in readers:
            yield from readers[part.format](file, part, self.config, self.fields)
            return
        others = {"txt": text.read_text, "unsupported": _read_unsupported}
        yield from others[part.format](file, part, self.config)


def _never_opened(part: Part) -> Record:
    found = {
        "unreadable": ("read.unreadable", part.error),
        "not_a_file": ("read.not_a_file", "a fifo, socket or device, expected a file"),
        "same_file": ("read.same_file", "a link to a file read under another path"),
    }
    reason, detail = found[part.format]
    return rejected(part, reason, f"{part.path}: {detail}")


def reading_hash(config: Config) -> str:
    """SHA-256 over what decides whether a record can be read: fields, charset, limits, code, libraries."""
    said = [asdict(config.fields), asdict(config.read), asdict(config.limits), _reading_code()]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


@cache
def _reading_code() -> str:
    root = Path(__file__).parent.parent.parent
    files = sorted(file for pattern in _READING_CODE for file in root.glob(pattern))
    said = [f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}" for file in files]
    said += [f"{library} {version(library)}" for library in _READING_LIBRARIES]
    return "\n".join(said)


def _read_unsupported(file: BinaryIO, part: Part, config: Config) -> Iterator[Record]:
    """A file of a format Tamis doesn't read is one rejected record."""
    known = ", ".join(FORMATS)
    detail = f"{part.path}: expected one of {known}, compressed or not ({', '.join(COMPRESSIONS)})"
    yield rejected_file(file, part, "read.unsupported_format", detail)


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
