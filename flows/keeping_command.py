"""What `espalier backup` and `espalier restore` say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flows.stack import foreign_tracking, stopped
from flows.terminal import quiet_dvc
from tasks.keeping import backup, restore

__all__ = ["bring_back", "look", "save"]

Say = Callable[[str], object]


def save(root: Path, target: Path, say: Say, *, force: bool) -> None:
    """Save a workspace's records and say what is in the backup, and what is not."""
    quiet_dvc()
    path, facts = backup.backup(root, target, force=force)
    say(f"Saved       {path}, {path.stat().st_size:,} bytes")
    _tell(facts, say)
    elsewhere = [facts["remote"], foreign_tracking(root)]
    for place in filter(None, elsewhere):
        say(f"Not in it   {place}: is no part of this workspace")


def look(source: Path, say: Say) -> None:
    """Check a backup and say what is in it."""
    facts = restore.check(source)
    say(f"Whole       {source}, made {facts['made']} of {facts['workspace']}")
    _tell(facts, say)


def bring_back(root: Path, source: Path, say: Say, *, force: bool) -> None:
    """Bring a backup into a workspace whose servers are stopped, and say what to do next."""
    quiet_dvc()
    with stopped(root, "espalier restore"):
        facts = restore.restore(root, source, force=force)
    say(f"Restored    {source}, made {facts['made']} of {facts['workspace']}")
    _tell(facts, say)
    if facts["recorded_runs"] and not facts["in_git"]:
        say(f"Not here    recorded runs: this is no Git repository; {backup.BUNDLE} in it can be cloned")
    say("Next        dvc pull; espalier doctor")


def _tell(facts: Mapping[str, Any], say: Say) -> None:
    objects = sum(name.startswith(f"{backup.OBJECTS}/") for name in facts["files"])
    files = sum(name.startswith(f"{backup.FILES}/") for name in facts["files"])
    say(f"            MLflow: runs {facts['runs']}, registered versions {facts['versions']}, files {files}")
    say(f"            Prefect: flow runs {facts['flow_runs']}")
    if facts["recorded_runs"] is not None:
        say(f"            Git: branches, tags, recorded runs {facts['recorded_runs']}")
    if objects:
        say(f"            DVC remote: files {objects}")
