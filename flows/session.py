"""What every flow needs before it starts: a Prefect server, and the settings in params.yaml."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from flows.asking import answers, require_welcome
from flows.embedded import EmbeddedServer
from flows.terminal import quiet_dvc
from tasks.errors import EspalierError

__all__ = ["StoppedError", "connected", "ready", "server", "stoppable"]


class StoppedError(EspalierError):
    """Ctrl-C."""

    exit_code = 130

    def __init__(self, kept: str) -> None:
        super().__init__(f"stopped; {kept}")


@contextmanager
def stoppable(kept: str = "finished stages and epochs are kept, run again to go on") -> Iterator[None]:
    """Turn Ctrl-C in the block into `StoppedError`, which says what is `kept` of it."""
    try:
        yield
    except KeyboardInterrupt:
        raise StoppedError(kept) from None


def server() -> AbstractContextManager[EmbeddedServer | None]:
    """Use the Prefect server that is set or that `espalier ui` started, else start one.

    Raises
    ------
    EspalierError
        When the one that is set does not answer, or does not let us in.
    """
    api_url = os.environ.get("PREFECT_API_URL")
    if api_url:
        require_welcome(api_url)
    if api_url and not os.environ.get("PREFECT_API_KEY") and not answers(api_url, 10.0):
        raise EspalierError(
            f"PREFECT_API_URL: no Prefect server answers at {api_url}; start it, or unset the variable "
            "for an embedded one"
        )
    if api_url:
        return nullcontext()
    embedded = EmbeddedServer(Path(os.environ["PREFECT_HOME"]))
    os.environ["PREFECT_API_URL"] = embedded.api_url
    return embedded


@contextmanager
def ready(root: Path, settings: Sequence[str], embedded: EmbeddedServer | None) -> Iterator[None]:
    """Import what a flow needs while the server comes up, and write the settings; the flow is the block."""
    from tasks import pipeline
    from tasks.config import apply_overrides

    quiet_dvc()
    with pipeline.alone(root):  # stages of another run read params.yaml too
        apply_overrides(root, settings)
    with connected(embedded):
        yield


@contextmanager
def connected(embedded: EmbeddedServer | None) -> Iterator[None]:
    """Wait for the server; the flow, one that does not change the workspace, is the block."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from tasks import pipeline  # noqa: F401 - while the server comes up

    quiet_dvc()
    if embedded:
        embedded.wait()
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield
