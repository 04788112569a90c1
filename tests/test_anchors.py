"""Anchor phrases: every rule strips its own examples and keeps its look-alikes, and clean prose matches nothing."""

import re
from dataclasses import replace
from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.boilerplate import anchors
from transforms.boilerplate.anchors import (
    Anchor,
    Keep,
    Rule,
    fold,
    match_credits,
    match_glued,
    match_line,
    match_paragraph,
    rules,
)
from transforms.boilerplate.lines import is_prose, line_hashes
from transforms.boilerplate.strip import removals
from transforms.boilerplate.templates import NO_TEMPLATES
from transforms.config import Boilerplate
from transforms.folding import unaccent
from transforms.scripts import FULL_STOPS, first_script

LANGUAGES = (
    "de", "en", "fr", "es", "it", "pt", "nl", "pl", "cs", "ru", "uk", "el", "tr", "ar", "zh", "ja", "ko", "fa", "he",
    "ur", "ro", "hu", "sr", "hr", "bg", "sk", "sl", "sv", "da", "nb", "fi", "lt", "lv", "et", "hy", "ka", "sw",
    "vi", "id", "hi", "bn", "ta", "th",
)  # fmt: skip

FIELDS = {
    "title", "authors", "author_bio", "source_name", "tags", "published_raw", "modified_raw",
    "previous_title", "next_title", "related_titles", None,
}  # fmt: skip
STRIP = [pytest.param(rule, line, id=f"{rule.id}: {line[:40]}") for rule in rules() for line in rule.strip]
KEEP = [
    pytest.param(example, id=f"{rule.id}: {example.text[:40]} {example.place or ''}".strip())
    for rule in rules()
    for example in rule.keep
]


def match(rule: Rule, text: str) -> Anchor | None:
    return match_paragraph(text) if rule.kind == "paragraph" else match_line(text)


# --- the rules' own examples -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rule", "line"), STRIP)
def test_a_rule_strips_its_examples(rule: Rule, line: str) -> None:
    anchor = match(rule, line)
    assert anchor is not None
    # A phrase that two languages share belongs to the first; the reason is the same. "Heading: title" is a label.
    expected = "label" if rule.kind == "heading" and anchor.value else rule.kind
    assert (anchor.reason, anchor.kind) == (rule.reason, expected)


@pytest.mark.parametrize("example", [example for example in KEEP if example.values[0].place is None])
def test_a_rule_keeps_its_look_alikes(example: Keep) -> None:
    assert match_line(example.text) is None
    assert match_paragraph(example.text) is None


PROSE = [
    "The road to the salt works follows the old canal, and in dry summers the towpath is still the shorter way.",
    "Carters used it until the railway came; after that only the lock keepers' children walked there to school.",
    "A survey of 1911 counts nineteen houses along it, of which the last two were pulled down after the flood.",
    "What remains is the avenue of limes, the milestone at the bend and the name of the inn on a bus stop.",
]
ARTICLES = {
    "title": "{line}\n{0}\n{1}\n{2}\n{3}",
    "section heading": "The Salt Road\n{0}\n{1}\n{line}\n{2}\n{3}",
    "line": "The Salt Road\n{0}\n{1}\n{2}\n{line}\n{3}",
}


@pytest.mark.parametrize("example", [example for example in KEEP if example.values[0].place])
def test_a_rule_keeps_its_words_where_they_are_the_articles(example: Keep) -> None:
    text = ARTICLES[str(example.place)].format(*PROSE, line=example.text)
    gone = removals(text, line_hashes(text), NO_TEMPLATES, True, Boilerplate())
    assert [text.split("\n")[at] for at in gone] == []


def test_a_phrase_stands_once_and_its_sharers_say_so() -> None:
    """Who shares a phrase finds it in another language's rule of the same reason."""
    for rule in rules():
        for phrase in rule.shared:
            owners = [
                other for other in rules()
                if (other.reason, other.kind == "paragraph") == (rule.reason, rule.kind == "paragraph")
                and fold(phrase) in map(fold, other.phrases)
            ]  # fmt: skip
            assert [owner for owner in owners if owner.language != rule.language], (rule.id, phrase)


