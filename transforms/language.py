"""Language of the curated text: which, how sure, in which script, and how much of it in another.

The default, `auto`, is a cascade. pycld2 reads 2,000 characters (26× langdetect's speed) and decides where it is sure
of a long text; elsewhere py3langid is asked, and where the two differ langdetect's profiles: they vote, which is better
than any of them (sentences: 99.7 % of langdetect's languages, pycld2 97.4, py3langid 98.7, langdetect 98.4). Nothing is
drawn at random, sums are integers or in a fixed order, and every model loads under a lock, so a text has one answer in
any process or thread.

The confidence says how often such an answer is right: a logistic model of how far the detectors agree, fitted on one
half of the languages and checked on the other. Below `min_score`, or under `min_letters`, the answer is `und`.

>>> detect("Der Hafen schläft noch, als die ersten Boote auslaufen.", Language()).language
'de'
>>> detect("12345", Language()).language
'und'
"""

import math
import re
import threading
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory
from langdetect.lang_detect_exception import LangDetectException
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from transforms import fasttext_model, filler, han, profiles
from transforms.codes import ISO3, bcp47, code_of_label, suppressed_script, usual_script
from transforms.config import Config, Language
from transforms.schema import with_columns
from transforms.scripts import (
    UNSPACED_SCRIPTS,
    Letters,
    count_letters,
    count_letters_of,
    han_variant,
    is_cantonese,
    script_of,
)

try:
    import pycld2
except ImportError:  # no wheel for Linux on ARM, nor for Python 3.14: the other two vote, and the column says so
    pycld2 = None

STAGE = "language"

# From here on pycld2 alone decides where it is sure: 99.7 % of paragraphs and articles, against 97.1 % of sentences.
_LONG_CHARS = 200
_SURE_PERCENT, _MOST_PERCENT = 90, 75
# What pycld2 reads: from all over the text, since a second language that has MIXED_SHARE of it must not fall between.
_HEARD_CHARS, _HEARD_PIECES = 2000, 20
# Votes. pycld2 breaks ties, being right 79 times of 100 where it and py3langid differ.
_WEIGHTS = {"pycld2": 1.01, "py3langid": 1.0, "langdetect": 0.9}
# What a vote reads, and of that langdetect: pieces from all over the text. Sentences are shorter, longer texts as
# right as with 2000 and 1000.
_VOTED_CHARS, _LANGDETECT_CHARS = 1000, 400
# The longest feature of py3langid's model, and what makes integers of its logarithms (-15 and more) and weights.
_FEATURE_BYTES, _LOG_SCALE = 6, 2048
# A second language from this share of pycld2's bytes on makes the paragraphs worth reading one by one.
_SECOND_PERCENT = 5
# From this share of the letters on a second language makes a text mixed.
MIXED_SHARE = 0.15
# A paragraph with fewer letters, or about which the detectors are less sure, counts with the main language.
_PARAGRAPH_LETTERS, _PARAGRAPH_SCORE = 40, 0.8
_PARAGRAPH_CHARS = 500
# What a second opinion reads: fastText is as right with 1000 characters as with the whole article, and 3 times as fast.
_SECOND_CHARS = 2000
_PLAUSIBLE = 0.2
# From so many letters on a language is a guess if pycld2 hears none (of 843 core texts of 120 letters and more it
# misses one, of 432 shorter ones seven), unless py3langid is this sure, or pycld2's own guess this typical of the
# language; below 120 letters also where the two others agree. Romanised texts: py3langid .91 at most, that guess 279.
_HEARD_LETTERS, _LONG_HEARD_LETTERS = 70, 120
_SURE_SCORE, _LIKELY_SCORE = 0.95, 0.5
_LONG_NORMAL, _SHORT_NORMAL = 300, 100
# Keys struck at random: their script alone makes a language of them, above all one that no other is written in.
# Log-likelihood per n-gram: real texts -6.6 and more (494), struck keys -7.3 and less.
_KEYBOARDS, _BY_SCRIPT = ("Grek", "Cyrl", "Arab", "Hebr", "Deva"), ("el", "he")
_STRUCK, _STRUCK_CHARS = -7.2, 120
# Han texts have at most .09 of characters that are rare in their orthography, Cantonese ones aside; bytes read in the
# wrong code page mostly .3 and more. Below so many characters a word without kana may be of either language.
_RARE_SHARE, _SHORT_HAN = 0.25, 40

