"""The listing: every file once, by a name of its own, and unopened where its content is known."""

import errno
import hashlib
import os
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.inputs import (
    CACHE,
    RACY_NS,
    InputFile,
    Listing,
    check_roots,
    content_name,
    list_inputs,
    shown,
    write_cache,
)
from flows.readers import COMPRESSIONS, FORMATS, Reading
from flows.readers.records import Record
from flows.shards import plan_pieces
from flows.store import Store
from transforms.config import Config
from transforms.errors import ConfigError, ShardError

LATER = 2**62  # so that all that was written just now is long settled


def write(raw: Path, *paths: str, content: bytes = b"x") -> None:
    for path in paths:
        (raw / path).parent.mkdir(parents=True, exist_ok=True)
        (raw / path).write_bytes(content)


def store_of(raw: Path) -> Store:
    """A store of RAW whose dataset lies beside it."""
    return Store(raw.parent / f"{raw.name}-curated", raw)


def listed(raw: Path, **options: Any) -> Listing:
    return list_inputs(store_of(raw), **{"now_ns": LATER} | options)


def paths(files: Iterable[InputFile]) -> list[str]:
    return [file.path for file in files]


def records(raw: Path) -> list[Record]:
    store = store_of(raw)
    pieces = plan_pieces(store, list_inputs(store).files, 10**9)
    return [record for piece in pieces for part in piece for record in Reading(store, part, Config())]


def content_of(content: bytes) -> str:
    return content_name([hashlib.sha256(content).hexdigest()])