@pytest.mark.parametrize("kind", ["heading", "line", "label", "paragraph"])
def test_an_undeclared_double_is_an_error(kind: str) -> None:
    once = Rule("related.aa.one", "boilerplate.related", "aa", kind, "both", 0.9, phrases=("Réad ON and on",))
    again = Rule("related.bb.two", "boilerplate.related", "bb", kind, "both", 0.9, phrases=("read on and on",))
    with pytest.raises(ValueError, match=r"related\.bb\.two.*related\.aa\.one"):
        anchors.lay_out([*rules(), once, again])
    declared = replace(again, phrases=(), shared=again.phrases)
    assert anchors.lay_out([*rules(), once, declared]).rules[-1] == declared


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.id)
def test_a_rule_is_complete(rule: Rule) -> None:
    assert rule.reason == f"boilerplate.{rule.id.split('.')[0]}"
    assert rule.reason.removeprefix("boilerplate.") in anchors.SUBJECTS
    assert rule.kind in ("heading", "label", "line", "paragraph")
    assert rule.place in ("head", "tail", "both")
    assert rule.field in FIELDS
    assert 0 < rule.confidence <= 1
    assert rule.strip
    assert rule.keep
    assert rule.phrases or rule.shared or rule.patterns or rule.value == "date"
    assert not rule.cased or rule.kind == "paragraph"
    assert rule.when or rule.kind != "paragraph" or not rule.patterns  # a paragraph's patterns need a cheap test


LINE_PATTERNS = [
    (anchors._script_of(rule), anchors._fold_pattern(pattern))
    for rule in rules()
    if rule.kind != "paragraph" and not rule.when
    for pattern in rule.patterns
]


def tried(script: str, folded: str) -> list[str]:
    return [entry.pattern for entry in anchors._candidate_patterns(script, folded, re.sub(r"\d+", "0", folded))]


@given(st.data())
@settings(max_examples=500)
def test_a_line_is_tried_by_each_pattern_that_it_matches(data: st.DataObject) -> None:
    script, pattern = data.draw(st.sampled_from(LINE_PATTERNS))
    line = data.draw(st.from_regex(pattern, fullmatch=True))
    assert pattern in tried("Latn" if script == "any" else script, line)


def test_lines_are_tried_by_each_pattern_that_they_match() -> None:
    """All patterns, one after another, find nothing in an example that those chosen by its beginning don't."""
    for rule in rules():
        for example in rule.strip if rule.patterns else ():
            core = anchors._trim(example)
            folded, script = fold(core).rstrip("! "), anchors._script(core)
            every = anchors._lexicon().patterns.get(script) or anchors._lexicon().patterns["any"]
            matching = [entry.pattern for entry in every if re.fullmatch(entry.pattern, folded)]
            candidates = tried(script, folded)
            assert [pattern for pattern in candidates if pattern in matching] == matching


PARTS = st.lists(
    st.one_of(
        st.sampled_from(
            ["Text", "Foto", "Fotos", "By", "von", "文", "图", "取材", "und", "Max Muster", "Jane Doe", "张三"]
        ),
        st.sampled_from(
            [":", " : ", "：", "/", "＝", "(", ")", "（Text）", " (Fotos)", ", ", " | ", " ", "•", "»", "·", "7"]
        ),
        st.text(max_size=3),
    ),
    max_size=8,
).map("".join)


