"""Dates as pages write them, in the language of the page. Nothing is guessed."""

import pyarrow as pa
import pytest

from transforms.dates import date_documents, parse_date

READ = [
    ("en", "12 March 2020", "2020-03-12T00:00"),
    ("en", "March 12, 2020", "2020-03-12T00:00"),
    ("en", "Thu Jan. 12 2012 06:21:15", "2012-01-12T06:21:15"),
    ("en", "January 12, 2012, 6:44 AM EST", "2012-01-12T11:44"),
    ("en", "3rd of May 2019 at 9:05 p.m.", "2019-05-03T21:05"),
    ("en", "2020-03-12T08:15:30Z", "2020-03-12T08:15:30"),
    ("en", "2020-03-12 08:15 +0200", "2020-03-12T06:15"),
    ("en", "2020-03-12T08:15:30.123456+05:30", "2020-03-12T02:45:30"),
    ("en", "12 March 2020 10:00 GMT+3", "2020-03-12T07:00"),
    ("en", "25/12/2020", "2020-12-25T00:00"),
    ("en", "12/25/2020", "2020-12-25T00:00"),
    ("en", "05/05/2020", "2020-05-05T00:00"),
    ("en", "29 Feb 2020", "2020-02-29T00:00"),
    ("und", "2020/03/12", "2020-03-12T00:00"),
    ("de", "Dienstag, 3. März 2020, 12:04 Uhr", "2020-03-03T12:04"),
    ("de", "3. Mai 2020 um 22.47 Uhr", "2020-05-03T22:47"),
    ("de", "03.04.2020", "2020-04-03T00:00"),
    ("de", "15. Jänner 2021", "2021-01-15T00:00"),
    ("de", "01.02.2020 12:00 MEZ", "2020-02-01T11:00"),
    ("fr", "1er août 2020 à 14h30", "2020-08-01T14:30"),
    ("fr", "Publié le 03/04/2020", "2020-04-03T00:00"),
    ("es", "5 de enero de 2011", "2011-01-05T00:00"),
    ("it", "martedì 7 luglio 2015 - 08:00", "2015-07-07T08:00"),
    ("pt", "12 de março de 2020, 09h45", "2020-03-12T09:45"),
    ("nl", "4 mei 2018, 07:12", "2018-05-04T07:12"),
    ("pl", "29 grudnia 2011, 13:45", "2011-12-29T13:45"),
    ("pl", "3 listopada 2011", "2011-11-03T00:00"),
    ("pl", "03.01.2012 11:50 | Aktualizacja: 04.01.2012 10:23", "2012-01-03T11:50"),
    ("cs", "7. října 2019 6:00", "2019-10-07T06:00"),
    ("ru", "12 марта 2020 г., 14:07", "2020-03-12T14:07"),
    ("ru", "15:19 28.11.2011", "2011-11-28T15:19"),
    ("ru", "4 января 2012, 14:07 МСК", "2012-01-04T11:07"),
    ("uk", "5 травня 2022, 18:30", "2022-05-05T18:30"),
    ("el", "Πέμπτη 29 Δεκεμβρίου 2011", "2011-12-29T00:00"),
    ("el", "30 Δεκ. 2011, 9:31 μμ", "2011-12-30T21:31"),
    ("tr", "15 Ağustos 2021 10:20", "2021-08-15T10:20"),
    ("ar", "١٢ مارس ٢٠٢٠", "2020-03-12T00:00"),
    ("ar", "3 كانون الثاني 2019", "2019-01-03T00:00"),
    ("zh-Hans", "2020年3月12日 16:36", "2020-03-12T16:36"),
    ("zh-Hant", "2020年3月12日 下午4:36", "2020-03-12T16:36"),
    ("ja", "２０２０年３月１２日 午後4時05分", "2020-03-12T16:05"),
    ("ko", "2020년 3월 12일 오전 9:05", "2020-03-12T09:05"),
    ("ko", "2020.03.12 09:05", "2020-03-12T09:05"),
    ("sv", "2 maj 2017", "2017-05-02T00:00"),
    ("fi", "6. joulukuuta 2017", "2017-12-06T00:00"),
    ("pl", "12 marca 2020 25:70", "2020-03-12T00:00"),
]

UNREAD = [
    ("en", "03/04/2020"),
    ("und", "03/04/2020"),
    ("en", "03.04.2020"),
    ("zh-Hans", "03/04/2020"),
    ("de", "03.04.20"),
    ("en", "yesterday, 09:39"),
    ("pl", "wczoraj, 22:28"),
    ("en", "5 hours ago"),
    ("en", "March 2020"),
    ("en", "12 March"),
    ("en", "30 February 2020"),
    ("en", "2020"),
    ("hr", "3 listopada 2011"),
    ("und", "3 listopada 2011"),
    ("fa", "1399/05/03"),
    ("en", "mayor 3 2020"),
    ("en", "Version 1.2.2020a.13"),
    ("en", ""),
    ("en", "no date at all, " * 20 + "12 March 2020"),
    ("th", "3/5/2563"),
]


@pytest.mark.parametrize(("language", "raw", "expected"), READ)
def test_read(language, raw, expected):
    found = parse_date(raw, language)
    assert found is not None
    assert found.isoformat().removesuffix(":00+00:00").removesuffix("+00:00") == expected


@pytest.mark.parametrize(("language", "raw"), UNREAD)
def test_unread(language, raw):
    assert parse_date(raw, language) is None


def test_the_stage_keeps_rows_and_order():
    documents = pa.table({"published_raw": ["03/04/2020", None, "03/04/2020"], "language": ["fr", "fr", "en"]})
    dated = date_documents(documents)
    assert [at and at.isoformat() for at in dated["published_at"].to_pylist()] == [
        "2020-04-03T00:00:00+00:00",
        None,
        None,
    ]
    assert dated["published_at"].type == pa.timestamp("us", tz="UTC")
