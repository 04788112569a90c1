"""What Prefect is told of a run: names, a log line a shard, artifacts, events and the final state; never a text.

All of it is news: where the server doesn't take it, the run goes on, and its log says so.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.events import emit_event
from prefect.states import Completed, Failed

from flows.run import Progress
from flows.show.progress import line_of
from flows.versions.statistics import say
from transforms.errors import CurationError, RefusedError

# Percent of a run that is done when a stage begins: read and clean are most of it.
_BEGINS = {"plan": 0, "read": 1, "identify": 20, "restore": 20, "templates": 22, "number": 24, "clean": 25, "match": 85}
_BEGINS |= {"tokens": 88, "settle": 91, "take": 93, "write": 93, "inputs": 97, "check": 98, "publish": 99}
# Seconds between two changes of the progress artifact, each of which is a request.
_PAUSE = 2.0
PUBLISHED, REFUSED = "tamis.version.published", "tamis.version.refused"


def name_of(curated: str) -> str:
    """A dataset's name, as keys of artifacts and flow runs have it."""
    return re.sub(r"[^a-z0-9]+", "-", Path(curated).absolute().name.lower()).strip("-") or "dataset"


class Told:
    """What one flow run tells of the dataset it curates."""

    def __init__(self, raw: str, curated: str) -> None:
        self.raw, self.curated = str(Path(raw).absolute()), str(Path(curated).absolute())
        self.name = name_of(curated)
        self.log = get_run_logger()
        self.progress: UUID | None = None
        self.percent, self.at = -1.0, 0.0
        self.stage, self.began = "", time.monotonic()

    def tell(self, said: Progress) -> None:
        """A log line for each shard that is done; the progress artifact, now and then."""
        if said.stage != self.stage:
            self.stage, self.began = said.stage, time.monotonic()
        if said.done:
            self.log.info(line_of(said, time.monotonic() - self.began))
        begins = _BEGINS.get(said.stage, self.percent)
        following = min([percent for percent in _BEGINS.values() if percent > begins], default=100)
        share = said.done / said.steps if said.steps else 1.0
        percent = max(self.percent, begins + (following - begins) * share)
        if percent > self.percent and (time.monotonic() - self.at > _PAUSE or self.progress is None):
            self._show(percent, f"{self.name}: {said.stage}")

    def _show(self, percent: float, description: str) -> None:
        self.percent, self.at = percent, time.monotonic()
        with self.taken_lightly():
            if self.progress is None:
                made = create_progress_artifact(percent, key=f"{self.name}-progress", description=description)
                assert isinstance(made, UUID)
                self.progress = made
            else:
                update_progress_artifact(self.progress, percent, description)

    @contextmanager
    def taken_lightly(self) -> Iterator[None]:
        """News that may get lost: what was done is done."""
        try:
            yield
        except Exception as error:
            self.log.warning("Prefect was not told: %s: %s", type(error).__name__, error)

    def outcome(self, work: Callable[[], dict[str, Any]]) -> "State[dict[str, Any]]":
        """The final state of a run: its summary, or the one line that says what failed."""
        try:
            summary = work()
        except CurationError as error:
            if isinstance(error, RefusedError):
                self._emit(REFUSED, {"reason": str(error)})
                return Failed(name="Refused", message=str(error), data=error)
            return Failed(message=str(error), data=error)
        self._show(100.0, f"{self.name}: {summary['version'] or 'no version'}")
        if not summary["published"]:
            return Completed(name="Nothing new", message=f"{summary['version'] or 'no version'} stands", data=summary)
        self._publish(summary)
        message = f"{summary['documents']:,} documents kept, {summary['rejected']:,} rejected"
        return Completed(name=f"Published {summary['version']}", message=message, data=summary)

    def _publish(self, summary: Mapping[str, Any]) -> None:
        with self.taken_lightly():
            create_markdown_artifact(
                markdown(summary, self.curated), f"{self.name}-version", f"{self.name}: {summary['version']}"
            )
        with self.taken_lightly():
            create_table_artifact(reasons(summary), f"{self.name}-reasons", f"{self.name}: {summary['version']}, why")
        with self.taken_lightly():
            self._rename(f"{self.name} {summary['version']}")
        counts = {name: summary[name] for name in ("records", "documents", "rejected", "known", "forgotten")}
        self._emit(PUBLISHED, {"version": summary["version"], **counts, "total": summary["total"]})

    def _rename(self, name: str) -> None:
        from prefect.client.orchestration import get_client

        context = FlowRunContext.get()
        if context is not None and context.flow_run is not None:
            with get_client(sync_client=True) as client:
                client.update_flow_run(context.flow_run.id, name=name)

    def _emit(self, event: str, payload: dict[str, Any]) -> None:
        with self.taken_lightly():
            resource = {"prefect.resource.id": f"tamis.dataset.{self.curated}", "prefect.resource.name": self.name}
            emit_event(event, resource, payload={"curated": self.curated, "raw": self.raw, **payload})


def markdown(summary: Mapping[str, Any], curated: str) -> str:
    """A run's outcome, as an artifact shows it."""
    total = summary["total"]
    folder = Path(curated) / "versions" / summary["version"]
    lines = [
        f"# {summary['version']}",
        "",
        f"{summary['records']:,} records read = {summary['documents']:,} kept + {summary['rejected']:,} rejected"
        + (f" + {summary['known']:,} known" if summary["known"] else "")
        + (f" + {summary['forgotten']:,} forgotten" if summary["forgotten"] else ""),
        "",
        f"The dataset holds **{total['documents']:,} documents**, and {total['rejected']:,} rejected records. "
        f"{summary['seconds']:.1f} s.",
        "",
        "| language | documents |",
        "|---|---:|",
        *(f"| {language} | {count:,} |" for language, count in summary["languages"].items()),
        "",
        "| rejected | records |",
        "|---|---:|",
        *(f"| `{reason}` | {count:,} |" for reason, count in summary["rejected_by_reason"].items()),
        "",
        *([f"**Drift:** {say(summary['drift'])}", ""] if summary["drift"] else []),
        *(
            [f"**{summary['failed_shards']:,} shards failed** and are tried again by the next run.", ""]
            if summary["failed_shards"]
            else []
        ),
        f"[Card]({(folder / 'README.md').as_uri()}) · [manifest]({(folder / 'manifest.json').as_uri()}) · "
        f"[statistics]({(folder / 'statistics.parquet').as_uri()}), in `{folder}`",
    ]
    return "\n".join(lines) + "\n"


def reasons(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was rejected or removed, why and how much, as rows of a table artifact."""
    rejected = [
        {"what": "rejected", "reason": reason, "records": count, "spans": "", "characters": ""}
        for reason, count in summary["rejected_by_reason"].items()
    ]
    removed = [
        {"what": "changed", "reason": reason, "records": "", "spans": found["spans"], "characters": found["characters"]}
        for reason, found in summary["removed_by_reason"].items()
    ]
    return [*rejected, *removed]
