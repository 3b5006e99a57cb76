"""A flow run whose process was killed: Prefect calls it running for ever, unless the next run says better."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from tasks.artifacts import Layout, write_text

__all__ = ["noted"]


@contextmanager
def noted(root: Path, run_id: str, name: str = "flow_run") -> Iterator[None]:
    """Note the flow run while the block runs, after closing the one that an earlier, killed process left.

    Parameters
    ----------
    root : Path
        Workspace, held by this process: no other run is at work in it.
    run_id : str
        Flow run of this process.
    name : str
        Of the note: one for each lock that such a process holds.
    """
    note = Layout(root).state / name
    if note.exists():
        _close(note.read_text(encoding="utf-8"))
    write_text(note, run_id)
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def _close(run_id: str) -> None:
    """Set a run that is called running to crashed; another server, or a torn note, knows none."""
    with suppress(ValueError, ObjectNotFound), get_client(sync_client=True) as client:
        left = client.read_flow_run(UUID(run_id.strip()))
        if left.state and left.state.is_running():
            client.set_flow_run_state(left.id, Crashed(message="Its process was killed."), force=True)
