"""The fault matrix: each kind of damaged, odd or hostile input by its number, and what becomes of it.

1-34: inputs. 47, 48: what the log and the code must not hold. (35-46 are of the dataset: test_kills, test_publish,
test_right.) Where another test holds a case exactly, `ELSEWHERE` names it.
"""

import ast
import gzip
import io
import json
import logging
import os
import random
import re
import socket
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from flows.store import Store
from flows.versions.checks import verify
from tests.conftest import Run, article, curated_by, manifest_of, rows
from tests.reading import outcomes, read_as_listed
from transforms.config import Config, Limits
from transforms.errors import RefusedError

TESTS = Path(__file__).parent
# Number of the case, and the test that holds it.
ELSEWHERE = {
    9: "test_readers.py::test_line_over_the_limit",
    10: "test_readers.py::test_long_lines_and_bombs_are_not_held",
    11: "test_sample.py::test_bad_input_is_named",
    19: "test_inputs.py::test_what_is_no_file_is_listed_and_rejected",
    20: "test_readers.py::test_a_file_that_may_not_be_read_is_one_record",
    21: "test_readers.py::test_a_file_that_changes_while_it_is_read",
    22: "test_readers.py::test_cut_anywhere_keeps_the_whole_lines_before",
    24: "test_readers.py::test_members_read_as_one",
    25: "test_readers.py::test_bomb_stops_at_the_floor",
    26: "test_warc.py::test_case_26_a_bad_record_costs_itself",
    27: "test_warc.py::test_case_27_gzipped_as_one_member_or_each_record_or_twice_in_a_row",
    29: "test_readers.py::test_flipped_bits_never_give_other_texts",
    30: "test_crashes.py::test_fault_30_a_file_that_ends_its_worker_is_one_rejected_record",
    32: "test_hostile.py::test_twice_the_text_is_twice_the_work",
    33: "test_language.py::test_threads_agree_from_the_first_use_on",
    34: "test_dedup.py::test_a_bucket_of_a_hundred_thousand_is_bounded",
}


@pytest.mark.parametrize("number", ELSEWHERE)
def test_fault_is_tested_elsewhere(number: int) -> None:
    file, name = ELSEWHERE[number].split("::")
    assert f"\ndef {name}(" in (TESTS / file).read_text(encoding="utf-8")


def test_every_number_has_a_test() -> None:
    found = {int(number) for number in re.findall(r"\bfault_(\d\d)\b", Path(__file__).read_text(encoding="utf-8"))}
    found |= {
        int(number) for number in re.findall(r"def test_fault_(\d\d)_", Path(__file__).read_text(encoding="utf-8"))
    }
    assert found | set(ELSEWHERE) == {*range(1, 35), 47, 48}


# --------------------------------------------------------------------------------- what a run makes of all at once

GERMAN = (
    "Die Brücke über den Fluß wird im März wieder geöffnet, sagte der Bürgermeister am Freitag. "
    "Für Fußgänger gilt das früher. "
)
RUSSIAN = "Мост через реку снова откроют в марте, сообщил мэр города в пятницу утром на встрече с жителями. "
OTHER_GERMAN = (
    "Im Hafen liegen heute drei Kähne; übermorgen, so heißt es, läuft der größte nach Süden aus. Niemand weiß, wohin. "
)
MARK = "\ufeff"


def line(**fields: Any) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def parquet(table: dict[str, Any], **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(table), sink, write_page_checksum=True, **options)
    return sink.getvalue()


