"""The Prefect tasks that flows chain, one thin call each; the only module here that imports prefect.

A stage is versioned by DVC and resumes from its own checkpoints, so Prefect neither caches nor retries it.
Retries and time-outs belong to what crosses a network: reading the source, the DVC remote, MLflow.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from prefect.runtime import flow_run
from pydantic import Field

from tasks import versioning
from tasks.artifacts import Layout
from tasks.config import Params, load_params
from tasks.errors import lost_connection
from tasks.gate.approval import Approval
from tasks.outcome import StageOutcome
from tasks.result import clean_report, result_rows

if TYPE_CHECKING:
    from tasks.away import Made
    from tasks.gate.config import PromoteConfig
    from tasks.gate.decide import Decision
    from tasks.gate.evidence import Evidence
    from tasks.monitoring import Watched
    from tasks.promotion.desk import Desk, Pending
    from tasks.promotion.ledger import Entry
    from tasks.recorder import Recorder
    from tasks.registry import Registered
    from tasks.scoring.batch import Scored
    from tasks.scoring.request import Request
    from tasks.study.summary import Summary
    from tasks.tracking import Recorded, RecordedStudy
    from tasks.tracking.fetch import Fetched

__all__ = [
    "STAGES",
    "ApprovalInput",
    "act",
    "alone",
    "as_it_was",
    "ask_person",
    "candidate",
    "candidate_away",
    "clean",
    "collect_evidence",
    "decide",
    "desk",
    "evaluate",
    "examine",
    "fetch",
    "fetch_version",
    "lineage",
    "measure",
    "prune",
    "push",
    "raise_drift",
    "record",
    "record_drift",
    "record_run",
    "record_shadows",
    "record_study",
    "recorder",
    "reduce",
    "reference",
    "register",
    "roll_back",
    "score",
    "scoring_request",
    "show",
    "show_drift",
    "show_scored",
    "show_study",
    "summarise",
    "time_candidates",
    "train",
    "version_study",
    "what_changed",
]

STAGES = ("fetch", "clean", "reference", "reduce", "train", "prune", "evaluate", "measure")

_log = logging.getLogger("espalier.stage")


def _crossed_a_network(_task: Any, _run: Any, state: Any) -> bool:
    return lost_connection(state.result(raise_on_failure=False))


_NETWORK: dict[str, Any] = {
    "retries": 2,
    "retry_delay_seconds": [2, 10],
    "retry_condition_fn": _crossed_a_network,
    "cache_policy": NO_CACHE,
    "persist_result": False,
}
_STAGE: dict[str, Any] = {"cache_policy": NO_CACHE, "persist_result": False}


def _run(root: Path, name: str, module: str, *arguments: str) -> StageOutcome:
    """Bring one stage up to date; its module is imported only when it has to run."""

    def execute() -> None:
        import_module(f"tasks.stages.{module}").run(root, *arguments)

    outcome = versioning.run_stage(root, name, execute)
    _log.info("%-10s %7.1f s  %s", outcome.name, outcome.seconds, outcome.status)
    return outcome


@contextmanager
def alone(root: Path, patience: float = 0.0) -> Iterator[None]:
    """Hold the workspace, one run at a time, and its DVC repository open."""
    with versioning.workspace_lock(root, patience), versioning.kept_open(root):
        yield


def recorder(root: Path) -> Recorder:
    """Start the process that talks to MLflow, so that it is ready when there is a result."""
    from tasks.recorder import Recorder

    return Recorder(root)


@task(name="fetch", timeout_seconds=3600, **_NETWORK)
def fetch(root: Path) -> StageOutcome:
    """Read the labelled rows; an unchanged source is a skip."""
    versioning.refresh_source(root, load_params(root))
    return _run(root, "fetch", "fetch")


@task(name="clean", **_STAGE)
def clean(root: Path) -> StageOutcome:
    """Split, then learn the cleaning from the training rows."""
    outcome = _run(root, "clean", "clean")
    create_markdown_artifact(clean_report(root), key="clean-report", description="What cleaning decided")
    return outcome


@task(name="reference", **_STAGE)
def reference(root: Path) -> StageOutcome:
    """Train the dense network on unreduced data."""
    return _run(root, "reference", "train", "reference")


@task(name="reduce", **_STAGE)
def reduce(root: Path) -> StageOutcome:
    """Keep fewer columns and rows."""
    return _run(root, "reduce", "reduce")


@task(name="train", **_STAGE)
def train(root: Path) -> StageOutcome:
    """Train the network on reduced data."""
    return _run(root, "train", "train", "train")


@task(name="prune", **_STAGE)
def prune(root: Path) -> StageOutcome:
    """Remove units or weights and recover."""
    return _run(root, "prune", "prune")


@task(name="evaluate", **_STAGE)
def evaluate(root: Path) -> StageOutcome:
    """Export the models and judge them on the test rows."""
    return _run(root, "evaluate", "evaluate")


@task(name="measure", **_STAGE)
def measure(root: Path) -> StageOutcome:
    """Time the models and write the report."""
    return _run(root, "measure", "measure")


@task(name="candidate", **_STAGE)
def candidate(
    root: Path, overrides: dict[str, Any], seeds: list[int], labels: dict[str, str], stop: Path
) -> list[dict[str, Any]]:
    """Compute one candidate of a study, seed by seed; nothing begins any more once `stop` exists."""
    from tasks.study.trial import run_trial

    return [run_trial(root, overrides, seed, **labels) for seed in seeds if not stop.exists()]


@task(name="candidate", **_STAGE)
def candidate_away(compute: Callable[[], Made]) -> Made:
    """Wait for a candidate of a study that a worker of a cluster computes, whose disk may be another."""
    return compute()


@task(name="time candidates", **_STAGE)
def time_candidates(root: Path, trials: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Time what the candidates became: one after the other, with nothing beside them."""
    from tasks.study.latency import latencies

    return latencies(root, trials)


