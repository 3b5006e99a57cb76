"""Registered versions: their aliases, and what they were made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.registry import CHALLENGER, CHAMPION
from tasks.tracking.fetch import held_aliases

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "PREVIOUS",
    "Aliases",
    "Origin",
    "aliases",
    "origin",
]

PREVIOUS = "previous"
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
    held = held_aliases(client, name)
    return Aliases(held.get(CHAMPION), held.get(PREVIOUS), held.get(CHALLENGER))


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
