"""Write: the rows of the three tables as they are published, full-size files from many pieces.

Files of one group number hold what was written at once: rows of documents and of rejected records, and the spans of
both. Small groups are merged as new ones come; a file from which rows leave is written anew, in place of the old one.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.compare.paragraphs import SHARED
from flows.compare.settle import CHANGES, VERDICTS
from flows.forgotten import REASON
from flows.names import input_of
from flows.stages.clean import BY_LANGUAGE
from flows.state import ROWS, at_of, rows_at
from flows.step import Counts, Work
from flows.store import Ref, Store
from flows.tables import (
    concat,
    open_table,
    published_writer,
    read_batches,
    read_groups,
    read_range,
    read_table,
    write_published,
    write_work,
)
from transforms.dedup.succession import Verdict
from transforms.schema import TABLES
from transforms.select import publishable, select_documents

_KEYS = pa.schema([("language", pa.string()), ("id", pa.string())])
# Not a table: documents of which it isn't said yet where they go.
CLEANED = "cleaned"
# Rows of a group that are held at once.
WINDOW_ROWS = 2_048
# A row between two tables: it may have a reason, or none.
MOVED = pa.schema([field.with_nullable(True) for field in TABLES["rejected"]])
PATHS = pa.schema([("path", pa.string()), ("documents", pa.int64()), ("rejected", pa.int64())])


def write_group(
    work: Work,
    cleaned: Sequence[Ref],
    facts: Sequence[Ref],
    verdicts: Ref,
    shared: Sequence[Ref],
    moved: Sequence[Ref],
    changes: Ref,
    rows: Sequence[Ref],
    documents: Sequence[Ref],
    rejected: Sequence[Ref],
    removed_spans: Sequence[Ref],
    *,
    pieces: Sequence[int],
    version: str,
    group: int,
) -> Counts:
    """The files of a group: the documents of these pieces, rows `moved` from files of earlier versions, and the files
    of small groups that are merged (`documents`, `rejected`, `removed_spans`) but for rows that `changes` take away.
    `rows.parquet`: the state's rows of all that is new or moved; `paths.parquet`: new rows by input.

    All of these are sorted, so they are read from the top side by side: what is held is a window of the whole.
    """
    selecting = _Selecting(version)
    sources: list[_Source] = []
    for piece, ref in zip(pieces, cleaned, strict=True):
        judged = _rows(read_range(work.store, verdicts, piece, piece + 1))
        selecting.judged |= {row[1]: Verdict(*row[2:]) for row in judged}
        selecting.shared |= _shared(work, shared, piece)
        sources.append(_Piece(work.store, ref))
    changed = read_table(work.store, changes, CHANGES.names)
    gone, forgotten = changed["id"].combine_chunks(), _forgotten(changed)
    taken = [read_table(work.store, ref) for ref in moved]
    for table in taken:
        kept = pc.is_null(table["reject_reason"])
        sources.append(_Rows("documents", publishable(table.filter(kept), TABLES["documents"])))
        sources.append(_Rows("rejected", publishable(table.filter(pc.invert(kept)), TABLES["rejected"])))
    for name, refs in (("documents", documents), ("rejected", rejected)):
        for ref in refs:
            table = read_table(work.store, ref)
            sources.append(_Rows(name, table.filter(pc.invert(pc.is_in(table["id"], gone)))))
    spans = [read_table(work.store, ref) for ref in removed_spans]
    spans = [table.filter(pc.invert(pc.is_in(table["doc_id"], forgotten))) for table in spans]
    sizes = _write_tables(work, sources, spans, selecting)
    counts = selecting.counts
    state = [_moved(work, table, rows, group) for table in taken]
    state += [_state(read_table(work.store, known), counts.judged, group) for known in facts]
    with work.put("rows.parquet") as path:
        table = pa.concat_tables([ROWS.empty_table(), *state])
        write_work(path, table.sort_by([("at", "ascending"), ("id", "ascending")]), sorted_by="at")
    with work.put("paths.parquet") as path:
        write_work(path, counts.paths())
    return {"rows": sizes, **counts.said()}


class _Source(Protocol):
    """Rows of one table, or CLEANED, sorted by language and id, taken from the top."""

    name: str
    keys: pa.Table  # language and id

    def take(self, count: int) -> pa.Table: ...


class _Rows:
    """Rows of one table, as they are."""

    def __init__(self, name: str, table: pa.Table) -> None:
        self.name, self.table = name, table.sort_by(BY_LANGUAGE)
        self.keys = self.table.select(_KEYS.names)
        self.at = 0

    def take(self, count: int) -> pa.Table:
        self.at += count
        return self.table.slice(self.at - count, count)


class _Piece:
    """A piece's documents, of which it isn't said yet where they go."""

    name = CLEANED

    def __init__(self, store: Store, ref: Ref) -> None:
        self.keys = concat(_KEYS, read_batches(store, ref, _KEYS.names))
        self.batches = read_batches(store, ref)
        self.held: list[pa.Table] = []

    def take(self, count: int) -> pa.Table:
        while sum(len(table) for table in self.held) < count:
            self.held.append(next(self.batches))
        table = pa.concat_tables(self.held)
        self.held = [table.slice(count)]
        return table.slice(0, count)


class _Selecting:
    """Parts documents by what is known of each, and counts them."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.judged: dict[str, Verdict] = {}
        self.shared: dict[int, int] = {}  # by `at`
        self.counts = _Counts()

    def parted(self, documents: pa.Table) -> Mapping[str, pa.Table]:
        ids = documents["id"].to_pylist()
        shared = {
            document: self.shared[at]
            for document, at in zip(ids, at_of(documents["id"]).tolist(), strict=True)
            if at in self.shared
        }
        found = select_documents(documents, self.judged, shared)._asdict()
        self.counts.add(found, self.version)
        return found


