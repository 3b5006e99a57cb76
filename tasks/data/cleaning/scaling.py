"""The mean and scale of each feature, on the training rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["fit_scaling"]

Floats = npt.NDArray[np.float32]


def fit_scaling(numbers: Floats, method: str, text: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return mean and scale (q,), (q,) of filled and clipped number columns (n, q).

    `global` centres each column and divides all by one deviation, so that a grid keeps its contrasts;
    `standard` does that among the columns of one text column (`text`, shape (q,): its number, -1 elsewhere),
    because a rare term's own deviation would blow it up.
    """
    mean = np.zeros(numbers.shape[1])
    scale = np.ones(numbers.shape[1])
    if method == "minmax":
        mean, scale = numbers.min(axis=0).astype(np.float64), np.ptp(numbers, axis=0).astype(np.float64)
    elif method in ("standard", "global"):
        mean = numbers.mean(axis=0, dtype=np.float64)
        variance = numbers.var(axis=0, dtype=np.float64)
        together = np.zeros_like(text) if method == "global" else text
        scale = np.sqrt(_pooled(variance, together))
    return mean.astype(np.float32), _divisor(scale)


def _pooled(variance: npt.NDArray[np.float64], group: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    pooled = variance.copy()
    for number in np.unique(group[group >= 0]):
        pooled[group == number] = variance[group == number].mean()
    return pooled


def _divisor(scale: npt.NDArray[np.float64]) -> Floats:
    narrow = scale.astype(np.float32)
    return np.where(narrow > 0, narrow, np.float32(1))
