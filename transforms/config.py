"""The configuration: frozen values, each with its source. The order of stages is code, phrases are data.

>>> from_toml('languages = ["de"]').languages
('de',)
>>> from_toml('shard_byte = 1')
Traceback (most recent call last):
...
transforms.errors.ConfigError: unknown key 'shard_byte'; known here: boilerplate, dedup, fields, language, \
languages, limits, publish, read, shard_bytes, succession, supersede_by
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from transforms.codes import fault_of_code
from transforms.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Fields:
    """Which field of a JSONL or Parquet record is read as what; "": one of the usual names (flows/readers/fields.py).
    Dots reach into nested records."""

    id: str = ""
    url: str = ""
    text: str = ""
    fetched_at: str = ""
    title: str = ""
    authors: str = ""
    published_at: str = ""
    modified_at: str = ""
    tags: str = ""
    source_name: str = ""
    language: str = ""  # what the record says, in `declared_language`
    license: str = ""
    # Which other fields are kept in `extra`: all, none, or those of these names.
    extra: bool | tuple[str, ...] = True
    # What a record that isn't UTF-8 says it is in: tried first. That of one which is UTF-8 is passed over.
    charset: str = "charset"


@dataclass(frozen=True, slots=True)
class Read:
    """How records are read."""

    # The charset of records that aren't UTF-8 and don't say theirs: taken as said. "": it is detected.
    encoding: str = ""
    # What parts the cells of a CSV or TSV. "": it is told by the header.
    delimiter: str = ""
    # Whether a text that is HTML by its looks is read as a page. A file of HTML always is.
    html: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """Past these a record is rejected as `limit.*`, so that one input can't exhaust a worker."""

    # A record is held in memory whole; web articles are kilobytes, so 64 MiB is a fault or an attack.
    record_bytes: int = 64 * 1024 * 1024
    # Of a record's other fields, kept as JSON: room for what people note of a page, and not for the page itself.
    extra_bytes: int = 64 * 1024
    # ftfy and langdetect are linear but slow (3 MB and .5 MB a second): ten million characters are 10-20 s.
    document_chars: int = 10_000_000
    # A 33 kB zstd bomb opens to 1 GiB (32,751×); real text, repetitive logs included, stays below 100×.
    expansion_ratio: int = 200
    # CPU seconds to the next record: a page of 200,000 rows of a table takes an extractor 13, a batch of rows one.
    read_seconds: int = 60
    # Bytes of a file, decompressed. The largest dumps in one file (Reddit's, the history of a Wikipedia) open to some
    # hundred GB; what is beyond is a fault, and would keep a worker for days.
    file_bytes: int = 1024**4
    # Bytes of a member of an archive, which is unpacked to a temporary file while it is read, one a worker at a time.
    member_bytes: int = 64 * 1024**3
    # How deep archives lie in each other, the file itself being the first: a day's zip in a month's tar is 2, and
    # archives that hold themselves have no end (https://research.swtch.com/zip).
    nesting: int = 4
    # Members of an archive, those of archives in it and what is passed over, too: a zip's are listed in memory, half a
    # KB each.
    members: int = 1_000_000
    # Records of a file, or of a part of one where it is cut: what one worker writes down, and the most by far that a
    # file has in the wild (10 to 100 million). A Parquet's rows may cost it no bytes at all.
    file_records: int = 1_000_000_000
    # How deep `&amp;amp;…` may be nested; ftfy is quadratic in it (8 kB .16 s, 32 kB 2.2 s). Seen in the wild: 4.
    entity_depth: int = 32


@dataclass(frozen=True, slots=True)
class Boilerplate:
    """Stripping: evidence that a line is the site's and not the article's."""

    # Distinct groups of a site in which a line must stand. 3 gave removal precision .87, 2 damaged twice as much.
    template_min_groups: int = 3
    # Share of the site's groups: a line in 3 of 10,000 articles is a quotation, not a template.
    template_min_share: float = 0.02
    # What texts are: "extracted" (residue at head and tail), "page" (every block of the page a line), or "auto", which
    # tells them apart one by one.
    input: str = "auto"
    # The line model's weights; "" is the shipped file.
    model_path: str = ""
    # Above it a text is a whole page, in thousandths of a logit. Out of fold, of 2,242 extracted texts .3 % were taken
    # for pages and of 1,764 gold texts .2 %; of pages 94 % (daniel, wcxb, trafseg; short Chinese ones 67 %) were.
    page_score: int = 1000
    # A page's line stays above this score. F1 is flat from -1500 to 0; damage on wcxb is .033, .042, .052, .071 at
    # -1500, -1250, -1000, -500 (out of fold, all taken for pages).
    line_score: int = -1200


