"""Parquet files: what is published, what steps hand on, and ranges of sorted ones; rows that are read once.

A step reads its own part: files are sorted by what they are read by, and `read_range` and `look_up` open the row
groups of a range, or with the values wanted, only.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from flows.store import Ref, Store, hasher
from transforms.dedup.index import REBUILD
from transforms.errors import RefusedError, ShardError

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

ROW_GROUP_ROWS = 10_000
ROW_GROUP_BYTES = 64 * 1024 * 1024
# Rows of a sorted file that are read at once: few enough that a night's look-ups read little of a large state.
RANGE_ROWS = 1 << 13
FREE_TEXT = ("text", "replacement", "author_bio", "title", "previous_title", "next_title", "raw_head", "extra")
DISTINCT = (
    *("id", "source_sha256", "original_sha256", "content_hash", "repaired_hash", "url", "source_id", "source_record"),
    *("doc_id", "duplicate_of", "supersedes"),
)
# All hashes: from the first up to and without the last.
ALL = (0, 1 << 64)


# ------------------------------------------------------------------------------------------------------------- writing


@contextmanager
def published_writer(
    path: Path, schema: pa.Schema, rows: int, *, is_sorted: bool = True, is_chunked: bool = False
) -> Iterator[pq.ParquetWriter]:
    """A writer of a published file: settings that pandas, pyarrow, polars, DuckDB, datasets and Spark all read. Rows
    with ids are sorted by language and id, or not `is_sorted`; pages are cut by content where the file `is_chunked`,
    for stores that keep equal stretches once."""
    key = next((name for name in ("id", "doc_id") if name in schema.names), None)
    by_language = [("language", "ascending"), ("id", "ascending")]
    is_sorted = is_sorted and {"language", "id"} <= set(schema.names)
    flat = [field.name for field in schema if not pa.types.is_nested(field.type)]
    with pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=3,
        # statistics of free text would put the first and last article of a group into the footer
        write_statistics=[name for name in flat if name not in FREE_TEXT],
        use_dictionary=[name for name in flat if name not in FREE_TEXT and name not in DISTINCT],
        write_page_checksum=True,
        write_page_index=True,
        sorting_columns=pq.SortingColumn.from_ordering(schema, by_language) if is_sorted else None,
        bloom_filter_options={key: {"ndv": max(1, min(rows, ROW_GROUP_ROWS)), "fpp": 0.01}} if rows and key else None,
        use_content_defined_chunking=is_chunked,
    ) as writer:
        # Spark 3 refuses times before 1900 of a file that doesn't say that its calendar is today's; it reads that here.
        writer.add_key_value_metadata({"org.apache.spark.version": "3.5.0"})
        yield writer


def write_published(path: Path, schema: pa.Schema, tables: Iterable[pa.Table], rows: int) -> int:
    """A published file of these tables, one after the other, of `rows` rows or less; how many it has. One without rows
    has no row group."""
    written = 0
    with published_writer(path, schema, rows) as writer:
        for table in _row_groups(schema, tables):
            writer.write_table(table, row_group_size=len(table))
            written += len(table)
    return written


def write_shards(
    put: Callable[[int], AbstractContextManager[Path]],
    schema: pa.Schema,
    tables: Iterable[pa.Table],
    most: int,
    *,
    is_chunked: bool = False,
) -> list[int]:
    """Files of these tables, one after the other, each ended by the row group with which it has `most` bytes; at least
    one. How many rows each has; where the n-th is written, `put` says."""
    groups = _row_groups(schema, _small(tables, most), min(most, ROW_GROUP_BYTES))
    group = next(groups, None)
    written: list[int] = []
    while group is not None or not written:
        rows = 0
        expected = 0 if group is None else ROW_GROUP_ROWS
        with (
            put(len(written)) as path,
            published_writer(path, schema, expected, is_sorted=False, is_chunked=is_chunked) as writer,
        ):
            while group is not None:
                writer.write_table(group, row_group_size=len(group))
                rows += len(group)
                group = next(groups, None)
                if writer.file_handle.tell() >= most:
                    break
        written.append(rows)
    return written


def _small(tables: Iterable[pa.Table], most: int) -> Iterator[pa.Table]:
    """Slices of tables, of about `most` bytes or less."""
    for table in tables:
        rows = max(1, most * len(table) // max(1, table.nbytes))
        yield from (table.slice(start, rows) for start in range(0, len(table), rows))


def _row_groups(schema: pa.Schema, tables: Iterable[pa.Table], most: int = ROW_GROUP_BYTES) -> Iterator[pa.Table]:
    """Tables of ROW_GROUP_ROWS, or less where they'd have more than `most` bytes."""
    held: list[pa.Table] = []
    rows = size = 0
    for table in tables:
        for start in range(0, len(table), ROW_GROUP_ROWS):
            part = table.slice(start, ROW_GROUP_ROWS)
            if held and (rows + len(part) > ROW_GROUP_ROWS or size + part.nbytes > most):
                yield pa.concat_tables([schema.empty_table(), *held])
                held, rows, size = [], 0, 0
            held.append(part)
            rows, size = rows + len(part), size + part.nbytes
    if rows:
        yield pa.concat_tables([schema.empty_table(), *held])


