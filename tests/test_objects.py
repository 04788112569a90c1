"""JSON: the records of a list, of an object that holds one, of objects one after another, of lines, are the same."""

import bz2
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.inputs import list_inputs
from flows.readers.objects import _tokens
from flows.readers.records import Record
from flows.shards import plan_pieces
from flows.store import Store
from tests.reading import outcomes, read_as_listed
from transforms.config import Config, Limits


def read(raw: Path, content: bytes, name: str = "a.json", config: Config | None = None) -> list[Record]:
    return read_as_listed(raw, content, name, config)


A, B = b'{"text":"a"}', b'{\n  "text": "b", "more": [{"x": "]}"}]\n}'
TWO = [("1", "a"), ("2", "b")]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (A, [("1", "a")]),
        (B, [("1", "b")]),
        (b"\xef\xbb\xbf\n " + B + b"\n", [("1", "b")]),
        # one after another, with or without white space or commas
        (A + B, TWO),
        (A + b" " + B, TWO),
        (B + b"\n" + A, [("1", "b"), ("2", "a")]),
        (B + b",\n" + A + b",\n", [("1", "b"), ("2", "a")]),
        # lines, each for itself
        (A + b'\n{"text":"b"}\n', TWO),
        (A + b'\n{"text":"x\n{"text":"c"}\n', [("1", "a"), ("2", "read.invalid_json"), ("3", "c")]),
        # a list
        (b"[" + A + b"," + B + b"]", TWO),
        (b"[\n" + A + b",\n\n" + B + b"\n]\n", TWO),
        (b"[" + A + b"][" + B + b"]", TWO),
        (b"[" + A + b',{"text":7},7,null,["x"],"y, z",' + B + b",]", [
            ("1", "a"), *[(str(n), "read.wrong_type") for n in range(2, 7)], ("7", "b")]),
        (b"[" + A + b",{'text': 1}," + B + b"]", [("1", "a"), ("2", "read.invalid_json"), ("3", "b")]),
        # an object that holds a list
        (b'{"data":[' + A + b"," + B + b"]}", TWO),
        (b'{"ok": true, "page": {"data": [1]}, "docs": [ ' + A + b"," + B + b'], "n": 2, "next": [{"n": 1}]}', TWO),
        (b'{"data":[' + A + b']}\n{"data":[' + B + b"]}", TWO),
        (b'{"data":[' + A + b"]}" + B, TWO),
        # but not where the object has a text
        (b'{"data":[{"text":"x"}],"text":"a"}', [("1", "a")]),
        (b'{"text":"a","data":[{"text":"x"}]}\n{"text":"b"}', TWO),
        (b'{"authors":[{"name":"x"}],"text":"a"}', [("1", "a")]),
        (b'{"comments":[{"text":"x"}]}', [("1", "read.no_text")]),
        # cut off
        (b"[" + A + b"," + B, [*TWO, (None, "read.truncated")]),
        (b"[" + A + b',{"text":"b', [("1", "a"), ("2", "read.invalid_json"), (None, "read.truncated")]),
        (b'{"data":[' + A + b"], ", [("1", "a"), (None, "read.truncated")]),
        # nothing, or no JSON
        (b"", [(None, "read.empty_file")]),
        (b" [ ] ", [(None, "read.empty_file")]),
        (b"7", [("1", "read.wrong_type")]),
        (b"<html>", [("1", "read.invalid_json")]),
        (b"}" + A, [("1", "read.invalid_json"), ("2", "a")]),
    ],
)  # fmt: skip
def test_records(raw: Path, content: bytes, expected: list[tuple[str | None, str]]) -> None:
    assert outcomes(read(raw, content)) == expected
    assert outcomes(read(raw, bz2.compress(content), "a.json.bz2")) == expected
    text = content.decode()
    for charset in ("utf-16", "utf-16-be", "utf-32-le"):
        if text[:1] in "[{" and len(text) > 1:
            assert outcomes(read(raw, text.encode(charset))) == expected


def test_jsonl_that_is_a_list(raw: Path, tmp_path: Path) -> None:
    """It is read, and never cut; lines that are lists are bad lines as before."""
    content = b"\xef\xbb\xbf\n[" + b",\n".join([A] * 500) + b"]"
    assert outcomes(read(raw, content, "a.jsonl")) == [(str(n + 1), "a") for n in range(500)]
    assert {record.source_format for record in read(raw, content, "a.jsonl")} == {"jsonl"}
    (tmp_path / "a.jsonl").write_bytes(content)
    store = Store(tmp_path / "curated", tmp_path)
    [[part]] = plan_pieces(store, list_inputs(store).files, 1_000)
    assert part.is_whole
    assert outcomes(read(raw, b'["a"]\n' + A, "a.jsonl")) == [("1", "read.wrong_type"), ("2", "a")]


@pytest.mark.parametrize("around", [(b"[", b"]"), (b'{"data":[', b"]}"), (b"", b"")], ids=["list", "data", "objects"])
def test_what_is_over_the_limit_is_not_held(raw: Path, around: tuple[bytes, bytes]) -> None:
    config = Config(limits=Limits(record_bytes=100))
    long = b'{"text":"' + b"x" * 300_000 + b'"}'
    content = around[0] + b",\n".join([A, long, A, B]) + around[1]
    records = read(raw, content, config=config)
    assert outcomes(records) == [("1", "a"), ("2", "limit.record_bytes"), ("3", "a"), ("4", "b")]
    assert records[1].reject_detail == "300,011 bytes, expected at most 100"
    assert records[1].raw_head == long[:1024]


values = st.recursive(
    st.none() | st.integers() | st.text(alphabet='a"\\[]{},\n\u2028é', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "data", "}"]), inner, max_size=3),
    max_leaves=6,
)
texts = st.text(alphabet='a"\\[]{},\n\u2028é', max_size=20)
objects = st.fixed_dictionaries({"text": texts}, optional={"more": values})


@given(st.lists(objects, min_size=1, max_size=6), st.sampled_from([None, 2]), st.booleans())
def test_however_they_are_written_records_are_the_same(
    raw: Path, records: list[dict[str, Any]], indent: int | None, is_ascii: bool
) -> None:
    written = [json.dumps(record, indent=indent, ensure_ascii=is_ascii).encode() for record in records]
    expected = [(str(number), record["text"]) for number, record in enumerate(records, 1)]
    joined = b", ".join(written)
    a_list, data = b"[" + joined + b"]", b'{"n": 1, "data": [' + joined + b"]}"
    for content in (b"".join(written), b"\n".join(written), a_list, data):
        found = read(raw, content)
        assert outcomes(found) == expected
        assert [record.source_sha256 for record in found] == [record.source_sha256 for record in read(raw, a_list)]


@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:\\ a1\n', max_size=60).map(str.encode))
def test_any_bytes_give_a_record(raw: Path, content: bytes) -> None:
    assert len(read(raw, content)) >= 1


@settings(max_examples=1_000)
@given(st.text(alphabet='{}[]",:\\ a', max_size=40).map(str.encode), st.data())
def test_tokens_do_not_depend_on_chunks(content: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=6)))
    chunks = [content[i:j] for i, j in zip([0, *cuts], [*cuts, len(content)], strict=True)]

    def found(chunks: list[bytes]) -> list[tuple[bytes, bytes, bytes]]:
        tokens, before = [], b""
        for chunk, start, at, token, string in _tokens(iter(chunks)):
            before += chunk[start:at]
            if token:
                tokens.append((before, token, string))
                before = b""
        return [*tokens, (before, b"", b"")]

    assert found(chunks) == found([content])
