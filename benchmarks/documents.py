"""Raw documents made up for benchmarks: any number, in fourteen languages, on sites with templates, with copies.

    python benchmarks/documents.py FOLDER [--kind articles|pages] [--documents N | --megabytes N] [--files N]

A document is a function of its number and nothing else. Its prose is drawn from the sentences of `raw/`,
`tests/data/clean` and `tests/data/copies`, every seventh word of each another one of the language; what stands around
it is its site's (`sites.toml`). `pages` are whole pages (header, bio, related, previous and next, comments, footer);
`articles` are as an extractor leaves them, with some of that still there. Sites have some 125 documents each, so that
there are more of them the more documents there are, and the languages of each 2,500 documents are the same mix.

Of each twenty one is an exact copy of an earlier document (`exact`), one an earlier article on another site, short of
its last sentence (`near`), and one a repeat of an earlier article with every seventh word changed (`reworded`), which
is no duplicate. Of fifty, one is mojibake, if its language is written with other letters than ASCII's.

FOLDER holds JSON lines: `id` (the number), `url`, `text`.
"""

import argparse
import gzip
import json
import lzma
import random
import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from unicodedata import normalize

import zstandard

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("articles", "pages")
# Numbers within each twenty that are copies, and those they are copies of.
BLOCK = 20
COPIES = {17: ("exact", 3), 18: ("near", 8), 19: ("reworded", 13)}
SITES, SITES_OF = 20, 2_500  # so many sites come with so many documents, always of the same languages
UNSPACED = ("ja", "zh")
EVERY = 7

_RAW = {"nordhafen": "de", "wissensfunke": "de", "minatonotecho": "ja", "moloequais": "pt", "lagaceta": "es"}
_RAW |= {"thebramble": "en", "qingheyuedu": "zh", "majallat": "ar", "kurier": "pl", "lejournal": "fr", "vestnik": "ru"}
_WIDE = r"぀-ヿ㐀-鿿"
_SENTENCE = re.compile(rf"(?<=[.!?…؟])[»”\"“]?\s+|(?<=[。！？])[」”]?(?=[{_WIDE}])")
_WORD = re.compile(r"[^\W\d_]+")
# What the sample has on purpose: mojibake (of Cyrillic, too), entities, control and invisible characters.
_DAMAGED = re.compile(r"[ÃÂâ€�\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u200b\u2060\ufeff]|&#?\w+;|\w[РС]")


@dataclass(frozen=True, slots=True)
class Document:
    """A raw document, and what is known of it."""

    number: int
    url: str
    text: str
    language: str
    kind: str  # original, exact, near, reworded
    of: int  # the number of what it is a copy of, or its own
    title: str
    article: list[str]  # sentences
    furniture: list[str] = field(default_factory=list)  # lines
    is_mojibake: bool = False

    def line(self) -> bytes:
        """As a line of the raw folder."""
        record = {"id": str(self.number), "url": self.url, "text": self.text}
        return json.dumps(record, ensure_ascii=False).encode() + b"\n"


class Prose(NamedTuple):
    """What articles of a language are made of."""

    sentences: list[str]
    small: list[str]
    capital: list[str]


class Site(NamedTuple):
    number: int
    language: str
    name: str
    slogan: str
    says: dict[str, Any]


# ------------------------------------------------------------------------------------------------------------- sources


def _raw_texts() -> Iterator[tuple[str, list[str]]]:
    """(language, texts) of each site of the sample, that of Parquet apart."""
    for path in sorted((ROOT / "raw").iterdir()):
        for file in [path] if path.name != "feeds" else sorted(path.iterdir()):
            language = next((_RAW[name] for name in _RAW if file.name.startswith(name)), "")
            if not language or file.suffix == ".parquet":
                continue
            if file.is_dir():
                yield language, [one.read_bytes().decode("utf-8", "replace") for one in sorted(file.glob("*.txt"))]
            else:
                yield language, _texts_of(file)


def _texts_of(file: Path) -> list[str]:
    content = file.read_bytes()
    if file.suffix == ".gz":
        content = gzip.decompress(content)
    if file.suffix == ".zst":
        content = zstandard.ZstdDecompressor().decompressobj().decompress(content)
    texts = []
    for line in content.splitlines():
        try:
            texts.append(str(json.loads(line)["text"]))
        except (ValueError, KeyError, TypeError):
            continue  # the sample has lines that are meant to fail
    return texts


def _paragraphs(texts: Sequence[str]) -> Iterator[str]:
    """The long lines of a site's texts before their furniture; the last may be a bio."""
    lines = [[line.strip() for line in text.splitlines() if line.strip()] for text in texts]
    stands = [line for text in lines for line in set(text)]
    often = {line for line in stands if stands.count(line) > 1}
    for text in lines:
        found: list[str] = []
        for line in text:
            if found and line in often:
                break
            if len(line) >= (50 if re.search(f"[{_WIDE}]", line) else 120) and line not in often:
                found.append(line)
        yield from found[:-1]


