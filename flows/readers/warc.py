r"""WARC and WET: what a crawler kept, one record a page.

Read are responses with a status of 2xx (but 206, a piece of one), resources and conversions whose payload is HTML or
plain text. What else a crawl keeps (requests, revisits, metadata, images, other statuses) is no text that was lost: it
is counted by kind, and a file that holds nothing else says so. `source_sha256` is that of the payload as the browser
had it, without the coding of its transfer: the same in every crawl. Headers are read as fields of a record are
(fields.py).

Framed here and not by fastwarc, which is silent where a file is cut off or a length claims too much, and gives up a
file at the first record that doesn't begin where it should (docs/decisions.md). A record is taken only where the next
one, or the end, follows its last byte; else one is looked for from its first byte on, so a length that lies costs the
record that has it.

>>> headers_of(b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: 5\r\n\r\n")
{'warc-type': 'response', 'content-length': '5'}
"""

import hashlib
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO, NamedTuple

from flows.readers.compression import (
    CODECS,
    CONTROL,
    HEAD_BYTES,
    OUTPUT_STEP,
    Damage,
    Garbage,
    decompressed,
    read_chunks,
)
from flows.readers.fields import FieldReader
from flows.readers.html import decode_page
from flows.readers.records import RAW_HEAD_BYTES, Format, Part, Record, accepted, quoted, rejected
from transforms.charsets import decode
from transforms.config import Config, Fields
from transforms.errors import RecordError

try:
    import brotli
except ImportError:  # the extra `warc` is not installed
    brotli = None

MISSING = "Content-Encoding br needs the extra `warc`: pip install 'tamis[warc]'"

HTML = frozenset(["text/html", "application/xhtml+xml", "application/vnd.wap.xhtml+xml"])
PLAIN = frozenset(["text/plain", "text/markdown", "text/x-markdown"])
# Kinds that a count may have: a file can't invent more.
TYPES = frozenset(["request", "revisit", "metadata", "warcinfo", "continuation"])
MEDIA = frozenset(["application", "audio", "font", "image", "message", "model", "multipart", "text", "video"])
# Of the statuses that are a success, the one of a piece of a page.
PARTIAL = b"206"
# A record's headers, and those of HTTP; servers refuse more than 8 to 16 KiB.
HEADERS_BYTES = 64 * 1024
# What says how a record is framed, and nothing about the page.
FRAMING = frozenset(["warc-type", "content-length", "content-type"])

_START = re.compile(rb"WARC/\d+\.\d+[ \t]*\r?\n")
# What a file that is cut off ends with, before that can match.
_START_CUT = re.compile(rb"W(?:A(?:R(?:C(?:/[\d.]*[ \t]*\r?)?)?)?)?")
_NEXT = re.compile(rb"\nWARC/\d+\.\d+[ \t]*\r?\n(?=[A-Za-z-]+[ \t]*:)")
# Longer than what _NEXT matches, in two pieces of a stream.
_OVERLAP = 256
_BLANK = re.compile(rb"\n\r?\n")
# Where headers end, or the next record begins that their own end is missing before.
_HEADERS_END = re.compile(rb"\n\r?\n|" + _NEXT.pattern)
_LINE_ENDS = re.compile(rb"[\r\n]*")
_STATUS = re.compile(rb"HTTP/\d(?:\.\d)?[ \t]+(\d{3})(?!\d)")
_CHUNK = re.compile(rb"[ \t]*([0-9a-fA-F]{1,16})[ \t]*(?:;[^\n]{0,1024})?\r?\n")
_CHUNK_END = re.compile(rb"\r?\n")
# Behind the last chunk.
_TRAILERS = re.compile(rb"(?:[\w-]+:[^\n]*\n)*\s*")
_CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([^\s"';,>]+)""", re.IGNORECASE)
_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]{0,512}>\s*)?<(?:!doctype\s+html|html)\b", re.IGNORECASE)


class _Unread(Exception):
    """Bytes that are no record; the stream stands behind them."""

    def __init__(self, reason: str, detail: str, sha256: str, head: bytes) -> None:
        super().__init__(detail)
        self.reason, self.detail, self.sha256, self.head = reason, detail, sha256, head


