"""Files that a run or a stored model keeps, brought here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.tracking.store import environment, quiet

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["model_file", "run_files"]


def run_files(client: MlflowClient, run: str, names: Iterable[str], folder: Path) -> Path:
    """Copy files of a run into `folder`, as far as it has them; return the folder.

    Parameters
    ----------
    client : MlflowClient
    run : str
    names : iterable of str
        Paths in the run.
    folder : Path
    """
    with environment(MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false"), quiet("mlflow"):
        for name in names:
            parent = name.rpartition("/")[0]
            if name in {file.path for file in client.list_artifacts(run, parent or None)}:
                place = folder / parent  # MLflow leaves a file's folders away
                place.mkdir(parents=True, exist_ok=True)
                client.download_artifacts(run, name, str(place))
    return folder


def model_file(client: MlflowClient, model: str, name: str, folder: Path) -> Path:
    """Copy a file of a stored model (its id, ``m-...``) into `folder`, and return where it is."""
    from mlflow.artifacts import download_artifacts

    place, uri = client.get_logged_model(model).artifact_location, client.tracking_uri
    with environment(MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false"), quiet("mlflow"):
        got = download_artifacts(f"{place}/{name}", dst_path=str(folder), tracking_uri=uri, registry_uri=uri)
    return Path(got)
