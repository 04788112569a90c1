"""Forget: which published rows are what was named, its copies, and earlier states; and what the list says of them.

A takedown is of a text. With a named row go

- what stands under its key: earlier states, and what was taken for no state of it. A key with several live documents is
  none, nor is that of an earlier state that is named itself;
- its copies, wherever and whatever they are: the same text before or after stripping, what duplicates it, what it
  duplicates, and contents that were verified to be alike so that one drops the other;
- rows that gave way to any of these, or were taken for no state of them.

What stands on the list of each: where it was named (URL, site, key), and the texts. A text that is no state of the
page, or that nobody compared, is listed only where the row itself was named by its id: walls and empty pages are shared
by many.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.forgotten import FORGOTTEN, REASON, are_listed
from flows.names import input_of
from flows.state import EDGES, INPUTS, ROWS, at_of, linked_rows, links_to, read_inputs, rows_at, standing
from flows.step import Counts, Work
from flows.store import Ref, Store
from flows.tables import U64, concat, distinct, is_among, look_up, read_range, read_table, write_sorted, write_work
from transforms.errors import ConfigError
from transforms.identity import hash_of

# Rejected texts that are none of anyone's: nothing, or nothing but furniture.
_EMPTY = ("empty", "empty_after_cleaning")
_Row = dict[str, Any]


def find_forgotten(
    work: Work,
    documents: Sequence[Ref],
    rejected: Sequence[Ref],
    links: Sequence[Ref],
    rows: Sequence[Ref],
    edges: Sequence[Ref],
    inputs: Sequence[Ref],
    forgotten: Sequence[Ref],
    *,
    names: Sequence[Sequence[str]],
    version: str,
    undone: int,
) -> Counts:
    """What goes with these names ((kind, value): id, url, site): `forgotten.parquet`, ROWS; `rows.parquet`, what the
    state says of them now; `inputs.parquet`, of the files they were read from; `list.parquet`, FORGOTTEN, with what was
    listed before. An id may be how one begins. Raises: ConfigError where no document, or several, have such an id.
    """
    search = _Search(work, documents, rejected, links, rows, edges)
    for kind, value in names:
        search.name(kind, value)
    search.go()
    found = pa.Table.from_pylist([search.rows[document] for document in sorted(search.rows)], schema=ROWS)
    found = found.sort_by([("at", "ascending"), ("id", "ascending")])
    with work.put("forgotten.parquet") as path:
        write_work(path, found, sorted_by="at")
    with work.put("rows.parquet") as path:
        reasons = pa.repeat(pa.scalar(REASON), len(found))
        gone = found.set_column(found.schema.get_field_index("reason"), "reason", reasons)
        write_work(path, gone.cast(ROWS), sorted_by="at")
    paths = search.paths()
    with work.put("inputs.parquet") as path:
        write_sorted(path, INPUTS, [_inputs(work.store, inputs, paths, undone)])
    entries = [(*entry, version if search.rows else None) for entry in search.entries()]
    listed = [read_table(work.store, ref) for ref in forgotten]
    with work.put("list.parquet") as path:
        count = write_sorted(path, FORGOTTEN, [merged(listed, entries)])
    kept = sum(row["reason"] is None for row in search.rows.values())
    return {"documents": kept, "rejected": len(search.rows) - kept, "listed": count}


def merged(listed: Sequence[pa.Table], entries: Iterable[tuple[Any, ...]]) -> pa.Table:
    """FORGOTTEN of these rows and more, each once."""
    columns = list(zip(*entries, strict=True)) or [()] * len(FORGOTTEN)
    more = pa.table([pa.array(c, f.type) for c, f in zip(columns, FORGOTTEN, strict=True)], schema=FORGOTTEN)
    table = concat(FORGOTTEN, [*listed, more]).group_by(FORGOTTEN.names, use_threads=False).aggregate([])
    return table.select(FORGOTTEN.names).sort_by([(name, "ascending") for name in FORGOTTEN.names])


def name_of(kind: str, value: str) -> str:
    """What the list calls a name: ids are hashes themselves."""
    return f"{kind} {value if kind == 'id' else format(hash_of(kind, value), '016x')}"


class _Search:
    """The rows that go, and by which names."""

    def __init__(
        self,
        work: Work,
        documents: Sequence[Ref],
        rejected: Sequence[Ref],
        links: Sequence[Ref],
        rows: Sequence[Ref],
        edges: Sequence[Ref],
    ) -> None:
        self.store, self.documents, self.rejected = work.store, documents, rejected
        self.links, self.state, self.edges = links, rows, edges
        self.names: list[tuple[str, str]] = []
        self.rows: dict[str, _Row] = {}
        self.owners: dict[str, set[int]] = {}
        self.listed: set[tuple[int, str, str]] = set()
        self.named: set[str] = set()

    def name(self, kind: str, value: str) -> None:
        """Add a name."""
        self.names.append((kind, value))

    # ------------------------------------------------------------------------------------------------------- the rows

    def go(self) -> None:
        """Find all that goes."""
        seeds = [*self._by_id(), *self._by_place()]
        copied = self._compared(seeds)
        found = [(row, names) for row, names in seeds if row["id"] in copied and _is_state(row)]
        found += [(row, names) for row, names in seeds if row["id"] in copied and row["id"] in self.named]
        edge = self._copies(found)
        # Texts that are the same as a copy's go with it, and so on: what is listed stands nowhere.
        while edge:
            edge = self._same(edge)
        self._behind()
        self._rest()

    def _take(self, table: pa.Table, names: Iterable[set[int]]) -> list[tuple[_Row, set[int]]]:
        """Add rows, each for these names; those for which this is news."""
        news = []
        for row, mine in zip(table.to_pylist(), names, strict=True):
            known = self.owners.setdefault(row["id"], set())
            if row["id"] not in self.rows or mine - known:
                self.rows[row["id"]] = row
                known |= mine
                news.append((row, mine))
        return news

    def _by_id(self) -> list[tuple[_Row, set[int]]]:
        at: dict[str, int] = {}
        for number, (kind, value) in enumerate(self.names):
            if kind == "id":
                document = value if len(value) == 32 else self._whole(value)
                self.names[number] = (kind, document)
                at[document] = number
        table = rows_at(self.store, self.state, at_of(at))
        table = table.filter(pc.is_in(table["id"], pa.array(list(at), pa.string())))
        if missing := sorted(set(at) - set(table["id"].to_pylist())):
            raise ConfigError(f"no document {missing[0]!r} in this version")
        self.named |= set(table["id"].to_pylist())
        found = self._take(table, ({at[document]} for document in table["id"].to_pylist()))
        keys = {number: key for number, key in self._keys(table, at).items() if key is not None}
        by_key: dict[int, set[int]] = {}
        for number, key in keys.items():
            by_key.setdefault(key, set()).add(number)
            self.listed.add((key, "key", name_of(*self.names[number])))
        if by_key:
            states = linked_rows(self.store, self.links, self.state, _u64(by_key))
            states = states.filter(pa.array(is_among(states["key"].to_numpy(), _u64(by_key))))
            found += self._take(states, (by_key[key] for key in states["key"].to_pylist()))
        return found

    def _whole(self, prefix: str) -> str:
        """The id that begins so."""
        low = int(prefix[:16].ljust(16, "0"), 16)
        high = int(prefix[:16].ljust(16, "f"), 16) + 1
        table = standing([read_range(self.store, ref, low, high, ROWS.names) for ref in self.state])
        found = [document for document in table["id"].to_pylist() if document.startswith(prefix)]
        if len(found) != 1:
            said = f"{len(found)} documents have ids that begin" if found else "no document has an id that begins"
            raise ConfigError(f"{said} with {prefix!r} in this version")
        return str(found[0])

    def _keys(self, table: pa.Table, at: dict[str, int]) -> dict[int, int | None]:
        """The key of each row that is named by id; None where it isn't the row's alone."""
        keyed = table.filter(table["is_keyed"])
        keys = distinct(keyed["key"].to_numpy())
        there = linked_rows(self.store, self.links, self.state, keys)
        there = there.filter(pc.and_(there["is_keyed"], pc.is_null(there["reason"])))
        kept: dict[int, set[str]] = {}
        for key, document in zip(there["key"].to_pylist(), there["id"].to_pylist(), strict=True):
            kept.setdefault(key, set()).add(document)
        return {
            at[row["id"]]: row["key"]
            if not row["is_keyed"] or (_is_live(row) and not kept.get(row["key"], set()) - {row["id"]})
            else None
            for row in table.to_pylist()
        }

    def _by_place(self) -> list[tuple[_Row, set[int]]]:
        """Rows of the URLs and sites that are named."""
        found = []
        for kind in ("url", "site"):
            numbers = {value: number for number, (of, value) in enumerate(self.names) if of == kind}
            for value, number in numbers.items():
                self.listed.add((hash_of(kind, value), kind, name_of(*self.names[number])))
            if not numbers:
                continue
            places: dict[str, int] = {}
            wanted = pa.array(list(numbers), pa.string())
            for ref in (*self.documents, *self.rejected):
                table = read_table(self.store, ref, ["id", kind])
                table = table.filter(pc.is_in(table[kind], wanted))
                ids, values = table["id"].to_pylist(), table[kind].to_pylist()
                places |= dict(zip(ids, (numbers[value] for value in values), strict=True))
            there = rows_at(self.store, self.state, at_of(places))
            there = there.filter(pc.is_in(there["id"], pa.array(list(places), pa.string())))
            found += self._take(there, ({places[document]} for document in there["id"].to_pylist()))
        return found

    def _compared(self, found: Sequence[tuple[_Row, set[int]]]) -> set[str]:
        """The ids of rows that reached the comparison: those linked to by their content."""
        ids = {row["id"]: row["at"] for row, _ in found}
        contents = at_of(row["content_hash"] for row, _ in found)
        links = links_to(self.store, self.links, contents)
        pairs = set(zip(links["hash"].to_pylist(), links["at"].to_pylist(), strict=True))
        of = dict(zip((row["id"] for row, _ in found), contents.tolist(), strict=True))
        return {document for document, at in ids.items() if (of[document], at) in pairs}

    def _copies(self, found: Sequence[tuple[_Row, set[int]]]) -> list[tuple[_Row, set[int]]]:
        """These rows, and their copies: of the same text, duplicates in either direction, and contents alike."""
        owners = _Owners()
        for row, names in found:
            self._list_text(row, names)
            owners.add("duplicate_of", row["id"], names)
            owners.add("id", row["duplicate_of"], names)
        edges = concat(EDGES, look_up(self.store, self.edges, distinct(at_of(row["content_hash"] for row, _ in found))))
        edges = edges.filter(pc.or_(edges["drops_other"], edges["drops_content"]))
        alike: dict[int, set[int]] = {}
        mine = _by(found, "content_hash")
        for content, other in zip(edges["content"].to_pylist(), edges["other"].to_pylist(), strict=True):
            alike.setdefault(other, set()).update(mine[content])
        near = linked_rows(self.store, self.links, self.state, _u64(alike))
        contents = at_of(near["content_hash"])
        near = near.filter(pa.array(is_among(contents, _u64(alike))))
        behind = linked_rows(
            self.store, self.links, self.state, _u64(hash_of("duplicate", row["id"]) for row, _ in found)
        )
        before = rows_at(self.store, self.state, at_of(filter(None, (row["duplicate_of"] for row, _ in found))))
        news = list(found)
        for table in (behind, before):
            by = [owners.of(row) for row in table.to_pylist()]
            hit = pa.array([bool(names) for names in by], pa.bool_())
            news += self._take(table.filter(hit), filter(None, by))
        news += self._take(near, (alike[content] for content in at_of(near["content_hash"]).tolist()))
        return news

    def _same(self, found: Sequence[tuple[_Row, set[int]]]) -> list[tuple[_Row, set[int]]]:
        """Rows with the text of these, before or after stripping, that weren't known."""
        for row, names in found:
            self._list_text(row, names)
        news = []
        for column in ("content_hash", "repaired_hash"):
            mine = _by(found, column)
            table = linked_rows(self.store, self.links, self.state, _u64(mine))
            table = table.filter(pa.array(is_among(at_of(table[column]), _u64(mine))))
            news += self._take(table, (mine[value] for value in at_of(table[column]).tolist()))
        return news

    def _behind(self) -> None:
        """Rows that gave way to one that goes, or were taken for no state of it; their own text is not to come back."""
        tables = []
        for ref in self.rejected:
            table = read_table(self.store, ref, ["id", "reject_reason", "reject_detail"])
            tables.append(table.filter(pc.is_in(table["reject_reason"], pa.array(["superseded", "not_successor"]))))
        if not tables:
            return
        left = pa.concat_tables(tables)
        of = [(detail or " ").split(" ")[-1] for detail in left["reject_detail"].to_pylist()]
        edge = set(self.rows)
        while edge:
            names = {
                document: self.owners[by]
                for document, by in zip(left["id"].to_pylist(), of, strict=True)
                if by in edge and document not in self.rows
            }
            table = rows_at(self.store, self.state, at_of(names))
            table = table.filter(pc.is_in(table["id"], pa.array(list(names), pa.string())))
            news = self._take(table, (set(names[document]) for document in table["id"].to_pylist()))
            compared = self._compared(news)
            for row, mine in news:
                if row["id"] in compared and _is_state(row):
                    self._list(row["text"], "text", mine)
            edge = {row["id"] for row, _ in news}

    def _rest(self) -> None:
        """Rows that nobody compared, of a text that is listed: those rejected for their language, say."""
        self._list_named()
        if not self.listed:
            return
        number_of = {name_of(*name): number for number, name in enumerate(self.names)}
        by: dict[str, dict[int, set[int]]] = {}
        for value, what, name in self.listed:
            by.setdefault(what, {}).setdefault(value, set()).add(number_of[name])
        table = standing([read_table(self.store, ref, ROWS.names) for ref in self.state])
        for what, values in hashes_of(table).items():
            mine = by.get(what, {})
            hit = is_among(values, _u64(mine))
            self._take(table.filter(pa.array(hit)), (mine[value] for value in values[hit].tolist()))

    # ------------------------------------------------------------------------------------------------------- the list

    def _list(self, value: int, what: str, names: Iterable[int]) -> None:
        self.listed.update((value, what, name_of(*self.names[number])) for number in names)

    def _list_text(self, row: _Row, names: set[int]) -> None:
        self._list(row["text"], "text", names)
        for what in ("content", "repaired"):
            self._list(int(row[f"{what}_hash"][:16], 16), what, names)

    def _list_named(self) -> None:
        for document in self.named:
            row = self.rows[document]
            if row["reason"] not in _EMPTY and not (row["reason"] or "").startswith("read."):
                self._list(row["text"], "text", self.owners[document])

    def entries(self) -> Iterator[tuple[int, str, str]]:
        """What is to be listed: hash, what it is of, and the name."""
        yield from self.listed
        for kind, value in self.names:  # one that has nothing else to its name is known by itself
            if kind == "id":
                yield int(value[:16], 16), "id", name_of(kind, value)

    def paths(self) -> list[str]:
        """The files that these rows were read from."""
        ids = pa.array(sorted(self.rows), pa.string())
        found: set[str] = set()
        for ref in (*self.documents, *self.rejected) if self.rows else ():
            table = read_table(self.store, ref, ["id", "source_path"])
            found |= set(map(input_of, table.filter(pc.is_in(table["id"], ids))["source_path"].unique().to_pylist()))
        return sorted(found)


