"""A folder of its own in which one stage runs: what it reads is linked into it, what it writes is new.

Nothing in it is ever changed in place: every file is written beside its name and then takes it, so that a
link to another's file stays as safe as a copy.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from hashlib import md5
from importlib import import_module
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tasks.files import read_json, write_text
from tasks.layout import Layout
from tasks.study.nodes import PROJECT, Step, module_file

__all__ = ["adopt", "assemble", "execute", "recorded", "seconds"]

_KEPT = ("checkpoints",)


def assemble(sandbox: Path, step: Step, root: Path, text: str, nodes: Mapping[str, Path]) -> None:
    """Make the folder as the stage finds a workspace; checkpoints of an attempt that was killed stay.

    Parameters
    ----------
    sandbox
        New, or left by a killed attempt at the same node.
    step
        The stage.
    root
        The study's workspace.
    text
        params.yaml of the trial.
    nodes
        Folders of the nodes that the stage reads, by stage.
    """
    _clear(sandbox)
    write_text(sandbox / "params.yaml", text)
    for stage, path in step.inputs:
        _link(nodes[stage] / path, sandbox / path)
    for path in ("dvc.yaml", *step.outside):
        if (root / path).exists():
            (sandbox / path).parent.mkdir(parents=True, exist_ok=True)
            (sandbox / path).symlink_to((root / path).resolve())


def _clear(sandbox: Path) -> None:
    state = Layout(sandbox).state
    for path in [*sandbox.glob("*"), *state.glob("*")]:
        if path == state or path.name in _KEPT:
            continue
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _link(source: Path, target: Path) -> None:
    """Give a file, or all files of a folder, a second name; a symbolic link where that cannot be."""
    files = [file for file in source.rglob("*") if file.is_file()] if source.is_dir() else [source]
    for file in files:
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file.resolve(), place)
        except OSError:
            place.symlink_to(file.resolve())


def execute(step: Step, sandbox: Path) -> None:
    """Run the stage as its command does, in this process."""
    import_module(step.module).run(sandbox, *step.arguments)


def seconds(step: Step, sandbox: Path) -> float | None:
    """Return how long the stage took there; None where it has not run."""
    path = Layout(sandbox).timing(step.name)
    return float(read_json(path)["seconds"]) if path.exists() else None


def recorded(root: Path, step: Step, text: str) -> bool:
    """Say whether dvc.lock has the stage's files as they are now, made from these very settings and files."""
    lock = root / "dvc.lock"
    entry = _yaml(lock.read_text(encoding="utf-8"))["stages"].get(step.name) if lock.exists() else None
    if entry is None:
        return False
    ours, made = _yaml(text), entry.get("params", {}).get("params.yaml", {})
    files = [*entry.get("deps", ()), *entry.get("outs", ())]
    return all(made.get(name) == ours.get(name) for name in step.sections) and all(
        _md5(_place(root, file["path"])) == file["md5"] for file in files
    )


def _place(root: Path, path: str) -> Path:
    """Return where a file of dvc.lock is; a module is one of this process's own code."""
    module = module_file(path)
    return root / path if module is None else PROJECT / module


def adopt(root: Path, step: Step, sandbox: Path) -> None:
    """Take over the workspace's own files of the stage instead of computing them."""
    for out in step.outs:
        _link(root / out, sandbox / out)


def _yaml(text: str) -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(text) or {}
    return loaded


def _md5(path: Path) -> str:
    """Hash a file as DVC does; folders, which it hashes another way, count as changed."""
    if not path.is_file():
        return ""
    digest = md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
