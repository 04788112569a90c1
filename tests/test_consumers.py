"""A dataset opens everywhere, and says the same everywhere: the tools that read Parquet, as the README has them read
it, from another folder; the originals in plain SQL; readers while a writer publishes."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from flows.store import Store
from flows.tables import read_table
from flows.versions.checks import restorable
from flows.versions.export import Wanted, export
from flows.versions.ledger import restore_all
from flows.versions.manifest import require
from tests.conftest import article, manifest_of, write_jsonl
from tests.published import make_dataset, make_empty, plain, run
from transforms.schema import FINEWEB, TABLES

# Before anything imports `datasets`: tests leave a user's own cache alone, and need no network.
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="tamis-test-hf-")
os.environ["HF_HUB_OFFLINE"] = "1"

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
# The block of the README whose first lines these are.
BLOCKS = re.findall(r"```(python|sql)\n(.*?)```", README, re.DOTALL)
LOAD, PROOF = "import json\nfrom pathlib", "SET VARIABLE"


def block(start: str) -> str:
    (found,) = (code for _, code in BLOCKS if code.startswith(start))
    return found


def needs(module: str) -> Any:
    group = "spark" if module == "pyspark" else "consumers"
    return pytest.importorskip(module, reason=f"{module} is not installed (dependency group `{group}`)")


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("full"))


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_empty(tmp_path_factory.mktemp("empty"))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another folder than the one the snippets stand in."""
    monkeypatch.chdir(tmp_path)


def files_function() -> Callable[..., list[str]]:
    """The README's one function."""
    names: dict[str, Any] = {}
    exec(block(LOAD), names)
    found: Callable[..., list[str]] = names["files"]
    return found


# The README's lines, with what they need.
def snippet(tool: str) -> str:
    (line,) = re.findall(rf"^\| {tool} \| `(.*)` \|$", README, re.MULTILINE)
    return str(line)


def read(tool: str, curated: Path, table: str, spark: Any = None) -> list[dict[str, Any]]:
    """The rows of a table, by the README's line for a tool."""
    files = files_function()
    names: dict[str, Any] = {"files": lambda of: files(of, table), "curated": str(curated), "spark": spark}
    code = snippet(tool).replace(', columns=["id", "text"]', "").replace(", streaming=True", "")
    if tool == "pandas":
        return list(eval(code, {**names, "pd": pd}).to_dict("records"))
    if tool == "polars":
        return list(eval(code, {**names, "pl": needs("polars")}).to_dicts())
    if tool == "DuckDB":
        duckdb = needs("duckdb")
        duckdb.execute("SET TimeZone = 'UTC'")
        found = eval(code, {**names, "duckdb": duckdb})
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
    if tool == "pyarrow":
        return list(eval(code, {**names, "pyarrow": pa}).to_table().to_pylist())
    if tool == "datasets":
        return list(eval(code, {**names, "load_dataset": needs("datasets").load_dataset}))
    return list(eval(code, names).toArrow().to_pylist())


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    needs("pyspark")
    if not shutil.which("java"):
        pytest.skip("Spark needs Java, and there is none here")
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        # As Spark 3 had it: times before 1900 of a file that doesn't say its calendar are refused.
        .config("spark.sql.parquet.datetimeRebaseModeInRead", "EXCEPTION")
        .getOrCreate()
    )
    yield session
    session.stop()


def expected(curated: Path, table: str) -> list[dict[str, Any]]:
    key = "doc_id" if table == "removed_spans" else "id"
    found = pa.concat_tables(pq.read_table(file) for file in files_function()(curated, table)).to_pylist()
    return sorted((plain(row) for row in found), key=lambda row: (row[key], row.get("seq", 0)))


def check(tool: str, curated: Path, table: str, spark: Any = None) -> None:
    key = "doc_id" if table == "removed_spans" else "id"
    found = [plain(row) for row in read(tool, curated, table, spark)]
    found.sort(key=lambda row: (row[key], row.get("seq", 0)))
    wanted = expected(curated, table)
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert list(one) == TABLES[table].names
        assert one == other


