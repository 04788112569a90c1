"""Fields: which of a record's names are read as what, and what becomes of the rest."""

import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.readers.fields import USUAL, FieldReader, Found, way_out
from flows.readers.records import Record
from flows.store import Store
from flows.versions.checks import verify
from tests.conftest import article, rows, write_jsonl
from tests.test_readers import read
from transforms.config import Config, Fields, Limits, from_toml
from transforms.errors import ConfigError, RefusedError
from transforms.values import read_date

DAY = datetime(2024, 3, 1, tzinfo=UTC)
NOON = DAY.replace(hour=12)
TEXT = "Rust never sleeps, and neither does the harbour."
LINK = "https://example.org/rust"


def found(record: dict[str, Any], **fields: Any) -> Found:
    return FieldReader(Config(fields=Fields(**fields))).read(record)


def own(record: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """What the record says of itself."""
    return {name: value for name, value in found(record, **fields).own._asdict().items() if value is not None}


# -------------------------------------------------------------------------------------------------------- usual names

SHAPES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("tamis", {"text": TEXT, "url": LINK, "id": "7", "fetched_at": "2024-03-01T12:00:00Z"}, {"fetched_at": NOON}),
    ("scrapy", {"content": TEXT, "link": LINK, "identifier": "7"}, {"fetched_at": None}),
    ("c4", {"text": TEXT, "url": LINK, "timestamp": "2024-03-01T12:00:00Z", "_id": "7"}, {"fetched_at": NOON}),
    ("cc_net", {"raw_content": TEXT, "url": LINK, "date_download": "2024-03-01T12:00:00Z", "doc_id": "7"}, {}),
    (
        "oscar",
        {
            "content": TEXT,
            "warc_headers": {
                "warc-record-id": "7",
                "warc-target-uri": LINK,
                "warc-date": "2024-03-01T12:00:00Z",
                "warc-identified-content-language": "eng",
            },
        },
        {"fetched_at": NOON, "declared_language": "en"},
    ),
    ("hplt", {"id": "7", "u": LINK, "ts": "2024-03-01T12:00:00Z", "text": TEXT, "lang": ["deu_Latn", "eng_Latn"]}, {}),
    (
        "fineweb",
        {"text": TEXT, "id": "7", "dump": "CC-MAIN-2024-10", "url": LINK, "date": "2024-03-01T12:00:00Z"},
        {"fetched_at": NOON, "published_at": None},
    ),
    (
        "datatrove",
        {"text": TEXT, "id": "7", "metadata": {"dump": "CC-MAIN-2024-10", "url": LINK, "date": "2024-03-01T12:00:00Z"}},
        {"fetched_at": NOON, "published_at": None},
    ),
    (
        "dolma",
        {"id": "7", "text": TEXT, "source": "crawl", "added": "2024-03-01T12:00:00Z", "metadata": {"url": LINK}},
        {"fetched_at": NOON},
    ),
    (
        "trafilatura",
        {
            "title": "Rust",
            "author": "Ada King; Grace Hopper",
            "date": "2024-03-01",
            "id": "7",
            "text": TEXT,
            "raw_text": "Rust",
            "source": LINK,
            "source-hostname": "The Harbour Post",
            "tags": "metal;sea",
        },
        {
            "title": "Rust",
            "authors": ["Ada King", "Grace Hopper"],
            "published_at": DAY,
            "source_name": "The Harbour Post",
        },
    ),
    (
        "news-please",
        {
            "authors": ["Ada King"],
            "date_download": "2024-03-02 08:00:00",
            "date_publish": "2024-03-01 12:00:00",
            "maintext": TEXT,
            "url": LINK,
            "uuid": "7",
        },
        {"authors": ["Ada King"], "published_at": DAY},
    ),
    (
        "newspaper",
        {
            "source_url": "https://example.org",
            "url": LINK,
            "text": TEXT,
            "guid": "7",
            "publish_date": "2024-03-01T13:00:00+01:00",
            "meta_lang": "en",
        },
        {"published_at": NOON, "declared_language": "en"},
    ),
    (
        "json-ld",
        {"articleBody": TEXT, "URL": LINK, "ID": "7", "headline": "Rust", "datePublished": "2024-03-01"},
        {"title": "Rust"},
    ),
]


@pytest.mark.parametrize(("record", "expected"), [shape[1:] for shape in SHAPES], ids=[shape[0] for shape in SHAPES])
def test_records_of_known_tools_are_read(raw: Path, record: dict[str, Any], expected: dict[str, Any]) -> None:
    [read_as] = read(raw, "a.jsonl", json.dumps(record).encode())
    assert (read_as.original, read_as.url, read_as.source_id) == (TEXT, LINK, "7")
    assert {name: getattr(read_as, name) for name in expected} == expected


