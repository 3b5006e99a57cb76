"""The page's fixed charts: main effects, the interaction, rows against time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tasks.evaluation.report import words
from tasks.evaluation.report.figures import Figure, axis, errors, line
from tasks.study.effects import Factor, Level
from tasks.study.factors import short
from tasks.study.interaction import Interaction
from tasks.study.objectives import Objective
from tasks.study.verdicts import interval_text

if TYPE_CHECKING:
    from tasks.study.summary import Summary

__all__ = ["effects", "interaction", "rows_and_time"]

LINES = 6  # groups of candidates that differ in rows alone; more would be one on top of the other
SETTINGS = 24  # interactions drawn
MANY_TICKS = (3, 20, 300)  # spans from which on ticks are apart by 2, by 4, by 10
NAME = 32  # letters of a candidate beside a chart
LEVEL = 22  # pixels of a level


def effects(summary: Summary) -> list[Figure]:
    """Draw the main effects: in points on the headline, as factors on costs."""
    return [_effects(response, found) for response, found in summary.effects.items() if found]


def _effects(response: Objective, found: Sequence[Factor]) -> Figure:
    levels = [(factor, level) for factor in found for level in factor.levels]
    scale = 100 if response.name in words.PERCENT else 1
    share = response.name in words.PERCENT

    def value(number: float) -> float:
        return scale * number if response.metric else float(10**number)

    places = list(range(len(levels)))
    names = [
        f"{short(factor.name)}: {level.label}" if level is factor.levels[0] else level.label
        for factor, level in levels
    ]
    values = [value(level.effect) for _, level in levels]
    ends = [tuple(value(end) for end in _ends(level)) for _, level in levels]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": values,
        "y": places,
        "marker": {"size": 8, "color": "$compressed"},
        "error_x": {**errors(values, *zip(*ends, strict=True)), "color": "$compressed", "width": 0},
        "text": [f"{factor.name}: {level.label}, {level.candidates} candidates" for factor, level in levels],
        "hovertemplate": "%{x:.3g}<br>%{text}<extra></extra>",
    }
    unit = "points" if share else response.title
    across = axis(unit) if response.metric else axis("times", type="log", **_doubling(values))
    return Figure(
        f"chart-effects-{response.name}",
        f"Effects on {'validation ' if response.metric else ''}{response.title}",
        "What each value adds, whatever the others are; 95 % intervals over the seeds."
        if response.metric
        else "By how much each value multiplies it, whatever the others are.",
        [trace],
        {
            "xaxis": across,
            "yaxis": _named(places, names, 11),
            "shapes": [_zero(0 if response.metric else 1)],
        },
        height=90 + LEVEL * len(levels),
    )


def _named(places: Sequence[int], names: Sequence[str], size: int) -> dict[str, Any]:
    """Write names beside places, from the top down."""
    ends = [len(places) - 0.4, -0.6]
    return {"range": ends, "tickvals": places, "ticktext": names, "tickfont": {"size": size}}


def _clipped(name: str) -> str:
    name = name.replace("structured:", "")  # the commonest method, and long
    return name if len(name) <= NAME else f"{name[: NAME - 1]}\N{HORIZONTAL ELLIPSIS}"


def _doubling(values: Sequence[float]) -> dict[str, Any]:
    """Ticks at factors of two, or of four or ten where those would be many."""
    span = max(values) / min(values)
    if span < MANY_TICKS[0]:
        return {"nticks": 5}
    return {
        "dtick": math.log10(2 if span < MANY_TICKS[1] else 4 if span < MANY_TICKS[2] else 10),
        "tickformat": "~g",
    }


def _ends(level: Level) -> tuple[float, float]:
    return _or(level.low, level.effect), _or(level.high, level.effect)


def _zero(place: float) -> dict[str, Any]:
    style = {"color": "$faint", "width": 1}
    return {
        "type": "line",
        "xref": "x",
        "yref": "paper",
        "x0": place,
        "x1": place,
        "y0": 0,
        "y1": 1,
        "line": style,
    }


def interaction(summary: Summary) -> list[Figure]:
    """Draw the workspace's own two by two, and the interaction of every setting whose halves are there."""
    found = list(summary.interactions)
    if not found:
        return []
    return [_square(found[0], summary.metric), *([_all(found, summary.metric)] if found[1:] else [])]


def _scaled(metric: Objective, number: float | None) -> float:
    return (100 if metric.name in words.PERCENT else 1) * (number or 0.0)


def _or(end: float | None, value: float) -> float:
    return value if end is None else end


