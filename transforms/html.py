"""HTML: a page's full text, one block a line, and what its head says of it.

**From tree to lines**, the one way there is. The tree is the one a browser without scripts builds (WHATWG tree
construction, turbohtml's). Of it every text node is read in its order, but those that no reader sees: `head`, scripts,
styles, templates, images (`svg`), frames and what stands in media for browsers that know none. A formula is its TeX,
where it brings it. Hidden text stays: scripts show it. So does `noscript`, for no script runs. Blocks begin and end a
line (the user agent's style sheet: `display: block`, `list-item`, `table-row` …), `br` and `hr` end one. White space is
folded as a browser folds it, also at the edges; in `pre` line ends and indents stay. The cells of a row stand on one
line, a tab between them, unless one is cut into lines itself or is a paragraph: a table for layout. Readings of ruby
stand in brackets. Buttons and options are text; alternative texts and values of fields are none. Links that follow each
other without a blank are set apart, as menus are by their style.

**What a page says of itself** is read from JSON-LD, `meta`, `link`, microdata and `time`, by the readers of values that
fields of records have (values.py).

turbohtml, because it is bounded: 100,000 nested `div` or 300,000 attributes take it 0.2 s, where lexbor (selectolax,
resiliparse) and libxml2 (lxml) need minutes, for an open element is looked for in all others (docs/decisions.md).

>>> page = read_page("<title>Sea</title><p>Fog, and <b>no</b>\\n boats.<ul><li>One<li>Two &amp; three</ul>", None)
>>> page.text, page.title
('Fog, and no boats.\\nOne\\nTwo & three', 'Sea')
>>> looks_like_html("<p>Fog.</p><p>No boats.</p>"), looks_like_html("<b>Fog</b>: no boats.")
(True, False)
"""

import html as entities
import json
import re
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import urljoin, urlsplit

import orjson

from transforms.errors import RecordError
from transforms.values import VALUE_CHARS, read_authors, read_date, read_language, read_phrase, read_tags

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
# Marks in the body that say something of the page, and how many of them are read.
ITEMS = frozenset([
    "author", "creator", "name", "headline", "datePublished", "dateModified", "dateCreated", "license", "publisher",
])  # fmt: skip
MARKED = frozenset(["itemprop", "rel"])
MARKING = frozenset(["html", "h1", "meta", "time"])
RELS = frozenset(["author", "tag", "license", "canonical"])
MARKS = 500
# JSON-LD: objects of a page that are looked at.
LD_OBJECTS = 500

_FOLDED = re.compile(r"[\t\n\f\r]|  ")
_FOLD = re.compile(r"[ \t\n\f\r]+")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Page(NamedTuple):
    """What a page of HTML holds."""

    text: str  # one block a line
    left_out: list[int]  # which lines of it the extractor leaves out, from 0, sorted
    extractor: str  # name and version
    title: str | None
    authors: list[str] | None
    published_at: datetime | None
    modified_at: datetime | None
    tags: list[str] | None
    source_name: str | None
    declared_language: str | None
    license: str | None
    url: str | None  # the canonical one


def read_page(html: str, url: str | None) -> Page:
    """The text of a page or a fragment, and what it says of itself; `url` is where it was.

    Raises: RecordError `read.html` where the page can't be read.
    """
    if sax_parse is None:
        raise RecordError("read.html", MISSING)
    found = _Reader()
    try:
        # Its content is on the page, so it must not be set aside as the parser does with shadow roots.
        markup = _without_surrogates(html).removeprefix("\ufeff").replace("shadowrootmode", "data-root")
        sax_parse(markup, cast("SaxHandler", found))
    except (ValueError, MemoryError, RecursionError) as error:
        raise RecordError("read.html", f"{type(error).__name__}: {error}") from None
    found.end_line()
    said = _Said(found, url)
    return Page(
        "\n".join(found.lines),
        [],
        "",
        said.title(),
        said.authors(),
        said.published_at(),
        said.modified_at(),
        said.tags(),
        said.source_name,
        said.language(),
        said.license(),
        said.url(),
    )


def _without_surrogates(html: str) -> str:
    try:
        html.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", html)
    return html


# --------------------------------------------------------------------------------------------------------------- lines


