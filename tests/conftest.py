"""What tests share: one Prefect server for all flow tests, and readers of what was published."""

import json
import os
import random
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, settings

# Machines are shared and noisy: no test depends on the clock.
settings.register_profile("tamis", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tamis")

# Before anything imports Prefect: tests leave a user's own Prefect alone.
os.environ["PREFECT_HOME"] = tempfile.mkdtemp(prefix="tamis-test-prefect-")
os.environ.pop("PREFECT_API_URL", None)
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")


def _data(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set: no real data here")
    return Path(value)


@pytest.fixture
def seeds() -> Path:
    """Three real raw documents."""
    return _data("TAMIS_SEEDS")


@pytest.fixture
def devset() -> Path:
    """Labelled real data."""
    return _data("TAMIS_DEVSET")


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder; Hypothesis writes the same file again and again, so one serves all."""
    return tmp_path_factory.mktemp("raw")


@pytest.fixture(scope="session", autouse=True)
def unflushed() -> Iterator[None]:
    """No test cuts the power, so none waits for the disk: tens of thousands of times, some milliseconds each. Processes
    that tests start do, as anybody's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flows.store._fsync", lambda path: None)
        yield


@pytest.fixture(scope="session")
def prefect_api() -> Iterator[str]:
    """The URL of a server that lives as long as the tests, and is this process's from now on."""
    from prefect.settings import get_current_settings
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        url = get_current_settings().api.url
        assert url is not None
        yield url


Run = Callable[..., dict[str, Any]]


def curated_by(raw: Path, curated: Path, config: dict[str, Any] | None = None, **parameters: Any) -> dict[str, Any]:
    """A run without Prefect, inline if nothing else is said; `config` as a TOML file has it. Its summary."""
    from flows.parameters import flatten, parse
    from flows.run import curate_dataset
    from transforms.config import from_mapping

    given = {"raw": str(raw), "curated": str(curated), "engine": "inline"} | flatten(from_mapping(config or {}))
    return curate_dataset(*parse(given | parameters))


@pytest.fixture
def run() -> Run:
    """A run in this process: `run(raw, curated, **parameters)`."""
    return curated_by


@pytest.fixture
def run_local() -> Run:
    """The same in worker processes."""
    return partial(curated_by, engine="local", workers=1)


@pytest.fixture
def run_in_prefect(prefect_api: str) -> Run:
    """The same as a flow."""
    from flows.curate import curate

    def _run(raw: Path, curated: Path, **parameters: Any) -> dict[str, Any]:
        summary: dict[str, Any] = curate(raw=str(raw), curated=str(curated), **{"workers": 1} | parameters)
        return summary

    return _run


def ended(process: subprocess.Popen[Any], seconds: float) -> bool:
    """Whether a process that is told to end ends. Prefect's worker (3.8.8) may hang after the first signal, its runs
    over and its event loop idle: a second one ends it, where compose and systemd send SIGKILL."""
    for _ in range(2):
        process.terminate()
        try:
            process.wait(timeout=seconds / 2)
        except subprocess.TimeoutExpired:
            continue
        return True
    process.kill()
    process.wait()
    return False


def manifest_of(curated: Path) -> dict[str, Any]:
    """The manifest of the current version."""
    current = json.loads((curated / "current.json").read_text())
    manifest: dict[str, Any] = json.loads((curated / current["manifest"]).read_text())
    return manifest


def rows(curated: Path, table: str = "documents") -> list[dict[str, Any]]:
    """The rows of a table of the current version, in order of id."""
    files = json.loads((curated / "current.json").read_text())[table]
    read = pa.concat_tables(pq.read_table(curated / file) for file in files)
    key = "doc_id" if table == "removed_spans" else "id"
    return sorted(read.to_pylist(), key=lambda row: (row[key], row.get("seq", 0)))


def tree(curated: Path) -> dict[str, bytes]:
    """The files of a dataset with their bytes, but for times, caches and work that is not done."""
    return {
        path.relative_to(curated).as_posix(): path.read_bytes()
        for path in sorted(curated.rglob("*"))
        if path.is_file() and path.name not in ("run.json", ".lock") and not {".staging", ".cache"} & set(path.parts)
    }


def write_jsonl(path: Path, records: list[dict[str, Any]]) -> Path:
    """A JSONL file of these records."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    return path


NOUNS = (
    "orange lamp ferry anchor violin kettle glacier pigeon ladder carpet pepper tunnel blanket compass orchard mirror"
)
VERBS = "carried watched mended forgot painted followed counted buried answered borrowed repeated measured hid"
PLACES = "harbour attic valley market station bakery island library cellar bridge garden workshop chapel square"


def article(number: int, subject: str = "harbour") -> str:
    """An article unlike any other of another number, in its words too: title, then three paragraphs of prose."""
    chance = random.Random(f"{subject} {number}")
    nouns, verbs, places = NOUNS.split(), VERBS.split(), PLACES.split()

    def sentence() -> str:
        noun, other = chance.sample(nouns, 2)
        place, where = chance.sample(places, 2)
        return (
            f"The {noun} of the {place} {chance.choice(verbs)} every {other} that came from the {where}, "
            f"and nobody {chance.choice(verbs)} the {chance.choice(nouns)} again."
        )

    paragraphs = [" ".join(sentence() for _ in range(3)) for _ in range(3)]
    title = f"The {chance.choice(nouns)} and the {chance.choice(places)} of the {subject}, part {number}"
    return "\n\n".join([title, *paragraphs]) + "\n"