TOOLS = ("pandas", "polars", "DuckDB", "pyarrow", "datasets")


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_reads_the_same(tool: str, table: str, full: Path) -> None:
    check(tool, full, table)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("tool", TOOLS)
def test_a_table_without_rows_has_its_columns(tool: str, table: str, empty: Path) -> None:
    if tool == "datasets" and table != "documents":  # it makes no split of no rows, but streams one
        with pytest.raises(ValueError, match="no data"):
            check(tool, empty, table)
    else:
        check(tool, empty, table)


@pytest.mark.parametrize("table", TABLES)
def test_spark_reads_the_same(table: str, full: Path, empty: Path, spark: Any) -> None:
    check("Spark", full, table, spark)
    check("Spark", empty, table, spark)


def test_the_dataset_has_what_readers_stumble_over(full: Path) -> None:
    rows = expected(full, "documents")
    assert {1891} <= {row["published_at"].year for row in rows if row["published_at"]}
    assert [len(row["authors"]) for row in rows if row["authors"]] == [1]
    assert {row["language"] for row in rows} >= {"en", "de", "zh-Hans"}
    assert any(row["removed_by_reason"] for row in rows)
    assert {row["reject_reason"] for row in expected(full, "rejected")} == {
        *("read.invalid_json", "duplicate.exact", "duplicate.near", "superseded"),
    }


def test_datasets_streams(full: Path) -> None:
    files = files_function()
    names = {"files": files, "curated": str(full), "load_dataset": needs("datasets").load_dataset}
    found = [plain(row) for row in eval(snippet("datasets"), names)]
    assert sorted(found, key=lambda row: str(row["id"])) == expected(full, "documents")


def test_the_example_is_what_the_readme_quotes(full: Path) -> None:
    example = ROOT / "examples/load.py"
    function = block(LOAD).split("\n\n\n", 1)[1].rstrip("\n")
    assert function in example.read_text(encoding="utf-8")
    shown = subprocess.run([sys.executable, example, full], capture_output=True, text=True, check=True)
    assert "[9 rows x 4 columns]" in shown.stdout


# ------------------------------------------------------------------------------------------------------------ originals


def originals(curated: Path) -> dict[str, str]:
    store = Store(curated)
    found = {}
    for table in ("documents", "rejected"):
        for file, own, others in restorable(require(store), table):
            rows = read_table(store, file)
            restored = restore_all(store, rows, own, others)
            found |= {row: one.original for row, one in zip(rows["id"].to_pylist(), restored, strict=True)}
    return found


@pytest.mark.parametrize("name", ["full", "empty"])
def test_every_original_is_restored_in_plain_sql(name: str, request: pytest.FixtureRequest) -> None:
    curated = request.getfixturevalue(name)
    connection = needs("duckdb").connect()
    code = block(PROOF).replace("/data/curated/", f"{curated}/")
    for statement in filter(str.strip, code.split(";\n")):
        answer = connection.execute(statement)
    rows = answer.fetchall()
    assert {row[0]: row[1] for row in rows} == originals(curated)
    assert [row for row in rows if not row[2]] == []
    assert len(rows) == len(expected(curated, "documents")) + len(expected(curated, "rejected"))


# -------------------------------------------------------------------------------------------------------------- exports


def test_the_exports_snippets_run(full: Path, tmp_path: Path) -> None:
    needs("datasets")
    export(Store(full), tmp_path / "plain", Wanted())
    export(Store(full), tmp_path / "fineweb", Wanted(profile="fineweb"))
    for start, name in (
        ("from datasets", "plain"),
        ('import pandas as pd\n\ndocuments = pd.read_parquet("/data/export', "plain"),
        ('import pandas as pd\n\ndocuments = pd.read_parquet("/data/fineweb', "fineweb"),
    ):
        names: dict[str, Any] = {}
        code = block(start).replace("/data/export", f"{tmp_path}/{name}").replace("/data/fineweb", f"{tmp_path}/{name}")
        exec(code, names)
        assert len(names["documents"]) == len(expected(full, "documents"))
        if "rejected" in names:
            assert len(names["rejected"]) == len(expected(full, "rejected"))
        if name == "fineweb":
            duplicates = sum(row["reject_reason"].startswith("duplicate.") for row in expected(full, "rejected"))
            assert len(names["rehydrated"]) == len(names["documents"]) + duplicates


