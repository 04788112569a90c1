"""Peak memory and speed of the comparison at a million documents.

    python benchmarks/dedup_memory.py [--documents 1000000] [--folder DIR]

Synthesises documents in a process of its own (300 words on average, drawn by Zipf's law from 200,000; three in ten
copied from an earlier one: as it is, with one word in twenty changed, or cut), then signs them in pieces and compares
them, all in one process.
Prints CPU seconds and the peak of resident memory after each step.
"""

import argparse
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import stage
from flows.store import Store

PIECE = 50_000


def documents(count: int, seed: int = 0) -> Iterator[tuple[pa.Array, pa.Array]]:
    """(ids, texts) in pieces."""
    chosen = np.random.default_rng(seed)
    letters = np.array(list("etaoinshrdlucmfwypvbgk"))
    words = ["".join(letters[chosen.integers(0, 22, length)]) for length in chosen.integers(2, 11, 200_000)]
    recent: list[list[str]] = []
    for start in range(0, count, PIECE):
        texts = []
        for _ in range(min(PIECE, count - start)):
            way = chosen.integers(0, 10)
            if way < 3 and recent:
                body = list(recent[chosen.integers(0, len(recent))])
                if way == 1:
                    for place in chosen.integers(0, len(body), max(1, len(body) // 20)):
                        body[place] = words[chosen.integers(0, len(words))]
                elif way == 2:
                    body = body[: max(20, len(body) * 2 // 3)]
            else:
                ranks = np.minimum(chosen.zipf(1.2, chosen.integers(60, 540)), len(words)) - 1
                body = [words[rank] for rank in ranks.tolist()]
                if len(recent) < 20_000:
                    recent.append(body)
                else:
                    recent[chosen.integers(0, len(recent))] = body
            texts.append(" ".join(body))
        yield pa.array([f"{number:016x}" for number in range(start, start + len(texts))]), pa.array(texts)


def synthesise(folder: Path, count: int) -> list[Path]:
    """The documents in Parquet files, a piece each."""
    paths = []
    for number, (ids, texts) in enumerate(documents(count)):
        paths.append(folder / f"raw-{number:05}.parquet")
        pq.write_table(pa.table({"id": ids, "text": texts}), paths[-1])
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="tamis-dedup-memory-"))
    spent: dict[str, float] = {}
    last = time.process_time()

    def said(name: str) -> None:
        nonlocal last
        now = time.process_time()
        spent[name], last = spent.get(name, 0.0) + now - last, now
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{name:15} {spent[name]:8.1f} CPU s, peak so far {peak:6.0f} MB", flush=True)

    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        raw = pool.submit(synthesise, folder, arguments.documents).result()
    said("start")
    store = Store(folder)
    pieces = []
    size = 0
    for number, path in enumerate(raw):
        table = pq.read_table(path)
        pieces.append(stage.sign(store, f"sign-{number:05}", table))
        size += table.nbytes
        said("sign")
    run = stage.compare(store, pieces, said=said)
    stage.write_index(run)
    said("index")
    verdicts = stage.verdicts(run)
    total = sum(spent.values()) - spent["start"]
    speed = f"{size / 1e6 / total:.1f} MB a CPU second"
    print(f"{arguments.documents:,} documents, {size / 1e6:.0f} MB: {len(verdicts):,} dropped, {speed}")
    if arguments.folder is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