def _all_paragraphs(language: str) -> Iterator[str]:
    for found, texts in _raw_texts():
        if found == language:
            yield from _paragraphs(texts)
    data = ROOT / "tests/data"
    for kind in ("clean", "copies"):
        for path in sorted((data / kind).glob(f"{language}.t*")):
            text = path.read_text("utf-8")
            yield from (line for line in text.splitlines() if " = " not in line and len(line) >= 40)
    with lzma.open(data / "clean/borrowed.jsonl.xz", "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            if record["source"] == "udhr" and record["language"] == language:
                yield from record["text"].splitlines()


@cache
def prose(language: str) -> Prose:
    """The sentences of a language, and its words by their first letter's case (of Chinese and Japanese, characters)."""
    found: dict[str, None] = {}
    words: dict[str, None] = {}
    wide = language in UNSPACED
    for paragraph in (normalize("NFC", paragraph) for paragraph in _all_paragraphs(language)):
        if _DAMAGED.search(paragraph):
            continue
        for sentence in _SENTENCE.split(paragraph):
            if len(sentence) >= (15 if wide else 40) and sentence[-1] in '.!?…»”"。！？」؟':
                found[sentence] = None
                words |= dict.fromkeys(re.findall(f"[{_WIDE}]", sentence) if wide else _WORD.findall(sentence))
    known = [word for word in words if wide or len(word) > 3]
    capital = [word for word in known if word[0].isupper()]
    return Prose(list(found), [word for word in known if not word[0].isupper()], capital or known)


@cache
def _furniture() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = tomllib.loads((ROOT / "benchmarks/sites.toml").read_text("utf-8"))
    return found


LANGUAGES = tuple(_furniture())

# ----------------------------------------------------------------------------------------------------------- documents


@cache
def site(number: int) -> Site:
    """A site: its language, its name, and a line that only it has."""
    chance = random.Random(f"site {number}")
    language = [language for language in LANGUAGES for _ in range(_furniture()[language]["sites"])][number % SITES]
    slogan = reworded(chance.choice(prose(language).sentences), language, chance)
    return Site(number, language, f"site{number}.example", slogan[:90], _furniture()[language])


def reworded(sentence: str, language: str, chance: random.Random) -> str:
    """Every seventh word (of Chinese and Japanese, character) another one."""
    known = prose(language)
    at = chance.randrange(EVERY)

    def another(match: re.Match[str]) -> str:
        nonlocal at
        at += 1
        if at % EVERY:
            return match[0]
        return chance.choice(known.capital if match[0][0].isupper() else known.small)

    return (_CHARACTER if language in UNSPACED else _WORD).sub(another, sentence)


_CHARACTER = re.compile(f"[{_WIDE}]")


def _title(language: str, chance: random.Random) -> str:
    sentence = reworded(chance.choice(prose(language).sentences), language, chance)
    if language in UNSPACED:
        return sentence[:-1][:18]
    words = sentence.split()[: chance.randint(5, 9)]
    return " ".join(words).strip('.,;:!?»«„“”"') or sentence


def _original(number: int, language: str) -> tuple[str, list[list[str]]]:
    """The title of an article of its own, and its paragraphs, each of sentences."""
    chance = random.Random(f"article {number}")
    sentences = prose(language).sentences
    size = 60 if language in UNSPACED else 180
    paragraphs = []
    for _ in range(chance.randint(4, 12)):
        paragraph: list[str] = []
        while sum(map(len, paragraph)) < size * chance.uniform(0.6, 2.5):
            paragraph.append(reworded(chance.choice(sentences), language, chance))
        paragraphs.append(paragraph)
    return _title(language, chance), paragraphs


def _earlier(number: int) -> tuple[str, int]:
    """What kind a document is, and of which."""
    block, at = divmod(number, BLOCK)
    if at not in COPIES:
        return "original", number
    kind, origin = COPIES[at]
    return kind, random.Random(f"copy {number}").randint(0, block) * BLOCK + origin


def _site_of(number: int, language: str = "") -> Site:
    """The site of a document: of a copy another one than its original's, of the same language if there is one near."""
    chance = random.Random(f"site of {number}")
    first = number // SITES_OF * SITES
    sites = [site(first + at) for at in range(SITES)]
    return chance.choice([one for one in sites if one.language == language] or sites)


def document(number: int, kind: str = "articles") -> Document:
    """The document of a number."""
    way, of = _earlier(number)
    if way == "original":
        here = _site_of(number)
        title, paragraphs = _original(number, here.language)
        made = _laid_out(number, kind, here, title, paragraphs)
        if number % 50 == 5 and not made.text.isascii() and here.language not in ("ar", "ja", "ko", "ru", "zh"):
            text = made.text.encode().decode("latin-1")
            return Document(
                number, made.url, text, here.language, way, of, title, made.article, made.furniture, is_mojibake=True
            )
        return made
    language = _site_of(of).language
    here = _site_of(number, language)
    if way == "exact":
        earlier = document(of, kind)
        url = f"https://{here.name}/{number}.html"
        return Document(number, url, earlier.text, language, way, of, earlier.title, earlier.article, earlier.furniture)
    title, paragraphs = _original(of, language)
    if way == "near":
        paragraphs[-1].pop()
    else:
        chance = random.Random(f"reworded {number}")
        paragraphs = [[reworded(one, language, chance) for one in paragraph] for paragraph in paragraphs]
    made = _laid_out(number, kind, here, title, [paragraph for paragraph in paragraphs if paragraph])
    return Document(number, made.url, made.text, language, way, of, title, made.article, made.furniture)


def _laid_out(number: int, kind: str, here: Site, title: str, paragraphs: Sequence[Sequence[str]]) -> Document:
    """An article as it stands on a site."""
    chance = random.Random(f"layout {number}")
    is_page = kind == "pages"
    says, language = here.says, here.language
    author = chance.choice(says["names"])

    def filled(line: str) -> str:
        date = f"{chance.randint(1, 28):02}.{chance.randint(1, 12):02}.20{chance.randint(10, 25)}"
        known = {"author": author, "site": here.name, "minutes": chance.randint(2, 9), "n": chance.randint(0, 99)}
        return line.format(title=_title(language, chance), date=date, **known)

    def some(share: float, *lines: str) -> list[str]:
        """Lines that a page always has, and an article in so many of one cases."""
        return [filled(line) for line in lines] if is_page or chance.random() < share else []

    space = "" if language in UNSPACED else " "
    head = []
    if is_page:
        head = [here.name, here.slogan, *says["sections"], f"{says['sections'][0]} › {chance.choice(says['sections'])}"]
    byline = some(0.6, says["byline"])
    blocks = [space.join(paragraph) for paragraph in paragraphs]
    inside = [filled(says["read_also"])] if chance.random() < 0.3 else []
    middle = len(blocks) // 2
    related = [says["related"], *("{title}" for _ in range(5 if is_page else 2))]
    tail = [
        *some(0.4, chance.choice(says["bio"])),
        *some(0.15, says["share_line"]),
        *some(0.2, *related),
        *(some(0, says["previous"], says["next"], *says["comments"]) if is_page else []),
        *some(0.15, says["newsletter"]),
        *(some(0, says["contact"]) if is_page else []),
        *some(0.1, *says["legal"]),
    ]
    lines = [*head, title, *byline, *blocks[:middle], *inside, *blocks[middle:], *tail]
    article = [sentence for paragraph in paragraphs for sentence in paragraph]
    url = f"https://{here.name}/{number}.html"
    text = ("\n\n" if here.number % 2 else "\n").join(lines)
    return Document(number, url, text, language, "original", number, title, article, [*head, *byline, *inside, *tail])


def documents(kind: str = "articles", count: int | None = None, megabytes: float | None = None) -> Iterator[Document]:
    """So many documents, or as many as fill so many megabytes of raw lines."""
    number, size = 0, 0.0
    while (count is None or number < count) and (megabytes is None or size < megabytes * 1e6):
        made = document(number, kind)
        yield made
        number += 1
        size += len(made.line())


def write(folder: Path, made: Iterator[Document], files: int = 1, file_documents: int = 2_000) -> int:
    """The documents as JSON lines, in turns of so many documents over so many files; how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    opened = [(folder / f"{number:03}.jsonl").open("wb") for number in range(files)]
    try:
        for count, one in enumerate(made, 1):
            opened[(count - 1) // file_documents % files].write(one.line())
    finally:
        for file in opened:
            file.close()
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kind", choices=KINDS, default="articles")
    parser.add_argument("--documents", type=int)
    parser.add_argument("--megabytes", type=float)
    parser.add_argument("--files", type=int, default=8)
    options = parser.parse_args()
    count = options.documents or (None if options.megabytes else 1_000)
    made = write(options.folder, documents(options.kind, count, options.megabytes), options.files)
    size = sum(path.stat().st_size for path in options.folder.glob("*.jsonl"))
    print(f"{made:,} {options.kind}, {size / 1e6:.1f} MB, in {options.folder}", file=sys.stderr)


if __name__ == "__main__":
    main()
