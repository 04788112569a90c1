"""Clean: a piece's new records stripped, described, their language detected, and signed for the comparison.

`cleaned.arrow`, rows as they may be published; `facts.parquet`, what the comparison and the state need of each, by
the first half of its id; `links.parquet`, by hash; `keys.parquet`, `tokens.arrow` and `paragraphs.parquet`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from flows.forgotten import are_listed
from flows.names import input_of
from flows.readers.records import Part, rejected
from flows.stages.identify import by_input
from flows.stages.read import documents_of
from flows.stages.templates import by_site
from flows.state import LINKS, TIME, at_of, rows_at
from flows.step import Counts, Work
from flows.store import Ref
from flows.tables import U64, distinct, is_among, read_range, read_rows, write_rows, write_work
from transforms import pipeline
from transforms.config import Config
from transforms.dedup.bands import sort_bands
from transforms.dedup.paragraphs import paragraphs_of
from transforms.identity import hash_of, identify_documents
from transforms.schema import column_type, with_columns

FACTS = pa.schema(
    [
        ("at", pa.uint64()),
        ("row", pa.int32()),
        ("id", pa.string()),
        ("key", pa.uint64()),
        ("text_hash", pa.uint64()),
        ("is_keyed", pa.bool_()),
        ("batch", pa.int32()),
        ("time", pa.int64()),
        ("fetched_at", TIME),
        ("chars", pa.int32()),
        ("content_hash", pa.string()),
        ("repaired_hash", pa.string()),
        ("reject_stage", pa.string()),
        ("reject_reason", pa.string()),
        ("leaves_for", pa.string()),
        ("refused_of", pa.string()),
        ("supersedes", pa.string()),
        ("place", pa.uint64()),  # of a record in a file with failed ones, which it may stand for
        ("whole", pa.uint64()),  # of its file, and of the archive in which that is, or else the same
        ("archive", pa.uint64()),
        ("is_fresh", pa.bool_()),
    ]
)
PIECE_PARAGRAPHS = pa.schema([("paragraph", pa.uint64()), ("at", pa.uint64()), ("chars", pa.int32())])
BY_LANGUAGE = [("language", "ascending"), ("id", "ascending")]
CLEANED_ROWS = 256
# More equals than come in at once.
BEYOND = 1 << 32
# Of a restored record, what was decided of it and stands (transforms/dedup/succession.py).
RESTORED = ("leaves_for", "refused_of", "supersedes", "time")
# What only the stages before ask.
UNPUBLISHED = ["left_out", "lines", "repaired", "removals", "template_share", "modified_raw"]
UNPUBLISHED += ["tokens", "bands", "digest", "chars"]


# Of several scripts, and too short for one detector of languages to be sure.
_ASKS_FOR_ALL = ("Related articles\n\nA title", "相关文章\n\n标题", "Читайте также\n\nЗаголовок")


def load(config: Config) -> None:
    """Import and load what steps come to need: a worker's first document else takes two seconds."""
    blank = rejected(Part("a.txt", "", "txt", "", 0, 0, 0), "empty", "")._replace(reject_reason=None)
    records = [blank._replace(original=text) for text in _ASKS_FOR_ALL]
    pipeline.clean(pipeline.prepare(documents_of(records), config), {}, config)


