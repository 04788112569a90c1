"""What there is to read, and how it is cut into shards: from the input alone, so that every run cuts alike.

A shard is a tuple of parts, in the order of top-level folders, then paths. It closes

- inside a folder, after a file whose path hash is 0 modulo 64, or when the folder's parts in it reach
  `shard_bytes`;
- at the end of a top-level folder, when that folder's parts in it reach `shard_bytes` / 64, or the hash of
  the folder's name is 0 modulo 64.

So each boundary depends on one folder's files only, and adding a file moves no boundary of another folder;
thousands of small folders still share shards, about 64 to one, as do small files.
"""

import hashlib
import os
import stat
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from flows.readers import Part, format_of, is_special
from flows.readers.jsonl import UTF8_BOM
from flows.readers.parquet import DAMAGED
from transforms.errors import ConfigError

# One file, or folder, in so many closes its shard: about as many small ones share one.
SHARED_BY = 64
STEP = 1 << 20


class InputFile(NamedTuple):
    """A file under RAW as it was found. `sha256` is '' where it could not be read, or isn't a file."""

    path: str  # relative to RAW, '/'-separated
    bytes: int
    sha256: str


def check_raw(raw: Path) -> None:
    """Raises: ConfigError where there is nothing to read."""
    if not raw.is_dir():
        raise ConfigError(f"RAW {raw} is {'not a folder' if raw.exists() else 'missing'}")
    if not any(raw.iterdir()):
        raise ConfigError(f"RAW {raw} is empty: expected .txt, .jsonl or .parquet files (.gz and .zst too)")


def list_inputs(raw: Path) -> tuple[list[InputFile], list[str]]:
    """Every file under RAW, sorted by path, and the paths passed over.

    Passed over are names that begin with '.', and links to folders that are listed already (a loop is one).
    A folder that can't be read is listed like a file that can't. Raises: OSError where RAW can't be read.
    """
    paths, ignored = _walk(raw)
    return [_input_file(raw, path) for path in sorted(paths)], sorted(ignored)