def write_work(path: Path, table: pa.Table, sorted_by: str | None = None) -> None:
    """A Parquet file that steps hand on: fast to write and read. Hashes are left as they are: they don't shrink."""
    is_hashes = all(pa.types.is_unsigned_integer(field.type) for field in table.schema)
    pq.write_table(
        table,
        path,
        row_group_size=RANGE_ROWS,
        compression="none" if is_hashes else "lz4",
        use_dictionary=False,
        write_statistics=[sorted_by] if sorted_by else False,
        write_page_checksum=True,
    )


def write_sorted(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> int:
    """A file of state, sorted by its first column over all `tables`; how many rows it has."""
    first, rows = schema.field(0), 0
    delta = pa.types.is_unsigned_integer(first.type)
    with pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=[f.name for f in schema if pa.types.is_string(f.type) and f.name in _FEW_VALUES] or False,
        write_statistics=[first.name],
        write_page_checksum=True,
        column_encoding={first.name: "DELTA_BINARY_PACKED"} if delta else None,
    ) as writer:
        for table in tables:
            rows += len(table)
            if len(table):
                writer.write_table(table.cast(schema), row_group_size=RANGE_ROWS)
    return rows


_FEW_VALUES = ("reason", "site", "format", "reading")


# ---------------------------------------------------------------------------------------------------------------- rows


def write_rows(path: Path, table: pa.Table, rows: int | None = None) -> None:
    """Rows with their texts, for the one step that reads them, whole or so many at a time: as they lie in memory
    (Arrow's file format). Of 8 MB of articles that takes 8 ms to write and 1 to read; Parquet took 91 and 30."""
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table.combine_chunks(), max_chunksize=rows)


def read_rows(store: Store, ref: Ref) -> pa.Table:
    """All of such a file. Raises: ShardError where it isn't what was written."""
    content = store.read(ref)
    digest = hasher(ref.key)
    digest.update(content)
    _check(ref, digest.hexdigest())
    with pa.ipc.open_file(pa.py_buffer(content)) as file:
        return file.read_all()


