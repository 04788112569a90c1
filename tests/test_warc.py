"""WARC and WET: pages of a crawl, what is no page, and archives that are damaged."""

import bz2
import gzip
import hashlib
import json
import tracemalloc
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from flows.readers import format_of, warc
from flows.readers.fields import FieldReader
from flows.readers.records import Part, Record
from tests.reading import outcomes, read_as_listed
from transforms.config import Config, Limits

PAGE = "<!DOCTYPE html><html lang=de><p>Die Fähre fährt im Nebel nicht.</p></html>"


def record(content: bytes, kind: str = "response", end: str = "\r\n", version: str = "WARC/1.1", **other: Any) -> bytes:
    """A record; `other` are headers, `length` what Content-Length says."""
    length = other.pop("length", len(content))
    headers = {
        "WARC-Type": kind,
        "WARC-Target-URI": "https://example.org/1",
        "WARC-Date": "2024-03-01T12:00:00Z",
        "WARC-Record-ID": "<urn:uuid:1>",
        "Content-Type": "application/http; msgtype=response" if kind == "response" else "text/plain",
        "Content-Length": str(length),
    } | {name.replace("_", "-"): value for name, value in other.items()}
    lines = [version, *(f"{name}: {value}" for name, value in headers.items() if value is not None), "", ""]
    return end.join(lines).encode() + content + (end * 2).encode()


def http(
    body: bytes | str = PAGE, status: str = "200 OK", media: str | None = "text/html; charset=utf-8", **other: str
) -> bytes:
    headers = {"Content-Type": media, "Server": "one"} | {name.replace("_", "-"): text for name, text in other.items()}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {text}" for name, text in headers.items() if text is not None), "", ""]
    return "\r\n".join(lines).encode() + (body.encode() if isinstance(body, str) else body)


def page(text: str = PAGE, **other: Any) -> bytes:
    return record(http(text), **other)


def read(content: bytes, limits: Limits | None = None, name: str = "a.warc") -> tuple[list[Record], FieldReader]:
    """The records of a file in memory."""
    config = Config(limits=limits or Limits())
    part = Part(name, name, *format_of(name), len(content), 0, 0)
    reader = FieldReader(config)
    return list(warc.read(BytesIO(content), part, config, reader)), reader


def read_one(content: bytes, limits: Limits | None = None) -> Record:
    [found] = read(content, limits)[0]
    return found


# -------------------------------------------------------------------------------------------------------------- pages


def test_a_response_is_a_page():
    found = read_one(
        page(WARC_Payload_Digest="sha1:ABC", WARC_Identified_Content_Language="deu,eng", WARC_IP_Address="1.2.3.4")
    )
    assert found == Record(
        source_path="a.warc",
        source_format="warc",
        source_record="1",
        source_sha256=hashlib.sha256(PAGE.encode()).hexdigest(),
        source_id="<urn:uuid:1>",
        url="https://example.org/1",
        fetched_at=datetime(2024, 3, 1, 12, tzinfo=UTC),
        original=PAGE,
        reject_reason=None,
        reject_detail=None,
        raw_head=None,
        declared_language="de",
        extra='{"warc-ip-address":"1.2.3.4","warc-payload-digest":"sha1:ABC"}',
        from_record=["declared_language"],
        is_html=True,
    )


def test_a_conversion_is_a_text():
    [found], reader = read(record("Die Fähre fährt nicht.\n".encode(), "conversion"), name="a.warc.wet")
    assert (found.original, found.is_html, found.source_format) == ("Die Fähre fährt nicht.\n", False, "wet")
    assert reader.passed == {}


@pytest.mark.parametrize(
    ("content", "is_html"),
    [
        (http(), True),
        (http(media="Application/XHTML+XML"), True),
        (http(media="text/plain"), False),
        (http(media="text/markdown;charset=utf-8"), False),
        (http(media=None), True),
        (http(media=""), True),
        (http("<?xml version='1.0'?><html><p>a</p></html>", media=None), True),
        (http(status="203 Non-Authoritative Information"), True),
    ],
)
def test_media_types_that_are_read(content, is_html):
    assert read_one(record(content)).is_html is is_html


def test_the_identified_media_type_wins():
    assert read_one(record(http(media="text/plain"), WARC_Identified_Payload_Type="text/html")).is_html
    found, reader = read(page(WARC_Identified_Payload_Type="application/pdf"))
    assert (found[0].reject_reason, reader.passed) == ("read.no_page", {"application": 1})


