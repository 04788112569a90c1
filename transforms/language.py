"""Language of the curated text: which, how sure, in which script, and how much of it in another.

The default, `auto`, is a cascade. pycld2 reads 600 characters, or 2,000 where those leave it unsure, and decides where
it is sure of a long text; elsewhere py3langid is asked, and where the two differ langdetect's profiles: they vote,
which is better than any of them (sentences: 99.7 % of langdetect's languages, pycld2 97.4, py3langid 98.7, langdetect
98.4). Nothing is drawn at random, sums are integers or in a fixed order, and every model loads under a lock, so a text
has one answer in any process or thread.

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
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from typing import NamedTuple

import pyarrow as pa
from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory
from langdetect.lang_detect_exception import LangDetectException

from transforms import fasttext_model, filler, han, profiles, py3langid_model
from transforms.codes import ISO3, bcp47, code_of_label, suppressed_script, usual_script
from transforms.config import Config, Language
from transforms.schema import with_columns
from transforms.scripts import (
    UNSPACED_SCRIPTS,
    Letters,
    count_all_letters,
    count_letters,
    han_variant,
    is_cantonese,
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
# A third of it tells as much where it then is sure, hears nothing else, and knows no relative that reads much the same.
_HEARD_CHARS, _HEARD_PIECES = 2000, 20
_GLANCE_CHARS, _GLANCE_PIECES, _GLANCE_PERCENT = 600, 6, 95
# Votes. pycld2 breaks ties, being right 79 times of 100 where it and py3langid differ.
_WEIGHTS = {"pycld2": 1.01, "py3langid": 1.0, "langdetect": 0.9}
# What a vote reads, and of that langdetect: pieces from all over the text. Sentences are shorter, longer texts as
# right as with 2000 and 1000.
_VOTED_CHARS, _VOTED_PIECES, _LANGDETECT_CHARS = 900, 9, 300
# A second language from this share of pycld2's bytes on makes the paragraphs worth reading one by one.
_SECOND_PERCENT = 5
# From this share of the letters on a second language makes a text mixed.
MIXED_SHARE = 0.15
# A paragraph with fewer letters, or about which the detectors are less sure, counts with the main language.
_PARAGRAPH_LETTERS, _PARAGRAPH_SCORE = 40, 0.8
_PARAGRAPH_CHARS = 200
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
_WORD = re.compile(r"[\"'(\[„“«‹‚‘¿¡-]*[^\W\d_]+(?:['’ʼ-][^\W\d_]+)*['’ʼ-]?[\"')\]”“»›‘.,;:!?…]*")
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
_CODE_SIGNS, _DOTTED = "{}[]=<>;&|\\_$#*^~", re.compile(r"\.(?<=[a-z]\.)(?=[a-z])")
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
# What pycld2 has to read more of: it takes Bhojpuri, Bosnian and Malay for these, and large languages for relatives.
_TAKEN_FOR = {"hi", "hr", "id"} | (_GROUP.keys() - _WELL_KNOWN)

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


class _Heard(NamedTuple):
    """A text that is to have a language: its letters, and what pycld2 makes of it."""

    text: str
    letters: Letters
    cld2: _Cld2 | None


def detect(text: str, config: Language) -> Detection:
    """The language of a text (BCP-47), or `und` where there is too little text or confidence. Never raises for a text.

    Raises: ConfigError where the detector's package or model is missing.
    """
    return detect_all([text], config)[0]


def detect_all(texts: Sequence[str], config: Language) -> list[Detection]:
    """The language of each text, as `detect` has it: what is asked of many at once costs less."""
    letters = count_all_letters(texts)
    rows = [row for row in range(len(texts)) if letters[row].weight >= config.min_letters]
    heard = [_Heard(texts[row], letters[row], _ask_cld2(texts[row])) for row in rows]
    answers = _DETECTORS[config.detector](heard, config)
    known = {
        row: _detection(one, answer, of_text, config)
        for row, one, answer, of_text in zip(rows, heard, answers, _all_shares(heard, answers), strict=True)
    }
    return [known.get(row) or _unknown(text, letters[row].script) for row, text in enumerate(texts)]


def _unknown(text: str, script: str | None, detector: str | None = None) -> Detection:
    return Detection("und", None, _script(script, "und", text), None, detector)


def _detection(heard: _Heard, answer: _Answer, shares: tuple[tuple[str, float], ...], config: Language) -> Detection:
    text, script = heard.text, heard.letters.script
    if len(shares) > 1 and shares[0][0] != answer.language:
        answer = answer._replace(language=shares[0][0])  # the whole text's answer follows bytes, not letters
    if answer.language == "und" or answer.score < config.min_score:
        return _unknown(text, script, answer.detector)
    language = _tag(answer.language, script, text)
    return Detection(
        language,
        ISO3.get(answer.language, answer.language),
        _script(script, answer.language, text),
        round(answer.score, 3),
        answer.detector,
        tuple((language if code == answer.language else _tag(code, None, text), share) for code, share in shares),
        len(shares) > 1 and shares[1][1] >= MIXED_SHARE,
    )


def _auto(heard: Sequence[_Heard], config: Language) -> list[_Answer]:
    """pycld2 alone where the text is long and it is sure; with py3langid where they agree; else the vote of three.

    Whatever they say, what no one wrote to be read has no language: filler, a decoding gone wrong.
    """
    answers = [_by_cld2(one) for one in heard]
    voted = iter(_voted([one for one, answer in zip(heard, answers, strict=True) if answer is None], config))
    found = [answer or next(voted) for answer in answers]
    return [_reviewed(answer, one) for answer, one in zip(found, heard, strict=True)]


def _by_cld2(heard: _Heard) -> _Answer | None:
    """pycld2's answer where it needs no other."""
    cld2, letters = heard.cld2, heard.letters
    if not cld2 or not _is_sure(heard) or cld2.language not in _WELL_KNOWN or letters.symbols * 3 >= letters.weight:
        return None
    return _Answer(cld2.language, _logistic(_ALONE, _alone_evidence(cld2, letters)), _names("pycld2"))