_URL = re.compile(r"https?://\S+|www\.\S+|(?<!\S)[^\s@]{1,64}@[^\s@]{1,255}(?!\S)")
# A word: letters with at most punctuation around them. Code, hashes and measures have few.
_WORD = re.compile(r"(?<!\S)[\"'(\[„“«‹‚‘¿¡-]*[^\W\d_]+(?:['’ʼ-][^\W\d_]+)*['’ʼ-]?[\"')\]”“»›‘.,;:!?…]*(?!\S)")
# What pycld2 refuses (aboSamoor/pycld2#53): controls, surrogates, what is no character.
_REFUSED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
    + "]"
)
# Greek in the accents of before 1982, which the profiles don't know.
_OLD_ACCENTS = {0x300: 0x301, 0x342: 0x301, 0x313: None, 0x314: None, 0x345: None}
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=\S)|(?<=[。！？])")
_ACCENTED = re.compile("[\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff]")
_NARROW_KANA, _HIRAGANA, _HAN = (re.compile(f"[{of}]") for of in ("\uff66-\uff9f", "\u3041-\u3096", "\u4e00-\u9fff"))
# Kurdish in Arabic letters: only the southern writes ü, and Kurmanji has no velar l.
_SOUTHERN, _SORANI = "\u06ca", "\u06b5"
_HANGUL = re.compile("[\uac00-\ud7a3]")
# Code: brackets, operators, names with a dot inside. From one to this many letters on a text isn't prose.
_CODE = re.compile(r"[{}\[\]=<>;&|\\_$#*^~]|(?<=[a-z])\.(?=[a-z])")
_CODE_RATIO = 10

# langdetect's languages; with those that their script alone tells; and pycld2's that neither of the others knows.
_CODES = """
af ar bg bn ca cs cy da de el en es et fa fi fr gu he hi hr hu id it ja kn ko lt lv mk ml mr nb ne nl pa pl pt ro ru sk
sl so sq sv sw ta te th tl tr uk ur vi zh
"""
_CODES_BY_SCRIPT = "am bo chr dv hy iu ka km lo my or si"
_CODES_OF_CLD2 = """
aa ab ak ay bho bi bo ceb chr co dv ee fj gaa gv haw hmn ia ie ik iu kha kl kri ks loz lua luo mfe mi na new nr ny os
pam raj rm rn sco sd sg sm ss su syr ti tlh tn to ts tum tw ve war wo yi za
"""
_LANGDETECT = frozenset(_CODES.split())
_WELL_KNOWN = _LANGDETECT | frozenset(_CODES_BY_SCRIPT.split())
_CLD2_ONLY = frozenset(_CODES_OF_CLD2.split())
# Close relatives: a paragraph of one in a text of another is more often an error than a quotation.
_GROUP = {
    code: number
    for number, codes in enumerate(
        (
            *("bs hr sr sl", "id ms jv su", "nb nn da sv", "gl pt es ca oc", "cs sk", "bg mk", "ru uk be", "af nl fy"),
            *("zu xh", "ku ckb sdh"),
        ),
        2,
    )
    for code in codes.split()
}

# Logistic models of the evidence below, on the labelled texts of one half of the development set's languages, L2 .5.
# On the other half answers at .9 or more are right 96.5 times of 100; the expected calibration error is .02
# (benchmarks/language.py).
_ALONE = (0.52, 0.25, 1.54, 0.43)
_AGREED = (1.55, 1.8, 3.57, -1.98, -0.14, -2.83, 1.94)
_VOTED = (
    *(-3.17, -0.69, 2.15, 2.74, -0.51, 0.32, 2.1, 2.6, -1.3, -0.28),
    *(-0.1, -0.82, 1.94, -0.4, 0.25, 0.03, -2.75, 0.55, -1.24, 3.23),
)
# The same without pycld2: 99 times of 100, .042.
_VOTED_BY_TWO = (
    *(2.13, 0.0, 0.0, 0.0, 0.0, 0.0, 1.26, 2.51, 1.04, 0.26),
    *(-0.36, 0.77, 0.23, 0.0, -0.39, 0.13, -5.45, 0.76, 1.49, 0.0),
)

_lock = threading.Lock()


