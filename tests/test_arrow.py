"""Arrow: whatever the bytes, records or a reason; what comes before the damage stays, and what comes after it where it
can be told."""

import io
import random
import re
import struct
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather as feather
import pytest

from tests.reading import outcomes, read_as_listed
from transforms.config import Config, Fields, Limits

KINDS = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
ENCODED_VIEWS = pa.DictionaryArray.from_arrays(
    pa.array([1, None, 0], pa.int8()), pa.array(["a", "b"], pa.string_view())
)
FORMS = pytest.mark.parametrize("is_file", [True, False], ids=["file", "stream"])


def arrow(columns: dict[str, Any], is_file: bool = True, rows: int = 100, compression: str | None = None) -> bytes:
    sink, table = io.BytesIO(), pa.table(columns)
    options = pa.ipc.IpcWriteOptions(compression=compression, emit_dictionary_deltas=True)
    with (pa.ipc.new_file if is_file else pa.ipc.new_stream)(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=rows)
    return sink.getvalue()


def texts(count: int) -> list[str]:
    return [f"text {n}" for n in range(count)]


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@FORMS
def test_texts_of_every_type(tmp_path: Path, kind: pa.DataType, compression: str | None, is_file: bool) -> None:
    values = ["Grüße\r\n", "", None, "d"]
    columns = {"more": [1, 2, 3, 4], "text": pa.array(values, pa.string()).cast(kind), "id": [7, 8, 9, 10]}
    records = read_as_listed(tmp_path, arrow(columns, is_file, 3, compression), "a.arrow")
    assert outcomes(records) == [("0", "Grüße\r\n"), ("1", ""), ("2", "read.no_text"), ("3", "d")]
    assert [record.source_id for record in records] == ["7", "8", "9", "10"]
    assert [record.extra for record in records] == ['{"more":1}', '{"more":2}', None, '{"more":4}']


@pytest.mark.parametrize("compression", ["uncompressed", "lz4", "zstd"])
def test_feather(tmp_path: Path, compression: str) -> None:
    feather.write_feather(pa.table({"text": texts(3_000)}), str(tmp_path / "a"), compression=compression, chunksize=999)
    records = read_as_listed(tmp_path, (tmp_path / "a").read_bytes(), "a.feather")
    assert outcomes(records) == [(str(n), f"text {n}") for n in range(3_000)]
    assert {record.source_format for record in records} == {"arrow"}


@pytest.mark.parametrize("name", ["a.arrow", "a.arrows", "a.ipc", "a.feather"])
@FORMS
def test_the_name_says_nothing_of_file_or_stream(tmp_path: Path, name: str, is_file: bool) -> None:
    assert outcomes(read_as_listed(tmp_path, arrow({"text": ["a"]}, is_file), name)) == [("0", "a")]


def test_dictionaries_that_grow_and_are_replaced(tmp_path: Path) -> None:
    grown = [pa.array(["a", "b"]), pa.array(["a", "b", "c"]), pa.array(["d", "e"])]
    sink = io.BytesIO()
    schema = pa.schema([("text", pa.dictionary(pa.int8(), pa.string()))])
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)) as writer:
        for dictionary in grown:
            column = pa.DictionaryArray.from_arrays(pa.array([1, 0, len(dictionary) - 1], pa.int8()), dictionary)
            writer.write_batch(pa.record_batch([column], schema))
    records = read_as_listed(tmp_path, sink.getvalue(), "a.arrows")
    assert [record.original for record in records] == ["b", "a", "b", "b", "a", "c", "e", "d", "e"]


def test_a_dictionary_of_views(tmp_path: Path) -> None:
    records = read_as_listed(tmp_path, arrow({"text": ENCODED_VIEWS}), "a.arrow")
    assert outcomes(records) == [("0", "b"), ("1", "read.no_text"), ("2", "a")]


def test_a_text_that_is_not_utf8_costs_itself_only(tmp_path: Path) -> None:
    legacy = "Die Brücke über den Fluß wird im März wieder geöffnet, sagte der Bürgermeister am Freitag. " * 2
    column = pa.array([b"a", legacy.encode("cp1252"), b"\xff\xfe\x01"], pa.binary()).view(pa.string())
    encoded = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2]), column)
    for values in (column, encoded):
        records = read_as_listed(tmp_path, arrow({"text": values}), "a.arrow")
        assert outcomes(records) == [("0", "a"), ("1", legacy), ("2", "read.invalid_utf8")]
        assert records[1].charset == "cp1252"


FEATHER_1 = b"FEA1" + bytes(100) + b"FEA1"
UNUSABLE = [
    (b"", "read.corrupt", ""),
    (b"ARROW1", "read.corrupt", ""),
    (FEATHER_1, "read.unsupported_format", "Feather version 1, expected version 2"),
    (arrow({"text": ["a"], "xyzw": ["b"]}).replace(b"xyzw", b"xy\xf4w"), "read.corrupt", ""),
    (arrow({"datum": ["a"]}), "read.no_text", "no columns 'text', expected one; there: datum"),
    (arrow({"text": [1]}), "read.wrong_type", "'text' is int64, expected string"),
    (arrow({"text": pa.array([], pa.string())}), "read.empty_file", "no rows"),
]


@pytest.mark.parametrize(("content", "reason", "detail"), UNUSABLE)
def test_files_that_can_not_be_used(tmp_path: Path, content: bytes, reason: str, detail: str) -> None:
    [record] = read_as_listed(tmp_path, content, "a.arrow")
    assert (record.source_record, record.reject_reason) == (None, reason)
    assert detail in str(record.reject_detail)