class _Reader:
    """Takes a parser's events; then `lines` are the page's, and the rest is what its head and its marks say."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.parts: list[str] = []  # of the line so far
        self.row: list[str] = []  # cells so far of the row, while each is one line
        self.outer: list[tuple[list[str], list[str]]] = []  # of each cell that is open: lines and row around it
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
        if (tag in MARKING or not MARKED.isdisjoint([name for name, _ in attrs])) and self.marks < MARKS:
            self._mark(tag, attrs)

    def end_element(self, tag: str) -> None:
        self.depth -= 1
        if self.unseen:
            self.unseen -= 1
            if not self.unseen and self.raw is not None:
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
            self.lines.append("\t".join(self.row))
            self.row.clear()
        if line:
            if self.preformatted and self.blanks > 0:
                self.lines += [""] * self.blanks
            self.blanks = 0
            self.lines.append(line)
        elif self.is_preformatted and self.blanks >= 0:
            self.blanks += 1
        self.is_preformatted = False

    def _end_cell(self) -> None:
        """A cell of one short line stands in its row, any other by itself."""
        self.end_line()
        cell = self.lines
        self.lines, self.row = self.outer.pop()
        if len(cell) == 1 and len(cell[0]) <= CELL_CHARS:
            self.row.append(cell[0])
        elif cell:
            self.end_line()
            self.lines += cell

    # What is said

    def _unseen(self, tag: str, attrs: tuple[tuple[str, str | None], ...]) -> None:
        kind = ""
        for name, value in attrs:
            if name == "data-root":  # of a template that is on the page
                return
            if name in ("type", "encoding"):
                kind = (value or "").strip().lower()
        self.unseen = 1
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


# --------------------------------------------------------------------------------------------------- what a page says

# Types of JSON-LD that are what a page is about, the likeliest first; then the page itself.
_ARTICLES = re.compile(r"(?:Article|Posting|Report|Recipe|Blog|Question|CreativeWork|Review|Event|Product|Object)$")
_PAGES = re.compile(r"Page$")
# What stands around JSON in a script that is to be valid XML, too.
_WRAPPED = re.compile(
    r"^\s*(?:<!--|(?://|/\*)?\s*<!\[CDATA\[(?:\s*\*/)?)|(?:(?://|/\*)?\s*\]\]>(?:\s*\*/)?|(?://\s*)?-->|;)\s*$"
)
_TRAILING_COMMA = re.compile(r",(\s*[\]}])")
# A title ends, or begins, with the site's name behind one of these.
_WORD = re.compile(r"\w+")
TITLE_LETTERS = 5
_SEPARATORS = " |–—·•»«:-"
_SUFFIX = re.compile(r"\s+[|–—·•»«-]\s+|\s*\|\s*|\s+::\s+")

_PUBLISHED = (
    "article:published_time", "og:article:published_time", "article:published", "datepublished", "date_published",
    "publishdate", "publish-date", "publish_date", "published_time", "pubdate", "publication_date", "parsely-pub-date",
    "sailthru.date", "article.published", "citation_publication_date", "citation_online_date", "citation_date",
    "dcterms.created", "dcterms.issued", "dc.date.issued", "dcterms.date", "dc.date.created", "dc.date", "date",
)  # fmt: skip
_MODIFIED = (
    "article:modified_time", "og:updated_time", "og:article:modified_time", "datemodified", "dcterms.modified",
    "dc.date.modified", "last-modified", "lastmod", "article.updated", "modified_time",
)  # fmt: skip
_AUTHORS = (
    "author", "article:author", "article:author_name", "og:article:author", "parsely-author", "sailthru.author",
    "citation_author", "dc.creator", "dcterms.creator", "creator", "byl", "twitter:creator:name",
)  # fmt: skip
_TAGS = ("article:tag", "og:article:tag", "news_keywords", "parsely-tags", "sailthru.tags", "keywords")
_SOURCES = ("application-name", "dc.publisher", "citation_journal_title", "apple-mobile-web-app-title")
_LICENSES = ("dcterms.license", "dc.rights.license", "license", "copyright-license")


class _Said:
    """What a page says of itself, each the first of its places that can be read."""

    def __init__(self, found: _Reader, url: str | None) -> None:
        self.found, self.base = found, url
        objects = ld_objects(found.ld)
        self.by_id = {value["@id"]: value for value in objects if isinstance(value.get("@id"), str) and len(value) > 1}
        about = [value for value in objects if _is_type(value, _ARTICLES)]
        self.ld = about[:1] + [value for value in objects if _is_type(value, _PAGES)][:1]
        publishers = [self._value(value) for value in self._ld("publisher")]
        names = [value.get("name") for value in publishers if isinstance(value, dict)]
        self.source_name = self._first([*self._meta("og:site_name"), *names, *self._meta(*_SOURCES)])

    def title(self) -> str | None:
        """What the page shows as its heading, where its head says that, too; else what the head says."""
        head = [*self._ld("headline"), *self._meta("og:title"), *self._ld("name"), *self._meta("twitter:title")]
        head += [*self._meta("dc.title", "citation_title"), *([self.found.title] if self.found.title else [])]
        said = [phrase for value in head if (phrase := self._phrase(value))]
        shown = [phrase for value in self.found.items.get("h1", ()) if (phrase := self._phrase(value))]
        folded = [_letters(phrase) for phrase in said]
        site = self.source_name
        for heading in shown:
            letters = _letters(heading)
            if len(letters) >= TITLE_LETTERS and any(letters in other for other in folded) and heading != site:
                return heading
        if not said:
            return shown[0] if len(shown) == 1 else None
        return self._without_site(said[0])

    def _without_site(self, title: str) -> str:
        """The title without the site's name behind or before it."""
        domain = (urlsplit(self.base or "").hostname or "").split(".")[-2:]
        names = {_letters(self.source_name or ""), _letters(domain[0])}
        parts = _SUFFIX.split(title)
        if len(parts) > 1 and _letters(parts[-1]) in names:
            return title[: title.rindex(parts[-1])].rstrip(_SEPARATORS)
        if len(parts) > 1 and _letters(parts[0]) in names:
            return title[len(parts[0]) :].lstrip(_SEPARATORS)
        return title

    def authors(self) -> list[str] | None:
        ways: list[Any] = [self._ld("author") or self._ld("creator")]
        ways += [self.found.meta.get(name, []) for name in _AUTHORS]
        ways += [self.found.items.get(name, []) for name in ("author", "creator", "rel author")]
        source = self.source_name
        for values in ways:
            names: dict[str, None] = {}
            for value in values:
                for one in value if isinstance(value, list) else [value]:
                    names |= dict.fromkeys(read_authors(self._value(one)) or ())
            if found := [name for name in names if "/" not in name and "@" not in name and name != source]:
                return found
        return None

    def published_at(self) -> datetime | None:
        times = [*self._ld("datePublished"), *self._ld("dateCreated"), *self._meta(*_PUBLISHED)]
        times += self.found.items.get("datePublished", [])
        times += [time for time, marks in self.found.times if "publish" in marks or "pubdate" in marks]
        if len({time for time, _ in self.found.times}) == 1:
            times.append(self.found.times[0][0])
        return next((date for time in times if (date := read_date(time))), None)

    def modified_at(self) -> datetime | None:
        times = [*self._ld("dateModified"), *self._meta(*_MODIFIED), *self.found.items.get("dateModified", [])]
        times += [time for time, marks in self.found.times if "modified" in marks or "updated" in marks]
        return next((date for time in times if (date := read_date(time))), None)

    def tags(self) -> list[str] | None:
        ways: list[list[Any]] = [self._ld("keywords"), *([*self._meta(name)] for name in _TAGS)]
        ways.append(self.found.items.get("rel tag", []))
        for values in ways:
            tags: dict[str, None] = {}
            for value in values:
                tags |= dict.fromkeys(read_tags(value) or ())
            if tags:
                return list(tags)
        return None

    def language(self) -> str | None:
        codes = [self.found.language, *self._meta("og:locale", "content-language", "dc.language", "language")]
        codes += self._ld("inLanguage")
        return next((found for code in codes if code and (found := read_language(code))), None)

    def license(self) -> str | None:
        values = [*self._ld("license"), *self.found.links.get("license", ()), *self._meta(*_LICENSES)]
        values += self.found.items.get("license", [])
        for value in values:
            said = self._value(value)
            if isinstance(said, dict):
                said = said.get("url") or said.get("name")
            if phrase := self._phrase(said):
                return urljoin(self.base, phrase) if self.base and phrase.startswith("/") else phrase
        return None

    def url(self) -> str | None:
        """The canonical address; a site's front page is none of another page."""
        for value in [*self.found.links.get("canonical", ()), *self._meta("og:url")]:
            try:
                address = str(urljoin(self.base or "", value))
                parts, base = urlsplit(address), urlsplit(self.base or "")
            except ValueError:
                continue
            is_front = parts.path in ("", "/") and not parts.query and base.path not in ("", "/")
            if parts.scheme in ("http", "https") and parts.hostname and len(address) <= VALUE_CHARS and not is_front:
                return address
        return None

    def _ld(self, name: str) -> list[Any]:
        return [value[name] for value in self.ld if value.get(name)]

    def _meta(self, *names: str) -> list[str]:
        return [value for name in names for value in self.found.meta.get(name, ())]

    def _value(self, value: Any) -> Any:
        """The object that a reference names."""
        if isinstance(value, dict) and set(value) == {"@id"}:
            return self.by_id.get(value["@id"], value)
        return value

    def _phrase(self, value: Any) -> str | None:
        phrase: str | None = read_phrase(self._value(value))
        return phrase

    def _first(self, values: list[Any]) -> str | None:
        return next((phrase for value in values if (phrase := self._phrase(value))), None)


