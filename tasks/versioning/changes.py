"""Whether there is a reason to run: what differs from the last recorded run."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from dvc.repo import lock_repo
from dvc.stage import PipelineStage
from ruamel.yaml import YAML

from tasks.config import Params
from tasks.layout import Layout
from tasks.versioning.content import described_source
from tasks.versioning.lockfile import load_stage
from tasks.versioning.plan import changed_params
from tasks.versioning.repository import opened, stage_graph
from tasks.versioning.runs import Run

__all__ = ["SOURCE_CHANGED", "changes_since"]

SOURCE_CHANGED = "the source has changed"
"""The reason that is about data."""

_REGISTRY = "registry"


def changes_since(root: Path, params: Params, run: Run) -> tuple[str, ...]:
    """Say what has changed since a recorded run that could change its result; nothing is written.

    Compared are the source's content, the parameters that stages read and section `registry`, and every
    file that a stage depends on and no stage makes: the code.

    Parameters
    ----------
    root : Path
        Workspace, as it stands.
    params : Params
        Its parameters.
    run : Run
    """
    yaml = YAML(typ="safe")
    now = yaml.load(Layout(root).params.read_text(encoding="utf-8")) or {}
    before = yaml.load(run.text(root, "params.yaml")) or {}
    found = [] if _source(root, run) == described_source(root, params) else [SOURCE_CHANGED]
    found += [] if now.get(_REGISTRY) == before.get(_REGISTRY) else ["section registry changed"]
    return tuple(dict.fromkeys([*found, *_stages(root, now, run)]))


def _source(root: Path, run: Run) -> Any:
    text = run.text(root, "data/source.json")
    return json.loads(text) if text else None


def _stages(root: Path, settings: Mapping[str, Any], run: Run) -> list[str]:
    lock = run.text(root, "dvc.lock")
    graph = stage_graph(root)
    with opened(root) as repo, lock_repo(repo):
        stages = [load_stage(repo, name, lock) for name in graph]
        made = {str(out) for stage in stages for out in stage.outs} | {"data/source.json"}
        return [reason for stage in stages for reason in _reasons(stage, settings, made)]


def _reasons(stage: PipelineStage, settings: Mapping[str, Any], made: Collection[str]) -> list[str]:
    if not any(out.hash_info for out in stage.outs):
        return [f"stage {stage.name} is new"]
    params = {id(dep) for dep in stage.params}
    given = [dep for dep in stage.deps if id(dep) not in params and str(dep) not in made]
    found = [f"{path} is {state}" for dep in given for path, state in dep.status().items()]
    found += [f"{key} changed" for key in changed_params(stage, settings)]
    return found + ([f"the command of {stage.name} changed"] if stage.changed_stage() and not found else [])
