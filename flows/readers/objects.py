"""JSON: a record, records one after another, a list of them, or an object that holds such a list; or JSON Lines.

The objects are found by their brackets, without parsing, and read as lines of a JSONL are: one at a time, so that a
file may be of any size; one that isn't JSON is rejected alone. `source_record` counts them from 1; `source_sha256` is
that of the object's bytes as they stand.

Where the first line is an object, the file is JSON Lines (C4 and dolma name theirs so), and read as these. A first
object that has no text, but a list of objects under one of the names in `LISTS`, stands for that list.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import orjson

from flows.readers.compression import Damage, Garbage, head_of
from flows.readers.fields import FieldReader
from flows.readers.jsonl import Lines, OpenLine, Unread, begins_list, read_objects
from flows.readers.jsonl import read as read_lines
from flows.readers.records import Format, Part, Record, rejected
from transforms.config import Config

# Under which exports and interfaces hold their records.
LISTS = frozenset(b"data items articles documents docs records results rows entries posts pages texts".split())
# What is outside of strings and matters; all of a string up to its end, or to where the chunk ends.
STRUCTURE = re.compile(rb'[\[\]{}",]')
INSIDE = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
# Longer than any of these names.
NAME_BYTES = 40


def read(file: BinaryIO, part: Part, config: Config, reader: FieldReader) -> Iterator[Record]:
    """The records of the file."""
    key = None
    if not is_list(file, part, config):
        key, is_lines = _look(file, part, config, reader)
        if is_lines:
            yield from read_lines(file, part, config, reader)
            return
    empty, _ = yield from read_objects(_Objects(file, part, config, key), part, config, reader)
    if empty:
        yield rejected(part, "read.empty_file", f"{part.path}: no records", raw=b"")


def is_list(file: BinaryIO, part: Part, config: Config) -> bool:
    """Whether the part is a file that begins with a list of objects, whatever its name. What was cut isn't one."""
    if not part.is_whole:
        return False
    return begins_list(next(_first(Lines(file, part, config).chunks()), b"") if part.compression else head_of(file))


def _first(chunks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from (chunk for chunk in chunks if chunk.strip())
    except Damage:  # whoever reads on finds it again
        return


def _look(file: BinaryIO, part: Part, config: Config, reader: FieldReader) -> tuple[bytes | None, bool]:
    """The name of the list that the file's first object stands for, and whether that object is the first line."""
    limit = config.limits.record_bytes
    held = OpenLine(limit)
    depth = 0
    name = gap = b""
    key = found = None
    is_whole = False
    try:
        for chunk, start, at, token, string in _tokens(Lines(file, part, config).chunks()):
            piece = chunk[start:at]
            if is_whole:  # what follows the object
                gap += piece
                if token or gap.strip():
                    gap += token
                    break
                continue
            if not depth and (token != b"{" if token else bool(piece.strip())):
                return None, False
            if found and token:
                key = key or (found if token == b"{" else None)
                found = None
            if token in (b"[", b"{"):
                found = name if token == b"[" and depth == 1 and name in LISTS else None
                depth += 1
            elif token in (b"]", b"}"):
                depth -= 1
            elif token == b'"' and depth == 1:
                name = string
            if depth or token:
                held.add((piece if held.size else piece.lstrip()) + token)
            if key and held.size > limit:
                return key, False
            is_whole = not depth and bool(token)
    except Damage:
        pass
    whole = held.ended()
    fields = _loaded(whole) if isinstance(whole, bytes) else None
    if key and not (fields and type(reader.read(fields).text) is str):
        return key, False
    follows = gap.lstrip()
    is_line = not follows or b"\n" in gap.removesuffix(follows)
    return None, fields is not None and is_line and b"\n" not in whole


def _loaded(whole: bytes) -> dict[str, Any] | None:
    try:
        fields = orjson.loads(whole)
    except ValueError:
        return None
    return fields if type(fields) is dict else None


def _tokens(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, int, int, bytes, bytes]]:
    """Chunk, where the last token of it ended, where this one begins, the token, and of a string what it begins with.

    Tokens are brackets, commas, the quotes that end a string, and at the end of each chunk b"".
    """
    string: bytes | None = None  # what is open
    is_escaped = False
    for chunk in filter(None, chunks):
        start = at = 0
        while True:
            if string is not None:
                first, at = at, at + is_escaped
                found = INSIDE.match(chunk, at)
                end = found.end() if found else len(chunk)
                is_escaped = end < len(chunk) and chunk[end : end + 1] != b'"'  # a backslash, the chunk's last byte
                string = (string + chunk[first : min(end + is_escaped, first + NAME_BYTES)])[:NAME_BYTES]
                if is_escaped or end >= len(chunk):
                    break
                yield chunk, start, end, b'"', string
                string, start, at = None, end + 1, end + 1
            token = STRUCTURE.search(chunk, at)
            if not token:
                break
            at = token.end()
            if token[0] == b'"':
                string = b""
            else:
                yield chunk, start, token.start(), token[0], b""
                start = at
        yield chunk, start, len(chunk), b"", b""


class _Objects:
    """Every object as it stands; last, where the file is damaged, all that is left. What isn't an object, too."""

    def __init__(self, file: BinaryIO, part: Part, config: Config, key: bytes | None) -> None:
        self.lines = Lines(file, part, config)
        self.limit = config.limits.record_bytes
        # The name of the list in each outermost object; None where these are the records.
        self.key = key

    @property
    def charset(self) -> str | None:
        """What the file is in, where that is UTF-16 or UTF-32."""
        return self.lines.charset

    def __iter__(self) -> Iterator[bytes | Unread]:
        garbage: Garbage | None = None
        # The brackets that are open, and how many are around a record. An outermost object is open, and its list hasn't
        # come yet, or was read.
        depth = around = 0
        is_outer = is_rest = False
        name = b""
        held = OpenLine(self.limit)
        try:
            for chunk, start, at, token, string in _tokens(self.lines.chunks()):
                held.add(chunk[start:at])
                if not token:
                    continue
                if depth == around and token in (b",", b"[", b"{", b"]"):
                    # What stood between records was no object.
                    yield from _not_blank(held)
                    held = OpenLine(self.limit)
                    if token == b",":
                        continue
                    if token == b"[" and not depth:
                        depth = around = 1
                        continue
                    if token == b"]" and depth:
                        is_rest = depth == 2
                        depth, around = depth - 1, 0
                        continue
                    is_outer = token == b"{" and not depth and self.key is not None
                held.add(token)
                if token in (b"[", b"{"):
                    depth += 1
                    if is_outer and token == b"[" and depth == 2 and name == self.key:
                        around, is_outer = 2, False
                        held = OpenLine(self.limit)
                elif token in (b"]", b"}") and depth > around:
                    depth -= 1
                    if depth == around:
                        if not is_rest:
                            yield held.ended()
                        is_rest = False
                        held = OpenLine(self.limit)
                elif token == b'"' and is_outer and depth == 1:
                    name = string
        except Garbage as found:
            garbage = found
        except Damage as found:
            yield held.damaged(found)
            return
        if not is_rest:
            yield from _not_blank(held)
        if around or is_rest:
            detail = "the file stops inside a list"
            yield Unread("read.truncated", detail, hashlib.sha256(b"").hexdigest(), b"", is_line=False)
        if garbage:
            yield Unread(garbage.reason, garbage.detail, garbage.sha256, garbage.raw_head, is_line=False)


def _not_blank(held: OpenLine) -> Iterator[bytes | Unread]:
    line = held.ended()
    if isinstance(line, Unread) or line.strip():
        yield line


FORMAT = Format({".json": "json"}, read)
