"""Plain text: the file is the record, in UTF-8 or in what else it reads as; BOM and line ends stay.

`source_sha256` is that of the file, decompressed.
"""

import hashlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

from flows.readers.compression import Damage, Garbage, read_chunks
from flows.readers.fields import FieldReader
from flows.readers.records import RAW_HEAD_BYTES, Format, Part, Record, rejected
from transforms.charsets import decode
from transforms.config import Config
from transforms.errors import RecordError


def read(file: BinaryIO, part: Part, config: Config, _: FieldReader) -> Iterator[Record]:
    """One record; a second one for bytes after the end of a compressed stream."""
    return read_whole(file, part, config, lambda raw: decode(raw, configured=config.read.encoding))


def read_whole(
    file: BinaryIO, part: Part, config: Config, decoded: Callable[[bytes], tuple[str, str]]
) -> Iterator[Record]:
    """The same of a file whose bytes are decoded like this: text and charset, or RecordError."""
    limit = config.limits.record_bytes
    held: list[bytes] = []  # up to the limit
    head, size, digest = b"", 0, hashlib.sha256()
    garbage = None
    try:
        for chunk in read_chunks(file, part, config):
            head += chunk[: RAW_HEAD_BYTES - len(head)]
            size += len(chunk)
            digest.update(chunk)
            if size <= limit:
                held.append(chunk)
            else:
                held.clear()
    except Garbage as found:
        garbage = found
    except Damage as damage:
        yield rejected(part, damage.reason, damage.detail, raw=head, sha256=digest.hexdigest())
        return
    sha256 = digest.hexdigest()
    if size > limit:
        detail = f"{size:,} bytes, expected at most {limit:,}"
        yield rejected(part, "limit.record_bytes", detail, raw=head, sha256=sha256)
    else:
        yield _record(b"".join(held), sha256, part, decoded)
    if garbage:
        yield rejected(part, garbage.reason, garbage.detail, raw=garbage.raw_head, sha256=garbage.sha256)


def _record(raw: bytes, sha256: str, part: Part, decoded: Callable[[bytes], tuple[str, str]]) -> Record:
    try:
        original, charset = decoded(raw)
    except RecordError as error:
        return rejected(part, error.reason, error.detail, raw=raw, sha256=sha256)
    record = Record(part.path, part.format, None, sha256, None, None, None, original, None, None, None)
    return record if charset == "utf-8" else record._replace(charset=charset)


FORMAT = Format({".txt": "txt", ".text": "txt", ".md": "txt"}, read)
