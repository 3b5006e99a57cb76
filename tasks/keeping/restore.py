"""A backup brought into a workspace, here or elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks import versioning
from tasks.errors import EspalierError
from tasks.keeping.archive import contents, unpack
from tasks.keeping.backup import BUNDLE, FILES, OBJECTS, PREFECT, TRACKING, alone, desk, places
from tasks.keeping.databases import homes, lead_to
from tasks.layout import Layout

__all__ = ["check", "restore"]

_REPLACED = (TRACKING, PREFECT)
"""What stands for a folder that is replaced as a whole."""


def check(source: Path) -> dict[str, Any]:
    """Check a backup against its checksums, and return the facts in it.

    Raises
    ------
    EspalierError
        When it is not whole, or damaged.
    """
    return unpack(source, None)


def restore(root: Path, source: Path, *, force: bool = False) -> dict[str, Any]:
    """Bring back what a backup holds; nothing of it writes here meanwhile (the caller sees to that).

    Addresses in MLflow's database are led to where its files now are. Objects of the DVC remote are added to
    those that are there; recorded runs come into the Git repository.

    Parameters
    ----------
    root : Path
        Workspace: a clone of the repository, or the folder it is to become.
    source : Path
    force : bool
        Whether records that are there are replaced.

    Returns
    -------
    dict
        The facts in the backup; `in_git` says whether recorded runs came into a repository.

    Raises
    ------
    EspalierError
        When the backup is not whole, or records are here already; nothing is changed then.
    """
    held = contents(source)
    with alone(root), versioning.workspace_lock(root), desk(root) as folder:
        _require_room(root, held, force=force)
        unpack(source, folder)
        if (folder / TRACKING).exists():
            state = Layout(root).state.resolve()
            for before in [*homes(folder / TRACKING, FILES), Path(held["state"])]:
                lead_to(folder / TRACKING, before, state)
            lead_to(folder / TRACKING, Path(held["root"]), root.resolve())
        bundle = folder / BUNDLE
        found = versioning.take_runs(root, bundle, force=force) if bundle.exists() else False
        _placed(root, folder)
    return {**held, "in_git": found}


def _require_room(root: Path, held: Mapping[str, Any], *, force: bool) -> None:
    place = places(root)
    taken = [str(place[name]) for name in _REPLACED if name in held["files"] and place[name].exists()]
    if taken and not force:
        raise EspalierError(
            f"{', '.join(taken)}: there are records here already; --force replaces them, `espalier backup` "
            "saves them first"
        )


def _placed(root: Path, folder: Path) -> None:
    """Put each part where it belongs; what is replaced goes only when all is there."""
    place = places(root)
    for name in _REPLACED:
        part, target = (folder / name).parent, place[name].parent
        if (folder / name).exists():
            if target.exists():
                target.rename(folder / f"replaced-{target.name}")
            target.parent.mkdir(parents=True, exist_ok=True)
            part.rename(target)
    _added(folder / OBJECTS, place[OBJECTS])


def _added(source: Path, target: Path) -> None:
    """Move files that are not there yet: an object's name says what is in it."""
    for path in source.rglob("*"):
        there = target / path.relative_to(source)
        if path.is_file() and not there.exists():
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, there)
