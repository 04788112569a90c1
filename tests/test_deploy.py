"""What lies around the code: prefect.yaml and deploy/, read as those who use them do, and tried out."""

import inspect
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from flows.curate import curate

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


def test_zombies_are_told_by_their_heartbeats():
    from prefect.events.schemas.automations import AutomationCore, EventTrigger

    automation = AutomationCore.model_validate(ZOMBIES)
    assert isinstance(automation.trigger, EventTrigger)
    ends = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}
    assert automation.trigger.expect == {"prefect.flow-run.heartbeat"} | ends
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
