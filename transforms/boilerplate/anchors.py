"""Anchor phrases: the words by which a site's furniture gives itself away, in many languages.

"Related articles", "上一篇:", "© 2020 … All rights reserved": a phrase says what a line is before any statistics can.
On text already extracted by the best HTML tools, four in five wrong lines that remain are of this sort (related
links, credits, share and newsletter calls, bios), while rules on line shape remove as much prose as noise. So the
phrases are data (`rules/*.toml`, one file a reason), each rule carries lines it must strip and prose it must keep,
and matching here says only *what a line is*: whether it goes is decided elsewhere, by its place on the page.

All languages apply to every document: machine-translated sites mix them, and language is detected later.

A line is compared in folded form (NFKD without accents, casefold, single spaces), because headings are often in
capitals, and capitals drop their accents in Greek, French and Spanish. Decoration at the edges (bullets, arrows,
emoji, "(3)") is ignored; quotation marks and dashes that open a line are not, for there they mark speech.

>>> match_line("» Related Articles (3)").rule
'related.en.heading'
>>> match_line("Related articles of the treaty were amended in 1957.") is None
True
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.resources import files
from itertools import groupby, pairwise
from typing import Any, NamedTuple
from unicodedata import normalize

from transforms.dates import DIGIT, LINE_CHARS, around, figures, is_date_line, is_weekday, says_change, without_dated
from transforms.dates import find as find_date
from transforms.folding import fold, unaccent
from transforms.names import is_join, is_name, is_names, without_section
from transforms.scripts import FULL_STOPS, SENTENCE_ENDS, UNSPACED_SET, first_script

# One rules file each; the order is also the order of precedence between phrases of equal confidence.
SUBJECTS = (
    "related", "navigation", "share", "subscribe", "comments", "author_bio",
    "byline", "header", "legal", "contact", "cookie", "promotion",
)  # fmt: skip

# Lines of these stand together at the head, often several on one line.
HEADERS = ("boilerplate.header", "boilerplate.byline")
HEADER_PARTS = 6
# The fields of a date: what it is of. `modified_raw` is handed on for `modified_at`.
DATES = ("published_raw", "modified_raw")
HEADER_CONFIDENCE = 0.5
LABEL_WORDS = 4
# A comma before a year is inside a date: "March 12, 2020".
_PARTS = re.compile(r"\s+[|·•–—/-]\s+|\s*\|\s*|\s{2,}|,\s+(?!\d{4}(?!\d))")
_TIME_OF_DAY = re.compile(r"(?:[^\W\d]+\.? ){0,3}\d{1,2}[:.h]\d{2}(?: ?[^\W\d]{1,4}\.?)?")

# Lengths in characters. A site's own lines are short; the limits also bound every regular expression.
LINE_LIMIT = 200  # nothing longer is a labelled line: the longest real title after "<<:" seen was 150
PATTERN_LIMIT = 100  # phrases and patterns that are the whole line; longer notices are match_paragraph's business
SENTENCE_LIMIT = 60  # as is whatever is longer than this and ends in a full stop
LABEL_LIMIT = 40  # what may stand before the colon
PARAGRAPH_LIMIT = 1200  # above it a paragraph is an article without line breaks, and a phrase proves nothing


@dataclass(frozen=True, slots=True)
class Anchor:
    """What a line or paragraph was recognised as. `value` is the original's own characters."""

    reason: str
    rule: str
    kind: str  # "heading" | "label" | "line" | "paragraph"
    place: str  # "head" | "tail" | "both"
    field: str | None  # metadata column the value (or the block below a heading) belongs to
    value: str
    confidence: float  # 0..1


class Keep(NamedTuple):
    """A line that a rule's words do not take. `place` says where, for what may be an anchor elsewhere."""

    text: str
    place: str | None = None  # "title" | "section heading" | "line": of its own, between paragraphs


@dataclass(frozen=True, slots=True)
class Rule:
    """One `[[rule]]` table of rules/*.toml."""

    id: str
    reason: str
    language: str  # ISO 639-1, "zh" for both scripts, "any" for symbols
    kind: str
    place: str
    confidence: float
    field: str | None = None
    bare: float | None = None  # confidence of a label without its colon; None: the colon is required
    value: str = "title"  # what a label's value must look like: title | words | names | date | any
    phrases: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()  # phrases of this language that the rule of another, above, has already
    patterns: tuple[str, ...] = ()  # on folded text, whole line; anywhere in it for kind "paragraph"
    cased: bool = False  # a paragraph's patterns read it as written: capitals are evidence
    when: tuple[str, ...] = ()  # words of which the text must hold one before the patterns are tried
    strip: tuple[str, ...] = ()
    keep: tuple[Keep, ...] = ()
    source: str = ""  # whose interface the words were read in


def _fold_pattern(pattern: str) -> str:
    """A pattern as it meets folded text. Not casefolded as a whole: `\\S` is not `\\s`."""
    return _COMPOSED.sub(lambda run: normalize("NFC", run[0]), unaccent(pattern)).replace("ß", "ss").replace("ς", "σ")


_COMPOSED = re.compile("[\u1100-\u11ff\u3040-\u30ff]+")  # what folding leaves whole


# --- edges ---------------------------------------------------------------------------------------------------------

# Colons: Latin, full-width, Armenian, Khmer, Ethiopic.
_COLONS = ":：՝៖፦"
_COLON = re.compile(f"[{_COLONS}]")
_EDGE = _COLONS + " \t\r\n\v\f\u00a0\u3000\ufeff\u200b*#|=~<>_»«›‹•·●○■□◆◇★☆×…【】〖〗［］[]{}"
_COUNT = re.compile(r"\s*[(\[（［]\s*\d[\d.,]{0,9}\+?\s*[)\]）］]$")
_PICTURES = re.compile(
    "^[\u2190-\u2bff\U0001f000-\U0001faff\ufe0f\u200d\\s]+|[\u2190-\u2bff\U0001f000-\U0001faff\ufe0f\u200d\\s]+$"
)
_IS_UNSPACED = re.compile(f"[{UNSPACED_SET}]")


