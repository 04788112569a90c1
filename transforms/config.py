"""The configuration: frozen values, each with its source. The order of stages is code, phrases are data.

What a setting is, and which values it takes, stands with its type, once: the TOML file, the flow's parameters, the
form that Prefect makes of them and the README's table are read from here (flows/parameters.py).

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
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeVar, cast, get_args, get_origin, get_type_hints

from annotated_types import Ge, Interval
from typing_extensions import Doc

from transforms.codes import fault_of_code
from transforms.errors import ConfigError


class _Rule:
    """What pydantic checks of a value by our own `_check`."""

    __slots__ = ()

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, value: Any) -> Any:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Checked(_Rule):
    """A rule that bounds and choices don't say: `is_right` of a value, and what was expected where it isn't."""

    is_right: Callable[[Any], bool]
    expected: str
    pattern: str = ""  # the same for a form, as far as a regular expression goes

    def __get_pydantic_json_schema__(self, schema: Any, handler: Callable[[Any], Any]) -> Any:
        found = handler(schema)
        return {**found, "pattern": self.pattern} if self.pattern else found

    def _check(self, value: Any) -> Any:
        if not self.is_right(value):
            raise ValueError(self.expected)
        return value


def _is_delimiter(value: str) -> bool:
    return len(value) < 2 and value.isascii() and value not in ('"', "\n", "\r")


def _is_charset(value: str) -> bool:
    from transforms.charsets import codec_of  # which takes its settings from here

    return not value or bool(codec_of(value))


@dataclass(frozen=True, slots=True)
class Codes(_Rule):
    """Language codes: items of a list, or keys of a table, each with a fault in its own words."""

    def _check(self, values: Any) -> Any:
        for fault in filter(None, map(fault_of_code, values)):
            raise ValueError(fault)
        return values


Share = Annotated[float, Interval(ge=0, le=1)]
Count = Annotated[int, Ge(1)]
Field = Annotated[str, Doc("Name of the field that is read as `{name}`; empty: one of the usual names.")]


class Settings:
    """A table of settings."""

    __slots__ = ()
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


@dataclass(frozen=True, slots=True)
class Fields(Settings):
    """Which field of a JSONL or Parquet record is read as what; "": one of the usual names (flows/readers/fields.py).
    Dots reach into nested records."""

    id: Field = ""
    url: Field = ""
    text: Field = ""
    fetched_at: Field = ""
    title: Field = ""
    authors: Field = ""
    published_at: Field = ""
    modified_at: Field = ""
    tags: Field = ""
    source_name: Field = ""
    language: Annotated[
        str, Doc("Name of the field that is read as `declared_language`; empty: one of the usual names.")
    ] = ""
    license: Field = ""
    extra: Annotated[bool | tuple[str, ...], Doc("Which other fields are kept: all, none, or those of a list.")] = True
    # Tried first. That of one which is UTF-8 is passed over.
    charset: Annotated[str, Doc("Name of the field in which a record that isn't UTF-8 says its charset.")] = "charset"


@dataclass(frozen=True, slots=True)
class Read(Settings):
    """How records are read."""

    encoding: Annotated[
        str,
        Checked(_is_charset, "the name of a charset other than UTF-8, as 'windows-1252'"),
        Doc("Charset of records that aren't UTF-8 and don't say theirs, as windows-1252; empty: it is detected."),
    ] = ""
    delimiter: Annotated[
        str,
        Checked(_is_delimiter, "one character of ASCII but quotes and line ends", r"^[\t -!#-~]?$"),
        Doc("What parts the cells of a CSV or TSV, one character; empty: the header tells."),
    ] = ""
    html: Annotated[bool, Doc("Read a text that is HTML by its looks as a page; a file of HTML always is.")] = True


@dataclass(frozen=True, slots=True)
class Limits(Settings):
    """Past these a record is rejected as `limit.*`, so that one input can't exhaust a worker."""

    # A record is held in memory whole; web articles are kilobytes, so 64 MiB is a fault or an attack.
    record_bytes: Annotated[Count, Doc("Bytes of one record.")] = 64 * 1024 * 1024
    # Kept as JSON: room for what people note of a page, and not for the page itself.
    extra_bytes: Annotated[Count, Doc("Bytes of `extra`; past it the largest fields are left out, and counted.")] = (
        64 * 1024
    )
    # ftfy and langdetect are linear but slow (3 MB and .5 MB a second): ten million characters are 10-20 s.
    document_chars: Annotated[Count, Doc("Characters of one document.")] = 10_000_000
    # A 33 kB zstd bomb opens to 1 GiB (32,751×); real text, repetitive logs included, stays below 100×.
    expansion_ratio: Annotated[
        Count, Doc("How far a compressed file or archive may expand; short ones always to 64 MiB.")
    ] = 200
    # A page of 200,000 rows of a table takes an extractor 13, a batch of rows one.
    read_seconds: Annotated[Count, Doc("Seconds of CPU that a page, or a reader's next record, may take.")] = 60
    # The largest dumps in one file (Reddit's, the history of a Wikipedia) open to some hundred GB; what is beyond is a
    # fault, and would keep a worker for days.
    file_bytes: Annotated[
        Count, Doc("Bytes of a compressed file, opened; the rest is rejected, as with the next four.")
    ] = 1024**4
    # One a worker at a time.
    member_bytes: Annotated[
        Count, Doc("Bytes of a member of an archive, which is unpacked to `TMPDIR` while it is read.")
    ] = 64 * 1024**3
    # A day's zip in a month's tar is 2, and archives that hold themselves have no end (https://research.swtch.com/zip).
    nesting: Annotated[Count, Doc("How deep archives may lie in each other, the file itself being the first.")] = 4
    # What is passed over counts, too: a zip's are listed in memory, half a KB each.
    members: Annotated[Count, Doc("Members of an archive, with those of archives in it.")] = 1_000_000
    # What one worker writes down, and the most by far that a file has in the wild (10 to 100 million). A Parquet's rows
    # may cost it no bytes at all.
    file_records: Annotated[Count, Doc("Records of a file, or of a part of a large JSONL or Parquet.")] = 1_000_000_000
    # ftfy is quadratic in it (8 kB .16 s, 32 kB 2.2 s). Seen in the wild: 4.
    entity_depth: Annotated[Count, Doc("Nesting of `&amp;amp;…`.")] = 32


