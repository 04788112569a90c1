"""Encoding repair: mojibake, entities, control and invisible characters, line ends, Unicode form.

The repairs are ftfy's, under a config that damages nothing: its defaults turn `，` into `,`, `ＡＢＣ` into `ABC`,
`“` into `"` and `ﬁ` into `fi`, over which FineWeb-2 had to be corrected (NeMo-Curator#476, datatrove PR#319). Quotes,
ligatures, full-width forms and CJK punctuation stay.

The text is `ftfy.fix_text(text, FTFY)`, character for character, but where that would damage a good text, or leave one
that nobody can read or find:

- **entities** that a text is about stay: it shows `&copy;` beside `&amp;copy;`, or beside `©` (`_is_about_entities`);
- **capitals** at the end of a word stay: `IRMÃ` before a blank is no `IRMà` (`_LETTERS_AT_END`);
- **separators**, as the vertical tab of office programs, part words; ftfy takes them out, and joins the words;
- **invisible** characters in words go: soft hyphens, zero-width blanks, joiners where the script needs none;
- **another script** that was read as Latin-1 is repaired where it is sure: `Ïàðîì` is `Паром` (`charsets.misread`);
- **marks** in a run of more than thirty are parted, as Unicode's stream-safe format (UAX 15) has it.

ftfy looks only at lines that can change: one scan for a condition that every change needs costs 1/50 of ftfy's own
test. Entities are undone until none is left, as ftfy does (`&amp;lt;` is `<`), in this stage and nowhere else, and not
from the first `<` on; how often is limited.

>>> repair_text("fÃ¼r „uns“，ＡＢＣ\\r\\n", Limits())[0]
'für „uns“，ＡＢＣ\\n'
>>> [(span.rule, span.reason) for span in repair_text("Fu\\xadß, fÃ¼r\\r\\n", Limits())[1]]
[('repair.invisible', 'encoding.control'), ('ftfy.fix_encoding', 'encoding.mojibake'), \
('ftfy.fix_line_breaks', 'encoding.whitespace')]
"""

import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

import ftfy
import pyarrow as pa
import pyarrow.compute as pc
from ftfy.badness import MOJIBAKE_CATEGORIES
from ftfy.chardata import C1_CONTROL_RE, CONTROL_CHARS, HTML_ENTITY_RE
from ftfy.fixes import ANSI_RE, SURROGATE_PAIR_RE, SURROGATE_RE, fix_c1_controls, fix_surrogates, unescape_html

from transforms.charsets import LATIN_BYTES, misread
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

# The fixers of `ftfy.fix_and_explain` that our config leaves on, in its order, and ours; with the reason each gives.
REASONS = {
    "charset": "encoding.mojibake",
    "unescape_html": "encoding.mojibake",
    "fix_encoding": "encoding.mojibake",
    "fix_c1_controls": "encoding.mojibake",
    "fix_line_breaks": "encoding.whitespace",
    "separators": "encoding.whitespace",
    "fix_surrogates": "encoding.mojibake",
    "remove_terminal_escapes": "encoding.control",
    "remove_control_chars": "encoding.control",
    "invisible": "encoding.control",
    "marks": "encoding.normalization",
    "normalize": "encoding.normalization",
}
_OURS = frozenset(("charset", "separators", "invisible", "marks"))
RULES = {name: f"{'repair' if name in _OURS else 'ftfy'}.{name}" for name in REASONS}
# Where several fixes made one change (`&Atilde;&copy;` is `Ã©` is `é`), it bears the name of the first of these.
_PRECEDENCE = {
    name: rank
    for rank, name in enumerate(
        (
            *("charset", "fix_encoding", "unescape_html", "fix_c1_controls", "fix_surrogates"),
            *("remove_terminal_escapes", "remove_control_chars", "invisible", "separators", "fix_line_breaks", "marks"),
            "normalize",
        )
    )
}

# More changes than this in one segment (a line, at most a million characters), and neighbours closer than a word are
# one span, or megabytes of mojibake would be half a million spans.
_MANY_EDITS, _NEAR = 4096, 16


class Edit(NamedTuple):
    """A change inside a segment: code points `start` to `end` give way to `replacement`, by a fixer."""

    start: int
    end: int
    replacement: str
    fixer: str


