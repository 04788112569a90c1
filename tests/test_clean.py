"""Clean text stays: recipes, poems, statutes, dialogue, letters, tables, code, lists, in fourteen languages.

`data/clean/*.txt` was written for this test, documents parted by `%%`. Each is stripped alone, and as a site of twenty
variations, with URLs and without: in a variation every line of the author's own is another, while the short lines that
have their own below them (headings, speakers) are the same in all twenty, as on a real site. Not one line may go.
"""

from collections import Counter
from pathlib import Path

import pytest

from transforms.boilerplate.lines import index
from transforms.boilerplate.strip import removals
from transforms.boilerplate.templates import NO_TEMPLATES, Templates
from transforms.config import Boilerplate

FILES = sorted((Path(__file__).parent / "data" / "clean").glob("*.txt"))
VARIATIONS = 20
# At most one line in so many; the corpus is smaller, so none.
LINES_PER_LOSS = 10_000
CONFIG = Boilerplate()


def documents(path):
    return [text.strip() + "\n" for text in path.read_text("utf-8").split("\n%%\n")]


def is_heading(lines, at):
    """A short line, apart from what is above it, with the author's own right below."""
    line = lines[at].strip()
    below = next((other.strip() for other in lines[at + 1 :] if other.strip()), "")
    is_apart = at > 0 and not lines[at - 1].strip()
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
    """As `flows.steps.count_templates` counts them; each text is a group of its own."""
    counts = Counter(key for text in texts for key in index(text).keys)
    least = max(CONFIG.template_min_groups, CONFIG.template_min_share * len(texts))
    return Templates(len(texts), {key: count for key, count in counts.items() if count >= least})


def lost(text, site, has_url):
    gone = removals(text, index(text).lines, site, has_url, CONFIG)
    lines = text.split("\n")
    return [(lines[at], removal.rule) for at, removal in sorted(gone.items())]


def test_the_corpus_is_large_enough():
    lines = [line for path in FILES for text in documents(path) for line in text.split("\n") if line]
    assert len(FILES) >= 10
    assert len(lines) >= 900


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
