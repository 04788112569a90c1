"""The flow: the stages of a run in order, on an engine that does their steps.

raw ─► plan ─► [read · repair · index lines]ₛ ─► identifyₚ ─► templatesₚ ─► [strip · describe · detect · sign]ₛ
    ─► compare (flows/compare) ─► [select · write]ₛ ─► merge state ─► check ─► publish
"""

from typing import Any

from prefect import Flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows import server
from flows.engines import engine_of
from flows.inputs import check_roots
from flows.run import Listener, Run
from flows.store import Store
from flows.versions.history import check_hold, lift_hold
from flows.versions.publish import sweep
from transforms.boilerplate.model import load as load_model
from transforms.config import from_mapping
from transforms.language import check_models

listeners: list[Listener] = []


def curate_dataset(
    raw: str = "raw",
    curated: str = "curated",
    config: dict[str, Any] | None = None,
    workers: int | None = None,
    limit: int | None = None,
    rebuild: bool = False,
    engine: str = "local",
    checksum: bool = False,
    force: bool = False,
    resume: bool = False,
) -> dict[str, Any]:
    """Read what is new under RAW and publish the next version of the dataset CURATED; the run's summary.

    With `rebuild` every earlier document is made anew from its original, which the dataset holds, under today's code,
    config and templates; ids, and who is earlier than whom, stay. `checksum` tells changed files by their bytes.
    `force` publishes also where less than half would be left. `resume` goes on from a version that was rolled back to.
    Raises: ConfigError (wrong call), RefusedError (a check or another run refuses), ShardError (work failed).
    """
    settings = from_mapping(config or {})
    load_model(settings.boilerplate.model_path)  # damaged weights stop a run before its first step
    check_models(settings.language)
    check_roots(raw, curated)
    store = Store(curated, raw)
    with store.lock(), engine_of(engine, workers) as do:
        sweep(store)
        if resume:
            lift_hold(store)
        check_hold(store)
        run = Run(
            store,
            do,
            settings,
            listeners,
            limit=limit,
            rebuild=rebuild,
            checksum=checksum,
            force=force,
        )
        pieces = run.plan()
        if not pieces and not run.rebuild:
            return run.nothing_new()
        run.read(pieces)
        if not run.identify():
            return run.nothing_new()
        return run.process()


class Served(Flow[..., dict[str, Any]]):
    """A flow that finds its server, or starts it, when it is called; on the engine `inline` it does without Prefect."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("engine") == "inline":
            return self.fn(*args, **kwargs)
        server.check_main_guard()
        with server.prefect_server():
            return super().__call__(*args, **kwargs)

    def serve(self, *args: Any, **kwargs: Any) -> Any:
        server.check_main_guard()
        return super().serve(*args, **kwargs)


_threads: Any = ThreadPoolTaskRunner(max_workers=64)  # they only wait for the pool
curate = Served(curate_dataset, name="curate", validate_parameters=False, task_runner=_threads)
