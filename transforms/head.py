"""What a page of HTML says of itself: JSON-LD, `meta`, `link`, microdata and `time`, read as fields of records are."""

import html as entities
import json
import re
from datetime import datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import orjson

from transforms.markup import Reader
from transforms.values import VALUE_CHARS, Own, read_authors, read_date, read_language, read_phrase, read_tags

# JSON-LD: objects of a page that are looked at.
LD_OBJECTS = 500
# Types of JSON-LD that are what a page is about, the likeliest first; then the page itself.
_ARTICLES = re.compile(r"(?:Article|Posting|Report|Recipe|Blog|Question|CreativeWork|Review|Event|Product|Object)$")
_PAGES = re.compile(r"Page$")
# What stands around JSON in a script that is to be valid XML, too.
_WRAPPED = re.compile(
    r"^\s*(?:<!--|(?://|/\*)?\s*<!\[CDATA\[(?:\s*\*/)?)|(?:(?://|/\*)?\s*\]\]>(?:\s*\*/)?|(?://\s*)?-->|;)\s*$"
)
_TRAILING_COMMA = re.compile(r",(\s*[\]}])")
# A title ends, or begins, with the site's name behind one of these.
# A biography is longer than several names.
AUTHORS_CHARS = 120
_NO_NAME = re.compile(r"[/@\d]")
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


class Said:
    """What a page says of itself, each the first of its places that can be read."""

    def __init__(self, found: Reader, url: str | None) -> None:
        self.found = found
        self.base = url if url and _joined("", url) is not None else None
        self.objects = objects = ld_objects(found.ld)
        self.by_id = {value["@id"]: value for value in objects if isinstance(value.get("@id"), str) and len(value) > 1}
        about = [value for value in objects if _is_type(value, _ARTICLES)]
        self.ld = about[:1] + [value for value in objects if _is_type(value, _PAGES)][:1]
        publishers = [self._value(value) for value in self._ld("publisher")]
        names = [value.get("name") for value in publishers if isinstance(value, dict)]
        self.source_name = self._first([*self._meta("og:site_name"), *names, *self._meta(*_SOURCES)])

    def own(self) -> Own:
        """All that it says but its address."""
        return Own(
            self.title(),
            self.authors(),
            self.published_at(),
            self.modified_at(),
            self.tags(),
            self.source_name,
            self.language(),
            self.license(),
        )

    def bodies(self) -> list[str]:
        """Articles that the page's JSON-LD holds."""
        return [body for value in self.objects if isinstance(body := value.get("articleBody"), str)]

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
                    if not (isinstance(one, str) and ("://" in one or len(one) > AUTHORS_CHARS)):
                        names |= dict.fromkeys(read_authors(self._value(one)) or ())
            if found := [name for name in names if _NO_NAME.search(name) is None and name != source]:
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
                return (_joined(self.base, phrase) or phrase) if self.base and phrase.startswith("/") else phrase
        return None

    def url(self) -> str | None:
        """The canonical address; a site's front page is none of another page."""
        for value in [*self.found.links.get("canonical", ()), *self._meta("og:url")]:
            address = _joined(self.base or "", value)
            if address is None:
                continue
            parts, base = urlsplit(address), urlsplit(self.base or "")
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


def _joined(base: str, address: str) -> str | None:
    """An address as it is meant on a page; None where it is none (`http://[`).

    >>> _joined("https://example.org/a/b", "../c"), _joined("", "http://[")
    ('https://example.org/c', None)
    """
    try:
        joined = str(urljoin(base, address))
        urlsplit(joined)
    except ValueError:
        return None
    return joined


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
