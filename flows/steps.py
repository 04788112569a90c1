"""The work of every task: files in, a folder of files out. No Prefect here; worker processes import this.

A step's folder lies in the staging area under a name derived from all it reads, the config and the code, and it
appears whole or not at all: a folder that is there is finished work, which a retry or the next run takes as it is.
"""

import hashlib
import json
import platform
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.database import UNREAD, Database, connect, key_of, ledger_of, published_view, quoted_path, view
from flows.duplicates import write_paragraphs, write_signatures
from flows.readers import Part, Record, read_part
from flows.storage import create_folder, read_json, read_table, sha256_of, write_json, write_table, write_work
from transforms import pipeline
from transforms.boilerplate import templates as template_counts
from transforms.boilerplate.templates import Templates
from transforms.config import Config
from transforms.encoding import DECODING
from transforms.errors import RefusedError
from transforms.identity import identify_documents
from transforms.schema import TABLES, column_type
from transforms.select import Verdict, publishable, select_documents
from transforms.spans import LedgerEntry, restore

# Libraries that touch text or numbers in the tables; another version may give other rows.
TEXT_LIBRARIES = (
    *("charset-normalizer", "duckdb", "ftfy", "langdetect", "numpy", "orjson", "py3langid", "pyarrow", "pycld2"),
    *("tldextract", "xxhash", "zstandard"),
)
# Columns of the line index (transforms/boilerplate/lines.py).
LINE_INDEX = ("lines", "line_keys", "line_document", "long_lines")
# What a record costs in memory besides its text.
ROW_BYTES = 200
# A piece is what a worker holds at once: room for the text of a plain shard, so that it stays whole.
PIECE_SHARDS = 2

Done = dict[str, Any]  # what a step says of its outcome: counts and file names, in `done.json`


@dataclass(frozen=True, slots=True)
class Step:
    """A unit of work: its name in the staging area, and what its function is called with."""

    folder: Path
    function: Callable[..., Done]
    arguments: tuple[Any, ...]

    def finished(self) -> Done | None:
        """What the step said when it was done, or None."""
        done = self.folder / "done.json"
        return dict(read_json(done)) if done.exists() else None

    def run(self) -> Done:
        """Do the work, unless it is done."""
        if (done := self.finished()) is not None:
            return done | {"resumed": True}
        start, cpu = time.perf_counter(), time.process_time()
        with create_folder(self.folder) as folder:
            done = self.function(folder, *self.arguments)
            done |= {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu}
            write_json(folder / "done.json", done)
        return done


def step(staging: Path, function: Callable[..., Done], reads: Iterable[str], *arguments: Any) -> Step:
    """The step `function`, named after `reads` (names of what it reads, which say its content) and the code."""
    name = function.__name__
    key = hashlib.sha256(json.dumps([name, *reads, code_hash()]).encode()).hexdigest()[:24]
    return Step(staging / f"{name}-{key}", function, arguments)


@cache
def code_hash() -> str:
    """SHA-256 over all that can change a row besides input and config: our code and rules, and the libraries."""
    root = Path(__file__).parent.parent
    files = [*(root / "transforms").rglob("*"), *(root / "flows" / "readers").rglob("*.py")]
    files += [root / "flows" / name for name in ("steps.py", "plan.py", "storage.py", "database.py", "duplicates.py")]
    digest = hashlib.sha256(f"{unicodedata.unidata_version} {platform.python_implementation()}".encode())
    for file in sorted(files):
        if file.is_file() and "__pycache__" not in file.parts:
            digest.update(f"\0{file.relative_to(root).as_posix()}\0".encode() + file.read_bytes())
    for library in TEXT_LIBRARIES:
        digest.update(f"\0{library} {_version(library)}".encode())
    return digest.hexdigest()


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:  # pycld2, where it has no wheel
        return "none"


# ---------------------------------------------------------------------------------------------- read · repair · index


