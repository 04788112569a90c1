"""What each document is to the others: kept, the same as another, an earlier state of a page, or no state of it.

The judgement is a function of what documents there are, when they came, and which were verified to be alike: it doesn't
hang on the order in which nights asked. So where a canonical leaves, those near it are judged again as if it had never
been there, each with its real seniority.

A text under a key that is known (a URL) is the next state of the page, and takes the older one's place, but

- only if it is kept itself: a copy of another article takes nobody's place;
- not where several texts come in under one key at once, unless they say when they were fetched and share text: then
  the latest is the page; nor where the key has more than one document already. Such a key is none: a feed gives one
  link to all its items;
- not if it would replace two articles or more that weren't copies of each other: that is a consent page, a bot wall,
  or "not found" under status 200; nor if it shares no text with the older one and is a small part of its length.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.config import Config
from transforms.dedup.clusters import Edges, cluster
from transforms.dedup.exact import exact_duplicates

I64 = npt.NDArray[np.int64]
# Texts under one key of which all are held against all: an hourly page in a year's dump would be 38 million pairs.
ALL_PAIRED = 8
T = TypeVar("T")
# Of two contents, the lesser first: the share of the shorter one's shingles that stands in the other.
Overlaps = Mapping[tuple[int, int], float]


class Verdict(NamedTuple):
    """What the comparison with other documents says of one."""

    reject_reason: str | None = None
    duplicate_of: str | None = None
    duplicate_similarity: float | None = None
    supersedes: str | None = None
    reject_detail: str | None = None


class Document(NamedTuple):
    """What the comparison knows of a document."""

    id: str
    batch: int  # number of the version it came in
    chars: int
    content_hash: str
    repaired_hash: str
    key: int
    is_keyed: bool
    text: int  # hash of the original
    time: int  # when it was fetched, microseconds; else the time of its batch
    is_dated: bool  # whether it says when it was fetched
    is_fresh: bool  # first read in this run
    is_judged: bool  # to be judged; else what it is stands
    reason: str | None = None  # what it was before this run
    duplicate_of: str | None = None
    similarity: float | None = None
    leaves_for: str | None = None  # where an earlier version had it leave for a document that stands
    refused_of: str | None = None  # where an earlier version took it for no successor of a document that stands

    @property
    def content(self) -> int:
        """The first half of its `content_hash`."""
        return int(self.content_hash[:16], 16)


class Edge(NamedTuple):
    """Two contents that were verified to be alike, each by the first half of its `content_hash`."""

    content: int
    other: int
    jaccard: float
    drops_other: bool
    drops_content: bool
    counts: bool


@dataclass(slots=True)
class _Succession:
    """Who would leave for whom; by place in the list of documents."""

    leaves: dict[int, int]  # an older document, for its successor
    refused: dict[int, int]  # a text that is no successor, of whom
    older: dict[int, int]  # a text that is an earlier state, of whom


class _State(NamedTuple):
    """A text that came in under a key; by time."""

    time: int
    id: str
    at: int
    is_dated: bool


def settle(documents: Sequence[Document], edges: Sequence[Edge], overlaps: Overlaps, config: Config) -> list[Verdict]:
    """A verdict a document: of those that are judged or leave; of others what they were."""
    found = _successions(documents, overlaps, config)
    place = {document.id: at for at, document in enumerate(documents)}
    for at, document in enumerate(documents):
        if document.leaves_for in place:
            found.older[at] = place[document.leaves_for]
        if document.refused_of in place:
            found.refused[at] = place[document.refused_of]
    while True:
        verdicts = _judge(documents, edges, found, config)
        if not _revoke(documents, verdicts, found, place):
            break
    heirs: dict[int, int] = {}
    for old, new in sorted(found.leaves.items(), key=lambda pair: _rank(documents[pair[0]])):
        heirs.setdefault(new, old)
    for at, heir in heirs.items():
        verdicts[at] = verdicts[at]._replace(supersedes=documents[heir].id)
    return verdicts


def _rank(document: Document) -> tuple[bool, int, str]:
    """Of several that leave for one document, the kept one is named, the latest, by id."""
    return document.reason is not None, -document.batch, document.id


def _seniority(document: Document) -> tuple[int, int, str]:
    """The order of canonicals."""
    return document.batch, -document.chars, document.id


def _successions(documents: Sequence[Document], overlaps: Overlaps, config: Config) -> _Succession:
    found = _Succession({}, {}, {})
    by_key: dict[int, list[int]] = defaultdict(list)
    for at, document in enumerate(documents):
        if document.is_keyed and document.leaves_for is None:
            by_key[document.key].append(at)
    for members in by_key.values():
        fresh = [at for at in members if documents[at].is_fresh]
        if fresh and len(members) > 1:
            _succeed(documents, members, fresh, overlaps, config, found)
    return found


def _succeed(
    documents: Sequence[Document],
    members: Sequence[int],
    fresh: Sequence[int],
    overlaps: Overlaps,
    config: Config,
    found: _Succession,
) -> None:
    """Who is whose next state under one key."""
    standing = [at for at in members if not documents[at].is_fresh]
    live = [at for at in standing if documents[at].reason is None]
    if len(live) > 1:
        return
    copies: dict[int, list[int]] = defaultdict(list)
    for at in fresh:
        copies[documents[at].text].append(at)
    states = sorted(_state(documents, same) for same in copies.values())
    if len(states) > 1 and not _are_states(documents, states, overlaps, config):
        return
    latest, time = states[-1].at, states[-1].time
    for at in fresh:
        if documents[at].text != documents[latest].text:
            found.older[at] = latest
    if live:
        (old,) = live
        if documents[old].text == documents[latest].text:
            return
        is_older = documents[old].time > time
        later, earlier = (old, latest) if is_older else (latest, old)
        if not _can_succeed(documents[later], documents[earlier], overlaps, config):
            if not is_older:
                found.refused[latest] = old
            return
        if is_older:
            found.older[latest] = old
            return
    for old in standing:
        if documents[old].time <= time:
            found.leaves[old] = latest


def _state(documents: Sequence[Document], copies: Sequence[int]) -> _State:
    """What came several times under one key: known by the copy that is kept, fetched when it was last seen."""
    is_dated, time = max((documents[at].is_dated, documents[at].time) for at in copies)
    kept = min(copies, key=lambda at: _seniority(documents[at]))
    return _State(time, documents[kept].id, kept, is_dated)


def _are_states(documents: Sequence[Document], states: Sequence[_State], overlaps: Overlaps, config: Config) -> bool:
    """Whether texts of one key that came at once are states of one page: all fetched at other times, and sharing text
    pairwise; of more than ALL_PAIRED, each with the one before it and with the latest."""
    if len({state.time for state in states}) < len(states) or not all(state.is_dated for state in states):
        return False
    ordered = [state.at for state in states]
    pairs = paired(ordered)
    return all(overlap(documents[a], documents[b], overlaps) >= config.succession.states for a, b in pairs)


def paired(ordered: Sequence[T]) -> list[tuple[T, T]]:
    """Which of several states of a page, in order of time, are held against each other."""
    if len(ordered) <= ALL_PAIRED:
        return list(combinations(ordered, 2))
    return [*pairwise(ordered), *((state, ordered[-1]) for state in ordered[:-2])]


def _can_succeed(later: Document, earlier: Document, overlaps: Overlaps, config: Config) -> bool:
    return (
        overlap(later, earlier, overlaps) >= config.succession.common
        or later.chars >= config.succession.small * earlier.chars
    )


def overlap(one: Document, other: Document, overlaps: Overlaps) -> float:
    """The share of the shorter text's shingles that stands in the other."""
    if one.content_hash == other.content_hash:
        return 1.0
    first, second = sorted((one.content, other.content))
    return overlaps.get((first, second), 0.0)