def _is_picture(character: str) -> bool:
    return "\u2190" <= character <= "\u2bff" or "\U0001f000" <= character <= "\U0001faff" or character == "\ufe0f"


def _trim(line: str) -> str:
    """The line without decoration; '' where nothing is left or the line is a quotation."""
    if line[:1].isalpha() and line[-1].isalpha():
        return line
    core = line.strip(_EDGE)
    if not core or (len(line) > 1 and line.strip()[0] == "«" and line.strip()[-1] == "»"):
        return ""
    if core[-1] in ")]）］" or (core[-1].isdigit() and line.rstrip().endswith(("]", "］"))):
        core = _COUNT.sub("", line.rstrip()).strip(_EDGE)
        if not core:
            return ""
    if not core.isascii():
        if _is_picture(core[0]) or _is_picture(core[-1]):
            core = _PICTURES.sub("", core).strip(_EDGE)
            if not core:
                return ""
    elif core.endswith("..."):
        core = core.rstrip(". ")
    if core[:2] == "- ":  # a bullet; a dash of any other width opens speech
        core = core[2:].strip(_EDGE)
    if core[-1:] == "-":
        core = core.rstrip("- ")
    return core


# --- scripts: which patterns can match at all ----------------------------------------------------------------------

# Chinese, Japanese and Korean lines mix these.
_EAST_SCRIPTS = frozenset(("Hani", "Hira", "Kana", "Bopo", "Hang"))
# Words stand between spaces and take no prefix: what else is looked for as a part of the text.
WORD_SCRIPTS = frozenset(("Latn", "Grek", "Cyrl"))


def _script(text: str) -> str:
    script = first_script(text)
    return "East" if script in _EAST_SCRIPTS else script


def _script_of(rule: Rule) -> str:
    """The script of the lines that the rule's patterns match."""
    return "any" if rule.language == "any" else _script(" ".join((*rule.patterns, *rule.phrases)))


# So much of how a match begins is told apart.
HEAD_CHARS = 6
# By so many letters the patterns are looked up.
OPENING = 3
# More beginnings than this are not told apart any further.
HEADS = 500
_COUNT_OF = re.compile(r"[?*+]|\{(?P<least>\d+)(?P<to>,?)(?P<most>\d*)\}")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")
_ESCAPED = re.compile(r"\\([^a-z\\])")
_NUMBER = re.compile(r"\d\d*")


@cache  # those of any language stand in each script
def _heads(pattern: str) -> tuple[str, ...]:
    """How a match can begin, numbers as "0", up to HEAD_CHARS; "" where any way. For dispatch, never for matching.

    Reads what the rules are written in: literals, classes, groups, alternatives and their counts.

    >>> _heads("(?:all )?comments?|[(]?no")
    ('(no', 'all co', 'commen', 'no')
    """
    closed: set[str] = set()
    opened, _ = _read_heads(pattern, 0, frozenset([""]), closed)
    heads: list[str] = []
    for head in sorted(closed | opened):
        if not heads or not head.startswith(heads[-1]):  # what follows begins with the last, or with none
            heads.append(head)
    return tuple(heads)


def _read_heads(pattern: str, at: int, before: frozenset[str], closed: set[str]) -> tuple[frozenset[str], int]:
    """From `at` to the end of the group: what may stand up to there where `before` stood, and where that is. What can't
    be told any further is `closed`."""
    found: frozenset[str] = frozenset()
    opened = before
    while at < len(pattern) and pattern[at] != ")":
        if pattern[at] == "|":
            found, opened, at = found | opened, before, at + 1
            continue
        start, at = at, _end_of_atom(pattern, at)
        least = most = 1
        if (count := _COUNT_OF.match(pattern, at)) is not None:
            at = count.end()
            least = int(count["least"] or (count[0] == "+"))
            most = 1 if count[0] == "?" else int(count["most"] or (least if count["least"] and not count["to"] else 99))
        for _ in range(min(least, HEAD_CHARS)):
            opened = _with_atom(pattern, start, opened, closed)
        more = opened
        for _ in range(min(most, HEAD_CHARS) - least):
            more = _with_atom(pattern, start, more, closed) - opened
            opened |= more
        if len(opened) > HEADS:
            closed |= opened
            opened = frozenset()
    return found | opened, at


def _end_of_atom(pattern: str, at: int) -> int:
    if pattern[at] == "\\":
        return at + 2
    if (letters := _CLASS.match(pattern, at)) is not None:
        return letters.end()
    end = at + 1
    if pattern[at] == "(":
        while pattern[end] != ")":
            end = _end_of_atom(pattern, end)
        end += 1
    return end


def _inside(pattern: str, at: int) -> int:
    """Where what is in a group begins."""
    return pattern.index(">", at) + 1 if pattern.startswith("(?P<", at) else at + (3 if pattern[at + 1] == "?" else 1)


def _with_atom(pattern: str, at: int, before: frozenset[str], closed: set[str]) -> frozenset[str]:
    """What may stand up to the end of the atom at `at`."""
    if not before:
        return before
    if pattern[at] == "(":
        return _read_heads(pattern, _inside(pattern, at), before, closed)[0]
    letters: str | None = pattern[at]
    if pattern[at] == "[":
        inside = _ESCAPED.sub(r"\1", pattern[at + 1 : _end_of_atom(pattern, at) - 1])
        is_plain = not inside.startswith("^") and "\\" not in inside and "-" not in inside[1:-1]
        letters = inside if is_plain else None
    elif pattern[at] == "\\":
        code = pattern[at + 1]
        if code == "b":
            return before
        letters = "0" if code == "d" else None if code.isalpha() else code
    elif pattern[at] == ".":
        letters = None
    if letters is None:
        closed |= before
        return frozenset()
    longer = {
        head + ("" if letter.isdigit() and head[-1:] == "0" else "0" if letter.isdigit() else letter)
        for head in before
        for letter in letters
    }
    cut = {head for head in longer if len(head) == HEAD_CHARS}
    closed |= cut
    return frozenset(longer - cut)


