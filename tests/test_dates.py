"""Dates as pages write them, in the language of the page. Nothing is guessed."""

import re
from datetime import UTC, date, datetime, timedelta, timezone

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.boilerplate.anchors import match_header
from transforms.dates import LINE_CHARS, around, date_documents, is_date_line, parse_date, pieces, says_change
from transforms.folding import fold
from transforms.vocabulary import languages

READ = [
    ("en", "12 March 2020", "2020-03-12"),
    ("en", "March 12, 2020", "2020-03-12"),
    ("en", "Thu Jan. 12 2012", "2012-01-12"),
    ("en", "3rd of May 2019", "2019-05-03"),
    ("en", "25/12/2020", "2020-12-25"),
    ("en", "12/25/2020", "2020-12-25"),
    ("en", "05/05/2020", "2020-05-05"),
    ("en", "29 Feb 2020", "2020-02-29"),
    ("und", "2020/03/12", "2020-03-12"),
    ("de", "03.04.2020", "2020-04-03"),
    ("de", "15. Jänner 2021", "2021-01-15"),
    ("de", "1. Feber 2021", "2021-02-01"),
    ("fr", "1er août 2020", "2020-08-01"),
    ("fr", "Publié le 03/04/2020", "2020-04-03"),
    ("es", "5 de enero de 2011", "2011-01-05"),
    ("es", "5 de setiembre de 2011", "2011-09-05"),
    ("it", "martedì 7 luglio 2015", "2015-07-07"),
    ("pt", "12 de março de 2020", "2020-03-12"),
    ("ca", "7 d'abril de 2021", "2021-04-07"),
    ("nl", "4 mei 2018", "2018-05-04"),
    ("pl", "29 grudnia 2011 r.", "2011-12-29"),
    ("pl", "3 listopada 2011", "2011-11-03"),
    ("hr", "3. listopada 2011.", "2011-10-03"),
    ("cs", "7. října 2019", "2019-10-07"),
    ("sk", "7. októbra 2019", "2019-10-07"),
    ("ru", "12 марта 2020 г.", "2020-03-12"),
    ("ru", "9 авг. 2021", "2021-08-09"),
    ("uk", "5 травня 2022", "2022-05-05"),
    ("bg", "5 май 2022 г.", "2022-05-05"),
    ("sr", "5. јул 2022.", "2022-07-05"),
    ("sl", "5. julija 2022", "2022-07-05"),
    ("ro", "5 iulie 2022", "2022-07-05"),
    ("hu", "2022. július 5.", "2022-07-05"),
    ("hu", "2022. júl. 5., kedd", "2022-07-05"),
    ("lt", "2022 m. liepos 5 d.", "2022-07-05"),
    ("lv", "2022. gada 5. jūlijā", "2022-07-05"),
    ("et", "5. juuli 2022", "2022-07-05"),
    ("eu", "2022ko uztailaren 5a", "2022-07-05"),
    ("el", "Πέμπτη 29 Δεκεμβρίου 2011", "2011-12-29"),
    ("el", "30 Δεκ. 2011", "2011-12-30"),
    ("tr", "15 Ağustos 2021", "2021-08-15"),
    ("ar", "١٢ مارس ٢٠٢٠", "2020-03-12"),
    ("ar", "3 كانون الثاني 2019", "2019-01-03"),
    ("ar", "3 كانون الثاني/يناير 2019", "2019-01-03"),
    ("ar", "3 غشت 2019", "2019-08-03"),
    ("fa", "۳ ژوئن ۲۰۱۹", "2019-06-03"),
    ("he", "3 ביוני 2019", "2019-06-03"),
    ("ur", "3 جون، 2019", "2019-06-03"),
    ("hi", "३ जून २०१९", "2019-06-03"),
    ("hi", "3 सितम्बर 2019", "2019-09-03"),
    ("bn", "৩ জুন ২০১৯", "2019-06-03"),
    ("ta", "ஜூன் 3, 2019", "2019-06-03"),
    ("te", "3 జూన్ 2019", "2019-06-03"),
    ("mr", "३ जून २०१९", "2019-06-03"),
    ("th", "3 มิถุนายน 2562", "2019-06-03"),
    ("th", "วันจันทร์ที่ 3 มิ.ย. พ.ศ. ๒๕๖๒", "2019-06-03"),
    ("th", "3/6/2562", "2019-06-03"),
    ("th", "3 มิถุนายน 2019", "2019-06-03"),
    ("vi", "ngày 3 tháng 6 năm 2019", "2019-06-03"),
    ("vi", "Thứ Hai, 03/06/2019", "2019-06-03"),
    ("vi", "3 Tháng Sáu, 2019", "2019-06-03"),
    ("id", "Senin, 3 Juni 2019", "2019-06-03"),
    ("ms", "3 Jun 2019", "2019-06-03"),
    ("sw", "3 Juni 2019", "2019-06-03"),
    ("ka", "3 ივნისი, 2019", "2019-06-03"),
    ("hy", "2019 թ. հունիսի 3", "2019-06-03"),
    ("sv", "2 maj 2017", "2017-05-02"),
    ("da", "2. maj 2017", "2017-05-02"),
    ("nn", "2. mai 2017", "2017-05-02"),
    ("fi", "6. joulukuuta 2017", "2017-12-06"),
    ("zh-Hant", "2020年3月12日", "2020-03-12"),
    ("ja", "２０２０年３月１２日（木）", "2020-03-12"),
    ("ko", "2020년 3월 12일", "2020-03-12"),
    ("ko", "2020. 03. 12.", "2020-03-12"),
    ("pl", "03.01.2012 11:50 | Aktualizacja: 04.01.2012 10:23", "2012-01-03"),
]

