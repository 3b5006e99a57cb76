"""The Pareto front over any number of objectives: ranks, the knee, and a corner to measure from."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["corner", "knee", "on_front", "ranks"]

Array = npt.NDArray[Any]
BEYOND = 0.1  # share of the front's range by which the corner lies beyond its worst values


def _dominated(costs: Array, by: Array) -> Array:
    """Whether each row of ``costs`` (n, m) is dominated by some row of ``by`` (k, m)."""
    found = np.zeros(len(costs), dtype=bool)
    for row in by:
        found |= np.all(row <= costs, axis=1) & np.any(row < costs, axis=1)
    return found


def on_front(costs: Array) -> Array:
    """Mark the rows that no other row dominates.

    Row a dominates row b when it is nowhere larger and somewhere smaller. Equal rows do not dominate each
    other.

    Parameters
    ----------
    costs
        One row a candidate, one column an objective, all of them to be made small: (n, m).

    Returns
    -------
    Booleans (n,).

    Examples
    --------
    >>> on_front(np.array([[1.0, 4.0], [2.0, 2.0], [3.0, 3.0]])).tolist()
    [True, True, False]
    """
    costs = np.asarray(costs, dtype=np.float64)
    marked = np.zeros(len(costs), dtype=bool)
    left = np.lexsort(costs.T[::-1])  # no row is dominated by one that comes after it
    while len(left):
        first, rest = left[0], left[1:]
        marked[first] = True
        left = rest[~_dominated(costs[rest], costs[first : first + 1])]
    return marked


def ranks(costs: Array) -> Array:
    """Rank by fronts: 1 on the Pareto front, 2 on the front of the others, and so on (Deb et al., 2002).

    Parameters
    ----------
    costs
        Objectives to be made small, (n, m).

    Returns
    -------
    Integers from 1, (n,).
    """
    costs = np.asarray(costs, dtype=np.float64)
    found = np.zeros(len(costs), dtype=np.int64)
    rank = 0
    while (left := np.flatnonzero(found == 0)).size:
        rank += 1
        found[left[on_front(costs[left])]] = rank
    return found


def _scaled(front: Array) -> Array:
    """Bring each objective of the front to [0, 1]; one that does not vary there counts nothing."""
    low, span = front.min(axis=0), np.ptp(front, axis=0)
    return np.asarray((front - low) / np.where(span > 0, span, 1.0))


def knee(costs: Array) -> int:
    """Position of the front's knee: where the front bulges most towards the ideal corner.

    ``argmin over the front of sum_j (c_j - min c_j) / (max c_j - min c_j)``

    Of two objectives it is the point farthest from the line through the ends of the front (Das, 1999); a tie
    goes to the one better in the first objective.

    Parameters
    ----------
    costs
        Objectives to be made small, (n, m), n > 0; logarithms where an objective spans decades.

    Examples
    --------
    >>> knee(np.array([[0.0, 10.0], [1.0, 1.0], [10.0, 0.0]]))
    1
    """
    costs = np.asarray(costs, dtype=np.float64)
    front = np.flatnonzero(on_front(costs))
    total = _scaled(costs[front]).sum(axis=1).round(12)
    return int(front[np.lexsort((costs[front, 0], total))[0]])


def corner(costs: Array) -> Array:
    """Point to measure hypervolume from: the front's worst values, and a tenth of its range beyond them.

    A corner a little beyond the nadir lets the ends of the front count (Ishibuchi et al., 2018). An objective
    that does not vary on the front lends the range of all candidates, or 1.

    Parameters
    ----------
    costs
        Objectives to be made small, (n, m), n > 0.

    Returns
    -------
    One value an objective, (m,).
    """
    costs = np.asarray(costs, dtype=np.float64)
    front = costs[on_front(costs)]
    span, whole = np.ptp(front, axis=0), np.ptp(costs, axis=0)
    span = np.where(span > 0, span, np.where(whole > 0, whole, 1.0))
    return np.asarray(front.max(axis=0) + BEYOND * span)
