"""Pages of HTML, from the file to the table: read as texts, stripped by a mask that the ledger has, known by their
bytes."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from flows.readers import html
from flows.store import Store
from flows.versions.checks import verify
from flows.versions.find import find
from tests.conftest import Run, article, rows, write_jsonl
from tests.reading import read_as_listed
from transforms.boilerplate.pages import left_out
from transforms.boilerplate.templates import NO_TEMPLATES
from transforms.config import Config, Read
from transforms.errors import RecordError
from transforms.html import Page
from transforms.spans import Span, apply, repaired_lines

MENU = "<nav><a href='/'>Start page</a> <a href='/boats'>Boats and ferries</a></nav>"
FOOT = "<footer><p>Harbour Office, Pier 4</p></footer>"


def page(number: int, extra: str = "", charset: str = "utf-8") -> str:
    """A page whose article is that of the number."""
    title, _, body = article(number).partition("\n")
    paragraphs = "".join(f"<p>{line}</p>\n" for line in body.split("\n") if line.strip())
    return (
        f"<!DOCTYPE html><html lang='en'><head><meta charset='{charset}'><title>{title} | The Pier</title>"
        "<meta property='og:site_name' content='The Pier'><meta name='author' content='Ada King'>"
        "<meta property='article:published_time' content='2024-03-01T10:00:00Z'>"
        f"<link rel='canonical' href='https://pier.example.org/{number}'></head>"
        f"<body>{MENU}<article><h1>{title}</h1>{paragraphs}{extra}</article>{FOOT}</body></html>"
    )


def write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.fixture
def mask(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An extractor that leaves out what stands in `lines`, under the name and version that it is told."""
    said: dict[str, Any] = {"lines": ("Start page", "Harbour Office, Pier 4"), "extractor": "sieve 1", "more": ""}
    real = html.read_page

    def read_page(text: str, url: str | None) -> Page:
        found = real(text, url)
        lines = [line + said["more"] for line in found.text.split("\n")]
        gone = [number for number, line in enumerate(lines) if line.startswith(said["lines"])]
        return found._replace(text="\n".join(lines), left_out=gone, extractor=said["extractor"])

    monkeypatch.setattr(html, "read_page", read_page)
    return said


def everything(curated: Path) -> list[dict[str, Any]]:
    return sorted([*rows(curated), *rows(curated, "rejected")], key=lambda row: row["id"])


@pytest.mark.parametrize("name", ["a.html", "a.HTM", "a.xhtml", "a.html.gz"])
def test_a_file_is_one_page_and_says_what_it_knows_of_itself(tmp_path: Path, run: Run, name: str) -> None:
    content = page(1).encode()
    write(tmp_path / "raw" / name, gzip.compress(content) if name.endswith(".gz") else content)
    run(tmp_path / "raw", tmp_path / "curated")
    [row] = rows(tmp_path / "curated")
    title, _, body = article(1).partition("\n")
    assert "<" not in row["text"]
    assert all(line in row["text"] for line in body.split("\n") if line.strip())
    assert (row["title"], row["authors"], row["source_name"]) == (title, ["Ada King"], "The Pier")
    assert (row["declared_language"], row["published_at"].isoformat()) == ("en", "2024-03-01T10:00:00+00:00")
    assert (row["url"], row["site"]) == ("https://pier.example.org/1", "example.org")
    assert row["from_record"] == ["title", "authors", "published_at", "source_name", "declared_language", "url"]
    assert (row["source_format"], row["source_record"]) == ("html", None)
    assert row["extractor"] is not None


def test_a_page_in_a_field_is_read_as_one_and_its_record_goes_before_it(tmp_path: Path, run: Run) -> None:
    fragment = "".join(f"<p>{line} &amp; so on</p>" for line in article(2).split("\n") if line.strip())
    about = f"Write <b>bold</b> where a word matters.\n\n{article(3)}\n\n<p>is a paragraph's tag.</p>"
    records = [
        {"content": page(1), "link": "https://e.example.org/1", "title": "The record's"},
        {"content": fragment, "link": "https://e.example.org/2"},
        {"content": about, "link": "https://e.example.org/3"},
    ]
    write_jsonl(tmp_path / "raw" / "a.jsonl", records)
    run(tmp_path / "raw", tmp_path / "curated")
    first, second, third = sorted(rows(tmp_path / "curated"), key=lambda row: row["url"])
    assert (first["title"], first["authors"], first["url"]) == ("The record's", ["Ada King"], "https://e.example.org/1")
    assert "<p>" not in first["text"]
    assert (second["text"].count(" & so on"), "<p>" in second["text"]) == (article(2).count("\n\n") + 1, False)
    assert third["extractor"] is None
    assert "<b>bold</b>" in third["text"]


