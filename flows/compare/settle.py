"""Settle: what each contested document is to the others, new ones and those near one that leaves.

Loads what the verdict hangs on and leaves the verdict to transforms/dedup/succession.py. Of published documents those
are judged again that are joined, by edges, texts or as duplicates, to one that may leave; the others stand.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.compare.match import present
from flows.compare.verify import OVERLAPS
from flows.forgotten import REASON
from flows.stages.clean import FACTS, sorted_links
from flows.state import EDGES, ROWS, at_of, latest, linked_rows, links_to, rows_at
from flows.step import Counts, Work
from flows.store import Ref
from flows.tables import U64, concat, distinct, is_among, look_up, read_table, write_work
from transforms.config import Config
from transforms.dedup.succession import Document, Edge, Verdict, settle
from transforms.identity import hash_of

VERDICTS = pa.schema(
    [
        ("piece", pa.int32()),
        ("id", pa.string()),
        ("reject_reason", pa.string()),
        ("duplicate_of", pa.string()),
        ("duplicate_similarity", pa.float32()),
        ("supersedes", pa.string()),
        ("reject_detail", pa.string()),
    ]
)
# A published row that is something else now: where it stands, and what it becomes.
CHANGES = pa.schema([("group", pa.int32()), ("was_kept", pa.bool_()), *[f for f in VERDICTS if f.name != "piece"]])
_FRESH = [
    *("id", "batch", "chars", "content_hash", "repaired_hash", "key", "is_keyed", "text_hash", "time"),
    *("fetched_at", "is_fresh", "leaves_for", "refused_of", "supersedes", "at", "place", "whole", "archive"),
    *("reject_stage", "reject_reason"),
]


_NONE_GONE = ROWS.empty_table()


class _Loaded:
    """The published rows and edges that were asked for so far."""

    def __init__(self, work: Work, links: Sequence[Ref], rows: Sequence[Ref], edges: Sequence[Ref]) -> None:
        self.work, self.links, self.rows, self.edges = work, links, rows, edges

    def rows_of(self, hashes: U64) -> pa.Table:
        """ROWS that are linked to these hashes, as they are now."""
        return linked_rows(self.work.store, self.links, self.rows, hashes)

    def near(self, at: pa.Table) -> pa.Table:
        """ROWS joined to these rows: of the same texts, their duplicates and what they duplicate, alike contents."""
        texts = [at_of(at[name]) for name in ("content_hash", "repaired_hash")]
        names = [*at["id"].to_pylist(), *filter(None, at["duplicate_of"].to_pylist())]
        wanted = [np.array([hash_of("duplicate", name) for name in names], np.uint64)]
        edges = concat(EDGES, look_up(self.work.store, self.edges, distinct(texts[0])))
        wanted += [*texts, edges["other"].to_numpy()]
        linked = present(self.rows_of(distinct(*wanted)))
        own = present(rows_at(self.work.store, self.rows, at_of(names)))
        return latest([linked, own])


def settle_documents(
    work: Work,
    facts: Sequence[Ref],
    contested: Ref,
    old: Ref,
    edges: Sequence[Ref],
    overlaps: Sequence[Ref],
    links: Sequence[Ref],
    rows: Sequence[Ref],
    old_edges: Sequence[Ref],
    failed_links: Sequence[Ref],
    failed_rows: Sequence[Ref],
    read: Sequence[Ref],
    *,
    config: Config,
) -> Counts:
    """`verdicts.parquet` on new documents, by piece, none of one that is simply kept; `changes.parquet` of published
    ones, by group; `links.parquet`, from documents to their duplicates. `failed_*` find records that an earlier version
    could not read: in a rebuild, where no published row stands, they are the parent's; `read` are the facts of all
    records of this run: a failed one among them is still there."""
    store = work.store
    loaded = _Loaded(work, links, rows, old_edges)
    alike = concat(EDGES, [read_table(store, ref) for ref in edges])
    fresh, pieces = _fresh(work, facts, contested, alike)
    standing = read_table(store, old)
    standing = latest([standing, present(loaded.rows_of(distinct(alike["content"].to_numpy())))])
    keys = distinct(fresh.filter(fresh["is_keyed"])["key"].to_numpy())
    leaving = standing.filter(pc.and_(standing["is_keyed"], pa.array(is_among(standing["key"].to_numpy(), keys))))
    judged = _component(loaded, leaving)
    standing = latest([standing, judged])
    more = concat(EDGES, look_up(store, old_edges, distinct(at_of(judged["content_hash"]))))

    documents = _documents(fresh, standing, set(judged["id"].to_pylist()))
    alike = pa.concat_tables([alike, more])
    known = concat(OVERLAPS, [read_table(store, ref) for ref in overlaps])
    shares = {
        (min(a, b), max(a, b)): share
        for a, b, share in zip(*(known[name].to_pylist() for name in OVERLAPS.names), strict=True)
    }
    verdicts = settle(documents, [Edge(*row) for row in _rows(alike)], shares, config)
    failed = _Loaded(work, failed_links, failed_rows, ())
    return _write(work, documents, verdicts, fresh, pieces, standing, _mended(fresh, failed, read))


def settle_without(
    work: Work, forgotten: Ref, links: Sequence[Ref], rows: Sequence[Ref], old_edges: Sequence[Ref], *, config: Config
) -> Counts:
    """What published documents are once others (`forgotten`, ROWS) are no more: outputs as of `settle_documents`,
    without a verdict on new ones; `changes.parquet` has the forgotten ones, too, under that reason."""
    store = work.store
    gone = read_table(store, forgotten, ROWS.names)
    near = _component(_Loaded(work, links, rows, old_edges), present(gone))
    standing = near.filter(pc.invert(pc.is_in(near["id"], gone["id"].combine_chunks())))
    edges = concat(EDGES, look_up(store, old_edges, distinct(at_of(standing["content_hash"]))))
    fresh = FACTS.empty_table().select(_FRESH)
    documents = _documents(fresh, standing, set(standing["id"].to_pylist()))
    verdicts = settle(documents, [Edge(*row) for row in _rows(edges)], {}, config)
    return _write(work, documents, verdicts, fresh, {}, standing, {}, gone)


def _rows(table: pa.Table) -> list[tuple[Any, ...]]:
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def _fresh(work: Work, facts: Sequence[Ref], contested: Ref, alike: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    """FACTS of new documents that are contested, alike to others, or stand for an earlier failure or state; and the
    piece of each, by id."""
    wanted = read_table(work.store, contested)["at"].to_numpy()
    contents = distinct(alike["content"].to_numpy())
    found: list[pa.Table] = []
    pieces: dict[str, int] = {}
    for piece, ref in enumerate(facts):
        table = read_table(work.store, ref, _FRESH)
        hit = is_among(table["at"].to_numpy(), wanted)
        hit |= is_among(at_of(table["content_hash"]), contents)
        compared = pa.array(hit & table["reject_reason"].is_null().to_numpy())
        for name in ("place", "leaves_for", "refused_of", "supersedes"):
            compared = pc.or_(compared, pc.is_valid(table[name]))
        # A restored failure, for which a record that can be read now may stand.
        failed = pc.and_(pc.equal(pc.fill_null(table["reject_stage"], ""), "read"), pc.invert(table["is_fresh"]))
        compared = pc.or_(compared, failed)
        table = table.filter(compared)
        found.append(table)
        pieces |= dict.fromkeys(table["id"].to_pylist(), piece)
    return pa.concat_tables(found), pieces


def _component(loaded: _Loaded, leaving: pa.Table) -> pa.Table:
    """The published rows joined to these, and so on: all that may be something else once these leave."""
    reached = leaving
    edge = leaving
    while len(edge):
        ids = pa.array(sorted(reached["id"].to_pylist()), pa.string())
        near = loaded.near(edge)
        edge = near.filter(pc.invert(pc.is_in(near["id"], ids)))
        reached = latest([reached, edge])
    return reached


def _documents(fresh: pa.Table, standing: pa.Table, judged: set[str]) -> list[Document]:
    documents = [
        Document(
            id=row["id"],
            batch=row["batch"],
            chars=row["chars"],
            content_hash=row["content_hash"],
            repaired_hash=row["repaired_hash"],
            key=row["key"],
            is_keyed=row["is_keyed"],
            text=row["text_hash"],
            time=row["time"],
            is_dated=row["fetched_at"] is not None,
            is_fresh=row["is_fresh"],
            is_judged=True,
            leaves_for=row["leaves_for"],
            refused_of=row["refused_of"],
        )
        for row in fresh.filter(pc.is_null(fresh["reject_reason"])).to_pylist()
    ]
    return documents + [
        Document(
            id=row["id"],
            batch=row["batch"],
            chars=row["chars"],
            content_hash=row["content_hash"],
            repaired_hash=row["repaired_hash"],
            key=row["key"],
            is_keyed=row["is_keyed"],
            text=row["text"],
            time=row["time"],
            is_dated=row["fetched_at"] is not None,
            is_fresh=False,
            is_judged=row["id"] in judged,
            reason=row["reason"],
            duplicate_of=row["duplicate_of"],
            similarity=row["similarity"],
        )
        for row in standing.to_pylist()
    ]


def _write(
    work: Work,
    documents: Sequence[Document],
    verdicts: Sequence[Verdict],
    fresh: pa.Table,
    pieces: dict[str, int],
    standing: pa.Table,
    replaced: Mapping[str, tuple[str, int]],
    gone: pa.Table = _NONE_GONE,
) -> Counts:
    groups = dict(zip(standing["id"].to_pylist(), standing["group"].to_pylist(), strict=True))
    new: list[tuple[Any, ...]] = []
    changed: list[tuple[Any, ...]] = []
    superseded = {d.id for d, verdict in zip(documents, verdicts, strict=True) if verdict.reject_reason == "superseded"}
    before = dict(zip(fresh["id"].to_pylist(), fresh["supersedes"].to_pylist(), strict=True))
    for document, verdict in zip(documents, verdicts, strict=True):
        if document.id in pieces:
            # What it took the place of may be forgotten: that it took one stays so.
            older = before[document.id]
            if verdict.supersedes is None and older is not None and (older in superseded or older not in pieces):
                verdict = verdict._replace(supersedes=older)
            if verdict != Verdict():
                new.append((pieces[document.id], document.id, *_ordered(verdict)))
        elif verdict[:3] != (document.reason, document.duplicate_of, document.similarity):
            changed.append((groups[document.id], document.reason is None, document.id, *_ordered(verdict)))
    for mended, (by, group) in replaced.items():
        verdict = Verdict("superseded", reject_detail=f"by {by}")
        if mended in pieces:
            new.append((pieces[mended], mended, *_ordered(verdict)))
        else:
            changed.append((group, False, mended, *_ordered(verdict)))
    moved = len(changed)
    left = [(row["group"], row["reason"] is None, row["id"]) for row in gone.to_pylist()]
    changed += [(*row, REASON, None, None, None, None) for row in left]
    with work.put("verdicts.parquet") as path:
        write_work(path, _table(sorted(new, key=lambda row: row[:2]), VERDICTS), sorted_by="piece")
    with work.put("changes.parquet") as path:
        write_work(path, _table(sorted(changed, key=lambda row: (row[0], row[2])), CHANGES), sorted_by="group")
    duplicates = [(row[-4], row[-6]) for row in (*new, *changed) if row[-4] is not None]
    hashes = np.array([hash_of("duplicate", of) for of, _ in duplicates], np.uint64)
    with work.put("links.parquet") as path:
        write_work(path, sorted_links(hashes, at_of(document for _, document in duplicates)), sorted_by="hash")
    return {
        "near": sum(row[2] == "duplicate.near" for row in new),
        "superseded": sum(row[3] == "superseded" for row in changed) + sum(row[2] == "superseded" for row in new),
        "not_successor": sum(row[2] == "not_successor" for row in new),
        "changes": [[group, was_kept] for group, was_kept in sorted({row[:2] for row in changed})],
        "left": sum(bool(row[1]) and row[3] is not None for row in changed),
        "came": sum(not row[1] and row[3] is None for row in changed),
        "moved": moved,
        "forgotten": len(left),
    }


def _ordered(verdict: Verdict) -> tuple[Any, ...]:
    return (*verdict[:3], verdict.supersedes, verdict.reject_detail)


def _table(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


def _mended(fresh: pa.Table, failed: _Loaded, read: Sequence[Ref]) -> dict[str, tuple[str, int]]:
    """Records that could not be read, and now can: of each the id of the record in its place, and its group."""
    is_read = pc.not_equal(pc.fill_null(fresh["reject_stage"], ""), "read")
    readable = fresh.filter(pc.and_(pc.is_valid(fresh["place"]), is_read))
    by_place: dict[int, str] = {}
    for name in ("archive", "whole", "place"):  # a record's own place says more than its file
        pairs = zip(readable[name].to_pylist(), readable["id"].to_pylist(), strict=True)
        by_place |= dict(sorted(pairs, reverse=True))
    if not by_place:
        return {}
    links = links_to(failed.work.store, failed.links, np.array(list(by_place), np.uint64))
    rows = rows_at(failed.work.store, failed.rows, links["at"].to_numpy())
    still = distinct(
        *[table["key"].to_numpy() for table in look_up(failed.work.store, read, distinct(rows["key"].to_numpy()))]
    )
    rows = rows.filter(pa.array(~is_among(rows["key"].to_numpy(), still)))
    there = {row["at"]: row for row in rows.to_pylist() if (row["reason"] or "").startswith("read.")}
    return {
        there[at]["id"]: (by_place[place], there[at]["group"])
        for place, at in zip(links["hash"].to_pylist(), links["at"].to_pylist(), strict=True)
        if at in there
    }
