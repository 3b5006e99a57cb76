"""One MLflow run for each distinct study, with a nested run for each candidate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.tracking import links
from tasks.tracking.store import experiment_id, many_writes, open_client, recording
from tasks.tracking.study.facts import Study
from tasks.tracking.study.views import front_view, table_view
from tasks.tracking.study.writer import Writer

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

__all__ = ["RecordedStudy", "record_study"]

FINISHED = "espalier.finished"
MOST = 10_000
COMPARED = 20  # runs in an address: browsers and people both have limits


@dataclass(frozen=True)
class RecordedStudy:
    """A study as it stands in MLflow.

    Attributes
    ----------
    run_id : str
        The study's run.
    url : str
        Page of that run.
    existing : bool
        True where the same study had been recorded before.
    runs : dict
        Run of each candidate by its id.
    experiment_id : str
    views : dict
        Pages `table` and `front` (the saved views), `compare` (the front's candidates side by side) and
        `report` (the report in MLflow's viewer).
    """

    run_id: str
    url: str
    existing: bool
    runs: Mapping[str, str]
    experiment_id: str
    views: Mapping[str, str]


def record_study(
    root: Path, study: Study, *, flow_run_id: str | None, lock: Mapping[str, str]
) -> RecordedStudy:
    """Record a study, unless it is recorded already.

    Parameters
    ----------
    root
        The workspace.
    study
        What to record.
    flow_run_id
        Prefect's id of the run, None outside a flow.
    lock
        DVC's hash of each stage output, by path.

    Raises
    ------
    EspalierError
        When MLflow cannot be reached or written. What was recorded so far is replaced by the next call.
    """
    with recording(root):
        client = open_client(root)
        experiment = experiment_id(client, root, study.params.registry.name)
        known = _finished(client, experiment, study)
        if known is not None:
            return _recorded(root, known, _children(client, known), study, existing=True)
        with many_writes(root) as at_once:
            written, runs = Writer(client, root, experiment, study, lock, at_once).write(flow_run_id)
        client.set_tag(written, FINISHED, "true")
        return _recorded(root, client.get_run(written), runs, study, existing=False)


def _finished(client: MlflowClient, experiment: str, study: Study) -> Run | None:
    """Return the finished run of a study; what a killed recording left of it is deleted."""
    found = client.search_runs([experiment], f"tags.`espalier.identity` = '{study.identity}'")
    finished = [run for run in found if run.data.tags.get(FINISHED) == "true"]
    wanted = {row.id for row in study.standing.rows}
    whole = next((run for run in finished if set(_children(client, run)) == wanted), None)
    for run in found:
        if run is not whole:
            for part in [*_children(client, run).values(), run.info.run_id]:
                client.delete_run(part)
    return whole


def _children(client: MlflowClient, run: Run) -> dict[str, str]:
    where = f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
    nested = client.search_runs([run.info.experiment_id], where, max_results=MOST)
    return {child.data.tags.get("espalier.candidate", ""): child.info.run_id for child in nested}


def _recorded(
    root: Path, run: Run, runs: Mapping[str, str], study: Study, *, existing: bool
) -> RecordedStudy:
    base = links.server(root)
    experiment, run_id = run.info.experiment_id, run.info.run_id
    front = [runs[row.id] for row in study.standing.rows if row.on_front]
    report = next((path.name for path in study.files if path.suffix == ".html"), None)
    views = {
        "table": links.runs_page(base, experiment, table_view(study)),
        "front": links.runs_page(base, experiment, front_view(study), chart=True),
        **({"compare": links.compare_page(base, [experiment], front[:COMPARED])} if len(front) > 1 else {}),
        **({"report": links.artifact_page(base, experiment, run_id, report)} if report else {}),
    }
    return RecordedStudy(run_id, links.run_page(base, experiment, run_id), existing, runs, experiment, views)
