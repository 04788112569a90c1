"""Encoding: tables of raw -> repaired, the law that the text is ftfy's but where we say, the ledger."""

import gzip
import html
import itertools
import json
import random
import re
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ftfy
import pyarrow as pa
import pytest
from ftfy.badness import MOJIBAKE_CATEGORIES, is_bad
from ftfy.chardata import CONTROL_CHARS
from ftfy.fixes import ANSI_RE
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from transforms import encoding as subject
from transforms.config import Config, Limits
from transforms.encoding import FTFY, repair_encoding, repair_text
from transforms.errors import RecordError
from transforms.schema import REJECT_REASONS, SPAN_REASONS, column_type
from transforms.spans import Span, apply, compose, from_arrow, ledger, restore

LIMITS = Limits()

# (raw, repaired, [(what stood there, replacement, rule, reason)])
REPAIRED = [
    ("schÃ¶n", "schön", [("Ã¶", "ö", "ftfy.fix_encoding", "encoding.mojibake")]),
    (
        "Die BrÃ¼cke Ã¼ber den FluÃŸ.",
        "Die Brücke über den Fluß.",
        [
            ("Ã¼", "ü", "ftfy.fix_encoding", "encoding.mojibake"),
            ("Ã¼", "ü", "ftfy.fix_encoding", "encoding.mojibake"),
            ("ÃŸ", "ß", "ftfy.fix_encoding", "encoding.mojibake"),
        ],
    ),
    ("Ð¿Ñ€Ð¸Ð²ÐµÑ‚", "привет", [("Ð¿Ñ€Ð¸Ð²ÐµÑ‚", "привет", "ftfy.fix_encoding", "encoding.mojibake")]),
    ("itâ€™s", "it’s", [("â€™", "’", "ftfy.fix_encoding", "encoding.mojibake")]),
    ("A &amp; B", "A & B", [("amp;", "", "ftfy.unescape_html", "encoding.mojibake")]),
    ("&amp;amp;lt;", "<", [("&amp;amp;lt;", "<", "ftfy.unescape_html", "encoding.mojibake")]),
    ("&Atilde;&frac14;ber", "über", [("&Atilde;&frac14;", "ü", "ftfy.fix_encoding", "encoding.mojibake")]),
    ("a\x85 b", "a… b", [("\x85", "…", "ftfy.fix_encoding", "encoding.mojibake")]),
    ("eins\r\nzwei\rdrei\u2028vier", "eins\nzwei\ndrei\nvier", [
        ("\r", "", "ftfy.fix_line_breaks", "encoding.whitespace"),
        ("\r", "\n", "ftfy.fix_line_breaks", "encoding.whitespace"),
        ("\u2028", "\n", "ftfy.fix_line_breaks", "encoding.whitespace"),
    ]),
    ("\ufeffText\x00 mit\x07", "Text mit", [
        ("\ufeff", "", "ftfy.remove_control_chars", "encoding.control"),
        ("\x00", "", "ftfy.remove_control_chars", "encoding.control"),
        ("\x07", "", "ftfy.remove_control_chars", "encoding.control"),
    ]),
    ("\x1b[31mrot\x1b[0m", "rot", [
        ("\x1b[31m", "", "ftfy.remove_terminal_escapes", "encoding.control"),
        ("\x1b[0m", "", "ftfy.remove_terminal_escapes", "encoding.control"),
    ]),
    ("cafe\u0301 re\u0301sume\u0301", "café résumé", [
        ("e\u0301", "é", "ftfy.normalize", "encoding.normalization"),
        ("e\u0301", "é", "ftfy.normalize", "encoding.normalization"),
        ("e\u0301", "é", "ftfy.normalize", "encoding.normalization"),
    ]),
    ("\u1112\u1161\u11ab글", "한글", [("\u1112\u1161\u11ab", "한", "ftfy.normalize", "encoding.normalization")]),
    ("\ud83d\ude00", "😀", [("\ud83d\ude00", "😀", "ftfy.fix_surrogates", "encoding.mojibake")]),
    ("a\ud83d", "a\ufffd", [("\ud83d", "\ufffd", "ftfy.fix_surrogates", "encoding.mojibake")]),
]  # fmt: skip