@given(PARTS.filter(lambda line: line == line.strip()))
@settings(max_examples=2000)
def test_credits_are_asked_for_wherever_there_are_some(line: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(anchors, "_may_be_credits", lambda line, first: True)
        expected = anchors.match_line.__wrapped__(line)
    assert anchors.match_line.__wrapped__(line) == expected


@given(st.text(alphabet="abÄßяЯ09 .", max_size=50))
def test_words_are_glued_where_a_capital_follows_a_small_letter(line: str) -> None:
    small, capital = "[a-zß-öø-ÿā-ž0-9а-яёіїєґ]", "[A-ZÀ-ÖØ-ÞĀ-ŽА-ЯЁІЇЄҐ]"
    found = anchors._IS_GLUED.search(line, 0, anchors.LABEL_LIMIT)
    assert (found is None) is (re.search(small + capital, line[: anchors.LABEL_LIMIT]) is None)


PARAGRAPH_PATTERNS = [
    pattern if rule.cased else anchors._fold_pattern(pattern)
    for rule in rules()
    if rule.kind == "paragraph"
    for pattern in rule.patterns
]
SAID = [fold(example) for rule in rules() if rule.kind == "paragraph" for example in rule.strip]


@given(st.data())
@settings(max_examples=500)
def test_a_paragraph_is_searched_for_each_pattern_that_it_has(data: st.DataObject) -> None:
    pattern = data.draw(st.sampled_from(PARAGRAPH_PATTERNS))
    text = data.draw(st.one_of(st.from_regex(pattern), st.sampled_from(SAID)))
    found = any(search.finds(text) for search in anchors._searches(pattern))
    assert found is (re.search(pattern, text) is not None)


def test_rule_ids_are_unique() -> None:
    ids = [rule.id for rule in rules()]
    assert sorted(set(ids)) == sorted(ids)


def test_no_phrase_has_two_reasons() -> None:
    reasons: dict[tuple[str, bool], set[str]] = {}
    for rule in rules():
        if rule.kind != "paragraph":
            for phrase in rule.phrases:
                reasons.setdefault((fold(phrase), rule.kind == "label"), set()).add(rule.reason)
    assert {phrase: found for phrase, found in reasons.items() if len(found) > 1} == {}


@pytest.mark.parametrize("subject", anchors.SUBJECTS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_covers_every_subject(language: str, subject: str) -> None:
    assert any(rule.language == language and rule.reason == f"boilerplate.{subject}" for rule in rules())


# --- scripts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("हिन्दी में पढ़ें", "हिन्दी में पढें"),  # vowel signs and viramas are letters, a nukta is an accent
        ("टिप्पणियाँ", "टिप्पणियां"),
        ("বাংলা সংবাদ", "বাংলা সংবাদ"),
        ("தமிழ் செய்திகள்", "தமிழ் செய்திகள்"),
        ("ข่าวที่เกี่ยวข้อง", "ข่าวที่เกี่ยวข้อง"),
        ("ຂ່າວທີ່ກ່ຽວຂ້ອງ", "ຂ່າວທີ່ກ່ຽວຂ້ອງ"),
        ("သတင်းများ", "သတင်းများ"),
        ("ព័ត៌មាន", "ព័ត៌មាន"),
        ("Կարդացեք և կիսվեք", "կարդացեք եւ կիսվեք"),
        ("ᲡᲘᲐᲮᲚᲔᲔᲑᲘ", "სიახლეები"),
        ("ዜናዎች", "ዜናዎች"),
        ("כָּל הַזְּכֻיוֹת", "כל הזכיות"),  # points are accents
        ("نوشته\u200cهای مرتبط", "نوشتههاي مرتبط"),  # Persian ya as Arabic, the joiner gone
        ("مزيد", "مزيد"),
    ],
)
def test_folding_keeps_the_letters_of_every_script(text: str, folded: str) -> None:
    assert fold(text) == normalize("NFKD", folded)


@given(st.text(alphabet="ıىةیکہँ’‘ʼ–—ⓒiيöé e\u0301ab"))
def test_letters_variants_are_replaced_wherever_they_stand(text: str) -> None:
    plain = dict(zip("ıىةیکہ\u0901’‘ʼ–—ⓒ", "iيهيكه\u0902'''--©", strict=True))
    assert unaccent(text) == re.sub("[\u0300-\u036f]", "", normalize("NFKD", "".join(plain.get(c, c) for c in text)))


@pytest.mark.parametrize("text", ["উদ্যোগ", "น้ำ", "ガラス", "한국어", "é", "ஒளியோ", "ကို"])
def test_a_pattern_meets_folded_text(text: str) -> None:
    assert re.fullmatch(anchors._fold_pattern(text), fold(text))


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Menu", "Latn"), ("© Μενού", "Grek"), ("Меню", "Cyrl"), ("Ցանկ", "Armn"), ("תפריט", "Hebr"),
        ("منو", "Arab"), ("मेनू", "Deva"), ("মেনু", "Beng"), ("பட்டி", "Taml"), ("เมนู", "Thai"), ("ເມນູ", "Laoo"),
        ("မီနူး", "Mymr"), ("მენიუ", "Geor"), ("ዝርዝር", "Ethi"), ("ម៉ឺនុយ", "Khmr"), ("菜单", "Hani"), ("메뉴", "Hang"),
    ],
)  # fmt: skip
def test_a_text_is_of_its_first_script_beyond_latin(text: str, script: str) -> None:
    assert first_script(text) == script


