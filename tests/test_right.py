"""What must be right, night after night: each test is one way in which rows were lost, or went wrong in silence."""

import errno
import json
import os
import pickle
import shutil
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.readers.compression import Garbage
from flows.store import Store
from flows.versions.checks import verify
from tests.conftest import Run, article, manifest_of, rows, tree, write_jsonl
from transforms import errors, pipeline
from transforms.errors import ConfigError, RefusedError, ShardError
from transforms.schema import with_columns

DAY = datetime(2026, 3, 1, 12, tzinfo=UTC)


def record(key: str, text: str, day: int | None = None, **fields: Any) -> dict[str, Any]:
    """A record under the URL `key`; fetched on this day, if on any."""
    fetched = {} if day is None else {"fetched_at": (DAY + timedelta(days=day)).isoformat()}
    return {"url": f"https://news.example.org/{key}", "text": text, **fetched, **fields}


def edited(number: int, times: int) -> str:
    """An article, edited so often: a sentence more each time."""
    return article(number) + "".join(
        f"Correction {time}: the ferry left at {time + 6} o'clock.\n" for time in range(times)
    )


def kept(curated: Path) -> dict[str, str]:
    return {row["id"]: row["text"] for row in rows(curated)}


def reasons(curated: Path) -> Counter[str]:
    return Counter(row["reject_reason"] for row in rows(curated, "rejected"))


class Nights:
    """A raw folder, and what each night makes of it."""

    def __init__(self, folder: Path, run: Run) -> None:
        self.raw, self.curated, self.run = folder / "raw", folder / "curated", run
        self.count = 0

    def __call__(self, *records: dict[str, Any], name: str | None = None, **parameters: Any) -> dict[str, Any]:
        """A night that brings a file of these records."""
        self.count += 1
        if records:
            write_jsonl(self.raw / (name or f"night{self.count:03}.jsonl"), list(records))
        summary = self.run(self.raw, self.curated, **parameters)
        verify(Store(self.curated))
        return summary

    def texts(self) -> list[str]:
        return texts(*kept(self.curated).values())


@pytest.fixture
def nights(tmp_path: Path, run: Run) -> Nights:
    return Nights(tmp_path, run)


def texts(*numbers: str) -> list[str]:
    return sorted(text.strip() for text in numbers)


# ------------------------------------------------------------------------------------------------------- A1: the sweep


def test_a1_a_sweep_leaves_what_a_manifest_names(nights):
    """Also where a version folder's own manifest is gone: its files are the current version's, too."""
    nights(*[record(str(n), article(n)) for n in range(40)])
    first = nights.curated / "versions" / manifest_of(nights.curated)["version"]
    nights(record("new", article(100)))
    (first / "manifest.json").unlink()
    stray = nights.curated / "state" / "not-ours.parquet"
    stray.write_bytes(b"somebody's")
    nights(record("newer", article(101)))
    assert stray.exists()
    assert len(rows(nights.curated)) == 42


def test_a1_what_a_dead_run_was_publishing_goes(nights, monkeypatch):
    nights(record("a", article(1)))
    write_jsonl(nights.raw / "b.jsonl", [record("b", article(2))])

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Store, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            nights.run(nights.raw, nights.curated)
    left = {path for path in (nights.curated / "versions").iterdir() if path.name.startswith("2-")}
    assert len(left) == 1
    dead = next(iter(left)).name
    write_jsonl(nights.raw / "c.jsonl", [record("c", article(3))])  # so the version is another
    nights.run(nights.raw, nights.curated)
    assert not left.pop().exists()
    assert not [name for name in os.listdir(nights.curated / "state") if dead in name]


# ------------------------------------------------------------------------------------------------ A2: RAW and CURATED


