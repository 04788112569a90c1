"""Exports: plain folders of a version, whole or part of it, in our own shape or another's, and never half of one."""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.store import Effects, Store
from flows.versions.export import Wanted, export
from tests.conftest import rows, tree
from tests.published import make_dataset, make_empty
from transforms.errors import ConfigError, RefusedError
from transforms.schema import DOLMA, DUPLICATE_COUNT, FINEWEB, REJECTION, TABLES

BESIDE = {"README.md", "croissant.json", "schema.json"}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("full"))


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def table(folder: Path, name: str) -> pa.Table:
    return pa.concat_tables(pq.read_table(path) for path in sorted((folder / name).iterdir()))


def by_id(found: pa.Table) -> list[dict[str, Any]]:
    key = "doc_id" if "doc_id" in found.column_names else "id"
    return sorted(found.to_pylist(), key=lambda row: (row[key], row.get("seq", 0)))


def test_a_whole_export_is_the_published_files(full: Path, tmp_path: Path) -> None:
    done = export(Store(full), tmp_path / "out", Wanted())
    found = files(tmp_path / "out")
    current = json.loads((full / "current.json").read_text())
    wanted = {f"{name}/{Path(file).name}": (full / file).read_bytes() for name in TABLES for file in current[name]}
    assert {key: content for key, content in found.items() if key not in BESIDE} == wanted
    assert found.keys() > BESIDE
    assert done["rows"] == {name: len(rows(full, name)) for name in TABLES}
    assert done["bytes"] == sum(map(len, wanted.values()))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_export_is_the_same_whenever_it_is_made(full: Path, tmp_path: Path) -> None:
    for wanted in (Wanted(), Wanted(("en",), shard_bytes=20_000), Wanted(profile="fineweb"), Wanted(profile="dolma")):
        for name in ("one", "two"):
            export(Store(full), tmp_path / name, wanted)
        assert files(tmp_path / "one") == files(tmp_path / "two")


def test_links_are_the_same_files(full: Path, tmp_path: Path) -> None:
    before = tree(full)
    export(Store(full), tmp_path / "linked", Wanted(link=True))
    export(Store(full), tmp_path / "copied", Wanted())
    for name, is_same in (("linked", True), ("copied", False)):
        for path in (tmp_path / name / "documents").iterdir():
            published = next(full.rglob(f"documents/{path.name}"))
            assert (path.stat().st_ino == published.stat().st_ino) is is_same
    shutil.rmtree(tmp_path / "linked")
    assert tree(full) == before


def test_only_some_languages(full: Path, tmp_path: Path) -> None:
    export(Store(full), tmp_path / "out", Wanted(("zh", "de")))
    kept = [row for row in rows(full) if row["language"] in ("zh-Hans", "de")]
    assert by_id(table(tmp_path / "out", "documents")) == kept
    assert len(kept) == 2
    assert table(tmp_path / "out", "rejected").num_rows == 0
    assert table(tmp_path / "out", "removed_spans").num_rows == 0
    export(Store(full), tmp_path / "out", Wanted(("en",)))
    english = {row["id"] for name in ("documents", "rejected") for row in rows(full, name) if row["language"] == "en"}
    spans = [row for row in rows(full, "removed_spans") if row["doc_id"] in english]
    assert by_id(table(tmp_path / "out", "removed_spans")) == spans != []
    card = (tmp_path / "out/README.md").read_text()
    assert "| documents by language | en 7 |" in card
    assert '- "en"\n' in card
    assert '- "de"\n' not in card


def test_only_some_columns(full: Path, tmp_path: Path) -> None:
    export(Store(full), tmp_path / "out", Wanted(columns=("text", "id")))
    assert table(tmp_path / "out", "documents").schema.names == ["text", "id"]
    why = [field.name for field in REJECTION]
    assert table(tmp_path / "out", "rejected").schema.names == ["text", "id", *why]
    assert table(tmp_path / "out", "removed_spans").schema.equals(TABLES["removed_spans"])
    assert by_id(table(tmp_path / "out", "documents")) == [{"text": row["text"], "id": row["id"]} for row in rows(full)]


