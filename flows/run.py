"""One run over one dataset: the steps of each stage, from what the stages before said.

A method a stage: it derives the steps' inputs and settings, has the engine do them, and keeps what later stages need.
Nothing is decided twice: what a step reads stands in its inputs, and its name follows from them (flows/step.py).
"""

import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from types import MappingProxyType
from typing import Any, NamedTuple

from flows.compare import join, match, pair, paragraphs, settle, verify
from flows.engines import Engine, StepsFailed, engine_of, why
from flows.forgotten import lists_of, undone_of
from flows.inputs import InputFile, Listing, check_roots, content_name, content_of, list_inputs, write_cache
from flows.parameters import Options
from flows.readers import format_of, reading_hash
from flows.readers.fields import USUAL, ways_out
from flows.readers.records import Part
from flows.shards import plan_pieces
from flows.stages import clean, identify, inputs, read, restore, templates, write
from flows.state import KINDS, State, check_state, merge, older, read_inputs, rows_in, state_of
from flows.step import Done, Step, code_hash
from flows.store import STAGING, Ref, Store
from flows.tables import ALL, parts_of, read_table
from flows.versions import checks
from flows.versions.history import check_hold, lift_hold
from flows.versions.manifest import (
    Manifest,
    check_schema_version,
    current,
    next_number,
    published,
    rows_of,
    version_name,
)
from flows.versions.publish import publish, sweep
from transforms.boilerplate.model import read as read_model
from transforms.config import Config
from transforms.dedup.bands import BANDS
from transforms.errors import RefusedError, ShardError
from transforms.language import check_models
from transforms.schema import TABLES
from transforms.schema import VERSION as SCHEMA_VERSION

# What a worker reads at a time; files are written larger, from many pieces.
PIECE_BYTES = 8 * 1024 * 1024
# Input for which one part of a reduce is enough: a worker that counts the lines of 256 MB of articles has 400 MB.
PART_BYTES = 1 << 28
# A compressed file opens to about so many times its bytes.
EXPANDS = 4
# Bytes of text below which groups of files are merged as new ones come, however small the dataset: a fortnight of
# nights is a few files.
SMALL_TEXT = 1024 * 1024
# Groups of files that aren't full-size; one more, and two neighbours are merged. Fewer would cost more rewriting, as
# rows leave larger files.
MOST_GROUPS = 12
# Of their neighbours the last, which count as twice as large: rows leave young files most, so these stay small longer.
YOUNG_PAIRS = 3
# Contents that were read and added nothing to the current version: a cache, which no manifest names.
IDLE = ".cache/idle.json"


class Progress(NamedTuple):
    """How far a run is: the stage, its steps done and in all; what these held of records, bytes of text and rejects."""

    stage: str
    done: int
    steps: int
    records: int = 0
    bytes: int = 0
    rejected: int = 0


# Called as a run goes on, in the thread that it was called in.
Listener = Callable[[Progress], None]
# Parts of RAW whose work failed, by path and start, with the reason.
Failed = Mapping[tuple[str, int], str]


def curate_dataset(
    options: Options, config: Config, listeners: Sequence[Listener] = (), *, in_prefect: bool = False
) -> dict[str, Any]:
    """Read what is new under RAW and publish the next version of the dataset CURATED; the run's summary.

    With `rebuild` every earlier document is made anew from its original, which the dataset holds, under today's code,
    config and templates; ids, and who is earlier than whom, stay. `in_prefect`: called within a flow, as tasks of it.
    Raises: ConfigError (wrong call), RefusedError (a check or another run refuses), ShardError (work failed).
    """
    check_models(config.language)
    check_roots(options.raw, options.curated)
    store = Store(options.curated, options.raw)
    failed: dict[tuple[str, int], str] = {}
    prepare = partial(clean.load, config)
    with store.lock(), engine_of(options.engine, options.workers, prepare, in_prefect=in_prefect) as do:
        sweep(store)
        if options.resume:
            lift_hold(store)
        check_hold(store)
        while True:
            run = Run(
                store,
                do,
                config,
                listeners,
                limit=options.limit or None,
                rebuild=options.rebuild,
                checksum=options.checksum,
                force=options.force,
                failed=failed,
            )
            try:
                return _stages(run)
            except StepsFailed as error:  # again without them: what is finished isn't done twice
                more = run.parts_of(error) if options.allow_failed_shards else {}
                if more.keys() <= failed.keys():
                    raise
                failed |= more


def _stages(run: "Run") -> dict[str, Any]:
    pieces = run.plan()
    if not pieces and not run.rebuild:
        return run.nothing_new()
    read_model(run.config.boilerplate.model_path)  # damaged weights stop a run before its first step
    run.read(pieces)
    if not run.identify():
        return run.nothing_new()
    return run.process()


@dataclass(slots=True)
class Piece:
    """Records that stages work on at once: of RAW, or (`number` -1) of an earlier version."""

    records: Ref
    lines: Ref
    facts: Ref
    number: int
    offsets: dict[str, int]
    parts: tuple[Part, ...] = ()


@dataclass(slots=True)
class Group:
    """Files that were written at once: group numbers, the code points' bytes they were made of, and their entries."""

    first: int
    last: int
    text: int
    files: dict[str, tuple[dict[str, Any], Ref | None]] = field(default_factory=dict)


@dataclass(slots=True)
class Output:
    """A group of files to be written: of these pieces, and of the older groups that are merged into it."""

    pieces: list[int]
    text: int
    merged: list[Group]
    first: int
    last: int
    takes_moved: bool = False  # rows that leave files of other groups

    def take(self, group: Group) -> None:
        """Merge the group before it."""
        self.merged.insert(0, group)
        self.text += group.text
        self.first = group.first


