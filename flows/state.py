"""State: what the published tables can't say cheaply, in immutable files sorted by their first column.

A kind of state is a list of files, oldest first; a version adds one of each, and merges the last ones into it by tiers
of size, so there are few of them and a row is written a few times in all. A night reads them by hash: 50 records look
at a few row groups of each.

| kind | row | what for |
|---|---|---|
| `inputs` | path | the content a file had when it was read; the last row of a path counts |
| `seen` | hash of path, key and text | what stood in an earlier reading of a path |
| `rows` | published row, by the first half of its id | what it is now; the last of an id counts, but if `forgotten` |
| `links` | (hash, row) | the rows of a key, name, metadata, content, text before stripping, or that duplicate a row |
| `counts` | (site, line) | in how many groups of a site's articles a line stands |
| `groups` | hash of site and long line | by which articles are known again |
| `contents` | content | what was compared, in the order of canonicals: its place is its number |
| `keys` | (band key, number) | the dedup index |
| `edges` | pair of contents | what was verified to be alike |
| `paragraphs` | (paragraph, row) | which documents have a paragraph |
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.forgotten import REASON
from flows.step import Counts, Work
from flows.store import Ref, Store
from flows.tables import U64, concat, distinct, look_up, open_table, parts_of, read_range, read_table, write_sorted
from transforms.dedup.bands import KEYS
from transforms.dedup.index import REBUILD, check_making, marked, merged_by, sort_keys
from transforms.errors import RefusedError

_u64, _string, _int32 = pa.uint64(), pa.string(), pa.int32()
TIME = pa.timestamp("us", tz="UTC")


def _schema(**fields: pa.DataType) -> pa.Schema:
    return pa.schema(list(fields.items()))


# `undone`: how often names had been taken off the list of what is forgotten when records of the file were on it.
INPUTS = _schema(
    path=_string, content=_string, format=_string, bytes=pa.int64(), records=pa.int64(), known=pa.int64(),
    documents=pa.int64(), rejected=pa.int64(), failed=pa.int64(), reading=_string, undone=_int32,
)  # fmt: skip
SEEN = _schema(hash=_u64)
ROWS = _schema(
    at=_u64, id=_string, key=_u64, text=_u64, is_keyed=pa.bool_(), batch=_int32, time=pa.int64(), fetched_at=TIME,
    chars=_int32, reason=_string, duplicate_of=_string, similarity=pa.float32(), content_hash=_string,
    repaired_hash=_string, group=_int32,
)  # fmt: skip
LINKS = _schema(hash=_u64, at=_u64)
COUNTS = _schema(at=_u64, site=_string, line=_u64, groups=_int32, since=_int32)
GROUPS = _schema(at=_u64)
CONTENTS = _schema(content=_u64)
EDGES = _schema(
    content=_u64, other=_u64, jaccard=pa.float32(), drops_other=pa.bool_(), drops_content=pa.bool_(), counts=pa.bool_()
)
PARAGRAPHS = _schema(paragraph=_u64, at=_u64)

KINDS: Mapping[str, pa.Schema] = {
    "inputs": INPUTS,
    "seen": SEEN,
    "rows": ROWS,
    "links": LINKS,
    "counts": COUNTS,
    "groups": GROUPS,
    "contents": CONTENTS,
    "keys": KEYS,
    "edges": EDGES,
    "paragraphs": PARAGRAPHS,
}
# What an index of another making can't go on with; the others mean the same whatever hashes they hold.
_MADE = ("contents", "keys", "edges", "paragraphs")
# Bytes of state that are merged at once: ten times as much is at work.
MERGE_BYTES = 1 << 24
_STRING_BYTES = 40

State = Mapping[str, Sequence[Ref]]


def state_of(manifest: Mapping[str, Any] | None) -> dict[str, list[Ref]]:
    """The files of each kind, oldest first."""
    files: dict[str, list[Ref]] = {kind: [] for kind in KINDS}
    for entry in manifest["state"] if manifest else []:
        files[entry["kind"]].append(Ref("data", entry["path"], entry["sha256"]))
    return files


def at_of(ids: pa.Array | pa.ChunkedArray | Iterable[str]) -> U64:
    """The first half (16 hex digits) of ids or hashes, of which none is null: where rows and contents stand in the
    state."""
    texts = ids if isinstance(ids, pa.Array | pa.ChunkedArray) else pa.array(list(ids), pa.string())
    assert not texts.null_count
    half = pa.chunked_array(pc.utf8_slice_codeunits(texts, 0, 16).cast(pa.binary(16))).combine_chunks()
    codes = np.frombuffer(half.buffers()[1] or b"", np.uint8).reshape(-1, 16)[half.offset :][: len(half)]
    digits = (codes & np.uint8(15)) + np.uint8(9) * (codes >> np.uint8(6))  # letters are above 64
    at: U64 = (digits[:, ::2] << np.uint8(4) | digits[:, 1::2]).view(">u8")[:, 0].astype(np.uint64)
    return at


def latest(tables: Sequence[pa.Table]) -> pa.Table:
    """ROWS of several files, oldest first, of each id the last, sorted by `at`, then id."""
    table = concat(ROWS, tables)
    if len(tables) > 1:
        table = _last_of(table, "id")
    return table.sort_by([("at", "ascending"), ("id", "ascending")])


def rows_at(store: Store, rows: Sequence[Ref], at: U64) -> pa.Table:
    """ROWS that stand in these places, as they are now."""
    return standing(look_up(store, rows, distinct(at)))


def standing(tables: Sequence[pa.Table]) -> pa.Table:
    """ROWS of several files, as they are now, without those that are forgotten."""
    table = latest(tables)
    return table.filter(pc.not_equal(pc.fill_null(table["reason"], ""), REASON))


def links_to(store: Store, links: Sequence[Ref], hashes: U64) -> pa.Table:
    """LINKS of these hashes."""
    return concat(LINKS, look_up(store, links, distinct(hashes)))


def linked_rows(store: Store, links: Sequence[Ref], rows: Sequence[Ref], hashes: U64) -> pa.Table:
    """ROWS that these hashes are linked to, as they are now."""
    return rows_at(store, rows, links_to(store, links, hashes)["at"].to_numpy())


# ------------------------------------------------------------------------------------------------------------ segments


def check_state(store: Store, manifest: Mapping[str, Any]) -> None:
    """Raises: RefusedError where a file is missing, cut off, or not of an index that this code can go on with.

    What is read of it later is checked page by page, so a night needn't read all of it for its hash.
    """
    for entry in manifest["state"]:
        path = store.local(entry["path"])
        if not store.exists(entry["path"]):
            raise RefusedError(f"{path} of the state is missing; {REBUILD}")
        if store.size(entry["path"]) != entry["bytes"]:
            raise RefusedError(f"{path} of the state is damaged: it has not the bytes that were published; {REBUILD}")
        if entry["kind"] in _MADE:
            with open_table(store, entry["path"]) as file:
                check_making(file.schema_arrow, made(entry["kind"]), str(path))


def made(kind: str) -> pa.Schema:
    """The schema of a kind's files, which says what it was made with."""
    return marked(KINDS[kind]) if kind in _MADE else KINDS[kind]


