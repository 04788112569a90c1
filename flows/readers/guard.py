"""What may end the process that reads: parts that C code opens (Parquet, Arrow), and pages that become text.

The first try at a step reads as if nothing could happen, and leaves a mark before it does any such thing. A try that
finds the mark of one that never came back, whatever ended it, reads in a child, which sends the records: so the child's
death, and nothing else, shows what can't be read. What it had sent stays. A page that ended it twice is one rejected
record, and the part is read on behind it; else the rest of the part is one.

A loop without end is ended by the process's own clock (`limits.read_seconds`), in a worker as in a child.
"""

import multiprocessing.sharedctypes
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Protocol

from flows.processes import Died, in_child, set_clock
from flows.readers.fields import FieldReader
from flows.readers.records import Part, Record, rejected_file
from flows.readers.source import Source
from flows.store import Ref, Store
from transforms.config import Config
from transforms.errors import RecordError, ShardError

# So often a child must die at one place: once, another may have ended it.
DEATHS = 2


class Watch:
    """Is told of each thing that may end this process before it is begun, and when it is over."""

    def __init__(self, config: Config, mark: Callable[[], None]) -> None:
        self.seconds = config.limits.read_seconds
        self.mark = mark

    @contextmanager
    def risk(self) -> Iterator[None]:
        """Around it."""
        self.mark()
        set_clock(self.seconds)
        try:
            yield
        finally:
            set_clock(0)

    @contextmanager
    def page(self, number: int) -> Iterator[None]:
        """Around what makes a text of the part's record of this number, from 0. Raises: RecordError where that is not
        to be tried."""
        with self.risk():
            yield


class _ChildsWatch(Watch):
    """Of a part of which `done` records are known, and these pages ended a child."""

    def __init__(self, config: Config, done: int, deadly: Mapping[int, RecordError], at_page: Any) -> None:
        super().__init__(config, lambda: None)
        self.done, self.deadly, self.at_page = done, deadly, at_page

    @contextmanager
    def page(self, number: int) -> Iterator[None]:
        if number in self.deadly:
            raise self.deadly[number]
        if number < self.done:
            raise RecordError("read.crashed", "known, and not handed on")
        self.at_page.value = True  # stands where it can be seen after this process
        with self.risk():
            yield
        self.at_page.value = False


class Reads(Protocol):
    """A part being read: its records, then what is to be said of it."""

    part: Part

    def __iter__(self) -> Iterator[Record]:
        """The records, in order."""

    def said(self) -> dict[str, Any]:
        """What was read as what, how far, and the hashes of the blocks."""


Begin = Callable[[Store, Part, Config, Watch], Reads]


def guarded(store: Store, parts: Sequence[Part], config: Config, begin: Begin) -> "Iterator[Guarded]":
    """These parts, to be read one after the other, each to its end, in a child."""
    children = _Children(store, parts, config, begin)
    try:
        for number in range(len(parts)):
            yield Guarded(children, number)
    finally:
        children.end()


class Guarded:
    """A part that a child reads."""

    def __init__(self, children: "_Children", number: int) -> None:
        self.children = children
        self.number = number
        self.part = children.parts[number]
        self._said: dict[str, Any] = {}

    def __iter__(self) -> Iterator[Record]:
        done = deaths = 0
        deadly: dict[int, RecordError] = {}
        while True:
            try:
                for answer in self.children.answers(self.number, done, deadly):
                    if isinstance(answer, dict):
                        self._said = answer
                        return
                    done, deaths = done + 1, 0
                    yield answer
            except Died as death:
                deaths += 1
                if deaths < DEATHS:
                    continue
                fault = _fault(death, self.children.config)
                if not self.children.at_page.value:
                    yield self._rest(done, fault)
                    return
                deadly[done], deaths = fault, 0

    def said(self) -> dict[str, Any]:
        """What was read as what, how far, and the hashes of the blocks."""
        return self._said

    def _rest(self, done: int, fault: RecordError) -> Record:
        part, store = self.part, self.children.store
        if part.is_lines:  # whose parts are numbered by the lines of those before
            raise ShardError(f"{part.path}: {fault.detail}")
        with store.open(Ref("raw", part.key, "")) as file:
            source = Source(file, part.size, part.first_block, part.end_block)
            whole = rejected_file(source, part, fault.reason, "")
            blocks = list(source.finish())
        self._said = {"is_read": True, "blocks": blocks, **FieldReader(self.children.config).said()}
        place = f"after {done:,} records" if done else "nothing of it could be read"
        return whole._replace(
            source_record=None if part.is_whole else str(part.first_row),
            reject_detail=f"{part.path}: {place}: {fault.detail}",
        )


class _Children:
    """The child that reads the parts from some on; another where it died."""

    def __init__(self, store: Store, parts: Sequence[Part], config: Config, begin: Begin) -> None:
        self.store, self.parts, self.config, self.begin = store, parts, config, begin
        self.at_page = multiprocessing.sharedctypes.RawValue("b", False)
        self.child: Iterator[Any] | None = None

    def answers(self, number: int, done: int, deadly: Mapping[int, RecordError]) -> Iterator[Record | dict[str, Any]]:
        """The records of a part but for those done, then what is said of it. Raises: Died."""
        if self.child is None:
            self.at_page.value = False
            left = self.parts[number:]
            self.child = in_child(_read, self.store, left, self.config, done, dict(deadly), self.at_page, self.begin)
        while True:  # and not `yield from`, which would end the child with the part
            try:
                answer = next(self.child)
            except Died:
                self.child = None
                raise
            yield answer

    def end(self) -> None:
        if self.child is not None:
            self.child.close()  # type: ignore[attr-defined]


def _read(
    store: Store,
    parts: Sequence[Part],
    config: Config,
    done: int,
    deadly: Mapping[int, RecordError],
    at_page: Any,
    begin: Begin,
) -> Iterator[Record | dict[str, Any]]:
    for part in parts:
        reading = begin(store, part, config, _ChildsWatch(config, done, deadly, at_page))
        yield from islice(reading, done, None)
        yield reading.said()
        done, deadly = 0, {}


def _fault(death: Died, config: Config) -> RecordError:
    if death.by_clock:
        return RecordError("limit.read_seconds", f"more than {config.limits.read_seconds} seconds of CPU time")
    return RecordError("read.crashed", f"the process that read it ended, {death.how}, {DEATHS} times")
