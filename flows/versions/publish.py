"""Publish: the files of a finished run under their final names, the manifest, and last the pointer.

Before the first file is put, a note says which files this run will leave: if it dies, the next run removes those that
no manifest names, and nothing else.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from flows.store import STAGING, Ref, Store, json_bytes
from flows.versions.manifest import CURRENT, Manifest, current, manifest_key, pointer_to, published, reachable

UNFINISHED = f"{STAGING}/publishing.json"


def sweep(store: Store) -> None:
    """Remove what a run that died while it published had put, but what a reachable manifest names."""
    if not store.exists(UNFINISHED):
        return
    listed = set(store.read_json(UNFINISHED)["files"])
    named = {CURRENT}
    for manifest in reachable(store, published(store)):
        named.add(manifest_key(manifest["version"]))
        named |= {file["path"] for file in (*manifest["files"], *manifest["state"])}
        named.add(run_key(manifest["version"]))
    for key in sorted(listed - named):
        store.delete(key)
    store.delete(UNFINISHED)


def run_key(version: str) -> str:
    """Where a version's times and hosts lie: outside every hash."""
    return f"versions/{version}/run.json"


def publish(
    store: Store,
    content: Mapping[str, Any],
    files: Sequence[tuple[dict[str, Any], Ref | None]],
    state: Sequence[tuple[dict[str, Any], Ref | None]],
    run: Mapping[str, Any],
) -> Manifest:
    """Put a checked version in its place, and make it current. Of `files` and `state`, those with a Ref are new: what
    the manifest says of each, and the output of the step that made it."""
    manifest = {
        **content,
        "files": [_described(store, entry, ref) for entry, ref in files],
        "state": [_described(store, entry, ref) for entry, ref in state],
    }
    version = manifest["version"]
    fresh = [(entry["path"], ref) for entry, ref in (*files, *state) if ref is not None]
    store.put_json(
        UNFINISHED, {"version": version, "files": [*(key for key, _ in fresh), manifest_key(version), run_key(version)]}
    )
    before = store.read(CURRENT) if store.exists(CURRENT) else None
    pointer = current(store)
    for key, ref in fresh:
        store.copy(ref.key, key)
    store.put_json(run_key(version), run)
    said = json_bytes(manifest)
    store.put_bytes(manifest_key(version), said)
    store.replace(CURRENT, json_bytes(pointer_to(manifest, hashlib.sha256(said).hexdigest(), pointer)), before)
    return manifest


def _described(store: Store, entry: dict[str, Any], ref: Ref | None) -> dict[str, Any]:
    return entry if ref is None else {**entry, "bytes": store.size(ref.key), "sha256": ref.name}
