"""One call from a trained network to a pruned and recovered one, with its report."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from tasks.pruning.config import NoPruneConfig, PruneConfig, StructuredConfig
from tasks.pruning.importance import check_answers, check_finite
from tasks.pruning.masks import prunable_weights, zeros
from tasks.pruning.recovery import Outcome, Recovery
from tasks.pruning.structure import widths
from tasks.pruning.units import prune_units
from tasks.pruning.weights import prune_weights
from tasks.training.batching import Tensors
from tasks.training.config import TrainConfig
from tasks.training.device import runtime
from tasks.training.fit import EpochRecord, Rounds
from tasks.training.scoring import METRIC, score

__all__ = ["Pruned", "prune"]


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
    """

    network: nn.Module
    history: tuple[EpochRecord, ...]
    valid_metric: float
    report: dict[str, Any]


def prune(
    network: nn.Module,
    config: PruneConfig,
    train: Tensors,
    valid: Tensors,
    train_config: TrainConfig,
    *,
    task: str,
    outputs: int,
    seed: int,
    teacher: Tensor | None = None,
    rounds: Rounds | None = None,
    initial: nn.Module | None = None,
    folder: Path | None = None,
    on_epoch: Callable[[EpochRecord], None] | None = None,
) -> Pruned:
    """Remove what matters least from a copy of the network and let it recover.

    Amount 0 and method none return an equal network without training it.

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
    rounds : callable, optional
        Epoch -> indices of the training rows it uses.
    initial : Module, optional
        The network before training; needed by `start: scratch` and `rewind: init`.
    folder : Path, optional
        For checkpoints, one subfolder per amount: killed and called again, the result is the same. Use
        another folder for other data or other settings.

    Raises
    ------
    EspalierError
        If a weight, an activation or the result is NaN or infinite.
    """
    amount = 0.0 if isinstance(config, NoPruneConfig) else config.amount
    if amount == "auto":
        raise ValueError("amount auto is resolved by tasks.search.amount")
    check_finite(network)
    place = None if folder is None else folder / f"amount-{amount}"
    recovery = Recovery(
        train, valid, train_config, config.finetune, task, outputs, seed, teacher, rounds, place, on_epoch
    )
    with runtime(train_config):
        check_answers(network, recovery.calibration().X)
        outcome = _outcome(network, config, amount, recovery, initial)
        outcome.network.eval()
        check_answers(outcome.network, recovery.calibration().X)
        metric = score(outcome.network, valid, task)
    return Pruned(outcome.network, outcome.history, metric, _report(network, config, outcome, task, metric))


def _outcome(
    network: nn.Module,
    config: PruneConfig,
    amount: float | None,
    recovery: Recovery,
    initial: nn.Module | None,
) -> Outcome:
    start = copy.deepcopy(network)
    if isinstance(config, NoPruneConfig) or amount == 0.0:
        return Outcome(start, notes=("nothing removed, the network is the one that came in",))
    if isinstance(config, StructuredConfig):
        return prune_units(start, config, amount or 0.0, recovery)
    return prune_weights(start, config, amount, recovery, initial)


def _report(
    before: nn.Module, config: PruneConfig, outcome: Outcome, task: str, metric: float
) -> dict[str, Any]:
    after = outcome.network
    none = isinstance(config, NoPruneConfig)
    return {
        "method": config.method,
        "importance": None if none else config.importance,
        "scope": None if none else config.scope,
        "amount": 0.0 if none else _share(config, before, after),
        "requested": None if none else config.amount,
        "rounds": 0 if none else config.rounds,
        "probes": [],
        "layers": _layers(before, after, structured=isinstance(config, StructuredConfig)),
        "parameters_before": _parameters(before),
        "parameters_after": _parameters(after),
        "nonzeros_after": sum(int(weight.count_nonzero()) for weight in after.parameters()),
        "metric": METRIC[task],
        "valid_metric": metric,
        "history": [record.to_dict() for record in outcome.history],
        "notes": list(outcome.notes),
    }


def _share(config: PruneConfig, before: nn.Module, after: nn.Module) -> float:
    """Resolve the amount: 0 where nothing could be removed; a threshold's is the share of zeros it made."""
    if isinstance(config, StructuredConfig) and widths(before) == widths(after):
        return 0.0
    weights = prunable_weights(after)
    if not weights:
        return 0.0
    if isinstance(config.amount, float):
        return config.amount
    return zeros(after) / sum(weight.numel() for weight in weights.values())


def _layers(before: nn.Module, after: nn.Module, *, structured: bool) -> list[dict[str, Any]]:
    """List units (structured) or non-zero weights (unstructured) of each layer."""
    first, second = (widths(net) if structured else _nonzeros(net) for net in (before, after))
    return [{"name": name, "before": count, "after": second[name]} for name, count in first.items()]


def _nonzeros(network: nn.Module) -> dict[str, int]:
    return {
        name.rpartition(".")[0]: int(weight.count_nonzero())
        for name, weight in prunable_weights(network).items()
    }


def _parameters(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())
