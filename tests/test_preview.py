"""What a rebuild would alter is shown before, and nothing is published for it."""

from pathlib import Path
from typing import Any

import pytest

from flows.preview import preview
from flows.store import Store
from flows.versions import history
from flows.versions.diff import compare
from tests.conftest import Run, article, rows, tree, write_jsonl
from transforms.config import from_mapping
from transforms.errors import ConfigError

FOOTER = "Printed on Tuesdays by the brothers at the old gasworks"
GERMAN = (
    "Der Leuchtturm am Hafen steht seit hundert Jahren leer, und niemand weiß, wem er gehört. Die Stadt wollte ihn im "
    "vergangenen Herbst verkaufen, doch der Rat konnte sich auf keinen Preis einigen.\n"
)
SETTINGS: list[dict[str, Any]] = [
    {"languages": ["de"]},
    {"dedup": {"jaccard": 0.95}},
    {"boilerplate": {"template_min_groups": 1000}},
    {},
]


@pytest.fixture
def folder(tmp_path: Path, run: Run) -> Path:
    """Two nights: pages with a footer that only the second night knows for one, a copy, a German text, a bad line."""
    raw = tmp_path / "raw"

    def page(number: int) -> dict[str, str]:
        return {"url": f"https://e.example.org/{number}", "text": f"{article(number)}\n{FOOTER}"}

    write_jsonl(raw / "1.jsonl", [*map(page, range(2)), {"id": "de", "text": GERMAN}])
    run(raw, tmp_path / "curated")
    copy = {"url": "https://e.example.org/copy", "text": article(0).replace("every", "each", 3)}
    path = write_jsonl(raw / "2.jsonl", [*map(page, range(2, 6)), copy])
    path.write_text(path.read_text() + "{bad\n")
    run(raw, tmp_path / "curated")
    return tmp_path


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_over_all_it_is_what_a_rebuild_publishes(folder: Path, run: Run, settings: dict[str, Any]) -> None:
    curated = folder / "curated"
    store = Store(curated, folder / "raw")
    before = tree(curated)
    found = preview(store, from_mapping(settings))
    assert tree(curated) == before
    assert not (curated / ".staging").exists() or not list((curated / ".staging").iterdir())
    documents = {row["id"]: row for row in rows(curated)}
    run(folder / "raw", curated, config=settings, rebuild=True, force=True)
    *_, second, third = (one.manifest for one in history.versions(store))
    assert found.difference == compare(store, second, third, 20)
    assert found.difference.changed + found.difference.gone > 0
    for at, kept in enumerate((documents.values(), rows(curated))):
        counts: dict[str, int] = {}
        for row in kept:
            for one in row["removed_by_reason"] or ():
                counts[one["reason"]] = counts.get(one["reason"], 0) + one["chars"]
        assert {reason: both[at] for reason, both in found.removed.items() if both[at]} == counts


def test_what_is_as_it_would_be_made_anew_does_not_differ(folder: Path, run: Run) -> None:
    run(folder / "raw", folder / "curated", rebuild=True)
    found = preview(Store(folder / "curated"), from_mapping({})).difference
    assert (found.added, found.gone, found.changed, found.samples) == (0, 0, 0, [])


def test_without_raw_nothing_new_is_read(folder: Path) -> None:
    write_jsonl(folder / "raw/3.jsonl", [{"id": "new", "text": article(70)}])
    store = Store(folder / "curated")
    assert preview(store, from_mapping({})).difference.added == 0
    assert preview(Store(folder / "curated", folder / "raw"), from_mapping({})).difference.added == 1


@pytest.mark.parametrize("sample", [1, 3, 50])
def test_a_sample_is_of_the_documents_with_the_smallest_ids(folder: Path, sample: int) -> None:
    documents = rows(folder / "curated")[:sample]
    found = preview(Store(folder / "curated"), from_mapping({"languages": ["de"]}), sample).difference
    english = [row["id"] for row in documents if row["language"] == "en"]
    assert found.documents == (len(documents), len(documents) - len(english))
    assert (found.added, found.gone, found.gone_why) == (0, len(english), {"language.unwanted": len(english)})
    assert [one.id for one in found.samples if one.change == "gone"] == english


def test_a_sample_has_the_templates_of_now(folder: Path) -> None:
    sample = preview(Store(folder / "curated"), from_mapping({}), 100)
    with_footer = [row for row in rows(folder / "curated") if FOOTER in row["text"]]
    assert with_footer
    changed = [one for one in sample.difference.samples if one.change == "changed"]
    assert {one.id for one in changed} == {row["id"] for row in with_footer}
    assert all(any(FOOTER in line for line in one.diff) for one in changed)
    before, after = sample.removed["boilerplate.template"]
    assert before < after


def test_without_a_dataset(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no dataset"):
        preview(Store(tmp_path / "none"), from_mapping({}))
