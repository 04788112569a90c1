"""Archives: a member is read as the file would be; no name, link, damage or bomb of one does harm."""

import gzip
import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.inputs import list_inputs
from flows.names import input_of, shown
from flows.readers import Reading, format_of
from flows.readers.records import Record
from flows.shards import whole_part
from flows.store import Store
from tests.conftest import Run, article, rows
from tests.reading import read_as_listed
from transforms.config import Config

Members = Sequence[tuple[str, bytes]]
FILES: Members = [
    ("a.txt", b"The first text."),
    ("news/b.jsonl", b'{"text": "one"}\n{"text": "two"}\nnot JSON\n'),
    ("news/c.jsonl.gz", gzip.compress(b'{"text": "three"}\n')),
    ("d.csv", b"text,url\nfour,https://example.org/\n"),
]
TARS = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz", ".tar.bz2": "w:bz2", ".tbz2": "w:bz2", ".txz": "w:xz"}


def zip_of(members: Members, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return sink.getvalue()


def tar_of(members: Members, mode: str = "w", format: int = tarfile.PAX_FORMAT) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode=mode, format=format) as archive:  # type: ignore[call-overload]
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    found: bytes = sink.getvalue()
    return found


def said(records: Sequence[Record]) -> list[tuple[str, str | None, str]]:
    """Where each stood, and its text or why it was rejected."""
    return [(r.source_path, r.source_record, r.reject_reason or r.original) for r in records]


def texts(records: Sequence[Record]) -> list[tuple[str, str]]:
    return [(path.partition("!/")[2] or path, text) for path, _, text in said(records)]


EXPECTED = [
    ("a.txt", "The first text."),
    ("news/b.jsonl", "one"),
    ("news/b.jsonl", "two"),
    ("news/b.jsonl", "read.invalid_json"),
    ("news/c.jsonl.gz", "three"),
    ("d.csv", "four"),
]


@pytest.mark.parametrize("ending", TARS)
def test_tars(tmp_path: Path, ending: str) -> None:
    assert texts(read_as_listed(tmp_path, tar_of(FILES, TARS[ending]), f"a{ending}")) == EXPECTED


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_kinds_of_tars(tmp_path: Path, format: int) -> None:
    long = "/".join(["folder" * 12] * 3) + "/a.txt"
    members = [*FILES, (long, b"long")] if format != tarfile.USTAR_FORMAT else FILES
    expected = [*EXPECTED, (long, "long")] if format != tarfile.USTAR_FORMAT else EXPECTED
    assert texts(read_as_listed(tmp_path, tar_of(members, format=format), "a.tar")) == expected


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zips(tmp_path: Path, method: int) -> None:
    assert texts(read_as_listed(tmp_path, zip_of(FILES, method), "a.zip")) == EXPECTED


def test_a_zip_written_to_a_pipe_or_behind_a_program(tmp_path: Path) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    sink = Pipe()
    with zipfile.ZipFile(sink, "w") as archive, archive.open("a.txt", "w", force_zip64=True) as member:
        member.write(b"piped")
    assert texts(read_as_listed(tmp_path, sink.getvalue(), "a.zip")) == [("a.txt", "piped")]
    assert texts(read_as_listed(tmp_path, b"MZ" * 5000 + zip_of(FILES), "b.zip")) == EXPECTED


def test_archives_in_archives(tmp_path: Path) -> None:
    content = zip_of([("x/b.tar", tar_of([("c.txt", b"deep"), ("d.zip", zip_of([("e.txt", b"deeper")]))]))])
    assert said(read_as_listed(tmp_path, content, "a.zip")) == [
        ("a.zip!/x/b.tar!/c.txt", None, "deep"),
        ("a.zip!/x/b.tar!/d.zip!/e.txt", None, "deeper"),
    ]


NAMES = [
    ("../../etc/a.txt", "etc/a.txt"),
    ("/etc/a.txt", "etc/a.txt"),
    ("./x//y/../a.txt", "x/a.txt"),
    ("C:/a.txt", "C:/a.txt"),
    ("x.zip!/a.txt", "x.zip\\x21/a.txt"),
    ("naïve/日本.txt", "naïve/日本.txt"),
]


@pytest.mark.parametrize(("name", "path"), NAMES)
def test_no_path_leaves_the_archive(tmp_path: Path, name: str, path: str) -> None:
    for content, archive in ((zip_of([(name, b"text")]), "a.zip"), (tar_of([(name, b"text")]), "a.tar")):
        assert said(read_as_listed(tmp_path, content, archive)) == [(f"{archive}!/{path}", None, "text")]