UNCHANGED = [
    "„Straße“ – ‚schön‘ … »Größe« · 5 °C, 100 €, § 3 Abs. 2, ½ Liter, 2 × 3 m²",
    "“curly” ‘quotes’ don’t straighten",
    "ﬁne ﬂour, ﬀ",
    "ＡＢＣ！　全角，你好。「東京」ﾊﾝｶｸ",
    "中文，标点：“引号”《书名》——省略……（括号）",
    "À l’œuvre, cœur, Œdipe, « été » — où ?",
    "Ärger Äpfel Ü Ö äöüß gemäß Maßstäbe süß ÄÖÜ",
    "¿Qué? ¡Sí! 1.º 2.ª niño, año",
    "Łódź, żółć, Čapek, Šárka, Ő, ű, İstanbul, ığ",
    "Привет, мир — «ёлки» № 5; Ђорђе Њего",
    "Γειά σου Κόσμε· «ναι»",
    "שלום עולם ‏(RTL)‎ مرحبا ‌بالعالم",
    "नमस्ते दुनिया ক্ষ தமிழ்",
    "สวัสดี 한국어 にほんご",
    "👩‍👩‍👧‍👦 🇩🇪 ★ → © ® ™ ✓",
    "<p>AT&amp;T &lt;3</p>",
    "if a < b:\nA &amp; B",  # HTML-looking from the first `<` on
    "Fish & Chips; R&D; &unknown; &amp",
    "São Tomé, Ilha do Fogo; Â",
    "tab\tand\nline\n\n\nfeeds\x0c",
    "",
]


# Where ftfy's text is left, in both directions: (raw, ours, the rules); and what stays ftfy's.
DEPARTURES = [
    # separators part words
    ("erstens\x0bzweitens", "erstens\nzweitens", ["repair.separators"]),
    ("one\x1ctwo\x1dthree\x1efour\x1ffive", "one\ntwo\nthree\nfour five", ["repair.separators"] * 4),
    # soft hyphens, blanks of no width, joiners that join nothing
    ("Donau\xaddampf\xadschiff", "Donaudampfschiff", ["repair.invisible"] * 2),
    ("Donau&shy;dampf", "Donaudampf", ["ftfy.unescape_html"]),
    ("trans\u200bport, un\u2060do, co\u200cop", "transport, undo, coop", ["repair.invisible"] * 3),
    ("co\u200dop", "coop", ["repair.invisible"]),
    ("\u200bСлово\u200b и дело", "Слово и дело", ["repair.invisible"] * 2),
    ("漢\u200b字", "漢字", ["repair.invisible"]),
    ("विकि\xadपीडिया", "विकिपीडिया", ["repair.invisible"]),
    # mojibake of an invisible character
    ("transâ€‹port", "transport", ["ftfy.fix_encoding"]),
    # another script, read as Latin-1 or Windows-1252
    (
        "Ëîäêà\n\nÓòðîì ëîäêà ïðèøëà ê áåðåãó, è ñòîðîæ âûøåë åé íàâñòðå÷ó ñ ôîíàðåì.\nTelefon: 12",
        "Лодка\n\nУтром лодка пришла к берегу, и сторож вышел ей навстречу с фонарем.\nTelefon: 12",
        ["repair.charset"] * 2,
    ),
    (
        "Ç âÜñêá Ýöôáóå ôï ðñùß êáé ï öýëáêáò âãÞêå íá ôçí ðåñéìÝíåé ìå ôï öáíÜñé ôïõ.",
        "Η βάρκα έφτασε το πρωί και ο φύλακας βγήκε να την περιμένει με το φανάρι του.",
        ["repair.charset"],
    ),
    # marks
    ("Z" + "\u0335" * 40, "Z" + "\u0335" * 30 + "\u034f" + "\u0335" * 10, ["repair.marks"]),
]  # fmt: skip

# What ftfy changes and we leave, as it is no mojibake.
LEFT = [
    "A palavra IRMÃ escreve-se assim, e MAÇÃ também.",
    "AMANHÃ® é a marca; «IRMÃ» não é.",
    "A letra Ã maiúscula e o Â circunflexo",
    "Ã maiúsculo",
    "Tabell: Â 3 £, Ã 4 £",
    "o CAFÉ² custa 3 €",
    "anh ĐÃ Ở “NHÀ”",
    "Write &copy; for the sign, and &amp;copy; to show how.\nAn &amp; is &amp;amp;.",
    "Schreibe &Auml; und nicht &amp;Auml;!",
    "&euro; → €, &times; → ×",
    "&eacute; stands for é.",
]