@dataclass(frozen=True, slots=True)
class Boilerplate(Settings):
    """Stripping: evidence that a line is the site's and not the article's."""

    # 3 gave removal precision .87, 2 damaged twice as much.
    template_min_groups: Annotated[
        Count, Doc("Articles of a site in which a template line stands, at least (groups of equal ones count once).")
    ] = 3
    # A line in 3 of 10,000 articles is a quotation, not a template.
    template_min_share: Annotated[
        Share, Doc("Share of the site's articles in which a template line stands, at least.")
    ] = 0.02
    # Extracted texts have residue at head and tail.
    input: Annotated[
        Literal["auto", "extracted", "page"],
        Doc("What texts are: extracted, page (every block of the page a line), or auto, told one by one."),
    ] = "auto"
    model_path: Annotated[str, Doc("Weights of the line model; empty: the shipped ones.")] = ""
    # Out of fold, of 2,242 extracted texts .3 % were taken for pages and of 1,764 gold texts .2 %; of pages 94 %
    # (daniel, wcxb, trafseg; short Chinese ones 67 %) were.
    page_score: Annotated[int, Doc("Above it a text is a whole page (thousandths of a logit).")] = 1000
    # F1 is flat from -1500 to 0; damage on wcxb is .033, .042, .052, .071 at -1500, -1250, -1000, -500 (out of fold,
    # all taken for pages).
    line_score: Annotated[int, Doc("Above it a page's line is its article's (thousandths of a logit).")] = -1200


