"""A schedule, as the README tells one to set it up: a server, a script that serves, runs that publish."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import article

pytestmark = pytest.mark.flow
README = Path(__file__).parent.parent / "README.md"


def wait_for(what: str, seconds: float, happened: Callable[[], object], log: Path) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"{what} not within {seconds} s; {log.name}:\n{log.read_text()[-3000:]}"
        time.sleep(0.2)


def published(curated: Path) -> str | None:
    current = curated / "current.json"
    return json.loads(current.read_text())["version"] if current.exists() else None


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """That of a process which talks to a server of its own, with a scheduler, as `prefect server start` makes it."""
    home = tmp_path_factory.mktemp("scheduled")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "1",
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        "PREFECT_LOGGING_LEVEL": "INFO",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
    }
    log = home / "server.log"
    with log.open("wb") as said:
        server = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
            env=environment,
            cwd=home,
            stdout=said,
            stderr=said,
        )

    def answers() -> bool:
        try:
            return httpx.get(f"{environment['PREFECT_API_URL']}/health").is_success
        except httpx.TransportError:
            return False

    try:
        wait_for("a server", 120, answers, log)
        yield environment
        assert "Can't evaluate bulk DML" not in log.read_text()
    finally:
        server.terminate()
        server.wait(timeout=30)


@pytest.fixture
def serve(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Start a script that serves a flow; its log."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/a.txt").write_text(article(1))
    running: list[subprocess.Popen[bytes]] = []

    def start(script: str) -> Path:
        for name in ("raw", "curated"):
            assert f'"/data/{name}"' in script
            script = script.replace(f'"/data/{name}"', repr(str(tmp_path / name)))
        (tmp_path / "nightly.py").write_text(script)
        log = tmp_path / "serve.log"
        with log.open("wb") as said:
            running.append(
                subprocess.Popen(
                    [sys.executable, "nightly.py"], env=environment, cwd=tmp_path, stdout=said, stderr=said
                )
            )
        return log

    yield start
    for process in running:
        process.terminate()
        process.wait(timeout=60)


def recipe() -> str:
    section = README.read_text().split("\n## On a schedule\n")[1]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)[0]


def test_the_recipe_of_the_readme_publishes_when_a_run_is_asked_for(serve, environment, tmp_path):
    log = serve(recipe())
    api = environment["PREFECT_API_URL"]

    def deployment() -> dict[str, object] | None:
        found = httpx.get(f"{api}/deployments/name/curate/nightly")
        return found.json() if found.is_success else None

    wait_for("a deployment", 60, deployment, log)
    (schedule,) = deployment()["schedules"]
    assert schedule["schedule"]["cron"] == "0 3 * * *"
    # The scheduler plans its runs: the first is for three o'clock.
    state = {"type": {"any_": ["SCHEDULED"]}}

    def planned() -> list[dict[str, str]]:
        return httpx.post(f"{api}/flow_runs/filter", json={"flow_runs": {"state": state}}).json()

    wait_for("a planned run", 60, planned, log)
    assert all("T03:00:00" in run["expected_start_time"] for run in planned())
    httpx.post(f"{api}/deployments/{deployment()['id']}/create_flow_run", json={}).raise_for_status()
    wait_for("a version", 120, lambda: published(tmp_path / "curated"), log)
    assert log.read_text().count("is being served") == 1


def test_a_schedule_fires(serve, tmp_path):
    """And fires again: a second file has come in meanwhile."""
    log = serve(recipe().replace('"nightly"', '"often"').replace('cron="0 3 * * *"', "interval=5"))
    wait_for("a version", 120, lambda: published(tmp_path / "curated"), log)
    first = published(tmp_path / "curated")
    (tmp_path / "raw/b.txt").write_text(article(2))
    wait_for("the next version", 120, lambda: published(tmp_path / "curated") != first, log)


def test_a_script_that_serves_without_its_guard_says_so_once_a_run(serve, environment, tmp_path):
    """Each run imports the script again, which would serve again instead of running."""
    script = recipe().replace('if __name__ == "__main__":\n    ', "").replace('"nightly"', '"unguarded"')
    log = serve(script.replace('cron="0 3 * * *"', "interval=5"))
    said = 'must stand under `if __name__ == "__main__":`'
    wait_for("a word on the guard", 60, lambda: said in log.read_text(), log)
    assert log.read_text().count("is being served") == 1
