"""Formats: README, readers and planner know the same ones; one set of documents is the same in all of them."""

import bz2
import csv
import gzip
import io
import json
import lzma
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lz4.frame
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from flows.inputs import list_inputs
from flows.readers import COMPRESSIONS, FORMATS, READERS, Reading
from flows.readers.records import Record
from flows.shards import plan_pieces
from flows.store import Store
from tests.conftest import Run, rows
from transforms.config import Config

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
Texts = list[dict[str, Any]]
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": lambda content: zstandard.ZstdCompressor().compress(content),
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".lz4": lz4.frame.compress,
}
WORDS = ["harbour", "council", "bridge", "winter", "letter", "engine", "garden", "morning", "price", "signal", "border"]


def documents(count: int) -> Texts:
    """Articles that are not alike, with what a format could get wrong in them, and what they say of themselves."""
    chance = random.Random(7)

    def sentence() -> str:
        return " ".join(chance.choices(WORDS, k=12)).capitalize() + '; "quoted", über alles.'

    return [
        {
            "id": f"{n:04d}",
            "url": f"https://site{n % 7}.example.org/{n}",
            "text": f"Report {n}\n\n" + "\n\n".join(sentence() for _ in range(6)),
            "fetched_at": f"2024-03-{n % 28 + 1:02d}T12:00:00Z",
            "title": f"Of the {n}th harbour, \t and 'more'",
            "author": f"Ada King{n % 5}",
            "published": f"2024-02-{n % 28 + 1:02d}",
            "tags": f"tag {n % 3}, tag {n % 4}",
            "lang": "en",
            "section": "Häfen | ports",
        }
        for n in range(count)
    ]


def csv_of(delimiter: str) -> Callable[[Texts], bytes]:
    def write(records: Texts) -> bytes:
        sink = io.StringIO(newline="")
        writer = csv.DictWriter(sink, list(records[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(records)
        return sink.getvalue().encode()

    return write


def lines_of(records: Texts) -> bytes:
    return "\n".join(json.dumps(record, ensure_ascii=False) for record in records).encode()


def parquet_of(records: Texts) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records), sink, row_group_size=17, write_page_checksum=True)
    return sink.getvalue()


def arrow_of(records: Texts) -> bytes:
    sink, table = io.BytesIO(), pa.Table.from_pylist(records)
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=17)
    return sink.getvalue()


WRITE: dict[str, Callable[[Texts], bytes]] = {
    ".jsonl": lines_of,
    ".ndjson": lines_of,
    ".json": lambda records: json.dumps(records).encode(),
    ".csv": csv_of(","),
    ".tsv": csv_of("\t"),
    ".parquet": parquet_of,
    **dict.fromkeys([".arrow", ".feather", ".arrows", ".ipc"], arrow_of),
}


def crawl_of(kind: str) -> Callable[[Texts], bytes]:
    """A WARC of such records, each as its headers can say it."""

    def write(records: Texts) -> bytes:
        found = b""
        for record in records:
            content, media = record["text"].encode(), "text/plain"
            if kind == "response":
                content = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + content
                media = "application/http; msgtype=response"
            headers = {
                "WARC-Type": kind,
                "WARC-Record-ID": record["id"],
                "WARC-Date": record["fetched_at"],
                "WARC-Target-URI": record["url"],
                "Content-Type": media,
                "Content-Length": len(content),
            }
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            found += b"WARC/1.1\r\n" + head.encode() + b"\r\n" + content + b"\r\n\r\n"
        return found

    return write


# Of a page, where it was and when it was fetched.
CRAWL: dict[str, Callable[[Texts], bytes]] = {".warc": crawl_of("response"), ".wet": crawl_of("conversion")}
CRAWLED = ("id", "url", "text", "fetched_at")
# A text, and no fields.
NO_FIELDS = {".txt", ".text", ".md", ".html", ".htm", ".xhtml"}
# Files of any format: test_archives.py.
ARCHIVES = {".zip", ".wacz", ".tar"}
TEXT = "The harbour café\n\n" + "Ships of every size came in with the tide that morning, and left again at noon.\n" * 3


