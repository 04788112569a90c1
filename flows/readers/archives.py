"""Zip and tar: each member is a file of its own, read as one in a folder is. Nothing of it is written under its name.

A member stands under `archive!/member`. The name is only a name: `..`, a leading slash and empty steps go, a second
member of the same name is `name (2)`. Bytes that are not UTF-8 are shown as in a listing. Names that a folder's listing
passes over are passed over here, and counted. Links, devices and fifos of a tar are rejected, never followed.

A member is unpacked to a spool (memory, then a temporary file), since readers seek. What can't be unpacked to its end
is read up to there. All that is unpacked of a file, archives in archives counted at each level, is bounded by
`limits.expansion_ratio`: so are overlapping members (David Fifield, "A better zip bomb") and archives that hold
themselves.

Zip (APPNOTE.TXT 6.3) is read from its directory, in the order in which members lie; its names are UTF-8 where they can
be, whether they say so or not, else code page 437. Tar (ustar, pax, GNU) is read as a stream, so compressed ones, too.
A WACZ (https://specs.webrecorder.net/wacz/1.1.1/) is a zip of which `archive/` holds the records; the rest is indexes.
"""

import io
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, NamedTuple, cast

from flows.names import is_passed_over, shown
from flows.readers.compression import EXPANSION_FLOOR, Damage, read_chunks
from flows.readers.records import Format, Part, Record, quoted, rejected, rejected_file
from flows.readers.source import STEP
from transforms.config import Config, Limits
from transforms.errors import RecordError

# Held in memory of a member, before it goes to a temporary file.
SPOOL_BYTES = 16 * 1024 * 1024
# A tar's header may claim a name of gigabytes; tarfile would hold it, and is quadratic in it before 3.11.10
# (CVE-2024-6232).
HEADER_BYTES = 64 * 1024
# What zipfile and tarfile raise on damaged bytes, with the decompressors that they use.
DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError),
    *(OSError, ValueError, KeyError, IndexError, RuntimeError, OverflowError, MemoryError),
)
# Of a tar: a name or headers for the next member.
_HEADERS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_ENCRYPTED = 0x1


class Allowance:
    """What may still be unpacked of an input file, and what was passed over in it."""

    def __init__(self, size: int, limits: Limits, passed: Counter[str]) -> None:
        self.limits, self.passed = limits, passed
        self.most = max(EXPANSION_FLOOR, limits.expansion_ratio * size)
        self.bytes = self.members = 0

    def take(self, size: int) -> None:
        """Raises: Damage where more bytes are unpacked than the file may hold."""
        self.bytes += size
        if self.is_spent:
            raise Damage("limit.expansion", f"{self.bytes:,} bytes were unpacked, expected at most {self.most:,}")

    @property
    def is_spent(self) -> bool:
        return self.bytes > self.most

    def count(self) -> None:
        """One more member. Raises: Damage where there are too many."""
        self.members += 1
        if self.members > self.limits.members:
            raise Damage("limit.members", f"more than {self.limits.members:,} members; the rest is not read")


class Member(NamedTuple):
    """A file in an archive."""

    name: bytes  # '/'-separated
    path: str  # of the whole, as it is shown
    open: Callable[[], Any]  # a file that has `read1`


class Opened(NamedTuple):
    """A member, unpacked, as readers take it."""

    file: BinaryIO
    part: Part


# Whether a file of this name is read, and as what: `flows.readers.format_of`.
FormatOf = Callable[[str], tuple[str, str]]


def read_members(
    file: BinaryIO, part: Part, config: Config, allowance: Allowance, format_of: FormatOf
) -> Iterator[Opened | Record]:
    """The members of an archive, each open until the next is asked for; records of what can't be read."""
    members = _tar(file, part, config, allowance) if part.format == "tar" else _zip(file, part, allowance)
    for member in members:
        if isinstance(member, Record):
            yield member
            continue
        if _is_passed_over(member.name, part.format, format_of):
            allowance.passed["hidden or leftover member"] += 1
            continue
        format, compression = format_of(os.fsdecode(member.name))
        whole = part._replace(path=member.path, format=format, compression=compression, start=0, end=0, size=0)
        try:
            source = member.open()
        except NotImplementedError as error:  # zipfile, of a method of compression or a strong encryption
            yield rejected(whole, "read.unsupported_format", f"{member.path}: {quoted(error)}")
            continue
        except DAMAGED as error:
            yield rejected(whole, "read.corrupt", f"{member.path}: {quoted(error)}")
            continue
        with source, SpooledTemporaryFile(SPOOL_BYTES) as spool:
            unpacked = cast(BinaryIO, spool)
            size, damage = _unpack(source, unpacked, allowance)
            whole = whole._replace(size=size + (damage is not None))
            whole = whole._replace(end=whole.size if whole.is_lines else 0)
            unpacked.seek(0)
            if damage is None:
                yield Opened(unpacked, whole)
            else:
                yield Opened(cast(BinaryIO, _Broken(unpacked, damage)), whole)
        if allowance.is_spent:
            yield rejected(part, "limit.expansion", f"{part.path}: the rest is not read")
            return


