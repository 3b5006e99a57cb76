"""The whole of a Git repository in one file: branches, tags, and the recorded runs, which nobody pushes."""

from __future__ import annotations

from pathlib import Path

from tasks.errors import EspalierError
from tasks.versioning.git import git, top_of

__all__ = ["bundle", "take_runs"]

_RUNS = "refs/espalier"


def bundle(root: Path, target: Path) -> int | None:
    """Write branches, tags and recorded runs to a bundle, which `git clone` takes.

    Returns
    -------
    int or None
        Recorded runs in it; None where there is no repository, or nothing in it yet.
    """
    try:
        top = top_of(root)
    except EspalierError:
        return None
    if not git(top, "for-each-ref", "--count=1"):
        return None
    git(
        top,
        "bundle",
        "create",
        "--quiet",
        str(target),
        "--branches",
        "--tags",
        f"--glob={_RUNS}/*",
        *_head(top),
    )
    return len(git(top, "for-each-ref", "--format=%(refname)", _RUNS).splitlines())


def _head(top: Path) -> list[str]:
    try:
        git(top, "rev-parse", "--verify", "--quiet", "HEAD")
    except EspalierError:
        return []
    return ["HEAD"]


def take_runs(root: Path, source: Path, *, force: bool) -> bool:
    """Bring the recorded runs of a bundle into the repository around the workspace.

    Returns
    -------
    bool
        False where there is no repository to bring them into.

    Raises
    ------
    EspalierError
        When other runs of the same numbers are there, and `force` is not given.
    """
    try:
        top = top_of(root)
    except EspalierError:
        return False
    plus = "+" if force else ""
    try:
        git(top, "fetch", "--quiet", "--no-tags", str(source), f"{plus}{_RUNS}/*:{_RUNS}/*")
    except EspalierError as error:
        raise EspalierError(
            f"{top}: other runs are recorded here under the same numbers; --force replaces them ({error})"
        ) from error
    return True