@dataclass(frozen=True, slots=True)
class Language:
    """Language detection."""

    # "auto": pycld2, with py3langid and langdetect's profiles where it is unsure. "langdetect" (seeded),
    # "langdetect-exact" (its profiles over every n-gram) and "fasttext" (lid.176.ftz, or `model_path`).
    detector: str = "auto"
    # A fastText model of one's own, as lid.176.bin or GlotLID; labels `de`, `deu` or `deu_Latn`.
    model_path: str = ""
    # Another one, as OpenLID or GlotLID, whose answer stands beside ours in `language_second`; it decides nothing.
    second_opinion: str = ""
    # langdetect draws at random: without a seed the same text gets different answers (langdetect#3, #120).
    seed: int = 0
    # Below either, the answer is `und`. Letters as Latin ones; an ideograph or a syllable counts as three.
    min_letters: int = 12
    # `auto` is calibrated: at .07 hardly a right answer is lost (core sentences 99.7 %; at .5: 97.7) and 1 of 28
    # pieces of junk gets a language; whoever wants only sure ones asks for more, here or in `thresholds`.
    min_score: float = 0.07
    # Least confidence by language (BCP-47), as FineWeb-2 has it; below it a document is `language.uncertain`.
    thresholds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dedup:
    """Near duplicates: when a candidate pair is one. Figures are of pairs planted among 21,390 documents."""

    # Jaccard of word 3-grams. Of copies with one word in ten changed, .5 finds .91, and .7, most tools' default, .10.
    jaccard: float = 0.5
    # From here the pair needs no more evidence, and counts when the document to keep is chosen.
    sure_jaccard: float = 0.6
    # Below it, no duplicates if each has a stretch of its own of this share: two pages of one template (.17 and
    # more), where copies edited throughout stay below .05. Without it 1.3-1.8 % of pages of one template were merged.
    own_stretch: float = 0.1
    # A document of which this share stands in another is dropped for it: half an article is .46 similar to it.
    containment: float = 0.8
    contained_jaccard: float = 0.25
    # Shorter than this, being contained says little: a caption, a notice.
    contained_shingles: int = 20


@dataclass(frozen=True, slots=True)
class Succession:
    """When a text takes the place of an older one under its key."""

    # Share of the shorter text's word 3-grams that stands in the other, from which two that came at once under one key
    # are states of one page. Of 3,432 pairs of articles of one site .1 % share so much; of pages edited, most do.
    states: float = 0.5
    # Below this share (99 % of those pairs) and this share of the older one's length a text is no successor: what
    # stands in an article's place on an error ("not found", bot walls) is a few sentences; 5 % of articles are below
    # 450 characters.
    common: float = 0.1
    small: float = 0.3
    # A run that would keep nothing where something stood, or lose more than this share of the documents, is refused.
    most_lost: float = 0.5


@dataclass(frozen=True, slots=True)
class Publish:
    """When what a version adds is unlike what was there (drift). Distances are shares of records that would have to be
    something else for the two to be alike; of two samples of 200 of one source, 999 in 1000 are below .29 (thirty
    languages), .14 (five outcomes) and .20 (seven lengths)."""

    # "warn": the summary says so; "refuse": nothing is published; "ignore".
    on_drift: str = "warn"
    # With fewer new records a share says little.
    least: int = 200
    # Documents by language.
    languages: float = 0.3
    # Records kept, or rejected, by reason; `superseded` aside, which says what came later.
    outcomes: float = 0.2
    # Documents by length, in powers of two.
    lengths: float = 0.3
    # Share of all characters that was removed: the difference.
    removed: float = 0.1


@dataclass(frozen=True, slots=True)
class Config:
    """Everything a run can be told. Written in TOML; unknown keys are errors."""

    # Bytes of text that fill a published file; work is cut at 8 MB, or at this if it is less. Changes file layout,
    # never a row.
    shard_bytes: int = 128 * 1024 * 1024
    # What makes a new text the successor of an old document: "url", "source_id" or "none".
    supersede_by: str = "url"
    # Languages to keep (BCP-47); empty keeps all. Others are rejected as `language.unwanted`.
    languages: tuple[str, ...] = ()
    fields: Fields = field(default_factory=Fields)
    read: Read = field(default_factory=Read)
    limits: Limits = field(default_factory=Limits)
    boilerplate: Boilerplate = field(default_factory=Boilerplate)
    language: Language = field(default_factory=Language)
    dedup: Dedup = field(default_factory=Dedup)
    succession: Succession = field(default_factory=Succession)
    publish: Publish = field(default_factory=Publish)

    def content_hash(self) -> str:
        """SHA-256 over what can change a row: all of it but `shard_bytes`, which only cuts files, and `publish`.

        Weights count by their content. Raises: ConfigError where they can't be read.
        """
        content = asdict(self)
        del content["shard_bytes"], content["publish"]
        for table, key in (("boilerplate", "model_path"), ("language", "model_path"), ("language", "second_opinion")):
            if path := content[table][key]:
                try:
                    content[table][key] = file_digest(Path(path))
                except OSError as error:
                    raise ConfigError(f"{table}.{key}: {path}: {error.strerror or error}") from None
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file, read again only where its size, times or inode have changed: a model may be gigabytes."""
    found = path.stat()
    return _file_digest(path, (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino))


@cache
def _file_digest(path: Path, state: tuple[int, ...]) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


T = TypeVar("T")


def from_toml(text: str) -> Config:
    """The configuration a TOML text says. Raises: ConfigError where it isn't TOML, or a key or value is wrong."""
    try:
        mapping = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not TOML: {error}") from None
    return from_mapping(mapping)


