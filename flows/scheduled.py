"""What schedules start that computes: in a worktree, so that branch and working tree stay as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import State, flow, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run, task_run
from prefect.states import Completed

from flows.alerts import TOLD
from flows.environment import enter
from flows.unfinished import noted
from tasks import lifecycle, pipeline, versioning
from tasks.config import apply_overrides, load_params

__all__ = ["compress", "study"]

_HOUR = 3600.0


@flow(name="scheduled compress", **TOLD)
def compress(root: str = ".", because: str = "", hours: float = 12.0) -> State[Any]:
    """Compress anew when something changed, apart from branch and working tree.

    Parameters
    ----------
    root : str
        Workspace, from the folder that the worker works in.
    because : str
        A reason to run even where nothing changed, such as drift.
    hours : float
        Longest run; also the longest wait for another run to end.

    Raises
    ------
    EspalierError
        What a person can act on; everything finished so far is kept, and the next run goes on from there.
    """
    with _alone(root, hours) as here:
        last = pipeline.last_run(here)
        changes = pipeline.what_changed(here, last)
        reasons = [because] * bool(because) + list(changes)
        if versioning.SOURCE_CHANGED in changes:
            pipeline.announce_data(here)
        if last and not reasons:
            lifecycle.announce_unheard(here, last)
            return Completed(name="Nothing changed", message=f"as in {last.ref}: {_result(last)}")
        return _compressed(here, reasons, hours * _HOUR)


def _compressed(root: Path, reasons: Sequence[str], seconds: float) -> State[Any]:
    commit = versioning.snapshot(root)
    with versioning.worktree(root, commit, load_params(root)) as inner:
        made = in_worktree("compress", inner, seconds)
        version = f"{made['model']}/{made['version']}" if made["version"] else ""
        facts = {"Flow-run": flow_run.id, "MLflow-run": made["mlflow_run"], "Version": version}
        unheard = version and versioning.run_that_made(root, version) is None
        run = pipeline.record_run(root, inner, reasons, facts)
    if unheard:
        pipeline.announce(made["model"], made["version"], made["mlflow_run"])
    news = "recorded before" if made["existing"] else "new"
    return Completed(message=f"{run.ref}: {_result(run)} ({news}); because {'; '.join(reasons)}")


@flow(name="scheduled study", **TOLD)
def study(
    root: str = ".",
    candidates: int = 0,
    seeds: int = 0,
    settings: list[str] | None = None,
    hours: float = 12.0,
) -> State[Any]:
    """Compare recipes, apart from branch and working tree.

    Parameters
    ----------
    root : str
        Workspace, from the folder that the worker works in.
    candidates, seeds : int
        Instead of `study.candidates` and `study.seeds`; 0: as params.yaml says.
    settings : list of str, optional
        ``KEY=VALUE``, of this study alone.
    hours : float
        Longest study; also the longest wait for another run to end.

    Raises
    ------
    EspalierError
        What a person can act on; every trial finished so far is kept, and the next study goes on from there.
    """
    shortcuts = {"study.candidates": candidates, "study.seeds": seeds}
    wanted = [*(settings or []), *(f"{key}={value}" for key, value in shortcuts.items() if value)]
    with _alone(root, hours) as here:
        params = load_params(here, wanted)
        with versioning.worktree(here, versioning.snapshot(here), params) as inner:
            apply_overrides(inner, wanted)
            made = in_worktree("study", inner, hours * _HOUR)
            facts = {"Flow-run": flow_run.id, "MLflow-run": made["mlflow_run"], "Kind": "study"}
            run = pipeline.record_run(here, inner, ["somebody asked for a study"], facts)
    told = [f"{run.ref}: {made['candidates']} candidates", made["stopped"], *made["verdicts"][:1]]
    return Completed(message="; ".join(text for text in told if text))


@contextmanager
def _alone(root: str, hours: float) -> Iterator[Path]:
    """Hold the schedules of a workspace, one run that computes at a time, however it was started."""
    here = Path(root).resolve()
    enter(here)
    waits = hours * _HOUR
    with noted(here, flow_run.id), versioning.workspace_lock(here, waits, name="scheduled.lock"):
        yield here


def _was_lost(_task: Any, _run: Any, state: State[Any]) -> bool:
    from flows.apart import LostError

    return isinstance(state.result(raise_on_failure=False), LostError)


@task(
    name="run in a worktree",
    task_run_name="{name} in a worktree",
    retries=1,
    retry_delay_seconds=10,
    retry_condition_fn=_was_lost,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def in_worktree(name: str, inner: Path, seconds: float) -> dict[str, Any]:
    """Run a flow in the worktree; a process that was ended is begun again once, from what it had finished."""
    from flows.apart import run_apart

    return run_apart(name, inner, UUID(str(task_run.id)), seconds)


def _result(run: versioning.Run) -> str:
    return run.facts.get("Version") or f"MLflow run {run.facts.get('MLflow-run', 'unknown')}"
