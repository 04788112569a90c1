"""A piece whose work fails: it fails alone, nothing is published without a word, and it is tried again."""

import os
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from flows import engines
from flows.stages import clean, read
from flows.step import Done
from flows.store import Store
from flows.versions.checks import verify
from tests.conftest import article, rows
from transforms.errors import RefusedError, ShardError

# Each file is a piece.
CONFIG = {"shard_bytes": 1}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    (tmp_path / "raw").mkdir()
    for number in range(4):
        (tmp_path / f"raw/{number}.txt").write_text(article(number))
    return tmp_path / "raw"


def poison(monkeypatch: pytest.MonkeyPatch, stage: str, error: Exception) -> list[int]:
    """From now on the work on `2.txt` fails in a stage; how often the stage was at work on others."""
    module = {"read": read, "clean": clean}[stage]
    name = {"read": "read_piece", "clean": "clean_piece"}[stage]
    real, others = getattr(module, name), []

    def failing(work: Any, *args: Any, **settings: Any) -> Any:
        if stage == "read":
            is_poison = any(part[0] == "2.txt" and not part[-1] for part in settings["parts"])
        else:
            table = clean.read_rows(work.store, args[0] if args else settings["records"])
            is_poison = article(2) in table["original"].to_pylist()
        if is_poison:
            raise error
        others.append(1)
        return real(work, *args, **settings)

    failing.__module__, failing.__qualname__ = real.__module__, real.__qualname__
    failing.__name__ = real.__name__
    monkeypatch.setattr(module, name, failing)
    return others


@pytest.mark.parametrize("stage", ["read", "clean"])
def test_it_fails_alone_and_nothing_is_published(raw, tmp_path, run, monkeypatch, stage):
    others = poison(monkeypatch, stage, ValueError("a bug of ours"))
    with pytest.raises(ShardError, match=f"{stage}: 1 of 4 failed, the first: ValueError: a bug of ours"):
        run(raw, tmp_path / "curated", CONFIG)
    assert len(others) == 3
    assert not (tmp_path / "curated/current.json").exists()


@pytest.mark.parametrize("stage", ["read", "clean"])
def test_if_allowed_it_stands_as_rejected_until_it_is_mended(raw, tmp_path, run, monkeypatch, stage):
    curated = tmp_path / "curated"
    with monkeypatch.context() as patch:
        poison(patch, stage, ValueError("a bug of ours"))
        summary = run(raw, curated, CONFIG, allow_failed_shards=True)
        assert (summary["documents"], summary["failed_shards"]) == (3, 1)
        (row,) = rows(curated, "rejected")
        found = (row["source_path"], row["source_record"], row["reject_reason"], row["reject_detail"])
        assert found == ("2.txt", None, "read.shard_failed", "2.txt: ValueError: a bug of ours")
        verify(Store(curated))
        # Again the next night, and no second row of it.
        (raw / "4.txt").write_text(article(4))
        assert run(raw, curated, CONFIG, allow_failed_shards=True)["documents"] == 1
        assert [row["source_path"] for row in rows(curated, "rejected")] == ["2.txt"]
        (raw / "5.txt").write_text(article(5))
        with pytest.raises(ShardError, match="a bug of ours"):
            run(raw, curated, CONFIG)
    summary = run(raw, curated, CONFIG)
    assert (summary["documents"], summary["failed_shards"]) == (2, 0)
    assert len(rows(curated)) == 6
    assert [row["reject_reason"] for row in rows(curated, "rejected")] in ([], ["superseded"])
    verify(Store(curated))
    assert run(raw, curated, CONFIG)["published"] is False


def test_where_all_fail_nothing_is_published(raw, tmp_path, run, monkeypatch):
    def failing(work: Any, *args: Any, **settings: Any) -> Any:
        raise ValueError("all of it")

    monkeypatch.setattr(clean, "clean_piece", failing)
    with pytest.raises((RefusedError, ShardError)):
        run(raw, tmp_path / "curated", CONFIG, allow_failed_shards=True)
    assert not (tmp_path / "curated/current.json").exists()


