"""Five nights of a scheduled job: changed records, vanished files, re-runs, kills, overlapping starts."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import stage
from flows.store import Store
from flows.versions.checks import verify
from tests.conftest import article, rows, tree, write_jsonl
from transforms.errors import RefusedError


def record(number: int, text: str | None = None) -> dict[str, str]:
    return {"id": f"r{number}", "url": f"https://news.example.org/{number}", "text": text or article(number)}


def check(curated: Path) -> None:
    """What must hold after every night."""
    verify(Store(curated))
    ids = Counter(row["id"] for table in ("documents", "rejected") for row in rows(curated, table))
    assert max(ids.values()) == 1


class Job:
    """A raw folder that changes by day, and what each night makes of it."""

    def __init__(self, folder: Path) -> None:
        self.raw, self.curated = folder / "raw", folder / "curated"

    def day1(self) -> None:
        write_jsonl(self.raw / "news/day1.jsonl", [record(n) for n in range(10)])
        (self.raw / "notes").mkdir()
        (self.raw / "notes/a.txt").write_text(article(100, "railway"))

    def day2(self) -> None:  # a changed record, a copy of another, a new one, a bad line
        changed = record(3, article(333))
        copy = record(50, article(4))
        path = write_jsonl(self.raw / "news/day2.jsonl", [changed, copy, record(11)])
        path.write_text(path.read_text() + '{"id": "bad\n')

    def day3(self) -> None:  # the first file vanishes; the canonical of the copy changes
        (self.raw / "news/day1.jsonl").unlink()
        write_jsonl(self.raw / "news/day3.jsonl", [record(4, article(444)), record(12)])

    def day4(self) -> None:  # the file of day 2 grows
        path = self.raw / "news/day2.jsonl"
        path.write_text(path.read_text() + json.dumps(record(13)) + "\n")

    def day5(self) -> None:  # a text file changes
        (self.raw / "notes/a.txt").write_text(article(101, "railway"))


def by_source(curated: Path, table: str = "documents") -> dict[str, dict]:
    return {row["source_id"] or row["source_path"]: row for row in rows(curated, table)}


def test_five_nights(tmp_path, run):
    job = Job(tmp_path)
    job.day1()
    assert run(job.raw, job.curated)["documents"] == 11
    check(job.curated)
    first = by_source(job.curated)

    job.day2()
    summary = run(job.raw, job.curated)
    assert (summary["records"], summary["documents"], summary["rejected"]) == (4, 2, 2)
    check(job.curated)
    second = by_source(job.curated)
    assert second["r3"]["supersedes"] == first["r3"]["id"]
    assert {row["id"]: row["reject_reason"] for row in rows(job.curated, "rejected")}[first["r3"]["id"]] == "superseded"
    assert by_source(job.curated, "rejected")["r50"]["duplicate_of"] == first["r4"]["id"]

    job.day3()
    run(job.raw, job.curated)
    check(job.curated)
    third = by_source(job.curated)
    assert third["r4"]["supersedes"] == first["r4"]["id"]
    # the copy's canonical left, so the copy is kept now, as it came
    assert third["r50"]["added_in"] == second["r11"]["added_in"]
    assert set(first) <= set(third)  # what vanished from RAW stays

    before = tree(job.curated)
    assert run(job.raw, job.curated)["published"] is False
    assert tree(job.curated) == before
    assert not (job.curated / ".staging").exists()

    job.day4()
    summary = run(job.raw, job.curated)
    assert (summary["records"], summary["known"], summary["documents"]) == (5, 4, 1)
    check(job.curated)

    job.day5()
    run(job.raw, job.curated)
    check(job.curated)
    fifth = by_source(job.curated)
    assert fifth["notes/a.txt"]["supersedes"] == first["notes/a.txt"]["id"]
    assert sorted(fifth) == sorted([*(f"r{n}" for n in range(10)), "r11", "r12", "r13", "r50", "notes/a.txt"])


def test_the_same_nights_give_the_same_trees(tmp_path, run):
    trees = []
    for name, workers in (("one", 1), ("two", 2)):
        job = Job(tmp_path / name)
        for day in (job.day1, job.day2, job.day3):
            day()
            run(job.raw, job.curated, workers=workers)
        trees.append(tree(job.curated))
    assert trees[0] == trees[1]


def finished_steps(curated: Path) -> list[Path]:
    return list((curated / ".staging/steps").glob("*/done.json"))


def test_a_killed_run_is_resumed(tmp_path, run):
    """kill -9 in the middle, then a re-run: identical, and finished steps are not done again."""
    raw = tmp_path / "raw"
    for number in range(8):
        write_jsonl(raw / f"site{number}/part.jsonl", [record(number * 1000 + n) for n in range(20)])
    config = {"shard_bytes": 8_000}
    expected = tmp_path / "expected"
    run(raw, expected, config=config)

    killed = tmp_path / "killed"
    code = f"""
