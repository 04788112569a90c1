"""Tamis's comparison of documents beside other tools, over the same documents, in one run.

    TAMIS_DEVSET=DIR python benchmarks/dedup.py [--peers datatrove,rensa,datasketch] [--documents N]

Reads `dedup.parquet` and `dedup-truth.parquet` of TAMIS_DEVSET. Each tool runs in a process of its own, a peer in an
environment of its own too, made once and kept under the cache folder (~/.cache/tamis-benchmarks). Prints CPU seconds
(user and system, children included), peak memory, and for each class of planted pairs the share that came together
(for neg_*: the error). Tamis reads, signs, joins, verifies, settles and writes its index; a peer reads the same
Parquet file. Each runs on 100 documents first, so that no import or model counts.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tamis-benchmarks"
# 5-grams, 14 bands of 8, and a threshold of .7: what each tool's own documentation takes.
PEERS = {
    "datatrove": ["datatrove[processing,io]==0.10.1", "spacy", "orjson", "pyarrow"],
    "rensa": ["rensa==0.5.0", "pyarrow", "numpy"],
    "datasketch": ["datasketch==2.0.0", "xxhash", "pyarrow", "numpy"],
}


# --------------------------------------------------------------------------------------------------- run in the child


def usage() -> tuple[float, float]:
    """(CPU seconds so far, peak memory in MB), children included."""
    import resource

    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both), max(one.ru_maxrss for one in both) / 1024


def read_documents(path: Path, limit: int | None) -> tuple[list[str], list[str]]:
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["id", "text"])
    table = table.slice(0, limit) if limit else table
    return table["id"].to_pylist(), table["text"].to_pylist()


def run_tamis(path: Path, folder: Path, limit: int | None) -> dict[str, str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sys.path.insert(0, str(HERE.parent.parent))
    stage = __import__("benchmarks.stage", fromlist=["compare"])
    store = __import__("flows.store", fromlist=["Store"]).Store(folder)
    pieces = []
    names: dict[str, str] = {}
    with pq.ParquetFile(path) as file:
        seen = 0
        for number, batch in enumerate(file.iter_batches(8192, columns=["id", "text"])):
            batch = batch.slice(0, max(0, limit - seen)) if limit else batch
            seen += len(batch)
            if len(batch):
                # Ids of the form that the state expects, in the same order.
                ids = {f"{len(names) + place:016x}": name for place, name in enumerate(batch["id"].to_pylist())}
                names |= ids
                documents = pa.table({"id": list(ids), "text": batch["text"].cast(pa.string())})
                pieces.append(stage.sign(store, f"sign-{number:05}", documents))
    run = stage.compare(store, pieces)
    stage.write_index(run)
    verdicts = stage.verdicts(run)
    rejected = [row for row in zip(*(verdicts[n].to_pylist() for n in ("id", "duplicate_of")), strict=True) if row[1]]
    return {names[document]: names[of] for document, of in rejected}


def components(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Connected components, as tools without verification build them."""
    parent: dict[str, str] = {}

    def find(one: str) -> str:
        while parent.setdefault(one, one) != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    for a, b in pairs:
        a, b = sorted((find(a), find(b)))
        parent[b] = a
    return {one: find(one) for one in parent if find(one) != one}


def words(text: str, n: int = 5) -> list[str]:
    parts = re.findall(r"\w+", text.lower())
    return [" ".join(parts[i : i + n]) for i in range(max(1, len(parts) - n + 1))]


def run_rensa(path: Path, folder: Path, limit: int | None) -> dict[str, str]:
    from rensa import RMinHash, RMinHashLSH

    ids, texts = read_documents(path, limit)
    lsh = RMinHashLSH(threshold=0.7, num_perm=128, num_bands=16)
    signatures = []
    for number, text in enumerate(texts):
        signature = RMinHash(num_perm=128, seed=42)
        signature.update(words(text))
        lsh.insert(number, signature)
        signatures.append(signature)
    pairs = [
        (ids[number], ids[other])
        for number, signature in enumerate(signatures)
        for other in lsh.query(signature)
        if other < number and signature.jaccard(signatures[other]) >= 0.7
    ]
    return components(pairs)


def run_datasketch(path: Path, folder: Path, limit: int | None) -> dict[str, str]:
    import xxhash
    from datasketch import MinHash, MinHashLSH

    ids, texts = read_documents(path, limit)
    lsh = MinHashLSH(threshold=0.7, num_perm=128)
    pairs = []
    for document, text in zip(ids, texts, strict=True):
        signature = MinHash(num_perm=128, hashfunc=xxhash.xxh32_intdigest)
        signature.update_batch([word.encode() for word in words(text)])
        pairs += [(document, other) for other in lsh.query(signature)]
        lsh.insert(document, signature)
    return components(pairs)


