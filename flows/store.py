"""The one door to storage: every read and write of `flows/` goes through a `Store`.

It has two roots: RAW, which is only read, and the dataset. A key is a path below one of them, '/'-separated. Nothing
appears under its key before it is whole: a file is written aside, flushed to the disk and renamed, and so is every
folder made for it, up to the root. Nothing else is asked of what lies below, so that an object store (whole puts,
conditional replacement, listing by prefix) can take the place of the disk.

What changes the dataset is an effect, and counted: a test can fail, tear or kill at the n-th (`Effects`).
"""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import filelock
import xxhash

from transforms.errors import ConfigError, RefusedError

STAGING = ".staging"
# Files are written here and renamed: what a kill leaves goes with the staging area.
_ASIDE = f"{STAGING}/put"
_CHUNK = 1 << 20
# What a look at a file may meet that is so tomorrow too: a fact about the file. All else (EIO, ESTALE, EMFILE, …) is
# a failure of the machine, and raised.
_LASTING = {errno.ENOENT, errno.ELOOP, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG}


class Ref(NamedTuple):
    """A file: its root, its key below it, and the name of its content (for outputs of steps their `Store.digest`)."""

    root: Literal["raw", "data"]
    key: str
    name: str


class Entry(NamedTuple):
    """What a folder of RAW holds under a name."""

    name: bytes
    mode: int  # of what a link leads to; 0 where that can't be looked at, for `error`
    is_link: bool
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    error: str = ""


class Facts(NamedTuple):
    """What an open file says of itself: while none of it changes, neither did the bytes."""

    size: int
    mtime_ns: int
    inode: int


class Effects:
    """Counts what changes the dataset. A test sets `at` and `how`: the effect of that number is not begun ("before"),
    half of it is written ("torn") or it is whole ("after") when `error` is raised; from then on nothing more happens,
    as in a process that was killed."""

    def __init__(self) -> None:
        self.count = 0
        self.at: int | None = None
        self.how: Literal["before", "torn", "after"] = "before"
        self.error: BaseException | None = None
        self.is_dead = False

    @contextmanager
    def one(self) -> Iterator[bool]:
        """Around one effect; whether it shall be torn."""
        if self.is_dead:
            raise self._death()
        self.count += 1
        is_hit = self.count == self.at
        if is_hit and self.how == "before":
            raise self._death()
        yield is_hit and self.how == "torn"
        if is_hit:
            raise self._death()

    def _death(self) -> BaseException:
        self.is_dead = self.error is None or not isinstance(self.error, OSError)
        return self.error or KeyboardInterrupt()


