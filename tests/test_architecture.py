"""The shape of the code, and that the README tells what there is."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from transforms import schema

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "transforms").rglob("*.py")), ids=lambda path: path.name)
def test_transforms_know_no_prefect_no_flows_no_pandas(path):
    assert not [name for name in imports(path) if name.split(".")[0] in ("prefect", "flows", "pandas")]


def flows_modules() -> dict[str, Path]:
    """The modules of flows/ by name, without `flows.`; the package itself is ''."""
    folder = ROOT / "flows"
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = flows_modules()
# What a worker imports to do a step.
OF_WORKERS = sorted(
    name for name in MODULES if name.split(".")[0] in ("step", "stages", "compare") or name == "versions.checks"
)


def test_workers_never_import_prefect():
    names = ", ".join(f"flows.{name}" for name in OF_WORKERS)
    code = f"import sys, {names}; print(sorted(name for name in sys.modules if name.split('.')[0] == 'prefect'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert {"step", "stages.read", "compare.settle", "versions.checks"} <= set(OF_WORKERS)
    assert done.stdout.strip() == "[]"


# Each imports of its own row and of those below it.
ROWS = [
    ("cli",),
    ("curate", "maintain"),
    ("artifacts", "forget", "preview"),
    ("run", "show", "server"),
    ("stages", "compare", "versions"),
    ("state", "inputs", "shards", "engines"),
    ("step", "tables", "readers", "forgotten"),
    ("store", "processes", "names", "parameters", ""),
]
ROW_OF = {name: row for row, names in enumerate(ROWS) for name in names}


@pytest.mark.parametrize("name", MODULES)
def test_flows_import_one_way(name):
    own = ROW_OF[name.split(".")[0]]
    found = {imported.removeprefix("flows").removeprefix(".") for imported in imports(MODULES[name])
             if imported.split(".")[0] == "flows"}  # fmt: skip
    up = {other for other in found if other in MODULES and ROW_OF[other.split(".")[0]] < own}
    assert up == set()


# The disk, as Python's own libraries name it. `open` and `exists` of a store are the store's.
ON_DISK = {
    "Path": {
        *("read_text", "read_bytes", "write_text", "write_bytes", "unlink", "mkdir", "rmdir", "rename", "touch"),
        *("iterdir", "glob", "rglob", "is_file", "is_dir", "is_symlink", "stat", "lstat", "samefile", "resolve"),
        *("symlink_to", "hardlink_to", "exists", "open"),
    },
    "os": {
        *("open", "fdopen", "stat", "lstat", "fstat", "access", "listdir", "scandir", "walk", "mkdir", "makedirs"),
        *("remove", "unlink", "rmdir", "rename", "replace", "link", "symlink", "readlink", "truncate", "fsync"),
        *("chmod", "utime", "mkfifo"),
    },
    "os.path": {"exists", "lexists", "isfile", "isdir", "islink", "getsize", "getmtime", "realpath", "samefile"},
    "pq": {
        "read_table",
        "read_schema",
        "read_metadata",
        "ParquetFile",
        "ParquetDataset",
        "write_table",
        "ParquetWriter",
    },
}
LIBRARIES = {"shutil", "tempfile", "glob", "fcntl", "filelock", "mmap", "duckdb"}


def touches(path: Path) -> set[str]:
    """How a module touches the disk."""
    found = {name for name in imports(path) if name in LIBRARIES}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id == "open":
            found.add("open")
        elif isinstance(node.func, ast.Attribute):
            owner, name = ast.unparse(node.func.value), node.func.attr
            if owner.split(".")[-1] != "store":
                kind = owner if owner in ON_DISK else "Path"
                if name in ON_DISK[kind]:
                    found.add(f"{owner}.{name}" if owner in ON_DISK else name)
    return found


# What touches it all the same, and why.
ALLOWED = {
    "": {  # Prefect's home, made before anything else can be imported
        *("os.path.lexists", "os.path.isdir", "os.access", "read_text", "glob", "is_dir", "mkdir"),
        *("shutil", "tempfile"),
    },
    "cli": {"read_text", "os.path.lexists", "os.path.isdir", "os.path.exists", "os.open"},  # arguments; the null device
    "show.explain": {"is_file"},  # a file that a person names
    "step": {"rglob", "is_file", "read_bytes"},  # our own code, for its hash
    "readers": {"glob", "read_bytes"},  # our own code, for its hash
    # Parquet: written where `Store.put` says; read from `Store.local`, or from what `Store.open` opened.
    "tables": {"pq.ParquetFile", "pq.ParquetWriter", "pq.write_table"},
    "inputs": {"pq.read_table", "pq.write_table"},
    "readers.parquet": {"pq.ParquetFile"},
    "readers.archives": {"open", "tempfile"},  # members of an archive, and a spool
    "processes": {"open"},  # the null device; how much memory this process has
}


@pytest.mark.parametrize("name", [name for name in MODULES if name != "store"])
def test_the_store_is_the_one_door_to_storage(name):
    assert touches(MODULES[name]) == ALLOWED.get(name, set())


def test_the_door_is_seen(tmp_path):
    """What the test above looks for is found in the module that has it all."""
    assert {"open", "os.open", "os.scandir", "shutil", "tempfile", "mkdir", "unlink", "read_bytes"} <= touches(
        MODULES["store"]
    )
    code = tmp_path / "one.py"
    code.write_text("a = store.exists('x'), self.store.open('y'), Path('x').exists(), file.open(), pq.read_table('x')")
    assert touches(code) == {"exists", "open", "pq.read_table"}


@pytest.mark.parametrize("table", schema.TABLES)
def test_every_column_stands_in_the_readme(table):
    missing = [
        name
        for name in schema.TABLES[table].names
        if f"`{name}`" not in README and not (name.startswith("q_") and "`q_*`" in README)
    ]
    assert missing == []


def test_every_command_stands_in_the_readme():
    from flows.cli import app

    names = [command.name or command.callback.__name__ for command in app.registered_commands]
    assert [name for name in names if f"tamis {name}" not in README] == []


def test_the_readme_has_the_table_of_settings():
    """`python -m flows.parameters` prints it."""
    from flows.parameters import settings_table

    assert settings_table() in README


def test_every_reason_is_documented():
    assert [reason for reason in (*schema.SPAN_REASONS, *schema.REJECT_REASONS) if f"`{reason}`" not in README] == []


def test_every_usual_name_stands_in_the_readme():
    from flows.readers.fields import USUAL

    for column, names in USUAL.items():
        assert f"| `{column}` | {', '.join(f'`{name}`' for name in names)} |" in README


def test_workers_do_without_pandas() -> None:
    """pyarrow would import it with the first list: .4 CPU seconds and 31 MB of each."""
    code = (
        "import sys; from flows.processes import without_pandas; without_pandas();"
        "import flows.stages.write, pyarrow; pyarrow.table({'a': pyarrow.array(['b', None])});"
        "print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "False\n"