# Time and zone are said: the moment.
MOMENTS = [
    ("en", "January 12, 2012, 6:44 AM EST", "2012-01-12T11:44"),
    ("en", "2020-03-12T08:15:30Z", "2020-03-12T08:15:30"),
    ("en", "2020-03-12 08:15 +0200", "2020-03-12T06:15"),
    ("en", "2020-03-12T08:15:30.123456+05:30", "2020-03-12T02:45:30"),
    ("en", "2020-03-12T08:15-05:00", "2020-03-12T13:15"),
    ("en", "12 March 2020 10:00 GMT+3", "2020-03-12T07:00"),
    ("en", "12 March 2020, 9 pm UTC", "2020-03-12T21:00"),
    ("en", "June 12, 2020 10:30 PM ET", "2020-06-13T02:30"),
    ("en", "January 12, 2020 10:30 AM PT", "2020-01-12T18:30"),
    ("en", "12 March 2020 10:30 NZDT", "2020-03-11T21:30"),
    ("de", "01.02.2020 12.00 Uhr MEZ", "2020-02-01T11:00"),
    ("ru", "4 января 2012, 14:07 МСК", "2012-01-04T11:07"),
    ("vi", "Thứ Hai, 3/6/2019, 14:07 (GMT+7)", "2019-06-03T07:07"),
    ("id", "Senin, 3 Juni 2019 14.07 WITA", "2019-06-03T06:07"),
    ("ja", "2020年3月12日 午後4時05分 JST", "2020-03-12T07:05"),
    ("zh-Hans", "2020年3月12日 下午4:36 (GMT+8)", "2020-03-12T08:36"),
]

# A time that says no moment: no zone, one of several, a range, a word; the day stays.
DAYS = [
    ("de", "Dienstag, 3. März 2020, 12:04 Uhr", "2020-03-03"),
    ("en", "12 March 2020 10:00 IST", "2020-03-12"),
    ("en", "12 March 2020 10:00 CST", "2020-03-12"),
    ("en", "12 March 2020 10:00-12:00", "2020-03-12"),
    ("en", "12 March 2020 10:00 – 12:30", "2020-03-12"),
    ("en", "12 March 2020 10:00 local time", "2020-03-12"),
    ("en", "2020-03-12T08:15:30", "2020-03-12"),
    ("fr", "12 mars 2020 à 14h30 est", "2020-03-12"),
    ("fr", "12 mars 2020 à 14h30 et après", "2020-03-12"),
    ("ru", "15:19 28.11.2011", "2011-11-28"),
    ("pl", "12 marca 2020 25:70", "2020-03-12"),
]

