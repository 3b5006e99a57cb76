"""Regression metrics on targets and predictions (n,), in the target's own units."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["mae", "r2", "rmse"]

Array = npt.NDArray[Any]


def rmse(y: Array, scores: Array) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(np.mean((y - scores) ** 2)))


def mae(y: Array, scores: Array) -> float:
    """Mean absolute error."""
    return float(np.mean(np.abs(y - scores)))


def r2(y: Array, scores: Array) -> float:
    """Explained share of the variance, 1 - SSE / SST; NaN when ``y`` does not vary."""
    spread = float(np.sum((y - np.mean(y)) ** 2))
    return float(1 - np.sum((y - scores) ** 2) / spread) if spread > 0 else float("nan")
