"""A night of 50 records on a large dataset: what it costs, and which published files it opens; and takedowns.

    python benchmarks/large.py [--documents 1000000] [--folder DIR] [--forget]

Makes the dataset first (a million documents of .6 kB: some minutes on two cores), in a folder that may be kept with
`--folder`. Then, each in a process of its own on the engine `inline`: a night of 50 new records, and one of 45 new ones
and 5 that change. Prints CPU seconds above start-up (imports, and the language models on one text), peak memory, and
how many published files were opened of how many.

With `--forget` these instead: a takedown of one document by its URL, of a hundred from all over the dataset, and of one
by its URL with `--purge`, which removes the versions before.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.nightly import _paragraph, cpu  # noqa: E402

FILE = 50_000


def record(number: int, state: int = 0) -> dict[str, str]:
    """A document of its own words."""
    chance = random.Random(f"{number}")
    text = f"Document {number}\n\n{_paragraph(chance)}" + (f"\n\nUpdate {state}." if state else "")
    return {"id": str(number), "url": f"https://site{number % 997}.example.org/{number}", "text": text}


def write(path: Path, records: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")


def make(folder: Path, documents: int) -> None:
    """The dataset, under Prefect."""
    for number in range(0, documents, FILE):
        write(folder / f"raw/{number:09}.jsonl", [record(n) for n in range(number, min(number + FILE, documents))])
    subprocess.run([Path(sys.executable).with_name("tamis"), "run", folder / "raw", folder / "curated"], check=True)


def night(folder: Path, name: str, records: list[dict[str, str]]) -> None:
    """In a process of its own: one night, measured."""
    from flows import tables
    from flows.parameters import parse
    from flows.run import curate_dataset

    write(folder / f"warm/raw/{name}.jsonl", [record(-1)])
    curate_dataset(
        *parse({"raw": str(folder / "warm/raw"), "curated": str(folder / f"warm/{name}"), "engine": "inline"})
    )
    start, opened, open_file = cpu(), set(), tables._open

    def counted(path: Any, *footer: Any) -> Any:
        if "versions" in Path(path).parts and str(folder / "curated") in str(path):
            opened.add(str(path))
        return open_file(path, *footer)

    tables._open = counted  # type: ignore[assignment]
    write(folder / f"raw/{name}.jsonl", records)
    summary = curate_dataset(
        *parse({"raw": str(folder / "raw"), "curated": str(folder / "curated"), "engine": "inline"})
    )
    current = json.loads((folder / "curated/current.json").read_text())
    files = len(current["documents"]) + len(current["rejected"]) + len(current["removed_spans"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    total = summary["total"]["documents"]
    print(
        f"{name}: {summary['documents']} documents, {summary['superseded']} superseded, of {total:,}"
        f": {cpu() - start:.2f} CPU s, peak {peak:.0f} MB, {len(opened)} of {files} published files opened"
    )
    print("  " + ", ".join(f"{stage} {cost['cpu_seconds']}" for stage, cost in summary["timings"].items()))


def forget(folder: Path, documents: int, count: int, purge: bool) -> None:
    """In a process of its own: a takedown of some documents, measured."""
    from flows.forget import Name
    from flows.forget import forget as take_down
    from flows.store import Store

    first = 7 * count + purge
    names = [Name("url", record(number)["url"]) for number in range(first, documents, documents // count)][:count]
    start, wall = cpu(), time.perf_counter()
    done = take_down(Store(folder / "curated"), names, purge)
    assert done["documents"] == count
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    purged = f", {len(done['purged'])} versions purged" if purge else ""
    print(
        f"{count} of {documents:,} forgotten{purged}: {time.perf_counter() - wall:.1f} s, {cpu() - start:.1f} CPU s, "
        f"peak {peak:.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--forget", action="store_true", help="measure takedowns, not nights")
    parser.add_argument("--night", help=argparse.SUPPRESS)
    parser.add_argument("--takedown", nargs=2, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    count = options.documents
    if options.takedown:
        forget(options.folder, count, options.takedown[0], bool(options.takedown[1]))
        return
    if options.night:
        nights = {
            "new": [record(count + n) for n in range(50)],
            "changed": [record(count + 50 + n) for n in range(45)] + [record(n * count // 5, 1) for n in range(5)],
        }
        night(options.folder, options.night, nights[options.night])
        return
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or Path(name)
        if not (folder / "curated/current.json").exists():
            make(folder, count)
        kinds = [["--takedown", number, purge] for number, purge in (("1", "0"), ("100", "0"), ("1", "1"))]
        for kind in kinds if options.forget else [["--night", "new"], ["--night", "changed"]]:
            command = [sys.executable, str(Path(__file__).resolve()), *kind]
            subprocess.run([*command, "--documents", str(count), "--folder", str(folder)], check=True)


if __name__ == "__main__":
    main()