def test_a_refusal_is_one_whatever_is_allowed(raw, tmp_path, run, monkeypatch):
    poison(monkeypatch, "read", RefusedError("changed while it was read"))
    with pytest.raises(RefusedError, match="changed while it was read"):
        run(raw, tmp_path / "curated", CONFIG, allow_failed_shards=True)


# A worker imports this, and dies at one piece every time, or once.
DYING = """
import os
from flows import run
from flows.stages import clean

real = clean.clean_piece

def clean_piece(work, records, **settings):
    marked = os.path.join({folder!r}, "died")
    if {text!r} in clean.read_rows(work.store, records)["original"].to_pylist():
        if {always} or not os.path.exists(marked):
            open(marked, "a").write(".")
            os.kill(os.getpid(), 9)
    return real(work, records, **settings)

if __name__ == "__main__":
    import dying
    from flows import cli, engines
    engines.BACK_OFF = (0.1, 0.1)
    run.clean.clean_piece = dying.clean_piece
    cli.main()
"""


def dying(folder: Path, *arguments: str, always: bool, **environment: str) -> "subprocess.CompletedProcess[str]":
    script = DYING.replace("{folder!r}", repr(str(folder))).replace("{text!r}", repr(article(2)))
    (folder / "dying.py").write_text(script.replace("{always}", str(always)))
    (folder / "config.toml").write_text("shard_bytes = 1")
    command = [sys.executable, "dying.py", "run", "raw", "curated", "--config", "config.toml", "--json", *arguments]
    env = os.environ | {"PREFECT_API_URL": ""} | environment
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture(params=["alone", pytest.param("in Prefect", marks=pytest.mark.flow)])
def api(request: pytest.FixtureRequest) -> str:
    return "" if request.param == "alone" else str(request.getfixturevalue("prefect_api"))


def test_a_lost_worker_costs_a_try(raw, tmp_path, api):
    done = dying(tmp_path, always=False, PREFECT_API_URL=api)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "died").read_text() == "."
    assert len(rows(tmp_path / "curated")) == 4


def test_a_piece_that_ends_every_worker_fails_alone(raw, tmp_path, api):
    done = dying(tmp_path, always=True, PREFECT_API_URL=api)
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert (tmp_path / "died").read_text() == "..."
    assert "clean: 1 of 4 failed, the first: its worker process died 3 times" in done.stderr
    done = dying(tmp_path, "--allow-failed-shards", always=True, PREFECT_API_URL=api)
    assert done.returncode == 0, done.stderr
    assert [row["reject_reason"] for row in rows(tmp_path / "curated", "rejected")] == ["read.shard_failed"]
    assert len(rows(tmp_path / "curated")) == 3


@pytest.mark.flow
def test_many_steps_ride_in_few_tasks(prefect_api):
    """A server bears a thousand task runs a flow: of a stage with any number of steps there are forty at the most."""
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName

    class AtOnce:
        def submit(self, step: Any, store: Any) -> "Future[Done]":
            future: Future[Done] = Future()
            future.set_result(Done({}, {"step": step}, 0.0, 0.0))
            return future

    seen: list[Done] = []

    @flow(name="many", flow_run_name="many-steps")
    def many() -> list[Done]:
        return engines._tasks(AtOnce())("read", list(range(1_000)), None, seen.append)

    assert [done.counts["step"] for done in many()] == list(range(1_000))
    assert len(seen) == 1_000
    wanted = {f"read {first}-{first + 24} of 1000" for first in range(1, 1_000, 25)}
    assert len(wanted) == engines.MOST_TASKS
    named = FlowRunFilter(name=FlowRunFilterName(any_=["many-steps"]))
    with get_client(sync_client=True) as client:
        for _ in range(100):  # tasks are written down a while later, and their names later still
            names = sorted(task.name for task in client.read_task_runs(flow_run_filter=named))
            if names == sorted(wanted):
                break
            time.sleep(0.3)
    assert names == sorted(wanted)
