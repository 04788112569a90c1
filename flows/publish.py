"""Versions: a manifest that names every file, a pointer replaced last, and the checks before and after.

A version exists once its manifest does; readers see it once `current.json` names it. That one file is replaced
atomically: measured, a reader who opens it once never saw a mix while a writer republished, where in-place writes,
directory renames and symlink swaps all showed one.
"""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from flows.database import connect, ledger_of
from flows.plan import InputFile
from flows.steps import describe_file
from flows.storage import create, read_json, read_table, sha256_of, write_json, write_table
from transforms.config import Config
from transforms.errors import ConfigError, RefusedError
from transforms.schema import TABLES
from transforms.schema import VERSION as SCHEMA_VERSION
from transforms.spans import LedgerEntry, restore

Manifest = dict[str, Any]


def current(curated: Path) -> dict[str, Any] | None:
    """What `current.json` says, or None where nothing is published. Raises: RefusedError where it is damaged."""
    path = curated / "current.json"
    if not path.exists():
        return None
    try:
        pointer = read_json(path)
        pointer["version"], pointer["manifest"]
    except (ValueError, KeyError, TypeError):
        raise RefusedError(f"{path} is damaged") from None
    return dict(pointer)


def published_manifest(curated: Path) -> Manifest | None:
    """The manifest of the current version, or None. Raises: RefusedError where it is missing or damaged."""
    pointer = current(curated)
    return None if pointer is None else _manifest(curated, pointer["manifest"], pointer["manifest_sha256"])


def _manifest(curated: Path, relative: str, sha256: str) -> Manifest:
    path = curated / relative
    if not path.exists():
        raise RefusedError(f"{path} is missing")
    if sha256_of(path) != sha256:
        raise RefusedError(f"{path} is damaged: its SHA-256 is not {sha256}")
    return dict(read_json(path))


def require(curated: Path) -> Manifest:
    """The manifest of the current version. Raises: ConfigError where nothing is published."""
    manifest = published_manifest(curated) if curated.is_dir() else None
    if manifest is None:
        raise ConfigError(f"no dataset in {curated}: it has no current.json; `tamis run` makes one")
    return manifest


@dataclass(frozen=True, slots=True)
class Plan:
    """The version a run would publish."""

    name: str
    number: int
    parent: str | None


def plan_version(
    parent: Manifest | None,
    inputs: Sequence[InputFile],
    config: Config,
    code: str,
    limit: int | None,
    rebuild: bool = False,
) -> Plan:
    """Name the next version after its content: inputs (as bytes, whatever their names), config, code and parent."""
    number = parent["number"] + 1 if parent else 1
    name = parent["version"] if parent else None
    content = [sorted(file.sha256 for file in inputs), config.content_hash(), code, name, limit, rebuild]
    hash8 = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:8]
    return Plan(f"{number}-{hash8}", number, name)


def unread_paths(curated: Path, manifest: Manifest) -> set[str]:
    """Files of which a record, or all, could not be read."""
    paths: set[str] = set()
    for path in files_of(curated, manifest, "rejected"):
        rows = read_table(path, ["source_path", "reject_stage"])
        paths.update(rows.filter(pc.equal(rows["reject_stage"], "read"))["source_path"].to_pylist())
    return paths


def sweep(curated: Path, target: str | None) -> None:
    """Remove what no version names: folders without a manifest (but `target`, which resumes) and stray state."""
    versions = curated / "versions"
    manifests = []
    for folder in sorted(versions.iterdir()) if versions.is_dir() else []:
        if (folder / "manifest.json").exists():
            manifests.append(read_json(folder / "manifest.json"))
        elif folder.name != target:
            shutil.rmtree(folder)
    named = {file["path"] for manifest in manifests for file in manifest["state"]}
    for file in sorted((curated / "state").glob("*")):
        if file.relative_to(curated).as_posix() not in named:
            file.unlink()
    if target is not None:
        for file in (versions / target).rglob("*.part"):
            file.unlink()


def adopt(curated: Path, files: Sequence[dict[str, Any]]) -> bool:
    """Whether files a dead run left under their final names are whole."""
    return all(
        (curated / file["path"]).is_file() and sha256_of(curated / file["path"]) == file["sha256"] for file in files
    )