def _revoke(
    documents: Sequence[Document], verdicts: Sequence[Verdict], found: _Succession, place: Mapping[str, int]
) -> bool:
    """Take back successions of texts that aren't kept, and of those that would replace several articles; whether
    there were any."""
    replaced: dict[int, set[int]] = defaultdict(set)
    for old, new in found.leaves.items():
        root = place.get(verdicts[new].duplicate_of or documents[new].id, new)
        if documents[old].reason is None:
            replaced[root].add(old)
    walls = {root for root, olds in replaced.items() if len(olds) > 1}
    revoked = []
    for old, new in sorted(found.leaves.items(), key=lambda pair: _rank(documents[pair[0]])):
        root = place.get(verdicts[new].duplicate_of or documents[new].id, new)
        if root in walls and documents[root].is_fresh:
            found.refused.setdefault(new, old)
            revoked.append(old)
        elif verdicts[new].reject_reason is not None:
            revoked.append(old)
    for old in revoked:
        del found.leaves[old]
    # An earlier state gives way to one that is kept, too.
    back = [
        at
        for at, by in found.older.items()
        if documents[at].is_fresh and (by in found.refused or verdicts[by].duplicate_of is not None)
    ]
    for at in back:
        del found.older[at]
    return bool(revoked or back)


def _judge(documents: Sequence[Document], edges: Sequence[Edge], found: _Succession, config: Config) -> list[Verdict]:
    """What each document is, with those that leave away."""
    verdicts = [Verdict(document.reason, document.duplicate_of, document.similarity) for document in documents]
    for at, by in (*found.leaves.items(), *found.older.items()):
        verdicts[at] = Verdict("superseded", reject_detail=f"by {documents[by].id}")
    for at, of in found.refused.items():
        verdicts[at] = Verdict("not_successor", reject_detail=f"of {documents[of].id}")
    away = {*found.leaves, *found.older, *found.refused}
    present = sorted(
        (at for at in range(len(documents)) if at not in away),
        key=lambda at: _seniority(documents[at]),
    )
    if not present:
        return verdicts
    settled = np.array([not documents[at].is_judged for at in present])
    # What stands comes first: what it is, is known.
    order = np.argsort(~settled, kind="stable")
    present = [present[at] for at in order.tolist()]
    settled = settled[order]
    content = pa.array([documents[at].content_hash for at in present])
    repaired = pa.array([documents[at].repaired_hash for at in present])
    root, _ = exact_duplicates(content, repaired, settled)
    is_node = (root == np.arange(len(root))) & np.array(
        [not s or documents[at].reason is None for s, at in zip(settled.tolist(), present, strict=True)]
    )
    nodes = np.flatnonzero(is_node).tolist()
    near = _near(documents, [present[node] for node in nodes], edges, config)
    for at in present:
        if documents[at].is_judged:
            verdicts[at] = Verdict()
    for dropped, kept, jaccard in near:
        verdicts[dropped] = Verdict("duplicate.near", documents[kept].id, jaccard)
    for mine, at in enumerate(present):
        of = present[int(root[mine])]
        if of != at and documents[at].is_judged:
            verdict = verdicts[of]
            same = Verdict("duplicate.exact", documents[of].id, 1.0)
            verdicts[at] = same if verdict.reject_reason is None else verdict._replace(supersedes=None)
    return verdicts


