r"""What was rejected, shown: where it stands, why, and what to do about it.

>>> printable("red: \x1b[31m")
'red: \\x1b[31m'
"""

import codecs
import os
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from rich.text import Text

from flows.names import shown
from flows.readers import NEVER_OPENED
from flows.store import Ref, Store
from flows.tables import open_table, read_groups
from flows.versions.manifest import Manifest, files_of, require
from transforms.errors import ConfigError
from transforms.schema import REJECT_REASONS, REJECTED

# What to do about each reason, in the order of the closed list: what can be mended comes first. A file is read again
# once it has changed, or once [fields], [read] or [limits] have; what was read is judged anew by `--rebuild`. Settings
# stand as one line of a config may have them.
ADVICE = {
    "read.corrupt": "Damaged: get or make the file again, and run again.",
    "read.crashed": "Its bytes end the process that reads them: make the file again, best in another format, and run "
    "again.",
    "read.empty_file": "Nothing is in it: look at what wrote it, or leave it.",
    "read.html": "If the detail says so, install what reads pages, pip install 'tamis[html]', else mend the page; and "
    "run again.",
    "read.invalid_json": "A line of a JSONL is one JSON object: mend the line where the detail says, and run again.",
    "read.invalid_row": "A row has as many cells as the header, and its quotes add up: mend it, or name what parts "
    'the cells, as read.delimiter = ";", and run again.',
    "read.invalid_utf8": 'If it is text, name its charset in a config, as read.encoding = "windows-1252", and '
    "run with --config; UTF-8 that was damaged is mended only at its source.",
    "read.missing_extra": "Install what the detail names, and run again.",
    "read.no_page": "It has none of the pages of a crawl: nothing to do, unless it should have some.",
    "read.no_text": 'Name the field of the text in a config, as fields.text = "story", and run with --config.',
    "read.not_a_file": "Put a file there, or take it out of RAW.",
    "read.same_file": "Nothing to do: its records are read under the other path.",
    "read.shard_failed": "Mend what it says; the next run reads it again, whatever it was.",
    "read.trailing_garbage": "What stands before it was read: if more should follow, get or make the file again.",
    "read.truncated": "Cut off: get the whole file, and run again.",
    "read.unreadable": "Let this user read it, mend the link, or unpack it with its password, and run again.",
    "read.unsupported_format": "Convert it to a format that is read, or take it out of RAW.",
    "read.wrong_type": "Name a field that holds text in the config, fields.text, or mend the record, and run again.",
    "empty": "There is no text in it: look at what wrote it, or leave it.",
    "empty_after_cleaning": "All of it was taken for boilerplate: `tamis explain ID` shows by which rules.",
    "limit.document_chars": "Raise limits.document_chars in the config and run with --rebuild, or split the text.",
    "limit.entity_depth": "Raise limits.entity_depth in the config and run with --rebuild, or unescape the text.",
    "limit.expansion": "If you trust the file, raise limits.expansion_ratio in the config, and run again.",
    "limit.file_bytes": "Split the file, or raise limits.file_bytes in the config, and run again.",
    "limit.file_records": "Split the file, or raise limits.file_records in the config, and run again.",
    "limit.member_bytes": "Unpack the archive, or raise limits.member_bytes in the config, and run again.",
    "limit.members": "Split or unpack the archive, or raise limits.members in the config, and run again.",
    "limit.nesting": "Unpack it, or raise limits.nesting in the config, and run again.",
    "limit.read_seconds": "Raise limits.read_seconds in the config, or split the record, and run again.",
    "limit.record_bytes": "Raise limits.record_bytes in the config, or split the record, and run again.",
    "language.uncertain": "To keep it, lower language.thresholds in the config for its language, and run with "
    "--rebuild.",
    "language.unwanted": "To keep it, add its language to `languages` in the config, and run with --rebuild.",
    "duplicate.exact": "Nothing to do: the document it names has its text.",
    "duplicate.near": "Nothing to do, unless it says something else: then raise dedup.jaccard and dedup.containment in "
    "the config, and run with --rebuild.",
    "not_successor": "It looks like an error or consent page, and the document it names stays. If it is neither, give "
    "it a URL of its own.",
    "superseded": "Nothing to do: the document it names is a later state (supersede_by says of what), or the same "
    "record, read since.",
}
# Of each reason, where nobody asked for one or for a file.
EXAMPLES = 3
# Of `raw_head`, about two lines of a terminal: what a record is shows at its beginning.
HEAD_BYTES = 160
# Rows made into Python's objects at once.
_BATCH_ROWS = 10_000
_COLUMNS = (
    *("id", "source_path", "source_format", "source_record", "url"),
    *("reject_stage", "reject_reason", "reject_detail"),
    *("duplicate_of", "duplicate_similarity", "raw_head"),
)
# What the document is that stands instead.
_INSTEAD = {
    "duplicate.exact": "duplicate of",
    "duplicate.near": "near-duplicate of",
    "superseded": "gave way to",
    "not_successor": "would replace",
}


