"""Duplicates: what is one, who is kept, and that neither rows, cuts nor days matter."""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks import stage
from flows.state import check_state, rows_in, state_of
from flows.step import Done
from flows.store import Ref, Store
from flows.tables import read_table
from flows.versions.manifest import check_schema_version, published
from tests.conftest import NOUNS, PLACES, article, rows, write_jsonl
from transforms.config import Config, Dedup
from transforms.dedup.bands import PARTNERS, band_keys, pairs_of_buckets
from transforms.dedup.clusters import Edges, cluster, own_stretch, verify
from transforms.dedup.exact import content_hash, exact_duplicates, repaired_hash, sign_documents
from transforms.dedup.index import merged_by
from transforms.dedup.minhash import DIGEST_SHINGLES, digests_of, may_be_alike, shingles, shingles_of, sketches
from transforms.dedup.paragraphs import PARAGRAPH_CHARS, paragraphs_of
from transforms.dedup.tokens import packed_tokens, tokens_of, unpack_tokens
from transforms.errors import RefusedError, ShardError
from transforms.schema import with_columns

WORDS = [
    f"{a}{b}{c}" for a in ("ka", "lo", "mi", "nu") for b in ("r", "st", "nd") for c in ("an", "e", "ius", "o", "un")
]


def prose(seed: int, words: int = 200) -> str:
    chosen = random.Random(seed)
    return " ".join(f"{chosen.choice(WORDS)}{chosen.choice(WORDS)}" for _ in range(words)) + "."


def edited(text: str, share: float, seed: int = 0) -> str:
    """The text with this share of its words replaced."""
    chosen = random.Random(seed)
    return " ".join(f"x{chosen.randrange(10**6)}" if chosen.random() < share else word for word in text.split())


# ----------------------------------------------------------------------------------------------------- tokens, hashes


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("Hello,  world!", "hello WORLD", True),
        ("Straße — weiß", "STRASSE weiss", True),
        ("Ὀδυσσεύς ὁ πολύτλας", "ὈΔΥΣΣΕΎΣ Ὁ ΠΟΛΎΤΛΑΣ", True),
        ("“Quoted” text…", '"Quoted" text...', True),
        ("人民日报，北京。", "人民日报 北京", True),
        ("नमस्ते। दुनिया", "नमस्ते दुनिया", True),
        ("price 1.5", "price 15", False),
        ("one two", "two one", False),
        ("über", "uber", False),
        ("!!!", "???", False),
        ("", " ", False),
        ("a" * 100 + "b" + "a" * 100, "a" * 100 + "c" + "a" * 100, False),
        ("рассматривание", "расспрашивание", False),
        ("𠀀𠀁", "𠀀𠀂", False),
        ("ก ข", "กข", True),  # without spaces between words, spaces say nothing
    ],
)
def test_content_hash(first, second, same):
    assert (content_hash(first) == content_hash(second)) is same


@pytest.mark.parametrize(
    ("first", "second", "long", "short"),
    [
        ("one,  two!", "One two", True, True),
        ("e-mail to\nSt. John’s", "Email to StJohns", True, False),
        ("Straße", "STRAS-SE", True, False),
        ("人民 日报", "人民日报", True, False),
        ("at 1.5", "at 15", True, False),
        ("7", "8", False, False),
        ("!!!", "???", False, False),
        ("one two", "two one", False, False),
        ("", " ", False, False),
    ],
)
def test_repaired_hash(first, second, long, short):
    assert (repaired_hash(first) == repaired_hash(second)) is short
    assert (repaired_hash(first * 400) == repaired_hash(second * 400)) is long


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("—", 0),
        ("one two", 2),
        ("don't", 2),
        ("e-mail: a_b", 4),
        ("東京タワー", 5),
        ("東京 is nice", 4),  # 2 of 8 characters: not mostly of a script without spaces
        ("東京は is nice", 9),  # 3 of 9: every character
        ("the city of 東京 is very nice indeed", 9),
        ("สวัสดี", 6),
        ("قال، ثم", 2),
        ("😀 fun 😀", 3),
        ("😀 fun 😀" + 200 * " and so on", 601),
        ("நாட்டின் மொழி", 2),
    ],
)
def test_tokens(text, count):
    assert len(tokens_of(pa.array([text])).values) == count


