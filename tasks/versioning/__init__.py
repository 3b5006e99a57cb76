"""Runs stages in this process and records them as `dvc repro` would; the only package that imports dvc."""

from tasks.outcome import StageOutcome
from tasks.versioning.content import absent, lock_hashes, push, refresh_source, remote, source_changed
from tasks.versioning.exchange import Offer, collect, offer
from tasks.versioning.plan import plan
from tasks.versioning.repository import (
    busy,
    init_workspace,
    kept_open,
    stage_graph,
    status,
    workspace_lock,
)
from tasks.versioning.stage import run_stage
from tasks.versioning.tracked import track

__all__ = [
    "Offer",
    "StageOutcome",
    "absent",
    "busy",
    "collect",
    "init_workspace",
    "kept_open",
    "lock_hashes",
    "offer",
    "plan",
    "push",
    "refresh_source",
    "remote",
    "run_stage",
    "source_changed",
    "stage_graph",
    "status",
    "track",
    "workspace_lock",
]
