"""The Prefect tasks of a model's life once it is registered: gate, promotion, scoring, drift."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.artifacts import create_link_artifact, create_table_artifact
from prefect.runtime import flow_run

from tasks import versioning
from tasks.artifacts import Layout
from tasks.config import Params, load_params
from tasks.errors import EspalierError
from tasks.orchestration import NETWORK, STAGE, emit

if TYPE_CHECKING:
    from tasks.gate.approval import Approval
    from tasks.gate.config import PromoteConfig
    from tasks.gate.decide import Decision
    from tasks.gate.evidence import Evidence
    from tasks.monitoring import Watched
    from tasks.promotion.desk import Desk, Pending
    from tasks.promotion.ledger import Entry
    from tasks.scoring.batch import Scored
    from tasks.scoring.request import Request
    from tasks.tracking.fetch import Fetched

__all__ = [
    "act",
    "announce_unheard",
    "as_it_was",
    "ask_person",
    "collect_evidence",
    "confirm_served",
    "decide",
    "desk",
    "examine",
    "fetch_version",
    "lineage",
    "raise_drift",
    "record_drift",
    "record_shadows",
    "roll_back",
    "score",
    "scoring_request",
    "show_drift",
    "show_scored",
]

_log = logging.getLogger("espalier.stage")


@task(name="lineage", timeout_seconds=900, **NETWORK)
def lineage(root: Path) -> tuple[dict[str, str], int]:
    """Return DVC's hashes of the current result, and how many of its files the remote lacks."""
    return versioning.lock_hashes(root), versioning.absent(root)


@contextmanager
def desk(root: Path, params: Params) -> Iterator[Desk]:
    """Open the desk where promotions of the workspace's model are decided."""
    from tasks.promotion.desk import at_desk

    with at_desk(root, params) as opened:
        yield opened


@contextmanager
def as_it_was(desk: Desk, pending: Pending) -> Iterator[Path]:
    """Give the workspace as the challenger was made from it: as it is, or as a scheduled run recorded it.

    Where a run is writing into it just now, the block has the files that dvc.lock names, in a worktree.

    Raises
    ------
    EspalierError
        When a run has begun to write while the block was reading, or has replaced the files already.
    """
    root, label = desk.root, f"{desk.name}/{pending.version}"
    here = desk.made_from(pending.version, versioning.lock_hashes(root))
    if here and not versioning.busy(root):
        try:
            yield root
        finally:  # what failed on a file that was half written failed for that reason
            _require_unwritten(desk, pending)
        return
    run = None if here else versioning.run_that_made(root, label)
    if not here and run is None:
        _require_no_run(desk, pending)
        yield root
        return
    made_by = run.ref if run else "this workspace, where a run is at work"
    _log.info("version %s was made by %s: judged in a worktree of its own", pending.version, made_by)
    commit = run.commit if run else versioning.snapshot(root)
    with versioning.worktree(root, commit, place="judged") as inner:
        versioning.checkout(inner)
        yield inner


def _require_no_run(desk: Desk, pending: Pending) -> None:
    """Name the run that holds the workspace, which is then why it is not as it was."""
    try:
        with versioning.workspace_lock(desk.root):
            return
    except EspalierError as error:
        raise EspalierError(
            f"{desk.name} version {pending.version} was made from another state of this workspace: {error}, "
            "its result is the challenger then"
        ) from error


def _require_unwritten(desk: Desk, pending: Pending) -> None:
    same = desk.made_from(pending.version, versioning.lock_hashes(desk.root))
    if versioning.busy(desk.root) or not same:
        raise EspalierError(
            f"{desk.root.name}: a run began to write files while the gate read them; nothing has moved, "
            "run again"
        )


@task(name="collect evidence", timeout_seconds=900, **NETWORK)
def collect_evidence(
    desk: Desk, pending: Pending, where: Path, lock: dict[str, str], absent: int
) -> Evidence:
    """Ask challenger and champion about the same test rows, in clean processes."""
    return desk.evidence(pending, where, lock, absent)


@task(name="decide", **STAGE)
def decide(desk: Desk, pending: Pending, evidence: Evidence) -> Decision:
    """Decide by the policy, and leave every reason in the Prefect UI."""
    decision = desk.decide(pending, evidence)
    rows = [check.to_dict() for check in decision.checks]
    create_table_artifact(rows, key="gate", description=f"{decision.verdict}: {decision.why}")
    _log.info("%s: %s", decision.verdict, decision.why)
    return decision


def ask_person(desk: Desk, pending: Pending, decision: Decision, policy: PromoteConfig) -> Approval:
    """Wait for a person's answer in the Prefect UI, while others may have the aliases; silence is a no.

    Raises
    ------
    NothingToDoError
        When the question was decided elsewhere meanwhile: in the terminal, or by whoever moved an alias.
    """
    from tasks.answer import answer
    from tasks.promotion.waiting import waiting

    with waiting(desk.ledger, pending, policy.approval_seconds) as decided:
        return answer(f"{decision.verdict}: {decision.why}", policy.approval_seconds, decided)


