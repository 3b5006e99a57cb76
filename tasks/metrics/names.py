"""Names of the metrics, for configuration: the table itself imports what computes them."""

from __future__ import annotations

from typing import Literal

__all__ = ["MetricName"]

MetricName = Literal[
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "log_loss",
    "roc_auc",
    "ece",
    "r2",
    "rmse",
    "mae",
]
