"""What goes and what stays: tables of documents, and laws."""

import re
from collections import Counter

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from transforms.boilerplate.evidence import _CODE as CODE
from transforms.boilerplate.evidence import Page
from transforms.boilerplate.lines import Kind, fold, index, is_prose, is_teaser, line_hashes
from transforms.boilerplate.strip import removals, spans
from transforms.boilerplate.templates import NO_TEMPLATES, Templates
from transforms.config import Boilerplate
from transforms.spans import apply

BODY = (
    "The ferry left the quay a little after seven, as it had done every morning since the war, and the cook "
    "leaned over the rail to see whether the swans had come back."
)
BODY2 = (
    "Nobody on board remembered a winter in which they had not, and yet each year somebody was sent to count "
    "them, to write the number into the ship's book, and to sign it."
)


def strip(text, repeated=(), has_url=True):
    hashes = line_hashes(text)
    lines = {line_hashes(line)[0]: 5 for line in repeated}
    templates = Templates(10, lines) if lines else NO_TEMPLATES
    gone = removals(text, hashes, templates, has_url, Boilerplate())
    return apply(text, spans(text, gone))


def page(*lines):
    return "\n\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        # the title twice
        (page("Swans", "Swans", BODY, BODY2), page("Swans", BODY, BODY2)),
        # a header
        (page("Swans", "Source: The Gazette\nAuthor: A. Pen\nTags birds winter", BODY), page("Swans", BODY)),
        # neighbours, related list with teasers
        (
            page(
                "Swans", BODY, "<<:  The last tram", ">>:  Bread by night", "Artikel empfehlen", "Tea", "How to br..."
            ),
            page("Swans", BODY),
        ),
        # two cut-off teasers without any heading
        (page(BODY, "Tea for two", "How to brew a pot of te...", "Rain", "Why the gutters overfl..."), page(BODY)),
        # related articles and what follows them
        (page("Swans", BODY, BODY2, "Related Articles", "Tea for two", "Rain on the roof"), page("Swans", BODY, BODY2)),
    ],
)
def test_stripped(raw, expected):
    assert strip(raw) == expected


@pytest.mark.parametrize(
    "text",
    [
        page("Swans", BODY, BODY2),
        # one teaser alone may be prose that trails off
        page(BODY, "And then he was gon..."),
        # a repeated line without a body is a poem
        page("Row, row, row your boat", "Row, row, row your boat", "Gently down the stream"),
        # an anchor as a word of prose
        page(BODY, "Related articles of the treaty were amended in 1957, and nobody noticed.", BODY2),
        # a short last line
        page(BODY, "The End"),
        # a sub-heading, a list
        page(BODY, "What we took along", "• bread", "• salt", "• a map", BODY2),
        # nothing but short lines: nothing can be told apart
        page("Flour", "Salt", "Water", "Contact us"),
        "",
        "\n\n",
        "no newline at the end",
    ],
)
def test_kept(text):
    assert strip(text) == text


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        # an extractor took the article from two places of the page
        (page("Swans", BODY, BODY2, BODY, BODY2), page("Swans", BODY, BODY2)),
        (
            page("Swans", BODY, "By the quay", BODY2, BODY, "By the quay", BODY2),
            page("Swans", BODY, "By the quay", BODY2),
        ),
        # a refrain
        (page("Swans", BODY, BODY2, BODY), page("Swans", BODY, BODY2, BODY)),
        (page("Row, row", "Gently down", "Row, row", "Gently down"),) * 2,
        # a quoted answer far from what it quotes
        *[(page(BODY, BODY2, *(f"Line {n}" for n in "abcdef"), BODY, BODY2),) * 2],
    ],
)
def test_a_passage_that_stands_twice(raw, expected):
    assert strip(raw) == expected


