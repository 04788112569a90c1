"""Bytes to text: UTF-8 where they are, else as declared, else in the charset in which they read like a text.

A decoding is taken only where it is well ahead of every other: a wrong letter in ten thousand articles is worse than a
record refused with its reason. Decodings that give the same text are one. What tells the others apart:

- Latin charsets differ in a few letters and signs. The language of the ASCII rest says which letters it has, and signs
  stand where signs stand: `“` before a word, `°` behind a number. In English bytes 0xE9 is `é`, in Polish ones `é` as
  well, but 0xB3 is `ł` there.
- Other scripts are told by how they read under langdetect's profiles, all of whose n-grams are counted.

>>> decode("größer".encode("latin-1"), "iso-8859-1")
('größer', 'cp1252')
>>> decode("“It’s late,” said the keeper, and shut the café.".encode("cp1252"))
('“It’s late,” said the keeper, and shut the café.', 'cp1252')
"""

import codecs
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from charset_normalizer import from_bytes
from ftfy.badness import is_bad

from transforms import profiles
from transforms.errors import RecordError

# Labels mean what browsers make of them (WHATWG Encoding): ISO-8859-1 is windows-1252, GB2312 is GB18030.
# fmt: off
_WEB = {
    "ascii": "cp1252", "iso8859-1": "cp1252", "iso8859-9": "cp1254", "iso8859-11": "cp874", "tis-620": "cp874",
    "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949", "big5": "big5hkscs",
    "utf-8-variants": "cesu-8", "mac-roman": "mac_roman", "mac-latin2": "mac_latin2",
}
# What Python has among its text encodings that no text comes in, or that fails on any.
_NO_CHARSETS = ("utf-8", "idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape")
# What may be detected, the likelier first: of Windows, then ISO, then Macintosh and DOS; and for which languages they
# were made, none being most. ISO 8859-1, 8859-9 and all of 8859-13 but its quotes are in the Windows charsets.
_CENTRAL, _BALTIC, _TURKISH = "bs cs hr hu pl ro sk sl sq", "et lt lv se", "az tr"
_LATIN = {
    "cp1252": (0.0, ""), "cp1250": (0.0, _CENTRAL), "cp1254": (0.0, _TURKISH), "cp1257": (0.0, _BALTIC),
    "iso8859-15": (0.5, ""), "iso8859-2": (0.5, _CENTRAL), "iso8859-13": (0.0, _BALTIC), "iso8859-4": (1.0, _BALTIC),
    "mac_roman": (1.5, ""), "mac_latin2": (1.5, _CENTRAL), "cp850": (1.5, ""), "cp437": (2.0, ""),
    "cp852": (1.5, _CENTRAL), "cp857": (1.5, _TURKISH), "cp775": (1.5, _BALTIC),
}
# charset-normalizer alone also guesses what nobody writes.
_OTHERS = [
    "cp1251", "koi8-r", "cp1253", "cp1255", "cp1256", "cp874", "gb18030", "big5hkscs", "cp932", "euc_jp", "cp949",
]
# fmt: on
OF_ONE_BYTE = ("cp1251", "koi8-r", "cp1253", "cp1255", "cp1256", "cp874")
# The byte that a character was, as Latin-1 and as Windows-1252 read it.
LATIN_BYTES = {chr(byte): byte for byte in range(0x100)} | {
    char: byte for byte in range(0x80, 0xA0) for char in bytes([byte]).decode("cp1252", "ignore")
}
# Lead bytes of a CJK charset's common characters: first level of GB 2312, Big5 and JIS, Hangul of KS X 1001.
_COMMON_LEADS = {
    "gb18030": (0xA1, 0xD7),
    "big5hkscs": (0xA1, 0xC6),
    "cp949": (0xA1, 0xC8),
    "euc_jp": (0xA1, 0xCF),
}
_HIRAGANA = re.compile("[ぁ-ん]")
_IS_BEYOND = "\x7f".__lt__
_BEYOND_ASCII = bytes(range(0x80, 0x100))
_DOUBLE_BYTES = re.compile(rb"[\x81-\xfe][\x40-\xfe]")
# Characters, of lines that aren't ASCII, that decide: more of a text says no more.
_SAMPLE = 6_000
# Log-likelihood per n-gram under the best of langdetect's profiles: prose reaches -4 to -9, wrong Chinese -9.5.
_LEAST_FLUENT = -9.0
# So many characters beyond ASCII must tell a decoding in another script from each of the others.
_LEAST_EVIDENCE = 3
# Of another script a text has this share of its letters or more, in a Latin charset at most that: Polish and Turkish
# sentences reach .3.
_LEAST_SHARE, _MOST_SHARE = 0.25, 0.4
# Fewer bytes can be anything.
_LEAST_BYTES = 24
# What each of those characters must gain against the other decoding, in log-likelihood: a letter that belongs makes
# a known n-gram of an unknown one. Where the right decoding is best, 95 of 100 texts have 2; where a wrong one is, none
# but those in charsets not named here.
_LEAST_GAIN = 2.0
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# No text has these; a charset that yields them was declared in error.
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x80-\x9f]")
# Signs of a wrong guess: a capital after a small letter, another script's letter beside a Latin one, a symbol inside a
# word.
_SWAPPED_CASE = re.compile("[a-zß-öø-ÿά-ώа-я][A-ZÀ-ÖØ-ÞΆ-ΫЀ-Я]")
_BROKEN_WORD = re.compile("[a-z][¡-©¬®-±¶¸-¿×÷ˇ˘˙˛˝\u2500-\u259f][a-z]")
_FOREIGN = "\u0370-\u03ff\u0400-\u04ff\u0590-\u06ff\u0e00-\u0e7f"
# One in so many letters, and more, makes a wrong guess; fewer are made by hand.
_MOST_BROKEN = 500
_MIXED_WORD = re.compile(f"[a-z][{_FOREIGN}\u3400-\u9fff\uac00-\ud7a3\U00020000-\U0003ffff]|[{_FOREIGN}][a-z]")
# ISO 2022 (RFC 1468, 1554, 1557) is seven-bit: an escape sequence says of which set what follows is.
_ISO_2022 = re.compile(rb"\x1b\$(?:[@AB]|\([@-D])|\x1b\$\)C|\x1b\(I")
_ISO_2022_CODECS = ("iso2022_jp", "iso2022_jp_ext", "iso2022_jp_2", "iso2022_kr")
# A character beyond U+FFFF as two surrogates of three bytes each (Unicode TR 26).
_CESU_8 = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]")
_NATIONAL = ("gb2312", "big5", "shift_jis", "euc_kr")
# What no text in a charset of bytes has, and UTF-16 in half of its bytes: ASCII 0x00, Greek 0x03, Cyrillic 0x04.
_CONTROL_BYTES = bytes([*range(0x09), *range(0x0E, 0x1B), *range(0x1C, 0x20)])

