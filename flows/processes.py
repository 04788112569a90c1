"""Processes that end with this one: workers, and what may be asked of one that may not come back.

Importing and loading takes a worker seconds and a hundred megabytes. So a template does it once, and is forked for each
worker, which has all of that at once and shares its memory; the template has no thread, and does nothing else. A
command forks the template of itself, and so imports once in all; a user's own process may hold what bears no fork.
Where processes can't be forked, each worker is started for itself.

What C code makes of hostile bytes can end its process: a segmentation fault, an abort, an allocation without end, a
loop that nobody can interrupt. `in_child` does such work where its death costs an answer and nothing else.
"""

import ctypes
import gc
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from multiprocessing import reduction
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess, SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
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
    # There is one a core already; and the template must have no thread.
    "OPENBLAS_NUM_THREADS": "1",
}
# macOS has forks, of which its own libraries may make a crash.
CAN_FORK = sys.platform == "linux"
# A worker without work for so long gives back what memory it has free.
IDLE_SECONDS = 0.05
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


class _Forked(ForkProcess):
    pass


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
    # Killed: one that started after an interrupt has inherited that SIGTERM is ignored.
    for process in multiprocessing.active_children():
        if isinstance(process, _Child | _Forked):
            process.kill()
    for worker in list(_workers):
        with suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)


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


# ------------------------------------------------------------------------------------------------------------- workers


class Lost(Exception):
    """A worker's process ended before its answer."""


class Worker:
    """A process that does one thing after another."""

    def __init__(self, connection: "Connection[Any, Any]", pid: int) -> None:
        self.connection, self.pid = connection, pid
        _workers.add(self)

    def do(self, function: Callable[..., Any], *args: Any) -> Any:
        """What `function(*args)` returns there. Raises: what it raises; Lost where the process has ended."""
        try:
            self.connection.send((function, args))
            said, error = self.connection.recv()
        except (EOFError, OSError):
            _workers.discard(self)
            self.connection.close()
            raise Lost from None
        if error is not None:
            raise error
        return said

    def end(self) -> None:
        """Wait for its end; it must have nothing to do."""
        with suppress(EOFError, OSError), self.connection:
            self.connection.send(None)
            self.connection.recv()
        _workers.discard(self)


_workers: set[Worker] = set()


class Template:
    """Starts workers; they have done what `prepare` does. Used as a context, which they don't outlive."""

    def __init__(self, prepare: Callable[[], object]) -> None:
        self.prepare = prepare
        self.lock = threading.Lock()
        self.process: BaseProcess | None = None
        self.control: Connection[Any, Any] | None = None
        # All there were: workers watch the pipe that theirs was started with, which closes with this process.
        self.templates: list[BaseProcess] = []

    def start(self) -> Worker:
        """Start a worker. Raises: Lost where it can't be."""
        connection, end = CONTEXT.Pipe()
        try:
            with end:
                return Worker(connection, self._fork(end) if CAN_FORK else _spawn(end))
        except (EOFError, OSError):
            connection.close()
            raise Lost from None

    def _fork(self, end: "Connection[Any, Any]") -> int:
        with self.lock:
            if self.process is None or self.control is None or not self.process.is_alive():
                self.process, self.control = _begun()
                self.templates.append(self.process)
                self.control.send(self.prepare)
            assert self.process.pid is not None
            reduction.send_handle(self.control, end.fileno(), self.process.pid)
            pid: int = self.control.recv()
        return pid

    def __enter__(self) -> "Template":
        return self

    def __exit__(self, *_: object) -> None:
        if self.control is not None:
            self.control.close()
        for process in self.templates:
            process.join()


# A template that no run has taken yet.
_early: tuple[BaseProcess, "Connection[Any, Any]"] | None = None


@contextmanager
def early_template() -> Iterator[None]:
    """Around a command's run: its template is forked now, of this process, which must have no thread."""
    global _early
    if not CAN_FORK:
        yield
        return
    control, theirs = CONTEXT.Pipe()
    process = _Forked(target=_forked_workers, args=(control, theirs))
    process.start()
    theirs.close()
    _early = process, control
    try:
        yield
    finally:
        _early = None
        control.close()
        process.join()


def _begun() -> tuple[BaseProcess, "Connection[Any, Any]"]:
    global _early
    if _early is not None:
        begun, _early = _early, None
        return begun
    control, theirs = CONTEXT.Pipe()
    process = CONTEXT.Process(target=_fork_workers, args=(theirs,))
    process.start()
    theirs.close()
    return process, control


def _spawn(end: "Connection[Any, Any]") -> int:
    process = CONTEXT.Process(target=_spawned, args=(end,))
    process.start()
    assert process.pid is not None
    return process.pid


def _spawned(connection: "Connection[Any, Any]") -> None:
    begin_child()
    _answer_all(connection)


def _forked_workers(parents: "Connection[Any, Any]", control: "Connection[Any, Any]") -> None:
    parents.close()  # else it would never see its parent's end
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _fork_workers(control)


def _fork_workers(control: "Connection[Any, Any]") -> None:
    """The template: a worker is forked for each handle that comes."""
    without_pandas()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        prepare = control.recv()
    except (EOFError, OSError):
        return
    with suppress(Exception):  # whoever needs it will say so
        prepare()
    gc.freeze()  # else collecting what all share would copy it
    children: list[int] = []
    while True:
        try:
            handle = reduction.recv_handle(control)
        except (EOFError, OSError):
            break
        if not (pid := os.fork()):
            control.close()
            try:
                begin_child()
                _answer_all(Connection(handle))
            finally:
                os._exit(0)
        children.append(pid)
        os.close(handle)
        with suppress(OSError):
            control.send(pid)
    for child in children:  # nobody else waits for them, so these are theirs still
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)  # what they cost is counted as this process's


def _answer_all(connection: "Connection[Any, Any]") -> None:
    while True:
        try:
            if not connection.poll(IDLE_SECONDS):
                release_memory()
            asked = connection.recv()
        except (EOFError, OSError):
            return
        except Exception as error:  # what can't be imported here
            connection.send((None, error))
            continue
        if asked is None:
            return
        function, args = asked
        try:
            answer: tuple[Any, Exception | None] = (function(*args), None)
        except Exception as error:  # raised again where the answer is waited for
            error.add_note("".join(traceback.format_exception(error)))
            answer = None, error
        try:
            content = reduction.ForkingPickler.dumps(answer)
        except Exception as error:
            content = reduction.ForkingPickler.dumps((None, ShardError(f"{function.__name__}: {answer[1] or error}")))
        connection.send_bytes(content)


def release_memory() -> None:
    """Give back what is free: what comes next, here or in another worker, may be the peak. (Of 100,000 articles glibc
    keeps a hundred megabytes a worker.)"""
    if (arrow := sys.modules.get("pyarrow")) is not None:
        arrow.default_memory_pool().release_unused()
    if (trim := _malloc_trim()) is not None:
        trim(0)


@cache
def _malloc_trim() -> Any:
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None  # musl has none


# ------------------------------------------------------------------------------------------------------------ children


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
