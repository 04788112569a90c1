"""Arrow: files (Feather 2) and streams, as pandas, Polars and Hugging Face write them. A row is a record.

A file holds a stream between eight bytes and a footer, and is read as one: batch by batch, so that of one that is cut
off the batches before stay. A batch that can't be opened is one record, and the next one is read, unless it brought a
dictionary, on which the next may build. The format has no checksums: of flipped bits those are seen that point outside
or break the compression.

A batch is as large as its writer made it, and is held whole while its rows are read; it is not opened if what it claims
to open to is out of proportion. `source_sha256` of a record that stands for a file is that of the file.
"""

import os
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa

from flows.readers.compression import EXPANSION_FLOOR
from flows.readers.fields import FieldReader
from flows.readers.records import Format, Part, Record, digest_and_head, quoted, rejected, rejected_file
from flows.readers.rows import BATCH_BYTES, BATCH_ROWS, DAMAGED, check_text, is_text, read_rows, wanted_columns
from transforms.config import Config
from transforms.errors import RecordError

MAGIC, MAGIC_BYTES = b"ARROW1", 8
FEATHER_1 = b"FEA1"
# Before a message's length, since Arrow 0.15.
CONTINUATION = 0xFFFFFFFF
# Kinds of messages (Message.fbs).
DICTIONARY, BATCH = 2, 3
# A schema of ten thousand columns makes headers of a megabyte.
HEADER_BYTES = 64 * 1024 * 1024
# What is checked of a column: where its bytes lie, not whether they are UTF-8, which is a matter of one row.
AS_BYTES = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary(), pa.string_view(): pa.binary_view()}


class _Group(NamedTuple):
    """A batch, and the dictionaries that come before it."""

    start: int
    end: int  # the byte after it
    rows: int
    has_dictionary: bool
    fault: RecordError | None  # why it is not to be opened


def read(file: BinaryIO, part: Part, config: Config, reader: FieldReader) -> Iterator[Record]:
    """The records of the file's rows; one record for a file that can't be used at all."""
    file.seek(0)
    head = file.read(len(MAGIC))
    if head.startswith(FEATHER_1):
        detail = f"{part.path}: Feather version 1, expected version 2; pandas.read_feather reads it"
        yield rejected_file(file, part, "read.unsupported_format", detail)
        return
    is_file = head == MAGIC
    start = MAGIC_BYTES if is_file else 0
    try:
        stream = _opened(file, start, None)
        at, schema = file.tell(), stream.schema
        columns, mapped = wanted_columns(schema, config.fields, reader)  # names may be damaged
    except DAMAGED as error:
        yield rejected_file(file, part, "read.corrupt", f"{part.path}: {quoted(error)}")
        return
    try:
        check_text(schema, lambda: _sizes(stream, schema), reader, part.path)
    except RecordError as error:
        yield rejected_file(file, part, error.reason, error.detail)
        return
    batches = _Batches(file, start, columns, mapped)
    row = 0
    while True:
        try:
            group = _next_group(file, at, part.size, config.limits.expansion_ratio)
        except RecordError as error:
            yield rejected(part, error.reason, f"from this row on: {error.detail}", record=str(row))
            return
        if isinstance(group, int):
            break
        done = 0
        try:
            if group.fault is not None:
                raise group.fault
            batch = batches.decoded(group)
            for first, rows in _slices(batch):
                yield from read_rows(rows, row + first, part, config, reader)
                done = first + len(rows)
            reader.cut += len(batch) * batches.is_cut
        except (RecordError, *DAMAGED) as error:
            fault = group.fault or RecordError("read.corrupt", quoted(error))
            many = "from this row on" if group.has_dictionary else f"{group.rows - done:,} rows from this one on"
            yield rejected(part, fault.reason, f"{many}: {fault.detail}", record=str(row + done))
            if group.has_dictionary:
                return
        at, row = group.end, row + group.rows
    yield from _ended(file, group, part, is_file, row)


