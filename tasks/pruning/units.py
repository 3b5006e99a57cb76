"""Structured pruning: whole units leave, the layers become smaller (Li et al., 2017; Fang et al., 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from torch import Tensor, nn

from tasks.errors import EspalierError
from tasks.pruning.config import StructuredConfig
from tasks.pruning.decomposition import ROWS, cut_and_absorb, unit_scores
from tasks.pruning.importance import Calibration, criterion
from tasks.pruning.masks import Choice, keep_largest
from tasks.pruning.recovery import Outcome, Recovery
from tasks.pruning.schedule import round_amount
from tasks.pruning.sensitivity import Curves, allocate, measure
from tasks.pruning.shares import Shares, at_each, removals, resolved
from tasks.pruning.structure import Survey, UnitGroup, remove, survey, widths
from tasks.training.scoring import score

__all__ = ["choose_units", "prune_units", "score_units", "unit_sensitivity"]


def prune_units(
    start: Outcome, config: StructuredConfig, amount: Shares | None, recovery: Recovery
) -> Outcome:
    """Remove a share of the units and recover, in one round or several.

    Parameters
    ----------
    start : Outcome
        Its network is not changed.
    amount : float or dict
        Share of the units of each layer (scope local), of all layers together (global, and sensitivity, which
        divides it by what the layers can do without), or of the layers named (per_layer).
    """
    found = survey(start.network, recovery.example)
    outcome = start.then(start.network, *_left_alone(start.network, found))
    if not found.groups or amount is None:
        if recovery.narrowed:
            return recovery.run(outcome, "round-1")
        return outcome.then(start.network, "nothing can be removed from this network")
    able, left = _scorable(start.network, found.groups, config.criterion, recovery.calibration())
    outcome, initial = outcome.then(start.network, *left), {group.name: group.width for group in able}
    shares = resolved(amount, {group.name: group.members for group in able})
    if config.scope == "sensitivity" and isinstance(shares, float):
        shares = allocate(unit_sensitivity(start, config, recovery), initial, shares)
    for number in range(1, config.rounds + 1):
        now = at_each(shares, partial(round_amount, rounds=config.rounds, number=number))
        cut = _remove_share(outcome, config, now, initial, recovery)
        outcome = recovery.run(cut, f"round-{number}")
    return outcome


def unit_sensitivity(start: Outcome, config: StructuredConfig, recovery: Recovery) -> Curves:
    """Validation metric with a share of the units of one group at a time removed, without recovery."""
    network = start.network
    groups = survey(network, recovery.example).groups
    if not groups:
        return {}
    calibration = _calibration(config, recovery)
    able, _ = _scorable(network, groups, config.criterion, calibration)
    scores = _scores(network, able, config.criterion, calibration)
    sizes = {group.name: group.width for group in able}

    def without(name: str, share: float) -> nn.Module:
        choice = keep_largest({name: scores[name]}, round(share * sizes[name]))
        return _cut(network, config, able, choice, calibration, recovery)[0]

    def judge(pruned: nn.Module) -> float:
        return score(pruned, recovery.valid, recovery.task)

    return measure(sizes, without, judge, network)


def choose_units(
    network: nn.Module,
    groups: tuple[UnitGroup, ...],
    importance: str,
    remove: int | Mapping[str, int],
    calibration: Calibration,
) -> Choice:
    """Rank the units of all groups and keep the most important; `remove` as in `keep_largest`."""
    return keep_largest(_scores(network, groups, importance, calibration), remove)


def score_units(
    network: nn.Module, groups: tuple[UnitGroup, ...], importance: str, calibration: Calibration
) -> dict[str, Tensor]:
    """Score the units of every group that the criterion looks at.

    Raises
    ------
    EspalierError
        If it looks at none of them.
    """
    chosen, saliency = criterion(importance, network, calibration)
    scores = {group.name: chosen.units(saliency, group.slices, group.width) for group in groups}
    found = {name: score for name, score in scores.items() if score is not None}
    if not found:
        raise EspalierError(
            f"prune.importance {importance}: no units of this network pass a batch norm with scales; "
            "use importance magnitude, taylor, hessian, lamp, activation, decomposition or random"
        )
    return found


def _scores(
    network: nn.Module, groups: tuple[UnitGroup, ...], importance: str, calibration: Calibration
) -> dict[str, Tensor]:
    if importance == "decomposition":
        return unit_scores(network, groups, calibration)
    return score_units(network, groups, importance, calibration)


def _scorable(
    network: nn.Module, groups: tuple[UnitGroup, ...], importance: str, calibration: Calibration
) -> tuple[tuple[UnitGroup, ...], tuple[str, ...]]:
    """Return the groups that the criterion looks at, and a note for each other one."""
    if importance != "batch_norm":
        return groups, ()
    known = score_units(network, groups, importance, calibration)
    others = [group.name for group in groups if group.name not in known]
    notes = (f"{name} left alone: importance {importance} has no score for its units" for name in others)
    return tuple(group for group in groups if group.name in known), tuple(notes)


def _remove_share(
    outcome: Outcome, config: StructuredConfig, shares: Shares, initial: Mapping[str, int], recovery: Recovery
) -> Outcome:
    network = outcome.network
    groups = tuple(group for group in survey(network, recovery.example).groups if group.name in initial)
    if not groups:
        return outcome
    count = _still_to_remove(network, groups, shares, initial, pooled=config.scope == "global")
    calibration = _calibration(config, recovery)
    choice = choose_units(network, groups, config.criterion, count, calibration)
    smaller, notes = _cut(network, config, groups, choice, calibration, recovery)
    bound = (
        f"{name} keeps one of its {initial[name]} units, the removal of {_of(shares, name):.1%} would have "
        "emptied it"
        for name in choice.bound
    )
    return outcome.then(smaller, *bound, *notes)


def _calibration(config: StructuredConfig, recovery: Recovery) -> Calibration:
    return recovery.calibration(ROWS) if config.criterion == "decomposition" else recovery.calibration()


def _cut(
    network: nn.Module,
    config: StructuredConfig,
    groups: tuple[UnitGroup, ...],
    choice: Choice,
    calibration: Calibration,
    recovery: Recovery,
) -> tuple[nn.Module, tuple[str, ...]]:
    """Remove what was not chosen; with decomposition the layers behind make up for it."""
    kept = {name: keep.nonzero().flatten().tolist() for name, keep in choice.keep.items()}
    if config.criterion == "decomposition":
        touched = [group for group in groups if group.name in kept]
        smaller, notes = cut_and_absorb(network, recovery.example, touched, kept, calibration.X)
        return smaller, notes
    return remove(network, recovery.example, kept), ()


def _still_to_remove(
    network: nn.Module,
    groups: tuple[UnitGroup, ...],
    shares: Shares,
    initial: Mapping[str, int],
    *,
    pooled: bool,
) -> int | dict[str, int]:
    """Count what a cumulative share of the initial widths leaves to remove now."""
    now, wanted = widths(network), removals(initial, shares, pooled=pooled)
    if isinstance(wanted, dict):
        return {group.name: wanted[group.name] - initial[group.name] + group.width for group in groups}
    return wanted - sum(initial.values()) + sum(now[name] for name in initial)


def _of(shares: Shares, name: str) -> float:
    return shares.get(name, 0.0) if isinstance(shares, dict) else shares


def _left_alone(network: nn.Module, found: Survey) -> tuple[str, ...]:
    return tuple(
        f"{name} left alone ({_weights(network, name)} weights): {why}" for name, why in found.left.items()
    )


def _weights(network: nn.Module, name: str) -> int:
    module = network.get_submodule(name) if name in dict(network.named_modules()) else network
    return sum(weight.numel() for weight in module.parameters(recurse=False))
