"""The bytes of a file, decompressed step by step: bounded memory, whatever the file claims.

Files of gzip (RFC 1952), Zstandard (RFC 8878), bzip2, xz and LZ4 frames may hold several members, streams or frames;
they read on as one. What ends otherwise than it should raises `Damage`, after the bytes before it have been handed
out (all that can be decoded where it is cut off; where it is corrupt, all but the last step's). Truncation is looked
for here, as none of the libraries reports it. A gzip bomb of 1 MB opens to 1 GiB, a zstd one of 33 kB.

The first bytes say how a file is compressed, and overrule its name: HTTP clients undo a compression and keep the name,
or keep the bytes and lose the ending.
"""

import bz2
import lzma
import re
import zlib
from collections.abc import Iterator
from itertools import chain
from typing import Any, BinaryIO, NamedTuple, Protocol

import lz4.frame
import zstandard

from flows.readers.records import Part, digest_and_head, quoted
from flows.readers.source import STEP
from transforms.config import Config, Limits
from transforms.errors import RecordError

# Input and output of one step. Output lost where damage shows is at most one step.
INPUT_STEP, OUTPUT_STEP = 16 * 1024, 64 * 1024
# python-zstandard's decompressobj has no bound on output: 256 bytes hold at most 64 blocks of 128 KiB. Measured,
# 1 KiB is no faster, 128 bytes take half as long again.
ZSTD_STEP = 256
# `xz -9` takes 65 MiB to open; a header may ask for 4 GiB.
XZ_MEMORY = 256 * 1024 * 1024
# Below this no ratio is judged: a short file of repeated lines is honest.
EXPANSION_FLOOR = 64 * 1024 * 1024
# Frames of user data, in LZ4 as in Zstandard.
SKIPPABLE = tuple(bytes([first, 0x2A, 0x4D, 0x18]) for first in range(0x50, 0x60))
# As much of a file as tells how it is compressed, or that it isn't.
HEAD_BYTES = 1_024
# What no text holds and compressed bytes nearly always do: all but tabs, line ends, form feeds and escapes.
CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")


class Damage(RecordError):
    """The stream ends otherwise than it should; what was handed out before stays."""


class Garbage(Damage):
    """Bytes after the end of a whole stream: everything before is complete. Carries what the bytes were."""

    def __init__(self, detail: str, sha256: str, raw_head: bytes) -> None:
        super().__init__("read.trailing_garbage", detail)
        self.sha256 = sha256
        self.raw_head = raw_head

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return type(self), (self.detail, self.sha256, self.raw_head)


def read_chunks(file: BinaryIO, part: Part, config: Config, newline: bytes = b"\n") -> Iterator[bytes]:
    """The part's bytes, decompressed, in steps of bounded size. Raises: Damage, OSError."""
    if part.compression:
        yield from decompressed(file, part.compression, config.limits)
    elif part.is_lines:
        yield from _whole_lines(file, part.start, part.end, newline)
    else:
        yield from _plain(file, part.size)


def _plain(file: BinaryIO, size: int) -> Iterator[bytes]:
    file.seek(0)
    while size > 0 and (chunk := file.read(min(STEP, size))):
        size -= len(chunk)
        yield chunk


def _whole_lines(file: BinaryIO, start: int, end: int, newline: bytes) -> Iterator[bytes]:
    """The lines that begin from `start` on and before `end`; the last may end beyond it. A line end of two or four
    bytes, as UTF-16 and UTF-32 have it, stands at a multiple of them."""
    width = len(newline)
    start, end = -(-start // width) * width, -(-end // width) * width
    # The line that begins at `start` is the one after a line end just before it.
    at = max(0, start - width)
    file.seek(at)
    is_inside = start == 0
    while chunk := file.read(STEP):
        if not is_inside:
            first = _find(chunk, newline, 0) + width
            first = 0 if first < width else first
            if at + (first or len(chunk)) >= end:  # no line begins here
                return
            if not first:
                at += len(chunk)
                continue
            chunk, at, is_inside = chunk[first:], at + first, True
        last = _find(chunk, newline, max(0, end - width - at)) if at + len(chunk) >= end else -1
        if last >= 0:
            yield chunk[: last + width]
            return
        yield chunk
        at += len(chunk)


def _find(chunk: bytes, newline: bytes, start: int) -> int:
    """Where the first line end is that stands at a multiple of its bytes, or -1."""
    found = chunk.find(newline, start)
    while found % len(newline) and found >= 0:
        found = chunk.find(newline, found + 1)
    return found


class _Step(NamedTuple):
    output: bytes
    rest: bytes  # input not used yet; after the end of a member, what follows it
    at_end: bool  # of the member
    hungry: bool  # nothing more comes without more input


class _Codec(Protocol):
    """One member of a file."""

    magics: tuple[bytes, ...]  # how it may begin
    input_step: int
    padding: bytes  # what may stand between members

    def step(self, buffer: bytes) -> _Step:
        """Take these bytes on."""


class _Gzip:
    magics: tuple[bytes, ...] = (b"\x1f\x8b\x08",)
    input_step = INPUT_STEP
    padding = b"\0"  # tapes and block devices pad with zeros; gzip(1) passes over them too

    def __init__(self) -> None:
        self.stream = zlib.decompressobj(wbits=31)

    def step(self, buffer: bytes) -> _Step:
        output = self.stream.decompress(buffer, OUTPUT_STEP)
        rest = self.stream.unused_data if self.stream.eof else self.stream.unconsumed_tail
        return _Step(output, rest, self.stream.eof, not rest and len(output) < OUTPUT_STEP)


class _Zstd:
    magics, input_step, padding = (b"\x28\xb5\x2f\xfd", *SKIPPABLE), ZSTD_STEP, b""

    def __init__(self) -> None:
        self.stream = zstandard.ZstdDecompressor().decompressobj()

    def step(self, buffer: bytes) -> _Step:
        output = self.stream.decompress(buffer)
        return _Step(output, self.stream.unused_data, self.stream.eof, True)


class _Buffered:
    """What bz2, lzma and lz4 have in common: they hold the input that they have not used yet."""

    input_step = INPUT_STEP
    stream: Any

    def step(self, buffer: bytes) -> _Step:
        output = self.stream.decompress(buffer, OUTPUT_STEP)
        # LZ4's needs no input any more where a block is decoded, but not handed out.
        hungry = self.stream.needs_input and len(output) < OUTPUT_STEP
        return _Step(output, self.stream.unused_data or b"", self.stream.eof, hungry)


class _Bzip2(_Buffered):
    # With the first block's number, pi, or the last one's, its root: `BZh9` alone may begin a text.
    magics = tuple(b"BZh%d%b" % (size, block) for size in range(1, 10) for block in (b"1AY&SY", b"\x17rE8P\x90"))
    padding = b""

    def __init__(self) -> None:
        self.stream = bz2.BZ2Decompressor()


class _Xz(_Buffered):
    magics: tuple[bytes, ...] = (b"\xfd7zXZ\0",)
    padding = b"\0"

    def __init__(self) -> None:
        self.stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)


