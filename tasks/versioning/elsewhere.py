"""Recorded runs of other machines, fetched from and passed on to a Git remote that the environment names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tasks.errors import EspalierError, masked
from tasks.versioning.git import git

__all__ = ["REMOTE", "fetch_runs", "passed_on"]

REMOTE = "ESPALIER_RUNS_REMOTE"
"""Environment variable with the Git remote that runs are shared through; unset, they stay on this machine."""


def fetch_runs(root: Path, refs: str, known: Mapping[str, str]) -> None:
    """Bring the runs that other machines recorded here; nothing where runs are not shared.

    Parameters
    ----------
    root : Path
        Workspace.
    refs : str
        What the names of runs begin with.
    known : mapping
        Commits of the runs that are here, by name.

    Raises
    ------
    EspalierError
        When the remote cannot be read, or has another run under the name of one that is here.
    """
    remote = os.environ.get(REMOTE)
    if not remote:
        return
    there = _listed(root, remote, f"{refs}/*")
    strange = [ref for ref, commit in there.items() if known.get(ref, commit) != commit]
    if strange:
        raise EspalierError(
            f"{strange[0]} is one run here and another in Git remote {masked(remote)}; give the one here "
            f"another number (`git update-ref {refs}/NUMBER {strange[0]}`, then "
            f"`git update-ref -d {strange[0]}`)"
        )
    wanted = [f"{ref}:{ref}\n" for ref in there if ref not in known]
    if wanted:
        _asked(root, "fetch", "--quiet", "--no-tags", "--stdin", remote, text="".join(wanted))


def passed_on(root: Path, commit: str, ref: str) -> bool:
    """Give a run its name in the shared remote; False where another machine took the name first.

    Raises
    ------
    EspalierError
        When the remote cannot be written.
    """
    remote = os.environ.get(REMOTE)
    if not remote:
        return True
    try:
        _asked(root, "push", "--quiet", f"--force-with-lease={ref}:", remote, f"{commit}:{ref}")
    except EspalierError:
        if ref in _listed(root, remote, ref):
            return False
        raise
    return True


def _listed(root: Path, remote: str, pattern: str) -> dict[str, str]:
    """Return the commits in a remote by their names."""
    lines = _asked(root, "ls-remote", remote, pattern).splitlines()
    return {ref: commit for commit, _, ref in (line.partition("\t") for line in lines)}


def _asked(root: Path, *words: str, text: str | None = None) -> str:
    try:
        return git(root, *words, text=text)
    except EspalierError as error:
        said = masked(str(error)).removesuffix(".")
        raise EspalierError(
            f"{REMOTE}: {said}; see to Git's address, rights and credentials on this machine"
        ) from ConnectionError(str(error))  # perhaps: asked again, it costs little
