"""Ranges and look-ups of sorted files."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import tables
from flows.state import at_of
from flows.store import Ref, Store
from flows.tables import distinct, look_up, read_batches, read_rows, take_rows, write_rows, write_sorted
from transforms.errors import ShardError
from transforms.schema import SPANS

SCHEMA = pa.schema([("hash", pa.uint64()), ("number", pa.int32()), ("name", pa.string())])
TOP = (1 << 64) - 1


@pytest.fixture
def ref(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ref]:
    """A file of 1,000 rows in row groups of 100, hashes three at a time, the first and the last possible among them."""
    monkeypatch.setattr(tables, "RANGE_ROWS", 100)
    spread = np.arange(333, dtype=np.uint64) * np.uint64(TOP // 333)
    hashes = np.concatenate([np.repeat(spread, 3), np.array([TOP], np.uint64)])
    rows = [hashes, np.arange(1000, dtype=np.int32), [f"row {number}" for number in range(1000)]]
    write_sorted(tmp_path / "state.parquet", SCHEMA, [pa.table(rows, schema=SCHEMA)])
    yield Ref("data", "state.parquet", str(tmp_path))
    for cache in (tables._footer, tables._bounds, tables._first_column, tables._row_group):
        cache.cache_clear()


def rows_of(table: pa.Table) -> list[int]:
    return table["number"].to_pylist()


def test_a_look_up_finds_every_row_of_a_hash(ref: Ref, tmp_path: Path) -> None:
    everything = tables.read_table(Store(tmp_path), ref)
    hashes = everything["hash"].to_numpy()
    for wanted in (hashes, hashes[:1], hashes[-1:], hashes[99:102], hashes[::37], hashes + np.uint64(1)):
        (found,) = look_up(Store(tmp_path), [ref], distinct(wanted))
        assert rows_of(found) == np.flatnonzero(np.isin(hashes, wanted)).tolist()
        assert found.schema == SCHEMA


def test_a_look_up_reads_other_columns_only_where_a_hash_stands(ref: Ref, tmp_path: Path) -> None:
    hashes = tables.read_table(Store(tmp_path), ref)["hash"].to_numpy()
    between = hashes[::30] + np.uint64(1)
    tables._row_group.cache_clear()
    (found,) = look_up(Store(tmp_path), [ref], distinct(between, hashes[450:451]), ["number"])
    assert found.column_names == ["number"]
    assert rows_of(found) == [450, 451, 452]
    assert tables._row_group.cache_info().misses == 1


def test_a_look_up_of_nothing_has_the_columns(ref: Ref, tmp_path: Path) -> None:
    (found,) = look_up(Store(tmp_path), [ref], np.zeros(0, np.uint64), ["name"])
    assert found.schema == pa.schema([("name", pa.string())])
    assert len(found) == 0


def test_rows_come_back_as_they_were_written(tmp_path):
    table = pa.table(
        {
            "language": pa.chunked_array([["de"], ["en", None]]),
            "id": ["a", "b", "c"],
            "spans": pa.array([[], None, [(0, 1, "", "r", "s", "t", None, 2)]], SPANS),
        }
    )
    store = Store(tmp_path)
    with store.put("a.arrow") as path:
        write_rows(path, table, 2)
    ref = Ref("data", "a.arrow", store.digest("a.arrow"))
    assert read_rows(store, ref).equals(table)
    batches = list(read_batches(store, ref))
    assert [len(batch) for batch in batches] == [2, 1]
    assert pa.concat_tables(batches).equals(table)
    assert pa.concat_tables(read_batches(store, ref, ["id", "language"])).equals(table.select(["language", "id"]))
    with store.put("whole.arrow") as path:
        write_rows(path, table)
    taken = take_rows(store, Ref("data", "whole.arrow", ""), "spans", np.array([2, 0, 2]))
    assert taken.equals(table["spans"].take([2, 0, 2]).combine_chunks())


def test_some_columns_of_rows_do_not_hold_the_others(tmp_path):
    table = pa.table({"id": ["a", "b"], "text": ["long " * 10_000] * 2})
    store = Store(tmp_path)
    with store.put("a.arrow") as path:
        write_rows(path, table)
    (ids,) = read_batches(store, Ref("data", "a.arrow", store.digest("a.arrow")), ["id"])
    assert ids["id"].to_pylist() == ["a", "b"]
    assert ids.get_total_buffer_size() < 1000


def test_damaged_rows_are_an_error(tmp_path):
    store = Store(tmp_path)
    with store.put("a.arrow") as path:
        write_rows(path, pa.table({"id": ["a"]}))
    ref = Ref("data", "a.arrow", store.digest("a.arrow"))
    content = bytearray(store.read(ref))
    content[len(content) // 2] ^= 1
    store.put_bytes("a.arrow", bytes(content))
    for read in (read_rows, lambda *of: list(read_batches(*of))):
        with pytest.raises(ShardError, match="damaged"):
            read(store, ref)


@given(st.lists(st.integers(0, 2**128 - 1), max_size=5), st.integers(0, 5))
def test_the_first_half_of_ids(ids, start):
    texts = [f"{one:032x}" for one in ids]
    expected = [one >> 64 for one in ids]
    column = pa.array(texts, pa.string())
    assert at_of(texts).tolist() == at_of(column).tolist() == expected
    assert at_of(pa.chunked_array([column.slice(start), column.slice(0, start)])).tolist() == (
        expected[start:] + expected[:start]
    )
