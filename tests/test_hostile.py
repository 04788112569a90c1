"""Text made to cost time: twice as much of it is twice the work, and no more.

Work is counted, not timed: the lines of our code that run, and the moves it takes to bring the combining marks of what
`unicodedata` is given into order (it has an insertion sort for that, in C).
"""

import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pyarrow as pa
import pytest

import transforms
from flows.readers.records import Record
from flows.stages.read import documents_of
from transforms import encoding, pipeline
from transforms.boilerplate.anchors import match_line
from transforms.boilerplate.lines import index
from transforms.boilerplate.templates import Templates
from transforms.config import Config

OURS = str(Path(transforms.__file__).parent)
SIZE = 60
# Of twice the text. Lists grow by whole rounds, and no two lines are alike to the cent.
MOST = 2.3
TITLE = "The Swans of the Lower Quay"
PROSE = (
    "The ferry left the quay a little after seven, as it had done every morning since the war, and the cook leaned "
    "over the rail to see whether the swans had come back."
)


def other(number: int) -> str:
    """Prose that no other number has, of one length."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return f"{PROSE[:-1]}, said {letters[number // 676]}{letters[number // 26 % 26]}{letters[number % 26]}."


HOSTILE: dict[str, Callable[[int], list[str]]] = {
    "a heading and five lines": lambda n: [
        *(TITLE, PROSE),
        *(line for k in range(n) for line in ("Contact", *(f"the {k * 5 + j}th door on the left" for j in range(5)))),
    ],
    "a heading and five paragraphs": lambda n: [
        *(TITLE, PROSE),
        *(line for k in range(n) for line in ("Contact", *(other(k * 5 + j) for j in range(5)))),
    ],
    "one anchor": lambda n: [TITLE, PROSE, *["Share this"] * (6 * n)],
    "one anchor, then prose": lambda n: [TITLE, PROSE, *["Share this"] * (6 * n), other(1)],
    "a footer of links": lambda n: [TITLE, PROSE, *["* [Report](https://e.example/r)"] * (6 * n)],
    "links that a heading introduces": lambda n: [
        TITLE,
        PROSE,
        "## Sources",
        *["* [Report](https://e.example/r)"] * (6 * n),
    ],
    "one title, then prose": lambda n: [*[TITLE] * (6 * n), PROSE],
    "one title and nothing else": lambda n: [TITLE] * (6 * n),
    "one title between paragraphs": lambda n: [line for k in range(2 * n) for line in (TITLE, other(k))],
    "block, gap, block": lambda n: [
        *(TITLE, PROSE),
        *(line for k in range(n) for line in ("Related articles", f"- The {k}th ferry", "- The cook", "", "", "")),
    ],
    "block, prose, block": lambda n: [
        *(TITLE, PROSE),
        *(line for k in range(n) for line in ("Related articles", f"The {k}th ferry", "The cook", other(k))),
    ],
    "passages that begin alike": lambda n: [
        TITLE,
        *(line for k in range(2 * n) for line in (PROSE, other(1), other(k))),
    ],
    "a passage, twice as much, the passage": lambda n: [
        *(TITLE, *(other(k) for k in range(n))),
        *(other(k) for k in range(n, 3 * n)),
        *(other(k) for k in range(n)),
    ],
    "one paragraph": lambda n: [TITLE, *[PROSE] * (4 * n)],
    "teasers": lambda n: [
        *(TITLE, PROSE),
        *(line for k in range(2 * n) for line in (f"The {k}th ferry", f"The cook leaned over the rail {k} times and…")),
    ],
    "bios": lambda n: [
        TITLE,
        PROSE,
        *["Ann Quill is a reporter at the Harbour Post. She lives on the quay."] * (4 * n),
    ],
    "records": lambda n: [TITLE, *(f"Area {k}: {k} sq km" for k in range(6 * n))],
    "mojibake in every line": lambda n: [TITLE, *(f"{other(k)} fÃ¼r alle" for k in range(2 * n))],
    "mojibake and an anchor in every line": lambda n: [TITLE, PROSE, *["Share this fÃ¼r alle", "Share this"] * (2 * n)],
    "mojibake in one line": lambda n: [TITLE, "fÃ¼r alle " * (10 * n)],
    "alternating marks": lambda n: [TITLE, "a" + "\u0300\u0316" * (20 * n)],
    "alternating marks behind every letter": lambda n: [TITLE, "a\u0300\u0316\u0300" * (20 * n)],
    "entities": lambda n: [TITLE, "&amp;eacute; " * (10 * n)],
}


class Work:
    """What was done."""

    def __init__(self) -> None:
        self.lines = 0
        self.moves = 0

    def of_frame(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Every line that runs in `transforms/`, with the frames that it calls."""
        return self.of_line if frame.f_code.co_filename.startswith(OURS) else None

    def of_line(self, frame: FrameType, event: str, argument: Any) -> Any:
        self.lines += event == "line"
        return self.of_line


class Normalizer:
    """`unicodedata`, counting the moves of its sort."""

    def __init__(self, work: Work) -> None:
        self.work = work

    def __getattr__(self, name: str) -> Any:
        return getattr(unicodedata, name)

    def normalize(self, form: str, text: str) -> str:
        above = [0] * 256  # of the marks of this run, how many are of each class
        for char in text if len(text) > 1 else "":
            place = unicodedata.combining(char)
            if place == 0:
                above = [0] * 256
            else:
                self.work.moves += sum(above[place + 1 :])
                above[place] += 1
        return unicodedata.normalize(form, text)


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    work = Work()
    before = sys.gettrace()
    with monkeypatch.context() as patch:
        patch.setattr(encoding, "unicodedata", Normalizer(work))
        sys.settrace(work.of_frame)
        try:
            yield work
        finally:
            sys.settrace(before)


def document(text: str) -> pa.Table:
    record = Record("raw.jsonl", "jsonl", "1", "00" * 32, None, "https://e.example.org/1", None, text, None, None, None)
    return documents_of([record])


def curate(text: str, has_templates: bool) -> None:
    """All that is done to one document, whose lines are its site's or nobody's."""
    prepared = pipeline.prepare(document(text), Config())
    site = Templates(10, dict.fromkeys(index(prepared["text"][0].as_py()).keys, 6)) if has_templates else None
    documents = prepared.append_column("id", pa.array(["1"]))
    pipeline.clean(documents, {"example.org": site} if site else {}, Config())


def work_of(lines: list[str], has_templates: bool, monkeypatch: pytest.MonkeyPatch) -> Work:
    match_line.cache_clear()
    with counted(monkeypatch) as work:
        curate("\n".join(lines), has_templates)
    return work


@pytest.mark.parametrize("has_templates", [False, True], ids=["alone", "as a site"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_twice_the_text_is_twice_the_work(kind, has_templates, monkeypatch):
    work_of(HOSTILE[kind](2), has_templates, monkeypatch)  # what is loaded once
    once, twice, again = (work_of(HOSTILE[kind](SIZE * size), has_templates, monkeypatch) for size in (1, 2, 4))
    print(f"\n{kind}: {once.lines} {twice.lines} {again.lines} lines, {once.moves} {twice.moves} {again.moves} moves")
    assert twice.lines <= MOST * once.lines
    assert again.lines <= MOST * twice.lines
    assert again.moves <= MOST * max(twice.moves, 1)
