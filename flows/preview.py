"""Preview: what another config, other rules or other code would make of the published documents; nothing is published.

Over all documents it is the very run that `--rebuild` would be, on a dataset of its own that borrows the files of this
one and is thrown away. Over a sample the documents with the smallest ids are made anew, with the templates as they are
now: what is rejected stays out of it, and duplicates are found within the sample only.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.engines import inline
from flows.forgotten import lists_of
from flows.run import Listener, Run
from flows.state import at_of
from flows.store import Ref, Store
from flows.tables import read_table
from flows.versions.diff import Difference, compare
from flows.versions.history import listed_files
from flows.versions.manifest import CURRENT, Manifest, current, files_of, published, require
from transforms.config import Config

# Documents shown of each kind of change.
SAMPLES = 20
# What hangs on all others that are kept, and so on what the sample leaves out.
_OF_ALL = ("q_dup_paragraph_ratio",)


class Preview(NamedTuple):
    """What would differ, and what of their originals would be removed, now and then."""

    difference: Difference
    removed: dict[str, tuple[int, int]]  # characters by reason, of the documents that are published now, and then

    def as_json(self) -> dict[str, Any]:
        """Its fields, for JSON."""
        return {**self.difference.as_json(), "removed": self.removed}


def preview(
    store: Store,
    config: Config,
    sample: int | None = None,
    samples: int = SAMPLES,
    listeners: Sequence[Listener] = (),
) -> Preview:
    """What a rebuild under this config and today's code would alter; over so many documents only (`sample`), or all.
    With a RAW, as a run does, it reads what is new there, and what could not be read. Raises: ConfigError where nothing
    is published, RefusedError, ShardError."""
    before = require(store)
    pointer = current(store)
    assert pointer is not None
    files = [*sorted(listed_files(store, before)), CURRENT, *(ref.key for ref in lists_of(pointer))]
    with store.borrowed(files) as aside:
        limit = None if sample is None else _threshold(store, before, sample)
        run = _Rebuild(aside, inline, config, listeners, limit)
        after = _rebuilt(aside, run) if run.rebuild else before
        without = () if limit is None else _OF_ALL
        difference = compare(aside, before, after, samples, up_to=limit, without=without)
        removed = [_removed(aside, manifest, limit) for manifest in (before, after)]
    reasons = sorted(set().union(*removed), key=lambda reason: (-sum(one[reason] for one in removed), reason))
    return Preview(difference, {reason: (removed[0][reason], removed[1][reason]) for reason in reasons})


class _Rebuild(Run):
    """A rebuild, of all or of the documents with ids up to a limit."""

    def __init__(
        self, store: Store, engine: Any, config: Config, listeners: Sequence[Listener], up_to: int | None
    ) -> None:
        super().__init__(store, engine, config, listeners, rebuild=True, force=True)
        self.up_to = up_to
        if up_to is not None:
            self.state = {**self.state, **{kind: self.known_state[kind] for kind in ("counts", "groups")}}

    def _restored(self) -> list[tuple[Ref, list[Ref], list[Ref]]]:
        found = super()._restored()
        if self.up_to is None or self.parent is None:
            return found
        documents = files_of(self.parent, "documents")
        return [one for one in found if one[0] in documents]

    def _restore_settings(self) -> Mapping[str, Any]:
        return {**super()._restore_settings(), "up_to": self.up_to}

    def _check_totals(self) -> None:
        if self.up_to is None:
            super()._check_totals()


def _rebuilt(store: Store, run: Run) -> Manifest:
    run.read(run.plan())
    run.identify()
    run.process()
    manifest = published(store)
    assert manifest is not None
    return manifest


def _threshold(store: Store, manifest: Manifest, sample: int) -> int:
    """The first half of the id up to which there are so many documents."""
    ids = [at_of(read_table(store, ref, ["id"])["id"]) for ref in files_of(manifest, "documents")]
    at = np.sort(np.concatenate([np.zeros(0, np.uint64), *ids]))
    return int(at[min(sample, len(at)) - 1]) if len(at) and sample else 0


def _removed(store: Store, manifest: Manifest, up_to: int | None) -> Counter[str]:
    """The characters removed from documents, by reason."""
    found: Counter[str] = Counter()
    for ref in files_of(manifest, "documents"):
        table = read_table(store, ref, ["id", "removed_by_reason"])
        if up_to is not None:
            table = table.filter(pa.array(at_of(table["id"]) <= np.uint64(up_to)))
        for one in pc.list_flatten(table["removed_by_reason"]).to_pylist():
            found[one["reason"]] += one["chars"]
    return found
