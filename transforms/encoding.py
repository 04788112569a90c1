"""Encoding repair: bytes to text, mojibake, entities, control characters, line ends, Unicode form.

The repairs are ftfy's, under a config that damages nothing: its defaults turn `，` into `,`, `ＡＢＣ` into `ABC`,
`“` into `"` and `ﬁ` into `fi`, over which FineWeb-2 had to be corrected (NeMo-Curator#476, datatrove PR#319). Quotes,
ligatures, full-width forms and CJK punctuation stay.

The text is `ftfy.fix_text(text, FTFY)`, character for character, but ftfy looks only at lines that can change: one
scan for a condition that every change needs costs 1/50 of ftfy's own test. Entities are undone until none is left, as
ftfy does (`&amp;lt;` is `<`), in this stage and nowhere else, and not from the first `<` on; how often is limited.

>>> repair_text("fÃ¼r „uns“，ＡＢＣ\\r\\n", Limits())[0]
'für „uns“，ＡＢＣ\\n'
>>> [(span.rule, span.reason) for span in repair_text("fÃ¼r\\r\\n", Limits())[1]]
[('ftfy.fix_encoding', 'encoding.mojibake'), ('ftfy.fix_line_breaks', 'encoding.whitespace')]
>>> decode("größer".encode("latin-1"), "iso-8859-1")
('größer', 'cp1252')
"""

import codecs
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

import ftfy
import pyarrow as pa
from charset_normalizer import from_bytes
from ftfy.badness import MOJIBAKE_CATEGORIES, is_bad
from ftfy.chardata import C1_CONTROL_RE, CONTROL_CHARS, HTML_ENTITY_RE
from ftfy.fixes import ANSI_RE, SURROGATE_PAIR_RE, SURROGATE_RE, fix_c1_controls, fix_surrogates, unescape_html

from transforms import profiles
from transforms.config import Config, Limits
from transforms.errors import RecordError
from transforms.schema import with_columns
from transforms.spans import Span, merge_adjacent, to_arrow

TRANSFORM, DECODING = "repair_encoding", "decode"

FTFY = ftfy.TextFixerConfig(
    explain=False,
    fix_latin_ligatures=False,
    fix_character_width=False,
    uncurl_quotes=False,
    normalization="NFC",
)

# The fixers of `ftfy.fix_and_explain` that our config leaves on, in its order, with the reason each gives.
REASONS = {
    "unescape_html": "encoding.mojibake",
    "fix_encoding": "encoding.mojibake",
    "fix_c1_controls": "encoding.mojibake",
    "fix_line_breaks": "encoding.whitespace",
    "fix_surrogates": "encoding.mojibake",
    "remove_terminal_escapes": "encoding.control",
    "remove_control_chars": "encoding.control",
    "normalize": "encoding.normalization",
}
# Where several fixes made one change (`&Atilde;&copy;` is `Ã©` is `é`), it bears the name of the first of these.
_PRECEDENCE = {
    name: rank
    for rank, name in enumerate(
        (
            *("fix_encoding", "unescape_html", "fix_c1_controls", "fix_surrogates", "remove_terminal_escapes"),
            *("remove_control_chars", "fix_line_breaks", "normalize"),
        )
    )
}

# More changes than this in one segment (a line, at most a million characters), and neighbours closer than a word are
# one span, or megabytes of mojibake would be half a million spans.
_MANY_EDITS, _NEAR = 4096, 16


class Edit(NamedTuple):
    """A change inside a segment: code points `start` to `end` give way to `replacement`, by one of ftfy's fixers."""

    start: int
    end: int
    replacement: str
    fixer: str


def _gate() -> re.Pattern[str]:
    """What every change needs, but for NFC: a character that goes in any case, or a pair that `ftfy.badness` names.

    Each branch of BADNESS_RE has a character that is rare in clean text beside one of a few others. The branches are
    merged by that character, and where it makes things simpler the condition is wider than ftfy's; it is never
    narrower (tests/test_encoding.py tries all pairs and triples of the characters mojibake is made of).
    """
    return re.compile(_GATE.format(**_KINDS), re.VERBOSE)