def test_hashes_never_change():
    """An index lasts for years: these are what they were on the first day."""
    texts = pa.array(
        ["The quick brown fox jumps over the lazy dog", "我能吞下玻璃而不伤身体", "donaudampfschifffahrtsgesellschaft"]
    )
    assert [content_hash(text) for text in texts.to_pylist()] == HASHES
    shingle = shingles(tokens_of(texts.slice(0, 1)))
    assert shingle.hashes[:2].tolist() == SHINGLES
    assert band_keys(sketches(shingle))[0, [0, 31]].tolist() == BANDS


HASHES = [
    "a05669017c51acbd9d20fd31fa4f53ff",
    "fec4913b8c8d5755f8ec5d55cb7f3973",
    "a204e179bfba45d8e9121568932fa176",
]
SHINGLES = [7568782011921669532, 6606705568372649521]
BANDS = [12573019607516165263, 4018242879505592669]


@settings(deadline=None)
@given(st.lists(st.text(max_size=40), max_size=8), st.integers(0, 8))
def test_a_text_is_signed_alike_in_any_batch(texts, at):
    whole = unpack_tokens(packed_tokens(pa.array(texts, pa.string()))) if texts else []
    parts = [tokens_of(pa.array([text])).values for text in texts]
    assert [part.tolist() for part in whole] == [part.tolist() for part in parts]
    if texts:
        column = pa.array(texts, pa.string())
        table = pa.table({"text": column, "repaired": pc.binary_join_element_wise(column, column, "!", "")})
        table = with_columns(table, template_share=[0.0] * len(texts))
        both = pa.concat_tables([sign_documents(table.slice(0, at)), sign_documents(table.slice(at))])
        assert sign_documents(table).combine_chunks() == both.combine_chunks()
        assert both["content_hash"].to_pylist() == [content_hash(text) for text in texts]
        assert both["repaired_hash"].to_pylist() == [repaired_hash(f"{text}{text}!") for text in texts]


# ------------------------------------------------------------------------------------------------ pairs and clusters


def verified(first: str, second: str, config: Config | None = None) -> tuple[bool, bool]:
    """Whether the second may be dropped for the first, and the first for the second."""
    edges = verify(
        unpack_tokens(packed_tokens(pa.array([first, second]))), np.array([[0, 1]]), (config or Config()).dedup
    )
    return (bool(edges.drops_later.any()), bool(edges.drops_earlier.any()))


BODY, OTHER = prose(1, 300), prose(2, 300)


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (BODY, (True, True)),
        (edited(BODY, 0.05), (True, True)),
        (edited(BODY, 0.08), (True, True)),
        (BODY + " " + prose(3, 60), (True, True)),  # a footer
        (" ".join(BODY.split()[:150]), (True, False)),  # half of it
        (" ".join(BODY.split()[:40]), (False, False)),  # a quotation
        (edited(BODY, 0.4), (False, False)),
        (OTHER, (False, False)),
        (" ".join(BODY.split()[:205] + OTHER.split()[:95]), (False, False)),  # two pages of one template
        ("", (False, False)),
    ],
)
def test_verification(second, expected):
    assert verified(BODY, second) == expected


def test_digests_show_what_is_unlike_and_never_what_is_alike():
    """Of pairs at every similarity: none of .3 or more is left out, and few of unrelated texts stay."""
    bodies = [prose(seed, 400) for seed in range(60)]
    texts = [*bodies, *(edited(body, share, 1) for body in bodies for share in (0.05, 0.1, 0.2, 0.3))]
    documents = unpack_tokens(packed_tokens(pa.array(texts)))
    pairs = np.array([(one, other) for one in range(60) for other in range(60, 300)])
    sets = [set(shingle.tolist()) for shingle in shingles_of(documents)]
    jaccard = np.array([len(sets[a] & sets[b]) / len(sets[a] | sets[b]) for a, b in pairs.tolist()])
    may = may_be_alike(digests_of(documents), pairs, 0.25)
    assert (jaccard >= 0.3).sum() > 150
    assert may[jaccard >= 0.3].all()
    assert (jaccard < 0.02).sum() > 10_000
    assert may[jaccard < 0.02].mean() < 0.01
    assert may_be_alike(digests_of(documents), pairs, 0.0).all()