Prose = Callable[[str], str | None]


def decode(
    raw: bytes, declared: str | None = None, prose: Prose = lambda text: text, configured: str = ""
) -> tuple[str, str]:
    """The text of bytes and the encoding, by Python's name.

    `declared` is what the record says: taken unless its text reads like none and another's does. `configured` is what
    the user says of records that say nothing: taken where it yields text. `prose` gives what of a decoded text should
    read like one, and None where it can't be right: a JSON line is no JSON any more, as Shift_JIS has a backslash for a
    second byte. A byte order mark stays in the text; repair takes it out, and the ledger has it. Raises: RecordError
    (`read.invalid_utf8`) where no encoding is sure, or where the bytes are UTF-8 that was damaged: refused rather than
    guessed.
    """
    if found := _in_units(raw, prose):
        return found
    try:
        return raw.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        where = f"byte {error.start}: 0x{raw[error.start]:02x}"
    if _CESU_8.search(raw) and (text := _decoded(_CESU_8.sub(_one_character, raw), "utf-8")) is not None:
        return text, "cesu-8"
    if _is_damaged_utf8(raw):
        raise RecordError("read.invalid_utf8", f"{where}; the rest is UTF-8")
    said = codec_of(declared)
    name = said or codec_of(configured)
    if name:
        text = _decoded(raw, name)
        if text is not None and not _CONTROL.search(text) and (read := prose(text)) is not None:
            if not said or _reads(read, name):
                return text, name
            found, _ = _detected(raw, prose)
            return found or (text, name)
    found, doubt = _detected(raw, prose)
    if found:
        return found
    tried = f"not UTF-8, and none of {len(_LATIN) + len(_OTHERS)} other charsets is sure{doubt}"
    raise RecordError("read.invalid_utf8", f"{where}; {tried}; name it in [read] encoding, or in the record's charset")