@pytest.mark.parametrize("stop", FULL_STOPS)
def test_every_full_stop_ends_a_sentence(stop: str) -> None:
    assert is_prose("a word and another one " * 5 + "at last" + stop)
    assert match_line(f"Next: fold in the whites{stop}") is None


def test_thai_and_lao_are_prose_by_length() -> None:
    assert is_prose("ชาวบ้านเดินไปตลาดตั้งแต่เช้า" * 6)
    assert not is_prose("ชาวบ้านเดินไปตลาดตั้งแต่เช้า" * 4)
    assert not is_prose("The villagers walk to market at dawn " * 5)


@pytest.mark.parametrize(
    "name", ["Lê Thị Mẫu", "Նարեկ Սարգսյան", "דנה לוי", "رضا احمدی", "अनिता शर्मा", "สมชาย ใจดี", "ნინო გელაშვილი"]
)
def test_names_of_every_script_are_names(name: str) -> None:
    anchor = match_line(f"Author: {name}")
    assert anchor is not None
    assert (anchor.field, anchor.value) == ("authors", name)


# --- values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("<<:  Warum Eisen rostet?", "previous_title", "Warum Eisen rostet?"),
        (">>:  Zehn Brücken…", "next_title", "Zehn Brücken…"),
        ("上一篇：春节的由来", "previous_title", "春节的由来"),
        ("下一篇 十座桥", "next_title", "十座桥"),
        ("Next article: Rocky (1976)", "next_title", "Rocky (1976)"),
        ("Vorheriger Artikel: Über die Brücke", "previous_title", "Über die Brücke"),
        ("Source: Internet", "source_name", "Internet"),
        ("Author: User", "authors", "User"),
        ("Von Max Muster und Erika Beispiel", "authors", "Max Muster und Erika Beispiel"),
        ("Tags art music Straße", "tags", "art music Straße"),
        ("Стан: —", None, None),
        ("Stand: 12.3.2020", "modified_raw", "12.3.2020"),
        ("Dienstag, 3. März 2020", "published_raw", "Dienstag, 3. März 2020"),
        ("Lesen Sie auch: Wie der Winter kam", "related_titles", "Wie der Winter kam"),
        ("Artikel empfehlen", "related_titles", ""),
        ("Հեղինակ՝ Աննա Սարգսյան", "authors", "Աննա Սարգսյան"),
        ("Կարդացեք նաև՝ Ինչու սառեց գետը", "related_titles", "Ինչու սառեց գետը"),
        ("نویسنده: رضا احمدی", "authors", "رضا احمدی"),
        ("Szerző: Kovács Anna", "authors", "Kovács Anna"),
        ("Прочитајте још: Зашто се река смрзла", "related_titles", "Зашто се река смрзла"),
        ("Etichete: râu, iarnă", "tags", "râu, iarnă"),
        ("Forrás: Reuters", "source_name", "Reuters"),
        ("הכתבה הבאה: למה קפא הנהר", "next_title", "למה קפא הנהר"),
        ("Eelmine postitus: Miks jõgi jäätus", "previous_title", "Miks jõgi jäätus"),
        ("Tác giả: Lê Thị Mẫu", "authors", "Lê Thị Mẫu"),
        ("Baca juga: Mengapa sungai itu membeku", "related_titles", "Mengapa sungai itu membeku"),
        ("यह भी पढ़ें: नदी क्यों जम गई", "related_titles", "नदी क्यों जम गई"),
        ("লেখক: মিনা উদাহরণ", "authors", "মিনা উদাহরণ"),
        ("குறிச்சொற்கள்: ஆறு, பனி", "tags", "ஆறு, பனி"),
        ("ที่มา: หนังสือพิมพ์สมมุติ", "source_name", "หนังสือพิมพ์สมมุติ"),
        ("Tulisan berikutnya: Sepuluh jembatan", "next_title", "Sepuluh jembatan"),
        ("Tags:", "tags", ""),
    ],
)
def test_the_value_is_the_original_text(line: str, field: str | None, value: str | None) -> None:
    anchor = match_line(line)
    assert (anchor.field, anchor.value) == (field, value) if anchor else value is None


