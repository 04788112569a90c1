"""Names of a byline: where one ends and the next begins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.names import is_names, split_names, without_section
from transforms.vocabulary import languages

# As the label's language: that of the rule.
SPLIT = [
    ("en", "Jane Doe and John Roe", ["Jane Doe", "John Roe"]),
    ("en", "Jane Doe, John Roe and Mary Major", ["Jane Doe", "John Roe", "Mary Major"]),
    ("en", "Jane Doe & John Roe", ["Jane Doe", "John Roe"]),
    ("en", "JANE DOE AND JOHN ROE", ["JANE DOE", "JOHN ROE"]),
    ("en", "Alexander Sand", ["Alexander Sand"]),
    ("en", "Dan Brown", ["Dan Brown"]),
    ("en", "E. M. Forster", ["E. M. Forster"]),
    ("en", "Jane Doe in London", ["Jane Doe in London"]),
    ("de", "Max Muster und Erika Beispiel", ["Max Muster", "Erika Beispiel"]),
    ("de", "Anna von der Heide", ["Anna von der Heide"]),
    ("sv", "Karin Ek och Nils Lind", ["Karin Ek", "Nils Lind"]),
    ("da", "Mette Holm og Lars Bo", ["Mette Holm", "Lars Bo"]),
    ("fi", "Aino Salo ja Eero Koski", ["Aino Salo", "Eero Koski"]),
    ("nl", "Piet van Dijk en Anna de Wit", ["Piet van Dijk", "Anna de Wit"]),
    ("es", "María Ruiz y Juan Gil", ["María Ruiz", "Juan Gil"]),
    ("es", "Santiago Ramón y Cajal", ["Santiago Ramón y Cajal"]),
    ("es", "Benito Pérez y Galdós, Ana Ruiz", ["Benito Pérez y Galdós", "Ana Ruiz"]),
    ("ca", "Josep Puig i Cadafalch", ["Josep Puig i Cadafalch"]),
    ("ca", "Joan Pla i Anna Serra", ["Joan Pla", "Anna Serra"]),
    ("pt", "António Costa e Silva", ["António Costa e Silva"]),
    ("pt", "Rui Melo e Ana Sousa", ["Rui Melo", "Ana Sousa"]),
    ("it", "Ugo Neri e Lia Rossi", ["Ugo Neri", "Lia Rossi"]),
    ("pl", "Jan Nowak i Anna Kowal", ["Jan Nowak", "Anna Kowal"]),
    ("pl", "Jan Nowak oraz Anna Kowal", ["Jan Nowak", "Anna Kowal"]),
    ("cs", "Jan Novák a Petra Malá", ["Jan Novák", "Petra Malá"]),
    ("ru", "Иван Петров и Анна Орлова", ["Иван Петров", "Анна Орлова"]),
    ("uk", "Іван Коваль та Олена Бондар", ["Іван Коваль", "Олена Бондар"]),
    ("ro", "Ion Pop și Ana Rusu", ["Ion Pop", "Ana Rusu"]),
    ("hu", "Nagy Anna és Kis Pál", ["Nagy Anna", "Kis Pál"]),
    ("el", "Άννα Ρήγα και Νίκος Λύρας", ["Άννα Ρήγα", "Νίκος Λύρας"]),
    ("tr", "Ali Kaya ve Ayşe Demir", ["Ali Kaya", "Ayşe Demir"]),
    ("id", "Budi Santoso dan Siti Aminah", ["Budi Santoso", "Siti Aminah"]),
    ("vi", "Nguyễn Văn An và Trần Thị Bình", ["Nguyễn Văn An", "Trần Thị Bình"]),
    ("hi", "अनिल शर्मा और गीता वर्मा", ["अनिल शर्मा", "गीता वर्मा"]),
    ("ta", "கண்ணன் மற்றும் மாலா", ["கண்ணன்", "மாலா"]),
    ("bn", "রহিম উদ্দিন ও সালমা খাতুন", ["রহিম উদ্দিন", "সালমা খাতুন"]),
    ("th", "สมชาย ใจดีและมาลี แก้ว", ["สมชาย ใจดี", "มาลี แก้ว"]),
    ("ar", "أحمد علي ومحمد حسن", ["أحمد علي", "محمد حسن"]),
    ("ar", "أحمد علي وليد حسن", ["أحمد علي وليد حسن"]),
    ("fa", "علی رضایی و مریم احمدی", ["علی رضایی", "مریم احمدی"]),
    ("he", "דנה כהן ויוסי לוי", ["דנה כהן", "יוסי לוי"]),
    ("sl", "Janez Novak in Ana Kos", ["Janez Novak", "Ana Kos"]),
    ("zh", "李明、王芳", ["李明", "王芳"]),
    ("en", "admin", ["admin"]),
]

NAMES = [
    "Jane Doe",
    "Max von Muster",
    "Jeanne d'Arc",
    "Siobhán O’Neill",
    "Anna Berg och Ola Dahl",
    "José Gil y Gil",
    "सुधा रावत",
]
NO_NAMES = [
    "Land and Sea",
    "the river",
    "Menschen und Mäusen",
    "Tierra y Mar",
    "the Way",
    "Monts et par Vaux",
    "1957",
    "Why?",
]


@pytest.mark.parametrize(("language", "value", "expected"), SPLIT)
def test_split(language, value, expected):
    assert split_names(value, language) == expected


@pytest.mark.parametrize("value", NAMES)
def test_names(value):
    assert is_names(value, bare=True)


@pytest.mark.parametrize("value", NO_NAMES)
def test_no_names(value):
    assert not is_names(value, bare=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Jane Doe in Travel", "Jane Doe"),
        ("Max Muster unter Kultur", "Max Muster"),
        ("Jane Doe", "Jane Doe"),
        ("Jane Doe in the end was not the one who wrote", "Jane Doe in the end was not the one who wrote"),
    ],
)
def test_without_section(text, expected):
    assert without_section(text) == expected


@given(st.data())
def test_any_two_names_joined_are_two(data):
    code = data.draw(st.sampled_from([code for code, language in languages().items() if language.joins]))
    join = data.draw(st.sampled_from(languages()[code].joins))
    first, second = "Ara Bel", "Cor Dun"
    joined = f"{first} {join} {second}" if join not in ("و", "ו") else f"دانا كهن {join}يوسف حسن"
    assert len(split_names(joined, code)) == 2
