"""A registered version as a folder for somebody who has neither MLflow nor Espalier."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from tasks import versioning
from tasks.artifacts import write_text
from tasks.errors import EspalierError
from tasks.lineage.faults import file_faults
from tasks.lineage.stored import hashes, recorded_files
from tasks.lineage.subject import Subject, find
from tasks.tracking.card import CARD, read_card
from tasks.tracking.fetch import download
from tasks.tracking.model import input_example
from tasks.tracking.store import open_client, reported, tracking_uri

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

    from tasks.config import Params

__all__ = ["SUMS", "Bundle", "export_bundle"]

SUMS = "SHA256SUMS"
SCRIPT = "predict.py"
OWN_FILES = (SCRIPT, "folder.py")
OWN = Path(__file__).parents[1] / "export"
MODEL_FILES = ("model.onnx", "serving.json", "encoding.py")
EXAMPLE = "example.csv"
_SECONDS = 300


@dataclass(frozen=True)
class Bundle:
    """What was written: of which version, where, the files with their bytes, and what was not checked."""

    model: str
    version: str
    folder: Path
    files: dict[str, int]
    notes: tuple[str, ...] = ()


def export_bundle(root: Path, params: Params, asked: str, folder: Path, *, force: bool = False) -> Bundle:
    """Write a version, what it needs to answer, and its card into a folder.

    Parameters
    ----------
    root : Path
        Workspace.
    params : Params
        Its parameters, for the name of the registered model.
    asked : str
        A version, see `subject.find`.
    folder : Path
        New or empty.
    force : bool
        Replace the files of an earlier one there; others stay.

    Raises
    ------
    EspalierError
        When the folder holds something, there is no such version, its files are not those that were recorded,
        or what was written does not answer. Nothing stands in the folder then.
    """
    _require_place(folder, force=force)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as place:
        bundle = Path(place, "bundle")
        bundle.mkdir()
        with reported(root):
            version, notes = _fill(root, params, asked, bundle, Path(place))
        _sum(bundle)
        _try(bundle, Path(place, "answers.csv"))
        files = {path.name: path.stat().st_size for path in sorted(bundle.iterdir())}
        _put(bundle, folder)
    return Bundle(version.name, str(version.version), folder, files, notes)


def _require_place(folder: Path, *, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise EspalierError(f"--to {folder}: is a file; name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise EspalierError(
            f"--to {folder}: holds files already; name a new folder, or replace them with --force"
        )


def _fill(
    root: Path, params: Params, asked: str, bundle: Path, place: Path
) -> tuple[ModelVersion, tuple[str, ...]]:
    client = open_client(root)
    subject = find(client, params.registry.name, asked)
    version = subject.version
    if version is None:
        raise EspalierError(f"{subject.title} was not registered; name a version")
    stored = download(tracking_uri(root), version.name, str(version.version), place / "model")
    notes = _checked(root, subject, stored / "artifacts")
    for name in MODEL_FILES:
        shutil.copyfile(stored / "artifacts" / name, bundle / name)
    for name in OWN_FILES:
        shutil.copyfile(OWN / name, bundle / name)
    write_text(bundle / "requirements.txt", _requirements(stored / "requirements.txt"))
    write_text(bundle / CARD, read_card(client, version))
    _example(bundle)
    return version, notes


def _checked(root: Path, subject: Subject, artifacts: Path) -> tuple[str, ...]:
    """Refuse files that are not those that were recorded; say when nobody can tell."""
    recorded = recorded_files(root, versioning.stages_of(subject.files.get("dvc.lock", "")))
    found = hashes(artifacts)
    if lost := [name for name in MODEL_FILES if name not in found]:
        raise EspalierError(f"{subject.title} has no {lost[0]}; it was not registered by Espalier")
    if faults := list(file_faults(found, recorded)):
        raise EspalierError(f"{subject.title} is not handed over: {faults[0]}")
    unknown = [name for name in MODEL_FILES if name not in recorded]
    return (f"not held against what DVC recorded, for that is lost: {', '.join(unknown)}",) if unknown else ()


def _requirements(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    return "".join(f"{line}\n" for line in lines if not line.startswith("mlflow"))


def _example(bundle: Path) -> None:
    """Write a made-up row of the right columns."""
    import json

    plan = json.loads((bundle / "serving.json").read_text(encoding="utf-8"))
    frame: pd.DataFrame = input_example(plan)
    frame.to_csv(bundle / EXAMPLE, index=False)


def _sum(bundle: Path) -> None:
    """Write the checksums as `sha256sum` does."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in sorted(bundle.iterdir())
    ]
    write_text(bundle / SUMS, "\n".join(lines) + "\n")


def _try(bundle: Path, answers: Path) -> None:
    """Have the bundle score its example, as whoever gets it would."""
    words = [sys.executable, "-I", str(bundle / SCRIPT), str(bundle / EXAMPLE), str(answers)]
    ended = subprocess.run(words, capture_output=True, text=True, check=False, timeout=_SECONDS)
    if ended.returncode:
        said = (ended.stderr.strip() or f"exit code {ended.returncode}").splitlines()[-1]
        raise EspalierError(f"what was written does not score its own {EXAMPLE}: {said}")


def _put(bundle: Path, folder: Path) -> None:
    """Move the files to their place, the folder whole where there is none."""
    if not folder.exists():
        bundle.rename(folder)
        return
    for path in bundle.iterdir():
        path.replace(folder / path.name)