def _write_tables(
    work: Work, sources: Sequence[_Source], spans: list[pa.Table], selecting: _Selecting
) -> dict[str, int]:
    """The three tables' files, those without rows left out; how many rows each has."""
    spooled: dict[str, _Spool] = {}
    with work.store.scratch() as folder:
        for name in ("rejected", "removed_spans"):
            spooled[name] = _Spool(folder / name, TABLES[name])
        for table in spans:
            spooled["removed_spans"].add(table)
        sizes = {"documents": _write(work, "documents", _documents(sources, spooled, selecting), _most(sources))}
        for name, spool in spooled.items():
            sizes[name] = _write(work, name, spool.tables(), spool.rows)
    return sizes


def _documents(
    sources: Sequence[_Source], spooled: Mapping[str, "_Spool"], selecting: _Selecting
) -> Iterator[pa.Table]:
    """The documents of all sources in order, window by window; what else there is goes to `spooled`."""
    keys = concat(_KEYS, [source.keys for source in sources])
    owner = np.repeat(np.arange(len(sources)), [len(source.keys) for source in sources])
    order = owner[pc.sort_indices(keys, sort_keys=BY_LANGUAGE).to_numpy()]
    for start in range(0, len(order), WINDOW_ROWS):
        counts = np.bincount(order[start : start + WINDOW_ROWS], minlength=len(sources)).tolist()
        found: dict[str, list[pa.Table]] = {}
        for source, count in zip(sources, counts, strict=True):
            if count:
                found.setdefault(source.name, []).append(source.take(count))
        if CLEANED in found:
            # Restored records have their columns in another order than new ones.
            cleaned = pa.concat_tables(found.pop(CLEANED), promote_options="default")
            for name, table in selecting.parted(cleaned).items():
                found.setdefault(name, []).append(table)
        for name, spool in spooled.items():
            spool.add(_joined(name, found))
        yield _joined("documents", found)


def _joined(name: str, found: Mapping[str, Sequence[pa.Table]]) -> pa.Table:
    tables = found.get(name, [])
    table = pa.concat_tables([TABLES[name].empty_table(), *tables])
    return table if name == "removed_spans" or len(tables) < 2 else table.sort_by(BY_LANGUAGE)


def _most(sources: Sequence[_Source]) -> int:
    return sum(len(source.keys) for source in sources)