@pytest.mark.parametrize(
    "text",
    [
        # a weak heading, and what follows is the company's own
        page(
            "Courses",
            BODY,
            BODY2,
            "Contact us at desk@example.com to get started!",
            "Spring term",
            "Tuesdays",
            "Room 4",
        ),
        page("Courses", BODY, "See also", "The tide tables", "The harbour in winter", "Knots and splices", "Sails"),
        # items of a list
        page("Laptops", BODY, "- Graphics: Big Chip 300", "- Social Media", "- Copyright license", "- Wood"),
        # a list whose items trail off, months apart
        page(
            "Plan",
            BODY,
            "Ten months to go until the day…",
            "- Book",
            "- Bake",
            "- Sing",
            "- Dance",
            "Six months…",
            "- Rest",
        ),
        # a date without a word, right below the title
        page("Swans", "12 March 2020", BODY, BODY2),
        # a notice that nothing follows may be the article's own last paragraph
        page(
            "Swans",
            BODY,
            "Disclaimer: The swans counted here are given for information only, and we are not their owners.",
        ),
    ],
)
def test_kept_without_more_evidence(text):
    assert strip(text) == text


def test_headings_of_sections_are_no_templates():
    recipe = page("Bread", BODY, "Ingredients", "200 g flour", "7 g salt", "Method", "Knead.", "Bake.")
    assert strip(recipe, ["Ingredients", "Method"]) == recipe
    furniture = page("Bread", BODY, "Menu of the day", "Our shops", "Letters")
    assert strip(furniture, ["Menu of the day", "Our shops", "Letters"]) == page("Bread", BODY)


FOOTER = "The Ferry Post is printed on Tuesdays"


def test_a_template_goes_from_the_tail_without_a_url_and_from_the_body_only_in_company():
    tail = page(BODY, FOOTER)
    inside = page(BODY, FOOTER, BODY2)
    assert strip(tail, [FOOTER], has_url=False) == page(BODY)
    assert strip(inside, [FOOTER], has_url=True) == inside  # what recurs between paragraphs may be the author's
    row = ["Share this article", FOOTER, "Our shops"]
    assert strip(page(BODY, *row, BODY2), row, has_url=False) == page(BODY, *row[1:], BODY2)
    assert strip(page(BODY, *row, BODY2), row, has_url=True) == page(BODY, BODY2)


def test_a_template_line_that_is_an_anchor_says_so():
    text = page(BODY, "Related Articles", "Tea for two")
    gone = removals(
        text, line_hashes(text), Templates(10, {line_hashes("Related Articles")[0]: 7}), True, Boilerplate()
    )
    assert {(removal.reason, removal.support) for removal in gone.values()} == {
        ("boilerplate.related", 7),
        ("boilerplate.related", None),
    }


@pytest.mark.parametrize(
    ("gone", "expected"),
    [
        ({2}, "a\n\ne\n\ng\n"),  # in the middle: one blank line stays
        ({0}, "c\n\ne\n\ng\n"),  # at the top: nothing blank above
        ({6}, "a\n\nc\n\ne\n"),  # at the end: no blank below
        ({4, 6}, "a\n\nc\n"),
        ({0, 2, 4, 6}, ""),
    ],
)
def test_blank_lines_go_with_the_line_that_made_them_needless(gone, expected):
    from transforms.boilerplate.strip import Removal

    text = "a\n\nc\n\ne\n\ng\n"
    found = spans(text, {at: Removal("boilerplate.share", "r", 1.0) for at in gone})
    assert apply(text, found) == expected


LINES = st.sampled_from(
    [
        *(
            "",
            "",
            BODY,
            BODY2,
            "Swans",
            "Swans",
            FOOTER,
            "Related Articles",
            "Share this",
            "Tea for t...",
            "Rain fal...",
        ),
        *(
            "<<:  The last tram",
            "Source: Internet",
            "Tags a b",
            "© 2020 The Ferry Post. All rights reserved.",
            "• bread",
        ),
        *("Contact Us", "Artikel empfehlen", "The author is a staff writer at The Ferry Post.", "By Jane Doe"),
    ]
)


@given(st.lists(LINES, max_size=14), st.booleans())
def test_stripping_twice_is_stripping_once(lines, has_url):
    text = "\n".join(lines)
    once = strip(text, [FOOTER], has_url)
    assert strip(once, [FOOTER], has_url) == once


