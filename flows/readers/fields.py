"""Fields: what a record of names and values (JSON, a row) says of itself, read as the columns it fills.

A column whose name in `[fields]` is "" is read by the names that are usual for it, in the order of USUAL: the first of
which the record has a value that can be read. That is decided record by record, so it depends on no other, nor on where
a file was cut. Names are compared without case, `-`, `_` and blanks; a dot reaches into a nested record. A name in
`[fields]` is taken as it is written, and no other is tried.

What is read as a column leaves the record; the rest of it is `extra`. So a value that can't be read isn't lost, and is
counted.

>>> reader = FieldReader(Config())
>>> found = reader.read({"content": "Rust never sleeps.", "link": "https://example.org/1", "by": "Ada"})
>>> found.text, found.url, found.extra
('Rust never sleeps.', 'https://example.org/1', '{"by":"Ada"}')
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

import orjson

from transforms.config import Config, Fields
from transforms.values import (
    OWN,
    VALUE_CHARS,
    Own,
    read_authors,
    read_date,
    read_language,
    read_phrase,
    read_tags,
    read_time,
)

# Of Common Crawl and its kin (WARC headers, OSCAR, cc_net, RedPajama, C4, FineWeb, HPLT), dolma, datatrove, newspaper,
# trafilatura, news-please, JSON-LD, and what Scrapy spiders are wont to call their items' fields.
USUAL: dict[str, tuple[str, ...]] = {
    "text": (
        *("text", "content", "body", "raw_content", "maintext", "article_body", "article_text", "article"),
        *("full_text", "main_text", "page_content", "plain_text", "raw_text", "cleaned_text", "document"),
    ),
    "id": (
        *("id", "identifier", "doc_id", "_id", "document_id", "article_id", "record_id", "uuid", "guid"),
        *("warc_record_id", "warc_headers.warc-record-id"),
    ),
    "url": (
        *("url", "metadata.url", "meta.url", "link", "uri", "u", "warc-target-uri", "warc_headers.warc-target-uri"),
        *("page_url", "article_url", "document_url", "web_url", "canonical_url", "permalink", "source_url", "source"),
    ),
    "fetched_at": (
        *("fetched_at", "date_download", "download_date", "crawl_date", "crawled_at", "scraped_at", "retrieved_at"),
        *("warc-date", "warc_headers.warc-date", "timestamp", "ts", "added", "filedate"),
        *("metadata.fetched_at", "metadata.date_download", "metadata.timestamp", "metadata.warc_date"),
        *("date", "metadata.date"),  # beside a `dump` only
    ),
    "title": ("title", "headline", "metadata.title", "meta.title"),
    "authors": ("authors", "author", "byline", "creator", "metadata.authors", "metadata.author", "meta.author"),
    "published_at": (
        *("published_at", "date_publish", "publish_date", "date_published", "published", "publication_date"),
        *("pub_date", "metadata.published_at", "metadata.publish_date", "metadata.date_published"),
        *("date", "metadata.date"),  # not beside a `dump`
    ),
    "modified_at": (
        *("modified_at", "date_modify", "date_modified", "modified", "updated_at", "updated", "last_modified"),
        *("metadata.modified_at", "metadata.date_modified"),
    ),
    "tags": ("tags", "keywords", "meta_keywords", "metadata.tags", "metadata.keywords"),
    "source_name": ("source_name", "site_name", "source-hostname", "publisher", "metadata.site_name"),
    "language": (
        *("language", "lang", "document_lang", "meta_lang", "in_language", "metadata.language", "metadata.lang"),
        "warc_headers.warc-identified-content-language",
    ),
    "license": ("license", "licence", "metadata.license", "metadata.licence"),
}
# Records within a record, in which the usual names are looked for.
NESTED = {name.split(".")[0].replace("_", "") for names in USUAL.values() for name in names if "." in name}
# Of a crawl (datatrove's and FineWeb's records name it), `date` is when the page was fetched.
CRAWL = "dump"
# Shapes of records whose names are remembered, and how long all names of one may be.
SHAPES, SHAPE_CHARS = 1_024, 8_192
# Names that are said of a file without texts, and files of which that is said.
NAMES, WAYS_OUT = 20, 5

_APART = str.maketrans("", "", "_- ")
# orjson makes floats of integers beyond 64 bits.
_INEXACT = re.compile(rb"[:,\[]-?\d(?:\.\d+)?e\+?\d\d")


class Found(NamedTuple):
    """What a record says."""

    text: Any  # a string, or bytes that are none; else what stood there instead, or None
    text_name: str
    id: Any  # as it stood
    url: str | None
    fetched_at: datetime | None
    own: Own
    extra: str | None
    from_record: list[str] | None
    uses: tuple[str | None, ...]  # by which name, in the order of USUAL
    unread: tuple[str, ...]  # columns of which no value could be read
    cut: int  # fields that were left out of `extra`
    is_exact: bool  # whether all numbers in `extra` are as they stood


class _Place(NamedTuple):
    """Where a value may stand."""

    name: str
    key: str
    rest: tuple[str, ...]  # of a nested one
    is_said: bool  # by the config


# Of some of a record's names, those of the records that stand there.
Shape = tuple[tuple[str, tuple[str, ...]], ...]


class FieldReader:
    """Reads records of one part; then says what it read as what."""

    def __init__(self, config: Config) -> None:
        self.fields, self.limit = config.fields, config.limits.extra_bytes
        self.known: dict[tuple[tuple[str, ...], Shape], dict[str, tuple[_Place, ...]]] = {}
        self.uses: Counter[tuple[str | None, ...]] = Counter()
        self.unread: Counter[str] = Counter()
        self.cut = 0
        # Lines that the part held, blank ones too: so much further are those of the next part. 0 in other formats.
        self.lines = 0
        # Records of an archive of the web that are no page, by kind.
        self.passed: Counter[str] = Counter()
        # Of records without a text: how many, and the characters of each field.
        self.textless = 0
        self.names: Counter[str] = Counter()

    def places(self, names: tuple[str, ...], nested: Shape = ()) -> dict[str, tuple[_Place, ...]]:
        """Where each column may stand in a record of these names, of which some hold records of such names."""
        shape = (names, nested)
        if (known := self.known.get(shape)) is not None:
            return known
        found = _places(self.fields, names, nested)
        if len(self.known) == SHAPES:
            self.known.clear()
        if sum(map(len, names)) + sum(sum(map(len, inner)) for _, inner in nested) <= SHAPE_CHARS:
            self.known[shape] = found
        return found

    def read(self, record: Mapping[str, Any]) -> Found:
        """What the record says; `count` it if that is what becomes of it."""
        nested = [
            (key, tuple(value)) for key, value in record.items() if type(value) is dict and _folded(key) in NESTED
        ]
        places = self.places(tuple(record), tuple(nested))
        taken: list[_Place] = []
        unread: list[str] = []
        uses: list[str | None] = []
        values: dict[str, Any] = {}
        for column, among in places.items():
            value = name = None
            is_there = False
            for place in among:
                raw = _at(record[place.key], place.rest) if place.rest else record[place.key]
                if raw is None or (raw == "" and column != "text"):
                    continue
                is_there = True
                value = _READ[column](raw)
                if column == "url" and value is not None and not _is_address(value, place):
                    value = None
                if value is not None:
                    name = place.name
                    taken.append(place)
                    break
            if value is None and is_there:
                unread.append(column)
            values[column] = value
            uses.append(name)
        text_name = uses[0]
        if text_name is None:
            text_name, values["text"] = self._no_text(record, places["text"])
        own = Own(*(values["language" if name == "declared_language" else name] for name in OWN))
        extra, cut, is_exact = self._extra(record, taken)
        return Found(
            values["text"],
            text_name,
            values["id"],
            values["url"],
            values["fetched_at"],
            own,
            extra,
            [name for name, value in zip(OWN, own, strict=True) if value is not None] or None,
            tuple(uses),
            tuple(unread),
            cut,
            is_exact,
        )

    def _no_text(self, record: Mapping[str, Any], among: tuple[_Place, ...]) -> tuple[str, Any]:
        for place in among:
            value = _at(record[place.key], place.rest)
            if value is not None:
                return place.name, value
        return self.fields.text or USUAL["text"][0], None

    def count(self, found: Found) -> None:
        """That this is what a record was read as."""
        self.uses[found.uses] += 1
        self.cut += found.cut
        if found.unread:
            self.unread.update(found.unread)

    def count_textless(self, sizes: Mapping[str, int]) -> None:
        """That a record has no text, but fields of so many characters."""
        self.textless += 1
        for name, chars in sizes.items():
            if name in self.names or len(self.names) < SHAPES:
                self.names[name] += chars

    def said(self) -> dict[str, Any]:
        """What was counted: how often which name was read as what, what could not be read, what has no text."""
        named: Counter[tuple[str, str]] = Counter()
        for uses, count in self.uses.items():
            for column, name in zip(USUAL, uses, strict=True):
                if name is not None:
                    named[column, name] += count
        return {
            "lines": self.lines,
            "fields": [[column, name, count] for (column, name), count in sorted(named.items())],
            "unread": dict(sorted(self.unread.items())),
            "cut": self.cut,
            "passed": dict(self.passed),
            "textless": self.textless,
            "names": [[name, self.names[name]] for name in longest_first(self.names)[:NAMES]],
        }

    def _extra(self, record: Mapping[str, Any], taken: list[_Place]) -> tuple[str | None, int, bool]:
        wanted = self.fields.extra
        if wanted is False:
            return None, 0, True
        whole = {place.key for place in taken if not place.rest}
        left = {
            key: value
            for key, value in record.items()
            if value is not None and value != "" and key not in whole and (wanted is True or key in wanted)
        }
        for place in taken:
            if place.rest and place.key in left:
                if (rest := _without(left[place.key], place.rest)) is None:
                    del left[place.key]
                else:
                    left[place.key] = rest
        if not left:
            return None, 0, True
        said = _dumped(left)
        if said is not None and len(said) <= self.limit:
            return said.decode(), 0, not _INEXACT.search(said)
        sizes = {key: _dumped({key: value}) for key, value in left.items()}
        room, kept = self.limit - 1, {}
        for key, one in sorted(
            sizes.items(), key=lambda item: (len(item[1] or b""), item[0])
        ):  # the largest are left out
            if one is not None and len(one) - 1 <= room:
                kept[key] = left[key]
                room -= len(one) - 1
        said = _dumped(kept) if kept else None
        return said.decode() if said else None, len(left) - len(kept), not (said and _INEXACT.search(said))


def longest_first(sizes: Mapping[str, int]) -> list[str]:
    """Names of fields, those that hold most characters first."""
    return sorted(sizes, key=lambda name: (-sizes[name], name))


def way_out(path: str, sizes: Mapping[str, int]) -> str:
    """What to do about a file without texts, whose fields hold so many characters.

    >>> print(way_out("a.jsonl", {"datum": 10, "inhalt": 900}))
    a.jsonl: no record has a text. Fields there: inhalt, datum. If one is the text, put into the config:
    [fields]
    text = "inhalt"
    """
    names = longest_first(sizes)
    there = ", ".join(_shown(name)[1:-1] for name in names[:NAMES])
    said = f"{path}: no record has a text. Fields there: {there or 'none'}."
    if not names or not sizes[names[0]]:
        return f"{said} None of them holds text."
    return f"{said} If one is the text, put into the config:\n[fields]\ntext = {_shown(names[0])}"


def ways_out(without_text: Mapping[str, Mapping[str, int]]) -> list[str]:
    """The way out of the first of these files, and how many more there are."""
    ways = [way_out(path, sizes) for path, sizes in islice(without_text.items(), WAYS_OUT)]
    more = len(without_text) - len(ways)
    return [*ways, f"… and {more:,} more such files"] if more else ways


def _shown(name: str) -> str:
    """As a string of TOML, on one line of a terminal."""
    said = orjson.dumps(name if len(name) <= VALUE_CHARS else name[:VALUE_CHARS]).decode()
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in said)


def text_sizes(record: Mapping[str, Any]) -> dict[str, int]:
    """The record's fields, and how many characters each holds; those of records within it, too."""
    found: dict[str, int] = {}
    for key, value in record.items():
        if isinstance(value, Mapping):
            found |= {f"{key}.{inner}": len(text) for inner, text in value.items() if isinstance(text, str)}
        else:
            found[key] = len(value) if isinstance(value, str) else 0
    return found