def zipped(content: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("a.parquet", content)
    return sink.getvalue()


def text(number: int) -> str:
    return article(number, "matrix")


NOISE = b"".join(line(text=random.Random(n).randbytes(20_000).hex()) for n in range(9))
FILES: dict[str, bytes] = {
    "01.jsonl": line(text=text(1)) + b'{"text":"\xff"}\n' + line(text=text(101)),
    "02.txt": (GERMAN * 3).encode("cp1252"),
    "02.jsonl": line(text=text(2)).decode().encode("utf-16"),
    "03.jsonl": line(text=text(3))
    + json.dumps({"text": OTHER_GERMAN * 2}, ensure_ascii=False).encode("cp1252")
    + b"\n"
    + json.dumps({"text": RUSSIAN * 3}, ensure_ascii=False).encode("cp1251"),
    "04.txt": f"{MARK}{text(4).replace('harbour', f'har{MARK}bour').replace('The', f'The{MARK}')}".encode(),
    "04.html": f"{MARK}<title>Title of 4</title>{text(104).replace(chr(10) * 2, '<p>')}".encode(),
    "05.jsonl": line(text=text(5).replace("The ", "T\0h\x07e\x9a\x85 ")),
    "06.jsonl": line(text="6 " + text(6)).replace(b"6 ", rb"\ud800 "),
    "07.jsonl": line(text=f"\u202e{text(7)}").replace(b"the ", "th\u200be ".encode()),
    "08.jsonl": line(text=text(8).replace("\n\n", "\u2028\u2028")) + line(text=text(108).replace("\n\n", "\x85")),
    "11.jsonl": line(text="") + line(text=" \n\t "),
    "12.jsonl": b"",
    "12.txt": b"",
    "12.parquet": b"",
    "13.jsonl": line(text=text(13)) + b'{"text":]\n' + line(text=text(113)) + b'{"text":"cut of',
    "14.jsonl": b"[" * 100_000
    + b"\n"
    + b"".join(line(text=text(14 + n)).replace(b"}", b"," + more + b"}") for n, more in (
        (0, b'"n":' + b"9" * 5_000), (200, b'"n":NaN'), (300, b'"k":1,"k":2')
    )),
    "15.jsonl": line(datum="x") + line(text=["a"]) + line(text=15) + line(text=text(15)),
    "16.jsonl": line(id="007", text=text(16)) + line(id=7, text=text(116)) + line(id=None, text=text(216))
    + line(text=text(316)),
    "17.jsonl": line(id="same", text=text(17)) + line(id="same", text=text(117)),
    "18.jsonl": line(text=text(18)),
    "22.jsonl.gz": gzip.compress(NOISE)[:-1_000],
    "23.jsonl.zst": zstandard.ZstdCompressor().compress(NOISE)[:-1_000],
    "24.jsonl.gz": gzip.compress(line(text=text(24))) + gzip.compress(line(text=text(124))) + b"garbage",
    "28.jsonl": line(id="../../../etc/passwd", url="file:///../../../etc/28", text=text(28)),
    "29-cut.parquet": parquet({"text": [text(29)]})[:-9],
    "29-zip.parquet": zipped(parquet({"text": [text(29)]})),
    "31.html": b"<div>" * 100_000 + text(31).replace("\n\n", "<p>").encode(),
    "32.jsonl": line(text=text(32) + "a-" * 20_000) + line(text=text(132) + "&" + "amp;" * 20_000),
    "33.jsonl": line(text="7 8 9 10 11 12 13 14 … ! ? 2024-03-01 17:30") + line(text="ok"),
    "47.jsonl": line(text="SECRET-47 " + text(47)) + b'{"text":"SECRET-47 \xff"}\n' + line(datum="SECRET-47"),
}  # fmt: skip


class Matrix:
    """The rows that each file became."""

    def __init__(self, curated: Path, messages: list[str], summary: dict[str, Any]) -> None:
        self.curated, self.messages, self.summary = curated, messages, summary
        self.documents, self.rejected, self.spans = (
            rows(curated, name) for name in ("documents", "rejected", "removed_spans")
        )

    def kept(self, path: str) -> list[dict[str, Any]]:
        found = [row for row in self.documents if row["source_path"] == path]
        return sorted(found, key=lambda row: int(row["source_record"] or 0))

    def refused(self, path: str) -> list[tuple[str | None, str]]:
        found = [(row["source_record"], row["reject_reason"]) for row in self.rejected if row["source_path"] == path]
        return sorted(found, key=lambda row: int(row[0] or 0))

    def removed(self, path: str) -> set[tuple[str, str]]:
        """What the ledger says went from, or was changed in, the documents of a file."""
        ids = {row["id"] for row in self.kept(path)}
        return {(row["reason"], row["text"]) for row in self.spans if row["doc_id"] in ids}


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    folder = tmp_path_factory.mktemp("matrix")
    raw, curated = folder / "raw", folder / "curated"
    for name, content in FILES.items():
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).write_bytes(content)
    os.symlink(raw / "18.jsonl", raw / "18-link.jsonl")
    (raw / "18-copy.jsonl").write_bytes(FILES["18.jsonl"])
    os.symlink(raw / "19-loop.txt", raw / "19-loop.txt")
    os.mkfifo(raw / "19-fifo.txt")
    bound = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(raw)  # a socket's path may be 108 bytes long
    bound.bind("19-socket.txt")
    os.chdir(here)
    messages: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(f"{record.getMessage()} {record.exc_text or ''}")

    root, keep = logging.getLogger(), Keep(logging.DEBUG)
    level = root.level
    root.addHandler(keep)
    root.setLevel(logging.DEBUG)
    try:
        summary = curated_by(raw, curated)
    finally:
        root.removeHandler(keep)
        root.setLevel(level)
        bound.close()
    return Matrix(curated, messages, summary)


