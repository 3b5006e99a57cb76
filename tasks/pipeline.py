"""The Prefect tasks that make a model, one thin call each: the stages, a study, and what records them.

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
from prefect.runtime import flow_run

from tasks import versioning
from tasks.artifacts import Layout
from tasks.config import Params, load_params
from tasks.errors import masked
from tasks.orchestration import NETWORK, STAGE, emit
from tasks.outcome import StageOutcome
from tasks.result import clean_report, result_rows

if TYPE_CHECKING:
    from tasks.away import Made
    from tasks.recorder import Recorder
    from tasks.registry import Registered
    from tasks.study.summary import Summary
    from tasks.tracking import Recorded, RecordedStudy

__all__ = [
    "STAGES",
    "alone",
    "announce",
    "announce_data",
    "candidate",
    "candidate_away",
    "clean",
    "evaluate",
    "fetch",
    "last_run",
    "measure",
    "prune",
    "push",
    "record",
    "record_run",
    "record_study",
    "recorder",
    "reduce",
    "reference",
    "register",
    "show",
    "show_study",
    "summarise",
    "time_candidates",
    "train",
    "version_study",
    "what_changed",
]

STAGES = ("fetch", "clean", "reference", "reduce", "train", "prune", "evaluate", "measure")

_log = logging.getLogger("espalier.stage")


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


@task(name="fetch", timeout_seconds=3600, **NETWORK)
def fetch(root: Path) -> StageOutcome:
    """Read the labelled rows; an unchanged source is a skip."""
    before = _rows(root)
    versioning.refresh_source(root, load_params(root))
    outcome = _run(root, "fetch", "fetch")
    if before and _rows(root) != before and not versioning.is_worktree(root):
        announce_data(root)
    return outcome


def _rows(root: Path) -> str | None:
    """Return the hash of the raw rows; None where none were read yet."""
    return versioning.lock_hashes(root).get(Layout(root).raw.relative_to(root).as_posix())


def announce_data(root: Path) -> None:
    """Tell Prefect that new data came as a new version."""
    params = load_params(root)
    emit("espalier.data", params.registry.name, {"source": masked(params.source.uri)})


@task(name="clean", **STAGE)
def clean(root: Path) -> StageOutcome:
    """Split, then learn the cleaning from the training rows."""
    outcome = _run(root, "clean", "clean")
    create_markdown_artifact(clean_report(root), key="clean-report", description="What cleaning decided")
    return outcome


@task(name="reference", **STAGE)
def reference(root: Path) -> StageOutcome:
    """Train the dense network on unreduced data."""
    return _run(root, "reference", "train", "reference")


@task(name="reduce", **STAGE)
def reduce(root: Path) -> StageOutcome:
    """Keep fewer columns and rows."""
    return _run(root, "reduce", "reduce")


@task(name="train", **STAGE)
def train(root: Path) -> StageOutcome:
    """Train the network on reduced data."""
    return _run(root, "train", "train", "train")


@task(name="prune", **STAGE)
def prune(root: Path) -> StageOutcome:
    """Remove units or weights and recover."""
    return _run(root, "prune", "prune")


@task(name="evaluate", **STAGE)
def evaluate(root: Path) -> StageOutcome:
    """Export the models and judge them on the test rows."""
    return _run(root, "evaluate", "evaluate")


@task(name="measure", **STAGE)
def measure(root: Path) -> StageOutcome:
    """Time the models and write the report."""
    return _run(root, "measure", "measure")


@task(name="candidate", **STAGE)
def candidate(
    root: Path, overrides: dict[str, Any], seeds: list[int], labels: dict[str, str], stop: Path
) -> list[dict[str, Any]]:
    """Compute one candidate of a study, seed by seed; nothing begins any more once `stop` exists."""
    from tasks.study.trial import run_trials

    return run_trials(root, overrides, seeds, stop.exists, **labels)


@task(name="candidate", **STAGE)
def candidate_away(compute: Callable[[], Made]) -> Made:
    """Wait for a candidate of a study that a worker of a cluster computes, whose disk may be another."""
    return compute()


@task(name="time candidates", **STAGE)
def time_candidates(root: Path, trials: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Time what the candidates became: one after the other, with nothing beside them."""
    from tasks.study.latency import latencies

    return latencies(root, trials)


