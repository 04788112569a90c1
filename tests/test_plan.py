"""The plan: every file once, cut from the input alone, whatever lies beside it."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flows.plan import InputFile, list_inputs, plan_shards
from flows.readers import Part, Record, read_part
from transforms.config import Config

EMPTY = hashlib.sha256(b"").hexdigest()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder; Hypothesis writes the same file again and again, so one serves all."""
    return tmp_path_factory.mktemp("raw")


def write(raw: Path, *paths: str, content: bytes = b"x") -> None:
    for path in paths:
        (raw / path).parent.mkdir(parents=True, exist_ok=True)
        (raw / path).write_bytes(content)


def paths(inputs: Iterable[InputFile]) -> list[str]:
    return [file.path for file in inputs]


def plan(raw: Path, shard_bytes: int = 1_000_000) -> list[tuple[Part, ...]]:
    return plan_shards(raw, list_inputs(raw)[0], shard_bytes)


def plan_of(sizes: dict[str, int], shard_bytes: int, raw: Path) -> list[list[str]]:
    """The paths of each shard, for files that needn't exist: text files are never opened."""
    inputs = [InputFile(path, size, "0" * 64) for path, size in sizes.items()]
    return [[part.path for part in shard] for shard in plan_shards(raw, inputs, shard_bytes)]


def records(raw: Path, shard_bytes: int) -> list[Record]:
    return [r for shard in plan(raw, shard_bytes) for part in shard for r in read_part(raw, part, Config())]


# ------------------------------------------------------------------------------------------------ listing


def test_inputs_are_sorted_hashed_and_dotfiles_ignored(tmp_path: Path) -> None:
    write(tmp_path, "b.txt", "a/c.txt", "a-b/d.jsonl", content=b"text")
    write(tmp_path, ".hidden", "a/.DS_Store", ".git/objects/x", "a/empty.txt", content=b"")
    inputs, ignored = list_inputs(tmp_path)
    digest = hashlib.sha256(b"text").hexdigest()
    assert inputs == [
        InputFile("a-b/d.jsonl", 4, digest),
        InputFile("a/c.txt", 4, digest),
        InputFile("a/empty.txt", 0, EMPTY),
        InputFile("b.txt", 4, digest),
    ]
    assert ignored == [".git", ".hidden", "a/.DS_Store"]


def test_nothing_to_read(tmp_path: Path) -> None:
    assert list_inputs(tmp_path) == ([], [])
    assert plan_shards(tmp_path, [], 100) == []
    with pytest.raises(FileNotFoundError):
        list_inputs(tmp_path / "missing")