UNREAD = [
    ("en", "03/04/2020"),
    ("und", "03/04/2020"),
    ("en", "03.04.2020"),
    ("zh-Hans", "03/04/2020"),
    ("fa", "03/04/2020"),
    ("de", "03.04.20"),
    ("en", "yesterday, 09:39"),
    ("pl", "wczoraj, 22:28"),
    ("en", "5 hours ago"),
    ("en", "March 2020"),
    ("en", "12 March"),
    ("en", "30 February 2020"),
    ("en", "2020"),
    ("und", "3 listopada 2011"),
    ("fa", "1399/05/03"),
    ("fa", "۳ خرداد ۱۳۹۸"),
    ("he", "ג' בסיוון תשע\"ט"),
    ("ne", "2076/02/20"),
    ("am", "25/09/2011"),
    ("ja", "令和2年3月12日"),
    ("zh-Hant", "民國109年3月12日"),
    ("en", "3 มิถุนายน 9999"),
    ("en", "3 June 2562"),
    ("en", "mayor 3 2020"),
    ("en", "Version 1.2.2020a.13"),
    ("en", ""),
    ("en", "no date at all, " * 20 + "12 March 2020"),
]


@pytest.mark.parametrize(("language", "raw", "expected"), READ + MOMENTS + DAYS)
def test_read(language, raw, expected):
    found = parse_date(raw, language)
    assert found is not None
    assert found.isoformat().removesuffix("+00:00").removesuffix(":00").removesuffix("T00:00") == expected


@pytest.mark.parametrize(("language", "raw"), UNREAD)
def test_unread(language, raw):
    assert parse_date(raw, language) is None


@pytest.mark.parametrize("raw", [raw for _, raw, _ in READ + MOMENTS if "|" not in raw and "Publié" not in raw])
def test_a_date_alone_is_a_date_line(raw):
    assert is_date_line(fold(raw))


@pytest.mark.parametrize(
    "line",
    [
        "12 March 2020 was a Thursday.", "In 1957 the treaty was amended.", "3. März",
        "Am 3. März 2020 fror der Fluss zu",
        "2024. március 12. óta zárva", "12 มีนาคม 2567 เป็นวันหยุด", "12 मार्च 2024 को बारिश हुई", "10.12.13.14", "12-34-56",
        "1234567", "Flight 12 March 2020 to Oslo", "",
    ],
)  # fmt: skip
def test_a_line_that_says_more_is_none(line):
    assert not is_date_line(fold(line))


@pytest.mark.parametrize(
    ("label", "is_change"),
    [
        ("Last updated", True), ("Zuletzt geändert am", True), ("mise à jour le", True),
        ("Ostatnia aktualizacja", True),
        ("Utoljára frissítve", True), ("Senast uppdaterad", True), ("अंतिम अपडेट", True), ("แก้ไขล่าสุด", True),
        ("最后更新时间", True), ("آخر تحديث", True), ("Diperbarui", True), ("Обновлено", True),
        ("Published", False), ("Veröffentlicht am", False), ("Publié le", False), ("Der Standard", False),
        ("发布时间", False), ("Objavljeno", False), ("Diterbitkan", False), ("Опубликовано", False),
    ],
)  # fmt: skip
def test_what_says_a_change(label, is_change):
    assert says_change(fold(label)) is is_change


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("12 March 2020", ["12 March 2020"]),
        ("12 March 2020, 10:00", ["12 March 2020, 10:00"]),
        ("3 mei 2020 – bijgewerkt 4 mei 2020", ["3 mei 2020", "bijgewerkt 4 mei 2020"]),
        (
            "3. Mai 2020, 10:00 Uhr aktualisiert am 4. Mai 2020",
            ["3. Mai 2020, 10:00 Uhr", "aktualisiert am 4. Mai 2020"],
        ),
        ("May 3, 2020 (updated May 4, 2020)", ["May 3, 2020", "updated May 4, 2020"]),
        ("no date", ["no date"]),
    ],
)
def test_pieces_of_one_date_each(raw, expected):
    got = pieces(raw)
    assert [piece.removeprefix(", ") for piece in got] == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("By Jane Doe on March 3, 2020", ("By Jane Doe on", "March 3, 2020", "")),
        ("le 3 mars 2020 à 8h15 par Jean Petit", ("le", "3 mars 2020 à 8h15", "par Jean Petit")),
        ("2022. gada 5. jūlijā Jānis Bērziņš", ("", "2022. gada 5. jūlijā", "Jānis Bērziņš")),
        ("2020年3月12日 记者 李明", ("", "2020年3月12日", "记者 李明")),
        ("Jane Doe", None),
    ],
)
def test_what_stands_around_a_date(raw, expected):
    assert around(raw) == expected


