"""One stage brought up to date in this process and recorded as `dvc repro` would record it."""

from __future__ import annotations

import time
from collections.abc import Callable
from inspect import unwrap
from pathlib import Path
from types import MethodType
from typing import Any

from dvc.dependency import ParamsDependency
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from dvc.stage import PipelineStage
from dvc.stage.cache import RunCacheNotFoundError
from dvc.stage.decorators import rwlocked

from tasks.errors import EspalierError
from tasks.outcome import StageOutcome, Status
from tasks.versioning.lockfile import load_stage, save_stage
from tasks.versioning.repository import reopened
from tasks.versioning.runcache import RunCache

__all__ = ["run_stage"]

_RELOCK_SECONDS = 60.0


def run_stage(root: Path, name: str, function: Callable[[], None]) -> StageOutcome:
    """Bring stage `name` up to date: skip it, restore it from the run-cache, or run and record it.

    Parameters
    ----------
    root : Path
        Workspace.
    name : str
        Stage of `root`/dvc.yaml.
    function : callable
        Does what the stage's command does, in this process.

    Raises
    ------
    EspalierError
        When DVC refuses: locked, dependency missing, output not written. Whatever `function` raises passes
        through; nothing is then recorded and the next run starts the stage again.
    """
    started = time.perf_counter()
    with reopened(root) as repo, lock_repo(repo), repo.scm_context(quiet=True):
        status = _reproduce(load_stage(repo, name), function)
    return StageOutcome(name, status, time.perf_counter() - started)


@rwlocked(read=["deps"], write=["outs"])  # type: ignore[untyped-decorator]
def _reproduce(stage: PipelineStage, function: Callable[[], None]) -> Status:
    """Do what `Stage.reproduce` and `Stage.run` of DVC do, the command replaced by `function`."""
    stage.repo.stage_cache = RunCache(stage.repo)
    _unlock_parts(stage)
    _read_once(stage)
    if not stage.changed():
        return "skipped"
    stage.remove_outs(ignore_remove=False, force=False)
    restored = _restored(stage)
    if not restored:
        stage.save_deps()
        _unlocked(stage.repo, function)
        _read_once(stage)
    _record(stage)
    return "restored" if restored else "ran"


def _unlock_parts(stage: PipelineStage) -> None:
    """Spare what DVC does to a stage its own read-write lock: the one of the whole is held, and covers it."""
    for name in ("changed", "_changed_deps", "changed_outs", "remove_outs", "commit"):
        setattr(stage, name, MethodType(unwrap(getattr(type(stage), name)), stage))


def _read_once(stage: PipelineStage) -> None:
    """Have each dependency read once from here on: DVC asks for it half a dozen times to record a stage."""
    for dep in stage.deps:
        name = "read_params" if isinstance(dep, ParamsDependency) else "_build"
        setattr(dep, name, _remembered(MethodType(getattr(type(dep), name), dep)))


def _remembered(read: Callable[..., Any]) -> Callable[..., Any]:
    found: dict[bool, Any] = {}

    def once(*arguments: Any, **named: Any) -> Any:
        dry = bool(named.get("dry_run"))
        if dry not in found:
            found[dry] = read(*arguments, **named)
        return found[dry]

    return once


def _record(stage: PipelineStage) -> None:
    try:
        stage.save()
        stage.commit()
        save_stage(stage)
    except OSError as error:
        raise EspalierError(
            f"stage {stage.name}: its outputs could not be recorded ({error.strerror or error}); "
            "nothing recorded before is touched. Free space or fix permissions, then run again"
        ) from error


def _restored(stage: PipelineStage) -> bool:
    try:
        stage.repo.stage_cache.restore(stage)
    except RunCacheNotFoundError:
        return False
    return all(out.exists for out in stage.outs)


def _unlocked(repo: Repo, function: Callable[[], None]) -> None:
    """Call `function` with the repository's short lock free; the stage's read-write lock stays held."""
    repo.lock.unlock()
    repo._reset()
    try:
        function()
    finally:
        _relock(repo)


def _relock(repo: Repo) -> None:
    """Take the repository's lock again, patiently: what was computed waits to be recorded."""
    until = time.monotonic() + _RELOCK_SECONDS
    while True:
        try:
            repo.lock.lock()
        except LockError:
            if time.monotonic() > until:
                raise
        else:
            return
