"""The checks: what a version adds, rewrites or drops, before it is published; and all of it, whenever asked.

Nothing is lost and nothing is there twice. Any failure refuses the publish.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.compare.settle import CHANGES
from flows.forgotten import lists_of
from flows.stages.forget import holds
from flows.state import at_of, linked_rows, rows_at, state_of
from flows.step import Counts, Work
from flows.store import Ref, Store
from flows.tables import concat, distinct, open_table, read_groups, read_table, write_work
from flows.versions import statistics
from flows.versions.ledger import restore_all
from flows.versions.manifest import (
    CURRENT,
    Manifest,
    current,
    entries_of,
    files_of,
    pointer_bytes,
    pointer_to,
    reachable,
    require,
    statistics_of,
)
from transforms.errors import RefusedError
from transforms.identity import hash_of
from transforms.schema import TABLES


def check_group(
    work: Work,
    documents: Sequence[Ref],
    rejected: Sequence[Ref],
    removed_spans: Sequence[Ref],
    *,
    version: str,
    is_new: bool,
    is_rebuild: bool,
) -> Counts:
    """A group's new files: their schema, and of each document that came in this version, and in a rebuild of all, its
    length, measured: original = text + Σ (removed - replacement). `claims.parquet`: ids, and what each duplicates; not
    those of a file that rows only left (`is_new` is False), which has no row that it hadn't before."""
    for name, refs in (("documents", documents), ("rejected", rejected), ("removed_spans", removed_spans)):
        for ref in refs:
            _check_schema(work.store, ref, name)
    claims = []
    for name, refs in (("documents", documents), ("rejected", rejected)):
        for ref in refs if is_new else ():
            columns = ["id", "added_in", *(["reject_reason", "duplicate_of"] if name == "rejected" else [])]
            table = read_table(work.store, ref, columns)
            is_fresh = pa.repeat(True, len(table)) if is_rebuild else pc.equal(table["added_in"], version)
            if pc.any(is_fresh).as_py():
                made_in = None if is_rebuild else version
                _check_lengths(work.store, ref, _changes(work.store, removed_spans), made_in, name)
            table = table.set_column(1, "is_fresh", is_fresh)
            for missing in _CLAIMS.names[len(columns) :]:
                table = table.append_column(missing, pa.nulls(len(table), pa.string()))
            claims.append(table)
    with work.put("claims.parquet") as path:
        write_work(path, concat(_CLAIMS, claims))
    return {}


def _changes(store: Store, removed_spans: Sequence[Ref]) -> Mapping[str, int]:
    """By how much each document's spans made it shorter."""
    changes: Counter[str] = Counter()
    for ref in removed_spans:
        table = read_table(store, ref, ["doc_id", "start", "end", "replacement"])
        change = pc.subtract(pc.subtract(table["end"], table["start"]), pc.utf8_length(table["replacement"]))
        summed = pa.table([table["doc_id"], change], ["id", "change"]).group_by("id").aggregate([("change", "sum")])
        changes.update(dict(zip(summed["id"].to_pylist(), summed["change_sum"].to_pylist(), strict=True)))
    return changes


# `is_fresh`: that it came in this version, or is made anew.
_CLAIMS = pa.schema(
    [("id", pa.string()), ("is_fresh", pa.bool_()), ("reject_reason", pa.string()), ("duplicate_of", pa.string())]
)


def _check_schema(store: Store, ref: Ref, table: str) -> None:
    with open_table(store, ref) as file:
        if not file.schema_arrow.equals(TABLES[table], check_metadata=True):
            raise RefusedError(f"{store.local(ref)}: its schema is not that of {table}")


def _check_lengths(store: Store, ref: Ref, changes: Mapping[str, int], version: str | None, name: str) -> None:
    with open_table(store, ref) as file:
        for group in range(file.metadata.num_row_groups):
            table = read_groups(file, [group], ["id", "added_in", "text", "char_count", "original_char_count"])
            if version is not None:
                table = table.filter(pc.equal(table["added_in"], version))
            columns = (table["id"], pc.utf8_length(table["text"]), table["char_count"], table["original_char_count"])
            for document, length, count, original in zip(*(column.to_pylist() for column in columns), strict=True):
                if length != count or original != length + changes.get(document, 0):
                    raise RefusedError(f"document {document} in {name}: its text and its removed spans don't add up")