def _is_passed_over(name: bytes, archive: str, format_of: FormatOf) -> bool:
    *folders, last = name.split(b"/")
    if archive == "wacz" and folders[:1] != [b"archive"]:
        return True

    def is_read() -> bool:
        return format_of(os.fsdecode(last))[0] != "unsupported"

    return any(is_passed_over(folder, True, is_read) for folder in folders) or is_passed_over(last, False, is_read)


def _unpack(source: Any, spool: BinaryIO, allowance: Allowance) -> tuple[int, Damage | None]:
    """How many bytes of a member could be unpacked, and why not all."""
    size, most = 0, allowance.limits.member_bytes
    while True:
        try:
            # At most one step: what a longer read has when it fails is lost.
            chunk = source.read1(STEP)
            allowance.take(len(chunk))
            if size + len(chunk) > most:
                raise Damage("limit.member_bytes", f"more than {most:,} bytes, unpacked")
        except Damage as damage:
            return size, damage
        except tarfile.ReadError as error:
            return size, Damage("read.truncated", f"{quoted(error)}, after {size:,} bytes of the member")
        except DAMAGED as error:
            return size, Damage("read.corrupt", f"{quoted(error)}, after {size:,} bytes of the member")
        if not chunk:
            return size, None
        spool.write(chunk)
        size += len(chunk)


class _Broken:
    """A member that could not be unpacked to its end, which says so there."""

    def __init__(self, file: BinaryIO, damage: Damage) -> None:
        self.file, self.damage = file, damage

    def read(self, size: int = -1) -> bytes:
        """Raises: Damage at the end."""
        found = self.file.read(size)
        if not found and size:
            raise self.damage
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


class _Names:
    """The paths of an archive's members: no two are alike."""

    def __init__(self, archive: str) -> None:
        self.archive = archive
        self.taken: set[bytes] = set()

    def place(self, name: bytes) -> tuple[bytes, str]:
        """A member's name without ways out of the archive, and its path."""
        steps: list[bytes] = []
        for step in name.split(b"/"):
            if step == b"..":
                del steps[-1:]
            elif step not in (b"", b"."):
                steps.append(step)
        name = b"/".join(steps) or b"_"
        unlike, number = name, 1
        while unlike in self.taken:
            number += 1
            unlike = b"%b (%d)" % (name, number)
        self.taken.add(unlike)
        return name, f"{self.archive}!/{'/'.join(map(shown, unlike.split(b'/')))}"


# -------------------------------------------------------------------------------------------------------------- zip


def _zip(file: BinaryIO, part: Part, allowance: Allowance) -> Iterator[Member | Record]:
    try:
        archive = zipfile.ZipFile(file)
    except DAMAGED as error:
        yield rejected_file(file, part, "read.corrupt", f"{part.path}: {quoted(error)}")
        return
    names = _Names(part.path)
    with archive:
        for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
            if info.filename.endswith("/"):  # a folder; `is_dir` fails where there is no name
                continue
            try:
                allowance.count()
            except Damage as damage:
                yield rejected(part, damage.reason, f"{part.path}: {damage.detail}")
                return
            name, path = names.place(_zip_name(info))
            if info.flag_bits & _ENCRYPTED:
                yield rejected(part._replace(path=path), "read.unreadable", f"{path}: encrypted")
                continue
            yield Member(name, path, partial(archive.open, info))


def _zip_name(info: zipfile.ZipInfo) -> bytes:
    """The name as bytes, UTF-8 if it may be. Some archivers of Windows part names with backslashes."""
    name = info.filename.replace("\\", "/")
    try:
        raw = name.encode("cp437")
        raw.decode()
    except UnicodeError:
        return name.encode(errors="surrogatepass")
    return raw


# -------------------------------------------------------------------------------------------------------------- tar