def from_mapping(mapping: Mapping[str, Any]) -> Config:
    """The configuration of a mapping as `asdict(config)` gives it, or of a part of one."""
    config = _build(Config, mapping, "")
    _check(config)
    return config


def _build(kind: type[T], mapping: Mapping[str, Any], where: str) -> T:
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    default = kind()
    values: dict[str, Any] = {}
    for key, value in mapping.items():
        if key not in known:
            table = f" in [{where}]" if where else ""
            raise ConfigError(f"unknown key '{key}'{table}; known here: {', '.join(sorted(known))}")
        values[key] = _value(getattr(default, key), value, f"{where}.{key}" if where else key)
    return kind(**values)


def _value(default: Any, value: Any, name: str) -> Any:
    if is_dataclass(default) and not isinstance(default, type):
        if not isinstance(value, Mapping):
            raise ConfigError(f"'{name}' is {value!r}, expected a table [{name}]")
        return _build(type(default), value, name)
    if isinstance(default, tuple) or (name == "fields.extra" and type(value) is not bool):
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise ConfigError(f"'{name}' is {value!r}, expected a list of strings")
        return tuple(value)
    if isinstance(default, dict):
        if not isinstance(value, Mapping):
            raise ConfigError(f"'{name}' is {value!r}, expected a table [{name}]")
        return {key: _value(0.0, number, f"{name}.{key}") for key, number in value.items()}
    if isinstance(default, float) and type(value) is int:
        value = float(value)
    if type(value) is not type(default):
        raise ConfigError(f"'{name}' is {value!r}, expected {type(default).__name__}")
    return value


def _check(config: Config) -> None:
    choices = {
        "supersede_by": (config.supersede_by, ("url", "source_id", "none")),
        "boilerplate.input": (config.boilerplate.input, ("auto", "extracted", "page")),
        "publish.on_drift": (config.publish.on_drift, ("warn", "refuse", "ignore")),
        "language.detector": (config.language.detector, ("auto", "langdetect", "langdetect-exact", "fasttext")),
    }
    for name, (value, allowed) in choices.items():
        if value not in allowed:
            raise ConfigError(f"'{name}' is {value!r}, expected one of: {', '.join(allowed)}")
    delimiter = config.read.delimiter
    if len(delimiter) > 1 or delimiter in ('"', "\n", "\r") or not delimiter.isascii():
        raise ConfigError(
            f"'read.delimiter' is {delimiter!r}, expected one character of ASCII but quotes and line ends"
        )
    from transforms.charsets import codec_of  # which takes its settings from here

    if config.read.encoding and not codec_of(config.read.encoding):
        found = f"'read.encoding' is {config.read.encoding!r}"
        raise ConfigError(f"{found}, expected the name of a charset other than UTF-8, as 'windows-1252'")

    for name, codes in (("languages", config.languages), ("language.thresholds", tuple(config.language.thresholds))):
        for fault in filter(None, map(fault_of_code, codes)):
            raise ConfigError(f"'{name}': {fault}")
    positive = {
        "shard_bytes": config.shard_bytes,
        "boilerplate.template_min_groups": config.boilerplate.template_min_groups,
        "dedup.contained_shingles": config.dedup.contained_shingles,
        "publish.least": config.publish.least,
        **{f"limits.{f.name}": getattr(config.limits, f.name) for f in fields(Limits)},
    }
    for name, number in positive.items():
        if number < 1:
            raise ConfigError(f"'{name}' is {number}, expected 1 or more")
    shares = {
        "boilerplate.template_min_share": config.boilerplate.template_min_share,
        "language.min_score": config.language.min_score,
        **{
            f"dedup.{name}": getattr(config.dedup, name)
            for name in ("jaccard", "sure_jaccard", "own_stretch", "containment", "contained_jaccard")
        },
        **{f"language.thresholds.{code}": least for code, least in config.language.thresholds.items()},
        **{f"succession.{f.name}": getattr(config.succession, f.name) for f in fields(Succession)},
        **{
            f"publish.{name}": getattr(config.publish, name) for name in ("languages", "outcomes", "lengths", "removed")
        },
    }
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise ConfigError(f"'{name}' is {share}, expected 0 to 1")
