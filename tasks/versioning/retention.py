"""What Git still leads to, and the objects of DVC's cache that nothing leads to.

`dvc gc` knows branches and tags, not `refs/espalier/runs`, and stops at a commit whose dvc.yaml it cannot
read. Here every dvc.lock and .dvc file that any ref, linked worktree or the index leads to keeps what it
names.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dvc.repo import Repo, lock_repo
from dvc_data.hashfile.db import get_index

from tasks.errors import EspalierError
from tasks.layout import Layout
from tasks.versioning.git import git, top_of
from tasks.versioning.remotes import default_remote
from tasks.versioning.repository import busy, in_use, opened
from tasks.versioning.runs import Run, latest_run, runs

__all__ = ["Store", "forget", "free_objects", "left_worktrees", "needed", "old_runs", "stores", "surplus"]

_HASH = re.compile(r"\bmd5: ([0-9a-f]{32}(?:\.dir)?)\b")
_OBJECT = re.compile(r"[0-9a-f]{30}(?:\.dir)?")
_OUTS = "\nouts:"
_ASIDE = ".gone"
_DAY = 86_400.0


@dataclass(frozen=True)
class Store:
    """Objects by their hash, in a folder as DVC lays them out.

    Attributes
    ----------
    name : str
    folder : Path
        Holds `files/md5/` and `runs/`.
    """

    name: str
    folder: Path

    def objects(self) -> dict[str, Path]:
        """Return the file of each object by its hash."""
        held = (self.folder / "files" / "md5").glob("??/*")
        return {path.parent.name + path.name: path for path in held if _OBJECT.fullmatch(path.name)}

    def entries(self) -> Iterator[Path]:
        """Give the files of the run-cache."""
        return (path for path in (self.folder / "runs").glob("??/*/*") if path.is_file())

    def rests(self) -> list[Path]:
        """Return what a removal that was killed left."""
        places = (f"files/md5/*{_ASIDE}/*", f"runs/??/*{_ASIDE}/*")
        return [path for place in places for path in self.folder.glob(place)]


def stores(root: Path) -> tuple[list[Store], list[str]]:
    """Return the workspace's own cache and remote, and why another is left alone."""
    with opened(root) as repo:
        cache = Path(repo.cache.local_cache_dir).resolve()
        remote = default_remote(root, repo)
    found, left = [], []
    if cache.is_relative_to(root.resolve()):
        found.append(Store("DVC cache", cache))
    else:
        left.append(f"{cache}: a cache outside of the workspace, perhaps others' too (`dvc gc --projects`)")
    if remote and remote.place:
        found.append(Store("DVC remote", remote.place))
    elif remote:
        left.append(f"{remote.url}: a remote that others share (`dvc gc --cloud`)")
    return found, left


def needed(root: Path, more: Iterable[str] = (), without: Iterable[Run] = ()) -> set[str]:
    """Return the hashes that anything in Git, the working tree or `more` leads to, files of folders too.

    Parameters
    ----------
    root : Path
        Workspace.
    more : iterable of str
        Hashes from elsewhere.
    without : iterable of Run
        Recorded runs that are about to be forgotten.

    Raises
    ------
    EspalierError
        When the list of a folder that the working tree leads to is damaged.
    """
    texts = _in_git(root, [run.ref for run in without]) + _in_tree(root)
    found = {*more, *_HASH.findall(texts)}
    with opened(root) as repo, lock_repo(repo):
        found |= in_use(repo, force=True)
    held = [store.objects() for store in stores(root)[0]]
    return found | {part for name in found if name.endswith(".dir") for part in _parts(name, held)}


def _parts(name: str, held: Iterable[dict[str, Path]]) -> Iterator[str]:
    """Give the hashes of a folder's files, from wherever its list is."""
    for path in (objects[name] for objects in held if name in objects):
        with suppress(json.JSONDecodeError):  # a torn list names nothing
            yield from (str(entry["md5"]) for entry in json.loads(path.read_text(encoding="utf-8")))
            return


