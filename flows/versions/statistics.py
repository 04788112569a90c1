"""What a version holds, counted: rows and characters by language, site, licence, reason and length.

All are whole numbers that add up, over files and over versions: what a version holds is what its parent held, less the
files that it doesn't list any more, and its own. So a night costs what is new, and two datasets' statistics are merged
by adding them. Drift is how far what came in is from what was there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.store import Ref, Store
from flows.tables import open_table, read_groups
from transforms.config import Publish
from transforms.schema import STATISTICS

# Steps of a share.
SHARE_STEPS = 20
# So much of a value counts: some records have the whole text of their licence.
VALUE_CHARS = 100
# So many licences are in the totals, the others as `…`.
MOST_LICENSES = 20
# By which columns a table is counted.
_VALUES = {
    "documents": ("language", "site", "license"),
    "rejected": ("language", "site", "reject_reason"),
    "removed_spans": ("reason",),
}
# What the totals call these, and what they leave to the statistics: sites are many.
_TOTALS = (("language", "languages"), ("license", "licenses"), ("reject_reason", "reasons"), ("reason", "reasons"))
_LENGTHS = ("char_count", "original_char_count")
_KEYS = STATISTICS.names[:5]


def count_files(
    store: Store, files: Iterable[tuple[str, Ref]], added_in: str | None = None, sign: int = 1
) -> Iterator[pa.Table]:
    """STATISTICS of files, each with its table; with `added_in`, of the documents and rejected records only that came
    in that version."""
    for table, ref in files:
        if added_in is not None and table == "removed_spans":
            continue
        columns = [
            *_VALUES[table],
            *(["start", "end"] if table == "removed_spans" else [*_LENGTHS, "removed_char_count"]),
        ]
        with open_table(store, ref) as file:
            for group in range(file.metadata.num_row_groups):
                rows = read_groups(file, [group], columns if added_in is None else [*columns, "added_in"])
                if added_in is not None:
                    rows = rows.filter(pc.equal(rows["added_in"], added_in))
                if len(rows):
                    yield count_rows(table, rows, sign)


def count_rows(table: str, rows: pa.Table, sign: int = 1) -> pa.Table:
    """STATISTICS of rows of a table; with the sign -1, of rows that are taken away."""
    if table == "removed_spans":
        chars = pc.subtract(rows["end"], rows["start"])
        return _merged([_measured(table, name, chars, sign, value=rows[name]) for name in _VALUES[table]])
    parts = [
        _measured(table, name, rows["char_count"], sign, value=pc.utf8_slice_codeunits(rows[name], 0, VALUE_CHARS))
        for name in _VALUES[table]
    ]
    for name in _LENGTHS:
        low, high = _powers(rows[name].to_numpy())
        parts.append(_measured(table, name, rows[name], sign, low=low, high=high))
    removed, original = (rows[name].to_numpy().astype(np.int64) for name in ("removed_char_count", _LENGTHS[1]))
    step = np.minimum(removed * SHARE_STEPS // np.maximum(original, 1), SHARE_STEPS - 1)
    low, high = pa.array(step / SHARE_STEPS), pa.array((step + 1) / SHARE_STEPS)
    parts.append(_measured(table, "removed_char_ratio", rows["removed_char_count"], sign, low=low, high=high))
    return _merged(parts)


def _powers(lengths: Any) -> tuple[pa.Array, pa.Array]:
    """From and up to which power of two each length is; 0 is from 0 up to 1."""
    exponents = np.frexp(lengths)[1]
    return pa.array(np.where(lengths > 0, np.ldexp(0.5, exponents), 0.0)), pa.array(np.ldexp(1.0, exponents))


def _measured(table: str, measure: str, chars: Any, sign: int, **keys: Any) -> pa.Table:
    count = len(chars)
    columns = {
        "table": pa.repeat(table, count),
        "measure": pa.repeat(measure, count),
        "rows": pa.repeat(sign, count),
        "chars": pc.multiply(pc.cast(chars, pa.int64()), sign),
        **keys,
    }
    values = [columns.get(field.name, pa.nulls(count, field.type)) for field in STATISTICS]
    return pa.table(values, names=STATISTICS.names)


def _merged(tables: Sequence[pa.Table]) -> pa.Table:
    """Statistics of several as one, sorted; what adds up to nothing is left out."""
    # Not the published schema, as rows may be taken away.
    schema = pa.schema([field.remove_metadata().with_nullable(True) for field in STATISTICS])
    table = pa.concat_tables([schema.empty_table(), *(table.cast(schema) for table in tables)])
    table = table.group_by(_KEYS, use_threads=False).aggregate([("rows", "sum"), ("chars", "sum")])
    table = table.rename_columns([*_KEYS, "rows", "chars"])
    is_there = pc.or_(pc.not_equal(table["rows"], 0), pc.not_equal(table["chars"], 0))
    return table.filter(is_there).sort_by([(name, "ascending") for name in _KEYS])


def merge(tables: Iterable[pa.Table]) -> pa.Table:
    """Statistics of several as one."""
    merged = STATISTICS.empty_table()
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if sum(map(len, held)) > len(merged) + 100_000:
            merged, held = _merged([merged, *held]), []
    return _merged([merged, *held]).cast(STATISTICS)


def totals(statistics: pa.Table) -> dict[str, Any]:
    """What the manifest says that a version holds, the most first."""
    rows = statistics.to_pylist()
    found: dict[str, Any] = {}
    for table in _VALUES:
        mine = [row for row in rows if row["table"] == table]
        if table == "removed_spans":
            said = _sums(mine, "reason", "rows", "characters")
        else:
            said = _sums(mine, _LENGTHS[0], "rows", "characters")
            said["original_characters"] = _sums(mine, _LENGTHS[1], "rows", "characters")["characters"]
            said["removed_characters"] = _sums(mine, "removed_char_ratio", "rows", "characters")["characters"]
        for measure, name in _TOTALS:
            if measure in _VALUES[table]:
                said[name] = _by(mine, measure)
        found[table] = said
    return found


def _sums(rows: Sequence[Mapping[str, Any]], measure: str, *names: str) -> dict[str, Any]:
    mine = [row for row in rows if row["measure"] == measure]
    return {names[0]: sum(row["rows"] for row in mine), names[1]: sum(row["chars"] for row in mine)}


def _by(rows: Sequence[Mapping[str, Any]], measure: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in rows:
        if row["measure"] == measure:
            counts[row["value"] or ""] = counts.get(row["value"] or "", 0) + row["rows"]
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if measure != "license" or len(ordered) <= MOST_LICENSES:
        return dict(ordered)
    return {**dict(ordered[:MOST_LICENSES]), "…": sum(count for _, count in ordered[MOST_LICENSES:])}


def drift(before: pa.Table, fresh: pa.Table, settings: Publish) -> list[dict[str, Any]]:
    """In what that which came in is further from what was there than `settings` allow: the measure, the distance (0 to
    1), the limit, and what differs most: [value, share before, share now]."""
    found = []
    then, now = _shares(before), _shares(fresh)
    for measure in ("languages", "outcomes", "lengths"):
        if min(sum(then[measure].values()), sum(now[measure].values())) < settings.least:
            continue
        shares = [_normal(counts[measure]) for counts in (then, now)]
        gaps = {value: shares[1].get(value, 0) - shares[0].get(value, 0) for value in {*shares[0], *shares[1]}}
        distance = sum(map(abs, gaps.values())) / 2
        if distance > getattr(settings, measure):
            most = sorted(gaps, key=lambda value: (-abs(gaps[value]), value))[:3]
            parts = [[value, *(round(share.get(value, 0), 4) for share in shares)] for value in most]
            found.append(_drifted(measure, distance, settings, parts))
    enough = min(sum(then["lengths"].values()), sum(now["lengths"].values())) >= settings.least
    shares_removed = [_removed(table) for table in (before, fresh)]
    distance = abs(shares_removed[1] - shares_removed[0])
    if enough and distance > settings.removed:
        parts = [["removed", *(round(share, 4) for share in shares_removed)]]
        found.append(_drifted("removed", distance, settings, parts))
    return found


def _drifted(measure: str, distance: float, settings: Publish, parts: list[list[Any]]) -> dict[str, Any]:
    limit = getattr(settings, measure)
    return {"measure": measure, "distance": round(distance, 4), "limit": limit, "most": parts}


def _shares(statistics: pa.Table) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {"languages": {}, "outcomes": {}, "lengths": {}}
    hit = pc.is_in(statistics["measure"], pa.array(["language", "reject_reason", _LENGTHS[0]]))
    for row in statistics.filter(hit).to_pylist():
        kept, measure = row["table"] == "documents", row["measure"]
        if kept and measure == "language":
            counts["languages"][row["value"]] = row["rows"]
        elif kept and measure == _LENGTHS[0]:
            counts["lengths"][f"{row['low']:.0f}-{row['high'] - 1:.0f} characters"] = row["rows"]
            counts["outcomes"]["kept"] = counts["outcomes"].get("kept", 0) + row["rows"]
        elif measure == "reject_reason" and row["value"] != "superseded":
            counts["outcomes"][row["value"]] = row["rows"]
    return counts


def _normal(counts: Mapping[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    return {value: count / total for value, count in counts.items()}


def _removed(statistics: pa.Table) -> float:
    """Share of the characters of the documents' originals that was removed."""
    documents = statistics.filter(pc.equal(statistics["table"], "documents")).to_pylist()
    removed = _sums(documents, "removed_char_ratio", "rows", "characters")["characters"]
    original = _sums(documents, _LENGTHS[1], "rows", "characters")["characters"]
    return float(removed / max(1, original))


def say(drifted: Sequence[Mapping[str, Any]]) -> str:
    """For people: what drifted, and how."""
    return "; ".join(
        f"{one['measure']} by {one['distance']:.2f} (limit {one['limit']}: "
        + ", ".join(f"{value} {before:.0%} → {now:.0%}" for value, before, now in one["most"])
        + ")"
        for one in drifted
    )
