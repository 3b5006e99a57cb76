"""The curves behind the figures: confusion, reliability and ROC, and what stands for them in regression.

A regression has no classes; its target is cut at the quintiles of the training targets instead.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.metrics.classification import confusion, reliability, roc_curve
from tasks.metrics.regression import mae, rmse

__all__ = ["GRID", "class_curves", "error_curve", "macro_roc", "quintiles", "range_curves", "range_table"]

Array = npt.NDArray[Any]
GRID = np.linspace(0, 1, 51)


def macro_roc(y: Array, scores: Array, codes: range) -> Array:
    """Average the true positive rates on `GRID` of the one-against-rest curves of the classes that occur.

    Two classes: the second one's curve.
    """
    chosen = [1] if scores.shape[1] == 2 else [code for code in codes if 0 < np.sum(y == code) < len(y)]
    curves = [np.interp(GRID, *roc_curve(y == code, scores[:, code])) for code in chosen]
    mean: Array = np.mean(curves, axis=0) if curves else GRID
    return mean


def class_curves(y: Array, scores: Array, decided: Array, labels: tuple[str, ...]) -> dict[str, Any]:
    """Confusion counts of the decided codes, reliability bins, and the macro-averaged ROC curve."""
    return {
        "confusion": confusion(y, decided, len(labels)).tolist(),
        "reliability": reliability(y, scores),
        "roc": macro_roc(y, scores, range(len(labels))).round(6).tolist(),
    }


def quintiles(train: Array) -> Array:
    """Edges between fifths of the training targets, at most four, distinct."""
    return np.unique(np.quantile(train, [0.2, 0.4, 0.6, 0.8]))


def _names(edges: Array) -> tuple[str, ...]:
    inner = [f"{low:.4g} to {high:.4g}" for low, high in pairwise(edges)]
    return (f"up to {edges[0]:.4g}", *inner, f"over {edges[-1]:.4g}")


def error_curve(y: Array, scores: Array, unit: float) -> Array:
    """Share of rows within a tolerance of `GRID` times ``unit`` (REC curve, Bi & Bennett, 2003)."""
    errors = np.sort(np.abs(y - scores))
    found: Array = np.searchsorted(errors, GRID * unit, side="right") / len(errors)
    return found


def range_table(y: Array, scores: Array, edges: Array) -> list[dict[str, Any]]:
    """RMSE, mean error and rows of each fifth of the target."""
    place = np.searchsorted(edges, y, side="right")
    return [
        {
            "label": name,
            "rmse": _known(rmse, y[place == k], scores[place == k]),
            "mae": _known(mae, y[place == k], scores[place == k]),
            "support": int(np.sum(place == k)),
        }
        for k, name in enumerate(_names(edges))
    ]


def _known(fn: Callable[[Array, Array], float], y: Array, scores: Array) -> float | None:
    return fn(y, scores) if len(y) else None


def range_curves(y: Array, scores: Array, edges: Array, unit: float) -> dict[str, Any]:
    """Fifth by fifth: counts, mean target where a fifth is predicted; and the share within a tolerance."""
    true, said = (np.searchsorted(edges, values, side="right") for values in (y, scores))
    bins = [
        {
            "confidence": float(scores[said == k].mean()),
            "accuracy": float(y[said == k].mean()),
            "rows": int(np.sum(said == k)),
        }
        for k in range(len(edges) + 1)
        if np.any(said == k)
    ]
    return {
        "confusion": confusion(true, said, len(edges) + 1).tolist(),
        "reliability": bins,
        "roc": error_curve(y, scores, unit).round(6).tolist(),
    }