def reading_all(store: Store, listing: Listing) -> dict[str, str]:
    """The names of all contents, as a run finds them."""
    found = {}
    for piece in plan_pieces(store, listing.files, 10**9):
        for part in piece:
            reading = Reading(store, part, Config())
            list(reading)
            if reading.is_read:
                found[part.path] = content_name(reading.blocks)
    return found


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of all files of RAW that are opened."""
    keys: list[str] = []
    opening = Store.open

    def _open(store: Store, key: Any) -> Any:
        if not isinstance(key, str):
            keys.append(key.key)
        return opening(store, key)

    monkeypatch.setattr(Store, "open", _open)
    return keys


# ------------------------------------------------------------------------------------------------ walking


def test_inputs_are_sorted_and_dotfiles_passed_over(tmp_path: Path) -> None:
    write(tmp_path, "b.txt", "a/c.txt.GZ", "a-b/d.jsonl", "a/f.pdf", content=b"text")
    write(tmp_path, ".hidden", "a/.DS_Store", ".git/objects/x", "a/empty.txt", content=b"")
    files, ignored = listed(tmp_path)
    assert [(file.path, file.key, file.format, file.compression, file.size) for file in files] == [
        ("a-b/d.jsonl", "a-b/d.jsonl", "jsonl", "", 4),
        ("a/c.txt.GZ", "a/c.txt.GZ", "txt", "gz", 4),
        ("a/empty.txt", "a/empty.txt", "txt", "", 0),
        ("a/f.pdf", "a/f.pdf", "unsupported", "", 4),
        ("b.txt", "b.txt", "txt", "", 4),
    ]
    at = (tmp_path / "b.txt").stat()
    assert files[-1][5:] == (at.st_mtime_ns, at.st_ctime_ns, at.st_ino, "", True, "")
    assert ignored == [".git", ".hidden", "a/.DS_Store"]


@pytest.mark.parametrize(
    ("name", "is_passed_over"),
    [
        ("_SUCCESS", True),
        ("_metadata", True),
        ("_common_metadata", True),
        ("_committed_4823948239", True),
        ("_committed_vacuum482394", True),
        ("_started_4823948239", True),
        ("_temporary/0/part-0.parquet", True),
        ("part-0.parquet.crc", True),
        (".part-0.parquet.crc", True),
        (".DS_Store", True),
        ("Thumbs.db", True),
        ("desktop.ini", True),
        ("Desktop.ini", True),
        ("~$report.docx", True),
        # what could be somebody's text is read, or else rejected in so many words
        ("_SUCCESS.txt", False),
        ("_SUCCESS/a.txt", False),
        ("_metadata/a.txt", False),
        ("_started_early.txt", False),
        ("_started_early", False),
        ("_temporary", False),
        ("_temporary.jsonl", False),
        ("~$notes.txt", False),
        ("Thumbs.db.jsonl", False),
        ("a.jsonl.tmp", False),
        ("a.jsonl.part", False),
        ("a.crc.txt", False),
    ],
)
def test_leftovers_of_tools_are_passed_over_and_counted(tmp_path: Path, name: str, is_passed_over: bool) -> None:
    """A15."""
    write(tmp_path, f"a/{name}", "a/x.txt")
    files, ignored = listed(tmp_path)
    path = f"a/{name}".removesuffix("/0/part-0.parquet")
    assert ignored == [path] * is_passed_over
    assert paths(files) == sorted(["a/x.txt", *[path] * (not is_passed_over)])


def test_nothing_to_read(tmp_path: Path) -> None:
    assert listed(tmp_path) == ([], [])
    with pytest.raises(FileNotFoundError):
        listed(tmp_path / "missing")


def test_what_is_no_file_is_listed_and_rejected(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    write(raw, "image.png")
    os.mkfifo(raw / "fifo.txt")
    (raw / "dangling.txt").symlink_to("nowhere")
    (raw / "loop.txt").symlink_to("loop.txt")
    (raw / "null.jsonl").symlink_to("/dev/null")
    files, ignored = listed(raw)
    assert ignored == []
    assert [(file.path, file.format) for file in files] == [
        ("dangling.txt", "unreadable"),
        ("fifo.txt", "not_a_file"),
        ("image.png", "unsupported"),
        ("loop.txt", "unreadable"),
        ("null.jsonl", "not_a_file"),
    ]
    assert [(r.source_path, r.reject_reason, r.reject_detail) for r in records(raw)] == [
        ("dangling.txt", "read.unreadable", "dangling.txt: No such file or directory"),
        ("fifo.txt", "read.not_a_file", "fifo.txt: a fifo, socket or device, expected a file"),
        (
            "image.png",
            "read.unsupported_format",
            "image.png: tesseract makes text of it; "
            f"expected one of {', '.join(FORMATS)}, compressed or not ({', '.join(COMPRESSIONS)})",
        ),
        ("loop.txt", "read.unreadable", "loop.txt: Too many levels of symbolic links"),
        ("null.jsonl", "read.not_a_file", "null.jsonl: a fifo, socket or device, expected a file"),
    ]
    # They have names from the first, as there is nothing to read; each its own, and another once it is a file.
    names = {file.path: file.content for file in files if file.path != "image.png"}
    assert len(set(names.values()) - {""}) == 4
    (raw / "nowhere").write_text("a")
    assert names["dangling.txt"] != listed(raw).files[0].content


def test_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a/a.txt", "b/b.txt")
    scan = Store.scan

    def refuse(store: Store, folder: bytes) -> Any:
        if folder == b"a":
            raise PermissionError(13, "Permission denied")
        return scan(store, folder)

    monkeypatch.setattr(Store, "scan", refuse)
    assert [(r.source_path, r.reject_reason, r.reject_detail) for r in records(tmp_path)] == [
        ("a", "read.unreadable", "a: Permission denied"),
        ("b/b.txt", None, None),
    ]


def test_a_failure_of_the_disk_ends_the_listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A3: half a listing would be a night without half of the files."""
    write(tmp_path, "a/a.txt")
    scandir = os.scandir

    def fail(path: Any) -> Any:
        if os.fsencode(path).endswith(b"/a"):
            raise OSError(5, "Input/output error")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", fail)
    with pytest.raises(OSError, match="Input/output error"):
        listed(tmp_path)


class Unseen:
    """A folder's entry that can't be looked at."""

    def __init__(self, error: int, is_link: bool) -> None:
        self.name, self.error, self.is_link = b"a.txt", error, is_link

    def is_symlink(self) -> bool:
        return self.is_link

    def stat(self) -> Any:
        raise OSError(self.error, os.strerror(self.error))


@pytest.mark.parametrize(
    ("error", "is_link", "expected"),
    [
        (errno.EIO, False, None),
        (errno.ESTALE, True, None),
        (errno.EMFILE, False, None),
        (errno.EACCES, False, [("a.txt", "unreadable", "Permission denied")]),
        (errno.EACCES, True, [("a.txt", "unreadable", "Permission denied")]),
        (errno.ENOENT, True, [("a.txt", "unreadable", "No such file or directory")]),
        (errno.ENOENT, False, []),  # gone since its folder was read
    ],
)
def test_a_file_that_cannot_be_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, is_link: bool, expected: Any
) -> None:
    """A3: what will be so tomorrow is a fact, what the machine fails to do ends the listing."""
    monkeypatch.setattr(os, "scandir", lambda _: nullcontext([Unseen(error, is_link)]))
    if expected is None:
        with pytest.raises(OSError, match=os.strerror(error)):
            listed(tmp_path)
    else:
        assert [(file.path, file.format, file.error) for file in listed(tmp_path).files] == expected


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    raw, elsewhere = tmp_path / "raw", tmp_path / "elsewhere"
    write(raw, "z/1.txt")
    write(elsewhere, "sub/2.txt")
    (raw / "a").symlink_to("z")  # the real folder is listed, though its name comes later
    (raw / "z/loop").symlink_to("..")
    (raw / "m").symlink_to(elsewhere)
    (raw / "n").symlink_to(elsewhere)
    files, ignored = listed(raw)
    assert paths(files) == ["m/sub/2.txt", "z/1.txt"]
    assert ignored == ["a", "n", "z/loop"]


