#!/usr/bin/env python3
"""How well a page's article is found in its HTML: Tamis beside extractors, on the same pages, in one run.

    extraction.py [--mirrors DIR] [--sets wcxb scrapinghub trafseg daniel] [--tools …] [--shipped] [--json]

Shingle F1 and damage (the share of the gold on the page that is lost) as score.py has them; trafseg has segments. Pages
a CPU second from the HTML in a string to the text, for Tamis `read_page` with all it reads of a page's head.

| row | what |
|---|---|
| full | the page's full text: nothing is left out |
| line-model | the full text, and of it what the line model of plain text leaves (boilerplate.py scores that, too) |
| tamis | what `read_page` does not leave out: the default |
| tamis-curated | … and what is left of that when the site's templates and the rules have been applied |
| others | by their own text, without comments where that can be said |

Both models have learned from these pages, so each page is judged by weights that have not seen its domain. Those of the
tree are trained from `--mirrors` (html_pages.py) and kept in benchmarks/.cache; without it, Tamis is skipped, or scored
by the weights that ship (`--shipped`), which is no measure of anything but regressions. rs-trafilatura is by the author
of wcxb. The others run in an environment of their own (benchmarks/.cache/html); what can't be installed says why.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
import boilerplate
import devset
import html_pages

from transforms.boilerplate import model as line_model
from transforms.boilerplate import tree
from transforms.boilerplate.pages import kept_lines
from transforms.config import Config
from transforms.head import Said
from transforms.html import read_page
from transforms.identity import site_of
from transforms.markup import read_markup

PYTHON = boilerplate.CACHE / "html" / "bin" / "python"
PACKAGES = {
    "trafilatura": ("trafilatura", "trafilatura-precision", "trafilatura-recall", "trafilatura-fast"),
    "resiliparse": ("resiliparse",),
    "readability-lxml": ("readability",),
    "turbohtml": ("turbohtml",),
    "rs-trafilatura": ("rs-trafilatura",),
    "magic-html": ("magic-html",),
}
OTHERS = tuple(tool for tools in PACKAGES.values() for tool in tools)
OWN = ("full", "line-model", "tamis", "tamis-curated")

# Runs in the others' environment: [html, url] in, texts and CPU seconds out.
PROGRAM = """
import json, sys, time
tool = sys.argv[1]
pages = json.load(sys.stdin)
def text_of(markup):
    import lxml.html
    return "\\n".join(lxml.html.fromstring(markup).itertext()) if markup and markup.strip() else ""
if tool.startswith("trafilatura"):
    from trafilatura import extract
    mode = {"precision": {"favor_precision": True}, "recall": {"favor_recall": True}, "fast": {"fast": True}}
    options = mode.get(tool.partition("-")[2], {})
    def read(html, url): return extract(html, url=url, include_comments=False, **options)
elif tool == "resiliparse":
    from resiliparse.extract.html2text import extract_plain_text
    def read(html, url):
        return extract_plain_text(html, main_content=True, alt_texts=False, list_bullets=False, comments=False)
elif tool == "readability":
    from readability import Document
    def read(html, url): return text_of(Document(html).summary(html_partial=True))
elif tool == "turbohtml":
    import turbohtml
    def read(html, url): return turbohtml.parse(html, positions=False).main_text()
elif tool == "rs-trafilatura":
    import rs_trafilatura
    def read(html, url): return rs_trafilatura.extract(html, url=url).main_content
else:
    from magic_html import GeneralExtractor
    extractor = GeneralExtractor()
    def read(html, url): return text_of(extractor.extract(html, base_url=url)["html"])
read(*pages[0])
texts, failed = [], 0
start = time.process_time()
for html, url in pages:
    try:
        texts.append(read(html, url) or "")
    except Exception:
        texts.append("")
        failed += 1
json.dump({"seconds": time.process_time() - start, "texts": texts, "failed": failed}, sys.stdout)
"""


def environment(package: str) -> str | None:
    """Install an extractor, unless it is there; the reason where it can't be."""
    uv = shutil.which("uv")
    commands = []
    if not PYTHON.exists():
        folder = str(PYTHON.parent.parent)
        commands.append(
            [uv, "venv", "--quiet", "--python", sys.executable, folder]
            if uv
            else [sys.executable, "-m", "venv", folder]
        )
    install = (
        [uv, "pip", "install", "--quiet", "--python", str(PYTHON)]
        if uv
        else [str(PYTHON), "-m", "pip", "install", "--quiet"]
    )
    commands.append([*install, "--only-binary", ":all:", package])
    for command in commands:
        done = subprocess.run([part for part in command if part], capture_output=True, text=True)
        if done.returncode:
            return (done.stderr.strip().splitlines() or ["can't be installed"])[-1]
    return None


