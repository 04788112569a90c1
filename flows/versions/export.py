"""Export: a version as a plain folder that any tool opens by itself.

    DIR/documents/*.parquet  rejected/  removed_spans/  README.md  croissant.json  schema.json

Where all of it is wanted, the published files are taken as they are, sharing their blocks where the file system can;
where rows, columns or another profile are asked for, they are written anew. The folder is made aside and renamed, so a
killed export leaves what was there before, or nothing.
"""

import gzip
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from flows.store import STAGING, Ref, Store
from flows.tables import open_table, read_groups, write_shards
from flows.versions import describe, statistics
from flows.versions.checks import check_forgotten
from flows.versions.describe import JSON_LINES, PARQUET, TableFiles
from flows.versions.history import version_of, versions
from flows.versions.manifest import Manifest, check_schema_version, files_of, require
from flows.versions.profiles import Copies, dolma, fineweb
from transforms.codes import bcp47, fault_of_code
from transforms.errors import ConfigError, RefusedError
from transforms.schema import DOCUMENTS, DOLMA, DUPLICATE_COUNT, FINEWEB, REJECTION, TABLES

PROFILES = ("tamis", "fineweb", "dolma")
# Bytes of a file that is written anew, if nobody says: what readers of many files like best.
SHARD_BYTES = 256 * 1024 * 1024


class Wanted(NamedTuple):
    """What is asked for."""

    languages: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    shard_bytes: int | None = None
    profile: str = "tamis"
    duplicate_count: bool = False  # FinePDFs' column, in the profile `fineweb`
    hub: bool = False  # pages cut by content, for stores that keep equal stretches once
    link: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether the published files are what is wanted."""
        return not (self.languages or self.columns or self.shard_bytes or self.hub) and self.profile == "tamis"

    def check(self) -> None:
        """Raises: ConfigError where it is no such thing."""
        if self.profile not in PROFILES:
            raise ConfigError(f"no profile {self.profile!r}; there: {', '.join(PROFILES)}")
        for fault in filter(None, map(fault_of_code, self.languages)):
            raise ConfigError(fault)
        if unknown := [name for name in self.columns if name not in DOCUMENTS.names]:
            raise ConfigError(f"documents have no column {unknown[0]!r}; there: {', '.join(DOCUMENTS.names)}")
        if self.shard_bytes is not None and self.shard_bytes < 1:
            raise ConfigError(f"--shard-bytes is {self.shard_bytes}, expected 1 or more")
        if self.columns and self.profile != "tamis":
            raise ConfigError(f"the columns of the profile {self.profile} are what they are: --columns is for our own")
        if self.duplicate_count and self.profile != "fineweb":
            raise ConfigError("--duplicate-count is a column of the profile fineweb")
        if self.hub and self.profile == "dolma":
            raise ConfigError("--hub cuts the pages of Parquet files; the profile dolma has JSON lines")
        if self.link and not self.is_whole:
            raise ConfigError("--link takes the published files as they are: nothing else can be asked for with it")


def export(store: Store, folder: Path, wanted: Wanted, version: str | None = None) -> dict[str, Any]:
    """Make `folder` an export of a version (the current one), and say what it holds.

    Raises: ConfigError where it can't be asked for, or the folder has what is no export; RefusedError where a published
    file is damaged, or the version holds what shall be forgotten."""
    wanted.check()
    manifest = require(store)
    if version is not None:
        manifest = version_of(versions(store), version, store).manifest
    check_schema_version(manifest)
    check_forgotten(store, manifest)
    folder = Path(folder).absolute()
    _check_folder(store, folder)
    out = Store(folder.with_name(f".{folder.name}.tamis-export"))
    with out.lock():
        for key in out.keys("."):  # of one that was killed
            if key != ".lock":
                out.delete(key)
        try:
            tables, totals = (
                _taken(store, out, manifest, wanted) if wanted.is_whole else _made(store, out, manifest, wanted)
            )
            _describe(out, manifest, wanted, tables, totals)
            out.delete_all(STAGING)
            out.delete(".lock")
            out.move_to(folder)
        except BaseException:
            out.delete_all(".")
            raise
    files = [file for table in tables.values() for file in table.files]
    return {
        "folder": str(folder),
        "version": manifest["version"],
        "profile": wanted.profile,
        "rows": {name: table.rows for name, table in tables.items()},
        "files": len(files),
        "bytes": sum(file["bytes"] for file in files),
        "links": wanted.link,
    }


def _damaged(store: Store, key: str) -> RefusedError:
    return RefusedError(f"{store.local(key)} is damaged: its bytes are not those that were published")


def _check_folder(store: Store, folder: Path) -> None:
    """Raises: ConfigError where something is there that isn't ours to replace."""
    if folder.is_relative_to(store.data) or store.data.is_relative_to(folder):
        raise ConfigError(f"{folder}: an export can't lie in the dataset {store.name}, nor the other way round")
    there = Store(folder)
    if not there.is_folder("."):
        if there.is_anything("."):
            raise ConfigError(f"{folder} is not a folder")
        return
    found = there.keys(".")
    if not found:
        return
    try:
        said = there.read_json("schema.json")
        ours = {*said["export"]["files"], "schema.json"}
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigError(f"{folder} is not empty, and no export of Tamis: nothing is written") from None
    if others := [key for key in found if key not in ours]:
        raise ConfigError(f"{folder} is an export of Tamis, but {others[0]} is not of it: nothing is written")


