"""Candidates: what a study compares, each a few changes of the workspace's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tasks.config import Params
from tasks.errors import ConfigError
from tasks.study.naming import arm_of, recipe, shown
from tasks.study.overrides import Overrides, canonical, identity, validated

__all__ = ["Candidate", "Origin", "candidate"]

Origin = Literal["own", "ablation", "space", "rival"]


@dataclass(frozen=True)
class Candidate:
    """One recipe to try.

    Attributes
    ----------
    id
        8 hex digits; equal for equal recipes of one workspace.
    arm
        What it does at all: 'nothing', 'columns', 'rows', 'pruning', 'columns+pruning', 'columns+rows',
        'rows+pruning' or 'all'; of a rival its kind: 'random units', 'random rows', 'small dense', 'linear'.
    name
        Its recipe in short, what differs first.
    overrides
        Changes of params.yaml by path, in canonical form, JSON-able; {} is the workspace's own recipe.
    origin
        'own' | 'ablation' | 'space' | 'rival': why it is in the study.
    refused
        Why there are no such parameters; None when there are. It is recorded as failed.
    """

    id: str
    arm: str
    name: str
    overrides: Mapping[str, Any]
    origin: Origin = "space"
    refused: str | None = None


def candidate(
    params: Params, overrides: Overrides, *, origin: Origin = "space", kind: str | None = None
) -> Candidate:
    """Make a candidate of changes to `params`; impossible ones make one that says why.

    Parameters
    ----------
    params
        The workspace's own.
    overrides
        Values by path.
    origin
        Why it is in the study.
    kind
        Of a rival; it takes the place of the arm, and goes before the name.
    """
    key = identity(params, overrides)
    try:
        changed, least = validated(params, overrides), canonical(params, overrides)
    except ConfigError as error:
        name = " ".join(f"{path.rpartition('.')[2]}={shown(value)}" for path, value in overrides.items())
        return Candidate(key, kind or "refused", name, dict(overrides), origin, _reason(error))
    name = recipe(changed, params, least)
    if kind is not None:
        return Candidate(key, kind, f"{kind} {name}", least, origin)
    return Candidate(key, arm_of(changed), name, least, origin)


def _reason(error: ConfigError) -> str:
    return "; ".join(str(problem) for problem in error.problems)
