"""Luck on few validation rows: of a metric, and of the epoch that is picked by it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tasks.training.records import steady_metric

__all__ = ["resampled", "settled", "spread"]

Array = npt.NDArray[np.float64]
_RESAMPLES = 400


def spread(task: str, reached: float, rows: int) -> float:
    """Return the standard deviation by which a metric on these rows differs from that on endless ones.

    Half of that of one network's accuracy (binomial) or R2 (Olkin and Finn, 1995): two networks of one origin
    err on the same rows. That of R2 is largest at 1/3; below, where the formula does not hold, it counts as
    there.

    Parameters
    ----------
    task : "classification" or "regression"
    reached : float
        Accuracy or R2.
    rows : int
        Validation rows.

    Examples
    --------
    >>> spread("classification", 0.5, 100)
    0.025
    """
    if task == "classification":
        share = min(max(reached, 0.0), 1.0)
        deviation = math.sqrt(share * (1 - share))
    else:
        share = max(reached, 1 / 3)
        deviation = 2 * (1 - share) * math.sqrt(share)
    return max(deviation / 2, 1 / math.sqrt(rows)) / math.sqrt(rows)


def resampled(y: Array, predicted: Array) -> float:
    """Return half the standard deviation of R2 over resamples of these rows (bootstrap; Efron, 1979).

    `spread` takes residuals to be normal. Prices and such are not: a few rows carry most of the squared
    error, and R2 hangs on whether they are there.

    Parameters
    ----------
    y, predicted : ndarray, shape (n,)

    Examples
    --------
    >>> y = np.arange(100.0)
    >>> resampled(y, y)
    0.0
    """
    draws = np.random.default_rng(0).integers(len(y), size=(_RESAMPLES, len(y)))
    errors = ((y - predicted) ** 2)[draws].sum(axis=1)
    drawn = y[draws]
    total = ((drawn - drawn.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    known = total > 0
    return float(np.std(1 - errors[known] / total[known])) / 2 if known.any() else 0.0


def settled(metrics: Sequence[float], best_epoch: int, task: str, rows: int) -> float:
    """Return what a training reached on validation rows, without the luck of the epoch picked on them.

    The mean from that epoch on, but at most one `spread` less than the epoch itself: on few rows later epochs
    overfit, and what they lose was no luck.

    Parameters
    ----------
    metrics : sequence of float
        Of each epoch.
    best_epoch : int
        Counted from 1.

    Examples
    --------
    >>> settled([0.5, 0.8, 0.8, 0.78], 2, "classification", 400)
    0.7933333333333333
    >>> settled([0.5, 0.8, 0.2, 0.2], 2, "classification", 400)
    0.79
    """
    picked = metrics[best_epoch - 1]
    return max(steady_metric(metrics, best_epoch), picked - spread(task, picked, rows))
