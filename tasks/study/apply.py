"""From a study's candidate to the settings that make it the workspace's own recipe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.config import load_params, parse_params
from tasks.study.applied import leaves
from tasks.study.overrides import canonical, fixed, settings, validated

__all__ = ["recipe_settings"]


def recipe_settings(root: Path, chosen: Mapping[str, Any]) -> list[str]:
    """Return what `espalier run --set` takes so that params.yaml says what a candidate did.

    What no candidate may change stays as it is now; the rest becomes what it was when the study ran, with the
    candidate's changes.

    Parameters
    ----------
    root : Path
        Workspace.
    chosen : mapping
        `overrides` of the candidate, and `base`: the parameters they change, as plain JSON.

    Raises
    ------
    ConfigError
        When params.yaml, or the candidate, is no longer valid.
    """
    now = load_params(root)
    then = validated(parse_params(chosen["base"]), chosen["overrides"])
    wanted, have = (leaves(params.model_dump(mode="json", by_alias=True)) for params in (then, now))
    changes = {
        path: value
        for path, value in wanted.items()
        if not fixed(path) and (path not in have or have[path] != value)
    }
    return settings(canonical(now, changes))
