"""A version made again from Git, DVC and its recorded parameters, and held against what was recorded."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks import versioning
from tasks.artifacts import Layout, read_json, write_text
from tasks.errors import EspalierError
from tasks.lineage.code import FETCH_RUNS, Code, Commit, named, read_code
from tasks.lineage.stored import EXPORT, MODEL, md5, registered_files
from tasks.lineage.subject import Subject, find
from tasks.tracking.store import open_client, reported

if TYPE_CHECKING:
    from tasks.config import Params

__all__ = ["Pair", "Reproduced", "reproduce"]

GIVEN = "fetch"
"""Its outputs come from DVC: the source may hold other rows by now."""

_TIMED = "measure"
"""What it writes differs from run to run."""

_MACHINE = ("cpu", "python", "torch", "onnxruntime", "platform")


@dataclass(frozen=True)
class Pair:
    """Something recorded, and the same made again; '' or None where there is none."""

    name: str
    recorded: Any
    made: Any

    @property
    def same(self) -> bool:
        """Whether they are equal to the bit."""
        return bool(self.recorded == self.made)


@dataclass(frozen=True)
class Reproduced:
    """A version made again.

    Attributes
    ----------
    title, commit, ref : str
        Ref of the scheduled run, '' where it is of a commit that was checked out.
    computed, cached : tuple of str
        Stages that were computed, and those taken from the run-cache.
    brought : tuple of str
        Files that Git does not have, taken from the folder by their hash.
    files : tuple of Pair
        DVC's hash of every output.
    metrics : tuple of Pair
        Of each model on the test rows.
    model : Pair
        MD5 of the registered ONNX file, and of the one made again.
    machine : tuple of Pair
        What it was made on and with, then and now, as far as that differs.
    folder : str
        The clone, where it was kept.
    """

    title: str
    commit: str
    ref: str
    computed: tuple[str, ...]
    cached: tuple[str, ...]
    brought: tuple[str, ...]
    files: tuple[Pair, ...]
    metrics: tuple[Pair, ...]
    model: Pair
    machine: tuple[Pair, ...]
    folder: str

    @property
    def same(self) -> bool:
        """Whether everything is equal to the bit."""
        return all(pair.same for pair in (*self.files, *self.metrics, self.model))

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form."""
        return {**asdict(self), "same": self.same}


def reproduce(
    root: Path,
    params: Params,
    asked: str,
    *,
    cached: bool = False,
    keep: bool = False,
    say: Callable[[str], object] = str,
) -> Reproduced:
    """Make a version again in a clone of its own; workspace, DVC cache and registry are only read.

    Parameters
    ----------
    root : Path
        Workspace.
    params : Params
        Its parameters, for the name of the registered model.
    asked : str
        A version, see `subject.find`.
    cached : bool
        Take stages from the run-cache where it has them; else all but the first are computed.
    keep : bool
        Leave the clone.
    say : callable
        Takes the name of each stage that is begun.

    Raises
    ------
    EspalierError
        When it cannot be made again, saying what is missing and what to do; or a stage fails.
    """
    with reported(root):
        client = open_client(root)
        subject = find(client, params.registry.name, asked)
        if subject.version is None:
            raise EspalierError(f"{subject.title} was not registered; name a version")
        registered = registered_files(client, subject.version).get("model.onnx", "")
    _require_recorded(subject)
    code = read_code(root, subject)
    commit, brought = _commit(root, subject, code)
    stages = versioning.stages_of(commit.lock)
    _require_rows(root, subject, stages)
    with versioning.cloned(root, commit.id, keep=keep) as inner:
        _set_up(root, inner, subject, commit, brought)
        versioning.bring(inner, GIVEN, runs=cached)
        _require_brought(inner, subject, stages[GIVEN])
        names = [name for name in stages if name not in (GIVEN, _TIMED)]
        computed = versioning.compute(inner, names, force=not cached, say=say)
        made = versioning.stages_of((inner / "dvc.lock").read_text(encoding="utf-8"))
        return Reproduced(
            title=subject.title,
            commit=commit.id,
            ref=commit.ref,
            computed=tuple(name for name in names if name in computed),
            cached=tuple(name for name in names if name not in computed),
            brought=brought,
            files=tuple(_files(stages, made, names)),
            metrics=tuple(_metrics(subject, read_json(Layout(inner).report("evaluate")))),
            model=Pair("model.onnx", registered, md5(inner / EXPORT / MODEL)),
            machine=tuple(_machine(subject)),
            folder=str(inner) if keep else "",
        )


