#!/usr/bin/env python3
"""Train the line model on the development data and write its weights.

    train_line_model.py [--out transforms/boilerplate/model/lines.npz]      # on everything: what ships
    train_line_model.py --fold 0|1 --out FOLD.npz                           # without that half of the domains

Needs CatBoost (its oblivious trees are what the run time evaluates), TAMIS_DEVSET, 2 GB and 3.5 CPU minutes (half of
that for a fold). A line is the article's where its tokens stand in 4-gram shingles of the gold; copies of one line
beyond the gold's own count are not; the article's title is, whatever the gold says. Lines weigh by tokens, documents
alike. The second look learns from first scores out of fold. Whole pages and extracted text are told apart by the same
kind of trees: whole pages against `extracted_text` and `gold_text` of every set.
"""

import argparse
import hashlib
import json
import platform
import sys
import tempfile
import unicodedata
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
import devset

from transforms.batches import batches
from transforms.boilerplate import model as line_model
from transforms.boilerplate.anchors import match_line
from transforms.boilerplate.templates import NO_TEMPLATES
from transforms.config import Config

SHIPPED = devset.ROOT / "transforms" / "boilerplate" / "model" / "lines.npz"
LINE_TREES, BLOCK_TREES, PAGE_TREES, DEPTH = 300, 200, 200, 6
LINE_RATE, BLOCK_RATE, PAGE_RATE = 0.1, 0.06, 0.06
SEED = 7
# The second look learns from first scores of lines whose domain the first had not seen: so many parts of the domains.
PARTS = 3
# Of lines below this that are none of the article's, the second look learns from every fourth, at fourfold weight.
SURE, EVERY = -4500, 4
# A judged page that is none costs good text; a missed page only keeps what rules would have kept.
NEGATIVE_WEIGHT = 3.0
# So many gold tokens make a line one of the body.
BODY_TOKENS = 20
# What a line that holds a segment weighs, where a gold article weighs 1.
SEGMENT_WEIGHT = 0.15


# ----------------------------------------------------------------------------------------------------------- the tables


def character_tables() -> tuple[np.ndarray, np.ndarray]:
    """A class and a lower-case form a code point, by this Python's Unicode."""
    m = line_model
    classes = np.zeros(m.CODE_POINTS, np.uint8)
    lower = np.arange(m.CODE_POINTS, dtype=np.int32)
    wide = [(0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xAC00, 0xD7AF), (0xF900, 0xFAFF)]
    special = {
        m.END: ".!?…。！？؟।॥۔։።၊။៕᙮᠃", m.COMMA: ",;，、；،؛", m.COLON: ":：",
        m.SEPARATOR: "|»«›‹•·/→←—–>-<*▶►▸●■□◆★☆+_\\│｜︱╱◎○▼▲",
        m.QUOTE: "\"'“”‘’„「」『』【】《》()[]{}（）［］", m.SIGN: "@#&=%©®™$€£¥℃°~^`",
    }  # fmt: skip
    for code in range(m.CODE_POINTS):
        character = chr(code)
        category = unicodedata.category(character)
        if character == "\n":
            classes[code] = m.NEWLINE
        elif character.isspace() or category in ("Zs", "Cf", "Cc"):
            classes[code] = m.SPACE
        elif any(start <= code <= end for start, end in wide):
            classes[code] = m.WIDE
        elif category == "Lu" or category == "Lt":
            classes[code] = m.UPPER
        elif category == "Ll":
            classes[code] = m.LOWER
        elif category[0] in "LM":
            classes[code] = m.CASELESS
        elif category[0] == "N":
            classes[code] = m.DIGIT
        if len(character.lower()) == 1 and ord(character.lower()) < m.CODE_POINTS:
            lower[code] = ord(character.lower())
    for kind, characters in special.items():
        for character in characters:
            classes[ord(character)] = kind
    return classes, lower


# ----------------------------------------------------------------------------------------------------------- the labels