def _in_git(root: Path, without: Iterable[str]) -> str:
    """Return the text of every dvc.lock and .dvc file that Git keeps for this workspace."""
    try:
        top_of(root)
    except EspalierError:
        return ""
    heads = re.findall(r"(?m)^HEAD ([0-9a-f]+)$", git(root, "worktree", "list", "--porcelain"))
    begin = [*(f"--exclude={ref}" for ref in without), "--all", "--indexed-objects"]
    begin += [head for head in heads if head.strip("0")]
    listed = git(
        root, "rev-list", "--objects", "--full-history", *begin, "--", ":(glob)**/dvc.lock", ":(glob)**/*.dvc"
    )
    named = (line.partition(" ") for line in listed.splitlines())
    found = {name for name, _, path in named if path.endswith(("dvc.lock", ".dvc"))}
    kinds = git(root, "cat-file", "--batch-check", text=_lines(found)).splitlines()
    files = [name for name, kind, _ in (line.split() for line in kinds) if kind == "blob"]  # .dvc: a folder
    return git(root, "cat-file", "--batch", text=_lines(files))


def _lines(names: Iterable[str]) -> str:
    return "".join(f"{name}\n" for name in names)


def _in_tree(root: Path) -> str:
    places = [root / "dvc.lock", *root.glob("*.dvc"), *root.glob("*/*.dvc")]
    return "\n".join(path.read_text(encoding="utf-8") for path in places if path.is_file())


def surplus(store: Store, keep: Collection[str], before: float) -> list[Path]:
    """Return the files of a store that nothing needs and nobody wrote since `before` (seconds since 1970).

    Lists of folders come first: a list never stands without its files. What the run-cache says of a
    result that is gone goes with it.
    """
    idle = {
        name: path
        for name, path in store.objects().items()
        if name not in keep and path.stat().st_mtime <= before
    }
    ordered = sorted(idle, key=lambda name: (not name.endswith(".dir"), name))
    entries = [path for path in store.entries() if _made(path) & set(idle)]
    return [idle[name] for name in ordered] + entries + store.rests()


def _made(entry: Path) -> set[str]:
    """Return the hashes of the outputs that an entry of the run-cache names."""
    return set(_HASH.findall(f"\n{entry.read_text(encoding='utf-8')}".partition(_OUTS)[2]))


def free_objects(root: Path, found: Iterable[Path]) -> None:
    """Remove files of the cache or the remote, while no DVC command is at work.

    Raises
    ------
    EspalierError
        When one is.
    """
    at_work = busy(root)
    if at_work:
        raise EspalierError(f"{root.name}: DVC is at work here ({at_work}); wait for it, then run again")
    with opened(root) as repo, lock_repo(repo):
        for path in found:
            _removed(path)
        _forget_remote(repo)


def _removed(path: Path) -> None:
    """Remove a file, and its folder when it was the last: DVC stumbles over an empty one in the run-cache."""
    if list(path.parent.glob("*")) != [path]:
        path.unlink(missing_ok=True)
        return
    aside = path.parent.with_name(f"{path.parent.name}{_ASIDE}")
    path.parent.rename(aside)  # at once: killed from here on, nothing is amiss
    shutil.rmtree(aside, ignore_errors=True)


def _forget_remote(repo: Repo) -> None:
    """Have DVC look again what its remote holds: it remembers what it has seen there."""
    if repo.config["core"].get("remote"):
        odb = repo.cloud.get_remote_odb()
        get_index(odb).clear()


def old_runs(root: Path, before: float) -> list[Run]:
    """Return the recorded runs from before a time.

    Never the last one, nor the last compression: the next is compared with that.
    """
    try:
        held, last = runs(root), latest_run(root)
    except EspalierError:
        return []  # no repository
    return [run for run in held[:-1] if run != last and _recorded_at(root, run) <= before]


def _recorded_at(root: Path, run: Run) -> float:
    return float(git(root, "show", "-s", "--format=%ct", run.commit))


def forget(root: Path, run: Run) -> None:
    """Let a recorded run go; Git removes it with its next clean-up."""
    git(root, "update-ref", "-d", run.ref, run.commit)


def left_worktrees(root: Path) -> list[Path]:
    """Return the folders that killed runs checked out and left, a day old or more."""
    found = Layout(root).state.glob("*/*/.git")
    return [path.parent for path in found if path.is_file() and path.stat().st_mtime < time.time() - _DAY]
