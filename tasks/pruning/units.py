"""Structured pruning: whole units leave, the layers become smaller (Li et al., 2017; Fang et al., 2023)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from tasks.pruning.config import StructuredConfig
from tasks.pruning.importance import Calibration, criterion
from tasks.pruning.masks import Choice, keep_largest
from tasks.pruning.recovery import Outcome, Recovery
from tasks.pruning.schedule import round_amounts
from tasks.pruning.structure import Survey, UnitGroup, remove, survey, widths

__all__ = ["choose_units", "prune_units"]


def prune_units(
    start: Outcome, config: StructuredConfig, amount: float | None, recovery: Recovery
) -> Outcome:
    """Remove a share of the units and recover, in one round or several.

    Parameters
    ----------
    start : Outcome
        Its network is not changed.
    amount : float
        Share of the units of each layer (scope local) or of all layers together (global).
    """
    found = survey(start.network, recovery.example)
    outcome = start.then(start.network, *_left_alone(start.network, found))
    if not found.groups or amount is None:
        return outcome.then(start.network, "nothing can be removed from this network")
    initial = {group.name: group.width for group in found.groups}
    for number, share in enumerate(round_amounts(amount, config.rounds), 1):
        cut = _remove_share(outcome, config, share, initial, recovery)
        outcome = recovery.run(cut, f"round-{number}")
    return outcome


def choose_units(
    network: nn.Module,
    groups: tuple[UnitGroup, ...],
    importance: str,
    remove: int | Mapping[str, int],
    calibration: Calibration,
) -> Choice:
    """Rank the units of all groups and keep the most important; `remove` as in `keep_largest`."""
    chosen, saliency = criterion(importance, network, calibration)
    scores = {group.name: chosen.units(saliency, group.slices, group.width) for group in groups}
    return keep_largest(scores, remove)


def _remove_share(
    outcome: Outcome, config: StructuredConfig, share: float, initial: Mapping[str, int], recovery: Recovery
) -> Outcome:
    network = outcome.network
    groups = survey(network, recovery.example).groups
    if not groups:
        return outcome
    count = _still_to_remove(network, groups, config.scope, share, initial)
    choice = choose_units(network, groups, config.importance, count, recovery.calibration())
    kept = {name: keep.nonzero().flatten().tolist() for name, keep in choice.keep.items()}
    notes = tuple(
        f"{name} keeps one of its {initial[name]} units, the removal of {share:.1%} would have emptied it"
        for name in choice.bound
    )
    return outcome.then(remove(network, recovery.example, kept), *notes)


def _still_to_remove(
    network: nn.Module,
    groups: tuple[UnitGroup, ...],
    scope: str,
    share: float,
    initial: Mapping[str, int],
) -> int | dict[str, int]:
    """Count what a cumulative share of the initial widths leaves to remove now."""
    now = widths(network)
    if scope == "local":
        return {
            group.name: round(share * initial[group.name]) - initial[group.name] + group.width
            for group in groups
        }
    total = sum(initial.values())
    return round(share * total) - total + sum(now[name] for name in initial)


def _left_alone(network: nn.Module, found: Survey) -> tuple[str, ...]:
    return tuple(
        f"{name} left alone ({_weights(network, name)} weights): {why}" for name, why in found.left.items()
    )


def _weights(network: nn.Module, name: str) -> int:
    module = network.get_submodule(name) if name in dict(network.named_modules()) else network
    return sum(weight.numel() for weight in module.parameters(recurse=False))
