"""`prune.method: budget`: the search inside the pipeline."""

from __future__ import annotations

import logging

from tasks.pruning.recipe import Pruned
from tasks.pruning.recovery import Front
from tasks.search.candidates import Bench
from tasks.search.config import BudgetedConfig
from tasks.search.meet import meet
from tasks.search.problem import Problem
from tasks.search.told import outcome, summary

__all__ = ["prune_to_budget"]

log = logging.getLogger("espalier.prune")


def prune_to_budget(problem: Problem, config: BudgetedConfig) -> Pruned:
    """Search for the graph that meets the budget, as the result of one pruning.

    Returns
    -------
    The network found, the path before it as `front`; its report has all of `tasks.search.told.summary`.
    """
    found = meet(Bench(problem, timed=config.counts_time, quantise=config.quantise), config)
    best = found.best
    assert best.pruned is not None
    report = {
        **best.pruned.report,
        **summary(found, config, len(problem.plan.names)),
        "method": "budget",
        "requested": None,
    }
    for line in outcome(report):
        log.info("%s", line)
    keep = list(best.keep)
    front = Front(best.graph, problem.plan.select(keep), problem.X[:, keep], problem.valid[:, keep])
    return Pruned(best.graph.network, best.pruned.history, best.figures.metric, report, front)
