"""Publish: the files of a finished run under their final names, the manifest, and last the pointer.

Before the first file is put, or removed, a note says which files these are: if the process dies, the next one that
writes removes what was never published, and goes on removing what is no longer.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from flows.store import STAGING, Ref, Store, json_bytes
from flows.versions.manifest import (
    CURRENT,
    Manifest,
    current,
    manifest_key,
    pointer_bytes,
    pointer_to,
    published,
    run_key,
)

UNFINISHED = f"{STAGING}/publishing.json"
REMOVING = f"{STAGING}/removing.json"


def sweep(store: Store) -> None:
    """Finish what a process that died had begun; every writer does so first. Raises: RefusedError."""
    if store.exists(REMOVING):
        remove(store, store.read_json(REMOVING)["files"])
    if not store.exists(UNFINISHED):
        return
    unfinished = store.read_json(UNFINISHED)
    manifest = published(store)
    # Names of files have the version's, which is used once: where it was published, they are its own.
    if manifest is None or manifest["version"] != unfinished["version"]:
        for key in sorted(unfinished["files"]):
            store.delete(key)
    store.delete(UNFINISHED)


def remove(store: Store, files: Sequence[str]) -> None:
    """Remove files that no version lists any more."""
    store.put_json(REMOVING, {"files": list(files)})
    # Manifests first: a version is there as long as its manifest is.
    for file in sorted(files, key=lambda file: (not file.endswith("/manifest.json"), file)):
        store.delete(file)
    store.delete(REMOVING)


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
    store.replace(CURRENT, pointer_bytes(pointer_to(manifest, hashlib.sha256(said).hexdigest(), pointer)), before)
    return manifest


def _described(store: Store, entry: dict[str, Any], ref: Ref | None) -> dict[str, Any]:
    return entry if ref is None else {**entry, "bytes": store.size(ref.key), "sha256": ref.name}
