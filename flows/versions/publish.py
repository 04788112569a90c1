"""Publish: the files of a finished run under their final names, the manifest, and last the pointer.

Before the first file is put, or removed, a note says which files these are: if the process dies, the next one that
writes removes what was never published, and goes on removing what is no longer.
"""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import pyarrow as pa

from flows.forgotten import lists_of
from flows.store import STAGING, Ref, Store, json_bytes
from flows.tables import read_table, write_published
from flows.versions import describe, statistics
from flows.versions.manifest import (
    CURRENT,
    Manifest,
    current,
    manifest_key,
    pointer_bytes,
    pointer_to,
    published,
    run_key,
    statistics_of,
)
from transforms.config import Publish, from_mapping
from transforms.errors import RefusedError
from transforms.schema import STATISTICS, TABLES

UNFINISHED = f"{STAGING}/publishing.json"
REMOVING = f"{STAGING}/removing.json"


def sweep(store: Store) -> None:
    """Finish what a process that died had begun; every writer does so first. Raises: RefusedError."""
    manifest = published(store) if store.exists(REMOVING) or store.exists(UNFINISHED) else None
    now = None if manifest is None else manifest["version"]
    if store.exists(REMOVING):
        removing = store.read_json(REMOVING)
        # What was to go once a version is there stays where that never came to be.
        if removing["once"] in (None, now):
            _remove(store, removing["files"], removing["oldest"])
        store.delete(REMOVING)
    if not store.exists(UNFINISHED):
        return
    unfinished = store.read_json(UNFINISHED)
    # Names of files have the version's, which is used once: where it was published, they are its own. A list of what is
    # forgotten is in use where the pointer says so.
    if now is None or now != unfinished["version"]:
        used = {ref.key for ref in lists_of(current(store))}
        for key in sorted(set(unfinished["files"]) - used):
            store.delete(key)
    store.delete(UNFINISHED)


def remove(store: Store, files: Sequence[str], oldest: str) -> None:
    """Remove files that no version lists any more; `oldest` is where the chain of parents ends then."""
    note_removal(store, files, oldest)
    _remove(store, files, oldest)
    store.delete(REMOVING)


def note_removal(store: Store, files: Sequence[str], oldest: str, once: str | None = None) -> None:
    """Note that these files shall go, at once, or as soon as a version is published: the next `sweep` sees to it."""
    store.put_json(REMOVING, {"files": list(files), "oldest": oldest, "once": once})


def _remove(store: Store, files: Sequence[str], oldest: str) -> None:
    # First, so that whoever checks the chain knows that it ends there.
    pointer = current(store) or {}
    if pointer["oldest"] != oldest:
        store.replace(CURRENT, pointer_bytes({**pointer, "oldest": oldest}), store.read(CURRENT))
    # Manifests first: a version is there as long as its manifest is.
    for file in sorted(files, key=lambda file: (not file.endswith("/manifest.json"), file)):
        store.delete(file)


def described_list(store: Store, list_file: Ref, rows: int, undone: int) -> dict[str, Any]:
    """What `current.json` will say of a list of what is forgotten; `undone`: how often names were taken off it."""
    before = (current(store) or {}).get("forgotten")
    number = int(before["path"].split("/")[1].split("-")[0]) + 1 if before else 1
    path = f"forgotten/{number}-{list_file.name[:8]}.parquet"
    return {"path": path, "bytes": store.size(list_file.key), "rows": rows, "sha256": list_file.name, "undone": undone}


def publish_list(store: Store, list_file: Ref, rows: int, undone: int) -> None:
    """Make this the list of what is forgotten; the version stays."""
    said = described_list(store, list_file, rows, undone)
    store.put_json(UNFINISHED, {"version": None, "files": [said["path"]]})
    store.copy(list_file.key, said["path"])
    store.replace(CURRENT, pointer_bytes({**(current(store) or {}), "forgotten": said}), store.read(CURRENT))
    store.delete(UNFINISHED)


