import subprocess
import sys
import urllib.error
from uuid import uuid4

import pytest

from flows.unfinished import close_killed, noted

HOLDS = """
import sys
from pathlib import Path
from flows.unfinished import noted
with noted(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


class Server:
    """Stands for Prefect's: knows the states of runs by id."""

    def __init__(self, monkeypatch, **states):
        self.states = states
        monkeypatch.setattr("flows.unfinished.asked", self.asked)

    def asked(self, url, body=None, seconds=0):
        _, _, run, *command = url.removeprefix("http://").split("/")
        if run not in self.states:
            raise urllib.error.HTTPError(url, 404, "Not Found", {}, None)
        if command:
            assert body["force"]
            self.states[run] = body["state"]["type"]
        return {"id": run, "state_type": self.states[run]}


API = "http://api"


@pytest.fixture
def held(tmp_path):
    """A process that holds a run, and the run's id."""
    run_id = str(uuid4())
    words = [sys.executable, "-c", HOLDS, str(tmp_path), run_id]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process, run_id
        process.kill()


@pytest.fixture
def left(held):
    """The id of a run whose process was killed."""
    process, run_id = held
    process.kill()
    process.wait(timeout=20)
    return run_id


def notes(root):
    return {path.name for path in (root / ".espalier" / "flow_runs").iterdir()}


@pytest.mark.parametrize("state", ["RUNNING", "PAUSED"])
def test_a_run_that_was_killed_is_closed_by_the_next(tmp_path, monkeypatch, left, state):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    server = Server(monkeypatch, **{left: state})
    with temporary_settings({PREFECT_API_URL: API}), noted(tmp_path, "new"):
        assert server.states[left] == "CRASHED"
        assert notes(tmp_path) == {"new"}


@pytest.mark.parametrize("state", ["COMPLETED", "SCHEDULED"])
def test_a_run_that_ended_or_is_to_come_again_keeps_its_state(tmp_path, monkeypatch, left, state):
    server = Server(monkeypatch, **{left: state})
    assert close_killed(tmp_path, API) == []
    assert server.states[left] == state
    assert notes(tmp_path) == set()


def test_a_run_of_another_server_is_none_of_ours(tmp_path, monkeypatch, left):
    Server(monkeypatch)
    assert close_killed(tmp_path, API) == []
    assert left not in notes(tmp_path)


def test_a_run_whose_process_lives_is_left_alone(tmp_path, monkeypatch, held):
    _, run_id = held
    server = Server(monkeypatch, **{run_id: "RUNNING"})
    assert close_killed(tmp_path, API) == []
    assert server.states[run_id] == "RUNNING"
    assert notes(tmp_path) == {run_id}


def test_a_run_that_cannot_be_closed_now_is_closed_the_next_time(tmp_path, monkeypatch, left):
    with pytest.raises(urllib.error.URLError):
        close_killed(tmp_path, "http://127.0.0.1:1/api")
    Server(monkeypatch, **{left: "RUNNING"})
    assert [run["id"] for run in close_killed(tmp_path, API)] == [left]


def test_a_run_that_ends_by_itself_leaves_no_note(tmp_path):
    with pytest.raises(ValueError, match="broken"), noted(tmp_path, "new"):
        raise ValueError("broken")
    assert notes(tmp_path) == set()