def _gate() -> re.Pattern[str]:
    """What every change needs, but for NFC: a character that goes in any case, one that is not needed where it stands,
    or a pair that `ftfy.badness` names.

    Each branch of BADNESS_RE has a character that is rare in clean text beside one of a few others. The branches are
    merged by that character, and where it makes things simpler the condition is wider than ftfy's; it is never
    narrower (tests/test_encoding.py tries all pairs and triples of the characters mojibake is made of).
    """
    return re.compile(_GATE.format(**_KINDS), re.VERBOSE)


_KINDS = MOJIBAKE_CATEGORIES | {"control": "".join(map(chr, CONTROL_CHARS)) + "\r\u2028\u2029\ud800-\udfff"}
# Where joiners are spelling: Hebrew, Arabic, Syriac, N'Ko, the scripts of India and their kin, Mongolian; or they join
# emoji. And where blanks of no width part words: Thai, Lao, Tibetan, Burmese, Khmer, Tai, Balinese, Javanese.
_JOINING = (
    "\u0590-\u0dff\u0f00-\u109f\u1700-\u1cff\ua800-\uabff\ufb1d-\ufdff\ufe70-\ufefe\U00010800-\U00011fff"
    "\U0001e900-\U0001e95f\xa9\xae\u203c\u2049\u2139-\u2bff\u3030\u303d\u3297\u3299\ufe0f\U0001f000-\U0001faff"
)
_UNSPACED = "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u1aaf\u1b00-\u1bbf\ua980-\ua9ff\uaa60-\uaadf"
_KINDS |= {
    "joining": _JOINING,
    "unspaced": _UNSPACED,
    "ours": "\u200b-\u200d\u0300-\u036fìîù",
    "others": "\xad\u2060&ŒœЂÙ°",
}
_GATE = """
    [{control}{c1}{bad}{ours}{others}{upper_accented}{box}{currency}{numeric}{law}{start_punctuation}{end_punctuation}]
    (?:
        (?<=[{ours}])
        (?: (?<=[\u200c\u200d]) (?<![{joining}][\u200c\u200d]) (?![{joining}])
        |   (?<=\u200b) (?<![{unspaced}]\u200b) (?![{unspaced}])
        |   (?<=[À-ÿ]{{3}}[ìîù])
        |   (?<=[\u0300-\u036f]{{31}})
        )
    |   (?<![{ours}])
    (?: (?<=[{control}{c1}{bad}\xad\u2060])
    |   (?<=&) (?=\\#?[0-9A-Za-z]{{1,24}};)
    |   (?<=[Œœ]) [^A-Za-z]
    |   (?<=[вВ]Ђ)
    |   (?<=[{lower_accented}{lower_common}{box}{end_punctuation}{currency}{numeric}][{upper_accented}])
    |   (?<=[{upper_accented}Ù])
        (?:[{start_punctuation}{currency}{numeric}{law}{box}°] | (?<=[ÂÃÎÐØÙ])[{common}{end_punctuation}ŠšŸžœ\\ ])
    |   (?<=[{box}{end_punctuation}{currency}{numeric}]) [{lower_accented}{box}]
    |   (?<=[{box}{currency}{numeric}]) [{numeric}{law}{start_punctuation}{end_punctuation}{currency}°{kaomoji}]
    |   (?<=[√≈]) [{common}]
    |   (?<=[{lower_accented}{upper_accented}{end_punctuation}][{currency}])
    |   (?<=[{lower_accented}{upper_accented}{currency}{end_punctuation}][{start_punctuation}]) [{numeric}]
    |   (?<=[{lower_accented}{upper_accented}{law}{start_punctuation}{end_punctuation}][{end_punctuation}])
        [{start_punctuation}{box}]
    |   (?<=[{lower_accented}{upper_accented}][{start_punctuation}{end_punctuation}]) \\w
    |   (?<=[{lower_accented}{upper_accented}{law}{start_punctuation}{end_punctuation}][{box}])
    |   (?<=à[{numeric}])
    |   (?<=‚) [Äâó]
    |   (?<=[ВГРСΒΓΞΟβ][{start_punctuation}{end_punctuation}{currency}°µ])
    ))
"""
_CAN_CHANGE = _gate()