# What stays ftfy's, though it looks alike.
STILL_FTFYS = [
    ("LÃ  oÃ¹ il va", "Là où il va"),
    ("voilÃ  une idÃ©e", "voilà une idée"),
    ("il va Ã la plage l'Ã©tÃ©", "il va à la plage l'été"),
    ("VOILÃ€", "VOILÀ"),
    ("IRMÃƒ e MAÃ‡Ãƒ", "IRMÃ e MAÇÃ"),
    ("JOÃƒÂ£O e CORAÃƒÂ§ÃƒÂ£o", "JOãO e CORAção"),
    ("CAFÃ‰ Â® 20Â°", "CAFÉ ® 20°"),
    ("1.Â Â Tell them, and wait.Â Then go", "1.\xa0\xa0Tell them, and wait.\xa0Then go"),
    ("Tom &amp; Jerry, R&amp;amp;D", "Tom & Jerry, R&D"),
    ("&copy; 2020, &amp; more", "© 2020, & more"),
    ("caf&eacute; ol&eacute; &mdash; &nbsp;", "café olé — \xa0"),
    ("&amp;eacute;t&amp;eacute;", "été"),
]

# Invisible characters that are spelling, or where nobody can say; and texts that look like another script's bytes.
KEPT = [
    "می\u200cخواهم کتاب\u200cها\u200cی",
    "کوئی\u200cبھی",
    "क्\u200dष और क्\u200cष",
    "ന്\u200d",
    "ක්\u200dෂ",
    "👩\u200d🔧 🏳️\u200d🌈 👁️\u200d🗨️",
    "ខ្មែរ\u200bភាសា ภาษา\u200bไทย",
    "12\xad34 (\xad) \xad",
    "Ent\xad\nwicklung",
    "ÀÁÂÃÄÅÆÇÈÉÊË are the capitals of Latin-1, àáâãäåæçèéêë the others",
    "naïve café, œuvre, Ångström, þjóð",
    "Z" + "\u0335" * 30,
    "é" + "\u0323\u0301" * 3,
]


@pytest.mark.parametrize(("raw", "repaired", "rules"), DEPARTURES, ids=range(len(DEPARTURES)))
def test_departs_from_ftfy(raw: str, repaired: str, rules: list[str]) -> None:
    text, spans = repair_text(raw, LIMITS)
    assert text == repaired
    assert text != ftfy.fix_text(raw, FTFY)
    assert [span.rule for span in spans] == rules
    assert restore(text, ledger(raw, spans)) == raw


@pytest.mark.parametrize("raw", LEFT, ids=range(len(LEFT)))
def test_leaves_what_ftfy_changes(raw: str) -> None:
    assert repair_text(raw, LIMITS) == (raw, [])


@pytest.mark.parametrize(("raw", "repaired"), STILL_FTFYS, ids=range(len(STILL_FTFYS)))
def test_stays_ftfys(raw: str, repaired: str) -> None:
    assert repair_text(raw, LIMITS)[0] == repaired == ftfy.fix_text(raw, FTFY)


@pytest.mark.parametrize("raw", KEPT, ids=range(len(KEPT)))
def test_keeps(raw: str) -> None:
    text, spans = repair_text(raw, LIMITS)
    assert text == unicodedata.normalize("NFC", raw)
    assert all(span.rule == "ftfy.normalize" for span in spans)


@pytest.mark.parametrize(("raw", "repaired", "changes"), REPAIRED, ids=range(len(REPAIRED)))
def test_repairs(raw: str, repaired: str, changes: list[tuple[str, str, str, str]]) -> None:
    text, spans = repair_text(raw, LIMITS)
    assert text == repaired == ftfy.fix_text(raw, FTFY)
    assert [(raw[s.start : s.end], s.replacement, s.rule, s.reason) for s in spans] == changes


@pytest.mark.parametrize("raw", UNCHANGED, ids=range(len(UNCHANGED)))
def test_leaves_alone(raw: str) -> None:
    assert repair_text(raw, LIMITS) == (raw, [])
    assert ftfy.fix_text(raw, FTFY) == raw


def test_entities_before_the_first_bracket_only() -> None:
    raw = "Q&amp;A\n<b>\nR&amp;D"
    assert repair_text(raw, LIMITS)[0] == "Q&A\n<b>\nR&amp;D" == ftfy.fix_text(raw, FTFY)


def test_every_reason_is_in_the_closed_list() -> None:
    assert set(subject.REASONS.values()) <= set(SPAN_REASONS)
    assert set(subject._PRECEDENCE) == {"charset", *subject._FIXERS} == set(subject.REASONS)


