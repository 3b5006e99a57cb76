"""Every decision of stage clean: what was done, to what, how often and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Decision", "decision_table", "per_column"]


MANY = 12


@dataclass(frozen=True)
class Decision:
    """One decision: `count` rows, cells, levels or columns, in `column` or (None) in the whole table."""

    what: str
    column: str | None
    count: int
    why: str

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form."""
        return asdict(self)


def per_column(what: str, found: Sequence[tuple[str, int, str]], grid: bool) -> list[Decision]:
    """Return a decision per (column, count, why); one for all cells of a grid, whose names say nothing."""
    if not grid or not found:
        return [Decision(what, column, count, why) for column, count, why in found]
    reasons = {why for _, _, why in found}
    why = reasons.pop() if len(reasons) == 1 else f"in {len(found)} cells, each with its own figure"
    return [Decision(what, None, sum(count for _, count, _ in found), why)]


def decision_table(report: Mapping[str, Any], width: int = 80) -> list[tuple[str, str, str, str]]:
    """Return the decisions of a clean report as headed rows (what, column, count, why) cut to `width`."""
    rows = [("what", "column", "count", "why"), *_gathered(report["decisions"])]
    name = min(20, _widest(rows, 1))
    room = max(12, width - _widest(rows, 0) - name - _widest(rows, 2) - 6)
    return [(what, _cut(column, name), count, _cut(why, room)) for what, column, count, why in rows]


def _gathered(decisions: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str, str]]:
    """Return a row per decision; where more than `MANY` columns share one, a row for all of them."""
    shared = Counter(decision["what"] for decision in decisions if decision["column"])
    single = [
        decision for decision in decisions if shared[decision["what"]] <= MANY or not decision["column"]
    ]
    rows = [(d["what"], d["column"] or "", f"{d['count']:,}", d["why"]) for d in single]
    for what, columns in shared.items():
        if columns > MANY:
            same = [decision for decision in decisions if decision["what"] == what and decision["column"]]
            reasons = {decision["why"] for decision in same}
            why = reasons.pop() if len(reasons) == 1 else f"e.g. {same[0]['column']}: {same[0]['why']}"
            total = sum(decision["count"] for decision in same)
            rows.append((what, f"{columns} columns", f"{total:,}", why))
    return rows


def _widest(rows: Sequence[tuple[str, ...]], cell: int) -> int:
    return max(len(row[cell]) for row in rows)


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"
