"""Runs stages in this process and records them as `dvc repro` would; the only package that imports dvc."""

from tasks.outcome import StageOutcome
from tasks.versioning.bundle import bundle, take_runs
from tasks.versioning.changes import SOURCE_CHANGED, changes_since
from tasks.versioning.clone import bring, cloned, compute
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
from tasks.versioning.handover import Handover, hand_over
from tasks.versioning.plan import plan
from tasks.versioning.recorded import (
    Kept,
    Stage,
    code_at,
    commit_facts,
    content_hash,
    given,
    kept,
    listed,
    stages_of,
)
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
from tasks.versioning.runs import (
    Run,
    fetch_others,
    latest_run,
    record_run,
    run_that_made,
    run_with_ref,
    runs,
    snapshot,
    text_at,
)
from tasks.versioning.stage import run_stage
from tasks.versioning.tracked import track
from tasks.versioning.worktree import abandon, is_worktree, worktree

__all__ = [
    "SOURCE_CHANGED",
    "Handover",
    "Kept",
    "Offer",
    "Remote",
    "Run",
    "Stage",
    "StageOutcome",
    "abandon",
    "absent",
    "bring",
    "bundle",
    "busy",
    "changes_since",
    "checkout",
    "cloned",
    "code_at",
    "collect",
    "commit_facts",
    "compute",
    "content_hash",
    "fetch_others",
    "forget",
    "free_objects",
    "given",
    "hand_over",
    "init_workspace",
    "is_worktree",
    "kept",
    "kept_open",
    "latest_run",
    "left_worktrees",
    "listed",
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
    "run_with_ref",
    "runs",
    "set_remote",
    "shown_remote",
    "snapshot",
    "source_changed",
    "stage_graph",
    "stages_of",
    "status",
    "stores",
    "surplus",
    "take_runs",
    "text_at",
    "track",
    "workspace_lock",
    "worktree",
]