def test_resources_are_read_by_their_media_type():
    records = record(PAGE.encode(), "resource", Content_Type="text/html") + record(b"Fog.", "resource")
    found, _ = read(records + record(b"\x89PNG", "resource", Content_Type="image/png"))
    assert [(one.source_record, one.original, one.is_html) for one in found] == [
        ("1", PAGE, True),
        ("2", "Fog.", False),
    ]


def test_what_is_no_page_is_counted_and_not_rejected():
    others = [
        record(b"software: x\r\n", "warcinfo"),
        record(b"GET / HTTP/1.1\r\n\r\n", "request"),
        record(b"", "revisit"),
        record(b"a: b", "metadata"),
        record(http(status="404 Not Found")),
        record(http(status="301 Moved")),
        record(http(status="206 Partial Content")),
        record(http(b"\x89PNG", media="image/png")),
        record(http("{}", media="application/json")),
        record(http("{}", media=None)),
        record(b"example.org. 1 IN A", "response", Content_Type="text/dns"),
        record(b"", "x-own"),
        record(b"", WARC_Type=None),
    ]
    kinds = {
        "warcinfo": 1,
        "request": 1,
        "revisit": 1,
        "metadata": 1,
        "status 404": 1,
        "status 301": 1,
        "status 206": 1,
        "image": 1,
        "application": 1,
        "no media type": 1,
        "response without HTTP": 1,
        "record of another type": 2,
    }
    found, reader = read(b"".join(others) + page())
    assert outcomes(found) == [("14", PAGE)]
    assert reader.passed == kinds
    [found], reader = read(b"".join(others))
    assert (found.source_record, found.reject_reason) == (None, "read.no_page")
    assert found.reject_detail.startswith("a.warc: no page among 13 records: record of another type 2, ")
    assert reader.passed == kinds


@pytest.mark.parametrize("content", [b"", b"\r\n\r\n"])
def test_an_empty_file_is_one_reject(content):
    assert outcomes(read(content)[0]) == [(None, "read.empty_file")]


# ------------------------------------------------------------------------------------------------------------ codings


def chunked(content: bytes, size: int = 7) -> bytes:
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    return b"".join(b"%x;a=b\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def bare_deflate(content: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(content) + stream.flush()


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (gzip.compress(PAGE.encode(), mtime=0), {"Content_Encoding": "gzip"}),
        (gzip.compress(PAGE.encode(), mtime=0), {"Content_Encoding": "X-GZIP"}),
        (gzip.compress(PAGE.encode(), mtime=0) + b"rest", {"Content_Encoding": "gzip"}),
        (zlib.compress(PAGE.encode()), {"Content_Encoding": "deflate"}),
        (bare_deflate(PAGE.encode()), {"Content_Encoding": "deflate"}),
        (zstandard.compress(PAGE.encode()), {"Content_Encoding": "zstd"}),
        (chunked(PAGE.encode()), {"Transfer_Encoding": "chunked"}),
        (chunked(gzip.compress(PAGE.encode(), mtime=0)), {"Transfer_Encoding": "chunked", "Content_Encoding": "gzip"}),
        (gzip.compress(zlib.compress(PAGE.encode()), mtime=0), {"Content_Encoding": "deflate, gzip"}),
        # undone by the crawler, which kept the header
        (PAGE.encode(), {"Transfer_Encoding": "chunked", "Content_Encoding": "gzip"}),
        (chunked(PAGE.encode())[:-2] + b"Expires: 0\r\nX-Sum: a:b\r\n\r\n", {"Transfer_Encoding": "chunked"}),
        *((PAGE.encode(), {"Content_Encoding": coding}) for coding in ("deflate", "br", "zstd", "identity", "own")),
    ],
)
def test_codings_of_the_transfer_are_undone(body, headers):
    found = read_one(record(http(body, **headers)))
    assert (found.original, found.source_sha256) == (PAGE, hashlib.sha256(PAGE.encode()).hexdigest())


