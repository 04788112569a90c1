"""What lies around the code: prefect.yaml and deploy/, read as those who use them do, and tried out."""

import inspect
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import psutil
import pytest
import yaml

from flows.curate import curate
from tests.conftest import article, ended, rows

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
PREFECT = yaml.safe_load((ROOT / "prefect.yaml").read_text())
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
ZOMBIES = yaml.safe_load((DEPLOY / "zombies.yaml").read_text())
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DEPLOYMENTS = {deployment["name"]: deployment for deployment in PREFECT["deployments"]}
IMAGE = f"tamis:{PROJECT['version']}"

deployments = pytest.mark.parametrize("name", DEPLOYMENTS)


@deployments
def test_a_deployment_is_of_the_flow_and_its_parameters(name):
    from prefect.flows import load_flow_from_entrypoint

    deployment = DEPLOYMENTS[name]
    path, function = deployment["entrypoint"].split(":")
    assert (ROOT / path).is_file()
    assert getattr(load_flow_from_entrypoint(f"{ROOT / path}:{function}"), "name", None) == curate.name
    parameters = deployment["parameters"]
    assert set(parameters) <= set(inspect.signature(curate.fn).parameters)
    assert {"raw", "curated"} <= set(parameters)
    assert all(Path(parameters[folder]).is_absolute() for folder in ("raw", "curated"))


@deployments
def test_its_schedule_is_one_and_its_runs_wait_for_each_other(name):
    from prefect.client.schemas.objects import ConcurrencyOptions
    from prefect.client.schemas.schedules import CronSchedule

    deployment = DEPLOYMENTS[name]
    (schedule,) = deployment["schedules"]
    assert CronSchedule(**schedule).cron == schedule["cron"]
    assert ZoneInfo(schedule["timezone"]).key == schedule["timezone"]
    limit = dict(deployment["concurrency_limit"])
    assert limit.pop("limit") == 1
    assert ConcurrencyOptions(**limit).collision_strategy.value == "ENQUEUE"


@deployments
def test_its_trigger_waits_until_the_files_stop_coming(name):
    from prefect.events import DeploymentEventTrigger
    from prefect.events.schemas.automations import Posture

    (spec,) = DEPLOYMENTS[name]["triggers"]
    assert set(spec) - {"type"} <= set(DeploymentEventTrigger.model_fields)
    trigger = DeploymentEventTrigger(**spec, name="arrived")
    # After one of its own kind it fires once none has come for a while, of each resource by itself.
    assert trigger.posture is Posture.Proactive
    assert trigger.after == trigger.expect == {"tamis.raw.arrived"}
    assert (trigger.threshold, trigger.for_each) == (1, {"prefect.resource.id"})


def test_the_deployment_in_containers_runs_the_image_as_it_is_made():
    variables = DEPLOYMENTS["nightly-docker"]["work_pool"]["job_variables"]
    assert variables["image"] == IMAGE
    (pull,) = DEPLOYMENTS["nightly-docker"]["pull"]
    assert pull["prefect.deployments.steps.set_working_directory"]["directory"] == last("WORKDIR")
    # The image's entry point is `tamis`; the container of a flow run starts Prefect.
    assert variables["container_create_kwargs"]["entrypoint"] == ["prefect"]
    assert variables["command"] == "flow-run execute"
    assert variables["container_create_kwargs"]["user"] == last("USER")
    assert f"PREFECT_HOME={variables['env']['PREFECT_HOME']} " in DOCKERFILE


def test_zombies_are_told_by_their_heartbeats():
    from prefect.events.schemas.automations import AutomationCore, EventTrigger

    automation = AutomationCore.model_validate(ZOMBIES)
    assert isinstance(automation.trigger, EventTrigger)
    from prefect.server.events.schemas.automations import EventTrigger as OfServer

    trigger = OfServer.model_validate(ZOMBIES["trigger"])
    # Also the names of our own last states (flows/artifacts.py): else a run that is over would be marked as crashed.
    for state in (
        "heartbeat",
        "Completed",
        "Failed",
        "Cancelled",
        "Crashed",
        "Published 3-0a",
        "Nothing new",
        "Refused",
    ):
        assert trigger.expects(f"prefect.flow-run.{state}")
    assert automation.trigger.after == {"prefect.flow-run.heartbeat"}
    (action,) = automation.actions
    assert action.model_dump()["type"] == "change-flow-run-state"
    # Three heartbeats may be lost before a run is given up.
    heartbeat = int(COMPOSE["services"]["worker"]["environment"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"])
    assert automation.trigger.within.total_seconds() > 3 * heartbeat


def last(instruction: str) -> str:
    """The last value of an instruction in the Dockerfile."""
    found: list[str] = re.findall(rf"^{instruction} (.+)$", DOCKERFILE, re.MULTILINE)
    return found[-1]


def test_the_image_is_pinned_and_runs_as_nobody_in_particular():
    bases = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))
    assert all(re.fullmatch(r"python:3\.1[1-3]\.\d+-slim-\w+", base) for base in bases)
    assert len(bases) == 1
    assert last("USER") == "10001:10001"
    assert last("ENTRYPOINT") == '["tamis"]'
    (install,) = re.findall(r"pip install (--constraint.*?--editable \S+)", DOCKERFILE, re.DOTALL)
    extras = set(re.findall(r"\[(.*?)\]", install)[0].split(","))
    assert extras <= set(PROJECT["optional-dependencies"])
    assert "--constraint constraints.txt --build-constraint constraints.txt" in install
    assert re.search(r"^setuptools==", (ROOT / "constraints.txt").read_text(), re.MULTILINE)