def test_a_short_text_has_no_digest_and_may_be_like_any():
    words = prose(1, DIGEST_SHINGLES + 2).split()
    long, short = " ".join(words), " ".join(words[1:])
    digest = digests_of(unpack_tokens(packed_tokens(pa.array([long, short, OTHER]))))
    assert digest.is_valid().to_pylist() == [True, False, True]
    assert may_be_alike(digest, np.array([[0, 1], [1, 2], [0, 2]]), 0.25).tolist() == [True, True, False]
    texts = pa.array([long, short, OTHER])
    table = with_columns(pa.table({"text": texts, "repaired": texts}), template_share=[0.0] * 3)
    assert sign_documents(table)["digest"].combine_chunks().equals(digest)


def test_own_stretch():
    assert own_stretch(np.array([1, 2, 9, 8, 3, 7], np.uint32), np.array([1, 2, 3], np.uint32)) == pytest.approx(2 / 6)
    assert own_stretch(np.array([5, 5], np.uint32), np.array([], np.uint32)) == 1.0
    assert own_stretch(np.array([], np.uint32), np.array([5], np.uint32)) == 0.0


def test_a_bucket_of_a_hundred_thousand_is_bounded():
    members = 100_000
    numbers = np.random.default_rng(0).permutation(members).astype(np.uint64)
    keys = np.full(members, 7, np.uint64)
    pairs = pairs_of_buckets(keys, numbers, np.ones(members, np.bool_))
    assert len(pairs) < 2 * PARTNERS * members
    assert pairs.tolist() == pairs_of_buckets(keys, numbers[::-1], np.ones(members, np.bool_)).tolist()
    with_first = pairs[pairs >> np.uint64(32) == 0]
    assert len(with_first) == members - 1


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.booleans()), max_size=30))
def test_pairs_of_small_buckets(rows):
    """All pairs of a bucket, up to 2 · PARTNERS + 1 members, whose later one is active."""
    active_of = {number: active for _, number, active in rows}
    rows = sorted({(key, number) for key, number, _ in rows})
    keys, numbers = (np.array([row[i] for row in rows], np.uint64) for i in (0, 1))
    active = np.array([active_of[number] for _, number in rows], np.bool_)
    found = {(int(p) >> 32, int(p) & 0xFFFFFFFF) for p in pairs_of_buckets(keys, numbers, active)}
    expected = {(a, b) for key, a in rows for other, b in rows if key == other and a < b and active_of[b]}
    assert found <= expected
    sizes = [sum(key == other for other, _ in rows) for key, _ in rows]
    if max(sizes, default=0) <= 2 * PARTNERS + 1:
        assert found == expected


edge = st.tuples(st.integers(0, 11), st.integers(0, 11), st.integers(25, 100), st.sampled_from("lem"))


@settings(deadline=None)
@given(
    st.lists(edge, max_size=40, unique_by=lambda e: (min(e[:2]), max(e[:2]))),
    st.lists(st.integers(0, 2), min_size=12, max_size=12),
)
def test_whoever_is_dropped_was_verified_against_who_is_kept(edges, batches):
    edges = [(min(a, b), max(a, b), j / 100, way) for a, b, j, way in edges if a != b]
    batches = sorted(batches)
    table = Edges(
        np.array([e[0] for e in edges], np.int64),
        np.array([e[1] for e in edges], np.int64),
        np.array([e[2] for e in edges], np.float32),
        np.array([e[3] in "lm" for e in edges], np.bool_),
        np.array([e[3] in "em" for e in edges], np.bool_),
        np.array([e[2] >= 0.6 for e in edges], np.bool_),
    )
    found = cluster(table, np.array(batches), Dedup())
    dropped = set(found.dropped.tolist())
    allowed = {(b, a) for a, b, _, way in edges if way in "lm"} | {(a, b) for a, b, _, way in edges if way in "em"}
    for document, kept in zip(found.dropped.tolist(), found.kept.tolist(), strict=True):
        assert (document, kept) in allowed
        assert kept not in dropped
        assert batches[kept] <= batches[document]
        assert batches[document] > 0


# ------------------------------------------------------------------------------------------------------- the whole


def jaccard(first: str, second: str) -> float:
    """As it is defined, on sets."""
    one, two = (set(found.tolist()) for found in shingles_of(unpack_tokens(packed_tokens(pa.array([first, second])))))
    return len(one & two) / max(1, len(one | two))