@pytest.mark.parametrize(
    ("raw", "curated"), [("raw", "raw/curated"), ("data/raw", "data"), ("raw", "raw"), ("raw", "link")]
)
def test_a2_a_run_never_reads_what_it_writes(tmp_path, run, raw, curated):
    write_jsonl(tmp_path / raw / "a.jsonl", [record("a", article(1))])
    (tmp_path / "link").symlink_to(tmp_path / "raw")
    with pytest.raises(ConfigError, match=r"RAW.*CURATED|CURATED.*RAW"):
        run(tmp_path / raw, tmp_path / curated)


# ------------------------------------------------------------------------------------------------------- A3: I/O errors


@pytest.mark.parametrize("code", [errno.EIO, errno.EMFILE, errno.ESTALE, errno.ENOENT])
def test_a3_an_io_error_fails_the_run_and_never_makes_a_row(nights, monkeypatch, code):
    write_jsonl(nights.raw / "a.jsonl", [record("a", article(1))])
    opened = Store.open

    def fail(self: Store, key: Any) -> Any:
        if not isinstance(key, str) and key.root == "raw":
            raise OSError(code, os.strerror(code), str(key.key))
        return opened(self, key)

    monkeypatch.setattr("flows.step.BACK_OFF", (0.0, 0.0))
    with monkeypatch.context() as patch:
        patch.setattr(Store, "open", fail)
        with pytest.raises(ShardError, match=r"a\.jsonl"):
            nights.run(nights.raw, nights.curated)
    assert not (nights.curated / "current.json").exists()
    assert nights()["documents"] == 1


def test_a3_a_passing_error_is_tried_again(nights, monkeypatch):
    write_jsonl(nights.raw / "a.jsonl", [record("a", article(1))])
    opened, failures = Store.open, iter([True, True])

    def fail(self: Store, key: Any) -> Any:
        if not isinstance(key, str) and key.root == "raw" and next(failures, False):
            raise OSError(errno.EIO, "Input/output error", str(key.key))
        return opened(self, key)

    monkeypatch.setattr("flows.step.BACK_OFF", (0.0, 0.0, 0.0))
    monkeypatch.setattr(Store, "open", fail)
    assert nights()["documents"] == 1


# ------------------------------------------------------------------------------------------------- A4: what is known


def test_a4_the_next_state_may_be_one_that_was(nights):
    """A, B, A of one page in three files: the page says A again."""
    nights(record("page", article(1), n=1))
    nights(record("page", edited(1, 2), n=2))
    nights(record("page", article(1), n=3))
    assert nights.texts() == texts(article(1))
    assert reasons(nights.curated) == {"superseded": 2}


def test_a4_the_next_state_may_be_one_that_was_in_a_file_of_the_same_bytes(nights):
    nights(record("page", article(1)))
    nights(record("page", edited(1, 2)))
    nights(record("page", article(1)))
    assert nights.texts() == texts(article(1))


def test_a4_a_growing_file_with_two_states_of_a_page_stays_as_it_is(nights):
    both = [record("page", article(1), 1), record("page", edited(1, 1), 2)]
    nights(*both, name="a.jsonl")
    before = kept(nights.curated)
    assert nights.texts() == texts(edited(1, 1))
    summary = nights(*both, record("other", article(2)), name="a.jsonl")
    assert (summary["known"], summary["documents"]) == (2, 1)
    assert before.items() <= kept(nights.curated).items()
    assert reasons(nights.curated) == {"superseded": 1}


def test_a4_a_full_dump_every_day_adds_no_rows(nights):
    dump = [record(str(n), article(n)) for n in range(5)]
    dump += [record("feed", article(n)) for n in range(10, 13)]
    dump += [record("page", edited(20, n), n) for n in range(3)]
    dump += [{"id": "x", "text": article(30)}, {"text": ""}]
    nights(*dump)
    for night in range(3):
        more = record(f"new{night}", article(100 + night))
        summary = nights(*dump, more)
        # without URL and id a record is known by its path, and that is new
        assert (summary["known"], summary["documents"], summary["rejected"]) == (12 + night, 1, 1)
        dump.append(more)


