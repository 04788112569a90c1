"""Templates: the lines a site repeats, learned by counting in how many distinct articles of it each line stands.

The strongest lever on extracted text, and it knows no language: dropping lines of 3 or more pages of a site gave
F1 .889 → .905 at removal precision .87 (daniel), where every published rule set lost. Articles that share a long
line are one group and count once (`lines.LONG_LINES`).

Counts only grow: each version adds what its new groups bring. A document that joins a group of an earlier version
adds nothing; that undercounts, on the side of precision. State keeps them (flows/state.py: `counts`, `groups`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from transforms.boilerplate.lines import ASKED, KIND_BITS, Kind, key, title_places
from transforms.config import Boilerplate
from transforms.identity import in_part_of

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

# Documents that share one of their three longest lines are one article (syndicated, updated, paged) and count
# once. Without this an article published five times looks like a template: damage .033 → .011 on daniel.
GROUP_LINES = 3
# On whole pages the longest lines are often the site's own (legal notices), and would make one group of all its
# pages: daniel's bbc.co.uk 27 pages → 3 groups. A line in so many documents that share less than half of their
# other long lines is such a one, and groups nothing.
FURNITURE_DOCUMENTS = 3


class Lists(NamedTuple):
    """Lists of hashes: those of document i are `values` from `offsets[i]` up to `offsets[i + 1]`."""

    values: U64
    offsets: I64


class Templates(NamedTuple):
    """What a site repeats: its template lines, and the titles and openings of its articles."""

    groups: int
    lines: Mapping[int, int]  # key (lines.Kind) -> in how many groups it stands


NO_TEMPLATES = Templates(0, {})
# A line of fewer of a site's groups may be an article's that was copied: of hard-wrapped texts, which have no long line
# to be known again by, each copy is a group.
FURNITURE_GROUPS = 0.2
FURNITURE_LEAST = 3


def least_groups(total: int | I64, settings: Boilerplate) -> npt.NDArray[np.float64]:
    """In how many groups of a site that has so many (or of several sites) a template line stands, at least."""
    least: npt.NDArray[np.float64] = np.maximum(settings.template_min_groups, settings.template_min_share * total)
    return least


def are_templates(groups: I64, total: I64, settings: Boilerplate) -> npt.NDArray[np.bool_]:
    """Which of the lines that stand in so many groups of their sites' totals are templates."""
    is_template: npt.NDArray[np.bool_] = groups >= least_groups(total, settings)
    return is_template


