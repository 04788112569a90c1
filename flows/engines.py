"""Where steps are done: `inline`, one after the other in this process, or `local`, in worker processes.

The same workers do the same steps whether Prefect watches or not. Where it does, a task is a batch of a stage's steps,
so that a run stays far below the thousand task runs that a server bears, and a task that lost a worker is retried;
where it doesn't, the engine tries again itself. The workers import `transforms`, never Prefect: its own process runner
costs 60-130 ms a task, a thread that waits for a worker 5.

A worker that dies is replaced, and its step tried again: what killed it may have been a person, or the memory that
others took. A step that reads finds the mark of its earlier try, and is more careful (flows/readers/guard.py). A step
that fails all the same fails alone: the others of its stage are done before the run is told.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from flows.processes import Lost, Template, Worker, allow_processes, are_ended, end_processes
from flows.step import Done, Step, run_step
from flows.store import Store
from transforms.errors import ConfigError, CurationError, RefusedError, ShardError

# Seconds before each further try of a step whose worker died: what took its memory may be gone by then.
BACK_OFF = (1.0, 5.0)
# Seconds for which a step waits for a worker that is at work, before another is started.
MOMENT = 0.3
# Tasks of a stage, at most: a run has some twenty stages, a third of them of many steps.
MOST_TASKS = 40
# Called with each step that is done.
Tell = Callable[[Done], None]
# Imports and loads, once, what workers need; it can be sent to another process.
Prepare = Callable[[], object]


class StepsFailed(ShardError):
    """Some steps of a stage failed; `failures`, why, by their number among all. The others are done."""

    def __init__(self, message: str, failures: Mapping[int, BaseException]) -> None:
        super().__init__(message)
        self.failures = failures


class Engine(Protocol):
    """Does the steps of a stage, in any order; what they said, in order.

    Raises: StepsFailed where any failed; RefusedError, ConfigError where that is what one raised.
    """

    def __call__(self, stage: str, steps: Sequence[Step], store: Store, tell: Tell) -> list[Done]: ...


def inline(stage: str, steps: Sequence[Step], store: Store, tell: Tell) -> list[Done]:
    """One after the other, in this process."""
    done: dict[int, Done] = {}
    failures: dict[int, BaseException] = {}
    for number, step in enumerate(steps):
        try:
            done[number] = run_step(step, store)
        except Exception as error:
            failures[number] = error
        else:
            tell(done[number])
    return _all(stage, done, failures, len(steps))


class Workers:
    """Processes that do steps; the death of one costs no other step anything.

    One is started only where none comes free for a moment: many a night's steps take milliseconds.
    """

    def __init__(self, count: int, template: Template) -> None:
        self.count, self.started, self.template = count, 0, template
        self.lock = threading.Lock()
        self.free: SimpleQueue[Worker] = SimpleQueue()
        self.threads = ThreadPoolExecutor(count, "tamis-worker")  # each waits for a process

    def submit(self, step: Step, store: Store) -> "Future[Done]":
        """Have a step done; the future raises what it raises, and Lost where its process ended."""
        return self.threads.submit(self._run, step, store)

    def _run(self, step: Step, store: Store) -> Done:
        if are_ended():
            raise Lost
        worker = self._take()
        try:
            done: Done = worker.do(run_step, step, store)
        except Lost:
            self._lost()
            raise
        except BaseException:
            self.free.put(worker)
            raise
        self.free.put(worker)
        return done

    def _take(self) -> Worker:
        try:
            return self.free.get(timeout=MOMENT if self.started else 0)
        except Empty:
            with self.lock:
                is_new = self.started < self.count
                self.started += is_new
        if not is_new:  # fewer than all are at work: as many threads as processes ask
            return self.free.get()
        try:
            return self.template.start()
        except BaseException:
            self._lost()
            raise

    def _lost(self) -> None:
        with self.lock:
            self.started -= 1

    def end(self) -> None:
        """Wait for what is at work, then for the processes' end."""
        self.threads.shutdown(wait=True, cancel_futures=True)
        for _ in range(self.started):
            self.free.get().end()


class _Batch:
    """Steps that are waited for together; what was done in one try is not done in the next."""

    def __init__(self, workers: Workers, steps: Mapping[int, Step], store: Store, tell: Tell) -> None:
        self.workers, self.steps, self.store, self.tell = workers, steps, store, tell
        self.done: dict[int, Done] = {}
        self.failures: dict[int, BaseException] = {}

    def attempt(self) -> None:
        """Do what is left. Raises: Lost where a worker died, so that another try may help."""
        left = {number: step for number, step in self.steps.items() if number not in self.done}
        self.failures = {}
        futures = {self.workers.submit(step, self.store): number for number, step in left.items()}
        for future in as_completed(futures):
            try:
                done = future.result()
            except Exception as error:
                self.failures[futures[future]] = error
            else:
                self.done[futures[future]] = done
                self.tell(done)
        if any(map(_is_loss, self.failures.values())) and not are_ended():
            raise Lost


