"""Registered versions: their aliases, what they were made from, and their files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import EspalierError

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "PREVIOUS",
    "Aliases",
    "Origin",
    "aliases",
    "download",
    "origin",
    "required",
]

CHALLENGER, CHAMPION, PREVIOUS = "challenger", "champion", "previous"
LOCKED = "dvc."


@dataclass(frozen=True)
class Aliases:
    """Version behind each alias; None where nobody has it."""

    champion: str | None
    previous: str | None
    challenger: str | None


@dataclass(frozen=True)
class Origin:
    """What a version was made from.

    Attributes
    ----------
    run : str
        MLflow run of the result it belongs to.
    commit : str
        Of git; '' where none was recorded.
    dirty : bool
        Whether tracked files differed from that commit.
    hashes : mapping
        DVC's hash of data and models, by path.
    """

    run: str
    commit: str
    dirty: bool
    hashes: Mapping[str, str]


def aliases(client: MlflowClient, name: str) -> Aliases:
    """Return who stands where.

    Raises
    ------
    EspalierError
        When nothing is registered under this name.
    """
    from mlflow.exceptions import MlflowException

    try:
        held = {alias: str(number) for alias, number in client.get_registered_model(name).aliases.items()}
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise EspalierError(
            f"registry.name: no model {name!r} is registered; `espalier run` registers one"
        ) from error
    return Aliases(held.get(CHAMPION), held.get(PREVIOUS), held.get(CHALLENGER))


def required(client: MlflowClient, name: str, version: str) -> None:
    """Refuse a version that is not there.

    Raises
    ------
    EspalierError
        Naming the versions that are.
    """
    known = sorted((found.version for found in client.search_model_versions(f"name = '{name}'")), key=int)
    if version not in map(str, known):
        shown = ", ".join(map(str, known)) or "none"
        raise EspalierError(f"{name}: no version {version}; there are: {shown}")


def origin(client: MlflowClient, name: str, version: str) -> Origin:
    """Return what a version was made from, as its run in MLflow says."""
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(str(client.get_model_version(name, version).run_id))
        parent = run.data.tags.get("mlflow.parentRunId")
        run = client.get_run(parent) if parent else run
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return Origin("", "", dirty=False, hashes={})
    tags = run.data.tags
    hashes = {key.removeprefix(LOCKED): value for key, value in tags.items() if key.startswith(LOCKED)}
    commit = tags.get("mlflow.source.git.commit", "")
    return Origin(run.info.run_id, commit, tags.get("espalier.git_dirty") == "true", hashes)


def download(name: str, version: str, uri: str, folder: Path) -> Path:
    """Copy a version's files into `folder`.

    Parameters
    ----------
    uri
        Tracking server or database.
    """
    from mlflow.artifacts import download_artifacts

    from tasks.tracking.store import environment

    folder.mkdir(parents=True, exist_ok=True)
    with environment(MLFLOW_TRACKING_URI=uri, MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false"):
        return Path(download_artifacts(f"models:/{name}/{version}", dst_path=str(folder), registry_uri=uri))
