"""From a study's candidate to the settings that make it the workspace's own recipe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.config import load_params, parse_params
from tasks.study.overrides import canonical, settings, validated

__all__ = ["recipe_settings"]

_RECIPE = ("clean", "model", "train", "reference", "reduce", "prune", "export")


def recipe_settings(root: Path, chosen: Mapping[str, Any]) -> list[str]:
    """Return what `espalier run --set` takes so that params.yaml says what a candidate did.

    Sections that no candidate may change stay as they are now; the others become what they were when the
    study ran, with the candidate's changes.

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
    wanted = validated(parse_params(chosen["base"]), chosen["overrides"]).model_dump(
        mode="json", by_alias=True
    )
    have = now.model_dump(mode="json", by_alias=True)
    changes = {
        path: value
        for section in _RECIPE
        for path, value in _differing(wanted[section], have[section], section).items()
    }
    return settings(canonical(now, changes)) if changes else []


def _differing(wanted: Any, have: Any, path: str) -> dict[str, Any]:
    """Return values by path that differ; the whole section where its method does."""
    if wanted == have:
        return {}
    both = isinstance(wanted, Mapping) and isinstance(have, Mapping)
    if not both or set(wanted) != set(have) or wanted.get("method") != have.get("method"):
        if isinstance(wanted, Mapping):
            return {f"{path}.{key}": value for key, value in wanted.items()}
        return {path: wanted}
    return {
        inner: value
        for key in wanted
        for inner, value in _differing(wanted[key], have[key], f"{path}.{key}").items()
    }