def _is_sure(heard: _Heard) -> bool:
    return heard.cld2 is not None and heard.cld2.sure and len(heard.text) >= _LONG_CHARS


def _voted(heard: Sequence[_Heard], config: Language) -> list[_Answer]:
    """What pycld2 and py3langid agree on; else the vote of three."""
    if not heard:  # no model is read for nothing
        return []
    names = _names(*(("pycld2",) if pycld2 else ()), "py3langid", "langdetect")
    unknown = _Answer("und", 0.0, names)
    answers = [unknown] * len(heard)
    plain = _plain([_sample(one.text) for one in heard])
    all_letters = count_all_letters(plain)
    fit = [
        row
        for row, (text, letters) in enumerate(zip(plain, all_letters, strict=True))
        if letters.weight >= config.min_letters and not _is_code(text, letters)
    ]
    for row, (known, score) in zip(fit, py3langid_model.classify([plain[row] for row in fit]), strict=True):
        text, letters = plain[row], all_letters[row]
        cld2 = heard[row].cld2
        if cld2 and (agreed := _agreed(cld2, known, score, text, letters)):  # langdetect can't outvote both
            answers[row] = agreed
            continue
        ballot = _vote(text, cld2, known, score)
        language = _elected(ballot, _is_sure(heard[row]))
        if language != "und" and not _is_guess(language, ballot, text, letters):
            evidence = _voted_evidence(language, ballot, text, letters)
            answers[row] = _Answer(language, _logistic(_VOTED if cld2 else _VOTED_BY_TWO, evidence), names)
    return answers


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
    return letters.script == "Latn" and len(_ACCENTED.findall(text)) * 2 > letters.total


def _reviewed(answer: _Answer, heard: _Heard) -> _Answer:
    """The answer, with what the text's characters and words leave of its language: itself, a relative, or `und`."""
    language = _left_of(answer.language, heard) if answer.language != "und" else "und"
    return answer if language == answer.language else answer._replace(language=language)


def _left_of(language: str, heard: _Heard) -> str:
    text = heard.text
    if language in ("ja", "zh"):
        return _reviewed_han(language, heard)
    if _may_be_struck(language, heard) and heard.letters.script in _KEYBOARDS and _is_struck(text):
        return "und"
    if (language == "la" or filler.may_be_filler(text)) and filler.is_filler(_sample(text)):
        return "und"
    # py3langid knows no Kurdish in Arabic letters but the southern, and pycld2 doesn't tell them apart.
    if (language == "sdh" and _SOUTHERN not in text) or (language == "ku" and _SORANI in text):
        return "ckb"
    return language


def _may_be_struck(language: str, heard: _Heard) -> bool:
    """Whether an alphabet may have decided alone: pycld2 hears nothing, or knows no other language in it."""
    if language not in _LANGDETECT or len(heard.text) > _VOTED_CHARS:
        return False
    return heard.cld2 is None or not heard.cld2.reliable or language in _BY_SCRIPT


def _is_struck(text: str) -> bool:
    """Whether a text reads like keys struck at random."""
    words = " ".join(_BEYOND_ASCII.findall(text))[:_STRUCK_CHARS]
    today = unicodedata.normalize("NFC", unicodedata.normalize("NFD", words).translate(_OLD_ACCENTS))
    return profiles.fluency(today) < _STRUCK


