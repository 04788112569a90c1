"""What reason each of some 380 lines is given, in seventeen languages, where it stands on a page.

`data/labelled_lines.jsonl`: a line, its place (head, body, tail), what is below it, and the reason it must get, or null
where it must stay. Where it matters: the `title` of the article, and in how many of ten articles of its site (`groups`)
the line stands, with what is below it unless it is there `alone`. Precision and recall by reason are printed
(`pytest -s`) and may not fall below `floors.toml`.
"""

import json
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from transforms.boilerplate.lines import Kind, key, line_hashes
from transforms.boilerplate.strip import removals
from transforms.boilerplate.templates import NO_TEMPLATES, Templates
from transforms.config import Boilerplate
from transforms.schema import SPAN_REASONS

TESTS = Path(__file__).parent
ROWS = [json.loads(line) for line in (TESTS / "data" / "labelled_lines.jsonl").read_text("utf-8").splitlines()]
FLOORS = tomllib.loads((TESTS / "floors.toml").read_text("utf-8"))["labelled_lines"]
ABOVE = (
    "The ferry left the quay a little after seven, as it had done every morning since the war, and the cook leaned "
    "over the rail to see whether the swans had come back."
)
BELOW = (
    "Nobody on board remembered a winter in which they had not, and yet each year somebody was sent to count them, "
    "to write the number into the ship's book, and to sign it."
)


def reason(row):
    """What the line is removed as, or None."""
    block = [row["line"], *row.get("below", ())]
    around = {"head": ([], [ABOVE, BELOW]), "body": ([ABOVE], [BELOW]), "tail": ([ABOVE, BELOW], [])}
    before, after = around[row["place"]]
    before = [row.get("title", "The Swans of the Lower Quay"), *before]
    text = "\n".join([*before, *block, *after])
    site = NO_TEMPLATES
    if "groups" in row:
        hashes = line_hashes("\n".join(block[:1] if row.get("alone") else block))
        site = Templates(10, {key(value, kind): row["groups"] for value in hashes for kind in (Kind.LINE, Kind.TITLE)})
    gone = removals(text, line_hashes(text), site, True, Boilerplate())
    at = len(before)
    return gone[at].reason if at in gone else None


def test_the_table_is_large_enough():
    assert len(ROWS) >= 350
    assert len({row["language"] for row in ROWS}) >= 16
    lines = Counter(row["reason"] for row in ROWS)
    languages = Counter(reason for reason, _ in {(row["reason"], row["language"]) for row in ROWS})
    reasons = {f"boilerplate.{name}" for name in FLOORS}
    assert reasons == {entry for entry in SPAN_REASONS if entry.startswith("boilerplate.")}
    assert all(lines[name] >= 15 and languages[name] >= 10 for name in {None, *reasons})


def test_precision_and_recall_by_reason():
    found = [(row["reason"], reason(row)) for row in ROWS]
    right = Counter(expected for expected, got in found if expected == got)
    wanted, given = Counter(expected for expected, _ in found), Counter(got for _, got in found)
    print()
    for name in sorted(filter(None, wanted | given)):
        precision, recall = right[name] / max(1, given[name]), right[name] / max(1, wanted[name])
        print(f"{name:26} {wanted[name]:3} lines  precision {precision:.3f}  recall {recall:.3f}")
        floor = FLOORS[name.removeprefix("boilerplate.")]
        assert precision >= floor["precision"], name
        assert recall >= floor["recall"], name
    wrong = [(row["line"], got) for row, (expected, got) in zip(ROWS, found, strict=True) if expected != got]
    print(f"{len(ROWS)} lines; wrong: {wrong}")


@pytest.mark.parametrize("row", [row for row in ROWS if row["reason"] is None], ids=lambda row: row["line"][:40])
def test_what_must_stay_stays(row):
    assert reason(row) is None
