"""What differs between two versions: documents that came, went or changed, and why.

Versions share files, and what stands in a shared one doesn't differ; only the others are read, a column at a time.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from difflib import unified_diff
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from flows.state import at_of
from flows.store import Ref, Store
from flows.tables import open_table
from flows.versions.manifest import Manifest, files_of
from transforms.schema import DOCUMENTS

# Why a document is not in the other version where that has no row of it: from before it was read, or forgotten.
ABSENT = "absent"
# Lines of a text's diff that are shown.
DIFF_LINES = 12
_ABOUT = ("id", "language", "site", "url", "title")


class Sample(NamedTuple):
    """One document that differs."""

    id: str
    change: str  # added | gone | changed
    why: str | None  # of one that is gone, the reason in the other version; of a changed one, the columns
    language: str
    site: str
    url: str | None
    title: str | None
    diff: list[str]  # of a changed text, the first lines that differ


class Difference(NamedTuple):
    """What differs from A to B."""

    a: str
    b: str
    documents: tuple[int, int]
    added: int
    gone: int
    changed: int
    gone_why: dict[str, int]  # by reject_reason in B
    changed_columns: dict[str, int]
    languages: dict[str, dict[str, int]]  # by language of B, or A where it is gone: added, gone, changed
    sites: dict[str, dict[str, int]]
    samples: list[Sample]

    def as_json(self) -> dict[str, Any]:
        """Its fields, for JSON."""
        return self._asdict() | {"samples": [sample._asdict() for sample in self.samples]}


def compare(
    store: Store,
    a: Manifest,
    b: Manifest,
    samples: int = 0,
    *,
    up_to: int | None = None,
    without: Sequence[str] = (),
) -> Difference:
    """What differs from version A to version B; of each kind of change up to `samples` documents, by id. Where B has
    only documents whose ids begin with `up_to` or less, no others are gone; columns `without` meaning are left out."""
    ours, theirs = _unshared(a, b)
    before, after = _about(store, ours), _about(store, theirs)
    id_before, id_after = before["id"].combine_chunks(), after["id"].combine_chunks()
    added = after.filter(pc.invert(pc.is_in(id_after, id_before)))
    gone = before.filter(pc.invert(pc.is_in(id_before, id_after)))
    if up_to is not None:
        gone = gone.filter(pa.array(at_of(gone["id"]) <= np.uint64(up_to)))
    names = [name for name in DOCUMENTS.names if name not in without]
    # Where each that both have stands in the other.
    at = pc.index_in(id_after, id_before)
    both = np.flatnonzero(at.is_valid().to_numpy(zero_copy_only=False))
    columns, is_changed = _changes(store, ours, theirs, at.take(pa.array(both)).to_numpy(), both, names)
    changed = after.take(pa.array(both[is_changed]))
    why = _reasons(store, b, gone["id"].combine_chunks())
    parts = {"added": added, "gone": gone, "changed": changed}
    return Difference(
        a["version"],
        b["version"],
        (len(gone) + len(both) if up_to is not None else _documents(a), _documents(b)),
        len(added),
        len(gone),
        len(changed),
        dict(Counter(why.get(document, ABSENT) for document in gone["id"].to_pylist()).most_common()),
        dict(sorted(columns.items(), key=lambda item: (-item[1], item[0]))),
        _by("language", parts),
        _by("site", parts),
        list(_samples(store, parts, why, ours, theirs, samples, names)),
    )


def _documents(manifest: Manifest) -> int:
    return sum(file["rows"] for file in manifest["files"] if file["table"] == "documents")


def _unshared(a: Manifest, b: Manifest) -> tuple[list[Ref], list[Ref]]:
    """The files of documents that only one of them has."""
    ours, theirs = files_of(a, "documents"), files_of(b, "documents")
    return [ref for ref in ours if ref not in theirs], [ref for ref in theirs if ref not in ours]


def _about(store: Store, files: Sequence[Ref]) -> pa.Table:
    schema = pa.schema([DOCUMENTS.field(name).remove_metadata() for name in _ABOUT])
    tables = [schema.empty_table()]
    for ref in files:
        with open_table(store, ref) as file:
            tables.append(file.read(list(_ABOUT), use_threads=False).cast(schema))
    return pa.concat_tables(tables)


def _changes(
    store: Store, ours: Sequence[Ref], theirs: Sequence[Ref], rows_before: Any, rows_after: Any, names: Sequence[str]
) -> tuple[dict[str, int], npt.NDArray[np.bool_]]:
    """In how many documents that both have each column differs, and in which any does."""
    columns: dict[str, int] = {}
    is_changed = np.zeros(len(rows_after), np.bool_)
    if not len(rows_after):
        return columns, is_changed
    for name in names:
        differs = _hashes(store, ours, name)[rows_before] != _hashes(store, theirs, name)[rows_after]
        if count := int(differs.sum()):
            columns[name] = count
            is_changed |= differs
    return columns, is_changed


def _hashes(store: Store, files: Sequence[Ref], name: str) -> npt.NDArray[np.uint64]:
    """Of each row what its value hashes to, whatever type it has: texts are not held."""
    found = []
    for ref in files:
        with open_table(store, ref) as file:
            if name not in file.schema_arrow.names:  # a column that came with a later schema
                found.append(np.zeros(file.metadata.num_rows, np.uint64))
                continue
            for batch in file.iter_batches(columns=[name], use_threads=False):
                values = batch.column(0).to_pylist()
                said = [0 if value is None else xxhash.xxh3_64_intdigest(repr(value).encode()) for value in values]
                found.append(np.array(said, np.uint64))
    return np.concatenate(found) if found else np.zeros(0, np.uint64)


def _reasons(store: Store, manifest: Manifest, wanted: pa.Array) -> dict[str, str]:
    """Why each of these is rejected in this version, if it is."""
    reasons: dict[str, str] = {}
    for ref in files_of(manifest, "rejected") if len(wanted) else ():
        with open_table(store, ref) as file:
            table = file.read(["id", "reject_reason"], use_threads=False)
        hit = table.filter(pc.is_in(table["id"], wanted))
        reasons.update(zip(hit["id"].to_pylist(), hit["reject_reason"].to_pylist(), strict=True))
    return reasons


def _by(column: str, parts: dict[str, pa.Table]) -> dict[str, dict[str, int]]:
    """How many of each change by language or site, the most first."""
    counts: dict[str, Counter[str]] = {}
    for change, table in parts.items():
        for value in table[column].value_counts().to_pylist():
            counts.setdefault(value["values"], Counter())[change] += value["counts"]
    ordered = sorted(counts.items(), key=lambda item: (-item[1].total(), item[0]))
    return {value: dict(found) for value, found in ordered}


def _samples(
    store: Store,
    parts: dict[str, pa.Table],
    why: dict[str, str],
    ours: Sequence[Ref],
    theirs: Sequence[Ref],
    count: int,
    names: Sequence[str],
) -> Iterator[Sample]:
    taken = {change: table.sort_by("id").slice(0, count).to_pylist() for change, table in parts.items()}
    wanted = [row["id"] for row in taken["changed"]]
    before, after = _rows(store, ours, wanted), _rows(store, theirs, wanted)
    for change, rows in taken.items():
        reason: Callable[[str], str | None] = {
            "added": lambda _: None,
            "gone": lambda document: why.get(document, ABSENT),
            "changed": lambda document: ", ".join(_differing(before[document], after[document], names)),
        }[change]
        for row in rows:
            document = row["id"]
            lines = _diff(before[document]["text"], after[document]["text"]) if change == "changed" else []
            about = (row["language"], row["site"], row["url"], row["title"])
            yield Sample(document, change, reason(document), *about, lines)


def _diff(before: str, after: str) -> list[str]:
    """The first lines that differ."""
    lines = unified_diff(before.split("\n"), after.split("\n"), n=0, lineterm="")
    return list(islice(lines, 2, 2 + DIFF_LINES))


def _differing(before: dict[str, Any], after: dict[str, Any], names: Sequence[str]) -> list[str]:
    return [name for name in names if before.get(name) != after.get(name)]


def _rows(store: Store, files: Sequence[Ref], wanted: Sequence[str]) -> dict[str, dict[str, Any]]:
    """These documents, by id."""
    found: dict[str, dict[str, Any]] = {}
    ids = pa.array(wanted, pa.string())
    for ref in files if wanted else ():
        with open_table(store, ref) as file:
            for group in range(file.metadata.num_row_groups):
                hit = pc.is_in(file.read_row_group(group, ["id"], use_threads=False)["id"], ids)
                if pc.any(hit).as_py():
                    table = file.read_row_group(group, use_threads=False).filter(hit)
                    found.update((row["id"], row) for row in table.to_pylist())
    return found
