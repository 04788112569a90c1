"""Charsets: bytes that aren't UTF-8 are right or refused, whatever language and charset they are in."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.charsets import decode
from transforms.errors import RecordError
from transforms.schema import REJECT_REASONS

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