class Detection(NamedTuple):
    """What the language columns say of one text. `languages`: (BCP-47, share of the letters), largest first."""

    language: str
    iso3: str | None = None
    script: str | None = None
    score: float | None = None
    detector: str | None = None
    languages: tuple[tuple[str, float], ...] | None = None
    is_mixed: bool = False


class _Answer(NamedTuple):
    """A detector's answer: primary code, confidence 0..1, and who gave it."""

    language: str
    score: float
    detector: str


class _Cld2(NamedTuple):
    """pycld2's answer. `percent`: of the bytes; `normal`: how typical of the language, 1000 or so where it is."""

    language: str
    reliable: bool
    percent: int
    normal: float
    second: int

    @property
    def sure(self) -> bool:
        """Whether it has the text to itself: the rest may be names and numbers, but no other language."""
        return self.reliable and (self.percent >= _SURE_PERCENT or (self.percent >= _MOST_PERCENT and not self.second))


class _Ballot(NamedTuple):
    """How the three voted: codes, and the probabilities of the two that give one."""

    cld2: _Cld2 | None
    py3langid: str
    py3langid_score: float
    langdetect: str
    langdetect_score: float
    likelihood: float


def detect(text: str, config: Language) -> Detection:
    """The language of a text (BCP-47), or `und` where there is too little text or confidence. Never raises for a text.

    Raises: ConfigError where the detector's package or model is missing.
    """
    letters = count_letters(text)
    script = script_of(letters)
    unknown = Detection("und", None, _script(script, "und", text))
    if letters.weight < config.min_letters:
        return unknown
    cld2 = _ask_cld2(text)
    answer = _DETECTORS[config.detector](text, letters, config, cld2)
    shares = _shares(text, answer, cld2)
    if len(shares) > 1 and shares[0][0] != answer.language:  # the whole text's answer follows bytes, not letters
        answer = answer._replace(language=shares[0][0])
    if answer.language == "und" or answer.score < config.min_score:
        return unknown._replace(detector=answer.detector)
    return Detection(
        _tag(answer.language, script, text),
        ISO3.get(answer.language, answer.language),
        _script(script, answer.language, text),
        round(answer.score, 3),
        answer.detector,
        tuple((_tag(code, script if code == answer.language else None, text), share) for code, share in shares),
        len(shares) > 1 and shares[1][1] >= MIXED_SHARE,
    )


def _auto(text: str, letters: Letters, config: Language, cld2: _Cld2 | None) -> _Answer:
    """pycld2 alone where the text is long and it is sure; with py3langid where they agree; else the vote of three.

    Whatever they say, what no one wrote to be read has no language: filler, a decoding gone wrong.
    """
    answer = _asked(text, letters, config, cld2)
    if answer.language == "und":
        return answer
    return answer._replace(language=_reviewed(answer.language, profiles.sample(text, _VOTED_CHARS), letters, cld2))


def _asked(text: str, letters: Letters, config: Language, cld2: _Cld2 | None) -> _Answer:
    sure = cld2 is not None and cld2.sure and len(text) >= _LONG_CHARS
    if cld2 and sure and cld2.language in _WELL_KNOWN and letters.symbols * 3 < letters.weight:
        return _Answer(cld2.language, _logistic(_ALONE, _alone_evidence(cld2, letters)), _names("pycld2"))
    names = _names(*(("pycld2",) if cld2 else ()), "py3langid", "langdetect")
    plain, letters = _plain(text, letters)
    if letters.weight < config.min_letters or _is_code(plain, letters):
        return _Answer("und", 0.0, names)
    known, score = _ask_py3langid(plain)
    if cld2 and (agreed := _agreed(cld2, known, score, plain, letters)):  # langdetect can't outvote both
        return agreed
    ballot = _vote(plain, cld2, known, score)
    language = _elected(ballot, sure)
    if language == "und" or _is_guess(language, ballot, plain, letters):
        return _Answer("und", 0.0, names)
    evidence = _voted_evidence(language, ballot, plain, letters)
    return _Answer(language, _logistic(_VOTED if cld2 else _VOTED_BY_TWO, evidence), names)