def publish(
    curated: Path,
    plan: Plan,
    parent: Manifest | None,
    content: dict[str, Any],
    files: Sequence[dict[str, Any]],
    replaced: Sequence[str],
    state: dict[str, Path],
    state_replaced: Sequence[str] = (),
) -> Manifest:
    """Check and publish a version. Raises: RefusedError where a check fails; then nothing has changed."""
    folder = curated / "versions" / plan.name
    gone = {*replaced, *state_replaced}
    listed = [file for file in parent["files"] if file["path"] not in gone] if parent else []
    listed += files
    for table in TABLES:
        if not any(file["table"] == table for file in listed):
            path = folder / table / f"{plan.name}-00000.parquet"
            write_table(path, TABLES[table].empty_table())
            listed.append(describe_file(path, table, 0))
    listed.sort(key=lambda file: (list(TABLES).index(file["table"]), _number(file["path"]), file["path"]))
    _remove_unlisted(curated, folder, listed)
    states = [file for file in parent["state"] if file["path"] not in gone] if parent else []
    for name, source in state.items():
        path = curated / "state" / f"{name}-{plan.name}.parquet"
        with create(path) as written:
            shutil.copyfile(source, written)
        states.append(
            {
                "path": path.relative_to(curated).as_posix(),
                "bytes": path.stat().st_size,
                "sha256": sha256_of(path),
            }
        )
    manifest = {
        "version": plan.name,
        "number": plan.number,
        "parent": plan.parent,
        "parent_manifest_sha256": sha256_of(curated / _manifest_path(plan.parent)) if plan.parent else None,
        "schema_version": SCHEMA_VERSION,
        **content,
        "files": listed,
        "state": states,
    }
    check_conservation(curated, manifest, parent, files)
    path = curated / _manifest_path(plan.name)
    write_json(path, manifest)
    write_json(curated / "current.json", _pointer(manifest, sha256_of(path)))
    return manifest


def _manifest_path(version: str) -> str:
    return f"versions/{version}/manifest.json"


def _number(path: str) -> int:
    """The number of the version a file was written in: versions sort by number, not by letter."""
    return int(path.split("/")[1].split("-")[0])


def _remove_unlisted(curated: Path, folder: Path, listed: Sequence[dict[str, Any]]) -> None:
    """Files of this version that a run under other shard cuts left behind."""
    named = {curated / file["path"] for file in listed}
    for file in sorted(folder.rglob("*.parquet")):
        if file not in named:
            file.unlink()


def _pointer(manifest: Manifest, manifest_sha256: str) -> dict[str, Any]:
    return {
        "version": manifest["version"],
        "manifest": _manifest_path(manifest["version"]),
        "manifest_sha256": manifest_sha256,
        **{table: [f["path"] for f in manifest["files"] if f["table"] == table] for table in TABLES},
    }


# -------------------------------------------------------------------------------------------------------------- checks


def check_conservation(
    curated: Path, manifest: Manifest, parent: Manifest | None, new_files: Sequence[dict[str, Any]]
) -> None:
    """Nothing lost, nothing twice. Raises: RefusedError, naming what does not add up."""
    version = manifest["version"]
    for entry in manifest["inputs"]:
        if entry["added_in"] != version:
            continue
        out = entry["known"] + entry["documents"] + entry["rejected"]
        if entry["records"] != out:
            raise RefusedError(
                f"{entry['path']}: {entry['records']} records read, but {entry['known']} known + "
                f"{entry['documents']} documents + {entry['rejected']} rejected = {out}"
            )
    rows = {table: sum(f["rows"] for f in manifest["files"] if f["table"] == table) for table in TABLES}
    before = sum(f["rows"] for f in parent["files"] if f["table"] != "removed_spans") if parent else 0
    added = sum(e["documents"] + e["rejected"] for e in manifest["inputs"] if e["added_in"] == version)
    if rows["documents"] + rows["rejected"] != before + added:
        raise RefusedError(
            f"{version}: {before} rows before and {added} added, but {rows['documents']} documents and "
            f"{rows['rejected']} rejected"
        )
    for file in new_files:
        _check_schema(curated / file["path"], file["table"])
    _check_lengths(curated, [f for f in new_files if f["path"].startswith(f"versions/{version}/")])
    _check_references(curated, manifest["files"])


