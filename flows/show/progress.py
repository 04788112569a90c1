"""How far a run is: bars where a person watches, plain lines elsewhere, or a JSON object a line."""

import json
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

if TYPE_CHECKING:
    from flows.run import Progress


def line_of(said: "Progress", seconds: float) -> str:
    """How far a stage is, after so many seconds, in a line."""
    text = _text_of(said, seconds)
    return f"{said.stage}: {said.done} of {said.steps}" + (f", {text}" if text else "")


def _text_of(said: "Progress", seconds: float) -> str:
    if not said.records:
        return ""
    rejected = f", {said.rejected:,} rejected" if said.rejected else ""
    size = f", {said.bytes / 1e6:.1f} MB" if said.bytes else ""
    speed = f", {said.bytes / 1e6 / seconds:.1f} MB/s" if said.bytes > 1e5 * seconds > 1e4 else ""
    return f"{said.records:,} records{rejected}{size}{speed}"


def log_json(level: str, message: str, **facts: Any) -> None:
    """A line on standard error that a log collector parses."""
    said = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level, "message": message, **facts}
    print(json.dumps(said, ensure_ascii=False), file=sys.stderr, flush=True)


class Watch:
    """Shows a run's progress on standard error: `quiet`, not at all; `as_json`, as log lines."""

    def __init__(self, console: Console, *, quiet: bool = False, as_json: bool = False) -> None:
        self.quiet, self.as_json, self.console = quiet and not as_json, as_json, console
        self.bars = Bars(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description:<11}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[said]}"),
            console=console,
            disable=quiet or as_json or not console.is_terminal,
        )
        self.began: dict[str, float] = {}
        self.tasks: dict[str, Any] = {}

    def __enter__(self) -> "Watch":
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def tell(self, said: "Progress") -> None:
        """A stage has come so far. One without steps is none."""
        began = self.began.setdefault(said.stage, time.monotonic())
        if not said.steps or self.quiet:
            return
        seconds = time.monotonic() - began
        if self.as_json:
            if said.done:
                log_json("info", line_of(said, seconds), **said._asdict(), seconds=round(seconds, 3))
        elif not self.bars.disable:
            if said.stage not in self.tasks:
                self.tasks[said.stage] = self.bars.add_task(said.stage, total=said.steps, said="")
            self.bars.update(
                self.tasks[said.stage], completed=said.done, total=said.steps, said=_text_of(said, seconds)
            )
        elif said.done == said.steps:
            self.console.print(line_of(said, seconds), markup=False)
