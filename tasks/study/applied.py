"""Raw parameters with values set by path: what is written where, and what another method drops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from tasks.config import AFTER_STAGES, Params
from tasks.errors import Problem
from tasks.schema import fields_at
from tasks.settings import Section

__all__ = ["Base", "at", "base_of", "effective", "leaves"]

Raw = dict[str, Any]

_APART = {*AFTER_STAGES, "measure"}


@dataclass(frozen=True, eq=False)
class Base:
    """The parameters that candidates change, in the forms that are needed again and again."""

    params: Params

    @cached_property
    def written(self) -> Raw:
        """What params.yaml says, without defaults it leaves out; methods always."""
        return _written(self.params)

    @cached_property
    def written_leaves(self) -> Raw:
        """The same, by path."""
        return leaves(self.written)

    @cached_property
    def defaults(self) -> set[str]:
        """Paths of the methods that params.yaml leaves to their default."""
        said = leaves(self.params.model_dump(mode="json", by_alias=True, exclude_unset=True))
        return {path for path in self.written_leaves if path.endswith(".method") and path not in said}

    @cached_property
    def whole(self) -> Raw:
        """All parameters, defaults too."""
        return self.params.model_dump(mode="json", by_alias=True)

    @cached_property
    def effective(self) -> Raw:
        """All that numbers depend on, by path."""
        return leaves(effective(self.params))

    def applied(self, overrides: Mapping[str, Any]) -> tuple[Raw, list[Problem]]:
        """Return the raw parameters with the overrides in place, and the list places that are not there."""
        raw = deepcopy(self.written)
        paths = sorted(overrides, key=lambda path: path.count("."))
        problems = [
            wrong
            for path in paths
            if (wrong := _assign(raw, self.whole, path.split("."), deepcopy(overrides[path])))
        ]
        for path in paths:
            if path.endswith(".method") and not problems:
                _drop_strangers(raw, path.split("."), paths)
        return raw, problems


def base_of(params: Params) -> Base:
    """Return the `Base` of parameters, the same one again for the same object."""
    return _kept(_Same(params))


class _Same:
    """Equal to another exactly when both hold one and the same object."""

    def __init__(self, params: Params) -> None:
        self.params = params

    def __hash__(self) -> int:
        return id(self.params)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.params is other.params


@lru_cache(maxsize=8)
def _kept(key: _Same) -> Base:
    return Base(key.params)


def effective(params: Params) -> Raw:
    """Return all that a candidate's numbers depend on, without options that its methods do not look at."""
    whole: Raw = params.model_dump(mode="json", by_alias=True, exclude=_APART)
    if whole["prune"]["method"] == "none":
        whole["prune"] = {"method": "none"}
    if whole["reduce"]["rows"]["method"] == "none":
        whole["reduce"]["rows"] = {"method": "none", "factor": 1.0}
    return whole


def leaves(section: Mapping[str, Any], prefix: str = "") -> Raw:
    """Return the values by path; lists are values."""
    found: Raw = {}
    for key, value in section.items():
        deeper = isinstance(value, Mapping) and value
        found |= leaves(value, f"{prefix}{key}.") if deeper else {f"{prefix}{key}": value}
    return found


def at(raw: Any, path: str) -> Any:
    """Return what stands at a path that is there."""
    for key in path.split("."):
        raw = raw[int(key)] if isinstance(raw, list) else raw[key]
    return raw


def _written(section: Section) -> Raw:
    found: Raw = {}
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            found[field.alias or name] = _written(value)
        elif name in section.model_fields_set or name == "method":
            found[field.alias or name] = section.model_dump(mode="json", include={name}).popitem()[1]
    return found


def _assign(raw: Any, whole: Any, keys: Sequence[str], value: Any) -> Problem | None:
    """Set a value in place; return what stands in the way, if anything does."""
    for depth, key in enumerate(keys[:-1]):
        whole = whole.get(key) if isinstance(whole, Mapping) else None
        if isinstance(raw, list):
            if wrong := _no_place(keys, depth, raw):
                return wrong
            raw = raw[int(key)]
            continue
        if not isinstance(raw.get(key), dict | list):
            raw[key] = deepcopy(whole) if isinstance(whole, list) else {}
        raw = raw[key]
    if isinstance(raw, list) and (wrong := _no_place(keys, len(keys) - 1, raw)):
        return wrong
    raw[int(keys[-1]) if isinstance(raw, list) else keys[-1]] = value
    return None


def _no_place(keys: Sequence[str], depth: int, items: Sequence[Any]) -> Problem | None:
    key, parent = keys[depth], ".".join(keys[:depth])
    if key.isdigit() and int(key) < len(items):
        inside = items[int(key)]
        if depth == len(keys) - 1 or isinstance(inside, dict | list):
            return None
        return Problem(".".join(keys), None, f"has nothing below it: {parent}.{key} is {inside!r}")
    places = f"0 to {len(items) - 1}" if items else "none"
    return Problem(".".join(keys), None, f"no such place in the list {parent}", f"its places: {places}")


def _drop_strangers(raw: Raw, keys: Sequence[str], kept: Sequence[str]) -> None:
    """After `keys` chose another method, drop the old method's options that the new one does not know."""
    fields, parent = fields_at(Params, keys[:-1], raw), ".".join(keys[:-1])
    siblings = at(raw, parent)
    for name in [name for name in siblings if fields and name not in fields]:
        if not any(path == f"{parent}.{name}" or path.startswith(f"{parent}.{name}.") for path in kept):
            del siblings[name]
