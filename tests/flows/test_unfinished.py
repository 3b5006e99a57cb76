from contextlib import contextmanager
from types import SimpleNamespace
from uuid import uuid4

import pytest
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed, Running

from flows import unfinished
from flows.unfinished import noted
from tasks.artifacts import Layout


class Server:
    """Stands for Prefect's: knows runs by id."""

    def __init__(self, **states):
        self.states = states

    def read_flow_run(self, run_id):
        if str(run_id) not in self.states:
            raise ObjectNotFound(LookupError())
        return SimpleNamespace(id=run_id, state=self.states[str(run_id)])

    def set_flow_run_state(self, run_id, state, force):
        assert force
        self.states[str(run_id)] = state


@pytest.fixture
def left(tmp_path):
    """Leave the note of a run that was killed; return its id."""
    run_id = str(uuid4())
    note = Layout(tmp_path).state / "flow_run"
    note.parent.mkdir()
    note.write_text(run_id)
    return run_id


def using(monkeypatch, server):
    @contextmanager
    def client(sync_client):
        assert sync_client
        yield server

    monkeypatch.setattr(unfinished, "get_client", client)


def test_a_run_that_was_killed_is_closed_by_the_next(tmp_path, monkeypatch, left):
    server = Server(**{left: Running()})
    using(monkeypatch, server)
    with noted(tmp_path, "new"):
        assert server.states[left].is_crashed()


def test_a_run_that_ended_keeps_its_state(tmp_path, monkeypatch, left):
    server = Server(**{left: Completed()})
    using(monkeypatch, server)
    with noted(tmp_path, "new"):
        assert server.states[left].is_completed()


@pytest.mark.usefixtures("left")
def test_a_run_of_another_server_is_none_of_ours(tmp_path, monkeypatch):
    using(monkeypatch, Server())
    with noted(tmp_path, "new"):
        assert (Layout(tmp_path).state / "flow_run").read_text() == "new"


def test_a_run_that_ends_by_itself_leaves_no_note(tmp_path):
    with pytest.raises(ValueError, match="broken"), noted(tmp_path, "new"):
        raise ValueError("broken")
    assert not (Layout(tmp_path).state / "flow_run").exists()