def check_references(
    work: Work,
    claims: Sequence[Ref],
    changes: Ref,
    links: Sequence[Ref],
    rows: Sequence[Ref],
) -> Counts:
    """Against the state: ids are there once, and every duplicate names a document that is kept."""
    store = work.store
    table = pa.concat_tables([_CLAIMS.empty_table(), *[read_table(store, ref) for ref in claims]])
    ids = table["id"].combine_chunks()
    # Halves of ids take a sixth of the memory; whole ones are looked at where halves are equal.
    at = at_of(ids)
    if len(distinct(at)) < len(ids) and pc.count_distinct(ids).as_py() < len(ids):
        twice = next(document for document, count in Counter(ids.to_pylist()).items() if count > 1)
        raise RefusedError(f"id {twice} is there twice")
    changed = read_table(store, changes, CHANGES.names)
    now = dict(zip(changed["id"].to_pylist(), changed["reject_reason"].to_pylist(), strict=True))
    is_fresh = table["is_fresh"].combine_chunks()
    fresh = ids.filter(is_fresh)
    there = rows_at(store, rows, at[is_fresh.to_numpy(zero_copy_only=False)])["id"]
    if len(there := there.filter(pc.is_in(there, fresh))):
        raise RefusedError(f"id {there[0]} is there twice")
    is_claim = pc.starts_with(pc.fill_null(table["reject_reason"], ""), "duplicate.")
    is_claim = pc.and_(is_claim, pc.or_(is_fresh, pc.is_in(ids, changed["id"].combine_chunks())))
    claimed = table.filter(is_claim).select(["id", "duplicate_of"])
    targets = claimed["duplicate_of"].drop_null().combine_chunks()
    standing = rows_at(store, rows, at_of(targets))
    kept = set(standing.filter(pc.is_null(standing["reason"]))["id"].to_pylist())
    named = table.filter(pc.is_in(ids, targets))
    mine = dict(zip(named["id"].to_pylist(), named["reject_reason"].to_pylist(), strict=True))
    for document, of in zip(*(column.to_pylist() for column in claimed.columns), strict=True):
        if of is None:
            raise RefusedError(f"{document} is a duplicate of nothing")
        reason = mine[of] if of in mine else now.get(of, None if of in kept else "gone")
        if reason is not None:
            raise RefusedError(f"{document} duplicates {of}, which is not a current document")
    left = [document for document, reason in now.items() if reason is not None]
    wanted = np.array([hash_of("duplicate", document) for document in left], np.uint64)
    behind = linked_rows(store, links, rows, wanted)
    gone = set(left)
    for document, of in zip(behind["id"].to_pylist(), behind["duplicate_of"].to_pylist(), strict=True):
        if of in gone and document not in now:
            raise RefusedError(f"{document} duplicates {of}, which is not a current document")
    return {"ids": len(fresh)}


def check_inputs(
    records: Mapping[str, int],
    known: Mapping[str, int],
    forgotten: Mapping[str, int],
    left: int,
    written: Mapping[str, Sequence[int]],
) -> None:
    """Per input: records read = known + forgotten + documents + rejected; `left` of all are past a limit."""
    missing = 0
    for path, count in records.items():
        documents, rejected = written.get(path, (0, 0))
        out = known.get(path, 0) + forgotten.get(path, 0) + documents + rejected
        missing += count - out
        if out > count or (out < count and not left):
            raise RefusedError(
                f"{path}: {count} records read, but {known.get(path, 0)} known + {forgotten.get(path, 0)} forgotten + "
                f"{documents} documents + {rejected} rejected = {out}"
            )
    if missing != left:
        raise RefusedError(f"{missing} records are neither known nor documents nor rejected, {left} are past the limit")


def verify(store: Store) -> dict[str, int]:
    """Re-check every version: hashes, schema, counts, and every restoration of the current one.

    Raises: RefusedError, naming the file where one fails.
    """
    manifest = require(store)
    pointer = current(store)
    assert pointer is not None
    if store.read(CURRENT) != pointer_bytes(pointer_to(manifest, pointer["manifest_sha256"], pointer)):
        raise RefusedError(f"{store.local(CURRENT)} is damaged: it is not what {manifest['version']} published")
    checked: set[str] = set()
    for version in reachable(store, manifest):
        for file in entries_of(version):
            if file["path"] not in checked:
                _check_file(store, file)
                checked.add(file["path"])
    if said := pointer["forgotten"]:
        _check_file(store, said)
        checked.add(said["path"])
    check_forgotten(store, manifest)
    for file in manifest["files"]:
        _check_schema(store, Ref("data", file["path"], file["sha256"]), file["table"])
    _check_all_references(store, manifest)
    _check_statistics(store, manifest)
    return {"files": len(checked), **_check_restorations(store, manifest)}