@task(name="act", timeout_seconds=900, **STAGE)  # its plan is finished by the next command, not by a retry
def act(
    desk: Desk, pending: Pending, decision: Decision, approval: Approval | None, *, wanted: bool
) -> Entry:
    """Move the aliases, or leave them; either is a line of the ledger."""
    return desk.act(pending, decision, approval, wanted=wanted)


@task(name="roll back", timeout_seconds=900, **STAGE)  # a retry would be another rollback
def roll_back(desk: Desk, version: str | None, why: str) -> Entry:
    """Make an earlier version the champion again."""
    with desk.pending("rollback", version, why, flow_run.id) as pending:
        return desk.rollback(pending)


@task(name="confirm served", **STAGE)
def confirm_served(root: Path, name: str, version: str) -> int:
    """Wait until each process that serves the champion answers with this version; return how many do."""
    from tasks.serving.notes import confirm

    return confirm(root, name, "champion", version)


def scoring_request(root: Path, **asked: Any) -> Request:
    """Return what is to be scored; what is wrong with it is told before anything begins."""
    from tasks.scoring.request import Request

    return Request(state=Layout(root).state / "scoring", **asked)


@task(name="announce unheard", timeout_seconds=900, **NETWORK)
def announce_unheard(root: Path, run: versioning.Run) -> bool:
    """Tell Prefect of the challenger of a recorded run that was killed before it could."""
    from tasks.promotion.unheard import is_unheard

    name, _, version = run.facts.get("Version", "").rpartition("/")
    unheard = bool(version) and is_unheard(root, name, version)
    if unheard:
        emit("espalier.challenger", name, {"version": version, "mlflow_run": run.facts["MLflow-run"]})
    return unheard


@task(name="fetch version", timeout_seconds=900, **NETWORK)
def fetch_version(root: Path, wanted: str) -> Fetched:
    """Bring the files of a registered version here."""
    from tasks.tracking.fetch import fetch_version

    return fetch_version(root, load_params(root).registry.name, wanted)


@task(name="score", **STAGE)
def score(request: Request, version: Fetched, shadow: Fetched | None = None) -> Scored:
    """Answer the rows of a batch, chunk by chunk."""
    from tasks.scoring.batch import score_batch
    from tasks.scoring.served import Served

    def served(version: Fetched) -> Served:
        return Served(version.name, version.version, version.folder)

    return score_batch(request, served(version), _log.info, served(shadow) if shadow else None)


@task(name="record shadows", timeout_seconds=900, **NETWORK)
def record_shadows(root: Path) -> int:
    """Record in MLflow what versions in the shadow answered, as long as it is not there."""
    from tasks.tracking.shadow import record_shadows

    return record_shadows(root)


@task(name="show scored", **STAGE)
def show_scored(request: Request, scored: Scored) -> None:
    """Leave the counts, and where the rows are, in the Prefect UI."""
    facts = {
        "model": f"{scored.model}/{scored.version}",
        "input": scored.input,
        "rows": f"{scored.rows:,}",
        "scored": f"{scored.scored:,}",
        "quarantined": f"{scored.quarantined:,}",
        "answers": request.to,
        "quarantine": scored.quarantine or "-",
        "batch": scored.batch,
    }
    table = [{"what": name, "value": value} for name, value in facts.items()]
    create_table_artifact(table, key="scored", description="A batch, scored")


@task(name="examine", timeout_seconds=3600, **NETWORK)
def examine(root: Path, source: str, query: str | None, folder: Path, version: Fetched) -> Watched:
    """Hold a batch against the rows that a registered version was made from."""
    from tasks.monitoring import Version, examine

    stored = Version(version.name, version.version, version.folder)
    watched = examine(root, source, query, folder, stored)
    _log.info("examine    %s rows, %d tests", f"{watched.drift.rows:,}", len(watched.drift.findings))
    return watched


@task(name="record drift", timeout_seconds=900, **NETWORK)
def record_drift(root: Path, watched: Watched) -> str:
    """Record a comparison in MLflow's experiment `monitoring`."""
    from tasks.tracking.monitoring import record_drift

    return record_drift(root, watched, flow_run_id=flow_run.id)


@task(name="show drift", **STAGE)
def show_drift(watched: Watched, page: str) -> None:
    """Leave what was found, and the way to the report, in the Prefect UI."""
    from tasks.drift.words import findings_table, verdict

    said = verdict(watched.drift, watched.policy)
    create_table_artifact(findings_table(watched.drift), key="drift", description=said)
    create_link_artifact(page, link_text="MLflow run", key="mlflow-monitoring")
    create_link_artifact(watched.page.as_uri(), link_text="Report", key="drift-report")


@task(name="raise drift", **STAGE)
def raise_drift(watched: Watched, page: str) -> bool:
    """Tell Prefect of drift that section `monitor` wants to be told: deployment `compress` waits for that."""
    if not watched.events:
        return False
    payload = {
        "version": watched.version,
        "source": watched.source,
        "kinds": list(watched.events),
        "found": [finding.to_dict(shape=False) for finding in watched.drift.drifted[:20]],
        "mlflow_run": page,
    }
    emit("espalier.drift", watched.model, payload)
    return True