def test_a4_a_renamed_file_is_known(nights):
    nights(record("a", article(1)), {"text": article(2)}, name="a.jsonl")
    (nights.raw / "a.jsonl").rename(nights.raw / "b.jsonl")
    assert nights()["published"] is False


@pytest.mark.parametrize(("before", "after"), [("a.dump", "a.jsonl"), ("a.txt", "a.jsonl")])
def test_a4_bytes_that_were_not_read_as_what_they_are_are_new_under_the_right_name(nights, before, after):
    nights(record("z", article(9)))
    write_jsonl(nights.raw / before, [record("a", article(1)), record("b", article(2), 1)])
    nights()
    (nights.raw / before).rename(nights.raw / after)
    nights()
    came = [row for table in ("documents", "rejected") for row in rows(nights.curated, table)]
    assert texts(*[row["text"] for row in came if row["source_path"] == after]) == texts(article(1), article(2))


# -------------------------------------------------------------------------------------------- A5: records without a URL


def test_a5_a_line_on_top_makes_one_new_document(nights):
    ten = [{"text": article(n)} for n in range(10)]
    nights(*ten, name="a.jsonl")
    before = kept(nights.curated)
    summary = nights({"text": article(99)}, *ten, name="a.jsonl")
    assert (summary["known"], summary["documents"]) == (10, 1)
    assert before.items() <= kept(nights.curated).items()


def test_a5_a_source_id_and_a_text_are_known_wherever_they_stand(nights):
    nights({"id": "7", "text": article(1)})
    assert nights({"id": "7", "text": article(1), "more": 1})["published"] is False
    assert nights({"id": "7", "text": article(2)})["documents"] == 1
    assert len(rows(nights.curated)) == 2


# ---------------------------------------------------------------------------------------------------------- A6: limit


def test_a6_a_limit_takes_the_next_ones_until_nothing_is_left(nights):
    write_jsonl(nights.raw / "a.jsonl", [record(f"a{n}", article(n)) for n in range(5)])
    write_jsonl(nights.raw / "b.jsonl", [record(f"b{n}", article(10 + n)) for n in range(5)])
    left = []
    for _ in range(4):
        summary = nights(limit=3)
        left.append((summary["documents"], summary["remaining"]))
    assert left == [(3, 7), (3, 4), (3, 1), (1, 0)]
    assert nights(limit=3)["published"] is False
    assert nights()["published"] is False
    assert len(rows(nights.curated)) == 10


# --------------------------------------------------------------------------------------------- A7: order within a key


def test_a7_the_later_fetch_is_the_later_state(nights):
    nights(record("page", edited(1, 2), 5))
    summary = nights(record("page", edited(1, 1), 3))  # a backfill of an older page
    assert (summary["documents"], summary["rejected_by_reason"]) == (0, {"superseded": 1})
    assert nights.texts() == texts(edited(1, 2))
    nights(record("page", edited(1, 3)))  # of no date: as late as its batch
    assert nights.texts() == texts(edited(1, 3))


def test_a7_implausible_times_are_null_and_counted(nights):
    summary = nights(
        record("a", article(1), fetched_at="1971-01-01T00:00:00Z"),
        record("b", article(2), fetched_at="2901-01-01T00:00:00Z"),
        record("c", article(3), 1),
    )
    assert summary["implausible"] == 2
    assert [row["fetched_at"] is None for row in sorted(rows(nights.curated), key=lambda row: row["url"])] == [
        True,
        True,
        False,
    ]


def test_a7_states_of_a_page_in_one_batch(nights):
    nights(*[record("page", edited(1, n), n) for n in (2, 0, 1)])
    assert nights.texts() == texts(edited(1, 2))
    assert reasons(nights.curated) == {"superseded": 2}