def read_shard(folder: Path, raw: Path, parts: Sequence[Part], config: Config, limit: int | None) -> Done:
    """Records of a shard, repaired and indexed; in several pieces where it expands (a .gz doesn't split)."""
    pieces: list[str] = []
    records: Counter[str] = Counter()
    for batch in _batches(raw, parts, PIECE_SHARDS * config.shard_bytes, limit, config):
        records.update(record.source_path for record in batch)
        name = f"records-{len(pieces):05}.parquet"
        write_work(folder / name, pipeline.prepare(documents_of(batch), config))
        pieces.append(name)
    return {"pieces": pieces, "records": dict(sorted(records.items()))}


def _batches(
    raw: Path, parts: Sequence[Part], piece_bytes: int, limit: int | None, config: Config
) -> Iterable[list[Record]]:
    batch: list[Record] = []
    size = count = 0
    for part in parts:
        for record in read_part(raw, Part(*part), config):
            if count == limit:
                break
            batch.append(record)
            count += 1
            # a rejected record has no text, but it has a row
            size += len(record.original) + len(record.raw_head or b"") + ROW_BYTES
            if size >= piece_bytes:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def documents_of(records: Sequence[Record]) -> pa.Table:
    """Records as the table that stages work on."""
    names = [name for name in Record._fields if name != "source_path"]
    columns = dict(zip(Record._fields, zip(*records, strict=True), strict=True))
    table = pa.table({"source_path": pa.array(columns["source_path"], pa.string())})
    for name in names:
        table = table.append_column(name, pa.array(columns[name], column_type(name)))
    sha = [hashlib.sha256(text.encode()).hexdigest() for text in columns["original"]]
    stage = ["read" if reason else None for reason in columns["reject_reason"]]
    table = table.append_column("original_sha256", pa.array(sha, pa.string()))
    return table.append_column("reject_stage", pa.array(stage, pa.string()))


# What a published row keeps when its document is made anew; all else is worked out again.
_KEPT = ("id", "added_in", *Record._fields[:7], "original_sha256")
_UNREADABLE = ("reject_reason", "reject_detail", "reject_stage", "raw_head")


def restore_records(folder: Path, published: Path, table: str, spans: Sequence[Path], config: Config) -> Done:
    """The records a published file was made of, repaired and indexed anew: `records.parquet`, with their ids."""
    rows = read_table(published)
    ids = rows["id"].to_pylist()
    ledgers = ledger_of(spans, ids)
    texts = rows["text"].to_pylist()
    originals = [restore(text, ledgers.get(document, ())) for document, text in zip(ids, texts, strict=True)]
    documents = rows.select(list(_KEPT)).append_column("original", pa.array(originals, column_type("original")))
    charsets = [_charset(ledgers.get(document, ())) for document in ids]
    documents = documents.append_column("charset", pa.array(charsets, column_type("charset")))
    unread = pa.repeat(False, len(rows)) if table == "documents" else pc.equal(rows["reject_stage"], "read")
    for name in _UNREADABLE:
        found = rows[name] if table == "rejected" else pa.nulls(len(rows), column_type(name))
        documents = documents.append_column(name, pc.if_else(unread, found, pa.scalar(None, column_type(name))))
    write_work(folder / "records.parquet", pipeline.prepare(documents, config))
    return {"records": len(rows)}


def _charset(ledger: Sequence[LedgerEntry]) -> str | None:
    """What the record was decoded from, where the ledger says so."""
    return next((entry.span.rule.split(".", 1)[1] for entry in ledger if entry.span.transform == DECODING), None)


# ------------------------------------------------------------------------------------------------------------ identify

_RECORD = ("source_path", "source_record", "source_sha256", "source_id", "url", "original_sha256")