@task(name="compare", **_STAGE)
def summarise(root: Path, params: Params, trials: Sequence[dict[str, Any]], facts: dict[str, Any]) -> Summary:
    """Rank the candidates, judge what was gained, and write the study's report and tables."""
    from tasks.study.summary import write_study

    return write_study(root, trials, params, facts)


@task(name="version study", **_STAGE)
def version_study(root: Path, summary: Summary) -> None:
    """Version the study's files with the hashes of what they were computed from."""
    outs = [path.relative_to(root / "reports").as_posix() for path in summary.files]
    versioning.track(root, "study", outs, summary.computed_from)


@task(name="record study", timeout_seconds=900, **_NETWORK)
def record_study(recorder: Recorder, summary: Summary) -> RecordedStudy:
    """Record the study in MLflow, a run for each candidate."""
    from tasks.tracking import Study

    study = Study(summary.params, summary.standing, summary.verdicts, summary.figures, summary.files)
    lock = versioning.lock_hashes(recorder.root)
    return recorder.record_study(study, flow_run_id=flow_run.id, lock=lock)


@task(name="show study", **_STAGE)
def show_study(summary: Summary, recorded: RecordedStudy) -> None:
    """Leave the front and the way to everything else in the Prefect UI."""
    front = [
        {"candidate": row.name, "id": row.id, "rank": row.rank, "bytes": row.bytes} for row in summary.front
    ]
    create_table_artifact(front, key="front", description="No other candidate is better in every objective")
    create_markdown_artifact("\n".join(f"- {text}" for text in summary.verdicts), key="verdicts")
    create_link_artifact(recorded.views["front"], link_text="MLflow: front", key="mlflow-front")
    create_link_artifact(summary.files[0].as_uri(), link_text="Report", key="study-report")


@task(name="push", timeout_seconds=3600, **_NETWORK)
def push(root: Path) -> int:
    """Copy the versioned files to the DVC remote and check that they arrived."""
    return versioning.push(root)


@task(name="record", timeout_seconds=900, **_NETWORK)
def record(recorder: Recorder, outcomes: Sequence[StageOutcome]) -> Recorded:
    """Record the result in MLflow, or find the run that already did."""
    params, lock = load_params(recorder.root), versioning.lock_hashes(recorder.root)
    return recorder.record(params, outcomes, flow_run_id=flow_run.id, lock=lock)


