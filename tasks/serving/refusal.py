"""A request that cannot be answered, told in one sentence; what goes wrong inside is for the log alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http import HTTPStatus

__all__ = ["Refusal", "heard", "tell"]

LONGEST = 400

_heard: ContextVar[list[Refusal] | None] = ContextVar("heard", default=None)


class Refusal(Exception):  # noqa: N818 - it is the answer to a request, not a failure
    """An HTTP status, and the sentence that goes with it.

    Parameters
    ----------
    sentence : str
        What is wrong and, where it helps, what to send instead.
    status : int
    """

    def __init__(self, sentence: str, status: int = HTTPStatus.BAD_REQUEST) -> None:
        shown = sentence if len(sentence) <= LONGEST else f"{sentence[:LONGEST]}..."
        super().__init__(shown)
        self.status = HTTPStatus(status)

    def body(self) -> bytes:
        """Return the JSON that MLflow's clients read, of an error code and a message."""
        return json.dumps({"error_code": self.status.name, "message": str(self)}).encode()


@contextmanager
def heard() -> Iterator[list[Refusal]]:
    """Collect what is told in a block, in the threads and tasks that it starts too."""
    told: list[Refusal] = []
    token = _heard.set(told)
    try:
        yield told
    finally:
        _heard.reset(token)


def tell(refusal: Refusal) -> None:
    """Have the request that is being answered end with this; MLflow's app rewords exceptions."""
    told = _heard.get()
    if told is not None:
        told.append(refusal)