@task(name="compare", **STAGE)
def summarise(root: Path, params: Params, trials: Sequence[dict[str, Any]], facts: dict[str, Any]) -> Summary:
    """Rank the candidates, judge what was gained, and write the study's report and tables."""
    from tasks.study.summary import write_study

    return write_study(root, trials, params, facts)


@task(name="version study", **STAGE)
def version_study(root: Path, summary: Summary) -> None:
    """Version the study's files with the hashes of what they were computed from."""
    outs = [path.relative_to(root / "reports").as_posix() for path in summary.files]
    versioning.track(root, "study", outs, summary.computed_from)


@task(name="record study", timeout_seconds=900, **NETWORK)
def record_study(recorder: Recorder, summary: Summary) -> RecordedStudy:
    """Record the study in MLflow, a run for each candidate."""
    from tasks.tracking import Study

    study = Study(summary.params, summary.standing, summary.verdicts, summary.figures, summary.files)
    lock = versioning.lock_hashes(recorder.root)
    return recorder.record_study(study, flow_run_id=flow_run.id, lock=lock)


@task(name="show study", **STAGE)
def show_study(summary: Summary, recorded: RecordedStudy) -> None:
    """Leave the front and the way to everything else in the Prefect UI."""
    front = [
        {"candidate": row.name, "id": row.id, "rank": row.rank, "bytes": row.bytes} for row in summary.front
    ]
    create_table_artifact(front, key="front", description="No other candidate is better in every objective")
    create_markdown_artifact("\n".join(f"- {text}" for text in summary.verdicts), key="verdicts")
    for name, page in recorded.views.items():
        create_link_artifact(page, link_text=f"MLflow: {name}", key=f"mlflow-{name}")
    create_link_artifact(summary.files[0].as_uri(), link_text="Report", key="study-report")


@task(name="push", timeout_seconds=3600, **NETWORK)
def push(root: Path) -> int:
    """Copy the versioned files to the DVC remote and check that they arrived."""
    return versioning.push(root)


@task(name="record", timeout_seconds=900, **NETWORK)
def record(recorder: Recorder, outcomes: Sequence[StageOutcome]) -> Recorded:
    """Record the result in MLflow, or find the run that already did."""
    params, lock = load_params(recorder.root), versioning.lock_hashes(recorder.root)
    return recorder.record(params, outcomes, flow_run_id=flow_run.id, lock=lock)


@task(name="register", timeout_seconds=900, **NETWORK)
def register(recorder: Recorder, recorded: Recorded) -> Registered | None:
    """Register the compressed model as the challenger."""
    params = load_params(recorder.root)
    if not params.registry.register_model:
        return None
    registered = recorder.register(params, recorded)
    if not registered.existing and not versioning.is_worktree(recorder.root):
        announce(registered.name, registered.version, recorded.run_id)
    return registered


def announce(model: str, version: str, run: str) -> None:
    """Tell Prefect of a new challenger, once the run that made it is recorded."""
    emit("espalier.challenger", model, {"version": version, "mlflow_run": run})


@task(name="last run", timeout_seconds=900, **NETWORK)
def last_run(root: Path) -> versioning.Run | None:
    """Return the workspace's last recorded run, on this machine or, where runs are shared, another."""
    versioning.fetch_others(root)
    return versioning.latest_run(root)


@task(name="what changed", timeout_seconds=3600, **NETWORK)
def what_changed(root: Path, last: versioning.Run | None) -> tuple[str, ...]:
    """Say what differs from the last recorded run; reading the source may cross a network."""
    if last is None:
        return ("no run is recorded yet",)
    return versioning.changes_since(root, load_params(root), last)


@task(name="record run", timeout_seconds=900, **NETWORK)
def record_run(root: Path, inner: Path, reasons: Sequence[str], facts: Mapping[str, str]) -> versioning.Run:
    """Record what ran as a commit under a ref of its own, and say so in MLflow."""
    from tasks import tracking

    why = "; ".join(reasons)
    run = versioning.record_run(root, inner, f"Run because {why}"[:72], {**facts, "Why": why})
    tracking.tag_run(
        root, facts["MLflow-run"], {"espalier.run_ref": run.ref, "espalier.run_commit": run.commit}
    )
    return run


@task(name="show", **STAGE)
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

    if not versioning.is_worktree(root):
        return Layout(root).html.as_uri()
    return artifact_page(server(root), recorded.experiment_id, recorded.run_id, Layout(root).html.name)
