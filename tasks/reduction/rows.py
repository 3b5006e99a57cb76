"""The table of row methods, and the sampler that hands each epoch its rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tasks.errors import EspalierError
from tasks.reduction.covering import farthest_first
from tasks.reduction.difficulty import cover_difficulty, hardest
from tasks.reduction.duplicates import thin_out
from tasks.reduction.medoids import medoids_in_chunks
from tasks.reduction.reduction import Reduction
from tasks.reduction.row_config import RowsConfig
from tasks.reduction.sample import Sample
from tasks.reduction.strata import Indices, by_class, stratified, subset_size

__all__ = [
    "ROW_METHODS",
    "Pool",
    "RoundSampler",
    "random_rival",
    "reduce_rows",
    "round_sampler",
    "select_rows",
]


@dataclass(frozen=True, eq=False)
class Pool:
    """What a row method chooses from.

    Parameters
    ----------
    Z
        (n, d) rows in the reduced space.
    config
        Settings of the method.
    rng
        What random choices are drawn with.
    errors
        (n,) how wrong the reference is on each row; only some methods ask for them.
    """

    Z: NDArray[Any]
    config: Any
    rng: np.random.Generator
    errors: NDArray[Any] | None = None


RowMethod: TypeAlias = Callable[[Pool, Indices, int], Indices]
"""From the rows of a class and how many of them should stay to those that do."""


def random(pool: Pool, rows: Indices, k: int) -> Indices:
    """Draw `k` of the rows."""
    return pool.rng.choice(rows, k, replace=False)


def k_center(pool: Pool, rows: Indices, k: int) -> Indices:
    """Cover the rows in the reduced space (Gonzalez, 1985)."""
    return rows[farthest_first(pool.Z[rows], k)]


def k_medoids(pool: Pool, rows: Indices, k: int) -> Indices:
    """Medoids of the rows in the reduced space (Kaufman and Rousseeuw, 1987), part by part when many."""
    return rows[medoids_in_chunks(pool.Z[rows], k, pool.rng)]


def el2n(pool: Pool, rows: Indices, k: int) -> Indices:
    """Take the rows the reference is most wrong on (Paul et al., 2021)."""
    return rows[hardest(_errors(pool)[rows], k)]


def coverage_stratified(pool: Pool, rows: Indices, k: int) -> Indices:
    """Take rows of every difficulty but the hardest (Zheng et al., 2023)."""
    errors, config = _errors(pool)[rows], pool.config
    return rows[cover_difficulty(errors, k, bins=config.bins, cutoff=config.cutoff, rng=pool.rng)]


def near_duplicates(pool: Pool, rows: Indices, k: int) -> Indices:
    """Drop rows next to a kept one of their class; with a quantile more than `k` may stay."""
    return rows[thin_out(pool.Z[rows], k, pool.config.quantile)]


def keep_all(pool: Pool, rows: Indices, k: int) -> Indices:
    """Keep every row."""
    return rows


def _errors(pool: Pool) -> NDArray[Any]:
    if pool.errors is None:
        raise EspalierError(
            f"reduce.rows.method: {pool.config.method} reads the trained reference's answers, and none were "
            "given; train stage reference first, or use random or k_center"
        )
    return pool.errors


ROW_METHODS: dict[str, RowMethod] = {
    "none": keep_all,
    "random": random,
    "k_center": k_center,
    "k_medoids": k_medoids,
    "el2n": el2n,
    "coverage_stratified": coverage_stratified,
    "near_duplicates": near_duplicates,
}


def select_rows(
    config: RowsConfig,
    Z: NDArray[Any],
    y: NDArray[Any],
    *,
    task: str,
    seed: int,
    errors: NDArray[Any] | None = None,
) -> Indices:
    """Choose the training rows that stay.

    Parameters
    ----------
    config
        Method and factor.
    Z
        (n, ...) rows in the reduced space.
    y
        (n,) class codes, whose shares the subset keeps (or evens out), or a numeric target.
    errors
        (n,) `error_norms` of the reference; for the methods that rank by them.

    Returns
    -------
    Ascending int64 positions, `subset_size(n, factor)` of them (near_duplicates with a quantile: at least so
    many); with fewer than one row a class, the largest classes keep theirs.
    """
    balanced = bool(getattr(config, "balanced", False))
    strata = by_class(y, task, balanced=balanced)
    if config.factor == 1:
        return np.arange(len(y), dtype=np.int64)
    pool = Pool(Z.reshape(len(Z), -1), config, np.random.default_rng(seed), errors)
    method = ROW_METHODS[config.method]
    return stratified(strata, config.factor, lambda rows, k: method(pool, rows, k), balanced)


def reduce_rows(config: RowsConfig, reduction: Reduction, sample: Sample) -> Reduction:
    """Add the rows to a fitted column reduction; `report` becomes that of reports/reduce.json.

    Fixed rows are chosen now, in the reduced space; resampled ones by `round_sampler`, epoch by epoch.
    """
    n, rows, balanced = len(sample.y), None, bool(getattr(config, "balanced", False))
    by_class(sample.y, sample.task, balanced=balanced)
    if config.method != "none" and config.factor < 1 and config.per_round == "fixed":
        Z = reduction.transform(sample.features, sample.plan)
        rows = select_rows(config, Z, sample.y, task=sample.task, seed=sample.seed, errors=sample.errors)
    left = subset_size(n, config.factor) if rows is None else len(rows)
    facts = {**config.model_dump(), "before": n, "after": left}
    return replace(
        reduction,
        rows=rows,
        row_method=config.method,
        row_factor=config.factor,
        per_round=config.per_round,
        balanced=balanced,
        compare=rows is not None and bool(getattr(config, "compare", False)),
        report={"columns": dict(reduction.report), "rows": facts},
    )


def random_rival(reduction: Reduction, y: NDArray[Any], task: str) -> Reduction | None:
    """Return the same reduction with as many random rows, None where it asks for no comparison."""
    if not reduction.compare or reduction.rows is None:
        return None
    rng, share = np.random.default_rng(reduction.seed), len(reduction.rows) / len(y)
    rows = stratified(
        by_class(y, task), share, lambda rows, k: rng.choice(rows, k, replace=False), reduction.balanced
    )
    return replace(reduction, rows=rows, row_method="random", compare=False)


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
    balanced
        Whether every class gives the same number, not the same share.
    """

    strata: list[Indices]
    factor: float
    seed: int
    fixed: Indices | None = None
    balanced: bool = False

    def __call__(self, epoch: int) -> Indices:
        """Ascending positions of the rows of `epoch` (from 0)."""
        if self.fixed is not None:
            return self.fixed
        rng = np.random.default_rng([self.seed, epoch])
        return stratified(
            self.strata, self.factor, lambda rows, k: rng.choice(rows, k, replace=False), self.balanced
        )


def round_sampler(reduction: Reduction, y: NDArray[Any], task: str) -> RoundSampler | None:
    """Return the sampler a training on the full rows `y` uses, None when every row is used every epoch."""
    if reduction.per_round == "resampled" and reduction.row_factor < 1:
        strata, balanced = by_class(y, task), reduction.balanced
        return RoundSampler(strata, reduction.row_factor, reduction.seed, balanced=balanced)
    if reduction.rows is not None:
        return RoundSampler([], reduction.row_factor, reduction.seed, fixed=reduction.rows)
    return None
