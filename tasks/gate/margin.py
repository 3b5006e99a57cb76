"""How much a challenger may lose before it counts as worse, where nobody has said."""

from __future__ import annotations

import math

from tasks.evaluation.compare import POWER
from tasks.metrics.intervals import quantile
from tasks.metrics.table import Metric

__all__ = ["margin_of"]

DISAGREEMENT = 0.05
LEAST, MOST = 0.002, 0.05


def margin_of(metric: Metric, rows: int, value: float, confidence: float) -> float:
    """Return the loss below which so many rows cannot tell two equally good models apart.

    An equally good model that is right on other rows than its rival in a share d of n rows has a difference
    with standard deviation sqrt(d / n). At the margin (z + z_power) sqrt(d / n) it passes four times in five:
    the sample size formula of non-inferiority (Julious, 2004) solved for the margin. d is 0.05 and not the
    share seen, for otherwise a challenger that answers differently more often might lose more. The result is
    kept between 0.002 and 0.05; metrics without a scale (log loss, RMSE, MAE) take that share of `value`.

    Parameters
    ----------
    metric
        Headline.
    rows
        Test rows.
    value
        The rival's.
    confidence
        Of the interval that is held against the margin.

    Returns
    -------
    In the metric's units.

    Examples
    --------
    >>> from tasks.metrics.table import METRICS
    >>> round(margin_of(METRICS["accuracy"], 1250, 0.95, 0.95), 4)
    0.0177
    """
    share = (quantile(confidence) + quantile(2 * POWER - 1)) * math.sqrt(DISAGREEMENT / rows)
    share = min(MOST, max(LEAST, share))
    scaled = metric.share or metric.name == "r2"
    return share if scaled or not math.isfinite(value) else share * abs(value)