def labels(text: str, gold: str) -> tuple[list[int], list[int]]:
    """Per line of `text`: how many of its tokens are the gold's, and how many it has."""
    lines = [devset.score.tokens(line) for line in text.split("\n")]
    want = devset.score.tokens(gold)
    grams = {tuple(want[at : at + 4]) for at in range(len(want) - 3)} or {tuple(want)}
    gold_lines = Counter(tuple(devset.score.tokens(line)) for line in gold.split("\n"))
    stream = [word for line in lines for word in line]
    covered = [False] * len(stream)
    for at in range(len(stream) - 3):
        if tuple(stream[at : at + 4]) in grams:
            covered[at : at + 4] = [True] * 4
    hits, at = [], 0
    for line in lines:
        hits.append(sum(covered[at : at + len(line)]))
        at += len(line)
        if len(line) < 4 and tuple(line) in gold_lines and hits[-1] < len(line):
            hits[-1] = -1  # maybe: settled by its neighbours below
    body = [number for number, line in enumerate(lines) if len(line) >= 8 and hits[number] * 2 >= len(line)]
    for number, line in enumerate(lines):
        if hits[number] == -1:
            near = body and body[0] - 3 <= number <= body[-1]
            hits[number] = len(line) if near else 0
    # Of equal lines only as many are gold as the gold has: those nearest the body.
    first = body[0] if body else 0
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, line in enumerate(lines):
        if line and hits[number] * 2 >= len(line):
            groups.setdefault(tuple(line), []).append(number)
    joined = "\x00" + "\x00".join(want) + "\x00"
    for line, places in groups.items():
        if len(places) > 1:
            allowed = max(1, joined.count("\x00" + "\x00".join(line) + "\x00"))
            inside = sorted(places, key=lambda place: (not (body and first <= place <= body[-1]), abs(place - first)))
            for place in inside[allowed:]:
                hits[place] = 0
    return hits, [len(line) for line in lines]


class Sample:
    """One field of one set, as the model reads it."""

    def __init__(self, name: str, field: str, model: line_model.Model, records: list[dict[str, Any]] | None = None):
        self.records = [record for record in records or devset.rows(name) if record.get(field)]
        documents, templates = devset.prepared(self.records, field, Config())
        self.sites = documents["site"].to_pylist()
        self.texts = documents["text"].to_pylist()
        self.hashes = documents["lines"].to_pylist()
        cache: dict[str, Any] = {}
        for text in self.texts:
            for line in text.split("\n"):
                if line not in cache:
                    cache[line] = match_line(line.strip()) if line.strip() else None
        self.pages = [
            line_model.Page(text, hashes, [cache[line] for line in text.split("\n")], templates.get(site, NO_TEMPLATES))
            for text, hashes, site in zip(self.texts, self.hashes, self.sites, strict=True)
        ]
        self.fold = np.array([devset.fold_of(site) for site in self.sites])
        self.part = np.array([hashlib.sha256(site.encode()).digest()[1] % PARTS for site in self.sites])
        taken = batches(self.pages, lambda page: len(page.text), line_model.BATCH_CHARS)
        found = [line_model.Features(batch, model) for batch in taken]
        self.page = np.concatenate([batch.pages() for batch in found], axis=1)
        if field == "full_text":
            self.batches, self.line_batches = found, [batch.lines() for batch in found]
            self.lines = np.concatenate(self.line_batches, axis=1)
        self.place = np.concatenate([batch.places for batch in found])
        sizes = np.concatenate([np.diff(batch.offsets) for batch in found])
        self.document = np.repeat(np.arange(len(self.pages)), sizes)
        self.target: tuple[np.ndarray, np.ndarray]  # the share of each line that is gold, and its weight

    def blocks(self, scores: np.ndarray) -> np.ndarray:
        """What the second look sees of every line, from the first's scores."""
        found, at = [], 0
        for batch, lines in zip(self.batches, self.line_batches, strict=True):
            found.append(batch.blocks(lines, scores[at : at + lines.shape[1]]))
            at += lines.shape[1]
        return np.concatenate(found, axis=1)

    def segment_targets(self) -> tuple[np.ndarray, np.ndarray]:
        """The same for a set that has segments instead of gold: only lines that hold one have a weight."""
        share, weight = [], []
        for number, (text, record) in enumerate(zip(self.texts, self.records, strict=True)):
            lines = [" ".join(line.split()) for line in text.split("\n")]
            wanted = [" ".join(segment.split()) for segment in record.get("with") or []]
            unwanted = [" ".join(segment.split()) for segment in record.get("without") or []]
            for place in self.place[self.document == number]:
                is_wanted = any(segment in lines[place] for segment in wanted if segment)
                is_unwanted = any(segment in lines[place] for segment in unwanted if segment)
                share.append(float(is_wanted))
                weight.append(SEGMENT_WEIGHT * (is_wanted or is_unwanted))
        return np.array(share), np.array(weight)

    def targets(self) -> tuple[np.ndarray, np.ndarray]:
        """The share of each line that is gold, and its weight."""
        share, weight = [], []
        for number, (text, record) in enumerate(zip(self.texts, self.records, strict=True)):
            hits, sizes = labels(text, record["gold_text"])
            places = self.place[self.document == number]
            size = np.array(sizes)[places]
            gold = np.array(hits)[places]
            share.append(np.maximum(gold / np.maximum(size, 1), self.titles(number, gold)))
            total = max(gold.sum(), 60)
            weight.append(np.minimum((size + 1.0) / total, 0.5))
        return np.concatenate(share), np.concatenate(weight)

    def titles(self, number: int, gold: np.ndarray) -> np.ndarray:
        """1 for the article's title where the gold leaves it out, as most of wcxb's does: it is the article's."""
        wanted = devset.score.tokens(self.records[number].get("title") or "")
        lines = self.texts[number].split("\n")
        places = self.place[self.document == number]
        found = np.zeros(len(places))
        body = np.flatnonzero(gold >= BODY_TOKENS)
        above = places[: body[0]] if len(body) else places
        same = [at for at, place in enumerate(above) if wanted and devset.score.tokens(lines[place]) == wanted]
        if same and not gold[same].any():
            found[same[-1]] = 1.0
        return found