@dataclass(frozen=True, slots=True)
class Language(Settings):
    """Language detection."""

    # "langdetect-exact" takes langdetect's profiles over every n-gram, "fasttext" lid.176.ftz or `model_path`.
    detector: Annotated[
        Literal["auto", "langdetect", "langdetect-exact", "fasttext"],
        Doc(
            "What detects: auto (pycld2, with py3langid and langdetect's profiles where it is unsure), langdetect, "
            "langdetect-exact, or fasttext (extra)."
        ),
    ] = "auto"
    # As lid.176.bin or GlotLID; labels `de`, `deu` or `deu_Latn`.
    model_path: Annotated[str, Doc("A fastText model of your own, for the detector fasttext.")] = ""
    # It decides nothing.
    second_opinion: Annotated[
        str,
        Doc(
            "Another fastText model of your own (OpenLID, GlotLID), whose answers stand in `language_second`; extra "
            "fasttext."
        ),
    ] = ""
    # Without a seed the same text gets different answers (langdetect#3, #120).
    seed: Annotated[int, Doc("langdetect draws at random: with this seed.")] = 0
    # Letters as Latin ones; an ideograph or a syllable counts as three.
    min_letters: Annotated[int, Doc("With fewer letters the language is `und`.")] = 12
    # `auto` is calibrated: at .07 hardly a right answer is lost (core sentences 99.7 %; at .5: 97.7) and 1 of 28
    # pieces of junk gets a language; whoever wants only sure ones asks for more, here or in `thresholds`.
    min_score: Annotated[Share, Doc("Below this confidence it is `und`; that of auto is calibrated.")] = 0.07
    # As FineWeb-2 has it.
    thresholds: Annotated[
        dict[str, Share],
        Codes(),
        Doc("Least confidence by language (BCP-47); below it a document is `language.uncertain`."),
    ] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dedup(Settings):
    """Near duplicates: when a candidate pair is one. Figures are of pairs planted among 21,390 documents."""

    # Of copies with one word in ten changed, .5 finds .91, and .7, most tools' default, .10.
    jaccard: Annotated[
        Share, Doc("Similarity (Jaccard of word 3-grams) from which two documents are near-duplicates.")
    ] = 0.5
    # From here it also counts when the document to keep is chosen.
    sure_jaccard: Annotated[Share, Doc("From here the pair needs no more evidence.")] = 0.6
    # Two pages of one template have .17 and more, where copies edited throughout stay below .05. Without it 1.3-1.8 %
    # of pages of one template were merged.
    own_stretch: Annotated[
        Share, Doc("Below `sure_jaccard`, no near-duplicates if each has a stretch of its own of this share.")
    ] = 0.1
    # Half an article is .46 similar to it.
    containment: Annotated[
        Share, Doc("A document of which this share stands in another is dropped for it, given the next two.")
    ] = 0.8
    contained_jaccard: Annotated[Share, Doc("Least similarity of the two.")] = 0.25
    # Shorter than this, being contained says little: a caption, a notice.
    contained_shingles: Annotated[Count, Doc("Least 3-grams of the shorter one.")] = 20

    @property
    def least(self) -> float:
        """The similarity of which a pair may be one at all."""
        return min(self.jaccard, self.contained_jaccard)


@dataclass(frozen=True, slots=True)
class Succession(Settings):
    """When a text takes the place of an older one under its key."""

    # Of 3,432 pairs of articles of one site .1 % share so much; of pages edited, most do.
    states: Annotated[
        Share,
        Doc(
            "Share of the shorter text (word 3-grams) in the other, from which two that come at once under one URL are "
            "states of one page."
        ),
    ] = 0.5
    # `common` holds for 99 % of those pairs; what stands in an article's place on an error ("not found", bot walls) is
    # a few sentences; 5 % of articles are below 450 characters.
    common: Annotated[
        Share,
        Doc("With less in common than this, and shorter than `small`, a text takes nobody's place: `not_successor`."),
    ] = 0.1
    small: Annotated[
        Share, Doc("Share of the older text's length below which a text counts as short (see `common`).")
    ] = 0.3
    # Also one that would keep nothing where something stood.
    most_lost: Annotated[
        Share, Doc("A run that would lose more than this share of the documents is refused, unless told `force`.")
    ] = 0.5


@dataclass(frozen=True, slots=True)
class Publish(Settings):
    """When what a version adds is unlike what was there (drift). Distances are shares of records that would have to be
    something else for the two to be alike; of two samples of 200 of one source, 999 in 1000 are below .29 (thirty
    languages), .14 (five outcomes) and .20 (seven lengths)."""

    on_drift: Annotated[
        Literal["warn", "refuse", "ignore"],
        Doc(
            "Where what came in is unlike what is there: warn says so in the summary, refuse publishes nothing (exit "
            "3, unless told `force`), ignore."
        ),
    ] = "warn"
    # With fewer new records a share says little.
    least: Annotated[Count, Doc("With fewer records on either side nothing is compared.")] = 200
    languages: Annotated[
        Share, Doc("How unlike at most: documents by language (share that would have to be another).")
    ] = 0.3
    # `superseded` aside, which says what came later.
    outcomes: Annotated[Share, Doc("How unlike at most: records kept, or rejected by reason.")] = 0.2
    lengths: Annotated[Share, Doc("How unlike at most: documents by length, in powers of two.")] = 0.3
    removed: Annotated[Share, Doc("How unlike at most: the share of all characters that was removed.")] = 0.1


