"""Extreme numbers: bounds to clip to, or training rows to drop."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tasks.data.cleaning.decisions import Decision
from tasks.data.cleaning.missing import fit_fill
from tasks.data.config import (
    ImputeConfig,
    IqrOutliers,
    IsolationForestOutliers,
    OutliersConfig,
    QuantileOutliers,
)

__all__ = ["drop_isolated", "fit_bounds", "isolated_rows"]

Floats = npt.NDArray[np.float32]


def fit_bounds(
    numbers: Floats, config: OutliersConfig, measured: npt.NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Return the bounds (q,), (q,) that number columns (n, q; NaN = missing) are clipped to.

    Only `measured` columns (q,) are bounded, not dates, terms or codes; nor is one whose bounds would meet,
    because most of its cells are one value and clipping would leave nothing else.
    """
    low = np.full(numbers.shape[1], -np.inf, np.float32)
    high = np.full(numbers.shape[1], np.inf, np.float32)
    known = np.flatnonzero(measured & np.isfinite(numbers).any(axis=0))
    if len(known) and isinstance(config, QuantileOutliers):
        tails = [config.strength, 1 - config.strength]
        low[known], high[known] = np.nanquantile(numbers[:, known], tails, axis=0)
    elif len(known) and isinstance(config, IqrOutliers):
        first, third = np.nanquantile(numbers[:, known], [0.25, 0.75], axis=0)
        reach = config.strength * (third - first)
        low[known], high[known] = first - reach, third + reach
    open_ended = low >= high
    low[open_ended], high[open_ended] = -np.inf, np.inf
    return low, high


def drop_isolated(
    X: Floats, config: OutliersConfig, *, seed: int
) -> tuple[npt.NDArray[np.int64], list[Decision]]:
    """Return the training rows kept, all of them unless `config` is an isolation forest."""
    rows = np.arange(len(X))
    if not isinstance(config, IsolationForestOutliers):
        return rows, []
    isolated = isolated_rows(_plainly_filled(X), config, seed=seed)
    decision = Decision("rows dropped from train", None, len(isolated), "set apart by isolation forest")
    return np.setdiff1d(rows, isolated), [decision]


def _plainly_filled(X: Floats) -> Floats:
    """Missing cells as the column's median; ranks do not depend on scale, so none is needed."""
    return np.where(np.isnan(X), fit_fill(X, ImputeConfig()), X)


def isolated_rows(features: Floats, config: IsolationForestOutliers, *, seed: int) -> npt.NDArray[np.int64]:
    """Return the `strength` share of rows with the shortest isolation paths, ascending."""
    from sklearn.ensemble import IsolationForest

    scores = IsolationForest(random_state=seed).fit(features).score_samples(features)
    count = int(config.strength * len(features))
    return np.sort(np.argsort(scores, kind="stable")[:count])
