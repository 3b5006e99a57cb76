"""What varies between the candidates of a study, and the value that each of them has."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.study.rows import Row

__all__ = ["Column", "factors", "label", "resolved", "short"]

FEW = 6  # distinct numbers that stand for themselves; more are gathered
BINS = 4
SAID = frozenset(
    {
        "reduce.columns.components",
        "reduce.columns.kernel",
        "reduce.columns.keep",
        "reduce.rows.factor",
        "reduce.rows.method",
        "prune.amount",
        "prune.method",
        "export.quantise.method",
    }
)
"""Paths that the resolved facts of a recipe tell better."""


@dataclass(frozen=True)
class Column:
    """A factor's values: the label of each row, None where it does not apply, and all labels in order.

    ``numbers`` are the values themselves where all are numbers.
    """

    labels: tuple[str | None, ...]
    levels: tuple[str, ...]
    numbers: tuple[float | None, ...] | None = None

    @property
    def parted(self) -> tuple[int, ...]:
        """How it parts the rows, whatever the parts are called."""
        order = list(dict.fromkeys(self.labels))
        return tuple(order.index(label) for label in self.labels)


def resolved(row: Row) -> dict[str, Any]:
    """What came of a recipe: columns and rows kept, share pruned, form of int8."""
    recipe = row.recipe
    if not recipe:
        return {}
    return {
        "columns kept": recipe["columns"]["after"],
        "rows kept": recipe["rows"]["after"],
        "pruned": recipe["amount"],
        "int8": recipe["int8"] or "none",
    }


def factors(rows: Sequence[Row], base: Mapping[str, Any]) -> dict[str, Column]:
    """Gather what varies, by name.

    First the resolved facts, then every other path that a candidate changes. Factors with one value are left
    out, and of those that part the rows alike the first stays, its name taking in the others'.
    """
    facts = [resolved(row) for row in rows]
    named = {name: [own.get(name) for own in facts] for name in (facts[0] if facts else {})}
    paths = sorted({path for row in rows for path in _leaves(row.overrides)} - SAID)
    named |= {path: [_value(row, path, base) for row in rows] for path in paths}
    columns = {name: _column(values) for name, values in named.items()}
    return _distinct({name: column for name, column in columns.items() if len(column.levels) > 1})


def _leaves(overrides: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten sections given whole into paths."""
    flat: dict[str, Any] = {}
    for key, value in overrides.items():
        path = f"{prefix}{key}"
        flat |= _leaves(value, f"{path}.") if isinstance(value, Mapping) else {path: value}
    return flat


def _value(row: Row, path: str, base: Mapping[str, Any]) -> Any:
    """Return the override; else the workspace's value, unless the section's method was changed."""
    changed = _leaves(row.overrides)
    if path in changed:
        return changed[path]
    section = path.rpartition(".")[0]
    if f"{section}.method" in changed and not path.endswith(".method"):
        return None
    found: Any = base
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _column(values: Sequence[Any]) -> Column:
    there = [value for value in values if value is not None]
    if all(map(_is_number, there)):
        return _binned(values) if len(set(there)) > FEW else _listed(values, sorted(set(there)))
    return _listed(values, there)


def _listed(values: Sequence[Any], levels: Sequence[Any]) -> Column:
    labels = tuple(None if value is None else label(value) for value in values)
    numbers = tuple(values) if all(value is None or _is_number(value) for value in values) else None
    return Column(labels, tuple(dict.fromkeys(map(label, levels))), numbers)


def _binned(values: Sequence[Any]) -> Column:
    """Gather numbers into quarters, named by their smallest and largest."""
    numbers = np.array([math.nan if value is None else float(value) for value in values])
    edges = np.unique(np.nanquantile(numbers, np.linspace(0, 1, BINS + 1)))[1:-1]
    places = np.searchsorted(edges, numbers, side="right")
    known = ~np.isnan(numbers)
    names = {}
    for place in np.unique(places[known]):
        inside = numbers[known & (places == place)]
        names[place] = f"{label(inside.min())} to {label(inside.max())}"
    labels = (names[place] if there else None for place, there in zip(places, known, strict=True))
    return Column(tuple(labels), tuple(names.values()), tuple(values))


def short(name: str) -> str:
    """Shorten a factor's name for where there is little room: the first of several, its last two parts."""
    return ".".join(name.split(", ")[0].split(".")[-2:])


def label(value: Any) -> str:
    """Write a value as the pages do."""
    if isinstance(value, bool) or value is None:
        return "null" if value is None else str(value).lower()
    if isinstance(value, int | float):
        return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    if isinstance(value, list | tuple):
        return ", ".join(map(label, value))
    return str(value)


def _distinct(columns: Mapping[str, Column]) -> dict[str, Column]:
    names: dict[tuple[int, ...], list[str]] = {}
    for name, column in columns.items():
        names.setdefault(column.parted, []).append(name)
    return {", ".join(alike): columns[alike[0]] for alike in names.values()}