def test_what_looks_like_a_page_stays_where_the_config_says_so(tmp_path: Path) -> None:
    line = json.dumps({"text": page(1)}).encode()
    [record] = read_as_listed(tmp_path, line, "a.jsonl", Config(read=Read(html=False)))
    assert (record.original, record.extractor) == (page(1), None)
    [record] = read_as_listed(tmp_path, page(1).encode(), "a.html", Config(read=Read(html=False)))
    assert record.extractor is not None


@pytest.mark.parametrize(
    ("charset", "said"),
    [("windows-1251", "windows-1251"), ("iso-8859-2", "ISO-8859-2"), ("utf-16", "utf-16"), ("shift_jis", "Shift_JIS")],
)
def test_a_page_is_in_the_charset_that_it_says(tmp_path: Path, charset: str, said: str) -> None:
    words = {"windows-1251": "Паром пришёл", "iso-8859-2": "Prám přišel pozdě", "shift_jis": "船は遅れて着いた"}
    extra = f"<p>{words.get(charset, 'Das Schiff kam zu spät')}</p>"
    [record] = read_as_listed(tmp_path, page(1, extra, said).encode(charset), "a.html")
    assert extra[3:-4] in record.original


@pytest.mark.parametrize("said", ["utf-16", "UTF-32LE", "undefined", "unicode_escape", "hex", "no-such"])
def test_a_charset_in_which_a_page_can_not_be_is_none(tmp_path: Path, said: str) -> None:
    line = "Das Schiff kam zu spät, und müde stieg der Fährmann über die Böschung."
    raw = page(1, f"<p>{line}</p>", said).encode("cp1252")
    [record] = read_as_listed(tmp_path, raw, "a.html")
    assert (record.reject_reason, record.charset) == (None, "cp1252")
    assert line in record.original
    with_header = page(1, f"<p>{line}</p>", "iso-8859-2").encode("iso-8859-2")
    assert html.decode_page(with_header, said, Config())[1] == "iso8859-2"


@pytest.mark.parametrize("url", [None, "https://e.example.org/a", "http://[x", "//["])
@pytest.mark.parametrize("said", ["//[", "http://[x", "/a", "https://e.example.org/b"])
def test_no_address_makes_a_page_fail(url: str | None, said: str) -> None:
    text = f"<title>Sea | E</title><link rel=canonical href='{said}'><link rel=license href='{said}'><p>Fog.</p>"
    found = html.read_page(text, url)
    assert (found.text, found.own.title) == ("Fog.", "Sea | E")
    assert found.own.license == (
        "https://e.example.org/a" if (url, said) == ("https://e.example.org/a", "/a") else said
    )


def test_a_page_in_another_charset_is_made_anew_from_the_ledger(tmp_path: Path, run: Run, mask: dict[str, Any]) -> None:
    raw, curated = tmp_path / "raw", tmp_path / "curated"
    extra = "<p>Das Schiff kam zu spät, und „keiner“ wartete auf die Fähre.</p><p>Share on Facebook</p>"
    mask["lines"] = (*mask["lines"], "Share on Facebook")
    write(raw / "a.html", page(1, extra, "windows-1252").encode("cp1252"))
    write(raw / "b.html", page(2))
    run(raw, curated)
    before, ledger = everything(curated), rows(curated, "removed_spans")
    assert {"extract.sieve", "decode.cp1252"} <= {span["rule"] for span in ledger}
    assert ("extract.sieve", "boilerplate.share") in {(span["rule"], span["reason"]) for span in ledger}
    run(raw, curated, rebuild=True)
    assert everything(curated) == before
    assert sorted(map(str, rows(curated, "removed_spans"))) == sorted(map(str, ledger))
    verify(Store(curated))
    assert run(raw, curated)["published"] is False


def test_a_page_without_text_is_empty(tmp_path: Path, run: Run) -> None:
    write(tmp_path / "raw" / "a.html", "<html><head><title>Sea</title></head><body><script>x()</script></body></html>")
    write(tmp_path / "raw" / "b.html", page(1))
    run(tmp_path / "raw", tmp_path / "curated")
    [row] = rows(tmp_path / "curated", "rejected")
    assert (row["reject_reason"], row["source_path"]) == ("empty", "a.html")


