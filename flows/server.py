"""Prefect's API, and how a run ends: the user's server or an embedded one, and what Ctrl-C and SIGTERM do.

The server Prefect would start by itself is of this process's group: Ctrl-C ends it first, and the client then asks a
dead server for a minute and a half; kill -9 leaves it behind; and it holds the caller's output. Ours has a session,
a log and settings of its own, is reached without a proxy, and ends with this process, however that ends.
"""

import atexit
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO, Any, NoReturn, TypeVar

from flows import is_home, prefect_profiles, remove_home
from flows.processes import end_processes
from transforms.errors import ConfigError, ShardError

# What the embedded server runs. Not `python -m uvicorn`, which looks for modules in the working directory. Its standard
# input is a pipe that nobody writes to: it ends with the process at the other end. It serves us alone, on the loopback
# device: what a user demands of a server of his own would only keep us out.
_SERVE = """
import os, sys, threading

def end_with_parent():
    sys.stdin.buffer.read()
    os._exit(0)

threading.Thread(target=end_with_parent, daemon=True).start()
import uvicorn
from prefect.server.api.server import create_app
from prefect.settings import temporary_settings

own = {"auth_string": None, "base_path": None, "csrf_protection_enabled": False}
with temporary_settings({f"server.api.{name}": value for name, value in own.items()}):
    uvicorn.run(create_app(), host="127.0.0.1", port=int(sys.argv[1]), log_level="error", lifespan="on")
"""

_REACH_SECONDS = 10.0  # a server that is there answers in milliseconds; one behind a firewall never
_UNWIND_SECONDS = 5.0  # what an interrupted run has to tell Prefect that it ends

KEPT = "what is finished is kept, run again to go on"

T = TypeVar("T")


class Terminated(BaseException):
    """SIGTERM, where Ctrl-C would be KeyboardInterrupt."""


@contextmanager
def prefect_server() -> Iterator[str]:
    """The URL of Prefect's API: the one a user names, or that of an embedded server, which this process keeps.

    Within a flow it is that flow's. Raises: ConfigError (Prefect can't be set up), ShardError (no server answers).
    """
    if (url := _api_of_flow()) is not None:
        yield url
    elif url := _users_api():
        with _without_proxies() if re.match(r"https?://(127\.|localhost\b|\[::1\])", url) else nullcontext():
            _reach(url)
            with _losses_told(url):
                yield url
    else:
        with _embedded_server() as url, _losses_told(url):
            yield url


def check_main_guard() -> None:
    """Refuse to run while a spawned process imports the script that spawned it: there each would start the next.

    Raises: SystemExit, whose one line is all that such a process says.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise SystemExit(
            "tamis: this script is imported once more by a process that it started: "
            'what starts or serves a flow must stand under `if __name__ == "__main__":`'
        )


def _api_of_flow() -> str | None:
    """The API of the flow run in which this is called, if it is called in one."""
    if "prefect" not in sys.modules:
        return None
    from prefect.context import FlowRunContext
    from prefect.settings import get_current_settings

    return get_current_settings().api.url or "" if FlowRunContext.get() else None


def _users_api() -> str | None:
    """The API that a user names for Prefect. An empty PREFECT_API_URL is none, whatever a profile says."""
    places = [Path(name) for name in (".env", "prefect.toml", "pyproject.toml")]  # which Prefect reads
    if (
        "PREFECT_API_URL" not in os.environ
        and "prefect" not in sys.modules
        and "PREFECT_API_URL" not in prefect_profiles()
        and not any(place.is_file() for place in places)
    ):
        return None  # not worth the seconds that Prefect takes to import, while no server starts
    url: str | None = _settings().api.url
    return url


def _settings() -> Any:
    """Prefect's settings. Raises: ConfigError where they are wrong."""
    from pydantic import ValidationError

    try:
        tomllib.loads(prefect_profiles())
        from prefect.settings import get_current_settings

        return get_current_settings()
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"Prefect's profiles.toml (or prefect.toml) is not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(f"Prefect's setting {where} is {first['input']!r}: {first['msg']}") from None


def _reach(url: str) -> None:
    """Ask a user's API whether it is there. Raises: ShardError where it isn't."""
    import httpx
    from prefect.client.base import ServerType
    from prefect.client.orchestration import get_client
    from prefect.settings import temporary_settings

    failure: Exception | None
    try:
        with (
            temporary_settings({"client.max_retries": 0}),
            get_client(sync_client=True, httpx_settings={"timeout": _REACH_SECONDS}) as client,
        ):
            failure = client.api_healthcheck()
            if failure is None and client.server_type != ServerType.CLOUD:
                client.api_version()  # unlike the health check, it needs the right credentials
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ImportError, ValueError) as error:
        failure = error
    if failure is not None:
        raise ShardError(
            f"Prefect's API {url} can't be reached ({_first_line(failure)}); start it, "
            "set PREFECT_API_URL to one that is there, or go on without it: `PREFECT_API_URL= tamis run …`"
        )


