"""Clean text stays: recipes, poems, statutes, dialogue, letters, tables, code, lists, in forty-nine languages.

**Own** (`data/clean/*.txt`, documents parted by `%%`): written for this test, much of it to look like boilerplate. Each
document is stripped alone, and as a site of twenty variations, with URLs and without: in a variation every line of the
author's own is another, while the short lines that have their own below them (headings, speakers) are the same in all
twenty, as on a real site. Not one line may go.

**Recurring** (`data/clean/recurring.toml`): sites whose authors say the same again: steps of recipes, questions of
interviews, clauses, closing formulae, headings, reports with other figures. Not one line may go.

**Borrowed** (`data/clean/borrowed.jsonl.xz`, sources and licences in the README beside it): 40,000 lines of scripture,
statutes, poems, manuals, dictionaries, changelogs and code. Each document alone, and those of a source in a language
together as one site. `floors.toml` pins how many lines may go.
"""

import json
import lzma
import re
import tomllib
from collections import Counter, defaultdict
from itertools import count
from pathlib import Path

import pytest

from transforms.boilerplate.anchors import match_line
from transforms.boilerplate.lines import index
from transforms.boilerplate.pages import page_removals
from transforms.boilerplate.strip import removals
from transforms.boilerplate.templates import NO_TEMPLATES, Templates
from transforms.config import Boilerplate

TESTS = Path(__file__).parent
FILES = sorted((TESTS / "data" / "clean").glob("*.txt"))
VARIATIONS = 20
RECURRING = tomllib.loads((TESTS / "data" / "clean" / "recurring.toml").read_text("utf-8"))["site"]
# Before a line that stands in every so-many-th document of its site.
PART = re.compile(r"1/(\d): ")
CEILINGS = tomllib.loads((TESTS / "floors.toml").read_text("utf-8"))["borrowed_lines_lost"]
CONFIG = Boilerplate()
ONES = ("Aune", "Berg", "Dahl", "Eide", "Foss", "Holm")
ABOUT_THE_LAMP = (
    "I write about the lamp on the north mole, which has not been lit since the storm, although the rate for it has "
    "been collected from every household."
)


def documents(path):
    return [text.strip() + "\n" for text in path.read_text("utf-8").split("\n%%\n")]


def is_heading(lines, at):
    """A short line, apart from what is above it, with the author's own right below. One whose words are a site's
    ("Privacy policy", "Source") would be furniture if it stood in every article: it is a heading in one."""
    line = lines[at].strip()
    below = next((other.strip() for other in lines[at + 1 :] if other.strip()), "")
    is_apart = at > 0 and not lines[at - 1].strip()
    anchor = match_line(line)
    if anchor is not None and anchor.kind != "heading":
        return False
    return is_apart and 0 < len(line) <= 16 and len(below) > len(line) and "|" not in line and line[-1] not in ".。,،，"


def variation(text, number):
    """The document with another word in each line that is the author's own."""
    lines = text.split("\n")
    word = "abcdefghijklmnopqrst"[number] * 3
    return "\n".join(
        line if not line.strip() or is_heading(lines, at) else _varied(line, word) for at, line in enumerate(lines)
    )


def _varied(line, word):
    """The word goes before the last character, so that the line ends as it did."""
    return f"{line[:-1]} {word}{line[-1]}"


def templates(texts):
    """As `flows.stages.templates.count_templates` counts them; each text is a group of its own."""
    counts = Counter(key for text in texts for key in index(text).keys)
    least = max(CONFIG.template_min_groups, CONFIG.template_min_share * len(texts))
    return Templates(len(texts), {key: count for key, count in counts.items() if count >= least})


def lost(text, site, has_url):
    gone = removals(text, index(text).lines, site, has_url, CONFIG)
    lines = text.split("\n")
    return [(lines[at], removal.rule) for at, removal in sorted(gone.items())]


def test_the_corpus_is_large_enough():
    lines = [line for path in FILES for text in documents(path) for line in text.split("\n") if line]
    assert len(FILES) >= 17
    assert len(lines) >= 1500


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_alone(path):
    assert [lost(text, NO_TEMPLATES, has_url) for text in documents(path) for has_url in (False, True)] == [
        [] for _ in documents(path) for _ in range(2)
    ]


@pytest.mark.parametrize("has_url", [False, True])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_as_a_site(path, has_url):
    for text in documents(path):
        texts = [variation(text, number) for number in range(VARIATIONS)]
        site = templates(texts)
        assert [loss for text in texts for loss in lost(text, site, has_url)] == []


def test_the_variations_make_templates():
    text = documents(FILES[0].with_name("en.txt"))[0]
    assert len(templates([variation(text, number) for number in range(VARIATIONS)]).lines) >= 3


def test_a_number_is_not_the_title_repeated():
    text = "238.\n\nTO THE HARBOUR OFFICE.\n\n1818.\n\n" + ABOUT_THE_LAMP
    assert lost(text, NO_TEMPLATES, has_url=False) == []


