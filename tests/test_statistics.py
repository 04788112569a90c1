"""What a version says of itself: statistics that add up, totals, a card, and how far what came in is from what was."""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.store import Store, json_bytes
from flows.versions import statistics
from flows.versions.checks import verify
from flows.versions.manifest import current, manifest_key, pointer_bytes, pointer_to
from tests.conftest import Run, article, manifest_of, rows, tree, write_jsonl
from tests.published import CHINESE, GERMAN, make_dataset, make_empty
from transforms.config import Config, Publish, from_mapping
from transforms.errors import RefusedError
from transforms.schema import STATISTICS, TABLES

URL = "https://e.example.org/"


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("full"))


def statistics_of(curated: Path) -> pa.Table:
    return pq.read_table(curated / manifest_of(curated)["about"][-1]["path"])


def counted(curated: Path, table: str, measure: str) -> dict[Any, tuple[int, int]]:
    found = [row for row in statistics_of(curated).to_pylist() if (row["table"], row["measure"]) == (table, measure)]
    return {row["value"] if row["low"] is None else row["low"]: (row["rows"], row["chars"]) for row in found}


def test_they_are_what_the_tables_hold(full: Path) -> None:
    for table, column in (("documents", "language"), ("documents", "site"), ("rejected", "reject_reason")):
        found = rows(full, table)
        wanted = Counter(row[column] for row in found)
        chars = {value: sum(row["char_count"] for row in found if row[column] == value) for value in wanted}
        assert counted(full, table, column) == {value: (count, chars[value]) for value, count in wanted.items()}
    spans = rows(full, "removed_spans")
    wanted = Counter(row["reason"] for row in spans)
    chars = {reason: sum(row["end"] - row["start"] for row in spans if row["reason"] == reason) for reason in wanted}
    assert counted(full, "removed_spans", "reason") == {name: (count, chars[name]) for name, count in wanted.items()}
    lengths = [row["char_count"] for row in rows(full)]
    buckets = Counter(float(1 << (length.bit_length() - 1)) for length in lengths)
    assert {low: count for low, (count, _) in counted(full, "documents", "char_count").items()} == buckets
    assert statistics_of(full).schema.equals(STATISTICS, check_metadata=True)


def test_the_totals_are_those_of_the_tables(full: Path) -> None:
    totals = manifest_of(full)["totals"]
    documents = rows(full)
    assert totals["documents"] == {
        "rows": len(documents),
        "characters": sum(row["char_count"] for row in documents),
        "original_characters": sum(row["original_char_count"] for row in documents),
        "removed_characters": sum(row["removed_char_count"] for row in documents),
        "languages": {"en": 7, "de": 1, "zh-Hans": 1},
        "licenses": {"": 9},
    }
    assert totals["rejected"]["rows"] == 4
    assert totals["rejected"]["reasons"]["superseded"] == 1
    assert totals["removed_spans"]["rows"] == len(rows(full, "removed_spans"))


def test_nights_add_up_to_what_is_counted_anew(tmp_path: Path, run: Run) -> None:
    """Pages that change, copies, a rebuild: `verify` counts all of it again."""
    raw, curated = tmp_path / "raw", tmp_path / "curated"
    for night in range(5):
        pages = [{"url": f"{URL}{n}", "text": article(n + 10 * night)} for n in range(night, night + 4)]
        write_jsonl(raw / f"{night}.jsonl", [*pages, {"url": f"{URL}copy{night}", "text": article(10 * night + night)}])
        run(raw, curated)
        verify(Store(curated))
    run(raw, curated, rebuild=True, config={"languages": ["de", "en"]})
    verify(Store(curated))


