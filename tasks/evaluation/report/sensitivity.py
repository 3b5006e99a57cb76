"""What pruning each layer alone costs, before any recovery; and the columns that nobody reads any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.evaluation.report import words
from tasks.evaluation.report.facts import Facts
from tasks.evaluation.report.figures import Figure, Trace, axis, line

__all__ = ["columns_removed", "sensitivity"]

FEW = 12  # names that fit into a sentence
TITLES = {"inputs": "How much the columns are missed", "blocks": "How much each residual block is missed"}
REMOVED = {
    "inputs": "when a share of the raw columns is taken away",
    "blocks": "without one residual block alone, against the whole network's (line)",
    "low_rank": "when a share of the rank of one layer alone is removed",
}

Rows = Sequence[Mapping[str, Any]]


def sensitivity(facts: Facts) -> Figure | None:
    """Draw the validation metric without a part of one layer at a time; None without curves."""
    rows = facts.prune.get("sensitivity") or []
    if not rows:
        return None
    method, metric = _measured(facts.prune), facts.prune.get("metric", "metric")
    blocks = method == "blocks"
    removed = REMOVED.get(method, "when a share of one layer alone is removed")
    note = f"Validation {metric} {removed}, without recovery.{_of_a_recipe(facts.prune, method)}"
    x = axis("residual block left out") if blocks else axis("share removed", tickformat=".0%")
    return Figure(
        "chart-sensitivity",
        TITLES.get(method, "How sensitive each layer is"),
        note,
        _marks(rows) if blocks else _curves(rows),
        {"xaxis": x, "yaxis": axis(f"validation {metric}")} | ({"showlegend": False} if blocks else {}),
    )


def _measured(prune: Mapping[str, Any]) -> str:
    """Name the method whose layers were measured: a recipe's first."""
    steps = prune.get("steps") or [prune]
    return str(steps[0].get("method", ""))


def _of_a_recipe(prune: Mapping[str, Any], method: str) -> str:
    if not prune.get("steps"):
        return ""
    return f" Measured for the recipe's first step ({method}): later ones meet another network."


def _curves(rows: Rows) -> list[Trace]:
    """One line per layer over the share removed."""
    by_layer = {row["layer"]: [own for own in rows if own["layer"] == row["layer"]] for row in rows}
    return [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": layer,
            "x": [row["share"] for row in own],
            "y": [row["metric"] for row in own],
            "hovertemplate": "%{y:.4g} without %{x:.0%}<extra>%{fullData.name}</extra>",
        }
        for layer, own in by_layer.items()
    ]


def _marks(rows: Rows) -> list[Trace]:
    """One mark per layer that was left out whole, and a line through what the whole network reaches."""
    names = list(dict.fromkeys(row["layer"] for row in rows))
    whole = next(row["metric"] for row in rows if row["share"] == 0)
    marks = {
        "type": "scatter",
        "mode": "markers",
        "x": names,
        "y": [row["metric"] for row in rows if row["share"] > 0],
        "marker": {"size": 10, "color": "$compressed"},
        "hovertemplate": "%{y:.4g} without %{x}<extra></extra>",
    }
    return [line(names, [whole] * len(names), "whole network", "$reference", line={"dash": "dot"}), marks]


def columns_removed(facts: Facts) -> str:
    """Name the columns that pruning left without a reader; nothing when there are none."""
    names = list(facts.prune.get("columns_removed") or [])
    if not names:
        return ""
    shown = ", ".join(names[:FEW]) + (f" and {words.amount(len(names) - FEW)} more" if names[FEW:] else "")
    return f"No longer read after pruning: {shown}."
