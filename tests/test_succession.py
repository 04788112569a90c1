"""Who takes whose place, and who is a copy of whom: the verdict alone, without texts or storage."""

from collections.abc import Iterable, Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.config import Config
from transforms.dedup.succession import Document, Edge, Verdict, settle


def hash_of(word: str) -> str:
    """A hash of 32 hex digits that says what it is of."""
    return word.encode().hex().ljust(32, "0")


def page(name: str, text: str | None = None, url: str | None = None, **facts) -> Document:
    """A new document. Its contents are told by `text`, which is its name unless it is said; without `url` it has no
    key. `time` is when it was fetched; a document that says nothing of it has its batch's."""
    text = text or name
    batch = facts.pop("batch", 1)
    known = {
        "chars": 1000,
        "repaired_hash": hash_of(facts.pop("repaired", text)),
        "is_fresh": True,
        "is_judged": True,
        "is_dated": "time" in facts,
        "time": 100 * batch,
        "key": int(hash_of(url or name)[:16], 16),
        "text": int(hash_of(text)[:16], 16),
    }
    return Document(name, batch, content_hash=hash_of(text), is_keyed=url is not None, **(known | facts))


def standing(name: str, text: str | None = None, url: str | None = None, **facts) -> Document:
    """A document of an earlier version, which stays what it is unless it leaves."""
    return page(name, text, url, **({"is_fresh": False, "is_judged": False} | facts))


def copy_of(name: str) -> dict:
    """Of a document that stands: it is one for its copies."""
    return {"reason": "duplicate.exact", "duplicate_of": name, "similarity": 1.0}


def alike(first: str, second: str, jaccard: float = 0.9) -> list[Edge]:
    """Two texts that were verified to be alike, as the comparison says it: of each to the other."""
    one, other = (int(hash_of(text)[:16], 16) for text in (first, second))
    return [Edge(one, other, jaccard, True, True, True), Edge(other, one, jaccard, True, True, True)]


def common(*shares: tuple[str, str, float]) -> dict[tuple[int, int], float]:
    """Which share of the shorter of two texts stands in the other."""
    contents = [(sorted(int(hash_of(text)[:16], 16) for text in pair), share) for *pair, share in shares]
    return {(one, other): share for (one, other), share in contents}


def said(documents: Sequence[Document], edges: Iterable[Edge] = (), overlaps=None) -> dict[str, tuple]:
    """The verdict on each document, in short: nothing of one that is kept and takes nobody's place."""
    found = settle(documents, list(edges), overlaps or {}, Config())
    short = {}
    for document, verdict in zip(documents, found, strict=True):
        if verdict.reject_reason in ("superseded", "not_successor"):
            short[document.id] = (verdict.reject_reason, verdict.reject_detail.split()[-1])
        elif verdict.reject_reason is not None:
            short[document.id] = (verdict.reject_reason, verdict.duplicate_of)
        elif verdict.supersedes is not None:
            short[document.id] = ("supersedes", verdict.supersedes)
    return short


def published(documents: Sequence[Document], verdicts: Sequence[Verdict], is_judged: bool = True) -> list[Document]:
    """New documents as a later run finds them."""
    return [
        document._replace(
            is_fresh=False,
            is_judged=is_judged,
            reason=verdict.reject_reason,
            duplicate_of=verdict.duplicate_of,
            similarity=verdict.duplicate_similarity,
        )
        for document, verdict in zip(documents, verdicts, strict=True)
    ]


def orders(documents: list[Document]) -> list[list[Document]]:
    return [documents, documents[::-1], documents[1:] + documents[:1]]


# ------------------------------------------------------------------------------------------------------ a page's states


