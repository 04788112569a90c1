"""The bytes of a file, decompressed step by step: bounded memory, whatever the file claims.

Gzip (RFC 1952) and Zstandard (RFC 8878) files may hold several members or frames; they read on as one. What
ends otherwise than it should raises `Damage`, after the bytes before it have been handed out (all that can be
decoded where it is cut off; where it is corrupt, all but the last step's). Truncation is looked for here, as
neither library reports it. A gzip bomb of 1 MB opens to 1 GiB, a zstd one of 33 kB.
"""

import zlib
from collections.abc import Iterator
from itertools import chain
from typing import Any, BinaryIO, NamedTuple

import zstandard

from flows.readers import Part, digest_and_head, quoted
from flows.readers.source import STEP
from transforms.config import Config
from transforms.errors import RecordError

# Input and output of one gzip step. Output lost where damage shows is at most one step.
GZIP_STEP, GZIP_OUTPUT = 16 * 1024, 64 * 1024
# python-zstandard's decompressobj has no bound on output: 256 bytes hold at most 64 blocks of 128 KiB. Measured,
# 1 KiB is no faster, 128 bytes take half as long again.
ZSTD_STEP = 256
# Below this no ratio is judged: a short file of repeated lines is honest.
EXPANSION_FLOOR = 64 * 1024 * 1024
GZIP_MAGIC = b"\x1f\x8b\x08"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZSTD_SKIPPABLE = tuple(bytes([first, 0x2A, 0x4D, 0x18]) for first in range(0x50, 0x60))


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
        yield from _decompressed(file, part.compression, config.limits.expansion_ratio)
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


class _Gzip:
    size = GZIP_STEP

    def __init__(self) -> None:
        self.stream = zlib.decompressobj(wbits=31)

    def step(self, buffer: bytes) -> _Step:
        output = self.stream.decompress(buffer, GZIP_OUTPUT)
        rest = self.stream.unused_data if self.stream.eof else self.stream.unconsumed_tail
        return _Step(output, rest, self.stream.eof, not rest and len(output) < GZIP_OUTPUT)

    @staticmethod
    def starts(buffer: bytes) -> bool:
        return buffer.startswith(GZIP_MAGIC[: len(buffer)])


class _Zstd:
    size = ZSTD_STEP

    def __init__(self) -> None:
        self.stream = zstandard.ZstdDecompressor().decompressobj()

    def step(self, buffer: bytes) -> _Step:
        output = self.stream.decompress(buffer)
        return _Step(output, self.stream.unused_data, self.stream.eof, True)

    @staticmethod
    def starts(buffer: bytes) -> bool:
        return any(buffer[:4] == magic[: len(buffer)] for magic in (ZSTD_MAGIC, *ZSTD_SKIPPABLE))


def _decompressed(file: BinaryIO, compression: str, expansion_ratio: int) -> Iterator[bytes]:
    codec: type[_Gzip | _Zstd] = _Gzip if compression == "gz" else _Zstd
    buffer = file.read(codec.size)
    taken, given = len(buffer), 0
    while True:
        member = codec()
        at_end = False
        while not at_end:
            try:
                output, buffer, at_end, hungry = member.step(buffer)
            except (zlib.error, zstandard.ZstdError) as error:
                raise Damage("read.corrupt", f"{quoted(error)}, within the first {taken:,} bytes") from None
            given += len(output)
            if given > max(EXPANSION_FLOOR, expansion_ratio * taken):
                detail = f"{taken:,} bytes opened to {given:,}, expected {expansion_ratio} times as many at most"
                raise Damage("limit.expansion", detail)
            if output:
                yield output
            if hungry and not at_end:
                buffer = file.read(codec.size)
                taken += len(buffer)
                if not buffer:
                    raise Damage("read.truncated", f"the file stops after {taken:,} bytes, inside a stream")
        while True:
            if compression == "gz":  # tapes and block devices pad with zeros; gzip(1) passes over them too
                buffer = buffer.lstrip(b"\0")
            if len(buffer) >= len(ZSTD_MAGIC) or not (more := file.read(codec.size)):
                break
            taken += len(more)
            buffer += more
        if not buffer:
            return
        if not codec.starts(buffer):
            sha256, raw_head, size = digest_and_head(chain([buffer], iter(lambda: file.read(1 << 16), b"")))
            raise Garbage(f"{size:,} bytes after the end of the stream", sha256, raw_head)
