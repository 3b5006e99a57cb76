"""One call from a trained network to a pruned and recovered one, with its report."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from tasks.pruning.config import NoPruneConfig, PruneConfig, StepConfig, UnstructuredConfig, steps_of
from tasks.pruning.importance import check_answers, check_finite
from tasks.pruning.recovery import Front, Outcome, Recovery
from tasks.pruning.report import step_report
from tasks.pruning.sensitivity import Curves
from tasks.pruning.shares import Shares
from tasks.pruning.steps import SENSITIVITY, STEPS
from tasks.training.batching import Tensors
from tasks.training.config import TrainConfig
from tasks.training.device import runtime
from tasks.training.fit import EpochRecord, Rounds
from tasks.training.mixing import Mixing
from tasks.training.scoring import score

__all__ = ["Pruned", "prune", "sensitivity"]


@dataclass(frozen=True)
class Pruned:
    """A pruned network.

    Attributes
    ----------
    network : Module
        In evaluation mode.
    history : tuple of EpochRecord
        Every epoch of recovery.
    valid_metric : float
        Accuracy or R2 on the validation rows.
    report : dict
        `reports/prune.json`.
    front : Front, optional
        The path before the network, when one was given; fewer columns where a step took some away.
    has_zeros : bool
        Whether weights were set to zero, which later steps hold.
    """

    network: nn.Module
    history: tuple[EpochRecord, ...]
    valid_metric: float
    report: dict[str, Any]
    front: Front | None = None
    has_zeros: bool = False


def prune(
    network: nn.Module,
    config: NoPruneConfig | StepConfig,
    train: Tensors,
    valid: Tensors,
    train_config: TrainConfig,
    *,
    task: str,
    outputs: int,
    seed: int,
    teacher: Tensor | None = None,
    mixing: Mixing | None = None,
    rounds: Rounds | None = None,
    initial: nn.Module | None = None,
    folder: Path | None = None,
    on_epoch: Callable[[EpochRecord], bool | None] | None = None,
    front: Front | None = None,
    hold_zeros: bool = False,
    narrowed: bool = False,
) -> Pruned:
    """Remove what matters least from a copy of the network and let it recover.

    Amount 0 and method none return an equal network without training it, unless it was `narrowed`.

    Parameters
    ----------
    network : Module
        Not changed, bit for bit.
    config : PruneConfig
        With `amount` resolved: `tasks.search.amount` owns `auto`.
    train, valid : Tensors
        All training rows, and the rows that every choice is made on.
    task : "classification" or "regression"
    outputs : int
        K logits, or 1.
    seed : int
        Of calibration rows, random criteria and batches.
    teacher : Tensor, (n, K), optional
        The reference's logits on all training rows, to distil from.
    mixing : Mixing, optional
        Mixtures of training rows, for a step whose `finetune.mixup` asks for them.
    rounds : callable, optional
        Epoch -> indices of the training rows it uses.
    initial : Module, optional
        The network to go back to; needed by `start: scratch` (untrained) and by `rewind` (untrained, or after
        the epochs it counts).
    folder : Path, optional
        For checkpoints, one subfolder per amount: killed and called again, the result is the same. Use
        another folder for other data or other settings.
    front : Front, optional
        The path before the network, for steps that take raw columns away.
    hold_zeros : bool
        Keep at zero what an earlier step has set to zero.
    narrowed : bool
        Whether the network has lost inputs and not recovered from that: it does here, with or without units
        to remove. Structured pruning alone looks at it.

    Raises
    ------
    EspalierError
        If a weight, an activation or the result is NaN or infinite.
    """
    amount = 0.0 if isinstance(config, NoPruneConfig) else config.amount
    if amount == "auto":
        raise ValueError("amount auto is resolved by tasks.search.amount")
    check_finite(network)
    place = None if folder is None else folder / f"amount-{'each' if isinstance(amount, dict) else amount}"
    recovery = Recovery(
        train,
        valid,
        train_config,
        config.finetune,
        task,
        outputs,
        seed,
        teacher=teacher,
        mixing=mixing,
        rounds=rounds,
        folder=place,
        on_epoch=on_epoch,
        initial=initial,
        hold_zeros=hold_zeros,
        narrowed=narrowed,
    ).behind(front)
    with runtime(train_config):
        check_answers(network, recovery.calibration().X)
        outcome = _outcome(Outcome(copy.deepcopy(network), front=front), config, amount, recovery)
        outcome.network.eval()
        recovery = recovery if outcome.front is front else recovery.behind(outcome.front)
        check_answers(outcome.network, recovery.calibration().X)
        metric = score(outcome.network, recovery.valid, task)
    report = step_report(network, config, outcome, task, metric)
    has_zeros = hold_zeros or isinstance(config, UnstructuredConfig)
    return Pruned(outcome.network, outcome.history, metric, report, outcome.front, has_zeros)


def _outcome(
    start: Outcome, config: NoPruneConfig | StepConfig, amount: Shares | None, recovery: Recovery
) -> Outcome:
    if isinstance(config, NoPruneConfig) or (amount == 0.0 and not recovery.narrowed):
        return start.then(start.network, "nothing removed, the network is the one that came in")
    return STEPS[config.method](start, config, amount, recovery)


def sensitivity(
    network: nn.Module,
    config: PruneConfig,
    train: Tensors,
    valid: Tensors,
    train_config: TrainConfig,
    *,
    task: str,
    outputs: int,
    seed: int,
    front: Front | None = None,
) -> Curves:
    """Measure what each layer alone costs, by the method and the criterion of the section or its first step.

    Later steps of a recipe meet another network, so theirs are not measured. Empty with method none.

    Parameters
    ----------
    front : Front, optional
        The path before the network, for a first step that takes raw columns away.

    Others as in `prune`.
    """
    step = next(iter(steps_of(config)), None)
    if step is None:
        return {}
    recovery = Recovery(train, valid, train_config, step.finetune, task, outputs, seed)
    with runtime(train_config):
        return SENSITIVITY[step.method](Outcome(network, front=front), step, recovery)
