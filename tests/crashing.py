"""Functions that end their process, and a reader that does so where its records say; imported by the processes that
tests start."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Any

import pyarrow.parquet as pq

from flows import readers
from flows.readers import html
from flows.readers.fields import FieldReader
from flows.readers.guard import Watch
from flows.readers.records import Part, Record, rejected
from flows.stages import read
from flows.step import Work
from flows.store import Ref, Store
from transforms.boilerplate import anchors
from transforms.config import Config
from transforms.errors import RecordError


def end(how: str) -> None:
    """As C code may."""
    if how == "abort":
        os.abort()
    elif how == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif how == "exit":
        os._exit(3)
    elif how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "loop":
        while True:
            pass
    elif how == "memory":
        bytearray(8 * 1024**3)


def answers(how: str) -> Iterator[int]:
    """Two, then the end."""
    yield 1
    yield 2
    if how == "raise":
        raise RecordError("read.corrupt", "on purpose")
    if how == "pid":
        yield os.getpid()
        return
    end(how)


def columns_of(path: str) -> Iterator[int]:
    """The sizes of a Parquet's columns."""
    group = pq.ParquetFile(path).metadata.row_group(0)
    for number in range(group.num_columns):
        yield group.column(number).total_compressed_size


AS_TEXT = html.as_text


class Reading:
    """Lines that are records; `crash <how>` is where a reader ends its process, `page <how>` where a page does."""

    def __init__(self, store: Store, part: Part, config: Config, watch: Watch) -> None:
        self.store, self.part, self.config, self.watch = store, part, config, watch

    def __iter__(self) -> Iterator[Record]:
        with self.store.open(Ref("raw", self.part.key, "")) as file:
            lines = file.read().decode().splitlines()
        for number, line in enumerate(lines):
            with self.watch.risk():
                self._meet(line, "crash ")
                record = rejected(self.part, "empty", line, record=str(number))
            try:
                with self.watch.page(number):
                    self._meet(line, "page ")
            except RecordError as error:
                record = record._replace(reject_reason=error.reason, reject_detail=error.detail)
            yield record

    def _meet(self, line: str, kind: str) -> None:
        if not line.startswith(kind):
            return
        how = line.removeprefix(kind)
        if how == "once":
            if not self.store.exists(kind):
                self.store.put_bytes(kind, b"")
                end("kill")
        else:
            end(how)

    def said(self) -> dict[str, Any]:
        return {"is_read": True, "blocks": ["b"], **FieldReader(self.config).said()}


def as_text(record: Record) -> Record:
    """The record of a page; one that says so ends the process."""
    if "segfault" in record.original:
        end("segfault")
    return AS_TEXT(record)


def with_deadly_pages(store: Store, part: Part, config: Config, watch: Watch) -> readers.Reading:
    """The part, as it is read, but for the pages."""
    html.as_text = as_text
    return readers.Reading(store, part, config, watch)


def read_piece(work: Work, **settings: Any) -> dict[str, Any]:
    """The step, with this reader."""
    read.Reading = Reading  # type: ignore[misc,assignment]
    return read.read_piece(work, **settings)


def die_until(work: Work, raw: Ref, *, tries: int) -> dict[str, Any]:
    """A step that ends its process so many times."""
    with work.store.open(raw) as file:
        folder = file.read().decode()
    tried = len(os.listdir(folder))
    with open(os.path.join(folder, str(tried)), "w") as file:
        file.write(str(os.getpid()))
    if tried < tries:
        os.abort()
    return {"tried": tried, "modules": "prefect" in sys.modules}


def look_round(work: Work) -> dict[str, Any]:
    """A step that says what its process has: threads, and the rules' phrases."""
    tasks = Path("/proc/self/task")
    threads = [(task / "comm").read_text().strip() for task in tasks.iterdir()] if tasks.is_dir() else ["python"]
    return {"threads": sorted(threads), "is_loaded": anchors._lexicon.cache_info().currsize > 0}


class _Unsendable(Exception):
    def __init__(self) -> None:
        super().__init__("a lock")
        self.lock = Lock()


def unsendable(work: Work) -> dict[str, Any]:
    """A step whose failure can't be pickled."""
    raise _Unsendable
