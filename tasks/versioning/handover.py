"""Every result that Git leads to, copied to the default remote, whoever made it and whenever.

`dvc push` copies what the working tree leads to, with `--all-commits` what commits of branches and tags do;
neither knows the runs recorded under refs/espalier/runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dvc.repo import Repo, lock_repo
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.transfer import transfer
from dvc_data.hashfile.tree import Tree

from tasks.errors import EspalierError
from tasks.versioning.content import reached
from tasks.versioning.objectstore import let_in
from tasks.versioning.repository import reopened
from tasks.versioning.retention import needed

__all__ = ["Handover", "hand_over"]


@dataclass(frozen=True)
class Handover:
    """Files, and lists of a folder's files, that Git leads to and that are here or in the remote.

    Attributes
    ----------
    copied : int
        Went to the remote now.
    there : int
        Were there before.
    cut : int
        Lists that stay here: some of their files are in neither place.
    """

    copied: int
    there: int
    cut: int


def hand_over(root: Path) -> Handover:
    """Copy what any branch, tag, recorded run or the working tree leads to, and what DVC knows of runs.

    What a dvc.lock names beside that (code, reports outside the cache) is in Git itself.

    Raises
    ------
    EspalierError
        Without a default remote, when it cannot be reached, and when a file does not get there.
    """
    named = needed(root)
    with let_in(), reopened(root) as repo, lock_repo(repo):
        if not repo.config["core"].get("remote"):
            raise EspalierError(f"{root.name}: no DVC remote is set; `espalier remote URL` sets one")
        lists = _lists(repo, named)
        wanted = named.union(*lists.values())
        with reached():
            there = _held(repo, wanted)
            here = _cached(repo, wanted - there)
            cut = {name for name in lists if name in here and not lists[name] <= here | there}
            sent = here - cut
            _copied(repo, sent)
            repo.stage_cache.push(None)
            short = sent - _held(repo, sent)
    if short:
        raise EspalierError(
            f"{root.name}: {len(short)} of {len(sent)} files did not reach the DVC remote (first: "
            f"{min(short)}); check its space and rights, then run again"
        )
    return Handover(len(sent), len(there), len(cut))


def _lists(repo: Repo, names: Iterable[str]) -> dict[str, set[str]]:
    """Return the hashes of each folder's files, of those whose list is in the cache and whole."""
    held = _cached(repo, {name for name in names if name.endswith(".dir")})
    trees = {name: Tree.load(repo.cache.local, HashInfo("md5", name)) for name in held}
    return {name: {str(info.value) for *_, info in tree} for name, tree in trees.items()}


def _cached(repo: Repo, names: set[str]) -> set[str]:
    """Return the objects that the cache has; DVC looks whether they are what their names say."""
    return set(repo.cache.local.oids_exist(sorted(names)))


def _held(repo: Repo, names: set[str]) -> set[str]:
    return set(repo.cloud.get_remote_odb().oids_exist(sorted(names)))


def _copied(repo: Repo, names: set[str]) -> None:
    """Copy objects, lists of folders last: a list in the remote stands for its files."""
    remote = repo.cloud.get_remote_odb(command="push")
    for lists in (False, True):
        chosen = {HashInfo("md5", name) for name in names if name.endswith(".dir") is lists}
        if chosen:
            transfer(repo.cache.local, remote, chosen)