class _Owners:
    """By which names rows are sought, by the value of a column."""

    def __init__(self) -> None:
        self.names: dict[tuple[str, str], set[int]] = {}

    def add(self, column: str, value: str | None, names: set[int]) -> None:
        if value is not None:
            self.names.setdefault((column, value), set()).update(names)

    def of(self, row: _Row) -> set[int]:
        """The names that seek a row."""
        found: set[int] = set()
        for column in ("id", "duplicate_of"):
            found |= self.names.get((column, row[column]), set())
        return found


def _is_live(row: _Row) -> bool:
    return row["reason"] is None or row["reason"].startswith("duplicate.")


def _is_state(row: _Row) -> bool:
    return _is_live(row) or row["reason"] == "superseded"


def _u64(values: Iterable[int]) -> U64:
    return distinct(np.array(list(values), np.uint64))


def _by(found: Sequence[tuple[_Row, set[int]]], column: str) -> dict[int, set[int]]:
    """The names of rows by the first half of a hash."""
    names: dict[int, set[int]] = {}
    for row, mine in found:
        names.setdefault(int(row[column][:16], 16), set()).update(mine)
    return names


def _inputs(store: Store, files: Sequence[Ref], paths: Sequence[str], undone: int) -> pa.Table:
    """INPUTS of these paths as they were, marked, and of files with the same bytes: copies, or what they are called
    now."""
    last = {row["path"]: row for ref in files for row in read_inputs(store, ref).to_pylist()}
    contents = {last[path]["content"] for path in paths} - {""}
    marked = sorted(path for path, row in last.items() if path in set(paths) or row["content"] in contents)
    return pa.Table.from_pylist([last[path] | {"undone": undone} for path in marked], schema=INPUTS)


