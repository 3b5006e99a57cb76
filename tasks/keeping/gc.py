"""What has become of no use with the years: found first, freed when somebody says so.

What must stay is named in one place, `_needs`. Records in MLflow that stay keep their files in DVC too.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tasks import versioning
from tasks.config import load_params
from tasks.errors import EspalierError
from tasks.keeping.databases import compact
from tasks.layout import Layout
from tasks.promotion.ledger import EXPERIMENT, Entry, Ledger
from tasks.tracking.identity import identity
from tasks.tracking.retention import Family, Needs, Store, open_store
from tasks.tracking.store import open_client, own_database, reported, tracking_uri
from tasks.versioning import Run

__all__ = ["Surplus", "find", "free"]

_DAY = 86_400.0


@dataclass(frozen=True)
class Surplus:
    """What nothing needs.

    Attributes
    ----------
    families : tuple of (Family, int)
        Runs with what is nested in them and their registered versions; bytes of their files.
    recorded : tuple of Run
        Recorded runs to forget.
    files : dict of tuple of Path
        Of DVC's cache and remote, by its name.
    folders : dict of tuple of Path
        Checkpoints and such, by what they are.
    left : tuple of str
        What is not this workspace's to free, and whose it is.
    """

    families: tuple[tuple[Family, int], ...]
    recorded: tuple[Run, ...]
    files: dict[str, tuple[Path, ...]]
    folders: dict[str, tuple[Path, ...]]
    left: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """Bytes on disk, as far as no other name of a file holds them."""
        paths = [*_all(self.files), *(path for folder in _all(self.folders) for path in folder.rglob("*"))]
        return sum(size for _, size in self.families) + sum(map(size_of, paths))


def size_of(path: Path) -> int:
    """Return the bytes that go with a file; none where it has another name."""
    if not path.is_file() or path.is_symlink():
        return 0
    found = path.stat()
    return found.st_size if found.st_nlink == 1 else 0


def _all(groups: dict[str, tuple[Path, ...]]) -> Iterator[Path]:
    return (path for group in groups.values() for path in group)


def find(root: Path, days: float, *, forget: bool = False) -> Surplus:
    """Look for what is older than so many days and needed by nothing; nothing is written.

    Parameters
    ----------
    root : Path
        Workspace.
    days : float
    forget : bool
        Whether recorded runs and versions that were never the champion count as needed by nothing, too.

    Raises
    ------
    EspalierError
        When MLflow or Git cannot be asked: what cannot be seen to be of no use stays.
    """
    before = time.time() - days * _DAY
    _fetch(root)
    store = open_store(root)
    with reported(root):
        entries = _entries(root, store) if store else []
        kept = _versions(store, entries, before, forget=forget) if store else set()
        recorded = [run for run in versioning.old_runs(root, before) if forget and _version(run) not in kept]
        needs = _needs(root, store, kept, recorded)
        families = store.surplus(needs, before) if store else []
        sized = tuple((family, store.size(family)) for family in families) if store else ()
        hashes = _hashes(root, store, families)
    keep = versioning.needed(root, hashes, recorded)
    held, left = versioning.stores(root)
    files = {place.name: tuple(versioning.surplus(place, keep, before)) for place in held}
    return Surplus(sized, tuple(recorded), files, _folders(root, families, before), tuple(left))


def _fetch(root: Path) -> None:
    """Know of runs that other machines recorded: they need their files too."""
    if _in_git(root):
        versioning.fetch_others(root)


def _in_git(root: Path) -> bool:
    try:
        versioning.runs(root)
    except EspalierError:
        return False
    return True


def _entries(root: Path, store: Store) -> list[Entry]:
    if store.client.get_experiment_by_name(EXPERIMENT) is None:
        return []
    names = {str(version.name): None for version in store.versions}
    return [
        Entry(**{**vars(entry), "version": f"{name}/{entry.version}"})
        for name in names
        for entry in Ledger(store.client, root, name).entries()
    ]


def _versions(store: Store, entries: list[Entry], before: float, *, forget: bool) -> set[str]:
    """Return the versions that an alias or the ledger needs."""
    champions = {
        f"{entry.version.rpartition('/')[0]}/{number}"
        for entry in entries
        if entry.moves
        for number in (*entry.moves.champion, *entry.moves.previous)
    }
    told = {entry.version for entry in entries if not forget or entry.when / 1000.0 > before}
    return store.aliased | champions | told


def _version(run: Run) -> str:
    return run.facts.get("Version", "")


def _needs(root: Path, store: Store | None, kept: set[str], forgotten: list[Run]) -> Needs:
    going = {run.number for run in forgotten}
    held = versioning.runs(root) if _in_git(root) else []
    recorded = [run for run in held if run.number not in going]
    ledger = store.client.get_experiment_by_name(EXPERIMENT) if store else None
    return Needs(
        versions=kept | {_version(run) for run in recorded} - {""},
        runs={run.facts["MLflow-run"] for run in recorded if "MLflow-run" in run.facts},
        experiments={ledger.experiment_id} if ledger else set(),
        identity=identity(load_params(root), versioning.lock_hashes(root)),
    )


def _hashes(root: Path, store: Store | None, going: list[Family]) -> set[str]:
    """Return DVC's hashes that records in MLflow name, here and on the server that is set."""
    away = {id(family) for family in going}
    kept = [family for family in store.families if id(family) not in away] if store else []
    if tracking_uri(root) != own_database(root):
        kept += Store(open_client(root)).families
    return set().union(*(family.hashes for family in kept))


def _folders(root: Path, families: list[Family], before: float) -> dict[str, tuple[Path, ...]]:
    state = Layout(root).state
    old = (path for path in (state / "checkpoints").glob("*") if path.is_dir() and _last(path) <= before)
    gone = [version for family in families for version in family.versions]
    return {
        "checkpoints": tuple(old),
        "left worktrees": tuple(versioning.left_worktrees(root)),
        "fetched versions": tuple(
            path
            for version in gone
            for path in (state / "versions" / version.name).glob(f"{version.version}-*")
        ),
    }


def _last(folder: Path) -> float:
    """Return when the newest file of a folder was written."""
    return max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))


def free(root: Path, found: Surplus) -> None:
    """Free what was found: what refers first, what is referred to after it. Killed, it is begun again.

    Nothing may run here meanwhile; the caller holds the workspace's locks from before it looked.

    Raises
    ------
    EspalierError
        When MLflow or DVC refuses.
    """
    store = open_store(root)
    if store and found.families:
        with reported(root):
            for family, _ in found.families:
                store.remove(family)
        compact(Path(own_database(root).removeprefix("sqlite:///")))
    for run in found.recorded:
        versioning.forget(root, run)
    versioning.free_objects(root, _all(found.files))
    for name, folders in found.folders.items():
        for folder in folders:
            if name == "left worktrees":
                versioning.abandon(root, folder)
            else:
                shutil.rmtree(folder, ignore_errors=True)
