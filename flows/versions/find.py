"""Documents of the current version, found by what people know of them: id or how it begins, URL, path."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from flows.store import Store
from flows.tables import open_table, read_groups
from flows.versions.checks import restorable
from flows.versions.ledger import Restored, restore_all
from flows.versions.manifest import Manifest, files_of, require
from transforms.errors import ConfigError

_ID = re.compile("[0-9a-f]{4,32}")
_TABLES = ("documents", "rejected")
# How many documents are named where several are meant.
_NAMED = 5


class Found(NamedTuple):
    """A document or rejected record, its original and ledger."""

    table: str
    row: dict[str, Any]
    restored: Restored


def find(store: Store, name: str) -> Found:
    """The one document, or else the one rejected record, of a name: its id or how that begins, its URL, its path in
    RAW. Raises: ConfigError where there is none, or several; RefusedError where it does not restore to its original."""
    manifest = require(store)
    named = names(store, manifest, name)
    meant = [one for one in named if one[0] == "documents"] or named
    if len(meant) > 1:
        raise ConfigError(f"{name!r} names {_those(meant)}")
    (found,) = rows(store, manifest, meant)
    return found


def _those(named: Sequence[tuple[str, str]]) -> str:
    shown = ", ".join(document for _, document in named[:_NAMED])
    more = f" and {len(named) - _NAMED:,} more" if len(named) > _NAMED else ""
    return f"{len(named):,} documents: {shown}{more}"


def names(store: Store, manifest: Manifest, name: str) -> list[tuple[str, str]]:
    """(table, id) of what a name stands for, documents first. Raises: ConfigError where there is none."""
    found: list[tuple[str, str]] = []
    if _ID.fullmatch(name):
        found = _where(store, manifest, "id", lambda ids: pc.starts_with(ids, name))
        if len(found) > 1:
            raise ConfigError(f"{name!r} is how ids begin of {_those(found)}")
    if not found:
        column = "url" if "://" in name else "source_path"
        found = _where(store, manifest, column, lambda values: pc.equal(values, name))
    if not found:
        raise ConfigError(f"no document {name!r} in {manifest['version']} of {store.name}")
    return found


def of_path(store: Store, manifest: Manifest, path: Sequence[str]) -> list[tuple[str, str]]:
    """(table, id) of what came from a file, told by as much of the end of its path as the dataset knows."""
    ends = pa.array(["/".join(path[at:]) for at in range(len(path))], pa.string())
    paths: set[str] = set()
    for table in _TABLES:
        for ref in files_of(manifest, table):
            with open_table(store, ref) as file:
                for group in range(file.metadata.num_row_groups):
                    said = read_groups(file, [group], ["source_path"])["source_path"]
                    paths.update(pc.unique(said.filter(pc.is_in(said, ends))).to_pylist())
    if not paths:
        return []
    longest = max(paths, key=len)
    return _where(store, manifest, "source_path", lambda said: pc.equal(said, longest))


def _where(store: Store, manifest: Manifest, column: str, is_meant: Any) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for table in _TABLES:
        for ref in files_of(manifest, table):
            with open_table(store, ref) as file:
                for group in range(file.metadata.num_row_groups):
                    rows = read_groups(file, [group], [*dict.fromkeys(("id", column))])
                    hit = pc.fill_null(is_meant(rows[column]), False)
                    found += [(table, document) for document in rows["id"].filter(hit).to_pylist()]
    return found


def rows(store: Store, manifest: Manifest, named: Iterable[tuple[str, str]]) -> list[Found]:
    """These documents, in the order they stand in. Raises: RefusedError where one is not restored."""
    wanted = pa.array([document for _, document in named], pa.string())
    found = []
    for table in _TABLES:
        for ref, own, others in restorable(manifest, table):
            with open_table(store, ref) as file:
                for group in range(file.metadata.num_row_groups):
                    hit = pc.is_in(read_groups(file, [group], ["id"])["id"], wanted)
                    if pc.any(hit).as_py():
                        part = read_groups(file, [group]).filter(hit)
                        restored = restore_all(store, part, own, others, str(store.local(ref)))
                        found += [Found(table, row, one) for row, one in zip(part.to_pylist(), restored, strict=True)]
    return found
