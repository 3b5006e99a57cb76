"""What another draw of seeds might have given: a bootstrap over few seeds."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import t

from tasks.metrics.intervals import Interval, quantile

__all__ = ["CONFIDENCE", "ends", "over_seeds", "widening"]

Array = npt.NDArray[Any]
Statistic = Callable[[Array], float]
CONFIDENCE = 0.95
RESAMPLES = 2000


def widening(seeds: int, confidence: float = CONFIDENCE) -> float:
    """Return how much too narrow the plain bootstrap of ``seeds`` values is.

    ``t(seeds - 1) / z * sqrt(seeds / (seeds - 1))``

    The resampled mean spreads with the divisor n in place of n - 1, and as if the spread were known
    (Hesterberg, 2015, section 4.1). Of three seeds the factor is 2.7; of many it tends to 1.
    """
    tail = (1 + confidence) / 2
    return float(t.ppf(tail, seeds - 1)) / quantile(confidence) * math.sqrt(seeds / (seeds - 1))


def _draws(seeds: int, resamples: int, seed: int) -> tuple[Array, Array]:
    """Distinct weights of the seeds (k, seeds), and which of them each resample drew (resamples,)."""
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(seeds, np.full(seeds, 1 / seeds), resamples)
    distinct, drawn = np.unique(counts, axis=0, return_inverse=True)
    return distinct / seeds, drawn.ravel()


def over_seeds(
    values: Array,
    statistic: Statistic,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Interval of ``statistic(mean over seeds)``: bootstrap quantiles (Efron, 1979), widened for few seeds.

    A resample draws the same seeds for every candidate, so what a seed does to all of them cancels in
    differences. It tells what other seeds would have given, on the same rows.

    Parameters
    ----------
    values
        One row a candidate, one column a seed, (n, s), all finite.
    statistic
        Figure of the candidates' means (n,).
    confidence, resamples, seed
        Of the interval and of the resamples.

    Returns
    -------
    Not-a-number at both ends where there is one seed.

    Examples
    --------
    >>> over_seeds(np.array([[1.0, 1.0, 1.0]]), lambda means: float(means[0]))
    Interval(low=1.0, high=1.0, method='bootstrap over seeds')
    """
    values = np.asarray(values, dtype=np.float64)
    method, seeds = "bootstrap over seeds", values.shape[1]
    if seeds < 2:
        return Interval(float("nan"), float("nan"), method)
    weights, drawn = _draws(seeds, resamples, seed)
    centre = statistic(values.mean(axis=1))
    apart = np.array([statistic(values @ weight) for weight in weights])[drawn] - centre
    tail = (1 - confidence) / 2
    low, high = centre + widening(seeds, confidence) * np.quantile(apart, [tail, 1 - tail])
    return Interval(float(low), float(high), method)


def ends(found: Interval) -> tuple[float | None, float | None]:
    """Both ends of an interval; None where one seed tells nothing."""
    return (None, None) if math.isnan(found.low) else (found.low, found.high)
