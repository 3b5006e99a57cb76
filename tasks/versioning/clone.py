"""A commit in a clone of its own, away from workspace and cache, and stages computed there by `dvc repro`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from dvc.exceptions import DownloadError

from tasks.errors import EspalierError
from tasks.versioning.content import reached
from tasks.versioning.git import git, top_of
from tasks.versioning.repository import opened
from tasks.versioning.worktree import share

__all__ = ["bring", "cloned", "compute"]

_HERE = "cache-it-was-made-from"
"""The workspace's cache as a remote of the clone: it is read, and nothing is written to it."""

_RUNNING = re.compile(r"Running stage '([^']+)'")
_TOLD = 3


@contextmanager
def cloned(root: Path, commit: str, *, keep: bool = False) -> Iterator[Path]:
    """Check `commit` out in a clone in the folder for temporary files, and yield the workspace there.

    It has a cache of its own and knows the remotes.

    Parameters
    ----------
    root : Path
        Workspace.
    commit : str
    keep : bool
        Leave the clone after the block; else it is removed.
    """
    top = top_of(root)
    folder = Path(tempfile.mkdtemp(prefix="espalier-clone-"))
    try:
        place = folder / top.name
        git(top, "clone", "--quiet", "--shared", "--no-checkout", str(top), str(place))
        git(place, "checkout", "--quiet", "--detach", commit)
        inner = place / root.resolve().relative_to(top.resolve())
        _apart(root, inner)
        yield inner
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def _apart(root: Path, inner: Path) -> None:
    """Give the clone a cache of its own, and the workspace's to read from."""
    share(root, inner)
    with opened(inner) as repo, repo.config.edit("local") as settings:
        settings["remote"].setdefault(_HERE, {})["url"] = settings["cache"]["dir"]
        settings["cache"] |= {"dir": str(inner / ".dvc" / "cache"), "type": ["copy"]}


def bring(inner: Path, stage: str, *, runs: bool = False) -> None:
    """Bring a stage's outputs into the clone, from the workspace's cache or else the default remote.

    Parameters
    ----------
    inner : Path
        Workspace in the clone, with the dvc.lock that names them.
    stage : str
    runs : bool
        Also put the outputs of all other stages, and the run-cache, into the clone's cache.
    """
    with opened(inner) as repo, reached():
        default = repo.config["core"].get("remote")
        for name in (_HERE, default) if default else (_HERE,):
            with suppress(DownloadError):  # one has what the other lacks
                repo.fetch(targets=None if runs else [stage], remote=name, run_cache=runs)
        repo.checkout([stage], force=True)


def compute(inner: Path, stages: Sequence[str], *, force: bool, say: Callable[[str], object]) -> set[str]:
    """Bring stages up to date by `dvc repro`, with the code of the clone.

    Parameters
    ----------
    inner : Path
        Workspace in the clone.
    stages : sequence of str
        In an order in which they can run.
    force : bool
        Compute them whatever the run-cache holds.
    say : callable
        Takes the name of each stage that is begun.

    Returns
    -------
    set of str
        Stages that were computed.

    Raises
    ------
    EspalierError
        With what a stage says, when one fails.
    """
    words = [sys.executable, "-m", "dvc", "repro", "--single-item", *(["--force"] if force else []), *stages]
    begun, lines = [], []
    with subprocess.Popen(
        words,
        cwd=inner,
        env=_environment(inner),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.strip())
            if found := _RUNNING.match(lines[-1]):
                begun.append(found[1])
                say(found[1])
    if process.returncode:
        said = "; ".join([line for line in lines if line][-_TOLD:])
        raise EspalierError(f"stage {begun[-1] if begun else stages[0]} failed when made again: {said}")
    return set(begun)


def _environment(inner: Path) -> dict[str, str]:
    """Have stages import the clone's code, by this Python, and keep DVC's own state in the clone."""
    top = next(place for place in (inner, *inner.parents) if (place / ".git").exists())
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PYTHONPATH": os.pathsep.join(dict.fromkeys([str(inner), str(top)])),
        "DVC_SITE_CACHE_DIR": str(inner / ".espalier" / "dvc"),
        "PWD": str(inner),
    }