def identify(
    folder: Path,
    pieces: Sequence[Path],
    published: Sequence[tuple[Path, str]],
    config: Config,
    limit: int | None,
) -> Done:
    """Which records are new, and the ordinal of each among its equals.

    `identified.parquet` names only the exceptions: ordinal -1 for a record that is known or past `limit`.
    """
    with connect(folder) as database:
        view(database, "records", pieces, [*_RECORD, "reject_stage"])
        published_view(database, published, _RECORD)
        database.execute(
            f"""
            CREATE TABLE fresh AS
            SELECT *, row_number() OVER (ORDER BY source_path, length(source_record), source_record) AS place FROM (
                SELECT piece, row, {", ".join(_RECORD)}, {key_of(config)} AS key,
                       CASE WHEN {UNREAD} THEN source_sha256 ELSE original_sha256 END AS hash
                FROM records)
            WHERE (key, hash) NOT IN (
                SELECT {key_of(config)}, CASE WHEN {UNREAD} THEN source_sha256 ELSE original_sha256 END FROM published)
            """
        )
        if limit is not None:
            database.execute("DELETE FROM fresh WHERE place > ?", [limit])
        identified = database.sql(
            """
            WITH earlier AS (
                SELECT coalesce(source_id, url, '') AS name, original_sha256, count(*) AS known
                FROM published SEMI JOIN fresh USING (original_sha256) GROUP BY ALL),
            numbered AS (
                SELECT piece, row, coalesce(known, 0) - 1 + row_number() OVER (
                    PARTITION BY name, original_sha256
                    ORDER BY source_sha256, source_path, length(source_record), source_record) AS ordinal
                FROM (SELECT *, coalesce(source_id, url, '') AS name FROM fresh) LEFT JOIN earlier
                USING (name, original_sha256))
            SELECT piece::INTEGER AS piece, row::INTEGER AS row, coalesce(ordinal, -1)::INTEGER AS ordinal
            FROM records LEFT JOIN numbered USING (piece, row)
            WHERE ordinal IS DISTINCT FROM 0 ORDER BY piece, row
            """
        ).to_arrow_table()
        database.register("identified", identified)
        known = database.execute(
            """
            SELECT source_path, count(*) FROM records JOIN identified USING (piece, row)
            WHERE ordinal < 0 GROUP BY source_path ORDER BY source_path
            """
        ).fetchall()
    write_work(folder / "identified.parquet", identified)
    return {"known": dict(known)}


def _ordinals(identified: Path, piece: int, rows: int) -> list[int]:
    ordinals = [0] * rows
    exceptions = read_table(identified / "identified.parquet")
    exceptions = exceptions.filter(pc.equal(exceptions["piece"], piece))
    for row, ordinal in zip(exceptions["row"].to_pylist(), exceptions["ordinal"].to_pylist(), strict=True):
        ordinals[row] = ordinal
    return ordinals


# ----------------------------------------------------------------------------------------------------------- templates