_KINDS = MOJIBAKE_CATEGORIES | {"control": "".join(map(chr, CONTROL_CHARS)) + "\r\u2028\u2029\ud800-\udfff"}
_GATE = r"""
    [{control}{c1}{bad}&ŒœЂ{upper_accented}Ù{box}{currency}{numeric}{law}°{start_punctuation}{end_punctuation}]
    (?:
        (?<=[{control}{c1}{bad}])
    |   (?<=&) (?=\#?[0-9A-Za-z]{{1,24}};)
    |   (?<=[Œœ]) [^A-Za-z]
    |   (?<=[вВ]Ђ)
    |   (?<=[{lower_accented}{lower_common}{box}{end_punctuation}{currency}{numeric}][{upper_accented}])
    |   (?<=[{upper_accented}Ù])
        (?:[{start_punctuation}{currency}{numeric}{law}{box}°] | (?<=[ÂÃÎÐØÙ])[{common}{end_punctuation}ŠšŸžœ\ ])
    |   (?<=[{box}{end_punctuation}{currency}{numeric}]) [{lower_accented}{box}]
    |   (?<=[{box}{currency}{numeric}]) [{numeric}{law}{start_punctuation}{end_punctuation}{currency}°{kaomoji}]
    |   (?<=[√≈]) [{common}]
    |   (?<=[{lower_accented}{upper_accented}{end_punctuation}][{currency}])
    |   (?<=[{lower_accented}{upper_accented}{currency}{end_punctuation}][{start_punctuation}]) [{numeric}]
    |   (?<=[{lower_accented}{upper_accented}{law}{start_punctuation}{end_punctuation}][{end_punctuation}])
        [{start_punctuation}{box}]
    |   (?<=[{lower_accented}{upper_accented}][{start_punctuation}{end_punctuation}]) \w
    |   (?<=[{lower_accented}{upper_accented}{law}{start_punctuation}{end_punctuation}][{box}])
    |   (?<=à[{numeric}])
    |   (?<=‚) [Äâó]
    |   (?<=[ВГРСΒΓΞΟβ][{start_punctuation}{end_punctuation}{currency}°µ])
    )
"""
_CAN_CHANGE = _gate()


def repair_text(text: str, limits: Limits) -> tuple[str, list[Span]]:
    """The repaired text and what was changed, in coordinates of `text`.

    The same as `ftfy.fix_text(text, FTFY)`, in time linear in the text. Raises: RecordError (`limit.*`) past a limit.
    """
    if len(text) > limits.document_chars:
        raise RecordError("limit.document_chars", f"{len(text)} characters, allowed {limits.document_chars}")
    normal = unicodedata.is_normalized("NFC", text)
    if normal and not _CAN_CHANGE.search(text):
        return text, []
    spans: list[Span] = []
    pieces: list[str] = []
    html_from = text.find("<") if "<" in text else len(text)
    position = 0
    for start, end in _suspects(text, normal):
        segment = text[start:end]
        fixed, edits = _repair_segment(segment, end <= html_from, limits)
        if edits:
            pieces += (text[position:start], fixed)
            position = end
            spans += [
                Span(start + edit.start, start + edit.end, edit.replacement, REASONS[edit.fixer], rule, TRANSFORM, 1.0)
                for edit in edits
                for rule in (f"ftfy.{edit.fixer}",)
            ]
    return "".join((*pieces, text[position:])), merge_adjacent(spans)


def _suspects(text: str, normal: bool) -> Iterator[tuple[int, int]]:
    """The segments that can change, cut as `ftfy.fix_text` cuts: at line feeds, and every `max_decode_length`."""
    position = 0
    while position < len(text):
        if normal:
            found = _CAN_CHANGE.search(text, position)
            if not found:
                return
            line = max(position, text.rfind("\n", position, found.start()) + 1)
            # Segments of an overlong line are counted from its beginning.
            position = line + (found.start() - line) // FTFY.max_decode_length * FTFY.max_decode_length
        end = min(text.find("\n", position) + 1 or len(text), position + FTFY.max_decode_length)
        if normal or not unicodedata.is_normalized("NFC", text[position:end]) or _CAN_CHANGE.search(text[position:end]):
            yield position, end
        position = end


