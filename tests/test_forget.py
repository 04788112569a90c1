"""Takedowns: what is named, its copies and earlier states are gone, stay out, and leave no sentence behind."""

import json
import shutil
from collections.abc import Iterator
from itertools import count, product
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.forget import Name, forget, listed, name_from, names_in, undo
from flows.store import Store
from flows.versions import history
from flows.versions.checks import verify
from flows.versions.export import Wanted, export
from tests.conftest import Run, article, curated_by, rows, tree, write_jsonl
from tests.test_kills import STRIDE, Killed
from transforms.errors import ConfigError, RefusedError

URL = "https://e.example.org/"
OTHER = "https://other.example.com/"


def near(number: int, words: int = 3) -> str:
    """An article with some words changed, scattered: a copy of it."""
    found = article(number).split(" ")
    for place in range(20, len(found), len(found) // words):
        found[place] = "quietly"
    return " ".join(found)


def sentences(text: str) -> set[str]:
    return {sentence for line in text.split("\n") for sentence in line.split(". ") if len(sentence) > 40}


def by_url(curated: Path) -> dict[str, str | None]:
    """What the last row of each URL is: the end of the URL, and the reason if it was rejected."""
    found: dict[str, str | None] = {}
    for table in ("rejected", "documents"):
        for row in rows(curated, table):
            if row["url"]:
                found[row["url"].removeprefix(URL).removeprefix(OTHER)] = row.get("reject_reason")
    return found


def every_id(curated: Path) -> set[str]:
    return {row["id"] for table in ("documents", "rejected") for row in rows(curated, table)}


def ids(curated: Path) -> dict[str, str]:
    """Ids by URL, of what is kept."""
    return {row["url"].removeprefix(URL): row["id"] for row in rows(curated)}


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents 0-5; new states of 0 and 1; a near copy of 2, an exact one of 3 in another frame, one on another site,
    and a line that can't be read."""
    folder = tmp_path_factory.mktemp("nights")
    raw, curated = folder / "raw", folder / "curated"

    def run() -> None:
        curated_by(raw, curated)

    def page(name: str, text: str) -> dict[str, str]:
        return {"url": URL + name, "text": text}

    write_jsonl(raw / "0.jsonl", [page(str(n), article(n)) for n in range(6)])
    run()
    later = [page(str(n), article(n) + "\n\n" + article(100 + n)) for n in (0, 1)]
    write_jsonl(raw / "1.jsonl", later)
    run()
    copies = [page("2-near", near(2)), page("3-exact", article(3).upper().replace(".", " ."))]
    path = write_jsonl(raw / "2.jsonl", [*copies, {"url": OTHER + "4-other", "text": article(4)}])
    path.write_text(path.read_text() + "{bad\n")
    run()
    return folder


@pytest.fixture
def folder(nights: Path, tmp_path: Path) -> Path:
    return shutil.copytree(nights, tmp_path / "nights")


@pytest.fixture
def curated(folder: Path) -> Path:
    return folder / "curated"


@pytest.fixture
def store(folder: Path) -> Store:
    return Store(folder / "curated", folder / "raw")


def test_by_url_id_and_site(curated: Path, store: Store) -> None:
    before = by_url(curated)
    assert {name for name, reason in before.items() if reason and reason.startswith("duplicate.")} == {
        *("2-near", "3-exact", "4-other")
    }
    done = forget(store, [Name("url", URL + "5")])
    assert (done["published"], done["documents"], done["rejected"]) == (True, 1, 0)
    assert by_url(curated).keys() == before.keys() - {"5"}
    verify(store)
    done = forget(store, [name_from(ids(curated)["3"][:9])])
    assert (done["documents"], done["rejected"]) == (1, 1)  # with its copy
    assert by_url(curated).keys() == before.keys() - {"5", "3", "3-exact"}
    verify(store)
    done = forget(store, [Name("site", "example.org")])
    assert by_url(curated) == {}  # what is on the other site is a copy of one of these
    verify(store)
    assert [one["kind"] for one in listed(store)] == ["url", "id", "site"]


def test_a_page_goes_with_its_earlier_states(curated: Path, store: Store) -> None:
    assert [row["reject_reason"] for row in rows(curated, "rejected") if row["url"] == URL + "0"] == ["superseded"]
    done = forget(store, [name_from(ids(curated)["0"])])
    assert (done["documents"], done["rejected"]) == (1, 1)
    assert "0" not in by_url(curated)
    spans = {span["doc_id"] for span in rows(curated, "removed_spans")}
    assert spans <= {row["id"] for table in ("documents", "rejected") for row in rows(curated, table)}
    verify(store)


def test_an_earlier_state_that_is_named_leaves_another_text_of_the_page(curated: Path, folder: Path, run: Run) -> None:
    write_jsonl(folder / "raw/3.jsonl", [{"url": URL + "5", "text": article(500)}])
    run(folder / "raw", curated)
    (old,) = [row for row in rows(curated, "rejected") if row["url"] == URL + "5"]
    store = Store(curated)
    done = forget(store, [name_from(old["id"])])
    assert (done["documents"], done["rejected"]) == (0, 1)
    assert by_url(curated)["5"] is None
    verify(store)
    before = rows(curated)
    run(folder / "raw", curated, rebuild=True)
    assert [row["supersedes"] for row in rows(curated)] == [row["supersedes"] for row in before]
    write_jsonl(folder / "raw/4.jsonl", [{"url": URL + name, "text": article(n)} for name, n in (("5", 501), ("x", 5))])
    summary = run(folder / "raw", curated)
    assert (summary["documents"], summary["forgotten"]) == (1, 1)  # the page goes on, its old text is out
    verify(store)


@pytest.mark.parametrize("name", ["2-near", "3-exact", "4-other"])
def test_a_takedown_is_of_a_text_so_the_document_that_holds_it_goes(curated: Path, store: Store, name: str) -> None:
    """The one that is named is itself a duplicate: which of them is kept was our choice."""
    (row,) = [row for row in rows(curated, "rejected") if (row["url"] or "").endswith(name)]
    done = forget(store, [Name("url", row["url"])])
    assert (done["documents"], done["rejected"]) == (1, 1)
    assert not {name, name[0]} & by_url(curated).keys()
    verify(store)


def test_items_of_a_feed_under_one_url_go_one_by_one(tmp_path: Path, run: Run) -> None:
    raw, curated = tmp_path / "raw", tmp_path / "curated"
    write_jsonl(raw / "feed.jsonl", [{"url": URL, "id": str(n), "text": article(n)} for n in range(4)])
    run(raw, curated)
    store = Store(curated)
    (second,) = [row["id"] for row in rows(curated) if row["source_id"] == "1"]
    assert forget(store, [name_from(second)])["documents"] == 1
    assert sorted(row["source_id"] for row in rows(curated)) == ["0", "2", "3"]
    write_jsonl(raw / "more.jsonl", [{"url": URL, "id": str(n), "text": article(n)} for n in (1, 9)])
    summary = run(raw, curated)
    assert (summary["documents"], summary["forgotten"]) == (1, 1)
    assert forget(store, [Name("url", URL)])["documents"] == 4
    assert rows(curated) == []
    verify(store)


def test_what_was_a_duplicate_only_of_what_goes_is_judged_again(tmp_path: Path, run: Run) -> None:
    """A whole, and two that each repeat most of another half of it: one is named, the whole holds its text."""
    raw, curated = tmp_path / "raw", tmp_path / "curated"
    one, two = article(1) + "\n" + article(2), article(3) + "\n" + article(4)
    whole = one + "\n" + two
    write_jsonl(raw / "0.jsonl", [{"url": URL + "whole", "text": whole}])
    run(raw, curated)
    write_jsonl(raw / "1.jsonl", [{"url": URL + "one", "text": one}])
    run(raw, curated)
    write_jsonl(raw / "2.jsonl", [{"url": URL + "two", "text": two}])
    run(raw, curated)
    assert by_url(curated) == {"whole": None, "one": "duplicate.near", "two": "duplicate.near"}
    store = Store(curated)
    done = forget(store, [Name("url", URL + "one")], purge=True)
    assert by_url(curated) == {"two": None}
    assert (done["documents"], done["rejected"], done["came_back"]) == (1, 1, 1)
    verify(store)
    before = rows(curated)
    run(raw, curated, rebuild=True)
    assert [row["text"] for row in rows(curated)] == [row["text"] for row in before]
    verify(store)


def test_later_runs_pass_over_what_is_forgotten(folder: Path, curated: Path, store: Store, run: Run) -> None:
    forget(store, [Name("url", URL + "0"), Name("url", URL + "3"), Name("site", "example.net")])
    lines = [
        {"url": URL + "0", "text": article(900)},  # by its URL
        {"url": OTHER + "3-again", "text": article(3)},  # by its text
        {"url": OTHER + "3-spaced", "text": article(3).replace("\n\n", "\n\n\n \n")},  # and by what is left of it
        {"url": "https://new.example.net/1", "text": article(901)},  # by its site
        {"url": URL + "10", "text": article(902)},
    ]
    path = write_jsonl(folder / "raw/3.jsonl", lines)
    summary = run(folder / "raw", curated)
    assert (summary["records"], summary["documents"], summary["rejected"]) == (5, 1, 0)
    assert (summary["known"], summary["forgotten"]) == (0, 4)
    verify(store)
    assert run(folder / "raw", curated)["records"] == 0  # and aren't read night after night
    write_jsonl(path, [*lines, {"url": URL + "11", "text": article(903)}])
    summary = run(folder / "raw", curated)
    assert summary["known"] + summary["forgotten"] + summary["documents"] == 6
    assert summary["documents"] == 1
    verify(store)
    write_jsonl(folder / "raw/4.jsonl", lines[:1])
    summary = run(folder / "raw", curated)
    assert (summary["published"], summary["forgotten"]) == (False, 1)


def test_ids_stay_one_of_a_kind_where_some_equals_are_forgotten(tmp_path: Path, run: Run) -> None:
    """Records that could not be read, or have no text, are nobody's text: each goes alone."""
    raw, curated = tmp_path / "raw", tmp_path / "curated"
    write_jsonl(raw / "a/1.jsonl", [{"text": article(1)}, {"text": ""}])
    write_jsonl(raw / "b/1.jsonl", [{"text": ""}])
    run(raw, curated)
    for number in range(3):
        gone = rows(curated, "rejected")[0]["id"]
        assert forget(Store(curated), [Name("id", gone)])["rejected"] in (1, 2)  # equal lines of a file are one
        write_jsonl(raw / f"{number}/2.jsonl", [{"text": ""}, {"text": "\n"}, {"text": ""}])
        run(raw, curated)
        assert gone not in every_id(curated)
        verify(Store(curated))
        run(raw, curated, rebuild=True)
        verify(Store(curated))


def test_a_rebuild_keeps_them_out(folder: Path, curated: Path, store: Store, run: Run) -> None:
    forget(store, [Name("url", URL + "2"), Name("url", URL + "0")])
    before = by_url(curated)
    config = {"boilerplate": {"input": "extracted"}}
    summary = run(folder / "raw", curated, rebuild=True, config=config)
    assert by_url(curated) == before
    assert (
        summary["documents"] + summary["rejected"] == len(before) + 2
    )  # and an earlier state, and the line without a URL
    verify(store)
    write_jsonl(folder / "raw/3.jsonl", [{"url": OTHER + "2", "text": article(2)}])
    assert run(folder / "raw", curated, config=config)["forgotten"] == 1


def test_a_new_document_is_no_duplicate_of_one_that_is_forgotten(
    folder: Path, curated: Path, store: Store, run: Run
) -> None:
    forget(store, [Name("url", URL + "2")])
    write_jsonl(folder / "raw/3.jsonl", [{"url": OTHER + "near", "text": near(2, 5)}])
    assert run(folder / "raw", curated)["documents"] == 1
    assert by_url(curated)["near"] is None
    verify(store)


def test_a_name_that_is_nowhere_yet_is_listed_without_a_version(
    folder: Path, curated: Path, store: Store, run: Run
) -> None:
    before = json.loads((curated / "current.json").read_text())
    done = forget(store, [Name("url", URL + "20")])
    assert (done["published"], done["names"], done["documents"]) == (False, 1, 0)
    after = json.loads((curated / "current.json").read_text())
    assert after["version"] == before["version"]
    assert after["forgotten"]["path"].startswith("forgotten/1-")
    verify(store)
    write_jsonl(folder / "raw/3.jsonl", [{"url": URL + "20", "text": article(20)}])
    assert run(folder / "raw", curated)["forgotten"] == 1
    assert forget(store, [Name("url", URL + "20")]) | {"known": 1, "names": 0} == forget(
        store, [Name("url", URL + "20")]
    )


def test_a_rollback_to_what_is_forgotten_is_refused(folder: Path, curated: Path, store: Store, run: Run) -> None:
    write_jsonl(folder / "raw/3.jsonl", [{"url": URL + "8", "text": article(8)}])
    run(folder / "raw", curated)
    forget(store, [Name("url", URL + "8")])
    before = tree(curated)
    with pytest.raises(RefusedError, match="forgotten"):
        history.rollback(store, "4")
    with pytest.raises(RefusedError, match="forgotten"):
        export(store, folder / "out", Wanted(), "4")
    assert not (folder / "out").exists()
    assert tree(curated) == before
    assert history.rollback(store, "3")["documents"] == 6
    assert len(listed(store)) == 1  # the list is the dataset's
    verify(store)
    summary = run(folder / "raw", curated, resume=True)
    assert summary["forgotten"] == 1
    verify(store)


def test_undo_reads_again_what_was_forgotten(folder: Path, curated: Path, store: Store, run: Run) -> None:
    was = every_id(curated)
    forget(store, [Name("url", URL + "2"), Name("url", URL + "0"), Name("site", "example.net")])
    with pytest.raises(ConfigError, match="not on the list"):
        undo(store, [Name("url", URL + "1")])
    assert undo(store, [Name("url", URL + "2")])["names"] == 1
    assert {one["kind"] for one in listed(store)} == {"url", "site"}
    verify(store)
    summary = run(folder / "raw", curated)
    assert summary["published"]
    assert summary["forgotten"] == 2  # both states of 0
    found = by_url(curated)
    assert {name for name in found if name.startswith("2")} == {"2", "2-near"}
    assert "0" not in found
    assert len(was - every_id(curated)) == 2
    assert every_id(curated) < was  # the same records under the same ids
    verify(store)
    assert run(folder / "raw", curated)["records"] == 0
    undo(store, [Name("url", URL + "0")])
    run(folder / "raw", curated)
    assert every_id(curated) == was
    verify(store)


def test_undo_reads_again_what_was_passed_over(folder: Path, curated: Path, store: Store, run: Run) -> None:
    forget(store, [Name("url", URL + "2"), Name("url", URL + "20")])
    lines = [{"url": URL + "20", "text": article(20)}, {"url": OTHER + "2", "text": article(2)}]
    path = write_jsonl(folder / "raw/3.jsonl", [*lines, {"url": URL + "21", "text": article(21)}])
    assert run(folder / "raw", curated)["forgotten"] == 2
    write_jsonl(path, [*lines, {"url": URL + "21", "text": article(21)}, {"url": URL + "22", "text": article(22)}])
    run(folder / "raw", curated)
    undo(store, [Name("url", URL + "20")])
    assert run(folder / "raw", curated)["documents"] == 1
    undo(store, [Name("url", URL + "2")])
    assert run(folder / "raw", curated)["documents"] == 1
    assert {"20", "2"} <= by_url(curated).keys()
    verify(store)
    assert run(folder / "raw", curated)["records"] == 0


def test_undo_reads_again_what_has_another_name_now(folder: Path, curated: Path, store: Store, run: Run) -> None:
    (folder / "raw/0.jsonl").rename(folder / "raw/renamed.jsonl")
    run(folder / "raw", curated)
    forget(store, [Name("url", URL + "5")])
    undo(store, [Name("url", URL + "5")])
    run(folder / "raw", curated)
    assert by_url(curated)["5"] is None
    verify(store)


def test_in_an_archive(tmp_path: Path, run: Run) -> None:
    raw, curated = tmp_path / "raw", tmp_path / "curated"
    raw.mkdir()
    pages = [{"url": f"{URL}{n}", "text": article(n)} for n in range(4)]
    with ZipFile(raw / "a.zip", "w") as archive:
        for name, part in (("b/1.jsonl", pages[:2]), ("b/2.jsonl", pages[2:])):
            archive.writestr(name, "".join(json.dumps(page) + "\n" for page in part))
    run(raw, curated)
    store = Store(curated)
    forget(store, [Name("url", URL + "1"), Name("url", OTHER + "5")])
    with ZipFile(raw / "b.zip", "w") as archive:
        page = {"url": OTHER + "1", "text": article(1)}
        archive.writestr("1.jsonl", "".join(json.dumps(one) + "\n" for one in (page, {**page, "url": OTHER + "5"})))
        archive.writestr("2.jsonl", json.dumps({"url": URL + "9", "text": article(9)}))
    summary = run(raw, curated)
    assert (summary["records"], summary["documents"], summary["forgotten"]) == (3, 1, 2)
    verify(store)
    assert undo(store, [Name("url", URL + "1")])["files"] == 2
    summary = run(raw, curated)
    assert (summary["known"], summary["forgotten"]) == (4, 1)
    assert by_url(curated).keys() == {"0", "1", "2", "3", "9"}
    verify(store)
    assert run(raw, curated)["records"] == 0


def test_a_pointer_or_list_that_was_damaged_is_found(curated: Path, store: Store) -> None:
    forget(store, [Name("url", URL + "2")])
    (path,) = (curated / "forgotten").iterdir()
    whole = path.read_bytes()
    for at in (0, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(RefusedError, match=path.name):
            verify(store)


def decompressed(curated: Path) -> str:
    """All that any file of a dataset says, decompressed, and its raw bytes."""
    said = []
    for path in curated.rglob("*"):
        if path.is_file():
            said.append(path.read_bytes().decode("latin-1"))
            if path.suffix == ".parquet":
                table = pq.read_table(path)
                said += [json.dumps(column.to_pylist(), default=str, ensure_ascii=False) for column in table.columns]
    return "\n".join(said)


def test_purged_texts_stand_in_no_file(tmp_path: Path, run: Run) -> None:
    raw, curated = tmp_path / "raw", tmp_path / "curated"
    notice = "Reprinted by kind permission of the ferry company of the northern islands."

    def page(number: int, state: int = 0) -> dict[str, str]:
        text = article(number) + ("\n" + article(number + 10_000 * state) if state else "") + notice
        return {"url": f"{URL}{number}", "text": text}

    write_jsonl(raw / "0.jsonl", [page(n) for n in range(150)])
    run(raw, curated)
    changed = [page(n, 1) for n in range(30)]
    copies = [{"url": f"{OTHER}{n}", "text": near(n) if n % 2 else article(n)} for n in range(40, 70)]
    write_jsonl(raw / "1.jsonl", [*changed, *copies])
    run(raw, curated)
    staged = curated / ".staging/steps/left-by-a-kill/records.txt"
    staged.parent.mkdir(parents=True)
    staged.write_text(article(1))
    gone = [*range(100)]
    texts = "\n".join([*(article(n) for n in gone), *(article(n + 10_000) for n in range(30))])
    # Word salad as it is, some sentences stand in two articles.
    stay = set().union(*(sentences(article(n)) for n in range(100, 150)))
    wanted = sentences(texts) - stay
    before = decompressed(curated)
    assert len(wanted) > 800
    assert sum(sentence in before for sentence in wanted) > 0.95 * len(wanted)
    done = forget(Store(curated), names_in("\n".join(f"{URL}{n}" for n in gone)), purge=True)
    assert done["documents"] == 100
    assert len(done["purged"]) == 2
    after = decompressed(curated)
    assert [sentence for sentence in wanted if sentence in after] == []
    assert len(rows(curated)) == 50
    verify(Store(curated))
    write_jsonl(raw / "2.jsonl", [page(200)])
    run(raw, curated)
    verify(Store(curated))


def deaths() -> Iterator[tuple[int, str]]:
    """Effects, and the ways to die at them: one in STRIDE, all with `TAMIS_KILLS=all`."""
    for number, (at, how) in enumerate(product(range(1, 400), ("before", "torn", "after"))):
        if number % STRIDE == 0:
            yield at, how


def test_killed_anywhere_the_same_call_finishes_it(folder: Path, store: Store) -> None:
    names = [Name("url", URL + "2"), Name("url", URL + "0"), Name("url", URL + "30")]
    whole = shutil.copytree(store.data, folder / "whole")
    forget(Store(whole), names, purge=True)
    expected = tree(whole)
    version = history.versions(Store(whole))[-1].name
    tried = 0
    for at, how in deaths():
        copy = Path(shutil.copytree(store.data, folder / f"{at}-{how}"))
        killed = Store(copy)
        killed.effects.at, killed.effects.how, killed.effects.error = at, how, Killed()  # type: ignore[assignment]
        try:
            forget(killed, names, purge=True)
        except Killed:
            tried += 1
        else:
            break
        verify(Store(copy))
        undo_nothing(copy)
        if json.loads((copy / "current.json").read_text())["version"] == version:
            assert tree(copy) == expected, (at, how)  # any writer finishes a purge that was begun
        forget(Store(copy), names, purge=True)
        verify(Store(copy))
        assert tree(copy) == expected, (at, how)
        assert not list((copy / ".staging").rglob("*.parquet"))
        shutil.rmtree(copy)
    assert tried > 200 // STRIDE


def undo_nothing(curated: Path) -> None:
    """A writer that has nothing to do of its own."""
    with pytest.raises(ConfigError):
        undo(Store(curated), [Name("url", "https://nowhere.example/")])


def test_undo_killed_anywhere(folder: Path, store: Store) -> None:
    names = [Name("url", URL + "2")]
    forget(store, names)
    whole = shutil.copytree(store.data, folder / "whole")
    undo(Store(whole), names)
    for at in count(1):
        for how in ("before", "torn", "after"):
            copy = Path(shutil.copytree(store.data, folder / f"{at}-{how}"))
            killed = Store(copy)
            killed.effects.at, killed.effects.how, killed.effects.error = at, how, Killed()  # type: ignore[assignment]
            try:
                undo(killed, names)
            except Killed:
                verify(Store(copy))
                undo_nothing(copy)
                if listed(Store(copy)):
                    undo(Store(copy), names)
                verify(Store(copy))
                assert tree(copy) == tree(whole)
            else:
                assert at > 4
                return


def test_names_in_a_list() -> None:
    text = "# all of March\n\nabcdef0123   # as told by mail\n https://e.example.org/a#part \nnews/1.txt\n"
    assert names_in(text) == [
        Name("id", "abcdef0123"),
        Name("url", "https://e.example.org/a#part"),
        Name("path", "news/1.txt"),
    ]


def test_by_path(tmp_path: Path, run: Run) -> None:
    raw, curated = tmp_path / "raw", tmp_path / "curated"
    for number in range(3):
        (raw / "news").mkdir(parents=True, exist_ok=True)
        (raw / f"news/{number}.txt").write_text(article(number))
    run(raw, curated)
    done = forget(Store(curated), [name_from("news/1.txt")])
    assert (done["documents"], done["rejected"]) == (1, 0)
    assert [row["source_path"] for row in sorted(rows(curated), key=lambda row: row["source_path"])] == [
        "news/0.txt",
        "news/2.txt",
    ]
    (raw / "news/1.txt").touch()
    assert run(raw, curated, checksum=True)["published"] is False
    verify(Store(curated))


@pytest.mark.parametrize("name", ["0" * 32, "000000", "", "abc", "ABCDEF01", "e.example.org", "0" * 33])
def test_a_name_that_is_nobodys_is_an_error_and_nothing_is_done(curated: Path, store: Store, name: str) -> None:
    before = tree(curated)
    with pytest.raises(ConfigError, match="no document"):
        forget(store, [Name("url", URL + "1"), name_from(name)])
    assert tree(curated) == before
    with pytest.raises(ConfigError, match="--site"):
        forget(store, [])


def tamis(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command(curated: Path, tmp_path: Path) -> None:
    requests = tmp_path / "requests.txt"
    requests.write_text(f"{URL}5\n{ids(curated)['1']}\n")
    said = tamis("forget", URL + "2", "--from", requests, "--curated", curated).output
    assert "3 documents and 2 rejected rows are gone" in said
    assert "Earlier versions still hold them" in said
    found = json.loads(tamis("forget", "--list", "--json", "--curated", curated).stdout)
    assert sorted(one["kind"] for one in found) == ["id", "url", "url"]
    assert URL not in tamis("forget", "--list", "--curated", curated).output
    purged = json.loads(tamis("forget", "--purge", "--json", "--curated", curated).stdout)
    assert (purged["published"], len(purged["purged"])) == (False, 3)
    done = tamis("forget", "--undo", URL + "2", "--curated", curated)
    assert "1 names are off the list" in done.output
    for wrong in (["forget"], ["forget", "swans"], ["forget", "--undo", URL + "2"], ["forget", "--from", tmp_path]):
        assert isinstance(tamis(*wrong, "--curated", curated).exception, ConfigError)


@pytest.mark.flow
def test_as_prefect_flows(prefect_api: str, curated: Path) -> None:
    from flows import maintain

    assert maintain.rollback("2", str(curated))["held"]
    assert maintain.rollback("3", str(curated))["held"] is False
    done = maintain.forget([URL + "5"], str(curated))
    assert (done["documents"], by_url(curated).get("5", "gone")) == (1, "gone")
    assert maintain.gc(str(curated), keep=1, dry_run=True)["dry_run"]
    verify(Store(curated))
