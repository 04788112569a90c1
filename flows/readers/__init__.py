"""Readers: a file becomes records, good or bad. Nothing is skipped in silence.

One module per format, one function each: `open file, part, config -> records`. A record that can't be read is
a `Record` too, with its reason (`read.*`, `limit.*`), a detail for people and the first bytes of what was
found. No bytes make a reader raise, and what a record is called never depends on how its file was cut.

>>> format_of("news/2024.JSONL.gz")
('jsonl', 'gz')
>>> format_of("news/2024.csv")
('unsupported', '')
"""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, NamedTuple

from transforms.config import Config
from transforms.errors import RecordError

# Of a rejected record, enough bytes to see what it is and little enough to keep for every one.
RAW_HEAD_BYTES = 1_024
# What a message may quote of the input.
DETAIL_CHARS = 80
# Unix seconds from 1990 to 2100: outside, the number is a row count, milliseconds or a mistake.
UNIX_SECONDS = (631_152_000, 4_102_444_800)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FORMATS = {".txt": "txt", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
COMPRESSIONS = {".gz": "gz", ".zst": "zst"}


class Part(NamedTuple):
    """A piece of one input file, the unit a shard is made of."""

    path: str  # relative to RAW, '/'-separated
    format: str  # "txt" | "jsonl" | "parquet"; or, never opened: "unsupported" | "not_a_file" | "same_file"
    compression: str  # "" | "gz" | "zst"
    start: int  # first byte of a plain JSONL, first row group of a Parquet, else 0
    end: int  # exclusive; file size or number of row groups where whole
    first_record: int  # line number (1-based, JSONL) or row number (0-based, Parquet) at `start`; else 0


class Record(NamedTuple):
    """One raw record, good (no `reject_reason`) or bad."""

    source_path: str
    source_format: str
    source_record: str | None  # line number (1-based) in a JSONL, row number (0-based) in a Parquet
    source_sha256: str  # of the raw record's bytes; each reader says which
    source_id: str | None
    url: str | None
    fetched_at: datetime | None  # UTC
    original: str  # the text after decoding; BOM and line ends kept; '' where unreadable
    reject_reason: str | None
    reject_detail: str | None
    raw_head: bytes | None  # first 1,024 raw bytes of a rejected record; None where nothing was opened
    charset: str | None = None  # what the bytes were decoded from, by Python's name; None where UTF-8


def format_of(path: str) -> tuple[str, str]:
    """Format and compression by extension: content is not guessed at."""
    stem, extension = os.path.splitext(path.lower())
    compression = COMPRESSIONS.get(extension, "")
    if compression:
        extension = os.path.splitext(stem)[1]
    format = FORMATS.get(extension, "unsupported")
    if format == "unsupported" or (format == "parquet" and compression):
        return "unsupported", ""
    return format, compression


def read_part(raw: Path, part: Part, config: Config) -> Iterator[Record]:
    """The records of a part, in order."""
    # Imported here, as these modules take `Part` and `Record` from this one.
    from flows.readers.jsonl import read_jsonl
    from flows.readers.parquet import read_parquet
    from flows.readers.text import read_text

    readers = {
        "txt": read_text,
        "jsonl": read_jsonl,
        "parquet": read_parquet,
        "unsupported": _read_unsupported,
    }
    try:
        file = _open(raw, part)
    except RecordError as error:
        yield rejected(part, error.reason, error.detail)
        return
    with file:
        yield from readers[part.format](file, part, config)


def _open(raw: Path, part: Part) -> BinaryIO:
    """The file, open. Raises: RecordError. A fifo, socket or device is never opened: it could block."""
    if part.format == "same_file":
        raise RecordError("read.same_file", f"{part.path}: a link to a file read under another path")
    try:
        if part.format == "not_a_file" or is_special(os.stat(raw / part.path).st_mode):
            raise RecordError("read.not_a_file", f"{part.path}: a fifo, socket or device, expected a file")
        return open(raw / part.path, "rb")
    except (OSError, ValueError) as error:
        # The error's own text would carry the machine's path.
        found = error.strerror if isinstance(error, OSError) else "the name can't be a path"
        if "\ufffd" in part.path:
            found = "the file's name is not UTF-8"
        raise RecordError("read.unreadable", f"{part.path}: {found}") from None


def is_special(mode: int) -> bool:
    """Whether a path of this mode is a fifo, socket or device."""
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _read_unsupported(file: BinaryIO, part: Part, config: Config) -> Iterator[Record]:
    """A file of a format Tamis doesn't read is one rejected record."""
    known = ", ".join(FORMATS)
    detail = f"{part.path}: expected one of {known}; all but the last also with .gz or .zst"
    yield rejected_file(file, part, "read.unsupported_format", detail)


def rejected_file(file: BinaryIO, part: Part, reason: str, detail: str) -> Record:
    """One record for a file that can't be used at all; `source_sha256` is the file's."""
    try:
        file.seek(0)
        sha256, raw_head, _ = digest_and_head(iter(lambda: file.read(1 << 20), b""))
    except OSError as error:
        return rejected(part, "read.unreadable", f"{part.path}: {error.strerror}")
    return rejected(part, reason, detail, raw=raw_head, sha256=sha256)


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


def read_time(value: object) -> datetime | None:
    """An ISO 8601 text, or Unix seconds from 1990 to 2100, as UTC; None for anything else.

    >>> read_time("2024-03-01T12:00:00+02:00")
    datetime.datetime(2024, 3, 1, 10, 0, tzinfo=datetime.timezone.utc)
    >>> read_time(1709287200)
    datetime.datetime(2024, 3, 1, 10, 0, tzinfo=datetime.timezone.utc)
    """
    try:
        if isinstance(value, str):
            time = datetime.fromisoformat(value.strip())
            return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            first, last = UNIX_SECONDS
            return EPOCH + timedelta(seconds=value) if first <= value <= last else None
    except (ValueError, OverflowError):
        pass
    return None