def test_every_input_is_accounted_for(matrix: Matrix) -> None:
    paths = {row["source_path"] for row in (*matrix.documents, *matrix.rejected)}
    assert paths == {*FILES, "18-link.jsonl", "18-copy.jsonl", "19-loop.txt", "19-fifo.txt", "19-socket.txt"}
    assert matrix.summary["records"] == len(matrix.documents) + len(matrix.rejected)
    verify(Store(matrix.curated))


def test_fault_01_a_line_that_is_not_utf8_costs_itself_only(matrix: Matrix) -> None:
    assert [row["source_record"] for row in matrix.kept("01.jsonl")] == ["1", "3"]
    assert matrix.refused("01.jsonl") == [("2", "read.invalid_utf8")]


def test_fault_02_other_encodings_are_decoded(matrix: Matrix) -> None:
    assert [row["text"] for row in matrix.kept("02.txt")] == [GERMAN * 3]
    assert [row["text"] for row in matrix.kept("02.jsonl")] == [text(2)]


def test_fault_03_encodings_in_one_file_are_told_record_by_record(matrix: Matrix) -> None:
    found = [row["text"] for row in matrix.kept("03.jsonl")]
    assert found == [text(3), OTHER_GERMAN * 2, RUSSIAN * 3]


def test_fault_04_marks_at_the_start_and_inside_go(matrix: Matrix) -> None:
    assert [row["text"] for row in matrix.kept("04.txt")] == [text(4)]
    assert ("encoding.control", MARK) in matrix.removed("04.txt")


def test_fault_04_a_mark_before_a_page_is_none_of_its_text(matrix: Matrix) -> None:
    pytest.importorskip("turbohtml")
    [document] = matrix.kept("04.html")
    assert document["text"].split() == text(104).split()
    assert not [gone for _, gone in matrix.removed("04.html") if MARK in gone]


def test_fault_05_controls_go_and_are_in_the_ledger(matrix: Matrix) -> None:
    [document] = matrix.kept("05.jsonl")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", document["text"])
    assert {reason for reason, gone in matrix.removed("05.jsonl") if "\0" in gone} == {"encoding.control"}


def test_fault_06_a_lone_surrogate_is_a_replacement_character(matrix: Matrix) -> None:
    [document] = matrix.kept("06.jsonl")
    assert document["text"].startswith("\ufffd ")