def hashes_of(rows: pa.Table) -> dict[str, U64]:
    """What ROWS may be listed by."""
    hashes: dict[str, U64] = {name: rows[name].to_numpy() for name in ("key", "text")}
    return hashes | {name: at_of(rows[f"{name}_hash"]) for name in ("content", "repaired")}


def holds(
    store: Store,
    documents: Sequence[Ref],
    rejected: Sequence[Ref],
    rows: Sequence[Ref],
    forgotten: Sequence[Ref],
) -> str | None:
    """The id of a row of a version that is on the list, or None."""
    if not forgotten:
        return None
    table = standing([read_table(store, ref, ROWS.names) for ref in rows])
    hit = table.filter(pa.array(are_listed(store, forgotten, hashes_of(table))))
    if len(hit):
        return str(hit["id"][0].as_py())
    for kind in ("url", "site"):
        for ref in (*documents, *rejected):
            places = read_table(store, ref, ["id", kind])
            values = {value: hash_of(kind, value) for value in places[kind].unique().to_pylist() if value}
            named = list(values)
            listed = are_listed(store, forgotten, {kind: np.array([values[name] for name in named], np.uint64)})
            wanted = pa.array([name for name, on in zip(named, listed.tolist(), strict=True) if on], pa.string())
            hit = places.filter(pc.is_in(places[kind], wanted))
            if len(hit):
                return str(hit["id"][0].as_py())
    return None
