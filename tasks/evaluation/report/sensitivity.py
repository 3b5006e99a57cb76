"""What pruning each layer alone costs, before any recovery; and the columns that nobody reads any more."""

from __future__ import annotations

from tasks.evaluation.report import words
from tasks.evaluation.report.facts import Facts
from tasks.evaluation.report.figures import Figure, axis

__all__ = ["columns_removed", "sensitivity"]

FEW = 12  # names that fit into a sentence


def sensitivity(facts: Facts) -> Figure | None:
    """Draw the validation metric against the share removed of one layer at a time; None without curves."""
    rows = facts.prune.get("sensitivity") or []
    if not rows:
        return None
    traces = []
    for layer in dict.fromkeys(row["layer"] for row in rows):
        own = [row for row in rows if row["layer"] == layer]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": layer,
                "x": [row["share"] for row in own],
                "y": [row["metric"] for row in own],
                "hovertemplate": "%{y:.4g} without %{x:.0%}<extra>%{fullData.name}</extra>",
            }
        )
    metric = facts.prune.get("metric", "metric")
    return Figure(
        "chart-sensitivity",
        "How sensitive each layer is",
        f"Validation {metric} when a share of one layer alone is removed, without recovery.",
        traces,
        {"xaxis": axis("share removed", tickformat=".0%"), "yaxis": axis(f"validation {metric}")},
    )


def columns_removed(facts: Facts) -> str:
    """Name the columns that pruning left without a reader; nothing when there are none."""
    names = list(facts.prune.get("columns_removed") or [])
    if not names:
        return ""
    shown = ", ".join(names[:FEW]) + (f" and {words.amount(len(names) - FEW)} more" if names[FEW:] else "")
    return f"No longer read after pruning: {shown}."
