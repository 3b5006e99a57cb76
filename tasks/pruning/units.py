"""Structured pruning: whole units leave, the layers become smaller (Li et al., 2017; Fang et al., 2023)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from tasks.errors import EspalierError
from tasks.pruning.config import StructuredConfig
from tasks.pruning.decomposition import ROWS, cut_and_absorb, unit_scores
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
    able, left = _scorable(start.network, found.groups, config.criterion, recovery.calibration())
    outcome, initial = outcome.then(start.network, *left), {group.name: group.width for group in able}
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
    if importance == "decomposition":
        return keep_largest(unit_scores(network, groups, calibration), remove)
    return keep_largest(score_units(network, groups, importance, calibration), remove)


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


def _scorable(
    network: nn.Module, groups: tuple[UnitGroup, ...], importance: str, calibration: Calibration
) -> tuple[tuple[UnitGroup, ...], tuple[str, ...]]:
    """Return the groups that the criterion looks at, and a note for each other one."""
    if importance == "decomposition":
        return groups, ()
    known = score_units(network, groups, importance, calibration)
    others = [group.name for group in groups if group.name not in known]
    notes = (f"{name} left alone: importance {importance} has no score for its units" for name in others)
    return tuple(group for group in groups if group.name in known), tuple(notes)


def _remove_share(
    outcome: Outcome, config: StructuredConfig, share: float, initial: Mapping[str, int], recovery: Recovery
) -> Outcome:
    network = outcome.network
    groups = tuple(group for group in survey(network, recovery.example).groups if group.name in initial)
    if not groups:
        return outcome
    count = _still_to_remove(network, groups, config.scope, share, initial)
    decomposed = config.importance == "decomposition"
    calibration = recovery.calibration(ROWS) if decomposed else recovery.calibration()
    choice = choose_units(network, groups, config.criterion, count, calibration)
    kept = {name: keep.nonzero().flatten().tolist() for name, keep in choice.keep.items()}
    notes = tuple(
        f"{name} keeps one of its {initial[name]} units, the removal of {share:.1%} would have emptied it"
        for name in choice.bound
    )
    if decomposed:
        smaller, more = cut_and_absorb(network, recovery.example, groups, kept, calibration.X)
        return outcome.then(smaller, *notes, *more)
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
