"""Documents found by what people know of them, and what the dataset holds of a file."""

import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.store import Store
from flows.versions.find import find, names
from flows.versions.manifest import require
from tests.conftest import article, rows
from tests.published import URL, make_dataset
from transforms.errors import ConfigError


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("full"))


def tamis(*arguments: Any) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_by_how_an_id_begins(full: Path) -> None:
    ids = [row["id"] for table in ("documents", "rejected") for row in rows(full, table)]
    for document in ids:
        length = next(n for n in range(4, 33) if sum(other.startswith(document[:n]) for other in ids) == 1)
        assert find(Store(full), document[:length]).row["id"] == document
    with pytest.raises(ConfigError, match="no document"):
        find(Store(full), ids[0][:3])


def test_an_id_that_begins_as_several_do_names_them(full: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.versions.find._ID", re.compile("[0-9a-f]{0,32}"))
    with pytest.raises(ConfigError, match=r"13 documents: .* and 8 more"):
        find(Store(full), "")


def test_by_url_the_document_before_what_was_rejected_under_it(full: Path) -> None:
    store = Store(full)
    now, before = names(store, require(store), f"{URL}0")
    assert (now[0], before[0]) == ("documents", "rejected")
    assert find(store, f"{URL}0").row["id"] == now[1]
    copy = find(store, f"{URL}copy")
    assert (copy.table, copy.row["reject_reason"]) == ("rejected", "duplicate.exact")
    with pytest.raises(ConfigError, match=f"no document '{URL}x'"):
        find(store, f"{URL}x")


def test_by_path(full: Path) -> None:
    assert find(Store(full), "shop.example/page.txt").restored.original == article(7)
    with pytest.raises(ConfigError, match=r"'1.jsonl' names \d documents"):
        find(Store(full), "1.jsonl")


def test_restore_takes_all_of_them(full: Path) -> None:
    document = find(Store(full), "shop.example/page.txt").row["id"]
    for name in (document, document[:12], "shop.example/page.txt"):
        assert tamis("restore", name, "--curated", full).stdout == article(7)
    several = tamis("restore", "1.jsonl", "--curated", full)
    assert several.exit_code == 1
    assert isinstance(several.exception, ConfigError)


def test_explain_shows_what_the_dataset_holds_of_a_file(full: Path) -> None:
    path = full.parent / "raw/shop.example/page.txt"
    document = find(Store(full), "shop.example/page.txt").row
    said = tamis("explain", path, "--curated", full)
    assert f"── {document['id']} ──" in said.stdout
    assert "site: shop.example\n" in said.stdout
    assert said.stderr == ""
    fresh = tamis("explain", path, "--fresh", "--curated", full)
    assert document["id"] not in fresh.stdout
    assert "shop.example" not in fresh.stdout
    assert len(tamis("explain", full.parent / "raw/2.jsonl", "--curated", full).stdout.split("── ")) == 4
    url = tamis("explain", f"{URL}0", "--curated", full).stdout
    assert "(rejected) ──" in url
    assert "reject_reason: superseded" in url


def test_explain_says_where_a_file_is_another_by_now(full: Path, tmp_path: Path) -> None:
    path = tmp_path / "shop.example/page.txt"
    path.parent.mkdir()
    path.write_text(article(7))
    assert tamis("explain", path, "--curated", full).stderr == ""
    path.write_text(article(8))
    assert "another file by now than shop.example/page.txt" in tamis("explain", path, "--curated", full).stderr
    other = tmp_path / "other.txt"
    other.write_text(article(9))
    said = tamis("explain", other, "--curated", full)
    assert "holds nothing of" in said.stderr
    assert article(9).split("\n")[0] in said.stdout
    assert tamis("explain", "none.txt", "--fresh", "--curated", full).exit_code == 1
