"""Inputs: what the state keeps of the files that were read."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from flows.state import INPUTS
from flows.step import Counts, Work
from flows.store import Ref
from flows.tables import read_table, write_sorted

_GIVEN = ("path", "content", "format", "bytes", "records", "known", "failed", "reading", "undone")


def list_read(work: Work, paths: Sequence[Ref], *, rows: Sequence[Sequence[Any]]) -> Counts:
    """`inputs.parquet`: the files read, by path, with the documents and rejected rows of each."""
    counts: dict[str, Counter[str]] = {"documents": Counter(), "rejected": Counter()}
    for ref in paths:
        for row in read_table(work.store, ref).to_pylist():
            for name, counter in counts.items():
                counter[row["path"]] += row[name]
    found = [dict(zip(_GIVEN, row, strict=True)) for row in rows]
    for row in found:
        row |= {name: counter[row["path"]] for name, counter in counts.items()}
    table = pa.Table.from_pylist(sorted(found, key=lambda row: row["path"]), schema=INPUTS)
    with work.put("inputs.parquet") as path:
        write_sorted(path, INPUTS, [table])
    return {"files": len(table)}
