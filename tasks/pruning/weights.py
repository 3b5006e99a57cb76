"""Unstructured pruning: single weights become zero and stay zero (Han et al., 2015)."""

from __future__ import annotations

import copy
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
from tasks.pruning.schedule import RAMP, RAMPS, round_amount
from tasks.pruning.sensitivity import Curves, allocate, measure
from tasks.pruning.shares import Shares, at_each, removals, resolved
from tasks.training.fit import Hooks
from tasks.training.scoring import score

__all__ = ["choose_weights", "prune_weights", "weight_sensitivity"]


def prune_weights(
    begun: Outcome, config: UnstructuredConfig, amount: Shares | None, recovery: Recovery
) -> Outcome:
    """Zero a share of the weights, or all below the threshold, and recover with the zeros held.

    Parameters
    ----------
    begun : Outcome
        Its network is not changed.
    amount : float, dict or None
        Share of the weights of each layer (scope local), of all together (global, and sensitivity, which
        divides it by what the layers can do without), or of the layers named (per_layer); None with a
        threshold.
    recovery : Recovery
        Holds the network to go back to, for `start: scratch` and `rewind`.
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
    shares = _shares(network, config, amount, recovery)
    if config.schedule == "gradual" and shares is not None:
        outcome = _gradual(start, config, shares, recovery, calibration)
    else:
        outcome = _rounds(start, config, shares, recovery, calibration)
    detach(outcome.network)
    return outcome


def weight_sensitivity(start: Outcome, config: UnstructuredConfig, recovery: Recovery) -> Curves:
    """Validation metric with a share of one layer's weights at a time set to zero, without recovery."""
    network = start.network
    sizes = {name: weight.numel() for name, weight in prunable_weights(network).items()}
    if not sizes:
        return {}
    scores = _scores(network, config, recovery.calibration())

    def without(name: str, share: float) -> nn.Module:
        choice = keep_largest({name: scores[name]}, round(share * sizes[name]))
        cut = copy.deepcopy(network)
        attach(cut, choice.keep)
        return cut

    def judge(pruned: nn.Module) -> float:
        return score(pruned, recovery.valid, recovery.task)

    curves = measure(sizes, without, judge, network)
    return {_layer(name): points for name, points in curves.items()}


def _shares(
    network: nn.Module, config: UnstructuredConfig, amount: Shares | None, recovery: Recovery
) -> Shares | None:
    """Return what each layer, or all together, shall lose; by parameter name."""
    if amount is None:
        return None
    sizes = {_layer(name): weight.numel() for name, weight in prunable_weights(network).items()}
    shares = resolved(amount, dict.fromkeys(sizes, ()))
    if config.scope == "sensitivity" and isinstance(shares, float):
        shares = allocate(weight_sensitivity(Outcome(network), config, recovery), sizes, shares)
    if isinstance(shares, dict):
        parameters = {_layer(name): name for name in prunable_weights(network)}
        return {parameters[layer]: share for layer, share in shares.items()}
    return shares


def _layer(parameter: str) -> str:
    return parameter.rpartition(".")[0] or parameter


def choose_weights(
    network: nn.Module, config: UnstructuredConfig, shares: Shares | None, calibration: Calibration
) -> Choice:
    """Rank the weights and keep the most important; what is masked already stays masked."""
    weights = {name: weight.detach().cpu() for name, weight in prunable_weights(network).items()}
    if config.threshold is not None:
        return keep_above(weights, config.threshold, scope=config.scope)
    masks, scores = masks_of(network), _scores(network, config, calibration)
    sizes = {name: weight.numel() for name, weight in weights.items()}
    choice = keep_largest(scores, removals(sizes, shares or 0.0, pooled=config.scope == "global"))
    kept = {name: keep & masks[name].cpu() if name in masks else keep for name, keep in choice.keep.items()}
    return replace(choice, keep=kept)


def _scores(network: nn.Module, config: UnstructuredConfig, calibration: Calibration) -> dict[str, Tensor]:
    """Rank single weights; what is masked already comes last."""
    chosen, saliency = criterion(config.criterion, network, calibration)
    masks = masks_of(network)
    scores = {name: chosen.single(saliency[name]) for name in prunable_weights(network)}
    return {
        name: found.masked_fill(~masks[name].cpu(), -torch.inf) if name in masks else found
        for name, found in scores.items()
    }


def _rounds(
    outcome: Outcome,
    config: UnstructuredConfig,
    target: Shares | None,
    recovery: Recovery,
    calibration: Calibration,
) -> Outcome:
    """Prune and recover in turn; with rewinding, every recovery starts from earlier values."""
    for number in range(1, config.rounds + 1):
        now = (
            None
            if target is None
            else at_each(target, partial(round_amount, rounds=config.rounds, number=number))
        )
        choice = choose_weights(outcome.network, config, now, calibration)
        back = config.rewind != "none"
        source = _given(recovery.initial, f"rewind: {config.rewind}") if back else outcome.network
        cut = copy.deepcopy(source)
        attach(cut, choice.keep)
        outcome = outcome.then(cut, *_bound(choice))
        outcome = recovery.run(outcome, f"round-{number}", Hooks(after_step=hold))
    return outcome


def _gradual(
    outcome: Outcome,
    config: UnstructuredConfig,
    target: Shares,
    recovery: Recovery,
    calibration: Calibration,
) -> Outcome:
    """Follow the schedule from epoch to epoch while the network trains."""
    source = _given(recovery.initial, "start: scratch") if config.start == "scratch" else outcome.network
    cut = copy.deepcopy(source)
    attach(cut, _open(cut) | masks_of(outcome.network))
    epochs = recovery.epochs
    ramp = min(round(RAMP * epochs), epochs - 1)
    tighten = partial(_tighten, config=config, target=target, calibration=calibration, ramp=ramp)
    hooks = Hooks(before_epoch=tighten, after_step=hold, settled=ramp)
    trained = recovery.run(outcome.then(cut), "gradual", hooks)
    final = choose_weights(trained.network, config, target, calibration)
    return trained.then(trained.network, *_bound(final))


def _open(network: nn.Module) -> dict[str, Tensor]:
    return {name: torch.ones_like(w, dtype=torch.bool) for name, w in prunable_weights(network).items()}


def _tighten(
    network: nn.Module,
    epoch: int,
    total: int,
    *,
    config: UnstructuredConfig,
    target: Shares,
    calibration: Calibration,
    ramp: int,
) -> None:
    del total
    if epoch <= ramp:
        now = at_each(target, partial(RAMPS[config.shape], epoch, ramp))
        attach(network, choose_weights(network, config, now, calibration).keep)


def _given(initial: nn.Module | None, why: str) -> nn.Module:
    if initial is None:
        raise ValueError(f"{why} needs the initial network")
    return initial


def _bound(choice: Choice) -> tuple[str, ...]:
    return tuple(
        f"{name} keeps its largest weight, the amount would have emptied it" for name in choice.bound
    )