@pytest.mark.parametrize("days", [(None, None, None), (1, 1, 1), (1, 2, 3)])
def test_a7_one_url_for_all_items_is_no_key(nights, days):
    """A feed: other texts under one link, whatever is said of when they were fetched."""
    nights(*[record("feed", article(n), day) for n, day in enumerate(days)])
    assert len(rows(nights.curated)) == 3
    nights(record("feed", article(9), 9))
    assert len(rows(nights.curated)) == 4


# -------------------------------------------------------------------------------------------------- A8: supersession


def test_a8_a_copy_of_another_article_takes_nobodys_place(nights):
    nights(record("a", article(1)), record("b", article(2)))
    nights(record("b", article(1)))
    assert nights.texts() == texts(article(1), article(2))
    assert reasons(nights.curated) == {"duplicate.exact": 1}


WALL = "Before you continue to the site, please confirm that you are a person. " * 3


def test_a8_a_wall_takes_nobodys_place(nights):
    nights(*[record(str(n), article(n)) for n in range(3)])
    summary = nights(*[record(str(n), WALL * 20) for n in range(3)])
    assert summary["not_successor"] == 3
    assert nights.texts() == texts(*[article(n) for n in range(3)])
    assert nights(*[record(str(n), WALL * 20, n=1) for n in range(3)])["published"] is False
    # and when the pages are back, nothing is new
    nights(*[record(str(n), edited(n, 1)) for n in range(3)])
    assert nights.texts() == texts(*[edited(n, 1) for n in range(3)])


@pytest.mark.parametrize("error", [WALL * 20, "Not found. The page you are looking for does not exist."])
def test_a8_a_page_that_comes_and_goes_adds_rows_once(nights, error):
    nights(*[record(str(n), article(n)) for n in range(3)])
    nights(*[record(str(n), error) for n in range(3)])
    for night in range(2):
        assert nights(*[record(str(n), article(n), n=night) for n in range(3)])["published"] is False
        assert nights(*[record(str(n), error, n=night) for n in range(3)])["published"] is False


def test_a8_a_small_text_with_nothing_in_common_is_no_successor(nights):
    nights(record("a", article(1)))
    summary = nights(record("a", "Not found. The page you are looking for does not exist."))
    assert summary["not_successor"] == 1
    assert nights.texts() == texts(article(1))


def test_a8_a_rewritten_article_is_a_successor(nights):
    nights(record("a", article(1)))
    nights(record("a", article(2)))
    assert nights.texts() == texts(article(2))


# ------------------------------------------------------------------------------------------------------- A9: seniority


def words(first: int, count: int) -> str:
    return " ".join(f"word{number}" for number in range(first, first + count))


def test_a9_a_rebuild_changes_nothing_where_a_canonical_of_a_chain_left(nights):
    """A-D .645, D-E .631, A-E .424: D was dropped for A; when A leaves, D is as senior as it was."""
    a, d, e = words(0, 402), words(86, 402), words(178, 402)
    nights(record("a", a), record("d", d), record("e", e))
    nights(record("a", article(7)))
    check_rebuild(nights)


def check_rebuild(nights: Nights) -> None:
    """A rebuild changes no row, but what a later document may share with an earlier one."""
    before = everything(nights.curated)
    nights(rebuild=True)
    assert everything(nights.curated) == before


def everything(curated: Path) -> dict[str, list[dict[str, Any]]]:
    return {
        table: [{**row, "q_dup_paragraph_ratio": None} for row in rows(curated, table)]
        for table in ("documents", "rejected", "removed_spans")
    }


# --------------------------------------------------------------------------------------------------- A10: conservation


def test_a10_a_rebuild_that_damages_texts_is_refused(nights, monkeypatch):
    nights(*[record(str(n), article(n)) for n in range(3)])
    before = tree(nights.curated)
    clean = pipeline.clean

    def damage(*arguments: Any) -> Any:
        documents = clean(*arguments)
        return with_columns(documents, text=[text[:50] for text in documents["text"].to_pylist()])

    monkeypatch.setattr(pipeline, "clean", damage)
    with pytest.raises(RefusedError, match="don't add up"):
        nights(rebuild=True, config={"languages": ["en"]})
    assert tree(nights.curated) == before


