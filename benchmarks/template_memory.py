"""Peak memory and time of the template count at a hundred million lines.

    python benchmarks/template_memory.py [--lines 100000000] [--folder DIR]

Synthesises line indexes in a process of its own: documents of 25 lines on sites of a thousand, five of the lines the
site's, six long; one document in fifty is another one's article again. Then counts them as a run does, in one process,
and prints CPU seconds and the peak of resident memory.
"""

import argparse
import resource
import shutil
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import stage
from flows.step import Work
from flows.store import Ref, Store
from flows.tables import read_table, write_work
from transforms.config import Config
from transforms.identity import hash_of

LINES, SITE_LINES, LONG_LINES = 25, 5, 6
SITE_DOCUMENTS, PIECE = 1000, 100_000


def synthesise(folder: Path, documents: int) -> list[Ref]:
    """The line indexes, a piece a Parquet file."""
    chosen = np.random.default_rng(0)
    work = Work(Store(folder), "lines")
    for start in range(0, documents, PIECE):
        count = min(PIECE, documents - start)
        site = (start + np.arange(count)) // SITE_DOCUMENTS
        keys = chosen.integers(1, 1 << 60, (count, LINES), np.uint64) << np.uint64(3)  # lines.Kind.LINE
        again = chosen.random(count) < 0.02
        keys[again, SITE_LINES:] = keys[np.flatnonzero(again) // SITE_DOCUMENTS * SITE_DOCUMENTS, SITE_LINES:]
        keys[:, :SITE_LINES] = site[:, None].astype(np.uint64) * np.uint64(SITE_LINES) + np.arange(
            1, SITE_LINES + 1, dtype=np.uint64
        )
        long = np.ascontiguousarray(keys[:, SITE_LINES : SITE_LINES + LONG_LINES])

        def column(values: np.ndarray) -> pa.Array:
            size = values.shape[1]
            offsets = np.arange(0, len(values) * size + 1, size, dtype=np.int32)
            return pa.ListArray.from_arrays(offsets, pa.array(values.reshape(-1)))

        names = [f"site{number}.example.org" for number in site.tolist()]
        table = {
            "at": pa.array([hash_of("site", name) for name in names], pa.uint64()),
            "site": pa.array(names),
            "line_document": pa.array(np.bitwise_xor.reduce(keys, axis=1)),
            "long_lines": column(long),
            "line_keys": column(np.sort(keys, axis=1)),
            "row": pa.array(np.arange(count, dtype=np.int32)),
        }
        with work.put(f"lines-{start // PIECE:05}.parquet") as path:
            write_work(path, pa.table(table).sort_by([("at", "ascending"), ("row", "ascending")]), sorted_by="at")
    return list(work.outputs.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=100_000_000)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="tamis-template-memory-"))
    folder.mkdir(parents=True, exist_ok=True)
    documents = arguments.lines // LINES
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        pieces = pool.submit(synthesise, folder, documents).result()
    store = Store(folder)
    start = time.process_time()
    done = stage.count(store, pieces, Config())
    spent = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sites = len(pc.unique(read_table(store, done["templates.parquet"], ["site"])["site"]))
    print(
        f"{documents * LINES:,} lines of {documents:,} documents: {done.counts['template_lines']:,} template lines on "
        f"{sites:,} sites; {spent:.0f} CPU s, peak {peak:.0f} MB"
    )
    if arguments.folder is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