def _walk(raw: Path) -> tuple[set[str], list[str]]:
    paths: set[str] = set()
    ignored: list[str] = []
    visited: set[str] = set()
    folders = [""]  # real ones first: adding a link to a folder must not rename what is in it
    links: list[str] = []
    while folders or links:
        folder = folders.pop() if folders else links.pop(0)
        real = os.path.realpath(raw / folder)
        if real in visited:
            ignored.append(folder)
            continue
        visited.add(real)
        try:
            with os.scandir(raw / folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            if not folder:
                raise
            paths.add(folder)
            continue
        for entry in found:
            # A name that isn't UTF-8 is shown with U+FFFD; so it can't be opened, and is rejected.
            name = os.fsencode(entry.name).decode(errors="replace")
            path = f"{folder}/{name}" if folder else name
            if name.startswith("."):
                ignored.append(path)
            elif _is_folder(entry) and name == entry.name:
                (links if entry.is_symlink() else folders).append(path)
            else:
                paths.add(path)
        links.sort()
    return paths, ignored


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or into what may not be looked at
        return False


def _input_file(raw: Path, path: str) -> InputFile:
    size = 0
    digest = hashlib.sha256()
    try:
        if not stat.S_ISREG(os.stat(raw / path).st_mode):
            return InputFile(path, 0, "")
        with open(raw / path, "rb") as file:
            while chunk := file.read(STEP):
                size += len(chunk)
                digest.update(chunk)
    except OSError:
        return InputFile(path, size, "")
    return InputFile(path, size, digest.hexdigest())


def plan_shards(raw: Path, inputs: list[InputFile], shard_bytes: int) -> list[tuple[Part, ...]]:
    """The shards: every file once, in parts that together are the whole of it."""
    shards: list[tuple[Part, ...]] = []
    shard: list[Part] = []
    same_files = _same_files(raw, inputs)
    for folder, files in groupby(sorted(inputs, key=_folder_and_path), _folder):
        held = 0  # bytes of this folder in the open shard
        for file in files:
            for part, size in _parts(raw, file, shard_bytes):
                # Marked, but of the same weight: a file that is new elsewhere must move no boundary here.
                shard.append(part._replace(format="same_file") if file.path in same_files else part)
                held += size
                if held >= shard_bytes:
                    shards.append(tuple(shard))
                    shard, held = [], 0
            if shard and _closes(file.path):
                shards.append(tuple(shard))
                shard, held = [], 0
        if shard and (held * SHARED_BY >= shard_bytes or _closes(folder)):
            shards.append(tuple(shard))
            shard = []
    if shard:
        shards.append(tuple(shard))
    return shards


def _folder(file: InputFile) -> str:
    """The top-level folder; '' for what lies in RAW itself."""
    return file.path.split("/", 1)[0] if "/" in file.path else ""


def _folder_and_path(file: InputFile) -> tuple[str, str]:
    return _folder(file), file.path


def _closes(path: str) -> bool:
    return int.from_bytes(hashlib.sha256(path.encode()).digest()[:8], "big") % SHARED_BY == 0


def _same_files(raw: Path, inputs: list[InputFile]) -> set[str]:
    """Links to files that are read under another path: their own, else that of the first link to them."""
    root = os.path.realpath(raw)
    folders: dict[str, str] = {}
    read_as: dict[str, str] = {}
    same: set[str] = set()
    for path in sorted(file.path for file in inputs):
        here = os.path.join(root, path)
        if os.path.islink(here):
            real = os.path.realpath(here)
        else:
            folder, name = os.path.split(here)
            if folder not in folders:
                folders[folder] = os.path.realpath(folder)
            real = os.path.join(folders[folder], name)
        if real not in read_as:
            read_as[real] = path
        elif real == here:
            same.add(read_as[real])
            read_as[real] = path
        else:
            same.add(path)
    return same


def _parts(raw: Path, file: InputFile, shard_bytes: int) -> list[tuple[Part, int]]:
    """The parts of a file, each with its size in bytes."""
    format, compression = format_of(file.path)
    whole = Part(file.path, format, compression, 0, file.bytes, int(format == "jsonl"))
    if not file.sha256:
        return [(whole._replace(format="not_a_file") if _is_special(raw / file.path) else whole, 0)]
    try:
        if format == "parquet":
            return _cut_parquet(raw / file.path, whole, file.bytes, shard_bytes)
        if format == "jsonl" and not compression and file.bytes > shard_bytes:
            return _cut_lines(raw / file.path, whole, shard_bytes)
    except OSError:  # the reader will find out, and say so
        pass
    return [(whole, file.bytes)]


def _is_special(path: Path) -> bool:
    try:
        return is_special(os.stat(path).st_mode)
    except OSError:
        return False


def _cut_lines(path: Path, whole: Part, shard_bytes: int) -> list[tuple[Part, int]]:
    """Cut at the first line start at or after each multiple of `shard_bytes`; not if all lines are blank."""
    starts = [(0, 1)]  # (byte, line number)
    target, at, line, is_blank = shard_bytes, 0, 1, True
    with open(path, "rb") as file:
        while chunk := file.read(STEP):
            is_blank = is_blank and not chunk.removeprefix(UTF8_BOM if at == 0 else b"").strip()
            counted = 0
            # The line that starts at `target` is the one after a line end at `target` - 1.
            while (found := chunk.find(b"\n", max(0, target - 1 - at))) >= 0:
                line += chunk.count(b"\n", counted, found + 1)
                counted = found + 1
                start = at + counted
                starts.append((start, line))
                target = (start // shard_bytes + 1) * shard_bytes
            line += chunk.count(b"\n", counted)
            at += len(chunk)
    if is_blank:
        del starts[1:]
    if starts[-1][0] == whole.end:
        starts.pop()
    ends = [start for start, _ in starts[1:]] + [whole.end]
    return [
        (whole._replace(start=start, end=end, first_record=line), end - start)
        for (start, line), end in zip(starts, ends, strict=True)
    ]


def _cut_parquet(path: Path, whole: Part, size: int, shard_bytes: int) -> list[tuple[Part, int]]:
    """Cut where row groups, compressed, reach `shard_bytes`. A damaged file is one part, of end 0."""
    try:
        with pq.ParquetFile(path) as file:
            metadata = file.metadata
    except DAMAGED:
        return [(whole._replace(end=0), size)]
    if size <= shard_bytes or not metadata.num_rows:
        return [(whole._replace(end=metadata.num_row_groups), size)]
    parts: list[tuple[Part, int]] = []
    start = first_row = next_row = held = 0
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index)
        held += sum(group.column(column).total_compressed_size for column in range(group.num_columns))
        next_row += group.num_rows
        if held >= shard_bytes or index == metadata.num_row_groups - 1:
            parts.append((whole._replace(start=start, end=index + 1, first_record=first_row), held))
            start, first_row, held = index + 1, next_row, 0
    return parts