CASES = {
    "one text takes the place of another": (
        [standing("old", url="u"), page("new", url="u", batch=2)],
        (),
        {},
        {"old": ("superseded", "new"), "new": ("supersedes", "old")},
    ),
    "under another key it takes nobody's": ([standing("old", url="u"), page("new", url="v", batch=2)], (), {}, {}),
    "without a key it takes nobody's": ([standing("old"), page("new", batch=2)], (), {}, {}),
    "a copy of another article takes nobody's place": (
        [standing("other"), standing("old", url="u"), page("new", "other", url="u", batch=2)],
        (),
        {},
        {"new": ("duplicate.exact", "other")},
    ),
    "nor does one that is like another": (
        [standing("other"), standing("old", url="u"), page("new", url="u", batch=2)],
        alike("other", "new"),
        {},
        {"new": ("duplicate.near", "other")},
    ),
    "one that is like what it replaces takes its place": (
        [standing("old", url="u"), page("new", url="u", batch=2)],
        alike("old", "new"),
        common(("old", "new", 0.95)),
        {"old": ("superseded", "new"), "new": ("supersedes", "old")},
    ),
    "the same text again is a copy": (
        [standing("old", url="u"), page("new", "old", url="u", batch=2)],
        (),
        {},
        {"new": ("duplicate.exact", "old")},
    ),
    "two texts at once without times are no key": (
        [standing("old", url="u"), page("a", url="u", batch=2), page("b", url="u", batch=2)],
        (),
        common(("a", "b", 0.9), ("old", "a", 0.9), ("old", "b", 0.9)),
        {},
    ),
    "nor with times, where they share nothing": (
        [standing("old", url="u"), page("a", url="u", batch=2, time=201), page("b", url="u", batch=2, time=202)],
        (),
        {},
        {},
    ),
    "nor with the same time": (
        [page("a", url="u", batch=2, time=201), page("b", url="u", batch=2, time=201)],
        (),
        common(("a", "b", 0.9)),
        {},
    ),
    "of three dated states that share text the latest is the page": (
        [page(name, url="u", time=time) for name, time in (("b", 12), ("c", 13), ("a", 11))],
        (),
        common(("a", "b", 0.6), ("b", "c", 0.6), ("a", "c", 0.5)),
        {"a": ("superseded", "c"), "b": ("superseded", "c")},
    ),
    "a text that comes and goes is the page as it was seen last, and known by the copy that is kept": (
        [page(name, text, url="u", time=time) for name, text, time in (("3", "a", 13), ("2", "b", 12), ("1", "a", 11))],
        (),
        common(("a", "b", 0.6)),
        {"2": ("superseded", "1"), "3": ("duplicate.exact", "1")},
    ),
    "a text that comes twice takes the older one's place once": (
        [standing("old", url="u"), page("2", "a", url="u", batch=2), page("1", "a", url="u", batch=2)],
        (),
        {},
        {"old": ("superseded", "1"), "1": ("supersedes", "old"), "2": ("duplicate.exact", "1")},
    ),
    "not where one of them shares no text with the latest": (
        [page(name, url="u", time=time) for name, time in (("b", 12), ("c", 13), ("a", 11))],
        (),
        common(("a", "b", 0.6), ("b", "c", 0.6), ("a", "c", 0.4)),
        {},
    ),
    "and it takes the place of the one that stands": (
        [standing("old", url="u"), page("a", url="u", batch=2, time=201), page("b", url="u", batch=2, time=202)],
        (),
        common(("a", "b", 0.5)),
        {"old": ("superseded", "b"), "a": ("superseded", "b"), "b": ("supersedes", "old")},
    ),
    "an older backfill takes nobody's place": (
        [standing("old", url="u", batch=2, time=200), page("new", url="u", batch=3, time=50)],
        (),
        {},
        {"new": ("superseded", "old")},
    ),
    "two live documents under a key are none": (
        [standing("one", url="u"), standing("two", url="u"), page("new", url="u", batch=2)],
        (),
        {},
        {},
    ),
    "a small one without common text is no successor": (
        [standing("old", url="u", chars=1000), page("new", url="u", batch=2, chars=299)],
        (),
        {},
        {"new": ("not_successor", "old")},
    ),
    "a small one with common text is": (
        [standing("old", url="u", chars=1000), page("new", url="u", batch=2, chars=299)],
        (),
        common(("old", "new", 0.1)),
        {"old": ("superseded", "new"), "new": ("supersedes", "old")},
    ),
    "one of a third of the length is": (
        [standing("old", url="u", chars=1000), page("new", url="u", batch=2, chars=300)],
        (),
        {},
        {"old": ("superseded", "new"), "new": ("supersedes", "old")},
    ),
    "a wall replaces no two articles": (
        [
            *(standing(name, url=name) for name in ("one", "two")),
            *(page(f"{name}-2", "wall", url=name, batch=2) for name in ("one", "two")),
        ],
        (),
        {},
        {"one-2": ("not_successor", "one"), "two-2": ("not_successor", "two")},
    ),
    "nor a wall whose copies differ a little": (
        [
            *(standing(name, url=name) for name in ("one", "two", "three")),
            *(page(f"{name}-2", f"wall {name}", url=name, batch=2) for name in ("one", "two", "three")),
        ],
        [*alike("wall one", "wall two"), *alike("wall two", "wall three"), *alike("wall one", "wall three")],
        {},
        {f"{name}-2": ("not_successor", name) for name in ("one", "two", "three")},
    ),
    "one text takes the place of two that were copies of each other": (
        [
            standing("one", "same", url="a"),
            standing("two", "same", url="b", **{**copy_of("one"), "is_judged": True}),
            page("one-2", "next", url="a", batch=2),
            page("two-2", "next", url="b", batch=2),
        ],
        (),
        {},
        {
            "one": ("superseded", "one-2"),
            "one-2": ("supersedes", "one"),
            "two-2": ("duplicate.exact", "one-2"),  # a copy: the older text stays, no copy of anything any more
        },
    ),
}


