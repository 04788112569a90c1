"""The work of the comparison: every document against all others, of this run and of every version before.

match ─► [join keys]ᵣ ─► pair up ─► [shingle texts]ₛ ─► [verify]ₚ ─► settle ─► share paragraphs
                └─► write segment (the index of this version)

`match` knows what equals what, and numbers the rest in the order of canonicals. Keys are joined one range r at a
time, texts read one source s at a time (a piece of this run, or a published file), pairs verified one part p at a
time: nothing holds all keys, all shingles or all texts. No Prefect here; worker processes import this.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flows.database import Database, connect, key_of, published_view, quoted_path, view
from flows.storage import create, read_table, sha256_of, write_work
from transforms.config import Config
from transforms.dedup.bands import KEYS, pairs_of_buckets, sort_bands
from transforms.dedup.clusters import Edges, cluster, verify
from transforms.dedup.exact import exact_duplicates
from transforms.dedup.index import CONTENTS, REBUILD, check_making, marked, merged_by, rows_of, sort_keys
from transforms.dedup.minhash import batches_of, packed_shingles, unpack_shingles
from transforms.dedup.paragraphs import PARAGRAPHS, paragraphs_of
from transforms.errors import RefusedError
from transforms.schema import column_type

Done = dict[str, Any]

# Of a database, before it spills.
MEMORY = "512MB"
# Keys are below this.
KEY_RANGE = 1 << 64
# Keys that are joined at once, of the index and of this run: 100 MB of working memory.
RANGE_KEYS = 1 << 21
# Characters whose pairs are verified at once: 100 MB of shingles and working memory.
PART_CHARS = 1 << 25
ROW_GROUP_KEYS = 1 << 17
ROW_GROUP_TEXTS = 1 << 11
# Numbers of contents are 32 bits: four billion of them in an index.
MAX_CONTENTS = 1 << 32

_PAIRS = pa.schema([pa.field(name, pa.uint32(), nullable=False) for name in ("earlier", "later")])
_SHINGLES = pa.schema(
    [
        pa.field("number", pa.uint32(), nullable=False),
        pa.field("shingles", column_type("shingles"), nullable=False),
    ]
)
_EDGES = pa.schema(
    [
        *_PAIRS,
        pa.field("jaccard", pa.float32(), nullable=False),
        *[pa.field(name, pa.bool_(), nullable=False) for name in ("drops_later", "drops_earlier", "counts")],
    ]
)


# --------------------------------------------------------------------------------------------------------------- index


class Segment(NamedTuple):
    """A segment of the index: its three files, how many contents it has, and their first number."""

    contents: Path
    keys: Path
    paragraphs: Path
    rows: int
    base: int


def index_of(curated: Path, manifest: dict[str, Any] | None) -> list[Segment]:
    """The index of a version, oldest segment first. Raises: RefusedError where a file is missing, damaged, or not of
    an index that this code can go on with."""
    if manifest is None:
        return []
    files = {entry["path"]: entry for entry in manifest["state"] if Path(entry["path"]).name.startswith("dedup-")}
    names = sorted({Path(path).name.split("-", 2)[2] for path in files}, key=lambda name: int(name.split("-", 1)[0]))
    if not names:
        raise RefusedError(f"{curated}: version {manifest['version']} has no dedup index; {REBUILD}")
    segments: list[Segment] = []
    base = 0
    for name in names:
        paths = []
        for kind, schema in (("contents", CONTENTS), ("keys", KEYS), ("paragraphs", PARAGRAPHS)):
            relative = f"state/dedup-{kind}-{name}"
            path = curated / relative
            if relative not in files or not path.is_file():
                raise RefusedError(f"{path} of the dedup index is missing; {REBUILD}")
            if sha256_of(path) != files[relative]["sha256"]:
                raise RefusedError(
                    f"{path} of the dedup index is damaged: its SHA-256 is not that published; {REBUILD}"
                )
            check_making(pq.read_schema(path), schema, str(path))
            paths.append(path)
        rows = pq.read_metadata(paths[0]).num_rows
        segments.append(Segment(*paths, rows, base))
        base += rows
    return segments


def to_merge(segments: Sequence[Segment], rows: int) -> list[Segment]:
    """The segments that a version with `rows` new contents merges into its own."""
    count = merged_by([segment.rows for segment in segments] + [rows])
    return list(segments[len(segments) + 1 - count :]) if count else []


def write_segment(
    folder: Path, matched: Path, joined: Sequence[tuple[tuple[int, int], Path]], merged: Sequence[Segment]
) -> Done:
    """The segment of this version: `contents.parquet` and `keys.parquet`, with those of `merged` in it.

    `joined` has this version's keys, range by range.
    """
    fresh = read_table(matched / "judged.parquet", ["content_hash", "is_new"])
    contents = [read_table(segment.contents).select(CONTENTS.names) for segment in merged]
    contents.append(fresh.filter(fresh["is_new"]).select(CONTENTS.names))
    _write_marked(folder / "contents.parquet", CONTENTS, [pa.concat_tables(contents).cast(CONTENTS)])
    before = sum(segment.rows for segment in merged)
    _write_marked(
        folder / "keys.parquet",
        KEYS,
        (
            sort_keys(
                [(_read_keys(segment.keys, *bounds), segment.base - merged[0].base) for segment in merged]
                + [(read_table(path / "keys.parquet"), before)]
            )
            for bounds, path in joined
        ),
    )
    return {"rows": sum(len(table) for table in contents)}


def _write_marked(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """A segment's file; `tables` are sorted by their first column, hashes, where there are others."""
    sorted_by = schema.names[0] if len(schema) > 1 else None
    with (
        create(path) as written,
        pq.ParquetWriter(
            written,
            marked(schema),
            compression="zstd",
            compression_level=1,
            use_dictionary=False,
            write_statistics=[sorted_by] if sorted_by else False,
            write_page_checksum=True,
            column_encoding={sorted_by: "DELTA_BINARY_PACKED"} if sorted_by else None,
        ) as writer,
    ):
        for table in tables:
            if len(table):
                writer.write_table(table.cast(marked(schema)), row_group_size=ROW_GROUP_KEYS)