def _mojibake_alphabet() -> list[str]:
    pattern = re.compile(f"[{''.join(MOJIBAKE_CATEGORIES.values())}]")
    alphabet = [chr(code) for code in range(0x80, 0xFB10) if not 0xD800 <= code < 0xE000 and pattern.match(chr(code))]
    return sorted({*alphabet, *"×²³√±∂†≠®™´≤≥¥µøìîïòôúùû°¢πâóàäêвЂВГРСΒΓΞΟβŸŠšŽž"})


ALPHABET = _mojibake_alphabet()


def test_the_gate_is_necessary_for_all_pairs() -> None:
    """Whatever two characters ftfy finds bad, in any of these settings, the cheap test stops at."""
    assert len(ALPHABET) > 400
    missed = [
        text
        for x, y in itertools.product(ALPHABET, repeat=2)
        for text in (x + y, f"a{x}{y}a", f" {x}{y} ", f".{x}{y}.", f"{y}{x}{y}В")
        if is_bad(text) and not subject._CAN_CHANGE.search(text)
    ]
    assert missed == []


def test_the_gate_is_necessary_for_triples() -> None:
    draw = random.Random(5)
    common = "aAz 1.,?!\xa0ÂÃØÙÐÎœŒ°вЂВГàæ×²√≈‚Äβ€ā"
    missed = []
    for _ in range(150_000):
        text = "".join(draw.choice(ALPHABET if draw.random() < 0.6 else common) for _ in range(draw.randint(3, 5)))
        if is_bad(text) and not subject._CAN_CHANGE.search(text):
            missed.append(text)
    assert missed == []


FRAGMENTS = [
    *(
        "&amp;",
        "&amp;amp;",
        "&lt;",
        "&Atilde;",
        "&copy;",
        "&#13;",
        "&#x85;",
        "&NewLine;",
        "&nbsp;",
        "amp;",
        "&",
        "#38;",
    ),
    *("\r\n", "\r", "\n", "\u2028", "<", "\x1b[31m", "\x1b", "\x00", "\x85", "\ufeff", "\ufffc", "\ud83d", "\ude00"),
    *("e\u0301", "\u0301", "\u212b", "\u1100\u1161", "\u0958", "\uf900", "ﬁ", "Ａ", "，", "“", "’", "�", "?"),
    *("Ã©", "Ã ", "Â ", "Â", "â€œ", "â€\x9d", "Ã\xa0", "schÃ¶n", "für", "日本語", "æ—¥æœ¬", "ãƒ", "Ñ€Ñƒ", "вЂ™", "ï»¿"),
    *("a", " ", "über", "œ", "Œ ", "½", "€", "привет", "ðŸ˜€", "Ø§Ù„", "à¤¨"),
]
TEXTS = st.one_of(
    st.text(st.characters(), max_size=40),
    st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.sampled_from(ALPHABET)), max_size=14).map("".join),
)


OURS = re.compile("[\x0b\x1c-\x1f\xad\u200b-\u200d\u2060]|[À-ÖØ-öø-ÿ]{4}")


# What goes on the way, so that what stood beside it may stand alone.
CONTROLS = re.compile(f"{ANSI_RE.pattern}|[{''.join(map(chr, CONTROL_CHARS))}\r\u2028\u2029\x80-\x9f]")


def _is_ftfys(raw: str) -> bool:
    """Whether none of what we do otherwise than ftfy can be in a text, or come out of it on the way."""
    forms = [raw]
    while forms[-1] != (more := html.unescape(forms[-1])):
        forms.append(more)
    forms += [unicodedata.normalize("NFC", CONTROLS.sub("", form)) for form in forms]
    forms += [ftfy.fix_text(form, FTFY) for form in forms]
    return not any(OURS.search(form) or subject._LETTERS_AT_END_OR_ALONE.search(form) for form in forms) and not (
        subject._is_about_entities(raw)
    )


@settings(max_examples=3000, deadline=None)
@given(TEXTS)
def test_the_text_is_ftfys_but_for_what_is_named_and_the_ledger_restores_it(raw: str) -> None:
    text, spans = repair_text(raw, LIMITS)
    if _is_ftfys(raw):
        assert text == ftfy.fix_text(raw, FTFY)
    assert apply(raw, spans) == text
    assert restore(text, ledger(raw, spans)) == raw
    for span in spans:
        was, now = raw[span.start : span.end], span.replacement
        assert was != now
        assert span.reason == subject.REASONS[span.rule.partition(".")[2]]


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Z", "M")), max_size=60), TEXTS)
def test_lines_stand_alone(above: str, raw: str) -> None:
    """A line without `<` above it is repaired the same, whatever else stands there."""
    above = above.replace("<", "").replace("&", "")
    assume(not OURS.search(above + raw) and not subject._is_about_entities(raw))
    together, _ = repair_text(f"{above}\n{raw}", LIMITS)
    assert together == repair_text(f"{above}\n", LIMITS)[0] + repair_text(raw, LIMITS)[0]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([*FRAGMENTS, *UNCHANGED]), min_size=1, max_size=6), st.integers(1, 9))
