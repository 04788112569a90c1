"""Laws over any sequence of nights: files come, grow, shrink, change, are copied, renamed and deleted.

Texts are few, and near each other, so that keys, copies, states, walls and chains of near duplicates meet. Of each
night: `verify` passes; a run with nothing new publishes nothing; every reason holds; no text that was read is missing;
however state, files and work are cut, the rows are the same; a rebuild changes none.
"""

import hashlib
import json
import random
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from gzip import compress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import flows.compare.join
import flows.compare.pair
import flows.run
import flows.state
import transforms.pipeline
from flows.store import Store
from flows.versions.checks import verify
from tests.conftest import Run, article, rows
from tests.test_right import WALL, edited, everything, record, words

# Lines that only a rebuild would find to be a site's are by design another's text after it.
CONFIG = {"boilerplate": {"template_min_groups": 1000}}
CUTS: Mapping[str, Mapping[Any, Mapping[str, int]]] = {
    "one": {},
    "parts": {
        flows.run: {"PART_BYTES": 2000},
        flows.state: {"MERGE_BYTES": 2000},
        flows.compare.join: {"RANGE_KEYS": 500},
        flows.compare.pair: {"PART_CHARS": 5000},
        transforms.pipeline: {"PART_BYTES": 2000},
    },
    "merged": {flows.run: {"MOST_GROUPS": 2, "SMALL_TEXT": 1}},
}
FIELDS = pa.schema([(name, pa.string()) for name in ("id", "url", "text", "fetched_at")])
Record = dict[str, Any]


def text_of(chance: random.Random) -> str:
    """An article edited so often, a part of one, a wall, a link of a chain of near duplicates, or next to nothing."""
    number = chance.randrange(5)
    return chance.choices(
        [
            edited(number, chance.randrange(4)),
            article(number)[: chance.choice([300, 500, 700])],
            WALL * chance.choice([1, 20]) + chance.choice(["", " Ray 1.", " Thank you."]),
            words(chance.choice([0, 86, 178, 264]), chance.choice([402, 300])),
            chance.choice(["", "one", "two", "Not found."]),
        ],
        [45, 10, 13, 20, 12],
    )[0]


def record_of(chance: random.Random, dated: float) -> Record:
    day = chance.randrange(12) if chance.random() < dated else None
    said = record(chance.choice(["0", "1", "2", "3", "feed"]), text_of(chance), day)
    if chance.random() < 0.35:
        del said["url"]
    if chance.random() < 0.3:
        said["id"] = str(chance.randrange(4))
    return said


def write(path: Path, records: list[Record]) -> None:
    lines = "".join(json.dumps(said) + "\n" for said in records).encode()
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".txt":
        path.write_text("".join(said["text"] for said in records[:1]))
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(records, schema=FIELDS), path)
    else:
        path.write_bytes(compress(lines, mtime=0) if path.suffix == ".gz" else lines)


def change(chance: random.Random, raw: Path, files: dict[str, list[Record]], night: int, dated: float) -> None:
    """What one night does to RAW; `files` has the records of each file."""
    more = [record_of(chance, dated) for _ in range(chance.randrange(4))]
    kind = chance.choice(["new", "new", "new", "grow", "shrink", "edit", "copy", "rename", "delete"])
    if kind == "new" or not files:
        path = f"{chance.choice(['', 's/'])}{night}-{chance.randrange(1000)}"
        path += chance.choice([".jsonl", ".jsonl", ".jsonl.gz", ".txt", ".parquet"])
        files[path] = more
        write(raw / path, more)
        return
    path = chance.choice(sorted(files))
    records = files.pop(path)
    if kind in ("copy", "rename"):
        stem, extension = path.split(".", 1)
        other = f"{stem}-{night}.{extension}"
        shutil.copyfile(raw / path, raw / other)
        files[other] = records
    if kind in ("rename", "delete"):
        (raw / path).unlink()
        return
    if kind == "grow":
        records = more[:2] + records + more[2:]
    elif kind == "shrink":
        records = records[: chance.randrange(len(records) + 1)]
    elif kind == "edit":
        records = [said | {"text": text_of(chance)} if chance.random() < 0.5 else said for said in records]
    files[path] = records
    if kind != "copy":
        write(raw / path, records)


@contextmanager
def cut(sizes: Mapping[Any, Mapping[str, int]]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module, values in sizes.items():
            for name, value in values.items():
                patch.setattr(module, name, value)
        yield


def check_reasons(curated: Path) -> None:
    """What a row says of others is so."""
    kept = {row["id"]: row for row in rows(curated)}
    rejected = {row["id"]: row for row in rows(curated, "rejected")}
    for row in rejected.values():
        reason, detail = row["reject_reason"], (row["reject_detail"] or "").split(" ")[-1]
        if reason.startswith("duplicate."):
            of = kept[row["duplicate_of"]]
            is_equal = any(of[name] == row[name] for name in ("content_hash", "repaired_hash"))
            assert is_equal or reason == "duplicate.near", row["id"]
        elif reason in ("superseded", "not_successor"):
            assert detail in kept or detail in rejected, (row["id"], row["reject_detail"])
            assert detail != row["id"]
    for row in kept.values():
        if row["supersedes"] is not None:
            assert rejected[row["supersedes"]]["reject_reason"] == "superseded"


def check_texts(curated: Path, files: Mapping[str, list[Record]]) -> None:
    """Every text of RAW is there, as a document or with a reason."""
    there = {row["original_sha256"] for table in ("documents", "rejected") for row in rows(curated, table)}
    for path, records in files.items():
        for said in records[:1] if path.endswith(".txt") else records:
            assert hashlib.sha256(said["text"].encode()).hexdigest() in there, (path, said)


@pytest.mark.parametrize("seed", range(4))
def test_laws_of_nights(tmp_path: Path, run: Run, seed: int) -> None:
    chance = random.Random(seed)
    config = {**CONFIG, "supersede_by": chance.choice(["url", "url", "source_id", "none"])}
    dated = chance.choice([0, 0.5, 1])
    raw, curated, files = tmp_path / "raw", tmp_path / "one", dict[str, list[Record]]()
    raw.mkdir()
    (raw / "z.txt").write_text(article(99))
    nothing = shutil.copytree(raw, tmp_path / "nothing")
    cuts = {name: sizes for name, sizes in CUTS.items() if name in ("one", ("parts", "merged")[seed % 2])}
    for night in range(4):
        for _ in range(chance.randrange(1, 4) if night else 0):
            change(chance, raw, files, night, dated)
        limit = chance.choice([0, 0, 0, 2])
        rebuild = night > 0 and chance.random() < 0.2
        for name, sizes in cuts.items():
            with cut(sizes):
                shard_bytes = 2000 if name == "parts" else 1 << 27
                run(
                    *(raw, tmp_path / name),
                    config=config | {"shard_bytes": shard_bytes},
                    limit=limit if night else 0,
                    rebuild=rebuild,
                    force=True,
                )
            assert everything(tmp_path / name) == everything(curated), name
        verify(Store(curated))
        check_reasons(curated)
        if not limit or not night:
            assert run(raw, curated, config=config)["published"] is False
            check_texts(curated, files)
    before = everything(curated)
    run(nothing, curated, config=config, rebuild=True, force=True)
    verify(Store(curated))
    assert everything(curated) == before
