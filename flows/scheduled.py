"""What a schedule starts: a look whether there is a reason to run, and the run in a worktree of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import State, flow, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run, task_run
from prefect.states import Completed

from flows.alerts import failed
from flows.environment import enter
from flows.unfinished import noted
from tasks import pipeline, versioning
from tasks.config import load_params

__all__ = ["compress"]

_HOUR = 3600.0


@flow(
    name="scheduled compress",
    persist_result=False,
    validate_parameters=False,
    on_failure=[failed],
    on_crashed=[failed],
)
def compress(root: Path = Path(), because: str = "", hours: float = 12.0) -> State[Any]:
    """Compress anew when something changed, apart from branch and working tree.

    Parameters
    ----------
    root : Path
        Workspace, from the folder that the worker works in.
    because : str
        A reason to run even where nothing changed, such as drift.
    hours : float
        Longest run; also the longest wait for a run by hand to end.

    Raises
    ------
    EspalierError
        What a person can act on; everything finished so far is kept, and the next run goes on from there.
    """
    root = Path(root).resolve()
    enter(root)
    with versioning.workspace_lock(root, name="scheduled.lock"), noted(root, flow_run.id, "scheduled_run"):
        last = pipeline.last_run(root)
        reasons = [because] if because else []
        reasons += pipeline.what_changed(root, last)
        if last and not reasons:
            return Completed(name="Nothing changed", message=f"as in {last.ref}: {_result(last)}")
        return _run(root, reasons, hours * _HOUR)


def _run(root: Path, reasons: Sequence[str], seconds: float) -> State[Any]:
    commit = versioning.snapshot(root)
    with versioning.worktree(root, commit, load_params(root)) as inner:
        made = compress_in_worktree(inner, seconds)
        facts = {"Flow-run": flow_run.id, "MLflow-run": made["mlflow_run"], "Version": _version(made)}
        run = pipeline.record_run(root, inner, reasons, facts)
    news = "recorded before" if made["existing"] else "new"
    return Completed(message=f"{run.ref}: {_result(run)} ({news}); because {'; '.join(reasons)}")


def _was_lost(_task: Any, _run: Any, state: State[Any]) -> bool:
    from flows.apart import LostError

    return isinstance(state.result(raise_on_failure=False), LostError)


@task(
    name="compress in a worktree",
    retries=1,
    retry_delay_seconds=10,
    retry_condition_fn=_was_lost,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def compress_in_worktree(inner: Path, seconds: float) -> dict[str, Any]:
    """Run the stages in the worktree; a process that was ended is begun again once, from its last epoch."""
    from flows.apart import compress_apart

    return compress_apart(inner, UUID(str(task_run.id)), seconds, seconds)


def _version(made: dict[str, Any]) -> str:
    return f"{made['model']}/{made['version']}" if made["version"] else ""


def _result(run: versioning.Run) -> str:
    return run.facts.get("Version") or f"MLflow run {run.facts.get('MLflow-run', 'unknown')}"
