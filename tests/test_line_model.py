"""The line model: which texts are whole pages, which of their lines are the article's, and that integers decide."""

import hashlib
import json
from importlib.resources import files

import numpy as np
import pytest

from transforms.boilerplate.anchors import match_line
from transforms.boilerplate.lines import line_hashes
from transforms.boilerplate.model import (
    BLOCK_FEATURES,
    LINE_FEATURES,
    NO_TREES,
    PAGE_FEATURES,
    SCALE,
    Features,
    Page,
    Scored,
    Trees,
    confidence,
    load,
    whole_pages,
)
from transforms.boilerplate.pages import page_removals
from transforms.boilerplate.strip import removals, spans
from transforms.boilerplate.templates import NO_TEMPLATES, Templates
from transforms.config import Boilerplate, Config, from_toml
from transforms.errors import ConfigError
from transforms.spans import apply

WEIGHTS = files("transforms.boilerplate") / "model" / "lines.npz"
# Changes when the model is trained anew, and then says so in docs/decisions.md.
DIGEST = "1c0339ea5ed3b16bd47892e3975eb852b994bcd6d51e14ccf828dabff8171209"

ARTICLE = [
    "The swans of the lower quay",
    "The ferry left the quay a little after seven, as it had done every morning since the war, and the cook leaned "
    "over the rail to see whether the swans had come back.",
    "Nobody on board remembered a winter in which they had not, and yet each year somebody was sent to count them, "
    "to write the number into the ship's book, and to sign it.",
    "“There were forty-one last year,” said the mate, who kept the book. “My father counted sixty, but my father "
    "also counted the gulls when the light was bad.”",
    "The count takes an hour. It is done from the stern, because the birds gather where the screw turns up the mud, "
    "and it is done twice, because the first count is never right.",
    "This morning it came to thirty-eight. The mate wrote it down, and the cook went below to see about the bread.",
]
HEAD = [
    "Skip to content", "The Harbour Gazette", "Home", "News", "Sport", "Culture", "Weather", "Tides", "Log in",
    "Subscribe", "Search", "Home / News / Birds",
]  # fmt: skip
TAIL = [
    "Share", "Tweet", "Email", "Print", "Related articles", "Tea on the upper deck", "A night tram to the coast",
    "Bread, salt and rope", "Gutters: a short history", "Most read", "1. The last lamp lighter", "2. Fog again",
    "3. Who paints the buoys?", "4. A kettle for the mate", "About us", "Contact", "Advertise", "Privacy policy",
    "Terms of use", "Cookies", "Follow us on Facebook", "© 2026 The Harbour Gazette. All rights reserved.",
]  # fmt: skip
PAGE = "\n".join([*HEAD, *ARTICLE, *TAIL])
POEM = "\n".join(
    f"{line}\n"
    for line in (
        "The rope is wet", "The lamp is low", "The gulls are gone", "Where do they go?", "",
        "The tram is late", "The bread is cold", "The mate is young", "The cook is old", "",
        "The book is shut", "The swans are few", "I counted one", "You counted two", "",
    )
)  # fmt: skip
RECIPE = "\n".join(
    [
        "Ship's bread", "For two loaves", "Ingredients", "1 kg flour", "20 g salt", "7 g yeast", "650 ml water",
        "1 spoon of honey", "oil for the tin", "Method",
        "Mix the flour with the salt and the yeast, pour in the water, and knead until the dough is smooth; on a ship "
        "that takes as long as it takes.",
        "Let it rise for two hours, shape two loaves, let them rise again, and bake them for forty minutes.",
        "Notes", "Rye works too", "So does spelt", "Eat it the same day",
    ]
)  # fmt: skip
CODE = "\n".join(
    [
        "def count(birds):",
        "    total = 0",
        "    for bird in birds:",
        "        if bird.is_swan:",
        "            total += 1",
    ]
    * 6
)


def page(text, templates=NO_TEMPLATES):
    return Page(text, line_hashes(text), [match_line(line.strip()) for line in text.split("\n")], templates)


def judged(text, input="auto", templates=NO_TEMPLATES):
    return page_removals([(text, line_hashes(text), templates)], Boilerplate(input=input)).removals.get(0)


def test_the_weights_are_those_that_were_measured():
    content = WEIGHTS.read_bytes()
    assert hashlib.sha256(content).hexdigest() == DIGEST
    assert len(content) <= 500_000


def test_the_weights_say_where_they_come_from():
    provenance = load().provenance
    assert provenance["made_by"] == "benchmarks/train_line_model.py"
    assert provenance["features"] == {
        "lines": len(LINE_FEATURES),
        "blocks": len(BLOCK_FEATURES),
        "pages": len(PAGE_FEATURES),
    }
    assert provenance["without_fold"] is None
    assert sorted(provenance["trained_on"]) == ["daniel", "trafseg", "wcxb", "zhweb"]


