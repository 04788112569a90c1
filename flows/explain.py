"""One document, shown: what went, where it stood, and why."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.text import Text

from flows import publish
from flows.plan import list_inputs, plan_shards
from flows.readers import read_part
from flows.steps import documents_of, templates_of
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
    _, row, entries = publish.find(curated, document)
    original = spans.restore(row["text"], entries)
    return Explained(document, original, [entry.span for entry in entries], {name: row.get(name) for name in SHOWN})


def explain_file(path: Path, config: Config, curated: Path) -> list[Explained]:
    """What a run would do with each record of a raw file, with the templates CURATED has learned, if any.

    Its folder counts as RAW, so a file without URLs has no site.
    """
    if not path.is_file():
        raise ConfigError(f"{path} is not a file")
    inputs = [entry for entry in list_inputs(path.parent)[0] if entry.path == path.name]
    records = [
        record
        for parts in plan_shards(path.parent, inputs, config.shard_bytes)
        for part in parts
        for record in read_part(path.parent, part, config)
    ]
    if not records:
        return []
    documents = pipeline.prepare(documents_of(records), config)
    manifest = publish.published_manifest(curated) if curated.is_dir() else None
    state = [curated / file["path"] for file in manifest["state"]] if manifest else []
    documents = pipeline.clean(documents, templates_of(state, documents["site"].to_pylist(), config), config)
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
