"""Charsets: bytes that aren't UTF-8 are right or refused, whatever language and charset they are in."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.charsets import codec_of, decode
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


# fmt: off
# Of one article each, written for this project, with what its language has beyond ASCII.
ARTICLES = {
    "en": "“It’s late,” said the keeper – and shut the café. The price, he said, was £3 or €4; nobody’s naïve.",
    "fr": "Le bac était déjà là, mais l’hôtelier s’inquiétait : « Où sont les élèves ? » Il reçut une réponse brève.",
    "de": "„Die Fähre fährt früh“, rief der Müller über die Brücke und schloß das große, grüne Tor hinter sich.",
    "es": "¿Quién llegó mañana? El niño pequeño soñó con una montaña y ningún árbol; qué corazón más íntimo.",
    "pt": "A estação não abriu; o maquinista, porém, disse às irmãs que amanhã há pão e açúcar também.",
    "it": "La città è più lontana di così: perché no, disse la maestra, purché venerdì ci sia il caffè e la libertà.",
    "sv": "Färjan låg kvar på ön hela vintern, och sjömännen gick över isen för att köpa bröd, öl och ägg åt båten.",
    "da": "Færgen sejlede på søen hele året, og købmanden på øen måtte råbe højt for at få æg og brød på åen.",
    "fi": "Lautta jäi tänä yönä satamaan, ja mökin väki söi hämärässä keittiössä hiljaa pöydän ääressä.",
    "is": "Ferjan lá við bryggjuna í nótt og maðurinn þurfti að bíða þar til það birti yfir firðinum og ísinn brá.",
    "nl": "Eén van beide veerlieden zei: ‘Daar zijn geen reünies, geen financiën en géén ideeën meer in België.’",
    "pl": "Prom spóźnił się dziś o świcie, więc dróżnik zamknął bramę i poszedł łąką do młyna na żółtą herbatę.",
    "cs": "Přívoz dnes ráno uvízl v ledu a převozník řekl, že lidé z městečka můžou přejít řeku pěšky, až zamrzne.",
    "hu": "A révész ma későn érkezett, mert a hűvös őszi eső elöntötte az utat, és a bőröndök is mind átáztak.",
    "ro": "Barca a rămas în port, iar paznicul şi fiica lui au aşteptat până când ceaţa s-a ridicat peste câmpie.",
    "hr": "Skela je noćas ostala vezana, a čuvar je rekao da će sljedeće žetve doći još ljudi, pješice uz među.",
    "tr": "Vapur bu sabah gecikti, çünkü karşı kıyıda sis vardı; bekçi çayını içip ışığı söndürdü ve değirmene yürüdü.",
    "lt": "Keltas šiąnakt liko prieplaukoje, o sargas sakė, kad žmonės iš miestelio galės pereiti upę užšalus ežerui.",
    "lv": "Prāmis šonakt palika ostā, un sargs teica, ka cilvēki no pilsētiņas varēs šķērsot upi, kad aizsalst ūdeņi.",
    "et": "Parv jäi täna öösel sadamasse ja valvur ütles, et külarahvas võib üle jõe minna siis, kui jää on küps.",
}
# fmt: on
CHARSETS = {
    "cp1252 latin-1 iso8859-15 mac_roman cp850": "en fr de es pt it sv da fi nl",
    "cp1252 latin-1 iso8859-15": "is",
    "cp1250 iso8859-2 cp852 mac_latin2": "pl cs hu",
    "cp1250 iso8859-2 cp852": "ro hr",
    "cp1254 iso8859-9": "tr",
    "cp1257 iso8859-13 iso8859-4 cp775": "lt lv et",
}
CASES = [
    (charset, language)
    for charsets, languages in CHARSETS.items()
    for charset in charsets.split()
    for language in languages.split()
]


@pytest.mark.parametrize(("charset", "language"), CASES)
def test_articles_in_latin_charsets(charset: str, language: str) -> None:
    text = (ARTICLES[language] + "\n") * 2
    try:
        raw = text.encode(charset)
    except UnicodeError:  # without them they had other signs
        raw = text.translate({ord(sign): plain for sign, plain in zip("“”’‘–„€", '""\'\'-"E', strict=True)}).encode(
            charset
        )
    assert decode(raw)[0] == raw.decode(charset)


@pytest.mark.parametrize("first", range(0, 100, 17))
def test_what_a_cut_text_says_is_right_or_refused(first: int) -> None:
    for charset, language in CASES:
        raw = ARTICLES[language][first : first + 40].encode(charset, "ignore")
        assert _decoded(raw, None) in (raw.decode(charset), "read.invalid_utf8")


def test_decodings_that_give_one_text_are_one() -> None:
    raw = "Nobody knew the café, nor the Müller family; all knew the fiancé.".encode("latin-1")
    assert decode(raw) == (raw.decode("latin-1"), "cp1252")


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        ("The smithy of Nikola Kovačević is closed on Fridays, says his daughter.", "cp1250"),  # a name alone
        ("The conductor spoke of Dvořák and of nothing else.", "cp1250"),
        ("A word: één", "cp850"),
    ],
)
def test_what_could_be_another_text_is_refused(text: str, charset: str) -> None:
    with pytest.raises(RecordError) as error:
        decode(text.encode(charset))
    assert error.value.reason == "read.invalid_utf8"
    assert "[read] encoding" in error.value.detail


def test_a_refusal_says_between_which_the_doubt_is() -> None:
    with pytest.raises(RecordError) as error:
        decode("Nothing but one sign was there: 12ª, and the rest of it was plain.".encode("cp850"))
    assert error.value.detail.startswith("byte 34: 0xa6")
    assert "cp850" in error.value.detail


@pytest.mark.parametrize("charset", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("name", ["cp1252", "cp1251", "cp1253", "cp1255", "cp1256", "euc_jp", "cp949", "gb18030"])
@pytest.mark.parametrize("mark", ["\ufeff", ""])
def test_utf_16_with_and_without_a_mark(charset: str, name: str, mark: str) -> None:
    text = mark + PROSE[name] + "\r\n"
    assert decode(text.encode(charset)) == (text, charset)


@pytest.mark.parametrize(
    "raw",
    [
        b"plain text with \x00 a NUL or \x01\x02 two in it, and an even number of bytes.",
        b"\x1b[31mred\x1b[0m and plain",
        "Grüße\x00".encode(),
        b"",
        b"\x00\x00",
    ],
)
def test_controls_alone_make_no_utf_16(raw: bytes) -> None:
    assert decode(raw) == (raw.decode(), "utf-8")


def test_iso_2022_jp_and_cesu_8() -> None:
    assert decode(PROSE["cp932"].encode("iso2022_jp")) == (PROSE["cp932"], "iso2022_jp")
    assert decode("半角ｶﾅ".encode("iso2022_jp_ext"), "iso-2022-jp") == ("半角ｶﾅ", "iso2022_jp_ext")
    cesu = "Fähre ".encode() + "\ud83d\udea2".encode("utf-8", "surrogatepass")
    assert decode(cesu) == ("Fähre 🚢", "cesu-8")
    assert _decoded(b"a\xed\xa0\x80", None) == "read.invalid_utf8"  # half of a pair


@pytest.mark.parametrize(
    ("name", "declared"),
    [
        ("cp1251", "iso-8859-1"),
        ("cp1251", "windows-1252"),
        ("koi8-r", "latin1"),
        ("cp1253", "iso-8859-1"),
        ("cp1256", "windows-1252"),
        ("gb18030", "iso-8859-1"),
        ("cp932", "iso-8859-1"),
        ("cp1251", "utf-8"),
        ("cp1252", "utf-16"),
    ],
)
def test_a_charset_that_was_declared_in_error(name: str, declared: str) -> None:
    assert decode(PROSE[name].encode(name), declared) == (PROSE[name], name)


@pytest.mark.parametrize("declared", ["iso-8859-1", "windows-1250", "macintosh", "ibm850", "iso-8859-15"])
def test_what_is_declared_decides_where_nothing_speaks_against_it(declared: str) -> None:
    text = "Ein Wort: Größe, und Ärger über alle Maße."
    assert decode(text.encode(declared), declared)[0] == text


def test_the_charset_of_the_configuration() -> None:
    raw = "Größe".encode("cp850")
    assert decode(raw, configured="ibm850") == ("Größe", "cp850")
    assert decode(raw, "cp850", configured="koi8-r") == ("Größe", "cp850")
    assert decode("Größe".encode(), configured="cp850") == ("Größe", "utf-8")
    assert codec_of("macintosh") == "mac_roman"


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