def test_names_in_odd_charsets(tmp_path: Path) -> None:
    def named(name: bytes) -> bytes:
        return zip_of([("_" * len(name), b"text")]).replace(b"_" * len(name), name)

    found = [
        said(read_as_listed(tmp_path, named(name), f"{number}.zip"))[0][0].partition("!/")[2]
        for number, name in enumerate([b"caf\x82.txt", "café.txt".encode(), b"a\\b.txt"])
    ]
    assert found == ["café.txt", "café.txt", "a/b.txt"]
    content = tar_of([("caf_.txt", b"text")], format=tarfile.USTAR_FORMAT)
    # the header's sum of bytes changes with the name's
    header = bytearray(content[:512].replace(b"caf_", b"caf\xe9"))
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    [(path, _, text)] = said(read_as_listed(tmp_path, bytes(header) + content[512:], "a.tar"))
    assert (path, text) == ("a.tar!/caf\\xe9.txt", "text")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_of_one_name_are_both_kept(tmp_path: Path) -> None:
    members = [("a.txt", b"first"), ("b/../a.txt", b"second"), ("a.txt", b"third")]
    for content, archive in ((zip_of(members), "a.zip"), (tar_of(members), "a.tar")):
        expected = [("a.txt", "first"), ("a.txt (2)", "second"), ("a.txt (3)", "third")]
        assert texts(read_as_listed(tmp_path, content, archive)) == expected


def test_what_a_listing_passes_over_is_passed_over(tmp_path: Path) -> None:
    members = [("__MACOSX/._a.txt", b"x"), (".git/a.txt", b"x"), ("Thumbs.db", b"x"), ("a.txt", b"text"), ("b/", b"")]
    assert texts(read_as_listed(tmp_path, zip_of(members), "a.zip")) == [("a.txt", "text")]
    members = [("archive/a.txt", b"text"), ("pages/pages.jsonl", b"{}"), ("indexes/index.cdx", b""), ("log.txt", b"x")]
    folder = tmp_path / "wacz"
    folder.mkdir()
    (folder / "a.wacz").write_bytes(zip_of(members))
    store = Store(tmp_path / "curated", folder)
    [file] = list_inputs(store).files
    reading = Reading(store, whole_part(file), Config())
    assert texts(list(reading)) == [("archive/a.txt", "text")]
    assert reading.fields.passed.total() == 3


def test_no_link_is_followed(tmp_path: Path) -> None:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
            info = tarfile.TarInfo(f"{kind.decode()}.txt")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    found = read_as_listed(tmp_path, sink.getvalue(), "a.tar")
    assert [reason for _, _, reason in said(found)] == ["read.not_a_file"] * 4


def test_encrypted_and_unknown_members_are_one_record_each(tmp_path: Path) -> None:
    content = zip_of([("a.txt", b"text"), ("b.txt", b"text")], zipfile.ZIP_STORED)
    at = content.index(b"PK\x01\x02")
    encrypted = content[:6] + b"\x01" + content[7 : at + 8] + b"\x01" + content[at + 9 :]
    assert texts(read_as_listed(tmp_path, encrypted, "a.zip")) == [("a.txt", "read.unreadable"), ("b.txt", "text")]
    method = struct.pack("<H", 9)  # Deflate64
    deflate64 = content[:8] + method + content[10 : at + 10] + method + content[at + 12 :]
    expected = [("a.txt", "read.unsupported_format"), ("b.txt", "text")]
    assert texts(read_as_listed(tmp_path, deflate64, "b.zip")) == expected


def test_a_tar_cut_anywhere_keeps_what_came_before(tmp_path: Path) -> None:
    whole = tar_of([("a.txt", b"one"), ("b.txt", b"two"), ("c.jsonl", b'{"text": "three"}\n{"text": "four"}\n')])
    texts_of = [("a.txt", "one"), ("b.txt", "two"), ("c.jsonl", "three"), ("c.jsonl", "four")]
    for size, count in ((700, 1), (1500, 1), (2048, 2), (2570, 2), (2590, 3), (3000, 4), (3072, 4)):
        found = texts(read_as_listed(tmp_path, whole[:size], f"{size}.tar"))
        assert [pair for pair in found if not pair[1].startswith("read.")] == texts_of[:count]
        assert found[-1] == (f"{size}.tar", "read.truncated")