def test_statistics_that_count_otherwise_are_refused(tmp_path: Path, full: Path) -> None:
    store = Store(make_empty(tmp_path))
    manifest = manifest_of(store.data)
    manifest["totals"]["documents"]["rows"] += 1
    pointer = current(store)
    said = json_bytes(manifest)
    store.put_bytes(manifest_key(manifest["version"]), said)
    store.put_bytes("current.json", pointer_bytes(pointer_to(manifest, hashlib.sha256(said).hexdigest(), pointer)))
    with pytest.raises(RefusedError, match="does not count"):
        verify(store)


def test_a_dataset_made_before_has_them_from_the_next_version_on(tmp_path: Path, run: Run) -> None:
    store = Store(make_empty(tmp_path))
    manifest = manifest_of(store.data)
    for entry in manifest.pop("about"):
        store.delete(entry["path"])
    del manifest["totals"], manifest["drift"], manifest["config"]["publish"]
    said = json_bytes(manifest)
    store.put_bytes(manifest_key(manifest["version"]), said)
    store.put_bytes(
        "current.json", pointer_bytes(pointer_to(manifest, hashlib.sha256(said).hexdigest(), current(store)))
    )
    verify(store)
    write_jsonl(tmp_path / "raw/2.jsonl", [{"url": f"{URL}2", "text": article(2)}])
    run(tmp_path / "raw", store.data)
    verify(store)
    assert manifest_of(store.data)["totals"]["documents"]["rows"] == 2


def test_what_is_beside_the_manifest_is_in_it(full: Path) -> None:
    manifest = manifest_of(full)
    folder = f"versions/{manifest['version']}"
    assert [entry["path"] for entry in manifest["about"]] == [
        f"{folder}/{name}" for name in ("README.md", "croissant.json", "schema.json", "statistics.parquet")
    ]
    for entry in manifest["about"]:
        content = (full / entry["path"]).read_bytes()
        assert (entry["bytes"], entry["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    said = json.loads((full / folder / "schema.json").read_text(encoding="utf-8"))
    assert list(said["tables"]) == [*TABLES, "statistics"]
    card = (full / folder / "README.md").read_text(encoding="utf-8")
    assert f"version {manifest['version']}" in card
    assert "configs:" not in card


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["de", "en", "und"]),
        st.sampled_from(["a", "b", ""]),
        st.sampled_from([None, "CC0"]),
        st.integers(0, 5000),
        st.integers(0, 5000),
    ),
    max_size=30,
)


def documents(drawn: Any) -> pa.Table:
    names = ("language", "site", "license", "char_count", "removed_char_count")
    columns = dict(zip(names, zip(*drawn, strict=True), strict=True)) if drawn else dict.fromkeys(names, ())
    columns["original_char_count"] = [
        one + other for one, other in zip(columns["char_count"], columns["removed_char_count"], strict=True)
    ]
    kinds = {name: TABLES["documents"].field(name).type for name in columns}
    return pa.table({name: pa.array(values, kinds[name]) for name, values in columns.items()})


@given(ROWS, ROWS, ROWS)
def test_they_add_up(one: Any, two: Any, three: Any) -> None:
    """Parts are the whole, and what is taken away was never there."""

    def count(drawn: Any, sign: int = 1) -> pa.Table:
        return statistics.count_rows("documents", documents(drawn), sign)

    whole = statistics.merge([count([*one, *two])])
    assert whole.equals(statistics.merge([count(two), count(one)]))
    assert whole.equals(statistics.merge([count(three, -1), count([*one, *three]), count(two)]))
    assert sum(statistics.totals(whole)["documents"]["languages"].values()) == len(one) + len(two)
    removed = sum(row[4] for row in [*one, *two])
    assert statistics.totals(whole)["documents"]["removed_characters"] == removed
    assert statistics.drift(whole, whole, Publish(least=1)) == []


def test_licences_are_cut_and_the_rarest_counted_together() -> None:
    long = "All rights reserved. " * 50
    drawn = [("de", "a", name, 10, 0) for name in [long, long, *(f"licence {n:02}" for n in range(25))]]
    counted = statistics.merge([statistics.count_rows("documents", documents(drawn))])
    licenses = statistics.totals(counted)["documents"]["licenses"]
    assert next(iter(licenses.items())) == (long[:100], 2)
    assert (len(licenses), licenses["…"]) == (21, 6)


