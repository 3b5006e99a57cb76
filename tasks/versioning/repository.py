"""A workspace's DVC repository: opened for one call or for a run, its locks, what it says about itself."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager, suppress
from graphlib import TopologicalSorter
from pathlib import Path
from typing import IO, Any, Literal

from dvc.exceptions import DvcException, RevCollectionError
from dvc.lock import LockError, make_lock
from dvc.repo import Repo, lock_repo
from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK
from dvc_objects.errors import ObjectFormatError

from tasks.artifacts import Layout, read_json
from tasks.errors import EspalierError

__all__ = [
    "busy",
    "in_use",
    "init_workspace",
    "kept_open",
    "opened",
    "reopened",
    "stage_graph",
    "status",
    "workspace_lock",
]

_LOOK_SECONDS = 0.2

_kept: dict[Path, Repo | None] = {}


@contextmanager
def workspace_lock(
    root: Path, patience: float = 0.0, *, name: str = "lock", what: str = "run"
) -> Iterator[None]:
    """Hold the workspace for one run; the lock goes with the process that holds it.

    Parameters
    ----------
    root : Path
    patience : float
        Seconds to wait for another run.
    name : str
        Which lock: that of runs, or that of `scheduled` ones, of which a whole chain is one.
    what : str
        What holds it, for the error.

    Raises
    ------
    EspalierError
        When another holds it.
    """
    path = Layout(root).state / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        if not _taken(file, patience):
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise EspalierError(
                f"another {what} (process {holder}) holds workspace {root.name}; wait for it to end"
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _taken(file: IO[str], patience: float) -> bool:
    """Try to lock a file until it works or the patience is out; say whether it did."""
    until = time.monotonic() + patience
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if time.monotonic() >= until:
            return False
        time.sleep(_LOOK_SECONDS)


@contextmanager
def opened(root: Path) -> Iterator[Repo]:
    """Open the workspace's DVC repository for a block of its own, translating what DVC refuses."""
    with _entered(root), Repo(str(root)) as repo:
        yield repo


@contextmanager
def kept_open(root: Path) -> Iterator[None]:
    """Have `reopened` give one repository throughout the block, as `dvc repro` has one for all its stages.

    To be entered once for a workspace, by the one thread that goes through its stages.
    """
    _kept[root] = None
    try:
        yield
    finally:
        repo = _kept.pop(root)
        if repo is not None:
            repo.close()


@contextmanager
def reopened(root: Path) -> Iterator[Repo]:
    """Give the repository that `kept_open` keeps, else one for the block; `lock_repo` has it forget files."""
    if root not in _kept:
        with opened(root) as repo:
            yield repo
        return
    with _entered(root):
        repo = _kept[root] = _kept[root] or Repo(str(root))
        yield repo


@contextmanager
def _entered(root: Path) -> Iterator[None]:
    if not (root / ".dvc").is_dir():
        raise EspalierError(f"{root}: not a workspace; make one with `espalier init {root.name}`")
    try:
        _mend_rwlock(root)
        with chdir(root):  # DVC reads targets, and shortens paths in what it records, relative to it
            yield
    except LockError as error:
        raise EspalierError(
            f"{root.name}: another DVC command is at work here; wait for it, or see `espalier doctor`. "
            f"DVC says: {_one_line(error)}"
        ) from error
    except DvcException as error:
        raise EspalierError(f"{root.name}: DVC says: {_one_line(error)}") from error
    except sqlite3.OperationalError as error:  # of the databases below DVC_SITE_CACHE_DIR
        raise EspalierError(
            f"{root.name}: DVC cannot keep its notes ({error}): the disk is full, or not to be written. Free "
            "space or fix permissions (docs/how-to/runbook.md), then run again"
        ) from error


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{text} ({_one_line(error.__cause__)})" if error.__cause__ else text


def status(root: Path) -> dict[str, Any]:
    """Return what `dvc status` reports; empty when everything is up to date."""
    with opened(root) as repo:
        found: dict[str, Any] = repo.status()
    return found


def stage_graph(root: Path) -> dict[str, tuple[str, ...]]:
    """Return each stage of dvc.yaml, in an order in which they can run, with the stages it waits for."""
    with opened(root) as repo, lock_repo(repo):
        graph = repo.index.graph
        before = {stage.name: sorted(other.name for other in graph.successors(stage)) for stage in graph}
    return {name: tuple(before[name]) for name in TopologicalSorter(before).static_order()}


def _mend_rwlock(root: Path) -> None:
    """Remove DVC's read-write locks where a process was killed while it wrote them: nobody can read them."""
    folder = root / ".dvc" / "tmp"
    path = folder / RWLOCK_FILE
    if not _is_cut_short(path):
        return
    with make_lock(str(folder / RWLOCK_LOCK), tmp_dir=str(folder)):  # nobody is writing them just now
        if _is_cut_short(path):
            path.unlink()


def _is_cut_short(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    except ValueError:
        return True
    return False


def busy(root: Path) -> str:
    """Say which living process holds a read-write lock of the workspace's DVC; empty when none does."""
    import psutil

    _mend_rwlock(root)
    path = root / ".dvc" / "tmp" / RWLOCK_FILE
    held = read_json(path) if path.exists() else {}
    holders = [
        *held.get("write", {}).values(),
        *(who for some in held.get("read", {}).values() for who in some),
    ]
    alive = {f"process {who['pid']}: {who['cmd']}" for who in holders if psutil.pid_exists(who["pid"])}
    return "; ".join(sorted(alive))


def init_workspace(root: Path, *, config: str, ignored: str) -> Literal["created", "kept"]:
    """Make `root` a DVC repository of its own inside the Git repository, as `dvc init --subdir` does."""
    if (root / ".dvc").is_dir():
        return "kept"
    try:
        Repo.init(str(root), subdir=True).close()
    except DvcException as error:
        raise EspalierError(f"{root}: {_one_line(error)}") from error
    (root / ".dvc" / "config").write_text(config, encoding="utf-8")
    (root / ".dvcignore").write_text(ignored, encoding="utf-8")
    return "created"


def in_use(repo: Repo, **how: bool) -> set[str]:
    """Return the hashes of the files that the working tree leads to.

    Parameters
    ----------
    repo : Repo
        Open, and locked.
    **how
        What DVC's `used_objs` takes.

    Raises
    ------
    EspalierError
        When the list of a folder's files is neither here nor in the remote, or is damaged.
    """
    name = Path(repo.root_dir).name
    try:
        used = repo.used_objs(**how)
    except RevCollectionError as error:
        raise EspalierError(
            f"{name}: files of the current result are neither here nor in the DVC remote; "
            "`dvc push` where they were made, or `espalier run` here"
        ) from error
    except ObjectFormatError as error:
        raise EspalierError(
            f"{name}: {error} in the DVC cache, and DVC has removed it; `dvc pull` brings it from the "
            "remote, `espalier run` makes it anew"
        ) from error
    return {str(info.value) for infos in used.values() for info in infos}