class Run:
    """One run. `limit`: at most so many new records; `rebuild`: all earlier documents are made anew; `failed`: parts of
    RAW that are not read, as their work failed before."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        config: Config,
        listeners: Sequence[Listener] = (),
        *,
        limit: int | None = None,
        rebuild: bool = False,
        checksum: bool = False,
        force: bool = False,
        failed: Failed = MappingProxyType({}),
    ) -> None:
        self.failed = failed
        self.at_work: Sequence[tuple[Part, ...]] = ()
        self.store, self.engine, self.config, self.listeners = store, engine, config, listeners
        self.limit, self.checksum, self.force = limit, checksum, force
        self.failed_files = {path for path, _ in failed}
        self.started = time.perf_counter()
        self.timings: dict[str, dict[str, Any]] = {}
        self.parent = published(store)
        self.pointer = current(store) or {}
        self.lists = lists_of(self.pointer)
        self.undone = undone_of(self.pointer)
        # A rebuild of what is one, under today's code and config, would change nothing.
        self.rebuild = rebuild and self.parent is not None and not self._is_rebuilt()
        if not self.rebuild:
            check_schema_version(self.parent)
        if self.parent is not None and not self.rebuild:
            check_state(store, self.parent)
        self.known_state: State = state_of(self.parent)
        self.state_rows = {entry["path"]: entry["rows"] for entry in self.parent["state"]} if self.parent else {}
        # A rebuild stands on nothing but what was read.
        self.state: State = {
            kind: files if not self.rebuild or kind in ("inputs", "seen") else []
            for kind, files in self.known_state.items()
        }
        self.number = next_number(store)
        self.version = ""
        self.listing = Listing([], [])
        self.new_files: list[InputFile] = []
        self.pieces: list[Piece] = []
        self.readings: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, str] = {}
        self.hashed: dict[str, str] = {}
        # What was read as what, by column and name; what could not be read, by column; how many fields `extra` had no
        # room for; and of files of which no record has a text, the fields and their characters.
        self.fields: dict[str, Counter[str]] = {}
        self.unread: Counter[str] = Counter()
        self.cut = 0
        self.passed: Counter[str] = Counter()
        self.without_text: dict[str, Counter[str]] = {}
        self.counts: dict[str, Any] = dict.fromkeys(
            ("records", "known", "forgotten", "remaining", "implausible", "said_otherwise"), 0
        )
        self.known: Counter[str] = Counter()
        self.forgotten: Counter[str] = Counter()
        self.found = self.gone = 0  # new records; those, and rows of earlier versions, that are forgotten
        self.time = self.parent["fetched"] if self.parent else 0

    # ---------------------------------------------------------------------------------------------------- plan · read

    def plan(self) -> list[tuple[Part, ...]]:
        """List RAW, and cut what is new, or may be, into pieces."""
        with self._stage("plan"):
            if self.store.raw is not None:
                self.listing = list_inputs(self.store, self.checksum)
            self.inputs = _inputs(self.store, self.known_state)
            self.reading = reading_hash(self.config)
            idle = self._idle()
            files = [self._named(file) for file in self.listing.files]
            self.new_files = [file for file in files if not self._is_known(file, idle)]
            planned = plan_pieces(self.store, self.new_files, min(PIECE_BYTES, self.config.shard_bytes))
            return [tuple(map(self._as_failed, parts)) for parts in planned]

    def _as_failed(self, part: Part) -> Part:
        why = self.failed.get((part.path, part.start))
        return part if why is None else part._replace(error=why)

    def parts_of(self, error: StepsFailed) -> Failed:
        """The parts of RAW that the failed steps stand for; none where one of them stands for something else."""
        found = [self.at_work[number] if 0 <= number < len(self.at_work) else () for number in error.failures]
        if not all(found):
            return {}
        reasons = map(why, error.failures.values())
        return {(part.path, part.start): reason for parts, reason in zip(found, reasons, strict=True) for part in parts}

    def _named(self, file: InputFile) -> InputFile:
        """A file that may be the one read before, but whose times don't prove it, is hashed: that is less than reading
        it."""
        before = self.inputs.get(file.path)
        if file.content or before is None or before["bytes"] != file.size:
            return file
        self.hashed[file.path] = content = content_of(self.store, file)
        return file._replace(content=content)

    def _is_known(self, file: InputFile, idle: set[str]) -> bool:
        before = self.inputs.get(file.path)
        if before is None or not file.content or before["content"] != file.content:
            return bool(file.content) and file.content in idle
        # What could not be read is tried again when what decides that has changed, and so is what was forgotten.
        return not (self._was_read_otherwise(before) or self._may_hold_undone(before)) and not (
            self.rebuild and before["failed"]
        )

    def _was_read_otherwise(self, before: Mapping[str, Any]) -> bool:
        """Whether records of a file failed to be read, by other code, fields or limits than today's."""
        return bool(before["failed"]) and before["reading"] != self.reading

    def _may_hold_undone(self, before: Mapping[str, Any]) -> bool:
        """Whether records of a file were forgotten, and names were taken off that list since."""
        return before["undone"] is not None and before["undone"] != self.undone

    def _idle(self) -> set[str]:
        try:
            said = self.store.read_json(IDLE)
            now = (self.parent and self.parent["version"], self._made(), self._list())
            current_one = (said["version"], said["made"], said["forgotten"]) == now
            return set(said["contents"]) if current_one and not self.rebuild else set()
        except (OSError, ValueError, KeyError, TypeError):
            return set()

    def _made(self) -> list[str]:
        return [code_hash(), self.config.content_hash()]

    def _list(self) -> list[str]:
        return [ref.name for ref in self.lists]

    def read(self, planned: Sequence[tuple[Part, ...]]) -> None:
        """Read the pieces; then what each file is called, and where its lines begin in each piece."""
        refs = {file.path: file.ref for file in self.new_files}
        tomorrow = (datetime.now(UTC) + timedelta(days=2)).date()
        before = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=UTC).isoformat()
        steps = [
            Step(
                read.read_piece,
                {"raw": [refs[path] for path in dict.fromkeys(part.path for part in parts)]},
                {"parts": [list(part) for part in parts], "config": self.config, "before": before},
            )
            for parts in planned
        ]
        done = self._do("read", steps, planned)
        for parts, one in zip(planned, done, strict=True):
            offsets = {}
            self.counts["implausible"] += one.counts["implausible"]
            for part in one.counts["parts"]:
                path = part["path"]
                found = self.readings.setdefault(
                    path, {"records": 0, "failed": 0, "textless": 0, "lines": 0, "blocks": [], "is_read": True}
                )
                offsets[path] = found["lines"]
                for name in ("records", "failed", "textless", "lines"):
                    found[name] += part[name]
                found["blocks"] += part["blocks"]
                found["is_read"] &= part["is_read"]
                self._count_fields(path, part)
            for number in range(one.counts["pieces"]):
                name = f"{number:05}.parquet"
                self.pieces.append(
                    Piece(
                        one[f"records-{number:05}.arrow"],
                        one[f"lines-{name}"],
                        one[f"facts-{name}"],
                        len(self.pieces),
                        offsets,
                        parts,
                    )
                )
        self.without_text = {
            path: names
            for path, names in sorted(self.without_text.items())
            if self.readings[path]["records"] == self.readings[path]["textless"]
        }
        # What was never opened, or may not be, has no content to be known by.
        self.contents = {
            path: content_name(found["blocks"]) for path, found in self.readings.items() if found["is_read"]
        }
        self.counts["records"] = sum(found["records"] for found in self.readings.values())

    def _count_fields(self, path: str, part: Mapping[str, Any]) -> None:
        for column, name, count in part["fields"]:
            self.fields.setdefault(column, Counter())[name] += count
        self.unread.update(part["unread"])
        self.cut += part["cut"]
        self.passed.update(part["passed"])
        if part["textless"]:
            self.without_text.setdefault(path, Counter()).update(dict(part["names"]))

    def process(self) -> dict[str, Any]:
        """Make what is new, and in a rebuild all, into a version, and publish it; the run's summary."""
        self.restore()
        self.count_templates()
        self.clean()
        self.compare()
        self.share()
        self.write()
        self.merge()
        self.check()
        return self.publish()

    # -------------------------------------------------------------------------------------------------------- identify

    def identify(self) -> bool:
        """Tell new records from known ones; whether there is anything to publish."""
        before: dict[tuple[str, ...], set[str]] = {}
        reread = sorted(path for path in self.readings if self._may_hold_undone(self.inputs.get(path, _UNREAD)))
        for entry in self.inputs.values():
            if not self._was_read_otherwise(entry) and not self._may_hold_undone(entry):
                before.setdefault((entry["content"], *format_of(entry["path"])), set()).add(entry["path"])
        # Of the bytes of other files, read in the same way; the same ones under the same path were not all read.
        copies = sorted(
            path
            for path, content in self.contents.items()
            if content and before.get((content, *format_of(path)), set()) - {path}
        )
        facts = [piece.facts for piece in self.pieces]
        steps = [
            Step(
                identify.identify,
                {"facts": facts, **_of(self.known_state, "seen", "links", "rows"), "forgotten": self.lists},
                {"low": low, "high": high, "copies": copies, "reread": reread, "limit": self.limit},
            )
            for low, high in self._parts()
        ]
        done = self._do("identify", steps) if facts else []
        self.new = [one["new.parquet"] for one in done]
        self.seen = [one["seen.parquet"] for one in done]
        self.names = [one["names.parquet"] for one in done]
        for one in done:
            self.known.update(one.counts["known"])
            self.forgotten.update(one.counts["forgotten"])
        self.unfinished = {path for one in done for path in one.counts["unfinished"]}
        self.counts["known"] = self.known.total()
        self.counts["forgotten"] = self.forgotten.total()
        self.counts["remaining"] = sum(one.counts["remaining"] for one in done)
        self.counts["said_otherwise"] = sum(one.counts["said_otherwise"] for one in done)
        newest = [one.counts["newest"] for one in done if one.counts["newest"] is not None]
        self.time = max([*newest, self.parent["fetched"] if self.parent else 0])
        self.mended = sorted(path for path in self.readings if self.inputs.get(path, {}).get("failed"))
        self.found = sum(one.counts["new"] for one in done)
        if not self.found and not self.rebuild:
            return False
        self.version = version_name(self.number, self._content())
        return True

    def _parts(self) -> list[tuple[int, int]]:
        """Parts of all hashes, as many as the size of the input asks for. With a limit, one: its order is over all."""
        if self.limit is not None:
            return [ALL]
        size = sum(file.size * (EXPANDS if file.compression else 1) for file in self.new_files)
        size += sum(file["bytes"] * EXPANDS for file in self.parent["files"]) if self.rebuild and self.parent else 0
        return parts_of(size, PART_BYTES)

    def _content(self) -> list[Any]:
        """What decides the content of the version."""
        files = sorted([file.path, file.format, self.contents.get(file.path, file.content)] for file in self.new_files)
        parent = self.parent["version"] if self.parent else None
        failed = sorted([*part, why] for part, why in self.failed.items())
        made = [self.config.content_hash(), code_hash(), parent, self.limit, self.rebuild, self._list()]
        return [files, *made, *([failed] if failed else [])]

    # --------------------------------------------------------------------------------------------------------- rebuild

    def restore(self) -> None:
        """In a rebuild all that was published comes in again, and nothing stands before it."""
        if not self.rebuild or self.parent is None:
            return
        steps = [
            Step(
                restore.restore_rows,
                {"published": file, "own": own, "others": others, "rows": self.known_state["rows"]},
                self._restore_settings(),
            )
            for file, own, others in self._restored()
        ]
        for one in self._do("restore", steps):
            self.counts["records"] += one.counts["records"]
            for number in range(one.counts["pieces"]):
                name = f"{number:05}.parquet"
                records = one[f"records-{number:05}.arrow"]
                self.pieces.append(Piece(records, one[f"lines-{name}"], one[f"facts-{name}"], -1, {}))

    def _restored(self) -> list[tuple[Ref, list[Ref], list[Ref]]]:
        """The files of rows that come in again, with those of their spans."""
        tables = ("documents", "rejected") if self.parent is not None else ()
        return [found for table in tables for found in checks.restorable(self.parent or {}, table)]

    def _restore_settings(self) -> Mapping[str, Any]:
        return {"config": self.config}

    # ---------------------------------------------------------------------------------------------- templates · clean

    def count_templates(self) -> None:
        """Count the lines of new records, site by site."""
        steps = [
            Step(
                templates.count_templates,
                {
                    "lines": [piece.lines for piece in self.pieces],
                    "new": self.new,
                    **_of(self.state, "counts", "groups"),
                },
                {
                    "pieces": [piece.number for piece in self.pieces],
                    "low": low,
                    "high": high,
                    "config": self.config,
                    "batch": self.number,
                },
            )
            for low, high in self._parts()
        ]
        self.templates = self._do("templates", steps)

    def clean(self) -> None:
        """Number equals, then strip, describe, detect and sign each piece's new records."""
        numbers = [
            Step(
                identify.number,
                {"names": self.names, **_of(self.known_state, "links", "rows")},
                {"low": low, "high": high},
            )
            for low, high in self._parts()
        ]
        ordinals = [one["ordinals.parquet"] for one in self._do("number", numbers)] if self.new else []
        steps = [
            Step(
                clean.clean_piece,
                {
                    "records": piece.records,
                    "new": self.new if piece.number >= 0 else [],
                    "ordinals": ordinals if piece.number >= 0 else [],
                    "templates": [one["templates.parquet"] for one in self.templates],
                    "forgotten": self.lists,
                    "published": self.known_state["rows"] if self.lists else [],
                },
                {
                    "piece": piece.number,
                    "offsets": piece.offsets,
                    "mended": self.mended if piece.number >= 0 else [],
                    "version": self.version,
                    "time": self.time,
                    "config": self.config,
                },
            )
            for piece in self.pieces
        ]
        self.cleaned = self._do("clean", steps, [piece.parts for piece in self.pieces])
        self.facts = [one["facts.parquet"] for one in self.cleaned]
        for piece, one in zip(self.pieces, self.cleaned, strict=True):
            left_out = one.counts["forgotten"]
            self.gone += sum(left_out.values())
            if piece.number >= 0:
                self.forgotten.update(left_out)
        self.counts["forgotten"] = self.forgotten.total()

    # --------------------------------------------------------------------------------------------------------- compare

    def compare(self) -> None:
        """Compare new documents with all, and settle what each is (flows/compare)."""
        state, facts = self.state, self.facts
        sizes = [self.state_rows[ref.key] for ref in state["contents"]]
        before, bases = sum(sizes), _bases(sizes)
        step = Step(match.match, {"facts": facts, **_of(state, "links", "rows")}, {"before": before})
        (matched,) = self._do("match", [step])
        size = sum(one.counts["keys"] for one in self.cleaned) + before * BANDS
        joins = [
            Step(
                join.join_keys,
                {
                    "keys": [one["keys.parquet"] for one in self.cleaned],
                    "numbers": matched["numbers.parquet"],
                    "index": state["keys"],
                },
                {"low": low, "high": high, "before": before, "bases": bases},
            )
            for low, high in parts_of(size, join.RANGE_KEYS)
        ]
        joined = self._do("join", joins)
        published_files = self._compared_files()
        step = Step(
            pair.pair_up,
            {
                "joined": [one["pairs.parquet"] for one in joined],
                "tokens": [one["tokens.arrow"] for one in self.cleaned],
                **{name: matched[f"{name}.parquet"] for name in ("contested", "old", "numbers")},
                "facts": facts,
                **_of(state, "contents", "links", "rows"),
            },
            {
                "before": before,
                "files": [[*entry["groups"], entry["table"] == "documents"] for entry in published_files],
                "config": self.config,
            },
        )
        (paired,) = self._do("pair", [step])
        sources = paired.counts["sources"]
        texts = [
            Step(
                verify.token_texts,
                {"published": paired["published.parquet"], "file": _ref(published_files[-1 - source])},
                {"source": source},
            )
            for source in sources
            if source < 0
        ]
        # Published files come first among the sources.
        tokens = [one["tokens.arrow"] for one in self._do("tokens", texts)]
        tokens += [self.cleaned[source]["tokens.arrow"] for source in sources if source >= 0]
        verifies = [
            Step(
                verify.verify_pairs,
                {"pairs": paired["pairs.parquet"], "contents": paired["contents.parquet"], "tokens": tokens},
                {"part": part, "sources": sources, "config": self.config},
            )
            for part in paired.counts["parts"]
        ]
        verified = self._do("verify", verifies)
        self.edges = [one["edges.parquet"] for one in verified]
        step = Step(
            settle.settle_documents,
            {
                "facts": facts,
                "contested": matched["contested.parquet"],
                "old": matched["old.parquet"],
                "edges": self.edges,
                "overlaps": [one["overlaps.parquet"] for one in verified],
                **_of(state, "links", "rows"),
                "old_edges": state["edges"],
                "failed_links": self.known_state["links"] if self.mended else [],
                "failed_rows": self.known_state["rows"] if self.mended else [],
                "read": [piece.facts for piece in self.pieces if piece.number >= 0] if self.mended else [],
            },
            {"config": self.config},
        )
        (self.settled,) = self._do("settle", [step])
        self.matched, self.joined = matched, joined

    def _compared_files(self) -> list[dict[str, Any]]:
        if self.parent is None or self.rebuild:
            return []
        return [entry for entry in self.parent["files"] if entry["table"] != "removed_spans" and entry["rows"]]

    def share(self) -> None:
        """How much of each new document stands in others, paragraph by paragraph."""
        steps = [
            Step(
                paragraphs.share_paragraphs,
                {
                    "paragraphs": [one["paragraphs.parquet"] for one in self.cleaned],
                    "verdicts": self.settled["verdicts.parquet"],
                    "changes": self.settled["changes.parquet"],
                    "index": self.state["paragraphs"],
                    **_of(self.state, "rows"),
                },
                {"low": low, "high": high},
            )
            for low, high in self._parts()
        ]
        self.shared = self._do("share", steps)

    # ----------------------------------------------------------------------------------------------------------- write

    def write(self) -> None:
        """Write the version's files: those of new and of merged groups, and those that rows leave."""
        groups = self._groups()
        outputs = self._outputs(groups)
        merged = [group for output in outputs for group in output.merged]
        takes, taken_from = self._takes(groups, merged)
        taken = self._do("take", takes)
        moved = [one["moved.parquet"] for one in taken if "moved.parquet" in one.outputs]
        self.written = self._do("write", [self._write_step(output, moved) for output in outputs])
        for (group, name), one in zip(taken_from, taken, strict=True):
            if one.counts.get("dropped") == 0:
                continue
            if one.counts["left"]:
                group.files[name] = ({"table": name, "rows": one.counts["left"]}, one["left.parquet"])
            elif group not in merged:
                del group.files[name]
        kept = [group for group in groups if group not in merged]
        for output, one in zip(outputs, self.written, strict=True):
            new = Group(output.first, output.last, output.text)
            for name, rows in one.counts["rows"].items():
                if rows:
                    new.files[name] = ({"table": name, "rows": rows}, one[f"{name}.parquet"])
            kept.append(new)
        self.groups = sorted(kept, key=lambda group: group.first)
        self.new_groups = {output.last for output in outputs}

    def _write_step(self, output: Output, moved: Sequence[Ref]) -> Step:
        return Step(
            write.write_group,
            {
                "cleaned": [self.cleaned[piece]["cleaned.arrow"] for piece in output.pieces],
                "facts": [self.facts[piece] for piece in output.pieces],
                "verdicts": self.settled["verdicts.parquet"],
                "shared": [one["shared.parquet"] for one in self.shared] if output.pieces else [],
                "moved": moved if output.takes_moved else [],
                "changes": self.settled["changes.parquet"],
                "rows": self.state["rows"] if output.takes_moved else [],
                **{
                    name: [_ref(group.files[name][0]) for group in output.merged if name in group.files]
                    for name in TABLES
                },
            },
            {"pieces": output.pieces, "version": self.version, "group": output.last},
        )

    def _outputs(self, groups: Sequence[Group]) -> list[Output]:
        """What is written: this version's pieces, as many to a group as fill it, with the last groups before them while
        those are small; and, where there are too many groups, the two neighbours that are smallest together, young ones
        last."""
        first = groups[-1].last + 1 if groups else 0
        packs = self._packs() or [([], 0)]
        outputs = [
            Output(pieces, text, [], first + number, first + number) for number, (pieces, text) in enumerate(packs)
        ]
        outputs[-1].takes_moved = True
        most = self.config.shard_bytes
        tier = min(most, max(SMALL_TEXT, sum(group.text for group in groups) // 8))
        taken = 0
        for group in reversed(groups):
            if group.text > 2 * outputs[0].text or group.text + outputs[0].text > tier:
                break
            outputs[0].take(group)
            taken += 1
        left = [group for group in groups[: len(groups) - taken] if 2 * group.text < most]
        if len(left) + 1 > MOST_GROUPS:
            old = len(left) - 1 - YOUNG_PAIRS
            pairs = [
                ((one.text + two.text) * (1 if number < old else 2), one, two)
                for number, (one, two) in enumerate(pairwise(left))
                if one.last + 1 == two.first and one.text + two.text <= most
            ]
            if pairs:
                _, one, two = min(pairs, key=lambda pair: pair[0])
                outputs.append(Output([], 0, [], two.last, two.last))
                outputs[-1].take(two)
                outputs[-1].take(one)
        return [output for output in outputs if output.pieces or output.merged or self.settled.counts["moved"]]

    def _groups(self) -> list[Group]:
        """The groups of files that the parent has."""
        if self.parent is None or self.rebuild:
            return []
        groups = [Group(entry["groups"][0], entry["groups"][1], entry["text"]) for entry in self.parent["groups"]]
        by_range = {(group.first, group.last): group for group in groups}
        for entry in self.parent["files"]:
            if tuple(entry["groups"]) in by_range:
                by_range[tuple(entry["groups"])].files[entry["table"]] = (entry, None)
        return groups

    def _packs(self) -> list[tuple[list[int], int]]:
        """Pieces whose rows are written to one file a table: as many as fill it."""
        packs: list[tuple[list[int], int]] = []
        for piece, one in enumerate(self.cleaned):
            if packs and packs[-1][1] < self.config.shard_bytes:
                packs[-1] = ([*packs[-1][0], piece], packs[-1][1] + one.counts["text"])
            else:
                packs.append(([piece], one.counts["text"]))
        return packs

    def _takes(self, groups: Sequence[Group], merged: Sequence[Group]) -> tuple[list[Step], list[tuple[Group, str]]]:
        changed = [(number, bool(was_kept)) for number, was_kept in self.settled.counts["changes"]]
        steps: list[Step] = []
        taken_from: list[tuple[Group, str]] = []
        for group in groups:
            for name in ("documents", "rejected"):
                was_kept = name == "documents"
                if name in group.files and any(
                    group.first <= number <= group.last and was_kept == kept for number, kept in changed
                ):
                    steps.append(
                        Step(
                            write.take_rows,
                            {"file": _ref(group.files[name][0]), "changes": self.settled["changes.parquet"]},
                            {
                                "low": group.first,
                                "high": group.last,
                                "was_kept": was_kept,
                                "keeps_rest": group not in merged,
                            },
                        )
                    )
                    taken_from.append((group, name))
            # Spans of a row that moved stayed where it was.
            if self.settled.counts["forgotten"] and "removed_spans" in group.files and group not in merged:
                file = _ref(group.files["removed_spans"][0])
                steps.append(Step(write.drop_spans, {"file": file, "changes": self.settled["changes.parquet"]}))
                taken_from.append((group, "removed_spans"))
        return steps, taken_from

    # ----------------------------------------------------------------------------------------------------------- state

    def merge(self) -> None:
        """This version's files of state, with the older ones that they take in."""
        step = Step(
            inputs.list_read,
            {"paths": [one["paths.parquet"] for one in self.written]},
            {"rows": self._read_files()},
        )
        (self.listed,) = self._do("inputs", [step])
        fresh: dict[str, list[Ref]] = {
            "inputs": [self.listed["inputs.parquet"]],
            "seen": self.seen,
            "rows": [one["rows.parquet"] for one in self.written],
            "links": [*[one["links.parquet"] for one in self.cleaned], self.settled["links.parquet"]],
            "counts": [one["counts.parquet"] for one in self.templates],
            "groups": [one["groups.parquet"] for one in self.templates],
            "contents": [self.matched["contents.parquet"]],
            "keys": [one["keys.parquet"] for one in self.joined],
            "edges": self.edges,
            "paragraphs": [one["paragraphs.parquet"] for one in self.shared],
        }
        self._merge(fresh)

    def _merge(self, fresh: Mapping[str, Sequence[Ref]]) -> None:
        taken: dict[str, list[Ref]] = {}
        steps = []
        kinds = []
        for kind in KINDS:
            files = fresh.get(kind, [])
            new = sum(rows_in(self.store, ref) for ref in files)
            before = self.state[kind]
            taken[kind] = older(before, [*(self.state_rows[ref.key] for ref in before), new]) if new else []
            if kind == "keys":  # a file for each of contents, also without a key: what it is counted from is their rows
                taken[kind] = list(before[len(before) - len(taken["contents"]) :])
            if new or (kind == "keys" and "contents" in kinds):
                settings: dict[str, Any] = {"kind": kind}
                if kind == "keys":
                    bases = [self.state_rows[ref.key] for ref in taken["contents"]]
                    settings["bases"] = [*_bases(bases), *[sum(bases)] * len(files)]
                steps.append(Step(merge, {"files": [*taken[kind], *files]}, settings))
                kinds.append(kind)
        self.segments: list[tuple[dict[str, Any], Ref | None]] = []
        done = dict(zip(kinds, self._do("merge", steps), strict=True))
        described = {entry["path"]: entry for entry in self.parent["state"]} if self.parent else {}
        for kind in KINDS:
            self.segments += [(described[ref.key], None) for ref in self.state[kind] if ref not in taken[kind]]
            if kind in done:
                path = f"state/{kind}-{self.version}.parquet"
                entry = {"kind": kind, "path": path, "rows": done[kind].counts["rows"]}
                self.segments.append((entry, done[kind][f"{kind}.parquet"]))

    def _read_files(self) -> list[list[Any]]:
        """What the state keeps of each file that was read; what it holds not of one that a limit cut, or of which
        a part's work failed."""
        rows = []
        for file in self.new_files:
            found = self.readings.get(file.path, {"records": 0, "failed": 0})
            is_whole = file.path not in self.unfinished and file.path not in self.failed_files
            content = self.contents.get(file.path, file.content) if is_whole else ""
            rows.append(
                [
                    *(file.path, content, file.format, file.size, found["records"], self.known[file.path]),
                    *(found["failed"], self.reading, self._undone(file.path)),
                ]
            )
        return rows

    def _undone(self, path: str) -> int | None:
        """The mark of a file of which records are forgotten; one stays until a name is taken off the list."""
        is_marked = self.inputs.get(path, _UNREAD)["undone"] == self.undone
        return self.undone if self.forgotten[path] or is_marked else None

    # --------------------------------------------------------------------------------------------------------- publish

    def check(self) -> None:
        """What the version adds, rewrites or drops, against the state. Raises: RefusedError."""
        written = read_table(self.store, self.listed["inputs.parquet"], ["path", "documents", "rejected"])
        by_path = {row["path"]: (row["documents"], row["rejected"]) for row in written.to_pylist()}
        read_records = {path: found["records"] for path, found in self.readings.items()}
        checks.check_inputs(read_records, self.known, self.forgotten, self.counts["remaining"], by_path)
        self._check_rows()
        self._check_totals()

    def _check_rows(self) -> None:
        fresh = [group for group in self.groups if any(ref is not None for _, ref in group.files.values())]
        steps = [
            Step(
                checks.check_group,
                {name: _new(group, name) for name in TABLES},
                {"version": self.version, "is_new": group.last in self.new_groups, "is_rebuild": self.rebuild},
            )
            for group in fresh
        ]
        claims = [one["claims.parquet"] for one in self._do("check", steps)]
        step = Step(
            checks.check_references,
            {"claims": claims, "changes": self.settled["changes.parquet"], **_of(self.state, "links", "rows")},
        )
        self._do("references", [step])

    def _check_totals(self) -> None:
        after = Counter(
            {table: sum(g.files[table][0]["rows"] for g in self.groups if table in g.files) for table in TABLES}
        )
        before = rows_of(self.parent, "documents") + rows_of(self.parent, "rejected")
        if after["documents"] + after["rejected"] != before + self.found - self.gone:
            raise RefusedError(
                f"{self.version}: {before} rows before and {self.found} new records, {self.gone} forgotten, but "
                f"{after['documents']} documents and {after['rejected']} rejected"
            )
        self._check_lost(after["documents"])

    def _check_lost(self, left: int) -> None:
        """That most of what stood is still there. Raises: RefusedError."""
        stood = rows_of(self.parent, "documents")
        self._check_first(left)
        if self.rebuild:  # what is new beside them makes up for none
            left = sum(one.counts["stand"] for one in self.written)
        least = (1 - self.config.succession.most_lost) * stood
        if stood and not self.force and (left < least or not left):
            reasons: Counter[str] = Counter()
            for one in self.written:
                reasons.update(one.counts["rejected_by_reason"])
            reasons["superseded"] += self.settled.counts["left"]
            said = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common() if count)
            raise RefusedError(
                f"{left:,} documents would be left of {stood:,} ({said}): nothing is published; `--force` publishes it"
            )

    def _check_first(self, kept: int) -> None:
        """That a first run keeps something: one that doesn't was told something wrong, most likely.

        Raises: RefusedError."""
        if self.parent is not None or kept or self.force or self.counts["remaining"]:
            return
        reasons: Counter[str] = Counter()
        for one in self.written:
            reasons.update(one.counts["rejected_by_reason"])
        said = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common())
        ways = "".join(f"\n{way}" for way in ways_out(self.without_text))
        raise RefusedError(
            f"none of {self.found:,} records would be kept ({said}): nothing is published; "
            f"`--force` publishes what was rejected{ways}"
        )

    def publish(self) -> dict[str, Any]:
        """Put everything in its place, the pointer last; the run's summary."""
        with self._stage("publish"):
            files = self._named_files()
            manifest = self._put(files)
            self._remember()
            self.store.delete_all(STAGING)
        total = {table: rows_of(manifest, table) for table in ("documents", "rejected")}
        return {
            "published": True,
            "version": self.version,
            **self._said(),
            **manifest["counts"],
            "total": total,
            "drift": manifest["drift"],
            "earlier_documents": 0 if self.rebuild else self._earlier(),
        }

    def _put(self, files: Sequence[tuple[dict[str, Any], Ref | None]]) -> Manifest:
        return publish(self.store, self._described(), files, self.segments, self._run_facts(), force=self.force)

    def _described(self) -> dict[str, Any]:
        """What the manifest says besides the files."""
        return {
            "version": self.version,
            "number": self.number,
            "parent": self.parent["version"] if self.parent else None,
            "parent_manifest_sha256": self.pointer.get("manifest_sha256"),
            "schema_version": SCHEMA_VERSION,
            "code": code_hash(),
            "config_hash": self.config.content_hash(),
            "config": asdict(self.config),
            "limit": self.limit,
            "rebuilt": self.rebuild,
            "fetched": self.time,
            "counts": self._counts(),
            "groups": [{"groups": [group.first, group.last], "text": group.text} for group in self.groups],
        }

    def _named_files(self) -> list[tuple[dict[str, Any], Ref | None]]:
        """The files of the version in order, new ones with the path they will have."""
        files: list[tuple[dict[str, Any], Ref | None]] = []
        empty = self._do(
            "empty",
            [
                Step(write.write_empty, {}, {"table": table})
                for table in TABLES
                if not any(table in group.files for group in self.groups)
            ],
        )
        for table in TABLES:
            number = 0
            for group in self.groups:
                if table not in group.files:
                    continue
                entry, ref = group.files[table]
                if ref is not None:
                    path = f"versions/{self.version}/{table}/{self.version}-{number:05}.parquet"
                    entry = {**entry, "path": path, "groups": [group.first, group.last]}
                    number += 1
                files.append((entry, ref))
            if not any(entry["table"] == table for entry, _ in files):
                done = next(one for one in empty if f"{table}.parquet" in one.outputs)
                path = f"versions/{self.version}/{table}/{self.version}-00000.parquet"
                entry = {"table": table, "rows": 0, "path": path, "groups": [-1, -1]}
                files.append((entry, done[f"{table}.parquet"]))
        return files

    def _counts(self) -> dict[str, Any]:
        counts = dict(self.counts)
        sums: Counter[str] = Counter()
        by: dict[str, Counter[str]] = {name: Counter() for name in ("rejected_by_reason", "languages")}
        removed: dict[str, Counter[str]] = {}
        for one in self.written:
            for name in ("documents", "rejected", "characters", "original_characters"):
                sums[name] += one.counts[name]
            for name, counter in by.items():
                counter.update(one.counts[name])
            for reason, found in one.counts["removed_by_reason"].items():
                removed.setdefault(reason, Counter()).update(found)
        counts |= {name: sums[name] for name in ("documents", "rejected", "characters", "original_characters")}
        counts["rejected_by_reason"] = dict(by["rejected_by_reason"].most_common())
        ordered = sorted(removed.items(), key=lambda item: (-item[1]["characters"], item[0]))
        counts["removed_by_reason"] = {reason: dict(found) for reason, found in ordered}
        counts["languages"] = dict(by["languages"].most_common())
        for name in ("superseded", "not_successor"):
            counts[name] = self.settled.counts[name]
        return counts

    def nothing_new(self) -> dict[str, Any]:
        """The summary of a run that publishes nothing; what it read is remembered, so as not to be read again."""
        self._remember()
        contents = sorted({*self._idle(), *self.contents.values()})
        if contents:
            version = self.parent and self.parent["version"]
            said = {"version": version, "made": self._made(), "forgotten": self._list(), "contents": contents}
            self.store.put_json(IDLE, said)
        self.store.delete_all(STAGING)
        return {
            "published": False,
            "version": self.parent["version"] if self.parent else None,
            **self._said(),
            **self.counts,
            "earlier_documents": self._earlier(),
        }

    def _remember(self) -> None:
        """Keep what this run found out about RAW: a cache, which no manifest names."""
        write_cache(self.store, self.listing, {**self.hashed, **self.contents})

    def _is_rebuilt(self) -> bool:
        return bool(self.parent and self.parent.get("rebuilt") and self._is_current())

    def _said(self) -> dict[str, Any]:
        return {
            "curated": str(self.store.data),
            "ignored": self.listing.ignored,
            "fields": {
                column: dict(sorted(self.fields[column].items(), key=lambda item: (-item[1], item[0])))
                for column in USUAL
                if column in self.fields
            },
            "unread_values": dict(sorted(self.unread.items())),
            "extra_cut": self.cut,
            "passed_over": dict(sorted(self.passed.items())),
            "failed_shards": len(self.failed),
            "without_text": {path: dict(sizes.most_common()) for path, sizes in self.without_text.items()},
            "timings": self.timings,
            "seconds": time.perf_counter() - self.started,
        }

    def _run_facts(self) -> dict[str, Any]:
        now = datetime.now(UTC)
        seconds = time.perf_counter() - self.started
        return {
            "version": self.version,
            "started": (now - timedelta(seconds=seconds)).isoformat(timespec="seconds"),
            "ended": now.isoformat(timespec="seconds"),
            "host": platform.node(),
            "timings": self.timings,
        }

    def _earlier(self) -> int:
        """Documents of earlier versions made under other code or config, which only a rebuild would change."""
        return 0 if self.parent is None or self._is_current() else rows_of(self.parent, "documents")

    def _is_current(self) -> bool:
        assert self.parent is not None
        return [self.parent["code"], self.parent["config_hash"]] == self._made()

    # ---------------------------------------------------------------------------------------------------------- stages

    def _do(self, stage: str, steps: Sequence[Step], parts: Sequence[tuple[Part, ...]] = ()) -> list[Done]:
        """Do a stage's steps, of which each stands for these parts of RAW. Raises: StepsFailed, RefusedError."""
        self.at_work = parts
        start = time.perf_counter()
        said = Progress(stage, 0, len(steps))
        self._tell(said)

        def tell(done: Done) -> None:
            nonlocal said
            said = _further(said, done.counts)
            self._tell(said)

        done = self.engine(stage, steps, self.store, tell) if steps else []
        self.timings[stage] = {
            "seconds": round(time.perf_counter() - start, 3),
            "cpu_seconds": round(sum(one.cpu_seconds for one in done), 3),
            "done": sum(not one.is_resumed for one in done),
            "resumed": sum(one.is_resumed for one in done),
        }
        return done

    @contextmanager
    def _stage(self, stage: str) -> Iterator[None]:
        """A stage that this process does itself."""
        start, cpu = time.perf_counter(), time.process_time()
        self._tell(Progress(stage, 0, 1))
        try:
            yield
        except OSError as error:
            raise ShardError(f"{stage}: {error.filename or ''}: {error.strerror or error}") from error
        self._tell(Progress(stage, 1, 1))
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        self.timings[stage] = {"seconds": round(seconds, 3), "cpu_seconds": round(cpu, 3), "done": 1, "resumed": 0}

    def _tell(self, said: Progress) -> None:
        for listener in self.listeners:
            listener(said)