def test_what_the_image_is_made_of_is_there():
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert all((ROOT / name).exists() for name in kept)
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {name.removesuffix("*") for name in data} <= set(kept)
    assert {"prefect.yaml", "deploy/zombies.yaml", PROJECT["readme"], "constraints.txt"} <= set(kept)


def test_what_runs_in_containers_writes_to_its_volumes_alone():
    for name, service in COMPOSE["services"].items():
        assert service["read_only"], name
        assert "/tmp" in service["tmpfs"]
        if name != "postgres":
            assert service["image"] == IMAGE
            assert "/data" in str(service.get("volumes", service["tmpfs"]))
    volumes = {
        volume.split(":")[0] for service in COMPOSE["services"].values() for volume in service.get("volumes", [])
    }
    assert {volume for volume in volumes if volume.isalpha()} == set(COMPOSE["volumes"])


def test_each_service_waits_for_what_it_needs():
    services = COMPOSE["services"]
    needed = {name: service.get("depends_on", {}) for name, service in services.items()}
    assert needed == {
        "postgres": {},
        "server": {"postgres": {"condition": "service_healthy"}},
        "deploy": {"server": {"condition": "service_healthy"}},
        "worker": {"deploy": {"condition": "service_completed_successfully"}},
    }
    assert {name for name, service in services.items() if "healthcheck" in service} == {"postgres", "server", "worker"}


def test_no_secret_is_written_down():
    example = dict(
        line.split("=", 1) for line in (DEPLOY / ".env.example").read_text().splitlines() if not line.startswith("#")
    )
    asked = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text()))
    assert asked == set(example) - {"COMPOSE_PROJECT_NAME"}
    assert {name for name, value in example.items() if not value} == {"POSTGRES_PASSWORD"}
    for service in COMPOSE["services"].values():
        for name, value in service.get("environment", {}).items():
            assert "PASSWORD" not in name or value.startswith("${POSTGRES_PASSWORD:?")
    assert "/deploy/.env" in (ROOT / ".gitignore").read_text().splitlines()


