"""How candidates stand: ranks, front, knee and picks, by validation metrics and costs alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tasks.study.config import Bound
from tasks.study.front import corner, knee, ranks
from tasks.study.hypervolume import hypervolume
from tasks.study.objectives import Objective, objective
from tasks.study.rows import Row

__all__ = ["PICKS", "Standing", "stand"]

PICKS = {
    "knee": "where the front bulges most",
    "smallest": "the smallest file as good as the best",
    "fastest": "the fastest as good as the best",
    "best": "the best validation metric",
}
"""What can be picked by name."""


@dataclass(frozen=True)
class Standing:
    """Rows with their ranks, best first, and what follows from them.

    Attributes
    ----------
    rows
        Ranked ones by rank, then by the first objective; then the others.
    objectives
        Those that were measured.
    missing
        Those that were not: no candidate has them.
    volume
        Hypervolume of the front, as a share of the box between the front's best values and the corner.
    picks
        Ids by the names in `PICKS`; fewer where nothing qualifies.
    """

    rows: tuple[Row, ...]
    objectives: tuple[Objective, ...]
    missing: tuple[Objective, ...]
    volume: float | None
    picks: Mapping[str, str]


def stand(
    rows: Sequence[Row],
    objectives: Sequence[Objective],
    constraints: Mapping[str, Bound],
    *,
    margin: float = 0.0,
) -> Standing:
    """Rank candidates.

    Parameters
    ----------
    rows
        Every candidate.
    objectives
        What the front is made of.
    constraints
        What a candidate must keep, by the name of an objective.
    margin
        Loss of the headline against the best that still counts as none, for `smallest` and `fastest`.
    """
    measured = [o for o in objectives if any(o.value(row.figures) is not None for row in rows)]
    missing = tuple(o for o in objectives if o not in measured)
    seeds = max((len(row.seeds) for row in rows), default=0)
    judged = [replace(row, unranked=_why_not(row, seeds, measured, constraints)) for row in rows]
    able = [row for row in judged if not row.unranked]
    if not able or not measured:
        return Standing(tuple(judged), tuple(measured), missing, None, {})
    costs = np.array([[o.cost(o.value(row.figures) or 0.0) for o in measured] for row in able])
    ranked = [replace(row, rank=int(rank)) for row, rank in zip(able, ranks(costs), strict=True)]
    picks = {"knee": ranked[knee(costs)].id, **_picks(ranked, constraints, margin)}
    order = sorted(range(len(ranked)), key=lambda i: (ranked[i].rank, tuple(costs[i]), ranked[i].id))
    out = (row for row in judged if row.unranked)
    return Standing((*(ranked[i] for i in order), *out), tuple(measured), missing, _share(costs), picks)


def _share(costs: np.ndarray) -> float | None:
    away = corner(costs)
    box = float(np.prod(away - costs.min(axis=0)))
    return hypervolume(costs, away) / box if box > 0 else None


def _why_not(row: Row, seeds: int, objectives: Sequence[Objective], constraints: Mapping[str, Bound]) -> str:
    """Say why a row cannot be ranked; nothing where it can."""
    if row.failures:
        seed, reason = next(iter(row.failures.items()))
        return f"failed with seed {seed}: {reason}"
    if len(row.seeds) < seeds:
        return f"unfinished: {len(row.seeds)} of {seeds} seeds"
    absent = [o.title for o in objectives if o.value(row.figures) is None]
    if absent:
        return f"without {', '.join(absent)}"
    return "; ".join(broken for name, bound in constraints.items() if (broken := _broken(row, name, bound)))


def _broken(row: Row, name: str, bound: Bound) -> str:
    wanted = objective(name, row.headline)
    value = wanted.value(row.figures)
    if value is None:
        return f"{wanted.title} is limited and was not measured"
    if bound.max is not None and value > bound.max:
        return f"{wanted.title} {value:,.6g} is above {bound.max:,.6g}"
    if bound.min is not None and value < bound.min:
        return f"{wanted.title} {value:,.6g} is below {bound.min:,.6g}"
    return ""


def _picks(rows: Sequence[Row], constraints: Mapping[str, Bound], margin: float) -> dict[str, str]:
    """Pick the best, and the smallest and the fastest of those as good as it, or as constraints ask for."""
    metric = objective("metric", rows[0].headline)
    scored = [(metric.cost(value), row) for row in rows if (value := metric.value(row.figures)) is not None]
    if not scored:
        return {}
    top = min(cost for cost, _ in scored)
    asked = {objective(name, rows[0].headline).name for name in constraints}
    good = [(cost, row) for cost, row in scored if metric.name in asked or cost <= top + margin]
    found = {"best": min(scored, key=lambda pair: (pair[0], pair[1].bytes or 0, pair[1].id))[1].id}
    for name, key in (("smallest", "bytes"), ("fastest", "latency_us")):
        able = [(getattr(row, key), cost, row.id) for cost, row in good if getattr(row, key) is not None]
        if able:
            found[name] = min(able)[2]
    return found
