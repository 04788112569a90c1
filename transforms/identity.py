"""Who a document is: its site, its id, and the key under which it is known and a later text supersedes it.

A record's key is its URL. Without one, a text file is known by its path, and its next text supersedes it; any other
record is known by what it says: `source_id` and text, else path and text. The number of its line is no identity: a line
added on top would make all below it new.

>>> site_of("https://news.example.co.uk/a", "feed/1.txt"), site_of(None, "feed/1.txt"), site_of(None, "1.txt")
('example.co.uk', 'feed', '')
>>> document_id(None, "https://example.org/a", "00" * 32, 0)
'6a3c61b59cb2b5889505c47501996e60'
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import xxhash

from transforms.schema import column_type, with_columns

if TYPE_CHECKING:
    import tldextract

# Earlier ones are no times of a fetch: there was no web.
FIRST_FETCH = datetime(1990, 1, 1, tzinfo=UTC)
# A file of these is one record.
WHOLE_FILES = ("txt", "html")
# Hashes that begin with the same bits fall into the same part of a reduce, whatever its size (65,536 at the most).
PART_BITS = np.uint64(0xFFFF << 48)


@cache
def _suffixes() -> "tldextract.TLDExtract":
    import tldextract  # which imports requests: a third of a second that a night without URLs need not pay

    # The list that ships in the package: the network and a cache would make the site depend on the day. With the
    # private part, so that every blog of a hosting service is a site of its own.
    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True)


def host_of(url: str | None) -> str | None:
    """The host of a URL in lower case, or None: a URL without one counts as none."""
    if not url:
        return None
    try:
        return urlsplit(url.strip()).hostname or None
    except ValueError:  # "Invalid IPv6 URL" and the like
        return None


@lru_cache(maxsize=65_536)
def _registered_domain(host: str) -> str:
    return _suffixes()(host).top_domain_under_public_suffix or host


def site_of(url: str | None, source_path: str) -> str:
    """The registered domain of the URL, else the first folder of the path, else ''."""
    return _site_of_host(host_of(url), source_path)


def _site_of_host(host: str | None, source_path: str) -> str:
    if host is not None:
        return _registered_domain(host)
    folder, slash, _ = source_path.partition("/")
    return folder if slash else ""


def document_id(source_id: str | None, url: str | None, original_sha256: str, ordinal: int) -> str:
    """32 hex digits: path, config and version never enter. `ordinal` counts from 0 among equal records."""
    content = json.dumps([source_id or url or "", original_sha256, ordinal], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def place_documents(documents: pa.Table) -> pa.Table:
    """Add `site`, and drop URLs without a host; rows and order stay."""
    urls, paths = documents["url"].to_pylist(), documents["source_path"].to_pylist()
    hosts = [host_of(url) for url in urls]
    return with_columns(
        documents,
        url=[url if host else None for url, host in zip(urls, hosts, strict=True)],
        site=[_site_of_host(host, path) for host, path in zip(hosts, paths, strict=True)],
    )


def identify_documents(documents: pa.Table, ordinals: list[int]) -> pa.Table:
    """Add `id`, from each record's ordinal among its equals; rows and order stay."""
    columns = (documents[name].to_pylist() for name in ("source_id", "url", "original_sha256"))
    return with_columns(documents, id=[document_id(*record) for record in zip(*columns, ordinals, strict=True)])


def hash_of(kind: str, *values: str | None) -> int:
    """A hash of 64 bits over values of one kind."""
    said = "\0".join([kind, *["" if value is None else value for value in values]])
    return xxhash.xxh3_64_intdigest(said.encode("utf-8", "surrogatepass"))


