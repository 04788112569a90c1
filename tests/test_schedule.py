"""A schedule, as the README tells one to set it up: a server, `tamis serve`, runs that publish; and what the server is
told of them."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from flows.store import Store
from tests.conftest import article, curated_by, ended, tree
from tests.test_architecture import ROOT

pytestmark = pytest.mark.flow


def wait_for(what: str, seconds: float, happened: Callable[[], object], log: Path) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"{what} not within {seconds} s; {log.name}:\n{log.read_text()[-3000:]}"
        time.sleep(0.2)


def published(curated: Path) -> str | None:
    current = curated / "current.json"
    return json.loads(current.read_text())["version"] if current.exists() else None


class Server:
    """A server with a scheduler, as `prefect server start` makes it; it may be killed, and started again."""

    def __init__(self, home: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = str(probe.getsockname()[1])
        self.home, self.log = home, home / "server.log"
        self.url = f"http://127.0.0.1:{self.port}/api"
        self.environment = os.environ | {
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": self.url,
            "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "1",
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
            "PREFECT_RUNNER_POLL_FREQUENCY": "1",
            "PREFECT_LOGGING_LEVEL": "INFO",
            "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        }

    def start(self) -> None:
        """And wait till it answers."""
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", self.port]
        with self.log.open("ab") as said:
            self.process = subprocess.Popen(command, env=self.environment, cwd=self.home, stdout=said, stderr=said)

        def answers() -> bool:
            try:
                return httpx.get(f"{self.url}/health").is_success
            except httpx.TransportError:
                return False

        wait_for("a server", 240, answers, self.log)

    def kill(self) -> None:
        """With all its processes."""
        for process in [*psutil.Process(self.process.pid).children(recursive=True), self.process]:
            process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("scheduled"))
    try:
        server.start()
        yield server
        assert "Can't evaluate bulk DML" not in server.log.read_text()
    finally:
        server.process.terminate()
        server.process.wait(timeout=30)


Api = Callable[..., Any]


@pytest.fixture(scope="module")
def api(server: Server) -> Api:
    """What the server answers: `api("POST", "flow_runs/filter", json)`."""

    def _api(method: str, path: str, said: dict[str, Any] | None = None) -> Any:
        for _ in range(20):
            answer = httpx.request(method, f"{server.url}/{path}", json=said, timeout=60)
            if answer.status_code != 503:  # SQLite's, which is busy; Prefect's own client asks again, too
                break
            time.sleep(1)
        answer.raise_for_status()
        return answer.json()

    return _api


def runs_of(api: Api, deployment: str) -> list[dict[str, Any]]:
    """The flow runs of a deployment that have begun, the newest first."""
    begun = {"type": {"not_any_": ["SCHEDULED", "PENDING"]}}
    said = {"deployments": {"name": {"any_": [deployment]}}, "flow_runs": {"state": begun}, "sort": "START_TIME_DESC"}
    found: list[dict[str, Any]] = api("POST", "flow_runs/filter", said)
    return found


class Serve:
    """`tamis serve` over a folder's `raw` and `curated`."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.folder, self.log = server, folder, folder / "serve.log"
        (folder / "raw").mkdir()
        (folder / "raw/a.txt").write_text(article(1))

    def start(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "flows.cli", "serve", "raw", "curated", *arguments]
        environment = self.server.environment | {"PYTHONPATH": str(ROOT)}
        with self.log.open("ab") as said:
            self.process = subprocess.Popen(command, env=environment, cwd=self.folder, stdout=said, stderr=said)

    def children(self) -> list[psutil.Process]:
        """The processes of its runs: that of a flow, then its workers."""
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.Error):
                is_prefects = process.ppid() == self.process.pid and "resource_tracker" in " ".join(process.cmdline())
                if process.status() != psutil.STATUS_ZOMBIE and not is_prefects:
                    found.append(process)
        return found

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)


@pytest.fixture
def serve(server: Server, tmp_path: Path) -> Iterator[Serve]:
    serve = Serve(server, tmp_path)
    yield serve
    serve.end()


