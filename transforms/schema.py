"""The contract: the three published tables, every field with its description, and the closed lists of reasons.

Plain types only, so that pandas, pyarrow, polars, DuckDB, Hugging Face datasets and Spark all read them: `string`
(not large_string), `timestamp[us, UTC]`, `list<struct>` (no maps), no dictionary types.

>>> DOCUMENTS.field("text").nullable, REJECTED.names[-1]
(False, 'raw_head')
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

VERSION = "2.0"

_string, _int32, _float, _bool = pa.string(), pa.int32(), pa.float32(), pa.bool_()
_time = pa.timestamp("us", tz="UTC")


def _list(item: pa.DataType) -> pa.DataType:
    return pa.list_(pa.field("element", item, nullable=False))


def _struct(**fields: pa.DataType) -> pa.DataType:
    return pa.struct([pa.field(name, kind, nullable=False) for name, kind in fields.items()])


def _needed(name: str, kind: pa.DataType, description: str) -> pa.Field:
    return pa.field(name, kind, nullable=False, metadata={"description": description})


def _maybe(name: str, kind: pa.DataType, description: str) -> pa.Field:
    return pa.field(name, kind, nullable=True, metadata={"description": description})


IDENTITY = [
    _needed(
        "id",
        _string,
        "Document id, 32 hex digits: what the record says it is, its text, an ordinal among equals",
    ),
    _maybe("source_id", _string, "The raw record's own id, as a string"),
    _needed("added_in", _string, "Version in which the record was first read"),
    _maybe("supersedes", _string, "id of the earlier document under the same key that this one replaces"),
]
PROVENANCE = [
    _needed("source_path", _string, "Input file, relative to RAW"),
    _needed("source_format", _string, "txt, jsonl, json, …; else what the file was taken for"),
    _maybe(
        "source_record",
        _string,
        "Number of the line (JSONL), object (JSON), row (CSV) or record (WARC), from 1; of the row (Parquet, Arrow), "
        "from 0",
    ),
    _needed("source_sha256", _string, "SHA-256 of the raw record's bytes"),
    _needed("original_sha256", _string, "SHA-256 of the original text's UTF-8; proves a restoration"),
    _maybe("extractor", _string, "What made a text of the page of HTML that the record is, and its version"),
    _maybe("url", _string, "URL as the record gives it; else the page's canonical one"),
    _needed("site", _string, "Registered domain of the URL, else the first folder under RAW, else ''"),
    _maybe("license", _string, "Licence of the text, as the record says it"),
    _maybe("extra", _string, "The record's other fields, as a JSON object"),
    _maybe("from_record", _list(_string), "Columns whose value is the record's own"),
]
TEXT = [
    _needed("text", _string, "The curated text"),
    _needed("content_hash", _string, "32 hex digits over the text without case, punctuation and white space"),
    _needed("repaired_hash", _string, "32 hex digits over the letters and digits of the text before stripping"),
    _needed("char_count", _int32, "Code points of `text`"),
    _needed(
        "word_count", _int32, "Words of `text` by Unicode's boundaries (UAX 29); in scripts without spaces, characters"
    ),
    _needed("line_count", _int32, "Lines of `text` that are not blank"),
    _needed("original_char_count", _int32, "Code points of the original"),
]
LANGUAGE = [
    _needed("language", _string, "BCP-47: de, zh-Hant, …; und where there is too little text or confidence"),
    _maybe("language_iso3", _string, "ISO 639-3 code of the language"),
    _maybe("language_script", _string, "ISO 15924 code of the script most letters belong to"),
    _maybe("language_score", _float, "Confidence, 0..1"),
    _maybe("language_detector", _string, "Detector and its version"),
    _maybe("languages", _list(_struct(code=_string, share=_float)), "Languages and their share of the letters"),
    _needed("is_mixed", _bool, "Whether a second language has 15 % of the letters or more"),
    _maybe("declared_language", _string, "Language the record says it is in, BCP-47"),
    _maybe("language_second", _string, "Language by the model in `[language] second_opinion`, BCP-47"),
    _maybe("language_second_score", _float, "That model's confidence, 0..1"),
]
METADATA = [
    _maybe("title", _string, "Title"),
    _maybe("authors", _list(_string), "Authors"),
    _maybe("author_bio", _string, "The paragraph about the author that stood at the end"),
    _maybe("source_name", _string, "Where the text says it comes from"),
    _maybe("tags", _list(_string), "Tags or keywords"),
    _maybe(
        "published_at",
        _time,
        "When it was published: the moment where time and zone are said, else midnight UTC of the day, if unambiguous",
    ),
    _maybe("published_raw", _string, "The date as it stood in the text"),
    _maybe("modified_at", _time, "When it was last changed, where the page says so; as `published_at`"),
    _maybe("previous_title", _string, "Title of the previous article of the site"),
    _maybe("next_title", _string, "Title of the next article of the site"),
    _maybe("related_titles", _list(_string), "Titles of related articles"),
    _maybe("fetched_at", _time, "When the page was fetched, as the record says"),
]
_SIGNALS = {
    "mean_word_length": "Mean length of words in characters",
    "symbol_word_ratio": "Symbols (#, …) per word",
    "alpha_word_ratio": "Share of words with a letter",
    "stopword_ratio": "Share of words that are stop words of the language",
    "unique_word_ratio": "Share of words that are distinct",
    "top_2gram_char_ratio": "Share of characters in the most frequent word pair",
    "dup_line_char_ratio": "Share of characters in repeated lines",
    "dup_paragraph_ratio": "Share of characters in paragraphs (lines of 80 characters or more) that stand in another "
    "document, too, kept in this version or an earlier one, when this one came",
    "ellipsis_line_ratio": "Share of lines that end in an ellipsis",
    "bullet_line_ratio": "Share of lines that begin with a bullet",
    "terminal_punct_ratio": "Share of lines that end in terminal punctuation",
    "upper_ratio": "Share of letters that are upper case",
}
SIGNALS = [
    *[_maybe(f"q_{name}", _float, description) for name, description in _SIGNALS.items()],
    _maybe("q_flags", _list(_string), "Names of quality rules the text would fail"),
]
REMOVAL = [
    _needed("removed_char_count", _int32, "Code points removed as boilerplate or personal data"),
    _needed("removed_span_count", _int32, "Spans removed as boilerplate or personal data"),
    _needed("removed_char_ratio", _float, "removed_char_count / original_char_count"),
    _maybe("removed_by_reason", _list(_struct(reason=_string, spans=_int32, chars=_int32)), "The same by reason"),
]

DOCUMENTS = pa.schema([*IDENTITY, *PROVENANCE, *TEXT, *LANGUAGE, *METADATA, *SIGNALS, *REMOVAL])

REJECTION = [
    _needed(
        "reject_stage",
        _string,
        "Stage that rejected the record: read, repair, strip, language, dedup, select",
    ),
    _needed("reject_reason", _string, "Why, from the closed list"),
    _maybe("reject_rule", _string, "The limit or rule that decided"),
    _maybe("reject_detail", _string, "For people: where, what was found"),
    _maybe("duplicate_of", _string, "id of the document this one duplicates"),
    _maybe("duplicate_similarity", _float, "Jaccard similarity with it, 0..1; 1 of an exact duplicate"),
    _maybe("raw_head", pa.binary(), "First bytes of a record that could not be read"),
]
REJECTED = pa.schema([*DOCUMENTS, *REJECTION])

REMOVED_SPANS = pa.schema(
    [
        _needed("doc_id", _string, "id of the document or rejected record"),
        _needed("seq", _int32, "Number of the span within the document, from 0"),
        _needed("start", _int32, "First code point, in the original"),
        _needed("end", _int32, "Code point after the last, in the original"),
        _needed("clean_start", _int32, "Where `replacement` stands in the final text"),
        _needed("text", _string, "What stood there"),
        _needed("replacement", _string, "What stands there now; '' for every boilerplate.*"),
        _needed("reason", _string, "Why, from the closed list"),
        _needed("rule", _string, "The rule that decided"),
        _needed("transform", _string, "The stage that changed it"),
        _maybe("confidence", _float, "0..1"),
        _maybe("support", _int32, "In how many groups of the site's documents the line stood"),
    ]
)

TABLES = {"documents": DOCUMENTS, "rejected": REJECTED, "removed_spans": REMOVED_SPANS}

# What a version holds, counted (`statistics.parquet`).
STATISTICS = pa.schema(
    [
        _needed("table", _string, "Table whose rows are counted"),
        _needed("measure", _string, "Column they are counted by"),
        _maybe("value", _string, "Its value; null of lengths and shares, and where the column is null"),
        _maybe("low", pa.float64(), "Of lengths and shares: from here on"),
        _maybe("high", pa.float64(), "Up to, and without, this; shares of 1 stand with those below"),
        _needed("rows", pa.int64(), "How many rows"),
        _needed("chars", pa.int64(), "Code points of their texts; of the measure's own where it counts such"),
    ]
)


def _as(name: str, kind: pa.DataType, column: str) -> pa.Field:
    """A column of another dataset's, which has what one of ours has."""
    return pa.field(name, kind, nullable=DOCUMENTS.field(column).nullable, metadata=DOCUMENTS.field(column).metadata)


