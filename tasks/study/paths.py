"""Parameter paths: whether there is such a parameter under any choice of methods, and what it takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from tasks.config import Params
from tasks.errors import Problem
from tasks.schema import members, method_names, nearest, parse_section

__all__ = ["path_problem", "value_problem"]


def path_problem(path: str) -> Problem | None:
    """Say that no choice of methods has a parameter `path`, and the nearest there is; None if one has."""
    annotations: list[Any] = [Params]
    keys = path.split(".")
    for depth, key in enumerate(keys):
        below = list(_below(annotations, key))
        if not below:
            names = _names(annotations)
            hint = nearest(key, names) if names else f"{'.'.join(keys[:depth])} has nothing below it"
            return Problem(path, None, "unknown key", hint)
        annotations = below
    return None


def value_problem(path: str, value: object) -> Problem | None:
    """Say that a parameter takes no such value under any choice of methods; None if it does."""
    *above, name = path.split(".")
    annotations: list[Any] = [Params]
    for key in above:
        annotations = list(_below(annotations, key))
    models = [model for annotation in annotations for model in members(annotation) if _field(model, name)]
    if name == "method" and models:
        return _method_problem(path, value, models)
    answers = [_problem(model, name, path, value) for model in models]
    return None if None in answers else next(iter(answers), None)


def _method_problem(path: str, value: object, models: list[type[BaseModel]]) -> Problem | None:
    known = [name for model in models for name in method_names(model)]
    if value in known:
        return None
    return Problem(path, value, f"method must be one of {', '.join(known)}", nearest(value, known))


def _problem(model: type[BaseModel], name: str, path: str, value: object) -> Problem | None:
    field = _field(model, name)
    _, problems = parse_section(model, field or name, value)
    if not problems:
        return None
    inner = problems[0]
    below = inner.path.removeprefix(field or name).removeprefix(".")
    return Problem(f"{path}.{below}" if below else path, inner.value, inner.rule, inner.hint)


def _below(annotations: list[Any], key: str) -> Iterator[Any]:
    """Yield what stands at `key` of anything that the annotations allow."""
    for annotation in annotations:
        for model in members(annotation):
            if name := _field(model, key):
                yield model.model_fields[name].annotation
        if not members(annotation) and key.isdigit():
            yield from _items(annotation)


def _items(annotation: Any) -> Iterator[Any]:
    """Yield what a list holds, under any union."""
    if get_origin(annotation) in (tuple, list):
        yield from (part for part in get_args(annotation) if part is not Ellipsis)
        return
    for part in get_args(annotation):
        yield from _items(part)


def _field(model: type[BaseModel], key: str) -> str | None:
    """Return the field that params.yaml calls `key`."""
    return next((name for name, field in model.model_fields.items() if (field.alias or name) == key), None)


def _names(annotations: list[Any]) -> list[str]:
    models = [model for annotation in annotations for model in members(annotation)]
    return list(dict.fromkeys(field.alias or name for m in models for name, field in m.model_fields.items()))