@pytest.mark.parametrize("hub", [False, True])
def test_files_of_so_many_bytes(hub: bool, full: Path, tmp_path: Path) -> None:
    export(Store(full), tmp_path / "out", Wanted(shard_bytes=6_000, hub=hub))
    paths = sorted((tmp_path / "out/documents").iterdir())
    assert len(paths) > 1
    assert by_id(table(tmp_path / "out", "documents")) == rows(full)
    schemas = [pq.read_schema(path) for path in paths]
    assert all(schema.equals(TABLES["documents"], check_metadata=True) for schema in schemas)
    assert all(pq.read_metadata(path).num_rows for path in paths)
    export(Store(full), tmp_path / "one", Wanted(shard_bytes=1 << 30, hub=hub))
    assert len(list((tmp_path / "one/documents").iterdir())) == 1


def test_an_older_version(full: Path, tmp_path: Path) -> None:
    done = export(Store(full), tmp_path / "out", Wanted(), "1")
    assert done["version"].startswith("1-")
    assert done["rows"]["documents"] == 8
    with pytest.raises(ConfigError, match="no version"):
        export(Store(full), tmp_path / "out", Wanted(), "9")
    assert json.loads((tmp_path / "out/schema.json").read_text())["export"]["version"] == done["version"]


def test_fineweb(full: Path, tmp_path: Path) -> None:
    export(Store(full), tmp_path / "out", Wanted(profile="fineweb"))
    found = table(tmp_path / "out", "documents")
    assert found.schema.equals(FINEWEB, check_metadata=True)
    assert found.column_names == [
        *("text", "id", "dump", "url", "date", "file_path", "language", "language_score", "language_script"),
        *("minhash_cluster_size", "top_langs"),
    ]
    ours = {row["id"]: row for row in rows(full)}
    copies = [row["duplicate_of"] for row in rows(full, "rejected") if row["reject_reason"].startswith("duplicate.")]
    version = json.loads((full / "current.json").read_text())["version"]
    for row in found.to_pylist():
        own = ours[row["id"]]
        assert (row["text"], row["url"], row["file_path"]) == (own["text"], own["url"], own["source_path"])
        assert row["dump"] == version
        assert row["minhash_cluster_size"] == 1 + copies.count(row["id"])
        assert row["language"] == own["language_iso3"]
        assert row["language_score"] == own["language_score"]
    by_language = {row["language"]: row for row in found.to_pylist()}
    assert by_language["zho"]["date"] == "1891-12-31T23:30:00Z"
    assert json.loads(by_language["zho"]["top_langs"]) == {"zho_Hans_score": 1.0}
    assert by_language["deu"]["date"] is None
    assert sorted(row["minhash_cluster_size"] for row in found.to_pylist())[-3:] == [1, 2, 2]


def test_finepdfs_count_of_exact_copies(full: Path, tmp_path: Path) -> None:
    export(Store(full), tmp_path / "out", Wanted(profile="fineweb", duplicate_count=True))
    found = table(tmp_path / "out", "documents")
    assert found.schema.equals(FINEWEB.append(DUPLICATE_COUNT), check_metadata=True)
    assert sorted(found["duplicate_count"].to_pylist()) == [0] * 8 + [1]