@pytest.mark.parametrize("record", [shape[1] for shape in SHAPES], ids=[shape[0] for shape in SHAPES])
def test_a_row_is_read_as_a_line_is(raw: Path, record: dict[str, Any]) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([record, {**record, "more": None}]), sink)
    line, _ = read(raw, "a.jsonl", b"\n".join([json.dumps(record).encode()] * 2))
    row, other = read(raw, "a.parquet", sink.getvalue())
    provenance = {"source_path": "", "source_format": "", "source_record": "", "source_sha256": ""}
    assert row._replace(**provenance) == line._replace(**provenance) == other._replace(**provenance)


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"content": "b", "text": "a"}, "a"),
        ({"content": "b", "text": None}, "b"),
        ({"content": "b", "text": ""}, ""),  # it has one, which is empty
        ({"content": "b", "text": ["a"]}, "b"),
        ({"body": "c", "content": "b"}, "b"),
        ({"CONTENT": "b"}, "b"),
        ({"metadata": {"text": "a"}}, None),
    ],
)
def test_the_first_name_that_holds_a_text(record: dict[str, Any], text: str | None) -> None:
    assert found(record).text == text


@pytest.mark.parametrize(
    ("record", "url"),
    [
        ({"link": LINK, "url": ""}, LINK),
        ({"link": LINK, "url": "no address"}, "no address"),  # as ever, it counts as none
        ({"link": "/rust", "uri": LINK}, LINK),
        ({"source": "crawl"}, None),
        ({"link": LINK, "metadata": {"url": "https://example.org/2"}}, "https://example.org/2"),
        ({"metadata": "https://example.org"}, None),
        ({"metadata": {"url": {"a": LINK}}}, None),
    ],
)
def test_addresses(record: dict[str, Any], url: str | None) -> None:
    assert found(record).url == url


def test_a_name_of_the_config_is_the_only_one() -> None:
    record = {"text": "a", "article": {"body": {"plain": "b"}}, "a.b": "c"}
    assert found(record, text="article.body.plain").text == "b"
    assert found(record, text="a.b").text == "c"
    assert found(record, text="article.lead").text is None
    assert found(record, text="Text").text is None
    assert found(record, text="article.body.plain").extra == '{"a.b":"c","text":"a"}'


def test_what_was_read_as_what_is_counted() -> None:
    reader = FieldReader(Config())
    for record in ({"content": "a", "link": LINK}, {"content": "b"}, {"text": "c", "title": 7}):
        reader.count(reader.read(record))
    assert reader.said()["fields"] == [["text", "content", 2], ["text", "text", 1], ["url", "link", 1]]
    assert reader.said()["unread"] == {"title": 1}


def test_names_that_differ_from_record_to_record_are_not_all_remembered() -> None:
    reader = FieldReader(Config())
    for number in range(5_000):
        assert reader.read({f"name {number}": 1, "text": "a"}).text == "a"
    assert len(reader.known) <= 1_024
    assert reader.read({"x" * 10_000: 1, "text": "a"}).text == "a"
    assert all(len(name) < 1_000 for names, _ in reader.known for name in names)