def _is_guess(language: str, ballot: _Ballot, text: str, letters: Letters) -> bool:
    """Whether the language won the vote for want of a better one, as does one in letters that aren't its own.

    pycld2 hears a language in practically all texts this long that are in one it knows. Where it hears none, the others
    take romanised Hindi for Fulfulde or Javanese, and Cyrillic read in a Western code page for Ligurian, and are seldom
    sure of it.
    """
    cld2 = ballot.cld2
    if cld2 is None or cld2.language == language or cld2.reliable:
        return False
    if letters.symbols * 2 > letters.weight or _is_mostly_accents(text, letters):
        return True
    if letters.weight < _HEARD_LETTERS:
        return False
    is_long = letters.weight >= _LONG_HEARD_LETTERS
    if ballot.py3langid == language:
        if ballot.py3langid_score >= _SURE_SCORE:
            return False
        agree = ballot.langdetect == language or _related(ballot.langdetect, language)
        if not is_long and agree and ballot.py3langid_score >= _LIKELY_SCORE:
            return False
    guess, normal = _guess_of_cld2(text)
    return guess != language or normal < (_LONG_NORMAL if is_long else _SHORT_NORMAL)


def _is_mostly_accents(text: str, letters: Letters) -> bool:
    """Whether most Latin letters have accents: bytes of another alphabet. Of Vietnamese and Yoruba a third have."""
    return script_of(letters) == "Latn" and len(_ACCENTED.findall(text)) * 2 > letters.total


def _reviewed(language: str, text: str, letters: Letters, cld2: _Cld2 | None) -> str:
    """The language that the text's characters and words leave of an answer: itself, a relative, or `und`."""
    if language in ("ja", "zh"):
        return _reviewed_han(language, text, letters, cld2)
    if _may_be_struck(language, text, cld2) and script_of(letters) in _KEYBOARDS and _is_struck(text):
        return "und"
    if (language == "la" or filler.may_be_filler(text)) and filler.is_filler(text):
        return "und"
    # py3langid knows no Kurdish in Arabic letters but the southern, and pycld2 doesn't tell them apart.
    if (language == "sdh" and _SOUTHERN not in text) or (language == "ku" and _SORANI in text):
        return "ckb"
    return language


def _may_be_struck(language: str, text: str, cld2: _Cld2 | None) -> bool:
    """Whether an alphabet may have decided alone: pycld2 hears nothing, or knows no other language in it."""
    if language not in _LANGDETECT or len(text) > _VOTED_CHARS:
        return False
    return cld2 is None or not cld2.reliable or language in _BY_SCRIPT


def _is_struck(text: str) -> bool:
    """Whether a text reads like keys struck at random."""
    words = " ".join(_BEYOND_ASCII.findall(text))[:_STRUCK_CHARS]
    today = unicodedata.normalize("NFC", unicodedata.normalize("NFD", words).translate(_OLD_ACCENTS))
    return profiles.fluency(today) < _STRUCK


def _reviewed_han(language: str, text: str, letters: Letters, cld2: _Cld2 | None) -> str:
    """Chinese or Japanese, as the characters say; names in characters that both write, as pycld2 says if Chinese."""
    if (han.rare_share(text) > _RARE_SHARE and not is_cantonese(text)) or _is_narrow(text):
        return "und"
    guess = cld2.language if cld2 else "und"
    if (language == "zh" and (guess == "zh" or len(text) >= _SHORT_HAN)) or script_of(letters) != "Hani":
        return language
    written = han.language_of(text)
    return written if written and (language == "ja" or written in (language, guess)) else "und"


def _is_narrow(text: str) -> bool:
    """Whether there are narrow kana beside Han and hardly any hiragana, as in bytes read as Shift-JIS."""
    narrow = len(_NARROW_KANA.findall(text))
    return narrow * 8 > len(text) and len(_HIRAGANA.findall(text)) * 4 < narrow and _HAN.search(text) is not None


def _plain(text: str, letters: Letters) -> tuple[str, Letters]:
    """What of a text is voted on, with its letters."""
    plain = profiles.sample(text, _VOTED_CHARS)
    if "@" in plain or "://" in plain or "www." in plain:
        plain = _URL.sub(" ", plain)
    plain = _lowered(plain)
    return (plain, letters) if plain == text else (plain, count_letters(plain))


def _is_code(text: str, letters: Letters) -> bool:
    return len(_CODE.findall(text)) * _CODE_RATIO > letters.weight


