"""The main plots of a study as PNG, for documents and MLflow: the same bytes for the same study."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tasks.study.effects import Factor
from tasks.study.factors import short
from tasks.study.interaction import kind
from tasks.study.objectives import Objective
from tasks.study.rows import Row

if TYPE_CHECKING:
    from tasks.study.summary import Summary

__all__ = ["pictures"]

COLOURS = {
    "nothing": "#7a8793",
    "reduction": "#3b7dd8",
    "pruning": "#b3700c",
    "both": "#12805c",
    "rival": "#c2382e",
}
MARKERS = {"nothing": "s", "reduction": "^", "pruning": "o", "both": "D", "rival": "x"}
LINES = 6


def pictures(summary: Summary) -> dict[str, bytes]:
    """Return PNGs by name; those without data are left out."""
    drawn = {
        "front": _front(summary),
        "effects": _effects(summary),
        "interaction": _interaction(summary),
        "rows": _rows(summary),
    }
    return {name: picture for name, picture in drawn.items() if picture is not None}


def _png(draw: Callable[[Axes], None], size: tuple[float, float] = (7.0, 4.4)) -> bytes:
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    draw(axes)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
    return buffer.getvalue()


def _front(summary: Summary) -> bytes | None:
    """Validation metric against bytes, front members large, the knee ringed, what is best here joined."""
    metric = summary.metric
    shown = [row for row in summary.standing.rows if row.bytes and metric.value(row.figures) is not None]
    if not shown:
        return None

    def draw(axes: Axes) -> None:
        for name, colour in COLOURS.items():
            for own, style in _apart([row for row in shown if kind(row) == name], name):
                axes.scatter(*_at(own, summary), color=colour, marker=MARKERS[name], **style)
        axes.step(*_at(_best(shown, metric), summary), where="post", color="0.4", linewidth=1, zorder=0)
        if (knee := summary.pick("knee")) is not None:
            axes.scatter(*_at([knee], summary), s=190, facecolors="none", edgecolors="0.1", label="knee")
        axes.set(xscale="log", xlabel="ONNX file, bytes", ylabel=f"validation {metric.title}")
        axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))

    return _png(draw)


def _apart(rows: Sequence[Row], name: str) -> list[tuple[list[Row], dict[str, Any]]]:
    """Front members and others, and how each are drawn; one of the two is in the legend."""
    front, others = [row for row in rows if row.on_front], [row for row in rows if not row.on_front]
    drawn = [(others, {"s": 18, "alpha": 0.5}), (front, {"s": 44, "linewidths": 1.5})]
    full = [(own, style) for own, style in drawn if own]
    return [(own, {**style, "label": name} if i == 0 else style) for i, (own, style) in enumerate(full)]


def _best(rows: Sequence[Row], metric: Objective) -> list[Row]:
    """What is best as more bytes are allowed."""
    taken: list[Row] = []
    ranked = (row for row in rows if row.rank is not None)
    for row in sorted(ranked, key=lambda row: (row.bytes or 0, _cost(row, metric))):
        if not taken or _cost(row, metric) < _cost(taken[-1], metric):
            taken.append(row)
    return taken


def _cost(row: Row, metric: Objective) -> float:
    return metric.cost(metric.value(row.figures) or 0.0)


def _at(rows: Sequence[Row], summary: Summary) -> tuple[list[float], list[float]]:
    values = [summary.metric.value(row.figures) or 0.0 for row in rows]
    return [row.bytes or 0.0 for row in rows], values


def _effects(summary: Summary) -> bytes | None:
    """Effect of each value of each factor on the headline."""
    found = summary.effects.get(summary.metric)
    if not found:
        return None
    levels = [level for factor in found for level in factor.levels]
    names = [_called(factor, place) for factor in found for place in range(len(factor.levels))]

    def draw(axes: Axes) -> None:
        axes.axvline(0, color="0.6", linewidth=1)
        places = list(range(len(levels)))
        for place, level in zip(places, levels, strict=True):
            if level.low is not None and level.high is not None:
                axes.plot([level.low, level.high], [place, place], color="#12805c", linewidth=1.6)
        axes.plot([level.effect for level in levels], places, "o", color="#12805c")
        axes.set_yticks(places, names, fontsize=8)
        axes.invert_yaxis()
        axes.set_xlabel(f"effect on validation {summary.metric.title}")

    return _png(draw, (7.0, 1.2 + 0.27 * len(levels)))


def _called(factor: Factor, place: int) -> str:
    """Name a level; the first of a factor with the factor's name."""
    level = factor.levels[place].label
    return f"{short(factor.name)}: {level}" if place == 0 else level


def _interaction(summary: Summary) -> bytes | None:
    """Without and with pruning, as it is and reduced; dashed where the halves would add up to."""
    if not summary.interactions:
        return None
    found = summary.interactions[0]
    nothing, reduction, pruning, both = (summary.metric.value(row.figures) or 0.0 for row in found.rows)

    def draw(axes: Axes) -> None:
        ends = ["not pruned", "pruned"]
        axes.plot(ends, [nothing, pruning], "o-", color="#7a8793", label="data as they are")
        axes.plot(ends, [reduction, both], "o-", color="#12805c", label="data reduced")
        expected = reduction + pruning - nothing
        axes.plot(ends, [reduction, expected], "--", color="#12805c", alpha=0.6, label="sum of the halves")
        axes.set_ylabel(f"validation {summary.metric.title}")
        axes.set_title(f"together: {found.effect.answer}", fontsize=10)
        axes.legend(fontsize=8, frameon=False)
        axes.margins(x=0.15)

    return _png(draw, (5.0, 4.0))


def _rows(summary: Summary) -> bytes | None:
    """Metric against training time where rows alone differ."""
    if not summary.trades:
        return None

    def draw(axes: Axes) -> None:
        for trade in summary.trades[:LINES]:
            seconds, values = [s.seconds for s in trade.own], [s.metric for s in trade.own]
            axes.plot(seconds, values, "o-", markersize=4, label=trade.name)
            for step in trade.rivals:
                axes.plot(step.seconds, step.metric, "x", color=COLOURS["rival"])
            for step in (*trade.own, *trade.rivals):
                place = (step.seconds, step.metric)
                told = "all" if step.share == 1 else f"{100 * step.share:.0f} % {step.method}"
                axes.annotate(f" {told}", place, fontsize=7)
        axes.set(xlabel="seconds of training", ylabel=f"validation {summary.metric.title}")
        axes.legend(fontsize=8, frameon=False)

    return _png(draw)
