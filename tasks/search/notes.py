"""What a search says beside its figures: what it could not do, and how far it is from what was asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from tasks.errors import EspalierError
from tasks.search.budget import shortfall
from tasks.search.candidates import Made
from tasks.search.config import BudgetConfig
from tasks.search.tried import Tried

__all__ = ["MOST_RECOVERIES", "End", "check_countable", "left_out", "notes"]

MOST_RECOVERIES = 20

End: TypeAlias = Literal["settled", "time", "recoveries"]
"""Why a search ended: nothing left was worth a recovery, the time was over, or enough had recovered."""

_NAMED = 3


def left_out(layers: Sequence[str]) -> str:
    """Name the layers that multiply-adds leave out, a few of many.

    Examples
    --------
    >>> left_out(["a: Mine (W)", "b: Mine (W)", "c: Mine (W)", "d: Mine (W)", "e: Mine (W)"])
    'a: Mine (W), b: Mine (W), c: Mine (W) and 2 more'
    """
    more = f" and {len(layers) - _NAMED} more" if len(layers) > _NAMED else ""
    return ", ".join(layers[:_NAMED]) + more


def check_countable(budget: BudgetConfig, layers: Sequence[str]) -> None:
    """Refuse a limit on multiply-adds for a network some of whose layers are not counted.

    Raises
    ------
    EspalierError
    """
    if budget.max_macs is not None and layers:
        raise EspalierError(
            f"max_macs: the multiply-adds of {left_out(layers)} cannot be counted, so the limit would be "
            "held against too small a count; build them of torch.nn layers (a matrix is a Linear), or limit "
            "max_bytes or max_latency_p50_us instead"
        )


def notes(tried: Tried, nearest: Made, chosen: Made | None, end: End) -> tuple[str, ...]:
    """Return the candidate's own notes, what of the budget is not met and why, and what ended the search."""
    found = list(nearest.notes)
    if tried.bench.uncounted:
        found.append(f"multiply-adds leave out {left_out(tried.bench.uncounted)}: no rule counts them")
    short = shortfall(nearest.figures, tried.budget, tried.bench.reference.metric)
    if chosen is None and short <= 0 and tried.admits(nearest.figures):
        found.append(f"the budget was reached by luck alone, say the neighbours: {_told(tried, nearest)}")
    elif chosen is None and end == "time":
        found.append(
            f"the budget was not met within the time box of {tried.budget.max_seconds:g} s: raise "
            f"max_seconds to search on; nearest is {_told(tried, nearest)}"
        )
        return tuple(found)
    elif chosen is None:
        found.append(f"the budget cannot be met; nearest is {_told(tried, nearest)}")
    if end == "time":
        found.append(f"the time box of {tried.budget.max_seconds:g} s ended the search")
    elif end == "recoveries":
        found.append(f"the search ended after {MOST_RECOVERIES} recoveries")
    return tuple(found)


def _told(tried: Tried, made: Made) -> str:
    figures, budget = made.figures, tried.budget
    told = [
        (f"{figures.bytes:,} bytes", budget.max_bytes),
        (f"{figures.latency_us:.1f} us", budget.max_latency_p50_us),
        (f"{figures.macs:,} multiply-adds", budget.max_macs),
    ]
    costs = [f"{text} (allowed {limit:,})" for text, limit in told if limit is not None]
    lost = tried.bench.reference.metric - figures.metric
    allowed = "" if budget.max_metric_drop is None else f" (allowed {budget.max_metric_drop:g})"
    return ", ".join([*costs, f"validation metric {lost:.4f} below the reference{allowed}"])