@given(st.lists(LINES, max_size=14), st.booleans())
def test_prose_that_is_no_template_stays_in_order(lines, has_url):
    lines = [line for at, line in enumerate(lines) if line not in (BODY, BODY2) or line not in lines[:at]]
    text = "\n".join(lines)
    left = [line for line in strip(text, [FOOTER], has_url).split("\n") if line in (BODY, BODY2)]
    assert left == [line for line in lines if line in (BODY, BODY2)]


@given(st.text("ab \n\t.…", max_size=60))
def test_text_without_evidence_is_unchanged(text):
    gone = removals(text, line_hashes(text), NO_TEMPLATES, True, Boilerplate())
    assert all(removal.rule == "related.teasers" for removal in gone.values())


@pytest.mark.parametrize(
    ("line", "prose", "teaser"),
    [
        (BODY, True, False),
        ("Viele Menschen haben eine Mitgliedschaft im Fitne...", False, True),
        ("Short.", False, False),
        ("A" * 300, True, False),
        (
            "昨日は朝から雨が降っていたので、港の市場はいつもより静かで、魚を買う人もほとんどいなかったという話を聞いた。",
            True,
            False,
        ),
        ("• " + BODY, False, False),
        ("He hesitated ...", False, False),
    ],
)
def test_kinds_of_line(line, prose, teaser):
    assert (is_prose(line), is_teaser(line)) == (prose, teaser)


def test_lines_fold_alike_on_every_page():
    assert fold("  Seite 12 von\u00a0345 ") == fold("seite 1 von 2")
    assert line_hashes("Seite 12")[0] == line_hashes("\n seite 7 ")[1]
    assert line_hashes("***\n\n12 | 34") == [0, 0, 0]


ENDS = st.sampled_from(
    ["", ".", "...", "…", "a...", "a…", "é[...]", "7[…]", "_…", ".”", "?)", "。」", "]", "...]", "!\"'", " "]
)
LINES = st.tuples(
    st.sampled_from(["", "• ", "- ", "–", "« "]),
    st.sampled_from(["a", "é", "北", "a b", "  "]),
    st.sampled_from([0, 1, 16, 39, 40, 41, 95, 99, 100, 101, 124, 245, 249, 250]),
    st.text("aé北. …", max_size=8),
    ENDS,
).map(lambda parts: (parts[0] + parts[1] * parts[2] + parts[3] + parts[4]).strip())


@given(LINES)
def test_prose_and_teasers_are_what_their_definitions_say(line):
    wide = len(line) + 1.5 * line.count("北")
    cut_off = re.search(r"[^\W_](?:\.\.\.|…|\[\.\.\.\]|\[…\])$", line) is not None
    ends = re.search(r"[.!?…。！？؟।؛][\"'”’»«“)\]）」』】]*$", line) is not None
    bulleted = re.match(r"\s*[•●▪◦‣·*–—-]\s", line) is not None
    teaser = cut_off and wide < 250
    assert is_teaser(line) == teaser
    assert is_prose(line) == (not bulleted and not teaser and (wide >= 250 or (wide >= 100 and ends)))


@given(st.text() | st.text("aÉΣ 7٣\n\t\u00a0\u2003_²"))
def test_a_lines_hash_is_that_of_its_fold(text):
    said = [fold(line) if re.search(r"[^\W\d_]", line.lower()) else "" for line in text.split("\n")]
    assert line_hashes(text) == [xxhash.xxh3_64_intdigest(line.encode()) & ~7 if line else 0 for line in said]


BIOS = [
    "Jane Doe is a staff writer at The Ferry Post. She covers rivers.",
    "Max Muster ist freier Journalist und schreibt über Flüsse.",
    "Anne Martin est journaliste au magazine Exemple et vit à Lyon.",
    "María López es periodista de la revista Ejemplo y vive en Sevilla.",
    "Anna Bianchi è giornalista della rivista Esempio e vive a Torino.",
    "Оксана Зразок — журналістка видання «Приклад», пише про річки й живе в Черкасах.",
    "Η Μαρία Παράδειγμα είναι δημοσιογράφος στην εφημερίδα Το Δείγμα και γράφει για ποτάμια.",
    "Ayşe Örnek, Deneme gazetesinin muhabiri ve iki kitabın yazarıdır. İzmir'de yaşıyor.",
    "ليلى المثال صحفية في جريدة النموذج، تكتب عن الأنهار وتعيش في طنجة.",
    "김보기는 견본신문 기자로 강과 다리에 대한 글을 쓰고 있다. 지은 책으로 『물의 길』이 있다.",
]


