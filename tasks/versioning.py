"""Runs stages in this process and records them as `dvc repro` would; the only module that imports dvc."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any, Literal

from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from dvc.stage import PipelineStage
from dvc.stage.cache import RunCacheNotFoundError
from dvc.stage.decorators import rwlocked

from tasks.artifacts import Layout, read_json, write_json
from tasks.config import Params
from tasks.errors import EspalierError
from tasks.outcome import StageOutcome, Status

__all__ = [
    "StageOutcome",
    "init_workspace",
    "lock_hashes",
    "plan",
    "push",
    "refresh_source",
    "run_stage",
    "source_changed",
    "stage_graph",
    "status",
    "workspace_lock",
]

_RELOCK_SECONDS = 60.0


@contextmanager
def workspace_lock(root: Path) -> Iterator[None]:
    """Hold the workspace for one run; the lock goes with the process that holds it.

    Raises
    ------
    EspalierError
        When another run holds it.
    """
    path = Layout(root).state / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise EspalierError(
                f"{root.name}: another run (process {holder}) holds this workspace; wait for it to end"
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextmanager
def _opened(root: Path) -> Iterator[Repo]:
    """Open the workspace's DVC repository, translating what DVC refuses. A Repo is never shared or kept."""
    if not (root / ".dvc").is_dir():
        raise EspalierError(f"{root}: not a workspace; make one with `espalier init {root.name}`")
    try:
        # DVC reads targets, and shortens paths in what it records, relative to the current folder.
        with chdir(root), Repo(str(root)) as repo:
            yield repo
    except LockError as error:
        raise EspalierError(
            f"{root.name}: another DVC command is at work here; wait for it, or see `espalier doctor`. "
            f"DVC says: {_one_line(error)}"
        ) from error
    except DvcException as error:
        raise EspalierError(f"{root.name}: DVC says: {_one_line(error)}") from error


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{text} ({_one_line(error.__cause__)})" if error.__cause__ else text


def _stage(repo: Repo, name: str) -> PipelineStage:
    return repo.stage.load_one(path=str(Path(repo.root_dir, "dvc.yaml")), name=name)


def run_stage(root: Path, name: str, function: Callable[[], None]) -> StageOutcome:
    """Bring stage `name` up to date: skip it, restore it from the run-cache, or run and record it.

    Parameters
    ----------
    root : Path
        Workspace.
    name : str
        Stage of `root`/dvc.yaml.
    function : callable
        Does what the stage's command does, in this process.

    Raises
    ------
    EspalierError
        When DVC refuses: locked, dependency missing, output not written. Whatever `function` raises passes
        through; nothing is then recorded and the next run starts the stage again.
    """
    started = time.perf_counter()
    with _opened(root) as repo, lock_repo(repo), repo.scm_context(quiet=True):
        status = _reproduce(_stage(repo, name), function)
    return StageOutcome(name, status, time.perf_counter() - started)


@rwlocked(read=["deps"], write=["outs"])  # type: ignore[untyped-decorator]
def _reproduce(stage: PipelineStage, function: Callable[[], None]) -> Status:
    """Do what `Stage.reproduce` and `Stage.run` of DVC do, the command replaced by `function`."""
    if not stage.changed():
        return "skipped"
    stage.remove_outs(ignore_remove=False, force=False)
    restored = _restored(stage)
    if not restored:
        stage.save_deps()
        _unlocked(stage.repo, function)
    _record(stage)
    return "restored" if restored else "ran"


def _record(stage: PipelineStage) -> None:
    try:
        stage.save()
        stage.commit()
        stage.dump(update_pipeline=False)
    except OSError as error:
        raise EspalierError(
            f"stage {stage.name}: its outputs could not be recorded ({error.strerror or error}); nothing recorded "
            "before is touched. Free space or fix permissions, then run again"
        ) from error


def _restored(stage: PipelineStage) -> bool:
    try:
        stage.repo.stage_cache.restore(stage)
    except RunCacheNotFoundError:
        return False
    return all(out.exists for out in stage.outs)


def _unlocked(repo: Repo, function: Callable[[], None]) -> None:
    """Call `function` with the repository's short lock free; the stage's read-write lock stays held."""
    repo.lock.unlock()
    repo._reset()
    try:
        function()
    finally:
        _relock(repo)


