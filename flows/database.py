"""DuckDB over Parquet files, for joins that may not fit in memory. The same question gets the same answer every time:
one thread, explicit orders, integer aggregates, never its `hash()`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import duckdb

    Database: TypeAlias = "duckdb.DuckDBPyConnection"
else:
    Database = object

# Above this it spills to disk.
MEMORY = "2GB"
# Columns that aren't strings, for views over no files.
_TYPES = {
    **dict.fromkeys(("line_document", "line", "long_line"), "UBIGINT"),
    **dict.fromkeys(("long_lines", "line_keys"), "UBIGINT[]"),
    **dict.fromkeys(("char_count", "groups", "ordinal"), "INTEGER"),
}


@contextmanager
def connect(folder: Path | None = None) -> Iterator[Database]:
    """A database in memory; with `folder`, it spills there."""
    # Imported in workers only: in a process that also ran Prefect, DuckDB 2.0 ends with a page of "leaked instance".
    import duckdb

    with duckdb.connect() as database:
        database.execute(f"SET threads = 1; SET memory_limit = '{MEMORY}'; SET preserve_insertion_order = true")
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