def test_brotli():
    brotli = pytest.importorskip("brotli")
    content = PAGE * 3000
    body = brotli.compress(content.encode())
    assert read_one(record(http(body, Content_Encoding="br"))).original == content
    assert read_one(record(http(body[:-9], Content_Encoding="br"))).reject_reason == "read.truncated"
    assert read_one(record(http(b"\0\xff" * 99, Content_Encoding="br"))).reject_reason == "read.corrupt"
    bomb = brotli.compress(bytes(50_000_000))
    assert read_one(record(http(bomb, Content_Encoding="br")), Limits(record_bytes=9_000_000)).reject_reason == (
        "limit.expansion"
    )


def test_brotli_without_the_extra_says_what_to_install(monkeypatch):
    monkeypatch.setattr(warc, "brotli", None)
    found = read_one(record(http(b"\x0b\x02\x80\0\x01", Content_Encoding="br")))
    assert (found.reject_reason, found.reject_detail) == ("read.missing_extra", warc.MISSING)


@pytest.mark.parametrize(
    ("body", "headers", "reason"),
    [
        (gzip.compress(PAGE.encode(), mtime=0)[:-12], {"Content_Encoding": "gzip"}, "read.truncated"),
        (zlib.compress(PAGE.encode())[:-12], {"Content_Encoding": "deflate"}, "read.truncated"),
        (b"\0\1\2" * 30, {"Content_Encoding": "deflate"}, "read.corrupt"),
        (b"\0\1\2" * 30, {"Content_Encoding": "own"}, "read.unsupported_format"),
        (b"5\r\n<p>Fo\r\nnot a size", {"Transfer_Encoding": "chunked"}, "read.corrupt"),
        (b"5\r\n<p>Fo\r\n", {"Transfer_Encoding": "chunked"}, "read.truncated"),
        (b"ff\r\n<p>Fo\r\n", {"Transfer_Encoding": "chunked"}, "read.truncated"),
        (b"5\r\n<p>Fog\r\n0\r\n\r\n", {"Transfer_Encoding": "chunked"}, "read.corrupt"),  # longer than it says
        (b"5\r\n<p>Fo\r\n0\r\n5\r\n<p>Fo\r\n0\r\n\r\n", {"Transfer_Encoding": "chunked"}, "read.corrupt"),
        (b"", {f"X_{number}": "x" * 100 for number in range(800)}, "read.corrupt"),  # headers of HTTP without an end
        (gzip.compress(bytes(600_000), mtime=0), {"Content_Encoding": "gzip"}, "limit.expansion"),
        (gzip.compress(PAGE.encode() * 9000, 0, mtime=0), {"Content_Encoding": "gzip"}, "limit.record_bytes"),
    ],
)
def test_a_payload_that_is_damaged_or_a_bomb_is_rejected_alone(body, headers, reason):
    found, _ = read(page() + record(http(body, **headers)) + page(), Limits(record_bytes=500_000))
    assert outcomes(found) == [("1", PAGE), ("2", reason), ("3", PAGE)]
    assert (found[1].source_id, found[1].url) == ("<urn:uuid:1>", "https://example.org/1")
    assert found[1].fetched_at == datetime(2024, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("text", ["0\nof the boats came back.\n", "1\nBed, and no breakfast.\n0\n"])
def test_a_text_that_begins_as_chunks_do_is_never_cut(text):
    found = read_one(record(http(text, media="text/plain", Transfer_Encoding="chunked")))
    assert found.original == text or found.reject_reason == "read.corrupt"


def test_headers_without_an_end_one_after_another():
    found, _ = read(A + b"WARC/1.0\nA: b\n" * 5_000 + B)
    assert [one.reject_reason or one.original for one in found] == ["<html>A", *["read.corrupt"] * 5_000, "<html>B"]


@pytest.mark.parametrize("after", [b"x\n", b""])
def test_a_long_run_of_line_ends_behind_a_length_that_lies(after):
    found, _ = read(A + page("<html>x", length=SIZE + 100_000) + b"\n" * 200_000 + after + B)
    assert [one.original.strip()[6:] for one in found if not one.reject_reason][:1] == ["A"]
    assert len(found) == 3 + bool(after)


def test_a_bomb_within_the_default_limits_of_its_size():
    body = gzip.compress(bytes(100_000_000))
    assert read_one(record(http(body, Content_Encoding="gzip"))).reject_reason == "limit.expansion"
    body = zlib.compress(bytes(100_000_000))
    assert read_one(record(http(body, Content_Encoding="deflate"))).reject_reason == "limit.expansion"


# ------------------------------------------------------------------------------------------------------------ charsets

RUSSIAN = "<html><head>{}<title>Туман</title><p>Паром сегодня не ходит: на реке густой туман.</p></html>"


@pytest.mark.parametrize(
    ("media", "head", "charset"),
    [
        ("text/html; charset=windows-1251", "", "cp1251"),
        ('text/html;charset="koi8-r"', "", "koi8-r"),
        ("text/html", '<meta charset="windows-1251">', "cp1251"),
        ("text/html", '<meta http-equiv="Content-Type" content="text/html; charset=koi8-r">', "koi8-r"),
        ("text/html", "", "cp1251"),
        # of two the server's
        ("text/html; charset=koi8-r", '<meta charset="windows-1251">', "koi8-r"),
    ],
)
def test_charset_of_the_headers_of_the_page_or_as_detected(media, head, charset):
    text = RUSSIAN.format(head)
    found = read_one(record(http(text.encode(charset), media=media)))
    assert (found.original, found.charset) == (text, charset)


def test_xml_declares_its_charset():
    text = '<?xml version="1.0" encoding="windows-1251"?>' + RUSSIAN.format("")
    found = read_one(record(http(text.encode("cp1251"), media="application/xhtml+xml")))
    assert (found.original, found.charset) == (text, "cp1251")


# ------------------------------------------------------------------------------------------------------------- framing


@pytest.mark.parametrize("version", ["WARC/0.17", "WARC/0.18", "WARC/1.0", "WARC/1.1"])
@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_versions_and_line_ends(version, end):
    found, _ = read(page(version=version, end=end) * 3)
    assert outcomes(found) == [("1", PAGE), ("2", PAGE), ("3", PAGE)]


def test_headers_are_read_as_the_standard_has_them():
    content = http()
    head = "WARC/1.0\r\nwarc-type:response\r\nWARC-Target-URI : <https://example.org/\r\n 1>\r\n"
    head += f"content-length:{len(content)}\r\n"
    assert read_one(head.encode() + b"\r\n" + content).url == "https://example.org/ 1"
    assert read_one(page(WARC_Target_URI="<https://example.org/2>")).url == "https://example.org/2"


@pytest.mark.parametrize("gap", ["", "\r\n", "\n", "\r\n" * 9, "\n" * 500])
def test_more_or_fewer_line_ends_between_records(gap):
    one = page().removesuffix(b"\r\n\r\n") + gap.encode()
    assert outcomes(read(one * 3)[0]) == [("1", PAGE), ("2", PAGE), ("3", PAGE)]


A, B = page("<html>A"), page("<html>B")
SIZE = len(http("<html>A"))


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (page("<html>x", length=-5), ["A", "read.corrupt", "B"]),
        (page("<html>x", length="5e3"), ["A", "read.corrupt", "B"]),
        (page("<html>x", length=None), ["A", "read.corrupt", "B"]),
        (page("<html>x", length=""), ["A", "read.corrupt", "B"]),
        (page("<html>x", length="9" * 4000), ["A", "read.corrupt", "B"]),
        (page("<html>x", length=10**12), ["A", "read.corrupt", "B"]),
        (page("<html>x", length=10**7), ["A", "read.corrupt", "B"]),
        (page("<html>x", length=5000), ["A", "read.corrupt", "B"]),
        (page("<html>x", length=SIZE + 4), ["A", "x", "B"]),  # with its own line ends
        (page("<html>x", length=SIZE + 20), ["A", "read.corrupt", "B"]),
        (page("<html>x", length=SIZE - 3), ["A", "read.corrupt", "B"]),
        (page("<html>x", length=0), ["A", "read.corrupt", "B"]),
        (b"some rubbish\r\n", ["A", "read.corrupt", "B"]),
        (b"\0" * 100_000 + b"\n", ["A", "read.corrupt", "B"]),
        (page("<html>x").removeprefix(b"WARC/1.1\r\n"), ["A", "read.corrupt", "B"]),
        (page("<html>x", version="WARC/"), ["A", "read.corrupt", "B"]),
        (b"WARC/1.0\r\nWARC-Type: response\r\n", ["A", "read.corrupt", "B"]),
        (b"WARC/1.0\r\nWARC-Type: " + b"x" * 100_000 + b"\r\n\r\n\r\n", ["A", "read.corrupt", "B"]),
        (record(b"no http"), ["A", "read.corrupt", "B"]),
    ],
)
def test_case_26_a_bad_record_costs_itself(bad, expected):
    found, _ = read(A + bad + B)
    assert [one.reject_reason or one.original.strip()[6:] for one in found] == expected
    assert [one.source_record for one in found] == ["1", "2", "3"]


