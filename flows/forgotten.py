"""The list of what is forgotten: hashes of keys and texts, no text. It belongs to the dataset, not to a version.

`current.json` names the one file of the list (`forgotten`); each change makes another, so a list never changes, and a
rollback leaves it. Later runs pass over records on it, by where they stand (key, URL, site) or by their text.

| what | is a hash of |
|---|---|
| `url`, `site` | a URL, a site: whatever stands there |
| `key` | what a record is known by (transforms/identity.py) |
| `text` | an original |
| `id` | the first half of an id: only that the name is there |
| `content`, `repaired` | a text, after and before stripping: the first half of `content_hash`, `repaired_hash` |
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from flows.store import Ref, Store
from flows.tables import U64, concat, distinct, is_among, look_up

# `name` is what was asked for: `id <id>`, `url <hash>` or `site <hash>`; `version`, the one that came of it, if any.
FORGOTTEN = pa.schema(
    [
        ("hash", pa.uint64()),
        ("what", pa.string()),
        ("name", pa.string()),
        ("version", pa.string()),
    ]
)
# A row of the state that is there no more.
REASON = "forgotten"


def lists_of(pointer: Mapping[str, Any] | None) -> list[Ref]:
    """The file of the list that `current.json` names, if there is one."""
    said = (pointer or {}).get("forgotten")
    return [Ref("data", said["path"], said["sha256"])] if said else []


def undone_of(pointer: Mapping[str, Any] | None) -> int:
    """How often names were taken off the list."""
    said = (pointer or {}).get("forgotten")
    return int(said["undone"]) if said else 0


def are_listed(store: Store, lists: Sequence[Ref], hashes: Mapping[str, U64]) -> npt.NDArray[np.bool_]:
    """Which rows stand on the list by any of their `hashes`, each uint64[n] by what it is of."""
    found = np.zeros(len(next(iter(hashes.values()))), np.bool_)
    if lists:
        known = concat(FORGOTTEN, look_up(store, lists, distinct(*hashes.values())))
        for what, values in hashes.items():
            listed = known.filter(pc.equal(known["what"], what))["hash"].to_numpy()
            found |= is_among(values, distinct(listed))
    return found