def test_what_is_no_file_is_listed_and_rejected(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.txt")
    (tmp_path / "dangling.txt").symlink_to("nowhere")
    (tmp_path / "loop.txt").symlink_to("loop.txt")
    (tmp_path / "null.jsonl").symlink_to("/dev/null")
    write(tmp_path, "image.png")
    inputs, ignored = list_inputs(tmp_path)
    assert ignored == []
    assert [(file.path, file.sha256 == "") for file in inputs] == [
        ("dangling.txt", True),
        ("fifo.txt", True),
        ("image.png", False),
        ("loop.txt", True),
        ("null.jsonl", True),
    ]
    assert [(r.source_path, r.reject_reason) for r in records(tmp_path, 100)] == [
        ("dangling.txt", "read.unreadable"),
        ("fifo.txt", "read.not_a_file"),
        ("image.png", "read.unsupported_format"),
        ("loop.txt", "read.unreadable"),
        ("null.jsonl", "read.not_a_file"),
    ]


def test_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a/a.txt", "b/b.txt")
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert list_inputs(tmp_path)[0] == [
        InputFile("a", 0, ""),
        InputFile("b/b.txt", 1, hashlib.sha256(b"x").hexdigest()),
    ]
    assert [(r.source_path, r.reject_reason) for r in records(tmp_path, 100)] == [
        ("a", "read.unreadable"),
        ("b/b.txt", None),
    ]


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    raw, elsewhere = tmp_path / "raw", tmp_path / "elsewhere"
    write(raw, "z/1.txt")
    write(elsewhere, "sub/2.txt")
    (raw / "a").symlink_to("z")  # the real folder is listed, though its name comes later
    (raw / "z/loop").symlink_to("..")
    (raw / "m").symlink_to(elsewhere)
    (raw / "n").symlink_to(elsewhere)
    inputs, ignored = list_inputs(raw)
    assert paths(inputs) == ["m/sub/2.txt", "z/1.txt"]
    assert ignored == ["a", "n", "z/loop"]


def test_link_to_a_file_is_read_once(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    write(raw, "z/real.txt", content=b"real")
    write(tmp_path, "elsewhere.txt", content=b"elsewhere")
    (raw / "a.txt").symlink_to("z/real.txt")
    (raw / "b.txt").symlink_to("../elsewhere.txt")
    (raw / "c.txt").symlink_to("b.txt")
    found = [(r.source_path, r.reject_reason or r.original) for r in records(raw, 100)]
    assert found == [
        ("a.txt", "read.same_file"),
        ("b.txt", "elsewhere"),
        ("c.txt", "read.same_file"),
        ("z/real.txt", "real"),
    ]


def test_raw_may_itself_be_a_link(tmp_path: Path) -> None:
    write(tmp_path, "real/a.txt")
    (tmp_path / "raw").symlink_to("real")
    assert [(r.source_path, r.original) for r in records(tmp_path / "raw", 100)] == [("a.txt", "x")]


def test_name_that_is_not_utf8(tmp_path: Path) -> None:
    for name in (b"a\xff.txt", b"folder\xfe"):
        path = os.fsencode(tmp_path) + b"/" + name
        try:
            os.mkdir(path) if b"folder" in name else os.close(os.open(path, os.O_CREAT))
        except OSError:
            pytest.skip("this file system knows no such names")
    assert [(r.source_path, r.reject_reason, r.reject_detail) for r in records(tmp_path, 100)] == [
        ("a\ufffd.txt", "read.unreadable", "a\ufffd.txt: the file's name is not UTF-8"),
        ("folder\ufffd", "read.unreadable", "folder\ufffd: the file's name is not UTF-8"),
    ]


# ------------------------------------------------------------------------------------------------ parts


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", b"x" * 50, [(0, 50, 0)]),
        ("a.jsonl.gz", b"x" * 50, [(0, 50, 1)]),
        ("a.jsonl", b"", [(0, 0, 1)]),
        ("a.jsonl", b"123456789\n", [(0, 10, 1)]),
        ("a.jsonl", b"123456789\n1", [(0, 10, 1), (10, 11, 2)]),
        ("a.jsonl", b"12345678\n1\n1\n", [(0, 11, 1), (11, 13, 3)]),
        ("a.jsonl", b"1\n2\n\n4\n55\n67890\n", [(0, 10, 1), (10, 16, 6)]),
        # one long line is in one part, and the multiples within it cut nothing
        ("a.jsonl", b"1\n" + b"x" * 40 + b"\n3\n4\n5\n6\n7\n", [(0, 43, 1), (43, 51, 3), (51, 53, 7)]),
        ("a.jsonl", b"x" * 50, [(0, 50, 1)]),
        ("a.jsonl", b"x" * 49 + b"\n", [(0, 50, 1)]),
        # nothing but blank lines: it takes the whole to see that it is empty
        ("a.jsonl", b"\xef\xbb\xbf" + b" \r\n" * 20, [(0, 63, 1)]),
    ],
)
def test_cuts(tmp_path: Path, name: str, content: bytes, expected: list[tuple[int, int, int]]) -> None:
    write(tmp_path, name, content=content)
    shards = plan(tmp_path, 10)
    assert [(part.start, part.end, part.first_record) for shard in shards for part in shard] == expected


def test_cuts_do_not_depend_on_how_the_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a.jsonl", content=b"".join(b"%d\n" % n**3 for n in range(300)))
    expected = plan(tmp_path, 100)
    for step in (1, 7, 100, 101):
        monkeypatch.setattr("flows.plan.STEP", step)
        assert plan(tmp_path, 100) == expected


def test_parquet_is_cut_between_row_groups(tmp_path: Path) -> None:
    texts = [hashlib.sha256(b"%d" % n).hexdigest() for n in range(1_000)]
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet", row_group_size=100)
    whole = records(tmp_path, 10**9)
    assert [r.original for r in whole] == texts
    assert [r.source_record for r in whole] == [str(n) for n in range(1_000)]
    [[part]] = plan(tmp_path, 10**9)
    assert part == Part("a.parquet", "parquet", "", 0, 10, 0)
    parts = [part for shard in plan(tmp_path, 20_000) for part in shard]
    assert [(part.start, part.end, part.first_record) for part in parts] == [
        (0, 3, 0),
        (3, 6, 300),
        (6, 9, 600),
        (9, 10, 900),
    ]
    assert records(tmp_path, 20_000) == whole


def test_parquet_that_cannot_be_read_or_used_is_one_record(tmp_path: Path) -> None:
    write(tmp_path, "a.parquet", content=b"PAR1" + b"x" * 100)
    pq.write_table(pa.table({"body": ["x" * 50] * 9}), tmp_path / "b.parquet", row_group_size=1)
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "c.parquet")
    assert [(r.source_path, r.reject_reason) for r in records(tmp_path, 10)] == [
        ("a.parquet", "read.corrupt"),
        ("b.parquet", "read.no_text"),
        ("c.parquet", "read.empty_file"),
    ]


