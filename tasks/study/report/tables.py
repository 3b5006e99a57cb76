"""The page's fixed tables: picks, the front, what failed. They are there without a script, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from tasks.evaluation.report import words
from tasks.study.factors import label
from tasks.study.rows import Row
from tasks.study.standing import PICKS

if TYPE_CHECKING:
    from tasks.study.summary import Summary

__all__ = ["failures", "front_table", "picks_table"]

SHOWN = 10  # front members in sight; the others are folded away


def _cells(row: Row, metric: str) -> list[str]:
    latency = words.MISSING if row.latency_us is None else f"{row.latency_us:.1f} µs"
    return [
        words.value(metric, row.valid.get(metric)),
        words.MISSING if row.bytes is None else words.bytes_text(row.bytes),
        latency,
        words.value(metric, row.test.get(metric)),
    ]


def _head(summary: Summary, *first: str) -> str:
    title = summary.metric.title
    texts = "".join(f"<th scope=col>{escape(name)}</th>" for name in first)
    numbers = "".join(
        f"<th scope=col class=number>{escape(name)}</th>"
        for name in (f"validation {title}", "ONNX file", "latency")
    )
    test = f"<th scope=col class=number>test {escape(title)}<small>not chosen by</small></th>"
    return f"<thead><tr>{texts}{numbers}{test}</tr></thead>"


def _line(row: Row, metric: str, first: str, note: str) -> str:
    cells = "".join(f"<td class=number>{escape(text)}</td>" for text in _cells(row, metric))
    return (
        f"<tr data-id={escape(row.id)}><th scope=row>{first}</th>"
        f"<td>{escape(row.name)}<small>{escape(note)}</small></td>{cells}</tr>"
    )


def picks_table(summary: Summary) -> str:
    """List the picks that `espalier study --apply` takes by name."""
    metric, lines = summary.metric.name, []
    for name, what in PICKS.items():
        if (row := summary.pick(name)) is not None:
            first = f"{escape(name)}<small>{escape(what)}</small>"
            lines.append(_line(row, metric, first, f"{row.arm}, {row.id}"))
    if not lines:
        return ""
    margin = words.margin_text(metric, summary.params.evaluate.margin)
    note = f"As good as the best: within {margin} (evaluate.margin)"
    return (
        "<h3 class=spaced>Picks</h3><p class=lede>What <code>espalier study --apply NAME</code> makes the "
        f"workspace's recipe; an id does too. {escape(note)}, or what constraints on the metric ask for.</p>"
        f"<div class='card table scroll'><table class='plain picks'>{_head(summary, 'pick', 'candidate')}"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def made_of(row: Row) -> str:
    """Say what a candidate is made of."""
    recipe = row.recipe
    if not recipe:
        return ""
    columns, rows = recipe["columns"], recipe["rows"]
    pruned = 100 * recipe["amount"] if isinstance(recipe["amount"], int | float) else recipe["amount"]
    parts = [
        _kept(columns, "features"),
        _kept(rows, "rows"),
        f"{label(pruned)} % pruned ({recipe['prune']})" if pruned else "not pruned",
        f"int8 ({recipe['int8']})" if recipe["int8"] else "float32",
    ]
    return ", ".join(parts)


def _kept(part: Mapping[str, Any], what: str) -> str:
    if part["method"] == "none" or part["after"] == part["before"]:
        return f"all {label(part['before'])} {what}"
    return f"{label(part['after'])} of {label(part['before'])} {what} ({part['method']})"


def front_table(summary: Summary) -> str:
    """List the front: what each point is made of, and what it reaches."""
    front, metric = summary.front, summary.metric.name
    if not front:
        return ""
    lines = [_line(row, metric, escape(row.id), made_of(row)) for row in front]
    head = _head(summary, "id", "candidate, and what it is made of")
    rest = len(front) - SHOWN
    made = f"<div class='card table scroll'>{_table(head, lines[:SHOWN])}</div>"
    if rest > 0:
        made += (
            f"<details><summary>{rest} more on the front</summary>"
            f"<div class='card table scroll'>{_table(head, lines[SHOWN:])}</div></details>"
        )
    return f"<h3 class=spaced>On the front: {len(front)}</h3>{made}"


def _table(head: str, lines: Sequence[str]) -> str:
    return f"<table class='plain picks'>{head}<tbody>{''.join(lines)}</tbody></table>"


def _reasons(summary: Summary) -> Mapping[str, list[str]]:
    """Names of candidates by why they failed."""
    found: dict[str, list[str]] = {}
    for row in summary.standing.rows:
        for reason in dict.fromkeys(row.failures.values()):
            seeds = [str(seed) for seed, why in row.failures.items() if why == reason]
            told = f"{row.name} (seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)})"
            found.setdefault(reason, []).append(told)
    return found


def failures(summary: Summary) -> str:
    """List what failed, and why; nothing where nothing did."""
    reasons = _reasons(summary)
    if not reasons:
        return ""
    lines = "".join(
        f"<tr><td>{escape(reason)}</td><td>{escape('; '.join(names))}</td></tr>"
        for reason, names in reasons.items()
    )
    count = sum(bool(row.failures) for row in summary.standing.rows)
    return (
        f"<details><summary>{count} failed, and why</summary><div class='card table scroll'>"
        f"<table class=plain><thead><tr><th>Reason</th><th>Candidates</th></tr></thead><tbody>{lines}</tbody>"
        "</table></div></details>"
    )