def codec_of(declared: str | None) -> str | None:
    """Python's name of a charset that decodes text; None where there is none, or it is UTF-8.

    >>> codec_of("ISO-8859-1"), codec_of("utf8"), codec_of("no such")
    ('cp1252', None, None)
    """
    try:
        found = codecs.lookup((declared or "").strip().strip("\"'"))
    except (LookupError, ValueError):
        return None
    name = _WEB.get(found.name, found.name)
    return name if found._is_text_encoding and name not in _NO_CHARSETS else None


def _decoded(raw: bytes, name: str) -> str | None:
    try:
        return raw.decode(name)
    except (UnicodeDecodeError, LookupError):
        return None


def _in_units(raw: bytes, prose: Prose) -> tuple[str, str] | None:
    """UTF-16 and UTF-32, with a byte order mark or by their control bytes, and ISO 2022."""
    marked = next((name for mark, name in _MARKS if raw.startswith(mark)), None)
    if marked:
        names: tuple[str, ...] = (marked,)
    elif b"\x1b" in raw and _ISO_2022.search(raw):
        names = _ISO_2022_CODECS
    elif len(raw) >= 8 and len(raw.translate(None, _CONTROL_BYTES)) < len(raw):  # 25 times as fast as a search
        # In the order in which ASCII has its NULs; the other is tried too, for scripts that have no ASCII.
        names = ("utf-16-le", "utf-16-be") if raw[1::2].count(0) >= raw[::2].count(0) else ("utf-16-be", "utf-16-le")
        names = ("utf-32-le", "utf-32-be", *names) if raw.count(0) * 3 >= len(raw) else names
    else:
        return None
    for name in names:
        text = _decoded(raw, name)
        if text is None or _CONTROL.search(text) or (read := prose(text)) is None:
            continue
        if marked or name in _ISO_2022_CODECS or name.startswith("utf-32") or _is_of_units(raw, read):
            return text, name
    return None


def _is_of_units(raw: bytes, text: str) -> bool:
    """Whether bytes may be of units of two or four: their halves are controls as no text has them, and the text is one.

    The wrong byte order makes characters of many scripts and of none; two letters of ASCII make an ideograph, of which
    no language is made.
    """
    sample = text[:_SAMPLE]
    if any(unicodedata.category(char)[0] == "C" and char not in "\t\n\r\f\x0b\xad\ufeff" for char in set(sample)):
        return False
    blocks = Counter(ord(char) >> 8 for char in sample if char > "\u024f" and not char.isspace())
    rest = blocks.total() - sum(number for _, number in blocks.most_common(2))
    if 4 * (len(raw) - len(raw.translate(None, _CONTROL_BYTES))) >= len(raw) and rest * 5 <= len(sample):
        return True
    # of ideographs and syllables only the thousands that a national standard has are common
    return any(10 * len(sample.encode(name, "ignore").decode(name)) >= 9 * len(sample) for name in _NATIONAL)


def _one_character(pair: re.Match[bytes]) -> bytes:
    surrogates = pair[0].decode("utf-8", "surrogatepass")
    return surrogates.encode("utf-16", "surrogatepass").decode("utf-16").encode()


def _is_damaged_utf8(raw: bytes) -> bool:
    """Whether more of the bytes beyond ASCII are whole UTF-8 characters than are not: cut or patched, not legacy."""
    whole = len(raw.decode("utf-8", "ignore").encode())
    ascii_only = len(raw.translate(None, _BEYOND_ASCII))
    return whole - ascii_only >= len(raw) - whole


