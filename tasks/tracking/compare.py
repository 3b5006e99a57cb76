"""Two runs or registered versions side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import EspalierError
from tasks.tracking import links
from tasks.tracking.store import open_client, reported

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

__all__ = ["Comparison", "Row", "compare", "named_runs"]

SECTIONS = ("test/", "difference/", "size/", "speed/", "cost/")
NEWEST = 500
SHORT_ID = 8


@dataclass(frozen=True)
class Row:
    """A metric, or a parameter that differs; None where a side has none."""

    name: str
    left: float | str | None
    right: float | str | None


@dataclass(frozen=True)
class Comparison:
    """Names of both sides, their rows (metrics first, headline on top), and MLflow's compare page.

    `opens` says what makes that page open, where no server is there.
    """

    left: str
    right: str
    rows: tuple[Row, ...]
    url: str
    opens: str = ""


def compare(root: Path, a: str, b: str) -> Comparison:
    """Compare two results by run id (eight characters do), run name, NAME/VERSION or NAME@ALIAS.

    A result stands for its compressed model.

    Raises
    ------
    EspalierError
        When MLflow does not answer, or a name fits no run or several.
    """
    from tasks.config import load_params

    with reported(root):
        client = open_client(root)
        experiment = client.get_experiment_by_name(load_params(root).registry.name)
        scope = [] if experiment is None else [experiment.experiment_id]
        runs = [_candidate(client, _resolve(client, scope, name)) for name in (a, b)]
    url = links.compare_page(
        links.server(root),
        list(dict.fromkeys(run.info.experiment_id for run in runs)),
        list(dict.fromkeys(run.info.run_id for run in runs)),
    )
    return Comparison(a, b, (*_metrics(*runs), *_parameters(*runs)), url, links.how_to_open(root))


def _metrics(a: Run, b: Run) -> list[Row]:
    left, right = a.data.metrics, b.data.metrics
    names = [name for name in dict.fromkeys((*left, *right)) if name.startswith(SECTIONS)]
    ranked = sorted(
        names, key=lambda name: next(i for i, part in enumerate(SECTIONS) if name.startswith(part))
    )
    return [Row(name, left.get(name), right.get(name)) for name in ranked]


def _parameters(a: Run, b: Run) -> list[Row]:
    left, right = a.data.params, b.data.params
    rows = [Row(name, left.get(name), right.get(name)) for name in sorted({*left, *right})]
    return [row for row in rows if row.left != row.right]


def _resolve(client: MlflowClient, scope: list[str], name: str) -> Run:
    found = named_runs(client, scope, name)
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(run.info.run_id for run in found[:5])
        raise EspalierError(f"{name}: {len(found)} runs are called so; give a run id: {ids}")
    version = _version(client, name)
    if version is None or not version.run_id:
        raise EspalierError(
            f"{name}: no run or registered version of that name; `espalier compare` takes a run id, "
            "a run name, NAME/VERSION or NAME@ALIAS"
        )
    return client.get_run(version.run_id)


def named_runs(client: MlflowClient, scope: list[str], name: str) -> list[Run]:
    """Return the runs whose id or name is `name`, else those whose id starts so."""
    runs = client.search_runs(scope, max_results=NEWEST) if scope else []
    exact = [run for run in runs if name in (run.info.run_id, run.info.run_name)]
    return exact or [run for run in runs if len(name) >= SHORT_ID and run.info.run_id.startswith(name)]


def _version(client: MlflowClient, name: str) -> ModelVersion | None:
    from mlflow.exceptions import MlflowException

    model, alias_mark, alias = name.rpartition("@")
    if not alias_mark:
        model, _, alias = name.rpartition("/")
    if not model:
        return None
    try:
        if alias.isdigit():
            return client.get_model_version(model, alias)
        return client.get_model_version_by_alias(model, alias)
    except MlflowException as error:
        raise EspalierError(f"{name}: no such registered version ({error.message})") from error


def _candidate(client: MlflowClient, run: Run) -> Run:
    """Return the compressed model's run of a result; any other run as it is."""
    if run.data.tags.get("espalier.model") != "result":
        return run
    where = f"tags.`mlflow.parentRunId` = '{run.info.run_id}' and tags.`espalier.model` = 'compressed'"
    return next(iter(client.search_runs([run.info.experiment_id], where)), run)
