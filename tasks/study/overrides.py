"""Overrides of params.yaml by path: applied, checked, brought to one form, told apart by an id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from tasks.config import Params, parse_params
from tasks.errors import ConfigError, Problem
from tasks.study.applied import Base, at, base_of, effective, leaves

__all__ = [
    "FIXED",
    "Examined",
    "Overrides",
    "canonical",
    "examined",
    "fixed",
    "identity",
    "refused_id",
    "settings",
    "validated",
]

Overrides: TypeAlias = Mapping[str, Any]

FIXED = {
    "source": "every candidate learns from the same rows",
    "clean.split": "every candidate is judged on the same rows",
    "train.seed": "the study sets it; see study.seeds",
    "evaluate": "every candidate is judged the same way",
    "measure": "candidates are timed together, when all are there",
    "registry": "candidates are not registered",
    "promote": "candidates are not registered",
    "monitor": "no candidate meets later rows",
    "study": "a study is made of no other",
}
"""Paths that no candidate may change, and why."""


def fixed(path: str) -> str | None:
    """Say why no candidate may change `path`; None when it may."""
    inside = (why for start, why in FIXED.items() if path == start or path.startswith(f"{start}."))
    above = (why for start, why in FIXED.items() if start.startswith(f"{path}.") and path != "train")
    return next(inside, None) or next(above, None)


def validated(params: Params, overrides: Overrides) -> Params:
    """Return the parameters of a candidate, as `espalier run --set` would make them.

    Parameters
    ----------
    params
        The workspace's own.
    overrides
        Values by path; a path may lead through a list (`prune.steps.0.amount`), and may choose another method
        (`reduce.columns.method`), which drops the options that method does not know.

    Raises
    ------
    ConfigError
        With every problem at once: what no candidate may change, and what the parameters cannot be.

    Examples
    --------
    >>> validated(Params(), {"prune.amount": 0.5}).prune.amount
    0.5
    """
    return _checked(overrides, *base_of(params).applied(overrides))


def _checked(overrides: Overrides, changed: object, problems: list[Problem]) -> Params:
    problems += [Problem(path, None, "cannot vary", why) for path in overrides if (why := fixed(path))]
    if problems:
        raise ConfigError(problems, "candidate")
    try:
        return parse_params(changed)
    except ConfigError as error:
        raise ConfigError(error.problems, "candidate") from error


@dataclass(frozen=True)
class Examined:
    """What overrides come to.

    Attributes
    ----------
    params
        The parameters they make.
    overrides
        Those that make a difference, sorted; lists and sections whole where part of one is set. They make
        the same parameters, in all that numbers depend on.
    id
        8 hex digits that are equal for overrides that make the same parameters.
    """

    params: Params
    overrides: dict[str, Any]
    id: str


def examined(params: Params, overrides: Overrides) -> Examined:
    """Apply overrides, and bring them to one form.

    Raises
    ------
    ConfigError
        As `validated` does.
    """
    base = base_of(params)
    changed, problems = base.applied(overrides)
    made = _checked(overrides, changed, problems)
    before, after = base.effective, leaves(effective(made))
    facts = [[leaf, after.get(leaf)] for leaf in sorted({*before, *after}) if _differs(leaf, before, after)]
    return Examined(made, _least(base, overrides, changed, after), _digest(facts))


def canonical(params: Params, overrides: Overrides) -> dict[str, Any]:
    """Return the overrides that make a difference, see `Examined`.

    Raises
    ------
    ConfigError
        As `validated` does.
    """
    return examined(params, overrides).overrides


def identity(params: Params, overrides: Overrides) -> str:
    """Return the id of overrides, see `Examined`; those that make no parameters have one too."""
    try:
        return examined(params, overrides).id
    except ConfigError:
        return refused_id(overrides)


def refused_id(overrides: Overrides) -> str:
    """Return 8 hex digits for overrides that make no parameters."""
    return _digest(["refused", sorted(overrides.items())])


def _digest(facts: object) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:8]


def _least(
    base: Base, overrides: Overrides, changed: Mapping[str, Any], after: Mapping[str, Any]
) -> dict[str, Any]:
    whole = {_outermost(path, overrides, changed) for path in overrides}
    methods = (path for path in whole if path.endswith(".method") and _differs(path, base.effective, after))
    switched = tuple(path.removesuffix("method") for path in methods)

    def matters(path: str) -> bool:
        under = (leaf for leaf in after if leaf == path or leaf.startswith(f"{path}."))
        return any(
            _differs(leaf, base.effective, after)
            or (leaf not in base.written_leaves and leaf.startswith(switched))
            for leaf in under
        )

    kept = {path for path in whole if matters(path)}
    # A section that params.yaml leaves out needs its method beside what is set of it.
    above = {f"{path[:place]}.method" for path in kept for place, sign in enumerate(path) if sign == "."}
    return {path: at(changed, path) for path in sorted(kept | (above & base.defaults))}


def settings(overrides: Overrides) -> list[str]:
    """Return overrides in canonical form as `key.path=value`, what `tasks.config.apply_overrides` takes."""
    paths = sorted(overrides, key=lambda path: (not path.endswith(".method"), path))
    return [f"{path}={json.dumps(overrides[path])}" for path in paths]


def _differs(leaf: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    return (leaf in before) != (leaf in after) or before[leaf] != after[leaf]


def _outermost(path: str, overrides: Overrides, raw: Any) -> str:
    """Return the shortest path that sets the same: one among the overrides above it, or the list it is in."""
    keys = path.split(".")
    for depth in range(1, len(keys)):
        above = ".".join(keys[:depth])
        if above in overrides or isinstance(at(raw, above), list):
            return above
    return path