def _agreed(cld2: _Cld2, known: str, score: float, text: str, letters: Letters) -> _Answer | None:
    """The language on which pycld2, where it is reliable, and py3langid agree."""
    if not cld2.reliable or known != cld2.language or known == "und":
        return None
    size, typical = _size(letters), min(cld2.normal, 1000) / 1000
    rare = known not in _LANGDETECT
    evidence = (1.0, typical, _odds(score), _odds(score) * size, rare, size, _wordlessness(text, letters))
    return _Answer(known, _logistic(_AGREED, evidence), _names("pycld2", "py3langid"))


def _elected(ballot: _Ballot, sure: bool) -> str:
    """The language with the most votes. The others can't outvote a sure pycld2, nor on a language they don't know."""
    cld2 = ballot.cld2
    if cld2 and cld2.language != "und" and (sure or (cld2.reliable and cld2.language in _CLD2_ONLY)):
        return cld2.language
    votes: dict[str, float] = defaultdict(float)
    if cld2:
        votes[cld2.language] += _WEIGHTS["pycld2"]
    votes[ballot.py3langid] += _WEIGHTS["py3langid"]
    votes[ballot.langdetect] += _WEIGHTS["langdetect"]
    votes.pop("und", None)
    return max(votes, key=votes.__getitem__, default="und")


def _vote(text: str, cld2: _Cld2 | None, known: str, known_score: float) -> _Ballot:
    best, best_score, likelihood = profiles.best(text, _LANGDETECT_CHARS) or ("und", 0.0, -10.0)
    best = bcp47(best).split("-")[0]
    if best == "ko" and not _HANGUL.search(text):  # langdetect#51: Chinese is taken for Korean
        best = "und"
    return _Ballot(cld2, known, known_score, best, best_score, likelihood)


def _alone_evidence(cld2: _Cld2, letters: Letters) -> tuple[float, ...]:
    return (1.0, cld2.percent / 100, min(cld2.normal, 2000) / 1000, _size(letters))


def _voted_evidence(language: str, ballot: _Ballot, text: str, letters: Letters) -> tuple[float, ...]:
    """What the confidence of a vote depends on: who agrees, how surely, with how much text, and how wordy it is."""
    cld2 = ballot.cld2 or _Cld2("und", False, 0, 0.0, 0)
    typical = min(cld2.normal, 1000) / 1000
    near = cld2.language != language and _related(cld2.language, language)
    by_cld2, by_py3langid = cld2.language == language, ballot.py3langid == language
    by_langdetect = ballot.langdetect == language
    size = _size(letters)
    spaced = script_of(letters) not in UNSPACED_SCRIPTS
    return (
        1.0,
        by_cld2,
        by_cld2 * typical,
        by_cld2 and cld2.reliable,
        typical * (not by_cld2 and not near and cld2.language != "und"),
        near,
        by_py3langid,
        by_py3langid * _odds(ballot.py3langid_score),
        by_py3langid * _odds(ballot.py3langid_score) * size,
        by_langdetect,
        by_langdetect * _odds(ballot.langdetect_score),
        by_langdetect * _odds(ballot.langdetect_score) * size,
        by_py3langid * by_langdetect * ballot.py3langid_score * ballot.langdetect_score,
        by_cld2 and by_py3langid,
        language not in _LANGDETECT,
        language in _LANGDETECT and not by_langdetect,
        size,
        _wordlessness(text, letters),
        max(-10.0, ballot.likelihood) / 10 if spaced else -0.7,
        (not by_py3langid and ballot.py3langid != "und") * ballot.py3langid_score,
    )


def _wordlessness(text: str, letters: Letters) -> float:
    """Share of the characters that stand in no word; 0 where words are not spaced."""
    if script_of(letters) in UNSPACED_SCRIPTS:
        return 0.0
    return 1.0 - min(1.0, sum(map(len, _WORD.findall(text))) / max(1, letters.total + letters.symbols))


def _odds(probability: float) -> float:
    """Logarithm of the odds, cut to -.75..1.25."""
    return max(-3.0, min(5.0, math.log((probability + 1e-4) / (1 - probability + 1e-4)))) / 4


def _size(letters: Letters) -> float:
    return min(math.log2(letters.weight + 1), 12) / 10


def _logistic(weights: tuple[float, ...], evidence: tuple[float, ...]) -> float:
    return 1 / (1 + math.exp(-sum(weight * value for weight, value in zip(weights, evidence, strict=True))))