# ---------------------------------------------------------------------------------------------------------- the weights


def fit(
    matrix: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray,
    trees: int,
    rate: float,
    baseline: np.ndarray | None = None,
) -> dict[str, Any]:
    """An ensemble of oblivious trees, its numbers as integers. What it finds is added to `baseline`, in logits."""
    from catboost import CatBoostClassifier, Pool

    booster = CatBoostClassifier(
        iterations=trees, depth=DEPTH, learning_rate=rate, l2_leaf_reg=6, random_seed=SEED, border_count=64,
        loss_function="CrossEntropy", verbose=False, thread_count=2, rsm=0.3, bootstrap_type="Bernoulli", subsample=0.7,
        leaf_estimation_iterations=1, allow_writing_files=False,
    )  # fmt: skip
    booster.fit(Pool(matrix.T.astype(np.float32), target, weight=weight / weight.mean(), baseline=baseline))
    with tempfile.TemporaryDirectory() as folder:
        booster.save_model(f"{folder}/model.json", format="json")
        found = json.loads(Path(folder, "model.json").read_text())
    feature, above, leaves = [], [], []
    for tree in found["oblivious_trees"]:
        splits = tree["splits"] or []
        # Features are integers, so "greater than a border" is "greater than its floor".
        columns = [split["float_feature_index"] for split in splits] + [0] * (DEPTH - len(splits))
        borders = [int(np.floor(split["border"])) for split in splits] + [32767] * (DEPTH - len(splits))
        values = np.zeros(2**DEPTH, np.int64)
        values[: 2 ** len(splits)] = np.round(np.array(tree["leaf_values"]) * line_model.SCALE)
        feature.append(columns), above.append(borders), leaves.append(values)
    scale, bias = found["scale_and_bias"]
    assert scale == 1
    return {
        "feature": np.array(feature, np.int16),
        "above": np.clip(np.array(above), -32768, 32767).astype(np.int16),
        "leaves": np.array(leaves, np.int32),
        "bias": np.array(round(bias[0] * line_model.SCALE), np.int32),
    }


def train(samples: dict[tuple[str, str], Sample], without: int | None, tables: Any) -> dict[str, np.ndarray]:
    """The arrays of a weights file, trained on all folds but one."""
    whole = [samples[name, "full_text"] for name in devset.SETS]
    chosen = [np.ones(len(sample.pages), bool) if without is None else sample.fold != without for sample in whole]
    lines = first_look(whole, chosen)
    blocks = second_look(whole, chosen)
    matrices, targets, weights = [], [], []
    for (_, field), sample in samples.items():
        rows = np.ones(len(sample.pages), bool) if without is None else sample.fold != without
        matrices.append(sample.page[:, rows])
        targets.append(np.full(rows.sum(), float(field == "full_text")))
        weights.append(np.full(rows.sum(), 1.0 if field == "full_text" else NEGATIVE_WEIGHT))
    pages = fit(np.concatenate(matrices, 1), np.concatenate(targets), np.concatenate(weights), PAGE_TREES, PAGE_RATE)
    classes, lower = tables
    return {
        **{f"lines_{name}": array for name, array in lines.items()},
        **{f"blocks_{name}": array for name, array in blocks.items()},
        **{f"pages_{name}": array for name, array in pages.items()},
        "classes": classes,
        "lower": lower,
    }


