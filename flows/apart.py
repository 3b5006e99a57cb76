"""A flow in a process of its own, which imports its code from a worktree.

A scheduled run computes what the worktree holds: were its stages imported by the process that made the
worktree, an edit in the meantime would run and not be recorded. The process ends when that one does.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectNotFound
from prefect.flow_engine import run_flow
from prefect.states import Pending

from flows.environment import enter
from flows.terminal import log_to_terminal, quiet_dvc
from tasks.artifacts import Layout, read_json, write_json
from tasks.errors import EspalierError
from tasks.process import leave

__all__ = ["LostError", "main", "run_apart"]

_GRACE_SECONDS = 20.0
_RECORD_SECONDS = 30.0
_RECORD_POLL_SECONDS = 0.2


class LostError(EspalierError):
    """The process was ended from outside: out of memory, or killed."""


def run_apart(name: str, inner: Path, parent: UUID, seconds: float) -> dict[str, Any]:
    """Run a flow on a workspace in a worktree, as a subflow, and return what it says it made.

    Parameters
    ----------
    name : str
        Of the flow, and of its module: `compress` or `study`.
    inner : Path
        Workspace in the worktree.
    parent : UUID
        Task run that it is a subflow of.
    seconds : float
        Longest run, and longest wait in it for the workspace.

    Raises
    ------
    LostError
        When its process is ended from outside.
    EspalierError
        With what the flow says, or when it takes longer than that.
    """
    answer = Layout(inner).state / "scheduled.json"
    answer.unlink(missing_ok=True)
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(
            _flow(name),
            parameters={"root": str(inner), "patience": seconds},
            parent_task_run_id=parent if _is_recorded(client, parent) else None,
            state=Pending(),
        )
    words = [sys.executable, "-m", "flows.apart", name, str(inner), str(run.id), str(answer)]
    process = subprocess.Popen(words, cwd=inner, env=_environment(inner), stdin=subprocess.PIPE)
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise EspalierError(
            f"{inner.name}: the run took longer than {seconds / 3600:g} h and was ended; finished stages and "
            "epochs are kept. Parameter `hours` of the deployment sets the limit"
        ) from None
    finally:
        _end(process)
    said = read_json(answer) if answer.exists() else {}
    if code < 0 or (code and "error" not in said):
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        raise LostError(f"{inner.name}: the run's process was ended from outside ({how}; out of memory?)")
    if "error" in said:
        raise EspalierError(said["error"])
    return dict(said)


def _is_recorded(client: SyncPrefectClient, task_run: UUID) -> bool:
    """Wait until the server knows a task run: it hears of one by an event, and wants a subflow's known."""
    asks_until = time.monotonic() + _RECORD_SECONDS
    while time.monotonic() < asks_until:
        with suppress(ObjectNotFound):
            client.read_task_run(task_run)
            return True
        time.sleep(_RECORD_POLL_SECONDS)
    return False  # rather a subflow without its place in Prefect's picture than no run


def _environment(inner: Path) -> Mapping[str, str]:
    """Pass on all but what Prefect told this process of its own run; code is imported from the worktree."""
    top = next(place for place in (inner, *inner.parents) if (place / ".git").exists())
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT__")}
    return {**kept, "PYTHONPATH": os.pathsep.join(dict.fromkeys([str(inner), str(top)])), "PWD": str(inner)}


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process, gently first; one that has ended is left alone."""
    if process.stdin:
        process.stdin.close()
    for ask in (process.terminate, process.kill):
        if process.poll() is None:
            ask()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE_SECONDS)


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGKILL)  # a flow that hears of its end could wait for a server that is gone


def _flow(name: str) -> Flow[..., Any]:
    found: Flow[..., Any] = getattr(import_module(f"flows.{name}"), name)
    return found


def main() -> int:
    """Run the flow run that the arguments name, write what it made, or why not, and return the exit code."""
    name, inner, run_id, answer = sys.argv[1], Path(sys.argv[2]), UUID(sys.argv[3]), Path(sys.argv[4])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    enter(inner)
    quiet_dvc()
    log_to_terminal()
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(run_id)
    asked = {"root": inner, "patience": float(run.parameters["patience"])}
    try:
        made: Any = run_flow(_flow(name), flow_run=run, parameters=asked)
    except EspalierError as error:
        write_json(answer, {"error": str(error)})
        return error.exit_code
    write_json(answer, made.facts())
    return 0


if __name__ == "__main__":
    code = 1
    atexit.register(lambda: leave(code))  # events and logs that are still on their way are sent before
    code = main()
