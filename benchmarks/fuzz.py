"""Fuzz a reader, guided by coverage: whatever the bytes, records or reasons, and a table can be made of them.

    pip install atheris
    python benchmarks/fuzz.py jsonl [--seconds 600] [--folder DIR]

Readers: those of `SEEDS`; `compression` takes lines through all five. What raises is kept in DIR/crashes/<reader>/, one
input for each place that raised; so is what ends the process, takes more than 10 seconds or 1.5 GB (libFuzzer stops
there, and is started again). DIR/corpus/<reader>/ is what was found to reach new lines, and is gone on from. What is
worth keeping goes, cut short, to tests/data/fuzz/<reader>/, which tests/test_fuzz.py reads.
"""

import argparse
import bz2
import gzip
import hashlib
import io
import json
import lzma
import subprocess
import sys
import tarfile
import time
import traceback
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lz4.frame
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

try:
    import atheris
except ImportError:
    sys.exit(__doc__)

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(
    include=["flows.readers", "transforms.charsets", "transforms.html", "json", "csv", "zipfile", "tarfile"]
):
    from flows.inputs import list_inputs
    from flows.readers import Reading
    from flows.shards import whole_part
    from flows.stages.read import documents_of
    from flows.store import Store
    from transforms.config import Config, Limits
    from transforms.schema import REJECT_REASONS

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".zst": lambda content: zstandard.ZstdCompressor().compress(content),
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".lz4": lz4.frame.compress,
}
RECORDS: list[dict[str, Any]] = [
    {
        "id": 7,
        "url": "https://example.org/1",
        "text": "Grüße\r\n\t",
        "date": "2024-03-01T12:00:00Z",
        "tags": ["a", "b"],
    },
    {"id": "007", "text": 'A "quoted" text', "metadata": {"url": "https://example.org/2", "author": "Ada King"}},
    {"id": 10**25, "text": "\\ud83d\\ude00 \u2028", "charset": "latin-1", "lang": "en", "n": 1.5},
    {"text": None, "body": "another", "title": "T", "authors": [{"name": "Ada"}]},
]
LINES = "\n".join(json.dumps(record, ensure_ascii=False) for record in RECORDS).encode()
ROWS = b'id,url,text,date\r\n1,https://example.org/1,"a ""b""\r\nc",2024-03-01\r\n2,,d;e,\r\n'
TABLE = pa.table({"id": [1, 2], "text": ["Grüße", "b"], "more": [{"url": "x"}, None], "date": [1709287200, None]})


def _parquet(**options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(TABLE, sink, write_page_checksum=True, **options)
    return sink.getvalue()


def _arrow(open_writer: Callable[..., Any], compression: str | None, table: pa.Table = TABLE) -> bytes:
    sink = io.BytesIO()
    with open_writer(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, max_chunksize=1)
    return sink.getvalue()


ENCODED = pa.table({"text": pa.array(["a", "b", "a"]).dictionary_encode(), "id": pa.array(["x"] * 3, pa.string_view())})
PAGE = b"""<!doctype html><html lang="en"><head><meta charset="windows-1252"><title>T &amp; t</title>
<script type="application/ld+json">{"@type": "NewsArticle", "author": [{"name": "Ada"}], "datePublished": "2024-03-01"}
</script><meta property="og:title" content="T"><link rel=canonical href="/a"></head><body><nav><a href=/>Home</a></nav>
<article itemscope><h1>T</h1><p>A <b>text</b>&nbsp;of <ruby>\x93<rt>q</rt></ruby>.<br>B<table><tr><td colspan=2>c<td>d
</table><pre> x
  y</pre><math><annotation encoding="application/x-tex">x^2</annotation></math><svg><text>z</text></svg>
<ul><li>1<li>2"""


def _warc(version: str = "1.0") -> bytes:
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n%s\r\n%s"
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(PAGE), PAGE)
    bodies = [
        ("response", "application/http; msgtype=response", http % (b"Content-Encoding: gzip\r\n", gzip.compress(PAGE))),
        ("response", "application/http; msgtype=response", http % (b"Transfer-Encoding: chunked\r\n", chunked)),
        ("conversion", "text/plain", "Grüße".encode()),
        ("revisit", "application/http", b""),
    ]
    return b"".join(
        f"WARC/{version}\r\nWARC-Type: {kind}\r\nWARC-Target-URI: https://example.org/{number}\r\n"
        f"WARC-Date: 2024-03-01T12:00:00Z\r\nContent-Type: {content}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
        + b"\r\n\r\n"
        for number, (kind, content, body) in enumerate(bodies)
    )


