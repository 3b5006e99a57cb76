"""What candidates are compared by: metrics on validation rows, and costs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.metrics.table import METRICS

__all__ = ["COSTS", "HEADLINE", "Objective", "objective"]

HEADLINE = "metric"
COSTS = {
    "bytes": "ONNX file",
    "macs": "multiply-adds",
    "latency_us": "latency",
    "parameters": "parameters",
    "train_seconds": "training time",
}
"""Figures that ought to be small, and how they are called."""

SMALLEST = 1e-6  # costs below it count as it: their logarithm is wanted


@dataclass(frozen=True)
class Objective:
    """One figure that candidates are compared by.

    Attributes
    ----------
    name
        As results carry it: a metric's name, or a key of `COSTS`.
    title
        In words.
    metric
        Whether it is a metric, read on validation rows; else a cost.
    higher
        Whether more is better.
    """

    name: str
    title: str
    metric: bool
    higher: bool

    def value(self, figures: Mapping[str, Any]) -> float | None:
        """Read it off a result or a row: from `valid` for a metric, from the result itself for a cost."""
        found = figures["valid"].get(self.name) if self.metric else figures.get(self.name)
        return None if found is None or not math.isfinite(found) else float(found)

    def cost(self, value: float) -> float:
        """Turn a value into one to be made small: signed metrics; decades of costs."""
        if self.metric:
            return -value if self.higher else value
        return math.log10(max(value, SMALLEST))


def objective(name: str, headline: str) -> Objective:
    """Look up an objective; `metric` stands for the headline."""
    name = headline if name == HEADLINE else name
    if name in COSTS:
        return Objective(name, COSTS[name], metric=False, higher=False)
    metric = METRICS[name]
    return Objective(name, metric.title, metric=True, higher=metric.higher_is_better)