class Texts(NamedTuple):
    """A document's text, and what it was before stripping."""

    text: str
    repaired: str


def corpus(seed: int, size: int = 24) -> dict[str, Texts]:
    """Documents by id: families of copies, edited, cut, in frames, stripped alike or otherwise, and strangers."""
    chosen = random.Random(seed)
    texts: dict[str, Texts] = {}
    for _ in range(size):
        text = prose(chosen.randrange(5), 120)
        way = chosen.randrange(7)
        if way == 0:
            text = edited(text, 0.06, chosen.randrange(9))
        elif way == 1:
            text = f"{prose(chosen.randrange(50), 30)}\n{text}\n{prose(chosen.randrange(50), 25)}"
        elif way == 2:
            text = " ".join(text.split()[: chosen.randrange(40, 110)])
        elif way == 3:
            text = text.upper()
        elif way == 4:
            text = " ".join(text.split()[:70]) + prose(chosen.randrange(1000), 50)
        elif way == 5:
            text = prose(chosen.randrange(1000), chosen.randrange(6))
        repaired = text if chosen.random() < 0.5 else f"{text} {prose(chosen.randrange(3), 12)}"
        if texts and chosen.random() < 0.3:
            repaired = chosen.choice(list(texts.values())).repaired.replace(" ", "  ")
            text = " ".join(repaired.split()[chosen.randrange(40) :])
        texts[f"{chosen.randrange(10**8):08}"] = Texts(text, repaired)
    return texts


def same(texts: dict[str, Texts]) -> dict[str, set[str]]:
    """Of each document those that are the same, by text or repaired text, and what those are the same as."""
    members: dict[tuple, set[str]] = {}
    for name, (text, repaired) in texts.items():
        found = {name}.union(*(members.get(key, ()) for key in keys_of(text, repaired)))
        for key in [key for other in found for key in keys_of(*texts[other])]:
            members[key] = found
    return {name: members[keys_of(*both)[0]] for name, both in texts.items()}


def keys_of(text: str, repaired: str) -> tuple:
    return (("text", content_hash(text)), ("repaired", repaired_hash(repaired)))


def id_of(name: str) -> str:
    """An id that says whose it is: of names up to eight characters, in their order."""
    return name.encode().hex().ljust(32, "0")


def name_of(document: str) -> str:
    return bytes.fromhex(document).rstrip(b"\0").decode()


def signed(store: Store, name: str, texts: dict[str, Texts], batch: int = 1, version: str = "") -> Done:
    """A piece of these documents; with a version they have all columns of a published row."""
    columns = [pa.array(column, pa.string()) for column in zip(*texts.values(), strict=True)]
    table = pa.table({"id": [id_of(name) for name in texts], "text": columns[0], "repaired": columns[1]})
    if version:
        size, chars = len(texts), pc.utf8_length(table["text"])
        table = with_columns(
            table,
            original=table["text"],
            original_sha256=[hashlib.sha256(text.encode()).hexdigest() for text in table["text"].to_pylist()],
            original_char_count=chars,
            spans=[[]] * size,
            added_in=[version] * size,
            language=["und"] * size,
            is_mixed=[False] * size,
            removed_char_ratio=[0.0] * size,
            **dict.fromkeys(("site", "source_path", "source_format", "source_sha256"), [""] * size),
            **dict.fromkeys(("removed_char_count", "removed_span_count", "word_count", "line_count"), [0] * size),
        )
    return stage.sign(store, name, table, batch, is_published=bool(version))


def compared(folder: Path, pieces: list[dict[str, Texts]], batches: Sequence[int] = ()) -> dict[str, tuple]:
    store, batches = Store(folder), batches or [1] * len(pieces)
    done = [signed(store, f"s{n}", piece, batches[n]) for n, piece in enumerate(pieces)]
    return verdicts_of(stage.verdicts(stage.compare(store, done)).to_pylist())


def plain(texts: dict[str, str]) -> dict[str, Texts]:
    """Texts of which nothing was stripped."""
    return {name: Texts(text, text) for name, text in texts.items()}


