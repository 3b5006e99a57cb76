"""How candidates stand against the rivals that ride along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.study.interaction import Effect, effect
from tasks.study.objectives import Objective
from tasks.study.rows import Row, complete, per_seed

__all__ = ["Duel", "duels"]

DRAWN = {"random units": "prune", "random rows": "reduce.rows"}
"""Rivals that are a candidate with one choice left to chance, and the section that makes it."""

ROOM = 1.05  # bytes that count as the same size


@dataclass(frozen=True)
class Duel:
    """A rival, the candidate it is held against, and how far that is ahead on validation rows."""

    rival: Row
    own: Row
    ahead: Effect


def duels(rows: Sequence[Row], metric: Objective, margin: float = 0.0) -> list[Duel]:
    """Hold each rival against a candidate: the one it copies but for chance, else the best one no larger.

    The best is so on validation rows, which flatter it a little: rivals were not chosen from many.

    Parameters
    ----------
    rows
        Candidates and rivals; only complete ones count.
    metric
        What they are judged by, on validation rows.
    margin
        Lead that would be worth having.
    """
    able = [row for row in complete(rows) if row.bytes]
    own = [row for row in able if not row.rival and row.arm != "nothing"]
    sign = 1.0 if metric.higher else -1.0
    found = []
    for rival in (row for row in able if row.rival and own):
        partner = _copied(own, rival) if rival.arm in DRAWN else _affordable(own, rival, metric)
        values = sign * per_seed((partner, rival), lambda trial: metric.value(trial))
        found.append(Duel(rival, partner, effect(values, np.array([1.0, -1.0]), margin)))
    return found


def _copied(own: Sequence[Row], rival: Row) -> Row:
    """Find the candidate that keeps and prunes as much and is the least different but for what was drawn."""
    drawn = DRAWN[rival.arm]

    def distance(row: Row) -> tuple[bool, int, int, str]:
        paths = {*row.overrides, *rival.overrides}
        apart = {path for path in paths if _value(row, path) != _value(rival, path)}
        inside = sum(path == drawn or path.startswith(f"{drawn}.") for path in apart)
        return _amounts(row) != _amounts(rival), len(apart) - inside, inside, row.id

    return min(own, key=distance)


def _value(row: Row, path: str) -> Any:
    return row.overrides.get(path, _ABSENT)


def _amounts(row: Row) -> tuple[Any, Any]:
    """Rows kept and share pruned."""
    return (row.recipe["rows"]["after"], row.recipe["amount"]) if row.recipe else (None, None)


def _affordable(own: Sequence[Row], rival: Row, metric: Objective) -> Row:
    """Find the best candidate that is no larger, give or take `ROOM`; the smallest where all are larger."""
    fit = [row for row in own if (row.bytes or 0) <= ROOM * (rival.bytes or 0)]
    if not fit:
        return min(own, key=lambda row: (row.bytes or 0, row.id))
    return min(fit, key=lambda row: (metric.cost(metric.value(row.figures) or 0.0), row.bytes or 0, row.id))


_ABSENT = object()
