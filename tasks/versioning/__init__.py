"""Runs stages in this process and records them as `dvc repro` would; the only package that imports dvc."""

from tasks.outcome import StageOutcome
from tasks.versioning.bundle import bundle, take_runs
from tasks.versioning.changes import changes_since
from tasks.versioning.content import (
    absent,
    checkout,
    lock_hashes,
    presence,
    push,
    refresh_source,
    remote,
    source_changed,
)
from tasks.versioning.exchange import Offer, collect, offer
from tasks.versioning.plan import plan
from tasks.versioning.remotes import Remote, set_remote, shown_remote
from tasks.versioning.repository import (
    busy,
    init_workspace,
    kept_open,
    stage_graph,
    status,
    workspace_lock,
)
from tasks.versioning.retention import forget, free_objects, left_worktrees, needed, old_runs, stores, surplus
from tasks.versioning.runs import Run, fetch_others, latest_run, record_run, run_that_made, runs, snapshot
from tasks.versioning.stage import run_stage
from tasks.versioning.tracked import track
from tasks.versioning.worktree import abandon, worktree

__all__ = [
    "Offer",
    "Remote",
    "Run",
    "StageOutcome",
    "abandon",
    "absent",
    "bundle",
    "busy",
    "changes_since",
    "checkout",
    "collect",
    "fetch_others",
    "forget",
    "free_objects",
    "init_workspace",
    "kept_open",
    "latest_run",
    "left_worktrees",
    "lock_hashes",
    "needed",
    "offer",
    "old_runs",
    "plan",
    "presence",
    "push",
    "record_run",
    "refresh_source",
    "remote",
    "run_stage",
    "run_that_made",
    "runs",
    "set_remote",
    "shown_remote",
    "snapshot",
    "source_changed",
    "stage_graph",
    "status",
    "stores",
    "surplus",
    "take_runs",
    "track",
    "workspace_lock",
    "worktree",
]
