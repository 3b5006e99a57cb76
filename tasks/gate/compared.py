"""A challenger's answers held against a rival's, with what few rows ask for besides."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.evaluation.compare import FEW, Comparison, Settings, compare, rows_needed, verdict
from tasks.gate.config import PromoteConfig
from tasks.gate.evidence import Answers, Evidence
from tasks.gate.margin import margin_of
from tasks.metrics.intervals import Interval, agresti_min
from tasks.metrics.table import Metric

__all__ = ["against", "level_of", "mcnemar", "on_rows", "signed", "told", "widened"]

Array = npt.NDArray[Any]
SUREST = 0.999_999
"""Confidence beyond which no interval of finite width has a meaning."""


def against(
    evidence: Evidence, rival: Answers, policy: PromoteConfig, margin: float | None = None
) -> Comparison:
    """Hold the challenger's answers against a rival's on all test rows, by the policy's margin."""
    metric = evidence.metric
    if margin is None and policy.margin != "auto":
        margin = float(policy.margin)
    if margin is None:
        own = metric(evidence.y, rival.judged_by(metric))
        margin = margin_of(metric, evidence.rows, own, policy.confidence)
    return on_rows(metric, evidence, rival, np.ones(evidence.rows, bool), margin, policy)


def on_rows(
    metric: Metric, evidence: Evidence, rival: Answers, there: Array, margin: float, policy: PromoteConfig
) -> Comparison:
    """Hold the challenger's answers against a rival's on the rows `there` (n,).

    Where few rows are answered differently, resampling them understates what could happen: the interval of a
    metric of labels is then no narrower than Agresti & Min's, unless both give the same scores.
    """
    own = evidence.challenger.answers
    assert own is not None
    y, mine, other = evidence.y[there], own.judged_by(metric)[there], rival.judged_by(metric)[there]
    settings = Settings(widened(policy.confidence, len(y)), policy.resamples)
    found = compare(metric, y, mine, other, margin=margin, settings=settings)
    wins, losses = _apart(mine, other, y) if metric.of_labels else (FEW, 0)
    if wins + losses >= FEW or np.array_equal(own.scores[there], rival.scores[there]):
        return found
    least = agresti_min(wins, losses, len(y), settings.confidence)
    low, high = float(np.fmin(found.low, least.low)), float(np.fmax(found.high, least.high))
    said = verdict(low, high, margin)
    wanted = rows_needed(found.difference, Interval(low, high, ""), len(y), margin, settings.confidence)
    return replace(
        found, low=low, high=high, verdict=said, rows_needed=wanted if said == "not shown" else None
    )


def _apart(mine: Array, other: Array, y: Array) -> tuple[int, int]:
    """Count the rows that one of two alone has right."""
    right, rival = mine == y, other == y
    return int(np.sum(right & ~rival)), int(np.sum(rival & ~right))


def mcnemar(mine: Array, other: Array, y: Array) -> float:
    """Return the p of equal shares of right answers, exact (McNemar, 1947).

    Of the rows that one of two alone has right, half would be either's: two-sided binomial.

    Examples
    --------
    >>> y = np.zeros(10, int)
    >>> round(mcnemar(y, np.arange(10) % 2, y), 4)
    0.0625
    """
    from scipy.stats import binomtest

    wins, losses = _apart(mine, other, y)
    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def widened(confidence: float, rows: int) -> float:
    """Return the confidence at which a percentile interval of few rows is as wide as Student's.

    2 Phi(t sqrt(n / (n - 1))) - 1 with t of n - 1 degrees of freedom (Hesterberg, 2015): resamples of n rows
    vary (n - 1) / n as much as samples do, and know the deviation no better than these.

    Examples
    --------
    >>> round(widened(0.95, 10), 3), round(widened(0.95, 1000), 3)
    (0.983, 0.95)
    """
    from scipy.special import ndtr, stdtrit

    n = max(rows, 2)
    wide = 2 * ndtr(stdtrit(n - 1, (1 + confidence) / 2) * math.sqrt(n / (n - 1))) - 1
    return min(float(wide), SUREST)


def signed(metric: Metric, value: float) -> str:
    """Write a difference, of shares in points."""
    return f"{100 * value:+.2f}" if metric.share else f"{value:+.4g}"


def level_of(metric: Metric, value: float) -> str:
    """Write a value, of shares in percent."""
    return f"{100 * value:.4g} %" if metric.share else f"{value:.4g}"


def told(metric: Metric, found: Comparison) -> str:
    """Write a difference with its interval."""
    low, high = signed(metric, found.low), signed(metric, found.high)
    return f"{signed(metric, found.difference)} [{low}, {high}]"
