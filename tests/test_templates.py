"""Counting the lines of a site: by article, not by page."""

import pyarrow as pa
import pytest

from flows.steps import count_templates
from flows.storage import read_table, write_work
from tests.conftest import article
from transforms.boilerplate.lines import index, line_hashes
from transforms.boilerplate.templates import merge_groups
from transforms.config import Config
from transforms.pipeline import prepare

FOOTER = "Printed on Tuesdays"
LINE = line_hashes(FOOTER)[0]


def shard(path, texts, site="https://e.example.org"):
    documents = pa.table(
        {
            "source_path": ["a.jsonl"] * len(texts),
            "url": [f"{site}/{n}" for n in range(len(texts))],
            "original": texts,
            **{
                name: pa.nulls(len(texts), pa.string())
                for name in ("reject_reason", "reject_stage", "reject_detail", "charset")
            },
        }
    )
    write_work(path, prepare(documents, Config()))
    return path


class Count:
    def __init__(self, folder):
        self.folder, self.state, self.number = folder, [], 0
        write_work(
            folder / "identified.parquet", pa.table({n: pa.array([], pa.int32()) for n in ("piece", "row", "ordinal")})
        )

    def add(self, *shards):
        """Count a version's shards; {site: (groups of the line, groups of the site)}."""
        self.number += 1
        out = self.folder / f"count-{self.number}"
        out.mkdir()
        count_templates(out, shards, self.folder, self.state, Config())
        for name in ("counts", "groups"):
            (out / f"{name}.parquet").rename(self.folder / f"{name}-{self.number}.parquet")
            self.state.append(self.folder / f"{name}-{self.number}.parquet")
        found = read_table(out / "templates.parquet").to_pylist()
        return {row["site"]: (row["groups"], row["site_groups"]) for row in found if row["line"] == LINE}


@pytest.fixture
def count(tmp_path):
    return Count(tmp_path)


def test_three_articles_make_a_template(tmp_path, count):
    texts = [article(n) + FOOTER for n in range(3)]
    assert count.add(shard(tmp_path / "a", texts)) == {"example.org": (3, 3)}


@pytest.mark.parametrize(
    "texts", [[article(1) + FOOTER, article(2) + FOOTER], [article(1) + f"{n} {FOOTER}" for n in range(5)]]
)
def test_two_articles_or_one_syndicated_five_times_do_not(tmp_path, count, texts):
    assert count.add(shard(tmp_path / "a", texts)) == {}


def test_short_documents_of_one_text_count_once(tmp_path, count):
    assert count.add(shard(tmp_path / "a", [FOOTER] * 9)) == {}


def test_sites_are_counted_apart(tmp_path, count):
    a = shard(tmp_path / "a", [article(n) + FOOTER for n in range(2)])
    b = shard(tmp_path / "b", [article(n) + FOOTER for n in range(10, 12)], "https://other.example.net")
    assert count.add(a, b) == {}


def test_shards_are_counted_together_and_counts_persist(tmp_path, count):
    shards = [shard(tmp_path / str(n), [article(n) + FOOTER]) for n in range(4)]
    assert count.add(*shards[:2]) == {}
    assert count.add(*shards[2:]) == {"example.org": (4, 4)}


def test_an_article_seen_in_an_earlier_version_adds_nothing(tmp_path, count):
    count.add(shard(tmp_path / "a", [article(1) + FOOTER, article(2) + FOOTER]))
    again = shard(tmp_path / "b", ["Updated: " + article(1) + FOOTER])
    assert count.add(again) == {}
    assert count.add(shard(tmp_path / "c", [article(3) + FOOTER])) == {"example.org": (3, 3)}


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
def test_pages_that_share_only_their_longest_lines_are_several_articles(tmp_path, count, notices):
    pages = [whole_page(n, notices) for n in range(5)]
    assert count.add(shard(tmp_path / "a", pages)) == {"example.org": (5, 5)}


def test_such_pages_are_several_articles_from_version_to_version(tmp_path, count):
    for n in range(3):
        found = count.add(shard(tmp_path / str(n), [whole_page(n, 2)]))
    assert found == {"example.org": (3, 3)}


def test_one_page_with_its_notices_read_five_times_is_one_article(tmp_path, count):
    pages = [f"{n} readers\n" * n + whole_page(1, 2) + f"\nRead {n * 'x'} times" for n in range(5)]
    assert count.add(shard(tmp_path / "a", pages)) == {}