def count_templates(
    folder: Path, pieces: Sequence[Path], identified: Path, state: Sequence[Path], config: Config
) -> Done:
    """Count in how many groups of each site each line stands, on top of what earlier versions counted.

    `templates.parquet`: lines that are templates now; `counts.parquet`, `groups.parquet`: what this version adds.
    """
    with connect(folder) as database:
        view(database, "records", pieces, ["site", "line_document", "long_lines", "line_keys", "reject_reason"])
        view(database, "old_counts", [path for path in state if "counts" in path.name], ["site", "line", "groups"])
        view(database, "old_groups", [path for path in state if "groups" in path.name], ["site", "long_line"])
        # Sites are numbered by name: a hundred million rows with their names don't fit. Every aggregate is over numbers
        # for the same reason: those DuckDB can spill.
        database.execute(
            f"""
            CREATE TABLE known AS
            SELECT piece, row FROM read_parquet({quoted_path(identified / "identified.parquet")}) WHERE ordinal < 0;
            CREATE TABLE sites AS
            SELECT site, (row_number() OVER (ORDER BY site))::INTEGER AS number FROM (
                SELECT DISTINCT site FROM records WHERE reject_reason IS NULL);
            CREATE VIEW documents AS
            SELECT number AS site, line_document AS document, long_lines, line_keys
            FROM records ANTI JOIN known USING (piece, row) JOIN sites USING (site) WHERE reject_reason IS NULL;
            CREATE TABLE long_lines AS
            SELECT site, document, long_line, min(place)::INTEGER AS place FROM (
                SELECT site, document, unnest(long_lines) AS long_line, generate_subscripts(long_lines, 1) AS place
                FROM documents) GROUP BY ALL;
            """
        )
        _group_documents(database)
        database.execute(
            """
            CREATE TABLE fresh AS
            SELECT site, document, grp FROM grouped ANTI JOIN (
                SELECT site, grp FROM grouped JOIN (
                    SELECT site, document FROM long_lines LEFT JOIN (
                        SELECT DISTINCT number AS site, long_line, true AS old FROM old_groups JOIN sites USING (site))
                    USING (site, long_line)
                    GROUP BY site, document HAVING 2 * count(old) >= count(*))
                USING (site, document)) USING (site, grp);
            CREATE TABLE added AS
            SELECT site, line, count(*)::INTEGER AS groups FROM (
                SELECT DISTINCT site, line, grp FROM (SELECT site, document, unnest(line_keys) AS line FROM documents)
                JOIN fresh USING (site, document) WHERE line > 0) GROUP BY site, line
            UNION ALL
            SELECT site, 0::UBIGINT, count(*)::INTEGER FROM (SELECT DISTINCT site, grp FROM fresh) GROUP BY site;
            """
        )
        everything = """
            SELECT site, line, groups FROM added
            UNION ALL SELECT number, line, groups FROM old_counts JOIN sites USING (site)
            """
        for name, rows in (
            ("counts", "SELECT site, line, groups FROM added"),
            ("groups", "SELECT DISTINCT site, long_line FROM long_lines"),
            ("templates", _template_lines(everything, config)),
        ):
            database.execute(
                f"""
                COPY (SELECT s.site, r.* EXCLUDE site FROM ({rows}) r JOIN sites s ON s.number = r.site ORDER BY ALL)
                TO {quoted_path(folder / f"{name}.parquet")} (FORMAT parquet, COMPRESSION zstd)
                """
            )
    found = read_table(folder / "templates.parquet", ["site"])
    return {"sites": len(pc.unique(found["site"])), "template_lines": len(found)}


def _group_documents(database: Database) -> None:
    """The table `grouped`: of every document (site, document) its group, the smallest document of it."""
    # A document's long lines but those of the page around it: footers stand in documents that share little else.
    documents, lines = template_counts.FURNITURE_DOCUMENTS, template_counts.GROUP_LINES
    database.execute(
        f"""
        CREATE TABLE common AS
        SELECT site, long_line, count(*) AS documents FROM long_lines SEMI JOIN (
            SELECT site, document FROM long_lines GROUP BY ALL HAVING count(*) > 1) USING (site, document)
        GROUP BY ALL HAVING count(*) >= {documents};
        CREATE TABLE furniture AS
        SELECT site, long_line FROM (
            SELECT site, long_line, documents, sum(others) AS others, count(*) AS kinds FROM (
                SELECT a.site, a.long_line, c.documents, b.long_line AS other, count(*) AS others
                FROM common c JOIN long_lines a USING (site, long_line)
                JOIN long_lines b ON a.site = b.site AND a.document = b.document AND a.long_line <> b.long_line
                GROUP BY ALL) GROUP BY ALL)
        WHERE kinds * 2 * documents > others * (documents + 1);
        CREATE TABLE members AS
        SELECT site, document, long_line FROM (
            SELECT *, row_number() OVER (PARTITION BY site, document ORDER BY place, long_line) AS rank
            FROM long_lines ANTI JOIN furniture USING (site, long_line)) WHERE rank <= {lines};
        """
    )
    found = database.execute(
        """
        SELECT site, list(document ORDER BY document) FROM members GROUP BY site, long_line HAVING count(*) > 1
        ORDER BY site
        """
    )
    merged: list[pa.Table] = []
    for site, shared in groupby(_rows_of(found), key=itemgetter(0)):
        groups = template_counts.merge_groups(documents for _, documents in shared)
        columns = [pa.array(groups.keys(), pa.uint64()), pa.array(groups.values(), pa.uint64())]
        merged.append(pa.table([pa.repeat(pa.scalar(site, pa.int32()), len(groups)), *columns], schema=_GROUPS))
    database.register("merged", pa.concat_tables([_GROUPS.empty_table(), *merged]))
    database.execute(
        """
        CREATE TABLE grouped AS
        SELECT site, document, coalesce(grp, document) AS grp
        FROM (SELECT DISTINCT site, document FROM long_lines) LEFT JOIN merged USING (site, document)
        """
    )


