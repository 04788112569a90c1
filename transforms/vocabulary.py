"""The words of dates, names and negation, by language, from vocabulary.toml: there each stands once, with its source.

>>> languages()["de"].months[2], languages()["sv"].joins
(('März', 'Mär', 'Mrz', 'Maerz'), ('och',))
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class Language:
    """One table of vocabulary.toml, which says what each field is."""

    day_first: bool
    joins: tuple[str, ...]
    weekdays: tuple[tuple[str, ...], ...]  # from Monday
    months: tuple[tuple[str, ...], ...] = ()  # from January; none where months are figures
    dated: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    negations: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    seasons: tuple[str, ...] = ()
    directions: tuple[str, ...] = ()
    under: tuple[str, ...] = ()


@cache
def languages() -> dict[str, Language]:
    """By ISO 639-1 code (ISO 639-2 for Filipino)."""
    table = tomllib.loads((files("transforms") / "vocabulary.toml").read_text("utf-8"))
    return {code: _language(entry) for code, entry in table.items()}


def _language(entry: dict[str, Any]) -> Language:
    frozen: dict[str, Any] = {
        name: tuple(tuple(item) if isinstance(item, list) else item for item in value)
        for name, value in entry.items()
        if isinstance(value, list)
    }
    return Language(day_first=entry["day_first"], **frozen)
