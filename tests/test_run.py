"""One run: what comes out does not depend on how it was made."""

import hashlib
import json
import random
import shutil

import pyarrow.parquet as pq
import pytest

from flows.store import Store
from flows.versions.checks import verify
from tests.conftest import article, manifest_of, rows, tree, write_jsonl
from transforms.config import Config
from transforms.errors import ConfigError, ShardError

# Paths are in the version's name, too.
PROVENANCE = ("source_path", "source_record", "source_sha256", "added_in")


def without_provenance(found):
    return [{k: v for k, v in row.items() if k not in PROVENANCE} for row in found]


def corpus(raw):
    """Eight folders, three sites, duplicates, bad records, text files and mojibake."""
    random.seed(7)
    for folder in range(8):
        site = f"https://www.paper{folder % 3}.org"
        records = [
            {
                "id": f"{folder}-{n}",
                "url": f"{site}/{folder}/{n}",
                "text": article(folder * 10 + n) + "\nThe Ferry Post is printed on Tuesdays, come rain or shine\n",
            }
            for n in range(6)
        ]
        records.append({"id": f"copy-{folder}", "url": f"{site}/copy/{folder}", "text": article(folder * 10 + 1)})
        path = write_jsonl(raw / f"folder{folder}/part.jsonl", records)
        path.write_bytes(path.read_bytes() + b'{"id": "broken\n\xff\xfe\n')
        (raw / f"folder{folder}/note.txt").write_text(article(500 + folder).replace("every", "fÃ¼r"), encoding="utf-8")
    return raw


def test_workers_and_engines_do_not_matter(tmp_path, run, run_local):
    raw = corpus(tmp_path / "raw")
    config = {"shard_bytes": 6_000}
    one = run(raw, tmp_path / "inline", config=config)
    assert one["timings"]["read"]["done"] >= 8
    for workers in (1, 2):
        run_local(raw, tmp_path / f"local{workers}", workers=workers, config=config)
        assert tree(tmp_path / f"local{workers}") == tree(tmp_path / "inline")


def test_cuts_and_parts_do_not_matter(tmp_path, run, monkeypatch):
    """Neither in how many pieces the input is read, nor in how many parts of all hashes a reduce is done."""
    raw = corpus(tmp_path / "raw")
    run(raw, tmp_path / "one", config={"shard_bytes": 1_000_000})
    monkeypatch.setattr("flows.run.PART_BYTES", 9_000)
    monkeypatch.setattr("flows.state.MERGE_BYTES", 2000)
    monkeypatch.setattr("flows.compare.join.RANGE_KEYS", 500)
    monkeypatch.setattr("flows.compare.pair.PART_CHARS", 20_000)
    summary = run(raw, tmp_path / "two", config={"shard_bytes": 3_000})
    assert summary["timings"]["identify"]["done"] > 4
    assert summary["timings"]["verify"]["done"] > 1
    for table in ("documents", "rejected", "removed_spans"):
        assert rows(tmp_path / "one", table) == rows(tmp_path / "two", table)
    state = [
        {path.name: pq.read_table(path).to_pylist() for path in sorted((tmp_path / name / "state").iterdir())}
        for name in ("one", "two")
    ]
    for name, one in state[0].items():
        if not name.startswith("rows"):  # which say in what file a row stands
            assert state[1][name] == one, name


def test_file_names_do_not_matter(tmp_path, run):
    raw = corpus(tmp_path / "raw")
    run(raw, tmp_path / "one", config={"shard_bytes": 6_000})
    shuffled = tmp_path / "shuffled"
    shutil.copytree(raw, shuffled)
    names = random.Random(1).sample(range(8), 8)
    for folder, name in enumerate(names):  # the folder is the site of what has no URL, so it stays
        (shuffled / f"folder{folder}/part.jsonl").rename(shuffled / f"folder{folder}/z{name}.jsonl")
        (shuffled / f"folder{folder}/note.txt").rename(shuffled / f"folder{folder}/a{name}.txt")
    run(shuffled, tmp_path / "two", config={"shard_bytes": 1_000_000})
    for table in ("documents", "rejected"):
        expected, found = (rows(tmp_path / name, table) for name in ("one", "two"))
        # detail names the place of a bad record, which is provenance too
        for row in expected + found:
            row["reject_detail"] = None
        assert without_provenance(found) == without_provenance(expected)
    assert rows(tmp_path / "one", "removed_spans") == rows(tmp_path / "two", "removed_spans")


def test_templates_and_counts(tmp_path, run):
    run(corpus(tmp_path / "raw"), tmp_path / "curated")
    documents = rows(tmp_path / "curated")
    assert len(documents) == 8 * 6 + 8
    assert not any("Ferry Post" in row["text"] for row in documents)
    spans = [row for row in rows(tmp_path / "curated", "removed_spans") if row["reason"] == "boilerplate.template"]
    assert {row["support"] for row in spans} == {12, 18}
    for row in documents:
        assert row["char_count"] == len(row["text"])
        assert row["removed_by_reason"] is None or row["removed_char_count"] == sum(
            reason["chars"] for reason in row["removed_by_reason"]
        )