def _reviewed_han(language: str, heard: _Heard) -> str:
    """Chinese or Japanese, as the characters say; names in characters that both write, as pycld2 says if Chinese."""
    text = _sample(heard.text)
    if (han.rare_share(text) > _RARE_SHARE and not is_cantonese(text)) or _is_narrow(text):
        return "und"
    guess = heard.cld2.language if heard.cld2 else "und"
    if (language == "zh" and (guess == "zh" or len(text) >= _SHORT_HAN)) or heard.letters.script != "Hani":
        return language
    written = han.language_of(text)
    return written if written and (language == "ja" or written in (language, guess)) else "und"


def _is_narrow(text: str) -> bool:
    """Whether there are narrow kana beside Han and hardly any hiragana, as in bytes read as Shift-JIS."""
    narrow = len(_NARROW_KANA.findall(text))
    return narrow * 8 > len(text) and len(_HIRAGANA.findall(text)) * 4 < narrow and _HAN.search(text) is not None


def _sample(text: str) -> str:
    return profiles.sample(text, _VOTED_CHARS, _VOTED_PIECES)


def _plain(texts: Sequence[str]) -> list[str]:
    """What of each text is voted on."""
    plain = [_URL.sub(" ", text) if "@" in text or "://" in text or "www." in text else text for text in texts]
    return [
        text.lower() if in_capitals else text
        for text, in_capitals in zip(plain, profiles.are_capitals(plain), strict=True)
    ]


def _is_code(text: str, letters: Letters) -> bool:
    found = sum(map(text.count, _CODE_SIGNS))
    if "." in text:
        found += len(_DOTTED.findall(text))
    return found * _CODE_RATIO > letters.weight


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
    best = _primary(best)
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
    spaced = letters.script not in UNSPACED_SCRIPTS
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
    if letters.script in UNSPACED_SCRIPTS:
        return 0.0
    in_words = sum([len(word) for word in text.split() if word.isalpha() or _WORD.fullmatch(word)])
    return 1.0 - min(1.0, in_words / max(1, letters.total + letters.symbols))


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
    if len(text) > _GLANCE_CHARS:
        found = _cld2_of(profiles.sample(text, _GLANCE_CHARS, _GLANCE_PIECES))
        is_alone = found.reliable and found.percent >= _GLANCE_PERCENT and not found.second
        if is_alone and found.language not in _TAKEN_FOR:
            return found
    return _cld2_of(profiles.sample(text, _HEARD_CHARS, _HEARD_PIECES))


def _cld2_of(text: str) -> _Cld2:
    assert pycld2 is not None
    try:
        reliable, _, details = pycld2.detect(text.encode(), isPlainText=True)
    except (pycld2.error, UnicodeEncodeError):
        try:
            reliable, _, details = pycld2.detect(_REFUSED.sub(" ", text).encode(), isPlainText=True)
        except pycld2.error:  # a character newer than its tables
            return _Cld2("und", False, 0, 0.0, 0)
    (_, code, percent, normal), (_, other, second, _) = details[:2]
    return _Cld2(_primary(code), reliable, percent, normal, second if other != "un" else 0)


@cache
def _primary(code: str) -> str:
    return bcp47(code).split("-")[0]


def _guess_of_cld2(text: str) -> tuple[str, float]:
    """The language that pycld2 would take a text for which it calls unknown, and how typical that would be."""
    assert pycld2 is not None
    try:
        _, _, details = pycld2.detect(_REFUSED.sub(" ", text).encode(), isPlainText=True, bestEffort=True)
    except pycld2.error:
        return "und", 0.0
    return _primary(details[0][1]), details[0][3]


@cache
def _langdetect_factory() -> DetectorFactory:
    factory = DetectorFactory()
    factory.load_profile(PROFILES_DIRECTORY)
    return factory


def _langdetect(text: str, config: Language) -> _Answer:
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
    return _Answer(_primary(code), score, _names("langdetect"))


def _langdetect_exact(text: str, config: Language) -> _Answer:
    """langdetect's profiles over every n-gram of the 10,000 characters that langdetect reads."""
    code, score, _ = profiles.best(_lowered(text), max_chars=10_000) or ("und", 0.0, -10.0)
    return _Answer(_primary(code), score, f"langdetect-exact {version('langdetect')}")


def _fasttext(text: str, config: Language) -> _Answer:
    """lid.176.ftz, or a model of the user's (lid.176.bin, GlotLID, OpenLID: labels `de`, `deu`, `deu_Latn`)."""
    model = fasttext_model.load(config.model_path, "language.model_path")
    label, score = model.predict(_lowered(text))
    return _Answer(code_of_label(label)[0] if label else "und", score, model.name)


