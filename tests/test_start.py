"""Where a run may start, and how it ends when it is told to: signals, homes, proxies, scripts, modules in the way."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from flows import server
from tests.conftest import article, write_jsonl

BIN = Path(sys.executable).parent
TAMIS = [BIN / "tamis"] if (BIN / "tamis").exists() else [sys.executable, "-m", "flows.cli"]
# Seconds after which something hangs: machines are shared and noisy.
PATIENCE = 240
INTERRUPTED = "tamis: interrupted; what is finished is kept, run again to go on"

Environment = dict[str, str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with `raw`, and a place for temporary files that shows what was left there."""
    write_jsonl(tmp_path / "raw/a.jsonl", [{"text": article(n)} for n in range(3)])
    (tmp_path / "tmp").mkdir()
    return tmp_path


@pytest.fixture
def alone(folder: Path) -> Environment:
    """An environment without a Prefect server, of which `TMPDIR` marks every process."""
    named = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return named | {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), "COLUMNS": "120"}


@pytest.fixture(params=["alone", pytest.param("in Prefect", marks=pytest.mark.flow)])
def either(request: pytest.FixtureRequest, alone: Environment) -> Environment:
    """Without a server, and with one."""
    if request.param == "alone":
        return alone
    url: str = request.getfixturevalue("prefect_api")
    return alone | {"PREFECT_API_URL": url}


def ours(environment: Environment) -> list[psutil.Process]:
    """The processes that were started in an environment, and go on."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR") == environment["TMPDIR"] and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:  # ended meanwhile, or another user's
            continue
    return found


def call(
    *command: object, env: Environment, cwd: Path, script: str | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        list(map(str, command)),
        env=env,
        cwd=cwd,
        input=script,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def version(curated: Path) -> str:
    return str(json.loads((curated / "current.json").read_text())["version"])


# Signals


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start `tamis run` with signals as a terminal has them, its output in pipes."""
    jobs: list[subprocess.Popen[str]] = []

    def _start(environment: Environment, command: Sequence[str | Path] = (*TAMIS, "run")) -> "subprocess.Popen[str]":
        jobs.append(
            subprocess.Popen(
                list(map(str, command)),
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
            )
        )
        return jobs[-1]

    yield _start
    for job in jobs:
        job.kill()
        job.wait()


