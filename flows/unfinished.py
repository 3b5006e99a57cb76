"""Flow runs whose process was killed: Prefect calls them running for ever, unless somebody says better.

A run at work here is a file in `.espalier/flow_runs/`, named by its id and locked by its process. The lock
goes with the process: a file that can be locked is of a run that was killed. The next run closes it, and the
watch of `espalier up` within seconds; Prefect then gives the slot free that it held.
"""

from __future__ import annotations

import fcntl
import os
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any

from flows.asking import asked
from tasks.layout import Layout

__all__ = ["close", "close_killed", "noted"]

_SECONDS = 10.0
_AT_WORK = {"RUNNING", "PENDING", "PAUSED", "CANCELLING"}
_UNKNOWN = {HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY}


@contextmanager
def noted(root: Path, run_id: str) -> Iterator[None]:
    """Note a flow run while the block runs, after closing those that killed processes left.

    Parameters
    ----------
    root : Path
        Workspace.
    run_id : str
        Flow run of this process.
    """
    from prefect.settings import PREFECT_API_URL

    api_url = PREFECT_API_URL.value()
    if api_url:
        with suppress(OSError):  # it is busy: what is left is closed the next time
            close_killed(root, api_url)
    folder = _folder(root)
    folder.mkdir(parents=True, exist_ok=True)
    hidden, note = folder / f".{run_id}", folder / run_id
    with hidden.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        hidden.rename(note)  # locked before anybody looks for it
        try:
            yield
        finally:
            note.unlink(missing_ok=True)


def close_killed(root: Path, api_url: str) -> list[dict[str, Any]]:
    """Set runs whose process was killed to crashed in Prefect, and return them.

    Parameters
    ----------
    root : Path
        Workspace.
    api_url : str

    Raises
    ------
    urllib.error.URLError
        When Prefect does not answer; what is left is closed the next time.
    """
    found = []
    for note in sorted(_folder(root).glob("[!.]*")):
        with suppress(FileNotFoundError), note.open() as file:
            if _left(file, note):
                found.append(close(api_url, note.name))
                note.unlink(missing_ok=True)
    return [run for run in found if run]


def close(api_url: str, run_id: str) -> dict[str, Any] | None:
    """Set a run that is called at work to crashed, and return it; None where it is not, or is not known."""
    place = f"{api_url.rstrip('/')}/flow_runs/{run_id}"
    try:
        run: dict[str, Any] = asked(place, seconds=_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code in _UNKNOWN:
            return None  # of another server
        raise
    if run["state_type"] not in _AT_WORK:
        return None
    state = {"type": "CRASHED", "message": "Its process was killed."}
    asked(f"{place}/set_state", {"state": state, "force": True}, _SECONDS)
    return run


def _left(file: IO[str], note: Path) -> bool:
    """Say whether nobody holds a note, and it is not one that its run has just put away."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return note.stat().st_ino == os.fstat(file.fileno()).st_ino


def _folder(root: Path) -> Path:
    return Layout(root).state / "flow_runs"