def clean_piece(
    work: Work,
    records: Ref,
    new: Sequence[Ref],
    ordinals: Sequence[Ref],
    templates: Sequence[Ref],
    forgotten: Sequence[Ref],
    published: Sequence[Ref],
    *,
    piece: int,
    offsets: Mapping[str, int],
    mended: Sequence[str],
    version: str,
    time: int,
    config: Config,
) -> Counts:
    """Clean a piece's new records; all of a piece of restored ones, whose number is -1.

    `offsets` are the lines of each file that stand before this piece; `mended`, files with failed records that are read
    again; `time` stands for a missing `fetched_at`, in microseconds. What comes out as a text that is forgotten is left
    out, and counted by path.
    """
    documents = read_rows(work.store, records)
    is_fresh = piece >= 0  # a restored record has its id, and the version it came in
    if is_fresh:
        parts = [read_range(work.store, ref, piece, piece + 1)["row"].to_numpy() for ref in new]
        rows = np.sort(np.concatenate(parts))
        if len(rows) < len(documents):
            documents = documents.take(pa.array(rows))
        documents = _number_lines(documents, offsets)
        documents = _identified(work, documents, _ordinals(work, ordinals, piece, rows), published, forgotten)
        documents = documents.append_column("added_in", pa.repeat(pa.scalar(version), len(documents)))
    restored = {name: documents[name] for name in RESTORED if name in documents.column_names}
    facts = documents.select(
        ["id", "key", "text_hash", "is_keyed", "fetched_at", "name", "said", "source_path", "source_record"]
    )
    documents = documents.drop_columns(["key", "text_hash", "is_keyed", "name", "said", *restored])
    documents = pipeline.clean(documents, by_site(work.store, templates, documents["site"].to_pylist()), config)
    stays = ~_forgotten(work, documents, forgotten)
    forgotten_in = by_input(documents.filter(pa.array(~stays)))
    if not stays.all():
        documents, facts = documents.filter(pa.array(stays)), facts.filter(pa.array(stays))
        restored = {name: values.filter(pa.array(stays)) for name, values in restored.items()}
    write_signatures(work, documents)
    facts = _facts(documents, facts, restored, mended, time, is_fresh)
    write_paragraphs(work, documents, facts)
    write_facts(work, facts)
    documents = documents.drop_columns(UNPUBLISHED)
    # Sorted as it is published, in small batches: whoever writes a file from many pieces reads each from the top.
    with work.put("cleaned.arrow") as path:
        write_rows(path, documents.sort_by(BY_LANGUAGE), CLEANED_ROWS)
    bands = documents["reject_reason"].null_count * column_type("bands").list_size
    return {
        "documents": len(documents),
        "rejected": len(documents) - documents["reject_reason"].null_count,
        "forgotten": forgotten_in,
        "keys": bands,
        "text": pc.sum(pc.binary_length(documents["original"])).as_py() or 0,
    }


def _forgotten(work: Work, documents: pa.Table, lists: Sequence[Ref]) -> npt.NDArray[np.bool_]:
    """Which documents have a text that is forgotten."""
    hashes = {name: at_of(documents[f"{name}_hash"]) for name in ("content", "repaired")}
    return are_listed(work.store, lists, hashes)


def _number_lines(documents: pa.Table, offsets: Mapping[str, int]) -> pa.Table:
    """`source_record` counted from the start of the file, where the piece begins within it."""
    if not any(offsets.values()):
        return documents
    paths, records = documents["source_path"].to_pylist(), documents["source_record"].to_pylist()
    numbered = [
        record if record is None or not offsets.get(path) else str(int(record) + offsets[path])
        for path, record in zip(paths, records, strict=True)
    ]
    return with_columns(documents, source_record=numbered)


def _identified(
    work: Work, documents: pa.Table, ordinals: list[int], rows: Sequence[Ref], forgotten: Sequence[Ref]
) -> pa.Table:
    """The documents with their ids. Where some of several equals are forgotten (failures, records without a text), the
    count of those that are left may be the ordinal of one of them: then it goes far beyond."""
    while True:
        found = identify_documents(documents, ordinals)
        at = at_of(found["id"])
        is_taken = is_among(at, distinct(rows_at(work.store, rows, at)["at"].to_numpy()))
        is_taken |= are_listed(work.store, forgotten, {"id": at})
        if not is_taken.any():
            return found
        ordinals = [one + BEYOND * taken for one, taken in zip(ordinals, is_taken.tolist(), strict=True)]


def _ordinals(work: Work, refs: Sequence[Ref], piece: int, rows: np.ndarray) -> list[int]:
    ordinals = np.zeros(len(rows), np.int64)
    for ref in refs:
        found = read_range(work.store, ref, piece, piece + 1)
        ordinals[np.searchsorted(rows, found["row"].to_numpy())] = found["ordinal"].to_numpy()
    return ordinals.tolist()


def _facts(
    documents: pa.Table,
    known: pa.Table,
    restored: Mapping[str, pa.ChunkedArray],
    mended: Sequence[str],
    time: int,
    is_fresh: bool,
) -> pa.Table:
    count = len(documents)
    nothing = pa.nulls(count, pa.string())
    times = known["fetched_at"].cast(pa.int64()).fill_null(time)
    batch = [int(version.split("-", 1)[0]) for version in documents["added_in"].to_pylist()]
    places, wholes, archives = _places(known, set(mended))
    columns = {
        "at": at_of(documents["id"]),
        "row": np.arange(count, dtype=np.int32),
        "batch": pa.array(batch, pa.int32()),
        "time": restored.get("time", times),
        "chars": documents["chars"],
        "content_hash": documents["content_hash"],
        "repaired_hash": documents["repaired_hash"],
        "reject_stage": documents["reject_stage"],
        "reject_reason": documents["reject_reason"],
        **{name: restored.get(name, nothing) for name in ("leaves_for", "refused_of", "supersedes")},
        "place": places,
        "whole": wholes,
        "archive": archives,
        "is_fresh": pa.repeat(pa.scalar(is_fresh), count),
    }
    for name, values in columns.items():
        known = known.append_column(name, pa.array(values) if isinstance(values, np.ndarray) else values)
    return known


