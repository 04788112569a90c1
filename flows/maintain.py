"""The flows that write a dataset besides `curate`: going back, takedowns, cleaning up. `tamis` calls what they call.

Each is short work of one process; what it does on the disk is resumed by the next writer, whoever that is.
"""

from collections.abc import Sequence
from typing import Any

from flows import forget as takedown
from flows.curate import Served, listeners
from flows.store import Store
from flows.versions import history


def rollback_version(version: str, curated: str = "curated") -> dict[str, Any]:
    """Make an earlier version the current one, and put runs on hold (flows/versions/history.py)."""
    return history.rollback(Store(curated), version)


def collect_versions(
    curated: str = "curated", keep: int = 0, older_than: str = "", dry_run: bool = False
) -> dict[str, Any]:
    """Remove versions but the last `keep`, or those that ceased to be current `older_than` ago (`30d`)."""
    age = history.age_of(older_than) if older_than else None
    return {**history.collect_garbage(Store(curated), keep or None, age, dry_run)._asdict(), "dry_run": dry_run}


def forget_documents(
    names: Sequence[str] = (), curated: str = "curated", sites: Sequence[str] = (), purge: bool = False
) -> dict[str, Any]:
    """Take down ids and URLs (`names`) and sites, with their copies and earlier states (flows/forget.py)."""
    asked = [*map(takedown.name_from, names), *(takedown.Name("site", site) for site in sites)]
    return takedown.forget(Store(curated), asked, purge, listeners)


rollback = Served(rollback_version, name="rollback", validate_parameters=False)
gc = Served(collect_versions, name="gc", validate_parameters=False)
forget = Served(forget_documents, name="forget", validate_parameters=False)
