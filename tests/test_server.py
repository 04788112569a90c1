"""The embedded server: it ends with the process it serves, however that ends, and says why it doesn't start."""

import os
import signal
import subprocess
import sys
import tempfile

import psutil
import pytest

from flows import server
from transforms.errors import ShardError

WAITS = """
import os, time
from flows.server import prefect_server
with prefect_server() as url:
    pass
with prefect_server() as again:
    assert again == url
print(*[child.pid for child in __import__("psutil").Process().children()], flush=True)
time.sleep(600)
"""


@pytest.mark.flow
def test_it_serves_a_process_till_that_is_killed(tmp_path):
    """kill -9, after which nobody of ours is there to end it; and one server is enough for two blocks."""
    environment = os.environ | {"PREFECT_HOME": str(tmp_path)}
    owner = subprocess.Popen([sys.executable, "-c", WAITS], env=environment, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    (pid,) = map(int, owner.stdout.readline().split())
    started = psutil.Process(pid)
    assert started.is_running()
    owner.kill()
    owner.wait()
    started.wait(timeout=30)  # raises where it goes on


def test_what_it_says_is_one_line_with_the_cause():
    with tempfile.TemporaryFile() as log:
        log.write(
            b"Traceback (most recent call last):\n  File 'x.py', line 1\n"
            b"sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) unable to open database file\n"
            b"(Background on this error at: https://sqlalche.me/e/20/e3q8)\n\nApplication startup failed. Exiting.\n"
        )
        assert server._cause(log) == (
            "sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) unable to open database file"
        )
    with tempfile.TemporaryFile() as log:
        assert server._cause(log) == "it said nothing"


def test_a_server_that_ends_is_not_waited_for():
    with tempfile.TemporaryFile() as log:
        ended = subprocess.Popen([sys.executable, "-c", "raise ValueError('no such driver')"], stderr=log)
        ended.wait()
        with pytest.raises(ShardError, match="ValueError: no such driver"):
            server._wait_for(ended, "http://127.0.0.1:1/api", 60, log)


def test_a_fork_that_ends_leaves_its_parents_server_alone():
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    server._end(sleeper, owner=os.getpid() + 1)
    assert sleeper.poll() is None
    server._end(sleeper, owner=os.getpid())
    assert sleeper.returncode == -signal.SIGTERM


@pytest.mark.parametrize("name", ["http_proxy", "HTTPS_PROXY", "all_proxy", "no_proxy"])
def test_proxies_are_gone_and_come_back(monkeypatch, name):
    monkeypatch.setenv(name, "socks5://nowhere")
    with server._without_proxies():
        assert name not in os.environ
    assert os.environ[name] == "socks5://nowhere"