def test_without_the_extra_pages_are_rejected_and_read_once_it_is_there(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> Page:
        raise RecordError("read.html", "HTML needs the extra `html`: pip install 'tamis[html]'")

    raw, curated = tmp_path / "raw", tmp_path / "curated"
    write(raw / "a.html", page(1))
    write_jsonl(raw / "b.jsonl", [{"text": page(2)}, {"text": article(3)}])
    with monkeypatch.context() as patch:
        patch.setattr(html, "read_page", missing)
        patch.setattr("flows.readers.find_spec", lambda _: None)
        from flows import readers

        readers._reading_code.cache_clear()
        run(raw, curated)
    readers._reading_code.cache_clear()
    rejected = rows(curated, "rejected")
    assert {(row["reject_reason"], row["text"]) for row in rejected} == {("read.html", "")}
    assert all("pip install" in row["reject_detail"] and row["raw_head"].startswith(b"<!DOC") for row in rejected)
    assert len(rows(curated)) == 1
    again = run(raw, curated)
    assert (again["published"], again["total"]["documents"]) == (True, 3)
    verify(Store(curated))


def test_what_the_extractor_leaves_out_stands_in_the_ledger(tmp_path: Path, run: Run, mask: dict[str, Any]) -> None:
    raw, curated = tmp_path / "raw", tmp_path / "curated"
    for number in range(3):
        write(raw / f"{number}.html", page(number, "<p>Fog\x08 c\u00e2\u0080\u0099est \u00a0 all.</p>"))
    run(raw, curated)
    found = rows(curated)
    assert len(found) == 3
    assert not any(name in row["text"] for row in found for name in ("Start page", "Harbour Office"))
    spans = [span for span in rows(curated, "removed_spans") if span["rule"] == "extract.sieve"]
    assert {span["text"].strip() for span in spans} == {"Start page Boats and ferries", "Harbour Office, Pier 4"}
    assert all(span["reason"].startswith("boilerplate.") for span in spans)
    _, _, restored = find(Store(curated, raw), found[0]["id"])
    assert "Start page Boats and ferries\n" in restored.original
    verify(Store(curated))
    before = everything(curated)
    mask["extractor"] = "another 2"  # it isn't asked again
    run(raw, curated, rebuild=True)
    assert everything(curated) == before
    verify(Store(curated))


def test_another_extractor_makes_no_new_text_of_a_known_page(tmp_path: Path, run: Run, mask: dict[str, Any]) -> None:
    raw, curated = tmp_path / "raw", tmp_path / "curated"
    records = [{"text": page(n), "id": str(n), **({"url": f"https://e.example.org/{n}"} if n else {})} for n in (0, 1)]
    write_jsonl(raw / "a.jsonl", records)
    write(raw / "b.html", page(2))
    run(raw, curated)
    before = rows(curated)
    mask.update(extractor="sieve 2", more=".")
    write_jsonl(raw / "a.jsonl", [*records, {"text": page(5), "id": "5"}])
    write(raw / "b.html", page(2).encode() + b"\n")  # other bytes
    again = run(raw, curated)
    assert (again["known"], again["documents"], again["superseded"]) == (2, 2, 1)
    after = {row["id"]: row for row in rows(curated)}
    assert [row["extractor"] for row in before if row["id"] in after] == ["sieve 1"] * 2
    verify(Store(curated))


def test_pages_that_say_one_address_are_all_kept(tmp_path: Path, run: Run) -> None:
    raw, curated = tmp_path / "raw", tmp_path / "curated"
    for number in range(3):
        write(raw / f"{number}.html", page(number).replace(f"example.org/{number}", "example.org/all"))
        run(raw, curated)
    assert [row["url"] for row in rows(curated)] == ["https://pier.example.org/all"] * 3


def test_a_mask_that_leaves_no_prose_is_none() -> None:
    text = f"Menu of the pier\n{article(1)}"
    lines = text.split("\n")
    document = (text, [0] * len(lines), NO_TEMPLATES)
    prose = [number for number, line in enumerate(lines) if len(line) > 100]
    assert left_out(document, prose, "extract.sieve") == {}
    assert list(left_out(document, [0], "extract.sieve")) == [0]


@pytest.mark.parametrize(
    ("original", "repairs", "expected"),
    [
        ("a\nb\nc", [], {0: 0, 1: 1, 2: 2}),
        ("\ufeffa\nb\nc", [(0, 1, "")], {0: 0, 1: 1, 2: 2}),
        ("a\nxb\nc", [(2, 3, "")], {0: 0, 1: 1, 2: 2}),
        ("a\nb\nc", [(1, 2, " ")], {2: 1}),
        ("a\nb.c\nd", [(3, 4, "\n")], {0: 0, 2: 3}),
        ("a\r\nb\r\nc", [(1, 2, ""), (4, 5, "")], {0: 0, 1: 1, 2: 2}),
        ("a\nb\nc", [(2, 4, "")], {0: 0, 2: 1}),
        ("ab\ncd", [(1, 4, "xx\nyy")], {}),
    ],
)
def test_lines_after_repairs(original: str, repairs: list[tuple[int, int, str]], expected: dict[int, int]) -> None:
    spans = [Span(*repair, "encoding.control", "repair", "repair_encoding") for repair in repairs]
    repaired = apply(original, spans)
    for line in range(original.count("\n") + 1):
        found = repaired_lines(original, spans, repaired, [line])
        assert found == ([expected[line]] if line in expected else [])
