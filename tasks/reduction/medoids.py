"""k-medoids: rows such that every other one has a kept row nearby, weighed by how many there are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.reduction.distances import distances
from tasks.reduction.strata import Indices, shares_of

__all__ = ["medoids", "medoids_in_chunks"]

CHUNK = 2000
"""Rows whose distances to each other are in memory at once, 32 MB."""
ROUNDS = 20


def _seeded(D: NDArray[Any], k: int, rng: np.random.Generator) -> Indices:
    """First medoids by k-means++: drawn in proportion to the squared distance to those before."""
    taken = [int(rng.integers(len(D)))]
    weight = np.square(D[taken[0]])
    while len(taken) < k:
        weight[taken] = 0
        free = np.ones(len(D))
        free[taken] = 0
        chance = weight if weight.sum() > 0 else free
        taken.append(int(rng.choice(len(D), p=chance / chance.sum())))
        weight = np.minimum(weight, np.square(D[taken[-1]]))
    return np.array(taken, dtype=np.int64)


def _centres(D: NDArray[Any], nearest: Indices, k: int) -> Indices:
    """Row of each cluster with the smallest sum of distances to the others; of equal ones the first."""
    within = np.where(nearest[:, None] == nearest, D, 0.0).sum(axis=1)
    order = np.lexsort((np.arange(len(D)), within, nearest))
    return order[np.searchsorted(nearest[order], np.arange(k))]


def medoids(points: NDArray[Any], k: int, rng: np.random.Generator) -> Indices:
    """Find `k` rows with a small sum of distances from each row to the nearest of them.

    Alternates between assigning rows and recentring (Park and Jun, 2009) from a k-means++ start (Arthur and
    Vassilvitskii, 2007), until nothing changes, `ROUNDS` times at most; the sum never rises. O(n² d) once and
    O(n²) a round.

    Parameters
    ----------
    points
        (n, d), k <= n.
    """
    D = distances(points, points)
    found = _seeded(D, k, rng)
    for _ in range(ROUNDS):
        nearest = D[:, found].argmin(axis=1)
        nearest[found] = np.arange(k)  # of copies of a medoid, each cluster keeps its own
        moved = _centres(D, nearest, k)
        if np.array_equal(moved, found):
            break
        found = moved
    return np.sort(found)


def medoids_in_chunks(points: NDArray[Any], k: int, rng: np.random.Generator) -> Indices:
    """`medoids` of random parts of at most `CHUNK` rows, each with its share of `k`: O(n CHUNK d)."""
    parts = np.array_split(rng.permutation(len(points)), -(-len(points) // CHUNK))
    quota = shares_of(k, np.array([len(part) for part in parts]))
    found = [part[medoids(points[part], int(q), rng)] for part, q in zip(parts, quota, strict=True) if q]
    return np.sort(np.concatenate(found))