def _repair_segment(text: str, entities: bool, limits: Limits) -> tuple[str, list[Edit]]:
    """One segment as `ftfy.fix_and_explain` repairs it: all fixers in turn, until none changes anything."""
    if text.endswith("\r\n"):  # a file from Windows has nothing but this to repair, in every line
        line = text[:-2] + "\n"
        if not _CAN_CHANGE.search(line) and unicodedata.is_normalized("NFC", line):
            return line, [Edit(len(text) - 2, len(text) - 1, "", "fix_line_breaks")]
    original, edits, undone = text, list[Edit](), 0
    while True:
        before = text
        for fixer, changes in _FIXERS.items():
            if fixer == "unescape_html" and not entities:
                continue
            found = _coarse([Edit(*change, fixer) for change in changes(text)], text)
            if found:
                undone += fixer == "unescape_html"
                edits = _compose(edits, found, text)
                text = _apply(text, found)
        if text == before:
            return text, _trimmed(original, edits)
        if undone > limits.entity_depth:
            raise RecordError("limit.entity_depth", f"entities nested more than {limits.entity_depth} deep")


Changes = Iterator[tuple[int, int, str]]


def _substitutions(pattern: re.Pattern[str], replacement: Callable[[str], str]) -> Callable[[str], Changes]:
    """A fixer that is a substitution, as the changes it makes."""

    def changes(text: str) -> Changes:
        for match in pattern.finditer(text):
            after = replacement(match[0])
            if after != match[0]:
                yield match.start(), match.end(), after

    return changes


def _fix_encoding(text: str) -> Changes:
    if text.isascii() or not _CAN_CHANGE.search(text):
        return iter(())
    fixed = ftfy.fix_encoding(text)
    return iter(()) if fixed == text else _differences(text, fixed)


def _normalize(text: str) -> Changes:
    if unicodedata.is_normalized("NFC", text):
        return
    # A combining character attaches to what precedes it; ASCII never does.
    for match in re.finditer(r"[\x00-\x7f]?[^\x00-\x7f]+", text):
        was, now = match[0], nfc(match[0])
        if was != now:
            yield from _differences(was, now, match.start())


def nfc(text: str) -> str:
    """The same as `unicodedata.normalize("NFC", text)`, which sorts a run of combining marks in time quadratic in its
    length: a long one is sorted before."""
    return unicodedata.normalize("NFC", _MANY_MARKS.sub(lambda run: _ordered(run[0]), text))


def _ordered(run: str) -> str:
    """Decomposed, its marks in canonical order."""
    marks = "".join(unicodedata.normalize("NFD", mark) for mark in run)
    starts = [0, *(at for at, mark in enumerate(marks) if not unicodedata.combining(mark)), len(marks)]
    return "".join("".join(sorted(marks[a:b], key=unicodedata.combining)) for a, b in pairwise(starts))


# No letter has as many marks. Marks are no letters, digits or white space; whatever else is none stays as it is.
_MANY_MARKS = re.compile(r"[^\w\s\x00-\x7f]{32,}")
_ASCII_RUN = re.compile(r"[\x00-\x7f]+")


def _differences(was: str, now: str, offset: int = 0) -> Changes:
    """Where two forms of a text differ: between the runs of ASCII they share, trimmed.

    Every charset that mojibake comes from is ASCII below 0x80, so that ASCII stays, but for a space or a `?` that
    stood for a lost byte; where the runs differ, words are aligned, and where words differ too, it is one change.
    """
    if len(was) == len(now):
        for start, end in _runs([old != new for old, new in zip(was, now, strict=True)]):
            yield offset + start, offset + end, now[start:end]
        return
    for pattern in (_ASCII_RUN, re.compile(r"[!-~]+"), re.compile(r"\w*[a-z]\w*", re.ASCII)):
        old, new = list(pattern.finditer(was)), list(pattern.finditer(now))
        if old and [match[0] for match in old] == [match[0] for match in new]:
            gaps = zip(_between(old, len(was)), _between(new, len(now)), strict=True)
            break
    else:
        gaps = zip([(0, len(was))], [(0, len(now))], strict=True)
    for (start, end), (new_start, new_end) in gaps:
        if was[start:end] != now[new_start:new_end]:
            yield offset + start, offset + end, now[new_start:new_end]


