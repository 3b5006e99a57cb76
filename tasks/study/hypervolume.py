"""The exact hypervolume of a set of points in any number of dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.study.front import on_front

__all__ = ["hypervolume"]

Array = npt.NDArray[Any]


def hypervolume(costs: Array, corner: Array) -> float:
    """Volume that the points dominate, up to a corner (Zitzler and Thiele, 1998).

    ``H = volume of the union over i of the boxes [c_i, corner]``

    Exact, by exclusive volumes: each point adds its box less what later points dominate of it (While,
    Bradstreet and Barone, 2012, "WFG"); two objectives are a sweep.

    Parameters
    ----------
    costs
        Objectives to be made small, (n, m).
    corner
        Values beyond which nothing counts, (m,).

    Examples
    --------
    >>> hypervolume(np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([3.0, 3.0]))
    3.0
    """
    costs, corner = np.asarray(costs, dtype=np.float64), np.asarray(corner, dtype=np.float64)
    inside = costs[np.all(costs < corner, axis=1)]
    if not len(inside):
        return 0.0
    return _volume(_front(inside), corner)


def _front(costs: Array) -> Array:
    """Distinct undominated rows, the worst of the last objective first."""
    kept = np.unique(costs[on_front(costs)], axis=0)
    return np.asarray(kept[np.argsort(-kept[:, -1], kind="stable")])


def _volume(front: Array, corner: Array) -> float:
    """Hypervolume of undominated rows in the order of `_front`."""
    if front.shape[1] == 1:
        return float(corner[0] - front[:, 0].min())
    if front.shape[1] == 2:
        return _area(front, corner)
    return sum(_exclusive(front, i, corner) for i in range(len(front)))


def _area(front: Array, corner: Array) -> float:
    """Sum the steps; along the front the first objective rises as the second falls."""
    widths = corner[0] - front[:, 0]
    heights = np.concatenate(([corner[1]], front[:-1, 1])) - front[:, 1]
    return float(widths @ heights)


def _exclusive(front: Array, i: int, corner: Array) -> float:
    """Volume of box i less what the rows after it dominate of it.

    Those are no worse in the last objective: what they take is as deep as the box, one dimension less.
    """
    sides = corner - front[i]
    rest = front[i + 1 :, :-1]
    taken = _volume(_front(np.maximum(rest, front[i, :-1])), corner[:-1]) if len(rest) else 0.0
    return float(sides[-1] * (np.prod(sides[:-1]) - taken))
