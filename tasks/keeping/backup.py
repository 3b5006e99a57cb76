"""A workspace's records saved while they are written to.

The order is what makes a backup whole: what refers comes first, what is referred to after it. Git's recorded
runs name registered versions, MLflow's database names files and hashes in the DVC remote; files and objects
are written before they are named, and hardly ever change, so what was named at the moment of the database's
copy is there when its turn comes. What came too late for the database is in the copy and bothers nobody.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from tasks import versioning
from tasks.errors import EspalierError
from tasks.keeping.archive import Archive, written
from tasks.keeping.databases import copy_database, count_rows, homes
from tasks.layout import Layout

__all__ = ["BUNDLE", "FILES", "OBJECTS", "PREFECT", "TRACKING", "alone", "backup", "desk", "places"]

BUNDLE = "repository.bundle"
TRACKING = "mlflow/mlflow.db"
FILES = "mlflow/artifacts"
PREFECT = "prefect/prefect.db"
OBJECTS = "remote"
_THERE = "current_stage <> 'Deleted_Internal'"  # MLflow keeps the rows of deleted versions


def places(root: Path) -> dict[str, Path]:
    """Return where each part of a backup lies in a workspace, by its name in the backup."""
    state = Layout(root).state.resolve()
    return {name: state / name for name in (TRACKING, FILES, PREFECT, OBJECTS)}


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Hold off other backups, restores and clean-ups for a block; runs go on."""
    with versioning.workspace_lock(root, name="keeping.lock", what="backup, restore or gc"):
        yield


@contextmanager
def desk(root: Path) -> Iterator[Path]:
    """Give an empty folder on the workspace's disk for a block; what a killed process left there is gone."""
    folder = Layout(root).state.resolve() / "keeping"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def backup(root: Path, target: Path, *, force: bool = False) -> tuple[Path, dict[str, Any]]:
    """Save what Git does not have and nothing makes again, while servers and runs go on.

    Parameters
    ----------
    root : Path
        Workspace.
    target : Path
        A new file, or a folder to put one into that is named by workspace and time.
    force : bool
        Whether a file that is there is replaced, once the new one is whole.

    Returns
    -------
    Path, dict
        The backup, and the facts in it: numbers of runs, versions and such.

    Raises
    ------
    EspalierError
        When there is such a file, there is nothing to save, a database is damaged or the disk full.
    """
    path = _new(root, target, force=force)
    with alone(root), desk(root) as folder, written(path, folder / "spare") as archive:
        facts = _saved(root, archive, folder)
        if not archive.files:
            raise EspalierError(f"{root}: nothing is recorded here yet; `espalier run` makes a first result")
        archive.close(facts)
    return path, {**facts, "files": archive.files}


def _new(root: Path, target: Path, *, force: bool) -> Path:
    now = datetime.now().astimezone()
    path = target / f"espalier-{root.name}-{now:%Y-%m-%dT%H%M%S}.tar" if target.is_dir() else target
    if path.exists() and not force:
        raise EspalierError(f"{path}: is there already; name another file, or --force replaces it")
    if not path.parent.is_dir():
        raise EspalierError(f"{path.parent}: no such folder; make it, or mount its disk")
    inside = [place for place in places(root).values() if path.resolve().is_relative_to(place)]
    if inside:
        raise EspalierError(f"{path}: lies in {inside[0]}, which is to be saved; name a place outside")
    return path


def _saved(root: Path, archive: Archive, folder: Path) -> dict[str, Any]:
    place = places(root)
    recorded = versioning.bundle(root, folder / BUNDLE)
    if recorded is not None:
        archive.add(BUNDLE, folder / BUNDLE)
    for name in (TRACKING, PREFECT):
        copied = folder / Path(name).name
        if place[name].exists():
            copy_database(place[name], copied)
            archive.add(name, copied)
    remote = versioning.shown_remote(root)
    own = remote is not None and remote.place is not None and remote.place.resolve() == place[OBJECTS]
    for home in _homes(root, folder / "mlflow.db"):
        archive.add_folder(FILES, home / FILES)
    if own:
        archive.add_folder(OBJECTS, place[OBJECTS])
    return {
        "made": datetime.now().astimezone().isoformat(timespec="seconds"),
        "workspace": root.name,
        "root": str(root.resolve()),
        "state": str(Layout(root).state.resolve()),
        "recorded_runs": recorded,
        "runs": _count(folder / "mlflow.db", "runs"),
        "versions": _count(folder / "mlflow.db", "model_versions", _THERE),
        "flow_runs": _count(folder / "prefect.db", "flow_run"),
        "remote": None if own or remote is None else remote.url,
    }


def _homes(root: Path, database: Path) -> list[Path]:
    """Return where runs have their files: here, and where the workspace was before it was moved or copied."""
    before = homes(database, FILES) if database.exists() else []
    return list(dict.fromkeys([Layout(root).state.resolve(), *before]))


def _count(database: Path, table: str, where: str = "1") -> int:
    return count_rows(database, table, where) if database.exists() else 0