def _runs(flags: list[bool]) -> Iterator[tuple[int, int]]:
    edges = [at for at, (left, right) in enumerate(pairwise([False, *flags, False])) if left != right]
    return zip(edges[::2], edges[1::2], strict=True)


def _between(matches: list[re.Match[str]], length: int) -> list[tuple[int, int]]:
    edges = [0, *(edge for match in matches for edge in match.span()), length]
    return list(zip(edges[::2], edges[1::2], strict=True))


_FIXERS: dict[str, Callable[[str], Changes]] = {
    "unescape_html": _substitutions(HTML_ENTITY_RE, unescape_html),
    "fix_encoding": _fix_encoding,
    "fix_c1_controls": _substitutions(C1_CONTROL_RE, fix_c1_controls),
    "fix_line_breaks": _substitutions(re.compile("\r\n?|[\u2028\u2029\x85]"), lambda _: "\n"),
    "fix_surrogates": _substitutions(re.compile(f"{SURROGATE_PAIR_RE.pattern}|{SURROGATE_RE.pattern}"), fix_surrogates),
    "remove_terminal_escapes": _substitutions(ANSI_RE, lambda _: ""),
    "remove_control_chars": _substitutions(re.compile(f"[{''.join(map(chr, CONTROL_CHARS))}]+"), lambda _: ""),
    "normalize": _normalize,
}


def _apply(text: str, edits: list[Edit]) -> str:
    pieces: list[str] = []
    position = 0
    for edit in edits:
        pieces += (text[position : edit.start], edit.replacement)
        position = edit.end
    return "".join((*pieces, text[position:]))


def _coarse(edits: list[Edit], text: str) -> list[Edit]:
    """The edits, or where there are many, those close to each other as one."""
    if len(edits) <= _MANY_EDITS:
        return edits
    merged = edits[:1]
    pieces = [edits[0].replacement]
    for edit in edits[1:]:
        last = merged[-1]
        if edit.start - last.end < _NEAR:
            pieces += (text[last.end : edit.start], edit.replacement)
            merged[-1] = last._replace(end=edit.end)
        else:
            merged[-1] = last._replace(replacement="".join(pieces))
            merged.append(edit)
            pieces = [edit.replacement]
    merged[-1] = merged[-1]._replace(replacement="".join(pieces))
    return merged


def _compose(first: list[Edit], second: list[Edit], middle: str) -> list[Edit]:
    """Both as one list, where `first` leads to the text `middle` and `second` starts from it."""
    if not first:
        return second
    placed, shift = [], 0  # (start, end) in `middle`
    for edit in first:
        placed.append((edit.start + shift, edit.start + shift + len(edit.replacement)))
        shift += len(edit.replacement) - (edit.end - edit.start)
    composed: list[Edit] = []
    at, to, shift = 0, 0, 0  # next of first, next of second, place in `middle` - place in the original
    while at < len(first) or to < len(second):
        low = min(
            placed[at][0] if at < len(first) else len(middle), second[to].start if to < len(second) else len(middle)
        )
        high, begin, group, after = low, low - shift, list[Edit](), list[Edit]()
        while True:
            if at < len(first) and _meets(placed[at], low, high, bool(group or after)):
                group.append(first[at])
                high = max(high, placed[at][1])
                shift += len(first[at].replacement) - (first[at].end - first[at].start)
                at += 1
            elif to < len(second) and _meets(second[to][:2], low, high, bool(group or after)):
                after.append(second[to])
                high = max(high, second[to].end)
                to += 1
            else:
                break
        replacement = _apply(middle[low:high], [e._replace(start=e.start - low, end=e.end - low) for e in after])
        fixer = min((edit.fixer for edit in (*group, *after)), key=_PRECEDENCE.__getitem__)
        composed.append(Edit(begin, high - shift, replacement, fixer))
    return composed


