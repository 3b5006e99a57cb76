"""What the gate knows of a challenger and of the champion, collected before anything is decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.evaluation.latency import Ratio
from tasks.metrics.table import METRICS, Metric, Task

__all__ = ["Answers", "Evidence", "Fact", "Subject"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Fact:
    """Something that holds or does not, and what was found."""

    holds: bool
    found: str


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model says of the test rows.

    Attributes
    ----------
    scores : ndarray
        Probabilities (n, K), or predictions (n,).
    decided : ndarray, shape (n,)
        Class codes at the model's own threshold; for regression the predictions.
    """

    scores: Array
    decided: Array

    def judged_by(self, metric: Metric) -> Array:
        """Return what `metric` takes."""
        return self.decided if metric.of_labels else self.scores


@dataclass(frozen=True, eq=False)
class Subject:
    """A registered version, as it is and as it answered in a clean process.

    Attributes
    ----------
    version : str
    columns : tuple of str
        Raw columns it asks for.
    answers : Answers or None
        None where it could not be loaded or asked.
    bytes : int
        The deployed file.
    latency_us : float
        Median of one row, in microseconds.
    memory_mb : float
        Peak memory of the process, in MB.
    data : str
        Hash of the raw rows it was made from; '' where it is not known.
    trouble : str
        Why it has no answers.
    """

    version: str
    columns: tuple[str, ...]
    answers: Answers | None
    bytes: int = 0
    latency_us: float = float("nan")
    memory_mb: float = float("nan")
    data: str = ""
    trouble: str = ""


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that a decision rests on.

    Attributes
    ----------
    task, headline : str
        Task, and the name of the metric that decides.
    labels : tuple of str
        Class names; none for regression.
    y : ndarray, shape (n,)
        True class codes or targets of the test rows.
    challenger : Subject
    champion : Subject or None
        None where there is none yet.
    reference : Answers
        Of the dense network.
    trivial : Answers
        Of the rule that knows the training targets alone: the commonest class and the classes' shares, or
        the mean.
    speed : Ratio or None
        The champion's time for one row over the challenger's, interleaved.
    slices : mapping
        Level of each row (n,), by raw column.
    taken_back : str
        Who took the challenger out of production and why, where it has been there; '' where nobody did.
    shadow_rows : int
        Rows that it has answered beside this champion.
    facts : mapping
        What must hold besides, by name: parity with the pipeline, data checks, lineage.
    """

    task: Task
    headline: str
    labels: tuple[str, ...]
    y: Array
    challenger: Subject
    champion: Subject | None
    reference: Answers
    trivial: Answers
    speed: Ratio | None = None
    slices: Mapping[str, Array] = field(default_factory=dict)
    taken_back: str = ""
    shadow_rows: int = 0
    facts: Mapping[str, Fact] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Test rows."""
        return len(np.asarray(self.y))

    @property
    def metric(self) -> Metric:
        """The metric that decides."""
        return METRICS[self.headline]

    @property
    def champion_answers(self) -> Answers | None:
        """The champion's answers; None where there is no champion, or it cannot be asked."""
        return None if self.champion is None else self.champion.answers