def test_integers_decide():
    model = load()
    for trees in (model.lines, model.blocks, model.pages):
        assert {array.dtype.kind for array in (trees.feature, trees.above, trees.leaves)} == {"i"}
        assert isinstance(trees.bias, int)
        # No sum of leaves leaves its type.
        assert np.abs(trees.leaves.astype(np.int64)).max(axis=1).sum() + abs(trees.bias) < 2**31
    found = Features([page(PAGE)], model)
    lines = found.lines()
    scores = model.lines.scores(lines)
    blocks = found.blocks(lines, scores)
    assert lines.dtype == blocks.dtype == found.pages().dtype == np.int16
    assert scores.dtype == model.blocks.scores(blocks).dtype == np.int32
    assert (len(lines), len(blocks)) == (len(LINE_FEATURES), len(BLOCK_FEATURES))


def test_a_tree_is_a_table():
    trees = Trees(
        np.array([[0, 1]], np.int16), np.array([[10, 20]], np.int16), np.array([[1, 2, 3, 4]], np.int32) * SCALE, 5
    )
    matrix = np.array([[10, 11, 10, 11], [20, 20, 21, 21]], np.int16)
    assert trees.scores(matrix).tolist() == [1005, 2005, 3005, 4005]


def test_a_document_is_judged_by_itself():
    texts = [PAGE, POEM, "", "\n\n", PAGE.replace("swan", "grebe"), CODE, "a"]
    together = dict(whole_pages([page(text) for text in texts], load(), None))
    for number, text in enumerate(texts):
        alone = dict(whole_pages([page(text)], load(), None))
        assert together[number] == alone[0]
    assert together[2] == Scored([], [], [])


def test_no_feature_of_a_document_reaches_into_another():
    """Links at the end of one counted for the next: it was a page after some documents, and after others not."""
    texts = [PAGE, "Home\nNews\nSport\nContact", "Login\nSearch", POEM, CODE, "Home\nNews", PAGE]
    first = load().lines
    together = Features([page(text) for text in texts], load())
    lines, pages = together.lines(), together.pages()
    blocks = together.blocks(lines, first.scores(lines))
    for number, text in enumerate(texts):
        alone = Features([page(text)], load())
        of = slice(together.offsets[number], together.offsets[number + 1])
        assert np.array_equal(pages[:, number], alone.pages()[:, 0])
        assert np.array_equal(lines[:, of], alone.lines())
        assert np.array_equal(blocks[:, of], alone.blocks(lines[:, of], first.scores(lines[:, of])))


def test_every_line_of_ink_has_a_score():
    text = "\n  \nOne\n\u3000\n two \n\n"
    assert dict(whole_pages([page(text)], load(), None))[0].places == [2, 4]


@pytest.mark.parametrize(
    ("text", "is_page"),
    [
        (PAGE, True),
        (PAGE.replace("\n", "\n\n"), True),
        ("\n".join(ARTICLE), False),
        ("\n".join([*ARTICLE, *ARTICLE[1:]]), False),
        ("\n".join([*ARTICLE, "Related articles", "Tea on the upper deck", "A night tram to the coast"]), False),
        ("\n".join([*ARTICLE, *(f"• item {n}" for n in range(30)), *ARTICLE[1:]]), False),
        (POEM, False),
        (POEM * 4, False),
        (RECIPE, False),
        (CODE, False),
        ("\n".join(f"{n} Elm Street\t{n * 7}\t{n * 11}" for n in range(40)), False),
        ("", False),
        ("One line.", False),
    ],
    ids=["page", "page with blank lines", "article", "long article", "residue", "list", "poem", "poems", "recipe",
         "code", "table", "empty", "line"],
)  # fmt: skip
def test_whole_pages_are_told_from_other_texts(text, is_page):
    assert (judged(text) is not None) == is_page
    assert judged(text, "page") is not None
    assert judged(text, "extracted") is None


@pytest.mark.parametrize("text", [PAGE, "\n".join(HEAD)], ids=["an article", "no prose"])
def test_a_page_of_which_nothing_would_be_left_is_left_to_the_rules(text):
    everything = Boilerplate(input="page", line_score=1_000_000)
    assert page_removals([(text, line_hashes(text), NO_TEMPLATES)], everything).removals == {}


def test_the_article_stays_and_the_page_goes():
    gone = judged(PAGE)
    lines = PAGE.split("\n")
    assert [lines[at] for at in range(len(lines)) if at not in gone and lines[at] not in ARTICLE] == []
    assert [lines[at] for at in gone if lines[at] in ARTICLE[1:]] == []


