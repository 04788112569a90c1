"""Takedowns: a version without what is named, its copies and earlier states; what is named is not read again.

A takedown is a run without input: rows leave their groups (flows/stages/forget.py says which), those near them are
judged again, and the state is told that they are no more. The list of what is forgotten comes with the version.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from flows.compare import settle
from flows.engines import inline
from flows.forgotten import FORGOTTEN, lists_of, undone_of
from flows.run import Group, Listener, Output, Run
from flows.stages.forget import find_forgotten, merged, name_of
from flows.state import read_inputs, state_of
from flows.step import Done, Step, code_hash
from flows.store import STAGING, Ref, Store
from flows.tables import read_table, write_sorted
from flows.versions.checks import held
from flows.versions.find import names as names_of_rows
from flows.versions.history import Version, oldest, removable, versions
from flows.versions.manifest import Manifest, current, files_of, require, version_name
from flows.versions.publish import REMOVING, described_list, note_removal, publish, publish_list, remove, sweep
from transforms.config import from_mapping
from transforms.errors import ConfigError

_ID = re.compile(r"[0-9a-f]{6,32}")
# What is said where old versions stay, and where they go.
UNTOUCHED = "RAW and exports are not touched"


class Name(NamedTuple):
    """What is to be forgotten, as the caller names it."""

    kind: str  # id | url | site | path
    value: str


def name_from(text: str) -> Name:
    """An id, or how one begins (6 hex digits or more), a URL, or else a path in RAW."""
    said = text.strip()
    return Name("url" if "//" in said else "id" if _ID.fullmatch(said) else "path", said)


def names_in(text: str) -> list[Name]:
    """The names in a list, one a line; what follows a `#` and a blank is passed over."""
    said = [re.split(r"(?:^|\s)#", line)[0].strip() for line in text.splitlines()]
    return [name_from(line) for line in said if line]


def forget(
    store: Store, names: Sequence[Name], purge: bool = False, listeners: Sequence[Listener] = ()
) -> dict[str, Any]:
    """Publish a version without what is named, and list it, so that no run reads it again. With `purge` remove all
    versions that hold a text on the list. What was done.

    Names that are listed already are passed over, so a call that was killed is finished by the same call. Raises:
    ConfigError where no document has such an id or path, RefusedError where a check fails.
    """
    if not names and not purge:
        raise ConfigError("say what is to be forgotten: an id, a URL, --site or --from")
    with store.lock():
        sweep(store)
        manifest = require(store)
        names = [one for name in names for one in _ids_of(store, manifest, name)]
        new = _unlisted(store, names)
        said: dict[str, Any] = {
            "published": False,
            "version": manifest["version"],
            "names": len(new),
            "known": len(set(names)) - len(new),
            "documents": 0,
            "rejected": 0,
            "came_back": 0,
            "purged": [],
        }
        if new:
            takedown = _Takedown(store, new, purge, listeners)
            takedown.find()
            if takedown.gone:
                takedown.take()
                return {**said, **takedown.publish()}
            takedown.list_only()
        return {**said, "purged": _purge(store) if purge else []}


def _ids_of(store: Store, manifest: Manifest, name: Name) -> list[Name]:
    """A path is what came from it, as it is now: other texts may come from there tomorrow. Raises: ConfigError."""
    if name.kind != "path":
        return [name]
    return [Name("id", document) for _, document in names_of_rows(store, manifest, name.value)]


def undo(store: Store, names: Sequence[Name]) -> dict[str, Any]:
    """Take names off the list. What was forgotten for them comes back only by being read again: the next run reads the
    files it stood in, where they are still in RAW. Raises: ConfigError where one is not on the list."""
    with store.lock():
        sweep(store)
        manifest = require(store)
        pointer = current(store)
        table = _list(store)
        there = set(table["name"].to_pylist())
        gone = {label for name in names for label in _labels(name, there)}
        for name in names:
            if not _labels(name, there):
                raise ConfigError(f"{name.value!r} is not on the list of what is forgotten")
        left = [row for row in table.to_pylist() if row["name"] not in gone]
        key = f"{STAGING}/list.parquet"
        with store.put(key) as path:
            rows = write_sorted(path, FORGOTTEN, [merged([], (tuple(row.values()) for row in left))])
        publish_list(store, Ref("data", key, store.sha256(key)), rows, undone_of(pointer) + 1)
        store.delete(key)
        marked: dict[str, bool] = {}
        for ref in state_of(manifest)["inputs"]:
            inputs = read_inputs(store, ref)
            marked |= dict(zip(inputs["path"].to_pylist(), inputs["undone"].is_valid().to_pylist(), strict=True))
    return {"names": len(gone), "files": sum(marked.values())}


def listed(store: Store) -> list[dict[str, Any]]:
    """What is on the list, by name: of URLs and sites their hash, the version that came of it, how many texts."""
    require(store)
    found: dict[str, dict[str, Any]] = {}
    for row in _list(store).to_pylist():
        kind, value = row["name"].split(" ")
        one = found.setdefault(row["name"], {"kind": kind, "name": value, "version": row["version"], "texts": 0})
        one["texts"] += row["what"] == "text"
    return sorted(found.values(), key=lambda one: (one["version"] or "", one["kind"], one["name"]))


def _list(store: Store) -> Any:
    return merged([read_table(store, ref) for ref in lists_of(current(store))], ())


def _labels(name: Name, there: set[str]) -> list[str]:
    """What the list calls a name, if it is there; an id may be how one begins."""
    label = name_of(*name)
    return [one for one in there if one == label or (name.kind == "id" and one.startswith(label))]


def _unlisted(store: Store, names: Sequence[Name]) -> list[Name]:
    there = set(_list(store)["name"].to_pylist())
    whole = {name_of(*name) for name in names} & there
    return [
        name
        for name in dict.fromkeys(names)
        if name_of(*name) not in whole and not (len(name.value) < 32 and _labels(name, there))
    ]


class _Takedown(Run):
    """A run that takes rows away."""

    def __init__(self, store: Store, names: Sequence[Name], purge: bool, listeners: Sequence[Listener]) -> None:
        # Those near what goes are judged as they were judged before.
        super().__init__(store, inline, from_mapping(require(store)["config"]), listeners)
        assert self.parent is not None
        self.before: Manifest = self.parent
        self.asked, self.purge = names, purge
        self.purged: list[Version] = []
        self.templates: list[Done] = []
        self.cleaned: list[Done] = []
        self.shared: list[Done] = []

    def find(self) -> None:
        """Find the rows that go."""
        names = sorted(list(name) for name in self.asked)
        listed = [ref.name for ref in self.lists]
        self.version = version_name(self.number, ["forget", names, listed, self.before["version"], code_hash()])
        step = Step(
            find_forgotten,
            {
                **{table: files_of(self.before, table) for table in ("documents", "rejected")},
                **{kind: self.state[kind] for kind in ("links", "rows", "edges", "inputs")},
                "forgotten": self.lists,
            },
            {"names": names, "version": self.version, "undone": self.undone},
        )
        (self.taken,) = self._do("find", [step])
        self.gone = self.taken.counts["documents"] + self.taken.counts["rejected"]

    def take(self) -> None:
        """Judge again what is near, write the files that rows leave, and check the outcome."""
        step = Step(
            settle.settle_without,
            {
                "forgotten": self.taken["forgotten.parquet"],
                **{kind: self.state[kind] for kind in ("links", "rows")},
                "old_edges": self.state["edges"],
            },
            {"config": self.config},
        )
        (self.settled,) = self._do("settle", [step])
        self.write()
        self.merge()
        self._check_rows()
        self._check_totals()

    def list_only(self) -> None:
        """Nothing that is named is there: it is listed, and no version comes of it."""
        publish_list(self.store, *self._new_list())
        self.store.delete_all(STAGING)

    def merge(self) -> None:
        """The state, told which rows are no more, and which files may hold what comes back."""
        fresh: Mapping[str, Sequence[Ref]] = {
            "inputs": [self.taken["inputs.parquet"]],
            "rows": [*[one["rows.parquet"] for one in self.written], self.taken["rows.parquet"]],
            "links": [self.settled["links.parquet"]],
        }
        self._merge(fresh)

    def publish(self) -> dict[str, Any]:
        """Put everything in its place; what was done."""
        super().publish()
        return {
            "published": True,
            "version": self.version,
            **{name: self.taken.counts[name] for name in ("documents", "rejected")},
            "came_back": self.settled.counts["came"],
            "purged": [one.name for one in self.purged],
        }

    def _new_list(self) -> tuple[Ref, int, int]:
        file = self.taken["list.parquet"]
        return file, self.taken.counts["listed"], self.undone

    def _put(self, files: Sequence[tuple[dict[str, Any], Ref | None]]) -> Manifest:
        forgotten = self._new_list()
        if self.purge:
            self._note_purge(files, forgotten[0])
        said = described_list(self.store, *forgotten)
        manifest = publish(
            self.store,
            self._described(),
            files,
            self.segments,
            self._run_facts(),
            (said, forgotten[0]),
            force=True,  # a takedown is not refused for what it takes
        )
        sweep(self.store)
        return manifest

    def _note_purge(self, files: Sequence[tuple[dict[str, Any], Ref | None]], forgotten: Ref) -> None:
        """Before the version is there: what goes once it is."""
        found = versions(self.store)
        self.purged = [one for one in found if _holds(self.store, one, [forgotten])]
        stays = {entry["path"] for entry, _ in (*files, *self.segments)}
        there = [file for file in removable(self.store, found, self.purged) if file not in stays]
        left = [one for one in found if one not in self.purged]
        ends = oldest(left) if any(one.is_current for one in left) else self.version
        note_removal(self.store, [*there, *_staged(self.store)], ends, once=self.version)

    def _described(self) -> dict[str, Any]:
        made = {name: self.before[name] for name in ("code", "config", "config_hash")}
        return {**super()._described(), **made}

    def _counts(self) -> dict[str, Any]:
        return {**super()._counts(), "forgotten": self.gone}

    def _outputs(self, groups: Sequence[Group]) -> list[Output]:
        """Where rows are something else now, a place for these; nothing is merged for its own sake."""
        return super()._outputs(groups) if self.settled.counts["moved"] else []

    def _check_lost(self, left: int) -> None:
        """What goes is what was named."""


def _purge(store: Store) -> list[str]:
    """Remove the versions that hold what is forgotten, and what lies in the staging area."""
    found = versions(store)
    lists = lists_of(current(store))
    gone = [one for one in found if not one.is_current and _holds(store, one, lists)]
    files = [*removable(store, found, gone), *_staged(store)]
    if files:
        remove(store, files, oldest([one for one in found if one not in gone]))
    return [one.name for one in gone]


def _holds(store: Store, version: Version, lists: Sequence[Ref]) -> bool:
    return held(store, version.manifest, lists) is not None


def _staged(store: Store) -> list[str]:
    """What runs that were killed left: it may hold texts."""
    return [key for key in store.keys(STAGING) if key != REMOVING]
