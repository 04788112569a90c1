"""What it costs to count what a version holds: `python benchmarks/counting.py [documents]`.

Documents of 50,000 sites in row groups of 10,000, as they are published; CPU seconds, so that other work doesn't count.
"""

import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from flows.tables import ROW_GROUP_ROWS
from flows.versions import statistics


def row_group(seed: int) -> pa.Table:
    """Columns that are counted, of documents of 100 to 20,000 characters of which up to half were removed."""
    chance = np.random.default_rng(seed)
    original = chance.integers(100, 20_000, ROW_GROUP_ROWS).astype(np.int32)
    removed = (original * chance.random(ROW_GROUP_ROWS) / 2).astype(np.int32)
    sites = chance.zipf(1.3, ROW_GROUP_ROWS) % 50_000
    columns = {
        "language": pa.array(chance.choice(["de", "en", "fr", "zh-Hans"], ROW_GROUP_ROWS)),
        "site": pa.array([f"s{site}.example" for site in sites]),
        "license": pa.nulls(ROW_GROUP_ROWS, pa.string()),
        "char_count": pa.array(original - removed),
        "original_char_count": pa.array(original),
        "removed_char_count": pa.array(removed),
    }
    return pa.table(columns)


def main(documents: int) -> None:
    groups = [row_group(seed) for seed in range(max(1, documents // ROW_GROUP_ROWS))]
    rows = ROW_GROUP_ROWS * len(groups)
    start = time.process_time()
    counted = [statistics.count_rows("documents", group) for group in groups]
    between = time.process_time()
    merged = statistics.merge(counted)
    end = time.process_time()
    spent = f"counted in {between - start:.2f} s, merged in {end - between:.2f} s"
    print(f"{rows:,} documents: {spent}, {len(merged):,} rows")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