def _reads(text: str, name: str) -> bool:
    """Whether a declared decoding reads like a text: else another may be right."""
    sample = _sample(text)
    if len(sample) < _LEAST_BYTES:
        return True
    if name in _LATIN:
        latin = _latin(name, sample, _places(sample), _languages(sample))
        return sum(latin.worth.values()) >= _LEAST_FIT_OF_FEW * len(latin.worth)
    return _legible(sample) and profiles.fluency(sample) >= _LEAST_FLUENT


def _sample(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if not line.isascii())[:_SAMPLE] or text[:_SAMPLE]


def _detected(raw: bytes, prose: Prose) -> tuple[tuple[str, str] | None, str]:
    """The decoding that reads best, if it is well ahead of every other; else None, and between which the doubt is."""
    latin, doubt = _best_latin(raw, prose)
    if latin or doubt:
        return _whole(raw, latin.name) if latin and not doubt else None, doubt
    return _best_other(raw, prose)


def _best_other(raw: bytes, prose: Prose) -> tuple[tuple[str, str] | None, str]:
    """The same, of scripts beyond Latin."""
    fluent: dict[str, tuple[float, str]] = {}  # text -> (fluency, encoding): several may decode alike
    for name in _OTHERS:
        decoded = _decoded(raw, name)
        text = decoded and prose(decoded)
        if not text or len(text[:_LEAST_BYTES].encode(name, "replace")) < _LEAST_BYTES:
            continue
        text = _sample(text)
        if _share_beyond_ascii(text) < _LEAST_SHARE:
            continue  # Latin words with single letters of another script
        if text not in fluent and _legible(text) and _common(name, text):
            fluent[text] = (profiles.fluency(text), name)
    if not fluent:
        return None, ""
    text = max(fluent, key=lambda text: fluent[text][0])
    best, name = fluent[text]
    doubt = ""
    fluently = best >= _LEAST_FLUENT and _letters_beyond_ascii(text) >= _LEAST_EVIDENCE
    for other, (fluency, other_name) in fluent.items():
        told_by = _beyond_ascii(text, other)
        if other == text or (told_by >= _LEAST_EVIDENCE and (best - fluency) * len(text) >= _LEAST_GAIN * told_by):
            continue
        fluently, doubt = False, f": {name} or {other_name}"
    # The profiles know few ideographs: there another opinion decides.
    if not fluently and name in _COMMON_LEADS:
        match = from_bytes(text.encode(name, "replace"), cp_isolation=_OTHERS).best()
        fluently = match is not None and str(match) == text
    return _whole(raw, name) if fluently else None, doubt


def _whole(raw: bytes, name: str) -> tuple[str, str] | None:
    decoded = raw.decode(name)
    return None if _CONTROL.search(decoded) else (decoded, name)


def _share_beyond_ascii(text: str) -> float:
    """The share of the letters that are beyond ASCII: few in Latin languages, most in others."""
    return _letters_beyond_ascii(text) / max(1, sum(map(str.isalpha, text)))


def misread(text: str) -> str | None:
    """The charset that a text in another script was in before it was read as Latin-1 or Windows-1252, where it is sure.

    >>> misread("Ïåðåïðàâà çàêðûòà, è äî âåñíû ïî ðåêå õîäÿò òîëüêî ëüäèíû.")
    'cp1251'
    """
    raw = bytes(LATIN_BYTES.get(char, 0x3F) for char in text)
    found, _ = _best_other(raw, lambda text: text)
    if found is None or found[1] not in OF_ONE_BYTE:
        return None
    gain = profiles.fluency(_sample(found[0])) - profiles.fluency(_sample(text))
    return found[1] if gain >= _LEAST_GAIN else None


def _letters_beyond_ascii(text: str) -> int:
    return sum(map(str.isalpha, filter(_IS_BEYOND, text)))


def _beyond_ascii(text: str, other: str) -> int:
    """How many of the characters beyond ASCII the other decoding doesn't have."""
    return (Counter(filter(_IS_BEYOND, text)) - Counter(filter(_IS_BEYOND, other))).total()


def _legible(text: str) -> bool:
    """Whether a decoding may be right: no controls, nothing unassigned or private, no broken words."""
    if any(unicodedata.category(char)[0] == "C" and char not in "\t\n\r\f\xad\ufeff" for char in set(text)):
        return False
    letters = sum(map(str.isalpha, text))
    broken = len(_MIXED_WORD.findall(text)) + len(_BROKEN_WORD.findall(text))
    if len(_SWAPPED_CASE.findall(text)) * 50 > letters or broken * _MOST_BROKEN > letters:
        return False
    bad: bool = is_bad(text)
    return not bad