def test_tamis_serve_puts_it_on_a_schedule_and_prefect_is_told(serve, api, tmp_path):
    log = serve.log
    serve.start("--cron", "0 3 * * *", "--timezone", "Europe/Berlin", "--name", "nightly", "--workers", "1")

    def deployment() -> Any:
        with suppress(httpx.HTTPStatusError):
            return api("GET", "deployments/name/curate/nightly")

    wait_for("a deployment", 120, deployment, log)
    found = deployment()
    (schedule,) = found["schedules"]
    assert (schedule["schedule"]["cron"], schedule["schedule"]["timezone"]) == ("0 3 * * *", "Europe/Berlin")
    assert found["global_concurrency_limit"]["limit"] == 1
    assert found["concurrency_options"]["collision_strategy"] == "ENQUEUE"
    assert found["parameters"]["curated"] == str(tmp_path / "curated")
    form = found["parameter_openapi_schema"]["properties"]
    assert all(field["description"] and field["type"] for field in form.values())
    with pytest.raises(httpx.HTTPStatusError):  # refused before it starts
        api("POST", f"deployments/{found['id']}/create_flow_run", {"parameters": {"dedup_jaccard": 7}})
    api("POST", f"deployments/{found['id']}/create_flow_run", {"parameters": {"dedup_jaccard": 0.6}})
    wait_for("a version", 240, lambda: published(tmp_path / "curated"), log)
    version = published(tmp_path / "curated")
    name = f"Published {version}"
    wait_for("its state", 60, lambda: [run for run in runs_of(api, "nightly") if run["state"]["name"] == name], log)
    (run,) = runs_of(api, "nightly")
    assert (run["name"], run["state"]["message"]) == (f"curated {version}", "1 documents kept, 0 rejected")

    def done_tasks() -> set[str]:
        tasks = api("POST", "task_runs/filter", {"flow_runs": {"id": {"any_": [run["id"]]}}, "limit": 200})
        return {task["name"] for task in tasks if task["state"] and task["state"]["type"] == "COMPLETED"}

    wait_for("its tasks' states", 60, lambda: {"read 1 of 1", "clean 1 of 1", "write 1 of 1"} <= done_tasks(), log)
    artifacts = {one["key"]: one for one in api("POST", "artifacts/latest/filter", {})}
    assert f"# {version}" in artifacts["curated-version"]["data"]
    assert float(artifacts["curated-progress"]["data"]) == 100
    assert "curated-reasons" in artifacts

    def logged() -> list[str]:
        lines = api("POST", "logs/filter", {"logs": {"flow_run_id": {"any_": [run["id"]]}}, "limit": 200})
        return [line["message"] for line in lines]

    # Lines are sent together, every few seconds: the run's state may be there before them.
    wait_for("its log", 60, lambda: any(line.startswith("clean: 1 of 1, 1 records") for line in logged()), log)
    assert not any("violin" in line or "harbour" in line for line in logged())  # of the text

    def event() -> list[Any]:
        said = {"filter": {"event": {"name": ["tamis.version.published"]}}}
        return [one for one in api("POST", "events/filter", said)["events"] if one["payload"]["version"] == version]

    wait_for("its event", 60, event, log)
    (told,) = event()
    assert told["payload"]["documents"] == 1
    api("POST", f"deployments/{found['id']}/create_flow_run", {})
    wait_for("the next run", 240, lambda: runs_of(api, "nightly")[0]["state"]["name"] == "Nothing new", log)