def _near(
    documents: Sequence[Document], nodes: Sequence[int], edges: Sequence[Edge], config: Config
) -> list[tuple[int, int, float]]:
    """(dropped, kept, Jaccard) among documents of different contents."""
    nodes = sorted(nodes, key=lambda at: _seniority(documents[at]))
    number = {documents[at].content: place for place, at in reversed(list(enumerate(nodes)))}
    rows: list[tuple[Any, ...]] = []
    for edge in edges:
        one, other = number.get(edge.content), number.get(edge.other)
        if one is None or other is None or one == other:
            continue
        if one < other:
            rows.append((one, other, edge.jaccard, edge.drops_other, edge.drops_content, edge.counts))
        else:
            rows.append((other, one, edge.jaccard, edge.drops_content, edge.drops_other, edge.counts))
    if not rows:
        return []
    rows = sorted(set(rows))
    kinds = (np.int64, np.int64, np.float32, np.bool_, np.bool_, np.bool_)
    columns: list[Any] = [np.array(column, kind) for column, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
    batches = np.array([documents[at].batch if documents[at].is_judged else 0 for at in nodes], np.int64)
    found = cluster(Edges(*columns), batches, config.dedup)
    return [
        (nodes[dropped], nodes[kept], float(jaccard))
        for dropped, kept, jaccard in zip(*(column.tolist() for column in found), strict=True)
    ]
