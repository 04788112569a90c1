"""What the tree of a page says of its lines, and which of them are the article's.

A line of HTML is known by more than its text: by the elements around it, by the words their classes are made of, by how
much of it is links, and by how much of what reads like an article stands in the same blocks. So the line model's scores
(model.py) are corrected twice by oblivious trees that see these, the second time with the first correction known; then
lines are chosen as in any whole page (pages.py). Out of fold that is better than every extractor measured on pages of
four kinds (docs/decisions.md).

Weights are data (`model/tree.npz`), made by `benchmarks/train_tree_model.py`; integers, as the line model's.
"""

import json
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np

from transforms.boilerplate import model as line_model
from transforms.boilerplate.evidence import line_anchor
from transforms.boilerplate.lines import is_prose, line_hashes
from transforms.boilerplate.model import Ints, Matrix, matrix_of
from transforms.boilerplate.pages import kept_lines
from transforms.boilerplate.templates import NO_TEMPLATES
from transforms.errors import ConfigError
from transforms.markup import BITS, PATH, Line

# Who leaves lines out: name and version, which is another where another would be left out.
EXTRACTOR = "tamis 1"
SHIPPED = files("transforms.boilerplate") / "model" / "tree.npz"
# A line stays above it, in thousandths of a logit: what costs least prose (docs/decisions.md).
LINE_SCORE = -1200
# A score from here on counts for something, and one of 2,000 above it for all.
BELIEF_FROM, BELIEF_STEP = -2000, 4
WIDEST = 4000
FAR = 99
# Lines are looked up in JSON-LD's article as long as both together are no longer than this.
COMPARED = 500_000_000


def features(lines: Sequence[Line], widths: Sequence[int], scores: Sequence[int], bodies: Sequence[str]) -> Matrix:
    """[features, lines]: of lines with their widths and their scores by the line model; `bodies` are articles that the
    page's JSON-LD holds."""
    columns = dict(_columns(lines, np.array(widths, np.int64), np.array(scores, np.int64), bodies))
    return matrix_of(columns)


