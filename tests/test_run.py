"""One run: what comes out does not depend on how it was made."""

import hashlib
import json
import random
import shutil

import pytest

from flows import publish
from tests.conftest import article, rows, tree, write_jsonl
from transforms.config import Config
from transforms.errors import ConfigError, ShardError

pytestmark = pytest.mark.flow

PROVENANCE = ("source_path", "source_record", "source_sha256")


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


def test_workers_do_not_matter(tmp_path, run):
    raw = corpus(tmp_path / "raw")
    config = {"shard_bytes": 6_000}
    one = run(raw, tmp_path / "one", workers=1, config=config)
    run(raw, tmp_path / "two", workers=2, config=config)
    assert one["timings"]["read"]["done"] >= 8
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_cuts_and_file_names_do_not_matter(tmp_path, run):
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
    manifest = publish.published_manifest(tmp_path / "curated")
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
    run(raw, tmp_path / "curated", config={"languages": ["de"]})
    (row,) = rows(tmp_path / "curated", "rejected")
    assert (row["reject_reason"], row["language"], row["text"]) == ("language.unwanted", "en", article(1))
    assert rows(tmp_path / "curated") == []


def test_only_rejected_still_publishes(tmp_path, run):
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "empty.txt").write_text("")
    (raw / "picture.png").write_bytes(b"\x89PNG")
    run(raw, tmp_path / "curated")
    reasons = {row["source_path"]: row["reject_reason"] for row in rows(tmp_path / "curated", "rejected")}
    assert reasons == {"empty.txt": "empty", "picture.png": "read.unsupported_format"}
    publish.verify(tmp_path / "curated")


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
    (curated / "versions").mkdir(parents=True)
    (curated / "versions").chmod(0o500)
    blocked = curated / "state"
    blocked.write_text("a file where a folder must be")
    with pytest.raises((ShardError, OSError)):
        run(raw, curated)
    assert not (curated / "current.json").exists()
    blocked.unlink()
    (curated / "versions").chmod(0o700)
    assert run(raw, curated)["published"]


def test_the_config_is_in_the_manifest(tmp_path, run):
    raw = tmp_path / "raw"
    write_jsonl(raw / "a.jsonl", [{"text": article(1)}])
    run(raw, tmp_path / "curated", config={"shard_bytes": 5_000})
    manifest = publish.published_manifest(tmp_path / "curated")
    assert manifest["config"]["shard_bytes"] == 5_000
    assert manifest["config_hash"] == Config().content_hash()
