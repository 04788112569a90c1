"""Where the work is done: Prefect's task runner over a pool of plain worker processes, and Prefect's own server.

Prefect's threads cost 5 ms a task where its process runner costs 60-130; the work itself needs processes (the GIL).
So each task runs in a thread and hands its step to one shared pool. The workers import `transforms`, never Prefect.
"""

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from flows import prefect_profiles
from transforms.errors import ShardError


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
    except BaseException:  # Ctrl-C: a step that is cut off leaves nothing under its name
        for worker in multiprocessing.active_children():
            worker.terminate()
        raise
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
def prefect_server() -> Iterator[str]:
    """The URL of Prefect's API: the one a user names, or that of an embedded server which ends with the block.

    The server Prefect would start by itself is of this process's group: Ctrl-C ends it first, and the client then
    asks a dead server for a minute and a half. And kill -9 leaves it behind (3 of 3). This one is of its own
    session, and noted, so that the next start can end it. Raises: ShardError where it does not come up.
    """
    if url := _users_api():
        yield url
        return
    end_orphans()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"),
            *("--host", "127.0.0.1", "--port", str(port), "--log-level", "error", "--lifespan", "on"),
        ],
        env=os.environ | {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"},
        start_new_session=True,
    )
    note = _note(server.pid)
    try:
        # Imported while the server comes up: it takes seconds, too.
        from prefect.settings import PREFECT_API_URL, get_current_settings, temporary_settings

        _wait_for(server, url, get_current_settings().server.ephemeral.startup_timeout_seconds)
        with temporary_settings(updates={PREFECT_API_URL: url}):
            yield url
    finally:
        server.terminate()
        try:
            server.wait(timeout=5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        note.unlink(missing_ok=True)


def _users_api() -> str | None:
    if not os.environ.get("PREFECT_API_URL") and "PREFECT_API_URL" not in prefect_profiles():
        return None
    from prefect.settings import get_current_settings

    return get_current_settings().api.url


def _wait_for(server: "subprocess.Popen[bytes]", url: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise ShardError(f"Prefect's embedded server ended with {server.returncode} before it answered")
        with suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise ShardError(f"Prefect's embedded server did not answer within {seconds:.0f} seconds")


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
