"""Readers: whatever the bytes, each raw record becomes one good or one rejected `Record`."""

import bz2
import errno
import gzip
import hashlib
import io
import json
import lzma
import os
import random
import tracemalloc
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import lz4.frame
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import assume, example, given
from hypothesis import strategies as st

from flows.inputs import InputFile, content_name, list_inputs
from flows.readers import COMPRESSIONS, FORMATS, Reading, format_of, reading_hash
from flows.readers.compression import EXPANSION_FLOOR, compression_of
from flows.readers.jsonl import begins_list, charset_of_units
from flows.readers.records import DETAIL_CHARS, Part, Record
from flows.readers.source import BLOCK_BYTES
from flows.shards import plan_pieces, whole_part
from flows.step import Step, Work, run_step
from flows.store import Store
from tests.reading import outcome, outcomes
from transforms.config import Config, Fields, Limits, Read
from transforms.errors import ShardError
from transforms.values import read_time

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
BOM = b"\xef\xbb\xbf"


def part_of(raw: Path, name: str) -> Part:
    """A file as it stands, uncut."""
    at = (raw / name).stat()
    return whole_part(
        InputFile(name, name, *format_of(name), at.st_size, at.st_mtime_ns, at.st_ctime_ns, at.st_ino, "", True)
    )


def reading(raw: Path, part: Part, config: Config | None = None) -> Reading:
    return Reading(Store(raw / "curated", raw), part, config or Config())


def read(raw: Path, name: str, content: bytes, config: Config | None = None) -> list[Record]:
    """The records of a file, uncut."""
    (raw / name).write_bytes(content)
    return list(reading(raw, part_of(raw, name), config))


def read_rows(raw: Path, content: bytes, config: Config | None = None) -> list[Record]:
    return read(raw, "a.parquet", content, config)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def gz(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def zst(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(content)


def lz(content: bytes) -> bytes:
    compressed: bytes = lz4.frame.compress(content, content_checksum=True)
    return compressed


COMPRESS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gz", gz),
    ("zst", zst),
    ("bz2", bz2.compress),
    ("xz", lzma.compress),
    ("lz4", lz),
]
every_compression = pytest.mark.parametrize(("extension", "compress"), COMPRESS, ids=[name for name, _ in COMPRESS])


# ------------------------------------------------------------------------------------------------ formats


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.txt", ("txt", "")),
        ("A.TXT.GZ", ("txt", "gz")),
        ("a.text", ("txt", "")),
        ("notes.md.xz", ("txt", "xz")),
        ("b/a.jsonl", ("jsonl", "")),
        ("a.ndjson.zst", ("jsonl", "zst")),
        ("a.b.Parquet", ("parquet", "")),
        ("a.parquet.gz", ("unsupported", "")),
        ("a.gz", ("unsupported", "")),
        ("a.json.gz", ("json", "gz")),
        ("a.tsv.lz4", ("tsv", "lz4")),
        ("a.html", ("html", "")),
        ("a.pdf", ("unsupported", "")),
        ("a.jsonl.bz2", ("jsonl", "bz2")),
        ("a.jsonl.gz.gz", ("unsupported", "")),
        ("txt", ("unsupported", "")),
        ("a.txt/b", ("unsupported", "")),
    ],
)
def test_format_is_told_by_extension(path: str, expected: tuple[str, str]) -> None:
    assert format_of(path) == expected


def test_unsupported_format_is_one_rejected_record(raw: Path) -> None:
    content = b"%PDF-1.7" + b"x" * 5_000
    [record] = read(raw, "a.pdf", content)
    assert record == Record(
        source_path="a.pdf",
        source_format="unsupported",
        source_record=None,
        source_sha256=sha256(content),
        source_id=None,
        url=None,
        fetched_at=None,
        original="",
        reject_reason="read.unsupported_format",
        reject_detail="a.pdf: pdftotext (poppler) makes text of it; "
        f"expected one of {', '.join(FORMATS)}, compressed or not ({', '.join(COMPRESSIONS)})",
        raw_head=content[:1024],
    )


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        ("unreadable", ("read.unreadable", "a.txt: Too many levels of symbolic links")),
        ("not_a_file", ("read.not_a_file", "a.txt: a fifo, socket or device, expected a file")),
        ("same_file", ("read.same_file", "a.txt: a link to a file read under another path")),
    ],
)
def test_what_is_never_opened_is_one_record(tmp_path: Path, format: str, expected: tuple[str, str]) -> None:
    os.mkfifo(tmp_path / "a.txt")
    error = "Too many levels of symbolic links" if format == "unreadable" else ""
    whole = reading(tmp_path, Part("a.txt", "a.txt", format, "", 0, 0, 0, error=error))
    [record] = whole
    assert (record.reject_reason, record.reject_detail) == expected
    assert (record.source_record, record.raw_head) == (None, None)
    assert (whole.is_read, whole.fields.lines, whole.blocks) == (False, 0, ())


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.parquet", "a.pdf"])
def test_fifo_in_the_place_of_a_file_blocks_nobody(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("x")
    part = part_of(tmp_path, name)
    (tmp_path / name).rename(tmp_path / "still here, or its inode would be free")
    os.mkfifo(tmp_path / name)
    with pytest.raises(ShardError, match="changed while it was read"):
        list(reading(tmp_path, part))


# ------------------------------------------------------------------------------------------------ disk

EVERY_FORMAT = ["e.txt", "e.txt.gz", "e.txt.zst", "e.jsonl", "e.jsonl.gz", "e.jsonl.zst", "e.parquet", "e.pdf"]
EVERY_FORMAT += ["e.jsonl.bz2", "e.jsonl.xz", "e.jsonl.lz4", "e.json", "e.csv", "e.arrow"]
FAILURES = [errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENOENT]


@cache
def large(name: str) -> bytes:
    """A file that takes several reads."""
    lines = b"".join(b'{"text":"%s"}\n' % random.Random(n).randbytes(500).hex().encode() for n in range(3_000))
    if name.endswith(".parquet"):
        texts = [json.loads(line)["text"] for line in lines.splitlines()]
        return parquet({"text": texts}, row_group_size=500, use_dictionary=False)
    if name.endswith(".json"):
        return b"[" + lines.rstrip().replace(b"\n", b",\n") + b"]"
    if name.endswith(".csv"):
        return b"text\n" + b"".join(json.loads(line)["text"].encode() + b"\n" for line in lines.splitlines())
    if name.endswith(".arrow"):
        sink, table = io.BytesIO(), pa.table({"text": [json.loads(line)["text"] for line in lines.splitlines()]})
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=500)
        return sink.getvalue()
    return dict(COMPRESS).get(name.rsplit(".", 1)[1], bytes)(lines)


@cache
def records_of_large(raw: Path, name: str) -> list[Record]:
    return read(raw, name, large(name))


