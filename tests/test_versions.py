"""Versions: listed, compared, rolled back, resumed and cleaned up; nothing that a kept version lists is ever gone."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.store import Store
from flows.versions import history
from flows.versions.checks import verify
from flows.versions.diff import ABSENT, compare
from tests.conftest import Run, article, curated_by, rows, tree, write_jsonl
from transforms.errors import ConfigError, RefusedError

URL = "https://e.example.org/"


def lay(raw: Path, night: int, numbers: list[int], **said: Any) -> None:
    records = [{"url": f"{URL}{n}", "text": article(n + 100 * night), **said} for n in numbers]
    write_jsonl(raw / f"{night}.jsonl", records)


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three versions: documents 0-3; 4 and a new text of 0; 5, 6 and a copy of 1."""
    folder = tmp_path_factory.mktemp("nights")
    raw, curated = folder / "raw", folder / "curated"

    def run() -> None:
        curated_by(raw, curated)

    write_jsonl(raw / "0.jsonl", [{"url": f"{URL}{n}", "text": article(n)} for n in range(4)])
    run()
    write_jsonl(raw / "1.jsonl", [{"url": f"{URL}{n}", "text": article(n + 100)} for n in (0, 4)])
    run()
    texts = {"5": article(205), "6": article(206), "copy": article(1)}
    write_jsonl(raw / "2.jsonl", [{"url": URL + name, "text": text} for name, text in texts.items()])
    run()
    return folder


@pytest.fixture
def folder(nights: Path, tmp_path: Path) -> Path:
    return shutil.copytree(nights, tmp_path / "nights")


@pytest.fixture
def store(folder: Path) -> Store:
    return Store(folder / "curated", folder / "raw")


def names(store: Store) -> list[str]:
    return [one.name for one in history.versions(store)]


def age(store: Store, hours: int) -> None:
    """As if all that was done had been so many hours ago."""
    for one in history.versions(store):
        key = f"versions/{one.name}/run.json"
        run = store.read_json(key)
        moved = {
            name: (datetime.fromisoformat(run[name]) - timedelta(hours=hours)).isoformat()
            for name in ("ended", "left")
            if name in run
        }
        store.put_json(key, {**run, **moved})


def test_versions_are_listed(store: Store) -> None:
    first, second, third = (one.as_json(store) for one in history.versions(store))
    assert [one["number"] for one in (first, second, third)] == [1, 2, 3]
    assert [one["current"] for one in (first, second, third)] == [False, False, True]
    assert not any(one["held"] for one in (first, second, third))
    assert (first["in"], first["kept"], first["rejected"], first["documents"]) == (4, 4, 0, 4)
    assert (third["in"], third["kept"], third["rejected"], third["documents"]) == (3, 2, 1, 7)
    assert first["parent"] is None
    assert third["parent"] == second["version"]
    assert datetime.fromisoformat(third["published"]) <= datetime.now(UTC)
    assert third["size"] > second["size"] > 0


@pytest.mark.parametrize("name", ["1", "full", "1-"])
def test_a_version_is_found_by_name_number_or_how_its_name_begins(store: Store, name: str) -> None:
    found = history.versions(store)
    assert history.version_of(found, found[0].name if name == "full" else name, store) is found[0]


@pytest.mark.parametrize("name", ["4", "", "-", "1-zz", "latest"])
def test_another_name_is_an_error_that_says_which_there_are(store: Store, name: str) -> None:
    found = history.versions(store)
    with pytest.raises(ConfigError, match=found[0].name):
        history.version_of(found, name, store)


def test_what_differs(store: Store) -> None:
    first, _, third = (one.manifest for one in history.versions(store))
    found = compare(store, first, third, 2)
    assert (found.documents, found.added, found.gone, found.changed) == ((4, 7), 4, 1, 0)
    assert found.gone_why == {"superseded": 1}
    assert found.languages == {"en": {"added": 4, "gone": 1}}
    assert found.sites == {"example.org": {"added": 4, "gone": 1}}
    assert [sample.change for sample in found.samples] == ["added", "added", "gone"]
    assert (found.samples[2].url, found.samples[2].why) == (f"{URL}0", "superseded")
    back = compare(store, third, first)
    assert (back.added, back.gone, back.gone_why) == (1, 4, {ABSENT: 4})
    same = compare(store, third, third, 3)
    assert (same.added, same.gone, same.changed, same.samples) == (0, 0, 0, [])


def test_what_changed_and_in_which_columns(folder: Path, store: Store, run: Run) -> None:
    config = {"boilerplate": {"input": "page"}, "language": {"detector": "langdetect-exact"}}
    run(folder / "raw", folder / "curated", rebuild=True, config=config)
    *_, third, fourth = (one.manifest for one in history.versions(store))
    found = compare(store, third, fourth, 1)
    assert (found.added, found.gone) == (0, 0)
    assert found.changed == 7
    assert found.changed_columns["language_detector"] == 7
    assert "id" not in found.changed_columns
    assert "language_detector" in (found.samples[0].why or "")
    before = {row["id"]: row for row in rows(folder / "curated")}
    assert found.samples[0].id == min(before)


