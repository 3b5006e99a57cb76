"""What each factor is worth on its own, whatever the others are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.study.factors import Column, factors
from tasks.study.objectives import Objective
from tasks.study.resample import ends, over_seeds
from tasks.study.rows import Row, complete, per_seed

__all__ = ["Factor", "Level", "main_effects"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Level:
    """A value of a factor: how many candidates have it, and how far it takes them from the factor's mean."""

    label: str
    candidates: int
    effect: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Factor:
    """One thing that varies, and the effects of its values."""

    name: str
    levels: tuple[Level, ...]


def main_effects(rows: Sequence[Row], response: Objective, base: Mapping[str, Any]) -> list[Factor]:
    """Estimate the effect of each value of each factor on a metric, or on the decades of a cost.

    ``y = mean + sum over factors of effect(factor, value) + rest``, by least squares, so that a factor which
    varied together with another is not credited with the other's effect. The effects of a factor, weighted by
    how often its values occur, add up to zero; where a factor does not apply, as components without a
    projection, it adds nothing. In a full factorial these are the marginal means (Fisher, 1935).

    Parameters
    ----------
    rows
        Candidates; only complete ones count, rivals do not.
    response
        What is explained.
    base
        The workspace's params.yaml: the values of what a candidate leaves as it is.

    Returns
    -------
    Factors with at least two values, values in order. Intervals over the seeds.
    """
    able = [
        row
        for row in complete(row for row in rows if not row.rival)
        if response.value(row.figures) is not None
    ]
    columns = factors(able, base)
    if not columns:
        return []
    sign = -1.0 if response.metric and response.higher else 1.0
    values = sign * per_seed(able, lambda trial: _cost(response, trial))
    coded = [_coded(column) for column in columns.values()]
    found = np.linalg.pinv(np.column_stack([np.ones(len(able)), *coded])) @ values
    ends_at = np.cumsum([part.shape[1] for part in coded])[:-1]
    effects = np.split(found[1:], ends_at)
    return [
        Factor(name, _levels(column, own))
        for (name, column), own in zip(columns.items(), effects, strict=True)
    ]


def _cost(response: Objective, trial: Mapping[str, Any]) -> float | None:
    value = response.value(trial)
    return None if value is None else response.cost(value)


def _coded(column: Column) -> Array:
    """Indicators of the levels, centred over the candidates that the factor applies to: (n, levels)."""
    marks = np.array([[float(label == level) for level in column.levels] for label in column.labels])
    applies = np.array([label is not None for label in column.labels])
    return np.where(applies[:, None], marks - marks[applies].mean(axis=0), 0.0)


def _levels(column: Column, found: Array) -> tuple[Level, ...]:
    """Effects per seed (levels, s) as levels, centred by how often each occurs."""
    counts = [column.labels.count(level) for level in column.levels]
    weights = np.array(counts) / sum(counts)
    return tuple(
        _level(name, count, own)
        for name, count, own in zip(column.levels, counts, found - weights @ found, strict=True)
    )


def _level(name: str, count: int, found: Array) -> Level:
    low, high = ends(over_seeds(found[None, :], lambda means: float(means[0])))
    return Level(name, count, float(found.mean()), low, high)
