"""Values: what a record or a page says of itself, read generously; what can't be read is None.

Used for fields of records (flows/readers/fields.py) and for what the head of a page says (html.py).
"""

import re
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import orjson

from transforms.codes import bcp47, code_of_label, fault_of_code, suppressed_script
from transforms.dates import parse_date
from transforms.names import split_names

# Unix time from 1990 to 2100: outside, the number is a row count or a mistake.
UNIX_SECONDS = (631_152_000, 4_102_444_800)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Nothing was published before there was print, and 0001-01-01 and 9999-12-31 stand for "unknown".
PUBLISHED = (1400, 2100)
# Longer values are no fields but texts, and longer lists none of authors or tags: they stay in `extra`.
VALUE_CHARS, LIST_ITEMS = 1_000, 1_000

_DIGITS = re.compile(r"\d{14}|\d{10}(?:\.\d+)?|\d{13}")
_SEPARATORS = re.compile(r"\s*[,;|、，；]\s*")
_BY = re.compile(r"by\s+", re.IGNORECASE)
_RFC_2822 = re.compile(r"(?:[A-Za-z]{3},\s*)?\d{1,2}\s+[A-Za-z]{3}\s+\d{4}\s+\d\d:\d\d")


class Own(NamedTuple):
    """Columns that the text may fill, too, or nobody; those that a record or page fills stand in `from_record`."""

    title: str | None
    authors: list[str] | None
    published_at: datetime | None
    modified_at: datetime | None
    tags: list[str] | None
    source_name: str | None
    declared_language: str | None
    license: str | None


OWN = Own._fields


def read_phrase(value: Any) -> str | None:
    """A phrase on one line.

    >>> read_phrase(" One\\n phrase "), read_phrase(7)
    ('One phrase', None)
    """
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    if not isinstance(value, str) or len(value) > VALUE_CHARS:
        return None
    return " ".join(value.split()) or None


def _phrases(values: list[Any], *names: str) -> list[str] | None:
    """One each of the items, which are phrases, or records that have one."""
    if len(values) > LIST_ITEMS:
        return None
    found: dict[str, None] = {}
    for value in values:
        if isinstance(value, dict):
            value = next((value[name] for name in names if name in value), None)
        if (phrase := read_phrase(value)) is not None and "://" not in phrase:
            found[phrase] = None
    return list(found) or None


def read_authors(value: Any) -> list[str] | None:
    """
    >>> read_authors("By Ada King and Grace Hopper"), read_authors([{"name": "Ada King"}, "https://example.org/ada"])
    (['Ada King', 'Grace Hopper'], ['Ada King'])
    """
    if isinstance(value, str) and len(value) <= VALUE_CHARS:
        value = [name for part in value.split(";") for name in split_names(_BY.sub("", part.strip()), "en")]
    return _phrases(value if isinstance(value, list) else [value], "name")


def read_tags(value: Any) -> list[str] | None:
    """
    >>> read_tags("sea, fog; boats"), read_tags([{"name": "sea"}, "fog"])
    (['sea', 'fog', 'boats'], ['sea', 'fog'])
    """
    if isinstance(value, str) and len(value) <= VALUE_CHARS:
        value = _SEPARATORS.split(value)
    return _phrases(value if isinstance(value, list) else [value], "name", "term", "label")


def read_language(value: Any) -> str | None:
    """
    >>> [read_language(value) for value in ("en_US", "deu_Latn", "zh-TW", "sr-Latn", "English")]
    ['en', 'de', 'zh-Hant', 'sr-Latn', None]
    """
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, str) or len(value) > 40:
        return None
    code, script = code_of_label(bcp47(value.strip().replace("_", "-")))
    if code == "und" or fault_of_code(code) is not None:
        return None
    return f"{code}-{script}" if script and script != suppressed_script(code) else code


def read_time(value: object) -> datetime | None:
    """When a page was fetched: ISO 8601, RFC 2822, fourteen digits, Unix seconds or milliseconds from 1990 to 2100, as
    UTC; None for anything else.

    >>> read_time("2024-03-01T12:00:00+02:00")
    datetime.datetime(2024, 3, 1, 10, 0, tzinfo=datetime.timezone.utc)
    >>> read_time(1709287200) == read_time("20240301100000") == read_time("Fri, 01 Mar 2024 10:00:00 GMT")
    True
    """
    try:
        time = _moment(value)
        return None if time is None else time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError, IndexError):
        return None


def read_date(value: object) -> datetime | None:
    """When it was published or changed: the moment where its zone is said, else midnight UTC of the day; None for what
    is no date, or stands for none (1970-01-01, 9999-12-31).

    >>> read_date("2024-03-01 12:00:00") == read_date("March 1, 2024") == read_date("2024-03-01")
    True
    """
    try:
        time = _moment(value)
        if time is None and isinstance(value, str):
            time = parse_date(value, "")
        if time is None:
            return None
        time = datetime(time.year, time.month, time.day, tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError, IndexError):
        return None
    first, last = PUBLISHED
    return time if first <= time.year < last and time != EPOCH else None


def _moment(value: object) -> datetime | None:
    """What a value says, without a zone where it says none. Raises: ValueError, OverflowError, IndexError."""
    if type(value) is orjson.Fragment:
        value = float(orjson.dumps(value))
    if isinstance(value, str):
        value = value.strip()
        if len(value) > VALUE_CHARS:
            return None
        if not _DIGITS.fullmatch(value):
            return _written(value)
        if len(value) == len("20240301120000"):
            return datetime.strptime(value, "%Y%m%d%H%M%S")
        value = float(value)
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    if isinstance(value, int | float) and not isinstance(value, bool):
        first, last = UNIX_SECONDS
        for seconds in (value, value / 1000):
            if first <= seconds <= last:
                return EPOCH + timedelta(seconds=seconds)
    return None


def _written(value: str) -> datetime | None:
    iso = f"{value[:-3].rstrip()}+00:00" if value.endswith(("UTC", "GMT")) else value
    try:
        return datetime.fromisoformat(iso)
    except ValueError:
        if _RFC_2822.match(value) is None:
            return None
        return parsedate_to_datetime(value)