def _signs(pattern: str) -> tuple[str, ...]:
    """Strings of which one stands in every match: literals that it has, or those of one of its groups; "" where none.

    >>> _signs(".{0,9}(?:read|heard) (?:all|any)? ?more.*"), _signs("no|[a-z]+ of|x")
    (('heard', 'read'), (' of', 'no', 'x'))
    """
    found: list[tuple[str, ...]] = []
    literal, at, begin = "", 0, 0
    alternatives: list[tuple[str, ...]] = []
    while at <= len(pattern):
        if at == len(pattern) or pattern[at] == "|":
            alternatives.append(max((*found, (literal,)), key=lambda signs: min(map(len, signs))))
            found, literal, at = [], "", at + 1
            continue
        begin, at = at, _end_of_atom(pattern, at)
        count = _COUNT_OF.match(pattern, at)
        atom, at = pattern[begin:at], at if count is None else count.end()
        is_needed = count is None or count[0] == "+" or int(count["least"] or 0) > 0
        letter = atom[-1] if len(atom) == 1 or (len(atom) == 2 and not atom[-1].isalpha()) else ""
        if letter in ("", ".") or count is not None:
            found.append((literal + letter * (is_needed and letter != "."),))
            literal = ""
            if atom[0] == "(" and is_needed:
                found.append(_signs(atom[_inside(atom, 0) : -1]))
        else:
            literal += letter
    return tuple(sorted({sign for signs in alternatives for sign in signs}))


_ANCHORED = re.compile(r"(?<![\\\[])\^|(?<!\\)\$")


class _Search(NamedTuple):
    """A pattern looked for in paragraphs: most have no sign of it, and one that begins with `^` is tried once."""

    pattern: str
    signs: tuple[str, ...]  # as `_signs` has it

    def finds(self, text: str) -> bool:
        for sign in self.signs:
            if sign in text:
                pattern = _compiled(self.pattern)
                return (pattern.match(text) if self.pattern[0] == "^" else pattern.search(text)) is not None
        return False


def _searches(pattern: str) -> tuple[_Search, ...]:
    """The alternatives of a pattern, each by itself."""
    bars, at = [-1], 0
    while at < len(pattern):
        if pattern[at] == "|":
            bars.append(at)
            at += 1
        else:
            at = _end_of_atom(pattern, at)
    found = []
    for begin, end in pairwise((*bars, len(pattern))):
        alternative = pattern[begin + 1 : end]
        inside = alternative.removeprefix("^").removesuffix("$")
        found.append(_Search(alternative, ("",) if _ANCHORED.search(inside) else _signs(inside)))
    return tuple(found)


# --- what a label's value must look like ---------------------------------------------------------------------------


def _is_words(value: str, bare: bool) -> bool:
    if len(value) > 100 or "。" in value[:-1]:  # a caption, or prose glued to a credit
        return False
    return (value[-1] not in SENTENCE_ENDS and value[-1] != ";") or (
        not bare and value[-1] == "." and value.count(" ") < 4
    )


def _is_title(value: str) -> bool:
    # titles end in "?" or are cut off with an ellipsis, but a full stop is a sentence: "Next: fold in the egg whites."
    return (value[-1] not in FULL_STOPS and value[-1] not in ";,") or value.endswith(("...", "。。。"))


def _is_date(value: str, bare: bool) -> bool:
    """Bare, nothing may follow the date: "Vom 3. Mai 1949 an galt das Gesetz" is prose."""
    folded = fold(value)
    if bare:
        return is_date_line(folded)
    if len(folded) > LINE_CHARS or folded.startswith(("by ", "von ", "por ", "par ")):
        return False
    found = find_date(figures(folded))
    return found is not None and found.start <= 14 and not re.search(r"[^\W\d]{3,}\.$", folded)


# --- the lexicon: all rules, laid out for look-up ------------------------------------------------------------------


# What may stand round a word that triggers a paragraph rule, so that splitting on blanks finds it.
_AROUND = tuple((before, after) for before in ("", "(", '"') for after in ("", ".", ",", ";", ":", "!", "?", ")", '"'))


class _Pattern(NamedTuple):
    number: int
    pattern: str
    rule: Rule
    heads: tuple[str, ...] = ()  # how a match can begin, as `_heads` has it


# Patterns are compiled when a line may match: all of them at once would take two seconds of every process.
_compiled = cache(re.compile)


@dataclass(frozen=True, slots=True)
class _Lexicon:
    rules: tuple[Rule, ...]
    whole: dict[str, Rule]  # folded phrase of headings and lines
    labels: dict[str, Rule]  # folded phrase before a colon
    bare: dict[str, tuple[tuple[str, Rule], ...]]  # first token -> (folded phrase and a space, rule), longest first
    patterns: dict[str, tuple[_Pattern, ...]]  # by script
    guarded: dict[str, tuple[_Pattern, ...]]  # by a word of the line
    date_rule: Rule
    triggers: dict[str, tuple[int, ...]]  # a word of the paragraph -> paragraphs
    substrings: dict[str, tuple[tuple[str, int], ...]]  # script whose words are not found so -> (part, paragraph)
    any_substring: dict[str, re.Pattern[str]]
    paragraphs: tuple[tuple[tuple[str, ...], tuple[_Search, ...], Rule], ...]  # phrases; by confidence, highest first


