"""Classification metrics on class codes and probabilities, in plain numpy.

Label metrics accept probabilities ``(n, K)``, of which the likeliest class is taken, or class codes ``(n,)``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "accuracy",
    "as_codes",
    "balanced_accuracy",
    "best_threshold",
    "confusion",
    "decide",
    "expected_calibration_error",
    "log_loss",
    "macro_f1",
    "per_class",
    "reliability",
    "roc_auc",
    "roc_curve",
]

Array = npt.NDArray[Any]
EPSILON = 1e-7  # float32 softmax reaches 0; log loss stays finite
BINS = 15


def as_codes(scores: Array) -> Array:
    """Class codes (n,): the likeliest class of probabilities (n, K), or codes handed through."""
    return scores.argmax(axis=1) if scores.ndim == 2 else scores


def decide(probabilities: Array, threshold: float | None) -> Array:
    """Class codes (n,) at a threshold on the second of two classes; None takes the likeliest class."""
    if threshold is None or probabilities.shape[1] != 2:
        return as_codes(probabilities)
    # In float64: rounded to the scores' float32, a threshold between two neighbours would become one of them.
    return (probabilities[:, 1].astype(np.float64) >= threshold).astype(np.int64)


def confusion(y: Array, scores: Array, classes: int) -> Array:
    """Count rows by true and predicted class, (K, K): row = true class, column = predicted class."""
    cells = np.bincount(y * classes + as_codes(scores), minlength=classes * classes)
    return cells.reshape(classes, classes)


def accuracy(y: Array, scores: Array) -> float:
    """Share of rows whose class is right."""
    return float(np.mean(as_codes(scores) == y))


def _counts(y: Array, scores: Array) -> tuple[Array, Array, Array]:
    """Count true positives, true rows and predicted rows of each class, (K,) each."""
    codes = as_codes(scores)
    classes = scores.shape[1] if scores.ndim == 2 else int(max(y.max(), codes.max())) + 1
    hits = np.bincount(y[y == codes], minlength=classes)
    return hits, np.bincount(y, minlength=classes), np.bincount(codes, minlength=classes)


def balanced_accuracy(y: Array, scores: Array) -> float:
    """Mean recall over the classes that occur in ``y``."""
    hits, true, _ = _counts(y, scores)
    present = true > 0
    return float(np.mean(hits[present] / true[present]))


def macro_f1(y: Array, scores: Array) -> float:
    """Mean over classes, seen or predicted, of F1 = 2 TP / (true + predicted)."""
    hits, true, predicted = _counts(y, scores)
    total = true + predicted
    seen = total > 0
    return float(np.mean(2 * hits[seen] / total[seen]))


def log_loss(y: Array, scores: Array) -> float:
    """Mean of -log p(true class), with p clipped to [1e-7, 1]."""
    own = np.asarray(scores, dtype=np.float64)[np.arange(len(y)), y]
    return float(-np.mean(np.log(np.clip(own, EPSILON, 1.0))))


def _ranks(values: Array) -> Array:
    """Ranks from 1, ties averaged."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    averages: Array = (ends - (counts - 1) / 2)[inverse]
    return averages


def _binary_auc(positive: Array, values: Array) -> float:
    """Mann-Whitney: the chance that a positive row ranks above a negative one; NaN when one side is empty."""
    ones = int(positive.sum())
    zeros = len(positive) - ones
    if ones == 0 or zeros == 0:
        return float("nan")
    return float((_ranks(values)[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def roc_auc(y: Array, scores: Array) -> float:
    """Area under the ROC curve: one class against the rest, averaged over the classes that occur.

    Two classes: the area of the second class. NaN when ``y`` holds a single class.
    """
    if scores.shape[1] == 2:
        return _binary_auc(y == 1, scores[:, 1])
    areas = [_binary_auc(y == code, scores[:, code]) for code in range(scores.shape[1])]
    known = [area for area in areas if not np.isnan(area)]
    return float(np.mean(known)) if known else float("nan")


def reliability(y: Array, scores: Array, bins: int = BINS) -> list[dict[str, float]]:
    """Stated confidence against the share that was right, in equal-width bins of the likeliest class.

    Returns
    -------
    list of {"low", "high", "confidence", "accuracy", "rows"}, the bins that hold rows only.
    """
    confidence = np.asarray(scores.max(axis=1), dtype=np.float64)
    right = scores.argmax(axis=1) == y
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    rows = np.bincount(place, minlength=bins)
    stated = np.bincount(place, weights=confidence, minlength=bins)
    hits = np.bincount(place, weights=right.astype(np.float64), minlength=bins)
    return [
        {
            "low": b / bins,
            "high": (b + 1) / bins,
            "confidence": float(stated[b] / rows[b]),
            "accuracy": float(hits[b] / rows[b]),
            "rows": int(rows[b]),
        }
        for b in range(bins)
        if rows[b]
    ]


def expected_calibration_error(y: Array, scores: Array, bins: int = BINS) -> float:
    """ECE: mean over rows of |confidence - accuracy| of the row's bin (Naeini et al., 2015)."""
    gaps = [(b["rows"], abs(b["confidence"] - b["accuracy"])) for b in reliability(y, scores, bins)]
    return float(sum(rows * gap for rows, gap in gaps) / len(y))


def roc_curve(positive: Array, values: Array) -> tuple[Array, Array]:
    """Trace false and true positive rates at every cut of ``values``, from (0, 0) to (1, 1)."""
    order = np.argsort(-values, kind="stable")
    hits = np.cumsum(positive[order])
    misses = np.arange(1, len(order) + 1) - hits
    ends = np.append(np.flatnonzero(np.diff(values[order])), len(order) - 1)
    true = np.append(0.0, hits[ends] / max(hits[-1], 1))
    false = np.append(0.0, misses[ends] / max(misses[-1], 1))
    return false, true


def per_class(y: Array, scores: Array, labels: tuple[str, ...]) -> list[dict[str, Any]]:
    """Precision, recall, F1 and rows of each class; what is 0/0 counts as 0."""
    table = confusion(y, scores, len(labels))
    hits, true, predicted = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    return [
        {
            "label": label,
            "precision": float(hits[k] / max(predicted[k], 1)),
            "recall": float(hits[k] / max(true[k], 1)),
            "f1": float(2 * hits[k] / max(true[k] + predicted[k], 1)),
            "support": int(true[k]),
        }
        for k, label in enumerate(labels)
    ]


def best_threshold(y: Array, scores: Array, gain: Any = balanced_accuracy) -> float:
    """Decision threshold on the second of two classes that maximises a label metric.

    Candidates are 0.5 and the midpoints between neighbouring scores; among equals the one nearest 0.5 wins.
    Fit it on validation rows. ``gain`` is a label metric ``(y, codes) -> float``.
    """
    values = np.unique(scores[:, 1].astype(np.float64))
    if len(values) > 512:
        values = np.unique(np.quantile(values, np.linspace(0, 1, 512)))
    cuts = np.append((values[1:] + values[:-1]) / 2, 0.5)
    gains = np.array([gain(y, (scores[:, 1] >= cut).astype(np.int64)) for cut in cuts])
    ties = cuts[gains >= gains.max() - 1e-12]
    return float(ties[np.argmin(np.abs(ties - 0.5))])