def _is_loss(error: BaseException) -> bool:
    return isinstance(error, Lost)


@contextmanager
def engine_of(name: str, workers: int, prepare: Prepare, *, in_prefect: bool) -> Iterator[Engine]:
    """The engine of this name, with so many workers (0: one a core), for which `prepare` loads what they need;
    `in_prefect`, within a flow, as tasks of it."""
    allow_processes()
    if name == "inline":
        yield inline
        return
    with started(workers or default_workers(), prepare) as processes:
        yield _tasks(processes) if in_prefect else _alone(processes)


def _alone(workers: Workers) -> Engine:
    """The engine without Prefect."""

    def run(stage: str, steps: Sequence[Step], store: Store, tell: Tell) -> list[Done]:
        batch = _Batch(workers, dict(enumerate(steps)), store, tell)
        for wait in (*BACK_OFF, None):
            try:
                batch.attempt()
                break
            except Lost:
                if wait is None:
                    break
                time.sleep(wait)
        return _all(stage, batch.done, batch.failures, len(steps))

    return run


def _tasks(workers: Workers) -> Engine:
    """The engine within a flow of Prefect's: a task a batch of steps."""
    from prefect import task
    from prefect.cache_policies import NO_CACHE

    def run(stage: str, steps: Sequence[Step], store: Store, tell: Tell) -> list[Done]:
        said: SimpleQueue[Done | None] = SimpleQueue()  # told where the run waits, not in the tasks' threads
        size = -(-len(steps) // MOST_TASKS)
        batches: dict[str, _Batch] = {}
        for first in range(0, len(steps), size):
            batch = dict(enumerate(steps[first : first + size], first))
            shards = str(first + 1) if len(batch) == 1 else f"{first + 1}-{first + len(batch)}"
            batches[f"{shards} of {len(steps)}"] = _Batch(workers, batch, store, said.put)

        @task(
            name=stage,
            task_run_name=f"{stage} {{shards}}",
            cache_policy=NO_CACHE,
            persist_result=False,
            retries=len(BACK_OFF),
            retry_delay_seconds=list(BACK_OFF),
            retry_condition_fn=lambda task, run, state: _is_loss(_failure(state)) and not are_ended(),
        )
        def work(shards: str) -> None:
            batches[shards].attempt()
            if batches[shards].failures:  # Prefect shows it as failed, and tries no more
                raise next(iter(batches[shards].failures.values()))

        futures = [work.submit(shards) for shards in batches]
        for future in futures:
            future.add_done_callback(lambda _: said.put(None))
        for _ in futures:
            while (one := said.get()) is not None:
                tell(one)
        for future in futures:
            future.wait()  # till its state is known: the callback comes before
        states = [future.state for future in futures]
        failures = {number: error for batch in batches.values() for number, error in batch.failures.items()}
        if not failures:  # a task that never came to its steps
            failures = {-1 - at: _failure(state) for at, state in enumerate(states) if not state.is_completed()}
        done = {number: each for batch in batches.values() for number, each in batch.done.items()}
        return _all(stage, done, failures, len(steps))

    return run


def _failure(state: Any) -> BaseException:
    error = state.result(raise_on_failure=False)
    return error if isinstance(error, BaseException) else ShardError(str(state.message))


def _all(stage: str, done: Mapping[int, Done], failures: Mapping[int, BaseException], steps: int) -> list[Done]:
    """What all steps of a stage said, in order. Raises: as an engine does. A refusal is one, whatever else failed."""
    if not failures:
        return [done[number] for number in range(steps)]
    for failure in failures.values():
        if isinstance(failure, RefusedError | ConfigError):
            raise type(failure)(*failure.args) from failure
    first = failures[min(failures)]
    raise StepsFailed(
        f"{stage}: {len(failures)} of {steps} failed, the first: {why(first)}; what is finished is kept, run again to "
        "go on",
        failures,
    ) from first


def why(failure: BaseException) -> str:
    """Why a step failed, in one line."""
    if _is_loss(failure):
        return f"its worker process died {len(BACK_OFF) + 1} times (out of memory, or killed)"
    return str(failure) if isinstance(failure, CurationError) else f"{type(failure).__name__}: {failure}"


def default_workers() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _nothing() -> None:
    pass


@contextmanager
def started(count: int, prepare: Prepare = _nothing) -> Iterator[Workers]:
    """So many workers, which end with this process, however it ends."""
    with Template(prepare) as template:
        workers = Workers(count, template)
        try:
            yield workers
        except Exception:
            raise
        except BaseException:  # Ctrl-C: a step that is cut off leaves nothing under its name
            end_processes()
            raise
        finally:
            workers.end()
