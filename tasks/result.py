"""The result of a run as a table that fits 80 columns: reference, reduced, reduced + pruned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tasks.artifacts import Layout, read_json
from tasks.evaluation.reports import MODELS, making_seconds, mostly_zero, uncounted_layers
from tasks.metrics.table import METRICS, Metric

__all__ = ["clean_report", "result_rows", "result_text"]

UNDEFINED = "undefined"
KEYS = {"multiply_adds": "multiply-adds", "gzip_bytes": "bytes, gzipped", "xz_bytes": "bytes, xz"}


def _figure(metric: Metric, value: float | None) -> str:
    if value is None:
        return UNDEFINED
    return f"{100 * value:.1f}" if metric.share else f"{value:.4g}"


def _headline(evaluate: Mapping[str, Any]) -> list[list[str]]:
    """Return the headline metric of each model, and below it its interval."""
    metric, judged = METRICS[evaluate["metric"]], [evaluate["models"][model] for model in MODELS]
    unit = " %" if metric.share else ""
    values = [model["metrics"][metric.name] for model in judged]
    ends = [[_figure(metric, end) for end in model["interval"]] for model in judged]
    return [
        [f"test {metric.title}", *(_figure(metric, value) + unit * (value is not None) for value in values)],
        [
            f"{100 * evaluate['confidence']:g} % interval",
            *(UNDEFINED if low == UNDEFINED else f"{low} to {high}{unit}" for low, high in ends),
        ],
    ]


def _counted(values: Mapping[str, float | None], shown: Callable[[float], str]) -> list[str]:
    """Show each model's value and, beside it, how many times smaller than the reference's it is."""
    dense = values["reference"]
    cells = []
    for model, value in values.items():
        factor = f" ({dense / value:.1f}x)" if model != "reference" and value and dense else ""
        cells.append("-" if value is None else shown(value) + factor)
    return cells


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def result_rows(root: Path) -> list[list[str]]:
    """Return the table's rows, its heading first; factors in brackets are against the reference.

    Parameters
    ----------
    root : Path
        Workspace whose evaluate.json and measure.json are read.
    """
    layout = Layout(root)
    evaluate, measure = read_json(layout.report("evaluate")), read_json(layout.report("measure"))
    sizes = {model: evaluate["models"][model]["size"] for model in MODELS}
    latency = {model: float(measure["latency"][model]["p50_us"]) for model in MODELS}
    rows = [["", *MODELS.values()], *_headline(evaluate)]
    rows.append(["verdict", "", *(_verdict(evaluate, model) for model in list(MODELS)[1:])])
    stored = ("gzip_bytes", "xz_bytes") if mostly_zero(sizes["compressed"]) else ()
    for key in ("inputs", "parameters", "multiply_adds", "bytes", *stored):
        counts = {model: sizes[model][key] for model in MODELS}
        rows.append([KEYS.get(key, key), *_counted(counts, _whole)])
    rows.append(["latency p50", *_counted(latency, lambda value: f"{value:.1f} us")])
    seconds = {model: making_seconds(measure, model) for model in MODELS}
    rows.append(["training time", *_counted(seconds, lambda value: f"{value:.1f} s")])
    return rows


def _verdict(evaluate: Mapping[str, Any], model: str) -> str:
    return str(evaluate["comparisons"][model]["verdict"])


def result_text(root: Path) -> str:
    """Return the table as plain text, right-aligned, with the share of test rows said when it is not all."""
    rows = result_rows(root)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
    evaluate = read_json(Layout(root).report("evaluate"))
    lines += [f"Multiply-adds are without {layer}" for layer in uncounted_layers(evaluate)]
    factor = evaluate.get("factor", 1.0)
    if factor < 1:
        lines.append(f"A quick look: on {100 * factor:g} % of the test rows (evaluate.factor).")
    return "\n".join(line.rstrip() for line in lines)


def clean_report(root: Path) -> str:
    """Return what cleaning decided as a Markdown table."""
    report = read_json(Layout(root).report("clean"))
    lines = ["| what | column | count | why |", "|---|---|---|---|"]
    for decision in report["decisions"]:
        cells = (str(decision.get(key) or "") for key in ("what", "column", "count", "why"))
        lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return "\n".join(lines)
