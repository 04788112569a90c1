"""Where the work is done: Prefect's task runner over a pool of plain worker processes, and Prefect's own server.

Prefect's threads cost 5 ms a task where its process runner costs 60-130; the work itself needs processes (the GIL).
So each task runs in a thread and hands its step to one shared pool. The workers import `transforms`, never Prefect.
"""

import json
import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil


def default_workers() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def worker_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of worker processes that end with this one, however it ends."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_worker)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin_worker() -> None:
    """Follow the parent: after a kill -9 nobody else would tell a worker that waits for work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


@contextmanager
def prefect_server() -> Iterator[None]:
    """Prefect's embedded server, unless PREFECT_API_URL names one; ended with the block.

    Started here and not by the first flow, so that its process is known: kill -9 leaves it behind (3 of 3), and
    the next start ends it.
    """
    from prefect.settings import get_current_settings

    if get_current_settings().api.url:
        yield
        return
    from prefect.server.api.server import SubprocessASGIServer  # semi-internal, so in this place only

    end_orphans()
    server = SubprocessASGIServer()
    server.start(get_current_settings().server.ephemeral.startup_timeout_seconds)
    note = _note(server.server_process.pid) if server.server_process is not None else None
    try:
        yield
    finally:
        server.stop()
        if note is not None:
            note.unlink(missing_ok=True)


def _notes() -> Path:
    return Path(tempfile.gettempdir()) / f"tamis-servers-{os.getuid() if hasattr(os, 'getuid') else 'user'}"


def _note(server: int) -> Path:
    folder = _notes()
    folder.mkdir(mode=0o700, exist_ok=True)
    note = folder / f"{server}.json"
    processes = {"server": server, "owner": os.getpid()}
    note.write_text(json.dumps({name: [pid, psutil.Process(pid).create_time()] for name, pid in processes.items()}))
    return note


def _alive(pid: int, created: float) -> psutil.Process | None:
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        if abs(process.create_time() - created) < 1 and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def end_orphans() -> int:
    """End servers that a killed run of ours left behind, and count them. Only processes we noted are touched."""
    ended = 0
    for note in sorted(_notes().glob("*.json")):
        try:
            processes = json.loads(note.read_text())
            server, owner = _alive(*processes["server"]), _alive(*processes["owner"])
        except (ValueError, KeyError, TypeError):  # a note cut off by the kill names nobody
            note.unlink(missing_ok=True)
            continue
        if owner is None:
            if server is not None:
                with suppress(psutil.NoSuchProcess):
                    server.terminate()
                ended += 1
            note.unlink(missing_ok=True)
    return ended
