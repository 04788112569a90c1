"""A document of the current version, found by its id."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.store import Store
from flows.tables import open_table
from flows.versions.checks import restorable
from flows.versions.ledger import Restored, restore_all
from flows.versions.manifest import require
from transforms.errors import ConfigError


def find(store: Store, document: str) -> tuple[str, dict[str, Any], Restored]:
    """(table, row, original and ledger) of a document. Raises: ConfigError where there is none, RefusedError where it
    does not restore to its original."""
    manifest = require(store)
    for table in ("documents", "rejected"):
        for file, own, others in restorable(manifest, table):
            with open_table(store, file) as parquet:
                for group in range(parquet.metadata.num_row_groups):
                    hit = pc.equal(parquet.read_row_group(group, ["id"], use_threads=False)["id"], document)
                    if pc.any(hit).as_py():
                        row: pa.Table = parquet.read_row_group(group, use_threads=False).filter(hit)
                        (restored,) = restore_all(store, row, own, others, str(store.local(file)))
                        return table, row.to_pylist()[0], restored
    raise ConfigError(f"no document {document!r} in {manifest['version']} of {store.name}")