@pytest.mark.parametrize(
    ("line", "confidence"),
    [("Tags: art, music", 0.85), ("Tags art music", 0.4), ("Source", 0.4), ("<<: title", 0.9), ("<< title", 0.5)],
)
def test_a_label_without_its_colon_is_weak(line: str, confidence: float) -> None:
    anchor = match_line(line)
    assert anchor is not None
    assert anchor.confidence == confidence


@pytest.mark.parametrize(
    "line",
    ["Related Articles", "RELATED ARTICLES:", "» related articles", "• Related   articles", "Related articles (12)",
     "🔥 Related articles ➜", "【Related articles】", "Related articles…", "related articles »"],
)  # fmt: skip
def test_decoration_does_not_hide_a_phrase(line: str) -> None:
    anchor = match_line(line)
    assert anchor is not None
    assert anchor.rule == "related.en.heading"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("Privacy policy | Terms of use | Contact", "boilerplate.legal"),
        ("Datenschutzerklärung · Impressum", "boilerplate.legal"),
        ("Adatvédelmi szabályzat | Felhasználási feltételek | Kapcsolat", "boilerplate.legal"),
        ("Share: Facebook | X | WhatsApp", "boilerplate.share"),
        ("Megosztás: Facebook · WhatsApp", "boilerplate.share"),
        ("Name | Age | Village", None),
        ("Already a subscriber? Log in", "boilerplate.subscribe"),
        ("Redan medlem? Logga in", "boilerplate.subscribe"),
        ("Already home? Log in the fire.", None),
        ("Contact | Search | Menu", None),  # one of them might be the article's, and none is sure
        ("Privacy policy | Chapter 4", None),
        ("| Follow us | Read more |", None),
    ],
)
def test_a_row_of_anchors_is_one(line: str, reason: str | None) -> None:
    anchor = match_line(line)
    assert (anchor.reason if anchor else None) == reason


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("Text: Max Muster, Fotos: Erika Beispiel", ["Max Muster", "Erika Beispiel"]),
        ("Text: Anna Ström Foto: Erik Ek", ["Anna Ström", "Erik Ek"]),
        ("Texto: Juan Pérez. Fotos: Ana López", ["Juan Pérez", "Ana López"]),
        ("Testo di Mario Rossi, foto di Anna Bianchi", ["Mario Rossi", "Anna Bianchi"]),
        ("Von Max Muster (Text) und Erika Beispiel (Fotos)", ["Max Muster", "Erika Beispiel"]),
        ("Texte et photos : Jean Dupont", ["Jean Dupont"]),
        ("Text & Bilder: Max Muster", ["Max Muster"]),
        ("文/李明 图/王芳", ["李明", "王芳"]),
        ("文 李明 摄影 王芳", ["李明", "王芳"]),
        ("取材・文／山田太郎　写真／鈴木花子", ["山田太郎", "鈴木花子"]),
        ("文・写真：山田太郎", ["山田太郎"]),
        ("글 김철수 / 사진 이영희", ["김철수", "이영희"]),
        ("글·사진 김철수", ["김철수"]),
        ("Par Anne Martin (texte et photos)", ["Anne Martin"]),
        ("Erika Beispiel (Fotografin)", []),
        ("Text und Ton stimmten.", []),
        ("Fotos und Videos: so schön war das Fest", []),
        ("Foto und Text", []),
        ("Von Berlin (Text) bis Rom", []),
        ("Bild / Ton / Schnitt", []),
        ("文 张三 图", []),
        ("Text: Teil eins, Fotos: hier und dort.", []),
    ],
)
def test_credits_of_a_line(line: str, names: list[str]) -> None:
    assert [anchor.value for anchor in match_credits(line)] == names
    anchor = match_line(line)
    assert (anchor.reason if anchor else None) == ("boilerplate.byline" if names else None)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("Read also | The last boat", "The last boat"),
        ("Lea también – El último barco", "El último barco"),
        ("Author - Jane Doe", "Jane Doe"),
        ("Related – a story of two brothers", None),
        ("Photo – a lake at dawn", None),
    ],
)
def test_a_dash_or_bar_stands_for_a_labels_colon(line: str, value: str | None) -> None:
    anchor = match_line(line)
    assert (anchor.value if anchor else None) == value


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("ShareTweetPrintEmail", "boilerplate.share"),
        ("PartagerTweeterImprimer", "boilerplate.share"),
        ("CompartirTuitearEnviar", "boilerplate.share"),
        ("TeilenTwitternDrucken", "boilerplate.share"),
        ("ПоделитьсяТвитнутьРаспечатать", "boilerplate.share"),
        ("SharePoint", None),
        ("PrintWorks and SendMail", None),
    ],
)
def test_buttons_glued_together(line: str, reason: str | None) -> None:
    anchor = match_glued(line)
    assert (anchor.reason if anchor else None) == reason


