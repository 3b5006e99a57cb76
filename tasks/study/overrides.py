"""Overrides of params.yaml by path: applied, checked, brought to one form, told apart by an id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, TypeAlias

from tasks.config import Params, parse_params
from tasks.errors import ConfigError, Problem
from tasks.schema import fields_at
from tasks.settings import Section

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
    "study": "a study is made of no other",
}
"""Paths that no candidate may change, and why."""

_APART = {"study", "registry", "measure"}


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
    changed, problems = _applied(params, overrides)
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
    made = validated(params, overrides)
    before, after = _leaves(_effective(params)), _leaves(_effective(made))
    facts = [[leaf, after.get(leaf)] for leaf in sorted({*before, *after}) if _differs(leaf, before, after)]
    return Examined(made, _least(params, overrides, before, after), _digest(facts))


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
    params: Params, overrides: Overrides, before: Mapping[str, Any], after: Mapping[str, Any]
) -> dict[str, Any]:
    written = _leaves(_written(params))
    changed, _ = _applied(params, overrides)
    whole = {_outermost(path, overrides, changed) for path in overrides}
    methods = [path for path in whole if path.endswith(".method") and _differs(path, before, after)]
    switched = tuple(path.removesuffix("method") for path in methods)

    def matters(path: str) -> bool:
        under = (leaf for leaf in after if leaf == path or leaf.startswith(f"{path}."))
        return any(
            _differs(leaf, before, after) or (leaf not in written and leaf.startswith(switched))
            for leaf in under
        )

    kept = {path for path in whole if matters(path)}
    return {path: _at(changed, path) for path in sorted(kept | _methods_left_out(params, kept))}


def _methods_left_out(params: Params, paths: Iterable[str]) -> set[str]:
    """Return the methods that params.yaml leaves to their default, of sections that the paths lead into."""
    said = _leaves(params.model_dump(mode="json", by_alias=True, exclude_unset=True))
    above = {path[:place] for path in paths for place, sign in enumerate(path) if sign == "."}
    methods = {f"{section}.method" for section in above}
    return {method for method in methods if method in _leaves(_written(params)) and method not in said}


def settings(overrides: Overrides) -> list[str]:
    """Return overrides in canonical form as `key.path=value`, what `tasks.config.apply_overrides` takes."""
    paths = sorted(overrides, key=lambda path: (not path.endswith(".method"), path))
    return [f"{path}={json.dumps(overrides[path])}" for path in paths]


def _differs(leaf: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    return (leaf in before) != (leaf in after) or before[leaf] != after[leaf]


def _written(section: Section) -> dict[str, Any]:
    """Return what params.yaml says, without defaults it leaves out; methods always."""
    found: dict[str, Any] = {}
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            found[field.alias or name] = _written(value)
        elif name in section.model_fields_set or name == "method":
            found[field.alias or name] = section.model_dump(mode="json", include={name}).popitem()[1]
    return found


def _effective(params: Params) -> dict[str, Any]:
    """Return all that a candidate's numbers depend on, without options that its methods do not look at."""
    whole: dict[str, Any] = params.model_dump(mode="json", by_alias=True, exclude=_APART)
    if whole["prune"]["method"] == "none":
        whole["prune"] = {"method": "none"}
    if whole["reduce"]["rows"]["method"] == "none":
        whole["reduce"]["rows"] = {"method": "none", "factor": 1.0}
    return whole


def _leaves(section: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in section.items():
        deeper = isinstance(value, Mapping) and value
        found |= _leaves(value, f"{prefix}{key}.") if deeper else {f"{prefix}{key}": value}
    return found


def _applied(params: Params, overrides: Overrides) -> tuple[dict[str, Any], list[Problem]]:
    """Return the raw parameters with the overrides in place, and the list places that are not there."""
    raw, full = _written(params), params.model_dump(mode="json", by_alias=True)
    problems = list[Problem]()
    paths = sorted(overrides, key=lambda path: path.count("."))
    for path in paths:
        problems += _assign(raw, full, path, deepcopy(overrides[path]))
    for path in paths:
        if path.endswith(".method"):
            _drop_strangers(raw, path.split("."), paths)
    return raw, problems


def _assign(raw: Any, full: Any, path: str, value: Any) -> list[Problem]:
    keys = path.split(".")
    for depth, key in enumerate(keys[:-1]):
        full = full.get(key) if isinstance(full, Mapping) else None
        if isinstance(raw, list):
            if wrong := _no_place(keys, depth, raw):
                return [wrong]
            raw = raw[int(key)]
        else:
            below = raw.get(key)
            if not isinstance(below, dict | list):
                raw[key] = deepcopy(full) if isinstance(full, list) else {}
            raw = raw[key]
    if isinstance(raw, list):
        if wrong := _no_place(keys, len(keys) - 1, raw):
            return [wrong]
        raw[int(keys[-1])] = value
    else:
        raw[keys[-1]] = value
    return []


def _no_place(keys: Sequence[str], depth: int, items: Sequence[Any]) -> Problem | None:
    key, parent = keys[depth], ".".join(keys[:depth])
    if key.isdigit() and int(key) < len(items):
        inside = items[int(key)]
        if depth == len(keys) - 1 or isinstance(inside, dict | list):
            return None
        return Problem(".".join(keys), None, f"has nothing below it: {parent}.{key} is {inside!r}")
    places = f"0 to {len(items) - 1}" if items else "none"
    return Problem(".".join(keys), None, f"no such place in the list {parent}", f"its places: {places}")


def _drop_strangers(raw: dict[str, Any], keys: Sequence[str], kept: Sequence[str]) -> None:
    """After `keys` chose another method, drop the old method's options that the new one does not know."""
    fields = fields_at(Params, keys[:-1], raw)
    parent = ".".join(keys[:-1])
    siblings = _at(raw, parent)
    for name in [name for name in siblings if fields and name not in fields]:
        if not any(path == f"{parent}.{name}" or path.startswith(f"{parent}.{name}.") for path in kept):
            del siblings[name]


def _at(raw: Any, path: str) -> Any:
    for key in path.split("."):
        raw = raw[int(key)] if isinstance(raw, list) else raw[key]
    return raw


def _outermost(path: str, overrides: Overrides, raw: Any) -> str:
    """Return the shortest path that sets the same: one among the overrides above it, or the list it is in."""
    keys = path.split(".")
    for depth in range(1, len(keys)):
        above = ".".join(keys[:depth])
        if above in overrides or isinstance(_at(raw, above), list):
            return above
    return path
