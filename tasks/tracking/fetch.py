"""The files of a registered version, by number or by alias; kept, for a version never changes."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.artifacts import Layout
from tasks.errors import EspalierError, NothingToDoError, closest
from tasks.tracking.store import environment, open_client, quiet, reported, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

__all__ = [
    "VERSION_NAME",
    "Fetched",
    "download",
    "fetch_version",
    "find_named",
    "find_version",
    "held_aliases",
    "known_version",
]


VERSION_NAME = re.compile(r"(?P<name>.+?)(?:/(?P<number>\d+)|@(?P<alias>[\w-]+))")
"""NAME/NUMBER or NAME@ALIAS."""


@dataclass(frozen=True)
class Fetched:
    """A version, the alias it was asked for by ('' when by number), and the folder its files are in."""

    name: str
    version: str
    alias: str
    folder: Path


def fetch_version(root: Path, name: str, wanted: str) -> Fetched:
    """Return a version of the registered model `name`, its files on this disk.

    Parameters
    ----------
    root : Path
        Workspace.
    name : str
    wanted : str
        A version's number, or an alias: champion, challenger, previous.

    Raises
    ------
    EspalierError
        When there is no such version, naming those that are; or when MLflow cannot be reached.
    """
    with reported(root):
        client = open_client(root)
        found = find_version(client, name, wanted)
        folder = _kept(root, found)
        if not folder.exists():
            _download(root, found, folder)
    return Fetched(name, str(found.version), "" if wanted.isdigit() else wanted, folder)


def held_aliases(client: MlflowClient, name: str) -> dict[str, str]:
    """Return the version's number behind each alias.

    Raises
    ------
    EspalierError
        When nothing is registered under this name.
    """
    from mlflow.exceptions import MlflowException

    try:
        return {alias: str(number) for alias, number in client.get_registered_model(name).aliases.items()}
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise NothingToDoError(
            f"registry.name: no model {name!r} is registered; `espalier run` registers one"
        ) from error


def find_named(client: MlflowClient, name: str, wanted: str) -> ModelVersion:
    """Return a version as `find_version` does; NAME/NUMBER and NAME@ALIAS may name another model's."""
    whole = VERSION_NAME.fullmatch(wanted)
    if whole is None:
        return find_version(client, name, wanted)
    return find_version(client, whole["name"], whole["number"] or whole["alias"])


def find_version(client: MlflowClient, name: str, wanted: str) -> ModelVersion:
    """Return a version by its number or an alias.

    Raises
    ------
    EspalierError
        When there is no such version, naming those that are.
    """
    held = held_aliases(client, name)
    if not wanted.isdigit() and wanted not in held:
        refused = NothingToDoError if wanted == "champion" else EspalierError
        raise refused(_no_alias(name, wanted, held))
    return known_version(client, name, wanted if wanted.isdigit() else held[wanted])


def known_version(client: MlflowClient, name: str, number: str) -> ModelVersion:
    """Return a version by its number.

    Raises
    ------
    EspalierError
        When it is not there, naming those that are.
    """
    versions = {str(found.version): found for found in client.search_model_versions(f"name = '{name}'")}
    if number not in versions:
        shown = ", ".join(sorted(versions, key=int)) or "none"
        raise EspalierError(f"{name}: no version {number}; there are: {shown}")
    return versions[number]


def _no_alias(name: str, wanted: str, held: dict[str, str]) -> str:
    if wanted == "champion":
        instead = "; until then there is the challenger" if "challenger" in held else ""
        return f"{name} has no champion yet: `espalier promote` makes one{instead}"
    close = closest(wanted, held)
    shown = ", ".join(f"{alias} ({number})" for alias, number in sorted(held.items())) or "none"
    return f"{name}: no alias {wanted!r}; " + (f"did you mean {close}?" if close else f"there are: {shown}")


def _kept(root: Path, version: ModelVersion) -> Path:
    """Return where a version's files are kept: numbers are given out anew where a registry begins anew."""
    made = hashlib.sha256(f"{version.source}\n{version.run_id}\n{version.creation_timestamp}".encode())
    return Layout(root).state / "versions" / version.name / f"{version.version}-{made.hexdigest()[:12]}"


def _download(root: Path, version: ModelVersion, folder: Path) -> None:
    """Copy a version's files beside their place, then put them there whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{version.version}-"))
    try:
        download(tracking_uri(root), version.name, str(version.version), temporary).replace(folder)
    except OSError:
        if not folder.exists():  # else another process was faster
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def download(uri: str, name: str, version: str, folder: Path) -> Path:
    """Copy a version's files into `folder`, made where it is missing; return where they are.

    Parameters
    ----------
    uri : str
        Tracking server or database.
    name, version : str
    folder : Path
    """
    from mlflow.artifacts import download_artifacts

    folder.mkdir(parents=True, exist_ok=True)
    with (
        environment(MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false", MLFLOW_TRACKING_URI=uri),
        quiet("mlflow"),
    ):
        got = download_artifacts(
            f"models:/{name}/{version}", dst_path=str(folder), tracking_uri=uri, registry_uri=uri
        )
    return Path(got)