def repair_text(text: str, limits: Limits) -> tuple[str, list[Span]]:
    """The repaired text and what was changed, in coordinates of `text`, in time linear in the text.

    Raises: RecordError (`limit.*`) past a limit.
    """
    if len(text) > limits.document_chars:
        raise RecordError("limit.document_chars", f"{len(text)} characters, allowed {limits.document_chars}")
    normal = unicodedata.is_normalized("NFC", text)
    if normal and not _CAN_CHANGE.search(text):
        return text, []
    edits = list(_in_another_script(text)) if _LATIN_RUN.search(text) else []
    readable = _apply(text, edits)
    normal = normal and unicodedata.is_normalized("NFC", readable)
    repaired, changes = _repair(readable, normal, limits)
    edits = _trimmed(text, _compose(edits, changes, readable)) if edits else changes
    spans = [
        Span(edit.start, edit.end, edit.replacement, REASONS[edit.fixer], RULES[edit.fixer], TRANSFORM, 1.0)
        for edit in edits
    ]
    return repaired, merge_adjacent(spans)


def _repair(text: str, normal: bool, limits: Limits) -> tuple[str, list[Edit]]:
    """Segment by segment."""
    edits: list[Edit] = []
    pieces: list[str] = []
    html_from = text.find("<") if "<" in text else len(text)
    if "&" in text and _is_about_entities(text[:html_from]):
        html_from = 0
    position = 0
    for start, end in _suspects(text, normal):
        fixed, changes = _repair_segment(text[start:end], end <= html_from, limits)
        if changes:
            pieces += (text[position:start], fixed)
            position = end
            edits += [edit._replace(start=start + edit.start, end=start + edit.end) for edit in changes]
    return "".join((*pieces, text[position:])), edits


# No language has words with four letters of Latin-1's upper half in a row; other scripts that were read as it do, and
# often one that ends in one of these: `о` and `м` of cp1251 and koi8-r, `ω` and `μ`, `ש` and `מ`. (One set, four times:
# a count of it takes `re` twice as long.)
_LATIN_RUN = re.compile("[À-ÿ][À-ÿ][À-ÿ][À-ÿ]")
# Of a line's letters, so many are beyond ASCII if it was misread; in a document that was, so many where four in a row
# are: names and addresses stay in ASCII.
_MOSTLY_BEYOND, _SOME_BEYOND = 0.6, 0.2


def _in_another_script(text: str) -> Iterator[Edit]:
    """Lines in another script that were read as Latin-1 or Windows-1252, where all of them together say in which."""
    shares = [(match, _share_beyond_ascii(match[0])) for match in re.finditer("[^\n]+", text)]
    charset = misread("\n".join(match[0] for match, share in shares if share >= _MOSTLY_BEYOND))
    if charset is None:
        return
    table = {}
    for char, byte in LATIN_BYTES.items():
        if byte >= 0x80 and (found := bytes([byte]).decode(charset, "ignore")):
            table[ord(char)] = found
    for match, share in shares:
        if share >= _MOSTLY_BEYOND or (share >= _SOME_BEYOND and _LATIN_RUN.search(match[0])):
            yield Edit(match.start(), match.end(), match[0].translate(table), "charset")


def _share_beyond_ascii(line: str) -> float:
    """The share of a line's letters that Latin-1 or Windows-1252 has beyond ASCII."""
    letters = [char for char in line if char.isalpha()]
    return sum(1 for char in letters if char > "\x7f" and char in LATIN_BYTES) / max(1, len(letters))


_ESCAPED_ENTITY = re.compile("&amp;(#?[0-9A-Za-z]{1,24};)")
# How far from an entity its own sign may stand that it is explained by.
_BESIDE = 40


