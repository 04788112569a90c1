"""One document, shown: what went, where it stood, and why."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.text import Text

from flows.inputs import list_inputs
from flows.readers import Reading
from flows.shards import plan_pieces
from flows.stages.read import documents_of
from flows.stages.templates import published_templates
from flows.state import state_of
from flows.store import Store
from flows.versions.find import find
from flows.versions.manifest import published
from transforms import pipeline, spans
from transforms.config import Config
from transforms.errors import ConfigError
from transforms.spans import Span

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
    *("source_path", "source_record", "site", "language", "language_score", "title", "authors", "author_bio"),
    *("source_name", "tags", "published_raw", "previous_title", "next_title", "related_titles"),
    *("reject_reason", "reject_detail", "duplicate_of"),
)


def explain_document(document: str, curated: Path) -> Explained:
    """A document of the current version, from its ledger. Raises: ConfigError where there is none."""
    _, row, restored = find(Store(curated), document)
    changes = [entry.span for entry in restored.ledger]
    return Explained(document, restored.original, changes, {name: row.get(name) for name in SHOWN})


def explain_file(path: Path, config: Config, curated: Path) -> list[Explained]:
    """What a run would do with each record of a raw file, with the templates CURATED has learned, if any.

    Its folder counts as RAW, so a file without URLs has no site.
    """
    if not path.is_file():
        raise ConfigError(f"{path} is not a file")
    store = Store(curated, path.parent)
    files = [file for file in list_inputs(store).files if file.path == path.name]
    pieces = plan_pieces(store, files, max(1, *[file.size for file in files]))
    records = [record for parts in pieces for part in parts for record in Reading(store, part, config)]
    if not records:
        return []
    documents = pipeline.prepare(documents_of(records), config)
    manifest = published(store)
    learned = published_templates(store, state_of(manifest)["counts"], documents["site"].to_pylist(), config)
    documents = pipeline.clean(documents, learned, config)
    ledgers = spans.from_arrow(documents["spans"])
    return [
        Explained(row["source_path"], row["original"], changes, {name: row.get(name) for name in SHOWN})
        for row, changes in zip(documents.drop_columns(["spans"]).to_pylist(), ledgers, strict=True)
    ]


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
