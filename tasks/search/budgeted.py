"""`prune.method: budget`: the search inside the pipeline."""

from __future__ import annotations

import logging

from tasks.pruning.recipe import Pruned
from tasks.pruning.recovery import Front
from tasks.search.candidates import Bench
from tasks.search.config import BudgetedConfig
from tasks.search.meet import meet
from tasks.search.problem import Problem

__all__ = ["prune_to_budget"]

log = logging.getLogger("espalier.prune")


def prune_to_budget(problem: Problem, config: BudgetedConfig) -> Pruned:
    """Search for the graph that meets the budget, as the result of one pruning.

    Returns
    -------
    The network found, the path before it as `front`; its report says whether the budget is met (`met`), what
    the graph that came in costs (`reference`) and every candidate tried (`candidates`).
    """
    found = meet(Bench(problem, timed=config.counts_time, quantise=config.quantise), config)
    best = found.best
    assert best.pruned is not None
    log.info(
        "budget: %d candidates, %d recovered; %d of %d columns, %g of the units, %d bytes",
        len(found.probes),
        sum(probe["recovered"] for probe in found.probes),
        len(best.keep),
        len(problem.plan.names),
        best.setting.units,
        best.figures.bytes,
    )
    report = {
        **best.pruned.report,
        "method": "budget",
        "requested": None,
        "budget": config.model_dump(mode="json", exclude={"method", "finetune", "quantise"}),
        "met": found.met,
        "reference": found.reference.to_dict(),
        "compressed": best.figures.to_dict(),
        "candidates": list(found.probes),
        "notes": list(found.notes),
    }
    keep = list(best.keep)
    front = Front(best.graph, problem.plan.select(keep), problem.X[:, keep], problem.valid[:, keep])
    return Pruned(best.graph.network, best.pruned.history, best.figures.metric, report, front)
