"""Documents under the names and types of other datasets, so that code written for those runs on them unchanged.

FineWeb2's are those of its `dataset_info`; Dolma's those of its docs/data-format.md, as JSON lines.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from transforms.codes import ISO3, suppressed_script
from transforms.schema import DOLMA_METADATA, DUPLICATE_COUNT, FINEWEB


class Copies:
    """How many live duplicates each document has, and how many of them are exact."""

    def __init__(self, rejected: Iterable[pa.Table]) -> None:
        schema = pa.schema([("duplicate_of", pa.string()), ("is_exact", pa.bool_())])
        tables = [schema.empty_table()]
        for table in rejected:
            reason = pc.fill_null(table["reject_reason"], "")
            hit = pc.starts_with(reason, "duplicate.")
            is_exact = pc.equal(reason, "duplicate.exact")
            tables.append(pa.table([table["duplicate_of"].filter(hit), is_exact.filter(hit)], schema=schema))
        counted = pa.concat_tables(tables).group_by("duplicate_of", use_threads=False)
        table = counted.aggregate([("is_exact", "count"), ("is_exact", "sum")])
        self.ids = table["duplicate_of"].combine_chunks()
        self.all, self.exact = (pc.cast(table[f"is_exact_{name}"], pa.int64()) for name in ("count", "sum"))

    def of(self, ids: pa.ChunkedArray, *, exact: bool = False) -> pa.ChunkedArray:
        """Of each of these documents how many."""
        at = pc.index_in(ids, self.ids)
        return pc.fill_null((self.exact if exact else self.all).take(at), 0)


def fineweb(documents: pa.Table, version: str, copies: Copies, with_duplicate_count: bool) -> pa.Table:
    """Documents as rows of FineWeb2."""
    names = ("language", "language_iso3", "language_script", "languages")
    languages = zip(*(documents[name].to_pylist() for name in names), strict=True)
    date = pc.coalesce(documents["fetched_at"], documents["published_at"])
    columns = {
        "dump": pa.repeat(version, len(documents)),
        "date": pa.array([iso(moment) for moment in date.to_pylist()], pa.string()),
        "file_path": documents["source_path"],
        "language": pc.fill_null(documents["language_iso3"], "und"),
        "language_score": pc.cast(documents["language_score"], pa.float64()),
        "minhash_cluster_size": pc.add(copies.of(documents["id"]), 1),
        "top_langs": pa.array([top_langs(*row) for row in languages], pa.string()),
        "duplicate_count": copies.of(documents["id"], exact=True),
    }
    schema = FINEWEB.append(DUPLICATE_COUNT) if with_duplicate_count else FINEWEB
    return pa.table([columns.get(name, documents[name] if name in documents.column_names else None)
                     for name in schema.names], schema=schema)  # fmt: skip


def top_langs(
    language: str, iso3: str | None, script: str | None, languages: Sequence[Mapping[str, Any]] | None
) -> str:
    """Languages and their shares of the letters, as FineWeb2 has its classifier's scores.

    >>> top_langs("de", "deu", "Latn", [{"code": "de", "share": 0.75}, {"code": "ru", "share": 0.25}])
    '{"deu_Latn_score": 0.75, "rus_Cyrl_score": 0.25}'
    """
    shares = {}
    for one in languages or ():
        code, _, written = one["code"].partition("-")
        if one["code"] == language and iso3:
            code, written = iso3, script or written
        name = "_".join(filter(None, (ISO3.get(code, code), written or suppressed_script(code))))
        shares[f"{name}_score"] = round(one["share"], 4)
    return json.dumps(shares)


def dolma(documents: pa.Table) -> list[str]:
    """Documents as lines of Dolma."""
    lines = []
    for row in documents.to_pylist():
        metadata = {name: row[name] for name in DOLMA_METADATA}
        said = {
            "id": row["id"],
            "text": row["text"],
            "source": row["site"],
            "added": iso(row["fetched_at"]),
            "created": iso(row["published_at"]),
            "metadata": metadata,
        }
        lines.append(json.dumps(said, ensure_ascii=False))
    return lines


def iso(moment: datetime | None) -> str | None:
    """A moment as the crawls write it.

    >>> from datetime import UTC
    >>> iso(datetime(1891, 3, 5, tzinfo=UTC))
    '1891-03-05T00:00:00Z'
    """
    return None if moment is None else moment.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
