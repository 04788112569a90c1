"""Encoding: tables of raw -> repaired, the law that the text is ftfy's, the ledger, and bytes that aren't UTF-8."""

import gzip
import itertools
import json
import random
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ftfy
import pyarrow as pa
import pytest
from ftfy.badness import MOJIBAKE_CATEGORIES, is_bad
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms import encoding as subject
from transforms.config import Config, Limits
from transforms.encoding import FTFY, decode, repair_encoding, repair_text
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
    assert set(subject._PRECEDENCE) == set(subject._FIXERS) == set(subject.REASONS)


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


@settings(max_examples=3000, deadline=None)
@given(TEXTS)
def test_the_text_is_ftfys_and_the_ledger_restores_it(raw: str) -> None:
    text, spans = repair_text(raw, LIMITS)
    assert text == ftfy.fix_text(raw, FTFY)
    assert apply(raw, spans) == text
    assert restore(text, ledger(raw, spans)) == raw
    for span in spans:
        was, now = raw[span.start : span.end], span.replacement
        assert was != now
        assert span.reason == subject.REASONS[span.rule.removeprefix("ftfy.")]


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Z", "M")), max_size=60), TEXTS)
def test_lines_stand_alone(above: str, raw: str) -> None:
    """A line without `<` above it is repaired the same, whatever else stands there."""
    above = above.replace("<", "")
    together, _ = repair_text(f"{above}\n{raw}", LIMITS)
    assert together == repair_text(f"{above}\n", LIMITS)[0] + repair_text(raw, LIMITS)[0]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([*FRAGMENTS, *UNCHANGED]), min_size=1, max_size=6), st.integers(1, 9))
