"""What a night costs, night after night: 50 new records and 5 changed ones, on the engine `inline`.

    python benchmarks/nightly.py [--nights 365] [--before CHECKOUT [--before-nights 60]]

A changed record is one of the last fortnight's, but the fifth may be of any night: its row leaves an old file. Prints,
for some windows of nights, the median and worst CPU seconds of a night (the run alone, after one warm-up night), and
after the last one the files listed and on disk, the segments of the state and the size of the manifest. `--before` is a
checkout of other code (`git worktree add ../before COMMIT`), which runs the same nights under its own engine.
"""

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NEW, CHANGED, RECENT = 50, 5, 14


def _words() -> list[str]:
    text = (ROOT / "tests/data/clean/en.txt").read_text(encoding="utf-8")
    return sorted(set(re.findall(r"[a-z]{3,12}", text.lower())))


WORDS = _words()


def article(number: int, state: int) -> str:
    """An article of its own words, of 2 to 4 kB; a later state has another paragraph."""
    chance = random.Random(f"{number}")
    paragraphs = [_paragraph(chance) for _ in range(chance.randint(4, 8))]
    return "\n\n".join([f"Title of article {number} {chance.choice(WORDS)}", *paragraphs, *_updates(number, state)])


def _paragraph(chance: random.Random) -> str:
    sentences = [" ".join(chance.choices(WORDS, k=chance.randint(8, 16))).capitalize() + "." for _ in range(5)]
    return " ".join(sentences)


def _updates(number: int, state: int) -> list[str]:
    return [_paragraph(random.Random(f"{number} {update}")) for update in range(state)]


def write_night(raw: Path, night: int) -> None:
    """The file of a night."""
    chance = random.Random(f"night {night}")
    records = [(night * NEW + one, 0) for one in range(NEW)]
    first = night * NEW
    if night:
        recent = range(max(0, first - RECENT * NEW), first)
        changed = chance.sample(recent, CHANGED - 1)
        changed += [chance.choice([number for number in range(first) if number not in changed])]
        records += [(number, 1 + night) for number in changed]
    raw.mkdir(parents=True, exist_ok=True)
    with (raw / f"{night:04}.jsonl").open("w", encoding="utf-8") as file:
        for number, state in records:
            url = f"https://site{number % 7}.example.org/{number}"
            text = article(number, min(state, 1)) + (f"\n\nUpdate of night {state}." if state else "")
            file.write(json.dumps({"id": str(number), "url": url, "text": text}) + "\n")


def cpu() -> float:
    """CPU seconds so far, of this process and its children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def run_nights(nights: int, engine: str | None) -> None:
    """In this process: a night after the other, a JSON line each."""
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    from flows.curate import curate

    with tempfile.TemporaryDirectory() as name:
        raw, curated = Path(name) / "raw", Path(name) / "curated"
        chosen: dict[str, Any] = {"engine": engine} if engine else {}
        for night in range(nights):
            write_night(raw, night)
            start, wall = cpu(), time.perf_counter()
            summary = curate(raw=str(raw), curated=str(curated), **chosen)
            cost = {"night": night + 1, "cpu": cpu() - start, "seconds": time.perf_counter() - wall}
            assert summary["published"]
            print(json.dumps(cost | facts(curated)), flush=True)


def facts(curated: Path) -> dict[str, Any]:
    """What stands on disk."""
    current = json.loads((curated / "current.json").read_text())
    manifest = json.loads((curated / current["manifest"]).read_text())
    tables = ("documents", "rejected", "removed_spans")
    kinds = Counter(entry.get("kind", Path(entry["path"]).name.rsplit("-", 2)[0]) for entry in manifest["state"])
    return {
        "files": max(len(current[table]) for table in tables),
        "on_disk": sum(1 for path in (curated / "versions").rglob("*.parquet")),
        "segments": max(kinds.values()),
        "manifest": (curated / current["manifest"]).stat().st_size,
    }


def child(checkout: Path, nights: int, engine: str | None) -> list[dict[str, Any]]:
    """The nights in a process of their own, with the code of a checkout."""
    command = [sys.executable, str(Path(__file__).resolve()), "--run", str(nights)]
    command += ["--engine", engine] if engine else []
    found = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(checkout)}
    ) as job:
        assert job.stdout is not None
        found += [json.loads(line) for line in job.stdout]
    if job.returncode:
        raise SystemExit(f"the nights of {checkout} ended with {job.returncode}")
    return found


def report(name: str, nights: list[dict[str, Any]]) -> None:
    """Windows of nights, and what stands at the end."""
    print(f"{name}: {len(nights)} nights of {NEW} new and {CHANGED} changed records")
    windows = [(6, 15), (51, 60), (191, 200), (356, 365)]
    for first, last in windows:
        costs = [night["cpu"] for night in nights if first <= night["night"] <= last]
        if len(costs) == last - first + 1:
            print(f"  nights {first:3}-{last:3}: median {statistics.median(costs):.3f}, worst {max(costs):.3f} CPU s")
    for at in (14, 60, 365):
        if at <= len(nights):
            night = nights[at - 1]
            print(
                f"  after {at:3}: {night['files']} files a table, {night['on_disk']} on disk, "
                f"{night['segments']} segments of state, manifest {night['manifest'] / 1000:.0f} kB"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=365)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--before-nights", type=int, default=60)
    parser.add_argument("--run", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--engine", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        run_nights(options.run, options.engine)
        return
    if options.before:
        report(f"before ({options.before.name})", child(options.before, options.before_nights, None))
    report("now", child(ROOT, options.nights, "inline"))


if __name__ == "__main__":
    main()
