"""What is reached by reducing alone, by pruning alone and by both, at every size."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.study.deployed import Point, chosen, hypervolume
from tasks.study.interaction import JOINT, Effect, answer
from tasks.study.objectives import Objective
from tasks.study.resample import ends, over_seeds
from tasks.study.rows import Row, complete, per_seed

__all__ = ["FAMILIES", "Families", "Family", "families"]

Array = npt.NDArray[Any]
FAMILIES = {
    "reduction": frozenset({"columns", "rows", "columns+rows"}),
    "pruning": frozenset({"pruning"}),
    "both": frozenset(JOINT),
}
"""Arms by what they do; 'nothing' is everybody's to choose."""

DEPTH = 5  # margins that count below the worst family's best


@dataclass(frozen=True)
class Family:
    """Hypervolume of the candidates of one kind: metric times decades of bytes."""

    name: str
    candidates: int
    volume: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Families:
    """Hypervolumes of the families, and how much that of both is ahead of the others.

    Attributes
    ----------
    floor, ceiling
        Metric (signed, larger is better) below which, and bytes above which nothing counts.
    ahead
        Both less each of the others, by name.
    decades
        From the smallest choice to the ceiling: a volume by it is a mean metric over file sizes.
    """

    families: tuple[Family, ...]
    ahead: Mapping[str, Effect]
    floor: float
    ceiling: float
    decades: float


def families(rows: Sequence[Row], metric: Objective, margin: float = 0.01) -> Families | None:
    """Compare what each family reaches at every size; None where one of them has no candidate.

    Each family chooses on validation rows, and counts by what its choices reach on test rows: see
    `tasks.study.deployed`. The floor lies five margins below the family whose best choice is worst; the
    ceiling is the largest choice of all.

    Parameters
    ----------
    rows
        Candidates; only complete ones count, rivals do not. Constraints do not matter here.
    metric
        What they are judged by.
    margin
        Loss of it that still counts as none.
    """
    able = [row for row in complete(row for row in rows if not row.rival) if _known(row, metric)]
    members = {
        name: np.flatnonzero([row.arm in arms or row.arm == "nothing" for row in able])
        for name, arms in FAMILIES.items()
    }
    counts = {name: sum(row.arm in arms for row in able) for name, arms in FAMILIES.items()}
    if not all(counts.values()):
        return None
    values = _values(able, metric)
    fronts = [chosen(_points(values.mean(axis=1), own)) for own in members.values()]
    floor, ceiling, decades = _corner(fronts, margin)
    areas = {name: _area(own, floor, ceiling) for name, own in members.items()}
    found = tuple(_family(name, counts[name], area, values) for name, area in areas.items())
    ahead = {name: _ahead(areas["both"], areas[name], values) for name in FAMILIES if name != "both"}
    return Families(found, ahead, floor, ceiling, decades)


def _known(row: Row, metric: Objective) -> bool:
    return bool(row.bytes) and None not in (row.valid.get(metric.name), row.test.get(metric.name))


def _values(rows: Sequence[Row], metric: Objective) -> Array:
    """Bytes, validation and test metric of each row and seed, one block below the other: (3 n, s)."""
    sign = 1.0 if metric.higher else -1.0
    size = per_seed(rows, lambda trial: trial["bytes"])
    valid = per_seed(rows, lambda trial: trial["valid"][metric.name])
    test = per_seed(rows, lambda trial: trial["test"][metric.name])
    return np.concatenate([size, sign * valid, sign * test])


def _points(means: Array, members: Array) -> list[Point]:
    """Some candidates' points, of all means (3 n,)."""
    blocks = np.stack(np.split(means, 3))[:, members]
    return [Point(*point) for point in blocks.T.tolist()]


def _corner(fronts: Sequence[Sequence[Point]], margin: float) -> tuple[float, float, float]:
    """Floor, ceiling, and the decades of bytes below it."""
    sizes = [point.bytes for front in fronts for point in front]
    worst = min(max(point.test for point in front) for front in fronts)
    decades = math.log10(max(sizes) / min(sizes))
    return worst - DEPTH * (margin or 0.01), max(sizes), decades or 1.0


def _area(members: Array, floor: float, ceiling: float) -> Callable[[Array], float]:
    """Hypervolume of some candidates as a function of all means (3 n,)."""

    def area(means: Array) -> float:
        return hypervolume(_points(means, members), floor, ceiling)

    return area


def _family(name: str, count: int, area: Callable[[Array], float], values: Array) -> Family:
    found = over_seeds(values, area)
    low, high = ends(found)
    return Family(name, count, area(values.mean(axis=1)), low, high)


def _ahead(both: Callable[[Array], float], other: Callable[[Array], float], values: Array) -> Effect:
    def gain(means: Array) -> float:
        return both(means) - other(means)

    found = over_seeds(values, gain)
    low, high = ends(found)
    said = answer(found.low, found.high)
    return Effect(gain(values.mean(axis=1)), low, high, said, values.shape[1])
