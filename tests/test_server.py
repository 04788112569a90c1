"""Prefect's API where a user names one."""

import os

import pytest

from flows import server


@pytest.mark.parametrize("name", ["http_proxy", "HTTPS_PROXY", "all_proxy", "no_proxy"])
def test_proxies_are_gone_and_come_back(monkeypatch, name):
    monkeypatch.setenv(name, "socks5://nowhere")
    with server._without_proxies():
        assert name not in os.environ
    assert os.environ[name] == "socks5://nowhere"