@example(["&amp;", "&amp;", "Ã "], 2)
def test_cut_lines_are_cut_as_ftfy_cuts_them(parts: list[str], length: int) -> None:
    raw, cut = "".join(parts), FTFY._replace(max_decode_length=length)
    whole = subject.FTFY
    try:
        subject.FTFY = cut
        text, spans = repair_text(raw, LIMITS)
    finally:
        subject.FTFY = whole
    # A letter that stands alone where a line is cut stays, in the whole it may not stand alone.
    if _is_ftfys(raw) and not re.search("[ÂÃ] ", html.unescape(html.unescape(raw))):
        assert text == ftfy.fix_text(raw, cut)
    assert apply(raw, spans) == text


@pytest.mark.parametrize(
    ("text", "limits", "reason"),
    [
        ("a" * 11, Limits(document_chars=10), "limit.document_chars"),
        ("&" + "amp;" * 33 + "lt;", LIMITS, "limit.entity_depth"),
        ("&" + "amp;" * 100_000, LIMITS, "limit.entity_depth"),
        ("&" + "#38;AMP;#x26;" * 30_000, LIMITS, "limit.entity_depth"),
        ("&" * 9000 + "#97;mp;" * 9000, LIMITS, "limit.entity_depth"),
        ("&amp;amp;amp;", Limits(entity_depth=2), "limit.entity_depth"),
    ],
)
def test_past_a_limit(text: str, limits: Limits, reason: str) -> None:
    with pytest.raises(RecordError) as error:
        repair_text(text, limits)
    assert error.value.reason == reason
    assert reason in REJECT_REASONS


@pytest.mark.parametrize("depth", [1, 2, 31, 32])
def test_within_the_limit(depth: int) -> None:
    raw = "&" + "amp;" * depth
    assert repair_text(raw, LIMITS)[0] == "&" == ftfy.fix_text(raw, FTFY)


HOSTILE = {
    "chain": "&amp;amp;amp;amp; ",
    "solid mojibake": "Ã¼",
    "mojibake": "Ã¼ber ",
    "twice": "ÃƒÂ¼",
    "mixed": "Ã¼ über 日本 ",
    "decomposed": "e\u0301",
    "marks": "\u0301",
    "escapes": "\x1b[1;",
    "carriage returns": "a\r\n",
    "controls": "\x01",
    "diaereses": "¨",
    "ligatures": "œ",
    "entities": "&eacute;",
    "A": "Â ",
    "capitals": "IRMÃ E ",
    "soft hyphens": "a\xad",
    "no width": "a\u200b\u200c",
    "separators": "a\x0b",
    "another script": "Ïàðîìû ",
    "misread lines": "Ïàðîìû\n",
    "entities shown": "&copy; &amp;copy; ",
    "an entity and its sign": "&copy; is ",
    "marks in disorder": "\u0323\u0301",
}


