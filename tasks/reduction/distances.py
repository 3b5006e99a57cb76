"""Euclidean distances between rows, as matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

__all__ = ["distances", "nearest_neighbours"]

BLOCK = 1024
"""Rows whose distances to all others are in memory at once."""
FEW = 16
"""Rows up to which differences are faster than a matrix product, which copies all the others."""


def distances(A: NDArray[Any], B: NDArray[Any]) -> NDArray[np.float64]:
    """(n, m) distances of the rows of `A` (n, d) to those of `B` (m, d), in float64; of equal rows 0."""
    centre = B.mean(axis=0, dtype=np.float64)
    A, B = A - centre, B - centre
    squares = np.square(A).sum(axis=1)[:, None] - 2 * (A @ B.T) + np.square(B).sum(axis=1)
    # What cancellation leaves of two equal rows.
    squares[squares <= 1e-13 * np.square(A).sum(axis=1)[:, None]] = 0.0
    return np.asarray(np.sqrt(squares))


def nearest_neighbours(
    points: NDArray[Any], rows: NDArray[Any], kept: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Distance to, and position of, the nearest other kept row, for each of `rows`.

    Parameters
    ----------
    points
        (n, d).
    rows
        Positions into it.
    kept
        (n,) which rows count; without another one the distance is infinite.
    """
    near, who = np.full(len(rows), np.inf), np.zeros(len(rows), dtype=np.int64)
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK]
        D = (distances if len(part) > FEW else cdist)(points[part], points)
        D[:, ~kept] = np.inf
        D[np.arange(len(part)), part] = np.inf
        who[start : start + BLOCK] = best = D.argmin(axis=1)
        near[start : start + BLOCK] = D[np.arange(len(part)), best]
    return near, who
