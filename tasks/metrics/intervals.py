"""Confidence intervals: Wilson, bootstrap, paired bootstrap, Agresti-Min."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "Interval",
    "agresti_min",
    "bootstrap",
    "drawn_rows",
    "paired_bootstrap",
    "paired_shares",
    "quantile",
    "wilson",
]

Array = npt.NDArray[Any]
Score = Callable[[Array, Array], float]
MANY = 10_000  # rows from which on resamples of fewer tell the same, in a fraction of the time
SEEN = 100  # rows of the rarest class that a smaller resample still draws, on average


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
    if np.isnan(values).all():
        return Interval(float("nan"), float("nan"), method)
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(values, [tail, 1 - tail])
    return Interval(float(low), float(high), method)


def drawn_rows(rows: int, rarest: int) -> int:
    """Rows that a resample draws: all, or of many `MANY`, and more where what is `rarest` asks for them."""
    return min(rows, max(MANY, math.ceil(SEEN * rows / max(rarest, 1))))


def _rarest(y: Array) -> int:
    """Count the rows of the rarest class; all rows where ``y`` holds no classes."""
    return int(np.unique(y, return_counts=True)[1].min()) if y.dtype.kind in "iub" else len(y)


def _resampled(fn: Callable[[Array], float], rows: int, drawn: int, resamples: int, seed: int) -> Array:
    """Values of ``fn(positions)`` on resampled rows, as far from the value on all rows as full resamples are.

    Drawing m of n rows makes deviations sqrt(n / m) times as large (Bickel, Goetze & van Zwet, 1997).
    """
    rng = np.random.default_rng(seed)
    values = np.array([fn(rng.integers(0, rows, drawn)) for _ in range(resamples)])
    if drawn == rows:
        return values
    whole = fn(np.arange(rows))
    return np.asarray(whole + (values - whole) * math.sqrt(drawn / rows))


def bootstrap(
    fn: Score, y: Array, scores: Array, *, resamples: int, confidence: float, seed: int
) -> Interval:
    """Percentile interval of ``fn(y, scores)`` over resampled rows (Efron, 1979)."""
    drawn = drawn_rows(len(y), _rarest(y))
    values = _resampled(lambda i: fn(y[i], scores[i]), len(y), drawn, resamples, seed)
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
    apart = int(np.sum(np.any((a != b).reshape(len(y), -1), axis=1)))
    drawn = drawn_rows(len(y), min(_rarest(y), apart or len(y)))
    values = _resampled(lambda i: fn(y[i], a[i]) - fn(y[i], b[i]), len(y), drawn, resamples, seed)
    return _percentiles(values, confidence, "paired bootstrap")


def paired_shares(
    wins: int, losses: int, rows: int, *, resamples: int, confidence: float, seed: int
) -> Interval:
    """Paired bootstrap of a difference of shares, (wins - losses) / rows, without touching a row.

    Resampled rows hold multinomial counts of wins and losses, so these are drawn instead.
    """
    shares = [wins / rows, losses / rows, (rows - wins - losses) / rows]
    drawn = np.random.default_rng(seed).multinomial(rows, shares, resamples)
    return _percentiles((drawn[:, 0] - drawn[:, 1]) / rows, confidence, "paired bootstrap")