class Place(NamedTuple):
    """A document, and where it stood in RAW."""

    id: str
    source_path: str | None  # this and the next: None where no row has the id any more
    source_record: str | None


class Reject(NamedTuple):
    """A rejected record: columns of `rejected`, the document that stands instead, and what to do."""

    id: str
    source_path: str
    source_format: str
    source_record: str | None
    url: str | None
    reject_stage: str
    reject_reason: str
    reject_detail: str | None
    duplicate_of: str | None
    duplicate_similarity: float | None
    raw_head: str | None  # its first bytes, HEAD_BYTES or less, escaped
    instead: Place | None
    advice: str

    @property
    def was_read(self) -> bool:
        """Whether it has a text: what could not be read has none, also where another reading took its place since."""
        return self.reject_stage != "read" and self.raw_head is None and self.source_format not in NEVER_OPENED

    def as_json(self) -> dict[str, Any]:
        """Its fields, for JSON."""
        return self._asdict() | {"instead": self.instead and self.instead._asdict()}


class Rejects(NamedTuple):
    """What was rejected: by reason (records, files), and the rejects in order of reason, path and record."""

    version: str
    counts: dict[str, tuple[int, int]]
    rows: Iterator[Reject]


def read_rejects(curated: Path, reason: str | None = None, file: str | None = None, most: int | None = None) -> Rejects:
    """The rejects of the current version: of a reason or of all that begin so, of a file or folder of RAW; of each
    reason all, or `most`. Raises: ConfigError where there is no dataset, reason or file of that name."""
    store = Store(curated)
    manifest = require(store)
    rows = _read(store, files_of(manifest, "rejected"), _reasons(reason))
    if file is not None:
        rows = rows.filter(pc.is_in(rows["source_path"], pa.array(_paths(store, manifest, file), pa.string())))
    # The numbers of records are text: by length they sort as numbers do.
    digits = pc.binary_length(rows["source_record"])
    rows = rows.append_column("digits", digits)
    rows = rows.sort_by([(name, "ascending") for name in ("source_path", "digits", "source_record", "id")])
    counts, parts = {}, [rows.slice(0, 0)]
    for name in REJECT_REASONS:
        part = rows.filter(pc.equal(rows["reject_reason"], name))
        if len(part):
            counts[name] = len(part), pc.count_distinct(part["source_path"]).as_py()
            parts.append(part.slice(0, most))
    return Rejects(manifest["version"], counts, _described(store, manifest, pa.concat_tables(parts)))


def render(found: Rejects) -> Iterator[Text]:
    """The lines of the terminal: of each reason how many, what to do, and the records."""
    for reason, rejects in groupby(found.rows, lambda reject: reject.reject_reason):
        records, files = found.counts[reason]
        count = f"  {_number(records, 'record')} in {_number(files, 'file')}"
        yield Text(reason, style="bold").append(count, style="cyan")
        yield Text(f"  {ADVICE[reason]}", style="green")
        printed = 0
        for reject in rejects:
            yield from _lines(reject)
            printed += 1
        if printed < records:
            yield Text(f"  … and {records - printed:,} more: tamis rejects --reason {reason}", style="dim")