def verdicts_of(rows: list[dict]) -> dict[str, tuple]:
    return {
        name_of(row["id"]): (name_of(row["duplicate_of"]), row["reject_reason"], row["duplicate_similarity"])
        for row in rows
        if row["duplicate_of"]
    }


few = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@few
@given(seed=st.integers(0, 10**6))
def test_neither_order_nor_cuts_matter(tmp_path_factory, seed):
    texts = corpus(seed)
    chosen = random.Random(seed + 1)
    shuffled = list(texts.items())
    chosen.shuffle(shuffled)
    cut = chosen.randrange(len(shuffled) + 1)
    folder = tmp_path_factory.mktemp("cuts")
    whole = compared(folder / "whole", [texts])
    parts = [piece for piece in (dict(shuffled[:cut]), dict(shuffled[cut:])) if piece]
    assert compared(folder / "parts", parts) == whole
    same_as = same(texts)
    for document, (kept, reason, similarity) in whole.items():
        assert kept not in whole
        if reason == "duplicate.exact":
            assert (kept in same_as[document], similarity) == (True, 1.0)
        else:
            twin = texts[kept].text
            others = [texts[other].text for other in same_as[document] if verified(twin, texts[other].text)[0]]
            assert any(similarity == pytest.approx(jaccard(other, twin), abs=1e-6) for other in others)
    for members in same_as.values():
        firsts = {content_hash(texts[name].text) for name in members if name not in whole}
        assert len(firsts) == len({repaired_hash(texts[name].repaired) for name in members if name not in whole})
        assert len(firsts) == len([name for name in members if name not in whole])


class Days:
    """A dataset that grows by a version a day, without what comes before the comparison."""

    def __init__(self, folder: Path) -> None:
        self.store, self.day = Store(folder), 0

    def add(self, *pieces: dict[str, Texts]) -> dict[str, int]:
        """A day; of its documents that share paragraphs with others, how many characters."""
        self.day += 1
        version = f"{self.day}-aa"
        done = [signed(self.store, f"s{n}", piece, self.day, version) for n, piece in enumerate(pieces)]
        run = stage.compare(self.store, done, version=version)
        run.share()
        names = {int(id_of(name)[:16], 16): name for piece in pieces for name in piece}
        shared: Counter[str] = Counter()
        for one in run.shared:
            for row in read_table(self.store, one["shared.parquet"]).to_pylist():
                shared[names[row["at"]]] += row["chars"]
        run.write()
        run.merge()
        run.found = sum(one.counts["documents"] for one in run.cleaned)
        run.check()
        run.publish()
        return dict(shared)

    def verdicts(self) -> dict[str, tuple]:
        return verdicts_of(rows(self.store.data, "rejected"))

    def state(self, kind: str) -> list[Ref]:
        return state_of(published(self.store))[kind]


@few
@given(seed=st.integers(0, 10**6))
def test_five_days_keep_what_one_run_over_them_keeps(tmp_path_factory, seed):
    folder = tmp_path_factory.mktemp("days")
    texts = list(corpus(seed, 40).items())
    days = [dict(texts[n::5]) for n in range(5)]
    daily = Days(folder / "daily")
    for day in days:
        daily.add(day)
    assert daily.verdicts() == compared(folder / "once", days, range(1, 6))
    assert len(daily.state("contents")) == len(daily.state("keys")) <= 3


def test_damaged_tokens_stop_the_comparison(tmp_path):
    store = Store(tmp_path)
    done = stage.sign(
        store, "piece", pa.table({"id": [f"{seed:016x}" for seed in range(3)], "text": [BODY, OTHER, BODY]})
    )
    path = store.local(done["tokens.arrow"])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ShardError, match=r"tokens\.arrow is damaged"):
        stage.compare(store, [done])


def test_a_document_is_found_in_every_version_before(tmp_path):
    days = Days(tmp_path)
    for day in range(9):
        days.add(plain({f"{day}-{n}": prose(100 * day + n) for n in range(3)}))
    days.add(plain({f"copy-{day}": edited(prose(100 * day + 1), 0.03) for day in range(9)}))
    assert {name: kept for name, (kept, _, _) in days.verdicts().items()} == {f"copy-{d}": f"{d}-1" for d in range(9)}
    assert len(days.state("contents")) == len(days.state("keys")) < 5


# --------------------------------------------------------------------------------------------------------- paragraphs


