"""The flow: the stages in order, one Prefect task per shard, tasks passing paths and counts.

raw ─► plan ─► [read · repair · index lines]ₛ ─► identify ─► templates ─► [strip · describe · detect · sign]ₛ
    ─► compare (flows/duplicates.py) ─► [select · write]ₛ ─► publish
"""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import ThreadPoolTaskRunner

from flows import duplicates, steps
from flows import publish as versions
from flows.duplicates import Segment, index_of, key_ranges, to_merge
from flows.engines import default_workers, worker_pool
from flows.plan import InputFile, check_raw, list_inputs, plan_shards
from flows.publish import Manifest
from flows.steps import Done, Step, code_hash, step
from flows.storage import lock
from transforms.boilerplate.model import load as load_model
from transforms.config import Config, from_mapping
from transforms.dedup.bands import BANDS
from transforms.errors import RefusedError, ShardError

# Called with (stage, steps done, steps in all) as a run goes on; the command shows a progress bar.
Listener = Callable[[str, int, int], None]
listeners: list[Listener] = []


# The runner's threads only wait for the pool.
@flow(name="curate", validate_parameters=False, task_runner=ThreadPoolTaskRunner(max_workers=64))
def curate(
    raw: str = "raw",
    curated: str = "curated",
    config: dict[str, Any] | None = None,
    workers: int | None = None,
    limit: int | None = None,
    rebuild: bool = False,
) -> dict[str, Any]:
    """Read what is new under RAW and publish the next version of the dataset CURATED; the run's summary.

    With `rebuild` every earlier document is made anew from its original, which the dataset holds, under today's code,
    config and templates, and files with records that could not be read are read again. Ids, the versions documents
    came in, and who is earlier than whom, stay.

    Raises: ConfigError (wrong call), RefusedError (a check or another run refuses), ShardError (work failed; what
    is finished stays and is not done again).
    """
    settings = from_mapping(config or {})
    load_model(settings.boilerplate.model_path)  # damaged weights stop a run before its first shard
    source, target = Path(raw).resolve(), Path(curated).resolve()
    check_raw(source)
    with lock(target), worker_pool(workers or default_workers()) as pool:
        return _Run(source, target, settings, pool, limit, rebuild).run()


@task(cache_policy=NO_CACHE, persist_result=False)
def work(unit: Step, pool: ProcessPoolExecutor) -> Done:
    """One step, in the pool of workers."""
    done: Done = pool.submit(unit.run).result()
    return done