def test_cut_lines_are_cut_as_ftfy_cuts_them(parts: list[str], length: int) -> None:
    raw, cut = "".join(parts), FTFY._replace(max_decode_length=length)
    whole = subject.FTFY
    try:
        subject.FTFY = cut
        text, spans = repair_text(raw, LIMITS)
    finally:
        subject.FTFY = whole
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
    short, long = (_work(piece * (size // len(piece)), monkeypatch) for size in (40_000, 160_000))
    assert long <= 4.5 * short


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_repaired_whole(piece: str) -> None:
    text = piece * (1_100_000 // len(piece))  # beyond a million ftfy cuts a line
    fixed, changes = repair_text(text, LIMITS)
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


# Written for this project.
PROSE = {
    "cp1252": "Die Straßenbahn fährt über die Brücke, an der früher ein Zöllner stand und die Körbe prüfte.",
    "cp1250": "Pociąg spóźnił się dziś rano, ponieważ w górach przez całą noc padał gęsty śnieg i było ślisko.",
    "iso8859-2": "Žlutý vlak dnes přijel pozdě, protože na horách celou noc hustě sněžilo a silničáři nestíhali.",
    "cp1251": "Сегодня утром поезд опоздал, потому что в горах всю ночь шёл снег и дорогу долго расчищали рабочие.",
    "koi8-r": "Сегодня утром поезд опоздал, потому что в горах всю ночь шёл снег и дорогу долго расчищали рабочие.",
    "cp1253": "Το τρένο άργησε σήμερα το πρωί, επειδή χιόνιζε όλη τη νύχτα στα βουνά και ο δρόμος έκλεισε.",
    "cp1254": "Dağlarda bütün gece kar yağdığı için tren bu sabah geç kaldı ve yolcular uzun süre beklemek zorundaydı.",
    "cp1255": "הרכבת איחרה הבוקר מפני שכל הלילה ירד שלג בהרים, והנוסעים חיכו שעה ארוכה על הרציף.",
    "cp1256": "وصل القطار متأخرا هذا الصباح بسبب الثلج الذي سقط على الجبال طوال الليل وانتظر الركاب طويلا.",
    "euc_jp": "山では一晩中雪が降っていたので、今朝の電車は遅れて着きました。大勢の人が長く待っていました。",
    "cp932": "山では一晩中雪が降っていたので、今朝の電車は遅れて着きました。大勢の人が長く待っていました。",
    "cp949": "밤새 산에 눈이 내려서 오늘 아침 기차가 늦게 도착했습니다. 사람들은 오랫동안 역에서 기다려야 했습니다.",
    "gb18030": "因为山里下了一整夜的雪，今天早上的火车来晚了。车站里的人们等了很长时间，但是谁也没有说什么。",
}


@pytest.mark.parametrize(("name", "text"), PROSE.items(), ids=PROSE.keys())
def test_declared_bytes(name: str, text: str) -> None:
    assert decode(text.encode(name), name) == (text, name)


@pytest.mark.parametrize(("name", "text"), PROSE.items(), ids=PROSE.keys())
def test_detected_bytes_are_right_or_refused(name: str, text: str) -> None:
    found = _decoded(text.encode(name), None)
    assert found in (text, "read.invalid_utf8")
    assert found == text or name in ("cp1254", "iso8859-2", "cp1250", "euc_jp")  # whose bytes are letters of others too


def _decoded(raw: bytes, declared: str | None) -> str:
    """The text, or the reason why there is none."""
    try:
        return decode(raw, declared)[0]
    except RecordError as error:
        return error.reason


@pytest.mark.parametrize(
    ("raw", "declared", "expected"),
    [
        (b"plain", None, ("plain", "utf-8")),
        ("größer".encode(), "iso-8859-1", ("größer", "utf-8")),  # UTF-8 that isn't declared is still UTF-8
        ("größer".encode("latin-1"), "ISO-8859-1", ("größer", "cp1252")),
        ("„gut“ – €5".encode("cp1252"), "latin1", ("„gut“ – €5", "cp1252")),  # as browsers read it
        ("größer".encode("cp1252"), "utf-8", None),
        ("中文".encode("gb18030"), "gb2312", ("中文", "gb18030")),
        ("\ufeffgrößer".encode("utf-16-le"), None, ("\ufeffgrößer", "utf-16-le")),
        ("\ufeffgrößer".encode("utf-16-be"), None, ("\ufeffgrößer", "utf-16-be")),
        ("\ufeffgrößer".encode("utf-32-le"), None, ("\ufeffgrößer", "utf-32-le")),
        (PROSE["cp1251"].encode("cp1251"), "shift_jis", (PROSE["cp1251"], "cp1251")),  # declared in error
        (PROSE["cp1252"].encode("cp1252"), "no-such-charset", (PROSE["cp1252"], "cp1252")),
        (PROSE["cp1252"].encode("cp1252"), "rot13", (PROSE["cp1252"], "cp1252")),
        (bytes(range(256)), None, None),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x01\x00\xff\xfe", None, None),
        (b"\xff\xff\xff\xff", None, None),
        (b"caf\xe9 cr\xe8me \x00\x01\x02", None, None),
        (PROSE["cp1252"].encode("cp1252") + b"\n" + b"x" * 9000 + b"\x00", None, None),
        # UTF-8 that was damaged isn't another charset, whatever is declared
        ("Die Brücke über den Flu\xff".encode("latin-1").replace("ü".encode("latin-1"), "ü".encode()), None, None),
        ("Es schneite auf der Höhe, und über Nacht fror es.".encode()[:-27] + b"\xc3 weiter", "iso-8859-1", None),
        # one letter tells nothing: `odrešivati` in cp1257 reads as well
        ("To se može testirati i određivati prema kategoriji.".encode("cp1250"), None, None),
        (
            "To se može testirati i određivati prema kategoriji.".encode("cp1250"),
            "windows-1250",
            ("To se može testirati i određivati prema kategoriji.", "cp1250"),
        ),
        # quotes tell nothing of the letters
        (
            "The mayor said, “We shall see,” and left the hall – at last.".encode("cp1252"),
            None,
            ("The mayor said, “We shall see,” and left the hall – at last.", "cp1252"),
        ),
    ],
)
def test_bytes(raw: bytes, declared: str | None, expected: tuple[str, str] | None) -> None:
    if expected is None:
        with pytest.raises(RecordError) as error:
            decode(raw, declared)
        assert error.value.reason == "read.invalid_utf8"
    else:
        assert decode(raw, declared) == expected


def test_undecodable_is_in_the_closed_list() -> None:
    assert "read.invalid_utf8" in REJECT_REASONS


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([None, "utf-8", "latin-1", "shift_jis", "utf-16", "hex", "idna", ""]))
def test_any_bytes_are_decoded_or_refused(raw: bytes, declared: str | None) -> None:
    assert isinstance(_decoded(raw, declared), str)
    if _decoded(raw, declared) != "read.invalid_utf8":
        text, name = decode(raw, declared)
        assert text == raw.decode(name)


def test_noise_is_refused() -> None:
    draw = random.Random(7)
    for size in (20, 200, 2000) * 20:
        with pytest.raises(RecordError):
            decode(bytes(draw.randrange(256) for _ in range(size)))
