"""The result of a run as a table that fits 80 columns: reference, reduced, reduced + pruned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tasks.artifacts import Layout, read_json

__all__ = ["MODELS", "clean_report", "result_rows", "result_text"]

MODELS = {"reference": "reference", "reduced": "reduced", "compressed": "reduced + pruned"}
_TRAINED_BY = {
    "reference": ("reference",),
    "reduced": ("reduce", "train"),
    "compressed": ("reduce", "train", "prune"),
}
_PERCENT = frozenset({"accuracy", "balanced_accuracy", "macro_f1", "roc_auc"})


def _metric(evaluate: Mapping[str, Any], model: str) -> str:
    judged = evaluate["models"][model]
    name = evaluate["metric"]
    value, (low, high) = judged["metrics"][name], judged["interval"]
    if name in _PERCENT:
        return f"{100 * value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
    return f"{value:.4g} [{low:.4g}, {high:.4g}]"


def _counted(values: Mapping[str, float], shown: Callable[[float], str]) -> list[str]:
    """Show each model's value and, beside it, how many times smaller than the reference's it is."""
    dense = values["reference"]
    cells = []
    for model, value in values.items():
        factor = f" ({dense / value:.1f}x)" if model != "reference" and value else ""
        cells.append(shown(value) + factor)
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
    seconds = {
        model: float(sum(measure["seconds"].get(stage, 0.0) for stage in stages))
        for model, stages in _TRAINED_BY.items()
    }
    latency = {model: float(measure["latency"][model]["p50_us"]) for model in MODELS}
    rows = [["", *MODELS.values()]]
    rows.append([f"test {evaluate['metric']}", *(_metric(evaluate, model) for model in MODELS)])
    rows.append(["verdict", "", *(_verdict(evaluate, model) for model in list(MODELS)[1:])])
    for label, key in (
        ("inputs", "inputs"),
        ("parameters", "parameters"),
        ("multiply-adds", "multiply_adds"),
    ):
        rows.append([label, *_counted({model: sizes[model][key] for model in MODELS}, _whole)])
    rows.append(["bytes", *_counted({model: sizes[model]["bytes"] for model in MODELS}, _whole)])
    rows.append(["latency p50", *_counted(latency, lambda value: f"{value:.1f} us")])
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
    factor = read_json(Layout(root).report("evaluate")).get("factor", 1.0)
    if factor < 1:
        lines.append(f"A quick look: on {100 * factor:g} % of the test rows (evaluate.factor).")
    return "\n".join(line.rstrip() for line in lines)


def clean_report(root: Path) -> str:
    """Return what cleaning decided as a Markdown table."""
    report = read_json(Layout(root).report("clean"))
    lines = ["| what | column | count | why |", "|---|---|---|---|"]
    for decision in report["decisions"]:
        column = decision.get("column") or ""
        lines.append(f"| {decision['what']} | {column} | {decision['count']} | {decision['why']} |")
    return "\n".join(lines)
