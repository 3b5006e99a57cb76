"""Greedy k-center: rows such that every other one has a kept row nearby."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.reduction.strata import Indices

__all__ = ["farthest_first"]

POOL, BLOCK = 512, 4096
"""Farthest rows looked at together, and rows whose distances are in memory at once."""


def farthest_first(Z: NDArray[Any], k: int) -> Indices:
    """Greedy k-center: start nearest the mean, then always take the row farthest from those taken.

    The largest distance of any row to the nearest taken one is at most twice that of the best `k` rows
    (Gonzalez, 1985). O(n k d), as matrix products of hundreds of rows, not as k passes over all of them.

    Parameters
    ----------
    Z
        (n, d), k <= n.

    Returns
    -------
    (k,) in the order taken.
    """
    points = Z.reshape(len(Z), -1).astype(np.result_type(Z, np.float32))
    points -= points.mean(axis=0, dtype=np.float64)
    square = np.einsum("ij,ij->i", points, points)
    nearest = np.full(len(points), np.inf, points.dtype)
    found = np.asarray([square.argmin()], dtype=np.int64)
    taken = [found]
    while (left := k - sum(map(len, taken))) > 0:
        _approach(nearest, points, square, found)
        found = _next_farthest(nearest, points, square, left)
        taken.append(found)
    return np.concatenate(taken)


def _approach(nearest: NDArray[Any], points: NDArray[Any], square: NDArray[Any], found: Indices) -> None:
    """Lower the squared distances (n,) to the nearest taken row by those to `found`; in place."""
    centres = points[found]
    for start in range(0, len(points), BLOCK):
        rows = slice(start, start + BLOCK)
        distance = square[rows, None] - 2 * (points[rows] @ centres.T) + square[found]
        np.minimum(nearest[rows], distance.min(axis=1), out=nearest[rows])
    nearest[found] = -np.inf


def _next_farthest(nearest: NDArray[Any], points: NDArray[Any], square: NDArray[Any], most: int) -> Indices:
    """Take rows from a pool of the farthest, for as long as none outside it is farther."""
    order = np.argpartition(-nearest, POOL) if len(nearest) > POOL else np.arange(len(nearest))
    pool, outside = np.sort(order[:POOL]), nearest[order[POOL:]].max(initial=-np.inf)
    inside, own = nearest[pool], square[pool]
    distance = own[:, None] - 2 * (points[pool] @ points[pool].T) + own
    found = [int(inside.argmax())]
    while len(found) < min(most, len(pool)):
        inside = np.minimum(inside, distance[found[-1]])
        inside[found[-1]] = -np.inf
        farthest = int(inside.argmax())
        if inside[farthest] < outside or inside[farthest] == -np.inf:
            break
        found.append(farthest)
    return pool[found]
