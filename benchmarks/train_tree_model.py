#!/usr/bin/env python3
"""Train the model of a page's tree and write its weights.

    train_tree_model.py --mirrors DIR [--out transforms/boilerplate/model/tree.npz]   # on everything: what ships
    train_tree_model.py --mirrors DIR --fold 0|1 --out FOLD.npz                       # without that half of the domains

It learns what to add to the line model's scores, which are out of fold (`boilerplate.fold_models`), from HTML of four
sets (`html_pages.py` says where it comes from). Needs CatBoost, TAMIS_DEVSET, 2 GB and five CPU minutes.
"""

import argparse
import hashlib
import json
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
import boilerplate
import devset
import html_pages
import train_line_model

from transforms.boilerplate import model as line_model
from transforms.boilerplate import tree
from transforms.head import Said
from transforms.identity import site_of
from transforms.markup import read_markup

SHIPPED = devset.ROOT / "transforms" / "boilerplate" / "model" / "tree.npz"
FIRST_TREES, SECOND_TREES, RATE = 300, 250, 0.06
# The second look learns from first scores of pages whose domain the first had not seen: so many parts of the domains.
PARTS = 2
# daniel is half of all pages, and of 2011: of every third one is learned.
EVERY = {"daniel": 3}
WEIGHT = {"daniel": 1.0, "trafseg": 1.0, "wcxb": 1.5, "scrapinghub": 1.5}
SEGMENT_WEIGHT = 0.15
# A gold line of so many tokens is the body's; what is right above it and called as the page is its title.
BODY_TOKENS = 20


class Sample(NamedTuple):
    """A page as the model learns from it."""

    lines: list[Any]
    bodies: list[str]
    widths: list[int]
    scores: np.ndarray  # the line model's
    target: np.ndarray  # the share of each line that is gold
    weight: np.ndarray
    fold: int
    part: int


def sample(page: dict[str, Any], name: str, models: list[line_model.Model]) -> Sample | None:
    """What there is to learn from a page; None where it has no text."""
    found = read_markup(page["html"])
    if not any(line.text for line in found.lines):
        return None
    site = page.get("site") or site_of(page["url"], page["id"])
    fold = devset.fold_of(site)
    read = tree.read(found.lines)
    ((_, scored),) = line_model.whole_pages([read], models[fold], None)
    lines = [found.lines[place] for place in scored.places]
    if "gold_text" in page:
        hits, sizes = train_line_model.labels(read.text, page["gold_text"])
        size, gold = np.array(sizes)[scored.places], np.array(hits)[scored.places]
        target = gold / np.maximum(size, 1)
        body = np.flatnonzero(gold >= BODY_TOKENS)
        wanted = devset.score.tokens(page.get("title") or "")
        above = range(body[0] if len(body) else len(gold))
        same = [at for at in above if wanted and devset.score.tokens(lines[at].text) == wanted]
        if same and not gold[same].any():
            target[same[-1]] = 1.0
        weight = np.minimum((size + 1.0) / max(gold.sum(), 60), 0.5)
    else:
        texts = [" ".join(line.text.split()) for line in lines]
        wanted, unwanted = ([" ".join(one.split()) for one in page[key] if one] for key in ("with", "without"))
        is_wanted = np.array([any(one in text for one in wanted) for text in texts])
        is_unwanted = np.array([any(one in text for one in unwanted) for text in texts])
        target, weight = is_wanted.astype(float), SEGMENT_WEIGHT * (is_wanted | is_unwanted)
    part = hashlib.sha256(site.encode()).digest()[1] % PARTS
    bodies = Said(found, page["url"]).bodies()
    scores = np.array(scored.scores)
    return Sample(lines, bodies, scored.widths, scores, target, weight * WEIGHT[name], fold, part)


def fit(samples: list[Sample], scores: list[np.ndarray], trees: int) -> dict[str, Any]:
    """Trees that say what to add to these scores."""
    rows = [one.weight > 0 for one in samples]
    matrices = [
        tree.features(one.lines, one.widths, before.tolist(), one.bodies)[:, row]
        for one, before, row in zip(samples, scores, rows, strict=True)
    ]
    return train_line_model.fit(
        np.concatenate(matrices, 1),
        np.concatenate([one.target[row] for one, row in zip(samples, rows, strict=True)]),
        np.concatenate([one.weight[row] for one, row in zip(samples, rows, strict=True)]),
        trees,
        RATE,
        np.concatenate([before[row] for before, row in zip(scores, rows, strict=True)]) / line_model.SCALE,
    )


def corrected(one: Sample, scores: np.ndarray, arrays: dict[str, Any]) -> np.ndarray:
    found = tree.features(one.lines, one.widths, scores.tolist(), one.bodies)
    return scores + line_model.Trees(**arrays).scores(found)


def train(samples: list[Sample]) -> dict[str, np.ndarray]:
    """The arrays of a weights file."""
    scores = [one.scores for one in samples]
    first = fit(samples, scores, FIRST_TREES)
    known: list[np.ndarray] = list(scores)
    for part in range(PARTS):
        others = [number for number, one in enumerate(samples) if one.part != part]
        arrays = fit([samples[number] for number in others], [scores[number] for number in others], FIRST_TREES)
        for number, one in enumerate(samples):
            if one.part == part:
                known[number] = corrected(one, scores[number], arrays)
    second = fit(samples, known, SECOND_TREES)
    return {
        f"{look}_{name}": array
        for look, arrays in (("first", first), ("second", second))
        for name, array in arrays.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mirrors", type=Path, required=True, help=html_pages.MIRRORS_HELP)
    parser.add_argument("--out", type=Path, default=SHIPPED)
    parser.add_argument("--fold", type=int, choices=[0, 1])
    arguments = parser.parse_args()
    models = [line_model.load(str(path)) for path in boilerplate.fold_models()]
    samples, digests = [], {}
    for name in html_pages.SETS:
        pages = html_pages.pages(name, arguments.mirrors)[:: EVERY.get(name, 1)]
        found = [one for page in pages if (one := sample(page, name, models)) and one.fold != arguments.fold]
        digests[name] = hashlib.sha256(json.dumps(pages, sort_keys=True).encode()).hexdigest()
        print(f"{name}: {len(found)} pages")
        samples += found
    import catboost

    provenance = {
        "made_by": "benchmarks/train_tree_model.py",
        "made_on": datetime.now(UTC).date().isoformat(),
        "trained_on": digests,
        "without_fold": arguments.fold,
        "catboost": catboost.__version__,
        "python": platform.python_version(),
        "trees": {"first": FIRST_TREES, "second": SECOND_TREES, "depth": train_line_model.DEPTH},
        "features": list(tree.FEATURES),
    }
    arrays = train(samples)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    with arguments.out.open("wb") as out:
        np.savez_compressed(
            out, **arrays, provenance=np.frombuffer(json.dumps(provenance, indent=1).encode(), np.uint8)
        )
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
