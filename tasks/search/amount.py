"""`prune.amount: auto`: the largest share that the validation metric can do without."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tasks.pruning.recipe import Pruned
from tasks.search.ladder import most_aggressive

__all__ = ["AMOUNTS", "prune_most"]

AMOUNTS: tuple[float, ...] = (0.0, 0.25, 0.5, 0.65, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99)
"""The shares tried, gentle to aggressive."""


def prune_most(
    prune_at: Callable[[float], Pruned], *, floor: float, amounts: Sequence[float] = AMOUNTS
) -> Pruned:
    """Prune as much as the validation metric allows.

    Parameters
    ----------
    prune_at
        Prunes by an amount and recovers; `valid_metric` of its result is what is compared.
    floor
        Smallest validation metric that is good enough: the reference's less the tolerance.
    amounts
        Gentle to aggressive.

    Returns
    -------
    The result at the largest amount found, its report extended by `requested` and by `probes`, every amount
    tried with its validation metric. The gentlest, with a note that says so, when none is good enough.
    """
    tried: dict[float, Pruned] = {}

    def probe(amount: float) -> float:
        tried[amount] = prune_at(amount)
        return tried[amount].valid_metric

    found = most_aggressive(amounts, probe, floor)
    best = tried[found.value]
    probes = [{"amount": each.value, "score": each.score} for each in found.probes]
    notes = list(best.report["notes"])
    if not found.met:
        notes.append(
            f"no amount keeps the validation metric at {floor:.4f}: {found.value:g} has {found.score:.4f}"
        )
    return replace(best, report={**best.report, "requested": "auto", "probes": probes, "notes": notes})
