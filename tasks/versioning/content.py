"""What a workspace's versions hold: the source, the recorded hashes, the remote copy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo, lock_repo

from tasks.artifacts import Layout, read_json, write_json
from tasks.config import Params
from tasks.errors import EspalierError, masked
from tasks.versioning.lockfile import read_lock
from tasks.versioning.objectstore import let_in
from tasks.versioning.repository import in_use, opened, reopened

__all__ = [
    "absent",
    "checkout",
    "described_source",
    "lock_hashes",
    "presence",
    "push",
    "reached",
    "refresh_source",
    "remote",
    "source_changed",
]


def push(root: Path) -> int:
    """Copy the workspace's versioned files to its default remote and check that they arrived.

    Returns
    -------
    int
        Files of the current result in the remote.

    Raises
    ------
    EspalierError
        Without a default remote, or when a file is not there afterwards.
    """
    with let_in(), reopened(root) as repo, lock_repo(repo):  # one lock: the files in use are looked up once
        wanted, missing = _pushed(repo)
        if missing:
            repo.drop_data_index()
            wanted, missing = _pushed(repo)
    if missing:
        raise EspalierError(
            f"{root.name}: {len(missing)} of {len(wanted)} files did not reach the DVC remote "
            f"(first: {min(missing)}); check its space and rights, then run again"
        )
    return len(wanted)


def _pushed(repo: Repo) -> tuple[set[str], set[str]]:
    """Push, and return the files of the current result with those of them that the remote lacks afterwards.

    DVC keeps its list of what there is to push, or pull, piece by piece while it makes it. A process killed
    meanwhile leaves a part, which every later push of the same result takes for the whole until the list is
    dropped (`dvc_data.index.collect`, 3.18).
    """
    repo.push(run_cache=True)
    wanted = in_use(repo, push=True)
    return wanted, wanted - set(repo.cloud.get_remote_odb().oids_exist(sorted(wanted)))


def checkout(root: Path) -> None:
    """Bring the files of the current result into the workspace, from the cache or else the default remote.

    Raises
    ------
    EspalierError
        When one is in neither.
    """
    with let_in(), opened(root) as repo:
        try:
            repo.pull(force=True)
        except DvcException:
            repo.drop_data_index()  # see `_pushed`
            repo.pull(force=True)


def absent(root: Path) -> int:
    """Count the files of the current result that the default remote lacks; all of them without a remote."""
    return presence(root)[1]


def presence(root: Path) -> tuple[int, int]:
    """Count the files of the current result, and those of them that the default remote lacks.

    Raises
    ------
    EspalierError
        When the remote cannot be reached, or the list of a folder's files is neither here nor there.
    """
    with let_in(), reopened(root) as repo, lock_repo(repo):
        wanted = in_use(repo, push=True)
        if not repo.config["core"].get("remote"):
            return len(wanted), len(wanted)
        with reached():
            there = set(repo.cloud.get_remote_odb().oids_exist(sorted(wanted)))
    return len(wanted), len(wanted - there)


@contextmanager
def reached() -> Iterator[None]:
    """Turn what a DVC remote that cannot be reached raises into one line."""
    try:
        yield
    except OSError as error:
        raise EspalierError(
            f"the DVC remote cannot be reached ({masked(str(error))}); check its address, your rights "
            "and credentials"
        ) from error


def remote(root: Path) -> str | None:
    """Return the address of the workspace's default DVC remote, None when there is none."""
    with opened(root) as repo:
        name = repo.config["core"].get("remote")
        return str(repo.config["remote"][name]["url"]) if name else None


def lock_hashes(root: Path) -> dict[str, str]:
    """Return the hash of every output that dvc.lock records, by path."""
    stages = read_lock(root).get("stages", {})
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", ())}


def described_source(root: Path, params: Params) -> dict[str, Any]:
    """Return what data/source.json would say of the source as it is now."""
    from tasks.data.sources import fingerprint

    return fingerprint(root, params.source)


def source_changed(root: Path, params: Params) -> bool:
    """Say whether the source differs from what data/source.json describes."""
    path = Layout(root).source
    return not path.exists() or read_json(path) != described_source(root, params)


def refresh_source(root: Path, params: Params) -> bool:
    """Bring data/source.json, what stage fetch depends on, up to date with the source.

    Returns
    -------
    bool
        Whether the source was new or had changed.
    """
    described = described_source(root, params)
    path = Layout(root).source
    if path.exists() and read_json(path) == described:
        return False
    write_json(path, described)
    return True