def wait_for(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_twice_it_ends_once(folder, alone, start, number):
    """As people and schedulers do. That the pipes are read to their end says that nobody holds them."""
    job = start(alone, hold(folder, "in a worker"))
    wait_for((folder / "held").exists)
    job.send_signal(number)
    time.sleep(0.01)
    job.send_signal(number)
    said, errors = job.communicate(timeout=PATIENCE)
    assert (job.returncode, said, errors.splitlines()[-1]) == (128 + number, "", INTERRUPTED)
    assert ours(alone) == []
    assert list((folder / "tmp").iterdir()) == []


# `tamis run`, but that it stops at a known point and says so by a file. What a worker is to do instead, it imports.
HELD = """
import threading
from pathlib import Path

def clean_piece(work, **settings):
    Path("held").touch()
    threading.Event().wait()

def until_interrupted(method, is_before):
    def held(*args, **settings):
        done = None if is_before else method(*args, **settings)
        Path("held").touch()
        server._interrupted.wait()
        return method(*args, **settings) if is_before else done
    return held

if __name__ == "__main__":
    import held
    from flows import cli, run, server
    point = {point!r}
    if point == "in a worker":
        run.clean.clean_piece = held.clean_piece
    elif point == "before it publishes":
        run.Run.check = until_interrupted(run.Run.check, is_before=False)
    else:
        run.publish = until_interrupted(run.publish, is_before=point == "as it publishes")
    cli.main()
"""


def hold(folder: Path, point: str) -> list[str]:
    """The command of a run that stops at a point, until it is told to end."""
    (folder / "held.py").write_text(HELD.replace("{point!r}", repr(point)))
    return [sys.executable, "held.py", "run"]


@pytest.mark.parametrize(
    ("whom", "point"),
    [("the run", "in a worker"), ("all its processes", "in a worker"), ("the run", "before it publishes")],
)
def test_sigterm_ends_a_run_at_work_and_the_next_goes_on(folder, either, start, whom, point):
    """docker stop asks the one, systemd all of them."""
    job = start(either, hold(folder, point))
    wait_for((folder / "held").exists)
    for process in ours(either) if whom == "all its processes" else [psutil.Process(job.pid)]:
        with suppress(psutil.NoSuchProcess):  # the first one told may end the others
            process.terminate()
    _, errors = job.communicate(timeout=PATIENCE)
    assert job.returncode == 143, errors
    assert errors.splitlines()[-1] == INTERRUPTED
    assert "Traceback" not in errors
    assert "Warning" not in errors
    assert ours(either) == []
    assert not (folder / "curated/current.json").exists()
    again = call(*TAMIS, "run", "--json", env=either, cwd=folder)
    assert json.loads(again.stdout)["documents"] == 3, again.stderr


def test_no_process_outlives_a_run_that_was_killed(folder, alone, start):
    job = start(alone, hold(folder, "in a worker"))
    wait_for((folder / "held").exists)
    job.kill()
    job.communicate(timeout=PATIENCE)
    wait_for(lambda: ours(alone) == [])


@pytest.mark.parametrize(
    ("number", "point"), [(signal.SIGTERM, "as it publishes"), (signal.SIGINT, "after it published")]
)
def test_told_to_end_when_it_can_not_be_stopped_a_run_says_that_it_is_done(folder, either, start, number, point):
    """A version is published by one rename: whoever reads the exit code must not take it for one that wasn't."""
    job = start(either, [*hold(folder, point), "--json"])
    wait_for((folder / "held").exists)
    job.send_signal(number)
    said, errors = job.communicate(timeout=PATIENCE)
    assert job.returncode == 0, errors
    assert json.loads(said)["version"] == version(folder / "curated")
    assert INTERRUPTED not in errors
    assert ours(either) == []


@pytest.mark.parametrize("when", [0.2, 0.5, 1.0, 1.5, 2.0])
def test_sigterm_may_come_while_modules_are_imported(alone, start, when):
    """How far it has come by then doesn't matter: it may be over, or not yet begun (Python is starting)."""
    job = start(alone)
    time.sleep(when)
    job.terminate()
    _, errors = job.communicate(timeout=PATIENCE)
    assert job.returncode in (143, 0, -signal.SIGTERM), errors
    assert "Traceback" not in errors
    assert ours(alone) == []


def test_work_that_does_not_come_back_is_left(folder, alone):
    """Here it waits for a server that will never answer, as Prefect does where its server was ended with us."""
    script = """
import sys, threading, time
from flows import server
server._UNWIND_SECONDS = 0.1
server.handle_signals()
try:
    server.in_thread(lambda: print("at work", flush=True) or threading.Event().wait())
except server.Terminated:
    server.leave(143)
"""
    job = subprocess.Popen([sys.executable, "-c", script], env=alone, stdout=subprocess.PIPE, text=True)
    assert job.stdout is not None
    assert job.stdout.readline() == "at work\n"
    job.terminate()
    assert job.wait(timeout=PATIENCE) == 143


# Environments


def test_what_a_machine_sets_for_others_keeps_no_run_back(folder, alone):
    """Proxies, a password and a path for another server, a profile whose API isn't there, modules in the way."""
    nowhere = "http://127.0.0.1:9"
    (folder / "home/.prefect").mkdir(parents=True)
    profile = (
        f'active = "far"\n[profiles.far]\nPREFECT_API_URL = "{nowhere}/api"\nPREFECT_SERVER_API_AUTH_STRING = "a:b"\n'
    )
    (folder / "home/.prefect/profiles.toml").write_text(profile)
    environment = alone | {
        "PREFECT_API_URL": "",
        "PREFECT_SERVER_API_AUTH_STRING": "admin:pass",
        "PREFECT_API_AUTH_STRING": "other:word",
        "PREFECT_SERVER_API_BASE_PATH": "/behind/a/gateway",
        **dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"), nowhere),
        "all_proxy": "socks5://127.0.0.1:9",
        "no_proxy": "localhost",
    }
    for module in ("json", "logging", "pickle", "prefect", "socket", "struct", "typing", "uvicorn", "transforms"):
        (folder / f"{module}.py").write_text(f"open({str(folder / 'imported')!r}, 'a').write('{module} ')")
    done = call(BIN / "tamis", "run", env=environment, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert not (folder / "imported").exists(), (folder / "imported").read_text()
    assert version(folder / "curated").startswith("1-")
    assert "Traceback" not in done.stderr
    assert ours(environment) == []


@pytest.fixture
def nobody(folder: Path) -> list[str]:
    """A command's beginning that makes it another user's, of whom nobody has heard, but who may read all files."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("only root can be somebody else")
    for each in (folder, *folder.parents):
        if each != Path("/") and each.stat().st_uid == os.getuid() and not each.stat().st_mode & 0o001:
            each.chmod(each.stat().st_mode | 0o011)
    (folder / "tmp").chmod(0o777)
    user = ["setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups"]
    return [*user, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]


@pytest.mark.parametrize("home", [None, "/", "/root", "/nonexistent"])
def test_help_needs_no_home(folder, alone, nobody, home):
    environment = {name: value for name, value in alone.items() if name != "HOME"} | ({"HOME": home} if home else {})
    done = call(*nobody, BIN / "tamis", "--help", env=environment, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout
    assert list((folder / "tmp").iterdir()) == []


def test_a_user_without_a_home_curates(folder, alone, nobody):
    (folder / "out").mkdir(mode=0o777)
    (folder / "out").chmod(0o777)
    environment = {name: value for name, value in alone.items() if name != "HOME"}
    done = call(*nobody, BIN / "tamis", "run", "raw", "out/curated", env=environment, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert version(folder / "out/curated").startswith("1-")
    assert list((folder / "tmp").iterdir()) == []


def test_a_dataset_that_can_not_be_written_to_is_a_wrong_call(folder, alone, nobody):
    (folder / "curated").mkdir(mode=0o755)
    for curated in ("curated", "curated/below", "/curated"):
        done = call(*nobody, BIN / "tamis", "run", "raw", curated, env=alone, cwd=folder)
        assert (done.returncode, done.stderr) == (2, f"tamis: CURATED {curated} can't be written to by this user\n")


def test_a_dataset_below_a_file_is_a_wrong_call(folder, alone):
    done = call(*TAMIS, "run", "raw", "raw/a.jsonl/curated", env=alone, cwd=folder)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


def test_an_empty_api_is_none_and_no_reason_to_import_prefect(folder, alone):
    (folder / ".env").write_text("PREFECT_API_URL=http://127.0.0.1:9/api\n")
    script = "import sys; from flows import server; print(server.named_api(), 'prefect' in sys.modules)"
    done = call(sys.executable, "-c", script, env=alone | {"PREFECT_API_URL": ""}, cwd=folder)
    assert (done.returncode, done.stdout) == (0, "None False\n"), done.stderr


@pytest.mark.parametrize("where", ["environment", "profile", ".env", "prefect.toml", "pyproject.toml"])
def test_an_api_out_of_reach_is_one_line(folder, alone, where):
    url = "http://127.0.0.1:9/api"
    if where == "environment":
        alone["PREFECT_API_URL"] = url
    elif where == ".env":
        (folder / where).write_text(f"PREFECT_API_URL={url}\n")
    elif where.endswith(".toml"):
        table = "[tool.prefect.api]" if where == "pyproject.toml" else "[api]"
        (folder / where).write_text(f'{table}\nurl = "{url}"\n')
    else:
        (folder / "home/.prefect").mkdir(parents=True)
        text = f'active = "far"\n[profiles.far]\nPREFECT_API_URL = "{url}"\n'
        (folder / "home/.prefect/profiles.toml").write_text(text)
    done = call(*TAMIS, "run", env=alone, cwd=folder)
    assert done.returncode == 1
    assert done.stderr.splitlines()[1:] == []
    assert url in done.stderr
    assert "`PREFECT_API_URL= tamis run …`" in done.stderr


def test_broken_profiles_are_one_line(folder, alone):
    (folder / "home/.prefect").mkdir(parents=True)
    (folder / "home/.prefect/profiles.toml").write_bytes(b'active = "\xff\n[profiles.x]\nPREFECT_API_URL = 1\n')
    done = call(*TAMIS, "run", env=alone, cwd=folder)
    assert done.returncode == 2
    assert done.stderr.splitlines()[1:] == []
    assert "profiles.toml" in done.stderr


# Scripts

SCRIPT = """
from flows.curate import curate
print(curate("raw", "curated", workers=2)["version"])
"""


def test_a_script_without_a_guard_curates(folder, either):
    (folder / "script.py").write_text(SCRIPT)
    done = call(sys.executable, "script.py", env=either, cwd=folder)
    assert (done.returncode, done.stdout) == (0, f"{version(folder / 'curated')}\n"), done.stderr


def test_a_script_on_standard_input_curates(folder, alone):
    """Twice, the second time for nothing."""
    done = call(sys.executable, "-", env=alone | {"http_proxy": "http://127.0.0.1:9"}, cwd=folder, script=SCRIPT * 2)
    assert (done.returncode, done.stdout) == (0, f"{version(folder / 'curated')}\n" * 2), done.stderr
    assert done.stderr == ""
    assert ours(alone) == []


def test_within_a_loop_it_is_called_like_any_function(folder, alone):
    script = """
import asyncio
from flows.curate import curate

async def main():
    print(curate("raw", "curated", workers=1)["version"])

asyncio.run(main())
"""
    done = call(sys.executable, "-c", script, env=alone, cwd=folder)
    assert (done.returncode, done.stdout) == (0, f"{version(folder / 'curated')}\n"), done.stderr


def test_of_two_processes_at_once_one_is_refused_in_one_line(folder, either, start):
    job = start(either, hold(folder, "in a worker"))
    wait_for((folder / "held").exists)
    done = call(*TAMIS, "run", env=either, cwd=folder)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (3, "", 1), done.stderr
    job.terminate()
    job.communicate(timeout=PATIENCE)


@pytest.mark.flow
def test_a_flow_within_a_flow_within_a_loop_uses_the_same_server(folder, alone, prefect_api):
    script = """
import asyncio
from prefect import flow
from flows.curate import curate

@flow
def nightly():
    return curate("raw", "curated", workers=1)["version"]

async def main():
    print(nightly())

asyncio.run(main())
"""
    done = call(sys.executable, "-c", script, env=alone | {"PREFECT_API_URL": prefect_api}, cwd=folder)
    assert (done.returncode, done.stdout) == (0, f"{version(folder / 'curated')}\n"), done.stderr


def test_a_process_that_imports_its_parents_script_starts_nothing(monkeypatch):
    import multiprocessing

    server.check_main_guard()
    monkeypatch.setattr(multiprocessing.current_process(), "_inheriting", True, raising=False)
    with pytest.raises(SystemExit, match='if __name__ == "__main__":'):
        server.check_main_guard()
