"""The training loss: labels, and a teacher's soft answers when distilling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from tasks.training.config import TrainConfig

__all__ = ["Distil", "Loss", "balanced_weights", "build_loss", "label_loss"]

Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""(outputs (n, K), y (n,), teacher logits (n, K) or None) -> mean loss, a scalar."""


@dataclass(frozen=True)
class Distil:
    """How much a teacher's answers count.

    Attributes
    ----------
    weight
        Share of the loss that is the distance to the teacher, in [0, 1].
    temperature
        Softens both answers; classification only.
    """

    weight: float
    temperature: float = 4.0


def balanced_weights(y: Tensor, outputs: int) -> Tensor:
    """Class weights n / (K count), so that every class counts the same; classes without rows get 0. (K,)."""
    counts = torch.bincount(y, minlength=outputs).to(torch.float32)
    return torch.where(counts > 0, len(y) / (outputs * counts.clamp(min=1)), 0.0)


def label_loss(task: str, outputs: Tensor, y: Tensor) -> Tensor:
    """Mean cross-entropy, or mean squared error of the standardised target."""
    if task == "classification":
        return functional.cross_entropy(outputs, y)
    return functional.mse_loss(outputs.squeeze(1), y)


def _teacher_loss(task: str, outputs: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    if task == "regression":
        return functional.mse_loss(outputs, teacher)
    student = functional.log_softmax(outputs / temperature, dim=1)
    target = functional.log_softmax(teacher / temperature, dim=1)
    return functional.kl_div(student, target, reduction="batchmean", log_target=True) * temperature**2


def build_loss(task: str, config: TrainConfig, distil: Distil | None, weights: Tensor | None) -> Loss:
    """Build the training loss.

    With a teacher, (1 - w) label loss + w T^2 KL(teacher / T || student / T) (Hinton et al., 2015); for
    regression the second term is the squared distance to the teacher.
    """

    def labels(outputs: Tensor, y: Tensor) -> Tensor:
        if task == "regression":
            return functional.mse_loss(outputs.squeeze(1), y)
        return functional.cross_entropy(outputs, y, weights, label_smoothing=config.label_smoothing)

    def loss(outputs: Tensor, y: Tensor, teacher: Tensor | None) -> Tensor:
        if teacher is None or distil is None or distil.weight == 0:
            return labels(outputs, y)
        soft = _teacher_loss(task, outputs, teacher, distil.temperature)
        return (1 - distil.weight) * labels(outputs, y) + distil.weight * soft

    return loss