def test_fault_07_marks_of_direction_do_no_harm(matrix: Matrix) -> None:
    [document] = matrix.kept("07.jsonl")
    assert document["text"].replace("\u202e", "") == text(7)


def test_fault_08_no_character_of_a_text_ends_a_record(matrix: Matrix) -> None:
    assert [row["source_record"] for row in matrix.kept("08.jsonl")] == ["1", "2"]
    assert matrix.refused("08.jsonl") == []


def test_fault_11_nothing_in_it(matrix: Matrix) -> None:
    """Nothing left of it: see ELSEWHERE."""
    assert matrix.refused("11.jsonl") == [("1", "empty"), ("2", "empty")]


def test_fault_12_files_of_no_bytes(matrix: Matrix) -> None:
    assert matrix.refused("12.jsonl") == [(None, "read.empty_file")]
    assert matrix.refused("12.txt") == [(None, "empty")]
    assert matrix.refused("12.parquet") == [(None, "read.corrupt")]


def test_fault_13_malformed_and_cut_lines(matrix: Matrix) -> None:
    assert [row["source_record"] for row in matrix.kept("13.jsonl")] == ["1", "3"]
    assert matrix.refused("13.jsonl") == [("2", "read.invalid_json"), ("4", "read.invalid_json")]


def test_fault_14_json_that_hurts(matrix: Matrix) -> None:
    assert matrix.refused("14.jsonl") == [("1", "read.invalid_json")]
    extras = [row["extra"] for row in matrix.kept("14.jsonl")]
    assert extras == [f'{{"n":{"9" * 5_000}}}', '{"n":"NaN"}', '{"k":2}']


def test_fault_15_another_schema(matrix: Matrix, tmp_path: Path, run: Run) -> None:
    assert matrix.refused("15.jsonl") == [("1", "read.no_text"), ("2", "read.wrong_type"), ("3", "read.wrong_type")]
    assert [row["source_record"] for row in matrix.kept("15.jsonl")] == ["4"]
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/a.jsonl").write_bytes(line(datum="x") * 9)
    with pytest.raises(RefusedError, match="none of 9 records would be kept"):
        run(tmp_path / "raw", tmp_path / "curated")


def test_fault_16_ids_are_text_and_nobody_is_without(matrix: Matrix) -> None:
    kept = matrix.kept("16.jsonl")
    assert [row["source_id"] for row in kept] == ["007", "7", None, None]
    assert len({row["id"] for row in kept}) == 4


def test_fault_17_one_id_for_two_texts(matrix: Matrix) -> None:
    kept = matrix.kept("17.jsonl")
    assert [(row["source_id"], row["text"]) for row in kept] == [
        ("same", text(17)),
        ("same", text(117)),
    ]
    assert kept[0]["id"] != kept[1]["id"]


def test_fault_18_a_file_under_two_names_is_read_once(matrix: Matrix) -> None:
    assert matrix.refused("18-link.jsonl") == [(None, "read.same_file")]
    assert len(matrix.kept("18.jsonl") + matrix.kept("18-copy.jsonl")) == 1
    assert matrix.refused("18.jsonl") + matrix.refused("18-copy.jsonl") == [("1", "duplicate.exact")]


def test_fault_19_what_is_no_file_hangs_nobody(matrix: Matrix) -> None:
    found = [matrix.refused(f"19-{name}.txt") for name in ("loop", "fifo", "socket")]
    assert found == [[(None, "read.unreadable")], [(None, "read.not_a_file")], [(None, "read.not_a_file")]]


@pytest.mark.parametrize("name", ["22.jsonl.gz", "23.jsonl.zst"], ids=["fault_22", "fault_23"])
def test_cut_off_keeps_what_came_before(matrix: Matrix, name: str) -> None:
    *before, last = [
        *((row["source_record"], None) for row in matrix.kept(name)),
        *matrix.refused(name),
    ]
    assert before
    assert last[1] == "read.truncated"