def load() -> tuple[Rule, ...]:
    loaded: list[Rule] = []
    folder = files("transforms.boilerplate") / "rules"
    for subject in SUBJECTS:
        table: dict[str, Any] = tomllib.loads((folder / f"{subject}.toml").read_text("utf-8"))
        for entry in table["rule"]:
            frozen: dict[str, Any] = {
                key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
            }
            frozen["keep"] = tuple(
                Keep(example) if isinstance(example, str) else Keep(example["text"], example["as"])
                for example in frozen["keep"]
            )
            loaded.append(Rule(reason=table["reason"], **frozen))
    return tuple(loaded)


def _of_words(rule: Rule, folded: str) -> Rule:
    """The rule as these words before a date mean it: "Last updated" is no date of publication."""
    is_change = rule.field == "published_raw" and rule.value == "date" and says_change(folded)
    return replace(rule, field="modified_raw") if is_change else rule


def _surrounded(words: Iterable[str]) -> Iterator[str]:
    return (before + word + after for word in map(fold, words) for before, after in _AROUND)


def _enter(table: dict[str, Rule], phrase: str, rule: Rule) -> None:
    if phrase in table:
        raise ValueError(f"{rule.id}: {phrase!r} stands in {table[phrase].id} already; there it is `shared`")
    table[phrase] = rule


def _compile_lexicon() -> _Lexicon:
    return lay_out(load())


def lay_out(loaded: Sequence[Rule]) -> _Lexicon:
    whole: dict[str, Rule] = {}
    labels: dict[str, Rule] = {}
    bare: dict[str, list[tuple[str, Rule]]] = {}
    scripted: dict[str, list[_Pattern]] = {"any": [], **{_script_of(rule): [] for rule in loaded}}
    guarded: dict[str, list[_Pattern]] = {}
    named: dict[str, Rule] = {}
    number = 0
    for rule in loaded:
        if rule.kind == "paragraph":
            continue
        for phrase in map(fold, rule.phrases):
            meant = _of_words(rule, phrase)
            _enter(named if rule.kind == "label" else whole, phrase, meant)
            if rule.kind == "label" or (rule.kind == "heading" and rule.field):
                labels.setdefault(phrase, meant)
            if rule.kind == "label" and rule.bare is not None:
                bare.setdefault(phrase.split(" ", 1)[0], []).append((phrase + " ", meant))
        script = _script_of(rule)
        patterns = [
            _Pattern(number + at, pattern, rule) for at, pattern in enumerate(map(_fold_pattern, rule.patterns))
        ]
        number += len(patterns)
        if not rule.when:
            for entries in scripted.values() if script == "any" else (scripted[script],):
                entries += patterns
        for word in _surrounded(rule.when):
            guarded.setdefault(word, []).extend(patterns)
    for phrases in bare.values():
        phrases.sort(key=lambda entry: -len(entry[0]))

    paragraph_rules = sorted((rule for rule in loaded if rule.kind == "paragraph"), key=lambda rule: -rule.confidence)
    triggers: dict[str, list[int]] = {}
    substrings: dict[str, list[tuple[str, int]]] = {}
    said: dict[str, Rule] = {}
    paragraphs: list[tuple[tuple[str, ...], tuple[_Search, ...], Rule]] = []
    for number, rule in enumerate(paragraph_rules):
        folded_phrases = tuple(fold(phrase) for phrase in rule.phrases)
        for phrase in folded_phrases:
            _enter(said, phrase, rule)
        for sign in (*folded_phrases, *map(fold, rule.when)):
            script = _script(sign)
            if script not in WORD_SCRIPTS:
                substrings.setdefault(script, []).append((sign, number))
                continue
            for word in _surrounded((max(sign.split(), key=len),)):
                triggers.setdefault(word, []).append(number)
        folded_patterns = rule.patterns if rule.cased else tuple(map(_fold_pattern, rule.patterns))
        searches = tuple(search for pattern in folded_patterns for search in _searches(pattern))
        paragraphs.append((folded_phrases, searches, rule))
    return _Lexicon(
        rules=tuple(loaded),
        whole=whole,
        labels=labels,
        bare={token: tuple(phrases) for token, phrases in bare.items()},
        patterns={script: tuple(entries) for script, entries in scripted.items()},
        guarded={word: tuple(patterns) for word, patterns in guarded.items()},
        date_rule=next(rule for rule in loaded if rule.value == "date" and rule.language == "any"),
        triggers={word: tuple(sorted(set(numbers))) for word, numbers in triggers.items()},
        substrings={script: tuple(entries) for script, entries in substrings.items()},
        any_substring={
            script: re.compile("|".join(re.escape(substring) for substring, _ in entries))
            for script, entries in substrings.items()
        },
        paragraphs=tuple(paragraphs),
    )


_lexicon = cache(_compile_lexicon)


@cache
def _by_opening(script: str) -> dict[str, list[_Pattern]]:
    """The patterns of a script by how a line that they match can begin: OPENING letters, or all that can be told.

    Under several letters stand those under fewer, too. An entry has only the heads that begin so.
    """
    found: dict[str, list[_Pattern]] = {}
    for entry in _lexicon().patterns.get(script) or _lexicon().patterns["any"]:
        for opening, heads in groupby(_heads(entry.pattern), key=lambda head: head[:OPENING]):
            found.setdefault(opening, []).append(entry._replace(heads=tuple(heads)))
    return {
        opening: sorted(
            entry for end in range(bool(opening), len(opening) + 1) for entry in found.get(opening[:end], ())
        )
        for opening in found
    }


@cache
def _patterns_anyhow(script: str) -> tuple[re.Pattern[str], tuple[_Pattern, ...]]:
    """The patterns of a script that can begin in any way, and what stands in each line that matches one of them."""
    patterns = tuple(_by_opening(script).get("", ()))
    signs = dict.fromkeys(sign for entry in patterns for sign in _signs(entry.pattern))
    return re.compile("|".join(map(re.escape, signs)) if signs else "(?!)"), patterns


