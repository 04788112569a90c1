"""The versions of a dataset: which there are, going back to one, and removing those that nobody needs.

A version stays whole as long as its manifest is there: nothing but `gc` (and `forget --purge`) removes a file. Going
back makes an older version the current one and puts the dataset on hold: what came after stays as it is, and no run
adds to the older one until somebody says so. A number is never used twice, so what a resumed run publishes has a name
that was never there.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from flows.forgotten import lists_of
from flows.store import Store
from flows.versions.checks import check_forgotten
from flows.versions.manifest import (
    CURRENT,
    Manifest,
    current,
    entries_of,
    manifest_key,
    pointer_bytes,
    pointer_to,
    reachable,
    require,
    rows_of,
    run_key,
)
from flows.versions.publish import remove, sweep
from transforms.errors import ConfigError, RefusedError

# Who opened `current.json` may still be reading what it named.
READING = timedelta(hours=1)


class Version(NamedTuple):
    """A version that is there."""

    manifest: Manifest
    sha256: str  # of its manifest
    published: datetime | None  # None where nobody wrote it down
    left: datetime | None  # when it last ceased to be current; None of the current one, and where nobody wrote it down
    is_current: bool
    is_held: bool  # named by a hold: what a rollback left, and what it went back to

    @property
    def name(self) -> str:
        """Number and hash."""
        return str(self.manifest["version"])

    def as_json(self, store: Store) -> dict[str, Any]:
        """What `tamis versions` says of it; sizes in bytes, `removed` in characters."""
        counts = self.manifest["counts"]
        removed = sum(found["characters"] for found in counts["removed_by_reason"].values())
        return {
            "number": self.manifest["number"],
            "version": self.name,
            "parent": self.manifest["parent"],
            "published": self.published and self.published.isoformat(),
            "in": counts["records"],
            "kept": counts["documents"],
            "rejected": counts["rejected"],
            "removed": removed,
            "documents": rows_of(self.manifest, "documents"),
            "size": sum(file["bytes"] for file in entries_of(self.manifest)) + store.size(manifest_key(self.name)),
            "current": self.is_current,
            "held": self.is_held,
        }


def versions(store: Store) -> list[Version]:
    """The versions that are there, oldest first. Raises: ConfigError where nothing is published, RefusedError where one
    that the current one stands on is damaged."""
    newest = require(store)
    pointer = current(store) or {}
    proven = {version["version"]: version for version in reachable(store, newest)}
    hashes = {version["parent"]: version["parent_manifest_sha256"] for version in proven.values()}
    hashes[newest["version"]] = pointer["manifest_sha256"]
    found, times = [], {}
    for name in sorted({key.split("/")[1] for key in store.keys("versions") if key.endswith("/manifest.json")}):
        times[name] = _times(store, name)
        found.append(proven.get(name) or dict(store.read_json(manifest_key(name))))
    followed: dict[str, list[datetime]] = {}
    for manifest in found:
        published = times[manifest["version"]][0]
        if manifest["parent"] and published:
            followed.setdefault(manifest["parent"], []).append(published)
    hold = pointer.get("hold") or {}
    held = {hold[name] for name in ("version", "from") if name in hold}
    listed = []
    for manifest in sorted(found, key=lambda manifest: manifest["number"]):
        name = manifest["version"]
        published, left = times[name]
        is_current = name == newest["version"]
        ends = [*followed.get(name, []), *([left] if left else [])]
        listed.append(
            Version(
                manifest,
                hashes.get(name) or store.sha256(manifest_key(name)),
                published,
                max(ends) if ends and not is_current else None,
                is_current,
                name in held,
            )
        )
    return listed


def _times(store: Store, version: str) -> tuple[datetime | None, datetime | None]:
    """When it was published, and when a rollback left it."""
    try:
        run = store.read_json(run_key(version))
    except (OSError, ValueError):  # no fact of the version's: it may be gone
        return None, None
    ended, left = (run.get(name) for name in ("ended", "left"))
    return ended and datetime.fromisoformat(ended), left and datetime.fromisoformat(left)


def version_of(found: Iterable[Version], name: str, store: Store) -> Version:
    """The version of this name, or number. Raises: ConfigError where there is none."""
    listed = list(found)
    hits = [one for one in listed if name in (one.name, str(one.manifest["number"]))]
    hits = hits or [one for one in listed if one.name.startswith(name) and "-" in name]
    if len(hits) == 1:
        return hits[0]
    there = ", ".join(one.name for one in listed)
    raise ConfigError(f"no version {name!r} in {store.name}; there: {there}")


# ------------------------------------------------------------------------------------------------------------- rollback


def rollback(store: Store, version: str) -> dict[str, Any]:
    """Make a version that is there the current one, and put the dataset on hold; nothing is removed. What was done.

    Raises: ConfigError where there is none of that name, RefusedError where it isn't whole."""
    with store.lock():
        sweep(store)
        found = versions(store)
        target = version_of(found, version, store)
        newest = next(one for one in found if one.is_current)
        if target.name == newest.name:
            raise ConfigError(f"{target.name} is the current version of {store.name}")
        for file in entries_of(target.manifest):
            if not store.exists(file["path"]) or store.size(file["path"]) != file["bytes"]:
                raise RefusedError(f"{store.local(file['path'])} of {target.name} is missing or damaged")
        check_forgotten(store, target.manifest)
        before = store.read(CURRENT)
        pointer = current(store) or {}
        now = datetime.now(UTC).isoformat(timespec="seconds")
        # What a second rollback left first is where to go forward to.
        left = (pointer.get("hold") or {}).get("from", newest.name)
        hold = None if left == target.name else {"version": target.name, "from": left, "since": now}
        said = pointer_to(target.manifest, target.sha256, {**pointer, "hold": hold})
        try:
            run = store.read_json(run_key(newest.name))
        except (OSError, ValueError):
            run = {"version": newest.name}
        store.put_json(run_key(newest.name), {**run, "left": now})
        store.replace(CURRENT, pointer_bytes(said), before)
    return {"version": target.name, "from": newest.name, "documents": rows_of(target.manifest, "documents"),
            "held": hold is not None}  # fmt: skip