class _Block(NamedTuple):
    """A record as it is framed."""

    headers: dict[str, str]
    content: bytes  # its first HEADERS_BYTES where it is too long
    size: int
    sha256: str  # of what is too long; else ''


class _Page(NamedTuple):
    payload: bytes
    is_html: bool
    charset: str | None  # as the headers say
    http: dict[str, str]


class _Stream:
    """The bytes of a file, held as far as somebody looks."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.chunks = chunks
        self.buffer = bytearray()
        self.at = 0  # of the buffer, in the decompressed file
        self.is_ended = False
        self.damage: Damage | None = None

    def fill(self, size: int) -> bool:
        """Whether there are so many bytes."""
        while len(self.buffer) < size and not self.is_ended:
            try:
                self.buffer += next(self.chunks)
            except StopIteration:
                self.is_ended = True
            except Damage as damage:
                self.damage, self.is_ended = damage, True
        return len(self.buffer) >= size

    def drop(self, size: int) -> None:
        del self.buffer[:size]
        self.at += size

    def skip_line_ends(self) -> bool:
        """Whether anything comes after them."""
        while self.fill(1):
            found = _LINE_ENDS.match(self.buffer)
            assert found is not None
            self.drop(found.end())
            if self.buffer:
                return True
        return False

    def skip_to_next(self, looked: int, size: int | None = None) -> tuple[str, bytes, int, bool]:
        """Pass over what is here: `size` bytes, or all, but never a record that begins at `looked` or later. SHA-256,
        head and number of these bytes, and whether a record begins after them."""
        digest, head, passed = hashlib.sha256(), b"", 0
        while True:
            found = _NEXT.search(self.buffer, looked)
            if found is not None and (size is None or passed + found.start() + 1 < size):
                end = found.start() + 1
            elif size is not None and passed + len(self.buffer) >= size:
                found, end = None, size - passed
            elif self.is_ended:
                end = len(self.buffer)
            else:
                end = max(0, len(self.buffer) - _OVERLAP)
            piece = self.buffer[:end]
            digest.update(piece)
            head += piece[: RAW_HEAD_BYTES - len(head)]
            passed += end
            self.drop(end)
            if found is not None or passed == size or self.is_ended:
                return digest.hexdigest(), bytes(head), passed, found is not None
            looked = max(0, looked - end)
            self.fill(len(self.buffer) + HEADERS_BYTES)


def read(file: BinaryIO, part: Part, config: Config, reader: FieldReader) -> Iterator[Record]:
    """The pages of a file, and what could not be read of it."""
    stream = _Stream(read_chunks(file, part, config))
    # What `[fields]` says is about names in records; those of headers are standardised.
    headers = FieldReader(replace(config, fields=Fields(extra=config.fields.extra)))
    number = pages = 0
    is_cut = False
    while stream.skip_line_ends():
        number += 1
        try:
            block = _framed(stream, config.limits.record_bytes)
        except _Unread as found:
            pages += 1
            reason, detail = found.reason, found.detail
            if reason == "read.truncated" and stream.damage is not None and not isinstance(stream.damage, Garbage):
                reason, detail, is_cut = stream.damage.reason, f"{stream.damage.detail}; {detail}", True
            yield rejected(part, reason, detail, record=str(number), raw=found.head, sha256=found.sha256)
            continue
        record = _record(block, part, number, config, headers, reader)
        if record is not None:
            pages += 1
            yield record
    damage = stream.damage
    if isinstance(damage, Garbage):
        yield rejected(part, damage.reason, damage.detail, raw=damage.raw_head, sha256=damage.sha256)
    elif damage is not None and not is_cut:
        detail = f"{damage.detail}; {number:,} records before, up to byte {stream.at:,} of what is in it"
        yield rejected(part, damage.reason, detail, raw=b"")
    elif not number:
        yield rejected(part, "read.empty_file", f"{part.path}: no record in it", raw=b"")
    elif not pages:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in reader.passed.most_common())
        yield rejected(part, "read.no_page", f"{part.path}: no page among {number:,} records: {kinds}")


# ------------------------------------------------------------------------------------------------------------ framing


def _framed(stream: _Stream, limit: int) -> _Block:
    """The record that begins here. Raises: _Unread."""
    begin = stream.at
    stream.fill(HEADERS_BYTES)
    start = _START.match(stream.buffer)
    if start is None:
        if stream.is_ended and _START_CUT.fullmatch(stream.buffer):
            raise _passed_over(stream, 0, "read.truncated", f"the file ends in the record at byte {begin:,}")
        raise _passed_over(stream, 0, "read.corrupt", f"no record begins at byte {begin:,}")
    headers_end = _HEADERS_END.search(stream.buffer, start.end() - 1, HEADERS_BYTES)
    if headers_end is None or headers_end[0].strip():
        if headers_end is None and not stream.fill(HEADERS_BYTES):
            raise _passed_over(stream, 1, "read.truncated", f"the file ends in the record at byte {begin:,}")
        raise _passed_over(stream, 1, "read.corrupt", f"the headers of the record at byte {begin:,} don't end")
    first = headers_end.end()
    headers = headers_of(bytes(stream.buffer[:first]))
    said = headers.get("content-length", "")
    if not re.fullmatch(r"[0-9]{1,18}", said):
        found = f"Content-Length is '{quoted(said)}'" if said else "Content-Length is missing"
        raise _passed_over(stream, first - 1, "read.corrupt", f"{found} in the record at byte {begin:,}")
    size = int(said)
    if size > limit + HEADERS_BYTES:
        return _too_long(stream, begin, headers, first, size)
    end = first + size
    is_there = stream.fill(end)
    stream.fill(end + _OVERLAP)
    if is_there and _ends_at(stream, end):
        content = bytes(stream.buffer[first:end])
        stream.drop(end)
        return _Block(headers, content, size, "")
    lie = f"Content-Length is {size:,}, but no record begins after that, in the record at byte {begin:,}"
    if not is_there and not _NEXT.search(stream.buffer, first - 1):
        detail = f"the file ends {end - len(stream.buffer):,} bytes before the record at byte {begin:,} does"
        raise _passed_over(stream, first - 1, "read.truncated", detail)
    raise _passed_over(stream, first - 1, "read.corrupt", lie)


def _ends_at(stream: _Stream, end: int) -> bool:
    """Whether a record ends there: by what comes after it, or by the two line ends that should."""
    most = min(end + _OVERLAP, len(stream.buffer))
    found = _LINE_ENDS.match(stream.buffer, end, most)
    assert found is not None
    if found.end() == most or _START.match(stream.buffer, found.end()):
        return True
    if stream.is_ended and _START_CUT.fullmatch(stream.buffer, found.end()):
        return True
    return found[0] in (b"\r\n\r\n", b"\n\n")  # what follows is damaged


def _too_long(stream: _Stream, begin: int, headers: dict[str, str], first: int, size: int) -> _Block:
    """A record that isn't held. If another begins within it, its length lies. Raises: _Unread."""
    stream.fill(first + HEADERS_BYTES)
    content = bytes(stream.buffer[first : first + HEADERS_BYTES])
    sha256, head, passed, is_next = stream.skip_to_next(first - 1, first + size)
    if is_next:
        detail = f"Content-Length is {size:,}, but a record begins within that, in the record at byte {begin:,}"
        raise _Unread("read.corrupt", detail, sha256, head)
    if passed < first + size:
        missing = first + size - passed
        detail = f"the file ends {missing:,} bytes before the record at byte {begin:,} does"
        raise _Unread("read.truncated", detail, sha256, head)
    return _Block(headers, content, size, sha256)