def _check_schema(path: Path, table: str) -> None:
    found = pq.read_schema(path)
    if not found.equals(TABLES[table], check_metadata=True):
        raise RefusedError(f"{path}: its schema is not that of {table}")


def _check_lengths(curated: Path, files: Sequence[dict[str, Any]]) -> None:
    """Per document: original length = text length + Σ (removed - replacement)."""
    paths = {table: [str(curated / f["path"]) for f in files if f["table"] == table] for table in TABLES}
    if not paths["removed_spans"]:
        return
    for table in ("documents", "rejected"):
        if not paths[table]:
            continue
        with connect() as database:
            wrong = database.execute(
                """
                WITH change AS (
                    SELECT doc_id, sum("end" - start - length(replacement)) AS change
                    FROM read_parquet(?) GROUP BY doc_id)
                SELECT id FROM read_parquet(?) d JOIN change ON doc_id = id
                WHERE original_char_count <> char_count + change ORDER BY id LIMIT 1
                """,
                [paths["removed_spans"], paths[table]],
            ).fetchone()
        if wrong is not None:
            raise RefusedError(f"document {wrong[0]} in {table}: its text and its removed spans don't add up")


def _check_references(curated: Path, files: Sequence[dict[str, Any]]) -> None:
    """Ids are unique over both tables, and every `duplicate_of` is a current document."""
    paths = {table: [str(curated / f["path"]) for f in files if f["table"] == table] for table in TABLES}
    with connect() as database:
        twice = database.execute(
            """
            SELECT id FROM (SELECT id FROM read_parquet(?) UNION ALL SELECT id FROM read_parquet(?))
            GROUP BY id HAVING count(*) > 1 ORDER BY id LIMIT 1
            """,
            [paths["documents"], paths["rejected"]],
        ).fetchone()
        if twice is not None:
            raise RefusedError(f"id {twice[0]} is there twice")
        orphan = database.execute(
            """
            SELECT id, duplicate_of FROM read_parquet(?) WHERE duplicate_of IS NOT NULL
            AND duplicate_of NOT IN (SELECT id FROM read_parquet(?)) ORDER BY id LIMIT 1
            """,
            [paths["rejected"], paths["documents"]],
        ).fetchone()
        if orphan is not None:
            raise RefusedError(f"{orphan[0]} duplicates {orphan[1]}, which is not a current document")
        nameless = database.execute(
            """
            SELECT id FROM read_parquet(?)
            WHERE starts_with(reject_reason, 'duplicate.') AND duplicate_of IS NULL LIMIT 1
            """,
            [paths["rejected"]],
        ).fetchone()
        if nameless is not None:
            raise RefusedError(f"{nameless[0]} is a duplicate of nothing")


def verify(curated: Path) -> dict[str, int]:
    """Re-check every version: hashes, schema, counts, and every restoration of the current one.

    Raises: RefusedError, naming the file where one fails.
    """
    manifest = require(curated)
    pointer = read_json(curated / "current.json")
    if (curated / "current.json").read_bytes() != _json_bytes(_pointer(manifest, pointer["manifest_sha256"])):
        raise RefusedError(f"{curated / 'current.json'} is damaged: it is not what {manifest['version']} published")
    checked: set[str] = set()
    version: Manifest | None = manifest
    while version is not None:
        for file in [*version["files"], *version["state"]]:
            if file["path"] not in checked:
                _check_file(curated / file["path"], file)
                checked.add(file["path"])
        parent = version["parent"]
        if parent is None or not (curated / _manifest_path(parent)).parent.exists():
            break
        version = _manifest(curated, _manifest_path(parent), version["parent_manifest_sha256"])
    for file in manifest["files"]:
        _check_schema(curated / file["path"], file["table"])
    _check_references(curated, manifest["files"])
    restored = _check_restorations(curated, manifest)
    return {"files": len(checked), "documents": restored}