def _places(fields: Fields, names: tuple[str, ...], nested: Shape) -> dict[str, tuple[_Place, ...]]:
    top = _by_folded(names)
    within = {key: _by_folded(inner) for key, inner in nested}
    return {
        column: _said(said, names) if (said := getattr(fields, column)) else _usual(column, top, within)
        for column in USUAL
    }


def _by_folded(names: tuple[str, ...]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        found.setdefault(_folded(name), []).append(name)
    return found


def _folded(name: str) -> str:
    return name.casefold().translate(_APART)


def _said(name: str, names: tuple[str, ...]) -> tuple[_Place, ...]:
    """A name of the config: a field of that name, else the path it says."""
    if name in names:
        return (_Place(name, name, (), True),)
    first, *rest = name.split(".")
    return (_Place(name, first, tuple(rest), True),) if rest and first in names else ()


def _usual(
    column: str, top: Mapping[str, list[str]], within: Mapping[str, Mapping[str, list[str]]]
) -> tuple[_Place, ...]:
    places: dict[tuple[str, tuple[str, ...]], _Place] = {}
    for name in USUAL[column]:
        *parents, last = name.split(".")
        records = [(key, within.get(key, {})) for key in top.get(_folded(parents[0]), ())] if parents else [("", top)]
        for parent, among in records:
            if last == "date" and (column == "fetched_at") != (CRAWL in among):
                continue
            for key in sorted(among.get(_folded(last), ()), key=lambda key: key != last):
                if parents:
                    place = _Place(f"{parent}.{key}", parent, (key,), False)
                else:
                    place = _Place(key, key, (), False)
                places.setdefault((place.key, place.rest), place)
    return tuple(places.values())


def _at(value: Any, path: Sequence[str]) -> Any:
    """The value that a path leads to; None where it leads nowhere."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _without(record: Mapping[str, Any], path: Sequence[str]) -> Any:
    """A nested record without the value that was read from it; None where nothing else is in it."""
    first, *rest = path
    left = {name: value for name, value in record.items() if name != first}
    if rest and (inner := _without(record[first], rest)) is not None:
        left[first] = inner
    return left or None


def _dumped(value: Any) -> bytes | None:
    """JSON with sorted keys; None of what is nested too deep for it."""
    try:
        said = orjson.dumps(value, _plain, orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
        return said if _is_json(said) else orjson.dumps(_valid(value), _plain, orjson.OPT_SORT_KEYS)
    except (TypeError, ValueError, RecursionError):  # orjson's errors are both
        return None


def _is_json(said: bytes) -> bool:
    if b"NaN" not in said and b"Infinity" not in said:
        return True
    try:
        orjson.loads(said)
    except ValueError:
        return False
    return True


def _valid(value: Any) -> Any:
    """With NaN and Infinity, which JSON doesn't have, as strings."""
    if isinstance(value, dict):
        return {name: _valid(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_valid(inner) for inner in value]
    if type(value) is orjson.Fragment and not _is_json(said := orjson.dumps(value)):
        return said.decode()
    return value


def _plain(value: Any) -> str:
    """What only a Parquet holds: bytes as UTF-8 or else hexadecimal, decimals, times of other kinds."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.hex()
    return str(value)


# ------------------------------------------------------------------------------------------------------------- values


def _text(value: Any) -> Any:
    return value if isinstance(value, str | bytes) else None


def _any(value: Any) -> Any:
    return value


def _url(value: Any) -> str | None:
    return value if type(value) is str else None


def _is_address(url: str, place: _Place) -> bool:
    """`link` and `source` may be anything."""
    return place.is_said or place.key == "url" or "://" in url


_READ: dict[str, Callable[[Any], Any]] = {
    "text": _text,
    "id": _any,
    "url": _url,
    "fetched_at": read_time,
    "title": read_phrase,
    "authors": read_authors,
    "published_at": read_date,
    "modified_at": read_date,
    "tags": read_tags,
    "source_name": read_phrase,
    "language": read_language,
    "license": read_phrase,
}