def _letters(phrase: str) -> str:
    return "".join(_WORD.findall(phrase.casefold()))


def ld_objects(scripts: list[str]) -> list[dict[str, Any]]:
    """The objects of a page's JSON-LD, those on top and in `@graph` and what the page is about, in their order.

    >>> [found["@type"] for found in ld_objects(['<!-- {"@graph": [{"@type": "A"}, {"@type": "B"},]} -->', "no"])]
    ['A', 'B']
    """
    found: list[dict[str, Any]] = []
    for script in scripts:
        waiting = [_loaded(script)]
        while waiting and len(found) < LD_OBJECTS:
            value = waiting.pop()
            if isinstance(value, list):
                waiting += reversed(value[:LD_OBJECTS])
            elif isinstance(value, dict):
                if "@type" in value:
                    found.append(value)
                waiting += [value[name] for name in ("mainEntityOfPage", "mainEntity", "@graph") if name in value]
    return found


def _loaded(script: str) -> Any:
    """The JSON of a script; None where it is none, even without what is often wrong with it."""
    for _ in range(3):
        script = _WRAPPED.sub("", script)
    try:
        return _unescaped(orjson.loads(script))
    except ValueError:
        try:
            return _unescaped(json.loads(_TRAILING_COMMA.sub(r"\1", script), strict=False))
        except (ValueError, RecursionError):
            return None


