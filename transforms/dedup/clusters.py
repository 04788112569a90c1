"""Near duplicates: candidate pairs verified by their shingles, and which document of each cluster stays.

A document is dropped only if it was itself verified against the one that is kept. Connected components, which most
tools take, merged documents that share nothing but a template into clusters of a thousand.

>>> whole, part = np.arange(102, dtype=np.uint32) << 3, np.arange(42, dtype=np.uint32) << 3
>>> edges = verify([whole, part], np.array([[0, 1]]), Dedup())
>>> edges.jaccard.tolist(), edges.drops_later.tolist(), edges.drops_earlier.tolist()
([0.4000000059604645], [True], [False])
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transforms.config import Dedup
from transforms.dedup.facts import NOTICE_WORDS, tell_different_facts, text_of
from transforms.dedup.minhash import shingles_of
from transforms.dedup.tokens import I64, U32

F32 = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

# Texts that are kept as they are aligned, 45 bytes a token: pairs are in order, so that one of the two is at hand.
TEXTS_AT_HAND = 1024
# So many shingles are compared in one go, within the caches.
_CHUNK_SHINGLES = 1 << 17
# A document of which this share stands in another is all there, in a frame; the page with the least text of its own
# among those of a template is .78 in the others.
_INSIDE = 0.9
# Parts of a text that make up so much of it are all of its pages.
_ALL_PAGES = 0.8


class Edges(NamedTuple):
    """Verified pairs: of each, the Jaccard similarity, which of the two may be dropped for the other, and whether the
    pair counts when the document to keep is chosen."""

    earlier: I64
    later: I64
    jaccard: F32
    drops_later: Flags
    drops_earlier: Flags
    counts: Flags


def verify(documents: Sequence[U32], pairs: I64, config: Dedup) -> Edges:
    """Those of `pairs` (int64[n, 2], places in `documents`, earlier and later) of which one may be dropped.

    `documents` are the tokens of each (dedup/tokens.py).
    """
    tokens, documents = documents, shingles_of(documents)
    distinct = _distinct(documents)
    sizes = np.array([len(shingle) for shingle in distinct], np.int64)
    both = sizes[pairs].sum(axis=1)
    ends = np.flatnonzero(np.diff(np.cumsum(both) // _CHUNK_SHINGLES)) + 1
    common = np.concatenate([_shared(distinct, sizes, chunk) for chunk in np.split(pairs, ends)])
    jaccard = common / np.maximum(1, both - common)
    sure = (jaccard >= config.sure_jaccard) & (common > 0)
    counts = sure | (common >= _INSIDE * sizes[pairs].min(axis=1))
    for pair in np.flatnonzero((jaccard >= config.jaccard) & (common > 0) & ~sure).tolist():
        first, second = pairs[pair]
        stretches = (own_stretch(documents[first], distinct[second]), own_stretch(documents[second], distinct[first]))
        sure[pair] = min(stretches) < config.own_stretch
        counts[pair] |= max(stretches) < config.own_stretch
    may_contain = (jaccard >= config.contained_jaccard) & (jaccard < config.sure_jaccard) & ~sure
    contained = [
        may_contain
        & (common >= config.containment * sizes[pairs[:, side]])
        & (sizes[pairs[:, side]] >= config.contained_shingles)
        for side in (0, 1)
    ]
    drops_earlier, drops_later = sure | contained[0], sure | contained[1]
    found = np.flatnonzero(drops_earlier | drops_later)
    # A text all of whose shingles stand in the other differs by what the other has more, unless signs tell.
    smaller = sizes[pairs[found]].min(axis=1)
    asked = found[(common[found] < smaller) | (smaller < NOTICE_WORDS)]
    text = lru_cache(TEXTS_AT_HAND)(lambda place: text_of(tokens[place]))
    other = [pair for pair in asked.tolist() if tell_different_facts(*map(text, pairs[pair].tolist()))]
    found = found[~np.isin(found, other)]
    return Edges(
        pairs[found, 0],
        pairs[found, 1],
        jaccard[found].astype(np.float32),
        drops_later[found],
        drops_earlier[found],
        (sure & counts)[found],
    )


def shared_shingles(documents: Sequence[U32], pairs: I64) -> tuple[I64, I64]:
    """How many distinct shingles of their tokens the two of each pair share (int64[n]), and how many each has
    (int64[n, 2])."""
    if not len(pairs):
        return np.zeros(0, np.int64), np.zeros((0, 2), np.int64)
    used, at = np.unique(pairs, return_inverse=True)
    distinct = _distinct(shingles_of([documents[place] for place in used.tolist()]))
    sizes = np.array([len(shingle) for shingle in distinct], np.int64)
    pairs = at.reshape(pairs.shape)
    return _shared(distinct, sizes, pairs), sizes[pairs]


def _distinct(documents: Sequence[U32]) -> list[U32]:
    """The distinct shingles of each document, sorted."""
    ordered = [np.sort(shingle) for shingle in documents]  # one by one within the caches: a tenth of a sort of all
    bounds = _bounds([len(shingle) for shingle in documents])
    values = np.concatenate([*ordered, np.zeros(0, np.uint32)])
    new = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=new[1:])
    new[bounds[:-1][bounds[:-1] < len(values)]] = True
    places = np.searchsorted(np.flatnonzero(new), bounds).tolist()
    values = values[new]
    return [values[start:end] for start, end in pairwise(places)]


def _bounds(lengths: Sequence[int]) -> I64:
    bounds = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=bounds[1:])
    return bounds


def _shared(distinct: Sequence[U32], sizes: I64, pairs: I64) -> I64:
    """How many shingles the two of each pair share."""
    if not len(pairs):
        return np.zeros(0, np.int64)
    values = np.concatenate([distinct[document] for document in pairs.reshape(-1).tolist()])
    bounds = _bounds(sizes[pairs].sum(axis=1))
    for start, end in pairwise(bounds.tolist()):
        values[start:end].sort()
    twice = values[1:] == values[:-1]
    within = bounds[1:-1]
    twice[within[(within > 0) & (within < len(values))] - 1] = False
    return np.diff(np.searchsorted(np.flatnonzero(twice), bounds))


def own_stretch(shingle: U32, other: U32) -> float:
    """The longest run of a document's shingles that another has none of, as a share of the document.

    An edited copy differs here and there (95 % of those with one word in ten changed stay below .036); two pages
    of one template differ in one stretch each (.17 and more). `other` is without repetitions, sorted.
    """
    if not len(shingle) or not len(other):
        return float(len(shingle) > 0)
    order = shingle.argsort()
    wanted = shingle[order]  # in order they are found in a third of the time
    known = order[other.take(other.searchsorted(wanted), mode="clip") == wanted]
    if not len(known):
        return 1.0
    known.sort()
    inside = (known[1:] - known[:-1]).max(initial=1) - 1
    return float(max(known[0], len(shingle) - 1 - known[-1], inside)) / len(shingle)


class Clusters(NamedTuple):
    """The documents that are dropped, each with the one it was verified against, and how similar they are."""

    dropped: I64
    kept: I64
    jaccard: F32


def cluster(edges: Edges, batches: I64, config: Dedup) -> Clusters:
    """Which documents are dropped for which. `batches[i]` is the batch of document i: 0 stays whatever comes.

    Batch by batch: a document that may be dropped for one kept earlier is. Of the others, those that the most
    documents of their batch are like (pairs that count) come first, then by number; each that no one dropped is kept,
    and those that may be dropped for it are. In the end every dropped document goes to the most similar of the kept
    that it was verified against.

    Of the pages of an article that stands whole beside them all go or none (`_without_single_pages`).

    (Longest first left one article syndicated five times in .71 of pairs together, this in .92: the copy with most
    boilerplate is the longest, and the least like the others.)
    """
    edges = _without_single_pages(edges)
    earlier, later = edges.earlier, edges.later
    # for each edge and direction in which it drops: (dropped, keeper, jaccard, counts)
    dropped = np.concatenate([later[edges.drops_later], earlier[edges.drops_earlier]])
    keeper = np.concatenate([earlier[edges.drops_later], later[edges.drops_earlier]])
    jaccard = np.concatenate([edges.jaccard[edges.drops_later], edges.jaccard[edges.drops_earlier]])
    counts = np.concatenate([edges.counts[edges.drops_later], edges.counts[edges.drops_earlier]])
    in_order = (batches[keeper] <= batches[dropped]) & (batches[dropped] > 0)
    dropped, keeper, jaccard, counts = dropped[in_order], keeper[in_order], jaccard[in_order], counts[in_order]

    same = batches[keeper] == batches[dropped]
    strong = np.bincount(keeper[same & counts], minlength=len(batches))
    nodes = np.unique(np.concatenate([dropped, keeper]))
    nodes = nodes[np.lexsort((nodes, -strong[nodes], batches[nodes]))]
    by_keeper = np.argsort(keeper, kind="stable")
    followers = dropped[by_keeper]
    begin = np.searchsorted(keeper[by_keeper], nodes).tolist()
    end = np.searchsorted(keeper[by_keeper], nodes, "right").tolist()
    gone = np.zeros(len(batches), np.bool_)
    decided = np.zeros(len(batches), np.bool_)
    for node, first, last in zip(nodes.tolist(), begin, end, strict=True):
        if not gone[node]:
            decided[node] = True
            mates = followers[first:last]
            gone[mates[~decided[mates]]] = True

    stays = gone[dropped] & ~gone[keeper]
    dropped, keeper, jaccard = dropped[stays], keeper[stays], jaccard[stays]
    order = np.lexsort((keeper, -jaccard, dropped))
    dropped, keeper, jaccard = dropped[order], keeper[order], jaccard[order]
    best = np.ones(len(dropped), np.bool_)
    best[1:] = dropped[1:] != dropped[:-1]
    return Clusters(dropped[best], keeper[best], jaccard[best])


def _without_single_pages(edges: Edges) -> Edges:
    """The edges but those from a text to several parts of it, none like another, that don't make up the whole.

    A part on its own is an article cut short, as a feed has it; several that leave much out are some pages of many,
    and a reader who has the whole without one of them has lost it.
    """
    is_part = edges.drops_later != edges.drops_earlier
    if not is_part.any():
        return edges
    alike = {(min(pair), max(pair)) for pair in zip(edges.earlier.tolist(), edges.later.tolist(), strict=True)}
    parts: dict[int, list[tuple[float, int, int]]] = {}
    for at in np.flatnonzero(is_part).tolist():
        part, whole = int(edges.later[at]), int(edges.earlier[at])
        if edges.drops_earlier[at]:
            part, whole = whole, part
        parts.setdefault(whole, []).append((-float(edges.jaccard[at]), part, at))
    stays = np.ones(len(edges.earlier), np.bool_)
    for found in parts.values():
        pages: list[tuple[float, int, int]] = []
        for jaccard, part, at in sorted(found):  # the longest first: a shorter one that is like it is a part of it
            if not any((min(part, page), max(part, page)) in alike for _, page, _ in pages):
                pages.append((jaccard, part, at))
        if len(pages) > 1 and -sum(jaccard for jaccard, _, _ in pages) < _ALL_PAGES:
            stays[[at for _, _, at in found]] = False
    return Edges(
        edges.earlier[stays],
        edges.later[stays],
        edges.jaccard[stays],
        edges.drops_later[stays],
        edges.drops_earlier[stays],
        edges.counts[stays],
    )
