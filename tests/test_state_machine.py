"""A dataset through a month: thirty nights, then going back and on, takedowns, cleaning up, in any order.

After each: the current version is whole, no id is twice, and what is published is what a model of it says, by URL.
`EXPORTS` is where further consumers of a dataset are tried.
"""

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from flows.forget import Name, forget, undo
from flows.store import Store
from flows.versions import history
from flows.versions.checks import verify
from flows.versions.export import Wanted, export
from flows.versions.manifest import current
from tests.conftest import article, curated_by, rows, write_jsonl
from transforms.errors import RefusedError

URL = "https://e.example.org/"
NIGHTS = 30
# Called with the dataset after each change: what is made of it must open.


def exported(store: Store) -> None:
    """An export has the documents of the current version."""
    with tempfile.TemporaryDirectory() as name:
        done = export(store, Path(name) / "out", Wanted())
        table = pd.read_parquet(Path(name) / "out/documents")
    assert sorted(table["id"]) == [row["id"] for row in rows(store.data)]
    assert done["rows"]["documents"] == len(table)


EXPORTS: list[Callable[[Store], None]] = [exported]


def night(raw: Path, number: int) -> None:
    """The file of a night: two new pages, a new state of an older one, and at times a copy of the first under another
    URL, which may be kept in its place."""
    texts = {2 * number: 2 * number, 2 * number + 1: 2 * number + 1}
    if number:
        texts[random.Random(number).randrange(2 * number)] = 1000 + number
    records = [{"url": f"{URL}{page}", "text": article(text)} for page, text in texts.items()]
    if number % 5 == 4:
        records.append({"url": f"{URL}copy{number}", "text": article(2 * number)})
    write_jsonl(raw / f"{number:02}.jsonl", records)


def pages(curated: Path) -> set[int]:
    """The pages that are there, a copy for the page."""
    names = [row["url"].removeprefix(URL) for row in rows(curated)]
    return {2 * int(name[4:]) if name.startswith("copy") else int(name) for name in names}


@pytest.fixture(scope="module", autouse=True)
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The nights, run one after the other."""
    folder = tmp_path_factory.mktemp("month")
    for number in range(NIGHTS):
        night(folder / "raw", number)
        curated_by(folder / "raw", folder / "curated")
        assert pages(folder / "curated") == set(range(2 * number + 2))
    verify(Store(folder / "curated"))
    Month.folder = folder
    return folder


class Month(RuleBasedStateMachine):
    """What may be done to a dataset, by whom it belongs to."""

    folder: Path

    @initialize()
    def begin(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="tamis-test-"))
        shutil.copytree(self.folder / "curated", self.home / "curated")
        shutil.copytree(self.folder / "raw", self.home / "raw", copy_function=shutil.copy2)
        self.store = Store(self.home / "curated", self.home / "raw")
        self.nights = NIGHTS
        self.forgotten: set[int] = set()
        # What the versions hold, by name; and whether a run must be told to go on.
        self.kept = {one.name: set(range(2 * one.manifest["number"])) for one in history.versions(self.store)}
        self.is_held = False

    def teardown(self) -> None:
        shutil.rmtree(self.home)

    def current(self) -> str:
        pointer = current(self.store)
        assert pointer is not None
        return str(pointer["version"])

    def run(self, resume: bool = False) -> None:
        curated_by(self.home / "raw", self.home / "curated", resume=resume)

    @rule(comes=st.booleans())
    def a_night(self, comes: bool) -> None:
        if comes:
            night(self.home / "raw", self.nights)
            self.nights += 1
        if self.is_held:
            with pytest.raises(RefusedError, match="--resume"):
                self.run()
        else:
            self.run()
            self.all_is_there()

    @precondition(lambda self: self.is_held)
    @rule()
    def resume(self) -> None:
        self.run(resume=True)
        self.is_held = False
        self.all_is_there()

    def all_is_there(self) -> None:
        """After a run: all that ever came and isn't forgotten."""
        self.kept[self.current()] = set(range(2 * self.nights)) - self.forgotten
        assert self.pages() == self.kept[self.current()]

    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        found = history.versions(self.store)
        others = [one.name for one in found if not one.is_current]
        if not others:
            return
        target = data.draw(st.sampled_from(others))
        before = self.current()
        try:
            done = history.rollback(self.store, target)
        except RefusedError:
            assert self.kept[target] & self.forgotten
            assert self.current() == before
        else:
            assert self.current() == target
            assert self.pages() == self.kept[target]
            assert not self.kept[target] & self.forgotten
            self.is_held = done["held"]

    @rule(pages=st.sets(st.integers(0, 2 * NIGHTS + 1), min_size=1, max_size=3), purge=st.booleans())
    def take_down(self, pages: set[int], purge: bool) -> None:
        before = self.pages()
        forget(self.store, [Name("url", f"{URL}{page}") for page in sorted(pages)], purge)
        self.forgotten |= pages
        assert self.pages() == before - pages
        self.kept[self.current()] = before - pages
        if purge:
            assert not any(self.kept[one.name] & self.forgotten for one in history.versions(self.store))

    @precondition(lambda self: self.forgotten)
    @rule(data=st.data())
    def change_ones_mind(self, data: st.DataObject) -> None:
        page = data.draw(st.sampled_from(sorted(self.forgotten)))
        undo(self.store, [Name("url", f"{URL}{page}")])
        self.forgotten.remove(page)

    @rule(keep=st.integers(1, 10))
    def clean_up(self, keep: int) -> None:
        for key in self.store.keys("versions"):
            if key.endswith("/run.json"):  # as if it had been days ago
                run = self.store.read_json(key)
                self.store.put_json(key, {**run, "ended": "2020-01-01T00:00:00+00:00", "left": run.get("left") and
                                          "2020-01-02T00:00:00+00:00"})  # fmt: skip
        history.collect_garbage(self.store, keep)
        assert not history.collect_garbage(self.store, keep).versions
        assert not history.collect_garbage(self.store, older_than=timedelta(days=36500)).versions

    def pages(self) -> set[int]:
        return pages(self.home / "curated")

    @invariant()
    def it_is_whole(self) -> None:
        verify(self.store)
        ids = Counter(row["id"] for table in ("documents", "rejected") for row in rows(self.store.data, table))
        assert max(ids.values(), default=1) == 1
        for consume in EXPORTS:
            consume(self.store)


TestMonth = Month.TestCase
TestMonth.settings = settings(
    max_examples=6,
    stateful_step_count=8,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
    deadline=None,
    derandomize=True,
)