def _square(found: Interaction, metric: Objective) -> Figure:
    values = [_scaled(metric, metric.value(row.figures)) for row in found.rows]
    spreads = [_scaled(metric, row.spread) for row in found.rows]
    nothing, reduction, pruning, both = values
    ends = ["not pruned", "pruned"]
    whole, less = (
        {"mode": "lines+markers", "error_y": {"type": "data", "array": spreads[first::2], "thickness": 1.4}}
        for first in (0, 1)
    )
    name = metric.title + (", %" if metric.name in words.PERCENT else "")
    return Figure(
        "chart-interaction",
        f"Together {found.effect.answer}"
        if found.effect.answer != "cannot tell"
        else "Together: cannot tell",
        f"{words.difference(metric.name, found.effect.value)}{words.unit(metric.name)} beyond the sum of the "
        f"halves; {interval_text(metric.name, found.effect)}. Bars: standard deviation over the seeds.",
        [
            line(ends, [nothing, pruning], "data as they are", "$reference", **whole),
            line(ends, [reduction, both], "data reduced", "$compressed", **less),
            line(
                ends,
                [reduction, reduction + pruning - nothing],
                "sum of the halves",
                "$compressed",
                line={"dash": "dot", "width": 1.6},
            ),
        ],
        {"yaxis": axis(f"validation {name}"), "xaxis": {"type": "category", "range": [-0.25, 1.25]}},
        height=340,
    )


def _all(found: Sequence[Interaction], metric: Objective) -> Figure:
    more = len(found) - SETTINGS
    rest = f" The first {SETTINGS} of {len(found)}; study.json has all." if more > 0 else ""
    found = found[:SETTINGS]
    names, places = [each.both.name for each in found], list(range(len(found)))
    values = [_scaled(metric, each.effect.value) for each in found]
    lows = [_scaled(metric, _or(each.effect.low, each.effect.value)) for each in found]
    highs = [_scaled(metric, _or(each.effect.high, each.effect.value)) for each in found]
    colours = {"helps": "$good", "does not help": "$bad", "cannot tell": "$open"}
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": values,
        "y": places,
        "text": [f"{name}: {each.effect.answer}" for name, each in zip(names, found, strict=True)],
        "marker": {"size": 8, "color": [colours[each.effect.answer] for each in found]},
        "error_x": {**errors(values, lows, highs), "color": "$muted"},
        "hovertemplate": "%{text}<br>%{x:.3g}<extra></extra>",
    }
    return Figure(
        "chart-interactions",
        "Beyond the sum of the halves, setting by setting",
        "Every candidate that reduces and prunes and whose halves are in the study; right of the line both "
        "gain more than the sum." + rest,
        [trace],
        {
            "xaxis": axis("points" if metric.name in words.PERCENT else metric.title),
            "yaxis": _named(places, [_clipped(name) for name in names], 10),
            "shapes": [_zero(0)],
        },
        height=max(340, 90 + 18 * len(found)),
    )


def rows_and_time(summary: Summary) -> list[Figure]:
    """Draw the metric against the seconds of training where the rows alone differ."""
    if not summary.trades:
        return []
    metric = summary.metric
    traces = [
        line(
            [step.seconds for step in steps],
            [_scaled(metric, step.metric) for step in steps],
            trade.name if steps is trade.own else "random rows, as rival",
            f"$p{'abcdefgh'[place]}",
            mode="lines+markers+text" if steps is trade.own else "markers",
            text=[f"{100 * step.share:.0f} %" for step in steps],
            customdata=[step.method for step in steps],
            textposition="top center",
            cliponaxis=False,
            marker={"size": 9, "symbol": "circle" if steps is trade.own else "x-thin-open"},
            hovertemplate="%{y:.4g} after %{x:.2f} s on %{text} of the rows, %{customdata}"
            "<extra>%{fullData.name}</extra>",
        )
        for place, trade in enumerate(summary.trades[:LINES])
        for steps in (trade.own, trade.rivals)
        if steps
    ]
    more = len(summary.trades) - LINES
    rest = f" {more} more such groups are not drawn." if more > 0 else ""
    name = metric.title + (", %" if metric.name in words.PERCENT else "")
    return [
        Figure(
            "chart-rows",
            "Fewer rows: metric against training time",
            "Lines join candidates that differ in their training rows alone; labels say how many of them."
            + rest,
            traces,
            {"xaxis": axis("seconds of training"), "yaxis": axis(f"validation {name}")},
            height=360,
        )
    ]
