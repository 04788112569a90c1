"""The script that a data engineer writes in an afternoon: ftfy, regular expressions, langdetect, MinHash, Parquet.

naive_pandas.py RAW OUT WORKERS
"""

import hashlib
import json
import re
import sys
from multiprocessing import Pool
from pathlib import Path

import ftfy
import pandas as pd
from datasketch import MinHash, MinHashLSH
from langdetect import DetectorFactory, LangDetectException, detect

DetectorFactory.seed = 0
PERMUTATIONS, THRESHOLD, SHINGLE = 128, 0.8, 5
BOILERPLATE = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"^(by|von|par|por|di|door|autor|автор)\b.{0,60}\|.*$",
        r"^.*\b(min read|lesezeit|temps de lecture|minutos de lectura|время чтения)\b.*$",
        r"^(read also|related articles?|you may also like|lesen sie auch|das könnte sie auch).*$",
        r"^(à lire aussi|lea también|leia também|leggi anche|artículos relacionados|artigos relacionados).*$",
        r"^(articoli correlati|powiązane artykuły|читайте также|関連記事|相关阅读).*$",
        r"^.*\b(facebook|twitter|whatsapp|linkedin|telegram|pinterest)\b.*$",
        r"^[«»<>←→]?\s*(previous|next|vorheriger|nächster|précédent|suivant|anterior|siguiente)\b.*$",
        r"^.*\b(newsletter|subscribe|sign up|abonnieren|abonnez-vous|suscríbase|boletín)\b.*$",
        r"^.*\b(comments?|kommentare?|commentaires?|comentarios)\b \(\d+\)$",
        r"^.*(©|all rights reserved|alle rechte vorbehalten|tous droits réservés|todos los derechos).*$",
        r"^.*\b(privacy policy|terms of use|cookie|datenschutz|impressum|mentions légales|aviso legal)\b.*$",
        r"^.*[\w.]+@[\w.]+\.\w+.*$",
    )
]


def strip(text: str) -> str:
    lines = []
    for line in text.split("\n"):
        line = line.strip()
        if len(line) < 200 and any(pattern.match(line) for pattern in BOILERPLATE):
            continue
        lines.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def language(text: str) -> str:
    try:
        return detect(text)
    except LangDetectException:
        return "unknown"


def signature(text: str) -> MinHash:
    words = re.findall(r"\w+", text.lower())
    shingles = {" ".join(words[at : at + SHINGLE]) for at in range(max(1, len(words) - SHINGLE + 1))}
    sketch = MinHash(num_perm=PERMUTATIONS)
    sketch.update_batch([shingle.encode() for shingle in shingles])
    return sketch


def clean(record: dict) -> dict:
    text = strip(ftfy.fix_text(record["text"]))
    record |= {"text": text, "language": language(text)}
    record["hash"] = hashlib.md5(re.sub(r"\s+", " ", text.lower()).encode()).hexdigest()
    record["signature"] = signature(text)
    return record


def main() -> None:
    raw, out, workers = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    records = []
    for path in sorted(raw.glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            records += [json.loads(line) for line in lines]
    with Pool(workers) as pool:
        documents = pd.DataFrame(pool.map(clean, records, chunksize=100))
    counts = {"empty": int((documents["text"] == "").sum())}
    documents = documents[documents["text"] != ""]
    before = len(documents)
    documents = documents.drop_duplicates("hash")
    counts["exact"] = before - len(documents)

    index = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS)
    keep = []
    for name, sketch in zip(documents["id"], documents["signature"], strict=True):
        is_new = not index.query(sketch)
        if is_new:
            index.insert(name, sketch)
        keep.append(is_new)
    before = len(documents)
    documents = documents[keep]
    counts["near"] = before - len(documents)
    (out / "kept").mkdir(parents=True)
    documents.drop(columns=["signature"]).to_parquet(out / "kept/documents.parquet", compression="zstd")
    (out / "counts.json").write_text(json.dumps(counts))


if __name__ == "__main__":
    main()
