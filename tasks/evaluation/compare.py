"""Is the smaller model still as good? Paired interval of the difference and a verdict at the margin."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tasks.metrics.classification import as_codes
from tasks.metrics.intervals import (
    Interval,
    agresti_min,
    bootstrap,
    paired_bootstrap,
    paired_shares,
    quantile,
    wilson,
)
from tasks.metrics.table import Metric, finite

__all__ = [
    "FEW",
    "POWER",
    "Comparison",
    "Settings",
    "compare",
    "interval_of",
    "rounded_up",
    "rows_needed",
    "verdict",
]

Array = npt.NDArray[Any]
Verdict = Literal["non-inferior", "inferior", "not shown"]
FEW = 10  # disagreements below which resampling rows understates what could happen
POWER = 0.8


@dataclass(frozen=True)
class Settings:
    """How intervals are made."""

    confidence: float = 0.95
    resamples: int = 2000
    seed: int = 0


@dataclass(frozen=True)
class Comparison:
    """A model against the reference on the same rows; positive differences are better than the reference."""

    difference: float
    low: float
    high: float
    verdict: Verdict
    margin: float
    rows_needed: int | None
    method: str

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form: what is not finite is null."""
        return {key: finite(v) if isinstance(v, float) else v for key, v in asdict(self).items()}


def interval_of(metric: Metric, y: Array, scores: Array, settings: Settings) -> Interval:
    """Interval of one model's figure: Wilson for accuracy, bootstrap over rows for the others."""
    if metric.name == "accuracy":
        hits = int(np.sum(as_codes(scores) == y))
        return wilson(hits, len(y), settings.confidence)
    return bootstrap(
        metric, y, scores, resamples=settings.resamples, confidence=settings.confidence, seed=settings.seed
    )


def verdict(low: float, high: float, margin: float) -> Verdict:
    """Judge the interval of a signed difference: all above -margin, all below it, or neither."""
    if low >= -margin:
        return "non-inferior"
    return "inferior" if high < -margin else "not shown"


def rows_needed(
    difference: float, interval: Interval, rows: int, margin: float, confidence: float
) -> int | None:
    """Test rows that would settle the question, were the true difference the one seen.

    n = (s (z + z_power) / (difference + margin))², where s = sqrt(rows) (high - low) / 2z is the deviation of
    one row's difference, z the two-sided quantile and z_power = 0.84 gives four chances in five (Julious
    2004).
    None when the difference is unknown, or on the margin's edge, which no number of rows settles.
    """
    distance = abs(difference + margin)
    if not distance > 1e-9 or not math.isfinite(interval.high - interval.low):
        return None
    z = quantile(confidence)
    deviation = math.sqrt(rows) * (interval.high - interval.low) / (2 * z)
    return max(rows + 1, math.ceil((deviation * (z + quantile(2 * POWER - 1)) / distance) ** 2))


def rounded_up(rows: int) -> str:
    """Write a count of rows rounded up to two digits: more would pretend to precision."""
    step = 10 ** max(0, len(str(rows)) - 2)
    return f"{-(-rows // step) * step:,}"


def _paired_accuracy(right: Array, other: Array, how: Settings) -> Interval:
    """Interval of the difference of two shares of right answers (n,)."""
    wins, losses = int(np.sum(right & ~other)), int(np.sum(other & ~right))
    if wins + losses < FEW:
        return agresti_min(wins, losses, len(right), how.confidence)
    return paired_shares(
        wins, losses, len(right), resamples=how.resamples, confidence=how.confidence, seed=how.seed
    )


def _paired(metric: Metric, y: Array, model: Array, reference: Array, settings: Settings) -> Interval:
    """Interval of the signed difference; Agresti-Min where accuracy rests on few disagreements."""
    if metric.name == "accuracy" and not np.array_equal(model, reference):
        return _paired_accuracy(as_codes(model) == y, as_codes(reference) == y, settings)
    sign = 1.0 if metric.higher_is_better else -1.0
    return paired_bootstrap(
        lambda t, s: sign * metric(t, s),
        y,
        model,
        reference,
        resamples=settings.resamples,
        confidence=settings.confidence,
        seed=settings.seed,
    )


def compare(
    metric: Metric, y: Array, model: Array, reference: Array, *, margin: float, settings: Settings
) -> Comparison:
    """Compare a model with the reference on the same test rows.

    Parameters
    ----------
    metric
        Headline.
    y
        Targets (n,).
    model, reference
        Scores of both on these rows: probabilities (n, K), decided codes (n,) or predictions (n,).
    margin
        Largest loss that counts as none, in the metric's units.

    Notes
    -----
    The interval is the paired bootstrap's. With under ten disagreements about who is right it is Agresti &
    Min's, since rows that never disagree resample to a difference of exactly 0 however few they are.
    """
    interval = _paired(metric, y, model, reference, settings)
    difference = metric.gain(metric(y, model), metric(y, reference))
    said = verdict(interval.low, interval.high, margin)
    wanted = None
    if said == "not shown":
        wanted = rows_needed(difference, interval, len(y), margin, settings.confidence)
    return Comparison(difference, interval.low, interval.high, said, margin, wanted, interval.method)