def test_damage_costs_what_it_hits(tmp_path: Path) -> None:
    whole = bytearray(tar_of([("a.txt", b"one"), ("b.txt", b"two"), ("c.txt", b"three")]))
    whole[1024] ^= 0xFF  # the second header
    assert texts(read_as_listed(tmp_path, bytes(whole), "a.tar")) == [("a.txt", "one"), ("a.tar", "read.corrupt")]
    content = zip_of([("a.txt", b"first"), ("b.txt", b"second")], zipfile.ZIP_STORED).replace(b"first", b"fIrst", 1)
    assert texts(read_as_listed(tmp_path, content, "a.zip")) == [("a.txt", "read.corrupt"), ("b.txt", "second")]
    cut = zip_of(FILES)[:-30]
    assert texts(read_as_listed(tmp_path, cut, "b.zip")) == [("b.zip", "read.corrupt")]
    more = tar_of([("a.txt", b"one")]) + b"more"
    assert texts(read_as_listed(tmp_path, more, "b.tar")) == [("a.txt", "one"), ("b.tar", "read.trailing_garbage")]


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=4), st.booleans())
def test_no_bytes_make_a_reader_raise(tmp_path_factory: pytest.TempPathFactory, flips: Members, is_zip: bool) -> None:
    content = bytearray(zip_of(FILES) if is_zip else tar_of(FILES))
    for at, change in flips:
        content[int(at) % len(content)] ^= int(change)  # type: ignore[call-overload]
    found = read_as_listed(tmp_path_factory.mktemp("flips"), bytes(content), "a.zip" if is_zip else "a.tar")
    assert all(input_of(record.source_path) == ("a.zip" if is_zip else "a.tar") for record in found)


STEPS = st.text("ab!é.z", min_size=1, max_size=5).map(lambda step: step.strip(".") or "x")
PATHS = st.tuples(st.lists(STEPS, max_size=2), STEPS, st.sampled_from([".txt", ".jsonl"]))
CONTENTS = st.sampled_from([b"", b"A text.", b'{"text": "a"}\n{"text": "b"}', b'{"text": 1}\n', b"\xff\xfe"])


@given(st.dictionaries(PATHS.map(lambda path: "/".join([*path[0], "f" + path[1] + path[2]])), CONTENTS, max_size=6))
def test_packed_files_are_read_as_they_are_in_a_folder(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("packed")
    raw, members = folder / "raw", sorted(files.items())
    for name, content in members:
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).write_bytes(content)
    raw.mkdir(exist_ok=True)
    store = Store(folder / "curated", raw)
    plain = [record for file in list_inputs(store).files for record in Reading(store, whole_part(file), Config())]
    expected = sorted((record.source_path, record[1:9]) for record in plain)
    for content, archive in (
        (zip_of(members), "a.zip"),
        (tar_of(members), "a.tar"),
        (tar_of(members, "w:gz"), "a.tgz"),
    ):
        found = read_as_listed(folder, content, archive)
        assert {input_of(record.source_path) for record in found} <= {archive}
        unpacked = [(record.source_path.removeprefix(f"{archive}!/"), record[1:9]) for record in found]
        assert sorted(unpacked) == expected


@given(st.binary(min_size=1, max_size=8).map(lambda name: b"a.zip" + name.replace(b"/", b"!")))
def test_no_folder_is_taken_for_an_archive(name: bytes) -> None:
    path = f"{shown(name)}/b.txt"
    assert input_of(path) == path


def test_a_run_counts_members_to_their_archive(tmp_path: Path, run: Run) -> None:
    raw, curated = tmp_path / "raw", tmp_path / "curated"
    raw.mkdir()
    lines = "\n".join(json.dumps({"text": article(number)}) for number in (1, 2)).encode()
    (raw / "a.zip").write_bytes(zip_of([("x/a.jsonl", lines), ("b.txt", b"\x81" * 9), ("._b", b"")]))
    first = run(raw, curated)
    assert (first["records"], first["passed_over"]) == (3, {"hidden or leftover member": 1})
    assert {row["source_path"] for row in rows(curated)} == {"a.zip!/x/a.jsonl"}
    assert not run(raw, curated)["published"]
    # Mended, and with one more: what was read before is known.
    members = [("x/a.jsonl", lines), ("b.txt", article(3).encode()), ("c.txt", article(4).encode())]
    (raw / "a.zip").write_bytes(zip_of(members))
    second = run(raw, curated)
    assert (second["records"], second["known"], second["documents"]) == (4, 2, 2)
    assert {row["source_path"] for row in rows(curated)} == {"a.zip!/x/a.jsonl", "a.zip!/b.txt", "a.zip!/c.txt"}


def test_endings() -> None:
    names = ("a.TAR.GZ", "a.tgz", "a.tbz2", "a.txz", "a.tar.zst", "a.tar.lz4", "a.zip", "a.wacz", "a.zip.gz")
    assert [format_of(name) for name in names] == [
        *[("tar", "gz"), ("tar", "gz"), ("tar", "bz2"), ("tar", "xz"), ("tar", "zst"), ("tar", "lz4")],
        *[("zip", ""), ("wacz", ""), ("unsupported", "")],
    ]
