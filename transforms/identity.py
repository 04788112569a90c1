"""Who a document is: its site, its id, and the key by which a later text supersedes it.

>>> site_of("https://news.example.co.uk/a", "feed/1.txt"), site_of(None, "feed/1.txt"), site_of(None, "1.txt")
('example.co.uk', 'feed', '')
>>> document_id(None, "https://example.org/a", "00" * 32, 0)
'6a3c61b59cb2b5889505c47501996e60'
"""

import hashlib
import json
from functools import cache, lru_cache
from urllib.parse import urlsplit

import pyarrow as pa
import tldextract

from transforms.schema import with_columns


@cache
def _suffixes() -> tldextract.TLDExtract:
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
    host = host_of(url)
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
    urls = [url if host_of(url) else None for url in documents["url"].to_pylist()]
    sites = [site_of(url, path) for url, path in zip(urls, documents["source_path"].to_pylist(), strict=True)]
    return with_columns(documents, url=urls, site=sites)


def identify_documents(documents: pa.Table, ordinals: list[int]) -> pa.Table:
    """Add `id`, from each record's ordinal among its equals; rows and order stay."""
    columns = (documents[name].to_pylist() for name in ("source_id", "url", "original_sha256"))
    return with_columns(documents, id=[document_id(*record) for record in zip(*columns, ordinals, strict=True)])
