"""The command, as a person or a scheduler meets it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import article, curated_by, rows, write_jsonl

TAMIS = Path(sys.executable).with_name("tamis")


@pytest.fixture
def tamis(tmp_path):
    """Call the installed command in an empty folder."""

    def call(*arguments, cwd=tmp_path, **environment):
        env = os.environ | {"PREFECT_API_URL": "", "COLUMNS": "120"} | environment
        command = [TAMIS] if TAMIS.exists() else [sys.executable, "-m", "flows.cli"]
        return subprocess.run([*command, *map(str, arguments)], cwd=cwd, env=env, capture_output=True, check=False)

    return call


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    text = "Swans\r\n\r\nSwans\r\n\r\n" + article(1).replace("every", "fÃ¼r") + "\r\n<<:  The last tram\r\n"
    (folder / "raw").mkdir()
    (folder / "raw/swans.txt").write_bytes(text.encode())
    curated_by(folder / "raw", folder / "curated")
    return folder


def test_run_says_what_came_in_and_what_came_out(tamis, tmp_path):
    write_jsonl(tmp_path / "raw/a.jsonl", [{"url": f"https://e.example.org/{n}", "text": article(n)} for n in range(3)])
    done = tamis("run")
    assert done.returncode == 0, done.stderr.decode()
    said = done.stdout.decode()
    assert "3 records read = 3 kept + 0 rejected" in said
    version = json.loads((tmp_path / "curated/current.json").read_text())["version"]
    assert version in said
    assert str(tmp_path / "curated") in said.replace("\n", "")
    assert "Traceback" not in done.stderr.decode()
    again = tamis("run", "--json")
    assert again.returncode == 0
    assert json.loads(again.stdout)["published"] is False
    assert again.stderr == b""


def test_json_is_the_summary_and_nothing_else(tamis, tmp_path):
    write_jsonl(tmp_path / "in/a.jsonl", [{"text": article(1)}, {"text": ""}])
    done = tamis("run", "in", "out", "--json", "--workers", 1)
    summary = json.loads(done.stdout)
    assert (summary["documents"], summary["rejected_by_reason"], summary["total"]["rejected"]) == (1, {"empty": 1}, 1)
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "nowhere"], "nowhere is missing"),
        (["run", "empty"], "empty: expected files of .txt"),
        (["run", "file.txt"], "not a folder"),
        (["run", "full", "file.txt"], "not a folder"),
        (["run", "full", "--config", "none.toml"], "none.toml can't be read"),
        (["run", "full", "--config", "broken.toml"], "not TOML"),
        (["run", "full", "--config", "unknown.toml"], "unknown key 'sharp_bytes'; known here: boilerplate"),
        (["run", "full", "--config", "wrong.toml"], "'shard_bytes' is 'many', expected int"),
        (["run", "full", "--workers", "-1"], "--workers"),
        (["run", "full", "--engine", "dask"], "'engine' is 'dask', expected one of: local, inline"),
        (["serve", "--cron", "0 3 * * *", "full"], "prefect server start"),
        (["run", "full", "--frobnicate"], "--frobnicate"),
        (["sieve"], "sieve"),
        (["verify", "nowhere"], "no dataset in nowhere"),
        (["restore", "abc"], "no dataset in curated"),
        (["explain", "abc"], "no dataset in curated"),
        (["templates"], "no dataset in curated"),
        (["rejects"], "no dataset in curated"),
    ],
)
def test_wrong_calls_are_one_clear_line_and_exit_2(tamis, tmp_path, arguments, said):
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/a.txt").write_text(article(1))
    (tmp_path / "file.txt").write_text("a file")
    (tmp_path / "broken.toml").write_text("= nothing")
    (tmp_path / "unknown.toml").write_text("sharp_bytes = 1")
    (tmp_path / "wrong.toml").write_text('shard_bytes = "many"')
    done = tamis(*arguments)
    error = done.stderr.decode()
    assert done.returncode == 2, error
    assert said in error.replace("\n", " ")
    assert "Traceback" not in error


def test_restore_gives_the_file_back(tamis, dataset):
    (row,) = rows(dataset / "curated")
    assert "für" in row["text"]
    done = tamis("restore", row["id"], cwd=dataset)
    assert done.stdout == (dataset / "raw/swans.txt").read_bytes()
    assert tamis("restore", "0" * 32, cwd=dataset).returncode == 2


def test_restore_of_a_record_that_could_not_be_read_says_so(tamis, tmp_path):
    write_jsonl(tmp_path / "raw/a.jsonl", [{"text": article(1)}, {"text": None}])
    assert tamis("run", "--engine", "inline").returncode == 0
    (row,) = rows(tmp_path / "curated", "rejected")
    done = tamis("restore", row["id"])
    assert (done.returncode, done.stdout) == (2, b"")
    assert "could not be read (read.no_text): it has no original" in done.stderr.decode()


def test_explain_shows_what_went_and_why(tamis, dataset):
    (row,) = rows(dataset / "curated")
    for what in (row["id"], "raw/swans.txt"):
        done = tamis("explain", what, cwd=dataset)
        said = done.stdout.decode()
        assert done.returncode == 0, done.stderr.decode()
        for expected in ("boilerplate.title_repeat", "encoding.mojibake", "boilerplate.navigation", "The last tram"):
            assert expected in said
        assert "previous_title: The last tram" in said


def test_explain_says_why_a_line_goes_or_stays(tamis, dataset):
    (row,) = rows(dataset / "curated")
    for what in (row["id"], "raw/swans.txt"):
        said = tamis("explain", what, "--why", "The last tram", cwd=dataset).stdout.decode()
        assert "tail · navigation." in said
        assert "goes: boilerplate.navigation" in said
        said = tamis("explain", what, "--why", row["text"].split("\n")[-2][:20], cwd=dataset).stdout.decode()
        assert "paragraph of prose" in said
        assert "stays: no rule takes it" in said
    done = tamis("explain", row["id"], "--why", "no such line", cwd=dataset)
    assert (done.returncode, done.stdout) == (2, b"")


def test_verify(tamis, dataset, tmp_path):
    assert tamis("verify", "curated", cwd=dataset).returncode == 0
    current = json.loads((dataset / "curated/current.json").read_text())
    broken = dataset / "curated" / current["documents"][0]
    content = broken.read_bytes()
    try:
        broken.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
        done = tamis("verify", "curated", cwd=dataset)
    finally:
        broken.write_bytes(content)
    assert done.returncode == 3
    assert broken.name in done.stderr.decode()


def test_help_names_every_command(tamis):
    done = tamis("--help")
    assert done.returncode == 0
    for command in ("run", "verify", "restore", "explain", "templates", "rejects"):
        assert command in done.stdout.decode()


def test_ctrl_c_ends_at_once_with_130_and_the_next_run_goes_on(tamis, tmp_path):
    """As a terminal sends it: to the whole group."""
    write_jsonl(tmp_path / "raw/a.jsonl", [{"text": article(n)} for n in range(300)])
    ignored = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        job = subprocess.Popen(
            [TAMIS, "run"],
            cwd=tmp_path,
            env=os.environ | {"PREFECT_API_URL": ""},
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    finally:
        signal.signal(signal.SIGINT, ignored)
    deadline = time.monotonic() + 60
    while not (tmp_path / "curated/.staging").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(job.pid, signal.SIGINT)
    _, said = job.communicate(timeout=30)
    assert job.returncode == 130, said.decode()
    assert "interrupted" in said.decode()
    assert not (tmp_path / "curated/current.json").exists()
    assert tamis("run", "--json").returncode == 0