def _passed_over(stream: _Stream, looked: int, reason: str, detail: str) -> _Unread:
    sha256, head, size, is_next = stream.skip_to_next(looked)
    return _Unread(reason, f"{detail}; {size:,} bytes to the {'next' if is_next else 'end'}", sha256, head)


def headers_of(head: bytes) -> dict[str, str]:
    """Headers by their names in lower case; of equal ones the first, a line that goes on joined."""
    found: dict[str, str] = {}
    text = head.decode("utf-8", "replace")
    lines = re.sub(r"\r?\n[ \t]+", " ", text).split("\n")
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip().lower(), value.strip())
    return found


# ------------------------------------------------------------------------------------------------------------- content


def _record(
    block: _Block, part: Part, number: int, config: Config, headers: FieldReader, reader: FieldReader
) -> Record | None:
    """The page that it holds; None, counted, where it holds none."""
    limit = config.limits.record_bytes
    raw, sha256 = block.content, block.sha256
    said = {name: value for name, value in block.headers.items() if name not in FRAMING}
    said["warc-target-uri"] = _uri(block.headers)
    try:
        page = _page(block)
        if isinstance(page, str):
            reader.passed[page] += 1
            return None
        if block.sha256:
            raise RecordError("limit.record_bytes", f"{block.size:,} bytes, expected at most {limit:,}")
        payload = _payload(page, config)
        raw, sha256 = payload, hashlib.sha256(payload).hexdigest()
        if len(payload) > limit:
            raise RecordError("limit.record_bytes", f"{len(payload):,} bytes, expected at most {limit:,}")
        text, charset = _text(page, payload, config)
    except RecordError as error:
        found = headers.read(said)
        record = rejected(part, error.reason, error.detail, record=str(number), raw=raw, sha256=sha256 or None)
        return record._replace(source_id=found.id, url=found.url, fetched_at=found.fetched_at)
    language = said.pop("warc-identified-content-language", None) or page.http.get("content-language", "")
    found = headers.read({**said, "language": language.partition(",")[0], "text": text})
    reader.count(found)
    is_utf8 = charset == "utf-8"
    record = accepted(part, number, sha256, found.id, text, None if is_utf8 else charset, found)
    return record._replace(is_html=page.is_html)