def test_link_to_a_file_is_read_once(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    write(raw, "z/real.txt", content=b"real")
    write(tmp_path, "elsewhere.txt", content=b"elsewhere")
    (raw / "a.txt").symlink_to("z/real.txt")
    (raw / "b.txt").symlink_to("../elsewhere.txt")
    (raw / "c.txt").symlink_to("b.txt")
    assert [(r.source_path, r.reject_reason or r.original) for r in records(raw)] == [
        ("a.txt", "read.same_file"),
        ("b.txt", "elsewhere"),
        ("c.txt", "read.same_file"),
        ("z/real.txt", "real"),
    ]


def test_raw_may_itself_be_a_link(tmp_path: Path) -> None:
    write(tmp_path, "real/a.txt")
    (tmp_path / "raw").symlink_to("real")
    assert [(r.source_path, r.original) for r in records(tmp_path / "raw")] == [("a.txt", "x")]


# ------------------------------------------------------------------------------------------------ names


def test_names_that_are_not_utf8_are_read_like_others(tmp_path: Path) -> None:
    """A12: each is a record of its own, under a path of its own."""
    raw = tmp_path / "raw"
    (raw / "ä").mkdir(parents=True)
    for name in (b"a\xff.txt", b"a\xfe.txt", b"a\\xff.txt", b"a\\b.txt", "ä".encode() + b"/\xe4.txt"):
        try:
            (raw / os.fsdecode(name)).write_bytes(name)
        except OSError:
            pytest.skip("this file system knows no such names")
    folder = raw / os.fsdecode(b"folder\xe9")
    write(folder, "x.txt", content=b"in a folder")
    found = {r.source_path: r.original or r.reject_detail for r in records(raw)}
    assert sorted(found) == [
        "a\\\\xff.txt",
        "a\\b.txt",
        "a\\xfe.txt",
        "a\\xff.txt",
        "folder\\xe9/x.txt",
        "ä/\\xe4.txt",
    ]
    assert found["a\\\\xff.txt"] == "a\\xff.txt"
    assert found["folder\\xe9/x.txt"] == "in a folder"


@given(st.lists(st.binary(max_size=6) | st.text("\\xfe8ä", max_size=12).map(str.encode), max_size=30))
def test_no_two_names_are_shown_alike(names: list[bytes]) -> None:
    assert len({shown(name) for name in names}) == len(set(names))
    for name in names:
        shown(name).encode()  # no surrogate
        if b"\\" not in name and shown(name).encode() != name:
            with pytest.raises(UnicodeDecodeError):
                name.decode()


# ------------------------------------------------------------------------------------------------ roots


def refused(raw: Path, curated: Path) -> str:
    with pytest.raises(ConfigError) as error:
        check_roots(raw, curated)
    return str(error.value)


def test_raw_and_curated_lie_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A2."""
    raw, curated = tmp_path / "raw", tmp_path / "curated"
    write(tmp_path, "raw/sub/a.txt")
    check_roots(raw, curated)
    check_roots(str(raw), tmp_path / "raw-curated")
    monkeypatch.chdir(tmp_path)
    check_roots("raw", "curated")
    inside = f"CURATED {raw / 'out/deep'} lies inside RAW {raw}: a run must not read what it writes"
    assert refused(raw, raw / "out/deep") == inside
    (raw / "out/deep").mkdir(parents=True)
    assert refused(raw, raw / "out/deep") == inside
    assert (
        refused(raw / "sub", raw) == f"RAW {raw / 'sub'} lies inside CURATED {raw}: a run must not write where it reads"
    )
    assert refused(raw, raw) == f"RAW {raw} and CURATED {raw} are one folder: a run must not read what it writes"
    assert "are one folder" in refused(raw, tmp_path / "curated/../raw")
    (tmp_path / "link").symlink_to(raw)
    assert "are one folder" in refused(tmp_path / "link", raw)
    assert "are one folder" in refused(raw, tmp_path / "link")
    assert "CURATED" in refused(raw, tmp_path / "link/not yet")
    (raw / "away").symlink_to(tmp_path)  # a link in RAW may lead out of it
    check_roots(raw, raw / "away/curated")
    assert "lies inside RAW /" in refused(Path("/"), curated)


def test_a_link_of_raw_must_not_lead_into_curated(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    store = store_of(raw)
    write(raw, "a.txt")
    write(store.data, "versions/1/documents.parquet")
    for target in (store.data, store.data / "versions", tmp_path):
        (raw / "link").symlink_to(target)
        with pytest.raises(ConfigError, match=r"^RAW holds link.*, which leads into CURATED"):
            listed(raw)
        (raw / "link").unlink()


def test_a_raw_without_anything_to_read(tmp_path: Path) -> None:
    raw, curated = tmp_path / "raw", tmp_path / "curated"
    assert refused(raw, curated) == f"RAW {raw} is missing"
    raw.mkdir()
    expected = f"RAW {raw} is empty: expected files of {', '.join(FORMATS)}"
    assert refused(raw, curated) == expected
    write(tmp_path, "file")
    assert refused(tmp_path / "file", curated) == f"RAW {tmp_path / 'file'} is not a folder"


# ------------------------------------------------------------------------------------------------ content


def test_a_content_is_known_after_it_was_read_and_no_file_opened_again(tmp_path: Path, opened: list[str]) -> None:
    raw = tmp_path / "raw"
    store = store_of(raw)
    write(raw, "a.txt", content=b"one")
    write(raw, "b/b.jsonl", "b/c.jsonl", content=b'{"text":"two"}')
    write(raw, "d.pdf", "e.parquet", content=b"three")
    first = list_inputs(store, now_ns=LATER)
    assert [file.content for file in first.files] == [""] * 5
    write_cache(store, first, reading_all(store, first))
    assert sorted(opened) == ["a.txt", "b/b.jsonl", "b/c.jsonl", "d.pdf", "e.parquet"]
    opened.clear()
    two, three = content_of(b'{"text":"two"}'), content_of(b"three")
    second = list_inputs(store, now_ns=LATER)
    assert [file.content for file in second.files] == [content_of(b"one"), two, two, three, three]
    assert opened == []
    write_cache(store, second, {})
    assert store.effects.count == 1  # nothing new, nothing written
    write(raw, "f.txt", content=b"four")
    (raw / "d.pdf").unlink()
    third = list_inputs(store, now_ns=LATER)
    assert [file.path for file in third.files if not file.content] == ["f.txt"]
    write_cache(store, third, {"f.txt": content_of(b"four")})
    assert opened == []
    fourth = list_inputs(store, now_ns=LATER)
    assert all(file.content for file in fourth.files)
    assert pq.read_table(store.local(CACHE)).column("path").to_pylist() == paths(fourth.files)


def test_many_unchanged_files_are_listed_unopened(tmp_path: Path, opened: list[str]) -> None:
    raw = tmp_path / "raw"
    write(raw, *(f"{n % 7}/{n}.txt" for n in range(2_000)))
    store = store_of(raw)
    first = list_inputs(store, now_ns=LATER)
    write_cache(store, first, {file.path: "0" * 32 for file in first.files})
    second = list_inputs(store, now_ns=LATER)
    assert [file.content for file in second.files] == ["0" * 32] * 2_000
    assert opened == []


@pytest.mark.parametrize("change", ["size", "mtime", "ctime", "inode", "path"])
def test_any_other_fact_is_another_file(tmp_path: Path, change: str) -> None:
    raw = tmp_path / "raw"
    store = store_of(raw)
    write(raw, "a.txt", content=b"one")
    first = list_inputs(store, now_ns=LATER)
    write_cache(store, first, {"a.txt": content_of(b"one")})
    at = (raw / "a.txt").stat()
    if change == "size":
        write(raw, "a.txt", content=b"other")
    if change == "mtime":
        os.utime(raw / "a.txt", ns=(0, at.st_mtime_ns + 1))
    if change == "ctime":
        while (raw / "a.txt").stat().st_ctime_ns == at.st_ctime_ns:  # a tick of its clock
            (raw / "a.txt").chmod(0o600)
    if change == "inode":
        write(raw, "new", content=b"one")
        (raw / "new").rename(raw / "a.txt")
    if change == "path":
        (raw / "a.txt").rename(raw / "b.txt")
    os.utime(raw / ("b.txt" if change == "path" else "a.txt"), ns=(0, at.st_mtime_ns + (change == "mtime")))
    assert [file.content for file in list_inputs(store, now_ns=LATER).files] == [""]


@pytest.mark.parametrize("age", [-1, 0, RACY_NS - 1, RACY_NS, RACY_NS + 1])
def test_a_young_file_is_not_trusted_nor_kept(tmp_path: Path, age: int) -> None:
    raw = tmp_path / "raw"
    store = store_of(raw)
    write(raw, "a.txt", content=b"one")
    os.utime(raw / "a.txt", ns=(0, 0))
    settled = list_inputs(store, now_ns=LATER)
    changed = (raw / "a.txt").stat().st_ctime_ns
    young = list_inputs(store, now_ns=changed + age)
    is_settled = age > RACY_NS
    assert [file.is_settled for file in young.files] == [is_settled]
    write_cache(store, young, {"a.txt": content_of(b"one")})
    assert [bool(file.content) for file in list_inputs(store, now_ns=LATER).files] == [is_settled]
    write_cache(store, settled, {"a.txt": content_of(b"one")})
    assert [bool(file.content) for file in list_inputs(store, now_ns=changed + age).files] == [is_settled]


def test_checksum_believes_no_cache(tmp_path: Path, opened: list[str]) -> None:
    raw = tmp_path / "raw"
    store = store_of(raw)
    write(raw, "a.txt", content=b"one")
    write(raw, "empty.txt", content=b"")
    os.mkfifo(raw / "fifo")
    wrong = list_inputs(store, now_ns=LATER)
    write_cache(store, wrong, {"a.txt": "0" * 32, "empty.txt": "0" * 32})
    right = list_inputs(store, checksum=True, now_ns=LATER)
    assert [file.content for file in right.files if file.path != "fifo"] == [content_of(b"one"), content_name([])]
    assert opened == ["a.txt", "empty.txt"]
    assert reading_all(store, right) == {file.path: file.content for file in right.files if file.path != "fifo"}
    write_cache(store, right, {})
    assert list_inputs(store, now_ns=LATER) == right


def test_checksum_names_a_large_file_as_a_reading_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.readers.source.BLOCK_BYTES", 1_000)
    raw = tmp_path / "raw"
    store = store_of(raw)
    write(raw, "a.txt", content=bytes(range(250)) * 30)
    listing = list_inputs(store, checksum=True)
    assert reading_all(store, listing) == {"a.txt": listing.files[0].content}


def test_checksum_and_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = tmp_path / "raw"
    store = store_of(raw)
    write(raw, "a.txt")
    opening = Store.open
    error: OSError = PermissionError(13, "Permission denied")

    def fail(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(Store, "open", fail)
    assert [file.content for file in list_inputs(store, checksum=True).files] == [""]
    error = OSError(5, "Input/output error")
    with pytest.raises(OSError, match="Input/output error"):
        list_inputs(store, checksum=True)

    def change(store: Store, key: Any) -> Any:
        if not isinstance(key, str):
            write(raw, "a.txt", content=b"changed")
        return opening(store, key)

    monkeypatch.setattr(Store, "open", change)
    with pytest.raises(ShardError, match=r"^a\.txt changed while it was read; run again$"):
        list_inputs(store, checksum=True)


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "flipped", "no Parquet", "foreign"])
def test_a_damaged_cache_is_passed_over(tmp_path: Path, damage: str) -> None:
    raw = tmp_path / "raw"
    store = store_of(raw)
    write(raw, "a.txt", content=b"one")
    listing = list_inputs(store, now_ns=LATER)
    write_cache(store, listing, {"a.txt": content_of(b"one")})
    cache = store.local(CACHE)
    whole = cache.read_bytes()
    found = whole.index(b"PAR1") + 40
    contents = {
        "empty": b"",
        "cut": whole[:-20],
        "flipped": whole[:found] + bytes([whole[found] ^ 1]) + whole[found + 1 :],
        "no Parquet": b"{}" * 500,
    }
    if damage == "missing":
        cache.unlink()
    elif damage == "foreign":
        pq.write_table(pq.read_table(cache).drop_columns(["inode"]), cache)
    else:
        cache.write_bytes(contents[damage])
    assert [file.content for file in list_inputs(store, now_ns=LATER).files] == [""]
    write_cache(store, listing, {"a.txt": content_of(b"one")})
    assert [file.content for file in list_inputs(store, now_ns=LATER).files] == [content_of(b"one")]


def test_the_input_of_a_step_is_named_by_content_or_facts(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    write(raw, "a.txt", content=b"one")
    [unknown] = listed(raw).files
    assert unknown.ref.name == f"3-{unknown.mtime_ns}-{unknown.ctime_ns}-{unknown.inode}"
    assert unknown._replace(content="0" * 32).ref == ("raw", "a.txt", "0" * 32)