def check_hold(store: Store) -> None:
    """Raises: RefusedError where the dataset is on hold."""
    if hold := (current(store) or {}).get("hold"):
        raise RefusedError(
            f"{store.data} is on hold: on {hold['since']} it went back from {hold['from']} to {hold['version']}; "
            "`tamis run --resume` goes on from there"
        )


def lift_hold(store: Store) -> None:
    """Lift the hold, if there is one. The lock is the caller's."""
    pointer = current(store)
    if pointer and pointer.get("hold"):
        store.replace(CURRENT, pointer_bytes({**pointer, "hold": None}), store.read(CURRENT))


# ------------------------------------------------------------------------------------------------------------------- gc


_AGE = re.compile(r"(\d+)\s*([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 7 * 24}


def age_of(text: str) -> timedelta:
    """A number of hours, days or weeks: `12h`, `30d`, `4w`. Raises: ConfigError."""
    found = _AGE.fullmatch(text.strip())
    if not found:
        raise ConfigError(f"'{text}' is no age: expected a number of hours, days or weeks, as 12h, 30d or 4w")
    return timedelta(hours=int(found[1]) * _HOURS[found[2]])


class Removal(NamedTuple):
    """What a clean-up removes."""

    versions: list[str]
    kept: list[str]
    files: int
    bytes: int


def collect_garbage(
    store: Store, keep: int | None = None, older_than: timedelta | None = None, dry_run: bool = False
) -> Removal:
    """Remove versions, and the files that none of those kept lists: all but the current one and `keep - 1` before it,
    or those that ceased to be current `older_than` ago. Held ones stay, and those current within the last hour.

    Killed, the next clean-up goes on. Raises: ConfigError where neither is said, or nothing is published.
    """
    if (keep is None) == (older_than is None):
        raise ConfigError("say which versions stay: --keep N, or --older-than 30d")
    with store.lock():
        sweep(store)
        found = versions(store)
        kept = _kept(found, keep, older_than)
        gone = [one for one in found if one.name not in kept]
        there = removable(store, found, gone)
        removal = Removal(
            [one.name for one in gone], sorted(kept, key=_number), len(there), sum(map(store.size, there))
        )
        if there and not dry_run:
            remove(store, there, oldest([one for one in found if one.name in kept]))
    return removal


def removable(store: Store, found: Sequence[Version], gone: Sequence[Version]) -> list[str]:
    """The files that only these of all versions list, and lists of what is forgotten that others took the place of."""
    names = {one.name for one in gone}
    kept = set().union(*(listed_files(store, one.manifest) for one in found if one.name not in names))
    files = set().union(*(listed_files(store, one.manifest) for one in gone)) - kept
    files |= set(store.keys("forgotten")) - {ref.key for ref in lists_of(current(store))}
    return [file for file in sorted(files) if store.exists(file)]


def _kept(found: list[Version], keep: int | None, older_than: timedelta | None) -> set[str]:
    now = datetime.now(UTC)
    by_name = {one.name: one for one in found}
    least = READING if older_than is None else max(READING, older_than)
    kept = {one.name for one in found if one.is_current or one.is_held or (one.left and now - one.left < least)}
    if older_than is not None:  # of those of which nobody knows when, the age says nothing
        kept |= {one.name for one in found if one.left is None}
    at = next((one for one in found if one.is_current), None)
    for _ in range(keep or 0):
        if at is None:
            break
        kept.add(at.name)
        at = by_name.get(at.manifest["parent"])
    return kept


def oldest(kept: Sequence[Version]) -> str:
    """Where the chain of parents of the current one ends."""
    by_name = {one.name: one for one in kept}
    at = next(one for one in kept if one.is_current)
    while at.manifest["parent"] in by_name:
        at = by_name[at.manifest["parent"]]
    return at.name


def _number(version: str) -> int:
    return int(version.split("-", 1)[0])


def listed_files(store: Store, manifest: Manifest) -> set[str]:
    """What a version lists, and what lies beside its manifest."""
    listed = {file["path"] for file in entries_of(manifest)}
    beside = {key for key in store.keys(f"versions/{manifest['version']}") if key.count("/") == 2}
    return listed | beside