class _Stream:
    """A tar's bytes, decompressed, as tarfile takes them."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.chunks = chunks
        self.left = b""
        self.damage: Damage | None = None

    def read(self, size: int) -> bytes:
        pieces = [self.left]
        held = len(self.left)
        while held < size and self.damage is None:
            try:
                chunk = next(self.chunks, b"")
            except Damage as damage:
                self.damage = damage
                break
            if not chunk:
                break
            pieces.append(chunk)
            held += len(chunk)
        found = b"".join(pieces)
        self.left = found[size:]
        return found[:size]


class _TarMember(io.RawIOBase):
    """The bytes of the member whose header was read last. tarfile's own reader gives none of a step that is cut off."""

    def __init__(self, archive: tarfile.TarFile, size: int) -> None:
        self.archive, self.left = archive, size

    def read1(self, size: int) -> bytes:
        """Raises: tarfile.ReadError where the archive stops inside the member."""
        if not self.left:
            return b""
        found: bytes = self.archive.fileobj.read(min(size, self.left))
        if not found:
            raise tarfile.ReadError("the archive stops inside a member")
        self.left -= len(found)
        return found


def _tar(file: BinaryIO, part: Part, config: Config, allowance: Allowance) -> Iterator[Member | Record]:
    stream = _Stream(read_chunks(file, part, config))
    end: list[Exception] = []

    class Header(tarfile.TarInfo):
        @classmethod
        def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "Header":
            """Notes how the archive ends: tarfile takes a damaged header for the end."""
            try:
                found = super().frombuf(buf, encoding, errors)
                if found.size < 0 or (found.type in _HEADERS and found.size > HEADER_BYTES):
                    raise tarfile.HeaderError(f"a header claims {found.size:,} bytes")
            except tarfile.HeaderError as error:
                end.append(error)
                raise
            return found

    try:
        yield from _tar_members(stream, Header, part, allowance, end)
    except RecordError as error:
        yield rejected(part, error.reason, f"{part.path}: {error.detail}")


def _tar_members(
    stream: _Stream, header: type[tarfile.TarInfo], part: Part, allowance: Allowance, end: list[Exception]
) -> Iterator[Member | Record]:
    """Raises: RecordError where the archive ends otherwise than it should."""
    names = _Names(part.path)
    try:
        archive = tarfile.open(  # noqa: SIM115
            fileobj=cast(BinaryIO, stream),
            mode="r|",
            bufsize=STEP,
            tarinfo=header,
            errors="surrogateescape",
            encoding="utf-8",
        )
    except DAMAGED as error:
        raise stream.damage or RecordError("read.corrupt", quoted(error)) from None
    with archive:
        while True:
            try:
                info = archive.next()
            except DAMAGED as error:
                reason = "read.truncated" if isinstance(error, tarfile.ReadError) else "read.corrupt"
                raise stream.damage or RecordError(reason, quoted(error)) from None
            if info is None:
                break
            archive.members = []  # type: ignore[attr-defined]  # else it keeps all of them
            if info.isdir():
                continue
            allowance.count()
            name, path = names.place(os.fsencode(info.name))
            if not info.isreg():
                yield rejected(
                    part._replace(path=path), "read.not_a_file", f"{path}: a link or device, expected a file"
                )
            elif info.issparse():
                yield rejected(part._replace(path=path), "read.unsupported_format", f"{path}: a sparse file")
            else:
                yield Member(name, path, partial(_TarMember, archive, info.size))
        _check_end(archive, stream, end)


def _check_end(archive: tarfile.TarFile, stream: _Stream, end: list[Exception]) -> None:
    """Raises: RecordError where a tar doesn't end with a block of zeros, and nothing but zeros after it."""
    if stream.damage is not None:
        raise stream.damage
    how = end[-1] if end else None
    if isinstance(how, tarfile.EmptyHeaderError | tarfile.TruncatedHeaderError):  # type: ignore[attr-defined]
        raise RecordError("read.truncated", "the archive stops without the mark of its end")
    if not isinstance(how, tarfile.EOFHeaderError):  # type: ignore[attr-defined]
        raise RecordError("read.corrupt", f"a damaged header ({quoted(how)}); the rest is not read")
    rest = 0
    while chunk := archive.fileobj.read(STEP):
        rest += len(chunk.lstrip(b"\0"))
    if stream.damage is not None:
        raise stream.damage
    if rest:
        raise RecordError("read.trailing_garbage", "bytes after the end of the archive")


ZIP = Format({".zip": "zip", ".wacz": "wacz"}, is_compressible=False, may_crash=True)
TAR = Format({".tar": "tar"}, may_crash=True)
