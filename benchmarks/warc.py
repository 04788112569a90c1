"""A WARC of generated pages: what reading it costs, beside bare fastwarc.

    pip install fastwarc
    python benchmarks/warc.py [--gigabytes 2] [--plain] [--only NAME …]

Writes the archive first (.warc.gz, each record a member of its own; `--plain`: .warc) under TMPDIR, and deletes it
afterwards: pages of about 20 kB, every fifth record a request or another status. Then, each in a process of its own:

1. `fastwarc`: its records, parsed, and the bytes of their payloads;
2. `reader`: ours, up to the record, its text HTML still;
3. `fastwarc+html`: 1 and a text of each page (transforms/html.py);
4. `reading`: ours with texts of pages;
5. `stage`: all of the read stage, into its files.

Prints records a CPU second, CPU seconds and peak memory. Pages are those with status 200.
"""

import argparse
import gzip
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.nightly import _paragraph  # noqa: E402
from flows.inputs import list_inputs  # noqa: E402
from flows.readers import READERS, Reading  # noqa: E402
from flows.readers.fields import FieldReader  # noqa: E402
from flows.shards import whole_part  # noqa: E402
from flows.stages.read import read_piece  # noqa: E402
from flows.step import Work  # noqa: E402
from flows.store import STAGING, Ref, Store  # noqa: E402
from transforms.config import Config  # noqa: E402
from transforms.html import read_page  # noqa: E402

NAMES = ("fastwarc", "reader", "fastwarc+html", "reading", "stage")
# Writing compressed is slow: so many different pages, again and again under other addresses.
PAGES = 200


def page(number: int) -> bytes:
    """About 20 kB: a head with a script, a menu, an article, a list of links."""
    chance = random.Random(f"page {number}")
    menu = "".join(f'<li class="item"><a href="/section/{n}">Section {n}</a></li>' for n in range(30))
    text = "".join(f'<p class="body">{_paragraph(chance)}</p>\n' for _ in range(16))
    links = "".join(f'<li><a href="/{n}"><span>{_paragraph(chance)[:60]}</span></a></li>' for n in range(30))
    script = "<script>" + f"window.state = {[chance.random() for _ in range(150)]};" + "</script>"
    head = f"<!DOCTYPE html><html lang=en><head><title>Page {number}</title>{script}</head>"
    body = f"<body><ul>{menu}</ul><article><h1>Page {number}</h1>{text}</article><ul>{links}</ul></body>"
    return f"{head}{body}</html>".encode()


def record(kind: str, number: int, content: bytes) -> bytes:
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{number}>\r\nWARC-Date: 2024-03-01T12:00:00Z\r\n"
        f"WARC-Target-URI: https://site{number % 97}.example.org/{number}\r\n"
        f"Content-Type: application/http; msgtype={kind}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content + b"\r\n\r\n"


def archive(size: int) -> Iterator[bytes]:
    """Records of so many bytes together."""
    pages, given, number = [page(n) for n in range(PAGES)], 0, 0
    while given < size:
        number += 1
        if number % 5 == 0:
            one = record("request", number, b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")
        else:
            body = pages[number % PAGES]
            status = "404 Not Found" if number % 25 == 1 else "200 OK"
            head = f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nServer: one\r\n\r\n"
            one = record("response", number, head.encode() + body)
        given += len(one)
        yield one


def measure(name: str, path: Path) -> None:
    """Read it so, in this process."""
    store = Store(path.parent / f"curated-{name}", path.parent)
    [file] = [one for one in list_inputs(store).files if one.path == path.name]
    part, config = whole_part(file), Config()
    start, pages = time.process_time(), 0
    if name.startswith("fastwarc"):
        from fastwarc.warc import ArchiveIterator, WarcRecordType

        for one in ArchiveIterator(str(path), record_types=WarcRecordType.response, parse_http=True):
            body = one.reader.read()
            if one.http_headers.status_code == 200:
                pages += 1
                if name.endswith("html"):
                    read_page(body.decode(), one.headers["WARC-Target-URI"])
    elif name == "reader":
        with path.open("rb") as file_:
            pages = sum(1 for _ in READERS["warc"].read(file_, part, config, FieldReader(config)))
    elif name == "reading":
        pages = sum(1 for _ in Reading(store, part, config))
    else:
        counts = read_piece(
            Work(store, f"{STAGING}/warc"),
            [Ref("raw", part.key, "")],
            parts=[list(part)],
            config=config,
            before="2030-01-01T00:00:00+00:00",
        )
        pages = counts["parts"][0]["records"]
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name:14} {pages:8,} pages {seconds:8.1f} CPU s {pages / seconds:10,.0f} a CPU s, peak {peak:5.0f} MB",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=2)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure[0], Path(options.measure[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("a.warc" if options.plain else "a.warc.gz")
        with path.open("wb") as file:
            for one in archive(round(options.gigabytes * 1e9)):
                file.write(one if options.plain else gzip.compress(one, 1))
        print(f"{path.name}: {os.path.getsize(path) / 1e6:,.0f} MB, {options.gigabytes:g} GB opened", flush=True)
        for name in options.only:
            command = [sys.executable, str(Path(__file__).resolve()), "--measure", name, str(path)]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