_GROUPS = pa.schema([("site", pa.int32()), ("document", pa.uint64()), ("grp", pa.uint64())])


def _rows_of(found: Database) -> Iterator[tuple[Any, ...]]:
    while rows := found.fetchmany(10_000):
        yield from rows


def _template_lines(counts: str, config: Config) -> str:
    """(site, line, groups, site_groups) of lines that are templates, from counts of several versions, in SQL."""
    settings = config.boilerplate
    return f"""
        WITH total AS (SELECT site, line, sum(groups)::INTEGER AS groups FROM ({counts}) GROUP BY site, line),
        articles AS (SELECT site, groups AS site_groups FROM total WHERE line = 0)
        SELECT site, line, groups, site_groups FROM total JOIN articles USING (site)
        WHERE line > 0 AND groups >= {settings.template_min_groups}
        AND groups >= {settings.template_min_share!r}::DOUBLE * site_groups
        """


def templates_of(state: Sequence[Path], sites: Sequence[str], config: Config) -> dict[str, Templates]:
    """The templates of these sites as the published state has them."""
    with connect() as database:
        view(database, "counts", [path for path in state if "counts" in path.name], ["site", "line", "groups"])
        found = database.sql(_template_lines("SELECT site, line, groups FROM counts", config)).to_arrow_table()
        return _by_site(found, sites)


def _by_site(table: pa.Table, sites: Sequence[str]) -> dict[str, Templates]:
    table = table.filter(pc.is_in(table["site"], pa.array(sorted(set(sites)), pa.string())))
    lines: dict[str, dict[int, int]] = defaultdict(dict)
    groups: dict[str, int] = {}
    for site, line, count, total in zip(*(column.to_pylist() for column in table.columns), strict=True):
        lines[site][line] = count
        groups[site] = total
    return {site: Templates(groups[site], found) for site, found in lines.items()}


# ------------------------------------------------------------------------------------- strip · describe · detect · sign


def clean_piece(
    folder: Path, piece: Path, number: int, identified: Path, counted: Path, config: Config, added_in: str
) -> Done:
    """A piece's new records, cleaned: `cleaned.parquet`; and what they are compared by."""
    documents = read_table(piece)
    ordinals = _ordinals(identified, number, len(documents))
    documents = documents.filter(pa.array([ordinal >= 0 for ordinal in ordinals]))
    if "id" not in documents.column_names:  # a restored record has its id, and the version it came in
        documents = identify_documents(documents, [ordinal for ordinal in ordinals if ordinal >= 0])
        documents = documents.append_column("added_in", pa.repeat(pa.scalar(added_in), len(documents)))
    templates = _by_site(read_table(counted / "templates.parquet"), documents["site"].to_pylist())
    documents = pipeline.clean(documents, templates, config)
    keys = write_signatures(folder, documents)
    write_paragraphs(folder, documents)
    documents = documents.drop_columns([*LINE_INDEX, "repaired", "removals", "bands", "shingles"])
    write_work(folder / "cleaned.parquet", documents)
    return {"documents": len(documents), "keys": keys}


