"""The table of metrics by name, and the choice of a headline."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy.typing as npt

from tasks.errors import EspalierError
from tasks.metrics import classification, regression

__all__ = ["METRICS", "Metric", "Task", "headline", "metrics_of", "score_all"]

Array = npt.NDArray[Any]
Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class Metric:
    """One figure of merit.

    ``fn(y, scores)`` takes class codes and probabilities (n, K), or targets and predictions (n,). A metric
    ``of_labels`` also takes decided class codes (n,) in place of probabilities.
    """

    name: str
    task: Task
    higher_is_better: bool
    fn: Callable[[Array, Array], float]
    of_labels: bool = False
    title: str = ""

    def __call__(self, y: Array, scores: Array) -> float:
        """Score ``scores`` against ``y``."""
        return self.fn(y, scores)

    def gain(self, value: float, rival: float) -> float:
        """``value - rival``, signed so that positive is better."""
        return value - rival if self.higher_is_better else rival - value


def _table(*metrics: Metric) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


METRICS: dict[str, Metric] = _table(
    Metric("accuracy", "classification", True, classification.accuracy, True, "accuracy"),
    Metric(
        "balanced_accuracy",
        "classification",
        True,
        classification.balanced_accuracy,
        True,
        "balanced accuracy",
    ),
    Metric("macro_f1", "classification", True, classification.macro_f1, True, "macro F1"),
    Metric("log_loss", "classification", False, classification.log_loss, False, "log loss"),
    Metric("roc_auc", "classification", True, classification.roc_auc, False, "ROC AUC"),
    Metric(
        "ece",
        "classification",
        False,
        classification.expected_calibration_error,
        False,
        "calibration error (ECE)",
    ),
    Metric("r2", "regression", True, regression.r2, False, "R²"),
    Metric("rmse", "regression", False, regression.rmse, False, "RMSE"),
    Metric("mae", "regression", False, regression.mae, False, "mean absolute error"),
)
AUTO: dict[Task, str] = {"classification": "accuracy", "regression": "r2"}


def metrics_of(task: Task) -> tuple[Metric, ...]:
    """Every metric of a task, in table order."""
    return tuple(metric for metric in METRICS.values() if metric.task == task)


def headline(name: str, task: Task) -> Metric:
    """Metric a result is judged by; ``auto`` is accuracy or R².

    Raises
    ------
    EspalierError
        When the name is unknown or belongs to the other task.
    """
    metric = METRICS.get(AUTO[task] if name == "auto" else name)
    if metric is None or metric.task != task:
        known = ", ".join(m.name for m in metrics_of(task))
        raise EspalierError(
            f"evaluate.metric: {name!r} is no metric for {task}; choose auto or one of {known}"
        )
    return metric


def score_all(task: Task, y: Array, scores: Array, codes: Array | None = None) -> dict[str, float | None]:
    """Every metric of the task by name; undefined ones are None.

    ``codes`` are decided class codes used by the label metrics in place of the likeliest class.
    """
    out: dict[str, float | None] = {}
    for metric in metrics_of(task):
        value = metric(y, codes if metric.of_labels and codes is not None else scores)
        out[metric.name] = value if math.isfinite(value) else None
    return out