@pytest.mark.parametrize(("documents", "edges", "overlaps", "expected"), CASES.values(), ids=CASES)
def test_a_page_and_its_states(documents, edges, overlaps, expected):
    for order in orders(documents):
        assert said(order, edges, overlaps) == expected


# ---------------------------------------------------------------------------------------------------------- seniority


A9 = [*alike("A", "D", 0.645), *alike("D", "E", 0.631), *alike("A", "E", 0.424)]


@pytest.mark.parametrize("lengths", [(1500, 1200, 1000), (1000, 1200, 1500), (1200, 1000, 1500)])
@pytest.mark.parametrize("edges", [A9, A9[:4], [edge._replace(counts=edge.jaccard > 0.64) for edge in A9]])
def test_a9_those_near_one_that_leaves_are_judged_as_if_it_had_never_been(lengths, edges):
    """A, D and E came in one version, A leaves."""
    documents = [
        page(name, chars=chars, url="u" if name == "A" else None) for name, chars in zip("ADE", lengths, strict=True)
    ]
    never = said(documents[1:], edges)
    assert never in ({"E": ("duplicate.near", "D")}, {"D": ("duplicate.near", "E")})
    stand = published(documents, settle(documents, edges, {}, Config()))
    found = said([*stand, page("A-2", url="u", batch=2)], edges)
    assert found == {"A": ("superseded", "A-2"), "A-2": ("supersedes", "A")} | never


def test_a9_a_later_one_yields_to_an_earlier_one():
    stand = [
        standing("A", url="u", is_judged=True),
        standing("D", batch=2, chars=2000, is_judged=True, **{**copy_of("A"), "reason": "duplicate.near"}),
        standing("E", batch=1, chars=500, is_judged=True),
    ]
    edges = [*alike("A", "D"), *alike("D", "E")]
    assert said([*stand, page("A-2", url="u", batch=3)], edges) == {
        "A": ("superseded", "A-2"),
        "A-2": ("supersedes", "A"),
        "D": ("duplicate.near", "E"),
    }


# --------------------------------------------------------------------------------------------------------------- laws


@st.composite
def worlds(draw, batches: int = 3, with_keys: bool = True) -> tuple[list[Document], list[Edge], dict]:
    """New documents of some batches, and what is alike."""
    texts = [f"t{number}" for number in range(draw(st.integers(1, 6)))]
    documents = []
    for number in range(draw(st.integers(1, 10))):
        batch = draw(st.integers(1, batches))
        text = draw(st.sampled_from(texts))
        facts = {"time": 100 * batch + draw(st.integers(-150, 9))} if draw(st.booleans()) else {}
        facts["chars"] = 100 * (1 + int(text[1:]))
        if draw(st.integers(0, 3)) == 0:
            facts["repaired"] = draw(st.sampled_from(texts))
        url = draw(st.sampled_from([None, "u", "v", "w"])) if with_keys else None
        documents.append(page(f"d{number}", text, url, batch=batch, **facts))
    pairs = [(one, other) for at, one in enumerate(texts) for other in texts[:at]]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    edges = []
    for one, other in chosen:
        jaccard, drops, counts = draw(st.tuples(st.integers(25, 100), st.sampled_from("lem"), st.booleans()))
        first, second = (int(hash_of(text)[:16], 16) for text in (one, other))
        edges.append(Edge(first, second, jaccard / 100, drops in "lm", drops in "em", counts))
        edges.append(Edge(second, first, jaccard / 100, drops in "em", drops in "lm", counts))
    shares = draw(st.lists(st.tuples(st.sampled_from(pairs), st.sampled_from([0.05, 0.3, 0.8])))) if pairs else []
    return documents, edges, common(*((*pair, share) for pair, share in shares))


