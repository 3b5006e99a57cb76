"""The table of row methods, and the sampler that hands each epoch its rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.reduction.reduction import Reduction
from tasks.reduction.row_config import RowsConfig
from tasks.reduction.sample import Sample

__all__ = [
    "ROW_METHODS",
    "RoundSampler",
    "farthest_first",
    "reduce_rows",
    "round_sampler",
    "select_rows",
    "shares_of",
    "subset_size",
]

Indices = NDArray[np.int64]
POOL, BLOCK = 512, 4096
"""Farthest rows looked at together, and rows whose distances are in memory at once."""


def subset_size(n: int, factor: float) -> int:
    """Rows in a subset: the nearest whole number to `factor` x `n`, at least one."""
    return max(1, round(factor * n))


def shares_of(size: int, counts: NDArray[Any]) -> Indices:
    """Divide `size` rows over strata of `counts` rows, in proportion, by largest remainder (Hamilton).

    Examples
    --------
    >>> shares_of(4, np.array([5, 3, 2])).tolist()
    [2, 1, 1]
    """
    exact = size * counts / counts.sum()
    whole = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - whole), kind="stable")
    whole[order[: size - whole.sum()]] += 1
    return np.asarray(whole, dtype=np.int64)


def _strata(y: NDArray[Any], task: str) -> list[Indices]:
    """Rows of each class; all rows as one stratum for a numeric target."""
    if task != "classification":
        return [np.arange(len(y))]
    return [np.flatnonzero(y == label) for label in np.unique(y)]


def _stratified(
    strata: list[Indices], factor: float, choose: Callable[[Indices, int], NDArray[Any]]
) -> Indices:
    counts = np.array([len(rows) for rows in strata])
    quota = shares_of(subset_size(int(counts.sum()), factor), counts)
    chosen = [choose(rows, int(k)) for rows, k in zip(strata, quota, strict=True) if k]
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def _draw(strata: list[Indices], factor: float, rng: np.random.Generator) -> Indices:
    return _stratified(strata, factor, lambda rows, k: rng.choice(rows, k, replace=False))


def random(Z: NDArray[Any], y: NDArray[Any], factor: float, *, task: str, seed: int) -> Indices:
    """Draw the same share of every class."""
    return _draw(_strata(y, task), factor, np.random.default_rng(seed))


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


def k_center(Z: NDArray[Any], y: NDArray[Any], factor: float, *, task: str, seed: int) -> Indices:
    """Cover the reduced space, class by class, each with its share of the rows."""
    return _stratified(_strata(y, task), factor, lambda rows, k: rows[farthest_first(Z[rows], k)])


def keep_all(Z: NDArray[Any], y: NDArray[Any], factor: float, *, task: str, seed: int) -> Indices:
    """Keep every row."""
    return np.arange(len(y), dtype=np.int64)


ROW_METHODS: dict[str, Callable[..., Indices]] = {"none": keep_all, "random": random, "k_center": k_center}


def select_rows(config: RowsConfig, Z: NDArray[Any], y: NDArray[Any], *, task: str, seed: int) -> Indices:
    """Choose the training rows that stay.

    Parameters
    ----------
    config
        Method and factor.
    Z
        (n, ...) rows in the reduced space.
    y
        (n,) class codes, whose shares the subset keeps, or a numeric target.

    Returns
    -------
    Ascending int64 positions, `subset_size(n, factor)` of them; with fewer than one row a class, the largest
    classes keep theirs.
    """
    return ROW_METHODS[config.method](Z, y, config.factor, task=task, seed=seed)


def reduce_rows(config: RowsConfig, reduction: Reduction, sample: Sample) -> Reduction:
    """Add the rows to a fitted column reduction; `report` becomes that of reports/reduce.json.

    Fixed rows are chosen now, in the reduced space; resampled ones by `round_sampler`, epoch by epoch.
    """
    n = len(sample.y)
    rows = None
    if config.method != "none" and config.factor < 1 and config.per_round == "fixed":
        Z = reduction.transform(sample.features, sample.plan)
        rows = select_rows(config, Z, sample.y, task=sample.task, seed=sample.seed)
    facts = {**config.model_dump(), "before": n, "after": subset_size(n, config.factor)}
    return replace(
        reduction,
        rows=rows,
        row_factor=config.factor,
        per_round=config.per_round,
        report={"columns": dict(reduction.report), "rows": facts},
    )


@dataclass(frozen=True, eq=False)
class RoundSampler:
    """The training rows of an epoch: always the same, or a fresh share of every class.

    Parameters
    ----------
    strata
        Positions of each class among the full training rows.
    factor
        Share drawn each round.
    seed
        With the epoch it seeds the draw, so a resumed training sees the rounds it would have seen.
    fixed
        Ascending positions used every round, when not resampled.
    """

    strata: list[Indices]
    factor: float
    seed: int
    fixed: Indices | None = None

    def __call__(self, epoch: int) -> Indices:
        """Ascending positions of the rows of `epoch` (from 0)."""
        if self.fixed is not None:
            return self.fixed
        return _draw(self.strata, self.factor, np.random.default_rng([self.seed, epoch]))


def round_sampler(reduction: Reduction, y: NDArray[Any], task: str) -> RoundSampler | None:
    """Return the sampler a training on the full rows `y` uses, None when every row is used every epoch."""
    if reduction.per_round == "resampled" and reduction.row_factor < 1:
        return RoundSampler(_strata(y, task), reduction.row_factor, reduction.seed)
    if reduction.rows is not None:
        return RoundSampler([], reduction.row_factor, reduction.seed, fixed=reduction.rows)
    return None