def printable(text: str) -> str:
    """The text with what a terminal doesn't show, or would obey, escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _lines(reject: Reject) -> Iterator[Text]:
    line = Text("  ").append(_where(reject.source_path, reject.source_record), style="bold")
    if reject.was_read:  # else it has no text to explain
        line.append(f"  {reject.id}", style="dim")
    if reject.instead is not None:
        line.append(f"  {_INSTEAD[reject.reject_reason] if reject.was_read else 'read since as'} ")
        if reject.instead.source_path is not None:
            line.append(_where(reject.instead.source_path, reject.instead.source_record), style="bold").append("  ")
        line.append(reject.instead.id, style="dim")
        if reject.duplicate_similarity is not None:
            line.append(f"  similarity {reject.duplicate_similarity:.2f}")
    elif reject.reject_detail is not None:
        line.append(f"  {printable(reject.reject_detail.removeprefix(f'{reject.source_path}: '))}")
    yield line
    if reject.raw_head:
        yield Text(f"    {reject.raw_head}", style="dim")


def _where(path: str, record: str | None) -> str:
    return printable(path if record is None else f"{path}:{record}")


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _reasons(wanted: str | None) -> list[str]:
    if wanted is None or wanted in REJECT_REASONS:
        return list(REJECT_REASONS) if wanted is None else [wanted]
    found = [reason for reason in REJECT_REASONS if reason.startswith(wanted)]
    if not found:
        raise ConfigError(f"no reason is or begins with {wanted!r}; there are: {', '.join(REJECT_REASONS)}")
    return found


def _paths(store: Store, manifest: Manifest, file: str) -> list[str]:
    """The files of this name, or in this folder: relative to RAW, or else with what leads to RAW before it."""
    tables = [
        table["source_path"].unique()
        for name in ("documents", "rejected")
        for ref in files_of(manifest, name)
        for table in _groups(store, ref, ["source_path"])
    ]
    paths = sorted({path for column in tables for path in column.to_pylist()})
    name = shown(os.fsencode(file)).rstrip("/")
    parts = name.split("/")
    for tail in ("/".join(parts[at:]) for at in range(len(parts))):
        found = [path for path in paths if path == tail or path.startswith(f"{tail}/")]
        if found:
            return found
    raise ConfigError(f"no record of {file!r} in {manifest['version']} of {store.name}; paths are relative to RAW")


def _groups(store: Store, ref: Ref, columns: Sequence[str]) -> Iterator[pa.Table]:
    with open_table(store, ref) as file:
        for group in range(file.metadata.num_row_groups):
            yield read_groups(file, [group], columns)


def _read(store: Store, files: Sequence[Ref], reasons: Sequence[str]) -> pa.Table:
    """The rejected rows of these reasons, with the head of `raw_head` and the id of what stands instead."""
    wanted = pa.array(reasons, pa.string())
    schema = pa.schema([REJECTED.field(name).remove_metadata() for name in _COLUMNS])
    parts = [schema.empty_table()]
    for ref in files:
        for table in _groups(store, ref, _COLUMNS):
            table = table.select(_COLUMNS).replace_schema_metadata(None).cast(schema)
            table = table.filter(pc.is_in(table["reject_reason"], wanted))
            # One byte more, to see where there are more.
            heads = pc.binary_slice(table["raw_head"], 0, HEAD_BYTES + 1)
            parts.append(table.set_column(table.schema.get_field_index("raw_head"), schema.field("raw_head"), heads))
    rows = pa.concat_tables(parts)
    is_named = pc.is_in(rows["reject_reason"], pa.array(["superseded", "not_successor"]))
    named = pc.replace_substring_regex(rows["reject_detail"], "^(by|of) ", "")
    return rows.append_column("instead", pc.if_else(is_named, named, rows["duplicate_of"]))


def _described(store: Store, manifest: Manifest, rows: pa.Table) -> Iterator[Reject]:
    places = _places(store, manifest, rows["instead"].drop_null().unique())
    at = pc.index_in(rows["instead"], places["id"].combine_chunks())
    for name in ("source_path", "source_record"):
        rows = rows.append_column(f"instead_{name}", places[name].take(at))
    for start in range(0, len(rows), _BATCH_ROWS):
        for row in rows.slice(start, _BATCH_ROWS).to_pylist():
            instead = row["instead"] and Place(row["instead"], row["instead_source_path"], row["instead_source_record"])
            row["raw_head"] = _head(row["raw_head"])
            named = {name: row[name] for name in _COLUMNS}
            yield Reject(**named, instead=instead, advice=ADVICE[row["reject_reason"]])


def _places(store: Store, manifest: Manifest, ids: pa.Array) -> pa.Table:
    """Where these documents stood. One that gave way may have done so to one that did so in turn."""
    columns = Place._fields
    parts = [pa.table({name: pa.array([], pa.string()) for name in columns})]
    for name in ("documents", "rejected") if len(ids) else ():
        for ref in files_of(manifest, name):
            for table in _groups(store, ref, columns):
                hit = pc.is_in(table["id"], ids)
                parts.append(table.filter(hit).select(columns).cast(parts[0].schema))
    return pa.concat_tables(parts)


def _head(raw: bytes | None) -> str | None:
    """The first bytes for people: what is not text is escaped, a character that the cut would part is left out."""
    if raw is None:
        return None
    text = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode(raw[:HEAD_BYTES], len(raw) <= HEAD_BYTES)
    return printable(text) + ("…" if len(raw) > HEAD_BYTES else "")
