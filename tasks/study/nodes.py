"""The stages of a trial as nodes: what each one reads, and the key that names its result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tasks.config import Params
from tasks.files import fingerprint

__all__ = ["LAST", "PROJECT", "Step", "code_hash", "content", "graph_file", "keys", "module_file", "steps"]

LAST = "evaluate"
"""The stage a trial ends with; what differs from run to run (`measure`) is not part of one."""

_GIVEN = "fetch"
PROJECT = Path(__file__).resolve().parents[2]
"""Where this process's own code is."""


@dataclass(frozen=True)
class Step:
    """A stage as dvc.yaml declares it.

    Attributes
    ----------
    module, arguments
        What its command runs: `tasks.stages.train` with `("reference",)`.
    sections
        Sections of params.yaml that it depends on.
    inputs
        (stage, path) of every file or folder that another stage of the trial writes.
    outside
        Files and folders it reads that no stage of the trial writes: the raw rows, a user's own networks.
    code
        Modules its code reaches, relative to the project.
    outs
        Files and folders that it writes.
    """

    name: str
    module: str
    arguments: tuple[str, ...]
    sections: tuple[str, ...]
    inputs: tuple[tuple[str, str], ...]
    outside: tuple[str, ...]
    code: tuple[str, ...]
    outs: tuple[str, ...]

    @property
    def before(self) -> tuple[str, ...]:
        """Stages whose results it reads."""
        return tuple(dict.fromkeys(stage for stage, _ in self.inputs))


def graph_file(root: Path) -> Path:
    """Return the workspace's dvc.yaml, else the project's, whose stages it then has."""
    own = root / "dvc.yaml"
    return own if own.exists() else PROJECT / "dvc.yaml"


def steps(root: Path) -> dict[str, Step]:
    """Return the stages a trial goes through, each after those it reads from."""
    path = graph_file(root)
    return _steps(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _steps(path: Path, _changed: int) -> dict[str, Step]:
    stages = YAML(typ="safe").load(path.read_text(encoding="utf-8"))["stages"]
    owner = {out: name for name, stage in stages.items() if name != _GIVEN for out in _outs(stage)}
    found: dict[str, Step] = {}

    def add(name: str) -> None:
        step = _step(name, stages[name], owner)
        for earlier in step.before:
            if earlier not in found:
                add(earlier)
        found[name] = step

    add(LAST)
    return found


def _step(name: str, stage: Mapping[str, Any], owner: Mapping[str, str]) -> Step:
    words = stage["cmd"].split()
    place = words.index("-m") + 1
    deps = _paths(stage.get("deps", ()))
    code = {dep: module for dep in deps if (module := module_file(dep))}
    read = {dep: made for dep in deps if (made := _made_by(dep, owner))}
    return Step(
        name,
        words[place],
        tuple(words[place + 1 :]),
        tuple(dict.fromkeys(key.split(".")[0] for key in _paths(stage.get("params", ())))),
        tuple((made, dep) for dep, made in read.items()),
        tuple(dep for dep in deps if dep not in code and dep not in read),
        tuple(sorted(code.values())),
        _outs(stage),
    )


def _paths(entries: Iterable[Any]) -> list[str]:
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def _outs(stage: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(path for kind in ("outs", "metrics", "plots") for path in _paths(stage.get(kind, ())))


def module_file(dep: str) -> str | None:
    """Return a module of this project as seen from its root, however dvc.yaml writes it; None for data."""
    parts = [part for part in Path(dep).parts if part != ".."]
    return "/".join(parts) if parts[0] == "tasks" and dep.endswith(".py") else None


def _made_by(dep: str, owner: Mapping[str, str]) -> str | None:
    """Return the stage that writes `dep`, or the folder it is in."""
    places = [Path(dep), *Path(dep).parents]
    return next((owner[place.as_posix()] for place in places if place.as_posix() in owner), None)


@lru_cache(maxsize=64)
def code_hash(modules: tuple[str, ...]) -> str:
    """Hash the modules of this process's own code; once, for it keeps what it has imported."""
    return fingerprint(*(PROJECT / module for module in modules), settings=modules)


def content(path: Path) -> str:
    """Hash a file, or a folder without what Python caches in it; again only where its files changed."""
    if not path.exists():
        return "absent"
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    kept = [file for file in files if "__pycache__" not in file.parts]
    signs = [(file.stat().st_mtime_ns, file.stat().st_size, file.stat().st_ino) for file in kept]
    return _content(path, tuple(kept), tuple(signs))


@lru_cache(maxsize=256)
def _content(path: Path, files: tuple[Path, ...], _signs: tuple[tuple[int, ...], ...]) -> str:
    return fingerprint(*files, settings=[file.relative_to(path).as_posix() for file in files])


def keys(root: Path, params: Params) -> dict[str, str]:
    """Name the result of every stage of a trial, by all that it depends on.

    Parameters
    ----------
    root
        Workspace: the files that no stage of the trial writes are read from it.
    params
        The trial's own.

    Returns
    -------
    dict
        For each stage 32 hex digits: a hash of its command, the sections it depends on, the keys of the
        nodes it reads, the content of other files it reads, and its code.
    """
    found: dict[str, str] = {}
    for step in steps(root).values():
        facts: Sequence[Any] = (
            [step.module, *step.arguments],
            {name: getattr(params, name).model_dump(mode="json") for name in step.sections},
            {name: found[name] for name in step.before},
            {path: content(root / path) for path in step.outside},
            code_hash(step.code),
        )
        found[step.name] = fingerprint(settings=facts)[:32]
    return found