# ------------------------------------------------------------------------------------------------------- as they are


def _taken(
    store: Store, out: Store, manifest: Manifest, wanted: Wanted
) -> tuple[dict[str, TableFiles], dict[str, Any]]:
    """The published files, under their own names."""
    tables = {}
    for name, schema in TABLES.items():
        files = []
        for entry in manifest["files"]:
            if entry["table"] == name:
                key = f"{name}/{entry['path'].rsplit('/', 1)[-1]}"
                try:
                    out.take(store.local(entry["path"]), key, link=wanted.link)
                except OSError as error:
                    if wanted.link:
                        raise ConfigError(
                            f"{out.data.parent} can't have links to {store.data}: {error.strerror}"
                        ) from None
                    raise
                if out.sha256(key) != entry["sha256"]:
                    raise _damaged(store, entry["path"])
                files.append({"path": key, "bytes": entry["bytes"], "sha256": entry["sha256"], "rows": entry["rows"]})
        tables[name] = TableFiles(schema, files, sum(file["rows"] for file in files))
    totals = manifest.get("totals")
    if totals is None:  # of a version made before there were any
        refs = [(entry["table"], Ref("data", entry["path"], entry["sha256"])) for entry in manifest["files"]]
        totals = statistics.totals(statistics.merge(statistics.count_files(store, refs)))
    return tables, totals


# --------------------------------------------------------------------------------------------------------- made anew


def _made(store: Store, out: Store, manifest: Manifest, wanted: Wanted) -> tuple[dict[str, TableFiles], dict[str, Any]]:
    """Files of the rows and columns that are wanted, in the order they are published in."""
    counted: list[pa.Table] = []
    ids: list[pa.Array] = []

    def rows_of(name: str) -> Iterator[pa.Table]:
        those = pa.chunked_array(ids, pa.string()).combine_chunks()
        for rows in _rows(store, files_of(manifest, name)):
            kept = rows.filter(_is_wanted(rows, name, wanted.languages, those)) if wanted.languages else rows
            if name != "removed_spans" and wanted.languages and wanted.profile == "tamis":
                ids.append(kept["id"].combine_chunks())
            if len(kept):
                counted.append(statistics.count_rows(name, kept))
                yield kept

    stem = manifest["version"]
    if wanted.profile == "tamis":
        tables = {}
        for name in TABLES:
            schema = _schema(name, wanted.columns)
            found = (rows.select(schema.names) for rows in rows_of(name))
            tables[name] = _parquet(out, name, stem, schema, found, wanted)
    elif wanted.profile == "fineweb":
        copies = Copies(_rows(store, files_of(manifest, "rejected"), ["reject_reason", "duplicate_of"]))
        schema = FINEWEB.append(DUPLICATE_COUNT) if wanted.duplicate_count else FINEWEB
        found = (fineweb(rows, stem, copies, wanted.duplicate_count) for rows in rows_of("documents"))
        tables = {"documents": _parquet(out, "documents", stem, schema, found, wanted)}
    else:
        tables = {"documents": _json_lines(out, "documents", stem, map(dolma, rows_of("documents")), wanted)}
    return tables, statistics.totals(statistics.merge(counted))


