"""Which stages would run with given settings, and why."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dvc.repo import lock_repo
from dvc.stage import PipelineStage

from tasks.versioning.lockfile import load_stage
from tasks.versioning.repository import opened, stage_graph

__all__ = ["changed_params", "plan"]


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
    with opened(root) as repo, lock_repo(repo):
        for name, before in graph.items():
            found = _reasons(load_stage(repo, name), settings)
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
    found += [f"{key} changed" for key in changed_params(stage, settings)]
    return found + (["its command changed"] if stage.changed_stage() and not found else [])


def changed_params(stage: PipelineStage, settings: Mapping[str, Any]) -> list[str]:
    """Return the parameters of a stage whose values in `settings` differ from the recorded ones."""
    return [
        key
        for dep in stage.params
        for key in dep.params
        if (dep.hash_info.value or {}).get(key) != _at(settings, key)
    ]


def _at(settings: Any, key: str) -> Any:
    for step in key.split("."):
        settings = settings.get(step) if isinstance(settings, Mapping) else None
    return settings
