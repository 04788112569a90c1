"""CSV and TSV: a row is a record, the first row names the fields. Python's `csv` reads, in strict mode.

A row may hold line ends in quotes. What is no row is rejected alone: one with too many or too few cells, or, where
quotes don't add up, its first line; the next line is read on. The rows are read as the lines of a JSONL are: each
becomes the JSON object that it says. `source_record` counts the rows below the header from 1, blank lines left out;
`source_sha256` is that of the JSON.

The delimiter is what `[read] delimiter` says; else what `sep=` in the first line says, as Excel writes it; else a tab
in a `.tsv`; else that of `DELIMITERS` by which the header has the text field, and most fields.
"""

import csv
import hashlib
import io
import re
from collections import Counter, deque
from collections.abc import Iterator
from typing import BinaryIO

import orjson

from flows.readers.fields import FieldReader
from flows.readers.jsonl import Lines, Unread, read_objects
from flows.readers.records import RAW_HEAD_BYTES, Format, Part, Record, quoted, rejected, rejected_file
from transforms.charsets import decode
from transforms.config import Config
from transforms.errors import RecordError

DELIMITERS = ",;\t|"
SEPARATOR = re.compile(r"sep=([^\w\s\"]|\t)\r?\n?")
# The module's own limit is 131,072 characters a cell, for the whole process; records have one of their own here.
csv.field_size_limit(2**31 - 1)


def read(file: BinaryIO, part: Part, config: Config, reader: FieldReader) -> Iterator[Record]:
    """The records of the file's rows; one record for a file that has no such fields."""
    rows = _Rows(file, part, config, reader)
    try:
        rows.read_header()
    except RecordError as error:
        yield rejected_file(file, part, error.reason, f"{part.path}: {error.detail}")
        return
    empty, _ = yield from read_objects(rows, part, config, reader)
    if empty:
        yield rejected(part, "read.empty_file", f"{part.path}: no row below the header", raw=b"")


class _NoRow(Exception):
    """A row that can't be read on."""