def test_where_a_record_is_damaged_is_said():
    found = read(A + page(length=-5) + B)[0][1]
    assert found.reject_detail.startswith(f"Content-Length is '-5' in the record at byte {len(A):,}")
    assert found.raw_head == page(length=-5)[:1024]


ARCHIVE = page("<html>" + "A" * 40) + record(b"", "revisit") + page("<html>B\r\n\r\n.", end="\n") + page("<html>C")


def expected_of(cut: int) -> tuple[list[str], bool]:
    """Of the archive cut there: the records that are whole, and whether one is cut."""
    ends, at = [], 0
    for one, text in [
        (page("<html>" + "A" * 40), "<html>" + "A" * 40),
        (record(b"", "revisit"), ""),
        (page("<html>B\r\n\r\n.", end="\n"), "<html>B\r\n\r\n."),
        (page("<html>C"), "<html>C"),
    ]:
        ends.append((at, at + len(one.rstrip(b"\r\n")) + (4 if not text else 0), at + len(one), text))
        at += len(one)
    whole = [text for _, end, _, text in ends if end <= cut and text]
    is_cut = any(begin < cut < end for begin, end, _, _ in ends)
    return whole, is_cut


@pytest.mark.parametrize("end", ["plain", "gz", "zst"])
def test_case_26_cut_at_every_byte(end):
    """Records before the cut, and one reject for what is cut."""
    if end == "plain":
        for cut in range(1, len(ARCHIVE) + 1):
            whole, is_cut = expected_of(cut)
            found, _ = read(ARCHIVE[:cut])
            assert [one.original for one in found if not one.reject_reason] == whole, cut
            reasons = [one.reject_reason for one in found if one.reject_reason]
            nothing = ["read.no_page"] if not whole and not is_cut else []
            assert reasons == (["read.truncated"] if is_cut else nothing), cut
        return
    compress = {"gz": gzip.compress, "zst": zstandard.compress}[end]
    members = [compress(page(f"<html>{letter}")) for letter in "ABC"]
    content = b"".join(members)
    for cut in range(4, len(content)):
        found, _ = read(content[:cut], name=f"a.warc.{end}")
        texts = [one.original for one in found if not one.reject_reason]
        reasons = [one.reject_reason for one in found if one.reject_reason]
        bounds = [0, len(members[0]), len(members[0]) + len(members[1])]
        members_before = sum(bound <= cut for bound in bounds[1:])
        # in the last bytes of a member its record may be whole
        assert texts == [f"<html>{letter}" for letter in "ABC"[: len(texts)]], cut
        assert len(texts) in (members_before, members_before + 1), cut
        if cut in bounds:
            assert reasons == [], cut
        else:
            assert reasons in (["read.truncated"], ["read.trailing_garbage"]), cut