@pytest.mark.parametrize("name", ["full", "empty"])
def test_an_export_opens_by_itself(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    datasets = needs("datasets")
    curated = request.getfixturevalue(name)
    export(Store(curated), tmp_path / "export", Wanted())
    for table in TABLES:
        wanted = expected(curated, table)
        assert len(pd.read_parquet(tmp_path / "export" / table)) == len(wanted)
        found = datasets.load_dataset(str(tmp_path / "export"), table, split="train", streaming=not wanted)
        assert len(list(found)) == len(wanted)
        assert list(found.features) == TABLES[table].names
    default = datasets.load_dataset(str(tmp_path / "export"), split="train")
    assert len(default) == len(expected(curated, "documents"))
    streamed = datasets.load_dataset(str(tmp_path / "export"), split="train", streaming=True)
    assert [row["id"] for row in streamed] == list(default["id"])


def test_an_export_in_anothers_place_is_what_datasets_loads(full: Path, empty: Path, tmp_path: Path) -> None:
    """And not what it has in its cache under that folder's name."""
    datasets = needs("datasets")
    for curated, wanted in ((full, Wanted()), (empty, Wanted()), (full, Wanted(("de",))), (full, Wanted(("zh",)))):
        export(Store(curated), tmp_path / "replaced", wanted)
        found = datasets.load_dataset(str(tmp_path / "replaced"), split="train")
        rows = pd.read_parquet(tmp_path / "replaced/documents")
        assert found["id"][:] == rows["id"].tolist()


@pytest.mark.parametrize("profile", ["fineweb", "dolma"])
def test_a_profile_opens_by_itself(profile: str, full: Path, tmp_path: Path) -> None:
    datasets = needs("datasets")
    export(Store(full), tmp_path / "export", Wanted(profile=profile))
    found = datasets.load_dataset(str(tmp_path / "export"), split="train")
    assert sorted(found["id"]) == [row["id"] for row in expected(full, "documents")]
    if profile == "fineweb":
        types = {name: feature.dtype for name, feature in found.features.items()}
        assert types == {field.name: {"double": "float64"}.get(str(field.type), str(field.type)) for field in FINEWEB}


@pytest.mark.parametrize("wanted", [Wanted(), Wanted(profile="fineweb"), Wanted(profile="dolma"), None])
def test_croissant_validates_and_iterates(wanted: Wanted | None, full: Path, tmp_path: Path, caplog: Any) -> None:
    """Of exports, and (None) beside the manifest, where files of several versions are listed."""
    croissant = needs("mlcroissant")
    if wanted is None:
        path = (full / manifest_of(full)["about"][0]["path"]).parent / "croissant.json"
    else:
        export(Store(full), tmp_path / "export", wanted)
        path = tmp_path / "export/croissant.json"
    found = croissant.Dataset(str(path))
    assert found.metadata.issues.errors == set()
    assert "not standard" not in caplog.text
    assert found.metadata.ctx.conforms_to.value == "http://mlcommons.org/croissant/1.1"
    tables = list(TABLES) if wanted in (None, Wanted()) else ["documents"]
    assert [one.id for one in found.metadata.record_sets] == tables
    for table in tables:
        key = "doc_id" if table == "removed_spans" else "id"
        ids = sorted(row[f"{table}/{key}"].decode() for row in found.records(table))
        assert ids == [row[key] for row in expected(full, table)]
    if wanted in (None, Wanted()):
        wanted_languages = sorted(row["languages"][0]["code"] for row in expected(full, "documents"))
        rows = list(found.records("documents"))
        assert (
            sorted(row["documents/languages"][0]["documents/languages/code"].decode() for row in rows)
            == wanted_languages
        )


# --------------------------------------------------------------------------------------------------------------- damage


def test_a_flipped_bit_is_an_error_where_checksums_are_read(full: Path, tmp_path: Path) -> None:
    """Of bits of pages' data, anywhere: never other data."""
    copy = Path(shutil.copytree(full, tmp_path / "curated"))
    files = files_function()
    chance = random.Random(7)
    before = pd.read_parquet(files(copy))
    for file in files(copy):
        content = Path(file).read_bytes()
        for place in chance.sample(places_of_pages(file), 12):
            flipped = bytes([content[place] ^ 1 << chance.randrange(8)])
            Path(file).write_bytes(content[:place] + flipped + content[place + 1 :])
            with pytest.raises((OSError, pa.ArrowException)):
                pd.read_parquet(files(copy), page_checksum_verification=True)
        Path(file).write_bytes(content)
    assert before.equals(pd.read_parquet(files(copy), page_checksum_verification=True))


def places_of_pages(file: str) -> list[int]:
    """Offsets of the bytes of a file's last data pages, which have a header of less than 64 bytes before them."""
    metadata = pq.read_metadata(file)
    places: list[int] = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for at in range(group.num_columns):
            column = group.column(at)
            start, end = column.data_page_offset + 64, column.data_page_offset
            end = (column.dictionary_page_offset or column.data_page_offset) + column.total_compressed_size
            places += range(start, end)
    return places


# -------------------------------------------------------------------------------------------------------------- readers


@pytest.mark.timeout(1800)
def test_a_reader_sees_one_whole_version_while_a_writer_publishes(tmp_path: Path) -> None:
    """A reader in a loop, in another process, while versions are published: what it reads is one of them, whole.
    `make test` publishes a dozen, `TAMIS_KILLS=all` 200."""
    raw, curated = tmp_path / "raw", tmp_path / "curated"
    versions = 200 if os.environ.get("TAMIS_KILLS") == "all" else 12
    wanted: dict[str, set[str]] = {}

    def publish(number: int) -> None:
        text = article(number % 3) if number % 4 else article(number)  # pages that change, and new ones
        records = [{"url": f"https://e.example.org/{number % 5}", "text": text + f"{number}\n"}]
        write_jsonl(raw / f"{number}.jsonl", records)
        run(raw, curated)

    publish(0)
    code = (
        f"{block(LOAD)}\nimport pandas as pd, sys\n"
        "while not Path(sys.argv[2]).exists():\n"
        "    listed = files(sys.argv[1])\n"
        "    found = pd.read_parquet(listed, columns=['id'])['id']\n"
        "    print(json.dumps([listed, sorted(found)]), flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, curated, tmp_path / "done"], stdout=subprocess.PIPE, text=True
    ) as reader:
        lines: list[str] = []
        assert reader.stdout is not None
        listener = threading.Thread(target=lambda: lines.extend(reader.stdout or ()))
        listener.start()
        for number in range(1, versions):
            publish(number)
        (tmp_path / "done").touch()
        listener.join()
    assert reader.returncode == 0
    manifests = list((curated / "versions").glob("*/manifest.json"))
    assert len(manifests) == versions
    for path in manifests:
        files = [file for file in json.loads(path.read_text())["files"] if file["table"] == "documents"]
        ids = {row for file in files for row in pq.read_table(curated / file["path"], columns=["id"])["id"].to_pylist()}
        wanted[json.dumps([str(curated / file["path"]) for file in files])] = ids
    read = [json.loads(line) for line in lines]
    assert len({json.dumps(listed) for listed, _ in read}) > 1
    assert all(wanted[json.dumps(listed)] == set(found) and len(found) == len(set(found)) for listed, found in read)
