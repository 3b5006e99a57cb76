"""Reads the section models: every problem of a configuration at once, and the reference page of every key."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from tasks.errors import Problem, closest

__all__ = ["fields_at", "members", "method_names", "nearest", "parse_section", "unknown_key"]


def members(annotation: Any) -> list[type[BaseModel]]:
    """Models that an annotation allows: one for a plain section, several for a union of methods."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, types.UnionType, Annotated):
        return [model for part in get_args(annotation) for model in members(part)]
    return []


def method_names(model: type[BaseModel]) -> tuple[str, ...]:
    """Values of the model's discriminator `method`; empty when it has none."""
    field = model.model_fields.get("method")
    return get_args(field.annotation) if field and get_origin(field.annotation) is Literal else ()


def _chosen(annotation: Any, raw: object) -> type[BaseModel] | None:
    """Return the model that the raw section's `method` selects."""
    models = members(annotation)
    if len(models) < 2:
        return models[0] if models else None
    method = raw.get("method") if isinstance(raw, Mapping) else None
    return next((model for model in models if method in method_names(model)), None)


def fields_at(model: type[BaseModel], path: Sequence[str], raw: object) -> dict[str, FieldInfo] | None:
    """Fields of the section at `path`, its methods chosen as in `raw`; None when there is no such section."""
    annotation: Any = model
    for step in path:
        if isinstance(raw, list):
            raw = raw[int(step)] if step.isdigit() and int(step) < len(raw) else None
            annotation = next(iter(get_args(annotation)), None)
            continue
        here = _chosen(annotation, raw)
        if here is None or step not in here.model_fields:
            return None
        raw = raw.get(step) if isinstance(raw, Mapping) else None
        annotation = here.model_fields[step].annotation
    chosen = _chosen(annotation, raw)
    return chosen.model_fields if chosen else None


def nearest(word: object, names: Sequence[str]) -> str:
    """Say which of `names` was probably meant, or list them when none is close."""
    close = closest(word, names)
    return f"did you mean {close!r}?" if close else f"valid here: {', '.join(names)}"


def unknown_key(path: str, value: object, names: Sequence[str]) -> Problem:
    """Return the problem of a key that no model has; `names` are the valid ones beside it."""
    return Problem(path, value, "unknown key", nearest(path.rpartition(".")[2], names))


def _walk(location: Sequence[str | int], raw: object) -> Iterator[str]:
    """Yield the keys of an error's location, without the union members that pydantic puts between."""
    for step, following in zip(location, (*location[1:], None), strict=True):
        if isinstance(raw, Mapping):
            if raw.get("method") == step and (step not in raw or step == following):
                continue
            if step not in raw and str(step).startswith(("dict[", "[key]")):
                continue
            yield str(step)
            raw = raw.get(step)
        elif isinstance(raw, list) and isinstance(step, int):
            yield str(step)
            raw = raw[step] if step < len(raw) else None
        else:
            return


def _value_at(keys: Sequence[str], raw: Any) -> Any:
    for key in keys:
        if isinstance(raw, Mapping):
            raw = raw.get(key)
        elif isinstance(raw, list):
            raw = raw[int(key)]
        else:
            return None
    return raw


_RULES = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping of key: value",
    "extra_forbidden": "unknown key",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "list_type": "must be a list, as in [a, b]",
    "missing": "is needed",
    "model_attributes_type": "must be a section of key: value lines",
    "model_type": "must be a section of key: value lines",
    "string_type": "must be text",
    "tuple_type": "must be a list, as in [a, b]",
    "union_tag_not_found": "needs a method",
}


def _rule(error: Mapping[str, Any]) -> str:
    match error["type"]:
        case simple if simple in _RULES:
            return _RULES[simple]
        case "too_short":
            return f"needs at least {error['ctx']['min_length']} of them"
        case "too_long":
            return f"has room for {error['ctx']['max_length']} of them"
        case "union_tag_invalid":
            return f"method must be one of {error['ctx']['expected_tags']}"
        case "value_error" | "assertion_error":
            return str(error["ctx"]["error"])
    text = str(error["msg"]).replace("Input should be", "must be")
    return text[:1].lower() + text[1:]


def _hint(error: Mapping[str, Any], keys: Sequence[str], model: type[BaseModel], raw: object) -> str:
    context = error.get("ctx", {})
    expected = str(context.get("expected_tags") or context.get("expected") or "")
    options = expected.replace(" or ", ", ").replace("'", "").split(", ")
    match error["type"]:
        case "extra_forbidden":
            return _other_method(keys, model, raw) or nearest(
                keys[-1], list(fields_at(model, keys[:-1], raw) or ())
            )
        case "union_tag_invalid":
            return nearest(context.get("tag"), options)
        case "literal_error" if isinstance(error["input"], str):
            close = closest(error["input"], options)
            return f"did you mean {close!r}?" if close else ""
    return ""


def _other_method(keys: Sequence[str], model: type[BaseModel], raw: object) -> str:
    """Name the methods that know a key which the chosen one refuses."""
    if len(keys) < 2:
        return ""
    parent = fields_at(model, keys[:-2], raw) or {}
    known = members(parent[keys[-2]].annotation) if keys[-2] in parent else []
    methods = [name for option in known if keys[-1] in option.model_fields for name in method_names(option)]
    return f"known to method {', '.join(methods)} only" if methods and len(known) > 1 else ""


def _problems(error: ValidationError, model: type[BaseModel], name: str, raw: object) -> list[Problem]:
    """Turn pydantic's errors into ours: one a key, the rules of a union's members joined."""
    whole = {name: raw}
    found: dict[str, Problem] = {}
    for entry in error.errors(include_url=False):
        if entry["type"] == "too_short" and len(entry["input"]) >= entry["ctx"]["min_length"]:
            continue  # of what was left after its wrong items
        keys = list(_walk((name, *entry["loc"]), whole))
        path, rule, hint = ".".join(keys), _rule(entry), _hint(entry, keys, model, whole)
        if entry["type"] == "union_tag_invalid":
            keys, path, rule = [*keys, "method"], f"{path}.method", rule.removeprefix("method ")
        earlier = found.get(path)
        if earlier and rule not in earlier.rule:
            rule, hint = f"{earlier.rule}, or {rule}", earlier.hint or hint
        value = _value_at(keys, whole)
        value = None if isinstance(value, Mapping) else value
        found[path] = Problem(path, value, rule, hint)
    return list(found.values())


@lru_cache(maxsize=512)
def _adapter(model: type[BaseModel], name: str) -> TypeAdapter[Any]:
    """Build a field's validator, once: that takes longer than validating."""
    field = model.model_fields[name]
    annotated: Any = Annotated[field.annotation, field]
    return TypeAdapter(annotated)


def parse_section(model: type[BaseModel], name: str, raw: object) -> tuple[Any, list[Problem]]:
    """Validate section `name` of `model`.

    Returns
    -------
    tuple
        The frozen section and no problems, or None and every problem of the section.
    """
    adapter = _adapter(model, name)
    # As JSON, where strict means: no text for a number, no number for a switch, but a list for a tuple.
    try:
        return adapter.validate_json(json.dumps(raw, default=str), strict=True), []
    except ValidationError as error:
        return None, _problems(error, model, name, raw)
    except (TypeError, ValueError):  # keys that are lists, or a section that holds itself
        return None, [Problem(name, None, "must be plain keys and values")]