@task(name="register", timeout_seconds=900, **_NETWORK)
def register(recorder: Recorder, recorded: Recorded) -> Registered | None:
    """Register the compressed model as the challenger."""
    params = load_params(recorder.root)
    if not params.registry.register_model:
        return None
    registered = recorder.register(params, recorded)
    if not registered.existing:
        _announce(registered, recorded)
    return registered


def _announce(registered: Registered, recorded: Recorded) -> None:
    """Tell Prefect of a new challenger."""
    payload = {"version": registered.version, "mlflow_run": recorded.run_id}
    _emit("espalier.challenger", registered.name, payload)


def _emit(event: str, model: str, payload: dict[str, Any]) -> None:
    """Tell Prefect that something happened to a registered model."""
    resource = {"prefect.resource.id": f"espalier.model.{model}", "prefect.resource.name": model}
    emit_event(event, resource=resource, payload=payload)


@task(name="what changed", timeout_seconds=3600, **_NETWORK)
def what_changed(root: Path, last: versioning.Run | None) -> tuple[str, ...]:
    """Say what differs from the last recorded run; reading the source may cross a network."""
    if last is None:
        return ("no run is recorded yet",)
    return versioning.changes_since(root, load_params(root), last)


@task(name="record run", **_STAGE)
def record_run(root: Path, inner: Path, reasons: Sequence[str], facts: Mapping[str, str]) -> versioning.Run:
    """Record what ran as a commit under a ref of its own, and say so in MLflow."""
    from tasks import tracking

    why = "; ".join(reasons)
    run = versioning.record_run(root, inner, f"Run because {why}"[:72], {**facts, "Why": why})
    tracking.tag_run(
        root, facts["MLflow-run"], {"espalier.run_ref": run.ref, "espalier.run_commit": run.commit}
    )
    return run


@task(name="lineage", timeout_seconds=900, **_NETWORK)
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
    """Give the workspace as the challenger was made from it: as it is, or as a scheduled run recorded it."""
    root, label = desk.root, f"{desk.name}/{pending.version}"
    run = None
    if not desk.made_from(pending.version, versioning.lock_hashes(root)):
        run = versioning.run_that_made(root, label)
    if run is None:
        yield root
        return
    _log.info("version %s was made by %s: judged in a worktree of its own", pending.version, run.ref)
    with versioning.worktree(root, run.commit, place="judged") as inner:
        versioning.checkout(inner)
        yield inner


@task(name="collect evidence", timeout_seconds=900, **_NETWORK)
def collect_evidence(
    desk: Desk, pending: Pending, where: Path, lock: dict[str, str], absent: int
) -> Evidence:
    """Ask challenger and champion about the same test rows, in clean processes."""
    return desk.evidence(pending, where, lock, absent)


@task(name="decide", **_STAGE)
def decide(desk: Desk, pending: Pending, evidence: Evidence) -> Decision:
    """Decide by the policy, and leave every reason in the Prefect UI."""
    decision = desk.decide(pending, evidence)
    rows = [check.to_dict() for check in decision.checks]
    create_table_artifact(rows, key="gate", description=f"{decision.verdict}: {decision.why}")
    _log.info("%s: %s", decision.verdict, decision.why)
    return decision


class ApprovalInput(RunInput):
    """What a person fills in in the Prefect UI."""

    approve: bool = Field(description="Make the challenger the champion.")
    name: str = Field(min_length=1, description="Who decides.")
    reason: str = Field(min_length=1, description="Why; it stands in the ledger.")


def ask_person(decision: Decision, policy: PromoteConfig) -> Approval | None:
    """Pause the flow until somebody answers in the Prefect UI; None when nobody does in time."""
    asked = ApprovalInput.with_initial_data(description=f"{decision.verdict}: {decision.why}")
    _log.info("waiting up to %d s for a person to answer in the Prefect UI", policy.approval_seconds)
    try:
        said = pause_flow_run(wait_for_input=asked, timeout=policy.approval_seconds)
    except FlowPauseTimeout:
        return None
    return Approval(said.approve, said.name, said.reason)


@task(name="act", timeout_seconds=900, **_NETWORK)
def act(
    desk: Desk, pending: Pending, decision: Decision, approval: Approval | None, *, wanted: bool
) -> Entry:
    """Move the aliases, or leave them; either is a line of the ledger."""
    return desk.act(pending, decision, approval, wanted=wanted)