def rows_in(store: Store, ref: Ref) -> int:
    """How many rows a file has."""
    with open_table(store, ref) as file:
        return int(file.metadata.num_rows)


def older(files: Sequence[Ref], rows: Sequence[int]) -> list[Ref]:
    """Those of a kind's files that a version merges into its own; `rows` are theirs, and its own."""
    count = merged_by(rows)
    return list(files[len(files) + 1 - count :]) if count else []


def read_inputs(store: Store, ref: Ref) -> pa.Table:
    """INPUTS of a file; one made before there was a list of what is forgotten has no `undone`."""
    table = read_table(store, ref)
    if "undone" not in table.schema.names:
        table = table.append_column("undone", pa.nulls(len(table), pa.int32()))
    return table.select(INPUTS.names)


def merge(work: Work, files: Sequence[Ref], *, kind: str, bases: Sequence[int] = ()) -> Counts:
    """One file of a kind from several, oldest first: `<kind>.parquet`. Numbers in `keys` count on from `bases`."""
    with work.put(f"{kind}.parquet") as path:
        if kind == "contents":
            tables: Iterable[pa.Table] = (read_table(work.store, ref) for ref in files)
        elif kind == "inputs":
            tables = [_last_of(concat(INPUTS, [read_inputs(work.store, ref) for ref in files]), "path").sort_by("path")]
        else:
            width = sum(_STRING_BYTES if pa.types.is_string(t) else -(-t.bit_width // 8) for t in KINDS[kind].types)
            size = width * sum(rows_in(work.store, ref) for ref in files)
            tables = (_merged(work, files, kind, bases, *part) for part in parts_of(size, MERGE_BYTES))
        count = write_sorted(path, made(kind), tables)
    return {"rows": count}


def _merged(work: Work, files: Sequence[Ref], kind: str, bases: Sequence[int], low: int, high: int) -> pa.Table:
    schema = KINDS[kind]
    parts = [read_range(work.store, ref, low, high, schema.names) for ref in files]
    if kind == "keys":
        return sort_keys(list(zip(parts, bases, strict=True)))
    if kind == "rows":
        return latest(parts)
    table = concat(schema, parts)
    if kind == "counts":
        table = table.group_by(["at", "site", "line"], use_threads=False).aggregate(
            [("groups", "sum"), ("since", "min")]
        )
        table = table.rename_columns({"groups_sum": "groups", "since_min": "since"}).select(schema.names)
        return table.sort_by([("at", "ascending"), ("line", "ascending")])
    if kind == "edges":
        table = table.group_by(["content", "other"], use_threads=False).aggregate(
            [(name, "first") for name in schema.names[2:]]
        )
        table = table.rename_columns([*schema.names])
    else:
        table = table.group_by(schema.names, use_threads=False).aggregate([])
    return table.sort_by([(name, "ascending") for name in schema.names[:2]])


def _last_of(table: pa.Table, name: str) -> pa.Table:
    """Of each value the last row."""
    number = pa.array(np.arange(len(table)))
    last = table.select([name]).append_column("number", number).group_by(name).aggregate([("number", "max")])
    return table.take(last["number_max"])