# Profiles of an export: names and types of other datasets, for code that is written for them.
FINEWEB = pa.schema(
    [
        _as("text", _string, "text"),
        _as("id", _string, "id"),
        _needed("dump", _string, "Version of this dataset"),
        _as("url", _string, "url"),
        _maybe("date", _string, "`fetched_at`, else `published_at`, in ISO 8601"),
        _as("file_path", _string, "source_path"),
        _needed(
            "language", _string, "ISO 639-3 code of the language; und where there is too little text or confidence"
        ),
        _as("language_score", pa.float64(), "language_score"),
        _as("language_script", _string, "language_script"),
        _needed("minhash_cluster_size", pa.int64(), "1, and the records rejected as duplicates of this document"),
        _needed(
            "top_langs", _string, "`languages`, as a JSON object of ISO 639-3 code, script and share of the letters"
        ),
    ]
)
DUPLICATE_COUNT = _needed("duplicate_count", pa.int64(), "The records rejected as exact duplicates of this document")
# What Dolma's `metadata` has of a document.
DOLMA_METADATA = (
    *("url", "site", "license", "title", "authors", "tags", "language", "language_iso3", "language_script"),
    *("language_score", "source_path", "source_format", "source_record", "original_sha256", "content_hash", "added_in"),
    *("char_count", "word_count", "removed_char_count"),
)
DOLMA = pa.schema(
    [
        _as("id", _string, "id"),
        _as("text", _string, "text"),
        _as("source", _string, "site"),
        _maybe("added", _string, "`fetched_at`, in ISO 8601"),
        _maybe("created", _string, "`published_at`, in ISO 8601"),
        _needed(
            "metadata",
            pa.struct([DOCUMENTS.field(name) for name in DOLMA_METADATA]),
            "What else is known of the document",
        ),
    ]
)