# ------------------------------------------------------------------------------------------------------ select · write


def write_piece(folder: Path, cleaned: Path, compared: Path, version_folder: Path, number: int) -> Done:
    """A piece's rows of the three tables, as published."""
    documents = read_table(cleaned / "cleaned.parquet")
    verdicts = read_table(compared / "verdicts.parquet")
    verdicts = verdicts.filter(pc.is_in(verdicts["id"], documents["id"].combine_chunks()))
    ids, *columns = (column.to_pylist() for column in verdicts.columns)
    judged = dict(zip(ids, map(Verdict, *columns), strict=True))
    selection = select_documents(documents, judged)
    return {
        "files": _write_tables(version_folder, number, selection._asdict()),
        "documents": _per_path(selection.documents, version_folder.name),
        "rejected": _per_path(selection.rejected, version_folder.name),
    }


def _per_path(table: pa.Table, version: str) -> dict[str, int]:
    new = table.filter(pc.equal(table["added_in"], version))
    return dict(sorted(Counter(new["source_path"].to_pylist()).items()))


def _write_tables(version_folder: Path, number: int, tables: dict[str, pa.Table]) -> list[dict[str, Any]]:
    """Files of one number, one a table that has rows; what the manifest says of each."""
    written = []
    for name, table in tables.items():
        if len(table):
            path = version_folder / name / f"{version_folder.name}-{number:05}.parquet"
            write_table(path, table)
            written.append(describe_file(path, name, len(table)))
    return written


def describe_file(path: Path, table: str, rows: int) -> dict[str, Any]:
    """A file as the manifest lists it; `path` is relative to the dataset."""
    relative = path.relative_to(path.parents[3]).as_posix()
    return {
        "table": table,
        "path": relative,
        "rows": rows,
        "bytes": path.stat().st_size,
        "sha256": sha256_of(path),
    }


def rewrite(folder: Path, compared: Path, files: Sequence[tuple[Path, str]], version_folder: Path, number: int) -> Done:
    """Apply the changes to rows of the parent version: files with a changed row are written anew without it, and the
    changed rows stand in files of their own. Documents superseded go to `rejected`, duplicates without their twin to
    `documents`."""
    changes = read_table(compared / "changes.parquet")
    changed = {row["id"]: row for row in changes.to_pylist()}
    ids = changes["id"].combine_chunks()
    moved: dict[str, list[pa.Table]] = {"documents": [], "rejected": []}
    replaced: list[str] = []
    written: list[dict[str, Any]] = []
    for path, table in files:
        hit = pc.is_in(read_table(path, ["id"])["id"], ids)
        if not pc.any(hit).as_py():
            continue
        replaced.append(path.relative_to(path.parents[3]).as_posix())
        rows = read_table(path)
        left = rows.filter(pc.invert(hit))
        written += _write_tables(version_folder, number, {table: left})
        number += 1
        for row in rows.filter(hit).to_pylist():
            change = changed[row["id"]]
            row |= {"reject_reason": change["reject_reason"], "reject_detail": change["reject_detail"]}
            row |= {"duplicate_of": change["duplicate_of"], "reject_stage": "dedup", "reject_rule": None}
            row["duplicate_similarity"] = change["duplicate_similarity"]
            target = "rejected" if change["reject_reason"] else "documents"
            moved[target].append(pa.Table.from_pylist([row], schema=TABLES[target]))
    tables = {
        name: publishable(
            pa.concat_tables(rows).sort_by([("language", "ascending"), ("id", "ascending")]), TABLES[name]
        )
        for name, rows in moved.items()
        if rows
    }
    written += _write_tables(version_folder, number, tables)
    found = sum(len(rows) for rows in moved.values())
    if found != len(changed):
        raise RefusedError(f"{len(changed)} rows of earlier versions change, {found} were found")
    return {"files": written, "replaced": replaced}