def first_look(samples: list[Sample], chosen: list[np.ndarray]) -> dict[str, Any]:
    """The trees that score lines, from the lines of the chosen documents of each sample."""
    matrices, targets, weights = [], [], []
    for sample, documents in zip(samples, chosen, strict=True):
        target, weight = sample.target
        rows = documents[sample.document] & (weight > 0)
        matrices.append(sample.lines[:, rows]), targets.append(target[rows]), weights.append(weight[rows])
    return fit(np.concatenate(matrices, 1), np.concatenate(targets), np.concatenate(weights), LINE_TREES, LINE_RATE)


def second_look(samples: list[Sample], chosen: list[np.ndarray]) -> dict[str, Any]:
    """The trees that score lines anew: each part of the domains by first scores from trees that had not seen it."""
    first = [np.zeros(len(sample.document), np.int32) for sample in samples]
    for part in range(PARTS):
        trees = line_model.Trees(
            **first_look(
                samples, [documents & (sample.part != part) for sample, documents in zip(samples, chosen, strict=True)]
            )
        )
        for sample, scores in zip(samples, first, strict=True):
            rows = (sample.part == part)[sample.document]
            scores[rows] = trees.scores(sample.lines[:, rows])
    matrices, targets, weights = [], [], []
    for sample, documents, scores in zip(samples, chosen, first, strict=True):
        target, weight = sample.target
        sure = (target == 0) & (scores < SURE)
        rows = documents[sample.document] & (weight > 0) & (~sure | (np.arange(len(sure)) % EVERY == 0))
        matrices.append(sample.blocks(scores)[:, rows])
        targets.append(target[rows]), weights.append(np.where(sure, EVERY * weight, weight)[rows])
    return fit(np.concatenate(matrices, 1), np.concatenate(targets), np.concatenate(weights), BLOCK_TREES, BLOCK_RATE)


def samples_of(tables: Any, log: Any = print) -> dict[tuple[str, str], Sample]:
    """Every sample of the development data that training reads."""
    blank = line_model.untrained(*tables)
    found = {}
    for name in devset.SETS:
        records = devset.rows(name)
        for field in ("full_text", "extracted_text", "gold_text"):
            if name == "trafseg" and field == "gold_text":
                continue
            found[name, field] = Sample(name, field, blank, records)
            if field == "full_text":
                sample = found[name, field]
                sample.target = sample.targets() if name in devset.GOLD else sample.segment_targets()
        log(f"read {name}")
    return found


def provenance(without: int | None) -> np.ndarray:
    """Where weights come from."""
    files = {
        name: hashlib.sha256((devset.DEVSET / f"boilerplate-{name}.jsonl.gz").read_bytes()).hexdigest()
        for name in devset.SETS
    }
    import catboost

    content = {
        "made_by": "benchmarks/train_line_model.py",
        "made_on": datetime.now(UTC).date().isoformat(),
        "trained_on": files,
        "without_fold": without,
        "sets": "lines: whole pages of daniel, wcxb, zhweb, segments of trafseg; pages: all fields of all four",
        "catboost": catboost.__version__,
        "python": platform.python_version(),
        "unicode": unicodedata.unidata_version,
        "trees": {"lines": LINE_TREES, "blocks": BLOCK_TREES, "pages": PAGE_TREES, "depth": DEPTH, "seed": SEED},
        "features": {
            "lines": len(line_model.LINE_FEATURES),
            "blocks": len(line_model.BLOCK_FEATURES),
            "pages": len(line_model.PAGE_FEATURES),
        },
    }
    return np.frombuffer(json.dumps(content, indent=1).encode(), np.uint8)


def write(arrays: dict[str, np.ndarray], without: int | None, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as out:
        np.savez_compressed(out, **arrays, provenance=provenance(without))
    print(f"{path}: {path.stat().st_size} bytes, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=SHIPPED)
    parser.add_argument("--fold", type=int, choices=[0, 1])
    arguments = parser.parse_args()
    tables = character_tables()
    write(train(samples_of(tables), arguments.fold, tables), arguments.fold, arguments.out)


if __name__ == "__main__":
    main()
