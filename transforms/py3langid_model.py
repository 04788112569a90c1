"""py3langid's model, asked of many texts at once: its answers, with sums that are exact, in no order and by no BLAS.

A naive Bayes model over sequences of one to six bytes (Lui & Baldwin 2011). After each byte the longest feature that
ends there is counted. py3langid walks one text's bytes in Python; here an automaton walks pieces of all texts in step.

>>> classify(["Der Hafen schläft noch, als die ersten Boote auslaufen.", ""])[1]
('und', 0.0)
"""

import threading
import unicodedata
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from transforms.codes import bcp47

# The longest feature: what a state of the automaton depends on is as many bytes.
_FEATURE_BYTES = 6
# Makes integers of the model's logarithms (-15 and more) and of the weights of counts.
_LOG_SCALE = 2048
# Bytes that the automaton walks one by one; and texts of about so many bytes are walked together.
_STRIDE, _BATCH_BYTES = 64, 1 << 18
# Stands in no UTF-8, so in no feature: between texts.
_BETWEEN = 0xFF

_lock = threading.Lock()


class _Model(NamedTuple):
    next_state: npt.NDArray[np.uint32]  # at row + byte
    row: npt.NDArray[np.uint32]  # of a state
    feature: npt.NDArray[np.int32]  # of a state, or -1
    logs: npt.NDArray[np.int16]  # [feature, class]
    prior: npt.NDArray[np.float64]
    codes: list[str]
    by_code: npt.NDArray[np.intp]  # the classes in the order of `codes`
    code_starts: npt.NDArray[np.intp]  # where in it each code's begin: a language in two scripts is two classes


@cache
def _model() -> _Model:
    model = LanguageIdentifier.from_model_file(MODEL_FILE)
    names = [bcp47(code) for code in model.nb_classes]
    by_code = np.argsort(names, kind="stable")
    codes, code_starts = np.unique(np.array(names)[by_code], return_index=True)
    return _Model(
        np.frombuffer(model.tk_nextmove, np.uint32),
        np.array(model._rowbase, np.uint32),
        np.array(model.tk_output, np.int32),
        np.rint(model.nb_ptc.astype(np.float32) * _LOG_SCALE).astype(np.int16),
        model.nb_pc.astype(np.float64),
        codes.tolist(),
        by_code,
        code_starts,
    )


def classify(texts: Sequence[str]) -> list[tuple[str, float]]:
    """BCP-47 code and probability of each text; `und` where it has no feature."""
    with _lock:
        model = _model()
    found: list[tuple[str, float]] = []
    batch: list[bytes] = []
    size = 0
    for text in texts:
        batch.append(unicodedata.normalize("NFC", text).encode("utf-8", "replace"))
        size += len(batch[-1])
        if size >= _BATCH_BYTES:
            found += _classify(batch, model)
            batch, size = [], 0
    return found + _classify(batch, model) if batch else found


def _classify(texts: Sequence[bytes], model: _Model) -> list[tuple[str, float]]:
    owners, features, counts = _features(texts, model)
    weights = np.rint(np.log1p(counts) * _LOG_SCALE)
    bounds = np.searchsorted(owners, np.arange(len(texts) + 1)).tolist()
    scores = np.zeros((len(texts), len(model.prior)))
    for row, (start, end) in enumerate(pairwise(bounds)):
        logs = model.logs.take(features[start:end], axis=0).astype(np.float64)  # of whole numbers: sums are exact
        np.einsum("i,ij->j", weights[start:end], logs, out=scores[row])
    scores /= _LOG_SCALE**2
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


def _features(
    texts: Sequence[bytes], model: _Model
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(text, feature, how often it stands there), sorted: `py3langid.langid.visit_counts` of each text."""
    read = np.frombuffer(bytes([_BETWEEN]).join(texts), np.uint8)
    features = model.feature.take(_walk(read, model))
    at = np.flatnonzero(features >= 0)
    ends = np.cumsum([len(text) + 1 for text in texts])
    owners = np.repeat(np.arange(len(texts)), np.diff(np.searchsorted(at, ends), prepend=0))
    keys = owners << 32 | features[at]
    keys.sort()
    is_first = np.ones(len(keys), np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=is_first[1:])
    firsts = np.flatnonzero(is_first)
    counts = np.diff(firsts, append=len(keys))
    keys = keys[firsts]
    return keys >> 32, keys & 0xFFFFFFFF, counts


def _walk(read: npt.NDArray[np.uint8], model: _Model) -> npt.NDArray[np.uint32]:
    """The automaton's state after each byte. The last few bytes decide it, so each stride is walked by itself, from a
    feature's length before it."""
    before = _FEATURE_BYTES - 1
    strides = len(read) // _STRIDE + 1
    padded = np.full(before + strides * _STRIDE, _BETWEEN, np.uint8)
    padded[before : before + len(read)] = read
    columns = np.lib.stride_tricks.sliding_window_view(padded, before + _STRIDE)[::_STRIDE].T.copy()
    states = np.zeros(strides, np.uint32)
    walked = np.empty((_STRIDE, strides), np.uint32)
    for step, column in enumerate(columns, -before):
        at = model.row.take(states)
        at += column
        states = model.next_state.take(at)
        if step >= 0:
            walked[step] = states
    return walked.T.ravel()[: len(read)]
