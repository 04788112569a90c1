"""Identify: which records are new, and the ordinal of each among its equals; a part of all hashes at a time.

A record is known if its text is the latest that its key had, or one of those it has now; if it stood in an earlier
reading of its path; if it was fetched when a record of the same key and text was; or if its file's bytes were read
before and its key is new with them. Any other text under a known key is its next state.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from flows.forgotten import are_listed
from flows.names import input_of
from flows.state import SEEN, State, linked_rows, links_to, rows_at
from flows.step import Counts, Work
from flows.store import Ref
from flows.tables import U64, concat, distinct, is_among, look_up, read_range, write_sorted, write_work

NEW = pa.schema([("piece", pa.int32()), ("row", pa.int32())])
NAMES = pa.schema([("name", pa.uint64()), ("sha", pa.uint64()), *NEW])
ORDINALS = pa.schema([*NEW, ("ordinal", pa.int32())])
_FACTS = [
    "key",
    "text_hash",
    "name",
    "seen",
    "said",
    "is_keyed",
    "fetched_at",
    "source_path",
    "row",
    "sha",
    "url",
    "site",
]

# What the list of forgotten records knows them by, and the column of it.
_LISTED = {"key": "key", "text": "text_hash", "url": "url", "site": "site"}


def identify(
    work: Work,
    facts: Sequence[Ref],
    seen: Sequence[Ref],
    links: Sequence[Ref],
    rows: Sequence[Ref],
    forgotten: Sequence[Ref],
    *,
    low: int,
    high: int,
    copies: Sequence[str],
    reread: Sequence[str],
    limit: int | None,
) -> Counts:
    """The new records of a range of keys: `new.parquet`, by piece and row; `names.parquet`, by name; and
    `seen.parquet`, what now stood in a reading of its path. `copies` are files whose bytes were read before;
    `reread`, files that may hold what was forgotten until a name was taken off that list. What is on it now is neither
    new nor known.

    Counts: forgotten records by path; new records, those past `limit` and the paths they stand in; known ones by path,
    and how many of these say something else of themselves than any did before; the newest `fetched_at`.
    """
    tables = []
    for number, ref in enumerate(facts):
        found = read_range(work.store, ref, low, high, _FACTS, by="key")
        tables.append(found.append_column("piece", pa.array(np.full(len(found), number, np.int32))))
    records = pa.concat_tables(tables)
    hashes = {name: records[column].to_numpy() for name, column in _LISTED.items()}
    is_forgotten = are_listed(work.store, forgotten, hashes)
    passed_over = by_input(records.filter(pa.array(is_forgotten)))
    records = records.filter(pa.array(~is_forgotten))
    is_new = ~_known(work, records, {"links": links, "rows": rows}, seen, copies, reread)
    fresh = records.filter(pa.array(is_new)).sort_by([("piece", "ascending"), ("row", "ascending")])
    taken = fresh if limit is None else fresh.slice(0, limit)
    left = fresh.slice(len(taken))
    with work.put("new.parquet") as path:
        write_work(path, taken.select(NEW.names), sorted_by="piece")
    with work.put("names.parquet") as path:
        order = [("name", "ascending"), ("sha", "ascending"), ("piece", "ascending"), ("row", "ascending")]
        write_work(path, taken.select(NAMES.names).sort_by(order), sorted_by="name")
    stood = distinct(records["seen"].to_numpy()[~is_new], taken["seen"].to_numpy())
    with work.put("seen.parquet") as path:
        write_sorted(path, SEEN, [pa.table([pa.array(stood)], schema=SEEN)])
    known = records.filter(pa.array(~is_new))
    said = known["said"].drop_null().to_numpy()
    before = links_to(work.store, links, said)["hash"].to_numpy()
    newest = pc.max(taken["fetched_at"]).cast(pa.int64()).as_py()
    return {
        "forgotten": passed_over,
        "new": len(taken),
        "remaining": len(left),
        "unfinished": sorted(set(map(input_of, left["source_path"].unique().to_pylist()))),
        "known": by_input(known),
        "said_otherwise": len(said) - int(is_among(said, distinct(before)).sum()),
        "newest": newest,
    }


def _known(
    work: Work, records: pa.Table, state: State, seen: Sequence[Ref], copies: Sequence[str], reread: Sequence[str]
) -> npt.NDArray[np.bool_]:
    key, text = records["key"].to_numpy(), records["text_hash"].to_numpy()
    read = records["seen"].to_numpy()
    stood = distinct(*[table["hash"].to_numpy() for table in look_up(work.store, seen, distinct(read))])
    known = is_among(read, stood)
    wanted = distinct(key)
    earlier = linked_rows(work.store, state["links"], state["rows"], wanted)
    of = earlier["key"].to_numpy()
    earlier = earlier.filter(pa.array(is_among(of, wanted)))
    of = earlier["key"].to_numpy()
    texts = earlier["text"].to_numpy()
    if reread:  # it stood there, but nothing may have come of it
        known &= ~_stand_in(records, reread) | is_among(_pair(key, text), distinct(_pair(of, texts)))
    # The latest of each key, and what it has now: a page that is back after a wall is no new state. Of one whose key
    # holds its text, or that none supersedes, all.
    order = np.lexsort((earlier["batch"].to_numpy(), earlier["time"].to_numpy(), of))
    last = np.ones(len(order), np.bool_)
    ordered = [earlier[name].to_numpy()[order] for name in ("key", "time", "batch")]
    for at in range(len(order) - 2, -1, -1):  # the last of a key, and those that came with it
        same_key = ordered[0][at] == ordered[0][at + 1]
        tie = ordered[1][at] == ordered[1][at + 1] and ordered[2][at] == ordered[2][at + 1]
        last[at] = not same_key or (tie and bool(last[at + 1]))
    counts = np.zeros(len(order), np.bool_)
    counts[order] = last
    counts |= pc.invert(earlier["is_keyed"]).to_numpy() | earlier["reason"].is_null().to_numpy()
    known |= is_among(_pair(key, text), distinct(_pair(of[counts], texts[counts])))
    # The same text fetched at the same time is the same record, in whatever dump it comes again.
    fetched = _times(records["fetched_at"])
    before = _times(earlier["fetched_at"])
    dated = before != 0
    again = distinct(_pair(_pair(of[dated], texts[dated]), before[dated]))
    known |= (fetched != 0) & is_among(_pair(_pair(key, text), fetched), again)
    if copies:
        known |= _stand_in(records, copies) & ~is_among(key, distinct(of))
    return known


def by_input(records: pa.Table) -> dict[str, int]:
    """How many records each input has."""
    found = records["source_path"].value_counts()
    counts: Counter[str] = Counter()
    for path, count in zip(found.field(0).to_pylist(), found.field(1).to_pylist(), strict=True):
        counts[input_of(path)] += count
    return dict(counts)


def _stand_in(records: pa.Table, inputs: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which records stand in these inputs."""
    among = set(inputs)
    paths = [path for path in records["source_path"].unique().to_pylist() if input_of(path) in among]
    hit: npt.NDArray[np.bool_] = pc.is_in(records["source_path"], pa.array(paths, pa.string())).to_numpy()
    return hit