@pytest.mark.parametrize("bio", BIOS)
def test_a_bio_that_ends_the_text_goes_unless_the_article_is_about_the_person(bio):
    assert strip(page("Swans", BODY, bio)) == page("Swans", BODY)
    name = bio.split()[1].strip(",") if " " in bio[:12] and not bio.startswith(("Η ", "김")) else bio[:3]
    name = "Παράδειγμα" if bio.startswith("Η ") else name
    portrait = page("Swans", f"{BODY} It was {name} who had counted them in the year before.", bio)
    assert strip(portrait) == portrait
    twice = page("Two writers", bio + " " + BODY, BODY2, bio)
    assert strip(twice) == twice


# Kinds of what was lost or left once

ENTRIES = [f"{word}: what the older pilots call it when the tide has turned." for word in ("Bight", "Devil", "Gam")]
STORY = ["Seagull steals the mayor's hat", "A seagull took a hat on Friday.", "The hat belonged to the mayor."]


@pytest.mark.parametrize(
    "text",
    [
        # the first line is the title, whatever it says
        page("Cookies", BODY, BODY2),
        page("Impressum", BODY, BODY2),
        page("Share", BODY, BODY2),
        # one or two words between paragraphs head a section
        page("Floods", BODY, "Folgen", BODY2, "Bewertungen", BODY),
        page("Selling", BODY, "App Store", BODY2, "Google Play", BODY),
        page("Papers", BODY, "Advertising", BODY2, "Subscriptions", BODY),
        # below a heading: entries, numbered answers, dates of a life, code, what was said
        page("The harbour dictionary", BODY, "Don't miss", *ENTRIES, "Photo: the cutter", "Source: the notebooks"),
        page("Quiz", BODY, "Antworten", "1. die Ebbe", "2. hundertneunzehn", "3. im Januar"),
        page("Portrait", BODY, "Zur Person", "1961 born in Ferry", "1983 first bell", "2007 last bell"),
        page("Lesson two", BODY, "Comments", "# what follows a hash is not run", "tide = 4  # nor is this"),
        page("News", BODY, "Reactions", "A surprise, says the one who asked for it.", "A relief, says the other one."),
        page("A weekend", BODY, "Recommended", "The funicular at dusk", "A bun at the lock, warm", "Low shoes"),
        # a record with a key that no header has
        page("Concert", BODY, "Date: 14 June 2025", "Time: 19:00", "Venue: Old pier", "Tickets: from 12 crowns"),
        page("Minutes", "Date: 12 March 2020", "Present: Ann, Bob, Cid", "Subject: the lamp", BODY, BODY2),
        # Markdown
        page("# Lamps", BODY, "```", "Share this", "Contact", "```"),
        page("# Lamps", BODY, "| Contact | Share |", "| Home | Login |"),
        page("# Lamps", BODY, "## Sources", "* [Report](https://e.example/r)", "* [Minutes](https://e.example/m)"),
    ],
)
def test_what_is_the_articles_stays(text):
    assert strip(text) == text