def _ask_cld2(text: str) -> _Cld2 | None:
    """None where pycld2 has no wheel."""
    if pycld2 is None:
        return None
    text = profiles.sample(text, _HEARD_CHARS, _HEARD_PIECES)
    try:
        reliable, _, details = pycld2.detect(text.encode(), isPlainText=True)
    except (pycld2.error, UnicodeEncodeError):
        try:
            reliable, _, details = pycld2.detect(_REFUSED.sub(" ", text).encode(), isPlainText=True)
        except pycld2.error:  # a character newer than its tables
            return _Cld2("und", False, 0, 0.0, 0)
    (_, code, percent, normal), (_, other, second, _) = details[:2]
    return _Cld2(bcp47(code).split("-")[0], reliable, percent, normal, second if other != "un" else 0)


def _guess_of_cld2(text: str) -> tuple[str, float]:
    """The language that pycld2 would take a text for which it calls unknown, and how typical that would be."""
    assert pycld2 is not None
    try:
        _, _, details = pycld2.detect(_REFUSED.sub(" ", text).encode(), isPlainText=True, bestEffort=True)
    except pycld2.error:
        return "und", 0.0
    return bcp47(details[0][1]).split("-")[0], details[0][3]


class _Py3langid(NamedTuple):
    """py3langid's model as arrays: an automaton over bytes, and a naive Bayes model over the features it finds."""

    next_state: npt.NDArray[np.uint32]  # at row + byte
    row: npt.NDArray[np.int32]  # of a state
    feature: npt.NDArray[np.int32]  # of a state, or -1
    logs: npt.NDArray[np.int16]  # [feature, class]
    prior: npt.NDArray[np.float64]
    codes: list[str]
    code: npt.NDArray[np.intp]  # of a class, as a place in `codes`


@cache
def _py3langid() -> _Py3langid:
    model = LanguageIdentifier.from_model_file(MODEL_FILE)
    names = [bcp47(code) for code in model.nb_classes]
    codes = sorted(set(names))
    return _Py3langid(
        np.frombuffer(model.tk_nextmove, np.uint32),
        np.array(model._rowbase, np.int32),
        np.array(model.tk_output, np.int32),
        np.rint(model.nb_ptc.astype(np.float32) * _LOG_SCALE).astype(np.int16),
        model.nb_pc.astype(np.float64),
        codes,
        np.array([codes.index(name) for name in names], np.intp),
    )


def _features(text: bytes, model: _Py3langid) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """The features of a text and how often each stands there: `py3langid.langid.visit_counts`, all bytes at once.

    The automaton's state is the longest feature's beginning that the last bytes are, so the last six decide it.
    """
    read = np.frombuffer(text, np.uint8)
    states = np.zeros(len(read), np.uint32)
    for back in range(min(_FEATURE_BYTES, len(read)) - 1, -1, -1):
        states[back:] = model.next_state.take(model.row.take(states[back:]) + read[: len(read) - back])
    features = model.feature.take(states)
    features = features[features >= 0]
    features.sort()
    is_first = np.ones(len(features), np.bool_)
    np.not_equal(features[1:], features[:-1], out=is_first[1:])
    starts = np.flatnonzero(is_first)
    counts = np.full(len(starts), len(features), np.int64)
    counts[:-1] = starts[1:]
    return features[starts], counts - starts


def _ask_py3langid(text: str) -> tuple[str, float]:
    """Code and probability: `LanguageIdentifier.classify`, but its sums are exact, in no order and by no BLAS."""
    with _lock:
        model = _py3langid()
    encoded = unicodedata.normalize("NFC", text).encode("utf-8", "replace")
    features, counts = _features(encoded, model)
    if not len(features):
        return "und", 0.0
    weights = np.rint(np.log1p(counts) * _LOG_SCALE).astype(np.int64)
    logs = model.logs.take(features, axis=0).astype(np.float64)  # of whole numbers: sums below 2^53 are exact
    scores = np.einsum("i,ij->j", weights.astype(np.float64), logs) / _LOG_SCALE**2 + model.prior
    tempered = np.exp((scores - scores.max()) / math.sqrt(len(encoded)))
    by_code = np.bincount(model.code, tempered)
    best = int(np.argmax(by_code))
    return model.codes[best], float(by_code[best] / by_code.sum())


