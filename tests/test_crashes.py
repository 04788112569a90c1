"""Readers that end their process: its death costs one record or one file, and nobody but the reader is blamed."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows import engines, processes
from flows.inputs import list_inputs
from flows.processes import Died, Lost, in_child
from flows.readers import Reading
from flows.readers.guard import guarded
from flows.readers.records import Record
from flows.shards import plan_pieces, whole_part
from flows.stages import clean, read
from flows.step import Done, Step, Work, finished, run_step
from flows.store import Ref, Store
from flows.tables import read_rows
from tests import crashing
from tests.conftest import Run, article, rows, tree, write_jsonl
from transforms.config import Config, Limits
from transforms.errors import RecordError, ShardError

# ------------------------------------------------------------------------------------------------------------ children


@pytest.mark.parametrize(("how", "said"), [("abort", "SIGABRT"), ("segfault", "SIGSEGV"), ("exit", "exit code 3")])
def test_a_child_that_dies_has_answered_what_came_before(how: str, said: str) -> None:
    found: list[int] = []
    with pytest.raises(Died) as death:
        found.extend(in_child(crashing.answers, how))
    assert (found, death.value.how) == ([1, 2], said)


def test_a_child_raises_what_it_raised() -> None:
    with pytest.raises(RecordError, match="on purpose"):
        list(in_child(crashing.answers, "raise"))


@pytest.mark.skipif(sys.platform != "linux", reason="no such limit")
def test_a_child_may_not_allocate_without_end() -> None:
    with pytest.raises(Died) as death:
        list(in_child(crashing.answers, "memory"))
    assert death.value.how == "out of memory"


def test_a_child_that_never_began_is_nobodys_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_answer", crashing.end)
    with pytest.raises(ShardError, match="a process could not be started"):
        list(in_child(crashing.answers, "pid"))


def test_a_child_ends_when_nobody_asks_any_more() -> None:
    answers = in_child(crashing.answers, "pid")
    *_, pid = (next(answers) for _ in range(3))
    os.kill(pid, 0)
    answers.close()  # type: ignore[attr-defined]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_an_end_of_all_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = in_child(crashing.answers, "loop")
    next(answers), next(answers)
    processes.end_processes()
    try:
        with pytest.raises(KeyboardInterrupt):
            next(answers)
    finally:
        processes.allow_processes()


# ------------------------------------------------------------------------------------------------------------- reading


def read_guarded(folder: Path, contents: dict[str, str], limits: Limits | None = None) -> list[list[Record]]:
    for name, content in contents.items():
        (folder / name).write_text(content)
    store = Store(folder / "curated", folder)
    parts = [whole_part(file) for file in list_inputs(store).files]
    config = Config(limits=limits or Limits())
    found = []
    for reading in guarded(store, parts, config, crashing.Reading):
        found.append(list(reading))
        assert reading.said()["blocks"]
        assert reading.said()["is_read"]
    return found


def seen(records: list[Record]) -> list[tuple[str | None, str | None]]:
    return [(record.source_record, record.reject_reason) for record in records]


def test_a_page_that_ends_the_process_is_one_record(tmp_path: Path) -> None:
    [records] = read_guarded(tmp_path, {"a.txt": "a\npage abort\nb\npage segfault\npage memory\nc"})
    assert seen(records) == [
        *[("0", "empty"), ("1", "read.crashed"), ("2", "empty")],
        *[("3", "read.crashed"), ("4", "read.crashed"), ("5", "empty")],
    ]
    assert str(records[4].reject_detail).startswith("the process that read it ended, out of memory, ")
    assert records[1].reject_detail == "the process that read it ended, SIGABRT, 2 times"


def test_a_reader_that_ends_the_process_costs_the_rest_of_its_file(tmp_path: Path) -> None:
    contents = {"a.txt": "a\nb\ncrash segfault\nc", "b.txt": "crash abort", "c.txt": "a\nb"}
    first, second, third = read_guarded(tmp_path, contents)
    assert seen(first) == [("0", "empty"), ("1", "empty"), (None, "read.crashed")]
    assert first[2].reject_detail == "a.txt: after 2 records: the process that read it ended, SIGSEGV, 2 times"
    assert first[2].raw_head == contents["a.txt"].encode()
    assert seen(second) == [(None, "read.crashed")]
    assert seen(third) == [("0", "empty"), ("1", "empty")]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="a platform without such clocks")
def test_a_loop_without_end_is_ended(tmp_path: Path) -> None:
    contents = {"a.txt": "a\npage loop\nb", "b.txt": "a\ncrash loop"}
    first, second = read_guarded(tmp_path, contents, Limits(read_seconds=1))
    assert seen(first) == [("0", "empty"), ("1", "limit.read_seconds"), ("2", "empty")]
    assert first[1].reject_detail == "more than 1 seconds of CPU time"
    assert seen(second) == [("0", "empty"), (None, "limit.read_seconds")]


def test_a_child_that_somebody_ended_once_is_not_blamed(tmp_path: Path) -> None:
    [records] = read_guarded(tmp_path, {"a.txt": "a\ncrash once\npage once\nb"})
    assert seen(records) == [(str(n), "empty") for n in range(4)]


def raw_parquet(folder: Path, rows: int = 300) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.table({"text": [article(n) for n in range(rows)]})
    pq.write_table(table, folder / "a.parquet", row_group_size=50)
    return folder


PAGE = f"<!doctype html><title>T</title><body><p>{article(4)}<p>{article(5)}</body>"


def test_a_page_of_a_jsonl_that_ends_the_process_is_one_record(tmp_path: Path) -> None:
    pytest.importorskip("turbohtml")
    deadly = PAGE.replace("<p>", "<p>segfault ")
    urls = [f"https://example.org/{n}" for n in range(5)]
    pages = [{"url": url, "text": deadly if n in (1, 3) else PAGE} for n, url in enumerate(urls)]
    write_jsonl(tmp_path / "a.jsonl", pages)
    store = Store(tmp_path / "curated", tmp_path)
    parts = [whole_part(file) for file in list_inputs(store).files]
    [(records, said)] = [
        (list(reading), reading.said()) for reading in guarded(store, parts, Config(), crashing.with_deadly_pages)
    ]
    assert [record.reject_reason for record in records] == [None, "read.crashed", None, "read.crashed", None]
    assert [record.source_record for record in records] == ["1", "2", "3", "4", "5"]
    assert [record.url for record in records] == urls
    assert (said["lines"], said["is_read"]) == (5, True)
    assert len(said["blocks"]) == 1


def test_a_child_reads_what_the_process_itself_reads(tmp_path: Path) -> None:
    raw_parquet(tmp_path)
    write_jsonl(tmp_path / "b.jsonl", [{"text": article(1)}, {"datum": "x"}])
    (tmp_path / "c.txt").write_text(article(2))
    (tmp_path / "d.html").write_text(PAGE)
    write_jsonl(tmp_path / "e.jsonl", [{"text": PAGE}, {"text": article(3)}, {"text": PAGE}])
    store = Store(tmp_path / "curated", tmp_path)
    parts = [whole_part(file) for file in list_inputs(store).files]
    there = [(list(reading), reading.said()) for reading in guarded(store, parts, Config(), Reading)]
    here = [(list(reading), reading.said()) for part in parts for reading in [Reading(store, part, Config())]]
    assert there == here
    assert [len(records) for records, _ in here] == [300, 2, 1, 1, 3]


def test_cuts_are_the_same_in_a_child_that_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "curated", raw_parquet(tmp_path / "raw"))
    inputs = list_inputs(store).files
    assert len([part for piece in plan_pieces(store, inputs, 10_000) for part in piece]) > 1

    def dies(*_: object) -> None:
        raise Died(-signal.SIGSEGV)

    monkeypatch.setattr("flows.shards.in_child", dies)
    assert plan_pieces(store, inputs, 10_000) == [(whole_part(inputs[0]),)]


# --------------------------------------------------------------------------------------------------------------- steps


def piece(raw: Path, store: Store) -> Step:
    [file] = list_inputs(store).files
    settings = {"parts": [list(whole_part(file))], "config": Config(), "before": "2027-01-01T00:00:00+00:00"}
    return Step(read.read_piece, {"raw": [file.ref]}, settings)


class Gone(BaseException):
    """As a crash: nothing happens after it."""


def test_a_try_that_never_came_back_is_followed_by_a_careful_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "curated", raw_parquet(tmp_path / "raw"))
    step = piece(tmp_path / "raw", store)
    with monkeypatch.context() as patch:
        patch.setattr("flows.step.Work.unmark", lambda self: None)
        patch.setattr("flows.readers.parquet.read_rows", _gone)
        with pytest.raises(Gone):
            run_step(step, store)
    assert finished(step, store) is None
    assert Work(store, step.key).was_ended
    with monkeypatch.context() as patch:  # it doesn't reach the child
        patch.setattr("flows.readers.parquet.read_rows", _gone)
        careful = run_step(step, store)
    other = Store(tmp_path / "other", tmp_path / "raw")
    plain = run_step(step, other)
    assert (careful.outputs, careful.counts) == (plain.outputs, plain.counts)
    assert not Work(other, f"{step.key}-2").was_ended


def _gone(*_: object) -> None:
    raise Gone


def test_a_try_that_came_back_by_an_error_leaves_no_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "curated", raw_parquet(tmp_path / "raw"))
    step = piece(tmp_path / "raw", store)
    monkeypatch.setattr("flows.readers.parquet.read_rows", _gone)
    with pytest.raises(Gone):
        run_step(step, store)
    assert not Work(store, step.key).was_ended


def test_lines_leave_no_mark(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "raw/a.jsonl", [{"text": article(1)}])
    store = Store(tmp_path / "curated", tmp_path / "raw")
    step = piece(tmp_path / "raw", store)
    run_step(step, store)
    assert [key.rpartition("/")[2].partition("-")[0] for key in store.keys(step.key)] == [
        *("done.json", "facts", "lines", "records"),
    ]


def test_a_worker_that_a_reader_ends_costs_one_record(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/a.txt").write_text("a\npage segfault\nb\ncrash abort\nc")
    store = Store(tmp_path / "curated", tmp_path / "raw")
    step = piece(tmp_path / "raw", store)
    step = Step(crashing.read_piece, step.inputs, step.settings)
    with engines.started(1) as workers:
        done = do(workers, step, store)
    records = read_rows(store, done["records-00000.arrow"])
    assert list(zip(*(records[name].to_pylist() for name in ("source_record", "reject_reason")), strict=True)) == [
        *[("0", "empty"), ("1", "read.crashed"), ("2", "empty")],
        (None, "read.crashed"),
    ]


# A Parquet of which a column's metadata ends the process of who looks at it.
ABORTS = Path(__file__).parent / "data/fuzz/parquet/aborts.parquet"
RUN = 'from flows.curate import curate; curate("raw", "curated", engine="inline")'


def raw_that_aborts(folder: Path) -> Path:
    try:
        list(in_child(crashing.columns_of, str(ABORTS)))
    except Died:
        pass
    else:
        pytest.skip("this pyarrow reads it")
    raw = raw_parquet(folder / "raw", 10)
    (raw / "b.parquet").write_bytes(ABORTS.read_bytes())
    return raw


def published(curated: Path) -> tuple[int, list[tuple[str, str, str]]]:
    found = [(row["source_path"], row["reject_reason"], row["reject_detail"]) for row in rows(curated, "rejected")]
    return len(rows(curated)), found


CRASHED = (
    "b.parquet",
    "read.crashed",
    "b.parquet: nothing of it could be read: the process that read it ended, SIGABRT, 2 times",
)


def test_fault_30_a_run_that_a_file_ended_is_followed_by_one_that_publishes(tmp_path: Path) -> None:
    raw_that_aborts(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    runs = [subprocess.run([sys.executable, "-c", RUN], cwd=tmp_path, env=environment, check=False) for _ in range(2)]
    assert [run.returncode for run in runs] == [-signal.SIGABRT, 0]
    assert published(tmp_path / "curated") == (10, [CRASHED])


def test_fault_30_a_file_that_ends_its_worker_is_one_rejected_record(tmp_path: Path, run_local: Run, run: Run) -> None:
    raw = raw_that_aborts(tmp_path)
    # so small that the planner looks at the footer
    summary = run_local(raw, tmp_path / "curated", config={"shard_bytes": 1_000})
    assert published(tmp_path / "curated") == (10, [CRASHED])
    assert summary["version"] is not None
    before = tree(tmp_path / "curated")
    run(raw, tmp_path / "curated", config={"shard_bytes": 1_000})  # nothing new: the file is known, and not read again
    assert tree(tmp_path / "curated") == before


def dying(folder: Path, tries: int) -> tuple[Step, Store]:
    (folder / "raw").mkdir(parents=True)
    (folder / "tried").mkdir()
    (folder / "raw/a.txt").write_text(str(folder / "tried"))
    return Step(crashing.die_until, {"raw": Ref("raw", "a.txt", "a")}, {"tries": tries}), Store(
        folder / "curated", folder / "raw"
    )


def do(workers: engines.Workers, step: Step, store: Store) -> Done:
    """A step, with as many tries as a run gives it."""
    (done,) = engines._alone(workers)("stage", [step], store, lambda done: None)
    return done


def test_a_worker_that_dies_is_replaced_and_its_step_tried_again(tmp_path: Path) -> None:
    step, store = dying(tmp_path / "a", 1)
    other, others = dying(tmp_path / "b", 0)
    with engines.started(1) as workers:
        assert do(workers, other, others).counts == {"tried": 0, "modules": False}
        assert do(workers, step, store).counts == {"tried": 1, "modules": False}


def test_a_step_whose_worker_dies_each_time_is_given_up(tmp_path: Path) -> None:
    step, store = dying(tmp_path / "a", 100)
    other, others = dying(tmp_path / "b", 0)
    with engines.started(1) as workers:
        with pytest.raises(engines.StepsFailed, match="its worker process died 3 times"):
            do(workers, step, store)
        assert do(workers, other, others).counts["tried"] == 0
    assert len(list((tmp_path / "a/tried").iterdir())) == len(engines.BACK_OFF) + 1


def test_no_worker_is_started_after_the_end(tmp_path: Path) -> None:
    step, store = dying(tmp_path / "a", 0)
    with engines.started(1) as workers:
        processes.end_processes()
        try:
            with pytest.raises(Lost):
                workers.submit(step, store).result()
        finally:
            processes.allow_processes()
    assert not list((tmp_path / "a/tried").iterdir())


def test_a_template_that_was_ended_is_replaced_and_its_workers_go_on(tmp_path: Path) -> None:
    (step, store), (other, others) = (dying(tmp_path / name, 0) for name in "ab")
    with processes.Template(int) as template:
        first = template.start()
        assert template.process is not None
        template.process.kill()
        template.process.join()
        assert first.do(run_step, step, store).counts["tried"] == 0
        second = template.start()
        assert second.do(run_step, other, others).counts["tried"] == 0
        second.end()
        first.end()


@pytest.mark.skipif(not processes.CAN_FORK, reason="a platform without templates")
def test_a_commands_template_is_taken_once_and_ends_if_none_takes_it(tmp_path: Path) -> None:
    with processes.early_template():
        pass
    with processes.early_template():
        kinds = []
        for _ in range(2):
            with processes.Template(int) as template:
                worker = template.start()
                assert worker.do(run_step, Step(crashing.look_round, {}), Store(tmp_path)).counts["threads"]
                kinds.append(type(template.process).__name__)
                worker.end()
    assert kinds == ["_Forked", "_Child"]


@pytest.mark.skipif(not processes.CAN_FORK, reason="a platform without templates")
def test_what_is_forked_has_no_thread_but_that_which_watches_its_parent(tmp_path: Path) -> None:
    with engines.started(1, partial(clean.load, Config())) as workers:
        found = workers.submit(Step(crashing.look_round, {}), Store(tmp_path)).result().counts
    # je_arrow's own, which sees to it itself; Arrow's default here is another allocator
    assert [name for name in found["threads"] if not name.startswith("jemalloc")] == ["python"] * 2
    assert found["is_loaded"]


def test_what_a_step_says_can_not_be_sent_is_its_failure(tmp_path: Path) -> None:
    with engines.started(1) as workers:
        with pytest.raises(ShardError, match="a lock"):
            workers.submit(Step(crashing.unsendable, {}), Store(tmp_path)).result()
        assert workers.submit(Step(crashing.look_round, {}), Store(tmp_path)).result().counts["threads"]
