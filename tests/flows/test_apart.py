"""A subflow is created when Prefect's server knows the task run that it belongs to."""

from uuid import uuid4

import httpx
import pytest
from prefect.exceptions import ObjectNotFound

from flows import apart


class Server:
    """Knows a task run from the `after`th question on."""

    def __init__(self, after):
        self.after, self.asked = after, 0

    def read_task_run(self, task_run):
        self.asked += 1
        if self.asked < self.after:
            raise ObjectNotFound(http_exc=httpx.HTTPError("404"))


@pytest.mark.parametrize(("after", "known"), [(1, True), (3, True), (10_000, False)])
def test_a_task_run_is_waited_for_but_not_for_ever(after, known, monkeypatch):
    monkeypatch.setattr(apart, "_RECORD_SECONDS", 0.2)
    monkeypatch.setattr(apart, "_RECORD_POLL_SECONDS", 0.01)
    server = Server(after)
    assert apart._is_recorded(server, uuid4()) is known
    assert not known or server.asked == after