def test_a_rollback_brings_the_version_back_and_holds_the_dataset(folder: Path, store: Store, run: Run) -> None:
    first, second, third = names(store)
    before = tree(folder / "curated")
    assert history.rollback(store, "1") == {"version": first, "from": third, "documents": 4, "held": True}
    after = tree(folder / "curated")
    assert {key for key in before if before[key] != after.get(key)} == {"current.json"}
    assert len(rows(folder / "curated")) == 4
    verify(store)
    held = [one.name for one in history.versions(store) if one.is_held]
    assert held == [first, third]
    for _ in range(2):
        with pytest.raises(RefusedError, match="--resume"):
            run(folder / "raw", folder / "curated")
    again = run(folder / "raw", folder / "curated", resume=True)
    assert again["version"].startswith("4-")
    assert (again["records"], again["total"]["documents"]) == (5, 7)
    verify(store)
    assert names(store) == [first, second, third, again["version"]]
    lay(folder / "raw", 5, [20])
    assert run(folder / "raw", folder / "curated")["version"].startswith("5-")  # it is no longer on hold
    verify(store)


def test_a_rollback_forward_lifts_the_hold(folder: Path, store: Store, run: Run) -> None:
    before = tree(folder / "curated")
    history.rollback(store, "2")
    history.rollback(store, "1")
    assert [one.manifest["number"] for one in history.versions(store) if one.is_held] == [1, 3]
    assert history.rollback(store, "3")["held"] is False
    assert tree(folder / "curated") == before
    assert run(folder / "raw", folder / "curated")["published"] is False


@pytest.mark.parametrize(("version", "error"), [("3", ConfigError), ("9", ConfigError)])
def test_a_rollback_to_the_current_one_or_to_none_is_an_error(store: Store, version: str, error: Any) -> None:
    before = tree(store.data)
    with pytest.raises(error):
        history.rollback(store, version)
    assert tree(store.data) == before


def test_a_rollback_to_a_damaged_version_is_refused(store: Store) -> None:
    first = history.versions(store)[0]
    path = store.data / first.manifest["files"][0]["path"]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RefusedError, match=path.name):
        history.rollback(store, "1")


def test_gc_keeps_the_last_versions_and_what_they_list(folder: Path, store: Store, run: Run) -> None:
    first, second, third = names(store)
    age(store, 2)
    would = history.collect_garbage(store, keep=2, dry_run=True)
    before = tree(store.data)
    assert (would.versions, would.kept) == ([first], [second, third])
    done = history.collect_garbage(store, keep=2)
    assert done == would
    after = tree(store.data)
    gone = before.keys() - after.keys()
    # run.json isn't in the tree, but goes, too.
    assert len(gone) + 1 == done.files
    assert after.keys() - before.keys() == set()
    assert not (store.data / "versions" / first / "manifest.json").exists()
    assert json.loads((store.data / "current.json").read_text())["oldest"] == second
    verify(store)
    assert names(store) == [second, third]
    assert history.collect_garbage(store, keep=2).versions == []
    lay(folder / "raw", 5, [21])
    run(folder / "raw", folder / "curated")
    verify(store)
    assert history.collect_garbage(store, keep=1).versions == [second]  # the third was current until just now
    verify(store)


def test_gc_leaves_what_readers_may_be_at_and_what_is_held(store: Store) -> None:
    assert history.collect_garbage(store, keep=1).versions == []
    history.rollback(store, "1")
    age(store, 2)
    assert [name[0] for name in history.collect_garbage(store, keep=1).versions] == ["2"]
    assert [name[0] for name in names(store)] == ["1", "3"]
    verify(store)
    assert history.rollback(store, "3")["held"] is False
    assert len(rows(store.data)) == 7


def test_gc_by_age(store: Store) -> None:
    age(store, 30)
    assert history.collect_garbage(store, older_than=history.age_of("2d")).versions == []
    assert [name[0] for name in history.collect_garbage(store, older_than=history.age_of("1d")).versions] == ["1", "2"]
    verify(store)


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1.5d", "30 days", "1m"])
def test_what_is_no_age(text: str) -> None:
    with pytest.raises(ConfigError, match="30d"):
        history.age_of(text)


def test_one_of_both_is_said(store: Store) -> None:
    for said in ({}, {"keep": 1, "older_than": timedelta(1)}):
        with pytest.raises(ConfigError, match="--keep"):
            history.collect_garbage(store, **said)


@pytest.mark.parametrize("how", ["before", "torn", "after"])
def test_gc_killed_anywhere_is_finished_by_the_next_writer(folder: Path, store: Store, run: Run, how: Any) -> None:
    age(store, 2)
    whole = shutil.copytree(store.data, folder / "whole")
    history.collect_garbage(Store(whole), keep=1)
    expected = tree(whole)
    at = 0
    while True:
        at += 1
        copy = Path(shutil.copytree(store.data, folder / f"killed{at}"))
        killed = Store(copy, folder / "raw")
        killed.effects.at, killed.effects.how = at, how
        try:
            history.collect_garbage(killed, keep=1)
        except KeyboardInterrupt:
            verify(Store(copy))
            assert run(folder / "raw", copy)["published"] is False
            verify(Store(copy))
            history.collect_garbage(Store(copy), keep=1)
            assert tree(copy) == expected
            shutil.rmtree(copy)
            continue
        break
    assert at > 10


@pytest.mark.parametrize("key", ["next", "hold", "oldest", "forgotten"])
def test_a_pointer_that_was_changed_by_hand_is_damaged(store: Store, key: str) -> None:
    path = store.data / "current.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: 7}))
    with pytest.raises(RefusedError, match="damaged"):
        verify(store)
