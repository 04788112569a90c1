"""The one door to disk: nothing appears under its final name before it is whole.

A file or folder is written beside its place, flushed to the disk and renamed: what stands under its name is
complete, whatever died when. Every such step is one call of this module, so that tests can fail or kill each.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.errors import RefusedError

ROW_GROUP_ROWS = 10_000
ROW_GROUP_BYTES = 64 * 1024 * 1024
FREE_TEXT = ("text", "replacement", "author_bio", "title", "previous_title", "next_title", "raw_head")
DISTINCT = (
    "id",
    "source_sha256",
    "original_sha256",
    "content_hash",
    "repaired_hash",
    "url",
    "source_id",
    "source_record",
)
_CHUNK = 1 << 20


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, streamed."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def fsync(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace(written: Path, path: Path) -> None:
    """Give a complete file or folder its final name, and make that last."""
    written.rename(path)
    fsync(path.parent)


@contextmanager
def create(path: Path) -> Iterator[Path]:
    """A place to write the file `path`; it stands under its name only once the block ended well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield written
        fsync(written)
        replace(written, path)
    finally:
        written.unlink(missing_ok=True)


@contextmanager
def create_folder(path: Path) -> Iterator[Path]:
    """A folder to fill; it stands under its name, with all that is in it, only once the block ended well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_name(f"{path.name}.{os.getpid()}.part")
    shutil.rmtree(written, ignore_errors=True)
    written.mkdir()
    try:
        yield written
        for file in sorted(written.rglob("*")):
            fsync(file)
        fsync(written)
        replace(written, path)
    finally:
        shutil.rmtree(written, ignore_errors=True)


def write_json(path: Path, content: Any) -> None:
    """A JSON file, readable, its keys in the order given."""
    with create(path) as written:
        written.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """What a JSON file says."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_table(path: Path, table: pa.Table) -> None:
    """A published Parquet file: settings that pandas, pyarrow, polars, DuckDB, datasets and Spark all read."""
    key = "id" if "id" in table.column_names else "doc_id"
    by_language = [("language", "ascending"), ("id", "ascending")]
    sorting = pq.SortingColumn.from_ordering(table.schema, by_language) if key == "id" else None
    row_bytes = table.nbytes / max(1, len(table))
    rows = max(1, min(ROW_GROUP_ROWS, int(ROW_GROUP_BYTES / max(1.0, row_bytes))))
    flat = [field.name for field in table.schema if not pa.types.is_nested(field.type)]
    with create(path) as written:
        pq.write_table(
            table,
            written,
            compression="zstd",
            compression_level=3,
            row_group_size=rows,
            # statistics of free text would put the first and last article of a group into the footer
            write_statistics=[name for name in flat if name not in FREE_TEXT],
            use_dictionary=[name for name in flat if name not in FREE_TEXT and name not in DISTINCT],
            write_page_checksum=True,
            sorting_columns=sorting,
            bloom_filter_options={key: {"ndv": max(1, min(rows, len(table))), "fpp": 0.01}},
        )


def write_work(path: Path, table: pa.Table, row_group_rows: int | None = None) -> None:
    """A Parquet file of the staging area: fast to write and read. Hashes are left as they are: they don't shrink."""
    hashed = {"key", "shingles"} & set(table.column_names)
    with create(path) as written:
        pq.write_table(
            table,
            written,
            row_group_size=row_group_rows,
            compression="none" if hashed else "lz4",
            use_dictionary=False,
            write_statistics=["key"] if "key" in hashed else False,
            write_page_checksum=True,
        )


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """A Parquet file; damaged pages are an error, never other data (677 of 1,500 flipped bits went unseen)."""
    return pq.ParquetFile(path, page_checksum_verification=True).read(columns=columns)


@contextmanager
def lock(curated: Path) -> Iterator[None]:
    """One run at a time on a dataset; the lock goes with its process. Raises: RefusedError where one is at work."""
    curated.mkdir(parents=True, exist_ok=True)
    guard = filelock.FileLock(curated / ".lock")
    try:
        guard.acquire(timeout=0)
    except filelock.Timeout:
        raise RefusedError(f"another run is at work on {curated}; try again when it is done") from None
    try:
        yield
    finally:
        guard.release()