LINES = [prose(100 + n, 12) for n in range(12)] + [f"{word} on its own" for word in WORDS[:6]] + ["", "  "]


@few
@given(seed=st.integers(0, 10**6))
def test_shared_paragraphs(tmp_path_factory, seed):
    """By the definition, day by day; whatever the order of rows and the cuts."""
    chosen = random.Random(seed)
    days, cut = Days(tmp_path_factory.mktemp("whole")), Days(tmp_path_factory.mktemp("cut"))
    for _ in range(3):
        texts = {}
        for _ in range(chosen.randrange(1, 12)):
            lines = [*chosen.choices(LINES, k=chosen.randrange(4)), prose(chosen.randrange(10**6), 40)]
            text = "\n".join(chosen.sample(lines, len(lines)))
            texts[f"{chosen.randrange(10**8):08}"] = Texts(text, text)
        shuffled = list(texts.items())
        chosen.shuffle(shuffled)
        at = chosen.randrange(len(shuffled) + 1)
        found = days.add(texts)
        assert cut.add(*[dict(part) for part in (shuffled[:at], shuffled[at:]) if part]) == found
        kept = {name_of(row["id"]): row["text"].split("\n") for row in rows(days.store.data)}
        expected = {}
        for name in texts.keys() & kept.keys():
            others = {line for other, lines in kept.items() if other != name for line in lines}
            shared = [len(line) for line in kept[name] if len(line) >= PARAGRAPH_CHARS and line in others]
            if shared:
                expected[name] = sum(shared)
        assert found == expected
    written = [[read_table(one.store, ref) for ref in one.state("paragraphs")] for one in (days, cut)]
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("a" * 79, 0),
        ("a" * 80, 1),
        (" " * 9 + "a" * 79 + "\t", 0),
        ("я" * 54, 1),
        ("漢" * 40, 1),
        ("漢" * 39, 0),
        ("", 0),
    ],
)
def test_a_paragraph_is_a_wide_line(line, count):
    texts = pa.table({"id": ["a"], "text": [f"title\n{line}\nend"], "reject_reason": pa.nulls(1, pa.string())})
    assert len(paragraphs_of(texts)) == count


def test_of_copies_in_different_frames_one_is_kept(tmp_path):
    """One article syndicated five times: the copy most like the others stays, not the one in the longest frame."""
    frames = [(50, 40), (12, 10), (25, 20), (30, 35), (20, 30)]
    texts = {
        f"{n}": f"{prose(10 + n, head)}\n{prose(1, 150)}\n{prose(20 + n, tail)}"
        for n, (head, tail) in enumerate(frames)
    }
    found = compared(tmp_path / "c", [plain(texts)])
    assert {kept for kept, _, _ in found.values()} == {"1"}
    assert len(found) == 4


def test_the_copy_that_stands_in_all_others_is_kept(tmp_path):
    """Frames as long as the article: no two copies are alike, each is like the one without."""
    texts = {"bare": prose(1, 150)}
    for number in range(4):
        texts[f"{number}"] = f"{prose(10 + number, 60)}\n{prose(1, 150)}\n{prose(20 + number, 50)}"
    found = compared(tmp_path / "c", [plain(texts)])
    assert {name: kept for name, (kept, _, _) in found.items()} == {f"{n}": "bare" for n in range(4)}


@pytest.mark.parametrize(
    ("content", "repaired", "settled", "root"),
    [
        ("", "", 0, []),
        ("xxxy", "abcd", 0, [0, 0, 0, 3]),
        ("wxyz", "abba", 0, [0, 1, 1, 0]),
        ("wxxz", "abaz", 0, [0, 1, 0, 3]),  # by either, the earlier
        ("xxyz", "abbc", 0, [0, 0, 0, 3]),  # the same as what is the same
        ("xxyx", "abba", 3, [0, 1, 2, 0]),  # what they are is known
    ],
)
def test_exact_duplicates(content, repaired, settled, root):
    columns = [pa.array(list(column), pa.string()) for column in (content, repaired)]
    assert exact_duplicates(*columns, np.arange(len(content)) < settled)[0].tolist() == root