# ------------------------------------------------------------------------------------------------------- A11: refusals


def test_a11_a_run_that_would_lose_most_is_refused(nights):
    nights(*[record(str(n), article(n)) for n in range(4)])
    before = tree(nights.curated)
    with pytest.raises(RefusedError, match=r"0 documents would be left of 4 \(language.unwanted 4\)"):
        nights(rebuild=True, config={"languages": ["de"]})
    assert tree(nights.curated) == before
    nights(rebuild=True, force=True, config={"languages": ["de"]})
    assert rows(nights.curated) == []


def test_a11_new_documents_make_up_for_none_that_are_lost(nights):
    nights(*[record(str(n), article(n)) for n in range(4)])
    with pytest.raises(RefusedError, match="0 documents would be left of 4"):
        nights(*[record(f"g{n}", text) for n, text in enumerate(GERMAN)], rebuild=True, config={"languages": ["de"]})


GERMAN = (
    "Die alte Brücke führt über den Fluss zum Markt, wo Bauern jeden Morgen Äpfel verkaufen.",
    "Im Garten hinter dem Haus wachsen Rosen, die meine Großmutter vor vielen Jahren gepflanzt hat.",
    "Der Zug nach München fährt heute wegen starken Schneefalls mit einer Stunde Verspätung ab.",
)


@pytest.mark.parametrize(
    "config", [{"languages": ["german"]}, {"language": {"thresholds": {"e": 0.5}}}, {"languages": [""]}]
)
def test_a11_language_codes_are_checked(nights, config):
    write_jsonl(nights.raw / "a.jsonl", [record("a", article(1))])
    with pytest.raises(ConfigError, match="BCP-47"):
        nights(config=config)


# --------------------------------------------------------------------------------------------------------- A12: names


def test_a12_every_error_can_be_sent_to_another_process():
    for error in (
        errors.RecordError("read.corrupt", "line 3"),
        errors.ShardError("no"),
        errors.RefusedError("no"),
        errors.ConfigError("no"),
        Garbage("3 bytes", "00" * 32, b"xyz"),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_a12_two_datasets_of_the_same_bytes_have_two_names(tmp_path, run):
    names = set()
    for folder, name in (("one", "a.txt"), ("two", "b.txt"), ("three", "a.jsonl")):
        path = tmp_path / folder / "raw" / name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(record("a", article(1))) + "\n")
        names.add(run(tmp_path / folder / "raw", tmp_path / folder / "curated")["version"])
    assert len(names) == 3


def test_a12_a_damaged_old_manifest_is_one_clear_line(nights):
    nights(record("a", article(1)))
    old = nights.curated / "versions" / manifest_of(nights.curated)["version"] / "manifest.json"
    nights(record("b", article(2)))
    old.write_text("{")
    with pytest.raises(RefusedError, match=r"manifest\.json is damaged"):
        verify(Store(nights.curated))


# -------------------------------------------------------------------------------------------------- A13: read again


def test_a13_a_failed_record_is_read_again_when_the_fields_are_mended(nights):
    nights(
        {"url": "https://e.example.org/1", "corpo": article(1)},
        {"url": "https://e.example.org/2", "corpo": article(2)},
        force=True,
    )
    assert reasons(nights.curated) == {"read.no_text": 2}
    summary = nights(config={"fields": {"text": "corpo"}})
    assert summary["documents"] == 2
    rejected = rows(nights.curated, "rejected")
    assert {row["reject_detail"].removeprefix("by ") for row in rejected} == set(kept(nights.curated))
    assert reasons(nights.curated) == {"superseded": 2}
    assert nights(config={"fields": {"text": "corpo"}})["published"] is False


