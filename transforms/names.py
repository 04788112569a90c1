"""Who wrote it: one name or several, in the languages of vocabulary.toml.

A byline says names without saying where one ends: "Anna Berg och Ola Dahl" are two, "José Ortega y Gasset" is one.
So "and" parts names only where a whole name stands on both sides, and in the languages that join the family names of
one person with it only where what follows is more than one.

>>> split_names("Anna Berg, Ola Dahl och Eva Lind"), split_names("José Ortega y Gasset y Ana Ruiz")
(['Anna Berg', 'Ola Dahl', 'Eva Lind'], ['José Ortega y Gasset', 'Ana Ruiz'])
>>> is_names("Jane Doe and John Roe", bare=True), is_names("Land and Sea", bare=True)
(True, False)
"""

import re
from functools import cache

from transforms.vocabulary import languages

NAMES_CHARS = 80
PERSONS = 4
WORDS = 5
SECTION_WORDS = 4
# Without capitals to go by, length and marks must do.
CASELESS_CHARS = 40
EAST_CHARS = 24
_EAST = re.compile("[\u3040-\u30ff\u31f0-\u9fff\uac00-\ud7af\uf900-\ufaff]")

_APART = re.compile(r"\s*[,;|/&、，；]\s*")
# They also join the family names of one person: Spanish, Portuguese, Catalan.
_FAMILY = frozenset(["y", "e", "i"])
# "And" in one language, in others a word before a place, "by Jane Doe in London": only where the label says which.
_PLACES = {"in": ("sl",), "at": ("fil",), "en": ("nl", "af"), "na": ("sw",)}
# Written on to the next word; given names that begin with the letter.
_PREFIXES = ("و", "ו")
_NO_PREFIX = frozenset([
    "وليد", "وائل", "وسام", "وسيم", "وفاء", "وجدي", "وجيه", "وحيد", "ورد", "وردة", "وداد", "وديع", "ودود", "وصفي",
    "وهيب", "وهبة", "وفيق", "ولاء", "وعد", "ורד", "ויקטור", "ויקטוריה", "ולדימיר",
])  # fmt: skip
# Written without spaces.
_THAI_JOIN = "และ"

# What may stand in a name in lower case.
_PARTICLES = frozenset([
    "von", "van", "der", "den", "de", "la", "le", "lo", "li", "del", "della", "dello", "dei", "degli", "dal", "dalla",
    "di", "da", "do", "dos", "das", "du", "des", "al", "el", "bin", "binti", "binte", "ibn", "ben", "abu", "bint",
    "zu", "zum", "zur", "vom", "af", "av", "aan", "op", "ter", "ten", "te", "tot", "'t", "het", "san", "y", "e", "i",
    "st.", "dr.", "prof.", "dr", "prof", "ap", "ní", "nic", "ó", "ua",
])  # fmt: skip
_ELIDED = ("d'", "d’", "l'", "l’", "o'", "o’")
# Words that open a title or a prose line after "By", "Von", "Par", and are no one's first name.
_NOT_NAMES = frozenset([
    "the", "a", "an", "any", "all", "my", "our", "your", "his", "her", "its", "their", "this", "that", "these",
    "those", "no", "not", "one", "two", "day", "night", "far", "then", "now", "means", "way", "der", "die", "das",
    "den", "dem", "ein", "eine", "einem", "einer", "allem", "anfang", "hier", "dort", "heute", "morgen", "nun", "ab",
    "le", "la", "les", "un", "une", "el", "los", "las", "il", "lo", "gli", "uno", "una", "o", "os", "as", "um", "uma",
    "het", "een",
])  # fmt: skip
_MARKS = re.compile(r"[，。！？؟：:।॥።]")


@cache
def _joins() -> frozenset[str]:
    return frozenset(word.casefold() for language in languages().values() for word in language.joins)


def split_names(value: str, language: str = "") -> list[str]:
    """The names of a byline's value, in their order. `language` is that of its label, where it has one."""
    return [name for part in _APART.split(value) for name in _split(part, language) if name]


