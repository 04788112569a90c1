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
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from flows.steps import count_templates
from transforms.config import Config

LINES, SITE_LINES, LONG_LINES = 25, 5, 6
SITE_DOCUMENTS, PIECE = 1000, 100_000


def synthesise(folder: Path, documents: int) -> list[Path]:
    """The line indexes, a piece a Parquet file."""
    chosen = np.random.default_rng(0)
    paths = []
    for start in range(0, documents, PIECE):
        count = min(PIECE, documents - start)
        site = (start + np.arange(count)) // SITE_DOCUMENTS
        keys = chosen.integers(1, 1 << 63, (count, LINES), np.uint64)
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

        paths.append(folder / f"lines-{len(paths):05}.parquet")
        table = {
            "site": pa.array([f"site{number}.example.org" for number in site.tolist()]),
            "line_document": pa.array(np.bitwise_xor.reduce(keys, axis=1)),
            "long_lines": column(long),
            "line_keys": column(np.sort(keys, axis=1)),
            "reject_reason": pa.nulls(count, pa.string()),
        }
        pq.write_table(pa.table(table), paths[-1], compression="none", use_dictionary=["site"])
    return paths


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
    nothing = pa.table({name: pa.array([], pa.int32()) for name in ("piece", "row", "ordinal")})
    pq.write_table(nothing, folder / "identified.parquet")
    out = folder / "out"
    out.mkdir()
    start = time.process_time()
    done = count_templates(out, pieces, folder, [], Config())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{documents * LINES:,} lines of {documents:,} documents: {done['template_lines']:,} template lines on "
        f"{done['sites']:,} sites; {time.process_time() - start:.0f} CPU s, peak {peak:.0f} MB"
    )
    if arguments.folder is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
