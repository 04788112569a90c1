"""Readers: a file becomes records, good or bad. Nothing is skipped in silence.

One module per format, which gives a `FORMAT`: what names end in, how it is read, how it is cut. A record that can't be
read is a `Record` too, with its reason (`read.*`, `limit.*`), a detail for people and the first bytes of what was
found. No bytes make a reader raise. What the disk fails to give does: a failure of the machine is no fact about the
text, so it fails the step (only where reading is forbidden, which stays, that is a record). So does a file that isn't
what was listed.

Lines of a JSONL are counted from 1 within the part, as nobody has read what is before it; whoever has read all
parts adds up their `fields.lines`.

>>> format_of("news/2024.JSONL.gz")
('jsonl', 'gz')
>>> format_of("news/2024.tgz")
('tar', 'gz')
>>> format_of("news/2024.pdf")
('unsupported', '')
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

from flows.names import SHORT
from flows.readers import archives, arrow, delimited, html, jsonl, objects, parquet, text, warc
from flows.readers.compression import Damage, compression_of, head_of
from flows.readers.fields import FieldReader
from flows.readers.guard import Watch
from flows.readers.records import Part, Record, rejected, rejected_file
from flows.readers.source import Source, check_unchanged
from flows.store import Facts, Ref, Store
from transforms.config import Config
from transforms.errors import RecordError

# One module a format; in the order in which they are named to people.
_FORMATS = (
    *(text.FORMAT, jsonl.FORMAT, objects.FORMAT, delimited.FORMAT, html.FORMAT, warc.FORMAT),
    *(parquet.FORMAT, arrow.FORMAT, archives.ZIP, archives.TAR),
)
FORMATS = {extension: name for format in _FORMATS for extension, name in format.extensions.items()}
READERS = {name: format for format in _FORMATS for name in format.extensions.values()}
COMPRESSIONS = {".gz": "gz", ".zst": "zst", ".bz2": "bz2", ".xz": "xz", ".lz4": "lz4"}
# What is one rejected record without being opened: a link to nowhere; a fifo, socket or device, which could block; a
# link to a file that is read under another path.
NEVER_OPENED = ("unreadable", "not_a_file", "same_file")
# What isn't read, and the usual tool that makes text of it.
CONVERTERS = {
    ".pdf": "pdftotext (poppler)",
    ".djvu": "djvutxt (DjVuLibre)",
    **dict.fromkeys([".docx", ".epub", ".odt", ".rtf", ".tex", ".rst", ".ipynb", ".fb2"], "pandoc"),
    **dict.fromkeys([".doc", ".ppt", ".pptx", ".odp"], "soffice --convert-to (LibreOffice), by way of PDF,"),
    **dict.fromkeys([".xls", ".xlsx", ".ods"], "soffice --convert-to csv (LibreOffice)"),
    **dict.fromkeys([".mobi", ".azw", ".azw3"], "ebook-convert (Calibre)"),
    **dict.fromkeys([".mbox", ".eml", ".msg"], "a mail library (Python's mailbox and email; .msg: msgconvert first)"),
    **dict.fromkeys([".png", ".jpg", ".jpeg", ".tif", ".tiff"], "tesseract"),
    **dict.fromkeys([".7z", ".rar"], "unpacking (7z, unar)"),
}
# What decides, beside our code, whether bytes can be read.
_READING_CODE = (
    "flows/readers/*.py",
    "flows/names.py",
    *(f"transforms/{name}.py" for name in ("charsets", "head", "html", "markup", "profiles", "values")),
)
# Of the extras, what they bring.
_READING_EXTRAS = ("turbohtml", "brotli")
_READING_LIBRARIES = ("charset-normalizer", "ftfy", "langdetect", "lz4", "orjson", "pyarrow", "zstandard")


def format_of(path: str) -> tuple[str, str]:
    """Format and compression by extension. The format is not guessed at; the compression is asked when it is read."""
    stem, extension = os.path.splitext(path.lower())
    if extension in SHORT:
        stem, extension = os.path.splitext(stem + SHORT[extension])
    compression = COMPRESSIONS.get(extension, "")
    if compression:
        extension = os.path.splitext(stem)[1]
    format = FORMATS.get(extension, "unsupported")
    if format == "unsupported" or (compression and not READERS[format].is_compressible):
        return "unsupported", ""
    return format, compression


class Reading:
    """A part being read: iterate over its records, then ask."""

    def __init__(self, store: Store, part: Part, config: Config, watch: Watch | None = None) -> None:
        self.store = store
        self.part = part
        self.config = config
        self.watch = watch or Watch(config, lambda: None)
        # SHA-256 of the blocks from `part.first_block` on.
        self.blocks: tuple[str, ...] = ()
        # What was read as what.
        self.fields = FieldReader(config)
        # What may be unpacked of an archive, and what was passed over in it.
        self.allowance = archives.Allowance(part.size, config.limits, self.fields.passed)
        # Whether all of it was read, so that the blocks say what it holds.
        self.is_read = False

    def __iter__(self) -> Iterator[Record]:
        """The records, in order. Raises: OSError, ShardError."""
        part = self.part
        if part.format in NEVER_OPENED:
            yield _never_opened(part)
            return
        if part.error:
            yield rejected(part, "read.shard_failed", f"{part.path}: {part.error}")
            return
        listed = Facts(part.size, part.mtime_ns, part.inode)
        try:
            with self.store.open(Ref("raw", part.key, "")) as file:
                check_unchanged(self.store, file, part.path, listed)
                source = Source(file, part.size, part.first_block, part.end_block)
                for number, record in enumerate(self._watched(self._bounded(source))):
                    # Libraries make other errors of those of the disk, and readers records of these.
                    source.raise_failure()
                    yield self._page(number, record) if html.is_page(record, self.config) else record
                source.raise_failure()
                self.blocks = source.finish()
                check_unchanged(self.store, file, part.path, listed)
                self.is_read = True
        except PermissionError as error:
            if not part.is_whole:  # it could be opened when it was cut
                raise
            yield rejected(part, "read.unreadable", f"{part.path}: {error.strerror}")

    def said(self) -> dict[str, Any]:
        """What was read as what, how far, and the hashes of the blocks."""
        return {"is_read": self.is_read, "blocks": list(self.blocks), **self.fields.said()}

    def _watched(self, records: Iterator[Record]) -> Iterator[Record]:
        if self.part.format not in READERS or not READERS[self.part.format].may_crash:
            yield from records
            return
        while True:
            with self.watch.risk():
                record = next(records, None)
            if record is None:
                return
            yield record

    def _page(self, number: int, record: Record) -> Record:
        try:
            with self.watch.page(number):
                return html.as_text(record)
        except RecordError as error:
            return html.unread(record, error)

    def _bounded(self, file: BinaryIO) -> Iterator[Record]:
        most = self.config.limits.file_records
        for count, record in enumerate(self._records(file, self.part, 1), 1):
            if count > most:
                detail = f"{self.part.path}: more than {most:,} records; the rest is not read"
                yield rejected(self.part, "limit.file_records", detail)
                return
            yield record

    def _records(self, file: BinaryIO, part: Part, depth: int) -> Iterator[Record]:
        """The records of a file that is in so many archives, counting itself."""
        part = _as_it_is(file, part)
        if part.format == "unsupported":
            yield _unsupported(file, part)
            return
        read = READERS[part.format].read
        if read is None:
            yield from self._members(file, part, depth)
            return
        if part.format == "jsonl" and objects.is_list(file, part, self.config):
            read = objects.read
        yield from read(file, part, self.config, self.fields)

    def _members(self, file: BinaryIO, part: Part, depth: int) -> Iterator[Record]:
        most = self.config.limits.nesting
        if depth > most:
            yield rejected_file(file, part, "limit.nesting", f"{part.path}: deeper than {most} archives")
            return
        for member in archives.read_members(file, part, self.config, self.allowance, format_of):
            if isinstance(member, Record):
                yield member
                continue
            try:
                yield from self._records(member.file, member.part, depth + 1)
            except Damage as damage:  # where its reader takes none
                yield rejected(member.part, damage.reason, f"{member.part.path}: {damage.detail}")


def _as_it_is(file: BinaryIO, part: Part) -> Part:
    """The part, compressed as its first bytes say. What was cut was looked at then."""
    if part.format == "unsupported" or not READERS[part.format].is_compressible or not part.is_whole:
        return part
    found = compression_of(head_of(file), part.compression)
    if found == part.compression:
        return part
    part = part._replace(compression=found, end=0)
    return part._replace(end=part.size) if part.is_lines else part


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
    said += [f"{library} {version(library)}" for library in _READING_EXTRAS if find_spec(library)]
    return "\n".join(said)


def _unsupported(file: BinaryIO, part: Part) -> Record:
    ending = os.path.splitext(part.path.lower())[1]
    tool = f"{CONVERTERS[ending]} makes text of it; " if ending in CONVERTERS else ""
    known = f"{', '.join(FORMATS)}, compressed or not ({', '.join(COMPRESSIONS)})"
    return rejected_file(file, part, "read.unsupported_format", f"{part.path}: {tool}expected one of {known}")
