"""Charts of how good the models are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tasks.evaluation.curves import GRID
from tasks.evaluation.report.facts import COLOURS, Facts
from tasks.evaluation.report.figures import Figure, axis, errors, line, rectangle
from tasks.evaluation.report.words import PERCENT, unit

__all__ = ["confusion", "difference", "learning", "per_class", "reliability", "roc"]

MANY = 16  # classes beyond which counts no longer fit into their cells


def difference(facts: Facts) -> Figure:
    """Draw each rival's interval against the margin."""
    metric, found = facts.evaluate["metric"], facts.evaluate["comparisons"]
    scale = 100 if metric in PERCENT else 1
    margin = -scale * facts.evaluate["margin"]
    traces = [_interval(facts, name, scale) for name in reversed(list(found))]
    ends = [scale * (c[end] or 0) for c in found.values() for end in ("low", "high")] + [margin, -margin]
    reach = 1.25 * max(abs(end) for end in ends) or 1.0
    return Figure(
        "chart-difference",
        "Difference to the reference",
        f"Dot: difference in {facts.title} on the same test rows. Line: its interval. "
        "The shaded side is a loss larger than the margin.",
        traces,
        {
            "showlegend": False,
            "xaxis": axis(f"difference{' in' + unit(metric) if unit(metric) else ''}", range=[-reach, reach]),
            "yaxis": {"automargin": True, "showgrid": False},
            "shapes": [
                rectangle(-reach, margin, "$bad"),
                _upright(0, "$ink", "solid"),
                _upright(margin, "$bad", "dot"),
            ],
        },
        height=210,
        wide=True,
    )


def _upright(x: float, colour: str, dash: str) -> dict[str, Any]:
    place = {"type": "line", "xref": "x", "yref": "paper", "x0": x, "x1": x, "y0": 0, "y1": 1}
    return {**place, "line": {"color": colour, "width": 1.2, "dash": dash}}


def _interval(facts: Facts, name: str, scale: float) -> dict[str, Any]:
    found = facts.evaluate["comparisons"][name]
    low, middle, high = (scale * (found[key] or 0.0) for key in ("low", "difference", "high"))
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [middle],
        "y": [facts.models[name]],
        "error_x": {**errors([middle], [low], [high]), "color": COLOURS[name]},
        "marker": {"size": 11, "color": COLOURS[name]},
        "hovertemplate": f"{middle:+.3g} ({low:+.3g} to {high:+.3g})<extra></extra>",
    }


def learning(facts: Facts) -> Figure:
    """Draw the validation metric, and the losses, by epoch."""
    histories = {"reference": facts.reference, "reduced": facts.train, "compressed": facts.prune}
    kept = {name: report.get("history") or [] for name, report in histories.items()}
    metric = facts.reference.get("metric", "validation metric")
    traces = [_epochs(facts, name, kept[name], "valid_metric") for name in kept]
    traces += [_epochs(facts, name, kept[name], "valid_loss", visible=False) for name in kept]
    traces += [
        _epochs(facts, name, kept[name], "train_loss", visible=False, line={"dash": "dot", "width": 1.4})
        for name in kept
    ]
    return Figure(
        "chart-learning",
        "Learning",
        f"Validation {metric} after each epoch; pruning's curve is the recovery after units were removed. "
        "Losses: solid on validation rows, dotted on training rows.",
        traces,
        {"xaxis": axis("epoch"), "yaxis": axis()},
        choices={metric: [True] * 3 + [False] * 6, "loss": [False] * 3 + [True] * 6},
    )


def _epochs(
    facts: Facts, name: str, history: list[Mapping[str, Any]], key: str, **more: Any
) -> dict[str, Any]:
    y = [record.get(key) for record in history]
    shown = {"train_loss": "training loss", "valid_loss": "validation loss"}.get(key, "validation")
    trace = line(list(range(1, len(y) + 1)), y, facts.models[name], COLOURS[name], **more)
    return {
        **trace,
        "showlegend": key != "train_loss",
        "hovertemplate": f"%{{y:.4g}} {shown}<extra>%{{fullData.name}}</extra>",
    }


def confusion(facts: Facts) -> Figure:
    """Draw true against predicted classes, coloured by the share of the true class."""
    labels = [row["label"] for row in next(iter(facts.evaluate["models"].values()))["per_class"]]
    names, last = list(facts.models), len(facts.models) - 1
    traces = [_heat(facts, name, labels, shown=i == last) for i, name in enumerate(names)]
    choices = {facts.models[name]: [name == other for other in names] for name in reversed(names)}
    regression = facts.evaluate["task"] == "regression"
    note = (
        "Fifths of the training targets: the true one against the predicted one."
        if regression
        else "Counts of test rows: true class down, predicted class across. Colour: share of the true class."
    )
    layout = {
        "xaxis": axis("predicted", type="category", showgrid=False, constrain="domain"),
        "yaxis": axis("true", type="category", autorange="reversed", showgrid=False),
        "showlegend": False,
    }
    return Figure("chart-confusion", "Who is taken for whom", note, traces, layout, 400, choices=choices)