# ------------------------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("title", "  Why iron\n rusts ", "Why iron rusts"),
        ("title", ["Why iron rusts"], "Why iron rusts"),
        ("title", ["Why", "iron"], None),
        ("title", {"en": "Why"}, None),
        ("title", "x" * 2_000, None),
        ("authors", "Ada King", ["Ada King"]),
        ("authors", "By Ada King and Grace Hopper", ["Ada King", "Grace Hopper"]),
        ("authors", ["King, Ada", "King, Ada", ""], ["King, Ada"]),
        ("authors", [{"name": "Ada King", "url": LINK}, LINK], ["Ada King"]),
        ("authors", {"@type": "Person", "name": "Ada King"}, ["Ada King"]),
        ("authors", [], None),
        ("authors", 7, None),
        ("tags", "metal, sea | salt", ["metal", "sea", "salt"]),
        ("tags", ["metal, wet", "sea"], ["metal, wet", "sea"]),
        ("tags", [{"term": "metal"}], ["metal"]),
        ("source_name", "The Harbour Post", "The Harbour Post"),
        ("license", "CC BY 4.0", "CC BY 4.0"),
        ("language", "en-GB", "en"),
        ("language", "eng_Latn", "en"),
        ("language", "zh_TW", "zh-Hant"),
        ("language", "xx", None),
        ("language", "English", None),
        ("published_at", "2024-03-01T13:00:00+01:00", NOON),
        ("published_at", "2024-03-01 12:00:00 UTC", NOON),
        ("published_at", "2024-03-01 23:00:00", DAY),
        ("published_at", "Fri, 01 Mar 2024 12:00:00 GMT", NOON),
        ("published_at", "March 1, 2024", DAY),
        ("published_at", "1. März 2024", DAY),
        ("published_at", "20240301", DAY),
        ("published_at", 1709294400, NOON),
        ("published_at", 1709294400000, NOON),
        ("published_at", "1709294400", NOON),
        ("published_at", "03/04/2024", None),
        ("published_at", "last week", None),
        ("published_at", True, None),
        ("published_at", 0, None),
        ("published_at", "1970-01-01T00:00:00Z", None),
        ("published_at", "9999-12-31", None),
        ("published_at", "0001-01-01T00:00:00+05:00", None),
        ("modified_at", "2024-03-01", DAY),
        ("tags", [f"tag {n}" for n in range(101)], [f"tag {n}" for n in range(101)]),
        ("tags", [f"tag {n}" for n in range(1_001)], None),
        ("authors", ["Ada King"] * 1_001, None),
    ],
)
def test_values(name: str, value: Any, expected: Any) -> None:
    record = {"text": "a", name: value}
    column = "declared_language" if name == "language" else name
    assert own(record) == ({} if expected is None else {column: expected})
    says = found(record)
    if expected is None:
        assert says.from_record is None
        assert json.loads(says.extra or "{}") == ({name: value} if value != "" else {})
        assert says.unread == (name,)
    else:
        assert (says.from_record, says.extra, says.unread) == ([column], None, ())


@given(st.text() | st.integers() | st.floats() | st.dates() | st.datetimes())
def test_any_value_is_a_date_or_none(value: Any) -> None:
    read_as = read_date(value)
    assert read_as is None or read_as.utcoffset() is not None


# -------------------------------------------------------------------------------------------------------------- extra


@pytest.mark.parametrize(
    ("line", "extra"),
    [
        ('{"text":"a"}', None),
        ('{"text":"a","b":null,"c":""}', None),
        ('{"text":"a","z":{"y":2,"x":[1.5,true,null]},"ä":"ö"}', '{"z":{"x":[1.5,true,null],"y":2},"ä":"ö"}'),
        ('{"text":"a","n":12345678901234567890123}', '{"n":12345678901234567890123}'),
        ('{"text":"a","n":[NaN, 1]}', '{"n":["NaN",1]}'),
        ('{"text":"a","n":"NaN"}', '{"n":"NaN"}'),
        ('{"text":"a","charset":"latin-1"}', '{"charset":"latin-1"}'),
        ('{"text":"a","metadata":{"url":"https://example.org/1","b":1}}', '{"metadata":{"b":1}}'),
        ('{"text":"a","metadata":{"url":"https://example.org/1"}}', None),
        ('{"text":"a","fetched_at":"soon"}', '{"fetched_at":"soon"}'),
        ('{"text":"a","b":"\\ud800"}', '{"b":"\ufffd"}'),
    ],
)
def test_other_fields_are_kept(raw: Path, line: str, extra: str | None) -> None:
    [record] = read(raw, "a.jsonl", line.encode())
    assert (record.original, record.extra) == ("a", extra)


@pytest.mark.parametrize(
    ("extra", "expected"),
    [(True, '{"a":1,"b":2}'), (False, None), (("b", "c"), '{"b":2}'), ((), None)],
)
def test_which_other_fields_are_kept(raw: Path, extra: Any, expected: str | None) -> None:
    config = Config(fields=Fields(extra=extra))
    record = {"text": TEXT, "a": 1, "b": 2}
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([record]), sink)
    [line] = read(raw, "a.jsonl", json.dumps(record).encode(), config)
    [row] = read(raw, "a.parquet", sink.getvalue(), config)
    assert line.extra == row.extra == expected


def test_other_fields_are_bounded_and_what_is_left_out_is_counted() -> None:
    reader = FieldReader(Config(limits=Limits(extra_bytes=30)))
    deep: Any = 1
    for _ in range(600):
        deep = [deep]
    says = reader.read({"text": "a", "long": "x" * 40, "b": 1, "c": "y" * 10, "deep": deep})
    assert (says.extra, says.cut) == ('{"b":1,"c":"yyyyyyyyyy"}', 2)
    reader.count(says)
    assert reader.said()["cut"] == 2


