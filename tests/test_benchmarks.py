"""What is measured with: made-up documents are what they are said to be, costs are complete, floors hold."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import capacity, documents, floors, profiling, report, tools
from benchmarks.documents import document
from benchmarks.pipeline import copy_records, corpus, counts_of
from benchmarks.tools import Kept, Outcome
from flows.curate import curate

ROOT = Path(__file__).parent.parent
COUNT = 200


@pytest.fixture(scope="module", params=documents.KINDS)
def made(request):
    return request.param, list(documents.documents(request.param, COUNT))


def test_documents_are_the_same_in_any_process(made, tmp_path):
    kind, found = made
    command = [sys.executable, str(ROOT / "benchmarks/documents.py"), str(tmp_path), "--kind", kind]
    subprocess.run([*command, "--documents", str(COUNT), "--files", "1"], check=True, env={"PYTHONHASHSEED": "7"})
    assert (tmp_path / "000.jsonl").read_bytes() == b"".join(one.line() for one in found)


def test_a_document_needs_no_other(made):
    kind, found = made
    assert document(118, kind) == found[118]


def test_planted_copies_are_as_many_as_is_said(made):
    _, found = made
    kinds = [one.kind for one in found]
    assert [kinds.count(kind) for kind in ("original", "exact", "near", "reworded")] == [170, 10, 10, 10]
    of = {one.number: found[one.of] for one in found}
    assert all(of[one.number].kind == "original" for one in found)
    assert all(one.text == of[one.number].text for one in found if one.kind == "exact")
    near = [one for one in found if one.kind == "near"]
    assert all(one.article == of[one.number].article[:-1] and one.text != of[one.number].text for one in near)
    texts = [one.text for one in found if one.kind != "exact"]
    assert len(set(texts)) == len(texts)


def test_a_repeat_has_every_seventh_word_changed(made):
    _, found = made
    shares = []
    for one in found:
        if one.kind == "reworded" and one.language not in documents.UNSPACED:
            before, after = (re.findall(r"[^\W\d_]+", " ".join(which.article)) for which in (found[one.of], one))
            assert len(before) == len(after)
            shares.append(sum(a != b for a, b in zip(before, after, strict=True)) / len(before))
    assert len(shares) >= 5
    assert all(0.1 < share < 1 / 7 + 0.02 for share in shares)


def test_a_text_is_an_article_and_what_stands_around_it(made):
    kind, found = made
    languages = {one.language for one in found}
    assert len(languages) >= 5
    for one in found:
        text = one.text.encode("latin-1").decode() if one.is_mojibake else one.text
        assert all(sentence in text for sentence in one.article)
        lines = [line for line in text.split("\n") if line]
        assert all(line in lines for line in one.furniture)
    mojibake = [one for one in found if one.is_mojibake]
    assert mojibake
    assert all(one.number % 50 == 5 and one.text != one.text.encode("latin-1").decode() for one in mojibake)
    around = [sum(map(len, one.furniture)) / len(one.text) for one in found]
    assert (sum(around) / COUNT > 0.2) is (kind == "pages")


def test_what_tamis_makes_of_them_is_above_the_floors(made, tmp_path):
    kind, found = made
    documents.write(tmp_path / "raw", iter(found))
    curate(raw=str(tmp_path / "raw"), curated=str(tmp_path / "curated"), engine="inline")
    raw = corpus(kind, tmp_path / "raw", found)
    counts = counts_of(tools.tamis_outcome(tmp_path / "curated"), raw)
    said = {
        "digest": raw.digest,
        "records": COUNT,
        "bytes": raw.size,
        "tools": {"tamis": {"counts": counts}},
    }
    assert floors.unmet(kind, said) == []
    assert counts["articles_gone"] == 0
    assert counts["article_lost"] < 0.002 * counts["article"]


def test_so_many_megabytes():
    size = sum(len(one.line()) for one in documents.documents("articles", megabytes=0.2))
    assert 200_000 <= size < 220_000


def test_counts_tell_what_was_lost(tmp_path):
    made = list(documents.documents("articles", 60))
    documents.write(tmp_path, iter(made))
    raw = corpus("articles", tmp_path, made)
    everything = [Kept(str(one.number), one.text, one.language) for one in made]
    counts = counts_of(Outcome(everything, {}), raw)
    mojibake = [one for one in made if one.is_mojibake]
    assert (counts["kept"], counts["chars_removed"], counts["language_right"]) == (60, 0, 60)
    assert (counts["exact_found"], counts["near_found"], counts["articles_gone"]) == (0, 0, 0)
    assert (counts["exact"], counts["near"], counts["articles"]) == (3, 3, 54)
    assert counts["around_left"] == counts["around"] or mojibake
    article = [Kept(str(one.number), "\n".join(one.article), "xx") for one in made if one.kind not in ("exact", "near")]
    counts = counts_of(Outcome(article[1:], {"near": 7}), raw)
    assert (counts["exact_found"], counts["near_found"], counts["articles_gone"]) == (3, 3, 1)
    assert (counts["article_lost"], counts["language_right"], counts["dropped"]) == (0, 0, {"near": 7})
    instead = [Kept(str(one.number), one.text, "xx") for one in made if one.kind == "near"]
    counts = counts_of(Outcome(instead, {}), raw)
    assert (counts["near_found"], counts["articles_gone"]) == (3, 51)
    half = [Kept(one.id, one.text[: len(one.text) // 2], "xx") for one in article]
    assert 0.4 < floors.shares(counts_of(Outcome(half, {}), raw))["article_lost_share"] < 0.7


def test_a_folder_is_read_whatever_it_holds(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "a.jsonl").write_text(
        '{"id": 7, "url": null, "text": "one"}\nno record\n{"id": 7, "text": "two"}\n{"text": 3}\n'
    )
    (raw / "b.txt").write_text("three")
    copy_records(raw, tmp_path / "copy", 1)
    lines = [json.loads(line) for line in (tmp_path / "copy/000.jsonl").read_text().splitlines()]
    assert lines == [{"id": "7", "text": "one"}, {"id": "7-2", "text": "two"}, {"id": "3", "text": "three"}]
    copy_records(raw / "a.jsonl", tmp_path / "one", 1, most=1)
    assert (tmp_path / "one/000.jsonl").read_text() == '{"id": "7", "text": "one"}\n'


# ----------------------------------------------------------------------------------------------------------------- cost


@pytest.mark.skipif(sys.platform != "linux", reason="orphans come to the process that measures on Linux only")
def test_the_cost_is_that_of_all_processes(tmp_path):
    burn = "import time\nwhile time.process_time() < 0.5: pass"
    leave = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {burn!r}], start_new_session=True)"
    command = [sys.executable, str(ROOT / "benchmarks/measure.py"), "--to", str(tmp_path / "cost.json"), "--"]
    # What is left behind is told to end, so the parent stays until it has worked.
    subprocess.run([*command, sys.executable, "-c", f"{leave}; import time; time.sleep(1.5)"], check=True)
    cost = json.loads((tmp_path / "cost.json").read_text())
    assert cost["code"] == 0
    assert cost["cpu_seconds"] > 0.3
    assert cost["peak"] > 5_000_000


def test_a_failure_is_passed_on(tmp_path):
    command = [sys.executable, str(ROOT / "benchmarks/measure.py"), "--to", str(tmp_path / "cost.json"), "--"]
    assert subprocess.run([*command, sys.executable, "-c", "raise SystemExit(3)"]).returncode == 3


def test_a_tool_that_cannot_be_installed_says_why(tmp_path, monkeypatch):
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho $1 >> \"$0.log\"; echo 'no wheel of it for this Python' >&2; [ $1 = venv ]\n")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    tool = tools.Tool("it", "says", ("it==1.0",), tools.TOOLS["naive"].command, tools.TOOLS["naive"].outcome)
    with pytest.raises(tools.NotInstalled, match=r"^no wheel of it for this Python$"):
        tools.environment(tool, tmp_path)
    assert (tmp_path / "uv.log").read_text().split() == ["venv", "pip"]


# ------------------------------------------------------------------------------------------------------ floors · report


def result(**counts):
    found = {"kept": 9, "empty": 0, "dropped": {"duplicate.exact": 1}, "chars": 90, "chars_removed": 10}
    found |= {"languages": {"de": 4, "en": 5}, "exact": 1, "exact_found": 1, "near": 0, "near_found": 0, "articles": 9}
    found |= {"articles_gone": 0, "language_right": 9, "article": 80, "article_lost": 0}
    found |= {"around": 20, "around_left": 10} | counts
    cost = {"seconds": 2.0, "cpu_seconds": 4.0, "peak": 10**8, "written": 10**6, "out": 10**6}
    tools = {
        name: {"says": f"the tool {name}", **cost, "counts": found}
        | {"mb_a_cpu_second": speed, "mb_a_second": 2 * speed, "documents_a_cpu_second": 100.0}
        for name, speed in (("tamis", 2.0), ("naive", 0.5))
    }
    said = {"workers": 2, "machine": "a machine", "date": "2026-11-29", "missing": {"dolma": "not installed: no wheel"}}
    return {"records": 10, "bytes": 20_000_000, "chars": 100, "digest": "abc", "tools": tools} | said


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "floors.toml"
    path.write_text(
        "# Why.\n[floors.it]\nmb_a_cpu_second = 1.5\nagainst_naive = 3.0\nexact_found_share = 1.0\n"
        "article_lost_share = 0.01\n"
    )
    return path


def test_floors_and_ceilings(file):
    assert floors.unmet("it", result(), file) == []
    wrong = floors.unmet("it", result(exact_found=0, article_lost=8), file)
    assert wrong == [
        "it: exact_found_share is 0.0000, its floor 1.0",
        "it: article_lost_share is 0.1000, its ceiling 0.01",
    ]


def test_less_work_is_seen(file):
    floors.record("it", result(), file)
    floors.record("other", result(), file)
    assert floors.unmet("it", result(), file) == []
    assert file.read_text().startswith("# Why.\n[floors.it]\nmb_a_cpu_second = 1.5\n")
    assert floors.unmet("it", result(chars_removed=9), file) == ["it: chars_removed is 9, recorded was 10"]
    assert floors.unmet("it", result() | {"digest": "xyz"}, file) == [
        "it: recorded of other documents (abc): record them anew"
    ]
    floors.record("it", result(chars_removed=9), file)
    assert floors.unmet("it", result(chars_removed=9), file) == []


def test_the_floors_that_are_there_can_be_met():
    tools = result()["tools"]
    known = set(floors.measures(result() | {"tools": tools | {"datatrove": tools["naive"]}}))
    assert {"mb_a_cpu_second", "against_naive"} <= known - set(floors.measures(result() | {"bytes": 10**6}))
    said = floors.tomllib.loads(floors.FILE.read_text("utf-8"))
    assert {measure for one in said["floors"].values() for measure in one} <= known


def test_a_run_is_shown(tmp_path):
    (tmp_path / "performance.md").write_text("# It\n\n<!-- pipelines -->\nold\n<!-- end of pipelines -->\n\nafter\n")
    report.record("articles", result(), tmp_path)
    report.record("pages", result(empty=2), tmp_path)
    page = (tmp_path / "performance.md").read_text()
    assert "old" not in page
    assert page.endswith("<!-- end of pipelines -->\n\nafter\n")
    assert "| naive | 0.500 | 100 | 1.000 | 4.0 | 100 | 1 | 1.0 | 4.00 |" in page
    assert (
        "| tamis | 9 | duplicate.exact 1 | 90.0% | 2: en 5 de 4 | 1 of 1 | 0 of 0 | 0 of 9 | 0.00% | 50.0% | 100.0% |"
        in page
    )
    assert "| tamis | 9 (2 empty) |" in page
    assert "dolma: not installed: no wheel." in page
    drawing = (tmp_path / "performance.svg").read_text()
    assert drawing.count("<rect") == 5
    assert re.findall(r'width="(\d+\.\d)"', drawing) == ["470.0", "117.5"] * 2


def test_a_run_of_few_documents_is_starting():
    cost = {"when": "", "peak": 10**8, "mb_a_cpu_second": 0.5, "counts": {"kept": 9}}
    runs = [cost | {"records": 20, "bytes": 10**5, "cpu_seconds": 4.0}]
    runs += [cost | {"records": 1_000, "bytes": 10**6, "cpu_seconds": 6.0}]
    assert capacity.shown(runs).splitlines()[2:] == [
        "| 20 | 0.1 | 4.0 | 200.00 |  | 0.50 | 100 | 9 |",
        "| 1,000 | 1.0 | 6.0 | 6.00 | 2.00 | 0.50 | 100 | 9 |",
    ]


# -------------------------------------------------------------------------------------------------------------- profile


def code_of(name, function, calls):
    """The code of a function as if it stood in that file."""
    made = {}
    exec(compile(f"def {function}(call):\n    return call()", f"/app/{name}", "exec"), made)
    return lambda: made[function](calls)


def test_a_stack_has_a_stage_and_a_function():
    def here():
        return profiling.where(sys._getframe(), "/app/")

    library = code_of("venv/ftfy.py", "fix", here)
    repair = code_of("transforms/encoding.py", "repair_text", library)
    prepare = code_of("transforms/pipeline.py", "prepare", code_of("transforms/encoding.py", "repair_encoding", repair))
    read = code_of("flows/stages/read.py", "read_piece", prepare)
    assert code_of("flows/step.py", "_do", read)() == ("repair_encoding", "transforms/encoding:repair_text")
    step = code_of("flows/step.py", "_do", code_of("flows/stages/read.py", "read_piece", library))
    assert step() == ("read_piece", "flows/stages/read:read_piece")
    assert code_of("flows/run.py", "plan", library)() == (profiling.OWN, "flows/run:plan")
    assert library() == (profiling.OWN, "outside Tamis")


def test_a_profile_is_in_milliseconds_a_megabyte():
    one = {"cpu_seconds": 4.0, "samples": 1_000, "stages": {"strip": 0.75, "sign": 0.25}, "functions": {"f": 1.0}}
    said = profiling.shown({"articles": one}, {"articles": 2.0}, {"CPU s": {"Python": 0.05}})
    lines = said.splitlines()
    rows = ["| all | 2000 |", "| MB a CPU second | 0.50 |", "| `strip` | 1500.0 |", "| `sign` | 500.0 |"]
    assert [line for line in lines if line.startswith("| ")][1 + 1 :][:4] == rows
    assert lines[-1] == "| Python | 0.05 |"


def test_half_of_the_first_documents_are_titles():
    some = profiling.some(list(documents.documents("articles", 4)))
    assert [one.text == one.title for one in some] == [False, True, False, True]


# --------------------------------------------------------------------------------------------------------------- report


def test_markers_must_be_there():
    with pytest.raises(ValueError, match="<!-- profile --> and <!-- end of profile -->"):
        report.replaced("nothing", "profile", "part")


def test_what_is_recorded_is_what_the_page_says():
    if not (report.DOCS / "performance.json").exists():
        pytest.skip("no run is recorded")
    results = json.loads((report.DOCS / "performance.json").read_text("utf-8"))
    page = (report.DOCS / "performance.md").read_text("utf-8")
    assert all(report.tables(name, one) in page for name, one in results.items())
    assert (
        hashlib.sha256(report.drawing(results).encode()).digest()
        == hashlib.sha256((report.DOCS / "performance.svg").read_bytes()).digest()
    )