def names(extensions: list[str]) -> list[str]:
    return [
        extension + compression
        for extension in extensions
        for compression in COMPRESS
        if not compression or READERS[FORMATS[extension]].is_compressible
    ]


def test_every_format_is_tried() -> None:
    assert set(WRITE) | set(CRAWL) | NO_FIELDS | ARCHIVES == set(FORMATS)
    assert set(COMPRESS) - {""} == set(COMPRESSIONS)


def test_the_readme_names_each_format_and_compression() -> None:
    found = re.findall(r"^\| ([a-z, ]+) \| ((?:`\.\w+` ?)+) \| .* \| ([^|]+) \|$", README, re.MULTILINE)
    table = {
        extension: sorted(re.findall(r"\.\w+", compressed))
        for _, extensions, compressed in found
        for extension in re.findall(r"\.\w+", extensions)
    }
    every = sorted(COMPRESSIONS)
    assert table == {ending: every if READERS[format].is_compressible else [] for ending, format in FORMATS.items()}
    assert {name for names, _, _ in found for name in names.split(", ")} == set(READERS)


def read(folder: Path, name: str, content: bytes, piece_bytes: int) -> list[Record]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    store = Store(folder / "curated", folder)
    pieces = plan_pieces(store, list_inputs(store).files, piece_bytes)
    return [record for piece in pieces for part in piece for record in Reading(store, part, Config())]


def written(name: str, records: Texts) -> tuple[str, bytes]:
    """The extension of a file of this name, and its bytes."""
    extension = "." + name.split(".")[1]
    return extension, COMPRESS[name.removeprefix(extension)]((WRITE | CRAWL)[extension](records))


@pytest.mark.parametrize("name", names([*WRITE, *CRAWL]))
def test_records_are_the_same_in_every_format_wherever_it_is_cut(tmp_path: Path, name: str) -> None:
    records = documents(300)
    if "." + name.split(".")[1] in CRAWL:
        records = [{field: record[field] for field in CRAWLED} for record in records]
    extension, content = written(name, records)
    expected = [record[4:] for record in read(tmp_path / "lines", "a.jsonl", lines_of(records), 10**9)]
    assert len(expected) == 300
    for piece_bytes in (10**9, 20_000):
        found = read(tmp_path / str(piece_bytes), f"a{name}", content, piece_bytes)
        assert [record[4:] for record in found] == expected
        assert {record.source_format for record in found} == {FORMATS[extension]}


@pytest.mark.parametrize("name", names(sorted(NO_FIELDS)))
def test_a_text_is_the_same_in_every_compression(tmp_path: Path, name: str) -> None:
    ending = name[name.index(".", 1) :] if "." in name[1:] else ""
    extension = name.removesuffix(ending)
    is_page = FORMATS[extension] == "html"
    content = "".join(f"<p>{line}</p>" for line in TEXT.split("\n")) if is_page else TEXT
    [record] = read(tmp_path, f"a{name}", COMPRESS[ending](content.encode()), 100)
    expected = "\n".join(filter(None, TEXT.split("\n"))) if is_page else TEXT
    assert (record.original, record.reject_reason, record.source_format) == (expected, None, FORMATS[extension])


PROVENANCE = {"source_path", "source_format", "source_record", "source_sha256", "added_in"}


def test_documents_are_the_same_in_every_format(tmp_path: Path, run: Run) -> None:
    records = documents(300)
    expected: list[dict[str, Any]] = []
    for extension, write in WRITE.items():
        raw, curated = tmp_path / f"raw{extension}", tmp_path / f"curated{extension}"
        raw.mkdir()
        (raw / f"a{extension}").write_bytes(write(records))
        run(raw, curated)
        found = [{name: row[name] for name in row if name not in PROVENANCE} for row in rows(curated)]
        found.sort(key=lambda row: row["source_id"])
        assert len(found) == 300
        assert {row["extra"] for row in found} == {'{"section":"Häfen | ports"}'}
        assert found[8]["title"] == "Of the 8th harbour, and 'more'"
        assert found == (expected := expected or found)
