"""Limits of files: where one is reached, that member or the rest of the file is one record, and reading goes on."""

import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.reading import read_as_listed
from tests.test_archives import tar_of, texts, zip_of
from transforms.config import Config, Limits

LINES = b"".join(b'{"text": "line %d"}\n' % n for n in range(5))
LONG = b"The tide. " * 100
DEEP = zip_of([("b.zip", zip_of([("c.zip", zip_of([("d.txt", b"deep")])), ("c.txt", b"text")])), ("z.txt", b"last")])
TWO = [("a.txt", b"one"), ("b.txt", b"two"), ("c.txt", b"three")]

CASES: list[tuple[str, bytes, dict[str, Any], list[tuple[str, str]]]] = [
    ("a.txt.gz", gzip.compress(LONG, mtime=0), {"file_bytes": 999}, [("a.txt.gz", "limit.file_bytes")]),
    ("a.txt.gz", gzip.compress(b"short", mtime=0), {"file_bytes": 5}, [("a.txt.gz", "short")]),
    (
        "a.jsonl",
        LINES,
        {"file_records": 2},
        [("a.jsonl", "line 0"), ("a.jsonl", "line 1"), ("a.jsonl", "limit.file_records")],
    ),
    ("a.jsonl", LINES, {"file_records": 5}, [("a.jsonl", f"line {n}") for n in range(5)]),
    ("a.zip", zip_of(TWO), {"members": 2}, [("a.txt", "one"), ("b.txt", "two"), ("a.zip", "limit.members")]),
    ("a.tar", tar_of(TWO), {"members": 2}, [("a.txt", "one"), ("b.txt", "two"), ("a.tar", "limit.members")]),
    ("a.zip", zip_of(TWO), {"members": 3}, [("a.txt", "one"), ("b.txt", "two"), ("c.txt", "three")]),
    (
        "a.zip",
        zip_of([("a.txt", LONG), *TWO[1:]]),
        {"member_bytes": 999},
        [("a.txt", "limit.member_bytes"), ("b.txt", "two"), ("c.txt", "three")],
    ),
    (
        "a.zip",
        DEEP,
        {"nesting": 2},
        [("b.zip!/c.zip", "limit.nesting"), ("b.zip!/c.txt", "text"), ("z.txt", "last")],
    ),
    (
        "a.zip",
        DEEP,
        {"nesting": 3},
        [("b.zip!/c.zip!/d.txt", "deep"), ("b.zip!/c.txt", "text"), ("z.txt", "last")],
    ),
]


@pytest.mark.parametrize(("name", "content", "limits", "expected"), CASES)
def test_limits(
    tmp_path: Path, name: str, content: bytes, limits: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    found = read_as_listed(tmp_path, content, name, Config(limits=Limits(**limits)))
    assert texts(found) == expected
    for record in found:
        if (record.reject_reason or "").startswith("limit."):
            assert any(f"{value:,}" in (record.reject_detail or "") for value in limits.values())


def test_what_a_bomb_opens_to_is_bounded(tmp_path: Path) -> None:
    bomb = zip_of([(f"{n}.txt", b"a" * (40 * 1024 * 1024)) for n in range(3)])
    found = texts(read_as_listed(tmp_path, bomb, "a.zip"))
    assert [(path, text[:20]) for path, text in found] == [
        ("0.txt", "a" * 20),
        ("1.txt", "limit.expansion"),
        ("a.zip", "limit.expansion"),
    ]


def test_members_that_lie_over_each_other(tmp_path: Path) -> None:
    """D. Fifield, "A better zip bomb" (WOOT 2019): many entries of the directory lead to one kernel."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.txt", b"a" * (30 * 1024 * 1024))
        for n in range(1, 50):
            info = zipfile.ZipInfo(f"{n}.txt")
            for name in ("compress_type", "CRC", "compress_size", "file_size", "header_offset", "flag_bits"):
                setattr(info, name, getattr(archive.infolist()[0], name))
            archive.filelist.append(info)
    found = read_as_listed(tmp_path, sink.getvalue(), "a.zip")
    assert sum(record.reject_reason is None for record in found) <= 2