@pytest.mark.parametrize(
    ("raw", "left"),
    [
        # a body of short paragraphs has a tail, too
        (
            page(*STORY, "Read more: Swan bites dog", "Both are well.", "Share", "Comments (3)"),
            [*STORY, "Both are well."],
        ),
        # a consent banner above the title
        (
            page(
                "We use cookies and similar technologies to store information on your device and to show you "
                "personalised content and advertising.",
                "Accept all cookies",
                "Swans",
                BODY,
                BODY2,
            ),
            ["Swans", BODY, BODY2],
        ),
        # an advertisement's label, where no other line may head a section
        (page("Swans", BODY, "Advertisement", BODY2), ["Swans", BODY, BODY2]),
        # a bio, and the list of what else its author wrote
        (
            page("Swans", BODY, "Lena Roe is a staff writer at The Ferry Post.", "More by Lena Roe", "Tea for two"),
            ["Swans", BODY],
        ),
        # what is said below About the author, of somebody of whom nothing else speaks
        (page("Swans", BODY, BODY2, "About the author", "I'm Bert, a pilot. " + BODY), ["Swans", BODY, BODY2]),
        # glued by an extractor
        (page("Swans", BODY, "ShareTweetPrint", "Related articlesThe last tramBread by night"), ["Swans", BODY]),
        # the beginning of the next article, cut off
        (page("Swans", BODY, "Next article", "Trams", BODY2, "Nobody on board remem...", "Read more"), ["Swans", BODY]),
        # a menu and a footer in Markdown
        (
            page("* [Home](/)", "* [News](/n)", "# Lamps", BODY, "[Privacy](/p) | [Terms](/t)"),
            ["# Lamps", BODY],
        ),
        # a script that an extractor left
        (page("Swans", BODY, "var _q = window._q || [];", "_q.push(['pageView']);"), ["Swans", BODY]),
    ],
)
def test_what_is_the_sites_goes(raw, left):
    assert strip(raw) == page(*left)


def site(*texts):
    """What a site of these articles repeats."""
    counts = Counter(key for text in texts for key in index(text).keys)
    known = {key: count for key, count in counts.items() if count >= 3 or key & 7 in (Kind.TITLE, Kind.OPENING)}
    return Templates(len(texts), known)


def left_of(text, known):
    gone = removals(text, line_hashes(text), known, True, Boilerplate())
    return apply(text, spans(text, gone))


def article(number, *below):
    return page(f"Title {number} of many words", f"{BODY} And {number} of them.", f"{BODY2} Of {number}.", *below)


@pytest.mark.parametrize(
    "line",
    [
        "The index closed at {}.5 points, up 1.0 percent.",
        "Lever du soleil à 6 h {}, coucher à 20 h 30.",
        "Urteil vom {}. Mai 2021 – 1 O 100/20",
        "Streitwert {}.000 Euro",
    ],
)
def test_lines_of_other_numbers_are_facts(line):
    texts = [article(number, line.format(number)) for number in range(10, 20)]
    known = site(*texts)
    assert [left_of(text, known) for text in texts] == texts


def test_lines_of_the_same_numbers_are_templates():
    texts = [article(number, "Founded in 1907 at quay 4") for number in range(10, 20)]
    assert left_of(texts[3], site(*texts)) == article(13)


def test_sentences_that_recur_are_the_authors_unless_furniture_stands_beside_them():
    clause = "This order is in force from the day after it was read out."
    texts = [article(number, clause) for number in range(10, 20)]
    assert left_of(texts[3], site(*texts)) == texts[3]
    texts = [article(number, "Subscribe to our newsletter", clause) for number in range(10, 20)]
    assert left_of(texts[3], site(*texts)) == article(13)


def test_an_article_appended_under_another_goes():
    names = ("Ferry", "Tram", "Lamp", "Bell", "Swan")
    first, *others = [page(f"The {name} of our quay", f"{BODY} {name}.", f"{BODY2} {name}.") for name in names]
    text = first + "\n" + others[1]
    assert left_of(text, site(text, *others)) == first
    update = page("The Tram of our quay", f"{BODY} New.", "The Lamp of our quay", f"{BODY} Lamp.")
    assert left_of(update, site(update, *others)) == update  # one paragraph above is what an update has


@given(st.text(alphabet="ab =-><{};:(*returndf", min_size=1).filter(lambda line: line == line.strip()))
def test_code_is_seen_wherever_its_pattern_finds_some(line):
    found = Page([line], line_hashes(line), NO_TEMPLATES, False, Boilerplate())
    assert found.is_code(0) is (CODE.search(line) is not None)
