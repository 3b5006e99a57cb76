"""A workspace in a Git worktree of its own: for runs that leave branch and working tree alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dvc.config import merge

from tasks.config import Params
from tasks.errors import EspalierError
from tasks.layout import Layout
from tasks.versioning.git import git, top_of
from tasks.versioning.repository import opened

__all__ = ["abandon", "is_worktree", "share", "worktree"]


@contextmanager
def worktree(
    root: Path, commit: str, params: Params | None = None, *, place: str = "worktree"
) -> Iterator[Path]:
    """Check `commit` out beside the workspace for a block, and yield the workspace there.

    It shares the workspace's DVC cache, run-cache and remotes, its `.espalier/` (MLflow's store, checkpoints,
    locks), and a source that Git does not know. One at a time in a place: the caller holds the workspace's
    schedule, or the aliases of its model.

    Parameters
    ----------
    root : Path
        Workspace.
    commit : str
    params : Params, optional
        Settings of that commit; they name the source, which is brought along.
    place : str
        Folder of `.espalier/` that it is made in.
    """
    top = top_of(root)
    folder = Layout(root).state / place / top.name
    _remove(top, folder)  # what a killed run left
    git(top, "worktree", "add", "--detach", "--force", str(folder), commit)
    try:
        inner = folder / root.resolve().relative_to(top.resolve())
        _link(inner / ".espalier", Layout(root).state)
        share(root, inner)
        if params is not None:
            _bring_source(root, inner, params.source.uri)
        yield inner
    finally:
        _remove(top, folder)


def abandon(root: Path, folder: Path) -> None:
    """Remove a folder that a killed run checked out and left."""
    _remove(top_of(root), folder)


def is_worktree(root: Path) -> bool:
    """Say whether a workspace is one that `worktree` made, and goes with its block."""
    return Layout(root).state.is_symlink()


def _remove(top: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # links in it are removed, not followed
    with suppress(EspalierError):  # Git has it locked while it is made: a run was killed then
        git(top, "worktree", "unlock", str(folder))
    git(top, "worktree", "prune", "--expire=now")


def _link(place: Path, target: Path) -> None:
    if not os.path.lexists(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target.resolve())


def share(root: Path, inner: Path) -> None:
    """Point the worktree's DVC at the cache, and at the remotes whose paths are relative."""
    with opened(root) as repo:
        cache = str(Path(repo.cache.local_cache_dir).resolve())
        own: dict[str, Any] = repo.config.read("local")
        remotes = {name: settings["url"] for name, settings in repo.config["remote"].items()}
    with opened(inner) as there:
        with there.config.edit("local") as settings:
            merge(settings, own)
            settings["cache"]["dir"] = cache
            for name, url in remotes.items():
                if not urlsplit(str(url)).scheme:
                    settings["remote"].setdefault(name, {})["url"] = str(url)
        Path(there.config.files["local"]).chmod(0o600)


def _bring_source(root: Path, inner: Path, uri: str) -> None:
    """Link the source's file, where it is in the workspace and Git has not brought it."""
    scheme, _, path = uri.rpartition("://")
    if uri.startswith("package:") or (scheme and not scheme.startswith("sqlite")) or "${" in uri:
        return
    name = path.removeprefix("/") if scheme else path
    if not name or Path(name).expanduser().is_absolute():
        return
    if (root / name).is_file():
        _link(inner / name, root / name)
