"""Charts of what the models cost, and of what was taken away."""

from __future__ import annotations

import math
from typing import Any

from tasks.evaluation.report.facts import COLOURS, Facts
from tasks.evaluation.report.figures import Figure, axis, errors, line
from tasks.evaluation.report.words import PERCENT, bytes_text

__all__ = ["kept_cells", "latency", "layers", "size_and_metric", "stages", "throughput", "worth"]


def size_and_metric(facts: Facts) -> Figure:
    """Draw file size against the headline with its interval."""
    metric = facts.evaluate["metric"]
    scale = 100 if metric in PERCENT else 1
    traces = []
    for name, called in facts.models.items():
        model = facts.evaluate["models"][name]
        value, (low, high) = model["metrics"][metric], model["interval"]
        y = [scale * end for end in (value or 0, low or 0, high or 0)]
        size = model["size"]["bytes"]
        bars = {**errors(y[:1], y[1:2], y[2:]), "color": COLOURS[name]}
        hover = f"{bytes_text(size)}, {y[0]:.4g} ({y[1]:.4g} to {y[2]:.4g})<extra>{called}</extra>"
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": called,
                "x": [size],
                "y": y[:1],
                "error_y": bars,
                "marker": {"size": 13, "color": COLOURS[name]},
                "hovertemplate": hover,
            }
        )
    unit = " (%)" if scale == 100 else ""
    better = "Up" if facts.evaluate["higher_is_better"] else "Down"
    return Figure(
        "chart-size",
        "Size and quality",
        f"ONNX file (log scale) against test {facts.title}, with intervals. "
        f"{better} and to the left is better.",
        traces,
        {
            "xaxis": axis("ONNX file", type="log", **_byte_ticks(facts)),
            "yaxis": axis(f"test {facts.title}{unit}"),
        },
    )


def _byte_ticks(facts: Facts) -> dict[str, Any]:
    """Label decades, and thirds of them, in B, kB and MB."""
    sizes = [facts.size(name)["bytes"] for name in facts.models]
    decades = range(math.floor(math.log10(min(sizes))), math.ceil(math.log10(max(sizes))) + 1)
    values = [step * 10**power for power in decades for step in (1, 3)]
    ends = [math.log10(min(sizes)) - 0.25, math.log10(max(sizes)) + 0.25]
    return {"tickvals": values, "ticktext": [bytes_text(v) for v in values], "range": ends}


def latency(facts: Facts) -> Figure:
    """Draw the latency of one row, median and 95th percentile, beside eager PyTorch."""
    names = list(reversed(facts.models))
    found = [facts.latency(name) for name in names]
    y = [facts.models[name] for name in names]
    middle, high = [f["p50_us"] for f in found], [f["p95_us"] for f in found]
    onnx = {
        "type": "bar",
        "orientation": "h",
        "name": "ONNX Runtime",
        "y": y,
        "x": middle,
        "error_x": {**errors(middle, middle, high), "color": "$ink"},
        "marker": {"color": [COLOURS[name] for name in names]},
        "hovertemplate": "%{x:.1f} µs<extra>ONNX Runtime</extra>",
    }
    eager = {
        "type": "bar",
        "orientation": "h",
        "name": "eager PyTorch",
        "y": y,
        "x": [f["eager_p50_us"] for f in found],
        "marker": {"color": "$faint"},
        "hovertemplate": "%{x:.1f} µs<extra>eager PyTorch</extra>",
    }
    return Figure(
        "chart-latency",
        "Latency of one row",
        "Coloured: ONNX Runtime, median, whisker to the 95th percentile. Grey: eager PyTorch.",
        [eager, onnx],
        {
            "xaxis": axis("microseconds", rangemode="tozero"),
            "yaxis": {"automargin": True},
            "showlegend": False,
        },
    )


def throughput(facts: Facts) -> Figure:
    """Draw rows per second on the large batch."""
    names = list(reversed(facts.models))
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": [facts.models[name] for name in names],
        "x": [facts.latency(name)["rows_per_s"] for name in names],
        "marker": {"color": [COLOURS[name] for name in names]},
        "hovertemplate": "%{x:,.0f} rows/s<extra></extra>",
    }
    layout = {"xaxis": axis("rows per second"), "yaxis": {"automargin": True}, "showlegend": False}
    note = f"ONNX Runtime on batches of {facts.measure['batch']:,} rows."
    return Figure("chart-throughput", "Throughput", note, [bars], layout)


