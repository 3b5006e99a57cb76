"""A model's answers as what is compared: the classes it decides for, how sure it is, and its mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.drift.reading import Part
from tasks.metrics.classification import decide

__all__ = ["Mistakes", "answer_parts", "mistakes"]

Array = npt.NDArray[Any]
UNKNOWN = -1  # code of a label that no training row has


def answer_parts(scores: Array, labels: Sequence[str] | None, threshold: float | None) -> dict[str, Part]:
    """Return what is compared of answers: probabilities (n, K), or predictions (n,) of a regression.

    Of classes, the one decided for, and the probability of the second of two or the largest of more.
    """
    if labels is None:
        return {"prediction": scores.reshape(-1).astype(np.float64)}
    decided = [labels[code] for code in decide(scores, threshold)]
    if len(labels) == 2:
        return {"predicted class": decided, f"probability of {labels[1]}": scores[:, 1].astype(np.float64)}
    return {"predicted class": decided, "largest probability": scores.max(axis=1).astype(np.float64)}


@dataclass(frozen=True)
class Mistakes:
    """How wrong the model is on rows with known answers.

    Attributes
    ----------
    name : str
        'share of wrong answers' or 'mean absolute error'.
    mean, variance : float
        Of the rows' mistakes: 0 or 1, or the absolute error in the target's unit.
    rows : int
    metrics : mapping
        Every metric of the task on these rows.
    """

    name: str
    mean: float
    variance: float
    rows: int
    metrics: Mapping[str, float | None]

    @property
    def wrong(self) -> int:
        """Count of wrong answers, where a row's mistake is 0 or 1."""
        return round(self.mean * self.rows)

    @classmethod
    def of(cls, found: Array, metrics: Mapping[str, float | None], *, classes: bool) -> Mistakes:
        """Summarise the rows' mistakes (n,)."""
        name = "share of wrong answers" if classes else "mean absolute error"
        spread = float(found.var(ddof=1)) if len(found) > 1 else 0.0
        return cls(name, float(found.mean()), spread, len(found), metrics)

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form."""
        return {**asdict(self), "metrics": dict(self.metrics)}


def mistakes(y: Array, scores: Array, labels: Sequence[str] | None, threshold: float | None) -> Array:
    """Return each row's mistake (n,): whether the class is wrong, or the absolute error.

    `y` are class codes, -1 of a class that no training row has, or targets in their unit.
    """
    if labels is None:
        return np.asarray(np.abs(y - scores.reshape(-1)), np.float64)
    return np.asarray(decide(scores, threshold) != y, np.float64)
