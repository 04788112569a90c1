"""A fastText model of the user's own beside ours: what it may be, what it says, and what it must not change."""

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Run, curated_by, rows
from tests.test_language import documents
from transforms import fasttext_model
from transforms.codes import code_of_label
from transforms.config import Config, Language
from transforms.errors import ConfigError
from transforms.language import detect_language, second_opinion


def fasttext_file(path: Path, words: dict[str, str], supervised: bool = True) -> Path:
    """A fastText model (its format 12) of one word vector a label: `words` has the words of each label."""
    vocabulary = [("</s>", "")] + [(word, label) for label, text in words.items() for word in text.split()]
    labels = list(words)
    size = len(labels)
    arguments = (size, 5, 1, 1, 5, 1, 3, 3 if supervised else 2, 0, 0, 0, 100)  # softmax, no n-grams
    entries = [(word, 0) for word, _ in vocabulary] + [(f"__label__{label}", 1) for label in labels]
    content = struct.pack("<2i12id", 793712314, 12, *arguments, 1e-4)
    content += struct.pack("<3i2q", len(entries), len(vocabulary), size, len(entries), -1)
    for text, kind in entries:
        content += text.encode() + struct.pack("<bqb", 0, 1, kind)
    vectors = np.array([[8.0 * (label == other) for other in labels] for _, label in vocabulary], np.float32)
    for matrix in (vectors, np.eye(size, dtype=np.float32)):
        content += struct.pack("<b2q", 0, *matrix.shape) + matrix.tobytes()
    path.write_bytes(content)
    return path


OPINIONS = {
    "deu_Latn": "der zug kam heute morgen zu spät weil es in den bergen die ganze nacht geschneit hatte",
    "hin_Latn": "aaj subah gaadi der se aayi kyonki pahaadon mein raat bhar barf girti rahi",
    "hin_Deva": "आज सुबह ट्रेन देर से आई क्योंकि पहाड़ों में पूरी रात बर्फ गिरती रही।",
    "rus_Cyrl": "поезд сегодня утром опоздал потому что в горах всю ночь шёл снег",
    "cmn_Hani": "今天早上火车来得很晚，因为山上整夜都在下雪。",
    "zxx_Zzzz": "xq zv",
}


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Der Zug kam heute Morgen zu spät", "de"),
        ("aaj subah gaadi der se aayi", "hi-Latn"),
        ("आज सुबह ट्रेन देर से आई", "hi"),
        ("поезд сегодня утром опоздал", "ru"),
        ("今天早上火车来得很晚，因为山上整夜都在下雪。", "zh-Hans"),
        ("xq zv xq zv xq zv xq zv", "und"),
    ],
)
def test_a_second_opinion(tmp_path: Path, text: str, language: str) -> None:
    pytest.importorskip("fasttext")
    model = fasttext_file(tmp_path / "model.bin", OPINIONS)
    config = replace(Config(), language=Language(second_opinion=str(model)))
    row, short = detect_language(documents(text, "der"), config).to_pylist()
    assert row["language_second"] == language
    assert row["language_second_score"] > 0.9
    assert (short["language_second"], short["language_second_score"]) == (None, None)
    (alone,) = detect_language(documents(text), Config()).to_pylist()
    assert (alone["language_second"], alone["language_second_score"]) == (None, None)
    assert {name: row[name] for name in row if not name.startswith("language_second")} == {
        name: alone[name] for name in alone if not name.startswith("language_second")
    }


@pytest.mark.parametrize(
    ("label", "code"),
    [
        ("__label__en", ("en", None)),
        ("__label__eng_Latn", ("en", "Latn")),
        ("__label__zho_Hant", ("zh", "Hant")),
        ("__label__arb_Arab", ("ar", "Arab")),
        ("__label__ydd_Hebr", ("yi", "Hebr")),
        ("__label__ckb_Arab", ("ckb", "Arab")),
        ("__label__kor_Hang", ("ko", "Kore")),
        ("__label__zxx", ("und", None)),
        ("__label__positive", ("und", None)),
        ("", ("und", None)),
    ],
)
def test_labels_of_models(label: str, code: tuple[str, str | None]) -> None:
    assert code_of_label(label) == code


def test_a_model_counts_by_its_content(tmp_path: Path) -> None:
    pytest.importorskip("fasttext")
    first, copy = (fasttext_file(tmp_path / name, OPINIONS) for name in ("a.bin", "b.bin"))

    def digest(path: Path) -> str:
        return Config(language=Language(second_opinion=str(path))).content_hash()

    assert digest(first) == digest(copy) != Config().content_hash()
    text, config = "der zug kam heute morgen", Language(second_opinion=str(copy))
    before = digest(copy)
    assert second_opinion(text, config) == second_opinion(text, config)
    fasttext_file(copy, {"nds_Latn": "der zug kam heute morgen", "deu_Latn": "nacht"})  # another one in its place
    assert digest(copy) != before
    found = second_opinion(text, config)
    assert found is not None
    assert found[0] == "nds"
    with pytest.raises(ConfigError, match=r"language\.second_opinion: .*none\.bin"):
        digest(tmp_path / "none.bin")


def test_what_is_no_model_stops_a_run_before_its_first_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fasttext")
    (tmp_path / "raw").mkdir()
    good, vectors = tmp_path / "good.bin", fasttext_file(tmp_path / "vectors.bin", OPINIONS, supervised=False)
    fasttext_file(good, OPINIONS)
    (tmp_path / "text.bin").write_text("no model, but a text that is longer than a model's header")
    (tmp_path / "short.bin").write_bytes(b"\x00")

    def run(path: Path) -> None:
        settings = {"language": {"second_opinion": str(path)}}
        curated_by(tmp_path / "raw", tmp_path / "curated", settings)

    for path in (vectors, tmp_path / "text.bin", tmp_path / "short.bin", tmp_path):
        with pytest.raises(ConfigError, match=r"language\.second_opinion"):
            run(path)
    monkeypatch.setattr(fasttext_model, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"'language\.second_opinion' needs fasttext-predict: .*tamis\[fasttext\]"):
        run(good)
    assert not (tmp_path / "curated" / "current.json").exists()


def test_a_run_has_it_in_every_worker(tmp_path: Path, run_local: Run) -> None:
    pytest.importorskip("fasttext")
    (tmp_path / "raw").mkdir()
    for language, text in list(OPINIONS.items())[:4]:
        (tmp_path / "raw" / f"{language}.txt").write_text(text, encoding="utf-8")
    model = fasttext_file(tmp_path / "model.bin", OPINIONS)
    settings = {"language": {"second_opinion": str(model)}, "shard_bytes": 100}
    run_local(tmp_path / "raw", tmp_path / "curated", config=settings, workers=2)
    found = {row["source_path"]: row["language_second"] for row in rows(tmp_path / "curated")}
    assert found == {"deu_Latn.txt": "de", "hin_Latn.txt": "hi-Latn", "hin_Deva.txt": "hi", "rus_Cyrl.txt": "ru"}