def _meets(place: tuple[int, int], low: int, high: int, begun: bool) -> bool:
    """Whether a change belongs to the group of changes from `low` to `high`."""
    start, end = place
    return start < high or (start == end == high) or (not begun and start == low)


def _trimmed(original: str, edits: list[Edit]) -> list[Edit]:
    """The edits without the characters at their ends that they leave as they were."""
    trimmed = []
    for edit in edits:
        was, now = original[edit.start : edit.end], edit.replacement
        shorter = min(len(was), len(now))
        head = next((at for at in range(shorter) if was[at] != now[at]), shorter)
        shorter -= head
        tail = next((at for at in range(shorter) if was[-1 - at] != now[-1 - at]), shorter)
        if len(was) - head - tail or len(now) - head - tail:
            trimmed.append(
                edit._replace(start=edit.start + head, end=edit.end - tail, replacement=now[head : len(now) - tail])
            )
    return trimmed


# Labels mean what browsers make of them (WHATWG Encoding): ISO-8859-1 is windows-1252, GB2312 is GB18030.
# fmt: off
_WEB = {
    "ascii": "cp1252", "iso8859-1": "cp1252", "iso8859-9": "cp1254", "iso8859-11": "cp874", "tis-620": "cp874",
    "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949", "big5": "big5hkscs",
}
# What may be detected: the legacy encodings of the Web. charset-normalizer alone also guesses cp775 or mac_latin2.
_CANDIDATES = [
    "cp1252", "cp1250", "iso8859-2", "cp1251", "koi8-r", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp874",
    "gb18030", "big5hkscs", "cp932", "euc_jp", "cp949",
]
# fmt: on
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
# So many characters beyond ASCII must tell the best decoding from each of the others: by one, `određivati` in cp1250
# was taken for `odrešivati` in cp1257, both letters being Croatian.
_LEAST_EVIDENCE = 3
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
_MIXED_WORD = re.compile(f"[a-z][{_FOREIGN}\u3400-\u9fff\uac00-\ud7a3\U00020000-\U0003ffff]|[{_FOREIGN}][a-z]")


def decode(
    raw: bytes, declared: str | None = None, prose: Callable[[str], str | None] = lambda text: text
) -> tuple[str, str]:
    """The text of bytes and the encoding, by Python's name: UTF-8 if they are, else as declared, else as detected.

    `prose` gives what of a decoded text should read like one, and None where it can't be right: a JSON line is no
    JSON any more, as Shift_JIS has a backslash for a second byte. A byte order mark stays in the text; repair takes it
    out, and the ledger has it. Raises: RecordError (`read.invalid_utf8`) where no encoding makes a text of them that
    reads like one, or where they are UTF-8 that was damaged: refused rather than guessed.
    """
    try:
        return raw.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        where = f"byte {error.start}: 0x{raw[error.start]:02x}"
    if _is_damaged_utf8(raw):
        raise RecordError("read.invalid_utf8", f"{where}; the rest is UTF-8")
    marked = next((name for mark, name in _MARKS if raw.startswith(mark)), None)
    for name in filter(None, (marked, _known(declared))):
        text = _decoded(raw, name)
        if text is not None and not _CONTROL.search(text) and prose(text) is not None:
            return text, name
    found = _detected(raw, prose)
    if found:
        return found
    raise RecordError("read.invalid_utf8", f"{where}; no encoding makes text of it")


def _is_damaged_utf8(raw: bytes) -> bool:
    """Whether more of the bytes beyond ASCII are whole UTF-8 characters than are not: cut or patched, not legacy."""
    whole = len(raw.decode("utf-8", "ignore").encode())
    ascii_only = len(raw.translate(None, _BEYOND_ASCII))
    return whole - ascii_only >= len(raw) - whole


