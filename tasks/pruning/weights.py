"""Unstructured pruning: single weights become zero and stay zero (Han et al., 2015)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from tasks.pruning.config import UnstructuredConfig
from tasks.pruning.importance import Calibration, criterion
from tasks.pruning.masks import (
    Choice,
    attach,
    detach,
    hold,
    keep_above,
    keep_largest,
    masks_of,
    prunable_weights,
    unprunable_weights,
)
from tasks.pruning.recovery import Outcome, Recovery
from tasks.pruning.schedule import RAMP, cubic, round_amounts
from tasks.training.fit import Hooks

__all__ = ["choose_weights", "prune_weights"]


def prune_weights(
    begun: Outcome, config: UnstructuredConfig, amount: float | None, recovery: Recovery
) -> Outcome:
    """Zero a share of the weights, or all below the threshold, and recover with the zeros held.

    Parameters
    ----------
    begun : Outcome
        Its network is not changed.
    amount : float or None
        Share of the weights of each layer (scope local) or of all together (global); None with a threshold.
    recovery : Recovery
        Holds the network before training, for `start: scratch` and `rewind: init`.
    """
    calibration, network = recovery.calibration(), copy.deepcopy(begun.network)
    notes = tuple(
        f"{name} left alone ({count} weights): only linear and convolution layers are pruned"
        for name, count in unprunable_weights(network).items()
    )
    start = begun.then(network, *notes)
    if not prunable_weights(network):
        return start.then(network, "nothing can be pruned in this network")
    if recovery.hold_zeros:
        attach(network, {name: weight != 0 for name, weight in prunable_weights(network).items()})
    if config.schedule == "gradual" and amount is not None:
        outcome = _gradual(start, config, amount, recovery, calibration)
    else:
        outcome = _rounds(start, config, amount, recovery, calibration)
    detach(outcome.network)
    return outcome


def choose_weights(
    network: nn.Module, config: UnstructuredConfig, share: float | None, calibration: Calibration
) -> Choice:
    """Rank the weights and keep the most important; what is masked already stays masked."""
    weights = {name: weight.detach().cpu() for name, weight in prunable_weights(network).items()}
    if config.threshold is not None:
        return keep_above(weights, config.threshold, scope=config.scope)
    chosen, saliency = criterion(config.criterion, network, calibration)
    scores = {name: chosen.single(saliency[name]) for name in weights}
    masks = masks_of(network)
    scores = {
        name: score.masked_fill(~masks[name].cpu(), -torch.inf) if name in masks else score
        for name, score in scores.items()
    }
    choice = keep_largest(scores, _count(weights, config.scope, share or 0.0))
    kept = {name: keep & masks[name].cpu() if name in masks else keep for name, keep in choice.keep.items()}
    return replace(choice, keep=kept)


def _count(weights: Mapping[str, Tensor], scope: str, share: float) -> int | dict[str, int]:
    if scope == "local":
        return {name: round(share * weight.numel()) for name, weight in weights.items()}
    return round(share * sum(weight.numel() for weight in weights.values()))


def _rounds(
    outcome: Outcome,
    config: UnstructuredConfig,
    amount: float | None,
    recovery: Recovery,
    calibration: Calibration,
) -> Outcome:
    """Prune and recover in turn; with rewinding, every recovery starts from the initial values."""
    shares = (None,) if amount is None else round_amounts(amount, config.rounds)
    for number, share in enumerate(shares, 1):
        choice = choose_weights(outcome.network, config, share, calibration)
        source = _given(recovery.initial, "rewind: init") if config.rewind == "init" else outcome.network
        cut = copy.deepcopy(source)
        attach(cut, choice.keep)
        outcome = outcome.then(cut, *_bound(choice))
        outcome = recovery.run(outcome, f"round-{number}", Hooks(after_step=hold))
    return outcome


def _gradual(
    outcome: Outcome,
    config: UnstructuredConfig,
    amount: float,
    recovery: Recovery,
    calibration: Calibration,
) -> Outcome:
    """Follow the cubic schedule from epoch to epoch while the network trains."""
    source = _given(recovery.initial, "start: scratch") if config.start == "scratch" else outcome.network
    cut = copy.deepcopy(source)
    attach(cut, _open(cut) | masks_of(outcome.network))
    ramp = min(round(RAMP * recovery.finetune.epochs), recovery.finetune.epochs - 1)
    tighten = partial(_tighten, config=config, amount=amount, calibration=calibration, ramp=ramp)
    hooks = Hooks(before_epoch=tighten, after_step=hold, settled=ramp)
    trained = recovery.run(outcome.then(cut), "gradual", hooks)
    final = choose_weights(trained.network, config, amount, calibration)
    return trained.then(trained.network, *_bound(final))


def _open(network: nn.Module) -> dict[str, Tensor]:
    return {name: torch.ones_like(w, dtype=torch.bool) for name, w in prunable_weights(network).items()}


def _tighten(
    network: nn.Module,
    epoch: int,
    total: int,
    *,
    config: UnstructuredConfig,
    amount: float,
    calibration: Calibration,
    ramp: int,
) -> None:
    del total
    if epoch <= ramp:
        attach(network, choose_weights(network, config, cubic(epoch, ramp, amount), calibration).keep)


def _given(initial: nn.Module | None, why: str) -> nn.Module:
    if initial is None:
        raise ValueError(f"{why} needs the initial network")
    return initial


def _bound(choice: Choice) -> tuple[str, ...]:
    return tuple(
        f"{name} keeps its largest weight, the amount would have emptied it" for name in choice.bound
    )
