"""The form in which phrases are compared: letters without accents, in one case, single spaces.

Headings are often in capitals, and capitals drop their accents in Greek, French and Spanish.
"""

import re
from unicodedata import normalize

# Combining accents, Hebrew points, Arabic vowel signs and tatweel, the Devanagari nukta (ख़बर or खबर), zero-width and
# direction marks, soft hyphen, emoji selectors. The vowel signs of Indic, Thai and other scripts are letters and stay.
_MARKS = re.compile(
    "[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1-\u05c5\u05c7\u0640\u064b-\u0655\u093c\u00ad\u200b-\u200f\u202a-\u202e"
    "\u2060\u2066-\u2069\ufe0e\ufe0f\ufeff]+"
)
# Letters written one way or the other that do not decompose: Turkish dotless i, Arabic final ya and ta, Persian ya and
# kaf, Urdu he, the Devanagari sign of a nasal; quotes and dashes; the circled c, which would decompose to a plain one.
_VARIANTS = tuple(zip("ıىةیکہ\u0901’‘ʼ–—ⓒ", "iيهيكه\u0902'''--©", strict=True))
_VARIANT = re.compile("[" + "".join(letter for letter, _ in _VARIANTS) + "]")
_EAST = re.compile("[\u3040-\u30ff\u31f0-\u9fff\uac00-\ud7af\uf900-\ufaff]")  # kana, Han, Hangul
_FULL_WIDTH = re.compile("[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff61-\uff9f\u3300-\u33ff]")
_WIDE_MARKS = tuple(zip("，：；！？（）｜／＞＜＝－ⓒ", ",:;!?()|/><=-©", strict=True))
_COMMON_MARKS = tuple(zip("’“”–—…\u00a0", ("'", '"', '"', "-", "-", "...", " "), strict=True))


def unaccent(text: str) -> str:
    """The text without accents, vowel signs and marks that are not seen."""
    if _VARIANT.search(text):
        for letter, plain in _VARIANTS:  # `translate` looks every letter up: ten times the time
            text = text.replace(letter, plain)
    return _MARKS.sub("", normalize("NFKD", text))


def _fold_east(text: str) -> str:
    """Full-width forms only: taking kana and Hangul apart and together again costs ten times as much."""
    if _FULL_WIDTH.search(text):
        return normalize("NFKC", text.replace("ⓒ", "©"))
    for wide, narrow in _WIDE_MARKS:
        text = text.replace(wide, narrow)
    return text


def fold(text: str) -> str:
    """The form in which phrases are compared.

    >>> fold("  ΔΙΑΒΆΣΤΕ  Επίσης"), fold("Straße İlgili")
    ('διαβαστε επισησ', 'strasse ilgili')
    """
    if not text.isascii():
        for mark, plain in _COMMON_MARKS:  # English with its quotation marks is ASCII after this
            text = text.replace(mark, plain)
        if not text.isascii():
            text = _fold_east(text) if _EAST.search(text) else unaccent(text)
    text = text.casefold()
    if "  " in text or "\t" in text or text != text.strip():
        text = " ".join(text.split())
    return text