@task(name="roll back", timeout_seconds=900, **_NETWORK)
def roll_back(desk: Desk, version: str | None, why: str) -> Entry:
    """Make an earlier version the champion again."""
    with desk.pending("rollback", version, why, flow_run.id) as pending:
        return desk.rollback(pending)


@task(name="show", **_STAGE)
def show(root: Path, recorded: Recorded, registered: Registered | None) -> None:
    """Leave the result and the way to everything else in the Prefect UI."""
    from tasks.tracking.links import how_to_open

    heading, *rows = result_rows(root)
    table = [dict(zip(["value", *heading[1:]], row, strict=True)) for row in rows]
    create_table_artifact(table, key="result", description="Factors in brackets are against the reference")
    opens = how_to_open(root) or None
    create_link_artifact(recorded.url, link_text="MLflow run", key="mlflow-run", description=opens)
    create_link_artifact(_report_page(root, recorded), link_text="Report", key="report")
    if registered:
        create_link_artifact(
            registered.url, link_text="Registered version", key="registered-version", description=opens
        )


def _report_page(root: Path, recorded: Recorded) -> str:
    """Return where the report is found: in MLflow when the workspace goes with its worktree."""
    from tasks.tracking.links import artifact_page, server

    if not Layout(root).state.is_symlink():
        return Layout(root).html.as_uri()
    return artifact_page(server(root), recorded.experiment_id, recorded.run_id, Layout(root).html.name)


def scoring_request(root: Path, **asked: Any) -> Request:
    """Return what is to be scored; what is wrong with it is told before anything begins."""
    from tasks.scoring.request import Request

    return Request(state=Layout(root).state / "scoring", **asked)


@task(name="fetch version", timeout_seconds=900, **_NETWORK)
def fetch_version(root: Path, wanted: str) -> Fetched:
    """Bring the files of a registered version here."""
    from tasks.tracking.fetch import fetch_version

    return fetch_version(root, load_params(root).registry.name, wanted)


@task(name="score", **_STAGE)
def score(request: Request, version: Fetched, shadow: Fetched | None = None) -> Scored:
    """Answer the rows of a batch, chunk by chunk."""
    from tasks.scoring.batch import score_batch
    from tasks.scoring.served import Served

    def served(version: Fetched) -> Served:
        return Served(version.name, version.version, version.folder)

    return score_batch(request, served(version), _log.info, served(shadow) if shadow else None)


@task(name="record shadows", timeout_seconds=900, **_NETWORK)
def record_shadows(root: Path) -> int:
    """Record in MLflow what versions in the shadow answered, as long as it is not there."""
    from tasks.tracking.shadow import record_shadows

    return record_shadows(root)


@task(name="show scored", **_STAGE)
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


@task(name="examine", timeout_seconds=3600, **_NETWORK)
def examine(root: Path, source: str, query: str | None, folder: Path, version: Fetched) -> Watched:
    """Hold a batch against the rows that a registered version was made from."""
    from tasks.monitoring import Version, examine

    stored = Version(version.name, version.version, version.folder)
    watched = examine(root, source, query, folder, stored)
    _log.info("examine    %s rows, %d tests", f"{watched.drift.rows:,}", len(watched.drift.findings))
    return watched


@task(name="record drift", timeout_seconds=900, **_NETWORK)
def record_drift(root: Path, watched: Watched) -> str:
    """Record a comparison in MLflow's experiment `monitoring`."""
    from tasks.tracking.monitoring import record_drift

    return record_drift(root, watched, flow_run_id=flow_run.id)


@task(name="show drift", **_STAGE)
def show_drift(watched: Watched, page: str) -> None:
    """Leave what was found, and the way to the report, in the Prefect UI."""
    from tasks.drift.words import findings_table, verdict

    said = verdict(watched.drift, watched.policy)
    create_table_artifact(findings_table(watched.drift), key="drift", description=said)
    create_link_artifact(page, link_text="MLflow run", key="mlflow-monitoring")
    create_link_artifact(watched.page.as_uri(), link_text="Report", key="drift-report")


@task(name="raise drift", **_STAGE)
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
    _emit("espalier.drift", watched.model, payload)
    return True
