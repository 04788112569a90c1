"""One document, shown: what went, where it stood, and why; of a line, what was known of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.text import Text

from flows.inputs import content_of, list_inputs
from flows.readers import Reading
from flows.readers.records import Record
from flows.shards import plan_pieces
from flows.stages.read import documents_of
from flows.stages.templates import published_templates
from flows.state import state_of
from flows.store import Store
from flows.tables import read_table
from flows.versions.find import Found, names, of_path, rows
from flows.versions.manifest import published, require
from transforms import pipeline, spans
from transforms.boilerplate.strip import Judged, judge
from transforms.boilerplate.templates import NO_TEMPLATES, Templates
from transforms.config import Config
from transforms.errors import ConfigError
from transforms.spans import Span
from transforms.values import OWN

# A colour a family of reasons, so that a page is read at a glance.
COLOURS = {"encoding": "yellow", "boilerplate": "red", "pii": "magenta"}


@dataclass(frozen=True, slots=True)
class Explained:
    """A document as it was, and what happened to it."""

    name: str
    original: str
    changes: list[Span]
    fields: dict[str, Any]


SHOWN = (
    *(
        "id",
        "added_in",
        "url",
        "source_path",
        "source_record",
        "site",
        "language",
        "language_score",
        "title",
        "authors",
    ),
    *("author_bio", "source_name", "tags", "published_raw", "previous_title", "next_title", "related_titles"),
    *("reject_reason", "reject_detail", "duplicate_of"),
)


def held(what: str, curated: Path) -> list[Found]:
    """What the current version holds of a raw file, or under an id, how one begins, a URL, or a path in RAW: documents
    first. Of a file it may be nothing. Raises: ConfigError where there is nothing of any other name."""
    store = Store(curated)
    if Path(what).is_file():
        manifest = published(store)
        return rows(store, manifest, of_path(store, manifest, Path(what).absolute().parts)) if manifest else []
    manifest = require(store)
    return rows(store, manifest, names(store, manifest, what))


def is_changed(found: Found, path: Path, curated: Path) -> bool:
    """Whether a file is another by now than the one that a document was read from."""
    store = Store(curated, path.absolute().parent)
    known: dict[str, str] = {}
    for ref in state_of(published(store))["inputs"]:
        table = read_table(store, ref, ["path", "content"])
        known |= dict(zip(*(column.to_pylist() for column in table.columns), strict=True))
    content = known.get(found.row["source_path"])
    files = [file for file in list_inputs(store).files if file.path == path.name]
    return bool(content) and [content_of(store, file) for file in files] != [content]


def explain_held(found: Found) -> Explained:
    """A document of the current version, from its ledger."""
    changes = [entry.span for entry in found.restored.ledger]
    name = found.row["id"] if found.table == "documents" else f"{found.row['id']} (rejected)"
    return Explained(name, found.restored.original, changes, {name: found.row.get(name) for name in SHOWN})


def explain_file(path: Path, config: Config, curated: Path) -> list[Explained]:
    """What a run would do with each record of a raw file, with the templates CURATED has learned, if any.

    Its folder counts as RAW, so a file without URLs has no site.
    """
    records = _records(path, config, curated)
    if not records:
        return []
    documents, learned = _prepared(records, config, curated)
    documents = pipeline.clean(documents, learned, config)
    ledgers = spans.from_arrow(documents["spans"])
    return [
        Explained(row["source_path"], row["original"], changes, {name: row.get(name) for name in SHOWN})
        for row, changes in zip(documents.drop_columns(["spans"]).to_pylist(), ledgers, strict=True)
    ]


def explain_lines(
    what: str, config: Config, curated: Path, wanted: str, fresh: bool = False
) -> list[tuple[str, Judged]]:
    """What is known of the lines that contain `wanted`, with the templates CURATED has now, each with the name of its
    document: of what the current version holds (`held`), or, `fresh` or where that is nothing, of the records of a raw
    file. Raises: ConfigError where there is no such line."""
    records = [_record(found) for found in held(what, curated)] if not fresh else []
    if not records and Path(what).is_file():
        records = _records(Path(what), config, curated)
    documents, learned = _prepared(records, config, curated) if records else (None, {})
    found: list[tuple[str, Judged]] = []
    for row in documents.to_pylist() if documents is not None else []:
        if row["reject_reason"] is None:
            document = (row["text"], row["lines"], learned.get(row["site"], NO_TEMPLATES))
            judged = judge(document, bool(row["url"]), config.boilerplate)
            found += [(row["source_path"], one) for one in judged if wanted in one.line]
    if not found:
        raise ConfigError(f"no line of {what} has {wanted!r}")
    return found


def _record(found: Found) -> Record:
    """The record that a document was made of."""
    said = found.row.get("from_record") or ()
    record: dict[str, Any] = dict.fromkeys(Record._fields) | {
        name: found.row[name] for name in Record._fields if name in found.row and (name not in OWN or name in said)
    }
    return Record(**record | {"original": found.restored.original, "reject_reason": None})


def _records(path: Path, config: Config, curated: Path) -> list[Record]:
    if not path.is_file():
        raise ConfigError(f"{path} is not a file")
    store = Store(curated, path.parent)
    files = [file for file in list_inputs(store).files if file.path == path.name]
    pieces = plan_pieces(store, files, max(1, *[file.size for file in files]))
    return [record for parts in pieces for part in parts for record in Reading(store, part, config)]


def _prepared(records: list[Record], config: Config, curated: Path) -> tuple[pa.Table, dict[str, Templates]]:
    """The documents of records up to stripping, and what CURATED knows of their sites."""
    store = Store(curated)
    documents = pipeline.prepare(documents_of(records), config)
    counts = state_of(published(store))["counts"]
    return documents, published_templates(store, counts, documents["site"].to_pylist(), config)


def render_line(name: str, judged: Judged) -> Text:
    """A line, its evidence, and the decision."""
    evidence, removal = judged.evidence, judged.removal
    said = [evidence.zone]
    if evidence.anchor is not None:
        said.append(f"{evidence.anchor.rule} ({evidence.anchor.kind}, {evidence.anchor.confidence:.2f})")
    if evidence.paragraph is not None:
        said.append(f"{evidence.paragraph.rule} (paragraph, {evidence.paragraph.confidence:.2f})")
    if evidence.support is not None:
        numbers = f", numbers {evidence.numbers}" if evidence.numbers else ""
        said.append(f"in {evidence.support} groups of the site ({evidence.share:.0%}{numbers})")
    said += [
        name
        for name, holds in (
            ("paragraph of prose", evidence.is_prose),
            ("sentence", evidence.is_sentence and not evidence.is_prose),
            ("field of a record", evidence.is_record),
        )
        if holds
    ]
    text = Text(f"{name}: ", style="cyan").append(judged.line, style="default").append("\n  ")
    text.append(" · ".join(said), style="default").append("\n  ")
    if removal is None:
        return text.append("stays: no rule takes it", style="green")
    return text.append(f"goes: {removal.reason} {removal.rule} {removal.confidence:.2f}", style="bold red")


def render(document: Explained) -> Text:
    """The original with each change in place, in colour and brackets; then the fields."""
    text = Text()
    text.append(f"── {document.name} ──\n", style="bold")
    position = 0
    for span, _, removed in spans.ledger(document.original, document.changes):
        text.append(document.original[position : span.start])
        _append_change(text, span, removed)
        position = span.end
    text.append(document.original[position:])
    if not text.plain.endswith("\n"):
        text.append("\n")
    text.append("──\n", style="bold")
    for name, value in document.fields.items():
        if value not in (None, []):
            shown = "; ".join(map(str, value)) if isinstance(value, list) else str(value)
            text.append(f"{name}: ", style="cyan").append(f"{shown}\n")
    return text


def _append_change(text: Text, span: Span, removed: str) -> None:
    colour = COLOURS[span.reason.split(".")[0]]
    evidence = [span.rule]
    if span.confidence is not None:
        evidence.append(f"{span.confidence:.2f}")
    if span.support is not None:
        evidence.append(f"in {span.support} groups")
    body = removed.rstrip("\n")
    text.append(f"[{span.reason} {' '.join(evidence)}: ", style=f"bold {colour}")
    text.append(repr(removed)[1:-1] if span.reason.startswith("encoding.") else body, style=f"{colour} strike")
    if span.replacement:
        text.append(f" → {span.replacement!r}", style=colour)
    text.append("]", style=f"bold {colour}").append(removed[len(body) :] if colour == "red" else "")
