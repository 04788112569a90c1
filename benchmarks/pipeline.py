"""Whole pipelines side by side: the same raw documents, cores and stages; what they cost, and what came out.

    python benchmarks/pipeline.py [--kind articles|pages] [--megabytes 20 | --documents N]
                                  [--raw PATH [--name NAME]] [--tools tamis,naive,datatrove] [--workers 2]
                                  [--before CHECKOUT] [--cache DIR] [--check] [--record]

Raw documents are made up (`documents.py`), or those of a file or folder: `.jsonl` (also `.gz`), `.parquet` or `.txt`,
written anew as JSON lines, so that all tools read the same bytes. Each tool has an environment of its own under
`--cache` (a temporary folder; name one to keep environments), made with uv, or else with pip. What can't be installed
is left out, and said why. `--before` adds the code of another checkout, in the same run.

CPU seconds are those of all processes, start-up included; so are those of the peak of memory (`measure.py`). Of made-up
documents it is known what each tool should have found: planted copies, lines around articles, languages. All of it is
counted after the run.

`--record` writes the run into `docs/performance.json`, of which it makes `docs/performance.md` and its drawing, and
what Tamis made of the documents into `floors.toml`. `--check` fails where that, or a floor, is not met: a run that is
faster because it does less differs in its counts.
"""

import argparse
import gzip
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

from benchmarks import floors, report  # noqa: E402
from benchmarks.documents import KINDS, Document, documents, write  # noqa: E402
from benchmarks.tools import (  # noqa: E402
    TOOLS,
    NotInstalled,
    Outcome,
    Tool,
    compile_sources,
    environ,
    environment,
)

DEFAULT = "tamis,naive,datatrove"


@dataclass(frozen=True, slots=True)
class Corpus:
    """Raw documents as all tools read them; `made` of made-up ones."""

    name: str
    folder: Path
    records: int
    size: int  # bytes of the files
    chars: int  # of the texts
    digest: str
    texts: dict[str, int]  # characters of each, by id
    made: list[Document]


# ------------------------------------------------------------------------------------------------------- raw documents


def records_of(raw: Path) -> Iterator[dict[str, Any]]:
    """The records of a file, or of a folder's JSON lines, Parquet and text files; other lines are passed over."""
    for path in sorted(raw.rglob("*")) if raw.is_dir() else [raw]:
        if path.suffix == ".parquet":
            for batch in pq.ParquetFile(path).iter_batches():
                yield from batch.to_pylist()
        elif path.suffix == ".txt":
            yield {"text": path.read_text("utf-8", "replace")}
        elif path.name.endswith((".jsonl", ".jsonl.gz")):
            with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as lines:
                for line in lines:
                    try:
                        record = json.loads(line)
                    except ValueError:
                        continue
                    if isinstance(record, dict):
                        yield record