@pytest.mark.parametrize("line", ["“Related articles”", "— Назад", "« Lire aussi »", '"Share"', "– Weiter"])
def test_quotation_and_speech_are_prose(line: str) -> None:
    assert match_line(line) is None


@pytest.mark.parametrize(
    "line", ["", " ", "\u200b", "!", "…", "()", "»", "::", "<<", "<<:", "12", "\ufe0f", "[]", "- ", "(3)"]
)
def test_lines_of_marks_are_nothing(line: str) -> None:
    assert match_line(line) is None


# --- clean text in forty languages: nothing of it is an anchor -------------------------------------------------------

CLEAN = """
The mill stood still for a week, and swallows nested in the wheel.
Next, fold in the egg whites and bake for forty minutes.
Next: season with salt.
Previous tenants had painted the door green.
“Share it with your brother,” she said.
By the rivers of Babylon, there we sat down.
By evening the wind had turned.
Home is the sailor, home from sea.
The source of the river lies under the glacier.
Contact was lost shortly after dawn.
2 cups flour
1 teaspoon salt
Article 5. The contracting parties shall meet once a year.
§ 12 The tenant shall give notice in writing.
No comments were made by the accused.
Print was still a young craft in Mainz.
Tags on the sacks gave weight and owner.
He subscribed to three papers and read none.
About the old bridge there are many tales.
We use cookies as bait, the hunter said, and raisins.
Die Mühle stand still, und Schwalben nisteten im Rad.
Von drauß' vom Walde komm ich her.
Von der Brücke aus sah man das Meer.
Von Zeit zu Zeit seh ich den Alten gern.
Weiter oben am Hang blühte der Enzian.
Zurück blieb nur ein Hund.
Das könnte Sie teuer zu stehen kommen.
Der nächste Artikel des Vertrags regelt den Zoll.
Artikel 20. Die Bundesrepublik ist ein Bundesstaat.
§ 433 Der Verkäufer übergibt die Sache.
200 g Mehl
Eier trennen, Eiweiß steif schlagen.
Am 3. Mai 1808 wurde in Madrid geschossen.
Er teilte das Brot mit allen.
Datenschutz gab es im Dorf nicht.
Die Quelle des Flusses liegt unter dem Gletscher.
Mehr Licht!
„Weiter!“, rief der Kutscher.
Kommentar überflüssig, dachte sie.
Sein Kontakt zur Familie riss ab.
Le moulin resta immobile, et les hirondelles nichaient dans la roue.
Par un beau matin de mai, il partit.
Par delà les monts et les mers
Lire aussi était défendu aux enfants.
Suivant l'usage, on brisa le pain.
Article 3. Les parties se réunissent chaque année.
200 g de farine
À propos de bottes, où sont les miennes ?
La source du fleuve est sous le glacier.
Partager le pain, c'est partager la vie.
El molino se detuvo, y las golondrinas anidaron en la rueda.
Por la mañana cambió el viento.
Por ti seré, por ti he sido
Artículo 4. Las partes se reúnen cada año.
Anterior a la guerra es la torre.
La fuente del río está bajo el glaciar.
Leer más libros era su único deseo.
Compartir el pan era la ley de la casa.
200 g de harina
También te puede pasar a ti.
Il mulino si fermò, e le rondini nidificarono nella ruota.
Di notte il vento cambiò.
Nel mezzo del cammin di nostra vita
Articolo 6. Le parti si riuniscono ogni anno.
Avanti andava il più vecchio.
La fonte del fiume è sotto il ghiacciaio.
Condividere il pane era la legge.
200 g di farina
Leggi e costumi di quel paese erano severi.
Commenti non ne fece nessuno.
Мельница стояла, и ласточки свили гнёзда в колесе.
Я помню чудное мгновенье
— Дальше пойдём пешком, — сказал он.
Статья 7. Стороны собираются раз в год.
Источник реки лежит под ледником.
Поделились хлебом и пошли дальше.
Автор письма остался неизвестен.
200 г муки
Назад дороги не было.
Читать он выучился поздно.
Młyn stał, a jaskółki gniazdowały w kole.
Litwo! Ojczyzno moja! ty jesteś jak zdrowie
Artykuł 8. Strony zbierają się raz w roku.
Więcej światła, prosił umierający.
Następny dzień był chłodny.
Zobacz, co posadził sąsiad.
200 g mąki
Kontakt z okrętem urwał się o świcie.
磨坊停了，燕子在水轮里筑巢。
床前明月光，疑是地上霜。
第五条 缔约双方每年会晤一次。
面粉二百克
上一次见面是在三年前。
他把面包分给所有的人。
河的源头在冰川下面。
水車は止まり、燕が車輪に巣を作った。
古池や蛙飛びこむ水の音
第五条 締約国は年に一度会合する。
小麦粉 二百グラム
次の朝、風が変わった。
関連する法律は三つある。
توقفت الطاحونة وعششت السنونو في عجلتها.
المادة الخامسة: يجتمع الطرفان مرة في السنة.
مئتا غرام من الدقيق
شارك الجميع في الحصاد.
التالي من الأيام كان باردا.
Değirmen durdu, kırlangıçlar çarkta yuva yaptı.
Madde 5. Taraflar yılda bir kez toplanır.
Sonraki sabah rüzgâr döndü.
Ekmeği herkesle paylaştı.
200 gr un
A malom egy hétig állt, és fecskék fészkeltek a kerékben.
Előző este még szólt a zene.
Közzétéve a falu kapuján, a hír megdöbbentette őket.
Moara a stat o săptămână, iar rândunelele au făcut cuiburi în roată.
De la munte venea un vânt rece.
Mlin je stajao tjedan dana, a lastavice su se gnijezdile u kotaču.
Piše se s č, a izgovara mekše.
Воденица је стајала недељу дана, а ласте су се гнездиле у точку.
Воденицата стоя седмица, а лястовиците гнездяха в колелото.
От София дойде писмо.
Mlyn stál týždeň a lastovičky hniezdili v kolese.
Mlin je stal teden dni, lastovke pa so gnezdile v kolesu.
Kvarnen stod still en vecka, och svalorna byggde bo i hjulet.
Av gammal vana gick han ner till sjön.
Møllen stod stille en uge, og svalerne byggede rede i hjulet.
Kverna stod stille en uke, og svalene bygde reir i hjulet.
Mylly seisoi viikon, ja pääskyset pesivät rattaaseen.
Malūnas stovėjo savaitę, o kregždės suko lizdus rate.
Dzirnavas stāvēja nedēļu, un bezdelīgas ligzdoja ratā.
Veski seisis nädala ja pääsukesed pesitsesid rattas.
آسیاب یک هفته ایستاد و پرستوها در چرخ آن لانه کردند.
הטחנה עמדה שבוע, והסנוניות קיננו בגלגל.
مطالب تازه را پدرم هر شب می‌خواند.
چکی ایک ہفتہ بند رہی اور ابابیلوں نے پہیے میں گھونسلا بنا لیا۔
Ջրաղացը մեկ շաբաթ կանգնած էր, և ծիծեռնակները բույն դրեցին անիվի մեջ։
წისქვილი ერთი კვირა იდგა და მერცხლებმა ბორბალში დაიბუდეს.
ወፍጮው አንድ ሳምንት ቆመ፤ ዋኖሶችም በመንኮራኩሩ ውስጥ ጎጆ ሠሩ።
Kinu kilisimama wiki moja, na mbayuwayu wakajenga kiota ndani ya gurudumu.
Cối xay đứng im một tuần, chim én làm tổ trong bánh xe.
Theo dõi đàn cò suốt mùa lũ, ông ghi lại từng ngày.
Đọc thêm một trang, bà tắt đèn.
Kincir itu berhenti seminggu, dan burung layang-layang bersarang di rodanya.
Bagikan beras kepada semua orang, kata kepala desa.
Kincir itu berhenti seminggu dan burung walit bersarang di rodanya.
चक्की एक हफ़्ता बंद रही और अबाबीलों ने पहिए में घोंसला बना लिया।
अगली सुबह हवा बदल गई।
चक्की एक आठवडा बंद होती आणि पाकोळ्यांनी चाकात घरटे केले.
কলটি এক সপ্তাহ থেমে ছিল, আর চাকায় বাসা বেঁধেছিল বাবুই।
পরের দিন সকালে হাওয়া ঘুরে গেল।
ஆலை ஒரு வாரம் நின்றது; சக்கரத்தில் தூக்கணாங்குருவிகள் கூடு கட்டின.
அடுத்த நாள் காற்று மாறியது.
మిల్లు ఒక వారం ఆగింది, చక్రంలో పిచ్చుకలు గూడు కట్టాయి.
โรงสีหยุดไปหนึ่งสัปดาห์ นกนางแอ่นทำรังในกงล้อ
เช้าวันต่อมาลมเปลี่ยนทิศ
စက်က တစ်ပတ် ရပ်ခဲ့ပြီး ပျံလွှားတွေ ဘီးထဲမှာ အသိုက်ဆောက်ခဲ့တယ်။
Huminto ang kiskisan nang isang linggo, at namugad ang mga langay-langayan sa gulong.
200 g bột mì
200 ग्राम आटा
200 g lisztet
""".strip().split("\n")