@FORMS
def test_cut_off_keeps_the_batches_before(tmp_path: Path, is_file: bool) -> None:
    content = arrow({"text": texts(1_000)}, is_file)
    whole = outcomes(read_as_listed(tmp_path, content, "a.arrow"))
    assert len(whole) == 1_000
    for cut in range(0, len(content), 97):
        *records, last = outcomes(read_as_listed(tmp_path, content[:cut], "a.arrow"))
        assert last[1] in ("read.corrupt", "read.truncated")
        assert records == whole[: len(records)]
        assert len(records) % 100 == 0


def test_a_stream_that_ends_without_its_mark_is_cut_off(tmp_path: Path) -> None:
    content = arrow({"text": ["a"]}, is_file=False).removesuffix(b"\xff\xff\xff\xff\0\0\0\0")
    records = read_as_listed(tmp_path, content, "a.arrow")
    assert outcomes(records) == [("0", "a"), ("1", "read.truncated")]


def test_what_follows_a_stream_is_said(tmp_path: Path) -> None:
    content = arrow({"text": ["a"]}, is_file=False)
    assert outcomes(read_as_listed(tmp_path, content * 2, "a.arrow")) == [("0", "a"), (None, "read.trailing_garbage")]


def frame(content: bytes, number: int, start: int = 0) -> int:
    """Where the n-th zstd frame begins."""
    return [found.start() for found in re.finditer(re.escape(b"\x28\xb5\x2f\xfd"), content)][number]


def test_a_damaged_batch_costs_itself_only(tmp_path: Path) -> None:
    content = bytearray(arrow({"text": texts(300)}, compression="zstd"))
    second = frame(content, 3)  # offsets and texts of each batch are compressed
    content[second + 8 : second + 20] = bytes(12)
    records = read_as_listed(tmp_path, bytes(content), "a.arrow")
    expected = [(str(n), f"text {n}") for n in range(300)]
    assert outcomes(records) == [*expected[:100], ("100", "read.corrupt"), *expected[200:]]
    assert str(records[100].reject_detail).startswith("100 rows from this one on: ")


def test_a_damaged_dictionary_costs_all_that_may_build_on_it(tmp_path: Path) -> None:
    column = pa.array(texts(300)).cast(KINDS[3])
    content = bytearray(arrow({"text": column}, is_file=False, compression="zstd"))
    first = frame(content, 1)
    content[first + 8 : first + 20] = bytes(12)
    [record] = read_as_listed(tmp_path, bytes(content), "a.arrow")
    assert (record.source_record, record.reject_reason) == ("0", "read.corrupt")
    assert str(record.reject_detail).startswith("from this row on: ")


@pytest.mark.parametrize("kind", [pa.string(), KINDS[3]], ids=str)
def test_another_field_may_be_damaged(tmp_path: Path, kind: pa.DataType) -> None:
    columns = {"text": pa.array(texts(300)).cast(kind), "more": [f"more of {n}" for n in range(300)]}
    content = bytearray(arrow(columns, is_file=False, compression="zstd"))
    last = frame(content, -1)
    content[last + 8 : last + 20] = bytes(12)
    records = read_as_listed(tmp_path, bytes(content), "a.arrow")
    assert outcomes(records) == [(str(n), f"text {n}") for n in range(300)]
    assert [record.extra is None for record in records] == [False] * 200 + [True] * 100


def test_a_batch_that_opens_out_of_proportion_is_not_opened(tmp_path: Path) -> None:
    bomb = arrow({"text": ["a" * (65 * 1024 * 1024)]}, compression="zstd")
    assert len(bomb) < 100_000
    config = Config(limits=Limits(record_bytes=10**9))
    [record] = read_as_listed(tmp_path, bomb, "a.arrow", config)
    assert (record.source_record, record.reject_reason) == ("0", "limit.expansion")
    liar = bytearray(arrow({"text": texts(100)}, compression="zstd"))
    at = frame(liar, 1) - 8
    liar[at : at + 8] = struct.pack("<q", 1 << 60)
    assert outcomes(read_as_listed(tmp_path, bytes(liar), "a.arrow")) == [("0", "limit.expansion")]


def test_one_text_in_many_rows_is_held_once(tmp_path: Path) -> None:
    text = "word " * 200_000
    _, view, *held = pa.array([text], pa.string_view()).buffers()
    views = pa.py_buffer(view.to_pybytes()[:16] * 3_000)
    for column in (
        pa.DictionaryArray.from_arrays(pa.array([0] * 3_000, pa.int32()), pa.array([text])),
        pa.Array.from_buffers(pa.string_view(), 3_000, [None, views, *held]),
    ):
        folder = tmp_path / str(column.type)[:4]
        folder.mkdir()
        content = arrow({"text": column}, rows=3_000)
        assert len(content) < 1_100_000
        records = read_as_listed(folder, content, "a.arrow", Config(limits=Limits(record_bytes=500_000)))
        assert {record.reject_reason for record in records} == {"limit.record_bytes"}
        assert len(records) == 3_000


def test_only_what_is_wanted_is_read(tmp_path: Path) -> None:
    content = arrow({"more": texts(9), "story": texts(9), "n": pa.array(texts(9)).cast(KINDS[3])}, rows=4)
    config = Config(fields=Fields(text="story", extra=False))
    assert outcomes(read_as_listed(tmp_path, content, "a.arrow", config)) == [(str(n), f"text {n}") for n in range(9)]


def test_flipped_bits_give_records_or_a_reason(tmp_path: Path) -> None:
    chance = random.Random(3)
    contents = [
        arrow({"text": pa.array(texts(300)).cast(kind), "id": texts(300)}, rows=50, compression=compression)
        for kind in KINDS
        for compression in (None, "zstd")
    ]
    for _ in range(1_000):
        content = bytearray(chance.choice(contents))
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        assert read_as_listed(tmp_path, bytes(content), "a.arrow")
