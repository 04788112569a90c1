"""Prefect's API, where a user names one, and how a run ends: what Ctrl-C and SIGTERM do.

No server is started here: a run without a named one does without Prefect, which saves its seconds and loses nothing but
the record in a database that nobody would look at.
"""

import multiprocessing
import os
import re
import signal
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from flows import prefect_profiles, remove_home, text_of
from flows.processes import end_processes
from transforms.errors import ConfigError, ShardError

_REACH_SECONDS = 10.0  # a server that is there answers in milliseconds; one behind a firewall never
_UNWIND_SECONDS = 5.0  # what an interrupted run has to tell Prefect that it ends

# Where Prefect reads settings besides the environment and its profiles, and what one that names an API has in it.
_SAID_IN = {".env": "PREFECT_API_URL", "prefect.toml": "url", "pyproject.toml": "[tool.prefect"}

KEPT = "what is finished is kept, run again to go on"

T = TypeVar("T")


class Terminated(BaseException):
    """SIGTERM, where Ctrl-C would be KeyboardInterrupt."""


def named_api() -> str | None:
    """The URL of Prefect's API that a user names, None for none. Within a flow it is that flow's, which may be its own
    ("")."""
    return url if (url := _api_of_flow()) is not None else _users_api()


def needed_api() -> str:
    """The same, where there must be one. Raises: ConfigError."""
    if (url := named_api()) is None:
        raise ConfigError(
            "a schedule needs a Prefect server that stays: start it, `prefect server start`, and name it, "
            "`export PREFECT_API_URL=http://127.0.0.1:4200/api`"
        )
    return url


@contextmanager
def reached(url: str) -> Iterator[None]:
    """While a named API is used. Raises: ConfigError (Prefect can't be set up), ShardError (it doesn't answer, or is
    lost on the way)."""
    if _api_of_flow() is not None:
        yield
        return
    with _without_proxies() if re.match(r"https?://(127\.|localhost\b|\[::1\])", url) else nullcontext():
        _reach(url)
        with _losses_told(url):
            yield


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
    if "prefect" not in sys.modules and not _may_name_an_api():
        return None  # not worth the seconds that Prefect takes to import
    return _settings().api.url or None


def _may_name_an_api() -> bool:
    """Whether the user may name one, as far as that shows without Prefect."""
    if (url := os.environ.get("PREFECT_API_URL")) is not None:
        return bool(url)
    return "PREFECT_API_URL" in prefect_profiles() or any(
        said in text_of(Path(place)) for place, said in _SAID_IN.items()
    )


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


_interrupted = threading.Event()


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


def leave_signals() -> None:
    """From here on they do what Python has them do."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


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
        said = result.result()
        _work.join()
        return said
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
    remove_home()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:  # whoever read has seen enough
        pass
    os._exit(code)