def test_cancelled_from_the_ui_nothing_is_left(serve, api, tmp_path):
    for number in range(2000):
        (tmp_path / f"raw/{number:04}.txt").write_text(article(number))
    log = serve.log
    serve.start("--cron", "0 3 1 1 *", "--name", "cancelled", "--workers", "2")

    def deployment() -> Any:
        with suppress(httpx.HTTPStatusError):
            return api("GET", "deployments/name/curate/cancelled")

    wait_for("a deployment", 120, deployment, log)
    api("POST", f"deployments/{deployment()['id']}/create_flow_run", {})
    wait_for("its work", 240, (tmp_path / "curated/.staging").exists, log)
    (run,) = runs_of(api, "cancelled")

    assert serve.children()
    api("POST", f"flow_runs/{run['id']}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}})
    wait_for("its processes' end", 60, lambda: not serve.children(), log)
    wait_for("its state", 60, lambda: runs_of(api, "cancelled")[0]["state"]["type"] == "CANCELLED", log)
    assert not (tmp_path / "curated/current.json").exists()
    with Store(tmp_path / "curated").lock():
        pass


# What a page of documentation has a person do that a test can't, or may not.
NOT_TRIED = ("make run", "cd ", "useradd", "chown", "cp ", "systemctl", "docker", "export ", ".venv/bin/pip")
# What goes on until it is ended, and what it says once it is at work.
SERVES = {"server start": "", "serve": "is being served", "--pool tamis --type process": "started!"}


def commands_of_operations() -> list[str]:
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    return [line.strip() for block in blocks for line in block.splitlines()]


@pytest.mark.timeout(900)
def test_every_command_of_the_operations_page_works(server, tmp_path):
    """As it stands there, but for the folders; on a dataset of three nights."""
    data = tmp_path / "data"
    (data / "raw").mkdir(parents=True)
    url = "https://news.example.org/2019/04/a-mistake"
    for night in range(2):
        records = [{"url": url, "text": article(0)}, *({"text": article(10 * night + n)} for n in range(1, 4))]
        (data / f"raw/{night}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        curated_by(data / "raw", data / "curated")
    # Prefect makes files of a deployment relative to where it is called, and the folder's own name is its version.
    here = tmp_path / "tamis"
    here.mkdir()
    for name in ("flows", "transforms", "deploy", "prefect.yaml", "README.md", "pyproject.toml"):
        (here / name).symlink_to(ROOT / name)
    (here / ".venv").mkdir()
    (here / ".venv/bin").symlink_to(Path(sys.executable).parent)
    environment = server.environment | {"PYTHONPATH": str(ROOT)}
    tried = 0
    for command in commands_of_operations():
        if command.startswith(NOT_TRIED) or "tamis-docker" in command or "nightly-docker" in command:
            continue
        arguments = [word.replace("/data", str(data)) for word in shlex.split(command)]
        goes_on = next((said for name, said in SERVES.items() if name in command), None)
        with (tmp_path / "said.log").open("wb") as log:
            process = subprocess.Popen(arguments, env=environment, cwd=here, stdout=log, stderr=log)
        tried += 1
        if "server start" in command:  # the port is taken: the fixture's is at work
            process.kill()
        elif goes_on is not None:
            said = tmp_path / "said.log"
            wait_for(command, 240, lambda: goes_on in said.read_text(), said)  # noqa: B023
            assert ended(process, 240)
        assert process.wait(timeout=240) is not None
        if goes_on is None:
            assert process.returncode == 0, f"{command}\n{(tmp_path / 'said.log').read_text()[-2000:]}"
    assert tried > 15


@pytest.mark.timeout(3600)
@pytest.mark.skipif("TAMIS_NIGHTS" not in os.environ, reason="minutes: TAMIS_NIGHTS=10 lets so many nights pass")
def test_nights_by_a_schedule_with_deaths_among_them(tmp_path_factory):
    """The next file is laid once the last is published; a worker, the flow and the server are killed on the way: what
    comes out is what undisturbed nights make."""
    server = Server(tmp_path_factory.mktemp("nights-server"))
    server.start()
    serve = Serve(server, tmp_path_factory.mktemp("nights"))
    curated, undisturbed = serve.folder / "curated", serve.folder / "undisturbed"
    serve.start("--cron", "* * * * *", "--name", "nights", "--workers", "1")
    try:
        for night in range(int(os.environ["TAMIS_NIGHTS"])):
            with (serve.folder / "new.jsonl").open("w") as new:
                for number in range(100):
                    new.write(json.dumps({"id": f"{night}-{number}", "text": article(1000 * night + number)}) + "\n")
            before = published(curated)
            shutil.move(serve.folder / "new.jsonl", serve.folder / f"raw/{night:02}.jsonl")  # whole
            if night % 4:
                steps = curated / ".staging/steps"
                wait_for("its work", 600, lambda: list(steps.glob("read_piece-*")), serve.log)  # noqa: B023
                if night % 4 == 1:
                    kill(serve, is_flow=False)
                elif night % 4 == 2:
                    kill(serve, is_flow=True)
                else:
                    server.kill()
                    server.start()
            wait_for("its version", 900, lambda: published(curated) != before, serve.log)  # noqa: B023
            curated_by(serve.folder / "raw", undisturbed)
    finally:
        serve.end()
        server.kill()
    assert tree(curated) == tree(undisturbed)


def kill(serve: Serve, is_flow: bool) -> None:
    """kill -9 of the process in which the flow runs, or of its workers."""
    for process in serve.children():
        with suppress(psutil.Error):
            if (process.ppid() == serve.process.pid) == is_flow:
                process.kill()