def _candidate_patterns(script: str, folded: str, shown: str) -> list[_Pattern]:
    """The patterns of a script that the line, `shown` with numbers as "0", may match, in their order."""
    by_opening = _by_opening(script)
    entries = by_opening.get(shown[:OPENING]) or by_opening.get(shown[:2]) or by_opening.get(shown[:1])
    found = [entry for entry in entries if shown.startswith(entry.heads)] if entries else []
    signs, anyhow = _patterns_anyhow(script)
    if signs.search(folded) is not None:
        found = sorted((*found, *anyhow))
    return found


def rules() -> tuple[Rule, ...]:
    """Every rule, in the order of SUBJECTS and of the files."""
    return _lexicon().rules


# --- matching ------------------------------------------------------------------------------------------------------

# "<<:  title": in guillemets' case only with the colon, for they also open quotations.
_ARROW = re.compile("\\s*(<<|>>|[«»‹›←→⟵⟶])(?![<>])\\s*([:：]?)\\s*(.*\\S)\\s*")
_ARROWS = frozenset("<>«»‹›←→⟵⟶")


def _anchor(rule: Rule, value: str = "", confidence: float | None = None) -> Anchor:
    kind = "label" if value and rule.kind == "heading" else rule.kind
    return Anchor(
        rule.reason,
        rule.id,
        kind,
        rule.place,
        rule.field,
        value,
        rule.confidence if confidence is None else confidence,
    )


def _fits(rule: Rule, value: str, bare: bool) -> bool:
    if value[0] == "|":  # a row of a table: "Source: | 2020 census"
        return False
    if rule.value == "title":
        return _is_title(value)
    if rule.value == "words":
        return _is_words(value, bare)
    if rule.value == "names":
        return is_names(value, bare, rule.language)
    if rule.value == "date":
        return _is_date(value, bare)
    return True


def _rest(line: str, core: str, offset: int) -> str:
    """What follows the first `offset` characters of `core`, with the decoration that `core` lost at its end."""
    return line[line.find(core) + offset :].strip(" \t\r\n\u00a0\u3000" + _COLONS)


def _match_arrow(line: str, with_colon: bool, lexicon: _Lexicon) -> Anchor | None:
    arrow = _ARROW.fullmatch(line)
    if arrow is None or bool(arrow[2]) is not with_colon:
        return None
    rule = lexicon.labels.get(arrow[1])
    if rule is None or not _is_title(arrow[3]) or arrow[3][-1] in _ARROWS:
        return None
    if with_colon:
        return _anchor(rule, arrow[3])
    return None if rule.bare is None else _anchor(rule, arrow[3], rule.bare)


# "Read also | The last boat", "Author - Jane Doe": in place of a colon, where no title has one.
_DASH = re.compile(r"[-–—|](?<=\s[-–—|])\s+")
DASH_CONFIDENCE = 0.8
DASH_CHARS = 8


def _may_stand_before_a_dash(rule: Rule, label: str) -> bool:
    if rule.confidence < DASH_CONFIDENCE:
        return False
    return rule.value == "names" if rule.kind == "label" else rule.value == "title" and len(label) >= DASH_CHARS


def _match_label(line: str, core: str, lexicon: _Lexicon) -> Anchor | None:
    """The anchor of a label with its colon, or a dash for it, and its value."""
    if (colon := _COLON.search(core, 0, LABEL_LIMIT)) is not None:
        rule = lexicon.labels.get(fold(core[: colon.start()]))
        if rule is not None:
            value = _rest(line, core, colon.end())
            if value and _fits(rule, value, bare=False):
                return _anchor(rule, value)
    if (dash := _DASH.search(core, 0, LABEL_LIMIT)) is not None:
        label = core[: dash.start()].rstrip()
        rule = lexicon.labels.get(fold(label))
        if rule is not None and _may_stand_before_a_dash(rule, label):
            value = _rest(line, core, dash.end())
            if value and _fits(rule, value, bare=True):
                return _anchor(rule, value)
    return None


def _match_bare(line: str, core: str, folded: str, lexicon: _Lexicon) -> Anchor | None:
    """The anchor of a label without a mark, and its value."""
    for opener, rule in lexicon.bare.get(folded.split(" ", 1)[0], ()):
        if folded.startswith(opener):
            words = core.split(None, opener.count(" "))
            value = _rest(line, core, len(core) - len(words[-1]))
            if value and _fits(rule, value, bare=True):
                return _anchor(rule, value, rule.bare)
    return None


def _match_pattern(core: str, folded: str, is_marked: bool, lexicon: _Lexicon) -> Anchor | None:
    folded = folded.rstrip("! ")
    if not folded:
        return None
    script = "Latn" if core.isascii() else _script(core)
    has_number = is_marked and _NUMBER.search(folded, 0, HEAD_CHARS) is not None
    candidates = _candidate_patterns(script, folded, _NUMBER.sub("0", folded) if has_number else folded)
    words = [word for part in folded.split("/") for word in part.split()] if "/" in folded else folded.split()
    if not lexicon.guarded.keys().isdisjoint(words):
        candidates += [entry for word in words for entry in lexicon.guarded.get(word, ())]
    for entry in candidates:
        pattern, rule = _compiled(entry.pattern), entry.rule
        found = pattern.fullmatch(folded)
        if found is None:
            continue
        if "value" not in pattern.groupindex:
            return _anchor(rule)
        start, end = found.span("value")
        if len(core) == len(folded):
            value = core[start:end]
        else:  # folding changed the length; a value is the end of its line, so count its words from there
            value = " ".join(core.split()[-len(folded[start:end].split()) :])
        if value and _fits(rule, value, bare=rule.value != "date"):
            return _anchor(_of_words(rule, folded[:start]), value)
    return None


