"""The shape of the code, and that the README tells what there is."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from transforms import schema
from transforms.config import Config

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


def test_workers_never_import_prefect():
    code = "import sys, flows.steps; print(sorted(name for name in sys.modules if name.split('.')[0] == 'prefect'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


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


def test_every_setting_stands_in_the_readme():
    from dataclasses import fields, is_dataclass

    config = Config()
    for field in fields(config):
        value = getattr(config, field.name)
        names = [f.name for f in fields(value)] if is_dataclass(value) else [field.name]
        assert [name for name in names if f"`{name}`" not in README] == []


def test_every_reason_is_documented():
    assert [reason for reason in (*schema.SPAN_REASONS, *schema.REJECT_REASONS) if f"`{reason}`" not in README] == []