def nights(world, order=list) -> Iterator[tuple[list[Document], list[Verdict]]]:
    """What each night has before it, and what it says: all that came so far and didn't leave, all of it judged anew."""
    documents, edges, overlaps = world
    stand: list[Document] = []
    for batch in sorted({document.batch for document in documents}):
        now = order([*stand, *(document for document in documents if document.batch == batch)])
        verdicts = settle(now, edges, overlaps, Config())
        yield now, verdicts
        stand = [
            document
            for document in published(now, verdicts)
            if document.reason is None or document.reason.startswith("duplicate.")
        ]


many = settings(max_examples=200)


@many
@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_the_documents_changes_no_verdict(world, chance):
    def shuffled(documents):
        return chance.sample(documents, len(documents))

    for (one, of_one), (other, of_other) in zip(nights(world), nights(world, shuffled), strict=True):
        said_of_other = dict(zip((document.id for document in other), of_other, strict=True))
        assert [said_of_other[document.id] for document in one] == of_one


@many
@given(worlds())
def test_every_canonical_and_every_successor_is_kept(world):
    for documents, verdicts in nights(world):
        found = {document.id: verdict for document, verdict in zip(documents, verdicts, strict=True)}
        for document in documents:
            verdict = found[document.id]
            if verdict.duplicate_of is not None:
                assert found[verdict.duplicate_of].reject_reason is None
            if verdict.reject_reason == "superseded":
                assert found[verdict.reject_detail.removeprefix("by ")].reject_reason is None
            if verdict.supersedes is not None:
                assert verdict.reject_reason is None
                assert found[verdict.supersedes].reject_detail == f"by {document.id}"


@many
@given(worlds(batches=2, with_keys=False))
def test_batch_by_batch_is_as_all_at_once(world):
    """Where nobody leaves: the first batch's outcome stands, the second is judged on it."""
    documents, edges, _ = world
    whole = settle(documents, edges, {}, Config())
    first = [document for document in documents if document.batch == 1]
    second = [document for document in documents if document.batch == 2]
    both = [*published(first, settle(first, edges, {}, Config()), is_judged=False), *second]
    found = {document.id: verdict for document, verdict in zip(both, settle(both, edges, {}, Config()), strict=True)}
    assert [found[document.id] for document in documents] == whole


@many
@given(worlds(batches=2, with_keys=False), st.data())
def test_who_left_was_never_there(world, data):
    documents, edges, _ = world
    gone = data.draw(st.sampled_from(documents))
    documents = [one._replace(key=1, is_keyed=True) if one is gone else one for one in documents]
    stand = published(documents, settle(documents, edges, {}, Config()))
    successor = page("new", batch=3)._replace(key=1, is_keyed=True)
    found = said([*stand, successor], edges)
    if stand[documents.index(next(one for one in documents if one.id == gone.id))].reason is None:
        assert found.pop("new") == ("supersedes", gone.id)
    assert found.pop(gone.id) == ("superseded", "new")
    found.pop("new", None)
    assert found == said([one for one in documents if one.id != gone.id], edges)


@many
@given(worlds())
def test_a_rebuild_changes_nothing(world):
    """All come again, with what stands of what was decided: for whom they left, of whom they are no successor."""
    documents, edges, overlaps = world
    last: dict[str, Verdict] = {}
    for now, verdicts in nights(world):
        last |= dict(zip((document.id for document in now), verdicts, strict=True))
    restored = []
    for document in documents:
        verdict = last[document.id]
        named = (verdict.reject_detail or " ").split(" ")[1]
        restored.append(
            document._replace(
                is_fresh=False,
                leaves_for=named if verdict.reject_reason == "superseded" else None,
                refused_of=named if verdict.reject_reason == "not_successor" else None,
            )
        )
    found = settle(restored, edges, overlaps, Config())
    assert [verdict[:3] for verdict in found] == [last[document.id][:3] for document in documents]
