"""A run that dies anywhere: what is published stays whole, and the next run ends where this one would have.

Every effect on the dataset is counted by the store. For each, a night over the sample is killed before it, in its midst
and after it; then the dataset must verify, and a second run must leave the very tree of a run that nobody killed.

`make test` takes some of them, `TAMIS_KILLS=all` all.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.store import Effects, Store
from flows.versions.checks import verify
from tests.conftest import article, curated_by, tree, write_jsonl

SAMPLE = Path(__file__).parent.parent / "raw"
# Of the effects of a night, with each of the three ways to die at it, one in so many is tried.
STRIDE = 1 if os.environ.get("TAMIS_KILLS") == "all" else 9


class Killed(BaseException):
    """As kill -9: nobody catches it, and nothing happens after it."""


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a published dataset, and what came in since: pages that changed, copies, a bad line, new sites."""
    folder = tmp_path_factory.mktemp("evening")
    raw = folder / "raw"
    for name in ("feeds", "mixed", "minatonotecho.jp"):
        shutil.copytree(SAMPLE / name, raw / name)
    pages = [{"id": f"p{n}", "url": f"https://e.example.org/{n}", "text": article(n)} for n in range(12)]
    path = write_jsonl(raw / "pages/1.jsonl", [*pages, {"id": "copy", "text": article(3)}])
    path.write_text(path.read_text() + "{bad\n")
    curated_by(raw, folder / "curated")
    shutil.copytree(SAMPLE / "wissensfunke24.com", raw / "wissensfunke24.com")
    changed = [{**page, "text": page["text"] + "A correction was made at noon.\n"} for page in pages[2:5]]
    write_jsonl(raw / "pages/2.jsonl", [*changed, {"id": "p20", "url": "https://e.example.org/20", "text": article(5)}])
    shutil.rmtree(raw / "mixed")
    return folder


def night(folder: Path) -> dict[str, Any]:
    return curated_by(folder / "raw", folder / "curated")


@pytest.fixture(scope="module")
def expected(evening: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], int]:
    """The tree after a night that nobody killed, and how many effects it had."""
    folder = tmp_path_factory.mktemp("expected")
    shutil.copytree(evening, folder, dirs_exist_ok=True)
    with effects() as counted:
        night(folder)
    return tree(folder / "curated"), sum(one.count for one in counted)


class effects:  # reads as what it is: `with effects(at, how)`
    """All stores made within the block die together at effect `at`."""

    def __init__(self, at: int | None = None, how: str = "before") -> None:
        self.shared = Effects()
        self.shared.at, self.shared.how, self.shared.error = at, how, Killed()  # type: ignore[assignment]

    def __enter__(self) -> list[Effects]:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("flows.store.Effects", lambda: self.shared)
        return [self.shared]

    def __exit__(self, *_: object) -> None:
        self.patch.undo()


def deaths() -> Iterator[tuple[int, str]]:
    number = 0
    for at in range(1, 400):
        for how in ("before", "torn", "after"):
            number += 1
            if number % STRIDE == 0:
                yield at, how


def test_a_night_may_die_anywhere(evening, expected, tmp_path):
    wanted, count = expected
    assert 80 < count < 400
    tried = 0
    for at, how in deaths():
        if at > count:
            break
        folder = tmp_path / f"{at}-{how}"
        shutil.copytree(evening, folder)
        with effects(at, how), pytest.raises(Killed):
            night(folder)
        verify(Store(folder / "curated"))
        night(folder)
        found = tree(folder / "curated")
        assert sorted(found) == sorted(wanted), (at, how)
        assert found == wanted, (at, how)
        verify(Store(folder / "curated"))
        shutil.rmtree(folder)
        tried += 1
    assert tried >= 3 * count // STRIDE - 3
