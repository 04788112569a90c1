#!/usr/bin/env python3
"""How well boilerplate goes, on the development data: Tamis beside its peers, on the same text, in one run.

    boilerplate.py [--sets daniel wcxb zhweb trafseg] [--fields full_text extracted_text gold_text]
                   [--tools identity c4 datatrove justext datajuicer shingles tamis] [--shipped] [--json]

Tamis is scored out of fold: two fold models are trained (once; kept under benchmarks/.cache by the hash of what they
are made of), each on one half of the domains, and each document is judged by the one that has not seen its domain.
`--shipped` scores the weights that ship instead, which have seen all of it.

Peers and training run in an environment of their own (benchmarks/.cache/venv, made once with uv or venv); a peer that
can't be installed is skipped, with the reason. MB are UTF-8 of the input, by CPU second: for Tamis lines + template
counts + strip + metadata, for the others their filter. What datajuicer and shingles do is in site_rules.py.

On whole pages and extracted text: see devset/README.md. `clean` (gold_text) is clean already: all that goes is damage.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
import devset
import pyarrow as pa
import site_rules

from transforms.boilerplate import model as line_model
from transforms.boilerplate.anchors import match_line, match_paragraph
from transforms.boilerplate.lines import index_lines
from transforms.boilerplate.pages import page_removals
from transforms.boilerplate.strip import strip_boilerplate
from transforms.config import Config
from transforms.identity import place_documents
from transforms.metadata import describe_documents

BOILERPLATE = devset.ROOT / "transforms" / "boilerplate"
CACHE = devset.ROOT / "benchmarks" / ".cache"
PYTHON = CACHE / "venv" / "bin" / "python"
PEERS = ("datatrove", "nltk", "spacy", "justext", "regex")
SITE_RULES = {"datajuicer": site_rules.strip_lines, "shingles": site_rules.strip_runs}
TOOLS = ("identity", "c4", "datatrove", "justext", *SITE_RULES, "tamis")
FIELDS = ("full_text", "extracted_text", "gold_text")

# The line rules of C4 (Raffel et al. 2020, section 2.2): lines that end in a terminal mark and have five words.
_C4_END = (".", "?", "!", '"')
_C4_WORDS = 5


def identity(text: str, language: str) -> str:
    return text


def c4(text: str, language: str) -> str:
    return "\n".join(
        line
        for line in text.split("\n")
        if line.rstrip().endswith(_C4_END) and len(line.split()) >= _C4_WORDS and "javascript" not in line.lower()
    )


# Runs in the peers' environment: texts in, texts and CPU seconds out.
PEER_PROGRAM = """
import json, sys, time
from types import SimpleNamespace
tool = sys.argv[1]
rows = json.load(sys.stdin)
if tool == "datatrove":
    from datatrove.data import Document
    from datatrove.pipeline.filters import C4QualityFilter
    # The line part alone: what drops a whole document (sentences, lorem ipsum, brackets) is another question.
    rules = C4QualityFilter(min_num_sentences=-1, filter_lorem_ipsum=False, filter_curly_bracket=False)
    def clean(text, language):
        document = Document(text=text, id="")
        rules.filter(document)
        return document.text
else:
    import justext
    from justext.core import classify_paragraphs, revise_paragraph_classification
    from justext.paragraph import Paragraph
    names = dict(de="German", en="English", es="Spanish", fr="French", pl="Polish", ru="Russian", el="Greek",
                 pt="Portuguese", it="Italian", fi="Finnish")
    lists = {code: justext.get_stoplist(name) for code, name in names.items()}
    def clean(text, language):
        stop = lists.get(language, frozenset())
        paragraphs = []
        for line in text.split("\\n"):
            if line.strip():
                paragraph = Paragraph(SimpleNamespace(dom="body.p", xpath="/body/p"))
                paragraph.append_text(line)
                paragraph.line = line
                paragraphs.append(paragraph)
        low, high = (0.3, 0.32) if stop else (0, 0)  # without a stop list, by length and neighbours alone
        classify_paragraphs(paragraphs, stop, stopwords_low=low, stopwords_high=high)
        revise_paragraph_classification(paragraphs, 200)
        return "\\n".join(p.line for p in paragraphs if not p.is_boilerplate)