class Store:
    """The dataset `data`, and the RAW it is made of. It can be sent to another process."""

    def __init__(self, data: str | Path, raw: str | Path | None = None) -> None:
        self.name = str(data)  # as the caller calls it
        self.data = Path(data).absolute()
        self.raw = None if raw is None else Path(raw).absolute()
        self.effects = Effects()

    def __getstate__(self) -> dict[str, Any]:
        return {"data": self.data, "raw": self.raw}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["data"], state["raw"])  # type: ignore[misc]

    # ------------------------------------------------------------------------------------------------------- reading

    def local(self, key: str | Ref) -> Path:
        """A local file of this content, to be read only: for what reads by path (Arrow)."""
        if isinstance(key, str):
            return self.data / key
        if key.root == "data":
            return self.data / key.key
        if self.raw is None:
            raise ConfigError("there is no RAW here")
        return self.raw / os.fsdecode(key.key)

    def open(self, key: str | Ref) -> BinaryIO:
        """A file, open for reading; a fifo that took a file's place doesn't block. Raises: OSError."""
        return open(self.local(key), "rb", opener=_open_at_once)

    def facts(self, file: BinaryIO) -> Facts:
        """What an open file is now. Raises: OSError."""
        at = os.fstat(file.fileno())
        return Facts(at.st_size, at.st_mtime_ns, at.st_ino)

    def read(self, key: str | Ref) -> bytes:
        """A file's bytes. Raises: OSError."""
        return self.local(key).read_bytes()

    def read_json(self, key: str) -> Any:
        """What a JSON file says. Raises: OSError, ValueError."""
        return json.loads(self.read(key))

    def exists(self, key: str) -> bool:
        """Whether there is a file under a key."""
        return (self.data / key).is_file()

    def is_folder(self, key: str) -> bool:
        """Whether there is a folder under a key."""
        return (self.data / key).is_dir()

    def is_anything(self, key: str) -> bool:
        """Whether there is anything under a key, be it a link to nowhere."""
        return os.path.lexists(self.data / key)

    def size(self, key: str) -> int:
        """A file's bytes, counted. Raises: OSError."""
        return (self.data / key).stat().st_size

    def sha256(self, key: str | Ref) -> str:
        """SHA-256 of a file, streamed. Raises: OSError."""
        return self._hashed(key, hashlib.sha256())

    def digest(self, key: str | Ref) -> str:
        """What a step calls an output by: `hasher` of the file, streamed. Raises: OSError."""
        return self._hashed(key, hasher(key if isinstance(key, str) else key.key))

    def _hashed(self, key: str | Ref, digest: Any) -> str:
        with self.open(key) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        return str(digest.hexdigest())

    def keys(self, prefix: str) -> list[str]:
        """The keys of all files below a folder, sorted."""
        found = [path for path in (self.data / prefix).rglob("*") if not path.is_dir()]
        return sorted(path.relative_to(self.data).as_posix() for path in found)

    def scan(self, folder: bytes) -> list[Entry]:
        """What lies in a folder of RAW, by name. Raises: OSError where it can't be read."""
        found = []
        with os.scandir(self._raw(folder)) as entries:
            for entry in entries:
                is_link = entry.is_symlink()
                try:
                    at = entry.stat()
                except OSError as error:
                    if error.errno not in _LASTING:
                        raise
                    # A link to nowhere or to itself, or into what may not be looked at; what is no link has just gone.
                    if is_link or error.errno != errno.ENOENT:
                        found.append(Entry(entry.name, 0, is_link, 0, 0, 0, 0, error.strerror or "unreadable"))
                else:
                    facts = (at.st_size, at.st_mtime_ns, at.st_ctime_ns, at.st_ino)
                    found.append(Entry(entry.name, at.st_mode, is_link, *facts))
        return sorted(found)

    def holds_any(self, folder: bytes) -> bool:
        """Whether anything lies in a folder of RAW. Raises: OSError where it can't be read."""
        with os.scandir(self._raw(folder)) as entries:
            return any(True for _ in entries)

    def real(self, path: bytes) -> bytes:
        """Where a path of RAW leads, links resolved."""
        return os.path.realpath(self._raw(path))

    def real_data(self) -> bytes:
        """Where the dataset lies or will lie, links resolved."""
        return os.path.realpath(os.fsencode(self.data))

    def _raw(self, path: bytes) -> bytes:
        assert self.raw is not None
        return os.path.join(os.fsencode(self.raw), path)

    # ------------------------------------------------------------------------------------------------------- writing

    @contextmanager
    def put(self, key: str) -> Iterator[Path]:
        """A place to write the file `key`; it stands under its key only once the block ended well."""
        with self.effects.one() as torn:
            aside = self._aside()
            try:
                yield aside
                if torn:
                    os.truncate(aside, aside.stat().st_size // 2)
                    return
                _fsync(aside)
                self._place(aside, key)
            finally:
                if not torn:
                    aside.unlink(missing_ok=True)

    def put_bytes(self, key: str, content: bytes) -> None:
        """A file of these bytes, whole or not at all."""
        with self.put(key) as path:
            path.write_bytes(content)

    def put_json(self, key: str, content: Any) -> None:
        """A JSON file, readable, its keys in the order given."""
        self.put_bytes(key, json_bytes(content))

    def copy(self, source: str, key: str) -> None:
        """The file `source` under another key as well: it may share its bytes, as files never change."""
        with self.effects.one() as torn:
            if torn:
                return
            aside = self._aside()
            try:
                try:
                    os.link(self.data / source, aside)
                except OSError:  # a file system without links
                    shutil.copyfile(self.data / source, aside)
                    _fsync(aside)
                self._place(aside, key)
            finally:
                aside.unlink(missing_ok=True)

    def take(self, source: Path, key: str, *, link: bool = False) -> None:
        """A file from elsewhere under a key: on file systems that can, both share their blocks until one is written to;
        or, as a hard link, for ever. Raises: OSError."""
        with self.effects.one() as torn:
            if torn:
                return
            aside = self._aside()
            try:
                if link:
                    os.link(source, aside)
                else:
                    _clone(source, aside)
                    _fsync(aside)
                self._place(aside, key)
            finally:
                aside.unlink(missing_ok=True)

    def move_to(self, folder: Path) -> None:
        """All of this under another name, in place of the folder that is there, if one is. Raises: OSError."""
        before = self.data.with_name(f"{self.data.name}.before")
        with self.effects.one() as torn:
            if not torn:
                shutil.rmtree(before, ignore_errors=True)
                if folder.is_dir():
                    folder.rename(before)
        with self.effects.one() as torn:
            if not torn:
                self.data.rename(folder)
                _fsync(folder.parent)
        with self.effects.one() as torn:
            if not torn:
                shutil.rmtree(before, ignore_errors=True)

    def replace(self, key: str, content: bytes, expected: bytes | None) -> None:
        """Put a file that must be `expected` until now (None: absent). Raises: RefusedError where it is not."""
        found = self.read(key) if self.exists(key) else None
        if found != expected:
            raise RefusedError(f"{self.data / key} was changed by another while this ran; nothing was published")
        self.put_bytes(key, content)

    def delete(self, key: str) -> None:
        """Remove a file, and folders that it leaves empty; one that is gone already is fine."""
        with self.effects.one() as torn:
            if torn:
                return
            path = self.data / key
            path.unlink(missing_ok=True)
            while (path := path.parent) != self.data:
                try:
                    path.rmdir()
                except OSError:
                    return

    def delete_all(self, prefix: str) -> None:
        """Remove all below a folder."""
        with self.effects.one() as torn:
            if not torn:
                shutil.rmtree(self.data / prefix, ignore_errors=True)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A local folder for what spills, gone when the block ends."""
        folder = self.data / STAGING
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix="scratch-") as name:
            yield Path(name)

    @contextmanager
    def borrowed(self, files: Iterable[str]) -> Iterator["Store"]:
        """A dataset of its own, of links to these files, on the same RAW; it is gone when the block ends. Files never
        change, so nothing that is done to it does anything to this one."""
        with tempfile.TemporaryDirectory(prefix="tamis-") as name:
            for file in files:
                path = Path(name) / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.symlink_to(self.data / file)
            yield Store(name, self.raw)

    def _aside(self) -> Path:
        folder = self.data / _ASIDE
        folder.mkdir(parents=True, exist_ok=True)
        return folder / uuid.uuid4().hex

    def _place(self, written: Path, key: str) -> None:
        path = self.data / key
        made = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        written.rename(path)
        # The file's own folder, and those that hold a new folder.
        for folder in {path.parent, *(folder.parent for folder in made)}:
            _fsync(folder)

    # ---------------------------------------------------------------------------------------------------------- lock

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One writer at a time; the lock goes with its process. Raises: RefusedError where one is at work,
        ConfigError where the dataset can't be written."""
        try:
            self.data.mkdir(parents=True, exist_ok=True)
            guard = filelock.FileLock(self.data / ".lock")
            guard.acquire(timeout=0)
        except filelock.Timeout:
            raise RefusedError(f"another run is at work on {self.data}; try again when it is done") from None
        except OSError as error:
            raise ConfigError(f"CURATED {self.data} can't be written: {error.strerror or error}") from None
        try:
            yield
        finally:
            guard.release()


def hasher(key: str) -> Any:
    """SHA-256 for what may be published; for rows that steps hand on (`.arrow`), most of what is written, XXH3 of 128
    bits, which takes a tenth of the time: it shows damage, and nothing else is asked of it."""
    return xxhash.xxh3_128() if key.endswith(".arrow") else hashlib.sha256()


def json_bytes(content: Any) -> bytes:
    """A JSON file's bytes."""
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()


def is_regular(mode: int) -> bool:
    """Whether an entry of this mode is a plain file."""
    return stat.S_ISREG(mode)


def is_folder(mode: int) -> bool:
    """Whether an entry of this mode is a folder."""
    return stat.S_ISDIR(mode)


# Linux's ioctl that makes a file share another's blocks.
_FICLONE = 0x40049409


def _clone(source: Path, target: Path) -> None:
    """A copy of a file, by the file system where it can."""
    with source.open("rb") as read, target.open("wb") as written:
        try:
            fcntl.ioctl(written.fileno(), _FICLONE, read.fileno())
            return
        except OSError:  # another system, or file system, or two of them
            pass
        try:
            while os.copy_file_range(read.fileno(), written.fileno(), 1 << 30):
                pass
        except (AttributeError, OSError):  # none here; what is copied already is copied again
            read.seek(0)
            written.seek(0)
            shutil.copyfileobj(read, written, _CHUNK)


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:  # some file systems can't flush a folder
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)
