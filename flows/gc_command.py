"""What `espalier gc` says."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

from flows.stack import foreign_tracking
from flows.terminal import quiet_dvc
from tasks import versioning
from tasks.errors import EspalierError
from tasks.keeping import gc
from tasks.keeping.backup import alone
from tasks.tracking.retention import Family

__all__ = ["clean_up"]

Say = Callable[[str], object]

_SHOWN = 20


def clean_up(root: Path, days: float, say: Say, *, yes: bool, forget: bool, again: str) -> None:
    """Say what nothing needs and what it would free; with `yes`, free it.

    Parameters
    ----------
    again : str
        The command that frees it.

    Raises
    ------
    EspalierError
        While a run is under way here, or when something cannot be asked what it needs; nothing is freed.
    """
    quiet_dvc()
    if forget and os.environ.get("ESPALIER_RUNS_REMOTE"):
        raise EspalierError(
            "--forget: recorded runs are shared (ESPALIER_RUNS_REMOTE) and would come back; "
            "delete their refs there"
        )
    with ExitStack() as held:
        held.enter_context(alone(root))
        if yes:
            held.enter_context(versioning.workspace_lock(root, name="scheduled.lock"))
            held.enter_context(versioning.workspace_lock(root))
        found = gc.find(root, days, forget=forget)
        _tell(found, say)
        if (server := foreign_tracking(root)) is not None:
            say(f"left alone  {server}: its runs are deleted there")
        if not yes:
            say(f"{found.bytes:,} bytes would be freed; nothing was: `{again}` frees them")
            return
        freed = found.bytes
        gc.free(root, found)
        say(f"{freed:,} bytes freed")


def _tell(found: gc.Surplus, say: Say) -> None:
    runs = [_family(family, size) for family, size in found.families]
    _list("MLflow", runs, say)
    recorded = [f"{run.ref}, {run.facts.get('Version') or 'no version'}" for run in found.recorded]
    _list("recorded", recorded, say)
    for name, paths in found.files.items():
        say(f"{name:12}{len(paths)} files, {sum(map(gc.size_of, paths)):,} bytes")
    for name, folders in found.folders.items():
        if folders:
            say(f"{name:12}{len(folders)}")
    for text in found.left:
        say(f"left alone  {text}")


def _family(family: Family, size: int) -> str:
    from datetime import datetime

    began = datetime.fromtimestamp(family.last).astimezone()
    made = "".join(f", version {version.version}" for version in family.versions)
    nested = f" and {len(family.runs) - 1} nested" if len(family.runs) > 1 else ""
    return f"run {family.head.info.run_id[:8]}{nested} of {began:%Y-%m-%d}{made}, {size:,} bytes"


def _list(name: str, lines: Iterable[str], say: Say) -> None:
    lines = list(lines)
    for place, line in enumerate(lines[:_SHOWN]):
        say(f"{'' if place else name:12}{line}")
    if len(lines) > _SHOWN:
        say(f"{'':12}and {len(lines) - _SHOWN} more")
