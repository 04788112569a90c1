"""From the tree of a page of HTML to lines, the one way there is.

The tree is the one a browser without scripts builds (WHATWG tree construction, turbohtml's). Of it every text node is
read in its order, but those that no reader sees: scripts, styles, templates, images (`svg`), frames, and what stands in
media for browsers that know none. A formula is its TeX, where it brings it. Hidden text stays: scripts show it. So does
`noscript`, for no script runs. Blocks begin and end a line (the user agent's style sheet: `display: block`,
`list-item`, `table-row` …), `br` and `hr` end one. White space is folded as a browser folds it, also at the edges; in
`pre` line ends and indents stay. The cells of a row stand on one line, a tab between them, unless one is cut into lines
itself or is a paragraph: a table for layout. Readings of ruby stand in brackets. Buttons and options are text;
alternative texts and values of fields are none. Links that follow each other without a blank are set apart, as menus
are by their style.

turbohtml, because it is bounded: 100,000 nested `div` or 300,000 attributes take it 0.2 s, where lexbor (selectolax,
resiliparse) and libxml2 (lxml) need minutes, for an open element is looked for in all others (docs/decisions.md).
"""

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, cast

from transforms.errors import RecordError
from transforms.values import VALUE_CHARS

if TYPE_CHECKING:
    from turbohtml.saxparse import SaxHandler
try:
    from turbohtml.saxparse import sax_parse
except ImportError:  # the extra `html` is not installed
    sax_parse = None  # type: ignore[assignment]

MISSING = "HTML needs the extra `html`: pip install 'tamis[html]'"

# Whose text no reader sees. `template` is what scripts copy; media hold what is shown where they are unknown; `rp` are
# brackets, which are set here. In `head` nothing else holds text.
UNSEEN = frozenset([
    "title", "script", "style", "template", "svg", "iframe", "noembed", "noframes", "audio", "video", "canvas",
    "datalist", "rp", "annotation", "annotation-xml",
])  # fmt: skip
# `display: block` and the like in the Standard's style sheet for user agents (section 15.3), and `br`.
BLOCKS = frozenset([
    "address", "article", "aside", "blockquote", "body", "br", "caption", "center", "dd", "details", "dialog",
    "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "frameset", "h1", "h2", "h3",
    "h4", "h5", "h6", "header", "hgroup", "hr", "html", "legend", "li", "listing", "main", "menu", "nav", "ol",
    "optgroup", "option", "p", "plaintext", "pre", "search", "section", "select", "summary", "table", "tbody",
    "textarea", "tfoot", "thead", "tr", "ul", "xmp",
])  # fmt: skip
CELLS = frozenset(["td", "th"])
PREFORMATTED = frozenset(["pre", "listing", "plaintext", "textarea", "xmp"])
# A cell as long as this is a paragraph, and its table for layout.
CELL_CHARS = 200
# Of two of these in a row without a blank between them each is a word of its own.
APART = frozenset(["a", "button", "label"])
# How a formula, or a script that holds one, says that it is TeX.
TEX = frozenset(["application/x-tex", "text/x-tex", "math/tex", "math/tex; mode=display"])
# Marks in the body that say something of the page, how many of them are read, and how many are open at once.
ITEMS = frozenset([
    "author", "creator", "name", "headline", "datePublished", "dateModified", "dateCreated", "license", "publisher",
])  # fmt: skip
# How many of the blocks around a line are known.
PATH = 6
# What elements are by their names and roles, and by the words of their classes and ids: a bit each.
KINDS = (
    "link", "nav", "footer", "aside", "header", "form", "dialog", "article", "main", "section", "figure", "table", "li",
    "quote", "pre", "details", "h1", "h2", "h3", "p", "control", "dl", "hidden",
)  # fmt: skip
WORDS = {
    "menu": (
        "nav menu navbar navigation breadcrumb breadcrumbs pagination pager paging toc toolbar skip sitemap tabs "
        "tab dropdown submenu"
    ),
    "foot": "footer foot copyright colophon legal disclaimer bottom",
    "side": "sidebar side widget widgets aside rail column secondary right",
    "head": "header masthead topbar banner logo branding top head",
    "related": (
        "related recommend recommended recommendations similar popular trending latest next prev previous teaser "
        "teasers card cards promo promoted outbrain taboola carousel slider grid more also read recirc feed loop "
        "archive list listing"
    ),
    "share": "share sharing social follow facebook twitter addtoany sharedaddy",
    "comments": "comment comments disqus reply respond discussion commentlist",
    "subscribe": "newsletter subscribe subscription signup login register paywall optin cta form donate mailchimp",
    "cookie": "cookie cookies consent gdpr modal popup overlay onetrust lightbox offcanvas",
    "ad": "ad ads adsense advert advertisement advertising sponsor sponsored dfp adslot",
    "meta": (
        "meta byline author authors date time timestamp tag tags category categories bio avatar credit credits "
        "caption published info label taxonomy"
    ),
    "content": (
        "article content post entry story body text main page prose richtext wysiwyg markdown copy blog paragraph "
        "single hentry detail description"
    ),
}
_NAMES = (*KINDS, *WORDS)
BITS = {name: 1 << at for at, name in enumerate(_NAMES)}
LINK, HIDDEN = BITS["link"], BITS["hidden"]
BIT_OF = {
    tag: BITS[kind]
    for kind, tags in {
        "link": "a", "nav": "nav menu", "footer": "footer", "aside": "aside", "header": "header",
        "form": "form fieldset",
        "dialog": "dialog", "article": "article", "main": "main", "section": "section", "figure": "figure figcaption",
        "table": "table", "li": "li", "quote": "blockquote", "pre": "pre", "details": "details summary", "h1": "h1",
        "h2": "h2", "h3": "h3 h4 h5 h6", "p": "p", "dl": "dl dt dd",
        "control": "button select option textarea label legend",
    }.items()
    for tag in tags.split()
}  # fmt: skip
ROLES = {
    role: BITS[kind]
    for role, kind in {
        "navigation": "nav", "contentinfo": "footer", "complementary": "aside", "banner": "header", "search": "form",
        "main": "main", "article": "article", "dialog": "dialog", "alertdialog": "dialog", "menu": "nav",
        "menubar": "nav", "button": "control", "tablist": "nav",
    }.items()
}  # fmt: skip
_BIT_OF_WORD = {word: BITS[kind] for kind, words in WORDS.items() for word in words.split()}
_NOT_SHOWN = re.compile(r"display\s*:\s*none")
_CLASS_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


