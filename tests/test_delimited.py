"""CSV and TSV: rows as `csv` reads them; one that is no row costs itself only."""

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.readers.records import Record
from tests.reading import outcomes, read_as_listed
from transforms.config import Config, Fields, Limits, Read, from_mapping
from transforms.errors import ConfigError


def read(raw: Path, content: bytes, name: str = "a.csv", config: Config | None = None) -> list[Record]:
    return read_as_listed(raw, content, name, config)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("id,text\n1,a\n2,b\n", [("1", "a"), ("2", "b")]),
        ("id,text\r\n1,a\r\n2,b", [("1", "a"), ("2", "b")]),
        ("\ufeffid,text\n\n1,a\n\n2,b\n\n", [("1", "a"), ("2", "b")]),
        ('"id", text \n1,a\n', [("1", "a")]),
        ("text\na\nb\n", [("1", "a"), ("2", "b")]),
        # quotes: line ends, delimiters and quotes in a cell
        ('id,text\n1,"a,\r\n""b""\n\nc"\n2,d\n', [("1", 'a,\r\n"b"\n\nc'), ("2", "d")]),
        ('id,text\n1,5" disk\n', [("1", '5" disk')]),
        ('id,text\n1,""\n2,"b"', [("1", ""), ("2", "b")]),
        # what no row is is rejected alone
        ("id,text\n1,a,x\n2\n3,c\n4,d,,\n", [
            ("1", "read.invalid_row"), ("2", "read.invalid_row"), ("3", "c"), ("4", "d")]),
        ('id,text\n1,"he said "hi" to\nher"\n2,b\n', [
            ("1", "read.invalid_row"), ("2", "read.invalid_row"), ("3", "b")]),
        ('id,text,n\n1,"open,1\n2,b,2\n3,"c",3\n', [("1", "read.invalid_row"), ("2", "b"), ("3", "c")]),
        ('id,text\n1,a\n2,"open\n3,c\n4,d', [("1", "a"), ("2", "read.invalid_row"), ("3", "c"), ("4", "d")]),
        # dialects
        ("id;text\n1;a, b\n2;c\n", [("1", "a, b"), ("2", "c")]),
        ("id|text\n1|a;b\n", [("1", "a;b")]),
        ("id\ttext\n1\ta,b\n", [("1", "a,b")]),
        ("id;more, or less, of this;text\n1;x;a\n", [("1", "a")]),
        ("sep=;\r\nid;text\r\n1;a,b\r\n", [("1", "a,b")]),
        # nothing, or no text
        ("", [(None, "read.empty_file")]),
        ("\n\n", [(None, "read.empty_file")]),
        ("id,text\n", [(None, "read.empty_file")]),
        ("id,corpo\n1,a\n2,b\n", [(None, "read.no_text")]),
        ("text,text\na,b\n", [(None, "read.wrong_type")]),
        ('id,"text\n1,a\n', [(None, "read.invalid_row")]),
    ],
)  # fmt: skip
def test_rows(raw: Path, content: str, expected: list[tuple[str | None, str]]) -> None:
    assert outcomes(read(raw, content.encode())) == expected
    assert outcomes(read(raw, gzip.compress(content.encode()), "a.csv.gz")) == expected
    if content and not content.startswith("\ufeff"):  # Excel's "Unicode text"
        records = read(raw, content.encode("utf-16"))
        assert outcomes(records) == expected
        assert {record.charset for record in records if not record.reject_reason} <= {"utf-16-le"}


def test_fields_of_a_row(raw: Path) -> None:
    content = b'id,url,fetched_at,text\n007,https://e.org/1,2024-03-01T12:00:00Z,"a"\n,,,b\n'
    first, second = read(raw, content)
    assert (first.source_id, first.url, str(first.fetched_at)) == (
        "007",
        "https://e.org/1",
        "2024-03-01 12:00:00+00:00",
    )
    assert (second.source_id, second.url, second.fetched_at, second.original) == (None, None, None, "b")
    config = Config(fields=Fields(text="body"))
    assert outcomes(read(raw, b"body,text\na,b\n", config=config)) == [("1", "a")]


