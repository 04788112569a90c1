"""DuckDB over Parquet files, for joins that may not fit in memory. The same question gets the same answer every time:
one thread, explicit orders, integer aggregates, never its `hash()`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa

from transforms.config import Config
from transforms.spans import LedgerEntry, Span

if TYPE_CHECKING:
    import duckdb

    Database: TypeAlias = "duckdb.DuckDBPyConnection"
else:
    Database = object

# Above this it spills to disk.
MEMORY = "2GB"
# Columns that aren't strings, for views over no files.
_TYPES = {
    **dict.fromkeys(("line_document", "line", "long_line", "paragraph"), "UBIGINT"),
    **dict.fromkeys(("long_lines", "line_keys"), "UBIGINT[]"),
    **dict.fromkeys(("char_count", "chars", "groups", "ordinal"), "INTEGER"),
    **dict.fromkeys(("earlier", "later"), "UINTEGER"),
    "duplicate_similarity": "FLOAT",
}


@contextmanager
def connect(folder: Path | None = None, memory: str = MEMORY) -> Iterator[Database]:
    """A database in memory; with `folder`, it spills there above `memory`."""
    # Imported in workers only: in a process that also ran Prefect, DuckDB 2.0 ends with a page of "leaked instance".
    import duckdb

    settings = {"threads": "1", "memory_limit": memory, "preserve_insertion_order": "true"}
    with duckdb.connect(config=settings) as database:
        if folder is not None:
            database.execute("SET temp_directory = ?", [str(folder / "spill")])
        yield database


def view(database: Database, name: str, files: Sequence[Path], columns: Sequence[str]) -> None:
    """A view over files of one schema, or an empty one; `piece` and `row` say where a row stands."""
    if not files:
        empty = ", ".join(f"NULL::{_TYPES.get(column, 'VARCHAR')} AS {column}" for column in columns)
        database.execute(f"CREATE VIEW {name} AS SELECT {empty}, 0 AS piece, 0 AS row WHERE false")
        return
    listed = ", ".join(quoted_path(file) for file in files)
    database.execute(
        f"CREATE VIEW {name} AS SELECT {', '.join(columns)}, list_position([{listed}], filename) - 1 AS piece,"
        f" file_row_number AS row FROM read_parquet([{listed}], filename = true, file_row_number = true)"
    )


def quoted_path(path: Path) -> str:
    """A path as an SQL string."""
    return "'" + str(path).replace("'", "''") + "'"


# Under what a record is known. Records that could not be read have no text: their place and bytes stand for them.
_PLACE = "'p' || source_path || chr(0) || coalesce(source_record, '')"
_KEYS = {
    "url": f"coalesce('u' || url, {_PLACE})",
    "source_id": f"coalesce('i' || source_id, {_PLACE})",
    "none": f"coalesce('u' || url, {_PLACE})",
}
UNREAD = "coalesce(reject_stage, '') = 'read'"


def key_of(config: Config) -> str:
    """The key under which a record is known, in SQL."""
    return f"CASE WHEN {UNREAD} THEN {_PLACE} ELSE {_KEYS[config.supersede_by]} END"


def published_view(database: Database, files: Sequence[tuple[Path, str]], columns: Sequence[str]) -> None:
    """The rows of the parent version, documents and rejected, as one view."""
    documents = [file for file, table in files if table == "documents"]
    rejected = [file for file, table in files if table == "rejected"]
    view(database, "published_documents", documents, columns)
    verdict = ("reject_stage", "reject_reason", "duplicate_of", "duplicate_similarity")
    view(database, "published_rejected", rejected, [*columns, *verdict])
    names, nulls = ", ".join(columns), ", ".join(f"NULL AS {name}" for name in verdict)
    database.execute(
        f"CREATE VIEW published AS SELECT {names}, {nulls}, 'documents' AS table_name, piece, row"
        f" FROM published_documents UNION ALL"
        f" SELECT {names}, {', '.join(verdict)}, 'rejected', piece, row FROM published_rejected"
    )


def ledger_of(files: Sequence[Path], ids: Sequence[str]) -> dict[str, list[LedgerEntry]]:
    """The ledger of these documents, in order."""
    entries: dict[str, list[LedgerEntry]] = {}
    names = ", ".join(f's."{name}"' for name in ("doc_id", "clean_start", "text", *Span._fields))
    with connect() as database:
        database.register("wanted", pa.table({"doc_id": pa.array(ids, pa.string())}))
        found = database.sql(
            f"SELECT {names} FROM read_parquet(?) s SEMI JOIN wanted USING (doc_id) ORDER BY s.doc_id, s.seq",
            params=[[str(file) for file in files]],
        ).to_arrow_table()
    for document, clean_start, text, *span in zip(*(column.to_pylist() for column in found.columns), strict=True):
        entries.setdefault(document, []).append(LedgerEntry(Span(*span), clean_start, text))
    return entries