@cache
def _langdetect_factory() -> DetectorFactory:
    factory = DetectorFactory()
    factory.load_profile(PROFILES_DIRECTORY)
    return factory


def _langdetect(text: str, letters: Letters, config: Language, cld2: _Cld2 | None) -> _Answer:
    """langdetect as it is, but seeded: it draws at random (langdetect#3, #120)."""
    with _lock:  # its first use in threads is unsafe (langdetect#65)
        factory = _langdetect_factory()
    detector = factory.create()
    detector.seed = config.seed
    detector.append(_lowered(text))
    try:
        answers = detector.get_probabilities()
    except LangDetectException:  # "No features in text": letters of no profile
        answers = []
    code, score = (answers[0].lang, answers[0].prob) if answers else ("und", 0.0)
    return _Answer(bcp47(code).split("-")[0], score, _names("langdetect"))


def _langdetect_exact(text: str, letters: Letters, config: Language, cld2: _Cld2 | None) -> _Answer:
    """langdetect's profiles over every n-gram of the 10,000 characters that langdetect reads."""
    code, score, _ = profiles.best(_lowered(text), max_chars=10_000) or ("und", 0.0, -10.0)
    return _Answer(bcp47(code).split("-")[0], score, f"langdetect-exact {version('langdetect')}")


def _fasttext(text: str, letters: Letters, config: Language, cld2: _Cld2 | None) -> _Answer:
    """lid.176.ftz, or a model of the user's (lid.176.bin, GlotLID, OpenLID: labels `de`, `deu`, `deu_Latn`)."""
    model = fasttext_model.load(config.model_path, "language.model_path")
    label, score = model.predict(_lowered(text))
    return _Answer(code_of_label(label)[0] if label else "und", score, model.name)


_DETECTORS: dict[str, Callable[[str, Letters, Language, _Cld2 | None], _Answer]] = {
    "auto": _auto,
    "langdetect": _langdetect,
    "langdetect-exact": _langdetect_exact,
    "fasttext": _fasttext,
}


@cache
def _names(*packages: str) -> str:
    return " + ".join(f"{package} {version(package)}" for package in packages)


def _lowered(text: str) -> str:
    """Text in capitals in small letters: langdetect skips words in capitals, and knows 23 % of such texts."""
    return text.lower() if profiles.is_capitals(text[:_VOTED_CHARS]) else text


def _shares(text: str, answer: _Answer, cld2: _Cld2 | None) -> tuple[tuple[str, float], ...]:
    """The languages of a text and their shares of its letters, largest first.

    pycld2 says at no cost whether there may be a second one; only then each paragraph is asked, or each sentence of
    a text of one line, and not where the language of the whole is more likely wrong than right.
    """
    language = answer.language
    if language == "und":
        return ()
    if answer.score < _PLAUSIBLE:
        return ((language, 1.0),)
    if cld2 and cld2.second < _SECOND_PERCENT and cld2.reliable:
        return ((language, 1.0),)
    parts = [part for part in text.split("\n") if part.strip()]
    if len(parts) == 1:
        parts = [part for part in _SENTENCE_END.split(text) if part]
    shares: Counter[str] = Counter()
    for part, letters, weight in zip(parts, *count_letters_of(parts), strict=True):
        shares[(weight >= _PARAGRAPH_LETTERS and _part_language(part, language)) or language] += letters
    total = max(1, shares.total())
    return tuple(
        (code, round(weight / total, 3)) for code, weight in sorted(shares.items(), key=lambda s: (-s[1], s[0]))
    )


def _part_language(part: str, language: str) -> str | None:
    """The language of a paragraph if it is another: pycld2 alone where it may, else it and py3langid must agree."""
    part = part[:_PARAGRAPH_CHARS]
    cld2 = _ask_cld2(part)
    if cld2 and (cld2.language in (language, "und") or _related(cld2.language, language)):
        return None
    letters = count_letters(part)
    if cld2 is None or (cld2.sure and len(part) >= _LONG_CHARS):
        answer = _auto(part, letters, Language(), cld2)
    else:
        plain, letters = _plain(part, letters)
        if not cld2.reliable or _is_code(plain, letters):
            return None
        answer = _agreed(cld2, *_ask_py3langid(plain), plain, letters) or _Answer("und", 0.0, "")
    if answer.score < _PARAGRAPH_SCORE:
        return None
    found = _reviewed(answer.language, part, letters, cld2)
    return None if found in (language, "und") or _related(found, language) else found