lines = st.sampled_from([b'{"text":"a"}', b'{"text":"\xc3\xa9", "id": 1}\r', b"", b" ", b"bad", b"\xff"])


@given(st.lists(lines, max_size=30), st.integers(1, 100), st.booleans())
@example([b""] * 30, 3, False)
@example([b""] * 30 + [b"bad"], 3, True)
def test_any_cut_gives_the_same_records(folder: Path, lines: list[bytes], shard_bytes: int, bom: bool) -> None:
    write(folder, "a.jsonl", content=b"\xef\xbb\xbf" * bom + b"\n".join(lines))
    assert records(folder, shard_bytes) == records(folder, 10**9)
    for shard in plan(folder, shard_bytes):
        for part in shard:
            assert part.end - part.start < shard_bytes + 30  # a multiple, and the line across it


# ------------------------------------------------------------------------------------------------ shards


def closing(prefix: str, closes: bool) -> Iterable[str]:
    """Paths whose hash closes their shard, or doesn't."""
    for number in range(100_000):
        path = f"{prefix}{number:05}.txt"
        if (int.from_bytes(hashlib.sha256(path.encode()).digest()[:8], "big") % 64 == 0) == closes:
            yield path


def some(prefix: str, count: int, closes: bool = False) -> list[str]:
    found = iter(closing(prefix, closes))
    return [next(found) for _ in range(count)]


def test_small_files_share_a_shard(tmp_path: Path) -> None:
    files = some("a/", 50)
    assert plan_of(dict.fromkeys(files, 1), 1_000, tmp_path) == [files]


def test_shard_closes_at_its_size(tmp_path: Path) -> None:
    files = some("a/", 7)
    assert plan_of(dict.fromkeys(files, 40), 100, tmp_path) == [files[:3], files[3:6], files[6:]]


def test_shard_closes_after_a_hash(tmp_path: Path) -> None:
    [middle] = some("a/5", 1, closes=True)
    before, after = some("a/4", 3), some("a/6", 3)
    assert plan_of(dict.fromkeys([*before, middle, *after], 1), 1_000, tmp_path) == [[*before, middle], after]


def test_small_folders_share_a_shard_and_larger_ones_close_it(tmp_path: Path) -> None:
    a, b, c = some("a/", 2), some("b/", 2), some("c/", 2)
    sizes = dict.fromkeys([*a, *b, *c], 1)
    assert plan_of(sizes, 1_000, tmp_path) == [[*a, *b, *c]]
    assert plan_of(sizes | {b[0]: 20}, 1_000, tmp_path) == [[*a, *b], c]


def test_files_in_raw_itself_come_first(tmp_path: Path) -> None:
    sizes = {"b.txt": 1, "a/x.txt": 1, "a-b/x.txt": 1, "c/x.txt": 1}
    assert plan_of(sizes, 1_000, tmp_path) == [["b.txt", "a/x.txt", "a-b/x.txt", "c/x.txt"]]


names = st.tuples(st.sampled_from(["", "a/", "b/", "c/d/", "c/e/"]), st.integers(0, 300)).map(
    lambda name: f"{name[0]}{name[1]:03}.txt"
)


def boundaries(shards: list[list[str]], folder: str) -> list[str]:
    """The files of a top-level folder after which a shard closes, but the very last."""
    return [shard[-1] for shard in shards[:-1] if shard[-1].split("/")[:-1][:1] == [folder]]


@given(st.dictionaries(names, st.integers(0, 200), max_size=60), names, st.integers(0, 2_000))
def test_a_new_file_moves_no_boundary_of_another_folder(
    folder: Path, sizes: dict[str, int], path: str, size: int
) -> None:
    before = plan_of(sizes, 500, folder)
    after = plan_of({**sizes, path: size}, 500, folder)
    assert sorted(path for shard in before for path in shard) == sorted(sizes)
    for other in {"a", "b", "c"} - {path.split("/")[0]}:
        # What lies last of all is followed by nothing, so no boundary is seen there.
        last = max(sizes, default="", key=lambda path: (path.split("/")[0] if "/" in path else "", path))
        kept = [file for file in boundaries(after, other) if file != last]
        assert kept == boundaries(before, other)


@given(st.dictionaries(names, st.integers(0, 200), max_size=60), st.integers(1, 1_000), st.randoms())
def test_order_of_inputs_does_not_matter(folder: Path, sizes: dict[str, int], shard_bytes: int, random: Any) -> None:
    shuffled = list(sizes.items())
    random.shuffle(shuffled)
    shards = plan_of(sizes, shard_bytes, folder)
    assert plan_of(dict(shuffled), shard_bytes, folder) == shards
    assert all(shards)