def held(store: Store, manifest: Manifest, lists: Sequence[Ref]) -> str | None:
    """The id of a row of a version that is on the list of what is forgotten, or None."""
    documents, rejected = (files_of(manifest, name) for name in ("documents", "rejected"))
    return holds(store, documents, rejected, state_of(manifest)["rows"], lists)


def check_forgotten(store: Store, manifest: Manifest) -> None:
    """Raises: RefusedError where a version holds what is forgotten."""
    if document := held(store, manifest, lists_of(current(store))):
        raise RefusedError(f"{manifest['version']} holds {document}, which shall be forgotten (`tamis forget --list`)")


def _check_file(store: Store, file: dict[str, Any]) -> None:
    path = store.local(file["path"])
    if not store.exists(file["path"]):
        raise RefusedError(f"{path} is missing")
    if store.size(file["path"]) != file["bytes"] or store.sha256(file["path"]) != file["sha256"]:
        raise RefusedError(f"{path} is damaged: its bytes are not those that were published")
    if "rows" not in file:
        return
    with open_table(store, file["path"]) as parquet:
        if parquet.metadata.num_rows != file["rows"]:
            raise RefusedError(f"{path} has {parquet.metadata.num_rows} rows, the manifest says {file['rows']}")


def _check_statistics(store: Store, manifest: Manifest) -> None:
    """That what a version says it holds is what it holds: counted anew."""
    ref = statistics_of(manifest)
    if ref is None:
        return
    said = read_table(store, ref)
    files = [(file["table"], _ref(file)) for file in manifest["files"]]
    counted = statistics.merge(statistics.count_files(store, files))
    if not said.equals(counted) or manifest["totals"] != statistics.totals(counted):
        raise RefusedError(f"{store.local(ref)} does not count what {manifest['version']} holds")


def _check_all_references(store: Store, manifest: Manifest) -> None:
    kept = [
        document
        for ref in files_of(manifest, "documents")
        for document in read_table(store, ref, ["id"])["id"].to_pylist()
    ]
    seen = set(kept)
    rejected: list[str] = []
    claims: list[tuple[str, str, str | None]] = []
    for ref in files_of(manifest, "rejected"):
        table = read_table(store, ref, ["id", "reject_reason", "duplicate_of"])
        rejected += table["id"].to_pylist()
        claims += [
            row for row in zip(*(c.to_pylist() for c in table.columns), strict=True) if row[1].startswith("duplicate.")
        ]
    if len(seen.union(rejected)) != len(kept) + len(rejected):
        twice = next(document for document, count in Counter([*kept, *rejected]).items() if count > 1)
        raise RefusedError(f"id {twice} is there twice")
    for document, _, of in claims:
        if of is None:
            raise RefusedError(f"{document} is a duplicate of nothing")
        if of not in seen:
            raise RefusedError(f"{document} duplicates {of}, which is not a current document")


def _check_restorations(store: Store, manifest: Manifest) -> dict[str, int]:
    """Rebuild every original there was, and prove it by its hash."""
    restored = unread = 0
    for table in ("documents", "rejected"):
        for file, own, others in restorable(manifest, table):
            columns = ["id", "text", "char_count", "original_char_count", "original_sha256"]
            rows = read_table(store, file, columns)
            where = str(store.local(file))
            failed = _unread(store, file) if table == "rejected" else set()
            found = restore_all(store, rows, own, others, where)
            lengths = zip(*(rows[name].to_pylist() for name in columns[:4]), strict=True)
            for (document, text, chars, length), one in zip(lengths, found, strict=True):
                if len(text) != chars or len(one.original) != length:
                    raise RefusedError(f"{where}: document {document}: its counts are not those of its text")
                unread += document in failed
                restored += document not in failed
    return {"documents": restored, "unread": unread}


def restorable(manifest: Manifest, table: str) -> list[tuple[Ref, list[Ref], list[Ref]]]:
    """The files of a table, each with the files of the spans of its own group, and those of the other groups."""
    spans = [file for file in manifest["files"] if file["table"] == "removed_spans"]
    found = []
    for file in manifest["files"]:
        if file["table"] == table and file["rows"]:
            own = [_ref(one) for one in spans if one["groups"] == file["groups"]]
            found.append((_ref(file), own, [_ref(one) for one in spans if one["groups"] != file["groups"]]))
    return found


def _ref(file: dict[str, Any]) -> Ref:
    return Ref("data", file["path"], file["sha256"])


def _unread(store: Store, ref: Ref) -> set[str]:
    """Rejected records that never had an original."""
    rows = read_table(store, ref, ["id", "reject_stage", "raw_head"])
    hit = pc.or_(pc.equal(rows["reject_stage"], "read"), pc.is_valid(rows["raw_head"]))
    return set(rows.filter(hit)["id"].to_pylist())