class _Spool:
    """Tables that wait on the disk for their file: only one can be written at a time."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self.schema, self.rows = path, schema, 0
        self.writer = pa.ipc.new_file(path, schema)

    def add(self, table: pa.Table) -> None:
        self.rows += len(table)
        if len(table):
            self.writer.write_table(table)

    def tables(self) -> Iterator[pa.Table]:
        self.writer.close()
        with pa.memory_map(str(self.path)) as mapped, pa.ipc.open_file(mapped) as reader:
            for number in range(reader.num_record_batches):
                yield pa.Table.from_batches([reader.get_batch(number)])


def _rows(table: pa.Table) -> list[tuple[Any, ...]]:
    return list(zip(*(table[name].to_pylist() for name in VERDICTS.names), strict=True))


def _shared(work: Work, shared: Sequence[Ref], piece: int) -> dict[int, int]:
    chars: Counter[int] = Counter()
    for ref in shared:
        found = read_range(work.store, ref, piece, piece + 1, SHARED.names)
        for at, count in zip(found["at"].to_pylist(), found["chars"].to_pylist(), strict=True):
            chars[at] += count
    return chars


def _state(facts: pa.Table, judged: Mapping[str, tuple[Any, ...]], group: int) -> pa.Table:
    """ROWS of a piece's documents, as they are published; `judged` says of rejected ones what they are."""
    why = [judged.get(document, (None, None, None)) for document in facts["id"].to_pylist()]
    reason, duplicate_of, similarity = (list(column) for column in zip(*why, strict=True)) if why else ([], [], [])
    columns = {
        "text": facts["text_hash"],
        "chars": facts["chars"],
        "reason": pa.array(reason, pa.string()),
        "duplicate_of": pa.array(duplicate_of, pa.string()),
        "similarity": pa.array(similarity, pa.float32()),
        "group": pa.array(np.full(len(facts), group, np.int32)),
    }
    values = [columns[name] if name in columns else facts[name] for name in ROWS.names]
    return pa.table(values, schema=ROWS)


def _moved(work: Work, table: pa.Table, rows: Sequence[Ref], group: int) -> pa.Table:
    """ROWS of rows that came from files of earlier versions."""
    before = rows_at(work.store, rows, at_of(table["id"]))
    names = ("reject_reason", "duplicate_of", "duplicate_similarity")
    now = {row[0]: row[1:] for row in zip(*(table[name].to_pylist() for name in ("id", *names)), strict=True)}
    found = [
        row | dict(zip(("reason", "duplicate_of", "similarity"), now[row["id"]], strict=True)) | {"group": group}
        for row in before.to_pylist()
        if row["id"] in now
    ]
    return pa.Table.from_pylist(found, schema=ROWS)


def _write(work: Work, name: str, tables: Iterator[pa.Table], most: int) -> int:
    first = next((table for table in tables if len(table)), None)
    if first is None:
        return 0
    with work.put(f"{name}.parquet") as path:
        return write_published(path, TABLES[name], chain([first], tables), most)


class _Counts:
    """What a group adds to the version."""

    def __init__(self) -> None:
        self.documents: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.languages: Counter[str] = Counter()
        self.removed: dict[str, list[int]] = {}
        self.characters = self.original_characters = self.kept = self.standing = 0
        self.judged: dict[str, tuple[Any, ...]] = {}

    def add(self, tables: Mapping[str, pa.Table], version: str) -> None:
        documents, rejected, spans = (tables[name] for name in TABLES)
        self.kept += len(documents)
        why = (rejected[name].to_pylist() for name in ("id", "reject_reason", "duplicate_of", "duplicate_similarity"))
        self.judged |= {row[0]: row[1:] for row in zip(*why, strict=True)}
        stands = pc.or_(pc.not_equal(documents["added_in"], version), pc.is_valid(documents["supersedes"]))
        self.standing += pc.sum(stands).as_py() or 0
        self.characters += pc.sum(documents["char_count"]).as_py() or 0
        self.original_characters += pc.sum(documents["original_char_count"]).as_py() or 0
        self.languages.update(documents["language"].to_pylist())
        self.reasons.update(rejected["reject_reason"].to_pylist())
        for mine, table in ((self.documents, documents), (self.rejected, rejected)):
            mine.update(map(input_of, table.filter(pc.equal(table["added_in"], version))["source_path"].to_pylist()))
        for reason, start, end in zip(*(spans[name].to_pylist() for name in ("reason", "start", "end")), strict=True):
            found = self.removed.setdefault(reason, [0, 0])
            found[0] += 1
            found[1] += end - start

    def paths(self) -> pa.Table:
        paths = sorted(set(self.documents) | set(self.rejected))
        columns = [paths, [self.documents[path] for path in paths], [self.rejected[path] for path in paths]]
        return pa.table([pa.array(c, f.type) for c, f in zip(columns, PATHS, strict=True)], schema=PATHS)

    def said(self) -> Counts:
        return {
            "documents": self.kept,
            "stand": self.standing,  # that came in earlier, or in place of one that did
            "rejected": self.reasons.total(),
            "characters": self.characters,
            "original_characters": self.original_characters,
            "rejected_by_reason": dict(self.reasons.most_common()),
            "removed_by_reason": {
                reason: {"spans": spans, "characters": chars}
                for reason, (spans, chars) in sorted(self.removed.items(), key=lambda item: (-item[1][1], item[0]))
            },
            "languages": dict(self.languages.most_common()),
        }


