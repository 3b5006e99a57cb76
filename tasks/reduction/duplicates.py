"""Near duplicates: of two rows that stand next to each other one can go."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.reduction.distances import nearest_neighbours
from tasks.reduction.sample import refusal
from tasks.reduction.strata import Indices

__all__ = ["LIMIT", "thin_out"]

LIMIT = 20_000
"""Rows of one class beyond which the pairs become too many."""


def thin_out(points: NDArray[Any], k: int, quantile: float | None = None) -> Indices:
    """Drop the later of the two closest rows, again and again, until `k` are left.

    Each row dropped stood within the last distance of a row kept at that time; every pair that stays is at
    least that far apart. O(n² d), and O(n d) for each row dropped.

    Parameters
    ----------
    points
        (n, d), k <= n.
    quantile
        Stop as soon as the two closest are farther apart than this quantile of the n nearest distances.

    Returns
    -------
    Ascending positions of at least `k` rows; exactly `k` without a quantile.
    """
    if len(points) > LIMIT:
        rule = f"near_duplicates compares all rows of a class with each other, at most {LIMIT}"
        raise refusal("rows.method", rule, len(points), "use random, or k_medoids or k_center")
    kept = np.ones(len(points), dtype=bool)
    near, who = nearest_neighbours(points, np.arange(len(points)), kept)
    limit = np.inf if quantile is None or len(points) < 2 else float(np.quantile(near, quantile))
    for _ in range(len(points) - k):
        first = int(near.argmin())
        if near[first] > limit:
            break
        gone = max(first, int(who[first]))
        kept[gone], near[gone] = False, np.inf
        bereft = np.flatnonzero(kept & (who == gone))
        near[bereft], who[bereft] = nearest_neighbours(points, bereft, kept)
    return np.flatnonzero(kept)
