"""Pages of HTML with gold: html-wcxb of the development data, and what others have published.

| set | pages | HTML from | gold |
|---|---|---|---|
| wcxb | 120 | the development data | its own |
| scrapinghub | 181 | github.com/scrapinghub/article-extraction-benchmark | its own (`articleBody`, without the title) |
| daniel | 824 | github.com/rundimeco/waddle, `corpora/Corpus_daniel_v2.1` | the development data's |
| trafseg | 482 | github.com/adbar/trafilatura, `tests/eval` and `tests/cache` | the development data's segments |

Of daniel and trafseg only pages that the development data has. Nothing of them is ever written into the repository.
"""

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
import devset
from charset_normalizer import from_bytes

SETS = ("wcxb", "scrapinghub", "trafseg", "daniel")
REPOSITORIES = {
    "scrapinghub": "scrapinghub/article-extraction-benchmark",
    "daniel": "rundimeco/waddle",
    "trafseg": "adbar/trafilatura",
}
MIRRORS_HELP = f"folder with git clones {', '.join(REPOSITORIES.values())}, named OWNER+NAME"
_CHARSET = re.compile(rb"charset=[\"']?([\w-]+)")
_DECLARED = 4000


def pages(name: str, mirrors: Path) -> list[dict[str, Any]]:
    """The pages of a set: id, url, html, and gold_text, or with and without."""
    return _wcxb() if name == "wcxb" else _OTHERS[name](Repository(mirrors, REPOSITORIES[name]))


def _wcxb() -> list[dict[str, Any]]:
    gold = {row["id"]: row for row in devset.rows("wcxb")}
    with gzip.open(devset.DEVSET / "html-wcxb.jsonl.gz", "rt", encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines]
    return [page | {key: gold[page["id"]][key] for key in ("gold_text", "title")} for page in found]


class Repository:
    """A git clone, read without a work tree."""

    def __init__(self, mirrors: Path, name: str) -> None:
        folder = mirrors / name.replace("/", "+")
        self.folder = next(path for path in (folder / "repo", folder / ".git", folder) if path.exists())

    def paths(self, under: str) -> list[str]:
        return self._git("ls-tree", "-r", "-z", "--name-only", "HEAD", under).decode().split("\0")[:-1]

    def read(self, path: str) -> bytes:
        return self._git("show", f"HEAD:{path}")

    def _git(self, *arguments: str) -> bytes:
        return subprocess.run(["git", "-C", str(self.folder), *arguments], check=True, capture_output=True).stdout


def _decoded(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        said = _CHARSET.search(content[:_DECLARED])
        try:
            return content.decode(said[1].decode() if said else "", "replace")
        except LookupError:
            return str(from_bytes(content).best() or content.decode("latin-1"))


def _scrapinghub(repository: Repository) -> list[dict[str, Any]]:
    found = []
    for name, gold in json.loads(repository.read("ground-truth.json")).items():
        url = gold["url"] if gold["url"].startswith("http") else f"https://{gold['url']}"
        html = gzip.decompress(repository.read(f"html/{name}.html.gz")).decode("utf-8", "replace")
        found.append({"id": name, "url": url, "html": html, "gold_text": gold["articleBody"]})
    return found


def _daniel(repository: Repository) -> list[dict[str, Any]]:
    by_id = {}
    for path in repository.paths("corpora/Corpus_daniel_v2.1/html"):
        day, *_, digest = path.rpartition("/")[2].split("_")
        by_id[f"daniel-{day}-{digest[:12]}"] = path
    return [
        {key: row[key] for key in ("id", "url", "site", "gold_text")}
        | {"html": _decoded(repository.read(by_id[row["id"]]))}
        for row in devset.rows("daniel")
    ]


def _trafseg(repository: Repository) -> list[dict[str, Any]]:
    rows = {row["url"]: row for row in devset.rows("trafseg")}
    paths = set(repository.paths("tests/"))
    found = []
    for url, said in json.loads(repository.read("tests/evaldata.json")).items():
        path = next((path for folder in ("eval", "cache") if (path := f"tests/{folder}/{said['file']}") in paths), None)
        if url in rows and path:
            gold = {key: said[key] for key in ("with", "without")}
            found.append({"id": rows[url]["id"], "url": url, "html": _decoded(repository.read(path))} | gold)
    return found


_OTHERS = {"scrapinghub": _scrapinghub, "daniel": _daniel, "trafseg": _trafseg}