class _Batches:
    """The batches of a stream, with these columns; with those that are mapped only, once another is damaged."""

    def __init__(self, file: BinaryIO, start: int, columns: list[str], mapped: list[str]) -> None:
        self.file = file
        self.start = start
        self.mapped = mapped
        self.is_cut = False
        self.stream = _opened(file, start, columns)
        self.all_mapped = columns == mapped
        self.dictionaries: list[int] = []  # where they were read

    def decoded(self, group: _Group) -> pa.RecordBatch:
        """Raises: of DAMAGED."""
        try:
            batch = self._next(group.start)
        except DAMAGED:
            if self.is_cut or self.all_mapped:
                raise
            # Another field may be damaged, or of a kind that can't be read: the text may not.
            self.stream = _opened(self.file, self.start, self.mapped)
            for start in self.dictionaries:
                self._next(start)
            batch = self._next(group.start)
            self.is_cut = True
        if group.has_dictionary:
            self.dictionaries.append(group.start)
        return batch

    def _next(self, start: int) -> pa.RecordBatch:
        self.file.seek(start)
        batch = self.stream.read_next_batch()
        for column in batch.columns:
            _as_bytes(column).validate(full=True)
        return batch


def _opened(file: BinaryIO, start: int, columns: list[str] | None) -> pa.RecordBatchStreamReader:
    """The stream, of which these columns are read. Raises: of DAMAGED."""
    file.seek(start)
    stream = pa.ipc.open_stream(file)
    if columns is None or len(columns) == len(stream.schema):
        return stream
    wanted = [number for number, name in enumerate(stream.schema.names) if name in columns]
    file.seek(start)
    return pa.ipc.open_stream(file, options=pa.ipc.IpcReadOptions(included_fields=wanted))


def _as_bytes(column: "pa.Array[Any]") -> "pa.Array[Any]":
    """The column, with bytes in the place of strings."""
    if isinstance(column, pa.DictionaryArray):
        return pa.DictionaryArray.from_arrays(column.indices, _as_bytes(column.dictionary))
    kind = AS_BYTES.get(column.type)
    return column.view(kind) if kind else column