def _common(name: str, text: str) -> bool:
    """Whether four in five of a CJK charset's characters are common ones, and Chinese has no kana."""
    if name not in _COMMON_LEADS:
        return True
    if name == "gb18030" and len(_HIRAGANA.findall(text)) * 10 > len(text):  # EUC-JP has its kana in the same place
        return False
    low, high = _COMMON_LEADS[name]
    leads = [pair[0] for pair in _DOUBLE_BYTES.findall(text.encode(name, "replace"))]
    common = sum(1 for lead in leads if low <= lead <= high)
    return 5 * common >= 4 * len(leads)


# ------------------------------------------------------------------------------------------------ Latin charsets

# Letters beyond ASCII of languages that these charsets were made for, as they are spelled (Unicode CLDR 46, exemplar
# characters), and behind a bar those of their loan words. First langdetect's languages.
# fmt: off
_ALPHABETS = {
    "af": "’áèéêëîïôöúûü", "ca": "’àáçèéíïòóúü·|ñ", "cs": "áčďéěíňóřšťúůýž", "cy": "’âêîôûŵŷ|äëïöáéèìòù",
    "da": "æøå|éáíóúýäöü", "de": "äöüß|éàèêç’", "en": "’é|èêëàâçïîôöüñæœ", "es": "áéíñóúü", "et": "äöõüšž",
    "fi": "äö|åšžéü", "fr": "’àâçèéêëîïôœùû|æüÿñ", "hr": "čćđšž", "hu": "áéíóöőúüű", "id": "é", "it": "’àèéìòù|îóí",
    "lt": "ąčęėįšųūž", "lv": "āčēģīķļņšūž|ōŗ", "nl": "’éëïöü|áàçèêóôñ", "no": "æøå|àâéèêóòôáäö",
    "pl": "ąćęłńóśźż", "pt": "àáâãçéêíóôõú|üò’", "ro": "ăâîşţșț", "sk": "áäčďéíĺľňóôŕšťúýž", "sl": "čšž|ćđ",
    "so": "", "sq": "çë", "sv": "åäö|éàü", "sw": "", "tl": "ñ", "tr": "’çğıiöşü|âîû",
}
# Those without a profile, and as what their ASCII rest is taken.
_WITHOUT_PROFILE = {
    "az": ("çğıiöşü", "tr"), "eu": ("ñçü", "ca hr id it nl no pt ro sl tr"), "fo": ("áðíóúýæø", "da et no sv"),
    "fy": ("âäéêëïôöúû", "af nl"), "ga": ("’áéíóú", "ca cy en it"), "gl": ("áéíïñóúü", "es it pt"),
    "is": ("áðéíóúýþæö", "da et no sv"), "lb": ("’äëéöüêôàè", "de nl"), "mt": ("ċġħżàèìòù", "et hr id it"),
    "se": ("áčđŋšŧž", "et fi"),
}
# Words of one letter. Another letter that stands alone is more likely no letter.
_WORDS = {
    "ca": "éòà", "da": "åø", "es": "áóé", "fo": "áí", "fr": "àôé", "ga": "áéíó", "gl": "áéó", "hu": "ő", "is": "áí",
    "it": "èà", "no": "åø", "pt": "éàáó", "sv": "åö", "cy": "âŵ", "lb": "à",
}
# fmt: on
# Letters of other languages that names bring with them, those of many first; what is none is in no European text.
_FAMILIAR = Counter("".join((*_ALPHABETS.values(), *(letters for letters, _ in _WITHOUT_PROFILE.values()))))
_LETTERS = frozenset(char for letter in _FAMILIAR for char in (letter, letter.upper()) if letter.isalpha())
# How far behind the likeliest language of the ASCII rest, by langdetect's profiles, another may be: of 151 articles,
# 301 paragraphs and 541 sentences in their languages it is the likeliest of 151, 299 and 522, and these are within.
_PLAUSIBLE, _MANY = 2.6, 3
# Texts in a language with a profile are likelier than this under it, log-likelihood per n-gram: 98 of 100 articles and
# paragraphs. Of those in a language without one it is one in ten, but for Galician.
_AT_HOME = -5.35
# With fewer n-grams than this no language is at home.
_FEW_GRAMS = 200
# What a language without a profile must make up for, and a charset that wasn't made for the language.
_UNKNOWN, _ALIEN = 1.0, 3.0
# What the characters beyond ASCII must be worth in the mean; less where they are few, as in names.
_LEAST_FIT, _LEAST_FIT_OF_FEW, _FEW = 0.4, -0.8, 0.004
# By how much, per n-gram, the words of another decoding may read better in whatever language.
_MOST_FLUENT = 0.7
# Characters of a text that is too short for its language to be sure, and of one in which a letter may be anything.
_SHORT, _FRAGMENT = 400, 100
# By so many characters, each one that belongs against one that does not counting 2, a decoding must be ahead.
_LEAST_AHEAD, _FAR_AHEAD = 2.0, 6.0
# Of one byte no more are looked at: it is one letter of one name, or plain already.
_SAME_BYTE = 8


