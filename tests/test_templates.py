"""Counting the lines of a site: by article, not by page."""

import pytest

from benchmarks import stage
from flows.readers.records import Record
from flows.stages.read import documents_of
from flows.store import Store
from flows.tables import read_table
from tests.conftest import article
from transforms.boilerplate.lines import Kind, index, key, line_hashes
from transforms.boilerplate.templates import Templates, merge_groups, template_share
from transforms.config import Config
from transforms.pipeline import prepare

FOOTER = "Printed on Tuesdays"
LINE = line_hashes(FOOTER)[0]


def shard(texts, site="https://e.example.org"):
    """Documents of these texts as a run prepares them."""
    facts = dict.fromkeys(Record._fields) | {"source_path": "a.jsonl", "source_format": "jsonl"}
    records = [
        Record(**facts | {"url": f"{site}/{n}", "original": text, "source_sha256": f"{n:064x}"})
        for n, text in enumerate(texts)
    ]
    return prepare(documents_of(records), Config())


class Count:
    """The templates of a dataset, version by version."""

    def __init__(self, folder):
        self.store, self.state, self.number = Store(folder), {"counts": [], "groups": []}, 0

    def add(self, *shards):
        """Count a version's shards; {site: (groups of the line, groups of the site)}."""
        self.number += 1
        pieces = [stage.index(self.store, one, Config(), f"{self.number}-{n}") for n, one in enumerate(shards)]
        lines = [piece["lines-00000.parquet"] for piece in pieces]
        done = stage.count(self.store, lines, Config(), self.state, self.number)
        for name, files in self.state.items():
            files.append(done[f"{name}.parquet"])
        found = read_table(self.store, done["templates.parquet"]).to_pylist()
        return {row["site"]: (row["groups"], row["total"]) for row in found if row["line"] == LINE}


@pytest.fixture
def count(tmp_path):
    return Count(tmp_path)


def test_three_articles_make_a_template(count):
    texts = [article(n) + FOOTER for n in range(3)]
    assert count.add(shard(texts)) == {"example.org": (3, 3)}


@pytest.mark.parametrize(
    "texts", [[article(1) + FOOTER, article(2) + FOOTER], [article(1) + f"{n} {FOOTER}" for n in range(5)]]
)
def test_two_articles_or_one_syndicated_five_times_do_not(count, texts):
    assert count.add(shard(texts)) == {}


def test_short_documents_of_one_text_count_once(count):
    assert count.add(shard([FOOTER] * 9)) == {}


def test_sites_are_counted_apart(count):
    a = shard([article(n) + FOOTER for n in range(2)])
    b = shard([article(n) + FOOTER for n in range(10, 12)], "https://other.example.net")
    assert count.add(a, b) == {}


def test_shards_are_counted_together_and_counts_persist(count):
    shards = [shard([article(n) + FOOTER]) for n in range(4)]
    assert count.add(*shards[:2]) == {}
    assert count.add(*shards[2:]) == {"example.org": (4, 4)}


def test_an_article_seen_in_an_earlier_version_adds_nothing(count):
    count.add(shard([article(1) + FOOTER, article(2) + FOOTER]))
    again = shard(["Updated: " + article(1) + FOOTER])
    assert count.add(again) == {}
    assert count.add(shard([article(3) + FOOTER])) == {"example.org": (3, 3)}


def test_groups_merge_over_a_chain():
    assert merge_groups([[5, 3], [9, 5], [7, 8]]) == {3: 3, 5: 3, 9: 3, 7: 7, 8: 7}
    assert merge_groups([[2, 9], [1, 9]]) == {1: 1, 2: 1, 9: 1}


def test_the_longest_lines_stand_for_a_document():
    long = [f"{letter} " * (50 + number) for number, letter in enumerate("abcdefgh")]
    found = index("\n".join([*long, "short"]))
    assert found.long_lines == line_hashes("\n".join(reversed(long)))[:6]
    assert index("short\nlines").long_lines == [index("short\nlines").document]


LEGAL = [f"{word} notice: no part of this page may be set to music, sung, or hummed in public. " * 9 for word in "ABC"]


def paragraphs(number, count=4):
    words = "ferry quay tram bread swan gutter lamp rope salt kettle"
    return [
        f"On day {n * 'x'} of {number * 'y'} the {words} were counted again and written down." for n in range(count)
    ]


def whole_page(number, notices):
    return "\n".join([*paragraphs(number + 1), *LEGAL[:notices], FOOTER])


@pytest.mark.parametrize("notices", [1, 2, 3])
def test_pages_that_share_only_their_longest_lines_are_several_articles(count, notices):
    pages = [whole_page(n, notices) for n in range(5)]
    assert count.add(shard(pages)) == {"example.org": (5, 5)}


def test_such_pages_are_several_articles_from_version_to_version(count):
    for n in range(3):
        found = count.add(shard([whole_page(n, 2)]))
    assert found == {"example.org": (3, 3)}


def test_one_page_with_its_notices_read_five_times_is_one_article(count):
    pages = [f"{n} readers\n" * n + whole_page(1, 2) + f"\nRead {n * 'x'} times" for n in range(5)]
    assert count.add(shard(pages)) == {}


@pytest.mark.parametrize(
    ("groups", "gone", "share"),
    [
        (15, (), 0.4),  # of the site's groups the line stands in three
        (16, (), 0.0),  # … which are too few: copies of an article
        (2, (), 0.0),
        (15, (1,), 0.0),
        (15, (3,), 1.0),
        (15, (1, 3), 0.0),
    ],
)
def test_template_share(groups, gone, share):
    text = "\n".join(["", FOOTER[:16], "", "x" * 24])
    site = Templates(groups, {key(value, Kind.TITLE): 3 for at, value in enumerate(line_hashes(text)) if at == 1})
    assert template_share(text, line_hashes(text), gone, site) == pytest.approx(share)
