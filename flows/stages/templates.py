"""Templates: in how many groups of each site each line stands, on top of what earlier versions counted; a part of the
sites at a time.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.stages.identify import NEW
from flows.state import COUNTS, GROUPS
from flows.step import Counts, Work
from flows.store import Ref, Store
from flows.tables import U64, concat, distinct, look_up, parted, read_range, read_table, write_sorted, write_work
from transforms.boilerplate.templates import (
    Counted,
    Lists,
    Templates,
    are_known,
    are_templates,
    asked_for,
    count_lines,
)
from transforms.config import Config
from transforms.identity import hash_of, in_part_of

TEMPLATES = pa.schema(
    [("at", pa.uint64()), ("site", pa.string()), ("line", pa.uint64()), ("groups", pa.int32()), ("total", pa.int32())]
)
_COUNTED = ["at", "groups"]
_LINES = ["at", "site", "line_document", "long_lines", "line_keys", "row"]


def count_templates(
    work: Work,
    lines: Sequence[Ref],
    new: Sequence[Ref],
    counts: Sequence[Ref],
    groups: Sequence[Ref],
    *,
    pieces: Sequence[int],
    low: int,
    high: int,
    config: Config,
    batch: int,
) -> Counts:
    """Count the lines of new records of a range of sites, of these pieces (-1: restored, all new).

    `templates.parquet`: of their lines those that are templates now, by site, and of the titles and openings that they
    ask for those that the site has; `counts.parquet` and `groups.parquet`:
    what this version adds to the state.
    """
    known = pa.concat_tables([NEW.empty_table(), *[read_table(work.store, ref) for ref in new]]).sort_by("piece")
    new_of = parted(known, "piece", max(pieces, default=-1) + 1)
    tables = [
        _lines(work.store, ref, None if piece < 0 else new_of[piece]["row"], low, high)
        for piece, ref in zip(pieces, lines, strict=True)
    ]
    documents = pa.concat_tables(tables).combine_chunks()
    at = documents["at"].to_numpy()
    long_lines, line_keys = _lists(documents["long_lines"]), _lists(documents["line_keys"])
    told = in_part_of(np.repeat(at, np.diff(long_lines.offsets)), long_lines.values)
    old = distinct(concat(GROUPS, look_up(work.store, groups, distinct(told)))["at"].to_numpy())
    added = count_lines(at, documents["line_document"].to_numpy(), long_lines, line_keys, old)
    names = dict(zip(at.tolist(), documents["site"].to_pylist(), strict=True))
    owner = np.repeat(at, np.diff(line_keys.offsets))
    there = _distinct_pairs(
        np.concatenate([owner, at]), np.concatenate([asked_for(line_keys.values), np.zeros(len(at), np.uint64)])
    )
    total = _totals(work.store, counts, there, added)
    settings = config.boilerplate
    before, now = total["before"], total["now"]
    site_before, site_now = (_of_site(there, values) for values in (before, now))
    is_template = are_templates(now, site_now, settings) & (there[1] > 0)
    is_first = is_template & ~are_templates(before, site_before, settings)
    fresh = np.flatnonzero(now > before)
    rows = pa.table(
        [
            pa.array(in_part_of(there[0][fresh], there[1][fresh])),
            pa.array([names[site] for site in there[0][fresh].tolist()], pa.string()),
            pa.array(there[1][fresh]),
            pa.array((now - before)[fresh].astype(np.int32)),
            pa.array([batch if first else None for first in is_first[fresh].tolist()], pa.int32()),
        ],
        schema=COUNTS,
    )
    with work.put("counts.parquet") as path:
        write_sorted(path, COUNTS, [rows.sort_by([("at", "ascending"), ("line", "ascending")])])
    with work.put("groups.parquet") as path:
        write_sorted(path, GROUPS, [pa.table([pa.array(added.groups)], schema=GROUPS)])
    shown = np.flatnonzero(are_known(there[1], is_template) & (now > 0))
    found = pa.table(
        [
            pa.array(there[0][shown]),
            pa.array([names[site] for site in there[0][shown].tolist()], pa.string()),
            pa.array(there[1][shown]),
            pa.array(now[shown].astype(np.int32)),
            pa.array(site_now[shown].astype(np.int32)),
        ],
        schema=TEMPLATES,
    )
    with work.put("templates.parquet") as path:
        write_work(path, found, sorted_by="at")
    return {"template_lines": len(found)}


def _lines(store: Store, ref: Ref, new: pa.ChunkedArray | None, low: int, high: int) -> pa.Table:
    """The line index of a piece's records of these sites: of those in `new` rows, or all."""
    found = read_range(store, ref, low, high, _LINES)
    return found if new is None else found.filter(pc.is_in(found["row"], new.combine_chunks()))