def _each(answer: Callable[[str, Language], _Answer]) -> Callable[[Sequence[_Heard], Language], list[_Answer]]:
    return lambda heard, config: [answer(one.text, config) for one in heard]


_DETECTORS: dict[str, Callable[[Sequence[_Heard], Language], list[_Answer]]] = {
    "auto": _auto,
    "langdetect": _each(_langdetect),
    "langdetect-exact": _each(_langdetect_exact),
    "fasttext": _each(_fasttext),
}


@cache
def _names(*packages: str) -> str:
    names = {"py3langid": py3langid_model.load().name} if "py3langid" in packages else {}
    return " + ".join(names.get(package) or f"{package} {version(package)}" for package in packages)


def _lowered(text: str) -> str:
    """Text in capitals in small letters: langdetect skips words in capitals, and knows 23 % of such texts."""
    return text.lower() if profiles.is_capitals(text[:_VOTED_CHARS]) else text


def _all_shares(heard: Sequence[_Heard], answers: Sequence[_Answer]) -> list[tuple[tuple[str, float], ...]]:
    """The languages of each text and their shares of its letters, largest first.

    pycld2 says at no cost whether there may be a second one; only then each paragraph is asked, or each sentence of
    a text of one line, and not where the language of the whole is more likely wrong than right.
    """
    shares: list[tuple[tuple[str, float], ...]] = [
        ((answer.language, 1.0),) if answer.language != "und" else () for answer in answers
    ]
    parts: list[_Part] = []
    for row, (one, answer) in enumerate(zip(heard, answers, strict=True)):
        if answer.language != "und" and answer.score >= _PLAUSIBLE and _may_have_a_second(one.cld2):
            parts += [_Part(row, answer.language, part) for part in _parts(one.text)]
    letters = count_all_letters([part.text for part in parts])
    long = [number for number, found in enumerate(letters) if found.weight >= _PARAGRAPH_LETTERS]
    others = dict(zip(long, _other_languages([parts[number] for number in long]), strict=True))
    sums: dict[int, Counter[str]] = defaultdict(Counter)
    for number, (part, found) in enumerate(zip(parts, letters, strict=True)):
        sums[part.row][others.get(number) or part.language] += found.total
    for row, counts in sums.items():
        total = max(1, counts.total())
        shares[row] = tuple(
            (code, round(weight / total, 3)) for code, weight in sorted(counts.items(), key=lambda s: (-s[1], s[0]))
        )
    return shares


class _Part(NamedTuple):
    """A paragraph or sentence of the text in this row, whose language is this one."""

    row: int
    language: str
    text: str


def _may_have_a_second(cld2: _Cld2 | None) -> bool:
    return cld2 is None or cld2.second >= _SECOND_PERCENT or not cld2.reliable


def _parts(text: str) -> list[str]:
    parts = [part for part in text.split("\n") if part.strip()]
    return parts if len(parts) > 1 else [part for part in _SENTENCE_END.split(text) if part]


def _other_languages(parts: Sequence[_Part]) -> list[str | None]:
    """The language of each part if it is another than the text's: neither pycld2 nor py3langid says the text's, and
    pycld2 says which, alone where it may, else with py3langid. pycld2 is asked first, being the faster."""
    cld2 = [_ask_cld2(part.text[:_PARAGRAPH_CHARS]) for part in parts]
    asked = [number for number, part in enumerate(parts) if _may_be_another(cld2[number], part.language)]
    plain = _plain([parts[number].text[:_PARAGRAPH_CHARS] for number in asked])
    found = zip(asked, plain, count_all_letters(plain), py3langid_model.classify(plain), strict=True)
    others: list[str | None] = [None] * len(parts)
    for number, text, letters, (known, score) in found:
        if known != parts[number].language:
            others[number] = _other_language(parts[number], cld2[number], text, letters, known, score)
    return others


def _may_be_another(cld2: _Cld2 | None, language: str) -> bool:
    if cld2 is None:
        return True
    return cld2.reliable and cld2.language not in (language, "und") and not _related(cld2.language, language)


def _other_language(
    part: _Part, cld2: _Cld2 | None, plain: str, letters: Letters, known: str, score: float
) -> str | None:
    heard = _Heard(part.text[:_PARAGRAPH_CHARS], letters, cld2)
    if cld2 is None or _is_sure(heard):
        answer = _auto([heard], Language())[0]
    elif _is_code(plain, letters):
        return None
    else:
        answer = _reviewed(_agreed(cld2, known, score, plain, letters) or _Answer("und", 0.0, ""), heard)
    if answer.score < _PARAGRAPH_SCORE:
        return None
    found = answer.language
    return None if found in (part.language, "und") or _related(found, part.language) else found


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
    found = detect_all(texts, config.language)
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