def run_other(tool: str, pages: Sequence[Mapping[str, Any]]) -> tuple[list[str], float]:
    """An extractor's texts and CPU seconds. Raises: RuntimeError with the reason where it can't run."""
    given = json.dumps([(page["html"], page["url"]) for page in pages])
    done = subprocess.run([str(PYTHON), "-c", PROGRAM, tool], input=given, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    found = json.loads(done.stdout.splitlines()[-1])
    return found["texts"], found["seconds"]


def fold_models(mirrors: Path) -> list[Path]:
    """The weights of the tree without each half of the domains, trained where they are not there yet."""
    here = [Path(__file__).with_name(f"{name}.py") for name in ("train_tree_model", "train_line_model", "html_pages")]
    here += [devset.ROOT / "transforms" / f"{name}.py" for name in ("markup", "boilerplate/tree")]
    here += boilerplate.fold_models()
    key = hashlib.sha256(b"".join(path.read_bytes() for path in here)).hexdigest()[:16]
    paths = [boilerplate.CACHE / f"tree-{fold}-{key}.npz" for fold in (0, 1)]
    for fold, path in enumerate(paths):
        if not path.exists():
            if reason := boilerplate.environment():
                sys.exit(f"out of fold needs CatBoost: {reason}")
            command = [str(boilerplate.PYTHON), str(here[0]), "--mirrors", str(mirrors), "--fold", str(fold)]
            subprocess.run([*command, "--out", str(path)], check=True, stdout=sys.stderr)
    return paths


def run_own(
    tool: str, pages: Sequence[Mapping[str, Any]], models: Sequence[tuple[line_model.Model, tree.Model, str]]
) -> tuple[list[str], float]:
    """Tamis's texts and CPU seconds; `models` are one a fold, each of a line, of a tree, and where the first lies."""
    sites = [page.get("site") or site_of(page["url"], page["id"]) for page in pages]
    folds = [devset.fold_of(site) if len(models) > 1 else 0 for site in sites]
    read_page(pages[0]["html"], pages[0]["url"])
    start = time.process_time()
    texts = [_chosen(tool, page, *models[fold][:2]) for page, fold in zip(pages, folds, strict=True)]
    seconds = time.process_time() - start
    if tool == "tamis-curated":
        records = [
            {"id": page["id"], "url": page["url"], "site": site, "text": text}
            for page, site, text in zip(pages, sites, texts, strict=True)
        ]
        texts, more, _ = boilerplate.run_tamis(
            records, "text", [Path(path) if path else None for *_, path in models], Config()
        )
        seconds += more
    return texts, seconds


def _chosen(tool: str, page: Mapping[str, Any], text_model: line_model.Model, model: tree.Model) -> str:
    """The lines that a row has of a page."""
    found = read_markup(page["html"])
    lines = [line.text for line in found.lines]
    if tool == "full":
        return "\n".join(lines)
    if tool == "line-model":
        read = tree.read(found.lines)
        ((_, scored),) = line_model.whole_pages([read], text_model, None)
        kept = kept_lines(read, lines, scored, Config().boilerplate.line_score)
        gone = {place for number, place in enumerate(scored.places) if number not in kept}
    else:
        said = Said(found, page["url"])
        said.own(), said.url()  # a part of what reading a page takes
        gone = set(tree.choose(found.lines, said.bodies(), text_model, model))
    return "\n".join(line for at, line in enumerate(lines) if at not in gone)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mirrors", type=Path, help=html_pages.MIRRORS_HELP)
    parser.add_argument("--sets", nargs="+", choices=html_pages.SETS, default=["wcxb"])
    parser.add_argument("--tools", nargs="+", choices=(*OWN, *OTHERS), default=(*OWN, *OTHERS))
    parser.add_argument("--shipped", action="store_true", help="score the weights that ship, which have seen all of it")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    models: list[tuple[line_model.Model, tree.Model, str]] = []
    if arguments.shipped:
        models = [(line_model.load(), tree.load(), "")]
    elif arguments.mirrors and set(arguments.tools) & set(OWN):
        texts, trees = boilerplate.fold_models(), fold_models(arguments.mirrors)
        models = [
            (line_model.load(str(text)), tree.load(str(path)), str(text))
            for text, path in zip(texts, trees, strict=True)
        ]
    missing = {
        tool: reason
        for package, tools in PACKAGES.items()
        if set(tools) & set(arguments.tools) and (reason := environment(package))
        for tool in tools
    }
    if not models:
        missing |= dict.fromkeys(OWN, "no --mirrors to train from, nor --shipped")
    results = []
    for name in arguments.sets:
        pages = html_pages.pages(name, arguments.mirrors)
        full = [{**page, "full": "\n".join(line.text for line in read_markup(page["html"]).lines)} for page in pages]
        gold = None if name == "trafseg" else devset.Gold(full, "full")
        for tool in arguments.tools:
            row: dict[str, Any] = {"set": name, "tool": tool}
            try:
                if tool in missing:
                    raise RuntimeError(missing[tool])
                texts, seconds = run_own(tool, pages, models) if tool in OWN else run_other(tool, pages)
            except RuntimeError as reason:
                row["skipped"] = str(reason)
            else:
                by_id = {page["id"]: text for page, text in zip(pages, texts, strict=True)}
                row |= gold.score(by_id) if gold else devset.score_segments(pages, by_id)
                row["pages_per_cpu_second"] = round(len(pages) / max(seconds, 1e-9), 1)
            results.append(row)
            if not arguments.json:
                show(row)
    if arguments.json:
        json.dump(results, sys.stdout, indent=1)
        print()


def show(row: Mapping[str, Any]) -> None:
    """One line a result."""
    where = f"{row['set']:12}{row['tool']:23}"
    if "skipped" in row:
        print(f"{where} skipped: {row['skipped']}")
        return
    if "shingle_f1" in row:
        figures = f"shingle F1 {row['shingle_f1']:.4f}  damage {row['damage']:.4f}  damaged {row['damaged_docs']:.3f}"
    else:
        figures = f"segment F1 {row['f1']:.4f}  precision {row['precision']:.4f}  recall {row['recall']:.4f}"
    print(f"{where} {figures}  {row['pages_per_cpu_second']} pages/s", flush=True)


if __name__ == "__main__":
    main()
