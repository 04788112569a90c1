"""What a reader costs beside the bare library that it stands on, and a large file up to the end of the read stage.

    python benchmarks/readers.py [--mb 64] [--formats csv jsonl …]
    python benchmarks/readers.py --large 5 [--folder DIR] [--workers 2]

The first prints, for the same documents (3 kB, five fields) in each format, MB a CPU second up to the record (the best
of three), and of the library alone: `csv` up to the row, orjson up to the dict, pyarrow up to Python's objects. The
second synthesises a JSONL of so many GB (deleted afterwards, unless there is a `--folder`), plans it and does its steps
in workers as a run does; prints MB a second and the peak memory of the largest worker.
"""

import argparse
import csv
import gzip
import io
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.nightly import _paragraph  # noqa: E402
from flows.engines import started  # noqa: E402
from flows.inputs import list_inputs  # noqa: E402
from flows.readers import Reading  # noqa: E402
from flows.run import PIECE_BYTES  # noqa: E402
from flows.shards import plan_pieces, whole_part  # noqa: E402
from flows.stages.read import read_piece  # noqa: E402
from flows.step import Step  # noqa: E402
from flows.store import Store  # noqa: E402
from transforms.config import Config  # noqa: E402

Documents = list[dict[str, Any]]


def documents(size: int) -> Iterator[dict[str, Any]]:
    """Documents of about so many bytes of text in all, put together from a thousand paragraphs."""
    chance = random.Random(5)
    paragraphs = [_paragraph(random.Random(f"{n}")) for n in range(1_000)]
    number = 0
    while size > 0:
        text = "\n\n".join(chance.choices(paragraphs, k=5))
        size -= len(text)
        yield {
            "id": str(number),
            "url": f"https://site{number % 997}.example.org/{number}",
            "text": text,
            "date": f"2024-03-{number % 28 + 1:02d}",
            "section": "ports",
        }
        number += 1


def _lines(records: Documents) -> bytes:
    return b"".join(orjson.dumps(record) + b"\n" for record in records)


def _rows(records: Documents) -> bytes:
    sink = io.StringIO(newline="")
    writer = csv.DictWriter(sink, list(records[0]))
    writer.writeheader()
    writer.writerows(records)
    return sink.getvalue().encode()


def _parquet(records: Documents) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records), sink, row_group_size=10_000, write_page_checksum=True)
    return sink.getvalue()


def _arrow(records: Documents) -> bytes:
    sink, table = io.BytesIO(), pa.Table.from_pylist(records)
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=1_000)
    return sink.getvalue()


def _bare_lines(path: Path) -> None:
    with path.open("rb") as file:
        for line in file:
            orjson.loads(line)


def _bare_rows(path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        for _ in csv.reader(file, strict=True):
            pass


def _bare_parquet(path: Path) -> None:
    for batch in pq.ParquetFile(path, page_checksum_verification=True).iter_batches(1_024, use_threads=False):
        batch.to_pylist()


def _bare_arrow(path: Path) -> None:
    with path.open("rb") as file:
        for batch in pa.ipc.open_stream(io.BytesIO(file.read()[8:])):  # what stands in a file between mark and footer
            batch.to_pylist()


def _bare_gzip(path: Path) -> None:
    with gzip.open(path, "rb") as file:
        for line in file:
            orjson.loads(line)


# The name of a file, what writes it, and the bare library.
FORMATS: dict[str, tuple[str, Callable[[Documents], bytes], Callable[[Path], None]]] = {
    "csv": ("a.csv", _rows, _bare_rows),
    "jsonl": ("a.jsonl", _lines, _bare_lines),
    "jsonl.gz": ("a.jsonl.gz", lambda records: gzip.compress(_lines(records), 6), _bare_gzip),
    "json": ("a.json", lambda records: json.dumps(records).encode(), lambda path: orjson.loads(path.read_bytes())),
    "parquet": ("a.parquet", _parquet, _bare_parquet),
    "arrow": ("a.arrow", _arrow, _bare_arrow),
}


def best(work: Callable[[], Any]) -> float:
    """CPU seconds, of three times the least."""
    seconds = []
    for _ in range(3):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


def compare(megabytes: int, formats: list[str]) -> None:
    records = list(documents(megabytes * 1_000_000))
    size = len(_lines(records)) / 1e6  # of each, what it says, however it is written
    for name in formats:
        file_name, write, bare = FORMATS[name]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, file_name)
            path.write_bytes(write(records))
            store = Store(Path(folder, "curated"), folder)
            [file] = list_inputs(store).files
            ours = best(lambda: sum(1 for _ in Reading(store, whole_part(file), Config())))  # noqa: B023
            alone = best(lambda: bare(path))  # noqa: B023
        print(f"{name:9} {size / ours:6.0f} MB/s; the library alone {size / alone:6.0f} MB/s")


def read_large(gigabytes: float, folder: Path, workers: int) -> None:
    raw = folder / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    path = raw / "large.jsonl"
    if not path.exists():
        with path.open("wb") as file:
            for record in documents(int(gigabytes * 1e9)):
                file.write(orjson.dumps(record) + b"\n")
    store = Store(folder / "curated", raw)
    [file] = list_inputs(store).files
    steps = [
        Step(
            read_piece,
            {"raw": [file.ref]},
            {"parts": [list(part) for part in parts], "config": Config(), "before": "2100-01-01T00:00:00+00:00"},
        )
        for parts in plan_pieces(store, [file], PIECE_BYTES)
    ]
    start = time.perf_counter()
    records = 0
    with started(workers) as processes:
        futures = [processes.submit(step, store) for step in steps]
        for number, done in enumerate((future.result() for future in futures), 1):
            records += sum(part["records"] for part in done.counts["parts"])
            if number % 50 == 0:
                print(f"  {number} of {len(steps)} pieces, {time.perf_counter() - start:.0f} s", flush=True)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(
        f"{file.size / 1e9:.2f} GB, {records:,} records, {len(steps)} pieces: {seconds:.0f} s with {workers} workers,"
    )
    print(f"{file.size / 1e6 / seconds:.1f} MB/s; peak memory of a worker {peak:.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=int, default=64)
    parser.add_argument("--formats", nargs="*", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--large", type=float, metavar="GB")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    if args.large is None:
        compare(args.mb, args.formats)
    elif args.folder:
        read_large(args.large, args.folder, args.workers)
    else:
        with tempfile.TemporaryDirectory() as folder:
            read_large(args.large, Path(folder), args.workers)


if __name__ == "__main__":
    main()
