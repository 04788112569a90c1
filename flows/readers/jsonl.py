"""JSON Lines: a line is a record. Lines end at b"\\n" only, so that no character inside a text ends one.

orjson reads nearly every line. Where it refuses, or an id is a number it can't hold, the standard library
decides and numbers stay as written: lone surrogates become U+FFFD, integers may have any number of digits,
raw control characters may stand in strings. `source_sha256` is that of the line without its line end, and
without the BOM that may begin it, as files are joined. Blank lines are counted, and are not records.

A file in UTF-16 or UTF-32 (Windows PowerShell writes it) is one by its first bytes, as RFC 4627 tells it, and is read
as the UTF-8 it would be; `source_sha256` too. In any other, a line that isn't UTF-8 is decoded as a whole, for itself:
what it is in depends on no other line, nor on where the file was cut.

`str.splitlines` would end lines at \\x0b \\x0c \\x1c-\\x1e \\x85 U+2028 U+2029 too: 9 pieces for 1.
"""

import codecs
import hashlib
import json
import re
from collections.abc import Generator, Iterator
from itertools import chain
from typing import Any, BinaryIO, NamedTuple, Protocol

import orjson

from flows.readers.compression import Damage, Garbage, compression_of, head_of, read_chunks
from flows.readers.fields import FieldReader, Found, longest_first, text_sizes
from flows.readers.records import RAW_HEAD_BYTES, Format, Part, Record, accepted, quoted, rejected
from flows.readers.source import blocks_of
from transforms.charsets import decode
from transforms.config import Config
from transforms.errors import RecordError

