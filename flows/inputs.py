"""What lies in RAW: every file once, what it is, and, where that is known, what its content is called.

A content is named by its bytes: a hash over the SHA-256s of its blocks of 8 MB. Whoever reads a file hashes its blocks
on the way (`flows/readers`), so the name is known after the first reading, and no file is opened to be listed. A cache
that no manifest names keeps it by path, size, both times and inode. What is younger than two seconds may change again
without a new time and is never trusted (git's racy problem, Documentation/technical/racy-git.txt).

A name that isn't UTF-8 is read like any other: `key` is the name as Python holds it, `path` is how it is shown.
"""

import hashlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from flows.names import is_passed_over, shown
from flows.readers import FORMATS, NEVER_OPENED, format_of
from flows.readers.source import Source, blocks_of, check_unchanged
from flows.store import Entry, Facts, Ref, Store, is_folder, is_regular
from transforms.errors import ConfigError

CACHE = ".cache/inputs.parquet"
# Two seconds are the coarsest clock of a file system in use (FAT); one tick of ext4 is 4 ms.
RACY_NS = 2_000_000_000

_CACHE_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        *((name, pa.int64()) for name in ("size", "mtime_ns", "ctime_ns")),
        ("inode", pa.uint64()),
        ("content", pa.string()),
    ]
)


class InputFile(NamedTuple):
    """What stands under a path of RAW, as it was listed."""

    path: str  # relative to RAW, '/'-separated, as it is shown; no two are alike
    key: str  # the same as the store takes it: a byte that isn't UTF-8 is a lone surrogate
    format: str  # of `readers.FORMATS`, "unsupported", or of `readers.NEVER_OPENED`
    compression: str  # "", or of `readers.COMPRESSIONS`
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    content: str  # the name of the content; '' where not known yet. What is never opened is named by path and format
    is_settled: bool  # old enough that a change would show
    error: str = ""  # why it is "unreadable"

    @property
    def ref(self) -> Ref:
        """The file as the input of a step: by its content, or else by what the disk says of it."""
        return Ref("raw", self.key, self.content or f"{self.size}-{self.mtime_ns}-{self.ctime_ns}-{self.inode}")


class Listing(NamedTuple):
    """All of RAW: its files, and the paths passed over, both sorted by path."""

    files: list[InputFile]
    ignored: list[str]


def check_roots(raw: str | Path, curated: str | Path) -> None:
    """Raises: ConfigError where there is nothing to read, or where a run would read what it writes."""
    store = Store(curated, raw)
    try:
        is_empty = not store.holds_any(b"")
    except FileNotFoundError:
        raise ConfigError(f"RAW {raw} is missing") from None
    except NotADirectoryError:
        raise ConfigError(f"RAW {raw} is not a folder") from None
    except OSError as error:
        raise ConfigError(f"RAW {raw} can't be read: {error.strerror or error}") from None
    source, target = store.real(b""), store.real_data()
    if source == target:
        raise ConfigError(f"RAW {raw} and CURATED {curated} are one folder: a run must not read what it writes")
    if _is_below(target, source):
        raise ConfigError(f"CURATED {curated} lies inside RAW {raw}: a run must not read what it writes")
    if _is_below(source, target):
        raise ConfigError(f"RAW {raw} lies inside CURATED {curated}: a run must not write where it reads")
    if is_empty:
        kinds = ", ".join(FORMATS)
        raise ConfigError(f"RAW {raw} is empty: expected files of {kinds}")


def _is_below(path: bytes, folder: bytes) -> bool:
    return path.startswith(folder.rstrip(b"/") + b"/")


def list_inputs(store: Store, checksum: bool = False, now_ns: int | None = None) -> Listing:
    """Everything in RAW. With `checksum` every file is read for its content's name, else the cache is believed.

    Passed over are names that begin with '.', leftovers of tools, and links to folders that are listed already (a
    loop is one). A folder that may not be read is listed like a file that may not. `now_ns` is for tests.
    Raises: OSError where RAW can't be read; ConfigError where a link of it leads into the dataset; with `checksum`
    ShardError where a file changes meanwhile.
    """
    settled = (time.time_ns() if now_ns is None else now_ns) - RACY_NS
    found, ignored = _walk(store)
    known = {} if checksum else _read_cache(store)
    same = _same_files(store, found)
    files = []
    for path, key, at, _ in sorted(found, key=lambda found: found.path):
        format, compression = "unsupported", ""
        if at.error:
            format = "unreadable"
        elif not is_regular(at.mode):
            format = "not_a_file"
        elif path in same:
            format = "same_file"
        else:
            format, compression = format_of(path)
        facts = (at.size, at.mtime_ns, at.ctime_ns, at.inode)
        is_settled = at.mtime_ns < settled and at.ctime_ns < settled
        if format in NEVER_OPENED:
            content = content_name((format, path))
        else:
            content = known.get((path, *facts), "") if is_settled else ""
        file = InputFile(path, os.fsdecode(key), format, compression, *facts, content, is_settled, at.error)
        files.append(file._replace(content=content_of(store, file)) if checksum and not content else file)
    return Listing(files, sorted(ignored))


