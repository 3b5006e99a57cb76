"""One MLflow run for each distinct result, with a nested run for each model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.artifacts import Layout
from tasks.evaluation.reports import MODELS
from tasks.tracking import links
from tasks.tracking.amend import amend_origin
from tasks.tracking.facts import read_facts
from tasks.tracking.identity import identity
from tasks.tracking.store import experiment_id, open_client, recording
from tasks.tracking.views import CHARTS, TABLE
from tasks.tracking.writer import Writer

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from tasks.config import Params
    from tasks.outcome import StageOutcome

__all__ = ["Recorded", "record", "tag_run"]

FINISHED = "espalier.finished"
PAGE = 200


@dataclass(frozen=True)
class Recorded:
    """A result as it stands in MLflow.

    Attributes
    ----------
    run_id : str
        The result's run.
    url : str
        Page of that run.
    existing : bool
        True where the same result had been recorded before.
    amended : bool
        True where that was without a commit that can make it again, and now it has one.
    runs : dict
        Nested run of each model.
    model_id : str
        The LoggedModel of the compressed export.
    experiment_id : str
    views : dict
        Pages `table`, `charts` and `compare` (the result's three models side by side).
    """

    run_id: str
    url: str
    existing: bool
    runs: Mapping[str, str]
    model_id: str
    experiment_id: str
    views: Mapping[str, str]
    amended: bool = False


def record(
    root: Path,
    params: Params,
    outcomes: Sequence[StageOutcome],
    *,
    flow_run_id: str | None,
    lock: Mapping[str, str],
) -> Recorded:
    """Record the workspace's result from its reports, unless it is recorded already.

    One that was recorded without a commit, or with local changes, and is made again from a clean one, is said
    to be of that one from then on.

    Parameters
    ----------
    root
        The workspace.
    params
        Its parameters.
    outcomes
        What became of each stage.
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
        experiment = experiment_id(client, root, params.registry.name)
        mark = identity(params, lock)
        known = _finished(client, experiment, mark)
        if known is None:
            writer = Writer(client, root, experiment, read_facts(Layout(root), params), lock)
            written = writer.write(mark, outcomes, flow_run_id)
            client.set_tag(written, FINISHED, "true")
            return _recorded(client, root, client.get_run(written), existing=False)
        amended = amend_origin(client, root, known, _nested(client, known))
        return _recorded(client, root, known, existing=True, amended=amended)


def tag_run(root: Path, run_id: str, tags: Mapping[str, str]) -> None:
    """Add tags to a recorded run; those that it has stay, for the same result may be found again.

    Raises
    ------
    EspalierError
        When MLflow cannot be reached or written.
    """
    with recording(root):
        client = open_client(root)
        held = client.get_run(run_id).data.tags
        for name, value in tags.items():
            if name not in held:
                client.set_tag(run_id, name, value)


def _finished(client: MlflowClient, experiment: str, mark: str) -> Run | None:
    """Return the finished run of a result; what a killed recording left of it is deleted."""
    found = client.search_runs([experiment], f"tags.`espalier.identity` = '{mark}'", max_results=PAGE)
    for run in found:
        if run.data.tags.get(FINISHED) != "true":
            _delete(client, run)
    finished = [run for run in found if run.data.tags.get(FINISHED) == "true"]
    return next((run for run in finished if _is_whole(client, run)), None)


def _is_whole(client: MlflowClient, run: Run) -> bool:
    """Tell whether a recorded result still has all its models: users delete runs in MLflow."""
    models = {nested.data.tags.get("espalier.model") for nested in _nested(client, run)}
    return models >= set(MODELS) and _has_model(client, run.data.tags["espalier.model_id"])


def _has_model(client: MlflowClient, model_id: str) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        client.get_logged_model(model_id)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise
    return True


def _delete(client: MlflowClient, run: Run) -> None:
    for part in [*_nested(client, run), run]:
        where = f"source_run_id = '{part.info.run_id}'"
        for model in client.search_logged_models([part.info.experiment_id], where):
            client.delete_logged_model(model.model_id)
        client.delete_run(part.info.run_id)


def _nested(client: MlflowClient, run: Run) -> list[Run]:
    where = f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
    return list(client.search_runs([run.info.experiment_id], where, max_results=PAGE))


def _recorded(
    client: MlflowClient, root: Path, run: Run, *, existing: bool, amended: bool = False
) -> Recorded:
    runs = {nested.data.tags["espalier.model"]: nested.info.run_id for nested in _nested(client, run)}
    experiment, base = run.info.experiment_id, links.server(root)
    return Recorded(
        run_id=run.info.run_id,
        url=links.run_page(base, experiment, run.info.run_id),
        existing=existing,
        runs={name: runs[name] for name in MODELS},
        model_id=run.data.tags["espalier.model_id"],
        experiment_id=experiment,
        views={
            "table": links.runs_page(base, experiment, TABLE),
            "charts": links.runs_page(base, experiment, CHARTS, chart=True),
            "compare": links.compare_page(base, [experiment], [runs[name] for name in MODELS]),
        },
        amended=amended,
    )