class _Lz4(_Buffered):
    magics, padding = (b"\x04\x22\x4d\x18", *SKIPPABLE), b""

    def __init__(self) -> None:
        self.stream = lz4.frame.LZ4FrameDecompressor()


CODECS: dict[str, type[_Codec]] = {"gz": _Gzip, "zst": _Zstd, "bz2": _Bzip2, "xz": _Xz, "lz4": _Lz4}
# What the libraries raise on damaged bytes.
DAMAGED = (zlib.error, zstandard.ZstdError, lzma.LZMAError, OSError, ValueError, RuntimeError, EOFError, MemoryError)


def compression_of(head: bytes, said: str) -> str:
    """How a file is compressed that begins like this and whose name says `said`; '' for not at all.

    >>> compression_of(b"BZh91AY&SY", ""), compression_of(b"BZh91AY&SY", "gz"), compression_of(b"A text", "xz")
    ('bz2', 'bz2', '')
    """
    if said and _starts(CODECS[said], head):
        return said
    found = next((name for name, codec in CODECS.items() if head.startswith(codec.magics)), None)
    if found is not None:
        return found
    return "" if not CONTROL.search(head) else said


def head_of(file: BinaryIO) -> bytes:
    """What a file begins with; it is read from the start afterwards."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    file.seek(0)
    return head


def _starts(codec: type[_Codec], buffer: bytes) -> bool:
    """Whether a member begins, or may, where there are fewer bytes than tell."""
    return any(buffer[: len(magic)] == magic[: len(buffer)] for magic in codec.magics)


def decompressed(file: BinaryIO, compression: str, limits: Limits) -> Iterator[bytes]:
    """The bytes of a file from its start, decompressed. Raises: Damage, OSError."""
    codec = CODECS[compression]
    size, longest = codec.input_step, max(map(len, codec.magics))
    file.seek(0)
    buffer = file.read(size)
    taken, given = len(buffer), 0
    while True:
        member = codec()
        at_end = False
        while not at_end:
            try:
                output, buffer, at_end, hungry = member.step(buffer)
            except DAMAGED as error:
                raise Damage("read.corrupt", f"{quoted(error)}, within the first {taken:,} bytes") from None
            given += len(output)
            if given > max(EXPANSION_FLOOR, limits.expansion_ratio * taken):
                detail = f"{taken:,} bytes opened to {given:,}, expected {limits.expansion_ratio} times as many at most"
                raise Damage("limit.expansion", detail)
            if given > limits.file_bytes:
                detail = f"the first {taken:,} bytes opened to {given:,}, expected at most {limits.file_bytes:,}"
                raise Damage("limit.file_bytes", detail)
            if output:
                yield output
            if hungry and not at_end:
                buffer = file.read(size)
                taken += len(buffer)
                if not buffer:
                    raise Damage("read.truncated", f"the file stops after {taken:,} bytes, inside a stream")
        while True:
            if codec.padding:
                buffer = buffer.lstrip(codec.padding)
            if len(buffer) >= longest or not (more := file.read(size)):
                break
            taken += len(more)
            buffer += more
        if not buffer:
            return
        if not _starts(codec, buffer):
            sha256, raw_head, size = digest_and_head(chain([buffer], iter(lambda: file.read(1 << 16), b"")))
            raise Garbage(f"{size:,} bytes after the end of the stream", sha256, raw_head)