def content_name(blocks: Sequence[str]) -> str:
    """The name of a content, from the SHA-256s of its blocks in order: 32 hex digits."""
    return hashlib.sha256("\n".join(blocks).encode()).hexdigest()[:32]


# ---------------------------------------------------------------------------------------------------------- walking


class _Found(NamedTuple):
    path: str
    key: bytes
    at: Entry
    real: bytes  # where it leads, links resolved


def _walk(store: Store) -> tuple[list[_Found], list[str]]:
    found: list[_Found] = []
    ignored: list[str] = []
    visited: set[bytes] = set()
    data = store.real_data()
    root = store.real(b"")
    # Real folders first: adding a link to a folder must not rename what is in it.
    folders = [_Found("", b"", Entry(b"", 0, False, 0, 0, 0, 0), root)]
    links: list[_Found] = []
    while folders or links:
        folder = folders.pop() if folders else links.pop(0)
        if folder.real in visited:
            ignored.append(folder.path)
            continue
        visited.add(folder.real)
        if folder.real == data or _is_below(folder.real, data):
            raise ConfigError(f"RAW holds {folder.path}, which leads into CURATED: a run must not read what it writes")
        try:
            entries = store.scan(folder.key)
        except PermissionError as error:
            if not folder.key:
                raise
            found.append(folder._replace(at=folder.at._replace(error=error.strerror or "Permission denied")))
            continue
        except FileNotFoundError:  # gone since it was seen
            if not folder.key:
                raise
            continue
        for entry in entries:
            child = _child(store, folder, entry)
            if _is_ignored(entry):
                ignored.append(child.path)
            elif not is_folder(entry.mode):
                found.append(child)
            elif entry.is_link:
                links.append(child)
            else:
                folders.append(child)
        links.sort()
    return found, ignored


def _child(store: Store, folder: _Found, entry: Entry) -> _Found:
    path, key, real = shown(entry.name), entry.name, folder.real.rstrip(b"/") + b"/" + entry.name
    if folder.key:
        path, key = f"{folder.path}/{path}", folder.key + b"/" + key
    return _Found(path, key, entry, store.real(key) if entry.is_link else real)


def _is_ignored(entry: Entry) -> bool:
    return is_passed_over(
        entry.name, is_folder(entry.mode), lambda: format_of(os.fsdecode(entry.name))[0] != "unsupported"
    )


def _same_files(store: Store, found: list[_Found]) -> set[str]:
    """Links to files that are read under another path: their own, else that of the first link to them."""
    if not any(file.at.is_link for file in found):
        return set()
    root = store.real(b"").rstrip(b"/") + b"/"
    files = [file for file in found if is_regular(file.at.mode)]
    read_as: dict[bytes, str] = {}
    for file in sorted(files, key=lambda file: (file.real != root + file.key, file.path)):
        read_as.setdefault(file.real, file.path)
    return {file.path for file in files if read_as[file.real] != file.path}


def content_of(store: Store, file: InputFile) -> str:
    """The name of a file's content, by reading it; '' where that is not allowed. Raises: OSError, ShardError."""
    listed = Facts(file.size, file.mtime_ns, file.inode)
    try:
        with store.open(file.ref) as opened:
            blocks = Source(opened, file.size, 0, blocks_of(file.size)).finish()
            check_unchanged(store, opened, file.path, listed)
    except PermissionError:  # the reader says so, in a row
        return ""
    return content_name(blocks)


# ------------------------------------------------------------------------------------------------------------ cache

_Key = tuple[str, int, int, int, int]


def _read_cache(store: Store) -> dict[_Key, str]:
    """The contents' names by path, size, times and inode."""
    table = _cached(store)
    if table is None:
        return {}
    *key, content = (table.column(name).to_pylist() for name in _CACHE_SCHEMA.names)
    return dict(zip(zip(*key, strict=True), content, strict=True))


def _cached(store: Store) -> pa.Table | None:
    """The cache as it stands; None where there is none, or another's, or it is damaged: then files are read again."""
    try:
        with store.open(CACHE) as file:
            table = pq.read_table(file, page_checksum_verification=True)
    except (OSError, pa.ArrowException, ValueError):
        return None
    return table if table.schema.equals(_CACHE_SCHEMA) else None


def write_cache(store: Store, listing: Listing, contents: Mapping[str, str]) -> None:
    """Keep what is known of RAW: `contents` are the names that this run found, by path."""
    rows = list(_cache_rows(listing, contents))
    columns = list(zip(*rows, strict=True)) or [()] * len(_CACHE_SCHEMA)
    table = pa.table([pa.array(column, field.type) for column, field in zip(columns, _CACHE_SCHEMA, strict=True)],
                     schema=_CACHE_SCHEMA)  # fmt: skip
    known = _cached(store)
    if known is None or not table.equals(known):
        with store.put(CACHE) as path:
            pq.write_table(table, path, compression="zstd", write_page_checksum=True)


def _cache_rows(listing: Listing, contents: Mapping[str, str]) -> Iterator[tuple[str, int, int, int, int, str]]:
    for file in listing.files:
        content = contents.get(file.path) or file.content
        if file.is_settled and content and file.format not in NEVER_OPENED:
            yield file.path, file.size, file.mtime_ns, file.ctime_ns, file.inode, content