def _json_bytes(content: Any) -> bytes:
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()


def _check_file(path: Path, file: dict[str, Any]) -> None:
    if not path.is_file():
        raise RefusedError(f"{path} is missing")
    if path.stat().st_size != file["bytes"] or sha256_of(path) != file["sha256"]:
        raise RefusedError(f"{path} is damaged: its bytes are not those that were published")
    if "rows" in file and pq.read_metadata(path).num_rows != file["rows"]:
        raise RefusedError(f"{path} has {pq.read_metadata(path).num_rows} rows, the manifest says {file['rows']}")


def _check_restorations(curated: Path, manifest: Manifest) -> int:
    """Rebuild every original and prove it by its hash."""
    spans = files_of(curated, manifest, "removed_spans")
    restored = 0
    for table in ("documents", "rejected"):
        for path in files_of(curated, manifest, table):
            rows = read_table(path, ["id", "text", "original_sha256"])
            entries = ledger_of(spans, rows["id"].to_pylist())
            for document, text, sha256 in zip(*(column.to_pylist() for column in rows.columns), strict=True):
                try:
                    original = restore(text, entries.get(document, ()))
                except ValueError as error:
                    raise RefusedError(f"{path}: document {document}: {error}") from None
                if hashlib.sha256(original.encode()).hexdigest() != sha256:
                    raise RefusedError(f"{path}: document {document} does not restore to its original")
                restored += 1
    return restored


def files_of(curated: Path, manifest: Manifest, table: str) -> list[Path]:
    """The files of a table of a version."""
    return [curated / file["path"] for file in manifest["files"] if file["table"] == table]


def find(curated: Path, document: str) -> tuple[str, dict[str, Any], list[LedgerEntry]]:
    """(table, row, ledger) of a document of the current version. Raises: ConfigError where there is none."""
    manifest = require(curated)
    for table in ("documents", "rejected"):
        files = files_of(curated, manifest, table)
        with connect() as database:
            query = "SELECT * FROM read_parquet(?) WHERE id = ?"
            rows = database.sql(query, params=[[str(file) for file in files], document]).to_arrow_table().to_pylist()
        if rows:
            ledger = ledger_of(files_of(curated, manifest, "removed_spans"), [document])
            return table, rows[0], ledger.get(document, [])
    raise ConfigError(f"no document {document!r} in {manifest['version']} of {curated}")


def summarise(curated: Path, files: Sequence[dict[str, Any]], version: str | None) -> dict[str, Any]:
    """What a version added, counted from its own files: rows first read in it; without `version`, all rows."""
    counts: dict[str, Counter[str]] = {"rejected_by_reason": Counter(), "languages": Counter()}
    removed: Counter[str] = Counter()
    removed_spans: Counter[str] = Counter()
    documents = characters = original = 0
    for file in files:
        path = curated / file["path"]
        if file["table"] == "removed_spans":
            table = read_table(path, ["reason", "start", "end"])
            for reason, start, end in zip(*(c.to_pylist() for c in table.columns), strict=True):
                removed[reason] += end - start
                removed_spans[reason] += 1
            continue
        names = ["added_in", "language", "char_count", "original_char_count"]
        table = read_table(path, names + (["reject_reason"] if file["table"] == "rejected" else []))
        if version is not None:
            table = table.filter(pc.equal(table["added_in"], version))
        if file["table"] == "rejected":
            counts["rejected_by_reason"].update(table["reject_reason"].to_pylist())
        else:
            documents += len(table)
            characters += pc.sum(table["char_count"]).as_py() or 0
            original += pc.sum(table["original_char_count"]).as_py() or 0
            counts["languages"].update(table["language"].to_pylist())
    return {
        "documents": documents,
        "rejected": counts["rejected_by_reason"].total(),
        "characters": characters,
        "original_characters": original,
        "rejected_by_reason": dict(counts["rejected_by_reason"].most_common()),
        "removed_by_reason": {
            reason: {"spans": removed_spans[reason], "characters": count} for reason, count in removed.most_common()
        },
        "languages": dict(counts["languages"].most_common()),
    }
