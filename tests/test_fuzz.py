"""What fuzzing found (tests/data/fuzz), read again: records or reasons, whatever it was."""

from pathlib import Path

import pytest

from flows.inputs import list_inputs
from flows.readers import Reading
from flows.readers.guard import guarded
from flows.shards import whole_part
from flows.stages.read import documents_of
from flows.store import Store
from transforms.config import Config, Limits
from transforms.schema import REJECT_REASONS

FOUND = sorted(path for path in (Path(__file__).parent / "data/fuzz").glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_gives_records_or_reasons(tmp_path: Path, path: Path) -> None:
    (tmp_path / path.name).write_bytes(path.read_bytes())
    store = Store(tmp_path / "curated", tmp_path)
    parts = [whole_part(file) for file in list_inputs(store).files]
    [records] = [list(reading) for reading in guarded(store, parts, Config(limits=Limits(read_seconds=10)), Reading)]
    assert len(documents_of(records)) == len(records)
    assert {record.reject_reason for record in records} <= {None, *REJECT_REASONS}
