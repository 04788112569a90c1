"""Language of the curated text, by langdetect, seeded.

langdetect is the field's habit; it draws at random, so without a seed the same text gets different answers
(langdetect#3, #120), it raises on text without letters (#44), and its profiles load unsafely on first use in
threads (#65): here they load once, under a lock, and every text gets a detector of its own with the same seed.

>>> detect("Der Hafen schläft noch, als die ersten Boote auslaufen.", Language())[0]
'de'
>>> detect("12345", Language())
('und', None)
"""

import re
import threading
from functools import cache
from importlib.metadata import version

import pyarrow as pa
import pyarrow.compute as pc
from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory
from langdetect.lang_detect_exception import LangDetectException

from transforms.config import Config, Language
from transforms.schema import with_columns

_LETTER = re.compile(r"[^\W\d_]")
# langdetect's codes as BCP-47.
_BCP47 = {"zh-cn": "zh-Hans", "zh-tw": "zh-Hant", "no": "nb"}
_lock = threading.Lock()


@cache
def _factory() -> DetectorFactory:
    factory = DetectorFactory()
    factory.load_profile(PROFILES_DIRECTORY)
    return factory


def detect(text: str, config: Language) -> tuple[str, float | None]:
    """Language (BCP-47) and confidence 0..1; `("und", None)` where there is too little text or confidence."""
    letters = 0
    for letters, _ in enumerate(_LETTER.finditer(text), 1):
        if letters >= config.min_letters:
            break
    if letters < config.min_letters:
        return "und", None
    with _lock:
        factory = _factory()
    detector = factory.create()
    detector.seed = config.seed
    detector.append(text.lower() if text.isupper() else text)
    try:
        answers = detector.get_probabilities()
    except LangDetectException:  # "No features in text": letters of no profile
        return "und", None
    if not answers or answers[0].prob < config.min_score:
        return "und", None
    return _BCP47.get(answers[0].lang, answers[0].lang), answers[0].prob


def detect_language(documents: pa.Table, config: Config) -> pa.Table:
    """Detect the language of every text: adds the language columns; rows and order stay.

    A document in a language that is not wanted gets `reject_reason`.
    """
    found = [detect(text, config.language) for text in documents["text"].to_pylist()]
    languages = [language for language, _ in found]
    reasons = documents["reject_reason"].to_pylist()
    stages, details = documents["reject_stage"].to_pylist(), documents["reject_detail"].to_pylist()
    for row, language in enumerate(languages):
        if config.languages and reasons[row] is None and not _wanted(language, config.languages):
            reasons[row], stages[row] = "language.unwanted", "language"
            details[row] = f"{language}, wanted: {', '.join(config.languages)}"
    detector = pa.repeat(pa.scalar(f"langdetect {version('langdetect')}"), len(documents))
    return with_columns(
        documents,
        language=languages,
        language_score=[score for _, score in found],
        language_detector=pc.if_else(pa.array([score is not None for _, score in found]), detector, None),
        is_mixed=pa.repeat(pa.scalar(False), len(documents)),
        reject_reason=reasons,
        reject_stage=stages,
        reject_detail=details,
    )


def _wanted(language: str, wanted: tuple[str, ...]) -> bool:
    return language in wanted or language.split("-")[0] in wanted
