"""The comparison on its own: the steps of flows/duplicates.py one after the other, without Prefect."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows import duplicates
from flows.storage import read_table, write_work
from transforms.config import Config
from transforms.dedup.exact import sign_documents


def sign(
    folder: Path,
    ids: pa.Array,
    texts: pa.Array,
    version: str = "1-0",
    keep_text: bool = False,
    repaired: pa.Array | None = None,
) -> Path:
    """Documents as `clean_piece` leaves them, signed; their texts only where a later version reads them. `repaired`
    are the texts before stripping, where they are others."""
    folder.mkdir(parents=True)
    table = pa.table({"id": ids, "text": texts.cast(pa.string())})
    nothing = pa.nulls(len(table), pa.string())
    for name in ("url", "source_record", "reject_stage", "reject_reason"):
        table = table.append_column(name, nothing)
    for name in ("source_id", "source_path", "source_sha256"):
        table = table.append_column(name, table["id"])
    table = table.append_column("added_in", pa.array([version] * len(table)))
    table = table.append_column("char_count", pc.utf8_length(table["text"]))
    table = sign_documents(table.append_column("repaired", table["text"] if repaired is None else repaired))
    duplicates.write_signatures(folder, table)
    write_work(
        folder / "cleaned.parquet",
        table.drop_columns(["repaired", "bands", "shingles"] + ([] if keep_text else ["text"])),
    )
    return folder


def compare(
    folder: Path,
    pieces: list[Path],
    published: list[tuple[Path, str]] | None = None,
    segments: list[duplicates.Segment] | None = None,
    config: Config | None = None,
    said: Callable[[str], None] = lambda name: None,
) -> pa.Table:
    """The verdicts on the documents of `pieces`; the index is written to `folder`/write_segment."""
    published, segments, config = published or [], segments or [], config or Config()

    def run(name: str, *arguments: Any, label: str = "") -> tuple[Path, dict[str, Any]]:
        here = folder / f"{name}{label}"
        here.mkdir()
        done = getattr(duplicates, name)(here, *arguments)
        said(name)
        return here, done

    cleaned = [piece / "cleaned.parquet" for piece in pieces]
    signed = [piece / "keys.parquet" for piece in pieces]
    matched, done = run("match", cleaned, published, segments, config)
    keys = sum(duplicates.pq.read_metadata(path).num_rows for path in signed)
    keys += sum(duplicates.pq.read_metadata(segment.keys).num_rows for segment in segments)
    ranges = duplicates.key_ranges(keys)
    joined = [run("join_keys", low, high, signed, matched, segments, label=f"-{low:x}")[0] for low, high in ranges]
    run("write_segment", matched, list(zip(ranges, joined, strict=True)), duplicates.to_merge(segments, done["new"]))
    paired, done = run("pair_up", joined, matched, published, segments)
    files = {"cleaned": [piece / "shingles.parquet" for piece in pieces]} | {
        table: [path for path, kind in published if kind == table] for table in ("documents", "rejected")
    }
    shingled = [
        run("shingle_texts", paired, table, piece, files[table][piece], label=f"-{table}-{piece}")[0]
        for table, piece in done["sources"]
    ]
    verified = [run("verify_pairs", part, paired, shingled, config, label=f"-{part}")[0] for part in done["parts"]]
    settled, _ = run("settle", matched, paired, verified, config)
    return read_table(settled / "verdicts.parquet")
