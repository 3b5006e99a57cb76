"""What a budget search tried: the table of its candidates, and their sizes and metrics drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from tasks.evaluation.report import words
from tasks.evaluation.report.facts import COLOURS, Facts
from tasks.evaluation.report.figures import Figure, axis

__all__ = ["candidates", "sizes"]

Row = Mapping[str, Any]


def candidates(facts: Facts) -> str:
    """Return what was asked and the table of candidates; nothing where pruning was no budget search."""
    prune = facts.prune
    if not prune.get("candidates"):
        return ""
    recovered = sorted(_recovered(facts), key=lambda row: row["bytes"], reverse=True)
    others = [row for row in prune["candidates"] if row["after"] is None]
    made = f"<div class='card table scroll'>{_table(facts, recovered, reference=True)}</div>"
    if others:
        made += (
            f"<details><summary>{len(others)} more, made without recovery</summary>"
            f"<div class='card table scroll'>{_table(facts, others)}</div></details>"
        )
    return f"<h3 class=spaced>Budget search</h3><p class=lede>{escape(_sentence(facts))}</p>{made}"


def sizes(facts: Facts) -> Figure | None:
    """Draw each candidate's file against its validation metric, before and after recovery, with the floor."""
    prune = facts.prune
    if not prune.get("candidates"):
        return None
    share = prune["metric"] in words.PERCENT
    scale = 100 if share else 1
    parts = (
        ("before recovery", prune["candidates"], "before", COLOURS["reference"], 7),
        (
            "recovered",
            [row for row in _recovered(facts) if not row["chosen"]],
            "after",
            COLOURS["reduced"],
            10,
        ),
        ("chosen", [row for row in _recovered(facts) if row["chosen"]], "after", COLOURS["compressed"], 13),
    )
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "x": [row["bytes"] for row in rows],
            "y": [scale * row[key] for row in rows],
            "marker": {"size": size, "color": colour},
            "customdata": [_named(facts, row) for row in rows],
            "hovertemplate": f"%{{customdata}}: %{{x:,}} bytes, %{{y:.4g}}<extra>{name}</extra>",
        }
        for name, rows, key, colour, size in parts
    ]
    layout: dict[str, Any] = {
        "xaxis": axis("bytes of the file", type="log", dtick="D2"),
        "yaxis": axis(f"validation {prune['metric']}{' (%)' if share else ''}"),
    }
    floor = prune.get("floor")
    if floor is not None:
        line = {"color": "$muted", "dash": "dot", "width": 1}
        layout["shapes"] = [
            {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": scale * floor, "y1": scale * floor}
            | {"line": line}
        ]
    note = "Bytes are estimated before recovery." + (
        "" if floor is None else f" Dotted: the floor, {_exact(facts, floor)}."
    )
    return Figure("chart-candidates", "Candidates of the budget search", note, traces, layout)


def _recovered(facts: Facts) -> list[Row]:
    return [row for row in facts.prune["candidates"] if row["after"] is not None]


def _sentence(facts: Facts) -> str:
    prune = facts.prune
    kept = (
        f"{words.amount(prune['columns_kept'])} of {words.amount(prune['columns_all'])} columns and "
        f"{100 * prune['units_kept']:.3g} % of each layer's units"
    )
    verdict = f"It is met with {kept}." if prune["met"] else f"It is not met; the nearest keeps {kept}."
    short = prune.get("shortened", 0)
    how = f", {short} of them for fewer epochs than asked" if short else " in full"
    tried = f"Of {prune['tried']} candidates {prune['recovered']} recovered{how}."
    return f"Asked for: {prune['asked']}. {verdict} {tried}"


def _table(facts: Facts, rows: Sequence[Row], *, reference: bool = False) -> str:
    budget = facts.prune["budget"]
    timed = budget["max_latency_p50_us"] is not None or budget["objective"] == "fastest"
    floor = facts.prune.get("floor")
    after = "After recovery" if floor is None else f"After recovery (floor {_exact(facts, floor)})"
    heads = ["Columns", "Units", "Columns ranked by", "ONNX file", "Multiply-adds"]
    heads += ["One row"] if timed else []
    heads += ["Before recovery", after, ""] if reference else ["Before recovery"]
    made = "".join(f"<th scope=col>{escape(head)}</th>" for head in heads)
    body = _reference(facts, timed) if reference else ""
    body += "".join(_row(facts, row, timed=timed) for row in rows)
    return f"<table class=candidates><thead><tr>{made}</tr></thead><tbody>{body}</tbody></table>"


def _reference(facts: Facts, timed: bool) -> str:
    """Return the row of the reference: of all columns, so its costs stand elsewhere."""
    dashes = [words.MISSING] * (7 if timed else 6)
    cells = [*dashes, _exact(facts, facts.prune["reference"]["metric"]), "the reference"]
    return f"<tr class=dense>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def _row(facts: Facts, row: Row, *, timed: bool) -> str:
    ranked = row["columns"] < facts.prune["columns_all"]
    cells = [*_costs(row, row["criterion"] if ranked else "", timed), _exact(facts, row["before"])]
    made = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    if row["after"] is None:
        return f"<tr>{made}</tr>"
    verdict = "<em class='pill good'>chosen</em>" if row["chosen"] else escape(_miss(facts, row))
    marked = " class=chosen" if row["chosen"] else ""
    return f"<tr{marked}>{made}<td>{escape(_exact(facts, row['after']))}</td><td>{verdict}</td></tr>"


def _costs(row: Row, criterion: str, timed: bool) -> list[str]:
    cells = [
        words.amount(row["columns"]),
        f"{100 * row['units']:.3g} %",
        criterion or words.MISSING,
        words.bytes_text(row["bytes"]),
        words.amount(row["macs"]),
    ]
    return [*cells, f"{row['latency_us']:.1f} µs"] if timed else cells


def _miss(facts: Facts, row: Row) -> str:
    """Say which limits a candidate misses."""
    budget, floor = facts.prune["budget"], facts.prune.get("floor")
    limits = (
        (floor is not None and row["after"] < floor, "below the floor"),
        (_over(row["bytes"], budget["max_bytes"]), "too large"),
        (_over(row["latency_us"], budget["max_latency_p50_us"]), "too slow"),
        (_over(row["macs"], budget["max_macs"]), "too many multiply-adds"),
    )
    return ", ".join(text for missed, text in limits if missed)


def _over(cost: float, limit: float | None) -> bool:
    return limit is not None and cost > limit


def _named(facts: Facts, row: Row) -> str:
    return f"{words.amount(row['columns'])} columns, {100 * row['units']:.3g} % of the units"


def _exact(facts: Facts, metric: float) -> str:
    """Write a metric finely enough to tell it from the floor."""
    share = facts.prune["metric"] in words.PERCENT
    return (f"{100 * metric:.2f} %" if share else f"{metric:.4f}").replace("-", words.MINUS)
