"""What goes into a training beside its data, and what comes out."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

__all__ = ["EpochRecord", "Fit", "Hooks", "Rounds", "steady_metric"]

Rounds = Callable[[int], "Tensor | npt.NDArray[np.int64]"]
"""Epoch (from 0) -> indices of the training rows it uses."""


@dataclass(frozen=True)
class EpochRecord:
    """Facts of one finished epoch, counted from 1; validation figures are NaN without validation rows."""

    epoch: int
    train_loss: float
    valid_loss: float
    valid_metric: float
    lr: float

    def to_dict(self) -> dict[str, float | None]:
        """Return the plain JSON form: what is not finite is null."""
        return {name: value if math.isfinite(value) else None for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Hooks:
    """What pruning does during training, on the network being trained.

    Attributes
    ----------
    before_epoch
        Called with (network, epoch from 0, epochs in all).
    after_step
        Called with the network after each optimiser step.
    settled
        First epoch (from 0) whose weights may become the best: a schedule that still removes weights must
        not be undone by restoring an earlier, denser epoch.
    """

    before_epoch: Callable[[nn.Module, int, int], None] | None = None
    after_step: Callable[[nn.Module], None] | None = None
    settled: int = 0


@dataclass(frozen=True, eq=False)
class Fit:
    """A finished training.

    Attributes
    ----------
    network
        On the CPU, in evaluation mode, with the weights of `best_epoch`.
    history
        One record per epoch.
    best_epoch
        Counted from 1: the epoch with the best validation metric, the smaller validation loss among equals;
        the last epoch when there are no validation rows; 0 when nothing was trained.
    seconds
        Wall-clock time of this call.
    earlier
        Seconds up to the checkpoint it went on from.
    """

    network: nn.Module
    history: tuple[EpochRecord, ...]
    best_epoch: int
    seconds: float
    earlier: float = 0.0


def steady_metric(metrics: Sequence[float], best_epoch: int) -> float:
    """Return what a training reaches on validation rows without the luck of the epoch picked on them.

    Parameters
    ----------
    metrics : sequence of float
        Of each epoch.
    best_epoch : int
        Counted from 1: the one whose weights are kept.

    Returns
    -------
    float
        The mean from that epoch on: late in a training the epochs differ in little but luck.

    Examples
    --------
    >>> steady_metric([0.5, 0.75, 1.0, 0.75, 0.5], 3)
    0.75
    """
    return statistics.mean(metrics[max(best_epoch - 1, 0) :])
