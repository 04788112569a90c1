"""Rows of columns, as Parquet and Arrow have them: a row is a record.

`source_sha256` is that of the row's canonical JSON, `[id,url,text,fetched_at]`. A text that isn't UTF-8 is decoded for
itself.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from flows.readers.fields import USUAL, FieldReader, text_sizes
from flows.readers.records import Part, Record, accepted, quoted, rejected
from transforms.charsets import decode
from transforms.config import Config, Fields
from transforms.errors import RecordError
from transforms.values import EPOCH

# What pyarrow raises on damaged files: of 10 cuts and 1,500 flipped bits, nothing else.
DAMAGED = (pa.ArrowException, OSError, ValueError, KeyError, MemoryError, OverflowError)
BINARY = (pa.binary(), pa.large_binary(), pa.binary_view())
TEXTS = (pa.string(), pa.large_string(), pa.string_view(), pa.null(), *BINARY)
# Rows made into Python's objects at a time: as many as make 16 MiB, at most 1,024.
BATCH_BYTES, BATCH_ROWS = 16 * 1024 * 1024, 1_024


def wanted_columns(schema: pa.Schema, fields: Fields, reader: FieldReader) -> tuple[list[str], list[str]]:
    """The columns to be read, and those of them that are mapped. Of one name there may be but one."""
    once = [name for name in dict.fromkeys(schema.names) if schema.names.count(name) == 1]
    structs = [(name, kind) for name in once if pa.types.is_struct(kind := schema.field(name).type)]
    nested = tuple((name, tuple(field.name for field in kind)) for name, kind in structs)
    places = reader.places(tuple(once), nested).values()
    mapped = {place.key for among in places for place in among} | {fields.charset}
    wanted = set(once) if fields.extra is True else mapped | set(fields.extra or ())
    return [name for name in once if name in wanted], [name for name in once if name in mapped]


def check_text(schema: pa.Schema, sizes: Callable[[], Mapping[str, int]], reader: FieldReader, path: str) -> None:
    """Raises: RecordError where there is no one column that can hold texts. `sizes` are the columns, with the bytes of
    those that hold text."""
    names = schema.names
    among = reader.places(tuple(dict.fromkeys(names)))["text"]
    usable = [place for place in among if names.count(place.key) == 1]
    if any(place.rest or is_text(schema.field(place.key).type) for place in usable):
        return
    reader.count_textless(sizes())
    there = f"there: {quoted(', '.join(names))}"
    if usable:
        kind = schema.field(usable[0].key).type
        raise RecordError("read.wrong_type", f"{path}: '{quoted(usable[0].name)}' is {quoted(kind)}, expected string")
    name = among[0].name if among else reader.fields.text or USUAL["text"][0]
    count = len(among) and names.count(among[0].key)
    found = f"{path}: {count or 'no'} columns '{quoted(name)}', expected one; {there}"
    if count:
        raise RecordError("read.wrong_type", found)
    raise RecordError("read.no_text", found)


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type can hold texts."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    # A column of nulls only has no type; its rows have no text.
    return kind in TEXTS


def read_rows(batch: pa.RecordBatch, first: int, part: Part, config: Config, reader: FieldReader) -> Iterator[Record]:
    """The records of these rows; `first` is the number of the first one in its file."""
    limit = config.limits.record_bytes
    names = batch.schema.names
    columns = [_values(batch.column(name)) for name in names]
    for row, values in enumerate(zip(*columns, strict=True), first):
        fields = dict(zip(names, values, strict=True))
        found = reader.read(fields)
        source_id, text = _id_text(found.id), found.text
        readable = text.decode(errors="backslashreplace") if isinstance(text, bytes) else text
        if not isinstance(readable, str):
            readable = None
        raw = orjson.dumps([source_id, found.url, readable, found.fetched_at])
        sha256 = hashlib.sha256(raw).hexdigest()
        reason = detail = ""
        charset = None
        if readable is None:
            reader.count_textless(text_sizes(fields))
            reason, detail = "read.no_text", f"'{quoted(found.text_name)}' is null"
        elif isinstance(text, bytes):
            said = fields.get(config.fields.charset)
            try:
                text, charset = decode(text, said if isinstance(said, str) else None, configured=config.read.encoding)
            except RecordError as error:
                reason, detail = error.reason, error.detail
        elif len(raw) > limit and (size := len(text.encode())) > limit:
            reason, detail = "limit.record_bytes", f"{size:,} bytes, expected at most {limit:,}"
        if reason:
            record = rejected(part, reason, detail, record=str(row), raw=raw, sha256=sha256)
            yield record._replace(source_id=source_id, url=found.url, fetched_at=found.fetched_at)
            continue
        reader.count(found)
        yield accepted(part, row, sha256, source_id, text, charset, found)


def _values(column: "pa.Array[Any]") -> list[Any]:
    """Python values; bytes where a string isn't UTF-8, None where a value has no Python form."""
    if isinstance(column, pa.DictionaryArray):
        return _shared(column)
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return _times(column)
    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError):
        values = [_value(scalar) for scalar in column]
    if column.type in BINARY:
        return [_in_utf8(value) for value in values]
    return values


def _shared(column: "pa.DictionaryArray") -> list[Any]:
    """The values of a dictionary, each made once: decoded, a long one is copied for every row that names it."""
    used = column.indices.unique().drop_null()
    try:
        taken, numbers = column.dictionary.take(used), used.to_pylist()
    except pa.ArrowNotImplementedError:  # of views
        taken, numbers = column.dictionary, range(len(column.dictionary))
    values = dict(zip(numbers, _values(taken), strict=True))
    return [values.get(index) for index in column.indices.to_pylist()]


def _in_utf8(value: bytes | None) -> str | bytes | None:
    try:
        return value if value is None else value.decode()
    except UnicodeDecodeError:
        return value


def _value(scalar: "pa.Scalar[Any]") -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError):
        return scalar.as_buffer().to_pybytes() if isinstance(scalar, pa.StringScalar) else None


def _id_text(value: Any) -> str | None:
    """An id as text: numbers, booleans and nested values as JSON, bytes as UTF-8 or else hexadecimal."""
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, bytes):
        try:
            return value.decode() or None
        except UnicodeDecodeError:
            return value.hex()
    if isinstance(value, bool | int | float | list | dict):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return str(value)


def _times(column: "pa.Array[Any]") -> list[datetime | None]:
    options = pc.CastOptions(pa.timestamp("us", "UTC"), allow_time_truncate=True)
    try:
        microseconds = pc.call_function("cast", [column], options).cast(pa.int64()).to_pylist()
    except pa.ArrowInvalid:  # beyond what 64 bits of microseconds hold
        return [None] * len(column)
    return [None if value is None else _time(value) for value in microseconds]


def _time(microseconds: int) -> datetime | None:
    try:
        return EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return None