@lru_cache(4096)
def word_bits(names: str) -> int:
    """What the words of a class or an id say.

    >>> word_bits("site-nav mainMenu") == BITS["menu"] | BITS["content"]
    True
    """
    bits = 0
    for word in _CLASS_WORD.findall(names):
        bits |= _BIT_OF_WORD.get(word.lower(), 0)
    return bits


MARKED = frozenset(["itemprop", "rel"])
MARKING = frozenset(["html", "h1", "meta", "time"])
RELS = frozenset(["author", "tag", "license", "canonical"])
MARKS, OPEN_MARKS = 500, 8

_FOLDED = re.compile(r"[\t\n\f\r]|  ")
_FOLD = re.compile(r"[ \t\n\f\r]+")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Line(NamedTuple):
    """A line, and where in the tree it stands."""

    text: str
    within: int  # bits of MARKS_OF and WORDS: what the elements around it are
    near: int  # … the two blocks around it
    path: tuple[int, ...]  # numbers of the blocks around it, the innermost last; no more of them than PATH
    linked: int  # characters in links


class _Place(NamedTuple):
    """Where in the tree an element stands."""

    within: int
    own: int  # bits of its block
    near: int
    path: tuple[int, ...]


_OUTSIDE = _Place(0, 0, 0, (0,))