def layers(facts: Facts) -> Figure | None:
    """Draw the width of every layer before and after, the input first."""
    rows = list(facts.prune.get("layers") or [])
    columns = facts.reduce["columns"]
    rows = [{"name": "input", "before": columns["before"], "after": columns["after"]}, *rows]
    y = [row["name"] for row in reversed(rows)]
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": when,
            "y": y,
            "x": [row[when] for row in reversed(rows)],
            "marker": {"color": colour},
            "hovertemplate": f"%{{x:,}} {when}<extra>%{{y}}</extra>",
        }
        for when, colour in (("after", COLOURS["compressed"]), ("before", COLOURS["reference"]))
    ]
    of_weights = facts.prune.get("method") in ("unstructured", "low_rank")
    counted = "Weights that are not 0" if of_weights else "Units"
    return Figure(
        "chart-layers",
        "What is left of each layer",
        f"{counted} before and after; the input counts the network's input cells.",
        traces,
        {"xaxis": axis(counted.lower()), "yaxis": {"automargin": True}, "barmode": "group"},
        height=max(260, 90 + 46 * len(rows)),
    )


def worth(facts: Facts) -> Figure | None:
    """Draw the candidates of the reduction by falling worth; None when nothing was ranked."""
    rows = [row for row in facts.ranking if row["value"] is not None]
    if not rows:
        return None
    selection = facts.reduce["columns"].get("kept") is not None
    key = "value" if selection else "cumulative"
    parts = []
    for kept, name, colour in ((1, "kept", COLOURS["compressed"]), (0, "left out", COLOURS["reference"])):
        own = [row for row in rows if row["kept"] == kept]
        hover = "%{customdata}: %{y:.4g}<extra>" + name + "</extra>"
        part = line([r["rank"] for r in own], [r[key] for r in own], name, colour, fill="tozeroy")
        parts.append({**part, "customdata": [r["name"] for r in own], "hovertemplate": hover})
    title = "What each column is worth" if selection else "Explained variance"
    note = (
        f"Score of every column by method {facts.reduce['columns']['method']}, best first."
        if selection
        else "Share of the variance carried by the components so far."
    )
    layout = {
        "xaxis": axis("columns by rank" if selection else "components"),
        "yaxis": axis("score" if selection else ""),
    }
    return Figure("chart-worth", title, note, parts, layout)


def kept_cells(facts: Facts) -> Figure | None:
    """Draw which cells of an image are still read; None without a two-axis grid or a selection."""
    kept, shape = facts.reduce["columns"].get("kept"), facts.shape
    if kept is None or shape is None or facts.positions is None or len(shape) != 3:
        return None
    chosen, place = set(kept), dict(zip(facts.names, facts.positions, strict=True))
    cells = [0.0] * (shape[1] * shape[2])
    for name, cell in place.items():
        level = 1.0 if name in chosen else 0.25
        cells[cell % len(cells)] = max(cells[cell % len(cells)], level)
    picture = [cells[row * shape[2] : (row + 1) * shape[2]] for row in range(shape[1])]
    heat = {
        "type": "heatmap",
        "z": picture,
        "zmin": 0,
        "zmax": 1,
        "xgap": 1,
        "ygap": 1,
        "showscale": False,
        "colorscale": [[0, "$surface"], [0.25, "$faint"], [1, COLOURS["compressed"]]],
        "hovertemplate": "row %{y}, column %{x}<extra></extra>",
    }
    bare = {"showgrid": False, "zeroline": False, "showticklabels": False, "ticks": "", "showline": False}
    bare["constrain"] = "domain"
    return Figure(
        "chart-cells",
        "What the model still looks at",
        f"{len(chosen)} of {shape[1] * shape[2]} cells are read (green); grey ones varied but were left out, "
        "the rest is constant.",
        [heat],
        {"xaxis": bare, "yaxis": {**bare, "autorange": "reversed", "scaleanchor": "x"}},
    )


def stages(facts: Facts) -> Figure:
    """Draw how long each stage took."""
    seconds = facts.measure["seconds"]
    names = list(reversed(seconds))
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": names,
        "x": [seconds[name] for name in names],
        "marker": {"color": "$muted"},
        "texttemplate": "%{x:.1f} s",
        "textposition": "auto",
        "hovertemplate": "%{x:.2f} s<extra>%{y}</extra>",
    }
    layout = {"xaxis": axis("seconds"), "yaxis": {"automargin": True}, "showlegend": False}
    note = "Wall-clock seconds, each stage as it last ran."
    return Figure("chart-stages", "Where the time went", note, [bars], layout)
