"""What the tests of readers share: a file's records, and what became of them."""

from pathlib import Path

from flows.inputs import list_inputs
from flows.readers import Reading
from flows.readers.records import Record
from flows.shards import whole_part
from flows.store import Store
from transforms.config import Config


def read_as_listed(raw: Path, content: bytes, name: str, config: Config | None = None) -> list[Record]:
    """The records of a file, uncut, as the listing of a folder has it."""
    folder = raw / "listed" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    store = Store(raw / "curated", folder)
    [file] = list_inputs(store).files
    return list(Reading(store, whole_part(file), config or Config()))


def outcome(record: Record) -> tuple[str | None, str]:
    """Where it stood, and its text or why it was rejected."""
    return record.source_record, record.reject_reason or record.original


def outcomes(records: list[Record]) -> list[tuple[str | None, str]]:
    return [outcome(record) for record in records]
