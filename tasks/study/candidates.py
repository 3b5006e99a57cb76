"""Candidates: what a study compares, each a few changes of the workspace's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tasks.config import Params
from tasks.errors import ConfigError
from tasks.study.naming import arm_of, recipe, told
from tasks.study.overrides import Overrides, examined, refused_id

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
    params: Params, overrides: Overrides, *, origin: Origin = "space", kind: str = "", name: str = ""
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
    kind, name
        Of a rival, in place of the arm and the recipe.
    """
    try:
        found = examined(params, overrides)
    except ConfigError as error:
        said = " ".join(told(path, value) for path, value in overrides.items())
        return Candidate(
            refused_id(overrides), kind or "refused", name or said, dict(overrides), origin, _reason(error)
        )
    least = found.overrides
    name = name or recipe(found.params, params, least)
    return Candidate(found.id, kind or arm_of(found.params), name, least, origin)


def _reason(error: ConfigError) -> str:
    return "; ".join(str(problem) for problem in error.problems)