def publish(
    store: Store,
    content: Mapping[str, Any],
    files: Sequence[tuple[dict[str, Any], Ref | None]],
    state: Sequence[tuple[dict[str, Any], Ref | None]],
    run: Mapping[str, Any],
    forgotten: tuple[dict[str, Any], Ref] | None = None,
    *,
    force: bool = False,
) -> Manifest:
    """Put a checked version in its place, and make it current. Of `files` and `state`, those with a Ref are new: what
    the manifest says of each, and the output of the step that made it. A new list of what is `forgotten` comes with it,
    likewise.

    Raises: RefusedError where it is too unlike the version before, and the config refuses that (but for `force`)."""
    version = content["version"]
    settings = from_mapping({"publish": content["config"].get("publish", {})}).publish
    counted, drifted = _counted(store, content, files, settings)
    if drifted and settings.on_drift == "refuse" and not force:
        raise RefusedError(
            f"what came in is unlike what is there: {statistics.say(drifted)}; nothing is published; `--force` "
            "publishes it, `[publish]` in the config has the limits"
        )
    manifest = {
        **content,
        "totals": statistics.totals(counted),
        "drift": drifted,
        "files": [_described(store, entry, ref) for entry, ref in files],
        "state": [_described(store, entry, ref) for entry, ref in state],
    }
    about = {f"versions/{version}/{name}": said for name, said in _about(manifest).items()}
    counts = f"versions/{version}/statistics.parquet"
    listed = [] if forgotten is None else [forgotten]
    fresh = [(entry["path"], ref) for entry, ref in (*files, *state, *listed) if ref is not None]
    put = [*(key for key, _ in fresh), counts, *about, run_key(version), manifest_key(version)]
    store.put_json(UNFINISHED, {"version": version, "files": put})
    before = store.read(CURRENT) if store.exists(CURRENT) else None
    pointer = dict(current(store) or {})
    if forgotten is not None:
        pointer["forgotten"] = forgotten[0]
    for key, ref in fresh:
        store.copy(ref.key, key)
    with store.put(counts) as path:
        write_published(path, STATISTICS, [counted], len(counted))
    for key, said in about.items():
        store.put_bytes(key, said)
    store.put_json(run_key(version), run)
    manifest["about"] = [_beside(store, key) for key in about]
    manifest["about"].append({**_beside(store, counts), "rows": len(counted)})
    said = json_bytes(manifest)
    store.put_bytes(manifest_key(version), said)
    store.replace(CURRENT, pointer_bytes(pointer_to(manifest, hashlib.sha256(said).hexdigest(), pointer)), before)
    return manifest


def _described(store: Store, entry: dict[str, Any], ref: Ref | None) -> dict[str, Any]:
    return entry if ref is None else {**entry, "bytes": store.size(ref.key), "sha256": ref.name}


def _beside(store: Store, key: str) -> dict[str, Any]:
    return {"path": key, "bytes": store.size(key), "sha256": store.sha256(key)}


def _counted(
    store: Store, content: Mapping[str, Any], files: Sequence[tuple[dict[str, Any], Ref | None]], settings: Publish
) -> tuple[pa.Table, list[dict[str, Any]]]:
    """The statistics of a version that is to be, and how it drifts from the one before."""
    parent = published(store)
    entries = parent["files"] if parent else []
    old = {entry["path"]: (entry["table"], Ref("data", entry["path"], entry["sha256"])) for entry in entries}
    now = {entry["path"]: (entry["table"], ref or old[entry["path"]][1]) for entry, ref in files}
    new = [now[path] for path in now if path not in old]
    where = statistics_of(parent)
    before = read_table(store, where) if where else None
    if before is None or not before.schema.equals(STATISTICS):  # there were none, or others
        return statistics.merge(statistics.count_files(store, now.values())), []
    gone = [old[path] for path in old if path not in now]
    if len(gone) == len(old):
        counted = statistics.merge(statistics.count_files(store, new))
    else:
        left = statistics.count_files(store, gone, sign=-1)
        counted = statistics.merge(chain([before], statistics.count_files(store, new), left))
    if settings.on_drift == "ignore":
        return counted, []
    added = None if content.get("rebuilt") else content["version"]
    fresh = counted if added is None else statistics.merge(statistics.count_files(store, new, added_in=added))
    return counted, statistics.drift(before, fresh, settings)


def _about(manifest: Manifest) -> dict[str, bytes]:
    """What stands beside the manifest, for people and for other tools."""
    version, totals = manifest["version"], manifest["totals"]
    tables = {
        name: describe.TableFiles(
            schema,
            [
                {**entry, "path": entry["path"].removeprefix("versions/")}
                for entry in manifest["files"]
                if entry["table"] == name
            ],
            totals[name]["rows"],
        )
        for name, schema in TABLES.items()
    }
    return {
        "README.md": describe.card(version, totals, manifest, tables),
        "croissant.json": describe.croissant(
            version, manifest["number"], totals["documents"]["licenses"], tables, ".."
        ),
        "schema.json": describe.schema_json({**TABLES, "statistics": STATISTICS}),
    }