# --- laws ----------------------------------------------------------------------------------------------------------

DAYS_OF_YEARS = st.dates(date(1900, 1, 1), date(2099, 12, 31))
FORMS = ("{d} {month} {y}", "{d}. {month} {y}", "{month} {d}, {y}", "{y} {month} {d}", "{weekday}, {d} {month} {y}")
SCRIPTS = "0٠۰०০๐"


@given(st.data(), DAYS_OF_YEARS, st.sampled_from(FORMS), st.sampled_from(SCRIPTS))
def test_any_date_of_any_language_reads_back(data, day, form, zero):
    code = data.draw(st.sampled_from([code for code, language in languages().items() if language.months]))
    language = languages()[code]
    month = data.draw(st.sampled_from(language.months[day.month - 1]))
    weekday = data.draw(st.sampled_from(language.weekdays[day.weekday()]))
    raw = form.format(d=day.day, month=month, y=day.year, weekday=weekday)
    raw = raw.translate({ord("0") + digit: chr(ord(zero) + digit) for digit in range(10)})
    found = parse_date(raw, code)
    assert found is not None
    assert found.date() == day
    assert is_date_line(fold(raw)) or len(raw) > LINE_CHARS


@given(DAYS_OF_YEARS, st.times(), st.integers(-14 * 4, 14 * 4))
def test_iso_8601_reads_back(day, time, quarters):
    moment = datetime.combine(day, time.replace(microsecond=0), timezone(timedelta(minutes=15 * quarters)))
    assert parse_date(moment.isoformat(), "und") == moment


BITS = (
    "12 2020 2020. 12. 5. 1,2 0 99 march März MARCH jūlijā gada tháng năm , - / . ( ) | : 年 月 日 ⽇ 2020年3月12日 "
    "12.3.2020 2020-03-12 T10:30 10:30 pm EST +02:00 by Ann Quill Updated: mis à jour le Posted on ½ ² ٣ ３"
)
ODD = st.lists(st.sampled_from(BITS.split()), max_size=12).flatmap(
    lambda bits: st.sampled_from([" ", ""]).map(lambda gap: gap.join(bits))
)


@given(st.text(max_size=LINE_CHARS) | ODD)
def test_no_text_is_too_odd(text):
    parse_date(text, "en")
    is_date_line(fold(text))
    match_header(text)
    parts = around(text)
    assert parts is None or all(part in text for part in parts)
    assert re.findall(r"\d", "".join(pieces(text))) == re.findall(r"\d", text)


def test_no_name_is_two_months_of_one_language():
    for code, language in languages().items():
        names = [fold(name) for month in language.months for name in set(month)]
        assert len(names) == len(set(names)), code
        assert len(language.months) in (0, 12)
        assert len(language.weekdays) == 7


# --- the stage -----------------------------------------------------------------------------------------------------


def test_the_stage_keeps_rows_and_order():
    documents = pa.table(
        {
            "published_raw": ["03/04/2020", None, "03/04/2020"],
            "modified_raw": [None, "4 mai 2020", None],
            "language": ["fr", "fr", "en"],
            "fetched_at": pa.array([None] * 3, pa.timestamp("us", tz="UTC")),
        }
    )
    dated = date_documents(documents)
    assert [at and at.isoformat() for at in dated["published_at"].to_pylist()] == [
        "2020-04-03T00:00:00+00:00",
        None,
        None,
    ]
    assert [at and at.isoformat() for at in dated["modified_at"].to_pylist()] == [
        None,
        "2020-05-04T00:00:00+00:00",
        None,
    ]
    assert dated["published_at"].type == pa.timestamp("us", tz="UTC")


def test_no_page_says_what_came_after_it():
    fetched = datetime(2020, 3, 12, 10, tzinfo=UTC)
    raws = ["12 March 2020", "13 March 2020", "14 March 2020", "12 March 2030"]
    documents = pa.table(
        {"published_raw": raws, "modified_raw": raws, "language": ["en"] * 4, "fetched_at": [fetched] * 4}
    )
    dated = date_documents(documents)
    for name in ("published_at", "modified_at"):
        assert [at is not None for at in dated[name].to_pylist()] == [True, True, False, False]
