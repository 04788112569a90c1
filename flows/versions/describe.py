"""What stands beside the tables: a card (README.md, as Hugging Face reads it), croissant.json and schema.json.

Their words about columns are those of transforms/schema.py, their figures those of the statistics; nothing in them
hangs on when or where they are written.
"""

import hashlib
from collections.abc import Mapping, Sequence
from importlib.metadata import version as installed
from typing import Any, NamedTuple

import pyarrow as pa

from flows.store import json_bytes
from transforms.schema import VERSION as SCHEMA_VERSION

# Licences that a card's front matter may name by themselves.
LICENSES = (
    *("apache-2.0", "bsd", "cc", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0"),
    *("cc-by-nc-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"),
    *("cc-by-nd-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc0-1.0", "gfdl", "mit", "odbl", "odc-by", "pddl"),
)
# Sizes as Hugging Face names them.
_SIZES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B", "1B<n<10B",
          "10B<n<100B", "100B<n<1T")  # fmt: skip
# How many languages, reasons and licences a card lists; the statistics have all.
_MOST = 20
PARQUET, JSON_LINES = "application/x-parquet", "application/jsonlines"


class TableFiles(NamedTuple):
    """A table as it lies in a folder."""

    schema: pa.Schema
    files: Sequence[Mapping[str, Any]]  # path (from the folder), bytes, sha256
    rows: int
    format: str = PARQUET


# ---------------------------------------------------------------------------------------------------------- schema.json


def schema_json(tables: Mapping[str, pa.Schema], **said: Any) -> bytes:
    """The columns of tables, with types and descriptions; and what else is to be said."""
    columns = {
        name: [
            {
                "name": field.name,
                "type": type_name(field.type),
                "nullable": field.nullable,
                "description": described(field),
            }
            for field in schema
        ]
        for name, schema in tables.items()
    }
    return json_bytes({"schema_version": SCHEMA_VERSION, **said, "tables": columns})


def described(field: pa.Field) -> str:
    """A field's description."""
    said: bytes = (field.metadata or {}).get(b"description", b"")
    return said.decode()


def type_name(kind: pa.DataType) -> str:
    """A type as the documents call it.

    >>> type_name(pa.list_(pa.struct([("code", pa.string()), ("share", pa.float32())])))
    'list<struct<code: string, share: float32>>'
    """
    if pa.types.is_list(kind):
        return f"list<{type_name(kind.value_type)}>"
    if pa.types.is_struct(kind):
        return f"struct<{', '.join(f'{field.name}: {type_name(field.type)}' for field in kind)}>"
    return {"float": "float32", "double": "float64"}.get(str(kind), str(kind))


# ------------------------------------------------------------------------------------------------------------ croissant

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{
        name: f"cr:{name}"
        for name in (
            *("citeAs", "column", "equivalentProperty", "extract", "field", "fileObject", "fileProperty", "fileSet"),
            *("format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet"),
            *("references", "regex", "repeated", "replace", "samplingRate", "separator", "source", "subField"),
            *("transform",),
        )
    },
}
_FOLDER = "versions"
_TYPES = {
    "string": "sc:Text", "binary": "sc:Text", "bool": "sc:Boolean", "int32": "cr:Int32", "int64": "cr:Int64",
    "float32": "cr:Float32", "float64": "cr:Float64", "timestamp[us, tz=UTC]": "sc:DateTime",
}  # fmt: skip


def croissant(
    version: str,
    number: int,
    licenses: Mapping[str, int],
    tables: Mapping[str, TableFiles],
    above: str = "",
) -> bytes:
    """The dataset in Croissant 1.1: each table a record set, its files with their hashes. Their paths are from the
    folder this lies in, or, as versions share files, from one `above` it ("..")."""
    said: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": f"curated-web-text-{version}",
        "description": _about(tables),
        "version": f"{number}.0.0",
    }
    if named := [name for name in licenses if name]:
        said["license"] = named[:_MOST]
    said["distribution"] = [one for name, table in tables.items() for one in _distribution(name, table, above)]
    if above:
        said["distribution"].insert(0, _folder(above, tables))
    said["recordSet"] = [_record_set(name, table) for name, table in tables.items()]
    return json_bytes(said)