def _is_about_entities(text: str) -> bool:
    """Whether a text shows entities on purpose: one as it is written (`&copy;`) and escaped (`&amp;copy;`), or alone
    beside its own sign (`&copy; is ©`). An extractor that left entities left all of one depth."""
    escaped = set(_ESCAPED_ENTITY.findall(text))
    signs = set(text)
    for match in HTML_ENTITY_RE.finditer(text):
        sign = html.unescape(match[0])
        if sign == match[0] or sign == "&":
            continue
        if match[0][1:] in escaped:
            return True
        if sign in signs and sign > "\x7f" and unicodedata.category(sign)[0] in "LS":
            before = text[max(0, match.start() - _BESIDE) : match.start()].rpartition("\n")[2]
            after = text[match.end() : match.end() + _BESIDE].partition("\n")[0]
            alone = re.compile(rf"(?<!\w){re.escape(sign)}(?!\w)")
            inside = re.search(r"[\w&]$", before) or re.match(r"\w", after)
            if not inside and (alone.search(before) or alone.search(after)):
                return True
    return False


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
    invisible = _INVISIBLE.findall(text)
    if invisible and len(invisible) == len(_INVISIBLE_IN_PLAIN.findall(text)):  # nor has a hyphenated one
        edits = _coarse([Edit(*change, "invisible") for change in _invisible(text)], text)
        line = _apply(text, edits)
        if not _CAN_CHANGE.search(line) and unicodedata.is_normalized("NFC", line):
            return line, _trimmed(text, edits)
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


_CAPITAL = "A-Z" + "".join(chr(code) for code in (*range(0xC0, 0x250), *range(0x1E00, 0x1F00)) if chr(code).isupper())
# A capital at a word's end before what may follow any word is no beginning of a UTF-8 character: `IRMÃ escreve`,
# `«MAÇÃ»`, `É²`. In a word of capitals Ã, of which `à`, `û`, `î`, `ð` would be made, is none in any case; ...
_LETTERS_AT_END = re.compile(rf"(?<=[{_CAPITAL}][{_CAPITAL}])Ã(?=\ |[»®°](?!\w))")
# ... behind one capital, or alone, the rest of the line must show mojibake: `LÃ  oÃ¹` is `Là où`.
_LETTERS_AT_END_OR_ALONE = re.compile(
    rf"""{_LETTERS_AT_END.pattern}
    | (?<=[{_CAPITAL}]) (?: Ã(?=[\ \xa0”“„‘’–—…•·](?!\w)|\ ) | Â(?=[\ ŠŽ]) | [ÀÁÆ-ÖØ-Þ](?=[°§²³ºª»”…–—™®©•·£€](?!\w)) )
    | (?<![^\s(«“„‘"']) [ÂÃ] (?=\ )""",
    re.VERBOSE,
)


def _fix_encoding(text: str) -> Changes:
    if text.isascii() or not _CAN_CHANGE.search(text):
        return iter(())
    fixed = _decoded_again(text)
    return iter(()) if fixed == text else _differences(text, fixed)


def _decoded_again(text: str) -> str:
    """ftfy's decoding, but for capitals that are no mojibake: hidden from it, and put back."""
    sign = next((sign for sign in "\x02\x03\x04\x05" if sign not in text), None)
    if sign is None or not _LETTERS_AT_END_OR_ALONE.search(text):
        return ftfy.fix_encoding(text)
    hidden = _LETTERS_AT_END_OR_ALONE.sub(sign, text)
    fixed = ftfy.fix_encoding(hidden)
    letters = _LETTERS_AT_END_OR_ALONE.findall(text)
    if fixed != C1_CONTROL_RE.sub(lambda match: fix_c1_controls(match[0]), hidden):  # there is other mojibake
        fixed = ftfy.fix_encoding(_LETTERS_AT_END.sub(sign, text))
        letters = _LETTERS_AT_END.findall(text)
    pieces = fixed.split(sign)
    return "".join((pieces[0], *(letter + piece for letter, piece in zip(letters, pieces[1:], strict=True))))


# White space to Unicode, and line ends but for the last.
_SEPARATOR = re.compile("[\x0b\x1c-\x1f](?=[^\r\n])")


def _separators(text: str) -> Changes:
    """What parts words as a line end does; beside one it says nothing, and goes with the controls."""
    for match in _SEPARATOR.finditer(text):
        if match.start() and text[match.start() - 1] not in "\r\n":
            yield match.start(), match.end(), " " if match[0] == "\x1f" else "\n"