def _slices(batch: pa.RecordBatch) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The rows, few enough at a time that their texts can be held, with the number of the first: views of one text may
    stand in any number of them."""
    sizes = np.zeros(len(batch), np.int64)
    for column in batch.columns:
        if column.type in (pa.string_view(), pa.binary_view()) and len(column):
            views = np.frombuffer(column.buffers()[1], np.int32).reshape(-1, 4)
            sizes += np.maximum(views[column.offset : column.offset + len(column), 0], 0)
    passed = np.concatenate([[0], np.cumsum(sizes)])
    first = 0
    while first < len(batch):
        end = int(np.searchsorted(passed, passed[first] + BATCH_BYTES, "right")) - 1
        end = min(max(end, first + 1), first + BATCH_ROWS, len(batch))
        yield first, batch.slice(first, end - first)
        first = end


def _sizes(stream: pa.RecordBatchStreamReader, schema: pa.Schema) -> dict[str, int]:
    """The columns, with the bytes of those that hold text, in the first batch."""
    sizes = dict.fromkeys(schema.names, 0)
    try:
        batch = stream.read_next_batch()
    except (*DAMAGED, StopIteration):
        return sizes
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if is_text(column.type):
            sizes[name] += column.nbytes
    return sizes


def _ended(file: BinaryIO, at: int, part: Part, is_file: bool, row: int) -> Iterator[Record]:
    """What is to be said of the end, which is at this byte."""
    file.seek(-len(MAGIC), os.SEEK_END)
    if is_file and file.read() != MAGIC:
        yield rejected(part, "read.truncated", "the file stops before its footer", record=str(row))
    elif not is_file and at < part.size:
        file.seek(at)
        sha256, raw_head, size = digest_and_head(iter(lambda: file.read(1 << 20), b""))
        detail = f"{size:,} bytes after the end of the stream"
        yield rejected(part, "read.trailing_garbage", detail, raw=raw_head, sha256=sha256)
    elif not row:
        yield rejected_file(file, part, "read.empty_file", f"{part.path}: no rows")


# ------------------------------------------------------------------------------------------- messages (Message.fbs)


def _next_group(file: BinaryIO, at: int, size: int, expansion_ratio: int) -> _Group | int:
    """What stands at this byte, or the byte after the end of the stream. Raises: RecordError."""
    start, has_dictionary, fault = at, False, None
    try:
        while True:
            file.seek(at)
            length = _word(file.read(4))
            length = _word(file.read(4)) if length == CONTINUATION else length
            if not length:
                return file.tell()
            body = file.tell() + length
            if length > HEADER_BYTES:
                raise struct.error("no header is so long")
            if body > size:
                raise RecordError("read.truncated", f"the file stops after {size:,} bytes, inside a batch")
            header = _Table.of(file.read(length))
            kind, content, body_bytes = header.number(1, "<B"), header.table(2), header.number(3, "<q")
            at = body + body_bytes
            if body_bytes < 0 or kind not in (DICTIONARY, BATCH):
                raise struct.error("no batch")
            if at > size:
                raise RecordError("read.truncated", f"the file stops after {size:,} bytes, inside a batch")
            content = content.table(1) if kind == DICTIONARY else content
            opened = _opened_bytes(file, content, body, body_bytes)
            if opened > max(EXPANSION_FLOOR, expansion_ratio * body_bytes):
                detail = f"{body_bytes:,} bytes open to {opened:,}, expected {expansion_ratio} times as many at most"
                fault = fault or RecordError("limit.expansion", detail)
            if kind == BATCH:
                rows = content.number(0, "<q")
                if rows < 0:
                    raise struct.error("no number of rows")
                return _Group(start, at, rows, has_dictionary, fault)
            has_dictionary = True
    except struct.error:
        if at >= size:
            raise RecordError("read.truncated", f"the file ends after {size:,} bytes, but not the stream") from None
        raise RecordError("read.corrupt", f"no batch at byte {start:,}") from None


def _opened_bytes(file: BinaryIO, batch: "_Table", body: int, body_bytes: int) -> int:
    """How many bytes a body claims to open to: each of its compressed buffers begins with its length."""
    if not batch.has(3):
        return 0
    opened = 0
    for offset, length in batch.pairs(2):
        if length >= 8 and 0 <= offset <= body_bytes - 8:
            file.seek(body + offset)
            (claimed,) = struct.unpack("<q", file.read(8))
            opened += max(claimed, 0)
    return opened


def _word(raw: bytes) -> int:
    (word,) = struct.unpack("<I", raw)
    return int(word)


class _Table(NamedTuple):
    """A table of FlatBuffers, of which only what is needed is read. Raises: struct.error where there is none."""

    buffer: bytes
    at: int

    @classmethod
    def of(cls, buffer: bytes) -> "_Table":
        return cls(buffer, *struct.unpack_from("<I", buffer))

    def _place(self, field: int) -> int:
        """Where a field stands; 0 where it has its default."""
        (back,) = struct.unpack_from("<i", self.buffer, self.at)
        slots = self._checked(self.at - back)
        (size,) = struct.unpack_from("<H", self.buffer, slots)
        if 4 + 2 * field >= size:
            return 0
        (place,) = struct.unpack_from("<H", self.buffer, slots + 4 + 2 * field)
        return self.at + place if place else 0

    def _checked(self, at: int) -> int:
        if not 0 <= at < len(self.buffer):
            raise struct.error("outside of the buffer")
        return at

    def has(self, field: int) -> bool:
        return bool(self._place(field))

    def number(self, field: int, kind: str) -> int:
        place = self._place(field)
        return int(struct.unpack_from(kind, self.buffer, place)[0]) if place else 0

    def _target(self, field: int) -> int:
        place = self._place(field)
        if not place:
            raise struct.error("a field is missing")
        (forward,) = struct.unpack_from("<I", self.buffer, place)
        return self._checked(place + forward)

    def table(self, field: int) -> "_Table":
        return _Table(self.buffer, self._target(field))

    def pairs(self, field: int) -> Iterator[tuple[int, int]]:
        """A vector of two numbers each."""
        target = self._target(field)
        (count,) = struct.unpack_from("<I", self.buffer, target)
        for number in range(count):
            yield struct.unpack_from("<qq", self.buffer, target + 4 + 16 * number)


FORMAT = Format(
    {".arrow": "arrow", ".feather": "arrow", ".arrows": "arrow", ".ipc": "arrow"},
    read,
    is_compressible=False,
    may_crash=True,
)
