"""What versions in the shadow answered, in MLflow: a run for each batch, and how many rows a version has."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.files import read_json, write_json
from tasks.layout import Layout
from tasks.tracking.store import experiment_id, open_client, recording

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

__all__ = ["EXPERIMENT", "record_shadows", "shadow_rows"]

EXPERIMENT = "shadow"
FACTS = ("batch", "model", "answering", "shadow", "input", "fingerprint")
MOST = 1000


def record_shadows(root: Path) -> int:
    """Record the batches of this workspace that are not in MLflow yet; return how many those were.

    A batch whose process was killed after it was scored is recorded by the next. Requests that are served
    are a batch that grows: its run is brought up to date.

    Raises
    ------
    EspalierError
        When MLflow cannot be reached or written.
    """
    notes = sorted((Layout(root).state / "shadow").glob("*.json"))
    due = [(path, note) for path in notes if not (note := read_json(path)).get("recorded")]
    if not due:
        return 0
    with recording(root):
        client = open_client(root)
        experiment = experiment_id(client, root, EXPERIMENT)
        for path, note in due:
            run = _known(client, experiment, note)
            if run is None:
                _record(client, experiment, note, note.get("log", path.with_suffix(".parquet").name))
            elif run.data.metrics["rows"] < note["rows"]:
                _log(client, run.info.run_id, note)
            write_json(path, {**note, "recorded": True})
    return len(due)


def shadow_rows(client: MlflowClient, name: str, version: str, answering: str | None = None) -> int:
    """Return how many rows a version scored in the shadow, each batch counted once.

    Parameters
    ----------
    name, version : str
        The registered model and its version in the shadow.
    answering : str, optional
        The version that answered beside it; by default any.
    """
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return 0
    wanted = f"tags.`espalier.model` = '{name}' and tags.`espalier.shadow` = '{version}'"
    if answering is not None:
        wanted += f" and tags.`espalier.answering` = '{answering}'"
    rows: dict[str, int] = {}
    token = None
    while True:
        found = client.search_runs([experiment.experiment_id], wanted, max_results=MOST, page_token=token)
        for run in found:
            batch = run.data.tags["espalier.batch"]
            rows[batch] = max(rows.get(batch, 0), int(run.data.metrics["rows"]))
        token = found.token
        if not token:
            return sum(rows.values())


def _known(client: MlflowClient, experiment: str, note: Mapping[str, Any]) -> Run | None:
    names = ("batch", "model", "answering", "shadow")
    wanted = " and ".join(f"tags.`espalier.{name}` = '{note[name]}'" for name in names)
    runs = client.search_runs([experiment], f"{wanted} and attributes.status = 'FINISHED'", max_results=1)
    return next(iter(runs), None)


def _record(client: MlflowClient, experiment: str, note: Mapping[str, Any], log: str) -> None:
    tags = {f"espalier.{name}": str(note[name]) for name in FACTS} | {"espalier.log": log}
    title = f"{note['model']}/{note['shadow']} beside {note['answering']}"
    run = client.create_run(experiment, tags=tags, run_name=title).info.run_id
    _log(client, run, note)
    client.set_terminated(run)


def _log(client: MlflowClient, run: str, note: Mapping[str, Any]) -> None:
    """Log the figures of a batch, at the number of its rows."""
    from mlflow.entities import Metric

    now = time.time_ns() // 1_000_000
    figures = {name: value for name, value in note.items() if isinstance(value, int | float)}
    metrics = [Metric(name, float(value), now, int(note["rows"])) for name, value in figures.items()]
    client.log_batch(run, metrics=metrics)