def _work(text: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """What a repair costs: calls of any function, and characters that fixers, ftfy and copying read."""
    work = 0

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            nonlocal work
            work += sum(len(argument) for argument in arguments if isinstance(argument, str | list))
            return function(*arguments)

        return call

    def event(*_: object) -> None:
        nonlocal work
        work += 1

    with monkeypatch.context() as patch:
        for name in ("_suspects", "_repair_segment", "_apply", "_coarse", "_compose", "_trimmed", "_differences"):
            patch.setattr(subject, name, counted(getattr(subject, name)))
        patch.setattr(subject, "_FIXERS", {name: counted(fixer) for name, fixer in subject._FIXERS.items()})
        patch.setattr(ftfy, "fix_encoding", counted(ftfy.fix_encoding))
        before = sys.getprofile()
        sys.setprofile(event)
        try:
            repair_text(text, LIMITS)
        finally:
            sys.setprofile(before)
    return work


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE.keys())
def test_work_is_linear_in_hostile_text(piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    short, long = (_work(piece * (size // len(piece)), monkeypatch) for size in (20_000, 80_000))
    assert long <= 4.5 * short


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_repaired_whole(piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "FTFY", FTFY._replace(max_decode_length=100_000))
    text = piece * (110_000 // len(piece))  # longer than what ftfy cuts a line to
    fixed, changes = repair_text(text, LIMITS)
    assert apply(text, changes) == fixed


def test_a_line_beyond_a_million_characters_is_repaired_whole() -> None:
    """Where ftfy's own bound lies."""
    text = "Ã¼ber " * 183_334
    assert FTFY.max_decode_length == 1_000_000 < len(text)
    fixed, changes = repair_text(text, LIMITS)
    assert fixed == "über " * 183_334
    assert apply(text, changes) == fixed


def test_one_clean_line_of_fifty_megabytes_never_goes_to_ftfy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "_repair_segment", None)
    text = "Die Straße über den Fluß ist „gesperrt“. " * (50_000_000 // 44)
    assert repair_text(text, Limits(document_chars=10**9)) == (text, [])


def test_the_text_is_ftfys_on_the_development_set(devset: Path) -> None:
    kinds = ("article", "paragraph", "sentence", "adv")
    for path in [devset / f"language-{kind}.jsonl.gz" for kind in kinds]:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for raw in [json.loads(line)["text"] for line in lines][::3]:
                text, spans = repair_text(raw, LIMITS)
                if _is_ftfys(raw):
                    assert text == ftfy.fix_text(raw, FTFY)
                assert restore(text, ledger(raw, spans)) == raw


def test_the_stage_rejects_past_a_limit_and_goes_on() -> None:
    originals = ["schÃ¶n", "&" + "amp;" * 50, "gut"]
    nothing = [None] * 3
    table = pa.table(
        {
            "original": pa.array(originals),
            **{
                name: pa.array(nothing, column_type(name))
                for name in ("reject_reason", "reject_stage", "reject_detail", "charset")
            },
        }
    )
    repaired = repair_encoding(table, Config())
    assert repaired["text"].to_pylist() == ["schön", originals[1], "gut"]
    assert repaired["reject_reason"].to_pylist() == [None, "limit.entity_depth", None]
    assert repaired["reject_stage"].to_pylist() == [None, "repair", None]
    assert [len(spans) for spans in repaired["spans"].to_pylist()] == [1, 0, 0]


def test_another_charset_is_in_the_ledger_and_changes_nothing() -> None:
    originals = ["schön", "\ufeffschÃ¶n", "", "gut"]
    table = pa.table(
        {
            "original": pa.array(originals),
            "charset": pa.array(["cp1252", "utf-16-le", "koi8-r", None]),
            **{name: pa.nulls(4, column_type(name)) for name in ("reject_reason", "reject_stage", "reject_detail")},
        }
    )
    repaired = repair_encoding(table, Config())
    assert repaired["text"].to_pylist() == ["schön", "schön", "", "gut"]
    spans = from_arrow(repaired["spans"])
    assert [[span.rule for span in row] for row in spans] == [
        ["decode.cp1252"],
        ["decode.utf-16-le", "ftfy.remove_control_chars", "ftfy.fix_encoding"],
        ["decode.koi8-r"],
        [],
    ]
    for original, row, text in zip(originals, spans, repaired["text"].to_pylist(), strict=True):
        assert all((s.start, s.end, s.replacement) == (0, 0, "") for s in row if s.transform == "decode")
        assert restore(text, ledger(original, row)) == original
        everything = [Span(0, len(text), "", "boilerplate.template", "template", "strip_boilerplate")]
        composed = compose(row, everything)
        assert restore(apply(original, composed), ledger(original, composed)) == original
        assert [s.rule for s in composed if s.transform == "decode"] == [s.rule for s in row[:1]]


def test_changes_of_several_fixes_become_one() -> None:
    first = [subject.Edit(1, 3, "XY", "unescape_html"), subject.Edit(5, 6, "", "remove_control_chars")]
    second = [subject.Edit(2, 4, "Z", "fix_encoding"), subject.Edit(6, 7, "!", "normalize")]
    assert subject._compose(first, second, "aXYdefgh") == [
        subject.Edit(1, 4, "XZ", "fix_encoding"),
        subject.Edit(5, 6, "", "remove_control_chars"),
        subject.Edit(7, 8, "!", "normalize"),
    ]


def test_many_small_changes_are_few_spans() -> None:
    raw = "Ã¼ber " * 20_000
    text, spans = repair_text(raw, LIMITS)
    assert text == "über " * 20_000
    assert len(spans) == 1
    assert apply(raw, spans) == text
    assert isinstance(spans[0], Span)