def _uri(headers: dict[str, str]) -> str:
    """The page's address; WARC 1.0 has it in angle brackets."""
    uri = headers.get("warc-target-uri", "")
    return uri[1:-1] if uri[:1] == "<" and uri[-1:] == ">" else uri


def _page(block: _Block) -> _Page | str:
    """The page, or what kind of record it is instead. Raises: RecordError."""
    headers, content = block.headers, block.content
    kind = headers.get("warc-type", "").lower()
    media = headers.get("content-type", "")
    http: dict[str, str] = {}
    if kind == "response":
        if not media.lower().startswith("application/http") and not content.startswith(b"HTTP/"):
            return "response without HTTP"
        status = _STATUS.match(content)
        if status is None:
            raise RecordError("read.corrupt", f"no HTTP response: '{quoted(content[:80].decode('latin-1'))}'")
        if status[1] == PARTIAL or not status[1].startswith(b"2"):
            return f"status {status[1].decode()}"
        blank = _BLANK.search(content, 0, HEADERS_BYTES)
        if blank is None and len(content) >= HEADERS_BYTES:
            raise RecordError("read.corrupt", f"the headers of HTTP don't end within {HEADERS_BYTES:,} bytes")
        head, content = (content[: blank.end()], content[blank.end() :]) if blank else (content, b"")
        http = headers_of(head)
        media = http.get("content-type", "")
    elif kind not in ("resource", "conversion"):
        return kind if kind in TYPES else "record of another type"
    identified = headers.get("warc-identified-payload-type", "")
    name = (identified or media).partition(";")[0].strip().lower()
    if name not in HTML and name not in PLAIN:
        if "/" in name or not _PAGE.match(content):
            main = name.partition("/")[0]
            return main if main in MEDIA else "no media type"
        name = "text/html"
    charset = _CHARSET.search(media)
    return _Page(content, name in HTML, charset and charset[1], http)


def _text(page: _Page, payload: bytes, config: Config) -> tuple[str, str]:
    """Raises: RecordError."""
    if page.is_html:
        return decode_page(payload, page.charset, config)
    return decode(payload, page.charset, configured=config.read.encoding)


# ------------------------------------------------------------------------------------------------------------- codings


