"""What a document costs, and the peak of memory, as there are more of them: `tamis run` over made-up documents.

    python benchmarks/capacity.py [--documents 10000 100000] [--kind articles|pages] [--workers 2] [--cache DIR]
                                  [--before CHECKOUT] [--print]

Writes its table into `docs/performance.md`; `--print` only prints. A million articles (`--documents 1000000`) are
3.5 GB and take a quarter of an hour, a third of which they are made. The first row is a run of a few: starting.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import report  # noqa: E402
from benchmarks.documents import KINDS, documents, write  # noqa: E402
from benchmarks.pipeline import corpus, limit_cores, machine, run  # noqa: E402
from benchmarks.tools import TOOLS  # noqa: E402

FEW = 20
FILE_DOCUMENTS = 10_000


def measured(count: int, kind: str, workers: int, cache: Path, checkout: Path | None) -> dict[str, Any]:
    """A run over so many documents."""
    folder = cache / "raw"
    shutil.rmtree(folder, ignore_errors=True)
    files = max(1, count // FILE_DOCUMENTS)
    write(folder, documents(kind, count), files, FILE_DOCUMENTS)
    raw = corpus(kind, folder, [])
    return run(TOOLS["tamis"], raw, cache, workers, checkout) | {"records": raw.records, "bytes": raw.size}


def shown(runs: list[dict[str, Any]]) -> str:
    """Markdown of runs, of which the first is of a few documents; a later one of other code says so (`when`)."""
    rows = []
    start: dict[str, float] = {}
    for one in runs:
        start.setdefault(one["when"], one["cpu_seconds"])
        own = one["cpu_seconds"] - start[one["when"]]
        rows.append(
            [
                f"{one['records']:,}{one['when']}",
                f"{one['bytes'] / 1e6:,.1f}",
                f"{one['cpu_seconds']:,.1f}",
                f"{1000 * one['cpu_seconds'] / one['records']:,.2f}",
                f"{1000 * own / one['records']:,.2f}" if own else "",
                f"{one['mb_a_cpu_second']:.2f}",
                f"{one['peak'] / 1e6:,.0f}",
                f"{one['counts']['kept']:,}",
            ]
        )
    head = ["documents", "MB", "CPU s", "CPU ms a document", "start-up apart", "MB a CPU s", "peak MB", "kept"]
    return report.table(head, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--kind", choices=KINDS, default="articles")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--print", action="store_true", help="print only")
    options = parser.parse_args()
    limit_cores(options.workers)
    before = [(" before", options.before.resolve())] if options.before else []
    runs = []
    with tempfile.TemporaryDirectory() as temporary:
        cache = (options.cache or Path(temporary)).resolve()
        cache.mkdir(parents=True, exist_ok=True)
        for count in (FEW, *options.documents):
            for when, checkout in (*before, ("", None)):
                found = measured(count, options.kind, options.workers, cache, checkout)
                runs.append(found | {"when": when})
                print(report.line(f"{count:,}{when}", found), flush=True)
    part = f"{options.kind}, {options.workers} workers; {machine()}.\n\n{shown(runs)}"
    print(part)
    if not options.print:
        report.renew("capacity", part)


if __name__ == "__main__":
    main()
