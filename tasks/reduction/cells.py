"""Arithmetic on the grid of an image or a series: place, pool, cosine transform."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.data.plan import NumericPlan

__all__ = ["dct_matrix", "frequencies", "place", "pooled", "shrink", "window_cells"]


def place(features: NDArray[Any], plan: NumericPlan) -> NDArray[Any]:
    """Put features (n, d) on their cells: (n, channels, ...), zeros where no column is."""
    if plan.shape is None or plan.positions is None:
        raise ValueError("the plan has no grid")
    grid = np.zeros((len(features), math.prod(plan.shape)), dtype=features.dtype)
    grid[:, list(plan.positions)] = features
    return grid.reshape(-1, *plan.shape)


def dct_matrix(length: int, keep: int) -> NDArray[np.float64]:
    """First `keep` rows of the orthonormal DCT-II (Ahmed, Natarajan and Rao, 1974).

    Row f is sqrt(2 / L) cos(pi (2 t + 1) f / (2 L)), row 0 times sqrt(1 / 2); all L are orthogonal.
    """
    t, f = np.arange(length), np.arange(keep)[:, None]
    basis = math.sqrt(2 / length) * np.cos(np.pi * (2 * t + 1) * f / (2 * length))
    basis[0] *= math.sqrt(0.5)
    return np.asarray(basis)


def _along(grid: NDArray[Any], axis: int, matrix: NDArray[Any]) -> NDArray[Any]:
    return np.moveaxis(np.tensordot(grid, matrix, axes=(axis, 1)), -1, axis)


def _members(length: int, kernel: int) -> NDArray[np.float64]:
    """(ceil(length / kernel), length): row i marks the cells of window i."""
    window = np.arange(length) // kernel
    return np.asarray((window == np.arange(-(-length // kernel))[:, None]).astype(np.float64))


def _averages(length: int, kernel: int) -> NDArray[np.float64]:
    """Row i averages window i; the last window averages the cells it has."""
    members = _members(length, kernel)
    return np.asarray(members / members.sum(axis=1, keepdims=True))


def window_cells(spatial: Sequence[int], kernel: Sequence[int]) -> NDArray[np.float64]:
    """Cells in each window of `pooled`, one axis per spatial axis."""
    counts = [_members(length, size).sum(axis=1) for length, size in zip(spatial, kernel, strict=True)]
    return np.asarray(reduce(np.multiply.outer, counts))


def pooled(grid: NDArray[Any], kernel: Sequence[int]) -> NDArray[Any]:
    """Average windows of `kernel` cells per spatial axis of (n, channels, ...)."""
    for axis, size in enumerate(kernel, start=2):
        grid = _along(grid, axis, _averages(grid.shape[axis], size))
    return grid


def frequencies(grid: NDArray[Any], keep: Sequence[int]) -> NDArray[Any]:
    """Lowest `keep` frequencies per spatial axis of (n, channels, ...)."""
    for axis, count in enumerate(keep, start=2):
        grid = _along(grid, axis, dct_matrix(grid.shape[axis], count))
    return grid


def shrink(grid: NDArray[Any], step: Mapping[str, Any]) -> NDArray[Any]:
    """Apply a `Reduction.grid` step to (n, channels, ...)."""
    return pooled(grid, step["kernel"]) if step["kind"] == "pool" else frequencies(grid, step["keep"])
