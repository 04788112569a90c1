"""Where steps are done: `inline`, one after the other in this process, or `local`, in worker processes under Prefect.

Prefect's threads cost 5 ms a task where its process runner costs 60-130; the work itself needs processes (the GIL).
So each task runs in a thread and hands its step to a worker. The workers import `transforms`, never Prefect.

A worker that dies is replaced, and its step tried again: what killed it may have been a person, or the memory that
others took. A step that reads finds the mark of its earlier try, and is more careful (flows/readers/guard.py).
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, Protocol

from flows.processes import CONTEXT, allow_processes, apart, are_ended, begin_child, end_processes
from flows.step import Done, Step, run_step
from flows.store import Store
from transforms.errors import ConfigError, CurationError, RefusedError, ShardError

ENGINES = ("local", "inline")
# How often a step is tried whose worker dies.
TRIES = 3
# Called with how many steps of a stage are done, and of how many.
Tell = Callable[[int, int], None]


class Engine(Protocol):
    """Does the steps of a stage, in any order; what they said, in order. Raises: CurationError where any failed."""

    def __call__(self, stage: str, steps: Sequence[Step], store: Store, tell: Tell) -> list[Done]: ...


def inline(stage: str, steps: Sequence[Step], store: Store, tell: Tell) -> list[Done]:
    """One after the other, in this process."""
    done = []
    for number, step in enumerate(steps, 1):
        done.append(run_step(step, store))
        tell(number, len(steps))
    return done


class Workers:
    """Processes that do steps, each with a pool of its own: the death of one costs its step another try, and no other
    step anything."""

    def __init__(self, count: int) -> None:
        self.free: SimpleQueue[ProcessPoolExecutor | None] = SimpleQueue()
        self.count = count
        for _ in range(count):
            self.free.put(None)

    def run(self, step: Step, store: Store) -> Done:
        """Do a step. Raises: what it raises; BrokenProcessPool where every try ended its process."""
        pool = self.free.get()
        try:
            for tries in range(1, TRIES + 1):
                if are_ended():
                    raise BrokenProcessPool
                pool = pool or _pool_of_one()
                try:
                    return pool.submit(run_step, step, store).result()
                except BrokenProcessPool:
                    pool = None
                    if tries == TRIES:
                        raise
            raise AssertionError("not reached")
        finally:
            self.free.put(pool)

    def end(self) -> None:
        """Wait for what is at work, then end the processes."""
        for _ in range(self.count):
            pool = self.free.get()
            if pool is not None:
                pool.shutdown(wait=True, cancel_futures=True)


def _pool_of_one() -> ProcessPoolExecutor:
    with apart():  # its locks start multiprocessing's process that frees them
        return ProcessPoolExecutor(1, mp_context=CONTEXT, initializer=begin_child)


@contextmanager
def engine_of(name: str, workers: int | None) -> Iterator[Engine]:
    """The engine of this name. Raises: ConfigError where there is none."""
    if name not in ENGINES:
        raise ConfigError(f"engine {name!r} is not known; known: {', '.join(ENGINES)}")
    allow_processes()
    if name == "inline":
        yield inline
        return
    with started(workers or default_workers()) as processes:
        yield _local(processes)


def _local(workers: Workers) -> Engine:
    from prefect import task
    from prefect.cache_policies import NO_CACHE

    @task(cache_policy=NO_CACHE, persist_result=False)
    def work(step: Step, store: Store) -> Done:
        return workers.run(step, store)

    def run(stage: str, steps: Sequence[Step], store: Store, tell: Tell) -> list[Done]:
        named = work.with_options(name=stage, task_run_name=stage)
        futures = [named.submit(step, store) for step in steps]
        failures: list[BaseException] = []
        done: list[Done] = []
        for future in futures:
            future.wait()
            if future.state.is_completed():
                done.append(future.result())
                tell(len(done), len(steps))
            else:
                failures.append(_failure(future.state))
        if failures:
            raise _error(stage, failures, len(steps)) from failures[0]
        return done

    return run


def _failure(state: Any) -> BaseException:
    error = state.result(raise_on_failure=False)
    return error if isinstance(error, BaseException) else ShardError(str(state.message))


def _error(stage: str, failures: Sequence[BaseException], steps: int) -> CurationError:
    """What the run says of a stage's failures. A refusal is a refusal, whatever else failed."""
    for failure in failures:
        if isinstance(failure, RefusedError | ConfigError):
            return type(failure)(*failure.args)
    first = failures[0]
    if isinstance(first, BrokenProcessPool):
        said = f"its worker process died {TRIES} times (out of memory, or killed)"
    else:
        said = str(first) if isinstance(first, CurationError) else f"{type(first).__name__}: {first}"
    return ShardError(
        f"{stage}: {len(failures)} of {steps} failed, the first: {said}; what is finished is kept, run again to go on"
    )


def default_workers() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def started(count: int) -> Iterator[Workers]:
    """So many workers, which end with this process, however it ends."""
    workers = Workers(count)
    try:
        yield workers
    except BaseException:  # Ctrl-C: a step that is cut off leaves nothing under its name
        end_processes()
        raise
    finally:
        workers.end()