SPAN_REASONS = (
    *[f"encoding.{kind}" for kind in ("mojibake", "control", "whitespace", "normalization")],
    *[
        f"boilerplate.{kind}"
        for kind in (
            *(
                "title_repeat",
                "header",
                "byline",
                "author_bio",
                "navigation",
                "related",
                "share",
                "subscribe",
            ),
            *("promotion", "comments", "cookie", "legal", "contact", "template"),
        )
    ],
    *[f"pii.{kind}" for kind in ("email", "phone", "ip")],
)

# `read.*` are the readers'; the others are closed.
REJECT_REASONS = (
    *[
        f"read.{kind}"
        for kind in (
            *(
                "corrupt",
                "crashed",
                "empty_file",
                "html",
                "invalid_json",
                "invalid_row",
                "invalid_utf8",
                "missing_extra",
                "no_page",
                "no_text",
                "not_a_file",
                "same_file",
                "shard_failed",
            ),
            *("trailing_garbage", "truncated", "unreadable", "unsupported_format", "wrong_type"),
        )
    ],
    "empty",
    "empty_after_cleaning",
    *[
        f"limit.{kind}"
        for kind in (
            *("document_chars", "entity_depth", "expansion", "file_bytes", "file_records"),
            *("member_bytes", "members", "nesting", "read_seconds", "record_bytes"),
        )
    ],
    "language.uncertain",
    "language.unwanted",
    "duplicate.exact",
    "duplicate.near",
    "not_successor",
    "superseded",
)

# What stages hand on within a shard, besides columns of REJECTED: the original, what it was decoded from (null where
# that is UTF-8), which of its lines an extractor leaves out, the changes to it so far, the line index
# (boilerplate/lines.py), the text before stripping and what went from it, in its coordinates, the share of template
# lines in what stayed, the date of the last change as the page has it, the tokens (dedup/tokens.py), the band keys
# (dedup/bands.py), the digest (dedup/minhash.py), how many characters are whole (dedup/exact.py).
SPANS = pa.list_(
    pa.struct(
        [
            *[pa.field(name, _int32, nullable=False) for name in ("start", "end")],
            *[pa.field(name, _string, nullable=False) for name in ("replacement", "reason", "rule", "transform")],
            pa.field("confidence", _float),
            pa.field("support", _int32),
        ]
    )
)
_IN_WORK = {
    "original": _string,
    "charset": _string,
    "left_out": pa.list_(_int32),
    "spans": SPANS,
    "repaired": _string,
    "removals": SPANS,
    "template_share": _float,
    "lines": pa.list_(pa.uint64()),
    "line_keys": pa.list_(pa.uint64()),
    "line_document": pa.uint64(),
    "modified_raw": _string,
    "long_lines": pa.list_(pa.uint64()),
    "bands": pa.list_(pa.uint64(), 32),
    "digest": pa.binary(96),
    "tokens": pa.large_binary(),
    "chars": pa.int32(),
    "key": pa.uint64(),
    "text_hash": pa.uint64(),
    "name": pa.uint64(),
    "seen": pa.uint64(),
    "is_keyed": _bool,
}


def column_type(name: str) -> pa.DataType:
    """The type of a column, published or handed on between stages."""
    return _IN_WORK[name] if name in _IN_WORK else REJECTED.field(name).type


def with_columns(documents: pa.Table, **columns: Sequence[Any] | pa.Array | pa.ChunkedArray) -> pa.Table:
    """The table with these columns set, each in the type the contract gives it; rows and order stay."""
    for name, values in columns.items():
        if not isinstance(values, pa.Array | pa.ChunkedArray):
            values = pa.array(values, column_type(name))
        at = documents.schema.get_field_index(name)
        if at < 0:
            documents = documents.append_column(name, values)
        else:
            documents = documents.set_column(at, name, values)
    return documents


def own_or(documents: pa.Table, name: str, values: list[Any]) -> list[Any]:
    """Of each document what its record says in that column, else the value."""
    if name not in documents.column_names:
        return values
    said = documents[name].to_pylist()
    return [value if own is None else own for own, value in zip(said, values, strict=True)]
