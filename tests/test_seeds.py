"""The three real documents, together and alone: what must go is gone, and every body line is still there."""

import shutil

import pytest

from tests.conftest import rows

pytestmark = pytest.mark.flow


def body_lines(name, lines):
    """The lines that must stay: between the header and the first line of residue."""
    lines = [line for line in lines if line.strip()]
    if name.startswith("002"):
        start = next(i for i, line in enumerate(lines) if line.startswith("Tags ")) + 1
        end = lines.index("Related Article")
    else:
        start = 2
        end = next(i for i, line in enumerate(lines) if line.startswith("<<:")) - 1
    return lines[0], lines[start:end], lines[end:]


def check(row, path):
    original = path.read_bytes().decode()
    title, body, residue = body_lines(path.name, original.split("\n"))
    kept = [line for line in row["text"].split("\n") if line.strip()]
    assert kept == [title, *body]
    assert row["title"] == title
    assert not any(line in kept for line in residue)
    if path.name.startswith("002"):
        assert (row["language"], row["source_name"], row["authors"]) == ("en", "Internet", ["User"])
        assert row["tags"]
    else:
        assert row["language"] == "de"
        assert row["author_bio"] == residue[0]
        assert row["previous_title"] == residue[1].removeprefix("<<:").strip()
        assert row["next_title"] == residue[2].removeprefix(">>:").strip()
        assert len(row["related_titles"]) >= 5
        assert not any(title.endswith("...") for title in row["related_titles"])


def test_together(tmp_path, seeds, run):
    assert run(seeds, tmp_path / "curated")["documents"] == 3
    for row in rows(tmp_path / "curated"):
        check(row, seeds / row["source_path"])


@pytest.mark.parametrize("number", range(3))
def test_alone(tmp_path, seeds, run, number):
    path = sorted(seeds.glob("*.txt"))[number]
    (tmp_path / "raw").mkdir()
    shutil.copy(path, tmp_path / "raw")
    run(tmp_path / "raw", tmp_path / "curated")
    (row,) = rows(tmp_path / "curated")
    check(row, path)