def write_signatures(folder: Path, documents: pa.Table) -> int:
    """What the comparison needs of a piece's documents: `keys.parquet`, their band keys, sorted; `shingles.parquet`,
    row by row. Returns how many keys there are."""
    rows = np.flatnonzero(pc.is_valid(documents["bands"]).to_numpy())
    bands = documents["bands"].combine_chunks()
    keys = bands.values.to_numpy().reshape(-1, bands.type.list_size)[rows + bands.offset]
    write_work(folder / "keys.parquet", sort_bands(keys, rows.astype(np.uint32)), ROW_GROUP_KEYS)
    write_work(folder / "shingles.parquet", documents.select(["shingles"]), ROW_GROUP_TEXTS)
    return len(rows) * bands.type.list_size


def write_paragraphs(folder: Path, documents: pa.Table) -> None:
    """The paragraphs of a piece's documents: `paragraphs.parquet`."""
    write_work(folder / "paragraphs.parquet", paragraphs_of(documents))


def _read_keys(path: Path, low: int, high: int) -> pa.Table:
    """KEYS of a file from `low` up to and without `high`."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        groups = rows_of(file.metadata, low, high)
        if not groups:
            return KEYS.empty_table()
        table = file.read_row_groups(groups)
    keys = table["key"].to_numpy()
    start = int(np.searchsorted(keys, np.uint64(low)))
    end = len(keys) if high >= KEY_RANGE else int(np.searchsorted(keys, np.uint64(high)))
    return table.slice(start, end - start)


def key_ranges(keys: int) -> list[tuple[int, int]]:
    """Ranges of keys, evenly cut, so that about RANGE_KEYS of `keys` fall into each."""
    count = 1 << max(0, (keys - 1) // RANGE_KEYS).bit_length()
    return [(KEY_RANGE // count * part, KEY_RANGE // count * (part + 1)) for part in range(count)]


# --------------------------------------------------------------------------------------------------------------- match


def match(
    folder: Path,
    cleaned: Sequence[Path],
    published: Sequence[tuple[Path, str]],
    segments: Sequence[Segment],
    config: Config,
) -> Done:
    """Who supersedes whom, what is exactly alike, and what is left to be judged, numbered in the order of canonicals.

    - `superseded.parquet`, `again.parquet`: rows that leave (where all is made anew, new ones too, of which each has
      the version it came in), and duplicates of those of the parent version;
    - `exact.parquet`: documents that are the same as one before them, which they share the canonical with;
    - `judged.parquet`: the first of each new content, by number, after the contents of the index, and where its text
      stands; those of `exact` among them (`is_exact`) are there for the index alone;
    - `moved.parquet`: contents of the index that are judged again, old number and new.
    """
    columns = ["id", "url", "source_id", "source_path", "source_record", "source_sha256", "added_in", "char_count"]
    columns += ["content_hash", "repaired_hash"]
    before = segments[-1].base + segments[-1].rows if segments else 0
    batch = "split_part(added_in, '-', 1)::BIGINT"
    with connect(folder, MEMORY) as database:
        view(database, "cleaned", cleaned, [*columns, "reject_stage", "reject_reason"])
        published_view(database, published, columns)
        database.execute(
            f"""
            CREATE TABLE fresh AS
            SELECT id, {key_of(config)} AS key, content_hash, repaired_hash, {batch} AS batch, char_count,
                   piece, row
            FROM cleaned WHERE reject_reason IS NULL;
            CREATE TABLE earlier AS
            SELECT id, {key_of(config)} AS key, reject_reason IS NULL AS kept, {batch} AS batch, false AS is_fresh
            FROM published WHERE reject_reason IS NULL OR starts_with(reject_reason, 'duplicate.')
            UNION ALL SELECT id, key, true, batch, true FROM fresh;
            CREATE TABLE superseded AS
            SELECT e.*, f.id AS by_id, f.batch AS by_batch FROM earlier e JOIN fresh f USING (key)
            WHERE f.batch > e.batch AND {"false" if config.supersede_by == "none" else "true"}
            QUALIFY row_number() OVER (PARTITION BY e.id ORDER BY f.batch, f.id) = 1;
            INSERT INTO superseded
            SELECT unread.id, NULL, false, NULL, true, read.id, NULL FROM cleaned unread JOIN cleaned read
            ON unread.source_path = read.source_path AND unread.source_sha256 = read.source_sha256
            AND unread.source_record IS NOT DISTINCT FROM read.source_record
            WHERE unread.reject_stage = 'read' AND read.reject_stage IS DISTINCT FROM 'read';
            CREATE TABLE again AS
            SELECT * FROM published WHERE starts_with(coalesce(reject_reason, ''), 'duplicate.')
            AND duplicate_of IN (SELECT id FROM superseded) AND id NOT IN (SELECT id FROM superseded);
            CREATE TABLE comers AS
            SELECT id, content_hash, repaired_hash, batch, char_count, piece, row, 'cleaned' AS table_name FROM fresh
            WHERE id NOT IN (SELECT id FROM superseded)
            UNION ALL
            SELECT id, content_hash, repaired_hash, {batch}, char_count, piece, row, table_name FROM again;
            """
        )
        candidates = database.sql(
            f"""
            WITH same AS (
                SELECT id, content_hash, repaired_hash, false AS is_settled, batch, char_count, NULL AS reject_reason,
                       NULL AS duplicate_of, NULL AS duplicate_similarity
                FROM comers
                UNION ALL
                SELECT id, content_hash, repaired_hash, true, {batch}, char_count, reject_reason, duplicate_of,
                       duplicate_similarity
                FROM published
                WHERE (reject_reason IS NULL OR starts_with(reject_reason, 'duplicate.'))
                AND id NOT IN (SELECT id FROM superseded) AND id NOT IN (SELECT id FROM again)
                AND (content_hash IN (SELECT content_hash FROM comers)
                     OR repaired_hash IN (SELECT repaired_hash FROM comers)))
            SELECT id, content_hash, repaired_hash, is_settled,
                   coalesce(reject_reason, 'duplicate.exact') AS reason, coalesce(duplicate_of, id) AS duplicate_of,
                   coalesce(duplicate_similarity, 1)::FLOAT AS similarity
            FROM same WHERE content_hash IN (SELECT content_hash FROM same GROUP BY content_hash HAVING count(*) > 1)
            OR repaired_hash IN (SELECT repaired_hash FROM same GROUP BY repaired_hash HAVING count(*) > 1)
            ORDER BY is_settled DESC, batch, char_count DESC, id
            """
        ).to_arrow_table()
        exact = _exact(candidates)
        del candidates
        database.register("exact", exact)
        view(database, "indexed", [segment.contents for segment in segments], ["content_hash"])
        database.execute(
            f"""
            CREATE TABLE judged AS
            SELECT {before} - 1 + row_number() OVER (ORDER BY batch, char_count DESC, id) AS number, id, content_hash,
                   char_count, batch, table_name, piece AS source_piece, row AS source_row,
                   table_name = 'cleaned' AS is_new, is_first IS NOT NULL AS is_exact
            FROM comers LEFT JOIN exact USING (id) WHERE coalesce(is_first, true)
            """
        )
        again = database.execute("SELECT count(*) FROM judged WHERE NOT is_new").fetchone()[0]
        tables = {
            "superseded": "SELECT id, is_fresh, by_id FROM superseded ORDER BY id",
            "again": "SELECT id FROM again ORDER BY id",
            "judged": "SELECT * FROM judged ORDER BY number",
            "moved": f"""
                SELECT {_base(segments)} + i.row AS old, j.number FROM indexed i
                JOIN judged j USING (content_hash) WHERE NOT j.is_new ORDER BY old
                """,
            "heirs": """
                SELECT f.id, first(s.id ORDER BY s.kept DESC, s.batch DESC, s.id) AS supersedes
                FROM fresh f JOIN superseded s ON s.key = f.key AND s.by_batch = f.batch GROUP BY f.id ORDER BY f.id
                """,
        }
        for name, query in tables.items():
            _copy(database, query, folder / f"{name}.parquet")
        judged = database.execute("SELECT count(*) FROM judged").fetchone()[0]
    write_work(folder / "exact.parquet", exact.sort_by("id"))
    if before + judged > MAX_CONTENTS:
        raise RefusedError(f"the dedup index would have {before + judged} contents, it can have {MAX_CONTENTS}")
    return {"judged": judged, "again": again, "new": judged - again, "before": before}


def _exact(candidates: pa.Table) -> pa.Table:
    """Of documents in the order of canonicals, those that are the same as one before them; `is_first` says that none
    before has the same content."""
    content, repaired = (candidates[name].combine_chunks() for name in ("content_hash", "repaired_hash"))
    root, first = exact_duplicates(content, repaired, candidates["is_settled"].to_numpy())
    place = np.arange(len(root))
    at = np.flatnonzero(root != place)
    kept = candidates.select(["duplicate_of", "reason", "similarity"]).take(pa.array(root[at]))
    exact = kept.add_column(0, "id", candidates["id"].take(pa.array(at)))
    return exact.append_column("is_first", pa.array((first == place)[at]))


def _base(segments: Sequence[Segment]) -> str:
    """The first number of the segment `i.piece`, in SQL."""
    return f"[{', '.join(str(segment.base) for segment in segments) or '0'}][i.piece + 1]"


def _copy(database: Database, query: str, path: Path) -> None:
    database.execute(f"COPY ({query}) TO {quoted_path(path)} (FORMAT parquet, COMPRESSION lz4)")


# ------------------------------------------------------------------------------------------------- join keys · pair up


def join_keys(
    folder: Path, low: int, high: int, signed: Sequence[Path], matched: Path, segments: Sequence[Segment]
) -> Done:
    """Candidate pairs of the keys of one range: `pairs.parquet`; and its keys of new contents: `keys.parquet`."""
    judged = read_table(matched / "judged.parquet", ["number", "table_name", "source_piece", "source_row"])
    before = segments[-1].base + segments[-1].rows if segments else 0
    new = judged.filter(pc.equal(judged["table_name"], "cleaned"))
    first = int(new["number"][0].as_py()) if len(new) else before
    moved = read_table(matched / "moved.parquet")
    keys: list[Any] = []
    numbers: list[Any] = []
    for piece, path in enumerate(signed):
        found = _read_keys(path, low, high)
        here = new.filter(pc.equal(new["source_piece"], piece))
        key, number = _numbered(found, here["source_row"].to_numpy(), here["number"].to_numpy())
        keys.append(key)
        numbers.append(number)
    own_numbers = _concatenated(numbers, np.uint64)
    own = sort_bands(_concatenated(keys, np.uint64).reshape(-1, 1), (own_numbers - np.uint64(first)).astype(np.uint32))
    write_work(folder / "keys.parquet", own)
    own_keys = own["key"].to_numpy()
    keys, numbers = [own_keys], [own["row"].to_numpy() + np.uint64(first)]
    if len(moved):
        for segment in segments:
            here = moved.filter(
                pc.and_(
                    pc.greater_equal(moved["old"], segment.base), pc.less(moved["old"], segment.base + segment.rows)
                )
            )
            key, number = _numbered(
                _read_keys(segment.keys, low, high), here["old"].to_numpy() - segment.base, here["number"].to_numpy()
            )
            keys.append(key)
            numbers.append(number)
    active = np.ones(sum(len(part) for part in keys), np.bool_)
    wanted = np.unique(_concatenated(keys, np.uint64)) if segments else own_keys
    gone = moved["old"].to_numpy()
    for segment in segments:
        found = _read_keys(segment.keys, low, high)
        key = found["key"].to_numpy()
        at = np.searchsorted(key, wanted)
        counts = np.searchsorted(key, wanted, "right") - at
        rows = np.repeat(at - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
        number = found["row"].to_numpy()[rows].astype(np.uint64) + np.uint64(segment.base)
        stays = ~np.isin(number, gone)
        keys.append(key[rows][stays])
        numbers.append(number[stays])
    all_keys, all_numbers = _concatenated(keys, np.uint64), _concatenated(numbers, np.uint64)
    active = np.concatenate([active, np.zeros(len(all_keys) - len(active), np.bool_)])
    pairs = pairs_of_buckets(all_keys, all_numbers, active)
    write_work(folder / "pairs.parquet", _pairs_table(pairs))
    return {"pairs": len(pairs)}


def _numbered(found: pa.Table, rows: Any, numbers: Any) -> tuple[Any, Any]:
    """(keys, numbers) of those of KEYS whose row is among `rows`, which have these numbers."""
    key, row = found["key"].to_numpy(), found["row"].to_numpy()
    number_of = np.full(max(row.max(initial=0), rows.max(initial=0)) + 1, -1, np.int64)
    number_of[rows] = numbers
    number = number_of[row]
    return key[number >= 0], number[number >= 0].astype(np.uint64)


def _concatenated(parts: Sequence[Any], kind: Any) -> Any:
    return np.concatenate([np.zeros(0, kind), *parts])


def _pairs_table(pairs: Any) -> pa.Table:
    halves = [(pairs >> np.uint64(32)).astype(np.uint32), pairs.astype(np.uint32)]
    return pa.table(halves, schema=_PAIRS)


def pair_up(
    folder: Path,
    joined: Sequence[Path],
    matched: Path,
    published: Sequence[tuple[Path, str]],
    segments: Sequence[Segment],
) -> Done:
    """The candidate pairs of all ranges whose documents are there, in parts that are verified at once.

    `pairs.parquet`: part, earlier, later; `documents.parquet`: of each document its number, id, batch (0 for what
    earlier versions keep) and where its text stands; `wanted.parquet`: source, row, part, number.
    """
    before = segments[-1].base + segments[-1].rows if segments else 0
    with connect(folder, MEMORY) as database:
        view(database, "joined", [path / "pairs.parquet" for path in joined], _PAIRS.names)
        view(database, "indexed", [segment.contents for segment in segments], ["content_hash"])
        view(database, "judged", [matched / "judged.parquet"], _JUDGED)
        view(database, "superseded", [matched / "superseded.parquet"], ["id"])
        published_view(database, published, ["id", "content_hash", "char_count"])
        database.execute(
            f"""
            CREATE TABLE found AS SELECT DISTINCT earlier, later FROM joined;
            CREATE TABLE old AS
            SELECT n.earlier AS number, p.id, p.char_count, 0 AS batch, p.table_name, p.piece, p.row
            FROM (SELECT DISTINCT earlier FROM found WHERE earlier < {before}) n
            JOIN (SELECT {_base(segments)} + i.row AS number, content_hash FROM indexed i) c ON c.number = n.earlier
            JOIN (SELECT * FROM published WHERE reject_reason IS NULL
                  AND id NOT IN (SELECT id FROM superseded)) p USING (content_hash);
            CREATE TABLE documents AS
            SELECT number, id, char_count, batch, table_name, piece, row FROM old
            UNION ALL SELECT number, id, char_count, batch, table_name, source_piece, source_row FROM judged
            WHERE NOT is_exact AND number IN (SELECT earlier FROM found UNION SELECT later FROM found);
            CREATE TABLE pairs AS
            SELECT (sum(a.char_count + b.char_count) OVER (ORDER BY f.earlier, f.later) // {PART_CHARS})::INTEGER
                   AS part, f.earlier, f.later
            FROM found f JOIN documents a ON a.number = f.earlier JOIN documents b ON b.number = f.later;
            """
        )
        _copy(database, "SELECT * FROM pairs ORDER BY part, earlier, later", folder / "pairs.parquet")
        _copy(database, "SELECT number, id, batch FROM documents ORDER BY number", folder / "documents.parquet")
        _copy(
            database,
            """
            SELECT table_name, piece AS source_piece, row AS source_row, part, number FROM documents JOIN (
                SELECT part, earlier AS number FROM pairs UNION SELECT part, later FROM pairs) USING (number)
            ORDER BY table_name, piece, row, part
            """,
            folder / "wanted.parquet",
        )
        parts = database.execute("SELECT DISTINCT part FROM pairs ORDER BY part").fetchall()
        view(database, "wanted", [folder / "wanted.parquet"], ["table_name", "source_piece"])
        sources = database.execute("SELECT DISTINCT table_name, source_piece FROM wanted ORDER BY ALL").fetchall()
        pairs = database.execute("SELECT count(*) FROM pairs").fetchone()[0]
    return {"pairs": pairs, "parts": [part for (part,) in parts], "sources": [list(source) for source in sources]}


# ---------------------------------------------------------------------------------------------- shingle texts · verify


def shingle_texts(folder: Path, paired: Path, table: str, piece: int, path: Path) -> Done:
    """The shingles of a source's texts that stand in pairs, by part: `<part>.parquet`.

    `path` is the piece's `shingles.parquet`, or a published file, whose texts are read and signed again.
    """
    wanted = read_table(paired / "wanted.parquet")
    wanted = wanted.filter(pc.and_(pc.equal(wanted["table_name"], table), pc.equal(wanted["source_piece"], piece)))
    rows, parts, numbers = (wanted[name].to_numpy() for name in ("source_row", "part", "number"))
    distinct = np.unique(rows)
    lists: list[pa.Array] = []
    if table == "cleaned":
        lists += _rows(path, "shingles", distinct)
    else:
        for texts in _rows(path, "text", distinct):
            lists += [packed_shingles(batch) for batch in batches_of(texts)]
    shingle = pa.chunked_array(lists, column_type("shingles")).combine_chunks()
    place = np.searchsorted(distinct, rows)
    for part in np.unique(parts).tolist():
        at = np.flatnonzero(parts == part)
        columns = [pa.array(numbers[at].astype(np.uint32)), shingle.take(pa.array(place[at]))]
        write_work(folder / f"{part}.parquet", pa.table(columns, schema=_SHINGLES))
    return {"texts": len(shingle)}


def _rows(path: Path, column: str, rows: Any) -> Iterator[pa.Array]:
    """A column at these rows, row group by row group."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        start = 0
        for group in range(file.metadata.num_row_groups):
            end = start + file.metadata.row_group(group).num_rows
            here = rows[np.searchsorted(rows, start) : np.searchsorted(rows, end)]
            if len(here):
                yield file.read_row_group(group, [column])[column].combine_chunks().take(pa.array(here - start))
            start = end


def verify_pairs(folder: Path, part: int, paired: Path, shingled: Sequence[Path], config: Config) -> Done:
    """Verify the pairs of a part: `edges.parquet`."""
    tables = [read_table(path / f"{part}.parquet") for path in shingled if (path / f"{part}.parquet").exists()]
    table = pa.concat_tables(tables).sort_by("number")
    numbers, documents = table["number"].to_numpy(), unpack_shingles(table["shingles"].combine_chunks())
    pairs = read_table(paired / "pairs.parquet")
    pairs = pairs.filter(pc.equal(pairs["part"], part))
    places = np.searchsorted(numbers, np.stack([pairs["earlier"].to_numpy(), pairs["later"].to_numpy()], axis=1))
    edges = verify(documents, places, config.dedup)
    earlier, later = numbers[edges.earlier], numbers[edges.later]
    write_work(
        folder / "edges.parquet",
        pa.table([earlier, later, edges.jaccard, edges.drops_later, edges.drops_earlier, edges.counts], schema=_EDGES),
    )
    return {"edges": len(earlier)}


# -------------------------------------------------------------------------------------------------------------- settle


def settle(folder: Path, matched: Path, paired: Path, verified: Sequence[Path], config: Config) -> Done:
    """What each document is to the others: superseded, duplicate or kept.

    `verdicts.parquet` is about new documents, `changes.parquet` about rows of the parent version.
    """
    documents = read_table(paired / "documents.parquet")
    numbers = documents["number"].to_numpy()
    edges = pa.concat_tables([_EDGES.empty_table(), *[read_table(path / "edges.parquet") for path in verified]])
    columns = {name: edges[name].to_numpy() for name in edges.column_names}
    for name in ("earlier", "later"):
        columns[name] = np.searchsorted(numbers, columns[name])
    clusters = cluster(Edges(**columns), documents["batch"].to_numpy(), config.dedup)
    ids = documents["id"].combine_chunks()
    near = pa.table(
        {
            "id": ids.take(pa.array(clusters.dropped)),
            "duplicate_of": ids.take(pa.array(clusters.kept)),
            "similarity": clusters.jaccard,
        }
    )
    with connect(folder, MEMORY) as database:
        database.register("near", near)
        for name, names in _MATCHED.items():
            view(database, name, [matched / f"{name}.parquet"], names)
        database.execute(
            """
            CREATE TABLE duplicates AS
            SELECT id, 'duplicate.near' AS reason, duplicate_of, similarity FROM near
            UNION ALL
            SELECT e.id, CASE WHEN n.id IS NULL THEN e.reason ELSE 'duplicate.near' END,
                   coalesce(n.duplicate_of, e.duplicate_of), coalesce(n.similarity, e.similarity)
            FROM exact e LEFT JOIN near n ON n.id = e.duplicate_of;
            """
        )
        verdicts = database.sql(
            """
            SELECT coalesce(d.id, h.id) AS id, d.reason AS reject_reason, d.duplicate_of,
                   d.similarity::FLOAT AS duplicate_similarity, h.supersedes, d.detail AS reject_detail
            FROM (SELECT *, NULL AS detail FROM duplicates WHERE id NOT IN (SELECT id FROM again)
                  UNION ALL SELECT id, 'superseded', NULL, NULL, 'by ' || by_id FROM superseded WHERE is_fresh) d
            FULL JOIN heirs h USING (id) ORDER BY id
            """
        ).to_arrow_table()
        changes = database.sql(
            """
            SELECT id, 'superseded' AS reject_reason, 'by ' || by_id AS reject_detail, NULL::VARCHAR AS duplicate_of,
                   NULL::FLOAT AS duplicate_similarity FROM superseded WHERE NOT is_fresh
            UNION ALL
            SELECT a.id, d.reason, NULL, d.duplicate_of, d.similarity::FLOAT
            FROM again a LEFT JOIN duplicates d USING (id)
            ORDER BY id
            """
        ).to_arrow_table()
        near_count = database.execute("SELECT count(*) FROM duplicates WHERE reason = 'duplicate.near'").fetchone()[0]
    write_work(folder / "verdicts.parquet", verdicts)
    write_work(folder / "changes.parquet", changes)
    return {"verdicts": len(verdicts), "changes": len(changes), "near": near_count}


# ----------------------------------------------------------------------------------------------------- share paragraphs


def share_paragraphs(
    folder: Path,
    pieces: Sequence[Path],
    settled: Path,
    published: Sequence[tuple[Path, str]],
    segments: Sequence[Segment],
    merged: Sequence[Segment],
) -> Done:
    """How much of each new document that is kept stands in other kept ones, of this version or an earlier one.

    `verdicts.parquet` is that of `settled` with `shared_chars`; `paragraphs.parquet`: this version's part of the
    index, with those of `merged` in it.
    """
    with connect(folder, MEMORY) as database:
        view(database, "pieces", pieces, [*PARAGRAPHS.names, "chars"])
        view(database, "indexed", [segment.paragraphs for segment in segments], PARAGRAPHS.names)
        view(database, "verdicts", [settled / "verdicts.parquet"], _VERDICT)
        view(database, "changes", [settled / "changes.parquet"], ["id", "reject_reason"])
        published_view(database, published, ["id"])
        shared = database.sql(
            f"""
            WITH fresh AS (
                SELECT paragraph, document, sum(chars)::INTEGER AS chars FROM pieces
                WHERE document NOT IN (SELECT id FROM verdicts WHERE reject_reason IS NOT NULL)
                GROUP BY paragraph, document),
            known AS (
                SELECT paragraph, document FROM indexed WHERE paragraph IN (SELECT paragraph FROM fresh)),
            kept AS (
                SELECT p.id FROM published p LEFT JOIN changes c ON c.id = p.id
                WHERE p.id IN (SELECT document FROM known)
                AND CASE WHEN c.id IS NULL THEN p.reject_reason ELSE c.reject_reason END IS NULL),
            several AS (
                SELECT paragraph FROM (
                    SELECT paragraph, document FROM fresh
                    UNION ALL SELECT paragraph, document FROM known WHERE document IN (SELECT id FROM kept))
                GROUP BY paragraph HAVING count(DISTINCT document) > 1)
            SELECT {", ".join(_VERDICT)}, shared_chars FROM verdicts FULL JOIN (
                SELECT document AS id, sum(chars)::INTEGER AS shared_chars
                FROM fresh WHERE paragraph IN (SELECT paragraph FROM several) GROUP BY document) USING (id)
            ORDER BY id
            """
        ).to_arrow_table()
        write_work(folder / "verdicts.parquet", shared)
        view(database, "merged", [segment.paragraphs for segment in merged], PARAGRAPHS.names)
        rows = database.sql(
            """
            SELECT paragraph, document FROM merged UNION SELECT paragraph, document FROM pieces
            ORDER BY paragraph, document
            """
        )
        _write_marked(
            folder / "paragraphs.parquet",
            PARAGRAPHS,
            (pa.Table.from_batches([batch]) for batch in rows.to_arrow_reader(ROW_GROUP_KEYS)),
        )
    return {"sharing": len(shared) - shared["shared_chars"].null_count}


_VERDICT = ["id", "reject_reason", "duplicate_of", "duplicate_similarity", "supersedes", "reject_detail"]
_JUDGED = [
    *("number", "id", "content_hash", "char_count", "batch", "table_name", "is_new", "is_exact"),
    *("source_piece", "source_row"),
]
_MATCHED = {
    "exact": ["id", "duplicate_of", "reason", "similarity"],
    "again": ["id"],
    "superseded": ["id", "is_fresh", "by_id"],
    "heirs": ["id", "supersedes"],
}