def run(*command: str | Path, env: dict[str, str] | None = None) -> str:
    """What a command says, which is to succeed."""
    done = subprocess.run(
        [*map(str, command)], env=os.environ | (env or {}), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def program(*names: str) -> str:
    """The first of these programs that is installed, here or beside this Python."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    for name in names:
        if found := shutil.which(name, path=places):
            return found
    pytest.skip(f"{names[0]} is not installed")


def test_hadolint_has_nothing_to_say():
    assert run(program("hadolint"), DEPLOY / "Dockerfile") == ""


def compose() -> list[str]:
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "compose", "version"], capture_output=True).returncode == 0:
        return [docker, "compose"]
    return [program("docker-compose")]


def test_compose_reads_its_file():
    settings = {"POSTGRES_PASSWORD": "p@ss:/w%rd", "TAMIS_RAW": "/srv/raw", "TAMIS_CURATED": "/srv/curated"}
    read = yaml.safe_load(run(*compose(), "--file", DEPLOY / "compose.yaml", "config", env=settings))
    assert set(read["services"]) == set(COMPOSE["services"])
    environment: dict[str, Any] = read["services"]["server"]["environment"]
    assert environment["PREFECT_SERVER_DATABASE_PASSWORD"] == settings["POSTGRES_PASSWORD"]
    # Without a password it says what to do.
    refused = subprocess.run(
        [*compose(), "--file", DEPLOY / "compose.yaml", "config"],
        env=os.environ | settings | {"POSTGRES_PASSWORD": ""},
        capture_output=True,
        text=True,
    )
    assert refused.returncode != 0
    assert "see deploy/.env.example" in refused.stderr


def test_systemd_reads_its_units(tmp_path):
    analyze = program("systemd-analyze")
    for name in ("tamis.service", "tamis.timer"):
        # The program is where it was installed; here it isn't.
        text = (DEPLOY / name).read_text().replace("/opt/tamis/.venv/bin/tamis", sys.executable)
        (tmp_path / name).write_text(text)
    assert run(analyze, "verify", tmp_path / "tamis.service", tmp_path / "tamis.timer") == ""
    assert "ExecStart=/opt/tamis/.venv/bin/tamis run " in (DEPLOY / "tamis.service").read_text()
    (when,) = re.findall(r"^OnCalendar=(.+)$", (DEPLOY / "tamis.timer").read_text(), re.MULTILINE)
    assert "03:00:00" in run(analyze, "calendar", when)


def postgres_programs() -> Path:
    """Where Debian, or whoever, keeps initdb and postgres."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    if folders:
        return folders[-1]
    return Path(program("initdb")).parent


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def listens(port: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) == 0


class Host:
    """The services of the compose file on this host, each with folders of its own and the image's environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.app = folder / "app"
        self.running: list[subprocess.Popen[bytes]] = []
        self.ports = {port: free_port() for port in ("5432", "4200", "8080")}
        (block,) = re.findall(r"^ENV ((?:.*\\\n)*.*)$", DOCKERFILE, re.MULTILINE)
        self.image = dict(re.findall(r"(\w+)=(\S+)", block))

    def here(self, text: str, data: Path) -> str:
        """What a container's names, ports and folders are on this host."""
        text = re.sub(r"\$\{POSTGRES_PASSWORD:.*?\}", lambda _: PASSWORD, text)
        text = re.sub(r"\$\{PREFECT_PORT:.*?\}", "4200", text)
        text = re.sub(r"\b(server(?=:)|postgres$|0\.0\.0\.0)", "127.0.0.1", text)
        text = re.sub(r"\b(5432|4200|8080)\b", lambda port: self.ports[port[0]], text)
        return re.sub(r"^/data", str(data), text)

    def environment(self, name: str) -> dict[str, str]:
        data = self.folder / name
        data.mkdir(exist_ok=True)
        given = self.image | COMPOSE["services"][name].get("environment", {})
        place = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "PYTEST"))}
        return (
            inherited
            | {name: self.here(value, data) for name, value in given.items()}
            | {
                "PATH": place,
                "PYTHONPATH": str(self.app),  # in the image it is installed there
                "PREFECT_WORKER_WEBSERVER_PORT": self.ports["8080"],
                # Less idle time; nothing else.
                "PREFECT_WORKER_QUERY_SECONDS": "2",
            }
        )

    def command(self, name: str) -> list[str]:
        service = COMPOSE["services"][name]
        return [self.here(part, self.folder / name) for part in service.get("entrypoint", []) + service["command"]]

    def start(self, name: str, command: list[str], **how: Any) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            started = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **how)
        self.running.append(started)
        return started

    def serve(self, name: str, port: str) -> None:
        self.start(name, self.command(name), env=self.environment(name), cwd=self.app)
        self.wait(f"{name} to listen", lambda: listens(self.ports[port]))
        check = [self.here(part, self.folder / name) for part in COMPOSE["services"][name]["healthcheck"]["test"][1:]]
        self.wait(f"{name} to be healthy", lambda: subprocess.run(check, env=self.environment(name)).returncode == 0)

    def wait(self, what: str, happened: Callable[[], bool], seconds: float = 200) -> None:
        deadline = time.monotonic() + seconds
        while not happened():
            ended = [process.args for process in self.running if process.poll() is not None]
            assert not ended, f"{ended} ended: {self.said()}"
            assert time.monotonic() < deadline, f"waited {seconds} s for {what}: {self.said()}"
            time.sleep(1)

    def said(self) -> str:
        return "\n".join(f"{log.name}:\n{log.read_text()[-2000:]}" for log in sorted(self.folder.glob("*.log")))

    def stop(self) -> None:
        """SIGTERM, newest first, as compose does it; who doesn't end within a minute fails the test."""
        late = [process.args for process in reversed(self.running) if not ended(process, 60)]
        assert not late, self.said()


PASSWORD = "p@ss:/w%rd #1"