# "Privacy policy | Terms of use · Contact", "Share: Facebook | WhatsApp", "Already a subscriber? Log in".
_ROW_MARK = re.compile("[|·•?？؟]")
_ROW_PARTS = re.compile(r"\s*[|·•]\s*|\s*[?？؟]\s*|:\s+")
ROW_PARTS = 16
ROW_CONFIDENCE = 0.8  # of half of the parts: single words ("Contact", "Search") are as well the cells of a table


def _match_row(line: str, core: str, lexicon: _Lexicon) -> Anchor | None:
    """The anchor of a line of several, each of which is one as a whole; the surest speaks for all."""
    if _ROW_MARK.search(core) is None or line.lstrip().startswith("|"):  # a table's row
        return None
    parts = [part for part in _ROW_PARTS.split(core, ROW_PARTS) if part]
    names = ["twitter" if part == "X" else fold(part) for part in parts]  # alone it is any letter
    rules = [lexicon.whole.get(name) for name in names]
    known = [rule for rule in rules if rule is not None]
    sure = [rule for rule in known if rule.confidence >= ROW_CONFIDENCE or rule.reason == "boilerplate.share"]
    if len(known) < 2 or len(known) < len(rules) or 2 * len(sure) < len(known):
        return None
    rule = max(sure, key=lambda rule: rule.confidence)
    return Anchor(rule.reason, rule.id, "line", rule.place, None, "", rule.confidence)


# Between a credit's label and its value: "文/张三 图/李四" and "文=山田太郎" in the East only.
_CREDIT_MARK = re.compile(rf"([{_COLONS}]|[/／=＝](?!\s))\s*")
_MARKED = re.compile(f"[{_COLONS}/／=＝]")
_CREDIT_JOIN = re.compile(r"\s*[・·&+/／、]\s*")
_ROLE = re.compile(r"([^()（）]{2,60})[(（]([^()（）]{1,40})[)）]")
_APART = " \t\u3000\u00a0,.;|/·•、，。–—-"


def _credit_rule(label: str) -> Rule | None:
    """The byline rule of a label, or of several in one: "Text und Fotos", "取材・文". An author's comes first."""
    lexicon = _lexicon()
    rule = lexicon.labels.get(fold(label))
    if rule is not None:
        return rule if rule.reason == "boilerplate.byline" else None
    words = _CREDIT_JOIN.sub(" & ", label).split()
    at = next((at for at, word in enumerate(words) if word == "&" or is_join(word)), 0)
    if not 0 < at < len(words) - 1:
        return None
    first, second = _credit_rule(" ".join(words[:at])), _credit_rule(" ".join(words[at + 1 :]))
    if first is None or second is None:
        return None
    return second if second.field and not first.field else first


def _marked_credits(line: str) -> list[Anchor] | None:
    """Of labels each with its mark: "Text: Max Muster, Fotos: Erika Beispiel". None: it is something else."""
    found: list[Anchor] = []
    rule, start = None, 0
    for mark in _CREDIT_MARK.finditer(line):
        words = line[start : mark.start()].split()
        if rule is None and len(words) > LABEL_WORDS:
            return None
        count, next_rule = _label_at_end(words, is_east=mark[1] not in _COLONS)
        if next_rule is None:
            continue
        value = " ".join(words[: len(words) - count]).strip(_APART)
        if rule is not None and _is_credited(rule, value):
            found.append(_anchor(rule, value))
        elif rule is not None or value:
            return None
        rule, start = next_rule, mark.end()
    value = line[start:].strip(_APART)
    if rule is None or not (_is_credited(rule, value) if found else value and is_names(value, bare=False)):
        return None
    return [*found, _anchor(rule, value)]


def _label_at_end(words: list[str], is_east: bool) -> tuple[int, Rule | None]:
    """How many of the last words are a credit's label, and its rule."""
    if not words or _last_fold(words[-1]) not in _credit_endings():
        return 0, None
    for count in range(min(LABEL_WORDS, len(words)), 0, -1):
        label = " ".join(words[-count:])
        rule = _credit_rule(label) if not is_east or _script(label) == "East" else None
        if rule is not None:
            return count, rule
    return 0, None


def _is_credited(rule: Rule, value: str) -> bool:
    return bool(value) and (
        is_names(value, bare=False, language=rule.language)
        or (rule.value == "words" and len(value) <= LABEL_LIMIT and _is_words(value, bare=False))
    )


@cache
def _credit_openings() -> frozenset[str]:
    """The first words of the labels of credits."""
    labels = _lexicon().labels.items()
    return frozenset(label.split(" ", 1)[0] for label, rule in labels if rule.reason == "boilerplate.byline")


@cache
def _credit_endings() -> frozenset[str]:
    """The last words of the labels of credits."""
    labels = _lexicon().labels.items()
    return frozenset(_last_fold(label.split()[-1]) for label, rule in labels if rule.reason == "boilerplate.byline")


@lru_cache(maxsize=1 << 14)
def _last_fold(word: str) -> str:
    """The last word of a label, where several are joined in one."""
    return fold(_CREDIT_JOIN.split(word)[-1])


@lru_cache(maxsize=1 << 14)
def _first_fold(word: str) -> str:
    """The first word of a line as a label would have it: words come back, line after line."""
    return fold(_CREDIT_JOIN.split(word)[0])


def _may_be_credits(line: str, first: str) -> bool:
    """Whether `match_credits` may find some: a label's mark, a role behind a name, or the first word of a label, as
    `first` is of the line, folded."""
    if line[-1] in ")）" or _MARKED.search(line) is not None:
        return True
    return (first if first.isalpha() else _first_fold(first)) in _credit_openings()


