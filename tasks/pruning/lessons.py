"""What a recovery learns from beside the labels: a teacher's answers, or mixtures of rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor

from tasks.pruning.config import FinetuneConfig
from tasks.training.mixing import Mixing, Teacher
from tasks.training.records import Rounds

__all__ = ["Lessons"]


@dataclass(frozen=True, eq=False)
class Lessons:
    """Made where a recovery asks for them, and once.

    Attributes
    ----------
    teacher : Teacher
    outputs : int
        K logits, or 1.
    seed : int
    rounds : callable, optional
        Epoch -> training rows it uses.
    streamed : bool
        Rows are read as they are needed: they are not mixed.
    """

    teacher: Teacher
    outputs: int
    seed: int
    rounds: Rounds | None = None
    streamed: bool = False
    _mixtures: dict[tuple[float, int, bool], Mixing] = field(default_factory=dict, init=False)

    def answers(self, finetune: FinetuneConfig) -> Tensor | None:
        """Logits (n, K) on all training rows; None where nobody learns from them."""
        if not finetune.distil or not finetune.length() or self._mixes(finetune):
            return None
        return self._answers

    def mixtures(self, finetune: FinetuneConfig) -> Mixing | None:
        """Mixtures of training rows; None where rows are used as they are."""
        if not self._mixes(finetune):
            return None
        asked = (finetune.mixup, finetune.length(), finetune.distil > 0)
        if asked not in self._mixtures:
            self._mixtures[asked] = self.teacher.mixtures(
                finetune.mixup,
                outputs=self.outputs,
                seed=self.seed,
                epochs=finetune.length(),
                rounds=self.rounds,
                answered=finetune.distil > 0,
            )
        return self._mixtures[asked]

    def _mixes(self, finetune: FinetuneConfig) -> bool:
        return finetune.mixup > 0 and finetune.length() > 0 and not self.streamed

    @cached_property
    def _answers(self) -> Tensor:
        return self.teacher.answers()