def _lists(column: pa.ChunkedArray) -> Lists:
    lists = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    offsets = lists.offsets.to_numpy().astype(np.int64)
    return Lists(lists.values.to_numpy()[offsets[0] : offsets[-1]], offsets - offsets[0])


def _distinct_pairs(site: U64, line: U64) -> tuple[U64, U64]:
    """Distinct (site, line), sorted by both: the line 0 of a site comes first."""
    order = np.lexsort((line, site))
    site, line = site[order], line[order]
    new = np.ones(len(site), np.bool_)
    new[1:] = (site[1:] != site[:-1]) | (line[1:] != line[:-1])
    return site[new], line[new]


def _totals(store: Store, counts: Sequence[Ref], there: tuple[U64, U64], added: Counted) -> Mapping[str, np.ndarray]:
    at = in_part_of(*there)
    order = np.argsort(at)
    old = pa.concat_tables([COUNTS.empty_table().select(_COUNTED), *look_up(store, counts, distinct(at), _COUNTED)])
    before = np.zeros(len(at), np.int64)
    place = order[np.searchsorted(at[order], old["at"].to_numpy())]
    np.add.at(before, place, old["groups"].to_numpy())
    now = before.copy()
    place = order[np.searchsorted(at[order], in_part_of(added.site, added.line))]
    np.add.at(now, place, added.counts)
    return {"before": before, "now": now}


def _of_site(there: tuple[U64, U64], values: np.ndarray) -> np.ndarray:
    """For each pair the value of its site's line 0."""
    first = np.flatnonzero(there[1] == 0)
    return values[first][np.searchsorted(there[0][first], there[0])]


def by_site(store: Store, templates: Sequence[Ref], sites: Sequence[str]) -> dict[str, Templates]:
    """The templates of these sites, from what `count_templates` wrote."""
    wanted = distinct(np.array([hash_of("site", site) for site in set(sites)], np.uint64))
    found = concat(TEMPLATES, look_up(store, templates, wanted))
    lines: dict[str, dict[int, int]] = {}
    totals: dict[str, int] = {}
    columns = (found[name].to_pylist() for name in ("site", "line", "groups", "total"))
    for site, line, groups, total in zip(*columns, strict=True):
        lines.setdefault(site, {})[line] = groups
        totals[site] = total
    return {site: Templates(totals[site], counted) for site, counted in lines.items()}


def published_templates(
    store: Store, counts: Sequence[Ref], sites: Sequence[str], config: Config
) -> dict[str, Templates]:
    """The templates of these sites as the state has them."""
    found: dict[str, Templates] = {}
    wanted = set(sites)
    lines: dict[tuple[str, int], int] = {}
    for ref in counts:
        table = read_table(store, ref, ["site", "line", "groups"])
        table = table.filter(pc.is_in(table["site"], pa.array(sorted(wanted), pa.string())))
        for site, line, groups in zip(*(column.to_pylist() for column in table.columns), strict=True):
            lines[site, line] = lines.get((site, line), 0) + groups
    for site in wanted:
        total = lines.get((site, 0), 0)
        keys = [line for of, line in lines if of == site and line]
        groups = np.array([lines[site, line] for line in keys], np.int64)
        totals = np.full(len(keys), total)
        is_known = are_known(np.array(keys, np.uint64), are_templates(groups, totals, config.boilerplate))
        if is_known.any():
            found[site] = Templates(total, {keys[at]: int(groups[at]) for at in np.flatnonzero(is_known)})
    return found