class _Latin(NamedTuple):
    """A decoding from a Latin charset: the language it fits best, and what characters beyond ASCII are worth there.

    A letter of the language, or a sign where it may stand, is worth 1. Another language's letter may be a name's: -.5.
    A capital inside a word, or a sign between letters, is wrong: -1.
    """

    name: str
    text: str
    language: str
    worth: dict[int, float]  # at its place in the text
    handicap: float  # what speaks against the language and the charset

    @property
    def fit(self) -> float:
        return sum(self.worth.values()) - self.handicap

    def ahead_of(self, other: "_Latin") -> float:
        """By how much this decoding is better where the two differ."""
        told = sum(worth - other.worth[at] for at, worth in self.worth.items() if self.text[at] != other.text[at])
        return told + other.handicap - self.handicap


def _latin(name: str, text: str, places: list[int], languages: dict[str, float]) -> _Latin:
    """The text and what its characters at these places are worth. `languages`: what speaks against each."""
    signs: dict[int, float] = {}
    letters: dict[int, str] = {}
    for at in places:
        char, before, after = text[at], text[at - 1 : at] or "\n", text[at + 1 : at + 2] or "\n"
        if char == "’" and before.isalpha() and after.isalpha():
            letters[at] = char
        elif not char.isalpha() or char in "ªº":
            inside = before.islower() and after.islower() and char not in _INSIDE and before + char + after != "l·l"
            inside = inside or (char in "–—" and _ALONE.match(text[at - 2 : at + 3]) is not None)
            signs[at] = -3.5 if inside else _worth_of_sign(char, before, after)
        elif _is_misplaced(char, text[max(0, at - 2) : at], text[at + 1 : at + 3]):
            signs[at] = -2.0 if char.isupper() and before.islower() and after.islower() else -1.5
        elif not before.isalnum() and not after.isalnum():
            letters[at] = f" {char.lower()[0]}"
        else:
            letters[at] = char.lower()[0]
    counts = Counter(letters.values())

    def fit(language: str) -> float:
        worth = _worth_of_letters(language)
        spelling = sum(number * worth.get(letter, -1.0) for letter, number in counts.items())
        return spelling - languages[language] - _handicap(name, language)

    language = max(languages, key=fit)
    worth = _worth_of_letters(language)
    spelling = {at: worth.get(letter, -1.0) for at, letter in letters.items()}
    return _Latin(name, text, language, signs | spelling, languages[language] + _handicap(name, language))


def _handicap(name: str, language: str) -> float:
    unlikely, languages = _LATIN[name]
    return unlikely + _ALIEN * (bool(languages) and language not in languages.split())