def in_part_of(leader: np.ndarray[Any, np.dtype[np.uint64]], follower: Any) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Hashes over both that fall into the part of `leader`: uint64, as the two are."""
    mixed = (leader * np.uint64(0x9E3779B97F4A7C15)) ^ (follower * np.uint64(0xC2B2AE3D27D4EB4F))
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(32)
    result: np.ndarray[Any, np.dtype[np.uint64]] = (leader & PART_BITS) | (mixed & ~PART_BITS)
    return result


def key_of(record: Mapping[str, Any], supersede_by: str) -> tuple[int, bool]:
    """Under what a record is known, and whether a later text under it is its next state."""
    source_id, url, path = record["source_id"], record["url"], record["source_path"]
    if "url" in (record["from_record"] or ()):  # the page's canonical one, which others may have, too
        url = None
    if record["reject_stage"] == "read":
        return hash_of("unread", path, record["source_sha256"]), False
    if supersede_by == "source_id" and source_id is not None:
        return hash_of("id", source_id), True
    if supersede_by != "source_id" and url is not None:
        return hash_of("url", url), supersede_by == "url"
    if record["source_format"] in WHOLE_FILES:
        return hash_of("file", path), supersede_by != "none"
    if source_id is not None and supersede_by != "source_id":
        return hash_of("id+text", source_id, text_of(record)), False
    return hash_of("path+text", path, text_of(record)), False


def text_of(record: Mapping[str, Any]) -> str:
    """The hash by which a text is known: the record's own where it has none, or where an extractor made it."""
    is_own = record["reject_stage"] == "read" or record["extractor"] is not None
    found: str = record["source_sha256" if is_own else "original_sha256"]
    return found


_FACTS = (
    *("source_path", "source_format", "source_sha256", "source_id", "url", "original_sha256", "reject_stage"),
    *("extractor", "from_record"),
)


def know_documents(documents: pa.Table, supersede_by: str) -> pa.Table:
    """Add what each record is known by, uint64: `key` (and `is_keyed`: a later text under it is its next state),
    `text_hash`, `name` (what its ordinal counts), `seen` (its path, key and text) and `said` (its key, text and own
    metadata; null without any); rows and order stay."""
    rows = zip(*(documents[name].to_pylist() for name in _FACTS), strict=True)
    records = [dict(zip(_FACTS, row, strict=True)) for row in rows]
    keys = [key_of(record, supersede_by) for record in records]
    texts = [hash_of("text", text_of(record)) for record in records]
    key, text = np.array([key for key, _ in keys], np.uint64), np.array(texts, np.uint64)
    paths = np.array([hash_of("path", record["source_path"]) for record in records], np.uint64)
    own = _own_metadata(documents)
    name = [hash_of("name", r["source_id"] or r["url"] or "", r["original_sha256"]) for r in records]
    return with_columns(
        documents,
        key=pa.array(key),
        text_hash=pa.array(text),
        is_keyed=pa.array([keyed for _, keyed in keys], pa.bool_()),
        name=pa.array(name, pa.uint64()),
        seen=pa.array(in_part_of(key, paths ^ (text * np.uint64(3)))),
        said=pa.array(in_part_of(key, text ^ own), mask=own == 0),
    )


def _own_metadata(documents: pa.Table) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """A hash over what each record says of itself; 0 where that is nothing."""
    hashes = np.zeros(len(documents), np.uint64)
    said = documents["from_record"].to_pylist()
    columns = {name: documents[name].to_pylist() for name in {name for names in said for name in names or ()}}
    for row, names in enumerate(said):
        if names:
            values = [str(columns[name][row]) for name in names]
            hashes[row] = hash_of("own", *names, *values) or 1
    return hashes


def date_fetches(documents: pa.Table, before: datetime) -> tuple[pa.Table, int]:
    """`fetched_at` null where it is implausible (before 1990, or from `before` on), and of how many it was."""
    times = documents["fetched_at"].to_pylist()
    dated = [time if time is None or FIRST_FETCH <= time < before else None for time in times]
    wrong = sum(time != kept for time, kept in zip(times, dated, strict=True))
    if not wrong:
        return documents, 0
    return with_columns(documents, fetched_at=pa.array(dated, column_type("fetched_at"))), wrong