class _Rows:
    """Every row as a JSON object; what was no row; last, where the file is damaged, all that is left."""

    def __init__(self, file: BinaryIO, part: Part, config: Config, reader: FieldReader) -> None:
        self.part = part
        self.reader = reader
        self.config = config
        self.limit = config.limits.record_bytes
        self.source = Lines(file, part, config)
        self.lines = self.source.read(keep_ends=True)
        self.names: list[str] = []
        self.delimiter = config.read.delimiter or ("\t" if part.format == "tsv" else "")
        self.charset: str | None = None  # of the row that was given last
        self.pending: deque[bytes | Unread] = deque()  # read, and to be read again
        self.held: list[bytes] = []  # the lines of this row
        self.is_utf8 = True

    def read_header(self) -> None:
        """Raises: RecordError where it doesn't name one text field."""
        first = self._next()
        while isinstance(first, bytes) and not first.strip():
            first = self._next()
        if first is None:
            return
        if isinstance(first, Unread):
            raise RecordError(first.reason, first.detail)
        head = self._decoded(first)
        if said := SEPARATOR.fullmatch(head):
            self.delimiter = self.delimiter or said[1]
        else:
            self.pending.appendleft(first)
            self.delimiter = self.delimiter or self._sniffed(head)
        try:
            next(self._reader())
            [names] = _parsed(self._decoded(b"".join(self.held)), self.delimiter)
        except (csv.Error, _NoRow, StopIteration, ValueError):
            raise RecordError("read.invalid_row", "the header is no row") from None
        self.names = [name.strip() for name in names]
        there = f"there: {quoted(', '.join(self.names))}"
        if twice := [
            name for name, count in Counter(self.names).items() if count > 1 and _has_text([name], self.reader)
        ]:
            raise RecordError("read.wrong_type", f"several columns are named '{quoted(twice[0])}'; {there}")
        if not _has_text(self.names, self.reader):
            raise RecordError("read.no_text", f"no column of texts; {there}")

    def _decoded(self, raw: bytes) -> str:
        try:
            return decode(raw, configured=self.config.read.encoding)[0]
        except RecordError:
            return raw.decode(errors="replace")

    def _sniffed(self, head: str) -> str:
        def columns(delimiter: str) -> tuple[bool, int]:
            try:
                names = [name.strip() for row in csv.reader([head], delimiter=delimiter) for name in row]
            except csv.Error:
                return False, 0
            return _has_text(names, self.reader), len(names)

        return max(DELIMITERS, key=columns)

    def __iter__(self) -> Iterator[bytes | Unread]:
        reader = self._reader()
        while True:
            self.held, self.is_utf8 = [], True
            try:
                cells = next(reader)
            except StopIteration:
                return
            except (csv.Error, _NoRow) as error:
                yield self._no_row(str(error))
                reader = self._reader()
                continue
            if not cells:  # a blank line
                continue
            yield self._object(cells)

    def _reader(self) -> "Iterator[list[str]]":
        return csv.reader(self._feed(), delimiter=self.delimiter or ",", strict=True)

    def _feed(self) -> Iterator[str]:
        """The lines, as `csv` asks for them; bytes that aren't UTF-8 are lone surrogates."""
        size = sum(map(len, self.held))
        while True:
            if not self.held:
                size = 0
            line = self._next()
            if line is None:
                return
            if isinstance(line, Unread):
                self.pending.appendleft(line)
                raise _NoRow(line.detail)
            self.held.append(line)
            size += len(line)
            if size > self.limit + 2:
                raise _NoRow(f"more than {self.limit:,} bytes")
            try:
                text = line.decode()
            except UnicodeDecodeError:
                text = line.decode(errors="surrogateescape")
                self.is_utf8 = False
            yield text

    def _next(self) -> bytes | Unread | None:
        return self.pending.popleft() if self.pending else next(self.lines, None)

    def _no_row(self, detail: str) -> Unread:
        """What is rejected: the first line. What follows it is read on, as a stray quote may have opened anything."""
        if not self.held:
            found = self.pending.popleft()
            assert isinstance(found, Unread)
            return found
        self.pending.extendleft(reversed(self.held[1:]))
        raw = self.held[0]
        return Unread("read.invalid_row", quoted(detail), hashlib.sha256(raw).hexdigest(), raw[:RAW_HEAD_BYTES])

    def _object(self, cells: list[str]) -> bytes | Unread:
        """The row as JSON."""
        raw = b"".join(self.held) if len(self.held) > 1 else self.held[0]
        try:
            self.charset = self.source.charset
            if not self.is_utf8:
                cells, self.charset = self._legacy(raw, cells)
            self._check_length(cells)
        except RecordError as error:
            return Unread(error.reason, error.detail, hashlib.sha256(raw).hexdigest(), raw[:RAW_HEAD_BYTES])
        return orjson.dumps(dict(zip(self.names, cells, strict=True)))

    def _check_length(self, cells: list[str]) -> None:
        expected = len(self.names)
        while len(cells) > expected and not cells[-1]:  # a delimiter at the end
            cells.pop()
        if len(cells) != expected:
            raise RecordError("read.invalid_row", f"{len(cells)} cells, expected {expected}")

    def _legacy(self, raw: bytes, cells: list[str]) -> tuple[list[str], str]:
        """The cells of a row that isn't UTF-8. Raises: RecordError."""
        said = dict(zip(self.names, cells, strict=False)).get(self.config.fields.charset)

        def prose(text: str) -> str | None:
            try:
                rows = _parsed(text, self.delimiter)
            except csv.Error:
                return None
            if len(rows) != 1 or len(rows[0]) != len(cells):
                return None
            return "\n".join(cell for cell in rows[0] if not cell.isascii())

        text, charset = decode(raw, said, prose, self.config.read.encoding)
        return _parsed(text, self.delimiter)[0], charset


def _parsed(text: str, delimiter: str) -> list[list[str]]:
    """The rows of a text. Raises: csv.Error."""
    rows = csv.reader(io.StringIO(text, newline="\n"), delimiter=delimiter, strict=True)
    return [cells for cells in rows if cells]


def _has_text(names: list[str], reader: FieldReader) -> bool:
    """Whether a row with something in every one of these columns has a text."""
    return type(reader.read(dict.fromkeys(names, "x")).text) is str


FORMAT = Format({".csv": "csv", ".tsv": "tsv"}, read)
