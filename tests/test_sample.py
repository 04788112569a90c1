"""The sample in raw/, run whole: what a new user sees first."""

from collections import Counter

import pytest

from flows.store import Store
from flows.versions.checks import verify
from tests.conftest import curated_by, rows
from tests.test_architecture import ROOT


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    curated = tmp_path_factory.mktemp("sample") / "curated"
    return curated_by(ROOT / "raw", curated, engine="local"), curated


def test_all_records_are_there(sample):
    summary, curated = sample
    assert (summary["records"], summary["documents"], summary["rejected"]) == (96, 79, 17)
    verify(Store(curated))


def test_bad_input_is_named(sample):
    _, curated = sample
    found = Counter((row["source_path"].split("/")[-1], row["reject_reason"]) for row in rows(curated, "rejected"))
    for expected in (
        ("lejournaldesdunes.fr.jsonl", "read.invalid_json"),
        ("lagacetadelmalecon.es.jsonl", "read.invalid_utf8"),
        ("majallat-alwaha.com.jsonl", "read.no_text"),
        ("thebrambleandbolt-2021-truncated.jsonl.gz", "read.truncated"),
        ("entwurf-leer.txt", "empty"),
        ("uebersicht-nur-boilerplate.txt", "empty_after_cleaning"),
        ("reprints.jsonl", "duplicate.exact"),
    ):
        assert found[expected] >= 1, expected


def test_languages(sample):
    _, curated = sample
    languages = Counter(row["language"].split("-")[0] for row in rows(curated))
    assert set(languages) == {"de", "en", "fr", "es", "zh", "ja", "ar", "ru", "it", "pt", "pl"}


def test_no_residue_is_left(sample):
    _, curated = sample
    residue = ("Artikel empfehlen", "<<:", ">>:", "相关阅读", "上一篇", "関連記事", "Related Article", "Source: ")
    left = [(row["source_path"], phrase) for row in rows(curated) for phrase in residue if phrase in row["text"]]
    assert left == []


def test_prose_that_looks_like_residue_stays(sample):
    _, curated = sample
    text = "\n".join(row["text"] for row in rows(curated))
    for phrase in ("Read more than what?", "1. Reinigen", "Ein Blick durchs Fernrohr"):
        assert phrase in text


def test_mojibake_is_repaired(sample):
    _, curated = sample
    broken = [row["source_path"] for row in rows(curated) if any(s in row["text"] for s in ("Ã¼", "â€œ", "ã\x81"))]
    assert broken == []


def test_a_line_in_another_charset_is_decoded_and_says_so(sample):
    _, curated = sample
    [span] = [row for row in rows(curated, "removed_spans") if row["transform"] == "decode"]
    assert (span["rule"], span["start"], span["end"], span["replacement"]) == ("decode.cp1252", 0, 0, "")
    [document] = [row for row in rows(curated) if row["id"] == span["doc_id"]]
    assert "Ángeles Peñalver" in document["text"]


def test_metadata_is_filled(sample):
    _, curated = sample
    documents = rows(curated)
    for column in ("title", "author_bio", "previous_title", "next_title", "related_titles", "source_name", "tags"):
        assert sum(bool(row[column]) for row in documents) >= 3, column
