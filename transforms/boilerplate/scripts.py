"""Scripts, styles and JSON-LD that an extractor took for text: `googletag.cmd.push(…)`, `.ad { … }`, `{"@context": …}`.

A line shows by its form that it is code. Whether it is the page's or the article's is told by its company: an article
about code shows more of it than what works on the page itself, speaks of its names, or of the language it is in.

>>> is_script("window.dataLayer = window.dataLayer || [];"), is_script("Window seats are dearer; aisle seats are not.")
(True, False)
>>> sorted(script_lines(["The ferry is late.", "var _q = window._q || [];", "_q.push(['pageView']);"]))
[1, 2]
>>> script_lines(["Put this JavaScript on top:", "var _q = window._q || [];"])
set()
"""

import json
import re
from collections.abc import Sequence

from transforms.boilerplate.lines import is_prose

_NAME = r"[A-Za-z_$][\w$]*"
# A statement as a whole: a declaration, a call or an assignment, a function that is called at once.
_STATEMENT = re.compile(
    rf"(?:var|let|const)\s+{_NAME}\s*=.*[;{{(\[,]"
    rf"|(?:new\s+)?{_NAME}(?:\.{_NAME}|\[[^\]]*\])*(?:\(.*\)|\s*=[^=].*|\(.*[{{(\[,])\s*(?:;.*)?"
    rf"|[!;(]*(?:async\s+)?function\s*(?:{_NAME}\s*)?\(.*\).*[;{{)}}]"
    r"|\(.*\)\.\w+\(.*\)?[;{(,]?"
    r"|(?:if|for|while)\s*\(.*\)\s*(?:\{.*|.*;)|try\s*\{.*"
)
# … that works on the page, as those an extractor leaves do: its objects, a queue, an event.
_ON_PAGE = re.compile(
    r"\b(?:window|document|navigator|location|localStorage|jQuery)\b[.\[,) ]|\$\(|\.push\(|\|\|\s*(?:\[\]|\{\})"
    r"|\bfunction\s*\(|=>\s*\{|['\"](?:UA|G|GTM)-"
)
_CODE_MARKS = frozenset("=(){}<>[]")
_ENDS_CODE = tuple(";{}()[],")
_RULE = re.compile(
    r"(?:/\*.*?\*/\s*)?(?:@[\w-]+[^{}]*\{\s*)?"
    r"(?:[\w.#*:\[@>][^{};]*\{\s*(?:[\w-]+\s*:\s*[^{};]+;?\s*)+\}\s*)+\}?"
)
_AT_RULE = re.compile(r"@(?:media|supports|(?:-webkit-)?keyframes|font-face|page)\b[^{}]*\{.*|@(?:import|charset)\s.*;")
_SELECTOR = re.compile(r"[.#*\w\[:][^{};]*\{")
_PROPERTY = re.compile(r"[a-z-]+\s*:\s*[^;{}]+;")
_MARK = re.compile(
    r"(?://|/\*)?\s*(?:<!\[CDATA\[|\]\]>)\s*(?:\*/)?|<(?:script|style)\b[^>]*>.*|.*</(?:script|style)>", re.IGNORECASE
)
# JSON-LD: what pages say of themselves to search engines. Other data may be what an article is about.
_DATA = re.compile(r'\[?\s*\{\s*"@\w+"\s*:')
# What a block that a line opened may hold until it is closed.
_BLOCK_LINES = 200
_FENCE = ("```", "~~~")
# Who speaks of these writes about code; so does who shows it more often than so.
_SUBJECTS = re.compile(r"java ?script|\b(?:css|html|json|jquery|stylesheets?|snippets?|php|node\.js)\b", re.IGNORECASE)
OWN_CODE_LINES = 2
# Names that a reader would not take for words.
_IDENTIFIER = re.compile(r"\b(?:[A-Za-z]+_\w+|_\w{3,}|[a-z]+[A-Z]\w*|[A-Za-z]{3,}\d\w*)\b")


def is_script(line: str) -> bool:
    """Whether the line as a whole is a script that works on its page, a rule of style, or data for a program."""
    line = line.strip()
    if not line or line[-1] not in ";{}()[],>/":
        return False
    if line[0] in "{[" and _DATA.match(line):
        return _is_data(line)
    if line[0] in "/<]" or line[-1] == ">":
        return _MARK.fullmatch(line) is not None
    if line[-1] in ";{}(,[)" and _STATEMENT.fullmatch(line):
        return _ON_PAGE.search(line) is not None
    if line[0] == "@" and _AT_RULE.fullmatch(line) is not None:
        return True
    return "{" in line and _RULE.fullmatch(line) is not None


def _is_data(line: str) -> bool:
    try:
        return isinstance(json.loads(line.rstrip(";,")), dict | list)
    except (ValueError, RecursionError):
        return False


def script_lines(lines: Sequence[str]) -> set[int]:
    """Which of the lines are scripts and styles that are not the article's."""
    found = {at for at, line in enumerate(lines) if is_script(line) or _opens_rule(lines, at)}
    if not found:
        return found
    for at in sorted(found):
        found |= _block(lines, at)
    own = [at for at, line in enumerate(lines) if at not in found and _is_code(line.strip())]
    if len(own) > OWN_CODE_LINES or any(line.lstrip().startswith(_FENCE) for line in lines):
        return set()
    names = {name for at in found for name in _IDENTIFIER.findall(lines[at])}
    for at, line in enumerate(lines):
        if at not in found and (_SUBJECTS.search(line) or not names.isdisjoint(_IDENTIFIER.findall(line))):
            return set()
    return found


def _opens_rule(lines: Sequence[str], at: int) -> bool:
    """Whether a rule of style begins here that has a line for each property."""
    return (
        lines[at].rstrip().endswith("{")
        and at + 1 < len(lines)
        and _SELECTOR.fullmatch(lines[at].strip()) is not None
        and _PROPERTY.fullmatch(lines[at + 1].strip()) is not None
    )


def _block(lines: Sequence[str], first: int) -> set[int]:
    """The lines down to where what this one opened is closed; none where prose stands among them."""
    depth = 0
    for at in range(first, min(first + _BLOCK_LINES, len(lines))):
        line = lines[at].strip()
        if at > first and line and (is_prose(line) or not _is_code(line)):
            return set()
        depth += sum(line.count(mark) for mark in "{([") - sum(line.count(mark) for mark in "})]")
        if depth <= 0:
            return set(range(first + 1, at + 1))
    return set()


def _is_code(line: str) -> bool:
    """Whether the line may be one of code, of whatever language: as it ends, and no sentence."""
    if not line or not line.endswith((*_ENDS_CODE, "*/", "-->")):
        return False
    return (
        _STATEMENT.fullmatch(line) is not None
        or (line[-1] in ";{" and not _CODE_MARKS.isdisjoint(line))
        or _PROPERTY.fullmatch(line) is not None
        or _SELECTOR.fullmatch(line) is not None
        or _RULE.fullmatch(line) is not None
        or line.startswith(("//", "/*", "*", "}", ")", "]", "{", "'", '"', "return", "else", "case", "import"))
    )