def _folder(above: str, tables: Mapping[str, TableFiles]) -> dict[str, Any]:
    """The folder of all versions. mlcroissant reads files that lie outside of its own folder only from what it takes
    for a repository; what is there already it doesn't fetch."""
    return {
        "@type": "cr:FileObject",
        "@id": _FOLDER,
        "name": _FOLDER,
        "description": "The folder of all versions, above the one of this file: a folder, no repository.",
        "contentUrl": above,
        "encodingFormat": "git+https",
        "sha256": _digest(*tables.values()),
    }


def _digest(*tables: TableFiles) -> str:
    """A hash over the content of all files."""
    return hashlib.sha256("".join(file["sha256"] for table in tables for file in table.files).encode()).hexdigest()


def _distribution(name: str, table: TableFiles, above: str) -> list[dict[str, Any]]:
    files = [
        {
            "@type": "cr:FileObject",
            "@id": file["path"],
            "name": file["path"].rsplit("/", 1)[-1],
            "contentUrl": f"{above}/{file['path']}" if above else file["path"],
            "contentSize": f"{file['bytes']} B",
            "encodingFormat": table.format,
            "sha256": file["sha256"],
        }
        for file in table.files
    ]
    together = {
        "@type": "cr:FileSet",
        "@id": f"{name}-files",
        # By its full name, as Croissant's own context leaves it to schema.org.
        **({"cr:containedIn": {"@id": _FOLDER}} if above else {}),
        "encodingFormat": table.format,
        "includes": [file["path"] for file in table.files],
    }
    return [*files, together]


def _record_set(name: str, table: TableFiles) -> dict[str, Any]:
    key = [column for column in ("id",) if column in table.schema.names]
    said: dict[str, Any] = {"@type": "cr:RecordSet", "@id": name, "name": name}
    if key:
        said["key"] = {"@id": f"{name}/{key[0]}"}
    said["field"] = [_field(name, field) for field in table.schema]
    return said


def _field(table: str, field: pa.Field) -> dict[str, Any]:
    kind = field.type
    is_list = pa.types.is_list(kind)
    kind = kind.value_type if is_list else kind
    where = f"{table}/{field.name}"
    source = {"fileSet": {"@id": f"{table}-files"}, "extract": {"column": field.name}}
    said: dict[str, Any] = {"@type": "cr:Field", "@id": where, "name": field.name, "description": described(field)}
    if is_list:
        said["repeated"] = True
    if pa.types.is_struct(kind):
        said["subField"] = [_part(f"{where}/{part.name}", part, source) for part in kind]
        return said
    return {**said, "dataType": _TYPES[type_name(kind)], "source": source}


def _part(where: str, part: pa.Field, source: dict[str, Any]) -> dict[str, Any]:
    """A field of a struct."""
    is_list = pa.types.is_list(part.type)
    kind = part.type.value_type if is_list else part.type
    said: dict[str, Any] = {"@type": "cr:Field", "@id": where, "name": part.name}
    if text := described(part):
        said["description"] = text
    if is_list:
        said["repeated"] = True
    return {**said, "dataType": _TYPES[type_name(kind)], "source": {**source, "transform": {"jsonPath": part.name}}}


# ----------------------------------------------------------------------------------------------------------------- card

_ABOUT = "Web texts, curated: boilerplate stripped, encoding repaired, language detected, duplicates resolved."
_LEDGER = " Every change to a text is kept, and every original can be rebuilt."


def _about(tables: Mapping[str, TableFiles]) -> str:
    return _ABOUT + (_LEDGER if "removed_spans" in tables else "")


_LIMITS = """\
- What is boilerplate is decided by rules, by what a site repeats, and, of whole pages, by a small model: some of it is
  left, and some lines of articles are lost. What was removed, why and how surely is in the table `removed_spans`.
- `language` is a detector's answer, `und` where it had none; scores are in `language_score`.
- Duplicates are found by their words: translations and summaries stay.
- Licences are what the records say of themselves. Of a text whose record says none, nobody said what may
  be done with it.
- Personal data is not removed."""