def _split(part: str, language: str) -> list[str]:
    if " " not in part and _THAI_JOIN not in part:
        return [part]
    names: list[str] = []
    words = part.split()
    begun = 0  # where the name begins that is being read
    for at, word in enumerate(words):
        rest = words[at + 1 :]
        if at == begun:
            continue
        if rest and _is_join(word, part, language) and (word.casefold() not in _FAMILY or _has_name(rest)):
            names.append(" ".join(words[begun:at]))
            begun = at + 1
        elif word.startswith(_PREFIXES) and len(word) > 3 and at - begun > 1 and rest and word not in _NO_PREFIX:
            names.append(" ".join(words[begun:at]))
            words[at], begun = word[1:], at
    names.append(" ".join(words[begun:]))
    if _THAI_JOIN in part:
        return [name.strip() for joined in names for name in joined.split(_THAI_JOIN)]
    return names


def is_join(word: str) -> bool:
    """Whether the word is an "and" in some language."""
    return word.casefold() in _joins()


def _is_join(word: str, part: str, language: str) -> bool:
    """In lower case, for "E" is an initial and "Dan" a name; or where all is in capitals."""
    folded = word.casefold()
    if folded not in _joins() or (word[0].isupper() and not part.isupper()):
        return False
    return folded not in _PLACES or language in _PLACES[folded]


def _has_name(words: list[str]) -> bool:
    """Whether the words, up to the next "and", are more than one family name."""
    own = []
    for word in words:
        if word.casefold() in _joins():
            break
        own.append(word)
    return sum(word.casefold() not in _PARTICLES for word in own) > 1


def without_section(text: str) -> str:
    """The text up to the section that the name wrote for: "by Jane Doe in Travel"; all of it, where none is said."""
    words = text.split()
    for at, word in enumerate(words):
        if word in _unders() and at + 1 < len(words) <= at + 1 + SECTION_WORDS and words[-1][-1] not in ".!?":
            return " ".join(words[:at])
    return text.strip()


@cache
def _unders() -> frozenset[str]:
    return frozenset(word for language in languages().values() for word in language.under)


def _is_caseless(letter: str) -> bool:
    # Georgian has capitals for headlines only.
    return letter.isalpha() and (letter.upper() == letter.lower() or "\u10d0" <= letter <= "\u10ff")


def is_name(person: str, alone: bool) -> bool:
    """Whether it reads as a person's name; `alone` also as a user's, "admin"."""
    words = person.split()
    if not words or len(words) > WORDS or any(character.isdigit() for character in person):
        return False
    if _is_caseless(words[0][0]):
        return len(person) <= (EAST_CHARS if _EAST.search(person) else CASELESS_CHARS) and not _MARKS.search(person)
    if len(words) < 2:
        return alone and (words[0][0].isupper() or words[0].isascii())
    own = [word for word in words if word.casefold() not in _PARTICLES]
    if words[0].casefold() in _NOT_NAMES or (not alone and len(own) < 3 and not _FAMILY.isdisjoint(words)):
        return False  # "Por Tierra y Mar"
    return (
        words[0][0].isupper()
        and (words[-1][0].isupper() or words[-1].startswith(_ELIDED))
        and all(word[0].isupper() or word in _PARTICLES or word.startswith(_ELIDED) for word in words)
    )


def is_names(value: str, bare: bool, language: str = "") -> bool:
    """One to four persons. Without a colon each needs two words: "Von Max Muster", not "Von Menschen und Mäusen"."""
    if len(value) > NAMES_CHARS or value[-1] in "!?。！？:।۔" or "，" in value:
        return False
    if bare and value[-1] == "." and _is_caseless(value[0]):  # a sentence: no capital shows an initial
        return False
    # "By Jane Doe, Staff Writer": what follows the first comma may be a post.
    persons = split_names(value, language)
    return 1 <= len(persons) <= PERSONS and all(is_name(person, alone=not bare) for person in persons)