def _is_misplaced(char: str, before: str, after: str) -> bool:
    """Whether a letter doesn't belong between these: a capital inside a word, a small letter amid capitals, beside a
    digit, or one of three in a row that aren't ASCII, as only other scripts have."""
    last, first = before[-1:], after[:1]
    if char.isupper() and (last.islower() or (last > "\x7f" and last.isupper() and first.islower())):
        return True
    if char.islower() and last.isupper() and first.isupper():
        return True
    if char.isupper() and not last.isalpha() and first.isupper() and after[1:].islower():  # `ÒThe`
        return True
    if last.isdigit() or first.isdigit():
        return True
    return any(len(two) == 2 and two.isalpha() and two[0] > "\x7f" < two[1] for two in (before, after))


# A consonant alone before or behind a dash: no word, but the end of one whose letter is no dash.
_ALONE = re.compile(r"[\s\S]?[a-z].[b-df-hj-np-tv-z]\W|\W[b-df-hj-np-tv-z].[a-z]")
# Signs that may stand between small letters.
_INSIDE = frozenset("\xa0\xad’‘´`–—…ªº")
_BEYOND = re.compile(r"[^\x00-\x7f]")


@cache
def _worth_of_letters(language: str) -> dict[str, float]:
    """What each letter is worth, and, behind a blank, where it stands alone."""
    spelled = _ALPHABETS[language] if language in _ALPHABETS else _WITHOUT_PROFILE[language][0]
    own, _, loaned = spelled.partition("|")
    worth = {letter: (-1.5, -1.0, -0.5)[min(number, 3) - 1] for letter, number in _FAMILIAR.items()}
    worth |= dict.fromkeys(loaned, 0.25) | dict.fromkeys(own, 1.0)
    return worth | {f" {letter}": 1.0 if letter in _WORDS.get(language, "") else -1.0 for letter in _FAMILIAR}


def _languages(text: str) -> dict[str, float]:
    """The languages that the ASCII rest of a text may be in, each with what speaks against it."""
    likelihoods, size = profiles.likelihoods(_BEYOND.sub(" ", text))
    most = max(likelihoods[language] for language in _ALPHABETS)
    behind = {language: (most - likelihoods[language]) * size**0.5 for language in _ALPHABETS}
    likely = {language: by for language, by in behind.items() if by < _PLAUSIBLE}
    if len(likely) > _MANY:  # like none of them
        likely = {language: by for language, by in behind.items() if by < 2 * _PLAUSIBLE}
    for language, (_, taken_for) in _WITHOUT_PROFILE.items():
        nearest = min((likely[name] for name in taken_for.split() if name in likely), default=None)
        nearest = min(likely.values()) if nearest is None and size < _FEW_GRAMS else nearest
        if nearest is not None and (most < _AT_HOME or language == "gl" or size < _FEW_GRAMS):
            likely[language] = nearest + _UNKNOWN
    return likely


def _worth_of_sign(char: str, before: str, after: str) -> float:
    """1 where a sign stands as signs do, 0 where that is doubtful, less where it can't."""
    inside = before.isalpha() and after.isalpha()
    if char in "\xa0\xad":
        return 0.0
    if char == "’":
        return 1.0 if before.isalnum() or after.isalnum() else 0.0
    if char in "„‚¿¡":
        return 1.0 if after.isalpha() and (before.isspace() or before in "([-—/\"'") else -1.0
    if char in "“‘”»«‹›":
        alone = before.isspace() and after.isspace() and char not in "«»"
        turned = (char == "«" and before.isalnum()) or (char == "»" and after.isalnum())
        return -1.0 if inside or alone else 0.0 if turned else 1.0
    if char in "–—":
        return 1.0 if before.isspace() and after.isspace() else 0.5 if before.isspace() == after.isspace() else 0.0
    if char in "…·":
        return 1.0 if before == after == "l" else 0.0 if inside else -0.5 if after in ",;:" else 0.5
    if char == "©":
        return -1.0 if after.isalpha() else 1.0 if after.isspace() or after.isdigit() else 0.0
    if char in "®™²³¹":
        return -1.0 if after.isalpha() else 1.0 if before.isalnum() else 0.0
    if char in "ªº":
        return -1.0 if after.isalpha() else 1.0 if before.isdigit() else 0.5
    if char == "°":
        return -1.0 if inside else 1.0 if before.isdigit() else 0.0
    if char in "£€¥¢":
        return -1.0 if before.isalpha() or after.isalpha() else 1.0 if before.isdigit() or after.isdigit() else 0.5
    if char in "•§":
        return -1.0 if before.isalnum() else 0.5 if not after.isalnum() else 0.0
    if char in "½¼¾":
        return -1.0 if before.isalpha() or after.isalpha() else 1.0
    if char in "±×÷µ":
        return -1.0 if before.isalpha() else 0.5
    if char == "´":  # for an apostrophe
        return 0.0 if before.isalpha() or after.isalpha() else -1.5
    return -2.0 if char in "¤¦¨¬¯¸" or char >= "\u2190" else -1.0  # arrows, operators, boxes