UTF8_BOM = b"\xef\xbb\xbf"
# How a file of objects begins in units of two or four bytes: with a byte order mark, or with a bracket and another
# character of ASCII.
WIDE = (
    (re.compile(rb"\xff\xfe\x00\x00|[{\[]\x00\x00\x00"), "utf-32-le"),
    (re.compile(rb"\x00\x00\xfe\xff|\x00\x00\x00[{\[]"), "utf-32-be"),
    (re.compile(rb"\xff\xfe|[{\[]\x00[\t\n\r -~]\x00"), "utf-16-le"),
    (re.compile(rb"\xfe\xff|\x00[{\[]\x00[\t\n\r -~]"), "utf-16-be"),
)
LIST_OF_OBJECTS = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[\s*\{")
# The standard library's own depth limit is what the caller leaves of the stack; a fixed one gives one answer.
MAX_DEPTH = 250
# A surrogate pair, a lone surrogate, or any other escape, from the left: `\\ud800` is a backslash and text.
ESCAPE = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)")
STRUCTURE = re.compile(r'\\.|["\[\]{}]')
# Numbers stay as written: orjson makes floats of integers beyond 64 bits.
EXACT = json.JSONDecoder(
    strict=False, parse_int=orjson.Fragment, parse_float=orjson.Fragment, parse_constant=orjson.Fragment
)


def read(file: BinaryIO, part: Part, config: Config, reader: FieldReader) -> Iterator[Record]:
    """The records of the part's lines.

    A whole file of blank lines is one `read.empty_file`, in its first part: if that has but blank lines, it looks on.
    """
    lines = Lines(file, part, config)
    empty, reader.lines = yield from read_objects(lines, part, config, reader)
    if empty and part.start == 0 and (part.is_whole or _is_blank(file, part, config)):
        yield rejected(part, "read.empty_file", f"{part.path}: no line but blank ones", raw=b"")


def cut(file: BinaryIO, whole: Part, piece_bytes: int) -> Iterator[tuple[Part, int]]:
    """The file at every multiple of a piece's bytes, wherever its lines end; whole if it is compressed, or a list."""
    head = head_of(file)
    if compression_of(head, whole.compression) or begins_list(head):
        yield whole, whole.size
        return
    for start in range(0, whole.size, piece_bytes):
        end = min(start + piece_bytes, whole.size)
        # A block belongs to the part in which it begins.
        yield whole._replace(start=start, end=end, first_block=blocks_of(start), end_block=blocks_of(end)), end - start


def begins_list(head: bytes) -> bool:
    """Whether a file that begins like this is a list of objects.

    >>> begins_list(b'[\\n  {"text": "a"}'), begins_list(b'["a"]')
    (True, False)
    """
    charset = charset_of_units(head)
    if charset:
        head = head.decode(charset, "ignore").encode()
    return LIST_OF_OBJECTS.match(head) is not None


class Objects(Protocol):
    """Objects, one at a time, without white space around them; what could not be read."""

    @property
    def charset(self) -> str | None:
        """What the file is in, where that is UTF-16 or UTF-32."""

    def __iter__(self) -> "Iterator[bytes | Unread]":
        """In order, blank ones too."""


def read_objects(
    lines: Objects, part: Part, config: Config, reader: FieldReader
) -> Generator[Record, None, tuple[bool, int]]:
    """The records of these, then whether all were blank, and how many there were."""
    limit = config.limits.record_bytes
    loads, sha256 = orjson.loads, hashlib.sha256
    empty = True
    number = garbage = 0
    for number, line in enumerate(lines, 1):
        if isinstance(line, Unread):
            empty, garbage = False, not line.is_line
            yield _unread(part, number, line)
            continue
        if len(line) > limit and not line.isspace():
            empty = False
            yield _unread(part, number, _too_long(line, limit))
            continue
        try:
            fields = loads(line)
        except ValueError:
            fields, line = _without_mark(line)
        if type(fields) is dict:
            found = reader.read(fields)
            source_id = found.id
            is_plain = type(source_id) is str or type(source_id) is int or source_id is None
            if type(found.text) is str and is_plain and found.is_exact:
                empty = False
                reader.count(found)
                said = None if source_id is None else str(source_id)
                yield accepted(part, number, sha256(line).hexdigest(), said, found.text, lines.charset, found)
                continue
        if line.strip():
            empty = False
            yield _careful(line, number, part, config, reader, lines.charset)
    return empty, number - garbage


def _is_blank(file: BinaryIO, part: Part, config: Config) -> bool:
    """Whether all of the file is blank lines."""
    whole = part._replace(start=0, end=part.size)
    return all(
        isinstance(line, bytes) and not line.removeprefix(UTF8_BOM).strip() for line in Lines(file, whole, config)
    )


def _without_mark(line: bytes) -> tuple[Any, bytes]:
    """What a line that begins with a byte order mark holds, and the line without it."""
    if not line.startswith(UTF8_BOM):
        return None, line
    line = line.removeprefix(UTF8_BOM)
    try:
        return orjson.loads(line), line
    except ValueError:
        return None, line


def _careful(line: bytes, number: int, part: Part, config: Config, reader: FieldReader, units: str | None) -> Record:
    """A line that isn't plainly good; `units`: what its file is in, if that is UTF-16 or UTF-32."""
    source_id = url = fetched_at = None
    try:
        try:
            text, charset = _decode(line, config, reader)
        except RecordError:
            source_id, url = _identity_of_damaged(line, reader)
            raise
        fields = _parse(text)
        if type(fields) is not dict:
            raise RecordError("read.wrong_type", f"the record is {_type_name(fields)}, expected an object")
        found = reader.read(fields)
        source_id, url, fetched_at = _id_text(found.id), found.url, found.fetched_at
        if type(found.text) is not str:
            reader.count_textless(text_sizes(fields))
            raise _no_text(found, fields)
    except RecordError as error:
        return rejected(
            part,
            error.reason,
            error.detail,
            record=str(number),
            raw=line,
            source_id=source_id,
            url=url,
            fetched_at=fetched_at,
        )
    reader.count(found)
    charset_of = units or (charset if charset != "utf-8" else None)
    return accepted(part, number, hashlib.sha256(line).hexdigest(), source_id, found.text, charset_of, found)


def _no_text(found: Found, fields: dict[str, Any]) -> RecordError:
    name = quoted(found.text_name)
    if found.text is None:
        there = quoted(", ".join(longest_first(text_sizes(fields)))) or "nothing"
        return RecordError("read.no_text", f"'{name}' is missing or null; there: {there}")
    return RecordError("read.wrong_type", f"'{name}' is {_type_name(found.text)}, expected a string")


def _decode(line: bytes, config: Config, reader: FieldReader) -> tuple[str, str]:
    """The line's text and what it was in. Raises: RecordError.

    A decoding is right only if it is JSON: in Shift_JIS, GBK and Big5 a backslash may be half of a character.
    """
    key = re.escape(orjson.dumps(config.fields.charset))
    said = re.search(key + rb'\s*:\s*"([!-~]{1,40}?)"', line)

    def prose(text: str) -> str | None:
        try:
            fields = _parse(text)
        except RecordError:
            return None
        found = reader.read(fields) if type(fields) is dict else None
        if found is None or type(found.text) is not str:
            return None
        others = (found.id, found.url)
        return "\n".join((found.text, *(other for other in others if type(other) is str and not other.isascii())))

    return decode(line, said[1].decode() if said else None, prose, config.read.encoding)


def _parse(text: str) -> Any:
    """The line's value by the standard library, numbers as `orjson.Fragment`. Raises: RecordError."""
    too_deep = RecordError("read.invalid_json", f"nested deeper than {MAX_DEPTH}")
    if _is_too_deep(text):
        raise too_deep
    try:
        return EXACT.decode(ESCAPE.sub(_mend, text))
    except json.JSONDecodeError as error:
        raise RecordError("read.invalid_json", f"column {error.colno}: {quoted(error.msg)}") from None
    except RecursionError:
        raise too_deep from None


def _mend(escape: re.Match[str]) -> str:
    return r"\ufffd" if escape[1] else escape[0]


def _is_too_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth = 0
    in_string = False
    for found in STRUCTURE.finditer(text):
        token = found[0]
        if token == '"':
            in_string = not in_string
        elif in_string or token[0] == "\\":
            continue
        elif token in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        else:
            depth -= 1
    return False


def _identity_of_damaged(line: bytes, reader: FieldReader) -> tuple[str | None, str | None]:
    """Id and URL of a line that isn't UTF-8, where it is JSON otherwise and they are whole."""
    try:
        fields = _parse(line.decode(errors="replace"))
    except RecordError:
        return None, None
    if type(fields) is not dict:
        return None, None
    found = reader.read(fields)
    source_id, url = _id_text(found.id), found.url
    return (
        source_id if source_id and "\ufffd" not in source_id else None,
        url if url and "\ufffd" not in url else None,
    )


def _id_text(value: Any) -> str | None:
    """An id as text, digits as written: `007` and 12345678901234567890123 must not become numbers."""
    if value is None or type(value) is str:
        return value or None
    return orjson.dumps(value).decode()


def _type_name(value: Any) -> str:
    if value is None:
        return "null"
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    return names.get(type(value), "a number")


class Unread(NamedTuple):
    """A line that was passed over, or the rest of a damaged file."""

    reason: str
    detail: str
    sha256: str
    raw_head: bytes
    is_line: bool = True


def _unread(part: Part, number: int, found: Unread) -> Record:
    record = str(number) if found.is_line else None
    return rejected(part, found.reason, found.detail, record=record, raw=found.raw_head, sha256=found.sha256)


def _too_long(line: bytes, limit: int) -> Unread:
    detail = f"{len(line):,} bytes, expected at most {limit:,}"
    return Unread("limit.record_bytes", detail, hashlib.sha256(line).hexdigest(), line[:RAW_HEAD_BYTES])


class OpenLine:
    """A line whose end hasn't come yet: held up to the limit (and its \\r), beyond that only hashed."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0
        self.pieces: list[bytes] = []
        self.digest = hashlib.sha256()
        self.raw_head = b""
        self.is_blank = True
        self.held_return = b""  # a \r that is the line's end if nothing follows it

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        self.pieces.append(piece)
        if self.size > self.limit + 1:
            self._let_go()

    def _let_go(self) -> None:
        for piece in self.pieces:
            self.is_blank = self.is_blank and (not piece or piece.isspace())
            self.raw_head += piece[: RAW_HEAD_BYTES - len(self.raw_head)]
            piece = self.held_return + piece
            self.held_return = b"\r" if piece.endswith(b"\r") else b""
            self.digest.update(piece.removesuffix(b"\r"))
        self.pieces.clear()

    def ended(self, end: bytes | None = None) -> bytes | Unread:
        """The line without its line end, or with this one; b"" for a blank one that was too long to hold."""
        if self.size <= self.limit + 1:
            line = b"".join(self.pieces)
            return line.removesuffix(b"\r") if end is None else line + end
        if self.is_blank:
            return end or b""
        detail = f"{self.size - len(self.held_return):,} bytes, expected at most {self.limit:,}"
        return Unread("limit.record_bytes", detail, self.digest.hexdigest(), self.raw_head)

    def damaged(self, damage: Damage) -> Unread:
        """What there is of the line where the file can't be read on."""
        self._let_go()
        self.digest.update(self.held_return)
        return Unread(damage.reason, damage.detail, self.digest.hexdigest(), self.raw_head)


class Lines:
    """Every line without its line end, blank ones too; last, where the file is damaged, all that is left."""

    def __init__(self, file: BinaryIO, part: Part, config: Config) -> None:
        self.file = file
        self.part = part
        self.config = config
        # What the file is in, where that is UTF-16 or UTF-32: its lines are given in UTF-8.
        self.charset: str | None = None

    def __iter__(self) -> Iterator[bytes | Unread]:
        return self.read()

    def read(self, keep_ends: bool = False) -> Iterator[bytes | Unread]:
        """The lines; with their line ends where these may stand within a record."""
        limit = self.config.limits.record_bytes
        line = OpenLine(limit)
        garbage: Garbage | None = None
        try:
            for chunk in self.chunks():
                first, *others = chunk.split(b"\n")
                line.add(first)
                if others:
                    yield line.ended(b"\n" if keep_ends else None)
                    line = OpenLine(limit)
                    line.add(others.pop())
                    if keep_ends:
                        others = [other + b"\n" for other in others]
                    elif b"\r" in chunk:
                        others = [other.removesuffix(b"\r") for other in others]
                    yield from others
        except Garbage as found:
            garbage = found
        except Damage as found:
            yield line.damaged(found)
            return
        if line.size:
            yield line.ended(b"" if keep_ends else None)
        if garbage:
            yield Unread(garbage.reason, garbage.detail, garbage.sha256, garbage.raw_head, is_line=False)

    def chunks(self) -> Iterator[bytes]:
        """The part in UTF-8, without the mark that may begin the file. Raises: Damage, OSError."""
        part = self.part
        if part.is_lines:
            self.file.seek(0)
            self.charset = charset_of_units(self.file.read(4))
            chunks = read_chunks(self.file, part, self.config, "\n".encode(self.charset or "utf-8"))
        else:
            chunks = _from_four(read_chunks(self.file, part, self.config))
            first = next(chunks, b"")
            self.charset = charset_of_units(first)
            chunks = chain((first,), chunks)
        if self.charset:
            chunks = _in_utf8(chunks, self.charset)
        return _without_bom(chunks) if part.start == 0 else chunks


def charset_of_units(head: bytes) -> str | None:
    """What a file is in that begins like this, if that is UTF-16 or UTF-32."""
    return next((name for pattern, name in WIDE if pattern.match(head)), None)


def _in_utf8(chunks: Iterator[bytes], charset: str) -> Iterator[bytes]:
    """What is no character becomes three bytes that are none in UTF-8 either: its line is rejected, and no other."""
    decoder = codecs.getincrementaldecoder(charset)(NO_CHARACTER)
    for chunk in chunks:
        yield decoder.decode(chunk).encode("utf-8", "surrogatepass")
    yield decoder.decode(b"", True).encode("utf-8", "surrogatepass")


NO_CHARACTER = "tamis.no_character"
codecs.register_error(NO_CHARACTER, lambda error: ("\udc80", error.end))  # type: ignore[attr-defined]


def _from_four(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks, of which the first has four bytes or more where there are so many."""
    start = b""
    try:
        for chunk in chunks:
            start += chunk
            if len(start) >= 4:
                break
    except Damage:
        yield start
        raise
    yield start
    yield from chunks


def _without_bom(chunks: Iterator[bytes]) -> Iterator[bytes]:
    for at, chunk in enumerate(_from_four(chunks)):
        yield chunk if at else chunk.removeprefix(UTF8_BOM)


FORMAT = Format({".jsonl": "jsonl", ".ndjson": "jsonl"}, read, cut)
