"""Judge exported models on the test rows, by what their files answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tasks.evaluation.compare import Settings, compare, interval_of
from tasks.evaluation.config import EvaluateConfig
from tasks.evaluation.curves import class_curves, quintiles, range_curves, range_table
from tasks.export.choose import Yardstick
from tasks.metrics.classification import best_threshold, decide, per_class
from tasks.metrics.table import METRICS, Metric, Task, finite, headline, score_all

__all__ = ["Case", "Splits", "judge", "share", "yardstick"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Splits:
    """One array for each split: targets (n,), or a model's scores (n, K) or (n,)."""

    train: Array
    valid: Array
    test: Array


@dataclass(frozen=True, eq=False)
class Case:
    """What is judged: the task, its class names (none for regression) and the true targets."""

    task: Task
    labels: tuple[str, ...]
    y: Splits


def share(rows: int, factor: float, seed: int) -> Array:
    """Ascending positions of a seeded share of rows, at least one; all of them at factor 1."""
    if factor >= 1:
        return np.arange(rows)
    count = max(1, round(rows * factor))
    return np.sort(np.random.default_rng(seed).permutation(rows)[:count])


def _threshold(case: Case, valid: Array, metric: Metric, wanted: Literal["auto"] | float) -> float | None:
    """Decision threshold of two classes, chosen on validation rows or given; None otherwise."""
    if len(case.labels) != 2:
        return None
    if wanted != "auto":
        return float(wanted)
    gain = metric if metric.of_labels else METRICS["balanced_accuracy"]
    return best_threshold(case.y.valid, valid, gain)


def _decided(case: Case, scores: Splits, threshold: float | None) -> Splits:
    """Class codes at the threshold; a regression's predictions as they are."""
    if case.task == "regression":
        return scores
    return Splits(*(decide(part, threshold) for part in (scores.train, scores.valid, scores.test)))


def _judged(case: Case, metric: Metric, scores: Splits, decided: Splits, how: Settings) -> dict[str, Any]:
    """Every figure of one model."""
    used = decided if metric.of_labels else scores
    parts = ("train", "valid", "test")
    found = {
        part: score_all(case.task, getattr(case.y, part), getattr(scores, part), getattr(decided, part))
        for part in parts
    }
    interval = interval_of(metric, case.y.test, used.test, how)
    gap = metric.gain(metric(case.y.train, used.train), metric(case.y.test, used.test))
    return {
        "metrics": found["test"],
        "valid": found["valid"],
        "train": found["train"],
        "gap": finite(gap),
        "interval": [finite(interval.low), finite(interval.high)],
        "interval_method": interval.method,
        "per_class": _table(case, scores, decided),
    }


def _table(case: Case, scores: Splits, decided: Splits) -> list[dict[str, Any]]:
    if case.task == "classification":
        return per_class(case.y.test, decided.test, case.labels)
    return range_table(case.y.test, scores.test, quintiles(case.y.train))


def _curves(case: Case, scores: Splits, decided: Splits) -> dict[str, Any]:
    if case.task == "classification":
        return class_curves(case.y.test, scores.test, decided.test, case.labels)
    unit = 2 * float(np.std(case.y.train))
    return range_curves(case.y.test, scores.test, quintiles(case.y.train), unit)


def yardstick(case: Case, rows: Array, config: EvaluateConfig) -> Yardstick:
    """Hold forms of a model against validation rows (n, p), each with the threshold that suits it there."""
    metric = headline(config.metric, case.task)

    def figure(answers: Array) -> float:
        if metric.of_labels:
            answers = decide(answers, _threshold(case, answers, metric, config.threshold))
        return metric(case.y.valid, answers)

    return Yardstick(rows, figure, metric.higher_is_better)


def judge(case: Case, scores: Mapping[str, Splits], config: EvaluateConfig) -> dict[str, Any]:
    """Judge every model, and compare each with the first, the reference.

    Parameters
    ----------
    case
        Task, labels and true targets. Test rows inform no choice: thresholds come from validation rows.
    scores
        What each model answers, by its name, the reference first.
    config
        Section `evaluate`.

    Returns
    -------
    dict
        JSON-able: ``task``, ``metric``, ``title``, ``higher_is_better``, ``labels``, ``rows``, ``factor``,
        ``margin``, ``confidence``, ``threshold`` (the last model's), ``models``, ``comparisons``, ``curves``.
    """
    metric, how = (
        headline(config.metric, case.task),
        Settings(config.confidence, config.bootstrap, config.seed),
    )
    cuts = {name: _threshold(case, found.valid, metric, config.threshold) for name, found in scores.items()}
    decided = {name: _decided(case, found, cuts[name]) for name, found in scores.items()}
    used = {name: (decided if metric.of_labels else scores)[name].test for name in scores}
    reference, *rivals = scores
    compared = {
        name: compare(metric, case.y.test, used[name], used[reference], margin=config.margin, settings=how)
        for name in rivals
    }
    return {
        "task": case.task,
        "metric": metric.name,
        "title": metric.title,
        "higher_is_better": metric.higher_is_better,
        "labels": list(case.labels) or None,
        "rows": {part: len(getattr(case.y, part)) for part in ("train", "valid", "test")},
        "factor": config.factor,
        "margin": config.margin,
        "confidence": config.confidence,
        "threshold": list(cuts.values())[-1],
        "models": {
            name: {**_judged(case, metric, found, decided[name], how), "threshold": cuts[name]}
            for name, found in scores.items()
        },
        "comparisons": {name: found.to_dict() for name, found in compared.items()},
        "curves": {name: _curves(case, found, decided[name]) for name, found in scores.items()},
    }