def _unescaped(value: Any) -> Any:
    """Without the character references of HTML, which are none in JSON, in strings that are values."""
    if isinstance(value, str):
        return entities.unescape(value) if "&" in value and len(value) <= VALUE_CHARS else value
    if isinstance(value, list):
        return [_unescaped(one) for one in value]
    if isinstance(value, dict):
        return {name: _unescaped(one) for name, one in value.items()}
    return value


def _is_type(value: dict[str, Any], types: re.Pattern[str]) -> bool:
    said = value["@type"]
    return any(isinstance(one, str) and types.search(one) for one in (said if isinstance(said, list) else [said]))


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
    r"(?:<\?xml[^<>]{0,200}\?>\s*)?<(?:!doctype\s+html\b|(?:html|head)\b)[^<>]{0,500}>\s*<[a-z]", re.IGNORECASE
)
_SCRIPT = re.compile(r"<(script|style|noscript)\b.*?</\1>", re.IGNORECASE | re.DOTALL)
_MARKDOWN = re.compile(r"^(?:#{1,6} |[-*+] |\d{1,3}\. |```|> )", re.MULTILINE)
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
        tail = _SCRIPT.sub("", _without_comments(text[end + 7 :])) if end > 0 else ""
        return len(_TAG.sub("", tail).strip()) < TAIL_CHARS
    if not text.rstrip().endswith(">"):
        return False
    depth: Counter[str] = Counter()
    opened = inside = outside = known = unknown = at = 0
    between: list[str] = []
    for tag in _TAG.finditer(looked):
        piece, name = looked[at : tag.start()], tag[2].lower()
        at = tag.end()
        size = len(piece) - piece.count(" ")
        if opened:
            inside += size
        else:
            outside += size
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
    if not known or known < KNOWN * (known + unknown) or inside < IN_BLOCKS * (inside + outside):
        return False
    return len(_MARKDOWN.findall("\n".join(between))) < MARKDOWN_LINES


def _without_comments(text: str) -> str:
    last = text.rfind("-->") + 3
    return re.sub(r"<!--.*?-->", "", text[:last], flags=re.DOTALL) + text[last:] if last > 2 else text