def take_rows(work: Work, file: Ref, changes: Ref, *, low: int, high: int, was_kept: bool, keeps_rest: bool) -> Counts:
    """Rows that leave a published file of groups `low` to `high`, as they are now: `moved.parquet`, without those that
    are forgotten; and with `keeps_rest` the file without them: `left.parquet`."""
    changed = read_range(work.store, changes, low, high + 1)
    changed = changed.filter(pc.equal(changed["was_kept"], was_kept))
    wanted = changed["id"].combine_chunks()
    moved: list[pa.Table] = []
    left = 0
    with open_table(work.store, file) as parquet:
        schema, total = parquet.schema_arrow, parquet.metadata.num_rows
        if keeps_rest and total > len(wanted):
            with work.put("left.parquet") as path, published_writer(path, schema, total) as writer:
                for group in range(parquet.metadata.num_row_groups):
                    rows = parquet.read_row_group(group, use_threads=False)
                    hit = pc.is_in(rows["id"], wanted)
                    moved.append(rows.filter(hit))
                    rest = rows.filter(pc.invert(hit))
                    if len(rest):
                        writer.write_table(rest)
                    left += len(rest)
        else:
            rows = parquet.read(use_threads=False)
            moved.append(rows.filter(pc.is_in(rows["id"], wanted)))
    rows = publishable(pa.concat_tables(moved), MOVED)
    rows = rows.filter(pc.invert(pc.is_in(rows["id"], _forgotten(changed))))
    now = changed.take(pc.index_in(rows["id"].combine_chunks(), wanted))
    for name in ("reject_reason", "reject_detail", "duplicate_of", "duplicate_similarity"):
        rows = rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), now[name])
    stage = pa.repeat(pa.scalar("dedup"), len(rows))
    for name, values in (("reject_stage", stage), ("reject_rule", pa.nulls(len(rows), pa.string()))):
        rows = rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), values)
    with work.put("moved.parquet") as path:
        write_work(path, rows)
    return {"moved": len(rows), "left": left}


def drop_spans(work: Work, file: Ref, changes: Ref) -> Counts:
    """A published file of removed spans without those of forgotten documents: `left.parquet`; nothing if none go."""
    gone = _forgotten(read_table(work.store, changes, CHANGES.names))
    with open_table(work.store, file) as parquet:
        owners = parquet.read(["doc_id"], use_threads=False)["doc_id"]
        left, total = len(owners) - (pc.sum(pc.is_in(owners, gone)).as_py() or 0), len(owners)
        if 0 < left < total:
            schema = parquet.schema_arrow
            groups = (read_groups(parquet, [group]) for group in range(parquet.metadata.num_row_groups))
            rest = (table.filter(pc.invert(pc.is_in(table["doc_id"], gone))) for table in groups)
            with work.put("left.parquet") as path:
                write_published(path, schema, rest, left)
    return {"left": left, "dropped": total - left}


def _forgotten(changes: pa.Table) -> pa.Array:
    """The ids of rows that go without a trace."""
    return changes.filter(pc.equal(pc.fill_null(changes["reject_reason"], ""), REASON))["id"].combine_chunks()


def write_empty(work: Work, *, table: str) -> Counts:
    """A file of a table that has no rows."""
    with work.put(f"{table}.parquet") as path:
        write_published(path, TABLES[table], [], 0)
    return {}
