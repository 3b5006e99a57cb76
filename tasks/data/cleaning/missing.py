"""Missing numbers: what fills them, and which columns tell that they were missing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tasks.data.config import ImputeConfig

__all__ = ["fit_fill", "fit_indicator"]

Floats = npt.NDArray[np.float32]


def fit_fill(numbers: Floats, config: ImputeConfig) -> Floats:
    """Return the fillers (q,) of number columns (n, q); 0 where a column has no value at all."""
    fill = np.full(numbers.shape[1], np.nan, np.float32)
    if config.method == "constant":
        fill[:] = config.value
    else:
        known = np.isfinite(numbers).any(axis=0)
        fill[known] = FILLERS[config.method](numbers[:, known])
    return np.nan_to_num(fill)


def fit_indicator(numbers: Floats, config: ImputeConfig) -> tuple[int, ...]:
    """Return the columns with a missing cell, when indicators are wanted."""
    missing = np.isnan(numbers).any(axis=0)
    return tuple(int(i) for i in np.flatnonzero(missing)) if config.indicator else ()


def _median(numbers: Floats) -> npt.NDArray[np.floating]:
    gaps = np.isnan(numbers).any(axis=0)
    fill = np.empty(numbers.shape[1])
    fill[~gaps] = np.median(numbers[:, ~gaps], axis=0)
    fill[gaps] = [np.nanmedian(column) for column in numbers[:, gaps].T]
    return fill


def _mean(numbers: Floats) -> npt.NDArray[np.floating]:
    return np.asarray(np.nanmean(numbers, axis=0, dtype=np.float64))


def _most_frequent(numbers: Floats) -> npt.NDArray[np.floating]:
    return np.asarray([_mode(column[~np.isnan(column)]) for column in numbers.T])


def _mode(values: Floats) -> np.float32:
    distinct, counts = np.unique(values, return_counts=True)
    mode: np.float32 = distinct[counts.argmax()]
    return mode


FILLERS: dict[str, Callable[[Floats], npt.NDArray[np.floating]]] = {
    "median": _median,
    "mean": _mean,
    "most_frequent": _most_frequent,
}