def test_a_copy_that_was_stripped_otherwise_is_an_exact_duplicate(tmp_path):
    """… and so is a copy of it, on a later day; a copy of a near duplicate shares its canonical."""
    footer = prose(9, 150)
    days = Days(tmp_path)
    days.add({"whole": Texts(f"{BODY} {footer}", f"{BODY} {footer}")})
    days.add({"cut": Texts(BODY[:900], f"{BODY}\n{footer}"), "other": Texts(OTHER, OTHER)})
    days.add({"copy": Texts(BODY[:900], BODY[:900]), "near": Texts(edited(OTHER, 0.03), OTHER[:900])})
    assert days.verdicts() == {
        "cut": ("whole", "duplicate.exact", 1.0),
        "copy": ("whole", "duplicate.exact", 1.0),
        "near": ("other", "duplicate.near", pytest.approx(jaccard(edited(OTHER, 0.03), OTHER))),
    }
    days.add({"again": Texts(prose(33), OTHER[:900])})
    assert days.verdicts()["again"] == days.verdicts()["near"]


# ------------------------------------------------------------------------------------------------------------- index


@pytest.mark.parametrize(
    ("rows", "merged"),
    [([], 0), ([5], 0), ([5, 5], 2), ([100, 5], 0), ([100, 5, 5], 2), ([100, 41, 9, 3, 8], 3), ([16, 8, 4, 2, 1], 5)],
)
def test_segments_merged(rows, merged):
    assert merged_by(rows) == merged


@pytest.fixture
def indexed(tmp_path):
    """A dataset with an index of two segments."""
    days = Days(tmp_path / "curated")
    days.add(plain({f"1-{n}": prose(n) for n in range(4)} | {"1-copy": edited(prose(0), 0.03)}))
    days.add(plain({"2-0": prose(4)}))
    return days


def test_an_index_is_read_in_order_of_versions(indexed):
    segments = [(ref.key, rows_in(indexed.store, ref)) for ref in indexed.state("contents")]
    assert segments == [("state/contents-1-aa.parquet", 5), ("state/contents-2-aa.parquet", 1)]
    assert state_of(None)["contents"] == []


INDEX = ("contents", "keys", "edges", "paragraphs")


def damage_by_removal(path: Path, entry: dict) -> None:
    path.unlink()


def damage_by_cut(path: Path, entry: dict) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def damage_by_other_making(path: Path, entry: dict) -> None:
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({"tamis.dedup": '{"hashes": "of another time"}'}), path)
    entry["bytes"] = path.stat().st_size


@pytest.mark.parametrize("damage", [damage_by_removal, damage_by_cut, damage_by_other_making])
@pytest.mark.parametrize("kind", INDEX)
def test_a_damaged_or_foreign_index_is_refused(indexed, damage, kind):
    manifest = published(indexed.store)
    check_state(indexed.store, manifest)
    entry = next(entry for entry in manifest["state"] if entry["kind"] == kind)
    damage(indexed.store.local(entry["path"]), entry)
    with pytest.raises(RefusedError, match=rf"{entry['path']}.*tamis run RAW CURATED --rebuild"):
        check_state(indexed.store, manifest)


@pytest.mark.parametrize("kind", INDEX)
def test_flipped_bits_are_refused(indexed, kind):
    """… by an error that names the file, where they would change what is read. The checksums of pages cover neither
    their headers nor the footer: of hundreds of flips in files this small, mostly headers, one is noticed only by
    `tamis verify`, which hashes the files."""
    (ref, *_) = indexed.state(kind)
    path, manifest = indexed.store.local(ref), published(indexed.store)
    content, table = path.read_bytes(), read_table(indexed.store, ref)
    refused, unseen = [], 0
    for bit in range(0, 8 * len(content), 11):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            check_state(indexed.store, manifest)
            unseen += read_table(indexed.store, ref) != table
        except RefusedError as error:
            refused.append(str(error))
    assert len(refused) > 400
    assert unseen <= 1
    assert all(ref.key in said and "tamis run RAW CURATED --rebuild" in said for said in refused)


def test_a_version_of_before_the_index_is_refused():
    with pytest.raises(RefusedError, match=r"schema.*tamis run RAW CURATED --rebuild"):
        check_schema_version({"version": "10-aa", "state": []})


# ----------------------------------------------------------------------------------------------------- the whole run