def run_datatrove(path: Path, folder: Path, limit: int | None) -> dict[str, str]:
    """Its four steps as its own example has them, one task each; clusters from the pairs of its second step."""
    import struct

    from datatrove.data import Document
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.utils.typeshelper import Languages

    ids, texts = read_documents(path, limit)
    documents = [Document(text=text, id=name) for name, text in zip(ids, texts, strict=True)]
    config = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)
    signatures, buckets = str(folder / "signatures"), str(folder / "buckets")

    def given(data: Any, rank: int = 0, world_size: int = 1) -> Any:
        yield from documents

    for pipeline, tasks in (
        ([given, MinhashDedupSignature(output_folder=signatures, config=config, language=Languages.english)], 1),
        ([MinhashDedupBuckets(input_folder=signatures, output_folder=buckets, config=config)], config.num_buckets),
    ):
        LocalPipelineExecutor(pipeline=pipeline, tasks=tasks, workers=1, logging_dir=str(folder / f"log{tasks}")).run()
    pairs = []
    for file in sorted(Path(buckets).rglob("*.dups")):
        for _, a, _, b in struct.iter_unpack("<4I", file.read_bytes()):
            pairs.append((ids[a], ids[b]))
    return components(pairs)


def child(tool: str, path: Path, out: Path, limit: int | None) -> None:
    run = globals()[f"run_{tool.replace('-', '_')}"]
    with tempfile.TemporaryDirectory() as warm, tempfile.TemporaryDirectory() as folder:
        run(path, Path(warm), 100)  # what a tool imports and loads once is not its speed
        before, start = usage(), time.perf_counter()
        dropped = run(path, Path(folder), limit)
        after = usage()
        result = {"cpu": after[0] - before[0], "wall": time.perf_counter() - start, "peak": after[1]}
        out.write_text(json.dumps(result | {"over": after[1] - before[1], "dropped": dropped}))


# -------------------------------------------------------------------------------------------------- run in the parent


def environment(peer: str) -> Path:
    """The Python of a peer's environment, made where it isn't there yet."""
    python = CACHE / peer / "bin" / "python"
    if not (CACHE / peer / "ready").exists():
        print(f"making {CACHE / peer} …", file=sys.stderr)
        if shutil.which("uv"):
            make = ["uv", "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(CACHE / peer)]
            install = ["uv", "pip", "install", "--quiet", "--python", str(python)]
        else:
            make = [sys.executable, "-m", "venv", str(CACHE / peer)]
            install = [str(python), "-m", "pip", "install", "--quiet"]
        subprocess.run(make, check=True)
        subprocess.run([*install, *PEERS[peer]], check=True)
        (CACHE / peer / "ready").touch()
    return python


def score(dropped: dict[str, str], truth: list[dict[str, Any]], ids: list[str]) -> dict[str, float]:
    """The share of pairs of each class with one canonical, and of documents in no pair that are kept."""
    known = set(ids)
    total: Counter[str] = Counter()
    hit: Counter[str] = Counter()
    for pair in truth:
        if pair["a"] in known and pair["b"] in known:
            total[pair["class"]] += 1
            hit[pair["class"]] += dropped.get(pair["a"], pair["a"]) == dropped.get(pair["b"], pair["b"])
    paired = {pair[side] for pair in truth for side in ("a", "b")}
    alone = [one for one in ids if one not in paired]
    shares = {name: hit[name] / total[name] for name in sorted(total)}
    return shares | {"alone kept": sum(one not in dropped for one in alone) / max(1, len(alone))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default="datatrove,rensa")
    parser.add_argument("--documents", type=int)
    parser.add_argument("--child", nargs=3, metavar=("TOOL", "DOCUMENTS", "OUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        tool, path, out = arguments.child
        child(tool, Path(path), Path(out), arguments.documents)
        return
    if "TAMIS_DEVSET" not in os.environ:
        sys.exit("TAMIS_DEVSET is not set: it names the folder of dedup.parquet and dedup-truth.parquet")
    devset = Path(os.environ["TAMIS_DEVSET"])
    import pyarrow.parquet as pq

    truth = pq.read_table(devset / "dedup-truth.parquet").to_pylist()
    ids, texts = read_documents(devset / "dedup.parquet", arguments.documents)
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{len(ids):,} documents, {megabytes:.1f} MB of text")
    results: dict[str, dict[str, Any]] = {}
    for tool in ["tamis", *filter(None, arguments.peers.split(","))]:
        python = sys.executable if tool == "tamis" else str(environment(tool))
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out.json"
            command = [python, str(HERE), "--child", tool, str(devset / "dedup.parquet"), str(out)]
            command += ["--documents", str(arguments.documents)] if arguments.documents else []
            done = subprocess.run(command, capture_output=True, text=True)
            if not out.exists():
                sys.exit(f"{tool}: {done.stderr[-2000:]}")
            results[tool] = json.loads(out.read_text())
        results[tool] |= {"score": score(results[tool]["dropped"], truth, ids)}
    rows = [
        ("CPU seconds", [f"{one['cpu']:.2f}" for one in results.values()]),
        ("MB a CPU second", [f"{megabytes / one['cpu']:.1f}" for one in results.values()]),
        ("times Tamis's CPU", [f"{one['cpu'] / results['tamis']['cpu']:.1f}" for one in results.values()]),
        ("peak memory, MB", [f"{one['peak']:.0f}" for one in results.values()]),
        ("… over its start", [f"{one['over']:.0f}" for one in results.values()]),
        ("documents dropped", [f"{len(one['dropped']):,}" for one in results.values()]),
        *[(name, [f"{one['score'][name]:.3f}" for one in results.values()]) for name in results["tamis"]["score"]],
    ]
    width = max(len(name) for name, _ in rows)
    print(" " * width, *[f"{tool:>12}" for tool in results])
    for name, cells in rows:
        print(f"{name:{width}}", *[f"{cell:>12}" for cell in cells])


if __name__ == "__main__":
    main()