def _columns(lines: Sequence[Line], widths: Ints, scores: Ints, bodies: Sequence[str]) -> Iterator[tuple[str, Ints]]:
    number = len(lines)
    index = np.arange(number)
    within = np.array([line.within for line in lines], np.int64)
    near = np.array([line.near for line in lines], np.int64)
    sizes = np.array([len(line.text) for line in lines], np.int64)
    linked = np.minimum(np.array([line.linked for line in lines], np.int64), sizes)
    paths = np.array([(0,) * (PATH - len(line.path)) + line.path for line in lines], np.int64).reshape(number, PATH)
    links = linked * 1000 // np.maximum(sizes, 1)
    for at, name in enumerate(BITS):
        yield f"within_{name}", within >> at & 1
        yield f"near_{name}", near >> at & 1
    yield "links", links
    yield "width", np.minimum(widths, WIDEST)
    yield "score", scores
    yield "place", np.minimum(index, 500)
    yield "place_end", np.minimum(number - 1 - index, 500)
    yield "place_share", index * 1000 // max(1, number)

    belief = np.clip((scores - BELIEF_FROM) // BELIEF_STEP, 0, 1000)
    width = np.minimum(widths, WIDEST)
    mass = belief * width // 1000
    total, all_width = max(1, int(mass.sum())), max(1, int(width.sum()))
    weight: dict[int, int] = {}
    for level in range(1, PATH + 1):
        _, group = np.unique(paths[:, PATH - level], return_inverse=True)
        group_mass = np.bincount(group, mass).astype(np.int64)
        group_width = np.bincount(group, width).astype(np.int64)
        group_links = np.bincount(group, linked).astype(np.int64)
        group_size = np.bincount(group, sizes).astype(np.int64)
        count = np.bincount(group)
        yield f"mass_{level}", (group_mass * 1000 // total)[group]
        yield f"belief_{level}", (group_mass * 1000 // np.maximum(group_width, 1))[group]
        yield f"links_{level}", (group_links * 1000 // np.maximum(group_size, 1))[group]
        yield f"count_{level}", np.minimum(count, 500)[group]
        yield f"width_{level}", (group_width * 1000 // all_width)[group]
        ids, first = np.unique(paths[:, PATH - level], return_index=True)
        for block, at in zip(ids.tolist(), first.tolist(), strict=True):
            if block:
                weight[block] = weight.get(block, 0) + int(group_mass[group[at]]) // level
    best = max(weight, key=lambda block: (weight[block], -block), default=0)
    under = (paths == best) & (paths > 0)
    yield "under_best", np.where(under.any(axis=1), PATH - under.argmax(axis=1), 0)
    inside = np.flatnonzero(under.any(axis=1))
    first_in, last_in = (int(inside[0]), int(inside[-1])) if len(inside) else (0, number - 1)
    yield "from_best", np.clip(index - first_in, -FAR, FAR)
    yield "to_best", np.clip(last_in - index, -FAR, FAR)
    for step in (-2, -1, 1, 2):
        other = np.clip(index + step, 0, number - 1)
        shared = (paths[:, :, None] == paths[other][:, None, :]) & (paths[:, :, None] > 0)
        meets = np.where(shared.any(axis=(1, 2)), PATH - shared.any(axis=2).argmax(axis=1), 0)
        last = PATH - 1 - shared.any(axis=2)[:, ::-1].argmax(axis=1)
        yield f"meets{step:+d}", np.where(meets > 0, PATH - last, FAR)
        yield f"links{step:+d}", links[other]
        yield f"score{step:+d}", scores[other]
        yield f"width{step:+d}", width[other]
        yield f"same{step:+d}", (near[other] == near).astype(np.int64)
    headings = np.flatnonzero(near & BITS["h1"])
    yield "from_h1", np.clip(index - int(headings[0]), -FAR, FAR) if len(headings) else np.full(number, -FAR)
    yield "h1s", np.full(number, min(len(headings), 10))
    articles = within & BITS["article"] > 0
    yield "articles", np.full(number, int((np.diff(articles.astype(np.int64)) > 0).sum()))
    yield "article_mass", np.full(number, int(mass[articles].sum()) * 1000 // total)
    mains = within & BITS["main"] > 0
    yield "main_mass", np.full(number, int(mass[mains].sum()) * 1000 // total)
    body = "".join(filter(str.isalnum, " ".join(bodies))).lower()
    if not body or len(body) * number > COMPARED:
        yield "in_body", np.full(number, -1)
        return
    letters = ["".join(filter(str.isalnum, line.text)).lower() for line in lines]
    yield "in_body", np.array([line in body for line in letters], np.int64)


FEATURES: tuple[str, ...] = tuple(
    dict(_columns([Line("a", 0, 0, (1,), 0)], np.array([10]), np.array([0]), ())),
)


# ------------------------------------------------------------------------------------------------------------ decisions


class Model(NamedTuple):
    """Weights: two looks at a page, each added to the scores before it."""

    first: line_model.Trees
    second: line_model.Trees


@cache
def load(path: str = "") -> Model:
    """The model at `path`, or the shipped one. Raises: ConfigError where it can't be read."""
    where = path or "transforms/boilerplate/model/tree.npz"
    try:
        content = Path(path).read_bytes() if path else SHIPPED.read_bytes()
        with np.load(BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        if json.loads(arrays["provenance"].tobytes())["features"] != list(FEATURES):
            raise ValueError("made for other features")
        return Model(
            line_model.read_trees(arrays, "first", len(FEATURES)),
            line_model.read_trees(arrays, "second", len(FEATURES)),
        )
    except OSError as error:
        raise ConfigError(f"{where}: {error.strerror or error}") from None
    except (BadZipFile, ValueError, KeyError, EOFError) as error:
        raise ConfigError(f"{where} holds no tree model: {error}") from None


def scored(
    lines: Sequence[Line], bodies: Sequence[str], text_model: line_model.Model, model: Model
) -> tuple[line_model.Page, line_model.Scored]:
    """A page and the scores of its lines, by their text and by the tree."""
    page = read(lines)
    ((_, found),) = line_model.whole_pages([page], text_model, None)
    chosen, scores = [lines[place] for place in found.places], found.scores
    for look in model:
        scores = [
            score + more
            for score, more in zip(
                scores, look.scores(features(chosen, found.widths, scores, bodies)).tolist(), strict=True
            )
        ]
    return page, found._replace(scores=scores)


def read(lines: Sequence[Line]) -> line_model.Page:
    """A page as the line model reads it. Its site's templates are not known yet."""
    text = "\n".join([line.text for line in lines])
    return line_model.Page(text, line_hashes(text), [line_anchor(line.text.strip()) for line in lines], NO_TEMPLATES)


def choose(
    lines: Sequence[Line],
    bodies: Sequence[str],
    text_model: line_model.Model | None = None,
    model: Model | None = None,
) -> list[int]:
    """Which lines of a whole page are none of its article's, sorted; none where the article is not found."""
    if not any(line.text for line in lines):
        return []
    page, found = scored(lines, bodies, text_model or line_model.load(), model or load())
    texts = [line.text.strip() for line in lines]
    kept = kept_lines(page, texts, found, LINE_SCORE)
    if not any(is_prose(texts[found.places[number]]) for number in kept):
        return []
    return [place for number, place in enumerate(found.places) if number not in kept]