def test_a_near_duplicate_whose_canonical_leaves_is_judged_again(tmp_path, run):
    raw, curated = tmp_path / "raw", tmp_path / "curated"
    raw.mkdir()
    long, short = prose(1, 300), prose(9, 300)

    def add(name: str, **texts: str) -> None:
        lines = [
            json.dumps({"id": key, "url": f"https://{key[0]}.example.org/{key[0]}", "text": text})
            for key, text in texts.items()
        ]
        (raw / f"{name}.jsonl").write_text("\n".join(lines))
        run(raw, curated)

    add("1", a=f"{long} {prose(2, 10)}", b=edited(long, 0.03), z=short)
    kept = {row["source_id"]: row["id"] for row in rows(curated)}
    (rejected,) = rows(curated, "rejected")
    assert (rejected["source_id"], rejected["reject_reason"], rejected["duplicate_of"]) == (
        *("b", "duplicate.near", kept["a"]),
    )
    assert 0.8 < rejected["duplicate_similarity"] < 1
    b = rejected["id"]

    add("2", a2=prose(3, 200), c=edited(long, 0.03, 1), y=edited(short, 0.03))
    assert {row["source_id"]: row["id"] for row in rows(curated)}.keys() == {"a2", "b", "z"}
    found = {row["source_id"]: (row["reject_reason"], row["duplicate_of"]) for row in rows(curated, "rejected")}
    assert found == {"a": ("superseded", None), "c": ("duplicate.near", b), "y": ("duplicate.near", kept["z"])}

    add("3", d=edited(long, 0.02, 2))
    found = {row["source_id"]: row["duplicate_of"] for row in rows(curated, "rejected")}
    assert found["d"] == b
    assert (curated / "state").is_dir()
    damaged = sorted((curated / "state").glob("keys-*"))[-1]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    (raw / "4.jsonl").write_text(json.dumps({"id": "e", "text": prose(77)}))
    with pytest.raises(RefusedError, match=r"tamis run RAW CURATED --rebuild"):
        run(raw, curated)


def test_pages_of_which_their_furniture_was_left_are_no_near_duplicates(tmp_path, run):
    """Of a folder, which is no proof of a site: a menu stays where there is nothing else."""
    raw, curated = tmp_path / "raw", tmp_path / "curated"
    menu = [f"{noun} of the {place}" for noun, place in product(NOUNS.split()[:7], PLACES.split()[:7])]

    def add(name: str, **texts: str) -> dict[str, tuple[str | None, str | None]]:
        write_jsonl(raw / f"kiosk/{name}.jsonl", [{"id": key, "text": text} for key, text in texts.items()])
        run(raw, curated)
        kept = {row["id"]: row["source_id"] for row in rows(curated)}
        return {
            row["source_id"]: (row["reject_reason"], kept.get(row["duplicate_of"])) for row in rows(curated, "rejected")
        }

    def page(word: str) -> str:
        return "\n".join([*menu, f"Page of the {word}"])

    articles = {f"article{n}": "\n".join([article(n), *menu]) for n in range(4)}
    assert add("1", **articles, east=page("east"), west=page("west")) == {}
    assert add("2", north=page("north"), copy=page("west"), near=edited(article(2), 0.02)) == {
        "copy": ("duplicate.exact", "west"),
        "near": ("duplicate.near", "article2"),
    }


def test_a_superseded_text_shares_no_paragraphs(tmp_path, run):
    raw, curated = tmp_path / "raw", tmp_path / "curated"
    raw.mkdir()
    release, old = prose(1, 60), prose(2, 60)

    def add(name: str, **texts: str) -> dict[str, float]:
        lines = [
            json.dumps({"id": key, "url": f"https://{key[0]}.example.org/{key[0]}", "text": text})
            for key, text in texts.items()
        ]
        (raw / f"{name}.jsonl").write_text("\n".join(lines))
        run(raw, curated)
        return {row["source_id"]: row["q_dup_paragraph_ratio"] for row in rows(curated)}

    first = f"{release}\n{prose(3, 100)}"
    assert add("1", a=f"{old}\n{prose(4, 100)}", b=first) == {"a": 0.0, "b": 0.0}
    second = f"{prose(5, 100)}\n{release}"
    found = add("2", a2=f"{old}\n{prose(6, 100)}", c=second)
    assert found == {"a2": 0.0, "b": 0.0, "c": pytest.approx(len(release) / len(second), abs=1e-6)}
