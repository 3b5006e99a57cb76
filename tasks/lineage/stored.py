"""Whether a registered version is the file that its result says it is."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tasks import versioning
from tasks.errors import EspalierError
from tasks.tracking.fetch import download

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

__all__ = ["EXPORT", "MODEL", "hashes", "md5", "recorded_files", "registered_files"]

EXPORT, MODEL = "models/export", "compressed/model.onnx"
_ENCODING = "tasks/data/encoding.py"


def registered_files(client: MlflowClient, version: ModelVersion) -> dict[str, str]:
    """Return the MD5 of a registered version's artifacts, by path.

    Raises
    ------
    EspalierError
        When MLflow has the version and not its files.
    """
    from mlflow.exceptions import MlflowException

    name, number = version.name, str(version.version)
    with tempfile.TemporaryDirectory() as folder:
        try:
            artifacts = download(client.tracking_uri, name, number, Path(folder, "model")) / "artifacts"
        except (MlflowException, OSError) as error:
            said = str(error).splitlines()[0]
            raise EspalierError(f"{name} version {number}: its files cannot be read ({said})") from error
        return hashes(artifacts)


def hashes(folder: Path) -> dict[str, str]:
    """Return the MD5 of every file of a folder, by path in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): md5(path) for path in files}


def recorded_files(root: Path, stages: Mapping[str, versioning.Stage]) -> dict[str, str]:
    """Return the MD5 that each of a version's artifacts has to have, as DVC recorded it; none where lost."""
    exported = next((stage.outs[EXPORT] for stage in stages.values() if EXPORT in stage.outs), "")
    inside = MODEL.partition("/")[0] + "/"
    found = versioning.listed(root, exported) if exported else {}
    files = {name.removeprefix(inside): value for name, value in found.items() if name.startswith(inside)}
    code = versioning.given(stages).items()
    return files | {Path(path).name: value for path, value in code if path.endswith(_ENCODING)}


def md5(path: Path) -> str:
    """Return a file's MD5: DVC's hash of it."""
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