def test_dolma(full: Path, tmp_path: Path) -> None:
    export(Store(full), tmp_path / "out", Wanted(profile="dolma", shard_bytes=1))
    paths = sorted((tmp_path / "out/documents").iterdir())
    assert len(paths) == len(rows(full))
    lines = [json.loads(line) for path in paths for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
    assert all(list(line) == DOLMA.names for line in lines)
    ours = {row["id"]: row for row in rows(full)}
    assert {line["id"] for line in lines} == ours.keys()
    for line in lines:
        own = ours[line["id"]]
        assert (line["text"], line["source"]) == (own["text"], own["site"])
        assert line["metadata"]["authors"] == own["authors"]
    dates = {line["created"] for line in lines}
    assert {"1891-03-05T00:00:00Z", "1891-12-31T23:30:00Z"} <= dates


def test_tables_without_rows(tmp_path: Path) -> None:
    curated = make_empty(tmp_path)
    for wanted in (Wanted(), Wanted(shard_bytes=100), Wanted(("zh",)), Wanted(("zh",), profile="fineweb")):
        export(Store(curated), tmp_path / "out", wanted)
        kept = 0 if wanted.languages else 1
        assert table(tmp_path / "out", "documents").num_rows == kept
        if wanted.profile == "tamis":
            assert table(tmp_path / "out", "rejected").num_rows == 0
    export(Store(curated), tmp_path / "out", Wanted(("zh",), profile="dolma"))
    (path,) = (tmp_path / "out/documents").iterdir()
    assert gzip.decompress(path.read_bytes()) == b""


def test_the_card_and_the_schema(full: Path, tmp_path: Path) -> None:
    export(Store(full), tmp_path / "out", Wanted())
    front, card = (tmp_path / "out/README.md").read_text(encoding="utf-8").split("---\n", 2)[1:]
    for name in TABLES:
        assert f"- config_name: {name}\n  data_files: {name}/*.parquet\n" in front
    assert "license: unknown\n" in front  # the one that had one was superseded
    assert "size_categories:\n- n<1K\n" in front
    assert "| documents | 9 |" in card
    assert "| rejected records | 4 |" in card
    said = json.loads((tmp_path / "out/schema.json").read_text(encoding="utf-8"))
    for name, schema in TABLES.items():
        assert [column["name"] for column in said["tables"][name]] == schema.names
        for column, field in zip(said["tables"][name], schema, strict=True):
            assert column["description"] == field.metadata[b"description"].decode()
            assert column["description"].replace("|", "\\|").replace("<", "&lt;") in card


# ------------------------------------------------------------------------------------------------------ what is refused


def test_what_is_there_is_replaced_only_if_it_is_an_export(full: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    export(Store(full), out, Wanted())  # an empty folder is fine
    export(Store(full), out, Wanted(("de",)))
    assert table(out, "documents").num_rows == 1
    (out / "notes.txt").write_text("mine")
    before = files(out)
    with pytest.raises(ConfigError, match=r"notes\.txt"):
        export(Store(full), out, Wanted())
    assert files(out) == before
    other = tmp_path / "other"
    other.mkdir()
    (other / "schema.json").write_text("{}")
    with pytest.raises(ConfigError, match="no export"):
        export(Store(full), other, Wanted())
    with pytest.raises(ConfigError, match="not a folder"):
        export(Store(full), other / "schema.json", Wanted())
    for inside in (full, full / "exported", full.parent):
        with pytest.raises(ConfigError, match="dataset"):
            export(Store(full), inside, Wanted())


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(profile="c4"),
        Wanted(("deu",)),
        Wanted(columns=("words",)),
        Wanted(shard_bytes=0),
        Wanted(columns=("id",), profile="fineweb"),
        Wanted(duplicate_count=True),
        Wanted(hub=True, profile="dolma"),
        Wanted(("de",), link=True),
    ],
)
def test_what_can_not_be_asked_for(wanted: Wanted, full: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        export(Store(full), tmp_path / "out", wanted)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_not_exported(full: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(full, tmp_path / "curated"))
    current = json.loads((copy / "current.json").read_text())
    path = copy / current["documents"][0]
    content = path.read_bytes()
    path.write_bytes(content[:300] + bytes([content[300] ^ 1]) + content[301:])
    for wanted in (Wanted(), Wanted(("en", "de", "zh"))):
        with pytest.raises(RefusedError, match=path.name):
            export(Store(copy), tmp_path / "out", wanted)
    assert [path.name for path in tmp_path.iterdir()] == ["curated"]


class Killed(BaseException):
    pass


@pytest.mark.parametrize("how", ["before", "torn", "after"])
def test_an_export_killed_anywhere_leaves_none_or_a_whole_one(
    how: Any, full: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    export(Store(full), tmp_path / "old", Wanted(("de",)))
    export(Store(full), tmp_path / "new", Wanted())
    old, new = files(tmp_path / "old"), files(tmp_path / "new")
    at = 0
    while True:
        at += 1
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(tmp_path / "old", out)
        shared = Effects()
        shared.at, shared.how, shared.error = at, how, Killed()
        with monkeypatch.context() as patch:
            store = Store(full)
            patch.setattr("flows.store.Effects", lambda: shared)  # noqa: B023
            try:
                export(store, out, Wanted())
            except Killed:
                assert not out.exists() or files(out) in (old, new)
            else:
                break
        export(Store(full), out, Wanted())
        assert files(out) == new
        assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "old", "out"]
    assert at > 10


def test_the_command(full: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    said = CliRunner().invoke(app, ["export", out, "--curated", str(full), "--language", "de", "--json"])
    assert json.loads(said.stdout)["rows"] == {"documents": 1, "rejected": 0, "removed_spans": 0}
    said = CliRunner().invoke(app, ["export", out, "--curated", str(full), "--link"])
    assert "damage the dataset" in said.stderr
    said = CliRunner().invoke(app, ["export", out, "--curated", str(full), "--columns", "id, text"])
    assert "9 documents" in said.stdout
