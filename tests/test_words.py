"""Words: a table of texts and counts, Unicode's rules by another implementation, and laws."""

import unicodedata

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from transforms.words import word_count, word_counts


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("\n \t…—", 0),
        ("The boat leaves at nine.", 5),
        # Signs that combine with a letter, or aren't seen.
        ("पहाड़ी की चोटी पर हिमपात हुआ", 6),
        ("மலையில் பனி பெய்தது", 3),
        ("পাহাড়ে বরফ পড়েছে", 3),
        ("పర్వతం మీద మంచు", 3),
        ("ذَهَبَ الرَّجُلُ إِلَى السُّوقِ", 4),
        ("בְּרֵאשִׁית הַיּוֹם", 2),
        ("Za\u00adgel\u00adhaft war\u00adte\u00adten wir", 3),
        ("می\u200cخواهم به خانه\u200cها بروم", 4),
        ("क्\u200dष श्री\u200cमान", 2),
        ("cafe\u0301 au lait", 3),
        ("\u200eשלום\u200f עולם", 2),
        ("a\u200bb", 2),  # a zero-width space parts
        ("❤\ufe0f 👩\u200d🚒 🇩🇪", 0),
        # Between letters.
        ("don't, won’t and l'été", 4),
        ("'tis the dogs' bone", 4),
        ("rock 'n' roll", 3),
        ("k:a St:a", 2),
        ("col·lecció", 1),
        ("example.org e.g. end.Next end. Next", 5),
        ("צה״ל מנכ\"ל ג'ירפה", 3),
        ('"ab"cd"', 2),
        ("e-mail and/or", 4),
        # Between digits, and letters with digits.
        ("3.14 1,000,000 10\u202f000 1'000", 4),
        ("1:30 2/3 5-6", 6),
        ("3,5 a,b", 3),
        ("3D MP3 4x4 B2B", 4),
        ("٣٫١٤ ۱۲۳", 2),
        ("m² ½ ①", 1),
        # Connectors.
        ("snake_case _private __init__ _ ___", 3),
        ("a_.b", 2),
        # Scripts without spaces: a character is one, with the signs on it.
        ("港の灯台", 4),
        ("ガ ﾊﾟ", 2),
        ("ที่นี่", 2),
        ("ប្រទេស", 4),
        ("iPhone15を買う", 4),
        ("한국어 문장", 2),
        ("𝒜lpha 𠮷野 𑀅𑀓𑁆", 4),
    ],
)
def test_words(text: str, words: int) -> None:
    assert word_count(text) == words
    assert word_count(f"\n{text} \U0001f600") == words  # beyond the first plane another table is asked


LETTERS = "aéßσж٣1_ .,:;'’\"אש״׳·\u00ad\u200d\u200c\u0301\u202f\u200b\n-²½क्षा़ًدத한😀🇩𝒜"
WORDS = st.one_of(st.text(LETTERS, max_size=14), st.text(max_size=14))


@settings(max_examples=500)
@given(st.one_of(st.text(LETTERS, max_size=14), st.text(st.characters(max_codepoint=0xDFF), max_size=14)))
def test_boundaries_are_those_of_unicode(text: str) -> None:
    regex = pytest.importorskip("regex")
    bare = regex.sub(r"[\p{WB=Extend}\p{WB=Format}\p{WB=ZWJ}]", "", text)  # beside a sign they part words there
    word = regex.compile(r"[\p{WB=ALetter}\p{WB=Hebrew_Letter}\p{WB=Numeric}]")
    assume(all(unicodedata.category(char) != "Cn" for char in text))
    assert word_count(text) == sum(1 for part in regex.split(r"(?V1w)\b", bare) if word.search(part))


@given(WORDS, st.integers(0, 14))
@example("が", 0)
@example("한글", 1)
@example("ဦး", 1)
def test_spelling_does_not_count(text: str, at: int) -> None:
    words = word_count(text)
    assert word_count(unicodedata.normalize("NFC", text)) == words
    assert word_count(unicodedata.normalize("NFD", text)) == words
    assert word_count(text[:at] + "\u00ad" + text[at:]) == words


@given(st.lists(WORDS, max_size=8))
def test_texts_count_alone(texts: list[str]) -> None:
    assert word_counts(texts) == [word_count(text) for text in texts]


def test_more_than_one_batch() -> None:
    texts = ["Ein Satz, der's sagt. ", "", "東京 ", "a\u00adb 😀 "] * 12
    assert word_counts([text * 900 for text in texts]) == [word_count(text) * 900 for text in texts]