@contextmanager
def _losses_told(url: str) -> Iterator[None]:
    """Raises: ShardError where the API is lost on the way."""
    import httpx

    try:
        yield
    except (httpx.HTTPError, RuntimeError) as error:
        if not isinstance(error, httpx.HTTPError) and not str(error).startswith("Failed to reach API"):
            raise
        raise ShardError(f"Prefect's API {url} was lost ({_first_line(error)}); {KEPT}") from error


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


_servers: "dict[str, subprocess.Popen[bytes]]" = {}  # this process's, by URL
_starting = threading.Lock()
_interrupted = threading.Event()


@contextmanager
def _embedded_server() -> Iterator[str]:
    """Start it, or find it started. It stays till the process ends: Prefect sends it the last logs then."""
    with _without_proxies():
        with _starting:
            url = next((url for url, server in _servers.items() if server.poll() is None), None) or _start_server()
        from prefect.settings import temporary_settings

        with temporary_settings({"api.url": url, "api.auth_string": None}):
            yield url


def _start_server() -> str:
    home = Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    if not is_home(home):
        raise ConfigError(f"Prefect's folder {home} can't be written to: set PREFECT_HOME to one that can")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    with tempfile.TemporaryFile() as log:
        server = _servers[url] = subprocess.Popen(
            [sys.executable, "-P", "-c", _SERVE, str(port)],
            env=os.environ
            | {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        atexit.register(_end, server, os.getpid())
        # Imported while the server comes up: it takes seconds, too.
        seconds = _settings().server.ephemeral.startup_timeout_seconds
        _wait_for(server, url, seconds, log)
    return url


def _wait_for(server: "subprocess.Popen[bytes]", url: str, seconds: float, log: IO[bytes]) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise ShardError(f"Prefect's embedded server ended before it answered: {_cause(log)}")
        with suppress(OSError), direct.open(f"{url}/health", timeout=5) as answer:
            if answer.status == 200:
                return
        if _interrupted.wait(0.1):
            raise Terminated
    raise ShardError(f"Prefect's embedded server did not answer within {seconds:.0f} seconds: {_cause(log)}")


def _cause(log: IO[bytes]) -> str:
    """The line of a log that says what went wrong: the last that names an exception, else the last."""
    log.seek(0)
    lines = [line.strip() for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b.*: \S", line)]
    return (errors or lines or ["it said nothing"])[-1]


def _end(server: "subprocess.Popen[bytes]", owner: int) -> None:
    if os.getpid() != owner:  # a fork of ours that ends is no reason
        return
    if not _interrupted.is_set():  # it writes down the last of the run's history, which takes it seconds
        server.terminate()
        with suppress(subprocess.TimeoutExpired):
            server.wait(timeout=5)
    server.kill()
    server.wait()


@contextmanager
def _without_proxies() -> Iterator[None]:
    """Nothing between us and a server on this host. Taken away, not named in no_proxy: the client would still fail on a
    proxy that it has no driver for (socks), or can't parse."""
    proxies = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    for name in proxies:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(proxies)


def handle_signals() -> None:
    """From here on SIGINT raises KeyboardInterrupt and SIGTERM Terminated, once: what comes after is ignored."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # of a job in the background
            signal.signal(number, _interrupt)


def _interrupt(number: int, _: object) -> NoReturn:
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt if number == signal.SIGINT else Terminated


_work: threading.Thread | None = None


def check_interrupted() -> None:
    """Called by the work where it may still stop. Raises: Terminated once this process was told to end."""
    if _interrupted.is_set():
        raise Terminated


def in_thread(work: Callable[[], T]) -> T:
    """What `work` returns or raises, done in a thread, so that this one has nothing to do but to meet a signal.

    Else it would be raised wherever the work stands: in an import, in Prefect's engine, which has a handler of its own
    and asks its server first. Interrupted, the workers end, and the work has a few seconds to tell Prefect. Work that
    comes to its end all the same was past stopping (its version is published), and so it wasn't interrupted.
    """
    global _work
    result: Future[T] = Future()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:  # raised again where it is waited for
            result.set_exception(error)

    _work = threading.Thread(target=run, daemon=True)
    _work.start()
    try:
        return result.result()
    except (KeyboardInterrupt, Terminated):
        _interrupted.set()
        deadline = time.monotonic() + _UNWIND_SECONDS
        while _work.is_alive() and time.monotonic() < deadline:
            end_processes()  # also those that it still starts
            _work.join(0.1)
        if result.done() and result.exception() is None:
            return result.result()
        raise


def leave(code: int) -> NoReturn:
    """End the process; where interrupted work still doesn't come back, without it.

    A command that does its work in this thread ends at once, too: one in forty that had read a Parquet was aborted as
    the interpreter's end met a thread that Arrow had just started (pyarrow 26).
    """
    if _work is not None and not _work.is_alive():
        sys.exit(code)
    end_processes()
    for server in _servers.values():
        _end(server, os.getpid())
    remove_home()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:  # whoever read has seen enough
        code = code or 1
    os._exit(code)
