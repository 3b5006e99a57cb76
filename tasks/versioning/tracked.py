"""Files that no stage of dvc.yaml makes, versioned with the hashes of what they were computed from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dvc.repo import lock_repo

from tasks.versioning.repository import reopened

__all__ = ["track"]


def track(root: Path, name: str, outs: Sequence[str], computed_from: Mapping[str, Any]) -> Path:
    """Put files into DVC's cache and write what makes them a version: `reports/NAME.dvc`.

    Parameters
    ----------
    root : Path
        Workspace.
    name : str
    outs : sequence of str
        Files in reports/, relative to it. They have to be new files, not written into: an older version may
        be linked to the cache.
    computed_from : mapping
        Hashes by what they are of; stands in the file's `meta`.

    Returns
    -------
    Path
        The file to commit with Git.
    """
    path = root / "reports" / f"{name}.dvc"
    with reopened(root) as repo, lock_repo(repo):
        stage = repo.stage.create(
            single_stage=True,
            validate=False,
            fname=str(path.relative_to(root)),
            wdir="reports",
            outs=list(outs),
            force=True,
        )
        stage.save()
        stage.commit()
        stage.meta = {"computed_from": dict(computed_from)}
        stage.dump()
    return path
