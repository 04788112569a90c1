"""Processes that end with this one, and what may be asked of one that may not come back.

What C code makes of hostile bytes can end its process: a segmentation fault, an abort, an allocation without end, a
loop that nobody can interrupt. `in_child` does such work where its death costs an answer and nothing else.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from types import ModuleType
from typing import Any

from transforms.errors import ShardError

if sys.platform != "win32":
    import resource

# What a child may allocate beyond what it begins with. The largest honest batches (Polars writes a frame as one) take
# a few times their bytes; above it, an allocation fails, which a reader makes a record of.
CHILD_BYTES = 4 * 1024**3
_FOR_CHILDREN = {
    # Else they look for modules in the working directory first, where a `socket.py` may lie.
    "PYTHONSAFEPATH": "1",
    # The process that frees semaphores says so of a run that was ended at once: its task, and no news.
    "PYTHONWARNINGS": "ignore::UserWarning:multiprocessing.resource_tracker",
}
_apart_lock = threading.Lock()
# Whether `end_processes` was called: who finds a process dead then doesn't start another.
_ended = threading.Event()
# Whether this process may be ended by its own clock: its parent knows what to make of that.
_is_expendable = False


class Died(Exception):
    """A child ended before its answer: with this exit code, or (None) as it had no memory left."""

    def __init__(self, code: int | None) -> None:
        super().__init__(code)
        number = -code if code is not None and code < 0 else 0
        self.by_clock = sys.platform != "win32" and number == signal.SIGPROF
        self.how = "out of memory" if code is None else _name(number) if number else f"exit code {code}"


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


@contextmanager
def apart() -> Iterator[None]:
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


class _Child(SpawnProcess):
    def start(self) -> None:
        with apart():
            super().start()


class Context(SpawnContext):
    """How processes are started."""

    Process = _Child


CONTEXT = Context()


class _NoPandas:
    """An import hook that has no pandas."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == "pandas":
            raise ImportError(name)


def without_pandas() -> None:
    """Spare this process, which has no use for it, half a second: pyarrow imports it to make its first array, in case
    it was given something of pandas'."""
    sys.meta_path.insert(0, _NoPandas())


def begin_child() -> None:
    """Follow the parent: after a kill -9 nobody else would tell a process that waits."""
    global _is_expendable
    without_pandas()
    _is_expendable = True
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


def end_processes() -> None:
    """End all processes of ours now, and start none in their place; the next run does anew what they were at."""
    _ended.set()
    for process in multiprocessing.active_children():
        if isinstance(process, _Child):
            process.kill()  # one that started after an interrupt has inherited that SIGTERM is ignored


def allow_processes() -> None:
    """Start some again: another run begins."""
    _ended.clear()


def are_ended() -> bool:
    """Whether no process is to be started any more."""
    return _ended.is_set()


def set_clock(seconds: float) -> None:
    """In so many seconds of its CPU time this process ends, if it is a worker or a child; 0 for never.

    The signal's own action ends it: a handler of Python's would wait for C code to come back.
    """
    if _is_expendable and sys.platform != "win32":
        signal.setitimer(signal.ITIMER_PROF, seconds)


def in_child(function: Callable[..., Iterator[Any]], *args: Any) -> Iterator[Any]:
    """What `function(*args)` yields, one after the other, from a process of its own.

    Raises: what it raises; Died where its process did; ShardError where that never began.
    """
    is_begun = False
    receiver, sender = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_answer, args=(sender, function, args))
    process.start()
    sender.close()
    try:
        while True:
            try:
                kind, said = receiver.recv()
            except (EOFError, OSError):  # between two answers, or within one
                process.join()
                if _ended.is_set():
                    raise KeyboardInterrupt from None
                if not is_begun:
                    raise ShardError(f"a process could not be started, exit code {process.exitcode}") from None
                raise Died(process.exitcode) from None
            is_begun = True
            if kind == "begin":
                continue
            if kind == "end":
                return
            if kind == "memory":
                raise Died(None)
            if kind == "error":
                raise said
            yield said
    finally:
        receiver.close()
        process.kill()
        process.join()


def _answer(sender: Connection, function: Callable[..., Iterator[Any]], args: tuple[Any, ...]) -> None:
    begin_child()
    _bound_memory()
    with open(os.devnull, "wb") as null:  # libraries that abort say why, in their own words
        os.dup2(null.fileno(), 2)
    sender.send(("begin", None))
    try:
        for said in function(*args):
            sender.send(("item", said))
    except MemoryError:
        sender.send(("memory", None))
    except Exception as error:  # raised again where the answer is waited for
        sender.send(("error", error))
    else:
        sender.send(("end", None))


def _bound_memory() -> None:
    if sys.platform == "linux":
        with open("/proc/self/statm", "rb") as file:
            pages = int(file.read().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + CHILD_BYTES,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