def _known(declared: str | None) -> str | None:
    """Python's name of a declared charset that decodes text; None where there is none."""
    try:
        name = codecs.lookup((declared or "").strip().strip("\"'")).name
    except (LookupError, ValueError):
        return None
    return _WEB.get(name, name) if name not in ("utf-8", "idna", "punycode") else None


def _decoded(raw: bytes, name: str) -> str | None:
    try:
        return raw.decode(name)
    except (UnicodeDecodeError, LookupError):
        return None


def _detected(raw: bytes, prose: Callable[[str], str | None]) -> tuple[str, str] | None:
    """The decoding that reads best in any language, if it is well ahead of every other."""
    fluent: dict[str, tuple[float, str]] = {}  # text -> (fluency, encoding): several may decode alike
    for name in _CANDIDATES:
        decoded = _decoded(raw, name)
        text = decoded and prose(decoded)
        if not text or len(text[:_LEAST_BYTES].encode(name)) < _LEAST_BYTES:
            continue
        text = "\n".join(line for line in text.split("\n") if not line.isascii())[:_SAMPLE] or text[:_SAMPLE]
        if name != _CANDIDATES[0] and not _letters_beyond_ascii(text):
            continue  # quotes and dashes alone are no sign of another script
        if text not in fluent and _legible(text) and _common(name, text):
            fluent[text] = (profiles.fluency(text), name)
    if not fluent:
        return None
    text = max(fluent, key=lambda text: fluent[text][0])
    best, name = fluent[text]
    if name != _CANDIDATES[0] and _letters_beyond_ascii(text) < _LEAST_EVIDENCE:
        return None
    fluently = best >= _LEAST_FLUENT
    for other, (fluency, _) in fluent.items():
        told_by = _beyond_ascii(text, other)
        if other != text and told_by < _LEAST_EVIDENCE:
            return None
        fluently = fluently and (other == text or (best - fluency) * len(text) >= _LEAST_GAIN * told_by)
    # The profiles know few ideographs: there another opinion decides.
    if not fluently and name in _COMMON_LEADS:
        match = from_bytes(text.encode(name), cp_isolation=list(_CANDIDATES)).best()
        fluently = match is not None and str(match) == text
    decoded = raw.decode(name)
    return (decoded, name) if fluently and not _CONTROL.search(decoded) else None


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
    if len(_SWAPPED_CASE.findall(text)) * 50 > letters or _MIXED_WORD.search(text) or _BROKEN_WORD.search(text):
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
    leads = [pair[0] for pair in _DOUBLE_BYTES.findall(text.encode(name))]
    common = sum(1 for lead in leads if low <= lead <= high)
    return 5 * common >= 4 * len(leads)


def repair_encoding(documents: pa.Table, config: Config) -> pa.Table:
    """Repair the encoding of every document: adds `text` and `spans` from `original`; rows and order stay.

    A document past a limit gets `reject_reason` and keeps its original as text. That a record was decoded from
    another `charset` than UTF-8 changed no character of the original: an empty span before the first says it.
    """
    texts: list[str] = []
    spans: list[list[Span]] = []
    reasons = documents["reject_reason"].to_pylist()
    details = documents["reject_detail"].to_pylist()
    stages = documents["reject_stage"].to_pylist()
    charsets = documents["charset"].to_pylist()
    for row, (original, charset) in enumerate(zip(documents["original"].to_pylist(), charsets, strict=True)):
        text, changes = original, list[Span]()
        if reasons[row] is None:
            try:
                text, changes = repair_text(original, config.limits)
            except RecordError as error:
                reasons[row], details[row], stages[row] = error.reason, error.detail, "repair"
        texts.append(text)
        decoding = Span(0, 0, "", "encoding.mojibake", f"decode.{charset}", DECODING)
        spans.append([decoding, *changes] if charset else changes)
    return with_columns(
        documents,
        text=texts,
        spans=to_arrow(spans),
        reject_reason=reasons,
        reject_detail=details,
        reject_stage=stages,
    )
