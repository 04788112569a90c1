"""What of the stages dolma has: language and C4's lines as tags, exact paragraphs by a Bloom filter, mixing.

    with_dolma.py RAW OUT WORKERS

It has no repair of encodings and no near-duplicates. Its format is JSON lines in gzip, so the documents are copied into
that first, and the mixed ones into Parquet last. As in its own recipes lines without a final sign of punctuation are
kept, duplicate paragraphs are cut out, and documents of which nothing is left go. Its language is the first two letters
of the English name ("ge"; "po" is Polish or Portuguese), so few are counted as right.
"""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

TAGS = "tags"


def dolma(config: Path, command: str, **settings: object) -> None:
    config.write_text(json.dumps(settings))
    subprocess.run([str(Path(sys.executable).with_name("dolma")), "-c", str(config), command], check=True)


def main() -> None:
    raw, out, workers = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    folder = out / "work"
    (folder / "documents").mkdir(parents=True)
    (out / "kept").mkdir()
    read = 0
    for path in sorted(raw.glob("*.jsonl")):
        with path.open("rb") as lines, gzip.open(folder / f"documents/{path.name}.gz", "wt", compresslevel=1) as copy:
            for line in lines:
                read += 1
                copy.write(json.dumps(json.loads(line) | {"source": "raw"}) + "\n")
    documents = [f"{folder}/documents/*.gz"]
    config = folder / "config.json"
    taggers = ["cld2_doc_v2", "c4_v2"]
    dolma(config, "tag", documents=documents, taggers=taggers, experiment=TAGS, processes=workers)
    dolma(
        config,
        "dedupe",
        documents=documents,
        dedupe={"name": "paragraphs", "paragraphs": {"attribute_name": "duplicate"}, "skip_empty": True},
        bloom_filter={
            "file": str(folder / "bloom.bin"),
            "read_only": False,
            "estimated_doc_count": 100 * read,
            "desired_false_positive_rate": 1e-6,
        },
        processes=workers,
    )
    stream = {
        "name": "mixed",
        "documents": documents,
        "attributes": [TAGS, "paragraphs"],
        "output": {"path": str(folder / "mixed"), "min_text_length": 1},
        "filter": {"include": [], "exclude": [f"$.attributes[?(@.{TAGS}__c4_v2__has_lorem_ipsum)]"]},
        "span_replacement": [
            {"span": "$.attributes.duplicate", "min_score": 0.5, "replacement": ""},
            {"span": f"$.attributes.{TAGS}__c4_v2__lines_with_too_few_words", "min_score": 0.5, "replacement": ""},
        ],
    }
    dolma(config, "mix", streams=[stream], processes=workers)
    kept = 0
    for number, path in enumerate(sorted((folder / "mixed").glob("*.gz"))):
        rows = []
        with gzip.open(path, "rt") as lines:
            for line in lines:
                record = json.loads(line)
                tags = record.get("attributes", {})
                languages = [(spans[0][2], name) for name, spans in tags.items() if "cld2" in name and spans]
                language = max(languages)[1].rsplit("__", 1)[1] if languages else "und"
                rows.append({"id": record["id"], "text": record["text"], "language": language})
        kept += len(rows)
        pq.write_table(pa.Table.from_pylist(rows), out / f"kept/{number:03}.parquet", compression="zstd")
    (out / "counts.json").write_text(json.dumps({"mix": read - kept}))


if __name__ == "__main__":
    main()