def _payload(page: _Page, config: Config) -> bytes:
    """The payload without the codings of its transfer. Crawlers undo them and keep the header, or don't: its first
    bytes say. Raises: RecordError."""
    payload = page.payload
    if "chunked" in page.http.get("transfer-encoding", "").lower():
        payload = _without_chunks(payload)
    codings = page.http.get("content-encoding", "").lower().split(",")
    for coding in reversed([coding.strip() for coding in codings[-4:]]):
        payload = _decoded(coding, payload, config)
    return payload


def _without_chunks(payload: bytes) -> bytes:
    """What isn't in chunks stays as it is; of what is, every byte is accounted for. Raises: RecordError."""
    found, at = bytearray(), 0
    while size := _CHUNK.match(payload, at):
        end = size.end() + int(size[1], 16)
        if end == size.end():
            if _TRAILERS.fullmatch(payload, end):
                return bytes(found)
            break
        found += payload[size.end() : end]
        line_end = _CHUNK_END.match(payload, end)
        at = line_end.end() if line_end else end
        if line_end is None:
            break
    if at == 0:
        return payload
    if at >= len(payload):
        raise RecordError("read.truncated", f"the payload ends in a chunk, after {len(found):,} bytes")
    raise RecordError("read.corrupt", f"no chunk begins at byte {at:,} of the payload")


def _decoded(coding: str, payload: bytes, config: Config) -> bytes:
    """Raises: RecordError."""
    if not payload or coding in ("", "identity"):
        return payload
    limits = config.limits
    name = {"gzip": "gz", "x-gzip": "gz", "zstd": "zst"}.get(coding)
    if name and not payload.startswith(CODECS[name].magics):
        return payload
    if not name and not CONTROL.search(payload[:HEAD_BYTES]):  # text already
        return payload
    if name:
        pieces = decompressed(io.BytesIO(payload), name, limits)
    elif coding == "deflate":
        pieces = _inflated(payload)
    elif coding == "br":
        pieces = _unbrotlied(payload)
    else:
        raise RecordError("read.unsupported_format", f"Content-Encoding '{quoted(coding)}'")
    found = bytearray()
    try:
        for piece in pieces:
            found += piece
            if len(found) > limits.record_bytes:
                break
    except Garbage:  # after its end; browsers pass over it
        pass
    except Damage as damage:
        raise RecordError(damage.reason, f"Content-Encoding {coding}: {damage.detail}") from None
    if len(found) > limits.record_bytes:
        kind = "expansion" if len(found) > limits.expansion_ratio * len(payload) else "record_bytes"
        detail = f"Content-Encoding {coding}: {len(payload):,} bytes opened to more than {limits.record_bytes:,}"
        raise RecordError(f"limit.{kind}", detail)
    return bytes(found)


def _inflated(payload: bytes) -> Iterator[bytes]:
    """With the header of zlib, as the standard says, or without, as some servers do. Raises: Damage."""
    is_zlib = payload[0] & 15 == 8 and int.from_bytes(payload[:2], "big") % 31 == 0
    stream = zlib.decompressobj(15 if is_zlib else -15)
    rest = payload
    while not stream.eof:
        try:
            piece = stream.decompress(rest, OUTPUT_STEP)
        except zlib.error as error:
            raise Damage("read.corrupt", quoted(error)) from None
        rest = stream.unconsumed_tail
        yield piece
        if not rest and len(piece) < OUTPUT_STEP and not stream.eof:
            raise Damage("read.truncated", "the payload ends inside the stream")


def _unbrotlied(payload: bytes) -> Iterator[bytes]:
    """Raises: Damage, RecordError."""
    if brotli is None:
        raise RecordError("read.missing_extra", MISSING)
    stream, rest = brotli.Decompressor(), payload
    while not stream.is_finished():
        try:
            piece = stream.process(rest, output_buffer_limit=OUTPUT_STEP)
        except brotli.error as error:
            raise Damage("read.corrupt", quoted(error)) from None
        rest = b""
        yield piece
        if not piece and stream.can_accept_more_data():
            if stream.is_finished():
                return
            raise Damage("read.truncated", "the payload ends inside the stream")


FORMAT = Format({".warc": "warc", ".wet": "wet"}, read)