def _times(column: Any) -> U64:
    """Microseconds; 0 where there is none."""
    times: U64 = column.cast(pa.int64()).fill_null(0).to_numpy().astype(np.uint64)
    return times


def _pair(first: U64, second: U64) -> U64:
    mixed: U64 = (first ^ np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(31)
    mixed ^= second * np.uint64(0xC2B2AE3D27D4EB4F)
    return mixed


def number(
    work: Work, names: Sequence[Ref], links: Sequence[Ref], rows: Sequence[Ref], *, low: int, high: int
) -> Counts:
    """The ordinals of a range of names: `ordinals.parquet` has those that aren't 0, by piece and row. They count on
    from the rows published under the name, by `source_sha256`, then place."""
    fresh = concat(NAMES, [read_range(work.store, ref, low, high) for ref in names])
    fresh = fresh.sort_by([(name, "ascending") for name in NAMES.names])
    name = fresh["name"].to_numpy()
    linked = links_to(work.store, links, name)
    there = rows_at(work.store, rows, linked["at"].to_numpy())["at"].to_numpy()
    old = np.sort(linked["hash"].to_numpy()[is_among(linked["at"].to_numpy(), there)])
    known = np.searchsorted(old, name, "right") - np.searchsorted(old, name)
    ordinal = (known + np.arange(len(name)) - np.searchsorted(name, name)).astype(np.int32)
    found = fresh.select(NEW.names).append_column("ordinal", pa.array(ordinal)).filter(pa.array(ordinal != 0))
    with work.put("ordinals.parquet") as path:
        write_work(path, found.sort_by([("piece", "ascending"), ("row", "ascending")]), sorted_by="piece")
    return {"equals": len(found)}
