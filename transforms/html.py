"""HTML: a page's full text, one block a line, which of its lines are the article's, and what its head says of it.

How a tree becomes lines is in markup.py, what a page says of itself in head.py, and how the lines are chosen in
boilerplate/tree.py. A fragment (a field of a CMS, a feed's entry) is an article's already: nothing is left out of it.

>>> page = read_page("<title>Sea</title><p>Fog, and <b>no</b>\\n boats.<ul><li>One<li>Two &amp; three</ul>", None)
>>> page.text, page.own.title
('Fog, and no boats.\\nOne\\nTwo & three', 'Sea')
>>> looks_like_html("<p>Fog.</p><p>No boats.</p>"), looks_like_html("<b>Fog</b>: no boats.")
(True, False)
"""

import re
from collections import Counter
from typing import NamedTuple

from transforms.boilerplate.tree import EXTRACTOR, choose
from transforms.head import Said
from transforms.markup import BLOCKS, CELLS, MISSING, read_markup
from transforms.values import Own

__all__ = ["EXTRACTOR", "MISSING", "Page", "looks_like_html", "read_page"]

# What only a whole page has.
_WHOLE = re.compile(r"<(?:html|body|head)[\s>]", re.IGNORECASE)


class Page(NamedTuple):
    """What a page of HTML holds."""

    text: str  # one block a line
    left_out: list[int]  # which lines of it the extractor leaves out, from 0, sorted
    extractor: str  # name and version
    own: Own  # what it says of itself
    url: str | None  # the canonical one


def read_page(html: str, url: str | None) -> Page:
    """The text of a page or a fragment, and what it says of itself; `url` is where it was.

    Raises: RecordError `read.html` where the page can't be read.
    """
    found = read_markup(html)
    said = Said(found, url)
    left_out = choose(found.lines, said.bodies()) if _WHOLE.search(html) else []
    return Page(
        "\n".join([line.text for line in found.lines]),
        left_out,
        EXTRACTOR,
        said.own(),
        said.url(),
    )


# ------------------------------------------------------------------------------------------------------- what is HTML

# Tags whose content is a block, or a page's. What else there is in HTML stands in a line.
_OUTER = BLOCKS - {"br", "hr"} | CELLS | {"head", "title", "script", "style", "noscript"}
_KNOWN = _OUTER | frozenset([
    "a", "abbr", "acronym", "area", "audio", "b", "base", "basefont", "bdi", "bdo", "big", "blink", "br", "button",
    "canvas", "cite", "code", "col", "colgroup", "data", "del", "dfn", "em", "embed", "font", "frame", "hr", "i",
    "iframe", "img", "input", "ins", "kbd", "label", "link", "map", "mark", "meta", "meter", "nobr", "object",
    "output", "param", "picture", "progress", "q", "rb", "rp", "rt", "ruby", "s", "samp", "slot", "small", "source",
    "span", "strike", "strong", "sub", "sup", "svg", "path", "template", "time", "track", "tt", "u", "var", "video",
    "wbr",
])  # fmt: skip
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:-]{0,40})(?:\s[^<>]{0,4000})?/?>")
_PAGE = re.compile(
    r"(?:<\?xml[^<>]{0,200}\?>\s*)?(?:<(?:meta|link|base)\b[^<>]{0,2000}>\s*){0,20}"
    r"<(?:!doctype\s+html\b|(?:html|head)\b)[^<>]{0,2000}>\s*<[a-z]",
    re.IGNORECASE,
)
_SCRIPT = re.compile(r"<(script|style|noscript)\b.*?</\1>", re.IGNORECASE | re.DOTALL)
_MARKDOWN = re.compile(r"\n#{1,6} \S|\n```|\n[-*+] [^\n>]*(?=\n[-*+] )")
# So much is looked at, so much of its text stands in blocks at least, and so many of its tags are HTML's.
LOOK_CHARS = 200_000
IN_BLOCKS, KNOWN = 0.9, 0.9
# Text that has so many lines of Markdown has tags for what Markdown lacks.
MARKDOWN_LINES = 2
# Behind the end of a page there is no text; where there is, the page is a sample in it.
TAIL_CHARS = 40


def looks_like_html(text: str) -> bool:
    """Whether a text is HTML, a page or a piece of one, and not a text that has some: it begins with a block's tag and
    ends with a tag, nearly all of it stands in blocks, its tags are HTML's, and its lines are not Markdown's.

    >>> looks_like_html("<!DOCTYPE html><title>x</title>"), looks_like_html("<!DOCTYPE html> declares the type.")
    (True, False)
    """
    start = text[:LOOK_CHARS].lstrip("\ufeff \t\r\n")
    if not start.startswith("<"):
        return False
    looked = _without_comments(start).lstrip()
    if _PAGE.match(looked):
        end = text.rfind("</html>")
        tail = _SCRIPT.sub("", _without_comments(text[end + 7 :])).strip() if end > 0 else ""
        return tail.startswith("<") or len(tail) < TAIL_CHARS
    if not text.rstrip().endswith(">"):
        return False
    depth: Counter[str] = Counter()
    opened = inside = outside = known = unknown = at = 0
    between: list[str] = []
    for tag in _TAG.finditer(looked):
        piece, name = looked[at : tag.start()], tag[2].lower()
        at = tag.end()
        size = sum(map(len, piece.split()))
        if opened:
            inside += size
        else:
            outside += size
        if not depth["pre"]:
            between.append(piece)
        if name not in _KNOWN and "-" not in name and ":" not in name:
            unknown += 1
            continue
        if known == 0 and (name not in _OUTER or tag[1] or piece):
            return False
        known += 1
        if name in _OUTER:
            if not tag[1]:
                depth[name] += 1
                opened += 1
            elif depth[name]:
                depth[name] -= 1
                opened -= 1
    if not opened:
        outside += len(looked[at:].strip())
    if not inside or known < KNOWN * (known + unknown) or inside < IN_BLOCKS * (inside + outside):
        return False
    return len(_MARKDOWN.findall(">".join(between))) < MARKDOWN_LINES


def _without_comments(text: str) -> str:
    last = text.rfind("-->") + 3
    return re.sub(r"<!--.*?-->", "", text[:last], flags=re.DOTALL) + text[last:] if last > 2 else text