@pytest.fixture
def host() -> Iterator[Host]:
    """A host on which Postgres runs already, under a user of its own: it refuses root."""
    programs = postgres_programs()
    folder = Path(tempfile.mkdtemp(prefix="tamis-host-"))  # not below pytest's folder, which is this user's alone
    folder.chmod(0o755)
    database = folder / "postgres"
    database.mkdir()
    how: dict[str, Any] = {"cwd": database}
    if os.geteuid() == 0:
        users = [user for user in ("postgres", "nobody") if user in {entry.pw_name for entry in pwd.getpwall()}]
        how |= {"user": users[0], "group": pwd.getpwnam(users[0]).pw_gid, "extra_groups": []}
        shutil.chown(database, users[0])
    host = Host(folder)
    (folder / "password").write_text(PASSWORD)
    settings = COMPOSE["services"]["postgres"]["environment"]
    made = ["--username", settings["POSTGRES_USER"], "--auth", "scram-sha-256", "--pwfile", str(folder / "password")]
    initdb = [programs / "initdb", "--pgdata", database / "data", "--no-sync", *made]
    at = ["-h", "127.0.0.1", "-p", host.ports["5432"], "-k", str(database)]
    try:
        subprocess.run(initdb, check=True, capture_output=True, **how)
        fast = ["-c", "fsync=off", "-c", "synchronous_commit=off"]
        host.start("postgres", [str(programs / "postgres"), "-D", str(database / "data"), *at, *fast], **how)
        ready = [programs / "pg_isready", *at[:4]]
        host.wait("Postgres", lambda: subprocess.run(ready, capture_output=True).returncode == 0)
        create = [programs / "createdb", *at[:4], *made[:2], settings["POSTGRES_DB"]]
        subprocess.run(create, check=True, env=os.environ | {"PGPASSWORD": PASSWORD})
        yield host
    finally:
        host.stop()
        shutil.rmtree(folder)


def files_of(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if "__pycache__" not in path.parts}


def asked_for(api: str) -> list[str]:
    """The states of the runs that no schedule has made."""
    runs = httpx.post(f"{api}/flow_runs/filter", json={}).raise_for_status().json()
    return [run["state_type"] for run in runs if not run["auto_scheduled"]]


@pytest.mark.flow
@pytest.mark.timeout(900)
def test_each_command_of_the_compose_file_does_its_part(host):
    """All but the containers: a server on a Postgres, a pool, a deployment, automations, a worker, a run."""
    for name in ("flows", "transforms"):
        shutil.copytree(ROOT / name, host.app / name)
    (host.app / "deploy").mkdir()
    shutil.copy(DEPLOY / "zombies.yaml", host.app / "deploy")
    data = host.folder / "worker"
    (data / "raw").mkdir(parents=True)
    (data / "raw/a.txt").write_text(article(1))
    text = (ROOT / "prefect.yaml").read_text().replace(": /data/", f": {data}/")
    assert "within: 600" in text
    (host.app / "prefect.yaml").write_text(text.replace("within: 600", "within: 10"))
    installed = files_of(host.app)

    host.serve("server", "4200")
    api = f"http://127.0.0.1:{host.ports['4200']}/api"
    deploy = host.start("deploy", host.command("deploy"), env=host.environment("deploy"), cwd=host.app)
    assert deploy.wait(timeout=200) == 0, host.said()
    host.running.remove(deploy)
    host.serve("worker", "8080")

    automations = [each["name"] for each in httpx.post(f"{api}/automations/filter", json={}).json()]
    assert sorted(automations) == [ZOMBIES["name"], "nightly__automation_1"]
    deployment = httpx.get(f"{api}/deployments/name/curate/nightly").json()
    assert deployment["global_concurrency_limit"]["limit"] == 1
    assert deployment["schedules"][0]["schedule"]["cron"] == DEPLOYMENTS["nightly"]["schedules"][0]["cron"]
    assert asked_for(api) == []

    # Three files have come, a second between them.
    now = datetime.now(UTC)
    arrived = {"event": "tamis.raw.arrived", "resource": {"prefect.resource.id": "tamis.raw"}, "payload": {}}
    events = [
        arrived | {"id": str(uuid4()), "occurred": (now + timedelta(seconds=second)).isoformat()} for second in range(3)
    ]
    httpx.post(f"{api}/events", json=events).raise_for_status()
    host.wait("a run that has ended", lambda: bool({"COMPLETED", "FAILED", "CRASHED"} & set(asked_for(api))))
    assert asked_for(api) == ["COMPLETED"], host.said()
    assert len(rows(data / "curated")) == 1
    # The worker passes on how often its runs are to say that they live.
    heartbeats = {"event": {"name": ["prefect.flow-run.heartbeat"]}}
    assert httpx.post(f"{api}/events/filter", json={"filter": heartbeats}).json()["total"] >= 1
    # It could have been read-only, but for /data.
    assert files_of(host.app) == installed
    host.stop()
    started = {str(host.folder), *host.ports.values()}
    left = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]
    assert not [command for command in left if command and started & set(" ".join(command).split())]
