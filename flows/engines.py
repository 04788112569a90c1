"""Where steps are done: `inline`, one after the other in this process, or `local`, in worker processes under Prefect.

Prefect's threads cost 5 ms a task where its process runner costs 60-130; the work itself needs processes (the GIL).
So each task runs in a thread and hands its step to one shared pool. The workers import `transforms`, never Prefect.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess
from types import ModuleType
from typing import Any, Protocol

from flows.step import Done, Step, run_step
from flows.store import Store
from transforms.errors import ConfigError, CurationError, RefusedError, ShardError

ENGINES = ("local", "inline")
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


@contextmanager
def engine_of(name: str, workers: int | None) -> Iterator[Engine]:
    """The engine of this name. Raises: ConfigError where there is none."""
    if name not in ENGINES:
        raise ConfigError(f"engine {name!r} is not known; known: {', '.join(ENGINES)}")
    if name == "inline":
        yield inline
        return
    with worker_pool(workers or default_workers()) as pool:
        yield _local(pool)


def _local(pool: ProcessPoolExecutor) -> Engine:
    from prefect import task
    from prefect.cache_policies import NO_CACHE

    @task(cache_policy=NO_CACHE, persist_result=False)
    def work(step: Step, store: Store) -> Done:
        done: Done = pool.submit(run_step, step, store).result()
        return done

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
        said = "a worker process died (out of memory, or killed)"
    else:
        said = str(first) if isinstance(first, CurationError) else f"{type(first).__name__}: {first}"
    return ShardError(
        f"{stage}: {len(failures)} of {steps} failed, the first: {said}; what is finished is kept, run again to go on"
    )


def default_workers() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def worker_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of worker processes that end with this one, however it ends."""
    with _apart():  # its locks start multiprocessing's process that frees them
        pool = ProcessPoolExecutor(workers, mp_context=_Context(), initializer=_begin_worker)
    try:
        yield pool
    except BaseException:  # Ctrl-C: a step that is cut off leaves nothing under its name
        end_workers()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def end_workers() -> None:
    """End all worker processes now; the next run does anew what they were at."""
    for process in multiprocessing.active_children():
        if isinstance(process, _Worker):
            process.kill()  # one that started after an interrupt has inherited that SIGTERM is ignored


_FOR_CHILDREN = {
    # Else they look for modules in the working directory first, where a `socket.py` may lie.
    "PYTHONSAFEPATH": "1",
    # The process that frees semaphores says so of a run that was ended at once: its task, and no news.
    "PYTHONWARNINGS": "ignore::UserWarning:multiprocessing.resource_tracker",
}
_apart_lock = threading.Lock()


@contextmanager
def _apart() -> Iterator[None]:
    """While a process is started: it imports nothing of its caller's.

    A spawned process runs its parent's script once more. One that calls `curate` without a main guard would then start
    a run in each worker, and one on standard input can't be found at all; the workers need neither.
    """
    with _apart_lock:
        main, before = sys.modules["__main__"], {name: os.environ.get(name) for name in _FOR_CHILDREN}
        sys.modules["__main__"] = ModuleType("__main__")
        os.environ.update(_FOR_CHILDREN)
        try:
            yield
        finally:
            sys.modules["__main__"] = main
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


class _Worker(SpawnProcess):
    def start(self) -> None:
        with _apart():
            super().start()


class _Context(SpawnContext):
    Process = _Worker


def _begin_worker() -> None:
    """Follow the parent: after a kill -9 nobody else would tell a worker that waits for work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)