def test_a13_a_failed_record_is_read_again_when_the_file_is_mended(nights):
    path = write_jsonl(nights.raw / "a.jsonl", [record("a", article(1))])
    path.write_text(path.read_text() + '{"url": "https://e.example.org/b", "text": "cut')
    nights()
    assert reasons(nights.curated) == {"read.invalid_json": 1}
    nights(record("a", article(1)), record("b", article(2)), name="a.jsonl")
    assert nights.texts() == texts(article(1), article(2))
    assert reasons(nights.curated) == {"superseded": 1}
    check_rebuild(nights)


def test_a13_a_failed_record_is_read_in_a_renamed_file_when_the_fields_are_mended(nights):
    nights({"url": "https://e.example.org/1", "corpo": article(1)}, name="a.jsonl", force=True)
    (nights.raw / "a.jsonl").rename(nights.raw / "b.jsonl")
    assert nights(config={"fields": {"text": "corpo"}})["documents"] == 1


def test_a13_a_failed_record_that_is_still_there_is_not_superseded_by_the_one_on_its_line(nights):
    path = write_jsonl(nights.raw / "a.jsonl", [record("a", article(1))])
    path.write_text("{no json\n" + path.read_text())
    nights()
    path.write_text(json.dumps(record("b", article(2))) + "\n" + path.read_text())
    nights()
    assert reasons(nights.curated) == {"read.invalid_json": 1}


# ---------------------------------------------------------------------------------------------- A14, A15: what is said


def test_a14_times_and_hosts_stand_outside_of_every_hash(tmp_path, run):
    trees = []
    for name in ("one", "two"):
        write_jsonl(tmp_path / name / "raw/a.jsonl", [record("a", article(1))])
        run(tmp_path / name / "raw", tmp_path / name / "curated")
        trees.append(tree(tmp_path / name / "curated"))
        run_file = (
            tmp_path / name / "curated/versions" / manifest_of(tmp_path / name / "curated")["version"] / "run.json"
        )
        assert {"started", "host", "timings"} <= set(json.loads(run_file.read_text()))
    assert trees[0] == trees[1]


def test_a14_verify_speaks_of_originals_where_there_was_one(nights):
    path = write_jsonl(nights.raw / "a.jsonl", [record("a", article(1))])
    path.write_text(path.read_text() + "{no json\n")
    nights()
    found = verify(Store(nights.curated))
    assert (found["documents"], found["unread"]) == (1, 1)


def test_a15_what_tools_leave_is_passed_over(nights):
    nights.raw.mkdir(parents=True)
    for name in ("_SUCCESS", ".part-0.crc", "part-0.crc", ".DS_Store", "Thumbs.db"):
        (nights.raw / name).write_bytes(b"x")
    summary = nights(record("a", article(1)))
    assert (summary["records"], len(summary["ignored"])) == (1, 5)


# ------------------------------------------------------------------------------------------------------- many files


def test_nights_of_texts_too_short_to_be_compared(nights):
    """They have contents and no band key: the files of both kinds of state count together."""
    for word in ("one", "two", "three", "four"):
        nights(record(word, word))
    nights(record("a", article(1)), record("five", "five"))
    nights(record("six", "six"))
    nights(record("b", article(2)))
    nights(record("c", edited(2, 1)), record("d", edited(1, 1)))
    assert reasons(nights.curated) == {"duplicate.near": 2}
    of = {row["url"][-1]: row["duplicate_of"] for row in rows(nights.curated, "rejected")}
    ids = {row["url"][-1]: row["id"] for row in rows(nights.curated)}
    assert (of["c"], of["d"]) == (ids["b"], ids["a"])
    check_rebuild(nights)


def test_state_and_files_stay_few(nights):
    for night in range(14):
        nights(*[record(f"{night}-{n}", article(night * 10 + n)) for n in range(3)])
    manifest = manifest_of(nights.curated)
    assert max(Counter(file["table"] for file in manifest["files"]).values()) <= 8
    assert max(Counter(file["kind"] for file in manifest["state"]).values()) <= 12
    assert len(rows(nights.curated)) == 42
    shutil.rmtree(nights.raw)
