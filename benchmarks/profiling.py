"""Where the CPU time of one inline run goes, by stage and by function, and what it costs to start.

    python benchmarks/profiling.py [--megabytes 10] [--repeats 1] [--before CHECKOUT] [--print]

`make profile` writes it into `docs/performance.md`; `--print` only prints. Articles and whole pages are made up
(`documents.py`); each kind is a run on the engine `inline`, in a process of its own, after a run of some documents and
titles, whose languages are unsure, so that everything is imported and loaded. As the process uses CPU time it is
interrupted some 250 times a second, and the functions at work are noted: this slows nothing, while a tracing
profiler makes small functions look large. A stage is what `transforms/pipeline.py` calls, or else a step of a run; what
is left is the run's own (planning, checks, publishing). A function has the time of itself and of what it calls outside
Tamis: libraries, built-ins.

With `--before` the code of another checkout is measured, too. Start-up is CPU seconds of whole processes.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.documents import Document

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
EVERY = 0.004
ALL, OWN = "all", "the run itself"
# What starting is made of: a name, and what Python runs.
STARTS = {
    "Python": "pass",
    "import of Prefect": "import prefect",
    "import of the command": "import flows.cli",
    "import of the flow, Prefect included": "import flows.curate",
}


# ------------------------------------------------------------------------------------------------------------- a sample


def where(frame: FrameType | None, root: str) -> tuple[str, str]:
    """(stage, function) that a stack is in; `root` is the folder of `flows` and `transforms`."""
    function = stage = step = ""
    inner: CodeType | None = None  # of the frame that this one called
    while frame is not None:
        code = frame.f_code
        name = code.co_filename.removeprefix(root)
        if name != code.co_filename and name.startswith(("flows/", "transforms/")):
            function = function or f"{name.removesuffix('.py')}:{code.co_qualname}"
            if name == "transforms/pipeline.py" and inner is not None:
                stage = stage or inner.co_name
            if name == "flows/step.py" and code.co_name == "_do" and inner is not None:
                step = inner.co_name
            inner = code
        frame = frame.f_back
    return stage or step or OWN, function or "outside Tamis"


def sample(raw: str, curated: str) -> dict[str, Any]:
    """An inline run, sampled: CPU seconds in all, and shares of them by stage and function."""
    import flows.curate  # of the checkout that PYTHONPATH names

    root = str(Path(flows.curate.__file__).parent.parent) + os.sep
    stages: Counter[str] = Counter()
    functions: Counter[str] = Counter()

    def note(number: int, frame: FrameType | None) -> None:
        stage, function = where(frame, root)
        stages[stage] += 1
        functions[function] += 1

    flows.curate.curate(raw=f"{raw}/warm", curated=f"{curated}/warm", engine="inline")
    signal.signal(signal.SIGPROF, note)
    start = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    flows.curate.curate(raw=f"{raw}/all", curated=f"{curated}/all", engine="inline")
    signal.setitimer(signal.ITIMER_PROF, 0)
    seconds = time.process_time() - start
    samples = max(1, stages.total())
    return {
        "cpu_seconds": seconds,
        "samples": samples,
        "stages": {name: count / samples for name, count in stages.items()},
        "functions": {name: count / samples for name, count in functions.items()},
    }


# ------------------------------------------------------------------------------------------------------------ processes


def profiled(raw: Path, checkout: Path) -> dict[str, Any]:
    """`sample` in a process of its own, with the code of a checkout."""
    command = [sys.executable, str(Path(__file__).resolve()), "--run", str(raw)]
    done = subprocess.run(command, env=_environ(checkout), stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _environ(checkout: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(checkout), "PREFECT_API_URL": "", "PREFECT_LOGGING_LEVEL": "CRITICAL"}


def start_up(raw: Path, checkout: Path) -> dict[str, float]:
    """CPU seconds of starting, by what is started; the last are whole runs of some documents. With `-P`, Python doesn't
    take the working directory's code for the checkout's."""
    tamis = [sys.executable, "-P", "-m", "flows.cli", "run", str(raw / "warm")]
    with tempfile.TemporaryDirectory() as folder:
        commands = {name: [sys.executable, "-P", "-c", code] for name, code in STARTS.items()}
        commands["imports, models, some documents: inline"] = [*tamis, f"{folder}/inline", "--engine", "inline"]
        commands["the same, two workers"] = [*tamis, f"{folder}/local", "--workers", "2"]
        found = {}
        for name, command in commands.items():
            cost = Path(folder) / "cost.json"
            measured = [sys.executable, str(HERE / "measure.py"), "--to", str(cost), "--", *command]
            subprocess.run(measured, env=_environ(checkout), check=True, capture_output=True)
            found[name] = json.loads(cost.read_text())["cpu_seconds"]
    return found


def some(made: "list[Document]") -> "list[Document]":
    """Documents for which every model is asked: half of them are only titles."""
    return [replace(one, text=one.title) if one.number % 2 else one for one in made]


# ---------------------------------------------------------------------------------------------------------------- table


def shown(
    profiles: Mapping[str, Mapping[str, Any]], sizes: Mapping[str, float], starts: Mapping[str, Mapping[str, float]]
) -> str:
    """Markdown: CPU ms a MB by stage and function, of `profiles` by their heading; `sizes` are MB."""
    from benchmarks.report import table

    def rows(kind: str, most: int | None = None) -> list[list[str]]:
        cost = {
            heading: {name: 1000 * one["cpu_seconds"] * share / sizes[heading] for name, share in one[kind].items()}
            for heading, one in profiles.items()
        }
        names = {name for one in cost.values() for name in one}
        order = sorted(names, key=lambda name: (-sum(one.get(name, 0.0) for one in cost.values()), name))
        return [[f"`{name}`", *(f"{one.get(name, 0.0):.1f}" for one in cost.values())] for name in order[:most]]

    everything = [ALL, *(f"{1000 * one['cpu_seconds'] / sizes[name]:.0f}" for name, one in profiles.items())]
    speed = ["MB a CPU second", *(f"{sizes[name] / one['cpu_seconds']:.2f}" for name, one in profiles.items())]
    head = list(profiles)
    counts = ", ".join(f"{name}: {sizes[name]:.1f} MB, {one['samples']:,} samples" for name, one in profiles.items())
    names = list(next(iter(starts.values())))
    return "\n\n".join(
        [
            f"CPU ms a MB of one inline run, start-up apart ({counts}).",
            table(["stage", *head], [everything, speed, *rows("stages")]),
            table(["function", *head], rows("functions", MOST)),
            "Start-up, CPU s of whole processes:",
            table(["start", *starts], [[name, *(f"{one[name]:.2f}" for one in starts.values())] for name in names]),
        ]
    )


MOST = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=10.0)
    parser.add_argument("--repeats", type=int, default=1, help="runs of each, of which the cheapest is shown")
    parser.add_argument("--before", type=Path)
    parser.add_argument("--print", action="store_true", help="print only")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        with tempfile.TemporaryDirectory() as curated:
            print(json.dumps(sample(options.run, curated)))
        return
    sys.path.insert(0, str(ROOT))
    from benchmarks import report
    from benchmarks.documents import KINDS, documents, write

    checkouts = {"": ROOT} if options.before is None else {" before": options.before.resolve(), "": ROOT}
    profiles, sizes, starts = {}, {}, {}
    with tempfile.TemporaryDirectory() as name:
        for kind in KINDS:
            raw = Path(name) / kind
            write(raw / "warm", iter(some(list(documents(kind, 60)))))
            write(raw / "all", documents(kind, megabytes=options.megabytes))
            size = (raw / "all/000.jsonl").stat().st_size / 1e6
            found: dict[str, list[dict[str, Any]]] = {kind + when: [] for when in checkouts}
            for _ in range(options.repeats):
                for when, checkout in checkouts.items():
                    found[kind + when].append(profiled(raw, checkout))
            for heading, runs in found.items():
                profiles[heading] = min(runs, key=lambda one: float(one["cpu_seconds"]))
                sizes[heading] = size
        for when, checkout in checkouts.items():
            starts[f"CPU s{when}"] = start_up(Path(name) / KINDS[0], checkout)
    part = shown(profiles, sizes, starts)
    print(part)
    if not options.print:
        report.renew("profile", part)


if __name__ == "__main__":
    main()