def _named_credits(line: str) -> list[Anchor] | None:
    """Of labels without one: "Testo di Mario Rossi, foto di Anna Bianchi", "글 김철수 / 사진 이영희"."""
    first = line.split(None, 1)[:1]
    if not first or _first_fold(first[0]) not in _credit_openings():
        return None
    words = line.split()
    parts = _PARTS.split(line.strip())
    if len(parts) == 1 and len(words) > 2 and _script(words[0]) == "East":  # "文 张三 图 李四"
        parts = [" ".join(words[at : at + 2]) for at in range(0, len(words), 2)]
    found: list[Anchor] = []
    labels: list[str] = []
    for part in parts:
        words = part.split()
        for count in range(min(LABEL_WORDS, len(words) - 1), 0, -1):
            label, value = " ".join(words[:count]), " ".join(words[count:])
            rule = _credit_rule(label)
            if rule is not None and is_names(value, bare=True, language=rule.language):
                found.append(_anchor(rule, value))
                labels.append(fold(label))
                break
        else:
            return None
    is_several = len(set(labels)) > 1 or labels[0] not in _lexicon().labels
    return found if is_several else None


def _role_credits(line: str) -> list[Anchor] | None:
    """Of names with what each did: "Von Max Muster (Text) und Erika Beispiel (Fotos)"."""
    found: list[Anchor] = []
    end, has_label = 0, False
    while (part := _ROLE.match(line, end)) is not None:
        rule = _credit_rule(part[2].strip())
        words = part[1].strip(_APART).split()
        if words and (is_join(words[0]) if found else _credit_rule(words[0]) is not None):
            has_label, words = has_label or not found, words[1:]
        if rule is None or not is_name(" ".join(words), alone=False):
            return None
        found.append(_anchor(rule, " ".join(words)))
        end = part.end()
    is_whole = not line[end:].strip(_APART)
    return found if is_whole and (len(found) > 1 or (found and has_label)) else None


@lru_cache(maxsize=1 << 14)  # a line of the head is asked what it is, and then for its parts
def match_credits(line: str) -> tuple[Anchor, ...]:
    """The anchors of a line of credits, each a label and a name; or none.

    >>> [anchor.value for anchor in match_credits("Testo di Mario Rossi, foto di Anna Bianchi")]
    ['Mario Rossi', 'Anna Bianchi']
    >>> match_credits("Text und Fotos waren von ihm.")
    ()
    """
    if not 4 <= len(line) <= PATTERN_LIMIT:
        return ()
    found = _marked_credits(line) if _MARKED.search(line) else None
    if not found and line[-1] in ")）":  # tried on any other line, the pattern would cost more than all else
        found = _role_credits(line)
    if not found and (" " in line or not line.isascii()):
        found = _named_credits(line)
    return tuple(found or ())


# What parts a label from its value and the parts of a row, stands in credits and dates, before what an arrow leads to.
# Most lines have none of them, as they are or folded ("①").
_MARK = re.compile(rf"[\d{_COLONS}–—/／=＝)）|·•?？؟{''.join(sorted(_ARROWS))}-]")


# A line is asked about when it is judged and again for its metadata, and a site's lines come back page after page.
@lru_cache(maxsize=1 << 16)
def match_line(line: str) -> Anchor | None:
    """The anchor that the line as a whole is, or None. Lines over 200 characters are never one.

    >>> match_line("上一篇：春节的由来").value
    '春节的由来'
    >>> match_line("By the river he sat down.") is None
    True
    """
    if len(line) > LINE_LIMIT:
        return None
    lexicon = _lexicon()
    opening = line.lstrip()[:1]
    if opening in _ARROWS and opening and (arrow := _match_arrow(line, True, lexicon)):
        return arrow
    core = _trim(line)
    if not core:
        return None
    if len(core) > PATTERN_LIMIT or (len(core) > SENTENCE_LIMIT and core[-1] in FULL_STOPS):
        return _match_label(line, core, lexicon) or _match_bare(line, core, fold(core[:SENTENCE_LIMIT]), lexicon)
    folded = fold(core)
    if not folded:
        return None
    rule = lexicon.whole.get(folded)
    if rule is None and folded[-1] in SENTENCE_ENDS and (" " in folded or _IS_UNSPACED.match(folded)):
        rule = lexicon.whole.get(folded[:-1].rstrip())  # "Subscribe to our newsletter!"
    if rule is not None:
        return _anchor(rule)
    rule = lexicon.labels.get(folded)
    if rule is not None:  # "Tags:" above a list of tags
        if line.rstrip()[-1] in _COLONS:
            return _anchor(rule)
        if rule.bare is not None:
            return _anchor(rule, confidence=min(rule.bare, 0.4))
    is_marked = _MARK.search(line) is not None or (not line.isascii() and _MARK.search(folded) is not None)
    found = _match_label(line, core, lexicon) if is_marked else None
    first = folded.split(" ", 1)[0]
    if found is None and first in lexicon.bare:
        found = _match_bare(line, core, folded, lexicon)
    found = found or _match_pattern(core, folded, is_marked, lexicon)
    if found is not None:
        return found
    if is_marked and len(folded) <= LINE_CHARS and DIGIT.search(folded) and is_date_line(folded):
        return _anchor(lexicon.date_rule, core)
    if _may_be_credits(line, first) and (credits := match_credits(line)):
        return max(credits, key=lambda credit: credit.confidence)
    if not is_marked:
        return None
    return _match_row(line, core, lexicon) or (_match_arrow(line, False, lexicon) if opening in _ARROWS else None)


def _candidates(folded: str, lexicon: _Lexicon) -> Iterator[int]:
    """Paragraph rules of which a necessary word occurs, most confident first."""
    triggers = lexicon.triggers
    numbers = {number for word in triggers.keys() & folded.split() for number in triggers[word]}
    script = _script(folded)
    if script in lexicon.substrings and lexicon.any_substring[script].search(folded):
        numbers.update(number for substring, number in lexicon.substrings[script] if substring in folded)
    return iter(sorted(numbers))


