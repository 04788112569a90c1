"""The published dataset: damage is found and named, a bad publish is refused, readers see whole versions."""

import json
import shutil

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.store import Store
from flows.versions.checks import verify
from tests.conftest import article, curated_by, manifest_of, rows, tree, write_jsonl
from transforms import select
from transforms.errors import ConfigError, RefusedError
from transforms.schema import DOCUMENTS, TABLES


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Two versions: three documents, then one that supersedes and a duplicate."""
    folder = tmp_path_factory.mktemp("dataset")
    raw, curated = folder / "raw", folder / "curated"
    url = "https://e.example.org/"
    write_jsonl(raw / "1.jsonl", [{"url": f"{url}{n}", "text": article(n) + "fÃ¼r\r\n"} for n in range(3)])
    curated_by(raw, curated)
    write_jsonl(
        raw / "2.jsonl", [{"url": f"{url}0", "text": article(9)}, {"url": f"{url}8", "text": article(2) + "für\n"}]
    )
    curated_by(raw, curated)
    return curated


@pytest.fixture
def copy(dataset, tmp_path):
    return shutil.copytree(dataset, tmp_path / "curated")


def test_verify_passes(dataset):
    assert verify(Store(dataset))["documents"] == 5


def test_one_flipped_byte_anywhere_is_found_and_named(copy):
    files = [copy / key for key in tree(copy)]
    assert len(files) > 8
    for path in files:
        content = path.read_bytes()
        for place in {0, len(content) // 2, len(content) - 1}:
            path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
            with pytest.raises(RefusedError) as refused:
                verify(Store(copy))
            named = str(refused.value)
            assert path.name in named, f"{path} at {place}: {named}"
        path.write_bytes(content)
    verify(Store(copy))


def test_a_missing_file_is_named(copy):
    for path in sorted(copy / key for key in tree(copy) if key.endswith(".parquet")):
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(RefusedError, match=path.name):
            verify(Store(copy))
        path.write_bytes(content)


def test_no_dataset_is_a_usage_error(tmp_path):
    with pytest.raises(ConfigError, match="no dataset"):
        verify(Store(tmp_path))


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


def test_no_row_group_in_an_empty_table_and_a_page_index_in_others(tmp_path, run):
    write_jsonl(tmp_path / "raw/1.jsonl", [{"text": article(1)}])
    run(tmp_path / "raw", tmp_path / "curated")
    current = json.loads((tmp_path / "curated/current.json").read_text())
    (documents,), (rejected,) = (current[table] for table in ("documents", "rejected"))
    assert pq.read_metadata(tmp_path / "curated" / rejected).num_row_groups == 0
    column = pq.read_metadata(tmp_path / "curated" / documents).row_group(0).column(0)
    assert column.has_column_index
    assert column.has_offset_index


def broken(change):
    """`select_documents`, with a fault: what it makes of the tables is changed."""

    def select_documents(*arguments):
        return change(select.select_documents(*arguments))

    return select_documents


def with_values(table, name, value, hit=None):
    values = [value if hit is None or row["reject_reason"] in hit else row[name] for row in table.to_pylist()]
    return table.set_column(
        table.schema.get_field_index(name), table.schema.field(name), pa.array(values, table.schema.field(name).type)
    )


DUPLICATES = ("duplicate.exact", "duplicate.near")
FAULTS = {
    "a lost record": (lambda found: found._replace(documents=found.documents.slice(1)), "records read"),
    "a lost rejection": (lambda found: found._replace(rejected=found.rejected.slice(1)), "records read"),
    "a wrong count": (
        lambda found: found._replace(documents=with_values(found.documents, "char_count", 1)),
        "add up",
    ),
    "another text": (lambda found: found._replace(documents=with_values(found.documents, "text", "x")), "add up"),
    "no spans": (lambda found: found._replace(removed_spans=found.removed_spans.slice(0, 0)), "add up"),
    "a twin that is none": (
        lambda found: found._replace(rejected=with_values(found.rejected, "duplicate_of", "0" * 32, DUPLICATES)),
        "not a current document",
    ),
    "no twin": (
        lambda found: found._replace(rejected=with_values(found.rejected, "duplicate_of", None, DUPLICATES)),
        "duplicate of nothing",
    ),
    "an id twice": (
        lambda found: found._replace(documents=with_values(found.documents, "id", "0" * 32)),
        "twice|add up",
    ),
    "an id of before": (
        lambda found: found._replace(rejected=with_values(found.rejected, "id", BEFORE)),
        "twice",
    ),
}
BEFORE = ""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_refuses_the_publish(copy, run, monkeypatch, fault):
    global BEFORE
    change, said = FAULTS[fault]
    BEFORE = rows(copy)[-1]["id"]
    before = tree(copy)
    raw = copy.parent / "raw"
    records = [{"url": f"https://e.example.org/new{n}", "text": article(20 + n) + "fÃ¼r\r\n"} for n in range(3)]
    write_jsonl(raw / "3.jsonl", [*records, {"url": "https://e.example.org/copy", "text": article(20) + "für\n"}])
    with monkeypatch.context() as patch:
        patch.setattr("flows.stages.write.select_documents", broken(change))
        with pytest.raises(RefusedError, match=said):
            run(raw, copy)
    assert tree(copy) == before


def test_a_canonical_that_leaves_unseen_refuses_the_publish(copy, run, monkeypatch):
    """Its duplicates would name a document that isn't there."""
    write_jsonl(copy.parent / "raw/3.jsonl", [{"url": "https://e.example.org/2", "text": article(77)}])
    from flows.compare import settle

    with monkeypatch.context() as patch:
        patch.setattr(settle, "_component", lambda loaded, leaving: leaving.slice(0, 0))
        with pytest.raises(RefusedError, match="not a current document"):
            run(copy.parent / "raw", copy)


def test_old_versions_stay_readable(dataset):
    manifest = manifest_of(dataset)
    parent = json.loads((dataset / f"versions/{manifest['parent']}/manifest.json").read_text())
    assert all((dataset / file["path"]).exists() for file in parent["files"])
    assert len(rows(dataset)) == 3
