"""The ledger of published documents, and the originals it restores."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from flows.store import Ref, Store
from flows.tables import open_table
from transforms.errors import RefusedError
from transforms.spans import LedgerEntry, Span, restore

_COLUMNS = ["doc_id", "seq", "clean_start", "text", *Span._fields]


class Restored(NamedTuple):
    """A document's original, and the changes that made its text."""

    original: str
    ledger: list[LedgerEntry]


def ledger_of(store: Store, files: Iterable[str | Ref], ids: Iterable[str]) -> dict[str, list[LedgerEntry]]:
    """The ledger of these documents, in order."""
    wanted = pa.array(sorted(set(ids)), pa.string())
    entries: dict[str, list[tuple[int, LedgerEntry]]] = {}
    for document, seq, clean_start, text, *span in _rows(store, files, wanted):
        entry = LedgerEntry(Span(*span), clean_start, text)  # type: ignore[arg-type]
        entries.setdefault(document, []).append((seq, entry))  # type: ignore[arg-type]
    return {document: [entry for _, entry in sorted(found)] for document, found in entries.items()}


def _rows(store: Store, files: Iterable[str | Ref], wanted: pa.Array) -> Iterator[tuple[object, ...]]:
    for ref in files if len(wanted) else ():
        with open_table(store, ref) as file:
            for group in range(file.metadata.num_row_groups):
                hit = pc.is_in(file.read_row_group(group, ["doc_id"], use_threads=False)["doc_id"], wanted)
                if pc.any(hit).as_py():
                    table = file.read_row_group(group, _COLUMNS, use_threads=False).filter(hit)
                    yield from zip(*(table[name].to_pylist() for name in _COLUMNS), strict=True)


def restore_all(
    store: Store, table: pa.Table, own: Sequence[str | Ref], others: Sequence[str | Ref], where: str = ""
) -> list[Restored]:
    """The originals of rows (`id`, `text`, `original_sha256`), each proven by its hash.

    Their spans lie in `own`; those of rows that moved, since they were superseded or their canonical left, stayed in
    one of `others`, which are read for what `own` doesn't restore. Raises: RefusedError where a row is not restored.
    """
    columns = [table[name].to_pylist() for name in ("id", "text", "original_sha256")]
    rows = list(zip(*columns, strict=True))
    ledgers = ledger_of(store, own, columns[0])
    found = {document: _restored(text, ledgers.get(document, []), sha256) for document, text, sha256 in rows}
    left = [document for document, one in found.items() if isinstance(one, str)]
    ledgers = ledger_of(store, others, left)
    for document, text, sha256 in rows:
        if isinstance(found[document], str):
            found[document] = _restored(text, ledgers.get(document, []), sha256)
    restored = []
    for document, _, _ in rows:
        one = found[document]
        if isinstance(one, str):
            raise RefusedError(f"{where}: document {document} {one}")
        restored.append(one)
    return restored


def _restored(text: str, ledger: list[LedgerEntry], sha256: str) -> Restored | str:
    try:
        original = restore(text, ledger)
    except ValueError as error:
        return f"does not restore: {error}"
    if hashlib.sha256(original.encode()).hexdigest() != sha256:
        return "does not restore to its original"
    return Restored(original, ledger)
