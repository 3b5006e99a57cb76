"""What a recorded dvc.lock says of a result, held against Git, the cache and the remote."""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from dvc.fs import LocalFileSystem
from dvc_data.hashfile.build import build
from dvc_data.hashfile.db import HashFileDB
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.tree import Tree

from tasks.errors import EspalierError
from tasks.versioning.content import reached
from tasks.versioning.git import git, top_of
from tasks.versioning.lockfile import parsed
from tasks.versioning.repository import opened

__all__ = ["Kept", "Stage", "code_at", "commit_facts", "content_hash", "given", "kept", "listed", "stages_of"]

_WRITTEN = "data/source.json"
"""Read by stage fetch, written before each run; what it was is the hash of the raw rows."""


@dataclass(frozen=True)
class Stage:
    """A stage as dvc.lock records it.

    Attributes
    ----------
    name, cmd : str
    deps, outs : mapping
        DVC's hashes, by path.
    params : mapping
        Values it was run with, by key.
    """

    name: str
    cmd: str
    deps: Mapping[str, str]
    params: Mapping[str, Any]
    outs: Mapping[str, str]


@dataclass(frozen=True)
class Kept:
    """How many files an output is of, and how many of them the cache and the remote lack.

    `remote` is None where there is no remote.
    """

    files: int
    cache: int
    remote: int | None

    @property
    def lost(self) -> bool:
        """Whether it can be brought back from neither."""
        return bool(self.cache) and self.remote != 0


def stages_of(lock: str) -> dict[str, Stage]:
    """Read the text of a dvc.lock; its stages come in an order in which they can run."""
    found = parsed(lock).get("stages", {})
    stages = {
        name: Stage(
            name,
            str(entry.get("cmd", "")),
            _hashes(entry.get("deps", ())),
            {key: value for file in entry.get("params", {}).values() for key, value in file.items()},
            _hashes(entry.get("outs", ())),
        )
        for name, entry in found.items()
    }
    made_by = {path: name for name, stage in stages.items() for path in stage.outs}
    before = {name: {made_by[p] for p in stage.deps if p in made_by} for name, stage in stages.items()}
    return {name: stages[name] for name in TopologicalSorter(before).static_order()}


def _hashes(entries: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {str(entry["path"]): str(entry.get("md5", "")) for entry in entries}


def given(stages: Mapping[str, Stage]) -> dict[str, str]:
    """Return the hashes of what the stages read and none of them makes: code, and files of a user's own."""
    made = {path for stage in stages.values() for path in stage.outs}
    read = {path: value for stage in stages.values() for path, value in stage.deps.items()}
    return {path: value for path, value in read.items() if path not in made and path != _WRITTEN}


def commit_facts(root: Path, commit: str) -> tuple[str, str] | None:
    """Return a commit's date and subject; None where this repository does not have it."""
    try:
        text = git(root, "show", "--no-patch", "--format=%cs%x1f%s", f"{commit}^{{commit}}", "--")
    except EspalierError:
        return None
    date, _, subject = text.strip().partition("\x1f")
    return date, subject


def code_at(root: Path, commit: str, stages: Mapping[str, Stage]) -> dict[str, str]:
    """Return what the stages read, as far as it is another file at a commit: 'changed' or 'missing', by path.

    Parameters
    ----------
    root : Path
        Workspace.
    commit : str
        One that the repository has.
    stages : mapping
        As `stages_of` returns them.
    """
    top, inside = top_of(root), git(root, "rev-parse", "--show-prefix").strip()
    places = {path: posixpath.normpath(posixpath.join(inside, path)) for path in given(stages)}
    with tempfile.TemporaryDirectory(prefix="espalier-") as folder:
        at, tree = {"GIT_INDEX_FILE": str(Path(folder, "index"))}, Path(folder, "tree")
        git(top, "read-tree", commit, **at)
        names = git(top, "ls-files", "-z", **at).split("\0")
        wanted = [name for name in names if name and _is_under(name, places.values())]
        git(top, "checkout-index", f"--prefix={tree}/", "-z", "--stdin", text="\0".join(wanted), **at)
        return {
            path: "changed" if (tree / places[path]).exists() else "missing"
            for path, value in given(stages).items()
            if content_hash(tree / places[path]) != value
        }


def _is_under(name: str, places: Any) -> bool:
    return any(name == place or name.startswith(f"{place}/") for place in places)


def content_hash(place: Path) -> str:
    """Return DVC's hash of a file or folder, '' where there is none."""
    if not place.exists():
        return ""
    odb = HashFileDB(LocalFileSystem(), str(place.parent))
    _, _, found = build(odb, str(place), LocalFileSystem(), "md5", dry_run=True)
    return str(found.hash_info.value)


def kept(root: Path, outs: Mapping[str, str]) -> dict[str, Kept]:
    """Look for outputs in the workspace's cache and in its default remote.

    Parameters
    ----------
    root : Path
        Workspace.
    outs : mapping
        DVC's hashes, by path.
    """
    with opened(root) as repo, reached():
        cache = repo.cache.local
        remote = repo.cloud.get_remote_odb() if repo.config["core"].get("remote") else None
        parts = {path: _parts(value, cache, remote) for path, value in outs.items()}
        wanted = sorted({oid for oids in parts.values() for oid in oids})
        here = set(cache.oids_exist(wanted))
        there = None if remote is None else set(remote.oids_exist(wanted))
    return {
        path: Kept(len(oids), len(oids - here), None if there is None else len(oids - there))
        for path, oids in parts.items()
    }


def _parts(oid: str, *places: HashFileDB | None) -> set[str]:
    """Return the hashes of an output's files and, of a folder, of its list; that alone where it is lost."""
    tree = _tree(oid, *places)
    return {oid} if tree is None else {oid, *(info.value for _, _, info in tree)}


def _tree(oid: str, *places: HashFileDB | None) -> Tree | None:
    if oid.endswith(".dir"):
        for place in places:
            if place is not None and place.exists(oid):
                return Tree.load(place, HashInfo("md5", oid))
    return None


def listed(root: Path, oid: str) -> dict[str, str]:
    """Return the hashes of the files of a folder, by path in it; none where its list is lost."""
    with opened(root) as repo, reached():
        remote = repo.cloud.get_remote_odb() if repo.config["core"].get("remote") else None
        tree = _tree(oid, repo.cache.local, remote)
    return {} if tree is None else {"/".join(key): str(info.value) for key, _, info in tree}
