"""Column methods that keep the grid of an image or a series: pool and dct."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.reduction.cells import frequencies, place, pooled, window_cells
from tasks.reduction.column_config import DctColumns, PoolColumns
from tasks.reduction.reduction import Reduction
from tasks.reduction.sample import Sample, refusal

__all__ = ["dct", "grid_of", "pool"]


def grid_of(method: str, sample: Sample) -> tuple[int, ...]:
    """Return the grid `(channels, ...)` of the sample's features.

    Raises
    ------
    EspalierError
        When rows have no grid, or features (levels, indicators) that stand on no cell.
    """
    advice = "use pca, weight_norm or select_k_best, or say the grid in source.shape"
    if sample.plan.shape is None or sample.plan.positions is None:
        raise refusal("columns.method", f"{method} needs rows that are images or series", "a table", advice)
    if sample.plan.width != sample.columns or any(sample.plan.levels):
        extra = sample.plan.width - sample.plan.numbers
        raise refusal(
            "columns.method",
            f"{method} needs every feature on a cell of the grid",
            f"{extra} one-hot or indicator features beside it",
            "set clean.impute.indicator: false, or use pca or weight_norm",
        )
    return sample.plan.shape


def _fitted(method: str, step: dict[str, Any], kept: NDArray[np.float64], total: float) -> Reduction:
    """`kept` is the variance each output cell carries; as an orthogonal projection the rest is the error."""
    shares = kept / total
    report = {"reconstruction_error": float(max(0.0, 1 - shares.sum()))}
    return Reduction(method, shape=kept.shape, grid=step, worth=np.sort(shares.ravel())[::-1], report=report)


def _variance(grid: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(grid.var(axis=0, dtype=np.float64))


def pool(config: PoolColumns, sample: Sample) -> Reduction:
    """Average windows of `kernel` cells along each spatial axis; an edge window averages what it has."""
    _, *spatial = grid_of(config.method, sample)
    size = int(config.kernel)
    if size > max(spatial):
        raise refusal(
            "columns.kernel",
            f"the grid's longest axis has {max(spatial)} cells",
            size,
            "set a smaller kernel",
        )
    kernel = [min(size, length) for length in spatial]
    grid = place(sample.features, sample.plan)
    kept = _variance(pooled(grid, kernel)) * window_cells(spatial, kernel)
    return _fitted(config.method, {"kind": "pool", "kernel": kernel}, kept, _variance(grid).sum())


def dct(config: DctColumns, sample: Sample) -> Reduction:
    """Lowest `keep` frequencies along each spatial axis of the orthonormal DCT-II (Ahmed et al., 1974)."""
    _, *spatial = grid_of(config.method, sample)
    count = int(config.keep)
    if count > max(spatial):
        advice = f"set 1 to {max(spatial)}, or auto"
        raise refusal(
            "columns.keep", f"the grid's longest axis has {max(spatial)} frequencies", count, advice
        )
    keep = [min(count, length) for length in spatial]
    grid = place(sample.features, sample.plan)
    kept = _variance(frequencies(grid, keep))
    return _fitted(config.method, {"kind": "dct", "keep": keep}, kept, _variance(grid).sum())
