"""Encoding repair against ftfy: where the text is another, how much faster, linear on hostile input; and bytes that
aren't UTF-8: of 37 languages in their charsets, and of articles in twelve Western and Central European ones.

    TAMIS_DEVSET=DIR python benchmarks/encoding.py

Reads `boilerplate-*.jsonl.gz` and `language-*.jsonl.gz` of the development set. Times are CPU seconds of this
process, ours and ftfy's taken in turn on each text. Prints one JSON object a line; exits 1 where a floor is missed.
"""

import gzip
import itertools
import json
import os
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ftfy
from charset_normalizer import from_bytes

sys.path.insert(0, str(Path(__file__).parent.parent))
from transforms import encoding
from transforms.charsets import decode
from transforms.config import Limits
from transforms.encoding import FTFY, repair_text
from transforms.errors import RecordError
from transforms.spans import Span, apply

DEVSET = Path(os.environ["TAMIS_DEVSET"])
LIMITS = Limits(document_chars=10**9)
LEGACY = {
    **{code: ["cp1252"] for code in ("ca", "da", "de", "en", "es", "fi", "fr", "it", "nb", "nl", "pt", "sv")},
    **{code: ["cp1250", "iso8859-2"] for code in ("cs", "hr", "pl", "ro", "sk")},
    **{code: ["cp1251"] for code in ("be", "bg", "mk", "uk")},
    **{code: ["cp1250"] for code in ("hu", "sl")},
    **{code: ["cp1257"] for code in ("et", "lt", "lv")},
    "sr": ["cp1251", "cp1250"],
    "ru": ["cp1251", "koi8-r"],
    "el": ["cp1253"],
    "tr": ["cp1254"],
    "he": ["cp1255"],
    "ar": ["cp1256"],
    "fa": ["cp1256"],
    "zh": ["gb18030", "big5"],
    "ja": ["cp932", "euc_jp"],
    "ko": ["cp949"],
    "th": ["cp874"],
}
# What was written in them: languages of the development set.
WESTERN = ["en", "fr", "de", "es", "it", "pt", "nl", "sv", "da", "nb", "fi", "ca", "is", "ga"]
CENTRAL = ["cs", "pl", "hu", "hr", "sk", "sl", "ro", "bs", "de"]
TURKISH = ["tr", "de", "fr", "es", "it", "nl", "pt"]
BALTIC = ["et", "lt", "lv"]
ARTICLES = {
    **dict.fromkeys(("cp1252", "latin-1", "iso8859-15", "mac_roman", "cp850"), WESTERN),
    **dict.fromkeys(("cp1250", "iso8859-2", "cp852"), CENTRAL),
    **dict.fromkeys(("cp1254", "iso8859-9"), TURKISH),
    **dict.fromkeys(("cp1257", "iso8859-13"), BALTIC),
}
# How a charset without them had typographic signs.
TYPED = str.maketrans(
    {"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "–": "-", "—": "-", "…": "...", "•": "*", "€": "EUR",
     "ș": "ş", "ț": "ţ", "Ș": "Ş", "Ț": "Ţ", "œ": "oe", "Œ": "OE", "\xa0": " "}
)  # fmt: skip
HOSTILE = {
    "&amp;amp;…": lambda n: "&" + "amp;" * (n // 4),
    "&amp;… 30 deep": lambda n: ("&" + "amp;" * 30 + " ") * (n // 122),
    "mojibake": lambda n: "Ã¼ber " * (n // 6),
    "solid mojibake": lambda n: "Ã¼" * (n // 2),
    "decomposed": lambda n: "e\u0301" * (n // 2),
    "CRLF": lambda n: "a\r\n" * (n // 3),
    "escapes": lambda n: "\x1b[1;" * (n // 4),
}


def rows(name: str) -> list[dict[str, Any]]:
    with gzip.open(DEVSET / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def spent(call: Callable[[], Any]) -> tuple[float, Any]:
    started = time.process_time()
    result = call()
    return time.process_time() - started, result


def corpora() -> Iterator[tuple[str, str]]:
    for name in ("trafseg", "zhweb", "daniel", "wcxb"):
        for row in rows(f"boilerplate-{name}"):
            for field in ("full_text", "extracted_text"):
                yield f"{name} ({field})", row.get(field) or ""
    for name in ("article", "paragraph", "sentence", "wordpair", "adv"):
        for row in rows(f"language-{name}"):
            yield f"language-{name}", row["text"]


def departs(text: str, spans: list[Span], theirs: str) -> bool:
    """Whether a text has what we do otherwise than ftfy, or theirs has what we take out."""
    ours = any(span.rule.startswith("repair.") for span in spans) or encoding._INVISIBLE.search(theirs)
    return bool(ours or encoding._LETTERS_AT_END_OR_ALONE.search(text) or encoding._is_about_entities(text))


def against_ftfy() -> dict[str, dict[str, Any]]:
    ours, theirs, size, texts, changed, same, clean = (Counter[str]() for _ in range(7))
    ours_clean, theirs_clean = Counter[str](), Counter[str]()
    for name, text in corpora():
        took, (repaired, spans) = spent(lambda text=text: repair_text(text, LIMITS))
        took_ftfy, expected = spent(lambda text=text: ftfy.fix_text(text, FTFY))
        if apply(text, spans) != repaired or (repaired != expected and not departs(text, spans, expected)):
            raise SystemExit(f"not ftfy's text, or not restored: {name}: {text[:80]!r}")
        ours[name] += took
        theirs[name] += took_ftfy
        size[name] += len(text.encode("utf-8", "replace"))
        texts[name] += 1
        changed[name] += repaired != text
        same[name] += repaired == expected
        if repaired == text:
            clean[name] += 1
            ours_clean[name] += took
            theirs_clean[name] += took_ftfy
    return {
        name: {
            "texts": texts[name],
            "changed": changed[name],
            "same_as_ftfy": same[name],
            "x_ftfy": round(theirs[name] / ours[name], 1),
            "x_ftfy_on_unchanged": round(theirs_clean[name] / ours_clean[name], 1),
            "ms_per_MB": round(1e9 * ours[name] / size[name], 1),
            "ftfy_ms_per_MB": round(1e9 * theirs[name] / size[name], 1),
        }
        for name in texts
    }


def hostile() -> dict[str, dict[str, Any]]:
    report: dict[str, dict[str, Any]] = defaultdict(dict)
    for name, make in HOSTILE.items():
        for size in (250_000, 1_000_000, 4_000_000):
            text = make(size)

            def call(text: str = text) -> str:
                try:
                    return f"{len(repair_text(text, LIMITS)[1])} spans"
                except RecordError as error:
                    return error.reason

            took, outcome = spent(call)
            report[name][f"{size // 1000}k"] = [round(took, 2), outcome]
    for name, line in {"ASCII": "x" * 50_000_000, "German": "Straße und Fluß " * 3_000_000}.items():
        report["one line of 50 MB"][name] = round(spent(lambda line=line: repair_text(line, LIMITS))[0], 2)
    return dict(report)


def bytes_of_legacy_charsets() -> dict[str, dict[str, int]]:
    report: dict[str, Counter[str]] = defaultdict(Counter)
    seen = Counter[tuple[str, str, str]]()
    for kind in ("sentence", "paragraph", "article"):
        for row in rows(f"language-{kind}"):
            for charset in LEGACY.get(row["lang"], ()):
                try:
                    raw = row["text"].encode(charset)
                except UnicodeError:
                    continue
                seen[kind, row["lang"], charset] += 1
                if raw.isascii() or seen[kind, row["lang"], charset] > 40:
                    continue
                expected = raw.decode(charset)
                for name, declared in (("ours, declared", charset), ("ours, detected", None)):
                    try:
                        outcome = "right" if decode(raw, declared)[0] == expected else "wrong"
                    except RecordError:
                        outcome = "refused"
                    report[name][outcome] += 1
                best = from_bytes(raw).best()
                try:
                    outcome = "refused" if best is None else "right" if str(best) == expected else "wrong"
                except UnicodeError:
                    outcome = "wrong"
                report["charset-normalizer"][outcome] += 1
    return {name: dict(counts) for name, counts in report.items()}


def articles(charset: str) -> Iterator[bytes]:
    """Articles of the languages in turn: those of the set, and of its paragraphs three, of its sentences eight."""
    draw = random.Random(charset)
    pools: dict[str, list[str]] = defaultdict(list)
    for kind, together in (("article", 1), ("paragraph", 3), ("sentence", 8)):
        texts: dict[str, list[str]] = defaultdict(list)
        for row in rows(f"language-{kind}"):
            texts[row["lang"]].append(row["text"])
        for language in ARTICLES[charset]:
            known = texts[language]
            pools[language] += known if together == 1 else [
                "\n".join(draw.sample(known, together)) for _ in range(40) if len(known) >= together
            ]  # fmt: skip
    for turn in range(max(map(len, pools.values()))):
        for language in ARTICLES[charset]:
            for form in (str, lambda text: text.translate(TYPED)):
                text = form(pools[language][turn]) if turn < len(pools[language]) else ""
                try:
                    raw = text.encode(charset)
                except UnicodeError:
                    continue
                # what is mojibake in the set is no article, and what is UTF-8 needs no charset
                if not raw.isascii() and ftfy.fix_encoding(text) == text and not _is_utf8(raw):
                    yield raw
                break


def _is_utf8(raw: bytes) -> bool:
    try:
        return bool(raw.decode())
    except UnicodeError:
        return False


def articles_in_latin_charsets() -> dict[str, dict[str, int]]:
    report: dict[str, dict[str, int]] = {}
    for charset in ARTICLES:
        outcomes = Counter({"right": 0, "wrong": 0, "refused": 0})
        for raw in itertools.islice(articles(charset), 200):
            try:
                outcomes["right" if decode(raw)[0] == raw.decode(charset) else "wrong"] += 1
            except RecordError:
                outcomes["refused"] += 1
        report[charset] = dict(outcomes)
    return report


def main() -> int:
    repaired = against_ftfy()
    for name, figures in repaired.items():
        print(json.dumps({"corpus": name, **figures}, ensure_ascii=False))
    for name, sizes in hostile().items():
        print(json.dumps({"hostile": name, "cpu_seconds": sizes}, ensure_ascii=False))
    charsets = bytes_of_legacy_charsets()
    for name, outcomes in charsets.items():
        print(json.dumps({"bytes": name, **outcomes}))
    latin = articles_in_latin_charsets()
    for name, outcomes in latin.items():
        print(json.dumps({"articles": name, **outcomes}))
    floors = [repaired[f"{name} (full_text)"]["x_ftfy_on_unchanged"] >= 10 for name in ("trafseg", "zhweb")]
    floors += [not counts["wrong"] and counts["right"] >= 0.99 * sum(counts.values()) for counts in latin.values()]
    return 0 if all(floors) and not charsets["ours, detected"].get("wrong") else 1


if __name__ == "__main__":
    sys.exit(main())