_INVISIBLE = re.compile("[\xad\u200b-\u200d\u2060]+")
# Between these it is no part of mojibake: `Ã\xad` is `í`.
_INVISIBLE_IN_PLAIN = re.compile(
    "(?<=[\x00-\x7fà-ÿ\u0250-\U0010ffff])[\xad\u200b-\u200d\u2060]+(?=[\x00-\x7fÀ-ÿ\u0250-\U0010ffff])"
)
_IS_JOINING, _IS_UNSPACED = re.compile(f"[{_JOINING}]"), re.compile(f"[{_UNSPACED}]")


def _invisible(text: str) -> Changes:
    """What is not seen and says nothing: it keeps a word from being found, and a copy from being one.

    A soft hyphen stays at a line's end, where it is seen, and where no letter stands beside it.
    """
    for match in _INVISIBLE.finditer(text):
        before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
        kept = "\xad" if after in ("\n", "\r") or not (_is_of_word(before) or _is_of_word(after)) else ""
        kept += "\u200c\u200d" if _IS_JOINING.match(before) or _IS_JOINING.match(after) else ""
        kept += "\u200b" if _IS_UNSPACED.match(before) or _IS_UNSPACED.match(after) else ""
        now = "".join(char for char in match[0] if char in kept)
        if now != match[0]:
            yield match.start(), match.end(), now


def _is_of_word(char: str) -> bool:
    return bool(char) and unicodedata.category(char)[0] in "LM"


def _normalize(text: str) -> Changes:
    if unicodedata.is_normalized("NFC", text):
        return
    # A combining character attaches to what precedes it; ASCII never does.
    for match in re.finditer(r"[\x00-\x7f]?[^\x00-\x7f]+", text):
        was, now = match[0], unicodedata.normalize("NFC", match[0])
        if was != now:
            yield from _differences(was, now, match.start())


def _marks(text: str) -> Changes:
    """A grapheme joiner after every thirty marks in a row: NFC sorts a run of them in time quadratic in its length."""
    for piece in _BEYOND_ASCII.finditer(text):
        for match in _MANY_MARKS.finditer(piece[0]):
            marks = 0
            for at, char in enumerate(match[0], piece.start() + match.start()):
                combining = sum(1 for part in unicodedata.normalize("NFD", char) if unicodedata.combining(part))
                if marks + combining > MOST_MARKS:
                    yield at, at, "\u034f"
                    marks = 0
                marks = marks + combining if unicodedata.combining(char) else combining


# UAX 15, stream-safe text format: no language has a letter with as many.
MOST_MARKS = 30
# Marks are no letters, digits or white space; whatever else is none stays as it is.
_MANY_MARKS = re.compile(r"[^\w\s\x00-\x7f]{31,}")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]{31,}")
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
    "separators": _separators,
    "fix_surrogates": _substitutions(re.compile(f"{SURROGATE_PAIR_RE.pattern}|{SURROGATE_RE.pattern}"), fix_surrogates),
    "remove_terminal_escapes": _substitutions(ANSI_RE, lambda _: ""),
    "remove_control_chars": _substitutions(re.compile(f"[{''.join(map(chr, CONTROL_CHARS))}]+"), lambda _: ""),
    "invisible": _invisible,
    "marks": _marks,
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


def repair_encoding(documents: pa.Table, config: Config) -> pa.Table:
    """Repair the encoding of every document: adds `text` and `spans` from `original`; rows and order stay.

    A document past a limit gets `reject_reason` and keeps its original as text. That a record was decoded from
    another `charset` than UTF-8 changed no character of the original: an empty span before the first says it.
    """
    repaired: list[str] = []
    is_repaired: list[bool] = []
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
        is_repaired.append(bool(changes))
        if changes:
            repaired.append(text)
        decoding = Span(0, 0, "", "encoding.mojibake", f"decode.{charset}", DECODING)
        spans.append([decoding, *changes] if charset else changes)
    return with_columns(
        documents,
        text=pc.replace_with_mask(
            documents["original"], pa.array(is_repaired, pa.bool_()), pa.array(repaired, pa.string())
        ),
        spans=to_arrow(spans),
        reject_reason=reasons,
        reject_detail=details,
        reject_stage=stages,
    )
