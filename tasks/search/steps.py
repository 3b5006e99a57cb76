"""`prune.method: steps`: one removal after the other, each `auto` resolved on what came before it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from tasks.pruning.config import StepConfig
from tasks.pruning.recipe import Pruned
from tasks.pruning.report import recipe_report
from tasks.search.amount import prune_most

__all__ = ["PruneStep", "prune_in_steps", "prune_one"]

log = logging.getLogger("espalier.prune")

PruneStep = Callable[[int, Any, "Pruned | None"], Pruned]
"""(number of the step, its section with the amount resolved, what the step before it left) -> its result."""


def prune_in_steps(
    network: nn.Module, steps: Sequence[StepConfig], prune_step: PruneStep, *, reference: float
) -> Pruned:
    """Prune by each step in turn.

    Parameters
    ----------
    network : Module
        What the first step starts from; for the report.
    reference
        Validation metric that an `amount: auto` is held against, within the step's own tolerance.

    Returns
    -------
    The last step's result with the facts of all steps as its report.
    """
    done: list[Pruned] = []
    for number, config in enumerate(steps, 1):
        done.append(prune_one(number, config, prune_step, done[-1] if done else None, reference=reference))
    last = done[-1]
    history = tuple(
        replace(record, epoch=number)
        for number, record in enumerate((record for each in done for record in each.history), 1)
    )
    report = recipe_report(network, last.network, [each.report for each in done])
    return replace(last, history=history, report=report)


def prune_one(
    number: int, config: StepConfig, prune_step: PruneStep, before: Pruned | None, *, reference: float
) -> Pruned:
    """Prune by one step, at its amount or at the largest that stays within its tolerance of `reference`."""
    if config.amount != "auto":
        return prune_step(number, config, before)

    def prune_at(amount: float) -> Pruned:
        log.info("auto: trying amount %g", amount)
        return prune_step(number, config.model_copy(update={"amount": amount}), before)

    return prune_most(prune_at, floor=reference - config.tolerance)
