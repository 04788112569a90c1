"""Scripts and styles that an extractor took for text go; code that an article shows stays."""

import pytest

from transforms.boilerplate.scripts import is_script, script_lines

PROSE = "The ferry left the quay a little after seven, as it had done every morning since the war, with forty on board."


@pytest.mark.parametrize(
    "line",
    [
        "window.stats = window.stats || [];",
        "var _swan = window._swan || (window._swan = []);",
        "_swan.push(['view', 'harbour-7']);",
        "adqueue.cmd.push(function() { adqueue.show('slot-12'); });",
        "(bannerslots = window.bannerslots || []).push({});",
        "!function(d,s){var j=d.createElement(s);j.async=1;d.head.appendChild(j)}(document,'script');",
        "(function(w,d){w.q=w.q||[];d.title=''})(window,document);",
        "document.write('<i>counter</i>');",
        "$(document).ready(function() { $('.menu').hide(); });",
        "const banner = document.getElementById('banner');",
        "if (typeof window.swans === 'undefined') { window.swans = []; }",
        ".teaser-box { margin: 0 auto; color: #333 }",
        "#footer .links a{color:red;text-decoration:none}.ad{display:none}",
        "@media (max-width: 600px) { .menu { display: none; } }",
        "@media print {",
        '@import url("print.css");',
        "//<![CDATA[",
        "//]]>",
        '<script async src="x.js"></script>',
        '{"@context": "https://schema.org", "@type": "NewsArticle", "headline": "Swans"}',
        '[{"@type": "Person", "name": "A. Quill"}]',
    ],
)
def test_what_is_a_script(line):
    assert is_script(line)
    assert is_script(f"  {line} ")


@pytest.mark.parametrize(
    "line",
    [
        PROSE,
        "",
        "Window seats are dearer; aisle seats are not;",
        "The document (signed by the mate) is here;",
        "He said: push (gently);",
        "Ingredients: {flour, salt, water}",
        "total = price * 1.19;",
        "print(swans)",
        "for bird in birds:",
        "SELECT name FROM swans;",
        '{"swans": 38, "gulls": 2}',
        "@media are plural",
        "#swans",
        ".gitignore",
        "Opening hours: Mon-Fri 9-17;",
        "f(x) = x^2 (see above)",
        "(1) the lamp; (2) the rope;",
        "<gull>",
        "[1]",
        "{",
        "}",
    ],
)
def test_what_is_none(line):
    assert not is_script(line)


def gone(text):
    lines = text.split("\n")
    return [lines[at] for at in sorted(script_lines(lines))]


def test_a_block_goes_down_to_where_it_closes():
    block = "window.onload = function() {\n  var a = 1;\n  start(a);\n};"
    style = ".box {\ncolor: red;\nmargin: 0;\n}"
    assert gone(f"{PROSE}\n{block}\n{PROSE}\n{style}\nThe end") == [*block.split("\n"), *style.split("\n")]


def test_a_block_that_holds_prose_is_only_its_first_line():
    assert gone(f"window.onload = function() {{\n{PROSE}\n}};") == ["window.onload = function() {"]


@pytest.mark.parametrize(
    "text",
    [
        "Put this into your page's JavaScript:\nwindow.swans = window.swans || [];",
        f"{PROSE}\n```\nwindow.swans = window.swans || [];\n```",
        "The list swanList holds them all.\nvar swanList = window.swanList || [];",
        "First we count.\nint a = count(birds);\nint b = a + 1;\nreturn b;\nwindow.swans = window.swans || [];",
        "So sieht CSS aus:\n.box { color: red; }",
    ],
    ids=["its language is named", "fences", "its names are spoken of", "other code", "style"],
)
def test_code_of_the_article_stays(text):
    assert gone(text) == []
