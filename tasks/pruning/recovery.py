"""Training after a removal: what every method hands to `fit`, bundled once."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from tasks.data.plan import NumericPlan
from tasks.models.graph import Graph
from tasks.pruning.config import FinetuneConfig
from tasks.pruning.importance import Calibration
from tasks.pruning.masks import attach, detach, hold, masks_of, prunable_weights
from tasks.pruning.recalibration import recalibrated
from tasks.training.batching import Tensors
from tasks.training.checkpoint import Checkpoint
from tasks.training.config import TrainConfig
from tasks.training.fit import EpochRecord, Hooks, Rounds, fit
from tasks.training.losses import Distil
from tasks.training.mixing import Mixing
from tasks.training.seeds import drawn_rows

__all__ = ["Front", "Outcome", "Recovery"]

CALIBRATION = 3


@dataclass(frozen=True)
class Front:
    """What stands before the network: the path from numeric rows to its input, for steps that reach that far.

    Attributes
    ----------
    graph : Graph
        Its `network` is not looked at: an outcome's own counts.
    plan : NumericPlan
        Of exactly the graph's columns.
    train, valid : Tensor, (n, p) and (v, p)
        Numeric rows of the graph's columns, NaN where missing.
    """

    graph: Graph
    plan: NumericPlan
    train: Tensor
    valid: Tensor


@dataclass(frozen=True)
class Outcome:
    """A network after removal and recovery.

    Attributes
    ----------
    network : Module
    history : tuple of EpochRecord
        Epochs of all rounds, numbered through.
    notes : tuple of str
        What could not be done as asked.
    front : Front, optional
        The path before the network; a step that takes columns away returns another one.
    """

    network: nn.Module
    history: tuple[EpochRecord, ...] = ()
    notes: tuple[str, ...] = ()
    front: Front | None = None

    def then(self, network: nn.Module, *notes: str, history: tuple[EpochRecord, ...] = ()) -> Outcome:
        """Go on with another network: later epochs behind the earlier ones, every note once."""
        notes = tuple(dict.fromkeys((*self.notes, *notes)))
        return replace(self, network=network, history=self.history + history, notes=notes)


@dataclass(frozen=True)
class Recovery:
    """How a network trains after something was removed; see `tasks.training.fit.fit` for most parts.

    Attributes
    ----------
    initial : Module, optional
        The network that a rewinding step goes back to, of the present shapes.
    hold_zeros : bool
        Keep weights at zero that an earlier step has set to zero.
    narrowed : bool
        Whether inputs have left before: there is something to recover from where no unit can leave.
    """

    train: Tensors
    valid: Tensors
    settings: TrainConfig
    finetune: FinetuneConfig
    task: str
    outputs: int
    seed: int
    teacher: Tensor | None = None
    mixing: Mixing | None = None
    rounds: Rounds | None = None
    folder: Path | None = None
    on_epoch: Callable[[EpochRecord], bool | None] | None = None
    initial: nn.Module | None = None
    hold_zeros: bool = False
    narrowed: bool = False

    def behind(self, front: Front | None) -> Recovery:
        """Train on the inputs that `front` gives: for a network whose inputs a step has made fewer."""
        if front is None:
            return self
        features = front.graph.features
        if self.train.prepare is not None:
            train, valid = (Tensors(X, rows.y, features) for X, rows in self._fed(front))
        else:
            train, valid = (Tensors(features(X), rows.y) for X, rows in self._fed(front))
        return replace(self, train=train, valid=valid)

    def _fed(self, front: Front) -> tuple[tuple[Tensor, Tensors], ...]:
        return (front.train, self.train), (front.valid, self.valid)

    @property
    def epochs(self) -> int:
        """Epochs of one round: at least as many as the network was trained for, unless configured."""
        return self.finetune.length(trained=self.settings.epochs)

    @property
    def example(self) -> Tensor:
        """Two network inputs, enough to trace a network."""
        return self.train.inputs(self.train.X[:2], torch.device("cpu"))

    def calibration(self, rows: int = 1024) -> Calibration:
        """Draw at most `rows` training rows without replacement; the same ones each time."""
        order = drawn_rows(len(self.train), rows, self.seed, CALIBRATION)
        X = self.train.inputs(self.train.X[order], torch.device("cpu"))
        return Calibration(X, self.train.y[order], self.task, self.seed)

    def run(self, outcome: Outcome, name: str, hooks: Hooks | None = None) -> Outcome:
        """Train a copy with one cycle of the learning rate; the weights of the best or the last epoch count.

        Parameters
        ----------
        outcome : Outcome
            Its network is trained, its epochs are counted on.
        name : str
            Of the checkpoint: a run that was interrupted goes on where it stopped, a finished one is read.
        hooks : Hooks, optional
        """
        if self.finetune.recalibrate:
            outcome = outcome.then(recalibrated(outcome.network, self.train))
        epochs = self.epochs
        if epochs == 0:
            return outcome
        numbered = partial(_numbered, after=len(outcome.history))
        show = self.on_epoch
        held = self.hold_zeros and not masks_of(outcome.network)
        fitted = fit(
            _masked(outcome.network) if held else outcome.network,
            self.train,
            self.valid,
            self.settings.model_copy(update={"schedule": "onecycle", "patience": self.finetune.patience}),
            task=self.task,
            outputs=self.outputs,
            seed=self.seed,
            epochs=epochs,
            lr=self.finetune.lr,
            teacher=self.teacher if self.finetune.distil > 0 else None,
            distil=Distil(self.finetune.distil, self.finetune.temperature),
            mixing=self.mixing if self.finetune.mixup else None,
            rounds=self.rounds,
            until=epochs if self.finetune.keep == "last" else None,
            hooks=replace(hooks or Hooks(), after_step=hold) if held else hooks,
            checkpoint=None if self.folder is None else Checkpoint(self.folder / name),
            on_epoch=None if show is None else lambda record: show(numbered(record)),
        )
        if held:
            detach(fitted.network)
        return outcome.then(fitted.network, history=tuple(map(numbered, fitted.history)))


def _masked(network: nn.Module) -> nn.Module:
    """Give a copy a mask for every weight that is exactly zero."""
    masked = copy.deepcopy(network)
    attach(masked, {name: weight != 0 for name, weight in prunable_weights(masked).items()})
    return masked


def _numbered(record: EpochRecord, after: int) -> EpochRecord:
    return replace(record, epoch=record.epoch + after)