def _places(known: pa.Table, mended: set[str]) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Where a failed record stood that this one may stand for: its line, its whole file, and all of the archive."""
    if not mended:
        nothing = pa.nulls(len(known), pa.uint64())
        return nothing, nothing, nothing
    pairs = list(zip(known["source_path"].to_pylist(), known["source_record"].to_pylist(), strict=True))
    files = [input_of(path) for path, _ in pairs]
    hashes = [
        (hash_of("failed", path, record), hash_of("failed", path, None), hash_of("failed", file, None))
        if file in mended
        else (None, None, None)
        for (path, record), file in zip(pairs, files, strict=True)
    ]
    places, wholes, archives = (pa.array([one[at] for one in hashes], pa.uint64()) for at in range(3))
    return places, wholes, archives


def _links(facts: pa.Table) -> pa.Table:
    """The hashes under which a row is found: key, name, what it says of itself, its contents, and where it could not be
    read, its place."""
    at = facts["at"].to_numpy()
    said = facts["said"].is_valid().to_numpy()
    hashes = [facts["key"].to_numpy(), facts["name"].to_numpy(), facts["said"].drop_null().to_numpy()]
    owners = [at, at, at[said]]
    compared = facts.filter(pc.is_null(facts["reject_reason"]))
    for name in ("content_hash", "repaired_hash"):
        hashes.append(at_of(compared[name]))
        owners.append(compared["at"].to_numpy())
    failed = facts.filter(pc.equal(facts["reject_stage"], "read"))
    places = zip(failed["source_path"].to_pylist(), failed["source_record"].to_pylist(), strict=True)
    hashes.append(np.array([hash_of("failed", path, record) for path, record in places], np.uint64))
    owners.append(failed["at"].to_numpy())
    return sorted_links(np.concatenate(hashes), np.concatenate(owners))


def sorted_links(hashes: U64, at: U64) -> pa.Table:
    """LINKS, sorted."""
    order = np.lexsort((at, hashes))
    return pa.table([pa.array(hashes[order]), pa.array(at[order])], schema=LINKS)


def write_facts(work: Work, facts: pa.Table) -> None:
    """`facts.parquet`, FACTS of a piece's documents; `links.parquet`."""
    with work.put("facts.parquet") as path:
        table = facts.select(FACTS.names).cast(FACTS)
        write_work(path, table.sort_by([("at", "ascending"), ("id", "ascending")]), sorted_by="at")
    with work.put("links.parquet") as path:
        write_work(path, _links(facts), sorted_by="hash")


def write_signatures(work: Work, documents: pa.Table) -> None:
    """`keys.parquet`: the band keys of a piece's documents, sorted; `tokens.arrow`: tokens and digests, row by row."""
    rows = np.flatnonzero(
        pc.is_valid(documents["bands"]).to_numpy() & pc.is_null(documents["reject_reason"]).to_numpy()
    )
    bands = documents["bands"].combine_chunks()
    keys = bands.values.to_numpy().reshape(-1, bands.type.list_size)[rows + bands.offset]
    with work.put("keys.parquet") as path:
        write_work(path, sort_bands(keys, rows.astype(np.uint32)), sorted_by="key")
    with work.put("tokens.arrow") as path:
        write_rows(path, documents.select(["tokens", "digest"]))


def write_paragraphs(work: Work, documents: pa.Table, facts: pa.Table) -> None:
    """`paragraphs.parquet`: PIECE_PARAGRAPHS of a piece's documents, sorted by paragraph."""
    found = paragraphs_of(documents)
    at = facts["at"].take(pc.index_in(found["document"], facts["id"].combine_chunks()))
    table = pa.table([found["paragraph"], at, found["chars"]], schema=PIECE_PARAGRAPHS)
    table = table.group_by(["paragraph", "at"], use_threads=False).aggregate([("chars", "sum")])
    table = table.rename_columns(PIECE_PARAGRAPHS.names).cast(PIECE_PARAGRAPHS)
    with work.put("paragraphs.parquet") as path:
        write_work(path, table.sort_by([("paragraph", "ascending"), ("at", "ascending")]), sorted_by="paragraph")