def test_tsv_and_a_delimiter_of_ones_own(raw: Path) -> None:
    assert outcomes(read(raw, b"id\ttext,more\ttext\n1\tx\ta\n", "a.tsv")) == [("1", "a")]
    config = Config(read=Read(delimiter="^"))
    assert outcomes(read(raw, b"id,x^text\n1^a,b\n", config=config)) == [("1", "a,b")]
    for wrong in (";;", '"', "\n", "§"):
        with pytest.raises(ConfigError, match="expected one character"):
            from_mapping({"read": {"delimiter": wrong}})


LEGACY = "Die Brücke über den Fluß wird im März wieder geöffnet, sagte der Bürgermeister am Freitag."
# 表 能 十: their second byte is a backslash in Shift_JIS
JAPANESE = "表示する能力が十分にあるので、予算と貼り紙の十項目を構わず申し込む。" * 3


@pytest.mark.parametrize(("text", "charset"), [(LEGACY, "cp1252"), (JAPANESE, "cp932")])
def test_a_row_in_another_charset_is_decoded_for_itself(raw: Path, text: str, charset: str) -> None:
    content = b'id,text\n1,"a"\n2,"%s\n""x"""\n3,\xc3\xa4\n4,"\xff\xfe\x01"\n' % text.encode(charset)
    records = read(raw, content)
    assert outcomes(records) == [("1", "a"), ("2", text + '\n"x"'), ("3", "ä"), ("4", "read.invalid_utf8")]
    assert [record.charset for record in records] == [None, charset, None, None]


@pytest.mark.parametrize("quote", [b'"', b""])
def test_what_is_over_the_limit_is_not_held(raw: Path, quote: bytes) -> None:
    config = Config(limits=Limits(record_bytes=1_000))
    content = b"text\na\n" + quote + b"x" * 300_000 + quote + b"\nb\n"
    assert outcomes(read(raw, content, config=config)) == [("1", "a"), ("2", "limit.record_bytes"), ("3", "b")]


def test_cut_off_keeps_the_rows_before(raw: Path) -> None:
    content = b"id,text\n" + b"".join(b'%d,"%064d\n\n%d"\n' % (n, n * n, n) for n in range(5_000))
    whole = outcomes(read(raw, content))
    assert len(whole) == 5_000
    stored = gzip.compress(content)
    records = outcomes(read(raw, stored[: len(stored) // 2], "a.csv.gz"))
    good = [record for record in records if not record[1].startswith("read.")]
    assert good == whole[: len(good)]
    assert len(good) > 1_000
    assert records[-1][1] == "read.truncated"
    assert len(records) <= len(good) + 3
    assert outcomes(read(raw, stored + b"rest", "a.csv.gz")) == [*whole, (None, "read.trailing_garbage")]


cells = st.text(alphabet=',;"\n\r\ta \u2028é\\', max_size=12)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=6), st.sampled_from(",;\t|"))
def test_what_python_writes_is_read(raw: Path, rows: list[tuple[str, str]], delimiter: str) -> None:
    sink = io.StringIO(newline="")
    writer: Any = csv.writer(sink, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([("more", "text"), *rows])
    expected = [(str(number), text) for number, (_, text) in enumerate(rows, 1)]
    assert outcomes(read(raw, sink.getvalue().encode())) == expected


@given(st.binary(max_size=60) | st.text(alphabet='",;\n\ra', max_size=60).map(lambda rows: b"a,text\n" + rows.encode()))
def test_any_bytes_give_a_record(raw: Path, content: bytes) -> None:
    assert len(read(raw, content)) >= 1
    assert len(read(raw, content, "a.tsv")) >= 1
