"""What is published: `current.json`, the manifests, and how a version is named.

A version exists once its manifest does; readers see it once `current.json` names it. That one file is replaced
atomically: measured, a reader who opens it once never saw a mix while a writer republished, where in-place writes,
directory renames and symlink swaps all showed one.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from flows.store import Ref, Store, json_bytes
from transforms.errors import ConfigError, RefusedError
from transforms.schema import TABLES
from transforms.schema import VERSION as SCHEMA_VERSION

Manifest = dict[str, Any]
CURRENT = "current.json"


def current(store: Store) -> dict[str, Any] | None:
    """What `current.json` says, or None where nothing is published. Raises: RefusedError where it is damaged."""
    if not store.exists(CURRENT):
        return None
    try:
        pointer = store.read_json(CURRENT)
        pointer["version"], pointer["manifest"], pointer["manifest_sha256"]
        if "sha256" in pointer and pointer["sha256"] != _digest(pointer):
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise RefusedError(f"{store.local(CURRENT)} is damaged") from None
    return dict(pointer)


def next_number(store: Store) -> int:
    """The number of the next version: one never used before. Raises: RefusedError where `current.json` is damaged."""
    pointer = current(store)
    if pointer is None:
        return 1
    return int(pointer.get("next") or int(pointer["version"].split("-", 1)[0]) + 1)


def pointer_bytes(pointer: dict[str, Any]) -> bytes:
    """What stands in `current.json`, with a hash over itself: no other file says what it ought to say."""
    return json_bytes({**pointer, "sha256": _digest(pointer)})


def _digest(pointer: dict[str, Any]) -> str:
    said = {name: value for name, value in pointer.items() if name != "sha256"}
    return hashlib.sha256(json_bytes(said)).hexdigest()


def published(store: Store) -> Manifest | None:
    """The manifest of the current version, or None. Raises: RefusedError where it is missing or damaged."""
    pointer = current(store)
    return None if pointer is None else read_manifest(store, pointer["manifest"], pointer["manifest_sha256"])


def read_manifest(store: Store, key: str, sha256: str) -> Manifest:
    """A manifest, proven. Raises: RefusedError where it is missing or damaged."""
    if not store.exists(key):
        raise RefusedError(f"{store.local(key)} is missing")
    content = store.read(key)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise RefusedError(f"{store.local(key)} is damaged: its SHA-256 is not {sha256}")
    return dict(json.loads(content))


def require(store: Store) -> Manifest:
    """The manifest of the current version. Raises: ConfigError where nothing is published."""
    manifest = published(store)
    if manifest is None:
        raise ConfigError(f"no dataset in {store.name}: it has no current.json; `tamis run` makes one")
    return manifest


def reachable(store: Store, manifest: Manifest) -> Iterator[Manifest]:
    """A manifest and its parents, as far as they are there: `gc` cuts the chain. Raises: RefusedError where one is
    damaged."""
    yield manifest
    while manifest["parent"] and store.exists(key := manifest_key(manifest["parent"])):
        manifest = read_manifest(store, key, manifest["parent_manifest_sha256"])
        yield manifest


def manifest_key(version: str) -> str:
    """Where a version's manifest lies."""
    return f"versions/{version}/manifest.json"


def run_key(version: str) -> str:
    """Where a version's times and hosts lie: outside every hash."""
    return f"versions/{version}/run.json"


def entries_of(manifest: Manifest) -> list[dict[str, Any]]:
    """All files that a version lists: its tables', its state's, and what lies beside the manifest."""
    return [*manifest["files"], *manifest["state"], *manifest.get("about", [])]


def statistics_of(manifest: Manifest | None) -> Ref | None:
    """Where what a version holds is counted; None of one made before it was."""
    about = manifest.get("about", []) if manifest else []
    return next(
        (Ref("data", file["path"], file["sha256"]) for file in about if file["path"].endswith(".parquet")), None
    )


def files_of(manifest: Manifest, table: str) -> list[Ref]:
    """The files of a table of a version, oldest first."""
    return [Ref("data", file["path"], file["sha256"]) for file in manifest["files"] if file["table"] == table]


def rows_of(manifest: Manifest | None, table: str) -> int:
    """How many rows a table of a version has."""
    return sum(file["rows"] for file in manifest["files"] if file["table"] == table) if manifest else 0


def check_schema_version(manifest: Manifest | None) -> None:
    """Raises: RefusedError where a version has an older schema, which only a rebuild upgrades."""
    if manifest is not None and manifest.get("schema_version") != SCHEMA_VERSION:
        raise RefusedError(
            f"version {manifest['version']} has schema {manifest.get('schema_version')}, this Tamis writes "
            f"{SCHEMA_VERSION}: `tamis run RAW CURATED --rebuild` upgrades it"
        )


def version_name(number: int, content: Sequence[Any]) -> str:
    """The name of a version: its number, and a hash over all that decides what is in it."""
    return f"{number}-{hashlib.sha256(json.dumps(content).encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def pointer_to(manifest: Manifest, manifest_sha256: str, before: dict[str, Any] | None) -> dict[str, Any]:
    """What `current.json` says once a version is published."""
    kept = before or {}
    return {
        "version": manifest["version"],
        "manifest": manifest_key(manifest["version"]),
        "manifest_sha256": manifest_sha256,
        **{table: [file["path"] for file in manifest["files"] if file["table"] == table] for table in TABLES},
        "next": max(kept.get("next", 0), manifest["number"] + 1),
        "hold": kept.get("hold"),
        "oldest": kept.get("oldest"),
        "forgotten": kept.get("forgotten"),
    }