def _further(said: Progress, counts: Mapping[str, Any]) -> Progress:
    """With another step, and what it counted."""
    return said._replace(
        done=said.done + 1,
        records=said.records + counts.get("documents", 0),
        bytes=said.bytes + counts.get("text", 0),
        rejected=said.rejected + counts.get("rejected", 0),
    )


def _inputs(store: Store, state: State) -> dict[str, dict[str, Any]]:
    """What is known of each path: its last reading."""
    rows: dict[str, dict[str, Any]] = {}
    for ref in state["inputs"]:
        for row in read_inputs(store, ref).to_pylist():
            rows[row["path"]] = row
    return rows


_UNREAD: Mapping[str, Any] = {"undone": None}


def _of(state: State, *kinds: str) -> dict[str, Sequence[Ref]]:
    return {kind: state[kind] for kind in kinds}


def _bases(sizes: Sequence[int]) -> list[int]:
    """Where each of several files begins to count."""
    return [sum(sizes[:number]) for number in range(len(sizes))]


def _ref(entry: Mapping[str, Any]) -> Ref:
    return Ref("data", entry["path"], entry["sha256"])


def _new(group: Group, table: str) -> list[Ref]:
    entry = group.files.get(table)
    return [entry[1]] if entry and entry[1] is not None else []
