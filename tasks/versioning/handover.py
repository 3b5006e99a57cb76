"""Every result that Git leads to, copied to the default remote, whoever made it and whenever.

`dvc push` copies what the working tree leads to, with `--all-commits` what commits of branches and tags do;
neither knows the runs recorded under refs/espalier/runs.
"""

from __future__ import annotations

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
    """Files and lists of files that Git leads to.

    Attributes
    ----------
    copied : int
        Went to the remote now.
    there : int
        Were there before.
    lost : int
        Are neither here nor there, or lists of files some of which are not.
    """

    copied: int
    there: int
    lost: int


def hand_over(root: Path) -> Handover:
    """Copy what any branch, tag, recorded run or the working tree leads to, and what DVC knows of runs.

    Raises
    ------
    EspalierError
        Without a default remote, when it cannot be reached, and when a file does not get there.
    """
    wanted = needed(root)
    with let_in(), reopened(root) as repo, lock_repo(repo):
        if not repo.config["core"].get("remote"):
            raise EspalierError(f"{root.name}: no DVC remote is set; `espalier remote URL` sets one")
        with reached():
            there = _held(repo, wanted)
            here = _whole(repo, {name for name in wanted - there if repo.cache.local.exists(name)}, there)
            _copied(repo, here)
            repo.stage_cache.push(None)
            short = here - _held(repo, here)
    if short:
        raise EspalierError(
            f"{root.name}: {len(short)} of {len(here)} files did not reach the DVC remote (first: "
            f"{min(short)}); check its space and rights, then run again"
        )
    return Handover(len(here), len(there), len(wanted - there - here))


def _held(repo: Repo, names: set[str]) -> set[str]:
    return set(repo.cloud.get_remote_odb().oids_exist(sorted(names)))


def _whole(repo: Repo, here: set[str], there: set[str]) -> set[str]:
    """Leave out the lists of folders whose files are not all here or there: a list stands for its files."""
    lists = {name for name in here if name.endswith(".dir")}
    trees = {name: Tree.load(repo.cache.local, HashInfo("md5", name)) for name in lists}
    cut = {name for name, tree in trees.items() if any(info.value not in here | there for *_, info in tree)}
    return here - cut


def _copied(repo: Repo, names: set[str]) -> None:
    """Copy objects, lists of folders last."""
    remote = repo.cloud.get_remote_odb(command="push")
    for lists in (False, True):
        chosen = {HashInfo("md5", name) for name in names if name.endswith(".dir") is lists}
        if chosen:
            transfer(repo.cache.local, remote, chosen)
