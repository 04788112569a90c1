"""The published dataset: damage is found and named, a bad publish is refused, readers see whole versions."""

import json
import shutil

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows import publish
from flows.storage import write_table
from tests.conftest import article, rows, write_jsonl
from transforms.errors import ConfigError, RefusedError
from transforms.schema import DOCUMENTS, TABLES

pytestmark = pytest.mark.flow


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, prefect_api):
    """Two versions: three documents, then one that supersedes and a duplicate."""
    from flows.curate import curate

    folder = tmp_path_factory.mktemp("dataset")
    raw, curated = folder / "raw", folder / "curated"
    url = "https://e.example.org/"
    write_jsonl(raw / "1.jsonl", [{"url": f"{url}{n}", "text": article(n) + "fÃ¼r\r\n"} for n in range(3)])
    curate(str(raw), str(curated), workers=1)
    write_jsonl(
        raw / "2.jsonl", [{"url": f"{url}0", "text": article(9)}, {"url": f"{url}8", "text": article(2) + "für\n"}]
    )
    curate(str(raw), str(curated), workers=1)
    return curated


@pytest.fixture
def copy(dataset, tmp_path):
    return shutil.copytree(dataset, tmp_path / "curated")


def test_verify_passes(dataset):
    assert publish.verify(dataset)["documents"] == 5


def test_one_flipped_byte_anywhere_is_found_and_named(copy):
    files = [path for path in sorted(copy.rglob("*")) if path.is_file() and path.name != ".lock"]
    assert len(files) > 8
    for path in files:
        content = path.read_bytes()
        for place in {0, len(content) // 2, len(content) - 1}:
            path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
            with pytest.raises(RefusedError) as refused:
                publish.verify(copy)
            named = str(refused.value)
            assert path.name in named, f"{path} at {place}: {named}"
        path.write_bytes(content)
    publish.verify(copy)


def test_a_missing_file_is_named(copy):
    for path in sorted(copy.rglob("*.parquet")):
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(RefusedError, match=path.name):
            publish.verify(copy)
        path.write_bytes(content)


def test_no_dataset_is_a_usage_error(tmp_path):
    with pytest.raises(ConfigError, match="no dataset"):
        publish.verify(tmp_path)


def test_the_readme_way_to_load(dataset):
    current = json.loads((dataset / "current.json").read_text())
    documents = pd.read_parquet([dataset / file for file in current["documents"]])
    assert len(documents) == 3
    assert set(documents.columns) == set(DOCUMENTS.names)


def test_schema_is_exact_and_described(dataset):
    current = json.loads((dataset / "current.json").read_text())
    for table, schema in TABLES.items():
        for file in current[table]:
            assert pq.read_schema(dataset / file).equals(schema, check_metadata=True)
    assert all(field.metadata[b"description"] for schema in TABLES.values() for field in schema)


def test_no_statistics_of_free_text(dataset):
    current = json.loads((dataset / "current.json").read_text())
    group = pq.read_metadata(dataset / current["documents"][0]).row_group(0)
    stats = {group.column(i).path_in_schema: group.column(i).is_stats_set for i in range(group.num_columns)}
    assert (stats["text"], stats["title"], stats["language"]) == (False, False, True)


def test_rows_are_sorted(dataset):
    current = json.loads((dataset / "current.json").read_text())
    for file in current["documents"] + current["rejected"]:
        found = pq.read_table(dataset / file, columns=["language", "id"]).to_pylist()
        assert found == sorted(found, key=lambda row: (row["language"], row["id"]))


def manifest_with(curated, change):
    manifest = publish.published_manifest(curated)
    change(manifest)
    return manifest


def test_a_lost_record_refuses_the_publish(copy):
    def lose(manifest):
        manifest["inputs"][-1]["documents"] -= 1

    with pytest.raises(RefusedError, match="records read"):
        publish.check_conservation(copy, manifest_with(copy, lose), None, [])


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("char_count", 1, "add up"),
        ("duplicate_of", "0" * 32, "not a current document"),
        ("duplicate_of", None, "nothing"),
    ],
)
def test_a_wrong_row_refuses_the_publish(copy, column, value, said):
    manifest = publish.published_manifest(copy)
    parent = publish._manifest(copy, f"versions/{manifest['parent']}/manifest.json", manifest["parent_manifest_sha256"])
    changed = False
    for file in manifest["files"]:
        if file["table"] == "removed_spans":
            continue
        table = pq.read_table(copy / file["path"])
        if column in table.column_names:
            mask = [row.get("reject_reason") in (None, "duplicate.exact") for row in table.to_pylist()]
            values = [value if hit else old for hit, old in zip(mask, table[column].to_pylist(), strict=True)]
            field = table.schema.field(column)
            table = table.set_column(table.column_names.index(column), field, pa.array(values, field.type))
            write_table(copy / file["path"], table)
            changed = True
    assert changed
    new = [file for file in manifest["files"] if file not in parent["files"]]
    with pytest.raises(RefusedError, match=said):
        publish.check_conservation(copy, manifest, parent, manifest["files"] if column == "char_count" else new)


def test_an_id_twice_refuses_the_publish(copy):
    manifest = publish.published_manifest(copy)
    manifest["files"].append(next(file for file in manifest["files"] if file["table"] == "documents"))
    with pytest.raises(RefusedError, match="twice"):
        publish._check_references(copy, manifest["files"])


def test_old_versions_stay_readable(dataset):
    manifest = publish.published_manifest(dataset)
    parent = json.loads((dataset / f"versions/{manifest['parent']}/manifest.json").read_text())
    assert all((dataset / file["path"]).exists() for file in parent["files"])
    assert len(rows(dataset)) == 3
