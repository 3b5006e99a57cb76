"""Figures and verdicts in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.evaluation.compare import rounded_up
from tasks.evaluation.report.facts import Facts
from tasks.metrics.table import METRICS

__all__ = [
    "amount",
    "bytes_text",
    "difference",
    "factor",
    "margin_text",
    "quick_look",
    "seconds_text",
    "times",
    "value",
    "verdict",
]

PERCENT = frozenset(metric.name for metric in METRICS.values() if metric.share)
SAME = 0.02  # factors nearer to 1 are not worth a word
POSITIVE = {"smaller": "large", "faster": "fast"}
MINUS = "\N{MINUS SIGN}"
MISSING = "\N{EM DASH}"


def value(metric: str, number: float | None) -> str:
    """Write a metric's value: shares as percent, others to four digits."""
    if number is None:
        return MISSING
    text = f"{100 * number:.1f} %" if metric in PERCENT else f"{number:.4g}"
    return text.replace("-", MINUS)


def difference(metric: str, number: float | None) -> str:
    """Write a signed difference: points for shares."""
    if number is None:
        return MISSING
    shown = round(100 * number, 1) if metric in PERCENT else float(f"{number:.3g}")
    if shown == 0:
        return "0.0" if metric in PERCENT else "0"
    return (f"{shown:+.1f}" if metric in PERCENT else f"{shown:+.3g}").replace("-", MINUS)


def unit(metric: str) -> str:
    """Name the unit of a difference."""
    return " points" if metric in PERCENT else ""


def amount(number: float) -> str:
    """Write a count with separators."""
    return f"{number:,.0f}"


def bytes_text(number: float) -> str:
    """Write bytes in decimal units."""
    for size, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= size:
            return f"{number / size:.3g} {name}"
    return f"{number:.0f} B"


def seconds_text(number: float | None) -> str:
    """Write seconds, or minutes from two on."""
    if number is None:
        return MISSING
    return f"{number:.1f} s" if number < 120 else f"{number / 60:.1f} min"


def factor(times: float) -> str:
    """Write how many times smaller or faster."""
    return f"{times:.3g}×" if times < 100 else f"{times:,.0f}×"


def times(ratio: float, more: str, less: str) -> str:
    """Say how many times smaller or larger, faster or slower: '3.3× faster', '1.5× slower', 'as fast'.

    Parameters
    ----------
    ratio
        Above 1: ``more``; below it: ``less``.
    more, less
        Comparatives, such as "smaller" and "larger".
    """
    if abs(ratio - 1) < SAME:
        return f"as {POSITIVE[more]}"
    return f"{factor(ratio)} {more}" if ratio > 1 else f"{factor(1 / ratio)} {less}"


def quick_look(evaluate: Mapping[str, Any]) -> str | None:
    """Say that only a share of the test rows was used; None when all were."""
    share = evaluate.get("factor", 1.0)
    if share >= 1:
        return None
    rows = evaluate["rows"]
    whole = f" of {amount(rows['test_all'])}" if "test_all" in rows else ""
    return (
        f"A quick look: every test figure here rests on {amount(rows['test'])}{whole} test rows "
        f"(evaluate.factor {share:g}), not on all of them."
    )


def _seen(facts: Facts, name: str) -> str:
    metric, found = facts.evaluate["metric"], facts.evaluate["comparisons"][name]
    models = facts.evaluate["models"]
    own, other = (models[key]["metrics"][metric] for key in (name, "reference"))
    low, high = difference(metric, found["low"]), difference(metric, found["high"])
    return (
        f"{facts.title} {value(metric, own)} against {value(metric, other)}, a difference of "
        f"{difference(metric, found['difference'])}{unit(metric)} "
        f"({100 * facts.evaluate['confidence']:g} % interval {low} to {high}; positive is better)"
    )


def margin_text(metric: str, margin: float) -> str:
    """Write a margin: points for shares."""
    size = 100 * margin
    return f"{size:g} point{'' if size == 1 else 's'}" if metric in PERCENT else f"{margin:g}"


def _more_rows(facts: Facts, found: Mapping[str, Any]) -> str:
    have = amount(facts.evaluate["rows"]["test"])
    if not found["rows_needed"]:
        return f"No number of rows settles a difference on the margin's edge; there are {have} test rows."
    return (
        f"About {rounded_up(found['rows_needed'])} test rows would settle it four times in five, were the "
        f"true difference the one seen; there are {have}."
    )


def verdict(facts: Facts, name: str) -> str:
    """Say in plain words how a model stands to the reference."""
    found, called = facts.evaluate["comparisons"][name], facts.models[name].capitalize()
    seen, margin = _seen(facts, name), margin_text(facts.evaluate["metric"], found["margin"])
    if found["verdict"] == "non-inferior":
        return f"{called} is not worse than the reference: {seen}. A loss of more than {margin} is ruled out."
    if found["verdict"] == "inferior":
        return (
            f"{called} is worse than the reference: {seen}. The loss is larger than the margin of {margin}."
        )
    return (
        f"It is not shown that {facts.models[name]} is as good as the reference: {seen}. "
        f"A loss of more than {margin} cannot be ruled out. {_more_rows(facts, found)}"
    )
