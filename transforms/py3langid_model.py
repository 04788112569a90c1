"""py3langid's model, asked of many texts at once: its answers, with sums that are exact, in no order and by no BLAS.

A naive Bayes model over sequences of one to six bytes (Lui & Baldwin 2011). After each byte the longest feature that
ends there is counted. py3langid walks one text's bytes in Python; here an automaton walks pieces of all texts in step.
The table is that of 0.4.0, in a form that is read in a quarter of the time: an answer stays what it is whatever is
installed.

>>> classify(["Der Hafen schläft noch, als die ersten Boote auslaufen.", ""])[1]
('und', 0.0)
"""

import threading
import unicodedata
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transforms.batches import batches
from transforms.codes import bcp47

# What benchmarks/read_py3langid.py makes of py3langid's own file.
TABLE = Path(__file__).parent / "py3langid.npz"
# The longest feature: what a state of the automaton depends on is as many bytes.
_FEATURE_BYTES = 6
# Makes integers of the model's logarithms (-15 and more) and of the weights of counts.
LOG_SCALE = 2048
# Bytes that the automaton walks one by one, at most; and texts of about so many bytes are walked together.
_STRIDE, _BATCH_BYTES = 64, 1 << 18
# Stands in no UTF-8, so in no feature: between texts.
_BETWEEN = 0xFF

_lock = threading.Lock()


class _Model(NamedTuple):
    name: str
    row: npt.NDArray[np.uint32]  # of a state, in next_state
    next_state: npt.NDArray[np.uint32]  # at row + byte
    feature: npt.NDArray[np.int32]  # of a state, or -1
    logs: npt.NDArray[np.int16]  # [feature, class]
    prior: npt.NDArray[np.float64]
    codes: list[str]
    by_code: npt.NDArray[np.intp]  # the classes in the order of `codes`
    code_starts: npt.NDArray[np.intp]  # where in it each code's begin: a language in two scripts is two classes


def load() -> _Model:
    """The model, which is read once."""
    with _lock:
        return _model()


@cache
def _model() -> _Model:
    with np.load(TABLE, allow_pickle=False) as file:
        table = dict(file)
    logs = np.tile(table["least"], (len(table["lengths"]), 1))
    logs.reshape(-1)[np.flatnonzero(np.unpackbits(table["is_more"], count=logs.size).view(np.bool_))] = table["more"]
    names = np.array([bcp47(code) for code in table["classes"].tolist()])
    by_code = np.argsort(names, kind="stable")
    codes, code_starts = np.unique(names[by_code], return_index=True)
    return _Model(
        f"py3langid {table['version']}",
        *_automaton(table["features"], table["lengths"].astype(np.int64)),
        logs,
        table["prior"].astype(np.float64),
        codes.tolist(),
        by_code,
        code_starts,
    )


def _automaton(
    features: npt.NDArray[np.uint8], lengths: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32], npt.NDArray[np.int32]]:
    """`row`, `next_state` and `feature` (Aho & Corasick 1975): a state is the longest beginning of a feature that the
    last bytes are, its feature the longest that they end with.

    States are numbered by the length of what they stand for. A state has a row of its own if longer ones begin so, else
    that of the longest other state which it ends with.
    """
    # Each feature as a number, its first byte the highest; a beginning of it is that number shifted.
    keys = np.zeros(len(lengths), np.int64)
    starts = np.cumsum(lengths) - lengths
    for place in range(_FEATURE_BYTES):
        longer = np.flatnonzero(lengths > place)
        keys[longer] = keys[longer] << 8 | features[starts[longer] + place]
    beginnings = [
        _distinct(keys[lengths >= size] >> 8 * (lengths[lengths >= size] - size)) for size in range(_FEATURE_BYTES + 1)
    ]
    firsts = np.cumsum([0, *map(len, beginnings)])
    parents = [
        np.searchsorted(beginnings[size - 1], beginnings[size] >> 8) + firsts[size - 1]
        for size in range(1, _FEATURE_BYTES + 1)
    ]
    has_row = np.zeros(firsts[-1], np.bool_)
    has_row[np.concatenate(parents)] = True
    row = np.where(has_row, np.cumsum(has_row) - 1, 0).astype(np.uint32)
    next_state = np.zeros((np.count_nonzero(has_row), 256), np.uint32)
    ends_with = np.zeros(firsts[-1], np.int64)  # the longest other state
    feature = np.full(firsts[-1], -1, np.int32)
    for size in range(1, _FEATURE_BYTES + 1):
        states, parent, byte = np.arange(firsts[size], firsts[size + 1]), parents[size - 1], beginnings[size] & 0xFF
        if size > 1:  # before the rows of the parents have these states
            ends_with[states] = next_state[row[ends_with[parent]], byte]
        next_state[row[parent], byte] = states
        row[states] = np.where(has_row[states], row[states], row[ends_with[states]])
        own = states[has_row[states]]
        next_state[row[own]] = next_state[row[ends_with[own]]]
        feature[states] = feature[ends_with[states]]
        of_size = np.flatnonzero(lengths == size)
        feature[firsts[size] + np.searchsorted(beginnings[size], keys[of_size])] = of_size
    return row << np.uint32(8), next_state.reshape(-1), feature