class _Run:
    """One run over one dataset."""

    def __init__(
        self,
        raw: Path,
        curated: Path,
        config: Config,
        pool: ProcessPoolExecutor,
        limit: int | None,
        rebuild: bool,
    ) -> None:
        self.raw, self.curated, self.config, self.pool = raw, curated, config, pool
        self.limit, self.rebuild = limit, rebuild
        self.staging = curated / ".staging"
        self.seconds: dict[str, float] = {}
        self.cpu_seconds: Counter[str] = Counter()
        self.steps: Counter[str] = Counter()
        self.resumed: Counter[str] = Counter()

    def run(self) -> dict[str, Any]:
        started = time.perf_counter()
        parent = versions.published_manifest(self.curated)
        self.rebuild = self.rebuild and parent is not None
        self._tell("plan", 0, 1)
        inputs, ignored = list_inputs(self.raw)
        read = {(entry["path"], entry["sha256"]) for entry in parent["inputs"]} if parent else set()
        new = [file for file in inputs if (file.path, file.sha256) not in read]
        is_rebuilt = parent is not None and parent.get("rebuilt") and self._is_current(parent)
        is_needed = bool(new or (self.rebuild and not is_rebuilt))
        if self.rebuild and parent and is_needed:
            unread = self.pool.submit(versions.unread_paths, self.curated, parent).result()
            new = [file for file in inputs if (file.path, file.sha256) not in read or file.path in unread]
        self._tell("plan", 1, 1)
        plan = versions.plan_version(parent, new, self.config, code_hash(), self.limit, self.rebuild)
        versions.sweep(self.curated, plan.name)
        shards = plan_shards(self.raw, new, self.config.shard_bytes)
        summary = self._curate(plan, parent, new, shards) if is_needed else None
        if summary is None:
            shutil.rmtree(self.staging, ignore_errors=True)
            versions.sweep(self.curated, None)
            return self._nothing_new(parent)
        summary["ignored"] = ignored
        shutil.rmtree(self.staging)
        summary["seconds"] = time.perf_counter() - started
        return summary

    def _curate(
        self,
        plan: versions.Plan,
        parent: Manifest | None,
        new: list[InputFile],
        shards: list[tuple[Any, ...]],
    ) -> dict[str, Any] | None:
        config, limit = self.config, self.limit
        content = config.content_hash()
        published = [(self.curated / f["path"], f["table"]) for f in parent["files"]] if parent else []
        empty = {self.curated / file["path"] for file in parent["files"] if not file["rows"]} if parent else set()
        spans = [path for path, table in published if table == "removed_spans"]
        published = [(path, table) for path, table in published if table != "removed_spans"]
        before = [parent["version"] if parent else ""]

        sha256 = {file.path: file.sha256 for file in new}
        reads = [
            step(
                self.staging,
                steps.read_shard,
                [
                    content,
                    str(config.shard_bytes),
                    str(limit),
                    *[f"{sha256[part.path]} {tuple(part)}" for part in parts],
                ],
                *(self.raw, [tuple(part) for part in parts], config, limit),
            )
            for parts in shards
        ]
        shard_records = self._all("read", reads)
        pieces = [
            unit.folder / name for unit, done in zip(reads, shard_records, strict=True) for name in done["pieces"]
        ]
        names = [f"{piece.parent.name}/{piece.name}" for piece in pieces]

        identify = step(
            self.staging, steps.identify, [content, str(limit), *before, *names], pieces, published, config, limit
        )
        (identified,) = self._all("identify", [identify])
        records: Counter[str] = Counter()
        for done in shard_records:
            records.update(done["records"])
        if sum(identified["known"].values()) == records.total() and not self.rebuild:
            return None

        # Hashed by a worker while the others read and clean.
        index = self.pool.submit(index_of, self.curated, None if self.rebuild else parent)
        state = [self.curated / file["path"] for file in parent["state"]] if parent else []
        restored = 0
        if self.rebuild:  # all that was published comes in again, and nothing stands before it
            restores = [
                step(
                    self.staging,
                    steps.restore_records,
                    [content, *before, path.name, table],
                    *(path, table, spans, config),
                )
                for path, table in published
                if path not in empty
            ]
            restored = sum(done["records"] for done in self._all("restore", restores))
            pieces += [unit.folder / "records.parquet" for unit in restores]
            names += [unit.folder.name for unit in restores]
            published, state = [], []
        count = step(
            self.staging,
            steps.count_templates,
            [content, identify.folder.name, *before, *names],
            *(pieces, identify.folder, state, config),
        )
        self._all("templates", [count])

        cleans = [
            step(
                self.staging,
                steps.clean_piece,
                [content, name, identify.folder.name, count.folder.name, plan.name],
                *(piece, number, identify.folder, count.folder, config, plan.name),
            )
            for number, (piece, name) in enumerate(zip(pieces, names, strict=True))
        ]
        keys = sum(done["keys"] for done in self._all("clean", cleans))
        cleaned = [unit.folder for unit in cleans]

        segments = index.result()
        settled, segment, merged = self._compare(cleaned, keys, published, segments, before)
        (compared,) = self._all("settle", [settled])
        share = step(
            self.staging,
            duplicates.share_paragraphs,
            [settled.folder.name, segment.folder.name],
            *([folder / "paragraphs.parquet" for folder in cleaned], settled.folder, published, segments, merged),
        )
        self._all("share", [share])

        folder = self.curated / "versions" / plan.name
        writes = [
            step(
                self.staging,
                steps.write_piece,
                [clean.name, share.folder.name, plan.name, str(number)],
                *(clean, share.folder, folder, number),
            )
            for number, clean in enumerate(cleaned)
        ]
        if compared["changes"]:
            writes.append(
                step(
                    self.staging,
                    steps.rewrite,
                    [settled.folder.name, plan.name, str(len(pieces))],
                    *(settled.folder, published, folder, len(pieces)),
                )
            )
        for unit in writes:
            done = unit.finished()
            if done is not None and not versions.adopt(self.curated, done["files"]):
                shutil.rmtree(unit.folder)
        written = self._all("write", writes)

        self._tell("publish", 0, 1)
        start = time.perf_counter()
        files = [file for done in written for file in done["files"]]
        counted = None if self.rebuild else plan.name
        summary = self.pool.submit(versions.summarise, self.curated, files, counted).result()
        inputs = self._inputs(plan.name, new, records, identified["known"], written)
        if self.rebuild and parent:
            replaced, state_replaced = ([file["path"] for file in parent[kind]] for kind in ("files", "state"))
        else:
            replaced = [path for done in written for path in done.get("replaced", ())]
            state_replaced = [path.relative_to(self.curated).as_posix() for part in merged for path in part[:3]]
        # In a worker, as all work: this process only says what is done when.
        manifest = self.pool.submit(
            versions.publish,
            self.curated,
            plan,
            parent,
            {
                "code": code_hash(),
                "config_hash": content,
                "config": asdict(config),
                "limit": limit,
                "rebuilt": self.rebuild,
                "inputs": [*(parent["inputs"] if parent else []), *inputs],
                "shards": len(shards),
                "counts": {
                    "records": records.total() + restored,
                    "known": sum(identified["known"].values()),
                    **summary,
                },
                "timings": self._timings(),
            },
            files,
            replaced,
            {f"template-{name}": count.folder / f"{name}.parquet" for name in ("counts", "groups")}
            | {f"dedup-{name}": segment.folder / f"{name}.parquet" for name in ("contents", "keys")}
            | {"dedup-paragraphs": share.folder / "paragraphs.parquet"},
            state_replaced,
        ).result()
        self.seconds["publish"] = time.perf_counter() - start
        self._tell("publish", 1, 1)
        return self._summary(manifest, parent)

    def _compare(
        self,
        cleaned: Sequence[Path],
        keys: int,
        published: Sequence[tuple[Path, str]],
        segments: Sequence[Segment],
        before: Sequence[str],
    ) -> tuple[Step, Step, list[Segment]]:
        """Compare the cleaned documents, of `keys` band keys, with each other and with earlier versions: the step that
        settles what each is, still to be done; that which wrote the index; and the segments it merged."""
        config, content = self.config, self.config.content_hash()
        match = step(
            self.staging,
            duplicates.match,
            [content, *before, *[folder.name for folder in cleaned]],
            *([folder / "cleaned.parquet" for folder in cleaned], published, segments, config),
        )
        (matched,) = self._all("match", [match])
        indexed = sum(segment.rows for segment in segments) * BANDS
        ranges = key_ranges(keys + indexed)
        joins = [
            step(
                self.staging,
                duplicates.join_keys,
                [match.folder.name, f"{low:x} {high:x}"],
                *(low, high, [folder / "keys.parquet" for folder in cleaned], match.folder, segments),
            )
            for low, high in ranges
        ]
        self._all("join", joins)
        joined = [unit.folder for unit in joins]
        names = [folder.name for folder in joined]
        merged = to_merge(segments, matched["new"])
        write = step(
            self.staging,
            duplicates.write_segment,
            [*names, *[segment.keys.name for segment in merged]],
            *(match.folder, list(zip(ranges, joined, strict=True)), merged),
        )
        pair = step(self.staging, duplicates.pair_up, names, joined, match.folder, published, segments)
        _, paired = self._all("pair", [write, pair])
        files = {"cleaned": [folder / "shingles.parquet" for folder in cleaned]}
        for table in ("documents", "rejected"):
            files[table] = [path for path, kind in published if kind == table]
        shingles = [
            step(
                self.staging,
                duplicates.shingle_texts,
                [pair.folder.name, table, str(piece)],
                *(pair.folder, table, piece, files[table][piece]),
            )
            for table, piece in paired["sources"]
        ]
        self._all("shingle", shingles)
        verifies = [
            step(
                self.staging,
                duplicates.verify_pairs,
                [pair.folder.name, str(part), content],
                *(part, pair.folder, [unit.folder for unit in shingles], config),
            )
            for part in paired["parts"]
        ]
        self._all("verify", verifies)
        settle = step(
            self.staging,
            duplicates.settle,
            [match.folder.name, pair.folder.name, content],
            *(match.folder, pair.folder, [unit.folder for unit in verifies], config),
        )
        return settle, write, merged

    def _inputs(
        self,
        version: str,
        new: Sequence[InputFile],
        records: Counter[str],
        known: dict[str, int],
        written: Sequence[Done],
    ) -> list[dict[str, Any]]:
        """What the manifest says of each file read. One that a limit may have cut is named without its hash, so that
        the next run reads the rest."""
        documents: Counter[str] = Counter()
        rejected: Counter[str] = Counter()
        for done in written:
            documents.update(done.get("documents", {}))
            rejected.update(done.get("rejected", {}))
        return [
            {
                "path": file.path,
                "bytes": file.bytes,
                "sha256": file.sha256 if self.limit is None else None,
                "records": records[file.path],
                "known": known.get(file.path, 0),
                "documents": documents[file.path],
                "rejected": rejected[file.path],
                "added_in": version,
            }
            for file in new
        ]

    def _all(self, stage: str, units: Sequence[Step]) -> list[Done]:
        """Do all units of a stage, each as a task, finished ones excepted. Raises: ShardError where any failed."""
        start = time.perf_counter()
        self._tell(stage, 0, len(units))
        named = work.with_options(name=stage, task_run_name=stage)
        outcomes: list[Done | None] = [unit.finished() for unit in units]
        self.resumed[stage] += sum(done is not None for done in outcomes)
        futures = {
            number: named.submit(unit, self.pool)
            for number, (unit, done) in enumerate(zip(units, outcomes, strict=True))
            if done is None
        }
        failures: list[BaseException] = []
        finished = len(units) - len(futures)
        for number, future in futures.items():
            future.wait()
            state = future.state
            if state.is_completed():
                outcomes[number] = future.result()
                finished += 1
                self._tell(stage, finished, len(units))
            else:
                failures.append(_failure(state))
        if failures:
            if isinstance(failures[0], RefusedError):
                raise failures[0]
            raise ShardError(
                f"{stage}: {len(failures)} of {len(units)} failed, the first: {_say(failures[0])}; "
                "what is finished is kept, run again to go on"
            ) from failures[0]
        self.seconds[stage] = time.perf_counter() - start
        self.steps[stage] += len(futures)
        done_steps = [done for done in outcomes if done is not None]
        self.cpu_seconds[stage] += sum(done["cpu_seconds"] for done in done_steps)
        return done_steps

    def _timings(self) -> dict[str, Any]:
        return {
            stage: {
                "seconds": round(seconds, 3),
                "cpu_seconds": round(self.cpu_seconds[stage], 3),
                "done": self.steps[stage],
                "resumed": self.resumed[stage],
            }
            for stage, seconds in self.seconds.items()
        }

    def _summary(self, manifest: Manifest, parent: Manifest | None) -> dict[str, Any]:
        rows = {
            table: sum(f["rows"] for f in manifest["files"] if f["table"] == table)
            for table in ("documents", "rejected")
        }
        return {
            "published": True,
            "version": manifest["version"],
            "curated": str(self.curated),
            **manifest["counts"],
            "total": rows,
            "earlier_documents": 0 if self.rebuild else self._earlier(parent),
            "timings": self._timings(),
        }

    def _nothing_new(self, parent: Manifest | None) -> dict[str, Any]:
        return {
            "published": False,
            "version": parent["version"] if parent else None,
            "curated": str(self.curated),
            "earlier_documents": self._earlier(parent),
            "timings": self._timings(),
        }

    def _earlier(self, parent: Manifest | None) -> int:
        """Documents of earlier versions made under other code or config, which only a rebuild would change."""
        if parent is None or self._is_current(parent):
            return 0
        return sum(f["rows"] for f in parent["files"] if f["table"] == "documents")

    def _is_current(self, parent: Manifest) -> bool:
        """Whether a version was made under today's code and config."""
        return bool((parent["code"], parent["config_hash"]) == (code_hash(), self.config.content_hash()))

    def _tell(self, stage: str, done: int, steps: int) -> None:
        for listener in listeners:
            listener(stage, done, steps)


def _failure(state: Any) -> BaseException:
    error = state.result(raise_on_failure=False)
    return error if isinstance(error, BaseException) else ShardError(str(state.message))


def _say(error: BaseException) -> str:
    if isinstance(error, BrokenProcessPool):
        return "a worker process died (out of memory, or killed)"
    return f"{type(error).__name__}: {error}"
