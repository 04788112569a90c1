"""What a killed run leaves behind is ended by the next one, and nothing else is."""

import json
import subprocess
import sys

import psutil
import pytest

from flows import engines


@pytest.fixture
def notes(tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "_notes", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def sleeper():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def started(pid):
    return [pid, psutil.Process(pid).create_time()]


def note(notes, **processes):
    (notes / "1.json").write_text(json.dumps(processes))


def test_a_server_without_its_owner_is_ended(notes, sleeper):
    note(notes, server=started(sleeper.pid), owner=[sleeper.pid, 1.0])
    assert engines.end_orphans() == 1
    sleeper.wait(timeout=10)
    assert list(notes.iterdir()) == []


def test_a_server_whose_owner_lives_is_left_alone(notes, sleeper):
    note(notes, server=started(sleeper.pid), owner=started(psutil.Process().pid))
    assert engines.end_orphans() == 0
    assert sleeper.poll() is None
    assert len(list(notes.iterdir())) == 1


def test_another_process_with_the_same_number_is_left_alone(notes, sleeper):
    note(notes, server=[sleeper.pid, 1.0], owner=[sleeper.pid, 1.0])
    assert engines.end_orphans() == 0
    assert sleeper.poll() is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"server": 7}'])
def test_a_note_cut_off_by_the_kill_is_removed(notes, content):
    (notes / "1.json").write_text(content)
    assert engines.end_orphans() == 0
    assert list(notes.iterdir()) == []