def test_a_run_tells_what_the_manifest_tells(tmp_path, run):
    summary = run(corpus(tmp_path / "raw"), tmp_path / "curated")
    manifest = manifest_of(tmp_path / "curated")
    counts = manifest["counts"]
    assert {name: summary[name] for name in counts} == counts
    assert counts["records"] == 8 * 10
    assert counts["rejected_by_reason"] == {"read.invalid_json": 8, "read.invalid_utf8": 8, "duplicate.exact": 8}
    assert counts["documents"] == len(rows(tmp_path / "curated"))


def test_ids(tmp_path, run):
    raw = tmp_path / "raw"
    text = article(1)
    records = [
        {"id": "007", "url": "https://a.example.org/", "text": text},
        {"id": "007", "url": "https://a.example.org/", "text": article(2)},
        {"id": 7, "text": article(3)},
        {"url": "https://a.example.org/4", "text": article(4)},
        {"text": article(5)},
        {"text": article(5)},
    ]
    write_jsonl(raw / "a.jsonl", records)
    run(raw, tmp_path / "curated")
    found = rows(tmp_path / "curated") + rows(tmp_path / "curated", "rejected")

    def expected(name, text, ordinal):
        sha = hashlib.sha256(text.encode()).hexdigest()
        content = json.dumps([name, sha, ordinal], separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()[:32]

    names = ["007", "007", "7", "https://a.example.org/4", "", ""]
    ids = [expected(name, record["text"], 0) for name, record in zip(names, records, strict=True)]
    ids[-1] = expected("", article(5), 1)
    assert sorted(row["id"] for row in found) == sorted(ids)
    assert {row["source_id"] for row in found} == {"007", "7", None}


def test_another_code_or_config_is_for_new_records_only(tmp_path, run):
    raw = tmp_path / "raw"
    write_jsonl(raw / "a.jsonl", [{"url": "https://e.example.org/1", "text": article(1)}])
    run(raw, tmp_path / "curated")
    other = {"language": {"min_letters": 100_000}}
    summary = run(raw, tmp_path / "curated", config=other)
    assert (summary["published"], summary["earlier_documents"]) == (False, 1)
    write_jsonl(raw / "b.jsonl", [{"url": "https://e.example.org/2", "text": article(2)}])
    run(raw, tmp_path / "curated", config=other)
    assert sorted(row["language"] for row in rows(tmp_path / "curated")) == ["en", "und"]


def test_unwanted_languages_are_rejected_with_their_text(tmp_path, run):
    raw = tmp_path / "raw"
    write_jsonl(raw / "a.jsonl", [{"id": "en", "text": article(1)}])
    run(raw, tmp_path / "curated", force=True, config={"languages": ["de"]})
    (row,) = rows(tmp_path / "curated", "rejected")
    assert (row["reject_reason"], row["language"], row["text"]) == ("language.unwanted", "en", article(1))
    assert rows(tmp_path / "curated") == []


def test_only_rejected_still_publishes(tmp_path, run):
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "empty.txt").write_text("")
    (raw / "picture.png").write_bytes(b"\x89PNG")
    run(raw, tmp_path / "curated", force=True)
    reasons = {row["source_path"]: row["reject_reason"] for row in rows(tmp_path / "curated", "rejected")}
    assert reasons == {"empty.txt": "empty", "picture.png": "read.unsupported_format"}
    verify(Store(tmp_path / "curated"))


@pytest.mark.parametrize("content", [None, []])
def test_nothing_to_read_is_an_error(tmp_path, run, content):
    raw = tmp_path / "raw"
    if content is not None:
        raw.mkdir()
    with pytest.raises(ConfigError, match=r"missing|empty"):
        run(raw, tmp_path / "curated")


def test_a_step_that_fails_publishes_nothing(tmp_path, run, monkeypatch):
    raw = corpus(tmp_path / "raw")
    curated = tmp_path / "curated"
    monkeypatch.setattr("flows.step.BACK_OFF", (0.0,))
    with monkeypatch.context() as patch:
        patch.setattr("flows.stages.write.write_published", _no_space)
        with pytest.raises(ShardError, match="No space left"):
            run(raw, curated)
    assert not (curated / "current.json").exists()
    summary = run(raw, curated)
    assert summary["published"]
    assert summary["timings"]["clean"]["done"] == 0  # what was finished is not done again


def _no_space(*_):
    raise OSError(28, "No space left on device", "documents.parquet")


def test_the_config_is_in_the_manifest(tmp_path, run):
    raw = tmp_path / "raw"
    write_jsonl(raw / "a.jsonl", [{"text": article(1)}])
    run(raw, tmp_path / "curated", config={"shard_bytes": 5_000})
    manifest = manifest_of(tmp_path / "curated")
    assert manifest["config"]["shard_bytes"] == 5_000
    assert manifest["config_hash"] == Config().content_hash()
