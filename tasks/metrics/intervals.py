"""Confidence intervals: Wilson, bootstrap, paired bootstrap, Agresti-Min."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Interval", "agresti_min", "bootstrap", "paired_bootstrap", "quantile", "wilson"]

Array = npt.NDArray[Any]
Score = Callable[[Array, Array], float]


@dataclass(frozen=True)
class Interval:
    """An interval of a figure; ``method`` says how it was made."""

    low: float
    high: float
    method: str


def quantile(confidence: float) -> float:
    """Two-sided standard normal quantile, 1.96 at 0.95."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def wilson(successes: int, rows: int, confidence: float) -> Interval:
    """Score interval of a proportion (Wilson, 1927).

    (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n)
    """
    z = quantile(confidence)
    p, shrink = successes / rows, 1 + z * z / rows
    centre = (p + z * z / (2 * rows)) / shrink
    half = z * float(np.sqrt(p * (1 - p) / rows + z * z / (4 * rows * rows))) / shrink
    return Interval(max(0.0, centre - half), min(1.0, centre + half), "Wilson")


def agresti_min(wins: int, losses: int, rows: int, confidence: float) -> Interval:
    """Interval of the difference of paired proportions, (wins - losses) / rows (Agresti & Min, 2005).

    Half a row is added to each of the four cells, so few disagreements do not pass for certainty.
    """
    z = quantile(confidence)
    n, b, c = rows + 2.0, wins + 0.5, losses + 0.5
    centre = (b - c) / n
    half = z * float(np.sqrt((b + c) - (b - c) ** 2 / n)) / n
    return Interval(max(-1.0, centre - half), min(1.0, centre + half), "Agresti-Min")


def _percentiles(values: Array, confidence: float, method: str) -> Interval:
    """Central share of the resampled values; undefined resamples are left out."""
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(values, [tail, 1 - tail])
    return Interval(float(low), float(high), method)


def bootstrap(
    fn: Score, y: Array, scores: Array, *, resamples: int, confidence: float, seed: int
) -> Interval:
    """Percentile interval of ``fn(y, scores)`` over resampled rows (Efron, 1979)."""
    rng, n = np.random.default_rng(seed), len(y)
    draws = (rng.integers(0, n, n) for _ in range(resamples))
    values = np.array([fn(y[i], scores[i]) for i in draws])
    return _percentiles(values, confidence, "bootstrap")


def paired_bootstrap(
    fn: Score, y: Array, a: Array, b: Array, *, resamples: int, confidence: float, seed: int
) -> Interval:
    """Percentile interval of ``fn(y, a) - fn(y, b)``, both scored on the same resampled rows.

    Parameters
    ----------
    fn
        Metric of targets (n,) and scores (n, ...).
    y, a, b
        Targets and the scores of the two models on the same n rows.

    Examples
    --------
    >>> import numpy as np
    >>> y, a = np.array([0, 1, 1]), np.array([0, 1, 0])
    >>> share = lambda y, s: float(np.mean(y == s))
    >>> paired_bootstrap(share, y, a, a, resamples=100, confidence=0.95, seed=0).low
    0.0
    """
    rng, n = np.random.default_rng(seed), len(y)
    draws = (rng.integers(0, n, n) for _ in range(resamples))
    values = np.array([fn(y[i], a[i]) - fn(y[i], b[i]) for i in draws])
    return _percentiles(values, confidence, "paired bootstrap")