def test_a_section_that_every_article_has_keeps_its_heading():
    recipes = [f"Dumplings {word}\n\n{word}. {ABOUT_THE_LAMP}\n\nSource\nThe {word} cook.\n" for word in ONES]
    assert [lost(text, templates(recipes), has_url=True) for text in recipes] == [[] for _ in recipes]


def test_the_fields_of_a_record_stay():
    fields = (
        *("Area: {} sq km", "Coastline: {} km", "Median age: {} years", "Birth rate: {} births", "Airports: {}"),
        *("Highest point: {} m", "Urban population: {}% of all (2023)", "Roads: {} km", "Lighthouses: {}"),
    )
    texts = [
        "\n".join([f"The Island of {word}", f"{word}. {ABOUT_THE_LAMP}", *(field.format(at * 7) for field in fields)])
        for at, word in enumerate(ONES, 3)
    ]
    assert [lost(text, templates(texts), has_url=True) for text in texts] == [[] for _ in texts]


def test_a_numbered_title_stays():
    texts = [f"Chapter {at}\n\n{word}. {ABOUT_THE_LAMP}\n" for at, word in enumerate(ONES, 1)]
    assert [lost(text, templates(texts), has_url=False) for text in texts] == [[] for _ in texts]


# --- recurring -----------------------------------------------------------------------------------------------------


def site_of(entry):
    """The documents of a site whose author repeats himself."""
    texts = []
    for number, name in enumerate(entry["names"]):
        figures = (str((number * 37 + at * 53) % 89 + 7) for at in count())
        lines = [PART.sub("", line) for line in entry["text"].strip().split("\n") if is_in(line, number)]
        texts.append(re.sub("{n}", lambda _, figures=figures: next(figures), "\n".join(lines)).replace("{name}", name))
    return texts


def is_in(line, number):
    part = PART.match(line)
    return part is None or number % int(part[1]) == 0


@pytest.mark.parametrize("has_url", [False, True])
@pytest.mark.parametrize("entry", RECURRING, ids=lambda entry: f"{entry['kind']} {entry['language']}")
def test_what_an_author_repeats_stays(entry, has_url):
    texts = site_of(entry)
    site = templates(texts)
    gone = Counter(loss for text in texts for loss in lost(text, site, has_url))
    assert gone == {}


def test_the_recurring_texts_are_of_every_kind():
    texts = [site_of(entry) for entry in RECURRING]
    assert len({entry["language"] for entry in RECURRING}) >= 10
    assert all(len(set(site)) == len(site) == 12 for site in texts)
    assert all(len(templates(site).lines) >= 4 for site in texts)


# --- borrowed ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def borrowed():
    """The documents of each source and language."""
    sites = defaultdict(list)
    with lzma.open(TESTS / "data" / "clean" / "borrowed.jsonl.xz", "rt", encoding="utf-8") as lines:
        for document in map(json.loads, lines):
            sites[document["source"], document["language"]].append(document)
    return sites


def line_count(text):
    return sum(1 for line in text.split("\n") if line.strip())


def test_the_borrowed_texts_are_of_every_kind(borrowed):
    lines = Counter()
    for documents in borrowed.values():
        for document in documents:
            lines[document["kind"]] += line_count(document["text"])
    languages = Counter(language for _, language in borrowed)
    print(f"\n{sum(lines.values())} lines in {len(languages)} languages: {dict(lines.most_common())}")
    assert sum(lines.values()) >= 40_000
    assert len(languages) >= 49
    assert len(lines) >= 8
    assert min(lines.values()) >= 200


@pytest.mark.parametrize(("as_site", "has_url"), [(False, False), (False, True), (True, False), (True, True)])
def test_borrowed(borrowed, as_site, has_url):
    total, gone = 0, []
    for (source, language), documents in borrowed.items():
        texts = [document["text"] for document in documents]
        site = templates(texts) if as_site else NO_TEMPLATES
        hashes = [index(text).lines for text in texts]
        pages = page_removals([(text, lines, site) for text, lines in zip(texts, hashes, strict=True)], CONFIG)
        for row, (document, lines) in enumerate(zip(documents, hashes, strict=True)):
            total += line_count(document["text"])
            found = removals(document["text"], lines, site, has_url, CONFIG, pages.removals.get(row))
            written = document["text"].split("\n")
            gone += [
                (source, document["kind"], language, removal.rule, written[at])
                for at, removal in sorted(found.items())
                if written[at].strip()
            ]
    print(f"\n{len(gone)} of {total} lines; by source, kind, language and rule:")
    for what, lines in Counter(loss[:4] for loss in gone).most_common():
        print(f"{lines:5} {' '.join(what)}: {next(loss[4] for loss in gone if loss[:4] == what)[:80]}")
    ceiling = CEILINGS[("site_with_url" if has_url else "site") if as_site else "alone"]
    assert len(gone) <= ceiling