def test_fault_24_members_and_garbage(matrix: Matrix) -> None:
    assert [row["source_record"] for row in matrix.kept("24.jsonl.gz")] == ["1", "2"]
    assert matrix.refused("24.jsonl.gz") == [(None, "read.trailing_garbage")]


def test_fault_28_no_id_and_no_url_becomes_a_path(matrix: Matrix) -> None:
    [document] = matrix.kept("28.jsonl")
    assert document["source_id"] == "../../../etc/passwd"
    assert re.fullmatch("[0-9a-f]{32}", document["id"])
    made = {path.relative_to(matrix.curated).as_posix() for path in matrix.curated.rglob("*")}
    assert not any("etc" in path or "passwd" in path for path in made)
    assert set(manifest_of(matrix.curated)["files"][0]) >= {"path"}


def test_fault_29_parquet_that_is_none(matrix: Matrix) -> None:
    assert matrix.refused("29-cut.parquet") == [(None, "read.corrupt")]
    assert matrix.refused("29-zip.parquet") == [(None, "read.corrupt")]


def test_fault_30_a_dictionary_that_opens_to_much(tmp_path: Path) -> None:
    content = parquet({"text": ["x" * 1_000_000] * 300})
    assert len(content) < 200_000
    records = read_as_listed(tmp_path, content, "a.parquet", Config(limits=Limits(record_bytes=999_999)))
    assert {reason for _, reason in outcomes(records)} == {"limit.record_bytes"}
    assert len(records) == 300


HOSTILE_HTML: dict[str, Callable[[int], str]] = {
    "depth": lambda size: "<div>" * size + "Fog and no boats.",
    "paragraphs": lambda size: "<p>Fog and no boats." * size,
    "colspan": lambda size: f"<table><tr><td colspan={'9' * size}>Fog and no boats.",
}


@pytest.mark.parametrize("kind", HOSTILE_HTML)
def test_fault_31_hostile_html_has_a_text(kind: str) -> None:
    html = pytest.importorskip("transforms.html")
    pytest.importorskip("turbohtml")
    size = {"depth": 100_000, "paragraphs": 200_000, "colspan": 1_000}[kind]
    page = html.read_page(HOSTILE_HTML[kind](size), None)
    assert set(page.text.splitlines()) == {"Fog and no boats."}


def test_fault_31_a_hostile_page_is_a_document(matrix: Matrix) -> None:
    pytest.importorskip("turbohtml")
    assert [row["text"].split() for row in matrix.kept("31.html")] == [text(31).split()]


def test_fault_32_bait_costs_its_record_at_most(matrix: Matrix) -> None:
    assert matrix.refused("32.jsonl") == [("2", "limit.entity_depth")]
    assert [row["source_record"] for row in matrix.kept("32.jsonl")] == ["1"]


def test_fault_33_no_language_is_und(matrix: Matrix) -> None:
    found = [row for row in (*matrix.documents, *matrix.rejected) if row["source_path"] == "33.jsonl"]
    assert [(row["language"], row["language_score"]) for row in found] == [("und", None)] * 2


def test_fault_47_no_text_in_the_log(matrix: Matrix) -> None:
    assert len(matrix.kept("47.jsonl")) == 1
    assert [reason for _, reason in matrix.refused("47.jsonl")] == ["read.invalid_utf8", "read.no_text"]
    assert not [message for message in matrix.messages if "SECRET-47" in message]
    assert "SECRET-47" not in json.dumps(matrix.summary, default=str)


UNSAFE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "torch"}


def test_fault_48_nothing_is_unpickled() -> None:
    """No module of ours names a library that runs what it loads; numpy may not either."""
    for path in sorted(path for folder in ("flows", "transforms") for path in (TESTS.parent / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [str(node.module)]
                assert not UNSAFE & {name.split(".")[0] for name in named}, path
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "np.load":
                assert "allow_pickle=False" in ast.unparse(node), path