def card(
    version: str,
    totals: Mapping[str, Any],
    manifest: Mapping[str, Any],
    tables: Mapping[str, TableFiles],
    configs: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> bytes:
    """README.md. `configs`: what `load_dataset` finds in the folder, with the pattern of its files, the default first;
    `notes`: what else is to be said of how it was made."""
    front = _front(version, totals, tables, configs)
    parts = ["---", *front, "---", "", f"# Curated web text, version {version}", "", _about(tables), ""]
    if configs:
        parts += _loading(configs, tables)
    parts += ["## Figures", "", *_figures(totals), "", "## How it was made", ""]
    parts += [
        f"By Tamis {installed('tamis')} (code {manifest['code'][:12]}, config {manifest['config_hash'][:12]}, schema "
        f"{manifest['schema_version']}): records are read, repaired (ftfy and rules of its own), stripped of what "
        "their site repeats, labelled by language, and compared with each other; of copies one stays. Nothing is lost "
        "on the way: each record that was read is a document, or was rejected for a reason.",
        "",
        *[f"- {note}" for note in notes],
        *([""] if notes else []),
    ]
    parts += ["## Limits", "", _LIMITS, "", "## Columns", ""]
    for name, table in tables.items():
        parts += [f"### {name}", "", "| column | type | |", "|---|---|---|"]
        for field in table.schema:
            kind = type_name(field.type) + ("" if field.nullable else ", not null")
            parts.append(f"| `{field.name}` | {kind} | {_cell(described(field))} |")
        parts.append("")
    return ("\n".join(parts).rstrip("\n") + "\n").encode()


def _front(
    version: str, totals: Mapping[str, Any], tables: Mapping[str, TableFiles], configs: Mapping[str, str] | None
) -> list[str]:
    documents = totals["documents"]
    codes = dict.fromkeys(code.split("-")[0] for code in documents["languages"] if code != "und")
    lines = [f"pretty_name: Curated web text {version}"]
    if codes:
        # In quotes: `no` is Norwegian, not a truth value.
        lines += ["language:", *[f'- "{code}"' for code in codes]]
    said = [name for name in documents["licenses"] if name]
    if len(documents["licenses"]) == 1 and said:
        known = said[0].lower() in LICENSES
        lines += [f"license: {said[0].lower()}"] if known else ["license: other"]
    else:
        lines.append("license: other" if said else "license: unknown")
    size = next((at for at, name in enumerate(_SIZES) if tables["documents"].rows < 1000 * 10**at), None)
    lines += ["size_categories:", f"- {'n>1T' if size is None else _SIZES[size]}"]
    lines += ["task_categories:", "- text-generation", "tags:", "- tamis"]
    if configs:
        lines.append("configs:")
        for at, (name, pattern) in enumerate(configs.items()):
            # `datasets` keeps what it loaded under the name of the folder and these lines: without the content's hash
            # it would go on showing the export that was there before.
            lines += [f"- config_name: {name}", f"  data_files: {pattern}", *(["  default: true"] if not at else [])]
            lines.append(f'  description: "version {version}, files {_digest(tables[name])[:16]}"')
    return lines


def _loading(configs: Mapping[str, str], tables: Mapping[str, TableFiles]) -> list[str]:
    names = list(configs)
    others = [f'{name} = load_dataset(folder, "{name}", split="train")' for name in names[1:]]
    lines = ["## Loading", "", "`folder` is where this file lies.", "", "```python"]
    lines += ["from datasets import load_dataset", "", 'documents = load_dataset(folder, split="train")', *others]
    if tables["documents"].format == PARQUET:
        lines += [
            "```",
            "",
            "```python",
            "import pandas as pd",
            "",
            'documents = pd.read_parquet(f"{folder}/documents")',
        ]
    return [*lines, "```", ""]


def _figures(totals: Mapping[str, Any]) -> list[str]:
    documents, rejected, spans = (totals[name] for name in ("documents", "rejected", "removed_spans"))
    original, removed = documents["original_characters"], documents["removed_characters"]
    share = f"{removed / original:.1%}" if original else "none"
    lines = [
        "| | |",
        "|---|---|",
        f"| documents | {documents['rows']:,} |",
        f"| their characters | {documents['characters']:,} |",
        f"| removed from them as boilerplate | {removed:,} ({share} of {original:,}) |",
    ]
    if rejected["rows"]:
        lines.append(f"| rejected records | {rejected['rows']:,} |")
    if spans["rows"]:
        lines.append(f"| changes to texts | {spans['rows']:,} |")
    for title, counts in (
        ("documents by language", documents["languages"]),
        ("documents by licence", documents["licenses"]),
        ("rejected records by reason", rejected["reasons"]),
        ("changes by reason", spans["reasons"]),
    ):
        if counts:
            named = [f"{_cell(name) or 'not said'} {count:,}" for name, count in counts.items()]
            more = [f"{len(named) - _MOST:,} more"] if len(named) > _MOST else []
            lines.append(f"| {title} | {', '.join([*named[:_MOST], *more])} |")
    return lines


def _cell(text: str) -> str:
    """Text that may stand in a cell, whatever a record says."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