def read_batches(store: Store, ref: Ref, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """As many rows of such a file at a time as were written at once, or some columns of them, which aren't checked.
    Raises: as above."""
    if columns is None:
        _check(ref, store.digest(ref))
    path = str(store.local(ref))
    with pa.OSFile(path) as source:
        schema = pa.ipc.open_file(source).schema
        chosen = None if columns is None else [schema.get_field_index(name) for name in columns]
        with pa.ipc.open_file(source, options=pa.ipc.IpcReadOptions(included_fields=chosen)) as file:
            for number in range(file.num_record_batches):
                batch = file.get_batch(number)
                # Some columns lie in a buffer with all others, which would be held as long as they are.
                yield pa.Table.from_batches([batch if chosen is None else batch.take(pa.array(range(batch.num_rows)))])


def take_rows(store: Store, ref: Ref, column: str, rows: npt.NDArray[np.integer[Any]]) -> pa.Array:
    """A column of these rows of such a file that was written in one go; no others are read, and none is checked."""
    with pa.memory_map(str(store.local(ref))) as source, pa.ipc.open_file(source) as file:
        return file.get_batch(0).column(column).take(pa.array(rows))


def _check(ref: Ref, found: str) -> None:
    if found != ref.name:
        raise ShardError(f"{ref.key} is damaged; run again, and it is made anew")


# ------------------------------------------------------------------------------------------------------------- reading


@contextmanager
def open_table(store: Store, ref: str | Ref) -> Iterator[pq.ParquetFile]:
    """A Parquet file. Raises: RefusedError where it is damaged: damaged pages are an error, never other data (677 of
    1,500 flipped bits went unseen)."""
    with _open(store.local(ref)) as file:
        yield file


@contextmanager
def _open(path: str | Path, footer: pq.FileMetaData | None = None) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(path, metadata=footer, page_checksum_verification=True) as file:
            yield file
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the machine's: it may be tried again
            raise
        raise RefusedError(f"{path} is damaged: {error}; {REBUILD}") from error


def read_table(store: Store, ref: str | Ref, columns: Sequence[str] | None = None) -> pa.Table:
    """A whole Parquet file, or some of its columns."""
    with open_table(store, ref) as file:
        return read_groups(file, range(file.metadata.num_row_groups), columns)


def read_groups(file: pq.ParquetFile, groups: Sequence[int], columns: Sequence[str] | None = None) -> pa.Table:
    """Row groups of an open file. Raises: ArrowInvalid where they haven't the rows that the file says: the checksum of
    a page doesn't cover its header, and one that is damaged there may be passed over."""
    names = None if columns is None else list(columns)
    table = file.read_row_groups(list(groups), columns=names, use_threads=False)
    rows = sum(file.metadata.row_group(group).num_rows for group in groups)
    if len(table) != rows:
        raise pa.ArrowInvalid(f"{len(table)} rows, {rows} expected")
    return table


def groups_of(file: pq.ParquetFile, column: str, low: Any, high: Any) -> list[int]:
    """The row groups in which values from `low` up to and without `high` may stand."""
    metadata = file.metadata
    at = file.schema_arrow.get_field_index(column)
    found = []
    for number in range(metadata.num_row_groups):
        statistics = metadata.row_group(number).column(at).statistics
        if statistics is None or not statistics.has_min_max or (statistics.max >= low and statistics.min < high):
            found.append(number)
    return found


def read_range(
    store: Store, ref: str | Ref, low: int, high: int, columns: Sequence[str] | None = None, by: str | None = None
) -> pa.Table:
    """The rows whose first column (or `by`), by which the file is sorted, is from `low` up to and without `high`."""
    with open_table(store, ref) as file:
        by = by or file.schema_arrow.names[0]
        groups = groups_of(file, by, low, high)
        names = None if columns is None else list(dict.fromkeys([by, *columns]))
        if not groups:
            table = file.schema_arrow.empty_table()
            return table if columns is None else table.select(list(columns))
        table = read_groups(file, groups, names)
    values = table[by].to_numpy()
    start = int(np.searchsorted(values, values.dtype.type(low)))
    top = np.iinfo(values.dtype).max if values.dtype.kind in "iu" else None
    end = len(values) if top is not None and high > top else int(np.searchsorted(values, values.dtype.type(high)))
    table = table.slice(start, end - start)
    return table if columns is None else table.select(list(columns))


def parted(table: pa.Table, by: str, count: int) -> list[pa.Table]:
    """The rows of each of the numbers below `count` in a column by which the table is sorted."""
    bounds = np.searchsorted(table[by].to_numpy(), np.arange(count + 1)).tolist()
    return [table.slice(start, end - start) for start, end in pairwise(bounds)]


def look_up(store: Store, refs: Iterable[Ref], wanted: U64, columns: Sequence[str] | None = None) -> list[pa.Table]:
    """The rows whose first column is among `wanted` (sorted, distinct), a table a file.

    Hashes are spread, so that every row group may hold one, and few do: the others of its columns are read then only.
    """
    found = []
    for ref in refs:
        path = str(store.local(ref))
        schema, groups, least, greatest = _bounds(path, ref.name)
        names = tuple(schema.names if columns is None else dict.fromkeys([schema.names[0], *columns]))
        parts = [schema.empty_table().select(names)]
        start, end = np.searchsorted(wanted, least), np.searchsorted(wanted, greatest, "right")
        for at in np.flatnonzero(start < end).tolist():
            here = wanted[start[at] : end[at]]
            values = _first_column(path, ref.name, groups[at])
            if is_among(here, values).any():
                table = _row_group(path, ref.name, groups[at], names)
                parts.append(table.filter(pa.array(is_among(values, here))))
        table = pa.concat_tables(parts)
        found.append(table if columns is None else table.select(list(columns)))
    return found


# The same files of state are asked by several steps of a night, and by the next night: they never change, and their
# name says what is in them. Some tens of MB.
@lru_cache(maxsize=256)
def _footer(path: str, _: str) -> pq.FileMetaData:
    with _open(path) as file:
        return file.metadata


@lru_cache(maxsize=256)
def _bounds(path: str, name: str) -> tuple[pa.Schema, list[int], U64, U64]:
    """The schema of a file, its row groups, and of each the least and the greatest value of its first column."""
    with _open(path, _footer(path, name)) as file:
        metadata, schema = file.metadata, file.schema_arrow.remove_metadata()
    groups = [number for number in range(metadata.num_row_groups) if metadata.row_group(number).num_rows]
    statistics = [metadata.row_group(number).column(0).statistics for number in groups]
    least, greatest = (np.array([getattr(one, end) for one in statistics], np.uint64) for end in ("min", "max"))
    return schema, groups, least, greatest


@lru_cache(maxsize=512)
def _first_column(path: str, name: str, group: int) -> U64:
    values: U64 = _read_group(path, name, group, _bounds(path, name)[0].names[:1]).column(0).to_numpy()
    return values


@lru_cache(maxsize=64)
def _row_group(path: str, name: str, group: int, columns: tuple[str, ...]) -> pa.Table:
    return _read_group(path, name, group, columns)


def _read_group(path: str, name: str, group: int, columns: Sequence[str]) -> pa.Table:
    with _open(path, _footer(path, name)) as file:
        return read_groups(file, [group], columns).replace_schema_metadata(None)


def is_among(values: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Whether each value is one of `wanted`, which are sorted."""
    if not len(wanted):
        return np.zeros(len(values), np.bool_)
    at = np.searchsorted(wanted, values)
    at[at == len(wanted)] = 0
    hit: npt.NDArray[np.bool_] = wanted[at] == values
    return hit


def distinct(*parts: npt.NDArray[np.uint64]) -> U64:
    """The distinct values of several arrays, sorted. (`np.unique` hashes: of a million hashes, 16 times the time.)"""
    values = np.sort(np.concatenate([np.zeros(0, np.uint64), *parts]))
    is_new = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=is_new[1:])
    return values[is_new]


def concat(schema: pa.Schema, tables: Iterable[pa.Table]) -> pa.Table:
    """Tables of one schema as one, also none."""
    found = [table.select(schema.names).cast(schema) for table in tables if len(table)]
    return pa.concat_tables([schema.empty_table(), *found])


def parts_of(size: int, part: int) -> list[tuple[int, int]]:
    """Ranges of hashes, evenly cut, as many (a power of two) as make each `part` of `size` or less."""
    count = 1 << max(0, -(-size // part) - 1).bit_length()
    step = ALL[1] // count
    return [(step * number, step * (number + 1)) for number in range(count)]