MEMBERS = {"a.txt": b"text", "b/c.jsonl": LINES, "d.csv": ROWS, "e.warc": _warc(), "f" * 120: b"x"}


def _zip(method: int) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as archive:
        for name, content in MEMBERS.items():
            archive.writestr(name, content)
    return sink.getvalue()


def _tar(format: int) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=format) as archive:
        for name, content in MEMBERS.items():
            member = tarfile.TarInfo(name[:100] if format == tarfile.USTAR_FORMAT else name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "a.txt"
        archive.addfile(link)
    return sink.getvalue()


# The name of the file, and what may be in it.
SEEDS: dict[str, tuple[str, list[bytes]]] = {
    "txt": ("a.txt", [b"text", "Grüße".encode("cp1252"), "Grüße".encode("utf-16"), b"\xef\xbb\xbfa"]),
    "jsonl": ("a.jsonl", [LINES, LINES.decode().encode("utf-16"), LINES.decode().encode("cp1252", "replace")]),
    "json": ("a.json", [LINES, json.dumps(RECORDS).encode(), json.dumps({"data": RECORDS}).encode()]),
    "csv": ("a.csv", [ROWS, ROWS.replace(b",", b";"), b"sep=|\n" + ROWS.replace(b",", b"|")]),
    "tsv": ("a.tsv", [ROWS.replace(b",", b"\t")]),
    "parquet": ("a.parquet", [_parquet(), _parquet(row_group_size=1), _parquet(compression="zstd", version="1.0")]),
    "arrow": (
        "a.arrow",
        [
            _arrow(open_writer, compression, table)
            for open_writer in (pa.ipc.new_file, pa.ipc.new_stream)
            for compression in (None, "lz4", "zstd")
            for table in (TABLE, ENCODED)
        ],
    ),
    "html": ("a.html", [PAGE, PAGE.decode("cp1252").encode("utf-16"), b"<p>a<table><p>b</table></p>"]),
    "warc": ("a.warc", [_warc(), _warc("1.1")]),
    "zip": ("a.zip", [_zip(zipfile.ZIP_DEFLATED), _zip(zipfile.ZIP_STORED), _zip(zipfile.ZIP_LZMA)]),
    "tar": ("a.tar", [_tar(tarfile.PAX_FORMAT), _tar(tarfile.GNU_FORMAT), _tar(tarfile.USTAR_FORMAT)]),
    "compression": ("a.jsonl", [compress(LINES) for compress in COMPRESS.values()]),
}
# So little that an input reaches them.
LIMITS = Limits(record_bytes=4096, extra_bytes=256)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reader", choices=SEEDS)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--folder", type=Path, default=Path("fuzz"))
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not args.once:
        end = time.monotonic() + args.seconds
        while (left := int(end - time.monotonic())) > 0:
            said = [args.reader, "--seconds", str(left), "--folder", str(args.folder), "--once"]
            subprocess.run([sys.executable, __file__, *said], check=False)
        return
    name, seeds = SEEDS[args.reader]
    corpus, crashes, raw = (args.folder / kind / args.reader for kind in ("corpus", "crashes", "raw"))
    for folder in (corpus, crashes, raw):
        folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    store, config = Store(raw.parent / "curated", raw), Config(limits=LIMITS)

    def try_one(content: bytes) -> None:
        (raw / name).write_bytes(content)
        [file] = list_inputs(store).files
        try:
            records = list(Reading(store, whole_part(file), config))
            if records:
                documents_of(records)
            assert all(record.reject_reason in (None, *REJECT_REASONS) for record in records)
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{type(error).__name__}-{Path(frame.filename).stem}-{frame.lineno}"
            (crashes / place).write_bytes(content)
            print(f"raised: {place}: {error}", flush=True)

    options = [
        f"-max_total_time={args.seconds}",
        "-timeout=10",
        "-rss_limit_mb=1536",
        "-max_len=8192",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={crashes}/", str(corpus)], try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