@lru_cache(maxsize=1 << 14)
def match_header(line: str) -> tuple[Anchor, ...]:
    """The anchors of a line that is a header of several parts, "By Jane Doe | 3 May 2020 | 4 min read"; or none.

    Every part must be one of a header's or byline's, a time of day or a weekday, and one of them a sure one. A part
    can say who and when without a mark between, "Posted by Jane Doe on 3 May 2020".
    """
    if len(line) > PATTERN_LIMIT:
        return ()
    parts = [part for part in _PARTS.split(line.strip()) if part]
    if len(parts) > HEADER_PARTS:
        return ()
    if len(credits := match_credits(line)) > 1:
        return credits
    found: list[Anchor] = []
    for part in parts:
        if credit := _match_credit(part):
            found += credit
            continue
        anchor = match_line(part) if len(parts) > 1 else None
        if anchor is not None and anchor.reason in HEADERS:
            found.append(anchor)
        elif _TIME_OF_DAY.fullmatch(part):
            _join_time(found, part, line)
        elif not is_weekday(fold(part)):
            return ()
    return tuple(found) if any(anchor.confidence >= HEADER_CONFIDENCE for anchor in found) else ()


def _join_time(found: list[Anchor], time: str, line: str) -> None:
    """A time belongs to the date before it, with what stands between them."""
    if found and found[-1].field in DATES and (start := line.find(found[-1].value)) >= 0:
        end = line.index(time, start) + len(time)
        found[-1] = replace(found[-1], value=line[start:end])


def _match_credit(line: str) -> tuple[Anchor, ...]:
    """Who and when in one: "Posted by Jane Doe on 3 May 2020", "Veröffentlicht am 3. Mai 2020 von Max Muster".

    Round the date stands a byline, before it or behind it, and nothing else but a date's label and the section.
    """
    if DIGIT.search(line) is None or (parts := around(line)) is None:
        return ()
    before, date, after = parts
    lexicon = _lexicon()
    label = lexicon.labels.get(fold(before)) if before else lexicon.date_rule
    if label is not None and label.value == "date" and after:
        byline = _byline(after) or _byline(without_section(after))
    elif before and not without_section(f" {after}"):
        label, byline = lexicon.date_rule, _byline(without_dated(before))
    else:
        return ()
    return (byline, _anchor(label, date)) if byline is not None and label is not None else ()


def _byline(text: str) -> Anchor | None:
    """The byline that the text is. Beside a date its label needs no colon: "Dodane przez Jan Nowak", and one of several
    words may be a user's, "Posted by admin"."""
    anchor = match_line(text) if text else None
    if anchor is not None:
        return anchor if anchor.field == "authors" and anchor.value else None
    words = text.split()
    for count in range(min(LABEL_WORDS, len(words) - 1), 0, -1):
        rule = _lexicon().labels.get(fold(" ".join(words[:count])))
        if rule is not None and rule.field == "authors":
            value = " ".join(words[count:])
            return _anchor(rule, value) if is_names(value, bare=count == 1, language=rule.language) else None
    return None


@cache
def notice_words() -> tuple[str, ...]:
    """Folded words, of which one stands in every paragraph of WORD_SCRIPTS that `match_paragraph` knows; signs may
    stand round it."""
    return tuple(_lexicon().triggers)


@lru_cache(maxsize=1 << 14)  # a site's notices come back page after page
def match_paragraph(paragraph: str) -> Anchor | None:
    """The notice, pitch or bio that the paragraph is, or None. For the tail of a page, where prose has ended.

    >>> match_paragraph("All rights reserved. No part of this page may be reproduced without permission.").reason
    'boilerplate.legal'
    """
    if not 12 <= len(paragraph) <= PARAGRAPH_LIMIT:
        return None
    lexicon = _lexicon()
    folded = fold(paragraph)
    written = ""
    for number in _candidates(folded, lexicon):
        phrases, searches, rule = lexicon.paragraphs[number]
        if rule.cased and not written:
            written = " ".join(paragraph.split())
        text = written if rule.cased else folded
        if any(phrase in folded for phrase in phrases) or any(search.finds(text) for search in searches):
            return _anchor(rule, paragraph.strip() if rule.field else "")
    return None


# What an extractor glued together: "ShareTweetPrint", "Read nextThe last boat".
# A capital behind a small letter: there are fewer capitals to look behind.
_IS_GLUED = re.compile("[A-ZÀ-ÖØ-ÞĀ-ŽА-ЯЁІЇЄҐ](?<=[a-zß-öø-ÿā-ž0-9а-яёіїєґ].)")
_GLUED = re.compile(r"(?<=[a-zß-öø-ÿā-ž0-9а-яёіїєґ])(?=[A-ZÀ-ÖØ-ÞĀ-ŽА-ЯЁІЇЄҐ])")
_GLUED_LIMIT = 600
# So many buttons are enough, where one in four is of a kind that no rule has.
GLUED_PARTS, GLUED_SHARE = 3, 0.75


def match_glued(line: str) -> Anchor | None:
    """The anchor that a line of glued words is: buttons, or a heading with the titles below it.

    >>> match_glued("Read NextThe last boat of the dayThe first boat").value
    'The last boat of the day; The first boat'
    >>> match_glued("iPhone users share WordPress pages") is None
    True
    """
    if len(line) > _GLUED_LIMIT or _IS_GLUED.search(line, 0, LABEL_LIMIT) is None:
        return None
    parts = [part.strip() for part in _GLUED.split(line)]
    first = match_line(parts[0])
    if first is None or first.value or first.place == "head":
        return None
    known = sum(match_line(part) is not None for part in parts)
    if known == len(parts) or (known >= GLUED_PARTS and known >= GLUED_SHARE * len(parts)):
        return Anchor(first.reason, first.rule, "line", first.place, None, "", max(first.confidence, 0.9))
    if first.kind == "heading" and first.field == "related_titles":
        return Anchor(first.reason, first.rule, "label", first.place, first.field, "; ".join(parts[1:]), 0.9)
    return None