clean("A first line, so that nothing is loaded while the clock runs.", "en")
start = time.process_time()
texts = [clean(text, language) for text, language in rows]
json.dump({"seconds": time.process_time() - start, "texts": texts}, sys.stdout)
"""


def environment() -> str | None:
    """Make the peers' environment, unless it is there; the reason where it can't be."""
    if (CACHE / "venv" / "ready").exists():
        return None
    CACHE.mkdir(exist_ok=True)
    make = [["uv", "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(CACHE / "venv")]]
    install = ["uv", "pip", "install", "--quiet", "--python", str(PYTHON)]
    if shutil.which("uv") is None:
        make = [[sys.executable, "-m", "venv", str(CACHE / "venv")]]
        install = [str(PYTHON), "-m", "pip", "install", "--quiet"]
    make.append([*install, "--constraint", str(devset.ROOT / "constraints.txt"), str(devset.ROOT), "catboost", *PEERS])
    for command in make:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            return f"no environment: {done.stderr.strip().splitlines()[-1:]}"
    (CACHE / "venv" / "ready").touch()
    return None


def run_peer(tool: str, records: list[dict[str, Any]], field: str) -> tuple[list[str], float]:
    """A peer's texts and CPU seconds. Raises: RuntimeError with the reason where it can't run."""
    if reason := environment():
        raise RuntimeError(reason)
    rows = [(record.get(field) or "", record.get("lang") or "") for record in records]
    done = subprocess.run(
        [str(PYTHON), "-c", PEER_PROGRAM, tool], input=json.dumps(rows), capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    found = json.loads(done.stdout.splitlines()[-1])
    return found["texts"], found["seconds"]


def fold_models() -> list[Path]:
    """The weights without each half of the domains, trained where they are not there yet."""
    here = [
        Path(__file__).with_name("train_line_model.py"),
        Path(__file__).with_name("devset.py"),
        *(BOILERPLATE / f"{name}.py" for name in ("model", "lines", "templates", "anchors")),
        *sorted((BOILERPLATE / "rules").glob("*.toml")),
        *(devset.DEVSET / f"boilerplate-{name}.jsonl.gz" for name in devset.SETS),
    ]
    key = hashlib.sha256(b"".join(path.read_bytes() for path in here)).hexdigest()[:16]
    paths = [CACHE / f"fold-{fold}-{key}.npz" for fold in (0, 1)]
    for fold, path in enumerate(paths):
        if not path.exists():
            if reason := environment():
                sys.exit(f"out of fold needs CatBoost: {reason}")
            command = [str(PYTHON), str(here[0]), "--fold", str(fold), "--out", str(path)]
            subprocess.run(command, check=True, stdout=sys.stderr)
    return paths


def run_tamis(records: list[dict[str, Any]], field: str, models: list[Path | None], config: Config) -> Any:
    """Tamis's texts, CPU seconds, and which documents it took for whole pages. `models` are one a fold, or None: the
    weights that ship."""
    documents, templates = devset.prepared(records, field, config)
    start = time.process_time()
    indexed = index_lines(documents.drop_columns(["lines", "line_keys", "line_document", "long_lines"]))
    devset.templates(indexed, config)
    seconds = time.process_time() - start
    texts: list[str] = [""] * len(records)
    pages: set[int] = set()
    folds = [devset.fold_of(site) if len(models) > 1 else 0 for site in documents["site"].to_pylist()]
    for fold, path in enumerate(models):
        chosen = [number for number, of in enumerate(folds) if of == fold]
        if not chosen:
            continue
        settings = replace(config, boilerplate=replace(config.boilerplate, model_path=str(path) if path else ""))
        line_model.load(settings.boilerplate.model_path)
        part = documents.take(pa.array(chosen))
        strip_boilerplate(part, templates, settings)  # phrases are compiled on first use, once a worker …
        match_line.cache_clear()  # … but no line has been seen
        match_paragraph.cache_clear()
        start = time.process_time()
        stripped = strip_boilerplate(part, templates, settings)
        describe_documents(stripped)
        seconds += time.process_time() - start
        for number, text in zip(chosen, stripped["text"].to_pylist(), strict=True):
            texts[number] = text
        judged = [
            (text, lines, templates.get(site, line_model.Templates(0, {})))
            for text, lines, site in zip(*(part[name].to_pylist() for name in ("text", "lines", "site")), strict=True)
        ]
        pages |= {chosen[row] for row in page_removals(judged, settings.boilerplate).removals}
    return texts, seconds, pages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=devset.SETS, default=devset.SETS)
    parser.add_argument("--fields", nargs="+", choices=FIELDS, default=FIELDS)
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=TOOLS)
    parser.add_argument("--shipped", action="store_true", help="score the weights that ship, not out of fold")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    config = Config()
    models = [None] if arguments.shipped else fold_models() if "tamis" in arguments.tools else []
    results = []
    for name in arguments.sets:
        records = devset.rows(name)
        for field in arguments.fields:
            if name == "trafseg" and field == "gold_text":
                continue
            size = sum(len((record.get(field) or "").encode()) for record in records) / 1e6
            gold = None if name == "trafseg" else devset.Gold(records, field)
            for tool in arguments.tools:
                row: dict[str, Any] = {"set": name, "field": field, "tool": tool}
                try:
                    if tool == "tamis":
                        texts, seconds, pages = run_tamis(records, field, models, config)
                        row["pages"] = len(pages)
                    elif tool in ("datatrove", "justext"):
                        texts, seconds = run_peer(tool, records, field)
                    elif tool in SITE_RULES:
                        given = [record.get(field) or "" for record in records]
                        sites = place_documents(devset.raw(records, field))["site"].to_pylist()
                        start = time.process_time()
                        texts = site_rules.by_site(SITE_RULES[tool], given, sites)
                        seconds = time.process_time() - start
                    else:
                        function = {"identity": identity, "c4": c4}[tool]
                        start = time.process_time()
                        texts = [function(record.get(field) or "", "") for record in records]
                        seconds = time.process_time() - start
                except RuntimeError as reason:
                    results.append(row | {"skipped": str(reason)})
                else:
                    by_id = {record["id"]: text for record, text in zip(records, texts, strict=True)}
                    row |= gold.score(by_id) if gold else devset.score_segments(records, by_id)
                    results.append(row | {"mb_per_cpu_second": round(size / max(seconds, 1e-9), 1)})
                if not arguments.json:
                    show(results[-1])
    if arguments.json:
        json.dump(results, sys.stdout, indent=1)
        print()


def show(row: dict[str, Any]) -> None:
    """One line a result."""
    where = f"{row['set']:8}{row['field']:15}{row['tool']:11}"
    if "skipped" in row:
        print(f"{where} skipped: {row['skipped']}")
        return
    if "shingle_f1" in row:
        figures = (
            f"shingle F1 {row['shingle_f1']:.4f}  token F1 {row['token_f1']:.4f}  damage {row['damage']:.4f}  "
            f"+{row['improved']}/-{row['harmed']}  precision {row['removal_precision'] or 0:.3f}"
        )
    else:
        figures = f"segment F1 {row['f1']:.4f}  precision {row['precision']:.4f}  recall {row['recall']:.4f}"
    pages = f"  pages {row['pages']}/{row['documents']}" if "pages" in row else ""
    speed = "" if row["tool"] == "identity" else f"  {row['mb_per_cpu_second']} MB/s"
    print(f"{where} {figures}{speed}{pages}", flush=True)


if __name__ == "__main__":
    main()
