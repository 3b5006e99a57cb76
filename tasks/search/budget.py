"""What a candidate keeps and costs, and how far it is from a budget."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tasks.search.config import BudgetConfig

__all__ = ["Figures", "Setting", "cost", "excess", "shortfall"]


@dataclass(frozen=True, order=True)
class Setting:
    """What a candidate keeps: a share of the columns, and of every layer's units, each in (0, 1].

    Attributes
    ----------
    criterion
        Ranks the columns, see `tasks.pruning.column_criteria.COLUMN_CRITERIA`.
    """

    columns: float
    units: float
    criterion: str = "decomposition"


@dataclass(frozen=True)
class Figures:
    """What a candidate costs, measured, and how well it answers validation rows (larger is better)."""

    bytes: int
    macs: int
    latency_us: float
    metric: float

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form."""
        return asdict(self)


def cost(figures: Figures, budget: BudgetConfig) -> float:
    """Return the cost that the objective counts: the latency for `fastest`, else the bytes."""
    return figures.latency_us if budget.objective == "fastest" else float(figures.bytes)


def excess(figures: Figures, budget: BudgetConfig) -> float:
    """Return the largest factor by which a cost exceeds its limit; at most 1 when all are met.

    Examples
    --------
    >>> excess(Figures(300, 10, 5.0, 0.9), BudgetConfig(max_bytes=200, max_macs=100))
    1.5
    """
    limits = (
        (figures.bytes, budget.max_bytes),
        (figures.latency_us, budget.max_latency_p50_us),
        (figures.macs, budget.max_macs),
    )
    return max((cost / limit for cost, limit in limits if limit is not None), default=0.0)


def shortfall(figures: Figures, budget: BudgetConfig, reference: float) -> float:
    """Return how far the metric lies below what the budget asks for; at most 0 when it does not."""
    if budget.max_metric_drop is None:
        return 0.0
    return reference - budget.max_metric_drop - figures.metric