class Reader:
    """Takes a parser's events; then `lines` are the page's, and the rest is what its head and its marks say."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.parts: list[str] = []  # of the line so far
        self.linked = 0  # characters of it
        self.places = [_OUTSIDE]  # of the open elements
        self.blocks = 0
        self.row: list[Line] = []  # cells so far of the row, while each is one line
        self.outer: list[tuple[list[Line], list[Line]]] = []  # of each cell that is open: lines and row around it
        self.unseen = 0  # open elements from the one on whose text is not seen
        self.raw: list[str] | None = None  # … where it is read otherwise, …
        self.kind = ""  # … as what
        self.preformatted = 0
        self.is_preformatted = False  # the line so far
        self.blanks = 0  # empty lines of a `pre`, before the next that is none
        self.last = ""  # the element that has just ended
        self.formula = 0  # where the formula begins that is open
        self.tex = ""
        self.depth = 0
        self.marks = 0
        self.open_marks: list[tuple[str, int, list[str]]] = []  # name, depth, text so far
        # What is said: by `name` or `property` of `meta`; by `itemprop`, and as "h1"; addresses and texts by `rel`.
        self.meta: dict[str, list[str]] = {}
        self.items: dict[str, list[str]] = {}
        self.links: dict[str, list[str]] = {}
        self.times: list[tuple[str, str]] = []  # `datetime`, and what marks it
        self.language: str | None = None
        self.title: str | None = None
        self.ld: list[str] = []

    # Events

    def start_element(self, tag: str, attrs: tuple[tuple[str, str | None], ...]) -> None:
        self.depth += 1
        if self.unseen:
            self.unseen += 1
            return
        if tag in UNSEEN:
            self._unseen(tag, attrs)
            return
        if tag in BLOCKS:
            self.end_line()
            if tag in PREFORMATTED:
                self.preformatted += 1
                self.blanks = -1
        elif tag in CELLS:
            self.end_line(ends_row=False)
            self.outer.append((self.lines, self.row))
            self.lines, self.row = [], []
        elif tag == self.last and tag in APART:
            self.parts.append(" ")
        elif tag == "rt":
            self.parts.append("(")
        elif tag == "math":
            self.formula, self.tex = len(self.parts), ""
        self.last = ""
        self._enter(tag, attrs)
        if (tag in MARKING or not MARKED.isdisjoint([name for name, _ in attrs])) and self.marks < MARKS:
            self._mark(tag, attrs)

    def end_element(self, tag: str) -> None:
        self.depth -= 1
        if self.unseen:
            self.unseen -= 1
            if not self.unseen:
                self.places.pop()
                if self.raw is not None:
                    self._raw(tag, "".join(self.raw))
                    self.raw = None
            return
        while self.open_marks and self.open_marks[-1][1] > self.depth:
            name, _, parts = self.open_marks.pop()
            self.items.setdefault(name, []).append("".join(parts))
        if tag in BLOCKS:
            self.end_line()
            if tag in PREFORMATTED:
                self.preformatted -= 1
        elif tag in CELLS and self.outer:
            self._end_cell()
        elif tag == "rt":
            self.parts.append(")")
        elif tag == "math" and self.tex:
            del self.parts[self.formula :]
            self.parts.append(self.tex)
        self.last = tag
        if len(self.places) > 1:
            self.places.pop()

    def characters(self, data: str) -> None:
        if self.unseen:
            if self.raw is not None:
                self.raw.append(data)
            return
        for _, _, parts in self.open_marks:
            parts.append(data[:VALUE_CHARS])
        if self.preformatted:
            first, *rest = data.split("\n")
            self.parts.append(first)
            self.is_preformatted = True
            for line in rest:
                self.end_line()
                self.parts.append(line)
                self.is_preformatted = True
        else:
            self.parts.append(data)
        if self.places[-1].within & LINK:
            self.linked += len(data)
        self.last = ""

    def comment(self, data: str) -> None:
        """No text."""

    def doctype(self, name: str, public_id: str | None, system_id: str | None) -> None:
        """No text."""

    def processing_instruction(self, target: str, data: str) -> None:
        """No text."""

    # Lines

    def end_line(self, ends_row: bool = True) -> None:
        """What came since the last line is a line, if it says anything, and so is the row before it."""
        line = ""
        if self.parts:
            line = "".join(self.parts)
            self.parts.clear()
            if self.is_preformatted:
                line = line.rstrip()
            else:
                line = (_FOLD.sub(" ", line) if _FOLDED.search(line) else line).strip()
        if self.row and (ends_row or line):
            text, linked = "\t".join([cell.text for cell in self.row]), sum([cell.linked for cell in self.row])
            self.lines.append(self.row[0]._replace(text=text, linked=linked))
            self.row.clear()
        if line:
            place = self.places[-1]
            found = Line(line, place.within, place.near, place.path, self.linked)
            if self.preformatted and self.blanks > 0:
                self.lines += [found._replace(text="", linked=0)] * self.blanks
            self.blanks = self.linked = 0
            self.lines.append(found)
        elif self.is_preformatted and self.blanks >= 0:
            self.blanks += 1
        self.is_preformatted = False

    def _end_cell(self) -> None:
        """A cell of one short line stands in its row, any other by itself."""
        self.end_line()
        cell = self.lines
        self.lines, self.row = self.outer.pop()
        if len(cell) == 1 and len(cell[0].text) <= CELL_CHARS:
            self.row.append(cell[0])
        elif cell:
            self.end_line()
            self.lines += cell

    def _enter(self, tag: str, attrs: tuple[tuple[str, str | None], ...]) -> None:
        """Go into an element."""
        within, own, near, path = self.places[-1]
        bits = BIT_OF.get(tag, 0)
        for name, value in attrs:
            if not value:
                bits |= HIDDEN if name == "hidden" else 0
            elif (name == "class" or name == "id") and tag not in ("html", "body"):
                bits |= word_bits(value if len(value) < 400 else value[:400])
            elif name == "role":
                bits |= ROLES.get(value, 0)
            elif (name == "aria-hidden" and value == "true") or (name == "style" and _NOT_SHOWN.search(value)):
                bits |= HIDDEN
        if tag in BLOCKS or tag in CELLS:
            self.blocks += 1
            path = (*path[-PATH + 1 :], self.blocks)
            near, own = own | bits, bits
        elif bits:
            near, own = near | bits, own | bits
        elif not bits:
            self.places.append(self.places[-1])
            return
        self.places.append(_Place(within | bits, own, near, path))

    # What is said

    def _unseen(self, tag: str, attrs: tuple[tuple[str, str | None], ...]) -> None:
        kind = ""
        for name, value in attrs:
            if name == "data-root":  # of a template that is on the page
                self.places.append(self.places[-1])
                return
            if name in ("type", "encoding"):
                kind = (value or "").strip().lower()
        self.unseen = 1
        self.places.append(self.places[-1])
        if kind in TEX:
            self.raw, self.kind = [], "tex"
        elif tag == "script" and "ld+json" in kind:
            self.raw, self.kind = [], "ld"
        elif tag == "title" and self.title is None:
            self.raw, self.kind = [], "title"

    def _raw(self, tag: str, said: str) -> None:
        if self.kind == "title":
            self.title = said
        elif self.kind == "ld":
            self.ld.append(said)
        elif tag == "script":
            self.parts.append(said)
        else:
            self.tex = said

    def _mark(self, tag: str, attrs: tuple[tuple[str, str | None], ...]) -> None:
        """What an element says of the page."""
        said = {name: value.strip() for name, value in attrs if value}
        found = len(self.open_marks)
        if tag == "html":
            self.language = said.get("lang") or said.get("xml:lang")
        elif tag == "h1":
            self.open_marks.append(("h1", self.depth, []))
        elif tag == "meta":
            name = said.get("property") or said.get("name") or said.get("http-equiv") or said.get("itemprop")
            if name and "content" in said:
                self.meta.setdefault(name.lower(), []).append(said["content"])
        elif tag == "time" and "datetime" in said:
            marks = " ".join(said.get(name, "") for name in ("itemprop", "class")) + " pubdate" * ("pubdate" in said)
            self.times.append((said["datetime"], marks.lower()))
        for rel in said.get("rel", "").lower().split():
            if rel in RELS and "href" in said:
                self.links.setdefault(rel, []).append(said["href"])
                if tag == "a" and rel in ("author", "tag"):
                    self.open_marks.append((f"rel {rel}", self.depth, []))
        for name in said.get("itemprop", "").split():
            if name in ITEMS and tag not in ("meta", "link"):
                if value := said.get("content") or said.get("datetime"):
                    self.items.setdefault(name, []).append(value)
                else:
                    self.open_marks.append((name, self.depth, []))
        self.marks += tag in ("meta", "time") or len(self.open_marks) > found


def read_markup(html: str) -> Reader:
    """The lines of a page, and what its marks say. Raises: RecordError `read.html` where it can't be read."""
    if sax_parse is None:
        raise RecordError("read.html", MISSING)
    found = Reader()
    try:
        # Its content is on the page, so it must not be set aside as the parser does with shadow roots.
        markup = _without_surrogates(html).removeprefix("\ufeff").replace("shadowrootmode", "data-root")
        sax_parse(markup, cast("SaxHandler", found))
    except (ValueError, MemoryError, RecursionError) as error:
        raise RecordError("read.html", f"{type(error).__name__}: {error}") from None
    found.end_line()
    return found


def _without_surrogates(html: str) -> str:
    try:
        html.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", html)
    return html