# ---------------------------------------------------------------------------------------------------------------- drift


def lay(raw: Path, night: int, texts: list[str]) -> None:
    write_jsonl(raw / f"{night}.jsonl", [{"url": f"{URL}{night}/{n}", "text": text} for n, text in enumerate(texts)])


ENGLISH = [article(n) for n in range(8)]
OTHERS = [article(n) for n in range(20, 28)]


@pytest.fixture
def first(tmp_path: Path, run: Run) -> Path:
    lay(tmp_path / "raw", 1, ENGLISH)
    summary = run(tmp_path / "raw", tmp_path / "curated")
    assert summary["drift"] == []
    return tmp_path


@pytest.mark.parametrize(
    ("texts", "drifted"),
    [
        (OTHERS, []),
        ([text[:180] for text in OTHERS], ["lengths"]),
        ([*OTHERS[:4], *ENGLISH[:4]], ["outcomes"]),
        ([GERMAN, CHINESE, *OTHERS[:4]], ["languages", "lengths"]),
    ],
)
def test_a_night_that_is_unlike_what_was_there(texts: Any, drifted: Any, first: Path, run: Run) -> None:
    lay(first / "raw", 2, texts)
    summary = run(first / "raw", first / "curated", config={"publish": {"least": 4}})
    assert [one["measure"] for one in summary["drift"]] == drifted
    assert manifest_of(first / "curated")["drift"] == summary["drift"]
    verify(Store(first / "curated"))


def test_drift_is_refused_or_passed_over_as_the_config_says(first: Path, run: Run) -> None:
    lay(first / "raw", 2, [text[:180] for text in OTHERS])
    before = tree(first / "curated")
    config: dict[str, Any] = {"publish": {"least": 4, "on_drift": "refuse"}}
    for _ in range(2):
        with pytest.raises(RefusedError, match=r"lengths by 1\.00 \(limit 0\.3: .*--force"):
            run(first / "raw", first / "curated", config=config)
        assert tree(first / "curated") == before
    ignoring = run(first / "raw", first / "curated", config={"publish": {"least": 4, "on_drift": "ignore"}})
    assert ignoring["drift"] == []
    lay(first / "raw", 3, [text[200:380] for text in OTHERS])
    forced = run(
        first / "raw", first / "curated", config={"publish": {**config["publish"], "lengths": 0.1}}, force=True
    )
    assert [one["measure"] for one in forced["drift"]] == ["lengths"]


def test_few_records_say_nothing(first: Path, run: Run) -> None:
    lay(first / "raw", 2, [text[:180] for text in OTHERS])
    assert run(first / "raw", first / "curated")["drift"] == []


def test_drift_names_what_differs_most() -> None:
    def of(languages: dict[str, int]) -> pa.Table:
        drawn = [(code, "a", None, 100, 0) for code, count in languages.items() for _ in range(count)]
        return statistics.count_rows("documents", documents(drawn))

    (found,) = statistics.drift(of({"de": 60, "en": 40}), of({"de": 20, "en": 70, "fr": 10}), Publish(least=100))
    assert found == {
        "measure": "languages",
        "distance": 0.4,
        "limit": 0.3,
        "most": [["de", 0.6, 0.2], ["en", 0.4, 0.7], ["fr", 0, 0.1]],
    }
    assert statistics.say([found]) == "languages by 0.40 (limit 0.3: de 60% → 20%, en 40% → 70%, fr 0% → 10%)"
    assert statistics.drift(of({"de": 60}), of({"en": 60}), Publish(least=100)) == []


def test_how_it_is_published_changes_no_row() -> None:
    assert from_mapping({"publish": {"on_drift": "refuse"}}).content_hash() == Config().content_hash()