def test_case_27_gzipped_as_one_member_or_each_record_or_twice_in_a_row(tmp_path):
    expected = [("1", "A"), ("2", "B"), ("3", "A")]
    forms = (
        gzip.compress(A + B + A),
        gzip.compress(A) + gzip.compress(B) + gzip.compress(A),
        gzip.compress(A + B) + gzip.compress(A),
        bz2.compress(A + B + A),
        A + B + A,
    )
    for number, content in enumerate(forms):
        assert outcomes(read_as_listed(tmp_path / str(number), content, "a.warc.gz")) == expected


def test_case_28_an_id_or_address_that_is_a_path_is_none(tmp_path, run):
    (tmp_path / "raw").mkdir()
    text = "<html><p>" + "The ferry is late again because of the fog on the river. " * 5
    record_id = "../../../etc/passwd"
    content = record(http(text, media="text/plain"), WARC_Record_ID=record_id, WARC_Target_URI="file:///../../etc/x")
    (tmp_path / "raw/a.warc").write_bytes(content)
    run(tmp_path / "raw", tmp_path / "curated", force=True)
    assert {path.name for path in tmp_path.iterdir()} == {"raw", "curated"}
    names = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")]
    assert not any("passwd" in name or "etc" in name for name in names)


def test_a_payload_past_the_limit_is_rejected_alone_in_bounded_memory():
    def chunks() -> Iterator[bytes]:
        yield A
        head = record(b"", length=500_000_000 + SIZE)
        yield head.removesuffix(b"\r\n\r\n") + http("<html>A")
        block = b"<p>fog " * 1_000_000
        for _ in range(500_000_000 // len(block)):
            yield block
        yield b"x" * (500_000_000 % len(block)) + b"\r\n\r\n" + B

    stream = warc._Stream(chunks())
    tracemalloc.start()
    found = []
    while stream.skip_line_ends():
        found.append(warc._framed(stream, 1_000_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [one.size for one in found] == [SIZE, 500_000_000 + SIZE, SIZE]
    assert peak < 50_000_000


def test_limits_of_a_record():
    long = page("<html>" + "fog " * 100_000)
    picture = record(http(b"\x89PNG" * 100_000, media="image/png"))
    found, reader = read(A + long + picture + B, Limits(record_bytes=200_000))
    assert outcomes(found) == [("1", "<html>A"), ("2", "limit.record_bytes"), ("4", "<html>B")]
    assert reader.passed == {"image": 1}
    cut, _ = read((A + long)[:-1000], Limits(record_bytes=200_000))
    assert outcomes(cut) == [("1", "<html>A"), ("2", "read.truncated")]


@given(st.lists(st.sampled_from([A, B, b"WARC/1.0\r\n", b"\r\n", b"\n\n", b"Content-Length: 9", b"x", b"\xff\0"])))
def test_no_bytes_make_it_raise_and_none_are_passed_over_in_silence(pieces):
    content = b"".join(pieces)
    found, _ = read(content)
    assert found
    # Each page that stands there whole, after another or at the start, is found.
    leading = next((at for at, one in enumerate(pieces) if one not in (A, B)), len(pieces))
    texts = [one.original for one in found if not one.reject_reason]
    assert texts[: max(0, leading - 1)] == [
        "<html>A" if one == A else "<html>B" for one in pieces[: max(0, leading - 1)]
    ]


@given(st.binary(max_size=300), st.integers(0, len(A + B)))
def test_any_bytes_between_records(junk, at):
    found, _ = read((A + B)[:at] + junk + (A + B)[at:])
    assert found


# ---------------------------------------------------------------------------------------------------------------- runs


def test_a_run_says_what_it_passed_over(tmp_path, run):
    (tmp_path / "raw").mkdir()
    text = "The ferry is late again because of the fog on the river, and nobody knows when it will come. " * 5
    content = record(http(text, media="text/plain")) + record(b"", "revisit") + record(http(status="404 No"))
    (tmp_path / "raw/a.warc.gz").write_bytes(gzip.compress(content))
    (tmp_path / "raw/b.warc").write_bytes(record(b"", "revisit"))
    summary = run(tmp_path / "raw", tmp_path / "curated")
    assert summary["passed_over"] == {"revisit": 2, "status 404": 1}
    assert (summary["records"], summary["documents"]) == (2, 1)
    assert summary["rejected_by_reason"] == {"read.no_page": 1}
    json.dumps(summary["passed_over"])


def test_the_same_payload_of_a_later_crawl_is_known(tmp_path, run):
    (tmp_path / "raw").mkdir()
    text = "The ferry is late again because of the fog on the river, and nobody knows when it will come. " * 5
    (tmp_path / "raw/a.warc").write_bytes(record(http(text, media="text/plain")))
    run(tmp_path / "raw", tmp_path / "curated")
    again = record(
        http(gzip.compress(text.encode()), media="text/plain", Content_Encoding="gzip"),
        WARC_Record_ID="<urn:uuid:2>",
        WARC_Date="2025-03-01T12:00:00Z",
    )
    (tmp_path / "raw/b.warc").write_bytes(again)
    summary = run(tmp_path / "raw", tmp_path / "curated")
    assert (summary["published"], summary["records"], summary["known"]) == (False, 1, 1)


def test_wat_is_not_read(tmp_path):
    assert format_of("a.warc.wat.gz") == ("unsupported", "")
    assert [format_of(f"a.warc.{name}") for name in ("gz", "zst", "wet.gz")] == [
        ("warc", "gz"), ("warc", "zst"), ("wet", "gz")
    ]  # fmt: skip
