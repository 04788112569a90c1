"""The flow `curate`: a run within Prefect (flows/run.py has its stages), for schedules, deployments and other flows.

Called from Python, or as `tamis run`, where no Prefect server is named, it does the same without Prefect.
"""

from dataclasses import asdict
from typing import Any

from prefect import Flow
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.context import FlowRunContext
from prefect.runtime import flow_run
from prefect.schedules import Cron
from prefect.task_runners import ThreadPoolTaskRunner

from flows import server
from flows.artifacts import Told, name_of
from flows.engines import MOST_TASKS
from flows.parameters import Options, docstring, flatten, parse, signature
from flows.run import Listener, curate_dataset
from flows.store import Store
from flows.versions.manifest import next_number
from transforms.config import Config
from transforms.errors import ConfigError, CurationError

listeners: list[Listener] = []


class Served(Flow[..., dict[str, Any]]):
    """A flow that runs within Prefect where a server is named, or another flow calls it; else it is its function."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        server.check_main_guard()
        if kwargs.get("engine") == "inline" or (url := server.named_api()) is None:
            return self.fn(*args, **kwargs)
        with server.reached(url):
            return super().__call__(*args, **kwargs)

    def serve(self, *args: Any, **kwargs: Any) -> Any:
        server.check_main_guard()
        with server.reached(server.needed_api()):
            return super().serve(*args, **kwargs)


def _flow_run_name() -> str:
    curated: str = flow_run.parameters.get("curated", "curated")
    try:
        return f"{name_of(curated)} {next_number(Store(curated))}"
    except CurationError:  # which the run will say
        return name_of(curated)


def _with_parameters(function: Any) -> Served:
    function.__doc__ = docstring(function.__doc__)
    function.__signature__ = signature()
    threads: Any = ThreadPoolTaskRunner(max_workers=MOST_TASKS)  # they only wait for the workers
    return Served(function, name="curate", flow_run_name=_flow_run_name, task_runner=threads, persist_result=False)


@_with_parameters
def curate(*args: Any, **kwargs: Any) -> Any:
    """Read what is new under RAW and publish the next version of the dataset CURATED; the run's summary.

    Raises: ConfigError (wrong call), RefusedError (a check or another run refuses), ShardError (work failed).
    """
    options, config = parse(signature().bind(*args, **kwargs).arguments)
    context = FlowRunContext.get()
    if context is None or not isinstance(context.flow, Served):
        return curate_dataset(options, config, listeners)
    told = Told(options.raw, options.curated)
    return told.outcome(lambda: curate_dataset(options, config, [told.tell, *listeners], in_prefect=True))


def serve_nightly(options: Options, config: Config, cron: str, timezone: str, name: str | None) -> None:
    """Serve the flow on a cron schedule until this process ends, one run at a time: one that comes while another is at
    work waits for it. Raises: ConfigError where the schedule or the name is wrong, or no server is named."""
    try:
        schedule = Cron(cron, timezone=timezone)
        curate.serve(
            name=name or name_of(options.curated),
            schedule=schedule,
            tags=["tamis"],
            parameters={**asdict(options), **flatten(config)},
            # Not CANCEL_NEW: a run that died without a word would cancel all later ones.
            global_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE),
        )
    except ValueError as error:
        raise ConfigError(f"schedule {cron!r}, time zone {timezone!r}: {error}") from None
