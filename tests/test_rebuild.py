"""`--rebuild`: every document made anew from its original, which the dataset holds."""

import json

import pytest

from flows.store import Store
from flows.versions.checks import verify
from tests.conftest import article, manifest_of, rows, write_jsonl
from tests.test_nightly import Job
from transforms.errors import RefusedError

FOOTER = "Printed on Tuesdays by the brothers at the old gasworks"


def page(number, text=None):
    return {
        "id": f"p{number}",
        "url": f"https://e.example.org/{number}",
        "text": f"{text or article(number)}\n{FOOTER}",
    }


def everything(curated):
    """All rows, but for the signal that looks at what was kept when a version was made."""
    found = {table: rows(curated, table) for table in ("documents", "rejected", "removed_spans")}
    return {
        table: [{name: row[name] for name in row if name != "q_dup_paragraph_ratio"} for row in read]
        for table, read in found.items()
    }


def test_under_the_same_code_and_config_nothing_but_the_version_changes(tmp_path, run):
    """Supersession, duplicates, a duplicate whose twin left, an unreadable line, vanished files, a line in Latin-1: all
    as they were."""
    job = Job(tmp_path)
    latin = {"id": "latin", "charset": "latin-1", "text": article(9, "Böschung") + "Über die Brücke fährt kein Bus."}
    (job.raw / "latin").mkdir(parents=True)
    (job.raw / "latin/a.jsonl").write_bytes(json.dumps(latin, ensure_ascii=False).encode("latin-1"))
    for day in (job.day1, job.day2, job.day3, job.day5):
        day()
        last = run(job.raw, job.curated)
    before = everything(job.curated)
    assert "decode.cp1252" in {span["rule"] for span in before["removed_spans"]}
    summary = run(job.raw, job.curated, rebuild=True)
    assert summary["version"] != last["version"]
    assert everything(job.curated) == before
    assert (summary["documents"], summary["rejected"]) == (len(before["documents"]), len(before["rejected"]))
    assert summary["records"] == summary["documents"] + summary["rejected"] + summary["known"]
    verify(Store(job.curated))
    assert run(job.raw, job.curated, rebuild=True)["published"] is False
    job.day4()
    assert run(job.raw, job.curated)["documents"] == 1  # and on it goes
    verify(Store(job.curated))


def test_templates_learned_later_reach_earlier_documents(tmp_path, run):
    raw, curated = tmp_path / "raw", tmp_path / "curated"
    write_jsonl(raw / "day1.jsonl", [page(n) for n in range(2)])
    run(raw, curated)
    write_jsonl(raw / "day2.jsonl", [page(n) for n in range(2, 4)])
    run(raw, curated)
    assert [FOOTER in row["text"] for row in rows(curated)].count(True) == 2
    ids = {row["id"]: row["added_in"] for row in rows(curated)}
    run(raw, curated, rebuild=True)
    assert not any(FOOTER in row["text"] for row in rows(curated))
    assert {row["id"]: row["added_in"] for row in rows(curated)} == ids
    verify(Store(curated))


def test_another_config_reaches_earlier_documents(tmp_path, run):
    raw, curated = tmp_path / "raw", tmp_path / "curated"
    write_jsonl(raw / "a.jsonl", [page(n) for n in range(3)])
    run(raw, curated)
    config = {"languages": ["de"]}
    assert run(raw, curated, config=config)["published"] is False
    run(raw, curated, config=config, rebuild=True, force=True)
    assert {row["reject_reason"] for row in rows(curated, "rejected")} == {"language.unwanted"}
    assert rows(curated) == []
    run(raw, curated, rebuild=True)
    assert len(rows(curated)) == 3
    verify(Store(curated))


def test_records_that_could_not_be_read_are_read_again(tmp_path, run):
    """The fields were named wrongly, and nobody looked: with the right names all comes in."""
    raw, curated = tmp_path / "raw", tmp_path / "curated"
    records = [{"key": f"p{n}", "url": page(n)["url"], "corpo": article(n)} for n in range(3)]
    path = write_jsonl(raw / "a.jsonl", records)
    path.write_text(path.read_text() + "{no json\n")
    assert run(raw, curated, force=True)["rejected_by_reason"] == {"read.no_text": 3, "read.invalid_json": 1}
    config = {"fields": {"id": "key", "text": "corpo"}}
    summary = run(raw, curated, config=config, rebuild=True)
    assert (summary["documents"], summary["known"]) == (3, 1)
    documents = {row["id"] for row in rows(curated)}
    rejected = rows(curated, "rejected")
    assert sorted(row["reject_reason"] for row in rejected) == ["read.invalid_json", *["superseded"] * 3]
    assert {row["reject_detail"].removeprefix("by ") for row in rejected if row["reject_reason"] == "superseded"} == (
        documents
    )
    verify(Store(curated))


def test_a_damaged_index_is_made_anew(tmp_path, run):
    raw, curated = tmp_path / "raw", tmp_path / "curated"
    write_jsonl(raw / "a.jsonl", [page(n) for n in range(3)])
    run(raw, curated)
    (index,) = (curated / "state").glob("keys-*")
    index.write_bytes(index.read_bytes()[:-7])
    write_jsonl(raw / "b.jsonl", [page(5), {"id": "copy", "text": page(1)["text"]}])
    with pytest.raises(RefusedError, match="--rebuild"):
        run(raw, curated)
    run(raw, curated, rebuild=True)
    assert [row["source_id"] for row in rows(curated, "rejected")] == ["copy"]
    assert index.name not in json.dumps(manifest_of(curated)["state"])


def test_of_a_new_dataset_it_is_a_run(tmp_path, run):
    write_jsonl(tmp_path / "raw/a.jsonl", [page(n) for n in range(3)])
    for name, rebuild in (("one", False), ("two", True)):
        run(tmp_path / "raw", tmp_path / name, rebuild=rebuild)
    assert everything(tmp_path / "one") == everything(tmp_path / "two")