def _best_latin(raw: bytes, prose: Prose) -> tuple[_Latin | None, str]:
    """The best decoding from a Latin charset, and, where it isn't ahead of all others, between which the doubt is."""
    found: dict[str, _Latin] = {}
    places: list[int] = []
    languages: dict[str, float] = {}
    for name in _LATIN:
        decoded = _decoded(raw, name)
        text = decoded and prose(decoded)
        if not text or len(text) < _LEAST_BYTES or text in found or _CONTROL.search(text):
            continue
        sample = _sample(text)
        if _share_beyond_ascii(sample) > _MOST_SHARE:
            continue
        if not places:
            places, languages = _places(text), _languages(sample)
        if len(text) == len(next(iter(found), text)):  # else an escape in JSON was taken for another
            found[text] = _latin(name, text, places, languages)
    ranked = sorted(found.values(), key=lambda latin: -latin.fit)
    if not ranked:
        return None, ""
    best = ranked[0]
    least = _LEAST_FIT_OF_FEW if len(places) < _FEW * len(best.text) else _LEAST_FIT
    if sum(best.worth.values()) < least * len(places):
        return None, ""
    if len(places) == 1 and _LATIN[best.name][0] >= 1:
        return None, f": {best.name}, by one character"
    for other in ranked[1:]:
        ahead = best.ahead_of(other)
        if ahead < _FAR_AHEAD or len(best.text) < _SHORT:
            ahead += _read_better(best, other)
        if ahead < _LEAST_AHEAD * (2 if len(best.text) < _FRAGMENT else 1):
            return best, f": {_doubt(best, other)}"
    return best, ""


def _read_better(best: _Latin, other: _Latin) -> float:
    """What it is worth that words in which another decoding has other letters read better, in whatever language: much
    against names, whose letters aren't the language's, and against any word of a short text, of which the language
    isn't sure; little for the rest."""
    differing = [
        at for at in best.worth if {best.text[at], other.text[at]} <= _LETTERS and best.text[at] != other.text[at]
    ]
    doubtful = [at for at in differing if len(best.text) < _SHORT or best.worth[at] < 1]
    if not differing:
        return 0.0
    if doubtful and _fluency_of(other, doubtful) - _fluency_of(best, doubtful) > _MOST_FLUENT:
        return -_FAR_AHEAD
    return 1.0 if _fluency_of(best, differing) - _fluency_of(other, differing) > _MOST_FLUENT / 2 else 0.0


def _fluency_of(latin: _Latin, places: list[int]) -> float:
    return profiles.fluency(" ".join(latin.text[slice(*_word(latin.text, at))] for at in places))


def _word(text: str, at: int) -> tuple[int, int]:
    """Where the word begins and ends in which a character stands."""
    before = re.search(r"[^\s]*$", text[max(0, at - 20) : at])
    after = re.match(r"[^\s]*", text[at : at + 20])
    return at - len(before[0] if before else ""), at + len(after[0] if after else "")


def _places(text: str) -> list[int]:
    """Where characters beyond ASCII stand, the first few of each."""
    seen: Counter[str] = Counter()
    places = []
    for found in _BEYOND.finditer(text):
        seen[found[0]] += 1
        if seen[found[0]] <= _SAME_BYTE:
            places.append(found.start())
    return places


def _doubt(one: _Latin, other: _Latin) -> str:
    """Two decodings, with the first word in which they differ."""
    start, end = _word(one.text, next(at for at in one.worth if one.text[at] != other.text[at]))
    return f"{one.name} ({one.text[start:end]}) or {other.name} ({other.text[start:end]})"
