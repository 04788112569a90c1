"""Metadata from what goes and from the head lines that stay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.boilerplate.anchors import match_header
from transforms.metadata import Line, describe, lines_of, plain_title, without_site
from transforms.spans import Span

BODY = (
    "The ferry left the quay a little after seven, as it had done every morning since the war, and the cook leaned out."
)
BIO = "Jane Doe is a ferrywoman and the author of two books on tides; she lives by the quay with a dog and five boats."


def lines(document: str) -> list[Line]:
    """A document in which "header| …" went as boilerplate.header; what has no such mark stays."""
    found = []
    for line in filter(None, map(str.strip, document.split("\n"))):
        reason, mark, text = line.partition("| ")
        went = bool(mark) and reason.isidentifier()
        found.append(Line(text, f"boilerplate.{reason}") if went else Line(line, is_prose=len(line) > 100))
    return found


# --- dates ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        (f"Swans\n\n12 March 2020\n\n{BODY}\n", "12 March 2020"),
        (f"Swans\n\nA subtitle\n\nDienstag, 3. März 2020\n\n{BODY}\n", "Dienstag, 3. März 2020"),
        (f"Schwäne\n\n2020. március 3.\n\n{BODY}\n", "2020. március 3."),
        (f"{BODY}\n\n12 March 2020\n\n{BODY}\n", "12 March 2020"),
        (f"Swans\n\n{BODY}\n\n12 March 2020\n", None),
        (f"12 March 2020\n\n{BODY}\n", None),
        ("One\nTwo\nThree\nFour\nFive\n12 March 2020\n", None),
        ("", None),
    ],
)
def test_a_date_that_stays_below_the_title(text, raw):
    assert describe(lines_of(text, [])).published_raw == raw


@pytest.mark.parametrize(
    ("document", "published", "modified"),
    [
        ("Swans\nheader| Updated: May 5, 2024 | Published: May 1, 2024", "May 1, 2024", "May 5, 2024"),
        ("Swans\nheader| Stand: 5. Mai 2024\nheader| Erschienen am 1. Mai 2024", "1. Mai 2024", "5. Mai 2024"),
        ("Swans\nheader| Opublikowano: 1 maja 2024\nheader| Aktualizacja: 5 maja 2024", "1 maja 2024", "5 maja 2024"),
        ("Swans\nheader| Publicado el 1 de mayo de 2024, actualizado el 5 de mayo de 2024", "1 de mayo de 2024",
         "5 de mayo de 2024"),
        ("Swans\nheader| Date: 1 May 2024 (updated 5 May 2024)", "1 May 2024", "updated 5 May 2024"),
        ("Swans\n5 May 2024\nheader| First published 1 May 2024", "1 May 2024", None),
        ("Swans\nheader| Last updated 5 May 2024", None, "5 May 2024"),
        ("Swans\n更新时间：2024年5月5日\n发布时间：2024年5月1日", "2024年5月1日", "2024年5月5日"),
        ("Swans\nheader| Published: 1 May 2024, 10:00 pm EDT", "1 May 2024, 10:00 pm EDT", None),
        # another article's, a reader's
        (f"Swans\n{BODY}\nrelated| Related articles\nrelated| The mill is sold\nheader| 3 May 2024", None, None),
        (f"Swans\n{BODY}\nrelated| Related articles\nrelated| The mill\nheader| Published: 3 May 2024", None, None),
        (f"Swans\n{BODY}\nrelated| The mill is sold\nheader| Published 3 May 2024", None, None),
        (f"Swans\n{BODY}\ncomments| Comments\nheader| Posted on 3 May 2024", None, None),
        (f"Swans\n{BODY}\nheader| 3 May 2024", None, None),
        (f"Swans\n{BODY}\nheader| Published: 3 May 2024", "3 May 2024", None),
        (f"Swans\n1 May 2024\n{BODY}\nheader| Published: 3 May 2024", "1 May 2024", None),
        # an event's
        ("Regatta\nDate: 14 June 2024\nTime: 7 pm\nVenue: the quay", None, None),
        ("Regatta\nheader| Date: 14 June 2024\nDoors: 7 pm\nPrice: 4 crowns", None, None),
        ("Regatta\nheader| Date: 14 June 2024\nheader| Author: Jane Doe", "14 June 2024", None),
    ],
)  # fmt: skip
def test_published_and_changed(document, published, modified):
    found = describe(lines(document))
    assert (found.published_raw, found.modified_raw) == (published, modified)


# --- who and when --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "authors", "published"),
    [
        ("By Ann Quill | March 1, 2024", ["Ann Quill"], "March 1, 2024"),
        ("By Ann Quill, Friday, March 1, 2024", ["Ann Quill"], "March 1, 2024"),
        ("Posted by Ann Quill on March 1, 2024", ["Ann Quill"], "March 1, 2024"),
        ("Posted on 1 March 2024 by Ann Quill in Rivers", ["Ann Quill"], "1 March 2024"),
        ("Submitted by admin on 1 March 2024 - 10:40", ["admin"], "1 March 2024 - 10:40"),
        ("Von Max Muster | 1. März 2024 | 4 Min. Lesezeit", ["Max Muster"], "1. März 2024"),
        ("Veröffentlicht am 1. März 2024 von Max Muster", ["Max Muster"], "1. März 2024"),
        ("Publié par Anne Petit le 1er mars 2024", ["Anne Petit"], "1er mars 2024"),
        ("Publicado el 1 de marzo de 2024 por Ana Ruiz en Ríos", ["Ana Ruiz"], "1 de marzo de 2024"),
        ("Por Ana Ruiz y Juan Gil · 1 de marzo de 2024", ["Ana Ruiz", "Juan Gil"], "1 de marzo de 2024"),
        ("Pubblicato da Ugo Neri il 1 marzo 2024", ["Ugo Neri"], "1 marzo 2024"),
        ("Publicado por Rui Melo em 1 de março de 2024", ["Rui Melo"], "1 de março de 2024"),
        ("Geplaatst op 1 maart 2024 door Jan Jansen", ["Jan Jansen"], "1 maart 2024"),
        ("Dodane przez Jan Nowak dnia 1 marca 2024", ["Jan Nowak"], "1 marca 2024"),
        ("Av Karin Ek och Nils Lind | 1 mars 2024", ["Karin Ek", "Nils Lind"], "1 mars 2024"),
        ("Автор: Иван Петров, 1 марта 2024", ["Иван Петров"], "1 марта 2024"),
        ("Yazar: Ali Kaya | 1 Mart 2024", ["Ali Kaya"], "1 Mart 2024"),
        ("作者：李明 | 2024年3月1日", ["李明"], "2024年3月1日"),
    ],
)
def test_who_and_when_in_one_line(line, authors, published):
    assert match_header(line)
    found = describe([Line("Swans"), Line(line, "boilerplate.byline")])
    assert (found.authors, found.published_raw) == (authors, published)


@pytest.mark.parametrize(
    "line",
    [
        "Posted by Ann Quill on March 1, 2024, the letter reached the mill in June.",
        "By noon on March 1, 2024 the river had frozen.",
        "Von Max Muster am 1. März 2024 gegründet",
        "Published on 1 March 2024 by a small house in the hills of Umbria",
        "The mill was sold by Ann Quill on 1 March 1824",
        "1 March 2024",
    ],
)
def test_a_sentence_is_no_header(line):
    assert match_header(line) == ()


@pytest.mark.parametrize(
    ("document", "authors"),
    [
        (f"Swans\nbyline| By Jane Doe\n{BODY}\nrelated| More from this author\nbyline| By John Roe", ["Jane Doe"]),
        (f"Swans\n{BODY}\nrelated| Related articles\nrelated| The mill\nbyline| By John Roe", []),
        (f"Swans\n{BODY}\nbyline| By Jane Doe", ["Jane Doe"]),
    ],
)
def test_names_under_a_heading_of_others(document, authors):
    assert describe(lines(document)).authors == authors


# --- the author ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        f"Swans\n{BODY}\nauthor_bio| {BIO}",
        f"Swans\n{BODY}\nauthor_bio| About the author\ntemplate| {BIO}",
        f"Cisnes\n{BODY}\nauthor_bio| Sobre el autor\nnavigation| {BIO}",
        f"Schwäne\n{BODY}\ntemplate| Über die Autorin\ntemplate| {BIO}\nrelated| Das könnte Sie auch interessieren",
        f"Swans\nbyline| By Jane Doe\n{BODY}\ntemplate| {BIO}",
    ],
)
def test_the_bio(document):
    assert describe(lines(document)).author_bio == BIO


@pytest.mark.parametrize(
    "document",
    [
        f"Swans\nbyline| By Jane Doe\n{BODY}\n{BIO}",
        f"Swans\nbyline| By Jane Doe\n{BODY}\nrelated| Related articles\nrelated| {BIO}",
        f"Swans\nbyline| By Jane Doe\n{BODY}\ntemplate| {BODY}",
    ],
)
def test_what_is_no_bio(document):
    assert describe(lines(document)).author_bio is None


# --- titles --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("» Why swans sing", "Why swans sing"),
        ("→ Why swans sing ←", "Why swans sing"),
        ("• Why swans sing", "Why swans sing"),
        ("- Why swans sing", "Why swans sing"),
        ("# Why swans sing", "Why swans sing"),
        ("Why swans sing »", "Why swans sing"),
        ("| Why swans sing |", "Why swans sing"),
        ("«Лебеди» поют", "«Лебеди» поют"),
        ("Why they sing «Swans»", "Why they sing «Swans»"),
        ("Sorting in C#", "Sorting in C#"),
        ("#swans", "#swans"),
        ("-40 degrees", "-40 degrees"),
        ("— Alors, chante !", "— Alors, chante !"),
        ("Swans (2)", "Swans (2)"),
    ],
)
def test_a_title_loses_arrows_and_bullets(title, expected):
    assert plain_title(title) == expected
    assert plain_title(expected) == expected


@pytest.mark.parametrize(
    ("title", "names", "expected"),
    [
        ("Why swans sing | The Gazette", ["The Gazette"], "Why swans sing"),
        ("Why swans sing - River Gazette", ["rivergazette"], "Why swans sing"),
        ("Warum Schwäne singen – Flußblatt", ["fluss-blatt", "flussblatt"], "Warum Schwäne singen"),
        ("天鹅为什么唱歌_河报", ["河报"], "天鹅为什么唱歌"),
        ("Why swans sing | Gazette", ["© 2024 Gazette Ltd"], "Why swans sing"),
        ("Why swans sing | Rivers", ["The Gazette"], "Why swans sing | Rivers"),
        ("Swans - a love story", ["gazette"], "Swans - a love story"),
        ("Polar-Express", ["express"], "Polar-Express"),
        ("Gazette", ["gazette"], "Gazette"),
    ],
)
def test_a_title_loses_the_name_of_its_site_only(title, names, expected):
    assert without_site(title, names) == expected


def test_the_site_is_known_by_its_domain_or_its_own_lines():
    assert describe(lines(f"Swans | River Gazette\n{BODY}"), "rivergazette.org").title == "Swans"
    assert describe(lines(f"Swans | River Gazette\n{BODY}\nheader| Source: River Gazette"), "a.org").title == "Swans"
    assert describe(lines(f"template| River Gazette\nSwans | River Gazette\n{BODY}"), "a.org").title == "Swans"
    assert describe(lines(f"Swans | River Gazette\n{BODY}"), "a.org").title == "Swans | River Gazette"


def test_a_title_of_marks_is_none():
    assert describe(lines(f"|\n{BODY}")).title is None


@pytest.mark.parametrize(
    ("titles", "expected"),
    [
        (["The mill is sold", "The mill is sold ..."], ["The mill is sold"]),
        (["The mill is sold", "The mill is sold …"], ["The mill is sold"]),
        (["The mill is ...", "The mill is sold"], ["The mill is sold"]),
        (["The mill is sold", "The mill is sold and the miller ..."], ["The mill is sold"]),
        (["The mill is sold", "» The mill is sold"], ["The mill is sold"]),
        (["And then ...", "The mill"], ["And then ...", "The mill"]),
        (["The mill", "The mill is sold"], ["The mill", "The mill is sold"]),
    ],
)
def test_a_teaser_is_no_title_of_its_own(titles, expected):
    went = [Line("Related articles", "boilerplate.related"), *(Line(title, "boilerplate.related") for title in titles)]
    assert describe([Line("Swans"), Line(BODY, is_prose=True), *went]).related_titles == expected


# --- lines ---------------------------------------------------------------------------------------------------------


def test_lines_in_their_order():
    document = f"Swans\n\nBy Jane Doe\n\n{BODY}\n\nnever looked at\n\nShare this\nRelated\n"
    removed = [
        Span(7, 20, "", "boilerplate.byline", "byline.en.by", "strip_boilerplate"),
        Span(document.index("Share"), len(document), "", "boilerplate.share", "share.en", "strip_boilerplate"),
    ]
    assert lines_of(document, removed) == [
        Line("Swans"),
        Line("By Jane Doe", "boilerplate.byline"),
        Line(BODY, is_prose=True),
        Line("Share this", "boilerplate.share"),
        Line("Related", "boilerplate.share"),
    ]


def test_anchors_that_are_known_are_not_asked_for():
    (anchor,) = match_header("Posted by Ann Quill on March 1, 2024")[:1]
    found = describe([Line("Swans"), Line("whatever it says", "boilerplate.byline", (anchor,))])
    assert found.authors == ["Ann Quill"]


@given(st.text("ab1 \n.»", max_size=80), st.data())
def test_any_cut_of_any_text_is_described(document, data):
    cuts = sorted(data.draw(st.sets(st.integers(0, len(document)), max_size=6)))
    removed = [
        Span(start, end, "", "boilerplate.related", "r", "strip_boilerplate")
        for start, end in zip(cuts[::2], cuts[1::2], strict=False)
    ]
    went = " ".join(document[span.start : span.end] for span in removed).split()
    found = lines_of(document, removed)
    assert " ".join(line.text for line in found if line.reason).split() == went
    describe(found, "a.b")