@pytest.mark.parametrize("line", CLEAN)
def test_clean_lines_match_nothing(line: str) -> None:
    assert match_line(line) is None
    assert match_paragraph(line) is None


def test_an_article_in_one_line_is_never_a_paragraph_anchor() -> None:
    article = "The mill stood still for a week. " * 60
    assert match_paragraph(article + "All rights reserved.") is None
    assert match_paragraph("All rights reserved. No part of this page may be reproduced.") is not None


# --- work is bounded -----------------------------------------------------------------------------------------------


def test_patterns_are_linear() -> None:
    """No `.*`, and where a group that repeats ends in a repeat, its opening tells where the next turn begins."""
    repeated = re.compile(r"\((?:\?:|\?P<value>)?([^()|]*(?:[*+]|\{\d+,\d*\}))\)(?:[*+]|\{\d*,\d*\})")
    openings = (" ", "[ 、]", "[ |·/-]")
    for rule in rules():
        for pattern in rule.patterns:
            assert not re.search(r"(?<!\\)\.[*+]", re.sub(r"\[[^\]]*\]", "C", pattern)), rule.id
            for inside in repeated.findall(pattern):
                assert inside.startswith(openings), (rule.id, inside)


ADVERSARIAL = [
    "a " * 50_000, "(" * 100_000, "© " * 50_000, "www." * 25_000, "by a" * 25_000, "share on " * 11_000,
    "newsletter subscribe cookies " * 3_500, "winner of the prize, and " * 4_000, "版权所有转载" * 16_000,
    "关于我们 联系 " * 13_000, "1." * 50_000, "\u0301" * 100_000, "ß" * 100_000, ": " * 50_000, "<<" * 50_000,
    "facebook | " * 9_000, "privacy policy terms of use " * 4_000, " " * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("text", ADVERSARIAL, ids=lambda text: repr(text[:12]))
def test_a_hundred_kilobytes_are_not_read(text: str) -> None:
    """The length limits come first, so the text's size cannot cost anything."""
    assert match_line(text) is None
    assert match_paragraph(text) is None


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ADVERSARIAL, ids=lambda text: repr(text[:12]))
def test_every_pattern_stands_text_at_its_limit(text: str) -> None:
    """All patterns on the longest text each may see, ended so that a match must fail late: well under a second."""
    for rule in rules():
        limit = anchors.PARAGRAPH_LIMIT if rule.kind == "paragraph" else anchors.PATTERN_LIMIT
        for pattern in rule.patterns:
            expression = re.compile(pattern)
            (expression.search if rule.kind == "paragraph" else expression.fullmatch)(text[: limit - 1] + "\0")
    match_line(text[: anchors.LINE_LIMIT - 1] + "\0")
    match_paragraph(text[: anchors.PARAGRAPH_LIMIT - 1] + "\0")
