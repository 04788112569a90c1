"""The development data as the stages see it, and how it is scored. Nothing of it is ever written into the repository.

`TAMIS_DEVSET` names its folder (default `../shared/devset`).
"""

import gzip
import hashlib
import json
import os
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pyarrow as pa

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import stage  # noqa: E402
from flows.readers.records import Record  # noqa: E402
from flows.stages.read import documents_of  # noqa: E402
from flows.stages.templates import by_site  # noqa: E402
from flows.store import Store  # noqa: E402
from transforms.boilerplate.templates import Templates  # noqa: E402
from transforms.config import Config  # noqa: E402
from transforms.pipeline import prepare  # noqa: E402

DEVSET = Path(os.environ.get("TAMIS_DEVSET", ROOT.parent / "shared" / "devset"))
GOLD = ("daniel", "wcxb", "zhweb")
SETS = (*GOLD, "trafseg")


def _score() -> Any:
    spec = spec_from_file_location("score", DEVSET / "score.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


score = _score()


def fold_of(site: str) -> int:
    """Which half of the domains a site is in."""
    return hashlib.sha256(site.encode()).digest()[0] & 1


def rows(name: str) -> list[dict[str, Any]]:
    """The records of a devset file."""
    with gzip.open(DEVSET / f"boilerplate-{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def raw(records: Sequence[Mapping[str, Any]], field: str) -> pa.Table:
    """What reading `score.py raw` of them gives."""
    found = []
    for record in records:
        url = record.get("url") or ""
        url = url if url.startswith("http") else f"https://{record['site']}/{record['id']}"
        found.append(
            Record(
                source_path="raw.jsonl",
                source_format="jsonl",
                source_record=None,
                source_sha256="00" * 32,
                source_id=None,
                url=url,
                fetched_at=None,
                original=record.get(field) or "",
                reject_reason=None,
                reject_detail=None,
                raw_head=None,
            )
        )
    return documents_of(found)


def templates(documents: pa.Table, config: Config) -> dict[str, Templates]:
    """The templates of prepared documents, counted as a run counts them."""
    with tempfile.TemporaryDirectory() as name:
        store = Store(name)
        piece = stage.index(store, documents, config)
        counted = stage.count(store, [piece["lines-00000.parquet"]], config)
        return by_site(store, [counted["templates.parquet"]], documents["site"].to_pylist())


def prepared(records: Sequence[Mapping[str, Any]], field: str, config: Config) -> tuple[pa.Table, dict[str, Templates]]:
    """The documents before stripping, and the templates of their sites."""
    documents = prepare(raw(records, field), config)
    return documents, templates(documents, config)


class Gold:
    """The gold of records, tokenised once."""

    def __init__(self, records: Sequence[Mapping[str, Any]], field: str) -> None:
        self.field, self.records = field, [record for record in records if record.get("gold_text")]
        self.want = [Counter(score.tokens(record["gold_text"])) for record in self.records]
        self.want4 = [score.shingles(score.tokens(record["gold_text"])) for record in self.records]
        given = [score.tokens(record.get(field) or "") for record in self.records]
        self.given, self.given4 = [Counter(words) for words in given], [score.shingles(words) for words in given]

    def score(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """The measures of score.py for `texts`, curated text by record id."""
        out: dict[str, list[float]] = {name: [] for name in ("p", "r", "f", "damage", "damaged")}
        removed = removed_gold = improved = harmed = 0
        for number, record in enumerate(self.records):
            words = score.tokens(texts[record["id"]])
            got, got4 = Counter(words), score.shingles(words)
            want, want4, given = self.want[number], self.want4[number], self.given[number]
            p, r, _ = score.prf(got4, want4)
            f, before = score.prf(got, want)[2], score.prf(given, want)[2]
            improved, harmed = improved + (f > before + 0.002), harmed + (f < before - 0.002)
            present = want4 & self.given4[number]
            lost = (present - got4).total() / present.total() if present else 0.0
            for name, value in zip(out, (p, r, f, lost, float(lost > 0.05)), strict=True):
                out[name].append(value)
            gone = given - got
            removed += gone.total()
            removed_gold += (gone & ((want & given) - got)).total()
        p, r = statistics.mean(out["p"]), statistics.mean(out["r"])
        return {
            "documents": len(self.records),
            "shingle_f1": round(2 * p * r / max(1e-9, p + r), 4),
            "token_f1": round(statistics.mean(out["f"]), 4),
            "damage": round(statistics.mean(out["damage"]), 4),
            "damaged_docs": round(statistics.mean(out["damaged"]), 4),
            "improved": improved,
            "harmed": harmed,
            "removal_precision": round(1 - removed_gold / removed, 4) if removed else None,
        }


def score_segments(records: Sequence[Mapping[str, Any]], texts: Mapping[str, str]) -> dict[str, Any]:
    """Segment precision, recall and F1, as score.py has them."""
    hits = misses = wrong = 0
    for record in records:
        text = " ".join(texts[record["id"]].split())
        found = [" ".join(segment.split()) in text for segment in record.get("with") or []]
        hits, misses = hits + sum(found), misses + len(found) - sum(found)
        wrong += sum(" ".join(segment.split()) in text for segment in record.get("without") or [])
    p, r = hits / max(1, hits + wrong), hits / max(1, hits + misses)
    return {
        "documents": len(records), "precision": round(p, 4), "recall": round(r, 4),
        "f1": round(2 * p * r / max(1e-9, p + r), 4),
    }  # fmt: skip