def _rows(store: Store, files: Iterable[Ref], columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    for ref in files:
        if store.sha256(ref) != ref.name:  # pages have checksums, their headers have none
            raise _damaged(store, ref.key)
        with open_table(store, ref) as file:
            for group in range(file.metadata.num_row_groups):
                yield read_groups(file, [group], columns)


def _is_wanted(rows: pa.Table, name: str, languages: Sequence[str], ids: pa.Array) -> Any:
    """Which rows are of these languages (`zh`: in any script), or of documents that are."""
    if name == "removed_spans":
        return pc.is_in(rows["doc_id"], ids)
    codes = {bcp47(code) for code in languages}
    found = [code for code in pc.unique(rows["language"]).to_pylist() if code in codes or code.split("-")[0] in codes]
    return pc.is_in(rows["language"], pa.array(found, pa.string()))


def _schema(name: str, columns: Sequence[str]) -> pa.Schema:
    """The columns that are wanted of a table: of rejected records also why, of spans all."""
    if not columns or name == "removed_spans":
        return TABLES[name]
    own = [field.name for field in REJECTION] if name == "rejected" else []
    return pa.schema([TABLES[name].field(column) for column in [*columns, *own]])


def _parquet(
    out: Store, name: str, stem: str, schema: pa.Schema, tables: Iterable[pa.Table], wanted: Wanted
) -> TableFiles:
    def key(number: int) -> str:
        return f"{name}/{stem}-{number:05}.parquet"

    most = wanted.shard_bytes or SHARD_BYTES
    rows = write_shards(lambda number: out.put(key(number)), schema, tables, most, is_chunked=wanted.hub)
    files = [_entry(out, key(number), count) for number, count in enumerate(rows)]
    return TableFiles(schema, files, sum(rows))


def _json_lines(out: Store, name: str, stem: str, lines: Iterable[Sequence[str]], wanted: Wanted) -> TableFiles:
    """Files of JSON lines, gzipped, each ended by the line with which it has `shard_bytes`."""
    most = wanted.shard_bytes or SHARD_BYTES
    files: list[dict[str, Any]] = []
    held, rows = io.BytesIO(), 0
    packed = _gzip(held)

    def put() -> None:
        packed.close()
        key = f"{name}/{stem}-{len(files):05}.jsonl.gz"
        out.put_bytes(key, held.getvalue())
        files.append(_entry(out, key, rows))

    for part in lines:
        for line in part:
            if rows and held.tell() >= most:
                put()
                held, rows = io.BytesIO(), 0
                packed = _gzip(held)
            packed.write(f"{line}\n".encode())
            rows += 1
    if rows or not files:
        put()
    return TableFiles(DOLMA, files, sum(file["rows"] for file in files), JSON_LINES)


def _gzip(file: io.BytesIO) -> gzip.GzipFile:
    """The same bytes whenever it is written."""
    return gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0)


def _entry(out: Store, key: str, rows: int) -> dict[str, Any]:
    return {"path": key, "bytes": out.size(key), "sha256": out.sha256(key), "rows": rows}


# ------------------------------------------------------------------------------------------------------- what it says


def _describe(
    out: Store, manifest: Manifest, wanted: Wanted, tables: dict[str, TableFiles], totals: dict[str, Any]
) -> None:
    version = manifest["version"]
    ending = "parquet" if tables["documents"].format == PARQUET else "jsonl.gz"
    configs = {name: f"{name}/*.{ending}" for name in tables}
    licenses = totals["documents"]["licenses"]
    out.put_bytes("README.md", describe.card(version, totals, manifest, tables, configs, _notes(wanted)))
    out.put_bytes("croissant.json", describe.croissant(version, manifest["number"], licenses, tables))
    about = [_entry(out, key, 0) for key in ("README.md", "croissant.json")]
    files = {file["path"]: file["sha256"] for file in (*about, *(f for table in tables.values() for f in table.files))}
    asked = {name: value for name, value in wanted._asdict().items() if value and name != "link"}
    said = {"version": version, **asked, "files": files}
    out.put_bytes(
        "schema.json", describe.schema_json({name: table.schema for name, table in tables.items()}, export=said)
    )


def _notes(wanted: Wanted) -> list[str]:
    notes = []
    if wanted.languages:
        notes.append(f"Of the dataset, what is in these languages: {', '.join(wanted.languages)}.")
    if wanted.columns:
        notes.append(f"Of the columns, these: {', '.join(wanted.columns)}.")
    if wanted.profile == "fineweb":
        notes.append("Columns are named and typed as FineWeb2's; `top_langs` has shares of the letters, not scores.")
    if wanted.profile == "dolma":
        notes.append("Documents are JSON lines as Dolma has them; `source` is the site.")
    return notes
