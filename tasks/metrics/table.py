"""The table of metrics by name, and the choice of a headline."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy.typing as npt

from tasks.errors import EspalierError
from tasks.metrics import classification, regression

__all__ = ["METRICS", "Metric", "Task", "finite", "headline", "metrics_of", "score_all"]

Array = npt.NDArray[Any]
Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class Metric:
    """One figure of merit.

    ``fn(y, scores)`` takes class codes and probabilities (n, K), or targets and predictions (n,). A metric
    ``of_labels`` also takes decided class codes (n,) in place of probabilities. A ``share`` lies in [0, 1]
    and is written in percent, its differences in points.
    """

    name: str
    title: str
    task: Task
    fn: Callable[[Array, Array], float]
    higher_is_better: bool = True
    of_labels: bool = False
    share: bool = False

    def __call__(self, y: Array, scores: Array) -> float:
        """Score ``scores`` against ``y``."""
        return self.fn(y, scores)

    def gain(self, value: float, rival: float) -> float:
        """``value - rival``, signed so that positive is better."""
        return value - rival if self.higher_is_better else rival - value


_of_classes = partial(Metric, task="classification")
_of_numbers = partial(Metric, task="regression")
_TABLE = (
    _of_classes("accuracy", "accuracy", fn=classification.accuracy, of_labels=True, share=True),
    _of_classes(
        "balanced_accuracy",
        "balanced accuracy",
        fn=classification.balanced_accuracy,
        of_labels=True,
        share=True,
    ),
    _of_classes("macro_f1", "macro F1", fn=classification.macro_f1, of_labels=True, share=True),
    _of_classes("log_loss", "log loss", fn=classification.log_loss, higher_is_better=False),
    _of_classes("roc_auc", "ROC AUC", fn=classification.roc_auc, share=True),
    _of_classes(
        "ece",
        "calibration error",
        fn=classification.expected_calibration_error,
        higher_is_better=False,
        share=True,
    ),
    _of_numbers("r2", "R\N{SUPERSCRIPT TWO}", fn=regression.r2),
    _of_numbers("rmse", "RMSE", fn=regression.rmse, higher_is_better=False),
    _of_numbers("mae", "MAE", fn=regression.mae, higher_is_better=False),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _TABLE}
AUTO: dict[Task, str] = {"classification": "accuracy", "regression": "r2"}


def finite(value: float) -> float | None:
    """Return a value as JSON can hold it: None for NaN and infinity."""
    return value if math.isfinite(value) else None


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
        out[metric.name] = finite(metric(y, codes if metric.of_labels and codes is not None else scores))
    return out