def _related(one: str, other: str) -> bool:
    return _GROUP.get(one, 0) == _GROUP.get(other, 1)


def _script(script: str | None, language: str, text: str) -> str | None:
    if script == "Hani" and language in ("zh", "und", "yue", "wuu"):
        return han_variant(text) or script
    return "Jpan" if script == "Hani" and language == "ja" else script


def _tag(language: str, script: str | None, text: str) -> str:
    """BCP-47, with the script where the language is written in two."""
    if language == "zh":
        if is_cantonese(text):
            return "yue"
        variant = han_variant(text)
        return f"zh-{variant}" if variant else "zh"
    if script and script != (usual_script(language) or script):
        return f"{language}-{script}"
    return language


def check_models(config: Language) -> None:
    """Raises: ConfigError where a model the configuration asks for, or what runs it, is missing."""
    if config.detector == "fasttext":
        fasttext_model.check(config.model_path, "language.model_path")
    if config.second_opinion:
        fasttext_model.check(config.second_opinion, "language.second_opinion")


def second_opinion(text: str, config: Language) -> tuple[str, float] | None:
    """What the user's own fastText model says, in BCP-47; None without one, or where there is too little text.

    A script that goes without saying is left out, as in ours: that of the registry, or the only one the model knows the
    language in. Han, which says neither, is the variant that is there.
    """
    if not config.second_opinion or count_letters(text).weight < config.min_letters:
        return None
    model = fasttext_model.load(config.second_opinion, "language.second_opinion")
    label, score = model.predict(_lowered(profiles.sample(text, _SECOND_CHARS)))
    code, script = code_of_label(label)
    if code == "zh" and script in (None, "Hani"):
        script = han_variant(text)
        return (f"zh-{script}" if script else "zh"), score
    usual = suppressed_script(code) or (script if model.scripts(code) == {script} else None)
    return (f"{code}-{script}" if script and script != usual else code), score


def detect_language(documents: pa.Table, config: Config) -> pa.Table:
    """Detect the language of every text: adds the language columns; rows and order stay.

    A document in a language that is not wanted, or with less confidence than its language asks, gets `reject_reason`.
    """
    texts = documents["text"].to_pylist()
    found = [detect(text, config.language) for text in texts]
    second = [second_opinion(text, config.language) for text in texts]
    reasons = documents["reject_reason"].to_pylist()
    stages, details = documents["reject_stage"].to_pylist(), documents["reject_detail"].to_pylist()
    wanted = frozenset(map(bcp47, config.languages))
    thresholds = {bcp47(code): least for code, least in config.language.thresholds.items()}
    for row, detection in enumerate(found):
        unfit = _unfit(detection, wanted, thresholds) if reasons[row] is None else None
        if unfit:
            stages[row] = STAGE
            reasons[row], details[row] = unfit
    return with_columns(
        documents,
        language=[detection.language for detection in found],
        language_iso3=[detection.iso3 for detection in found],
        language_script=[detection.script for detection in found],
        language_score=[detection.score for detection in found],
        language_detector=[detection.detector for detection in found],
        languages=[
            [{"code": code, "share": share} for code, share in detection.languages] if detection.languages else None
            for detection in found
        ],
        is_mixed=[detection.is_mixed for detection in found],
        language_second=[opinion and opinion[0] for opinion in second],
        language_second_score=[opinion and opinion[1] for opinion in second],
        reject_reason=reasons,
        reject_stage=stages,
        reject_detail=details,
    )


def _unfit(detection: Detection, wanted: frozenset[str], thresholds: dict[str, float]) -> tuple[str, str] | None:
    """Reason and detail of a rejection, or None. `de` wants all of de, `zh-Hant` only that, `no` nb and nn."""
    language = detection.language
    names = {language, language.split("-")[0]}
    if wanted and not names & wanted:
        return "language.unwanted", f"{language}, wanted: {', '.join(sorted(wanted))}"
    least = max((thresholds[name] for name in names if name in thresholds), default=0.0)
    if detection.score is not None and detection.score < least:
        return "language.uncertain", f"{language} with {detection.score}, wanted {least} or more"
    return None