def are_known(keys: U64, templates: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which keys say something of other articles: templates, and any title and opening."""
    kind = keys & np.uint64(KIND_BITS)
    is_known: npt.NDArray[np.bool_] = templates | (kind == Kind.TITLE) | (kind == Kind.OPENING)
    return is_known & (keys > KIND_BITS)


def asked_for(keys: U64) -> U64:
    """The keys that are to be looked up: those counted, and those that were only asked about."""
    return keys & ~np.uint64(ASKED)


def template_share(text: str, hashes: Sequence[int], gone: Collection[int], templates: Templates) -> float:
    """The share of what stays that stands in the site's furniture, template lines of FURNITURE_GROUPS, 0..1: of the
    characters, since an article's few lines are long and a menu's many are short. `hashes` has one a line; the lines
    `gone` don't stay."""
    if templates.groups < FURNITURE_LEAST:
        return 0.0
    least = max(FURNITURE_LEAST, FURNITURE_GROUPS * templates.groups)  # a title of one article is known, too
    groups, title = templates.lines.get, int(Kind.TITLE)
    stay = [value for at, value in enumerate(hashes) if at not in gone] if gone else hashes
    if not any(groups(value, 0) >= least or groups(value | title, 0) >= least for value in stay):
        return 0.0
    lines = [line.strip() for line in text.split("\n")]
    left = [at for at, line in enumerate(lines) if line and at not in gone]
    titles = title_places(lines, left)
    keys = (key(hashes[at], Kind.TITLE if at in titles else Kind.LINE) for at in left)
    chars = sum(len(lines[at]) for at, one in zip(left, keys, strict=True) if templates.lines.get(one, 0) >= least)
    return chars / max(1, sum(len(lines[at]) for at in left))


def merge_groups(shared: Iterable[list[int]]) -> dict[int, int]:
    """Documents that share a long line, as document -> smallest document of its group (union-find).

    `shared` has, for each long line in more than one document, those documents.
    """
    parent: dict[int, int] = {}

    def find(document: int) -> int:
        root = document
        while parent.setdefault(root, root) != root:
            root = parent[root]
        while parent[document] != root:
            parent[document], document = root, parent[document]
        return root

    for documents in shared:
        roots = sorted(find(document) for document in documents)
        for root in roots[1:]:
            parent[root] = roots[0]
    return {document: find(document) for document in sorted(parent)}


class Counted(NamedTuple):
    """What documents add to the counts: line keys with the site they are of, and in how many new groups each stands;
    key 0 counts the site's groups. `groups` are the long lines by which the documents are known again."""

    site: U64
    line: U64
    counts: I64
    groups: U64


def count_lines(site: U64, document: U64, long_lines: Lists, line_keys: Lists, old: U64) -> Counted:
    """Count in how many groups of each site each line stands.

    `site` and `document` are uint64[documents]; the lists are values and offsets (uint64[n], int64[documents + 1]).
    Keys that are only asked about (`lines.ASKED`) count nothing.
    `old` are the `in_part_of(site, long line)` that stood in earlier versions, sorted.
    """
    known = in_part_of(site, document)
    first, member = _distinct(known)
    owner = np.repeat(member, np.diff(long_lines.offsets))
    line = in_part_of(np.repeat(site, np.diff(long_lines.offsets)), long_lines.values)
    place = np.arange(len(line)) - np.repeat(long_lines.offsets[:-1], np.diff(long_lines.offsets))
    owner, line, place = _least(owner, line, place)
    group = _groups(owner, line, place, len(first))
    # A document of whose long lines half or more stood in an earlier version is no new article, nor is its group.
    is_old = np.isin(line, old, assume_unique=False)
    counts = np.bincount(owner, minlength=len(first))
    known_again = (2 * np.bincount(owner, is_old, len(first)) >= counts) & (counts > 0)
    stale = np.zeros(len(first), np.bool_)
    stale[group[known_again]] = True
    fresh = ~stale[group]
    owner_of_key = np.repeat(member, np.diff(line_keys.offsets))
    taken = fresh[owner_of_key] & (line_keys.values > 0) & (line_keys.values & np.uint64(ASKED) == 0)
    sites = site[first]
    columns = (
        np.concatenate([sites[owner_of_key[taken]], sites[fresh]]),
        np.concatenate([line_keys.values[taken], np.zeros(int(fresh.sum()), np.uint64)]),
        np.concatenate([group[owner_of_key[taken]], group[fresh]]).astype(np.uint64),
    )
    rows = _sorted_distinct(*columns)
    starts = _starts(*rows[:2])
    count = np.diff(np.append(starts, len(rows[0])))
    return Counted(rows[0][starts], rows[1][starts], count, np.unique(line))


def _groups(owner: I64, line: U64, place: I64, documents: int) -> I64:
    """Of each document the smallest of its group. Pairs (owner, line) are distinct, sorted by owner, place, line."""
    several = np.bincount(owner, minlength=documents)[owner] > 1
    values, codes = np.unique(line, return_inverse=True)
    in_documents = np.bincount(codes[several], minlength=len(values))
    common = in_documents >= FURNITURE_DOCUMENTS
    # A document's long lines but those of the page around it: footers stand in documents that share little else.
    furniture = np.zeros(len(values), np.bool_)
    bounds = np.append(_starts(owner), len(owner))
    at = np.searchsorted(owner[bounds[:-1]], np.arange(documents)) if len(owner) else np.zeros(documents, np.int64)
    by_line = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(values)))
    for value in np.flatnonzero(common).tolist():
        rows = by_line[ends[value - 1] if value else 0 : ends[value]]
        numbers = at[owner[rows]]
        others = np.concatenate([codes[bounds[n] : bounds[n + 1]] for n in numbers.tolist()])
        others = others[others != value]
        kinds = len(np.unique(others))
        furniture[value] = kinds * 2 * int(in_documents[value]) > len(others) * (int(in_documents[value]) + 1)
    keeps = ~furniture[codes]
    owner, codes = owner[keeps], codes[keeps]
    rank = np.arange(len(owner)) - np.repeat(_starts(owner), np.diff(np.append(_starts(owner), len(owner))))
    owner, codes = owner[rank < GROUP_LINES], codes[rank < GROUP_LINES]
    order = np.argsort(codes, kind="stable")
    owner, codes = owner[order], codes[order]
    starts = _starts(codes)
    shared = [part.tolist() for part in np.split(owner, starts[1:]) if len(part) > 1]
    group = np.arange(documents)
    for document, smallest in merge_groups(shared).items():
        group[document] = smallest
    return group


def _distinct(values: U64) -> tuple[I64, I64]:
    """Of each distinct value where it first stands, in order of the values, and of each value its number."""
    _, first, member = np.unique(values, return_index=True, return_inverse=True)
    return first, member


def _least(owner: I64, line: U64, place: I64) -> tuple[I64, U64, I64]:
    """The distinct pairs (owner, line) with their least place, sorted by owner, place, line."""
    order = np.lexsort((place, line, owner))
    owner, line, place = owner[order], line[order], place[order]
    starts = _starts(owner, line)
    owner, line, place = owner[starts], line[starts], place[starts]
    order = np.lexsort((line, place, owner))
    return owner[order], line[order], place[order]


def _sorted_distinct(*columns: U64) -> tuple[U64, ...]:
    order = np.lexsort(columns[::-1])
    columns = tuple(column[order] for column in columns)
    starts = _starts(*columns)
    return tuple(column[starts] for column in columns)


def _starts(*columns: npt.NDArray[Any]) -> I64:
    """Where a row differs from the one before it."""
    new = np.zeros(len(columns[0]), np.bool_)
    new[:1] = True
    for column in columns:
        new[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(new)