class Failing(io.BufferedReader):
    """A file whose byte `at` can't be read, while `failures` lasts."""

    at, error, failures = 0, errno.EIO, 1_000_000

    def readinto(self, buffer: Any) -> int:
        if self.tell() <= self.at < self.tell() + len(buffer) and Failing.failures > 0:
            Failing.failures -= 1
            raise OSError(self.error, os.strerror(self.error), "/a/path/of/the/machine")
        return super().readinto(buffer)


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`fail(error, at, failures)`: from now on files opened in a store fail; at -1 at being opened."""
    opened = Store.open

    def _fail(error: int, at: int, failures: int = 1_000_000) -> None:
        def _open(store: Store, key: Any) -> Any:
            file = opened(store, key)
            if at >= 0:
                failing = Failing(file.raw)  # type: ignore[attr-defined]
                failing.keep = file  # type: ignore[attr-defined]
                return failing
            if Failing.failures > 0:
                Failing.failures -= 1
                file.close()
                raise OSError(error, os.strerror(error), "/a/path/of/the/machine")
            return file

        Failing.at, Failing.error, Failing.failures = at, error, failures
        monkeypatch.setattr(Store, "open", _open)

    return _fail


@pytest.mark.parametrize("error", FAILURES, ids=errno.errorcode.get)
@pytest.mark.parametrize("at", [-1, 0, 300_000, 1_000_000])
@pytest.mark.parametrize("name", EVERY_FORMAT)
def test_a_failure_of_the_disk_is_no_record(raw: Path, fail: Any, name: str, at: int, error: int) -> None:
    """A3: nor is any of the file taken for read."""
    content = large(name)
    records = records_of_large(raw, name)
    (raw / name).write_bytes(content)
    part = part_of(raw, name)
    fail(error, min(at, len(content) - 1))
    failed = reading(raw, part)
    found: list[Record] = []
    with pytest.raises(OSError, match=os.strerror(error)) as raised:
        found.extend(failed)
    assert raised.value.errno == error
    assert found == records[: len(found)]
    assert (failed.is_read, failed.blocks) == (False, ())


def count_records(work: Work, parts: Any) -> dict[str, Any]:
    """A step, for the test below."""
    found = Reading(work.store, Part(*parts), Config())
    return {"records": len(list(found)), "blocks": found.blocks}


@pytest.mark.parametrize("name", EVERY_FORMAT)
@pytest.mark.parametrize("at", [-1, 300_000])
def test_a_failure_that_passes_is_tried_again(raw: Path, fail: Any, name: str, at: int, monkeypatch: Any) -> None:
    monkeypatch.setattr("flows.step.BACK_OFF", (0.0, 0.0))
    content = large(name)
    (raw / name).write_bytes(content)
    part, store = part_of(raw, name), Store(raw / f"curated{at}", raw)
    whole = reading(raw, part)
    expected = {"records": len(list(whole)), "blocks": whole.blocks}
    fail(errno.EIO, min(at, len(content) - 1), 2)
    monkeypatch.setattr(store, "read_json", lambda key: json.loads(store.read(key)))
    assert run_step(Step(count_records, {}, {"parts": part}), store).counts == expected
    fail(errno.ESTALE, -1)
    with pytest.raises(ShardError, match=os.strerror(errno.ESTALE)):
        run_step(Step(count_records, {}, {"parts": (*part[:6], 7, *part[7:])}), store)


@pytest.mark.parametrize("error", [errno.EACCES, errno.EPERM])
@pytest.mark.parametrize("at", [-1, 0])
@pytest.mark.parametrize("name", EVERY_FORMAT)
def test_a_file_that_may_not_be_read_is_one_record(raw: Path, fail: Any, name: str, at: int, error: int) -> None:
    (raw / name).write_bytes(b"x" * 100)
    part = part_of(raw, name)
    fail(error, at)
    forbidden = reading(raw, part)
    [record] = forbidden
    assert (record.reject_reason, record.reject_detail) == ("read.unreadable", f"{name}: {os.strerror(error)}")
    assert (forbidden.is_read, forbidden.blocks) == (False, ())
    if part.is_lines:  # one of several parts could be opened when the file was cut
        with pytest.raises(PermissionError):
            list(reading(raw, part._replace(start=50)))


def touch(path: Path) -> None:
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


def replace(path: Path) -> None:
    at = path.stat()
    path.with_suffix(".new").write_bytes(path.read_bytes())
    os.utime(path.with_suffix(".new"), ns=(at.st_mtime_ns, at.st_mtime_ns))
    path.with_suffix(".new").rename(path)


CHANGES = [touch, replace, lambda path: path.write_bytes(b"{}"), lambda path: path.open("ab").write(b"{}")]


@pytest.mark.parametrize("change", CHANGES, ids=["touched", "replaced", "cut", "grown"])
@pytest.mark.parametrize("name", EVERY_FORMAT)
def test_a_file_that_is_not_what_was_listed(raw: Path, name: str, change: Callable[[Path], Any]) -> None:
    (raw / name).write_bytes(large(name))
    part = part_of(raw, name)
    change(raw / name)
    with pytest.raises(ShardError, match=f"^{name} changed while it was read; run again$"):
        list(reading(raw, part))


@pytest.mark.parametrize("name", EVERY_FORMAT)
def test_a_file_that_changes_while_it_is_read(raw: Path, name: str) -> None:
    (raw / name).write_bytes(large(name))
    part = part_of(raw, name)
    changing = iter(reading(raw, part))
    next(changing)
    touch(raw / name)
    with pytest.raises(ShardError, match=f"^{name} changed while it was read; run again$"):
        list(changing)


@pytest.mark.parametrize("name", [*EVERY_FORMAT, "empty.txt", "broken.parquet", "broken.jsonl.gz", "long.jsonl"])
@pytest.mark.parametrize("block", [BLOCK_BYTES, 100_000, 999])
def test_blocks_are_hashed_on_the_way(raw: Path, monkeypatch: pytest.MonkeyPatch, name: str, block: int) -> None:
    content = b"" if name == "empty.txt" else large(name)
    if name.startswith("broken"):
        content = content[: len(content) // 2]
    if name == "long.jsonl":
        content = content.replace(b"\n", b" ")
    (raw / name).write_bytes(content)
    monkeypatch.setattr("flows.readers.source.BLOCK_BYTES", block)
    whole = reading(raw, part_of(raw, name), Config(limits=Limits(record_bytes=100_000)))
    assert list(whole)
    assert whole.blocks == tuple(sha256(content[at : at + block]) for at in range(0, len(content), block))
    assert whole.is_read
    assert len(content_name(whole.blocks)) == 32


def test_a_reading_that_is_given_up_says_nothing_of_the_content(raw: Path) -> None:
    (raw / "a.jsonl").write_bytes(large("a.jsonl"))
    whole = reading(raw, part_of(raw, "a.jsonl"))
    next(iter(whole))
    assert (whole.is_read, whole.blocks) == (False, ())


def test_what_decides_whether_a_record_can_be_read() -> None:
    plain = reading_hash(Config())
    assert reading_hash(Config(languages=("de",), supersede_by="none")) == plain
    assert reading_hash(Config(fields=Fields(text="body"))) != plain
    assert reading_hash(Config(limits=Limits(record_bytes=1))) != plain
    assert reading_hash(Config(read=Read("cp1250"))) != plain


# ------------------------------------------------------------------------------------------------ text


@pytest.mark.parametrize(
    ("content", "original"),
    [
        (b"", ""),
        (b"one\r\ntwo\n", "one\r\ntwo\n"),
        (BOM + "Straße\u2028\x0c".encode(), "\ufeffStraße\u2028\x0c"),
        (b"a\x00b", "a\x00b"),
    ],
)
def test_text_file_is_its_own_original(raw: Path, content: bytes, original: str) -> None:
    expected = Record("a.txt", "txt", None, sha256(content), None, None, None, original, None, None, None)
    assert read(raw, "a.txt", content) == [expected]
    for extension, compress in COMPRESS:
        [record] = read(raw, f"a.txt.{extension}", compress(content))
        assert record == expected._replace(source_path=f"a.txt.{extension}")


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"\x00\xdf\x01\x02\xfe", "byte 1"),
        (b"\xed\xa0\x80", "byte 0"),  # a surrogate
        (b"abc\xc3", "byte 3"),
    ],
)
def test_text_file_that_is_not_utf8(raw: Path, content: bytes, detail: str) -> None:
    [record] = read(raw, "a.txt", content)
    assert record.reject_reason == "read.invalid_utf8"
    assert detail in (record.reject_detail or "")
    assert (record.source_sha256, record.raw_head, record.original) == (sha256(content), content, "")


LEGACY = "Die Brücke über den Fluß wird im März wieder geöffnet, sagte der Bürgermeister am Freitag. " * 3


@pytest.mark.parametrize(
    ("content", "text"),
    [(LEGACY.encode("cp1252"), LEGACY), (LEGACY.encode("utf-16"), "\ufeff" + LEGACY)],
    ids=["cp1252", "utf-16"],
)
def test_text_file_in_another_encoding_is_decoded(raw: Path, content: bytes, text: str) -> None:
    [record] = read(raw, "a.txt", content)
    assert (record.reject_reason, record.original, record.source_sha256) == (None, text, sha256(content))


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.txt.zst"])
def test_a_decoded_record_names_its_charset(raw: Path, name: str) -> None:
    content = LEGACY.encode("cp1252")
    stored = gz(content) if name.endswith("gz") else zst(content) if name.endswith("zst") else content
    [record] = read(raw, name, stored)
    assert (record.charset, record.original) == ("cp1252", LEGACY)
    [record] = read(raw, name, b"plain")
    assert record.charset is None


def test_a_text_file_in_the_charset_of_the_configuration(raw: Path) -> None:
    content = "Größe".encode("mac_roman")
    [refused] = read(raw, "a.txt", content)
    assert refused.reject_reason == "read.invalid_utf8"
    assert "name it in [read] encoding" in (refused.reject_detail or "")
    config = Config(read=Read("macintosh"))
    assert [(r.original, r.charset) for r in read(raw, "a.txt", content, config)] == [("Größe", "mac_roman")]
    assert [(r.original, r.charset) for r in read(raw, "a.txt", "Größe".encode(), config)] == [("Größe", None)]
    [record] = read(raw, "a.jsonl", line_of("mac_roman", "Größe"), config)
    assert (record.original, record.charset) == ("Größe", "mac_roman")
    [record] = read(raw, "a.jsonl", line_of("cp850", "Größe", charset="cp850"), config)  # which says it itself
    assert (record.original, record.charset) == ("Größe", "cp850")
    [record] = read_rows(raw, parquet({"text": strings(content)}), config)
    assert (record.original, record.charset) == ("Größe", "mac_roman")


def test_text_file_over_the_limit(raw: Path) -> None:
    config = Config(limits=Limits(record_bytes=1_000_000))
    content = b"x" * 1_000_001
    assert outcomes(read(raw, "a.txt", content[1:], config)) == [(None, "x" * 1_000_000)]
    for name, stored in [("a.txt", content), ("a.txt.gz", gz(content)), ("a.txt.zst", zst(content))]:
        [record] = read(raw, name, stored, config)
        assert outcome(record) == (None, "limit.record_bytes")
        assert record.reject_detail == "1,000,001 bytes, expected at most 1,000,000"
        assert (record.source_sha256, record.raw_head) == (sha256(content), content[:1024])


@every_compression
def test_damaged_compressed_text(raw: Path, extension: str, compress: Callable[[bytes], bytes]) -> None:
    name, stored = f"a.txt.{extension}", compress(b"text " * 100)
    assert outcomes(read(raw, name, b"")) == [(None, "read.truncated")]
    assert outcomes(read(raw, name, stored[:-1])) == [(None, "read.truncated")]
    assert outcomes(read(raw, name, b"\x1f no text at all")) == [(None, "read.corrupt")]
    assert outcomes(read(raw, name, stored + b"rest")) == [
        (None, "text " * 100),
        (None, "read.trailing_garbage"),
    ]


# ------------------------------------------------------------------------------------------------ JSON Lines


def line_of(encoded: str, text: str, **more: Any) -> bytes:
    return json.dumps({"id": "7", **more, "text": text}, ensure_ascii=False).encode(encoded) + b"\n"


JAPANESE = "表示する能力が十分にあるので、予算と貼り紙の十項目を構わず申し込む。" * 3  # 表 能 十 予 貼 構 申: 0x5C
POLISH = "Pociąg spóźnił się dziś rano, ponieważ w górach przez całą noc padał gęsty śnieg i było ślisko."


@pytest.mark.parametrize(
    ("charset", "text", "declared", "name"),
    [
        ("cp1252", LEGACY, None, "cp1252"),
        ("cp1252", f'Erstens:\n\n\tZweitens "so" \\ {LEGACY}', None, "cp1252"),
        ("cp1250", POLISH, None, "cp1250"),
        ("cp1252", "Größe", "ISO-8859-1", "cp1252"),
        ("cp932", JAPANESE, None, "cp932"),
        ("cp932", JAPANESE, "Shift_JIS", "cp932"),
        ("cp932", "能力\n表", "shift_jis", "cp932"),
        ("gb18030", "誠實\\的乗客" * 9, "gbk", "gb18030"),
        ("cp932", JAPANESE + "表", "koi8-r", "cp932"),  # declared in error: no JSON any more
        ("cp1252", LEGACY, "utf-8", "cp1252"),
        ("cp1252", LEGACY, "no such", "cp1252"),
        ("utf-8", LEGACY, "shift_jis", None),
    ],
)
def test_line_in_another_charset(raw: Path, charset: str, text: str, declared: str | None, name: str | None) -> None:
    line = line_of(charset, text, charset=declared)
    content = b'{"text":"a"}\n' + line + '{"text":"ä"}\n'.encode()
    for path, stored in (("a.jsonl", content), ("a.jsonl.gz", gz(content)), ("a.jsonl.zst", zst(content))):
        records = read(raw, path, stored)
        assert outcomes(records) == [("1", "a"), ("2", text), ("3", "ä")]
        assert [record.charset for record in records] == [None, name, None]
        assert (records[1].source_id, records[1].source_sha256) == ("7", sha256(line.rstrip(b"\n")))


@pytest.mark.parametrize(
    "line",
    [
        line_of("cp1250", "Kč"),  # too little to tell: Kè in Western Europe
        line_of("cp1252", LEGACY)[:-3],  # no JSON
        line_of("cp1252", LEGACY).replace(b'"text"', b'"corpo"'),
        json.dumps({"text": LEGACY}, ensure_ascii=False).encode().replace("ü".encode(), b"\xc3", 1),  # damaged UTF-8
        line_of("utf-8", LEGACY, charset="iso-8859-1").replace("ü".encode(), b"\xc3", 1),
    ],
)
def test_line_that_no_charset_makes_sense_of(raw: Path, line: bytes) -> None:
    line = line.replace(b"\n", b"")
    [record] = read(raw, "a.jsonl", line)
    assert outcome(record) == ("1", "read.invalid_utf8")
    assert record.raw_head == line[:1024]


UNITS = ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]
# U+0A0A and U+4E0A have the byte of a line feed, at either end.
TEXTS = ["Die Straße", "上海 и Москва 😀", "\u0a0a上\u0a0d", "", "Ende"]


@pytest.mark.parametrize("charset", UNITS)
@pytest.mark.parametrize("mark", ["\ufeff", ""])
@pytest.mark.parametrize("newline", ["\r\n", "\n"])
def test_lines_in_utf_16(raw: Path, charset: str, mark: str, newline: str) -> None:
    lines = [json.dumps({"id": "7", "text": text}, ensure_ascii=False) for text in TEXTS]
    lines.insert(2, "no JSON")
    content = (mark + newline.join(lines) + newline).encode(charset)
    expected = [("1", TEXTS[0]), ("2", TEXTS[1]), ("3", "read.invalid_json"), ("4", TEXTS[2]), ("5", ""), ("6", "Ende")]
    for path, stored in (("a.jsonl", content), ("a.jsonl.gz", gz(content)), ("a.jsonl.zst", zst(content))):
        records = read(raw, path, stored)
        assert outcomes(records) == expected
        assert {record.charset for record in records if not record.reject_reason} == {charset}
        assert records[0].source_sha256 == sha256(lines[0].encode())


@pytest.mark.parametrize("charset", UNITS)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 64, 101])
def test_parts_of_a_file_in_utf_16(raw: Path, charset: str, size: int) -> None:
    """Wherever it is cut, and though no part but the first has the mark."""
    content = "".join(["\ufeff", *(json.dumps({"text": text}) + "\n" for text in TEXTS)]).encode(charset)
    (raw / "u.jsonl").write_bytes(content)
    whole = part_of(raw, "u.jsonl")
    found, lines = [], 0
    for start in range(0, len(content), size):
        part = reading(raw, whole._replace(start=start, end=min(start + size, len(content))))
        found += [record.original for record in part]
        lines += part.fields.lines
    assert (found, lines) == (TEXTS, len(TEXTS))


def test_what_is_no_character_in_utf_16_costs_its_line_only(raw: Path) -> None:
    good = '{"text":"a"}\n'.encode("utf-16-le")
    lone = '{"text":"'.encode("utf-16-le") + b"\x00\xd8" + '"}\n'.encode("utf-16-le")
    content = b"\xff\xfe" + good + lone + good + b"{"  # half a unit
    assert outcomes(read(raw, "a.jsonl", content)) == [
        ("1", "a"),
        ("2", "read.invalid_utf8"),
        ("3", "a"),
        ("4", "read.invalid_utf8"),
    ]


def test_lines_in_other_encodings_of_unicode(raw: Path) -> None:
    """ISO-2022-JP is of seven bits; CESU-8 has a pair of surrogates for a character."""
    japanese = json.dumps({"text": JAPANESE}, ensure_ascii=False).encode("iso2022_jp")
    cesu = '{"text":"Grüße '.encode() + "\ud83d\ude00".encode("utf-8", "surrogatepass") + b'"}'
    records = read(raw, "a.jsonl", japanese + b"\n" + cesu + b"\n")
    assert [(record.original, record.charset) for record in records] == [
        (JAPANESE, "iso2022_jp"),
        ("Grüße 😀", "cesu-8"),
    ]


def test_the_charset_is_read_from_the_mapped_field(raw: Path) -> None:
    config = Config(fields=Fields(charset="enc.of+it"))
    line = line_of("koi8-r", "Поезд", **{"charset": "cp1251", "enc.of+it": "koi8-r"})
    assert outcomes(read(raw, "a.jsonl", line, config)) == [("1", "Поезд")]


def test_good_line(raw: Path) -> None:
    line = (
        b'{"id": "007", "url": "https://example.org/1", "text": "Gr\\u00fc\xc3\x9fe\\n",'
        b' "fetched_at": "2024-03-01T14:00:00+02:00", "more": [1]}'
    )
    assert read(raw, "a.jsonl", line + b"\n") == [
        Record(
            source_path="a.jsonl",
            source_format="jsonl",
            source_record="1",
            source_sha256=sha256(line),
            source_id="007",
            url="https://example.org/1",
            fetched_at=NOON,
            original="Grüße\n",
            reject_reason=None,
            reject_detail=None,
            raw_head=None,
            extra='{"more":[1]}',
        )
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"text":"a"}\n{"text":"b"}\n', [("1", "a"), ("2", "b")]),
        (b'{"text":"a"}\n{"text":"b"}', [("1", "a"), ("2", "b")]),
        (b'{"text":"a"}\r\n{"text":"b"}\r\n', [("1", "a"), ("2", "b")]),
        (b'\n \t\r\n{"text":"a"}\n\n{"text":"b"}\n\n', [("3", "a"), ("5", "b")]),
        (BOM + b'{"text":"a"}\n', [("1", "a")]),
        (BOM + b'\n{"text":"a"}\n', [("2", "a")]),
        (b'{"text":""}', [("1", "")]),
        # one bad line, and the others are read
        (b'{"text":"a"}\n{"text":"\xff"}\n{"text":"c"}\n', [("1", "a"), ("2", "read.invalid_utf8"), ("3", "c")]),
        (b'{"text":"a"}\nnot JSON\n{"text":"c"}\n', [("1", "a"), ("2", "read.invalid_json"), ("3", "c")]),
        (b'{"text":"a"}\n{"text":"b', [("1", "a"), ("2", "read.invalid_json")]),
        (b'{"text":"a"}{"text":"b"}\n', [("1", "read.invalid_json")]),
        (b'{"text":"a"}\r{"text":"b"}\n', [("1", "read.invalid_json")]),
        # files that were joined, each with its mark
        (b'{"text":"a"}\n' + BOM + b'{"text":"b"}\n', [("1", "a"), ("2", "b")]),
        (BOM + b'{"text":"a"}\n' + BOM + b"\n" + BOM + b'{"text":"c"\n', [("1", "a"), ("3", "read.invalid_json")]),
        (b"\n" + BOM + b"\n \n", [(None, "read.empty_file")]),
        # nothing in it
        (b"", [(None, "read.empty_file")]),
        (BOM, [(None, "read.empty_file")]),
        (b"\n \r\n\t\n", [(None, "read.empty_file")]),
    ],
)
def test_lines(raw: Path, content: bytes, expected: list[tuple[str | None, str]]) -> None:
    assert outcomes(read(raw, "a.jsonl", content)) == expected
    for extension, compress in COMPRESS:
        assert outcomes(read(raw, f"a.ndjson.{extension}", compress(content))) == expected


@pytest.mark.parametrize("character", [*"\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\r", "\x00", "\t"])
def test_no_character_in_a_string_ends_a_line(raw: Path, character: str) -> None:
    line = f'{{"text":"a{character}b"}}\n'
    escaped = json.dumps({"text": f"a{character}b"}) + "\n"
    expected = [(str(number), f"a{character}b") for number in (1, 2, 3)]
    assert outcomes(read(raw, "a.jsonl", (line + escaped + line).encode())) == expected


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (rb'{"text":"a\ud800b"}', "a\ufffdb"),
        (rb'{"text":"a\uDFFF\ud800"}', "a\ufffd\ufffd"),
        (rb'{"text":"\ud800\ud83d\ude00"}', "\ufffd😀"),
        (rb'{"text":"\\ud800 \\\ud800"}', "\\ud800 \\\ufffd"),
        (rb'{"te\ud800":1,"text":"a"}', "a"),
        (b'{"n":NaN,"text":"a"}', "a"),
        (b'{"n":1e400,"text":"a"}', "a"),
        (b'{"n":' + b"9" * 5_000 + b',"text":"a"}', "a"),
        (b'{"n":' + b"[" * 249 + b"]" * 249 + b',"m":1e400,"text":"a"}', "a"),
        (b'{"n":' + b"[" * 1_000 + b"]" * 1_000 + b',"text":"a"}', "a"),
        (b'{"n":"' + b"[" * 100_000 + b'","m":1e400,"text":"a"}', "a"),
        (b'{"text":"a","text":"b"}', "b"),
    ],
)
def test_odd_lines_that_can_be_read(raw: Path, line: bytes, text: str) -> None:
    assert outcomes(read(raw, "a.jsonl", line)) == [("1", text)]


@pytest.mark.parametrize(
    ("line", "reason", "detail"),
    [
        (b'{"text":"a\xfe"}', "read.invalid_utf8", "byte 10: 0xfe"),
        (b'{"text":"\xed\xa0\x80"}', "read.invalid_utf8", "byte 9: 0xed"),
        (b'\xff{"text":"a"}', "read.invalid_utf8", "byte 0: 0xff"),
        (b'{"text":"a",}', "read.invalid_json", "column 1"),
        (b"{'text':'a'}", "read.invalid_json", "column 2"),
        (b"[" * 100_000, "read.invalid_json", "nested deeper than 250"),
        (b"[" * 100_000 + b"]" * 100_000, "read.invalid_json", "nested deeper than 250"),
        (b'{"a":' * 100_000, "read.invalid_json", "nested deeper than 250"),
        (b'"' + b"[" * 1_000, "read.invalid_json", "column 1"),
        (b'["a"]', "read.wrong_type", "the record is a list, expected an object"),
        (b"7", "read.wrong_type", "the record is a number, expected an object"),
        (b"null", "read.wrong_type", "the record is null, expected an object"),
        (b"{}", "read.no_text", "'text' is missing or null"),
        (b'{"text":null}', "read.no_text", "'text' is missing or null"),
        (b'{"corpo":"a","n":1}', "read.no_text", "'text' is missing or null; there: corpo, n"),
        (b'{"text":7}', "read.wrong_type", "'text' is a number, expected a string"),
        (b'{"text":false}', "read.wrong_type", "'text' is a boolean, expected a string"),
        (b'{"text":["a"]}', "read.wrong_type", "'text' is a list, expected a string"),
        (b'{"text":{"a":1}}', "read.wrong_type", "'text' is an object, expected a string"),
    ],
)
def test_bad_lines(raw: Path, line: bytes, reason: str, detail: str) -> None:
    [record] = read(raw, "a.jsonl", line)
    assert record.reject_reason == reason
    assert (record.reject_detail or "").startswith(detail)
    assert (record.source_sha256, record.raw_head) == (sha256(line), line[:1024])
    assert (record.original, record.source_record) == ("", "1")


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ('"007"', "007"),
        ('"1e5"', "1e5"),
        ("7", "7"),
        ("0", "0"),
        ("-3", "-3"),
        ("18446744073709551615", "18446744073709551615"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("-9223372036854775809", "-9223372036854775809"),
        ("9" * 5_000, "9" * 5_000),
        ("1.50", "1.50"),
        ("1e5", "1e5"),
        ("1e400", "1e400"),
        ("true", "true"),
        ('["a", 12345678901234567890123]', '["a",12345678901234567890123]'),
        ('{"b": 1.0, "a": "\\ud800"}', '{"b":1.0,"a":"\ufffd"}'),
        ('"\\ud800"', "\ufffd"),
        ("null", None),
        ('""', None),
    ],
)
@pytest.mark.parametrize("text", ['"a"', "null"])
def test_ids_are_text_as_written(raw: Path, written: str, read_as: str | None, text: str) -> None:
    [record] = read(raw, "a.jsonl", f'{{"id":{written},"text":{text}}}'.encode())
    assert record.source_id == read_as
    assert record.original == ("a" if text == '"a"' else "")


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ('"https://example.org"', "https://example.org"),
        ('"no URL"', "no URL"),
        ('""', None),
        ("null", None),
        ("7", None),
        ('["https://example.org"]', None),
    ],
)
@pytest.mark.parametrize("more", ["1", "NaN"])  # NaN: the careful way
def test_urls(raw: Path, written: str, read_as: str | None, more: str) -> None:
    [record] = read(raw, "a.jsonl", f'{{"url":{written},"text":"a","more":{more}}}'.encode())
    assert (record.url, record.original, record.reject_reason) == (read_as, "a", None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-03-01T12:00:00Z", NOON),
        ("2024-03-01 14:00:00+02:00", NOON),
        ("2024-03-01T12:00:00", NOON),
        (" 2024-03-01 ", datetime(2024, 3, 1, tzinfo=UTC)),
        (1709294400, NOON),
        (1709294400.5, NOON.replace(microsecond=500_000)),
        ("yesterday", None),
        ("", None),
        ("0001-01-01T00:00:00+05:00", None),
        (1709294400000, NOON),
        ("1709294400", NOON),
        ("1709294400000", NOON),
        ("20240301120000", NOON),
        ("2024-03-01 12:00:00 UTC", NOON),
        ("Fri, 01 Mar 2024 13:00:00 +0100", NOON),
        ("20241301120000", None),
        ("Fri, 41 Mar 2024 13:00:00 +0100", None),
        (17092944000000000, None),
        (0, None),
        (-1, None),
        (float("nan"), None),
        (float("inf"), None),
        (10**400, None),
        (True, None),
        (["2024-03-01"], None),
        (None, None),
    ],
)
def test_times(raw: Path, value: Any, expected: datetime | None) -> None:
    assert read_time(value) == expected
    for more in ("1", "NaN"):
        line = f'{{"text":"a","more":{more},"fetched_at":{json.dumps(value)}}}'
        [record] = read(raw, "a.jsonl", line.encode())
        assert (record.fetched_at, record.original) == (expected, "a")


@pytest.mark.parametrize(
    ("line", "source_id", "url"),
    [
        (b'{"id":7,"url":"u"}', "7", "u"),
        (b'{"id":7,"url":"u","text":[]}', "7", "u"),
        (b'{"id":7,"url":"u","text":"\xff"}', "7", "u"),
        (b'{"id":"\xff","url":"u","text":"a"}', None, "u"),
        (b'{"id":7,"url":"u\xff","text":"a"}', "7", None),
        (b'{"id":7,"url":"u","text":"a', None, None),
        (b'[7,"\xff"]', None, None),
        (b'{"id":7,"\xff', None, None),
    ],
)
def test_bad_line_keeps_its_identity(raw: Path, line: bytes, source_id: str | None, url: str | None) -> None:
    [record] = read(raw, "a.jsonl", line)
    assert (record.source_id, record.url, record.original) == (source_id, url, "")
    assert (record.reject_reason or "").startswith("read.")


def test_fields_are_mapped(raw: Path) -> None:
    config = Config(fields=Fields(id="_id", url="link", text="body", fetched_at="crawled"))
    line = b'{"_id":1,"link":"u","body":"a","crawled":1709294400,"id":2,"url":"v","text":"b"}\n{"text":"b"}'
    good, bad = read(raw, "a.jsonl", line, config)
    assert (good.source_id, good.url, good.original, good.fetched_at) == ("1", "u", "a", NOON)
    assert (bad.reject_reason, bad.reject_detail) == (
        "read.no_text",
        "'body' is missing or null; there: text",
    )


@pytest.mark.parametrize("ending", [b"", b"\r"])
@pytest.mark.parametrize("limit", [20, 300_000])
def test_line_over_the_limit(raw: Path, ending: bytes, limit: int) -> None:
    config = Config(limits=Limits(record_bytes=limit))
    text = "x" * (limit - len('{"text":""}'))
    fits, long = f'{{"text":"{text}"}}'.encode(), f'{{"text":"{text}x"}}'.encode()
    blank = b" " * (2 * limit)
    content = (ending + b"\n").join([fits, long, long + b"\r", blank, fits, b""])
    expected = [("1", text), ("2", "limit.record_bytes"), ("3", "limit.record_bytes"), ("5", text)]
    for name, stored in [("a.jsonl", content), ("a.jsonl.gz", gz(content)), ("a.jsonl.zst", zst(content))]:
        records = read(raw, name, stored, config)
        assert outcomes(records) == expected
        assert records[1].reject_detail == f"{limit + 1:,} bytes, expected at most {limit:,}"
        assert (records[1].source_sha256, records[1].raw_head) == (sha256(long), long[:1024])
        assert records[2].source_sha256 == sha256(long + b"\r" if ending else long)


def test_long_lines_and_bombs_are_not_held(raw: Path) -> None:
    config = Config(limits=Limits(record_bytes=1_000_000))
    content = b'{"text":"' + b"x" * 60_000_000 + b'"}\n{"text":"b"}'
    (raw / "a.jsonl").write_bytes(content)
    (raw / "a.jsonl.gz").write_bytes(gz(content))
    (raw / "a.jsonl.zst").write_bytes(zst(content))
    del content
    for compression in ("", "gz", "zst"):
        name = f"a.jsonl.{compression}".rstrip(".")
        tracemalloc.start()
        records = list(reading(raw, part_of(raw, name), config))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert outcomes(records) == [("1", "limit.record_bytes"), ("2", "b")]
        assert peak < 35_000_000  # zstd's steps give 8 MiB


def test_detail_quotes_little(raw: Path) -> None:
    config = Config(fields=Fields(text="t" * 500))
    for line in (b'{"a":1}', b"x" * 5_000, b'{"' + b"x" * 5_000 + b'":nope}'):
        [record] = read(raw, "a.jsonl", line, config)
        assert len(record.reject_detail or "") <= 2 * DETAIL_CHARS + 60


# ------------------------------------------------------------------------------------------------ laws

json_values = st.sampled_from(
    ["", "a", "\ud800", "\x85\u2028", None, True, 7, 2**64, 1.5, 1e400, [], [2**70, {"a": "\udfff"}], {"": None}]
)
json_lines = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(["id", "url", "text", "fetched_at"], json_values | st.text(max_size=5))
).map(lambda record: json.dumps(record).encode())
good_lines = st.text(max_size=30).map(lambda text: json.dumps({"text": text}).encode())
contents = st.lists(st.binary(max_size=12) | json_lines | st.just(b" \t"), max_size=8).map(b"\n".join)


@given(contents | st.binary(max_size=60))
@example(BOM + b"\n\x0c\x0b\n\x1c\n\x85")
@example(b"\r\r\n")
def test_any_bytes_give_a_record_for_each_line_that_is_not_blank(raw: Path, content: bytes) -> None:
    assume(charset_of_units(content) is None)
    assume(not begins_list(content) and not compression_of(content, ""))  # another format, whatever its name
    lines = [line.removeprefix(BOM) for line in content.split(b"\n")]
    numbers: list[str | None] = [str(number) for number, line in enumerate(lines, 1) if line.strip()]
    for name, stored in [("l.jsonl", content), ("l.jsonl.gz", gz(content)), ("l.jsonl.zst", zst(content))]:
        records = read(raw, name, stored)
        assert [record.source_record for record in records] == (numbers or [None])
        for record in records:
            json.dumps(record[:6] + record[7:10], ensure_ascii=False).encode()  # no surrogate anywhere
            if record.reject_reason is None:
                found = json.loads(lines[int(record.source_record or 0) - 1])["text"]
                assert record.original == "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in found)


@given(st.binary(max_size=200))
def test_any_bytes_of_any_format_give_a_record(raw: Path, content: bytes) -> None:
    for name in ("l.txt", "l.txt.gz", "l.txt.zst", "l.jsonl.gz", "l.jsonl.zst", "l.parquet", "l.csv"):
        assert len(read(raw, name, content)) >= 1


@given(st.lists(good_lines, min_size=1, max_size=20), st.data())
def test_members_read_as_one(raw: Path, lines: list[bytes], data: st.DataObject) -> None:
    content = b"\n".join(lines)
    cuts = data.draw(st.lists(st.integers(0, len(content)), max_size=4).map(sorted))
    pieces = [content[i:j] for i, j in zip([0, *cuts], [*cuts, len(content)], strict=True)]
    plain = [record[2:] for record in read(raw, "m.jsonl", content)]
    skippable = b"\x5a\x2a\x4d\x18\x03\x00\x00\x00abc"
    padding = b"\0" * data.draw(st.integers(0, 9))
    for name, stored in [
        ("m.jsonl.gz", b"".join(map(gz, pieces))),
        ("m.jsonl.gz", padding.join(map(gz, pieces)) + padding),
        ("m.jsonl.zst", b"".join(map(zst, pieces))),
        ("m.jsonl.zst", skippable + skippable.join(map(zst, pieces)) + skippable),
        ("m.jsonl.bz2", b"".join(map(bz2.compress, pieces))),
        ("m.jsonl.xz", b"".join(map(lzma.compress, pieces))),
        ("m.jsonl.xz", bytes(8).join(map(lzma.compress, pieces)) + bytes(4)),
        ("m.jsonl.lz4", b"".join(map(lz, pieces))),
        ("m.jsonl.lz4", skippable + skippable.join(map(lz, pieces)) + skippable),
    ]:
        assert [record[2:] for record in read(raw, name, stored)] == plain


def decodable_by_members(new_stream: Callable[[], Any], stored: bytes) -> bytes:
    content = b""
    while stored:
        stream = new_stream()
        content += stream.decompress(stored)
        stored = stream.unused_data or b""
    return content


def decodable_zst(stored: bytes) -> bytes:
    stream, content = zstandard.ZstdDecompressor().decompressobj(), b""
    for position in range(len(stored)):
        if stream.eof:
            stream = zstandard.ZstdDecompressor().decompressobj()
        content += stream.decompress(stored[position : position + 1])
    return content


DECODABLE: dict[str, Callable[[bytes], bytes]] = {
    "gz": partial(decodable_by_members, lambda: zlib.decompressobj(wbits=31)),
    "zst": decodable_zst,
    "bz2": partial(decodable_by_members, bz2.BZ2Decompressor),
    "xz": partial(decodable_by_members, lzma.LZMADecompressor),
    "lz4": partial(decodable_by_members, lz4.frame.LZ4FrameDecompressor),
}


@every_compression
def test_cut_anywhere_keeps_the_whole_lines_before(
    raw: Path, extension: str, compress: Callable[[bytes], bytes]
) -> None:
    decodable = DECODABLE[extension]
    first = b"".join(b'{"text":"%s"}\n' % sha256(b"%d" % n).encode() for n in range(20))
    members = compress(first), compress(b'{"text":"last"}')
    stored = b"".join(members)
    for cut in range(len(stored) + 1):
        records = read(raw, f"t.jsonl.{extension}", stored[:cut])
        content = decodable(stored[:cut])
        lines = content.split(b"\n")
        texts = [json.loads(line)["text"] for line in lines[:-1]]
        expected = [(str(number), text) for number, text in enumerate(texts, 1)]
        if cut == len(stored):
            expected.append(("21", "last"))
        elif cut != len(members[0]):  # a cut between members can't be seen
            expected.append((str(len(lines)), "read.truncated"))
            assert records[-1].source_sha256 == sha256(lines[-1])
            assert records[-1].raw_head == lines[-1]
        assert outcomes(records) == expected


@every_compression
def test_the_first_bytes_overrule_the_name(
    raw: Path, tmp_path: Path, extension: str, compress: Callable[[bytes], bytes]
) -> None:
    lines = b"".join(b'{"text":"%s"}\n' % sha256(b"%d" % n).encode() for n in range(500))
    expected = [record[2:] for record in read(raw, "a.jsonl", lines)]
    for said in ("jsonl", *(f"jsonl.{other}" for other, _ in COMPRESS)):
        assert [record[2:] for record in read(raw, f"n.{said}", compress(lines))] == expected
    assert [record[2:] for record in read(raw, f"n.jsonl.{extension}", lines)] == expected
    [record] = read(raw, f"n.txt.{extension}", "Über den Fluß\n".encode())
    assert record.original == "Über den Fluß\n"
    # nor is such a file cut
    (tmp_path / "n.jsonl").write_bytes(compress(lines))
    [file] = list_inputs(Store(tmp_path / "curated", tmp_path)).files
    [[part]] = plan_pieces(Store(tmp_path / "curated", tmp_path), [file], 1_000)
    assert part.is_whole


def test_a_text_may_begin_like_a_compressed_file(raw: Path) -> None:
    for text in ("BZh9 was the plate of the car.", "PK and P*M are initials.", "7z"):
        assert outcomes(read(raw, "b.txt", text.encode())) == [(None, text)]


def test_xz_that_asks_for_too_much_memory(raw: Path) -> None:
    stored = bytearray(lzma.compress(b"text"))
    # The block's header: its size in fours, flags, LZMA2 (0x21), one byte of properties, then the dictionary's size.
    assert stored[12:16] == b"\x02\x00\x21\x01"
    stored[16] = 36  # 1 GiB
    stored[20:24] = zlib.crc32(stored[12:20]).to_bytes(4, "little")
    [record] = read(raw, "m.txt.xz", bytes(stored))
    assert record.reject_reason == "read.corrupt"
    assert "Memory usage limit exceeded" in (record.reject_detail or "")


def test_cut_deep_in_a_large_gzip_file(raw: Path) -> None:
    content = b"".join(b'{"text":"%s"}\n' % (sha256(b"%d" % n).encode() * 20) for n in range(3_000))
    stored = gz(content)
    for cut in (len(stored) // 3, len(stored) // 2, len(stored) - 9, len(stored) - 1):
        records = read(raw, "t.jsonl.gz", stored[:cut])
        whole = DECODABLE["gz"](stored[:cut]).count(b"\n")
        assert [record.reject_reason for record in records] == [None] * whole + ["read.truncated"]
        assert records[-1].source_record == str(whole + 1)


# ------------------------------------------------------------------------------------------------ damage


@every_compression
def test_damaged_lines(raw: Path, extension: str, compress: Callable[[bytes], bytes]) -> None:
    name, a = f"d.jsonl.{extension}", b'{"text":"a"}\n'
    flipped = bytearray(compress(b"{}" * 50))
    flipped[-2] ^= 1  # the checksum
    assert outcomes(read(raw, name, b"")) == [("1", "read.truncated")]
    assert outcomes(read(raw, name, b"\1" + a)) == [("1", "read.corrupt")]
    assert outcomes(read(raw, name, compress(a) + flipped)) == [("1", "a"), ("2", "read.corrupt")]
    [good, garbage] = read(raw, name, compress(a[:-1]) + b"garbage" * 1_000)
    assert outcome(good) == ("1", "a")
    assert (garbage.reject_reason, garbage.source_record) == ("read.trailing_garbage", None)
    assert garbage.reject_detail == "7,000 bytes after the end of the stream"
    assert garbage.source_sha256 == sha256(b"garbage" * 1_000)
    assert garbage.raw_head == (b"garbage" * 1_000)[:1024]
    assert outcomes(read(raw, name, compress(b"") + b"garbage")) == [(None, "read.trailing_garbage")]


def test_damage_in_a_large_gzip_file_keeps_the_lines_before(raw: Path) -> None:
    content = b"".join(b'{"text":"%s"}\n' % sha256(b"%d" % n).encode() for n in range(20_000))
    stored = bytearray(gz(content))
    middle = len(stored) // 2
    stored[middle : middle + 4] = b"\xff\xff\xff\xff"
    records = read(raw, "d.jsonl.gz", bytes(stored))
    assert records[-1].reject_reason == "read.corrupt"
    # Garbled lines may stand between the damage and where it shows; far before, all are good.
    assert [record.reject_reason for record in records[:8_000]] == [None] * 8_000


def bomb(compress: Callable[[bytes], bytes]) -> bytes:
    """Small members of 8 MiB each, one more than fit the floor; between them, whole lines."""
    member = compress(b'{"text":"a"}\n' + b" " * (8 << 20) + b"\n")
    return member * (EXPANSION_FLOOR // (8 << 20) + 1)


@every_compression
def test_bomb_stops_at_the_floor(raw: Path, extension: str, compress: Callable[[bytes], bytes]) -> None:
    stored = bomb(compress)
    assert len(stored) < 400_000
    records = read(raw, f"b.jsonl.{extension}", stored)
    expected = [(str(2 * number + 1), "a") for number in range(8)]
    assert outcomes(records) == [*expected, ("16", "limit.expansion")]
    [record] = read(raw, f"b.txt.{extension}", stored)
    assert outcome(record) == (None, "limit.expansion")


@every_compression
def test_honest_text_is_no_bomb(raw: Path, extension: str, compress: Callable[[bytes], bytes]) -> None:
    config = Config(limits=Limits(expansion_ratio=1_000_000))
    assert [record.reject_reason for record in read(raw, f"b.jsonl.{extension}", bomb(compress), config)] == [None] * 9


def test_zstd_window_over_the_library_limit(raw: Path) -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=30, enable_ldm=False)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    stored = compressor.compress(b'{"text":"a"}\n') + compressor.flush()
    [record] = read(raw, "w.jsonl.zst", stored)
    assert outcome(record) == ("1", "read.corrupt")


# ------------------------------------------------------------------------------------------------ Parquet


def parquet(columns: dict[str, Any], **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, write_page_checksum=True, **options)
    return sink.getvalue()


def test_rows(raw: Path) -> None:
    content = parquet(
        {
            "id": ["007", None],
            "url": ["https://example.org", ""],
            "text": ["Grüße\r\n", ""],
            "fetched_at": pa.array([NOON, None], pa.timestamp("ms", "Europe/Berlin")),
            "more": [1, 2],
        }
    )
    first = '["007","https://example.org","Grüße\\r\\n","2024-03-01T12:00:00+00:00"]'.encode()
    assert read_rows(raw, content) == [
        Record(
            "a.parquet",
            "parquet",
            "0",
            sha256(first),
            "007",
            "https://example.org",
            NOON,
            "Grüße\r\n",
            None,
            None,
            None,
            extra='{"more":1}',
        ),
        Record(
            "a.parquet",
            "parquet",
            "1",
            sha256(b'[null,null,"",null]'),
            None,
            None,
            None,
            "",
            None,
            None,
            None,
            extra='{"more":2}',
        ),
    ]


@pytest.mark.parametrize(
    "text",
    [
        pa.array(["a", None, "c"]),
        pa.array(["a", None, "c"], pa.large_string()),
        pa.array(["a", None, "c"], pa.string_view()),
        pa.array([b"a", None, b"c"]),
        pa.array([b"a", None, b"c"], pa.binary_view()),
        pa.array(["a", None, "c"]).dictionary_encode(),
        pa.array(["a", None, "c"], pa.large_string()).dictionary_encode(),
    ],
    ids=lambda text: str(text.type)[:20],
)
def test_string_columns(raw: Path, text: "pa.Array[Any]") -> None:
    expected = [("0", "a"), ("1", "read.no_text"), ("2", "c")]
    assert outcomes(read_rows(raw, parquet({"text": text}))) == expected


@pytest.mark.parametrize(
    ("columns", "reason", "detail"),
    [
        ({"corpo": ["a"]}, "read.no_text", "a.parquet: no columns 'text', expected one; there: corpo"),
        ({"text": [7]}, "read.wrong_type", "a.parquet: 'text' is int64, expected string"),
        ({"text": [["a"]]}, "read.wrong_type", "a.parquet: 'text' is list<element: string>, expected string"),
        ({"text": pa.array([], pa.string())}, "read.empty_file", "a.parquet: no rows"),
    ],
)
def test_file_without_texts_is_one_record(raw: Path, columns: Any, reason: str, detail: str) -> None:
    content = parquet(columns)
    [record] = read_rows(raw, content)
    assert (record.source_record, record.reject_reason, record.reject_detail) == (None, reason, detail)
    assert (record.source_sha256, record.raw_head) == (sha256(content), content[:1024])


def test_rows_of_a_column_of_nulls(raw: Path) -> None:
    records = read_rows(raw, parquet({"id": [1, 2], "text": pa.nulls(2)}))
    assert outcomes(records) == [("0", "read.no_text"), ("1", "read.no_text")]
    assert [record.source_id for record in records] == ["1", "2"]
    assert records[0].raw_head == b'["1",null,null,null]'


def test_two_columns_of_one_name(raw: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["a"])] * 2, names=["text", "text"])
    sink = io.BytesIO()
    pq.write_table(table, sink)
    [record] = read_rows(raw, sink.getvalue())
    assert (record.reject_reason, record.reject_detail) == (
        "read.wrong_type",
        "a.parquet: 2 columns 'text', expected one; there: text, text",
    )
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_arrays([pa.array(["a"])] * 3, names=["text", "id", "id"]), sink)
    [record] = read_rows(raw, sink.getvalue())
    assert (record.original, record.source_id) == ("a", None)


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (pa.array([7], pa.int64()), "7"),
        (pa.array([2**64 - 1], pa.uint64()), "18446744073709551615"),
        (pa.array([7.0]), "7.0"),
        (pa.array([True]), "true"),
        (pa.array(["007"], pa.string_view()), "007"),
        (pa.array(["007"]).dictionary_encode(), "007"),
        (pa.array([b"ab"]), "ab"),
        (pa.array([b"\xff\x00"]), "ff00"),
        (pa.array([[1, 2]]), "[1,2]"),
        (pa.array([{"a": "ü"}]), '{"a":"ü"}'),
        (pa.array([NOON]), "2024-03-01 12:00:00+00:00"),
        (pa.array([None], pa.int64()), None),
        (pa.array([""]), None),
    ],
    ids=str,
)
def test_ids_of_rows_are_text(raw: Path, ids: "pa.Array[Any]", expected: str | None) -> None:
    [record] = read_rows(raw, parquet({"id": ids, "text": ["a"]}))
    assert (record.source_id, record.original) == (expected, "a")


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (pa.array([NOON], pa.timestamp("us", "UTC")), NOON),
        (pa.array([NOON.replace(tzinfo=None)], pa.timestamp("ns")), NOON),
        (pa.array([1709294400_000000_001], pa.timestamp("ns")), NOON),
        (pa.array([NOON.date()]), datetime(2024, 3, 1, tzinfo=UTC)),
        (pa.array(["2024-03-01T12:00:00Z"]), NOON),
        (pa.array([1709294400]), NOON),
        (pa.array([1709294400.0]), NOON),
        (pa.array([2**62], pa.timestamp("ms")), None),
        (pa.array([2**62], pa.timestamp("us")), None),
        (pa.array(["soon"]), None),
        (pa.array([None], pa.timestamp("us")), None),
    ],
    ids=str,
)
def test_times_of_rows(raw: Path, times: "pa.Array[Any]", expected: datetime | None) -> None:
    [record] = read_rows(raw, parquet({"fetched_at": times, "text": ["a"]}))
    assert (record.fetched_at, record.original) == (expected, "a")


def strings(*values: bytes) -> "pa.Array[Any]":
    """A string column of any bytes."""
    return pa.array(values, pa.binary()).view(pa.string())


def test_rows_that_are_not_utf8(raw: Path) -> None:
    content = parquet({"id": strings(b"1", b"2", b"\xfe"), "text": strings(b"a", b"b\xff", b"c")})
    good, bad, odd = read_rows(raw, content)
    assert (good.source_id, good.original) == ("1", "a")
    assert (bad.source_id, bad.reject_reason, bad.reject_detail) == (
        "2",
        "read.invalid_utf8",
        "byte 1: 0xff; not UTF-8, and none of 26 other charsets is sure; "
        "name it in [read] encoding, or in the record's charset",
    )
    assert (odd.source_id, odd.original) == ("fe", "c")


def test_rows_in_another_charset(raw: Path) -> None:
    texts = strings(LEGACY.encode("cp1252"), "größer".encode("cp1252"), "größer".encode("cp1252"), b"a")
    detected, declared, unknown, plain = read_rows(
        raw, parquet({"text": texts, "charset": ["", "latin1", None, "koi8-r"]})
    )
    assert (detected.original, detected.charset) == (LEGACY, "cp1252")
    assert (declared.original, declared.charset) == ("größer", "cp1252")
    assert unknown.reject_reason == "read.invalid_utf8"
    assert (plain.original, plain.charset) == ("a", None)


def test_row_over_the_limit(raw: Path) -> None:
    config = Config(limits=Limits(record_bytes=10))
    records = read_rows(raw, parquet({"text": ["ä" * 5, "ä" * 6, "a"]}), config)
    assert outcomes(records) == [("0", "ä" * 5), ("1", "limit.record_bytes"), ("2", "a")]
    assert records[1].reject_detail == "12 bytes, expected at most 10"


def test_damaged_row_group_is_one_record_and_the_next_is_read(raw: Path) -> None:
    texts = [sha256(b"%d" % n) * 10 for n in range(400)]
    content = bytearray(parquet({"text": texts}, row_group_size=100, use_dictionary=False))
    column = pq.ParquetFile(io.BytesIO(content)).metadata.row_group(1).column(0)
    content[column.data_page_offset + column.total_compressed_size // 2] ^= 0xFF
    records = read_rows(raw, bytes(content))
    good = [(str(n), texts[n]) for n in range(400) if not 100 <= n < 200]
    assert outcomes(records) == [*good[:100], ("100", "read.corrupt"), *good[100:]]


def test_cut_parquet_is_one_record(raw: Path) -> None:
    content = parquet({"text": ["a", "b"]})
    for cut in range(len(content)):
        [record] = read_rows(raw, content[:cut])
        assert outcome(record) == (None, "read.corrupt")
        assert record.source_sha256 == sha256(content[:cut])


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_flipped_bits_never_give_other_texts(raw: Path, place: int, mask: int) -> None:
    texts = [f"text {n}" for n in range(20)]
    content = bytearray(parquet({"text": texts, "id": list(range(20))}))
    content[place % len(content)] ^= mask
    for record in read_rows(raw, bytes(content)):
        assert record.reject_reason is not None or record.original in texts