def _heat(facts: Facts, name: str, labels: list[str], shown: bool) -> dict[str, Any]:
    cells = facts.evaluate["curves"][name]["confusion"]
    shares = [[math.sqrt(cell / max(sum(row), 1)) for cell in row] for row in cells]
    text = {"texttemplate": "%{text}", "textfont": {"size": 11}} if len(labels) <= MANY else {}
    return {
        "type": "heatmap",
        "x": labels,
        "y": labels,
        "z": shares,
        "text": [[str(cell or "") for cell in row] for row in cells],
        "customdata": cells,
        "colorscale": [[0, "$surface"], [1, COLOURS[name]]],
        "zmin": 0,
        "zmax": 1,
        "xgap": 1,
        "ygap": 1,
        "showscale": False,
        "visible": shown,
        "hovertemplate": "true %{y}, predicted %{x}: %{customdata} rows<extra></extra>",
        **text,
    }


def reliability(facts: Facts) -> Figure:
    """Draw what the models state against what came true."""
    curves = facts.evaluate["curves"]
    regression = facts.evaluate["task"] == "regression"
    traces = []
    for name in facts.models:
        points = curves[name]["reliability"]
        trace = line(
            [p["confidence"] for p in points],
            [p["accuracy"] for p in points],
            facts.models[name],
            COLOURS[name],
        )
        sizes = [3 + 14 * math.sqrt(p["rows"] / facts.evaluate["rows"]["test"]) for p in points]
        rows = {"customdata": [p["rows"] for p in points], "marker": {"size": sizes, "color": COLOURS[name]}}
        hover = "stated %{x:.3g}, came true %{y:.3g}, %{customdata} rows<extra>%{fullData.name}</extra>"
        thin = {"mode": "lines+markers", "line": {"color": COLOURS[name], "width": 1}, "opacity": 0.85}
        traces.append({**trace, **rows, **thin, "hovertemplate": hover})
    ends = [end for trace in traces for end in (min(trace["x"]), max(trace["x"]))] if regression else [0, 1]
    diagonal = line(
        [min(ends), max(ends)], [min(ends), max(ends)], "ideal", "$muted", line={"dash": "dot", "width": 1.4}
    )
    note = (
        "Mean target where a fifth is predicted; on the dotted line predictions are right on average."
        if regression
        else "Stated confidence against the share that was right; on the dotted line confidence is earned. "
        "Larger dots hold more rows."
    )
    layout = {
        "xaxis": axis("mean prediction" if regression else "stated confidence"),
        "yaxis": axis("mean target" if regression else "share right"),
    }
    return Figure("chart-reliability", "Reliability", note, [diagonal, *traces], layout)


def roc(facts: Facts) -> Figure:
    """Draw ROC curves, or the share of rows within a tolerance for regression."""
    regression = facts.evaluate["task"] == "regression"
    x = (2 * GRID if regression else GRID).round(4).tolist()
    traces = [line(x, facts.evaluate["curves"][n]["roc"], facts.models[n], COLOURS[n]) for n in facts.models]
    if regression:
        note = "Share of test rows whose error is within a tolerance, in standard deviations of the target."
        layout = {"xaxis": axis("tolerance"), "yaxis": axis("share of rows", range=[0, 1.02])}
        return Figure("chart-roc", "Errors within a tolerance", note, traces, layout)
    chance = line([0, 1], [0, 1], "chance", "$muted", line={"dash": "dot", "width": 1.4})
    many = len(facts.evaluate.get("labels") or ()) > 2
    note = "True against false positive rate" + (
        ", one class against the rest, averaged over classes." if many else "."
    )
    layout = {"xaxis": axis("false positive rate"), "yaxis": axis("true positive rate", range=[0, 1.02])}
    return Figure("chart-roc", "ROC", note, [chance, *traces], layout)


def per_class(facts: Facts) -> Figure:
    """Draw each class's F1, or each fifth's RMSE."""
    regression = facts.evaluate["task"] == "regression"
    key, title = ("rmse", "RMSE by fifth of the target") if regression else ("f1", "F1 by class")
    traces: list[dict[str, Any]] = []
    for name in facts.models:
        rows = facts.evaluate["models"][name]["per_class"]
        bars = {"x": [row["label"] for row in rows], "y": [row[key] for row in rows]}
        hover = "%{x}: %{y:.3g} (%{customdata} rows)<extra>%{fullData.name}</extra>"
        rest = {"customdata": [row["support"] for row in rows], "hovertemplate": hover}
        traces.append(
            {"type": "bar", "name": facts.models[name], "marker": {"color": COLOURS[name]}, **bars, **rest}
        )
    values = [v for trace in traces for v in trace["y"] if v is not None]
    low = 0.0 if regression or not values else max(0.0, math.floor(10 * min(values) - 0.5) / 10)
    layout = {
        "xaxis": {"type": "category"},
        "yaxis": axis(range=[low, max(values, default=1) * 1.02]),
        "barmode": "group",
    }
    note = f"On test rows{'; the axis starts at ' + format(low, 'g') if low else ''}."
    return Figure("chart-per-class", title, note, traces, layout, 400)
