"""What a choice of rows or of a column method was worth on validation rows."""

from __future__ import annotations

from typing import Any

from tasks.evaluation.report import words
from tasks.evaluation.report.facts import Facts
from tasks.evaluation.report.figures import Figure, axis, line

__all__ = ["against_random", "column_method", "rows_and_time"]

COLOURS = {"chosen": "$reduced", "random": "$muted"}


def _compared(facts: Facts) -> Any:
    return facts.measure.get("rows")


def against_random(facts: Facts) -> str:
    """Say what the row method is worth; nothing where there was no comparison."""
    found = _compared(facts)
    if found is None:
        return ""
    metric = facts.reference.get("metric", "accuracy")
    parts = []
    for name, called in (("chosen", str(found["method"])), ("random", "as many random rows")):
        took = found[name]["seconds"]
        seconds = "" if took is None else f" in {took:.1f} s"
        parts.append(f"{called} {words.value(metric, found[name]['valid_metric'])}{seconds}")
    return f"The same network on {words.amount(found['rows'])} rows, validation {metric}: {', '.join(parts)}."


def column_method(facts: Facts) -> str:
    """Name the column method; where auto compared several, say by how much it leads."""
    columns = facts.reduce["columns"]
    method, lead = str(columns["method"]), columns.get("ahead")
    if lead is None:
        return method
    scored = sum(trial["score"] is not None for trial in columns["trials"])
    metric = facts.reference.get("metric", "accuracy")
    ahead = f"{words.difference(metric, lead)}{words.unit(metric)}"
    return f"{method}, best of {scored} by {ahead} on validation rows"


def rows_and_time(facts: Facts) -> Figure | None:
    """Draw the validation metric against the seconds of training, for chosen and for random rows."""
    found = _compared(facts)
    if found is None or not found["chosen"]["curve"]:
        return None
    names = {"chosen": str(found["method"]), "random": "random"}
    traces = [
        line(
            [point["seconds"] for point in found[name]["curve"]],
            [point["valid_metric"] for point in found[name]["curve"]],
            called,
            COLOURS[name],
            hovertemplate="%{y:.4g} after %{x:.2f} s<extra>%{fullData.name}</extra>",
        )
        for name, called in names.items()
    ]
    metric = facts.reference.get("metric", "metric")
    return Figure(
        "chart-rows",
        "Chosen and random rows",
        f"Validation {metric} of the same network against training time, each on "
        f"{words.amount(found['rows'])} rows. Choosing them took its time in stage reduce.",
        traces,
        {"xaxis": axis("seconds of training"), "yaxis": axis(f"validation {metric}")},
    )
