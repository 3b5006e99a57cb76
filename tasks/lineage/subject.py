"""What is asked about, a version or a run, and what MLflow keeps of the result it belongs to."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import EspalierError
from tasks.tracking.compare import named_runs
from tasks.tracking.fetch import VERSION_NAME, find_named, held_aliases
from tasks.tracking.files import run_files

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

__all__ = ["FILES", "Subject", "find", "run_or_none"]

FILES = (
    "params.yaml",
    "dvc.lock",
    "reports/clean.json",
    "reports/evaluate.json",
    "reports/measure.json",
)
_SHORTENED = 8
"""Characters of a run's id that name it."""
_ALIASES = ("champion", "challenger", "previous")


@dataclass(frozen=True)
class Subject:
    """A result, as MLflow has it.

    Attributes
    ----------
    name : str
        Registered model.
    version : ModelVersion or None
        None where the result was not registered.
    aliases : tuple of str
    own, result : Run or None
        Run of the compressed model, and of the whole result; None where MLflow has it no more.
    files : mapping
        Text of those of `FILES` that the result's run keeps.
    """

    name: str
    version: ModelVersion | None
    aliases: tuple[str, ...]
    own: Run | None
    result: Run | None
    files: Mapping[str, str]

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags of the result's run."""
        found: Mapping[str, str] = self.result.data.tags if self.result else {}
        return found

    @property
    def title(self) -> str:
        """How it is called."""
        if self.version is not None:
            return f"{self.name} version {self.version.version}"
        return f"run {self.result.info.run_name}" if self.result else self.name


def find(client: MlflowClient, name: str, asked: str) -> Subject:
    """Return what is asked about.

    Parameters
    ----------
    client : MlflowClient
    name : str
        Registered model of the workspace.
    asked : str
        A version's number or alias, NAME/VERSION, NAME@ALIAS, or a run: its name, its id, or eight characters
        of that.

    Raises
    ------
    EspalierError
        When there is no such version and no such run, or several.
    """
    whole = VERSION_NAME.fullmatch(asked)
    number = asked.isdigit() and len(asked) < _SHORTENED  # eight digits can begin a run's id
    if whole or number or asked in {*_ALIASES, *_held(client, name)}:
        return _of_version(client, find_named(client, name, asked))
    return _of_run(client, name, asked)


def _held(client: MlflowClient, name: str) -> Mapping[str, str]:
    try:
        return held_aliases(client, name)
    except EspalierError:  # nothing is registered; it may be a run yet
        return {}


def run_or_none(client: MlflowClient, run: str) -> Run | None:
    """Return a run, deleted or not; None where MLflow has it no more."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        return None


def _of_version(client: MlflowClient, version: ModelVersion) -> Subject:
    own = run_or_none(client, str(version.run_id))
    parent = own.data.tags.get("mlflow.parentRunId") if own else None
    result = run_or_none(client, parent) if parent else own
    held = held_aliases(client, version.name)
    names = tuple(sorted(alias for alias, number in held.items() if number == str(version.version)))
    return Subject(version.name, version, names, own, result, _kept(client, result))


def _of_run(client: MlflowClient, name: str, asked: str) -> Subject:
    experiment = client.get_experiment_by_name(name)
    found = named_runs(client, [experiment.experiment_id] if experiment else [], asked)
    by_id = run_or_none(client, asked) if not found else None
    runs = found or ([by_id] if by_id else [])
    if not runs:
        raise EspalierError(
            f"{asked}: no version and no run of {name}; give an alias, a version's number, or a run's id"
        )
    if len(runs) > 1:
        ids = ", ".join(run.info.run_id for run in runs[:5])
        raise EspalierError(f"{asked}: {len(runs)} runs are called so; give a run id: {ids}")
    return _of_result(client, name, runs[0])


def _of_result(client: MlflowClient, name: str, run: Run) -> Subject:
    parent = run.data.tags.get("mlflow.parentRunId")
    result = run_or_none(client, parent) if parent else run
    if result is None or result.data.tags.get("espalier.model") != "result":
        raise EspalierError(
            f"run {run.info.run_id} is no result of `espalier run`; `espalier history` lists promotions"
        )
    where = f"tags.`mlflow.parentRunId` = '{result.info.run_id}' and tags.`espalier.model` = 'compressed'"
    own = next(iter(client.search_runs([result.info.experiment_id], where)), None)
    if own is not None:
        versions = client.search_model_versions(f"name = '{name}' and run_id = '{own.info.run_id}'")
        if versions:
            return _of_version(client, versions[0])
    return Subject(name, None, (), own, result, _kept(client, result))


def _kept(client: MlflowClient, run: Run | None) -> dict[str, str]:
    if run is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        place = run_files(client, run.info.run_id, FILES, Path(folder))
        return {name: (place / name).read_text("utf-8") for name in FILES if (place / name).exists()}