def copy_records(raw: Path, to: Path, files: int, most: int | None = None) -> None:
    """The records of a file or folder, or the first of them, as JSON lines (`id`, `url`, `text`), in turns over so
    many files."""
    to.mkdir(parents=True)
    opened = [(to / f"{number:03}.jsonl").open("wb") for number in range(files)]
    ids: Counter[str] = Counter()
    for number, record in enumerate(islice(records_of(raw), most)):
        text = record.get("text")
        if not isinstance(text, str) or not text.strip():
            continue
        name = str(record.get("id", number))
        ids[name] += 1
        url = record.get("url")
        kept = {"id": name if ids[name] == 1 else f"{name}-{ids[name]}"}
        kept |= {"url": url} if isinstance(url, str) else {}
        line = json.dumps(kept | {"text": text}, ensure_ascii=False) + "\n"
        opened[number // 500 % files].write(line.encode("utf-8", "replace"))  # surrogates are no UTF-8
    for file in opened:
        file.close()


def corpus(name: str, folder: Path, made: list[Document]) -> Corpus:
    """What is in a folder of JSON lines."""
    digest, size, texts = hashlib.sha256(), 0, {}
    for path in sorted(folder.glob("*.jsonl")):
        with path.open("rb") as lines:
            for line in lines:
                digest.update(line)
                size += len(line)
                record = json.loads(line)
                texts[record["id"]] = len(record["text"])
    return Corpus(name, folder, len(texts), size, sum(texts.values()), digest.hexdigest()[:16], texts, made)


# -------------------------------------------------------------------------------------------------------- what came out


def _squeezed(text: str) -> str:
    return "".join(filter(str.isalnum, text)).lower()


def counts_of(outcome: Outcome, raw: Corpus) -> dict[str, Any]:
    """What came out, exactly: documents, characters, languages; `dropped` by the tool's own reasons; of made-up
    documents also copies found, articles of which no copy is left, and what was done to the texts."""
    made = {str(one.number): one for one in raw.made}
    ids: set[str] = set()
    languages: Counter[str] = Counter()
    found = dict.fromkeys(("kept", "empty", "chars", "chars_removed"), 0)
    texts = dict.fromkeys(("language_right", "article", "article_lost", "around", "around_left"), 0)
    for one in outcome.kept:
        found["kept"] += 1
        found["empty"] += not one.text.strip()
        found["chars"] += len(one.text)
        found["chars_removed"] += raw.texts[one.id] - len(one.text)
        languages[one.language] += 1
        ids.add(one.id)
        if origin := made.get(one.id):
            squeezed = _squeezed(one.text)
            article, around = ([_squeezed(line) for line in lines] for lines in (origin.article, origin.furniture))
            texts["language_right"] += one.language == origin.language
            texts["article"] += sum(map(len, article))
            texts["article_lost"] += sum(len(line) for line in article if line not in squeezed)
            texts["around"] += sum(map(len, around))
            texts["around_left"] += sum(len(line) for line in around if line in squeezed)
    said = {"dropped": outcome.dropped, "languages": dict(sorted(languages.items()))}
    return found | said | (_copies(ids, raw.made) | texts if made else {})


def _copies(kept: set[str], made: Sequence[Document]) -> dict[str, int]:
    """Planted copies that were found, and articles of which none is left."""
    groups: dict[int, list[str]] = defaultdict(list)
    near = []
    for one in made:
        if one.kind == "near":
            near.append(one)
        else:  # a reworded one is an article of its own
            groups[one.of if one.kind == "exact" else one.number].append(str(one.number))
    stays = {of: sum(name in kept for name in names) for of, names in groups.items()}
    instead = {one.of for one in near if str(one.number) in kept}
    return {
        "exact": sum(len(names) - 1 for names in groups.values()),
        "exact_found": sum(len(names) - max(stays[of], 1) for of, names in groups.items()),
        "near": len(near),
        "near_found": sum(str(one.number) not in kept or not stays[one.of] for one in near),
        "articles": len(groups),
        "articles_gone": len({of for of, count in stays.items() if not count} - instead),
    }


# ----------------------------------------------------------------------------------------------------------------- runs


def run(tool: Tool, raw: Corpus, cache: Path, workers: int, checkout: Path | None = None) -> dict[str, Any]:
    """A tool's run over raw documents: cost and counts. Raises: NotInstalled; RuntimeError where it fails."""
    bin = environment(tool, cache)
    if tool.name in ("tamis", "inline"):
        compile_sources(bin, checkout or ROOT)
    with tempfile.TemporaryDirectory(dir=cache) as name:
        folder = Path(name)
        cost_file, log = folder / "cost.json", folder / "log"
        command = [sys.executable, str(HERE / "measure.py"), "--to", str(cost_file), "--"]
        command += tool.command(bin, raw.folder, folder / "out", workers)
        with log.open("wb") as sink:
            code = subprocess.run(
                command, cwd=folder, env=environ(tool, checkout), stdout=sink, stderr=subprocess.STDOUT
            ).returncode
        if code:
            last = "\n".join(log.read_text("utf-8", "replace").strip().splitlines()[-12:])
            raise RuntimeError(f"{tool.name} ended with {code}:\n{last}")
        cost = json.loads(cost_file.read_text())
        del cost["code"]
        out = sum(file.stat().st_size for file in (folder / "out").rglob("*") if file.is_file())
        counts = counts_of(tool.outcome(folder / "out"), raw)
    cpu, seconds = cost["cpu_seconds"], cost["seconds"]
    speed = {
        "mb_a_cpu_second": raw.size / 1e6 / cpu,
        "mb_a_second": raw.size / 1e6 / seconds,
        "documents_a_cpu_second": raw.records / cpu,
    }
    return {"says": tool.says, **cost, **speed, "out": out, "counts": counts}


def limit_cores(workers: int) -> None:
    """This process and all it starts are held to so many cores."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:workers])


def machine() -> str:
    """What the figures were seen on."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), model)
    return f"{model}, {platform.system()}, Python {platform.python_version()}"


def prepare(options: argparse.Namespace, cache: Path) -> Corpus:
    """The raw documents of a run, written under the cache."""
    folder, files = cache / "raw", 4 * options.workers
    shutil.rmtree(folder, ignore_errors=True)
    if options.raw:
        copy_records(options.raw, folder, files, options.documents)
        return corpus(options.name or options.raw.stem, folder, [])
    megabytes = options.megabytes or (None if options.documents else 20.0)
    made = list(documents(options.kind, options.documents, megabytes))
    write(folder, iter(made), files, max(1, min(2_000, len(made) // files)))
    return corpus(options.name or options.kind, folder, made)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=KINDS, default="articles")
    parser.add_argument("--megabytes", type=float)
    parser.add_argument("--documents", type=int)
    parser.add_argument("--raw", type=Path, help="a file or folder of documents, in place of made-up ones")
    parser.add_argument("--name", help="what the documents are called in the report")
    parser.add_argument("--tools", default=DEFAULT, help=f"of {', '.join(TOOLS)}; the default: {DEFAULT}")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--before", type=Path, help="another checkout, whose code is measured, too")
    parser.add_argument("--cache", type=Path, help="where environments and documents are kept")
    parser.add_argument("--check", action="store_true", help="fail below a floor, or where counts differ")
    parser.add_argument("--record", action="store_true", help="write docs/performance.md and floors.toml")
    options = parser.parse_args()
    names = options.tools.split(",")
    if unknown := set(names) - set(TOOLS):
        parser.error(f"no such tool: {', '.join(sorted(unknown))}; there are {', '.join(TOOLS)}")
    limit_cores(options.workers)
    with tempfile.TemporaryDirectory() as temporary:
        cache = (options.cache or Path(temporary)).resolve()
        cache.mkdir(parents=True, exist_ok=True)
        raw = prepare(options, cache)
        print(f"{raw.name}: {raw.records:,} documents, {raw.size / 1e6:.1f} MB ({raw.digest})", flush=True)
        found: dict[str, dict[str, Any]] = {}
        missing: dict[str, str] = {}
        wanted: list[tuple[str, Tool, Path | None]] = [(name, TOOLS[name], None) for name in names]
        if options.before:
            wanted.insert(0, ("before", TOOLS["tamis"], options.before.resolve()))
        for name, tool, checkout in wanted:
            try:
                found[name] = run(tool, raw, cache, options.workers, checkout)
                print(report.line(name, found[name]), flush=True)
            except NotInstalled as error:
                missing[name] = f"not installed: {error}"
                print(f"{name}: {missing[name]}", flush=True)
            except RuntimeError as error:
                missing[name] = str(error)
                print(missing[name], flush=True)
    result = {
        "records": raw.records,
        "bytes": raw.size,
        "chars": raw.chars,
        "digest": raw.digest,
        "workers": options.workers,
        "machine": machine(),
        "date": date.today().isoformat(),
        "tools": found,
        "missing": {name: said.splitlines()[0] for name, said in missing.items()},
    }
    print("\n" + report.tables(raw.name, result))
    if options.record:
        report.record(raw.name, result)
        floors.record(raw.name, result)
    wrong = floors.unmet(raw.name, result)
    print("\n".join(wrong) if wrong else "floors and counts: met, or none recorded of these documents")
    if "tamis" in missing or (options.check and wrong):
        sys.exit(1)


if __name__ == "__main__":
    main()