def _require_recorded(subject: Subject) -> None:
    if subject.result is None or not subject.tags:
        raise EspalierError(
            f"{subject.title} cannot be made again: its run in MLflow is gone; `espalier run` records one"
        )
    needed = ("params.yaml", "dvc.lock", "reports/evaluate.json")
    lost = [name for name in needed if name not in subject.files]
    if lost:
        raise EspalierError(f"{subject.title} cannot be made again: its run in MLflow has no {lost[0]}")


def _commit(root: Path, subject: Subject, code: Code) -> tuple[Commit, tuple[str, ...]]:
    """Return a commit with all the stages read, and files that only the folder has.

    Raises
    ------
    EspalierError
        When there is none, saying why.
    """
    for commit in (code.commit, code.run):
        if commit is not None and commit.known and commit.lock:
            here = _only_here(root, commit)
            if here.keys() == commit.other.keys():
                return commit, tuple(here)
    raise EspalierError(f"{subject.title} cannot be made again: {_why(code)}")


def _only_here(root: Path, commit: Commit) -> dict[str, str]:
    """Return the files that the commit lacks and the folder has as they were read."""
    wanted = versioning.given(versioning.stages_of(commit.lock))
    return {
        path: state
        for path, state in commit.other.items()
        if state == "missing" and versioning.content_hash(root / path) == wanted[path]
    }


def _why(code: Code) -> str:
    commit, run = code.commit, code.run
    if run is not None and not run.known:
        return f"{run.ref}, commit {run.id[:10]}, is not in this repository; fetch it ({FETCH_RUNS})"
    if commit is None:
        return "no git commit is recorded; commit, then `espalier run`: the same result takes that commit"
    if not commit.known:
        return f"commit {commit.id[:10]} is not in this repository; `git fetch` it, or use a full clone"
    changes = "there were local changes that nobody recorded" if code.dirty else "that code is lost"
    return (
        f"{changes}: at commit {commit.id[:10]} {named(commit.other)}; put them back, commit, then `espalier "
        "run`: the same result takes that commit. Scheduled runs record what nobody commits"
    )


def _require_rows(root: Path, subject: Subject, stages: Mapping[str, versioning.Stage]) -> None:
    if GIVEN not in stages or not any(EXPORT in stage.outs for stage in stages.values()):
        raise EspalierError(f"{subject.title} cannot be made again: its dvc.lock names no rows or no model")
    where = versioning.kept(root, stages[GIVEN].outs)
    if lost := [path for path, found in where.items() if found.lost]:
        raise EspalierError(
            f"{subject.title} cannot be made again: {lost[0]} is neither in the DVC cache nor in the remote; "
            "`dvc push` on a machine that has it, or set the remote that does (`dvc remote modify`)"
        )


def _set_up(root: Path, inner: Path, subject: Subject, commit: Commit, brought: tuple[str, ...]) -> None:
    """Put what was recorded beside the commit's files."""
    write_text(inner / "params.yaml", subject.files["params.yaml"])
    write_text(inner / "dvc.lock", commit.lock)
    for path in brought:
        (inner / path).parent.mkdir(parents=True, exist_ok=True)
        if (root / path).is_dir():
            shutil.copytree(root / path, inner / path)
        else:
            shutil.copy2(root / path, inner / path)


def _require_brought(inner: Path, subject: Subject, stage: versioning.Stage) -> None:
    for path, value in stage.outs.items():
        if versioning.content_hash(inner / path) != value:
            raise EspalierError(
                f"{subject.title} cannot be made again: {path} came other than recorded, or not at all; "
                "`dvc fetch` and `dvc doctor` look at cache and remote"
            )


def _files(
    recorded: Mapping[str, versioning.Stage], made: Mapping[str, versioning.Stage], names: list[str]
) -> Iterator[Pair]:
    for name in names:
        before, now = recorded[name].outs, made[name].outs if name in made else {}
        for path in dict.fromkeys([*before, *now]):
            yield Pair(path, before.get(path, ""), now.get(path, ""))


def _metrics(subject: Subject, report: Mapping[str, Any]) -> Iterator[Pair]:
    before, now = _figures(json.loads(subject.files["reports/evaluate.json"])), _figures(report)
    for name in dict.fromkeys([*before, *now]):
        yield Pair(name, before.get(name), now.get(name))


def _figures(report: Mapping[str, Any]) -> dict[str, float | None]:
    return {
        f"{model} {name}": None if value is None or math.isnan(value) else value
        for model, judged in report["models"].items()
        for name, value in judged["metrics"].items()
    }


def _machine(subject: Subject) -> Iterator[Pair]:
    from tasks.evaluation.speed import machine

    text = subject.files.get("reports/measure.json")
    then: Mapping[str, Any] = json.loads(text).get("machine", {}) if text else {}
    now = machine()
    for name in _MACHINE:
        pair = Pair(name, then.get(name), now.get(name))
        if not pair.same:
            yield pair