def _relock(repo: Repo) -> None:
    """Take the repository's lock again, patiently: what was computed waits to be recorded."""
    until = time.monotonic() + _RELOCK_SECONDS
    while True:
        try:
            repo.lock.lock()
        except LockError:
            if time.monotonic() > until:
                raise
        else:
            return


def status(root: Path) -> dict[str, Any]:
    """Return what `dvc status` reports; empty when everything is up to date."""
    with _opened(root) as repo:
        found: dict[str, Any] = repo.status()
    return found


def stage_graph(root: Path) -> dict[str, tuple[str, ...]]:
    """Return each stage of dvc.yaml, in an order in which they can run, with the stages it waits for."""
    import networkx

    with _opened(root) as repo, lock_repo(repo):
        graph = networkx.relabel_nodes(repo.index.graph, lambda stage: stage.name or stage.addressing)
    order = networkx.lexicographical_topological_sort(graph.reverse())
    return {name: tuple(sorted(graph.successors(name))) for name in order}


def plan(root: Path, settings: Mapping[str, Any], *, source_changes: bool) -> dict[str, tuple[str, ...]]:
    """Say which stages would run with `settings`, and why; nothing is written.

    Parameters
    ----------
    root : Path
        Workspace.
    settings : mapping
        What params.yaml would hold.
    source_changes : bool
        Whether data/source.json would be refreshed.

    Returns
    -------
    dict
        Reasons by stage, in the order of the graph; no reasons: the stage would be skipped.
    """
    graph = stage_graph(root)
    reasons: dict[str, tuple[str, ...]] = {}
    with _opened(root) as repo, lock_repo(repo):
        for name, before in graph.items():
            found = _reasons(_stage(repo, name), settings)
            if name == "fetch" and source_changes:
                found.append("data/source.json is new or changed")
            found += [f"after {other}" for other in before if reasons[other]]
            reasons[name] = tuple(dict.fromkeys(found))
    return reasons


def _reasons(stage: PipelineStage, settings: Mapping[str, Any]) -> list[str]:
    if stage.md5 is None and not any(out.hash_info for out in stage.outs):
        return ["never ran"]
    params = {id(dep) for dep in stage.params}
    found = [
        f"{path} is {state}"
        for item in [*stage.deps, *stage.outs]
        if id(item) not in params
        for path, state in item.status().items()
    ]
    for dep in stage.params:
        recorded = dep.hash_info.value or {}
        found += [f"{key} changed" for key in dep.params if recorded.get(key) != _at(settings, key)]
    return found + (["its command changed"] if stage.changed_stage() and not found else [])


def _at(settings: Any, key: str) -> Any:
    for step in key.split("."):
        settings = settings.get(step) if isinstance(settings, Mapping) else None
    return settings


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
    with _opened(root) as repo:
        repo.push(run_cache=True)
        remote = repo.cloud.get_remote_odb()
        wanted = {info.value for infos in repo.used_objs(push=True).values() for info in infos}
        missing = wanted - set(remote.oids_exist(sorted(wanted)))
    if missing:
        raise EspalierError(
            f"{root.name}: {len(missing)} of {len(wanted)} files did not reach the DVC remote "
            f"(first: {min(missing)}); check its space and rights, then run again"
        )
    return len(wanted)


def lock_hashes(root: Path) -> dict[str, str]:
    """Return the hash of every output that dvc.lock records, by path."""
    from ruamel.yaml import YAML

    path = root / "dvc.lock"
    if not path.exists():
        return {}
    stages = YAML(typ="safe").load(path.read_text(encoding="utf-8"))["stages"]
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", ())}


def _described(root: Path, params: Params) -> dict[str, Any]:
    from tasks.data.sources import fingerprint

    return fingerprint(root, params.source)


def source_changed(root: Path, params: Params) -> bool:
    """Say whether the source differs from what data/source.json describes."""
    path = Layout(root).source
    return not path.exists() or read_json(path) != _described(root, params)


def refresh_source(root: Path, params: Params) -> bool:
    """Bring data/source.json, what stage fetch depends on, up to date with the source.

    Returns
    -------
    bool
        Whether the source was new or had changed.
    """
    described = _described(root, params)
    path = Layout(root).source
    if path.exists() and read_json(path) == described:
        return False
    write_json(path, described)
    return True


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