if __name__ == "__main__":
    from flows.curate import curate
    curate(raw={str(raw)!r}, curated={str(killed)!r}, shard_bytes=8_000, workers=1)
"""
    (tmp_path / "job.py").write_text(code)
    job = subprocess.Popen(
        [sys.executable, tmp_path / "job.py"],
        env=os.environ | {"PREFECT_API_URL": "", "PYTHONPATH": str(Path(__file__).parent.parent)},
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not finished_steps(killed) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(job.pid, signal.SIGKILL)
    job.wait()
    finished = finished_steps(killed)
    assert finished
    assert not (killed / "current.json").exists()

    summary = run(raw, killed, config=config)
    assert sum(stage["resumed"] for stage in summary["timings"].values()) >= len(finished)
    assert tree(killed) == tree(expected)
    verify(Store(killed))


def test_an_overlapping_start_is_refused(tmp_path, run):
    job = Job(tmp_path)
    job.day1()
    with Store(job.curated).lock(), pytest.raises(RefusedError, match="another run"):
        run(job.raw, job.curated)
    assert not (job.curated / "current.json").exists()
    assert run(job.raw, job.curated)["published"]


def test_limit_reads_the_rest_next_time(tmp_path, run):
    job = Job(tmp_path)
    job.day1()
    assert run(job.raw, job.curated, limit=4)["documents"] == 4
    summary = run(job.raw, job.curated)
    assert (summary["known"], summary["documents"]) == (4, 7)
    check(job.curated)


def five_days(devset: Path) -> list[list[dict[str, str]]]:
    """Records of five days: 90 pairs of near-duplicates and as many other documents, copies on any day."""
    texts = {
        row["id"]: row["text"] for row in pq.read_table(devset / "dedup.parquet", columns=["id", "text"]).to_pylist()
    }
    pairs = pq.read_table(devset / "dedup-truth.parquet").to_pylist()
    paired = {document for pair in pairs[:: len(pairs) // 90] for document in (pair["a"], pair["b"])}
    chosen = sorted({*paired, *sorted(texts)[:: len(texts) // 90]})
    days: list[list[dict[str, str]]] = [[] for _ in range(5)]
    for document in chosen:
        day = hashlib.sha256(document.encode()).digest()[0] % 5
        days[day].append({"id": document, "url": f"https://example.org/{document}", "text": texts[document]})
    return days


def verdicts(documents: list[dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    columns = ("reject_reason", "duplicate_of", "duplicate_similarity")
    return {row["id"]: tuple(row[name] for name in columns) for row in documents if row.get("duplicate_of")}


def test_five_days_of_real_documents(tmp_path, run, devset):
    """The same days give the same dataset, and keep what one comparison of all of them in order of days keeps; a run
    with nothing new publishes nothing; every dropped document has its kept twin."""
    days = five_days(devset)
    frozen = {"boilerplate": {"template_min_groups": 10**9}}  # no templates, on any day
    trees = []
    for name in ("first", "second"):
        raw, curated = tmp_path / name / "raw", tmp_path / name / "curated"
        for number, day in enumerate(days):
            write_jsonl(raw / f"{number}.jsonl", day)
            assert run(raw, curated, config=frozen)["published"]
        trees.append(tree(curated))
    assert trees[0] == trees[1]
    assert run(raw, curated, config=frozen)["published"] is False
    assert tree(curated) == trees[1]
    check(curated)

    kept, rejected = rows(curated), rows(curated, "rejected")
    found = verdicts(rejected)
    assert len(found) > 60
    assert {twin for _, twin, _ in found.values()} <= {row["id"] for row in kept}

    store = Store(tmp_path / "once")
    pieces = []
    versions = sorted({row["added_in"] for row in kept + rejected}, key=lambda name: int(name.split("-")[0]))
    for number, version in enumerate(versions, 1):
        came = [row for row in kept + rejected if row["added_in"] == version]
        signed = stage.sign(store, version, pa.Table.from_pylist(came, schema=_COMPARED), batch=number)
        pieces.append(signed)
    once = stage.verdicts(stage.compare(store, pieces)).to_pylist()
    # Copies are told by the text before stripping, too, which the rows no longer have.
    assert {key: value for key, value in verdicts(once).items() if value[0] == "duplicate.near"} == {
        key: value for key, value in found.items() if value[0] == "duplicate.near"
    }


_COMPARED = pa.schema([("id", pa.string()), ("text", pa.string())])
