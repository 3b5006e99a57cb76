"""A person's answer, which a flow waits for in the Prefect UI."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import FlowPauseTimeout, PrefectException
from prefect.flow_runs import pause_flow_run, resume_flow_run
from prefect.input import RunInput
from prefect.runtime import flow_run
from prefect.states import Running
from pydantic import Field

from tasks.errors import EspalierError
from tasks.gate.approval import Approval

__all__ = ["ApprovalInput", "answer"]

_LOOK_SECONDS = 5.0
_REFUSED = (PrefectException, httpx.HTTPError, RuntimeError)
"""What Prefect's client raises where a run is not resumed: not paused, not reached, or rejected."""

_IDLE = {"approve": False, "name": "nobody", "reason": "it is decided"}

_log = logging.getLogger("espalier.stage")


class ApprovalInput(RunInput):
    """What a person fills in in the Prefect UI."""

    approve: bool = Field(description="Make the challenger the champion.")
    name: str = Field(min_length=1, description="Who decides.")
    reason: str = Field(min_length=1, description="Why; it stands in the ledger.")


def answer(question: str, seconds: int, decided: Callable[[], bool]) -> Approval:
    """Pause the flow until somebody answers in the Prefect UI; no answer in time is a no.

    Parameters
    ----------
    question : str
        What stands above the form.
    seconds : int
        Longest wait.
    decided : callable
        Tells whether the question has become idle: the flow then goes on, and the answer means nothing.
    """
    asked = ApprovalInput.with_initial_data(description=question)
    _log.info("waiting up to %d s for a person to answer in the Prefect UI", seconds)
    run = UUID(str(flow_run.id))
    with _woken(run, decided):
        try:
            said = pause_flow_run(wait_for_input=asked, timeout=seconds, poll_interval=_poll(seconds))
        except FlowPauseTimeout:
            _go_on(run)
            return Approval(False, "nobody", f"no answer within {seconds:,} s, which declines")
    return Approval(said.approve, said.name, said.reason)


def _poll(seconds: int) -> int:
    return min(int(_LOOK_SECONDS), seconds)


@contextmanager
def _woken(run: UUID, decided: Callable[[], bool]) -> Iterator[None]:
    """Resume the run that the block pauses as soon as its question is idle, until the block has ended."""
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(_LOOK_SECONDS):
            with suppress(EspalierError, *_REFUSED):  # MLflow or Prefect is away, or the run not paused yet
                if decided():
                    resume_flow_run(run, run_input=_IDLE)

    looking = threading.Thread(target=copy_context().run, args=(look,), daemon=True)
    looking.start()
    try:
        yield
    finally:
        ended.set()
        looking.join()


def _go_on(run: UUID) -> None:
    """Have the server call the run at work again: past its deadline it fails whatever state comes next."""
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(run).state
        if state is not None and (state.is_paused() or state.is_failed()):  # and not cancelled
            client.set_flow_run_state(run, Running(), force=True)