def test_columns_that_json_does_not_have(raw: Path) -> None:
    table = pa.table(
        {
            "text": [TEXT],
            "bytes": [b"ab"],
            "odd": [b"\xff"],
            "day": pa.array([DAY.date()]),
            "price": pa.array(["1.50"]).cast(pa.decimal128(5, 2)),
            "share": [float("nan")],
            "map": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink)
    [record] = read(raw, "a.parquet", sink.getvalue())
    assert json.loads(record.extra or "") == {
        "bytes": "ab",
        "odd": "ff",
        "day": "2024-03-01T00:00:00+00:00",
        "price": "1.50",
        "share": None,
        "map": [["k", 1]],
    }


def test_nested_fields_of_a_row_are_read_without_extra_too(raw: Path) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([{"text": TEXT, "metadata": {"url": LINK, "n": 1}, "more": 2}]), sink)
    [record] = read(raw, "a.parquet", sink.getvalue(), Config(fields=Fields(extra=False)))
    assert (record.original, record.url, record.extra) == (TEXT, LINK, None)


def test_a_damaged_field_costs_no_text(raw: Path) -> None:
    sink = io.BytesIO()
    notes = [f"{number:0300}" for number in range(200)]
    table = pa.table({"text": [f"text {number}" for number in range(200)], "note": notes})
    pq.write_table(table, sink, row_group_size=100, use_dictionary=False, compression="none", write_page_checksum=True)
    content = bytearray(sink.getvalue())
    column = pq.ParquetFile(io.BytesIO(content)).metadata.row_group(1).column(1)
    content[column.data_page_offset + column.total_compressed_size // 2] ^= 0xFF
    records = read(raw, "a.parquet", bytes(content))
    assert [record.original for record in records] == [f"text {number}" for number in range(200)]
    assert [record.extra is not None for record in records] == [True] * 100 + [False] * 100


def test_the_config_of_fields() -> None:
    assert from_toml('[fields]\nextra = ["a"]').fields.extra == ("a",)
    assert from_toml("[fields]\nextra = false").fields.extra is False
    with pytest.raises(ConfigError, match=r"'fields\.extra' is 'a', expected a list of strings"):
        from_toml('[fields]\nextra = "a"')


def test_every_column_has_usual_names_and_a_name_in_the_config() -> None:
    assert set(USUAL) < set(Fields.__slots__)
    assert set(Record._fields) >= set(found({"text": "a"}).own._fields)


# -------------------------------------------------------------------------------------------------------------- flows


def page(number: int, **more: Any) -> dict[str, Any]:
    title, _, body = article(number).partition("\n")
    text = f"{title}\nBy Tove Lind\nPublished on 4 May 2021\n{body}"
    return {"id": f"p{number}", "url": f"https://e.example.org/{number}", "text": text, **more}


def everything(curated: Path) -> list[dict[str, Any]]:
    found = sorted([*rows(curated), *rows(curated, "rejected")], key=lambda row: row["id"])
    return [{name: value for name, value in row.items() if name != "q_dup_paragraph_ratio"} for row in found]


def test_a_known_text_that_says_otherwise_of_itself_is_counted(tmp_path: Path, run: Any) -> None:
    raw, curated = tmp_path / "raw", tmp_path / "curated"
    write_jsonl(raw / "a.jsonl", [page(1, title="Boats"), page(2), page(3, author="Ada King")])
    assert run(raw, curated)["said_otherwise"] == 0
    before = everything(curated)
    write_jsonl(raw / "b.jsonl", [page(1, title="Ships"), page(2, license="CC0"), page(3, author="Ada King")])
    again = run(raw, curated)
    assert (again["published"], again["known"], again["said_otherwise"]) == (False, 3, 2)
    assert everything(curated) == before
    run(raw, curated, rebuild=True)  # which makes what is known of them anew
    write_jsonl(raw / "c.jsonl", [page(1, title="Boats"), page(3, author="Eve King"), page(4, title="Oars")])
    third = run(raw, curated)
    assert (third["documents"], third["known"], third["said_otherwise"]) == (1, 2, 1)


def test_what_the_record_says_wins_and_outlives_a_rebuild(tmp_path: Path, run: Any) -> None:
    raw, curated = tmp_path / "raw", tmp_path / "curated"
    said = {
        "title": "Boats",
        "author": ["Ada King"],
        "published": "2020-01-02",
        "license": "CC0",
        "lang": "de",
        "section": "Harbour",
    }
    write_jsonl(raw / "a.jsonl", [page(1, **said), page(2), page(3, title="Boats again")])
    run(raw, curated)
    first, second, third = sorted(rows(curated), key=lambda row: row["source_id"])
    assert (first["title"], first["authors"], first["license"]) == ("Boats", ["Ada King"], "CC0")
    assert first["published_at"] == datetime(2020, 1, 2, tzinfo=UTC)
    assert (first["declared_language"], first["language"]) == ("de", "en")
    assert first["from_record"] == ["title", "authors", "published_at", "declared_language", "license"]
    assert first["extra"] == '{"section":"Harbour"}'
    assert "Published on" not in first["text"]  # stripped either way
    assert (second["title"], second["authors"]) == (article(2).partition("\n")[0], ["Tove Lind"])
    assert (second["from_record"], second["extra"], second["license"]) == (None, None, None)
    assert (third["title"], third["authors"]) == ("Boats again", ["Tove Lind"])
    assert third["published_at"] == second["published_at"] == datetime(2021, 5, 4, tzinfo=UTC)
    assert third["from_record"] == ["title"]
    before = everything(curated)
    assert run(raw, curated, rebuild=True)["published"] is True
    assert everything(curated) == before
    verify(Store(curated))


# ----------------------------------------------------------------------------------------------------------- dead ends

STORIES = [{"inhalt": article(number), "datum": "4. Mai 2021"} for number in range(3)]
WAY_OUT = """a.jsonl: no record has a text. Fields there: inhalt, datum. If one is the text, put into the config:
[fields]
text = "inhalt\""""


def test_a_first_run_that_keeps_nothing_says_the_way_out(tmp_path: Path, run: Any) -> None:
    raw, curated = tmp_path / "raw", tmp_path / "curated"
    write_jsonl(raw / "a.jsonl", STORIES)
    with pytest.raises(RefusedError) as refused:
        run(raw, curated)
    assert str(refused.value).startswith("none of 3 records would be kept (read.no_text 3): nothing is published")
    assert str(refused.value).endswith(WAY_OUT)
    assert not (curated / "current.json").exists()
    assert run(raw, curated, config={"fields": {"text": "inhalt"}})["documents"] == 3


def test_with_force_it_is_published(tmp_path: Path, run: Any) -> None:
    write_jsonl(tmp_path / "raw/a.jsonl", STORIES)
    assert run(tmp_path / "raw", tmp_path / "curated", force=True)["rejected_by_reason"] == {"read.no_text": 3}


def test_rows_without_a_text_say_the_way_out_too(tmp_path: Path, run: Any) -> None:
    (tmp_path / "raw").mkdir()
    pq.write_table(pa.Table.from_pylist([{**story, "text": 7} for story in STORIES]), tmp_path / "raw/a.parquet")
    with pytest.raises(RefusedError, match=r'text = "inhalt"'):
        run(tmp_path / "raw", tmp_path / "curated")


def test_a_later_run_publishes_and_warns(tmp_path: Path, run: Any) -> None:
    raw, curated = tmp_path / "raw", tmp_path / "curated"
    write_jsonl(raw / "b.jsonl", [{"content": article(7), "link": LINK, "author": 7}, {"text": article(8)}, {"n": 1}])
    summary = run(raw, curated)
    assert summary["fields"] == {"text": {"content": 1, "text": 1}, "url": {"link": 1}}
    assert (summary["unread_values"], summary["extra_cut"], summary["without_text"]) == ({"authors": 1}, 0, {})
    write_jsonl(raw / "a.jsonl", STORIES)
    summary = run(raw, curated)
    assert summary["rejected_by_reason"] == {"read.no_text": 3}
    assert summary["without_text"]["a.jsonl"].keys() == {"inhalt", "datum"}


def test_what_the_terminal_says(tmp_path: Path) -> None:
    def tamis(*more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "flows.cli", "run", "raw", "curated", "--engine", "inline", *more]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    write_jsonl(tmp_path / "raw/a.jsonl", STORIES)
    refused = tamis()
    assert (refused.returncode, WAY_OUT in refused.stderr) == (3, True)
    write_jsonl(tmp_path / "raw/b.jsonl", [{"content": article(7), "link": LINK, "author": 7}])
    done = tamis()
    assert (done.returncode, WAY_OUT in done.stdout) == (0, True)
    assert "Read: text from content (1); url from link (1)\nValues that could not be read: authors 1" in done.stdout


def test_a_name_is_no_command_to_the_terminal() -> None:
    assert "\x1b" not in way_out("a.jsonl", {"\x1b[31m\x9b": 7})