@dataclass(frozen=True, slots=True)
class Config(Settings):
    """Everything a run can be told. Written in TOML; unknown keys are errors."""

    # Work is cut at 8 MB, or at this if it is less.
    shard_bytes: Annotated[
        Count, Doc("Bytes of text that fill a published file; changes file layout, never a row.")
    ] = 128 * 1024 * 1024
    supersede_by: Annotated[
        Literal["url", "source_id", "none"],
        Doc("What makes a new text the successor of an old one: url, source_id, none."),
    ] = "url"
    # Others are rejected as `language.unwanted`.
    languages: Annotated[tuple[str, ...], Codes(), Doc("Languages to keep (BCP-47); none keeps all.")] = ()
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
    """The configuration of a mapping as `asdict(config)` gives it, or of a part of one. Raises: ConfigError."""
    return validated(Config, mapping)


def validated(kind: type[T], mapping: Mapping[str, Any]) -> T:
    """A dataclass of settings, its values as their types say. Raises: ConfigError, one line for the first fault."""
    from pydantic import ValidationError

    try:
        # As JSON: there a list is a tuple, and in both `true` is no number and "1" neither.
        found: T = _adapter(cast(Any, kind)).validate_json(json.dumps(mapping, default=str), strict=True)
        return found
    except ValidationError as error:
        raise ConfigError(_say(kind, error.errors(include_url=False)[0])) from None


@cache
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


class Setting(NamedTuple):
    """A setting as its class has it."""

    name: str
    type: Any  # without what is noted of it
    notes: tuple[Any, ...]
    default: Any

    @property
    def description(self) -> str:
        """What it is, for people."""
        said: str = next(note.documentation for note in reversed(self.notes) if isinstance(note, Doc))
        return said.format(name=self.name) if "{name}" in said else said

    @property
    def expected(self) -> str:
        """The values it takes, in words."""
        for note in self.notes:
            if isinstance(note, Checked):
                return note.expected
            if isinstance(note, Interval):
                return f"{note.ge} to {note.le}"
            if isinstance(note, Ge):
                return f"{note.ge} or more"
        return _EXPECTED.get(self.type) or f"one of: {', '.join(get_args(self.type))}"


_EXPECTED = {
    str: "str",
    int: "int",
    float: "float",
    bool: "bool",
    tuple[str, ...]: "a list of strings",
    bool | tuple[str, ...]: "a list of strings, true or false",
    dict[str, Share]: "a table of numbers",
}


def settings_of(kind: Any) -> tuple[Setting, ...]:
    """The settings of a dataclass, or its tables, in order."""
    hints = get_type_hints(kind, include_extras=True)
    default = kind()
    return tuple(Setting(each.name, *_parted(hints[each.name]), getattr(default, each.name)) for each in fields(kind))


def _parted(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    return (get_args(hint)[0], get_args(hint)[1:]) if get_origin(hint) is Annotated else (hint, ())


def _say(kind: Any, error: Mapping[str, Any]) -> str:
    """One line for an error of pydantic's: which key, what stands there, what is expected."""
    path = [part for part in error["loc"] if isinstance(part, str) and not re.fullmatch(r"bool|tuple\[.*\]", part)]
    setting, table, known = None, "", settings_of(kind)
    for part in path:
        setting = next((one for one in known if one.name == part), None)
        if setting is None:
            where = f" in [{table}]" if table else ""
            return f"unknown key '{part}'{where}; known here: {', '.join(sorted(one.name for one in known))}"
        if not is_dataclass(setting.type):
            break
        table, known = part, settings_of(setting.type)
    name = ".".join(path)
    found = f"'{name}' is {error['input']!r}, expected"
    if setting is None or (is_dataclass(setting.type) and path[-1] == table):
        return f"{found} a table{f' [{name}]' if name else ''}"
    if error["type"] == "value_error" and any(isinstance(note, Codes) for note in setting.notes):
        return f"'{name}': {error['ctx']['error']}"
    is_item = path[-1] != setting.name  # of a table of numbers
    if not error["type"].endswith("_type"):
        return f"{found} {'0 to 1' if is_item else setting.expected}"
    return f"{found} {'float' if is_item else _EXPECTED.get(setting.type) or setting.expected}"
