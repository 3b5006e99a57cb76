"""A trained graph with the rows it may be compressed on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from tasks.data.plan import NumericPlan
from tasks.models.graph import Graph
from tasks.pruning.column_criteria import Evidence
from tasks.pruning.config import FinetuneConfig
from tasks.pruning.lessons import Lessons
from tasks.training.batching import Tensors
from tasks.training.config import TrainConfig
from tasks.training.fit import Rounds
from tasks.training.mixing import Teacher
from tasks.training.seeds import drawn_rows

__all__ = ["Problem"]

_CALIBRATION = 5
_ROWS = 2048


@dataclass(frozen=True, eq=False)
class Problem:
    """What a search for a smaller graph works on; test rows are no part of it.

    Attributes
    ----------
    graph : Graph
        Trained; never changed.
    plan : NumericPlan
        Of exactly the graph's columns.
    X, valid : Tensor, (n, p) and (v, p)
        Numeric rows, NaN where missing.
    y, y_valid : Tensor, (n,) and (v,)
        Class codes int64, or the standardised target.
    task : "classification" or "regression"
    seed : int
    train, finetune
        How a candidate recovers.
    rival : Teacher, optional
        What to distil from; by default the graph's own network.
    floor : float, optional
        The reference's validation metric; by default the graph's own.
    rounds : callable, optional
        Epoch -> training rows of a recovery.
    """

    graph: Graph
    plan: NumericPlan
    X: Tensor
    y: Tensor
    valid: Tensor
    y_valid: Tensor
    task: str
    seed: int
    train: TrainConfig
    finetune: FinetuneConfig
    rival: Teacher | None = None
    floor: float | None = None
    rounds: Rounds | None = None

    @cached_property
    def lessons(self) -> Lessons:
        """What candidates learn from beside the labels."""
        teacher = self.rival
        if teacher is None:
            teacher = Teacher(self.graph.network, Tensors(self.graph.features(self.X), self.y))
        return Lessons(teacher, self.outputs, self.seed, self.rounds, self.train.loader == "stream")

    @property
    def outputs(self) -> int:
        """K logits, or 1."""
        return 1 if self.task == "regression" else len(self.graph.labels or ())

    @cached_property
    def evidence(self) -> Evidence:
        """A bounded share of the training rows, and the validation rows, for ranking columns."""
        order = drawn_rows(len(self.X), _ROWS, self.seed, _CALIBRATION)
        return Evidence(self.X[order], self.y[order], self.valid, self.y_valid, self.task, self.seed)

    def tensors(self, graph: Graph, keep: Sequence[int]) -> tuple[Tensors, Tensors]:
        """Return the inputs of the graph's network, training and validation rows, from its own columns."""
        train, valid = (graph.features(rows[:, list(keep)]) for rows in (self.X, self.valid))
        return Tensors(train, self.y), Tensors(valid, self.y_valid)
