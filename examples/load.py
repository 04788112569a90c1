"""Read the current version of a dataset, from any folder, with any tool. Copy it: it needs nothing of Tamis.

python examples/load.py /data/curated
"""

import json
import sys
from pathlib import Path


def files(curated, table="documents"):
    """The Parquet files of a table (documents, rejected, removed_spans) in the current version.

    `current.json` is opened once: whatever is published meanwhile, these files are of one version, and stay.
    """
    root = Path(curated).expanduser().resolve()
    current = json.loads((root / "current.json").read_bytes())
    return [str(root / file) for file in current[table]]


if __name__ == "__main__":
    import pandas as pd

    # The checksum of each page is checked as it is read: damage is an error, never other data.
    documents = pd.read_parquet(files(sys.argv[1]), page_checksum_verification=True)
    print(documents[["id", "language", "title", "char_count"]])

    # polars     pl.read_parquet(files(curated))
    # DuckDB     duckdb.read_parquet(files(curated))
    # pyarrow    pyarrow.dataset.dataset(files(curated))
    # datasets   load_dataset("parquet", data_files=files(curated), split="train", streaming=True)
    # Spark      spark.read.parquet(*files(curated))
