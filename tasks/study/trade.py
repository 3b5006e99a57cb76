"""What fewer training rows cost in the metric, and what they save in training time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.study.objectives import Objective
from tasks.study.rows import Row, complete

__all__ = ["Step", "Trade", "trades"]


@dataclass(frozen=True)
class Step:
    """A choice of rows: how many, by what method, the seconds of training and the metric that came of it."""

    rows: int
    share: float
    method: str
    seconds: float
    metric: float
    id: str


@dataclass(frozen=True)
class Trade:
    """Candidates that differ in their rows alone, the fewest rows first; rivals among them apart."""

    name: str
    own: tuple[Step, ...]
    rivals: tuple[Step, ...] = ()


def trades(rows: Sequence[Row], metric: Objective) -> list[Trade]:
    """Gather the candidates that differ in section reduce.rows alone; those with the fewest changes first.

    Random rows, where they ride along as a rival, count too.

    Parameters
    ----------
    rows
        Candidates; only complete ones count.
    metric
        What they are judged by, on validation rows.
    """
    groups: dict[str, list[Row]] = {}
    for row in complete(rows):
        if row.train_seconds is not None and row.recipe and metric.value(row.figures) is not None:
            groups.setdefault(repr(sorted(_others(row).items())), []).append(row)
    found = [
        Trade(
            _name(own),
            _steps([row for row in own if not row.rival], metric),
            _steps([row for row in own if row.rival], metric),
        )
        for own in groups.values()
        if len({_rows(row) for row in own}) > 1
    ]
    return sorted(found, key=lambda trade: (-len(trade.own), trade.name))


def _steps(rows: Sequence[Row], metric: Objective) -> tuple[Step, ...]:
    return tuple(sorted((_step(row, metric) for row in rows), key=lambda step: (step.rows, step.id)))


def _others(row: Row) -> dict[str, Any]:
    return {path: value for path, value in row.overrides.items() if not path.startswith("reduce.rows")}


def _rows(row: Row) -> tuple[int, str]:
    rows: Mapping[str, Any] = row.recipe["rows"]
    return rows["after"], rows["method"]


def _name(group: Sequence[Row]) -> str:
    """Name the group as its member with most rows is named."""
    return max(group, key=lambda row: (not row.rival, _rows(row)[0], row.id)).name


def _step(row: Row, metric: Objective) -> Step:
    before = row.recipe["rows"]["before"]
    after, method = _rows(row)
    return Step(
        rows=after,
        share=after / max(before, 1),
        method=method,
        seconds=row.train_seconds or 0.0,
        metric=metric.value(row.figures) or 0.0,
        id=row.id,
    )
