"""A flow that waits for a person in Prefect, on a server of its own."""

import threading
import time
from contextvars import copy_context

import httpx
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.exceptions import NotPausedError
from prefect.flow_runs import resume_flow_run
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings
from prefect.states import Completed

from flows.alerts import TOLD, log_of
from flows.embedded import EmbeddedServer
from tasks import answer
from tasks.errors import EspalierError, NothingToDoError


@pytest.fixture(scope="module")
def prefect(tmp_path_factory):
    with EmbeddedServer(tmp_path_factory.mktemp("prefect")) as server:
        server.wait()
        with temporary_settings({PREFECT_API_URL: server.api_url, PREFECT_LOGGING_TO_API_ENABLED: False}):
            yield
        server._process.stdin.close()
        server._process.wait(timeout=30)


@pytest.mark.parametrize(
    "refused",
    [
        NotPausedError("not yet"),
        httpx.ConnectError("away"),
        RuntimeError("rejected"),
        EspalierError("MLflow"),
    ],
)
def test_a_run_that_cannot_be_resumed_at_once_is_resumed_later(monkeypatch, refused):
    resumed, tries = threading.Event(), [refused, refused]

    def resume(run, run_input):
        if tries:
            raise tries.pop()
        resumed.set()

    monkeypatch.setattr(answer, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(answer, "resume_flow_run", resume)
    with answer._woken("run", lambda: True):
        assert resumed.wait(30)


@flow(**TOLD)
def asks(root, seconds, decided, begun):
    begun.append(flow_run.id)
    try:
        said = answer.answer("looked at it?", seconds, decided)
    except NothingToDoError as error:
        return Completed(message=str(error))
    return Completed(message=f"{said.granted}: {said.who}: {said.why}")


def asked(root, seconds=120, decided=lambda: False, begun=None):
    """Run the flow to its end; return its last state as the server has it."""
    begun = [] if begun is None else begun
    asks(str(root), seconds, decided, begun)
    with get_client(sync_client=True) as client:
        return client.read_flow_run(begun[0]).state


@pytest.mark.timeout(300)
@pytest.mark.server
@pytest.mark.usefixtures("prefect")
@pytest.mark.parametrize("seconds", [2, 8])
def test_no_answer_in_time_is_a_no_and_no_failure(tmp_path, seconds):
    state = asked(tmp_path, seconds)
    assert (state.type.value, state.message) == (
        "COMPLETED",
        f"False: nobody: no answer within {seconds} s, which declines",
    )
    assert not log_of(tmp_path).exists()


@pytest.mark.timeout(300)
@pytest.mark.server
@pytest.mark.usefixtures("prefect")
def test_an_answer_is_taken(tmp_path):
    begun, form = [], {"approve": True, "name": "Ada", "reason": "read every line"}

    def fill_in():
        with get_client(sync_client=True) as client:
            until = time.monotonic() + 60
            while not (begun and client.read_flow_run(begun[0]).state.is_paused()):
                assert time.monotonic() < until
        time.sleep(1)  # the form is sent after the state
        resume_flow_run(begun[0], run_input=form)

    person = threading.Thread(target=copy_context().run, args=(fill_in,))
    person.start()
    state = asked(tmp_path, begun=begun)
    person.join()
    assert state.message == "True: Ada: read every line"


@pytest.mark.timeout(300)
@pytest.mark.server
@pytest.mark.usefixtures("prefect")
def test_a_run_whose_question_is_idle_goes_on_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(answer, "_LOOK_SECONDS", 1.0)
    state = asked(tmp_path, decided=lambda: True)
    assert (state.type.value, state.message) == ("COMPLETED", "False: nobody: it is decided")
