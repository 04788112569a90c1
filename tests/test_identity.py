"""Sites and ids."""

import pytest

from transforms.identity import host_of, site_of


@pytest.mark.parametrize(
    ("url", "path", "site"),
    [
        ("https://www.news.example.co.uk/a?b=c", "x/1.txt", "example.co.uk"),
        ("http://EXAMPLE.com:8080/", "x/1.txt", "example.com"),
        ("https://anna.blogspot.com/2020", "x", "anna.blogspot.com"),
        ("https://xn--bcher-kva.de/", "x", "xn--bcher-kva.de"),
        ("https://192.168.0.1/a", "x", "192.168.0.1"),
        ("http://localhost/a", "x", "localhost"),
        ("/relative/path", "feed/day/1.jsonl", "feed"),
        ("not a url", "feed/1.jsonl", "feed"),
        ("http://[broken", "1.jsonl", ""),
        (None, "feed/1.txt", "feed"),
        (None, "1.txt", ""),
        ("", "1.txt", ""),
    ],
)
def test_site(url, path, site):
    assert site_of(url, path) == site


@pytest.mark.parametrize("url", [None, "", "/a", "mailto:someone", "http://[broken", "http:///path"])
def test_a_url_without_a_host_counts_as_none(url):
    assert host_of(url) is None
