"""What the page's script draws from: axes, and one compact record a candidate."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.evaluation.report.words import PERCENT
from tasks.metrics.table import METRICS
from tasks.study.factors import Column, factors, resolved, short
from tasks.study.interaction import KINDS, kind
from tasks.study.objectives import COSTS, Objective
from tasks.study.rows import Row

if TYPE_CHECKING:
    from tasks.study.summary import Summary

__all__ = ["Axis", "axes", "study_data"]

FORMS = {"bytes": "bytes", "latency_us": "us", "train_seconds": "seconds"}
LIST = 12  # factors that get an axis of their own
DIGITS = 5


@dataclass(frozen=True)
class Axis:
    """One figure of candidates.

    Attributes
    ----------
    key, title, form
        Its name, how it is called, and how values are written: share, percent, number, count, bytes, us,
        seconds, text.
    sort
        metric | cost | fact | test: where it comes from.
    better
        1: more is better, -1: less is, 0: neither.
    levels
        Of text: the values in order.
    log
        Whether it is drawn as logarithms; costs and counts always are.
    """

    key: str
    title: str
    form: str
    sort: str
    better: int
    read: Callable[[Row], Any]
    levels: tuple[str, ...] = ()
    log: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return what the script reads."""
        named = {"key": self.key, "title": self.title, "form": self.form, "sort": self.sort}
        log = self.log or self.sort == "cost" or self.form == "count"
        return {**named, "better": self.better, "log": log, "levels": list(self.levels)}


def _metric(name: str, part: str) -> Axis:
    metric = METRICS[name]
    title = f"validation {metric.title}" if part == "valid" else f"test {metric.title} (not chosen by)"
    return Axis(
        f"{part}/{name}",
        title,
        "share" if name in PERCENT else "number",
        "metric" if part == "valid" else "test",
        (1 if metric.higher_is_better else -1) if part == "valid" else 0,
        lambda row: getattr(row, part).get(name),
    )


def _cost(name: str) -> Axis:
    return Axis(name, COSTS[name], FORMS.get(name, "count"), "cost", -1, lambda row: getattr(row, name))


def _fact(name: str, form: str, levels: Sequence[str] = ()) -> Axis:
    return Axis(name, name, form, "fact", 0, lambda row: resolved(row).get(name), tuple(levels))


def _varied(rows: Sequence[Row], base: Mapping[str, Any]) -> list[Axis]:
    """Axes of the other paths that candidates change, rivals have no value."""
    known = {"columns kept", "rows kept", "pruned", "int8"}
    own = [row for row in rows if not row.rival]
    found = {name: c for name, c in factors(own, base).items() if not known & set(name.split(", "))}
    return [_other(name, column, own) for name, column in list(found.items())[:LIST]]


def _other(name: str, column: Column, rows: Sequence[Row]) -> Axis:
    """Axis of one path: of numbers, or of text."""
    values: Sequence[Any] = column.labels if column.numbers is None else column.numbers
    held = {row.id: value for row, value in zip(rows, values, strict=True)}
    if column.numbers is None:
        return Axis(name, short(name), "text", "fact", 0, lambda row: held.get(row.id), column.levels)
    return Axis(name, short(name), "number", "fact", 0, lambda row: held.get(row.id), log=_spans(values))


def _spans(values: Sequence[float | None]) -> bool:
    """Whether numbers span more than a decade, and have logarithms."""
    there = [value for value in values if value is not None]
    return min(there) > 0 and max(there) > 10 * min(there)


def axes(summary: Summary) -> list[Axis]:
    """Axes that at least one candidate has a value on: the headline, costs, facts, other metrics, test."""
    rows, head = [row for row in summary.standing.rows if row.seeds], summary.metric.name
    others = dict.fromkeys(name for row in rows for name in row.valid if name != head)
    int8 = dict.fromkeys(resolved(row).get("int8", "none") for row in rows)
    base = summary.params.model_dump(mode="json", by_alias=True)
    found = [
        _metric(head, "valid"),
        _metric(head, "test"),
        *map(_cost, COSTS),
        _fact("columns kept", "count"),
        _fact("rows kept", "count"),
        _fact("pruned", "percent"),
        _fact("int8", "text", sorted(int8)),
        *_varied(rows, base),
        *(_metric(name, "valid") for name in others),
    ]
    return [axis for axis in found if any(axis.read(row) is not None for row in rows)]


def _rounded(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def _settings(overrides: Mapping[str, Any]) -> list[str]:
    return [f"{path}={json.dumps(value)}" for path, value in sorted(overrides.items())]


def _record(row: Row, shown: Sequence[Axis]) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "arm": row.arm,
        "kind": kind(row),
        "rank": row.rank,
        "why": row.unranked,
        "seeds": len(row.seeds),
        "spread": _rounded(row.spread),
        "values": [_rounded(axis.read(row)) for axis in shown],
        "settings": _settings(row.overrides),
        "curve": [float(f"{value:.4g}") for value in row.history],
    }


def _key(each: Objective) -> str:
    return f"valid/{each.name}" if each.metric else each.name


def study_data(summary: Summary) -> dict[str, Any]:
    """Return what the script draws: axes, candidates best first, picks, objectives."""
    shown = axes(summary)
    standing = summary.standing
    return {
        "axes": [axis.to_dict() for axis in shown],
        "rows": [_record(row, shown) for row in standing.rows],
        "picks": dict(standing.picks),
        "objectives": [_key(each) for each in standing.objectives],
        "kinds": [each for each in KINDS if any(kind(row) == each for row in standing.rows)],
    }