def test_reasons_name_what_a_line_is():
    gone = judged(PAGE)
    reasons = {PAGE.split("\n")[at]: removal.reason.removeprefix("boilerplate.") for at, removal in gone.items()}
    assert reasons["Related articles"] == "related"
    assert reasons["Tea on the upper deck"] == "related"  # the block it stands in
    assert reasons["© 2026 The Harbour Gazette. All rights reserved."] == "legal"
    assert reasons["Tides"] == "navigation"
    assert {removal.rule for removal in gone.values()} == {"model.page"}
    assert all(0.5 <= removal.confidence <= 0.99 for removal in gone.values())


def test_a_template_names_its_reason_and_support():
    templates = Templates(9, {line_hashes("Tides")[0]: 7})
    removal = judged(PAGE, templates=templates)[HEAD.index("Tides")]
    assert (removal.reason, removal.support) == ("boilerplate.template", 7)


def test_other_rules_go_on_where_the_model_stops():
    gone = removals(PAGE, line_hashes(PAGE), NO_TEMPLATES, True, Boilerplate(), judged(PAGE))
    left = apply(PAGE, spans(PAGE, gone))
    assert all(paragraph in left for paragraph in ARTICLE[1:])
    assert judged(left) is None


def test_confidence_grows_with_the_margin():
    assert [confidence(margin) for margin in (0, 1200, 10_000)] == [0.5, 0.7, 0.99]


def archive():
    with np.load(WEIGHTS.open("rb")) as found:
        return {name: found[name] for name in found.files}


def damaged(kind):
    arrays = archive()
    if kind == "an array missing":
        del arrays["lines_leaves"]
    elif kind == "an array of another type":
        arrays["lines_leaves"] = arrays["lines_leaves"].astype(np.float64)
    elif kind == "an array too short":
        arrays["pages_above"] = arrays["pages_above"][1:]
    elif kind == "a feature too many":
        arrays["lines_feature"] = arrays["lines_feature"] + np.int16(len(LINE_FEATURES))
    elif kind == "other features":
        provenance = json.loads(arrays["provenance"].tobytes())
        provenance["features"]["lines"] += 1
        arrays["provenance"] = np.frombuffer(json.dumps(provenance).encode(), np.uint8)
    elif kind == "no provenance":
        arrays["provenance"] = np.frombuffer(b"{", np.uint8)
    return arrays


@pytest.mark.parametrize(
    "kind",
    ["an array missing", "an array of another type", "an array too short", "a feature too many", "other features",
     "no provenance"],
)  # fmt: skip
def test_weights_of_another_shape_are_refused(tmp_path, kind):
    path = tmp_path / "weights.npz"
    np.savez(path, **damaged(kind))
    with pytest.raises(ConfigError, match=r"boilerplate\.model_path: .*weights\.npz holds no line model"):
        load(str(path))


@pytest.mark.parametrize("damage", ["cut", "flipped", "text", "empty"])
def test_a_damaged_weights_file_is_refused(tmp_path, damage):
    content = WEIGHTS.read_bytes()
    middle = len(content) // 2
    path = tmp_path / "weights.npz"
    path.write_bytes(
        {
            "cut": content[:middle],
            "flipped": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            "text": b"not weights",
            "empty": b"",
        }[damage]
    )
    with pytest.raises(ConfigError, match="holds no line model"):
        load(str(path))


def test_weights_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.npz: No such file"):
        load(str(tmp_path / "none.npz"))


def test_config():
    found = from_toml('[boilerplate]\ninput = "page"\nline_score = -500').boilerplate
    assert (found.input, found.line_score, found.model_path) == ("page", -500, "")
    with pytest.raises(ConfigError, match=r"boilerplate\.input"):
        from_toml('[boilerplate]\ninput = "html"')
    assert Config().boilerplate.input == "auto"


def test_no_trees_score_nothing():
    assert NO_TREES.scores(np.zeros((3, 4), np.int16)).tolist() == [0] * 4


def test_other_weights_are_another_configuration(tmp_path):
    paths = [tmp_path / name for name in ("a.npz", "b.npz", "c.npz")]
    for path, content in zip(paths, (b"1", b"1", b"2"), strict=True):
        path.write_bytes(content)
    hashes = [Config(boilerplate=Boilerplate(model_path=str(path))).content_hash() for path in paths]
    assert hashes[0] == hashes[1] != hashes[2]
    with pytest.raises(ConfigError, match="No such file"):
        Config(boilerplate=Boilerplate(model_path=str(tmp_path / "none.npz"))).content_hash()