def _distinct(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Of sorted values."""
    return values[np.diff(values, prepend=-1) > 0]


def classify(texts: Sequence[str]) -> list[tuple[str, float]]:
    """BCP-47 code and probability of each text; `und` where it has no feature."""
    if not texts:
        return []
    model = load()
    encoded = (unicodedata.normalize("NFC", text).encode("utf-8", "replace") for text in texts)
    return [answer for batch in batches(encoded, len, _BATCH_BYTES) for answer in _classify(batch, model)]


def _classify(texts: Sequence[bytes], model: _Model) -> list[tuple[str, float]]:
    bounds, features, counts = _features(texts, model)
    weights = np.rint(np.log1p(counts) * LOG_SCALE)
    scores = np.zeros((len(texts), len(model.prior)))
    for row, (start, end) in enumerate(pairwise(bounds)):
        logs = model.logs.take(features[start:end], axis=0).astype(np.float64)  # of whole numbers: sums are exact
        np.einsum("i,ij->j", weights[start:end], logs, out=scores[row])
    scores /= LOG_SCALE**2
    scores += model.prior
    scores -= scores.max(axis=1, keepdims=True)
    scores /= np.sqrt([[max(1, len(text))] for text in texts])
    by_code = np.add.reduceat(np.exp(scores)[:, model.by_code], model.code_starts, axis=1)
    best = by_code.argmax(axis=1)
    probabilities = by_code.max(axis=1) / by_code.sum(axis=1)
    return [
        (model.codes[code], probability) if end > start else ("und", 0.0)
        for code, probability, (start, end) in zip(best.tolist(), probabilities.tolist(), pairwise(bounds), strict=True)
    ]


def _features(texts: Sequence[bytes], model: _Model) -> tuple[list[int], npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Features and how often each stands in a text: `py3langid.langid.visit_counts`. The first are where each text's
    begin, and at last where they end."""
    read = np.frombuffer(bytes([_BETWEEN]).join(texts), np.uint8)
    features = model.feature.take(_walk(read, model))
    at = np.flatnonzero(features >= 0)
    features = features[at]
    ends = np.cumsum([0, *(len(text) + 1 for text in texts)])
    bounds = np.searchsorted(at, ends)
    for start, end in pairwise(bounds.tolist()):  # all at once, with their texts, they take five times as long
        features[start:end].sort()
    is_first = np.ones(len(features) + 1, np.bool_)
    np.not_equal(features[1:], features[:-1], out=is_first[1:-1])
    is_first[bounds] = True
    firsts = np.flatnonzero(is_first)
    return np.searchsorted(firsts, bounds).tolist(), features[firsts[:-1]], np.diff(firsts)


def _walk(read: npt.NDArray[np.uint8], model: _Model) -> npt.NDArray[np.uint32]:
    """The automaton's state after each byte. The last few bytes decide it, so each stride is walked by itself, from a
    feature's length before it."""
    before = _FEATURE_BYTES - 1
    stride = min(_STRIDE, 8 + len(read) // 256)  # few steps for few bytes
    strides = len(read) // stride + 1
    padded = np.full(before + strides * stride, _BETWEEN, np.uint8)
    padded[before : before + len(read)] = read
    columns = np.lib.stride_tricks.sliding_window_view(padded, before + stride)[::stride].T.copy()
    states = np.zeros(strides, np.uint32)
    walked = np.empty((stride, strides), np.uint32)
    for step, column in enumerate(columns, -before):
        at = model.row.take(states)
        at += column
        states = model.next_state.take(at)
        if step >= 0:
            walked[step] = states
    return walked.T.ravel()[: len(read)]
