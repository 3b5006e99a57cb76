"""A budget search in words and rows: what was asked, what came out, what was tried."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tasks.search.budget import Figures
from tasks.search.config import BudgetConfig
from tasks.search.made import Made
from tasks.search.meet import Met

__all__ = ["COLUMNS", "WIDTH", "asked", "candidates", "outcome", "recoveries", "summary"]

WIDTH: Final = 76
"""Columns of a terminal line behind the indent of a stage's lines."""

COLUMNS: Final = (
    "criterion",
    "columns",
    "units",
    "bytes",
    "macs",
    "latency_us",
    "before",
    "after",
    "chosen",
)
"""What `candidates` tells of each."""

_OBJECTIVES: Final = {
    "smallest": "the smallest file",
    "fastest": "the fastest row",
    "best": "the best metric",
}
_SETTING: Final = ("columns", "units", "criterion")


def _floor(budget: BudgetConfig, reference: Figures) -> float | None:
    """Return the smallest validation metric that the budget allows; None where any is."""
    drop = budget.max_metric_drop
    return None if drop is None else reference.metric - drop


def summary(found: Met, budget: BudgetConfig, columns: int) -> dict[str, Any]:
    """Return what a search was asked for and settled on, in plain JSON form.

    Parameters
    ----------
    found : Met
    budget : BudgetConfig
    columns : int
        How many there were.
    """
    rows = candidates(found, columns)
    return {
        "budget": budget.model_dump(mode="json", include=set(BudgetConfig.model_fields)),
        "asked": asked(budget, found.reference),
        "floor": _floor(budget, found.reference),
        "met": found.met,
        "reference": found.reference.to_dict(),
        "compressed": found.best.figures.to_dict(),
        "columns_all": columns,
        "columns_kept": len(found.best.keep),
        "units_kept": _units_kept(found.best),
        "tried": len(rows),
        "recovered": sum(probe.get("epochs", 0) > 0 for probe in found.probes),
        "shortened": sum(probe.get("shortened", False) for probe in found.probes),
        "candidates": rows,
        "notes": list(found.notes),
    }


def _units_kept(made: Made) -> float:
    """Return the share that is left of the layers that lost units; 1 where none did, or there was none."""
    if made.pruned is None:
        return made.setting.units
    narrowed = [layer for layer in made.pruned.report["layers"] if layer["after"] < layer["before"]]
    before, after = (sum(layer[key] for layer in narrowed) for key in ("before", "after"))
    return after / before if narrowed else 1.0


def recoveries(report: Mapping[str, Any]) -> str:
    """Say how many candidates have recovered, and whether for as long as was asked for.

    Examples
    --------
    >>> recoveries({"recovered": 5, "shortened": 2})
    '5 of them recovered, 2 for fewer epochs than asked'
    """
    short = report.get("shortened", 0)
    how = f", {short} for fewer epochs than asked" if short else " in full"
    return f"{report['recovered']} of them recovered{how}"


def asked(budget: BudgetConfig, reference: Figures) -> str:
    """Say what a budget asks for.

    Examples
    --------
    >>> asked(BudgetConfig(max_bytes=2000), Figures(9000, 4000, 9.0, 0.985))
    'the smallest file with validation metric at least 0.9800 and at most 2,000 bytes'
    """
    least = _floor(budget, reference)
    limits = (
        (least, f"validation metric at least {least or 0:.4f}"),
        (budget.max_bytes, f"at most {budget.max_bytes or 0:,} bytes"),
        (budget.max_latency_p50_us, f"at most {budget.max_latency_p50_us or 0:g} us a row"),
        (budget.max_macs, f"at most {budget.max_macs or 0:,} multiply-adds"),
    )
    return f"{_OBJECTIVES[budget.objective]} with " + " and ".join(
        text for limit, text in limits if limit is not None
    )


def candidates(found: Met, columns: int) -> list[dict[str, Any]]:
    """Return every setting tried, in order, as a row.

    Parameters
    ----------
    found : Met
    columns : int
        How many there were.

    Returns
    -------
    list of dict
        `columns` (a count), `units` (a share of each layer), `criterion`; `bytes`, `macs`, `latency_us` (0
        where it was not timed), of the file that is deployed once a candidate has recovered and estimated
        before; the validation metric `before` recovery and `after` (None without); whether it was `chosen`.
    """
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    best = found.best.figures.to_dict()
    for probe in found.probes:
        key = tuple(probe[name] for name in _SETTING)
        costs = {name: probe[name] for name in ("bytes", "macs", "latency_us")}
        row = rows.setdefault(
            key,
            {
                "criterion": probe["criterion"],
                "columns": max(1, round(probe["columns"] * columns)),
                "units": probe["units"],
                **costs,
                "before": probe["metric"],
                "after": None,
                "chosen": False,
            },
        )
        row |= costs
        if probe["recovered"]:
            row |= {"after": probe["metric"], "chosen": {**costs, "metric": probe["metric"]} == best}
    return list(rows.values())


def outcome(report: Mapping[str, Any]) -> Iterator[str]:
    """Tell a search in lines for a terminal.

    Parameters
    ----------
    report : mapping
        As `summary` returns it.
    """
    verdict = "met" if report["met"] else "NOT met, this is the nearest"
    yield from textwrap.wrap(f"Budget {verdict}: {report['asked']}.", WIDTH)
    yield f"{report['tried']} candidates, {recoveries(report)}."
    before, after = report["reference"], report["compressed"]
    rows = (
        ("bytes", f"{before['bytes']:,}", f"{after['bytes']:,}"),
        ("multiply-adds", f"{before['macs']:,}", f"{after['macs']:,}"),
        ("one row", f"{before['latency_us']:.1f} us", f"{after['latency_us']:.1f} us"),
        ("validation", f"{before['metric']:.4f}", f"{after['metric']:.4f}"),
        ("columns read", f"{report['columns_all']:,}", f"{report['columns_kept']:,}"),
        ("units a layer", "100 %", f"{100 * report['units_kept']:.3g} %"),
    )
    yield f"{'':16} {'before':>14} {'after':>14}"
    for name, was, is_now in rows:
        yield f"{name:16} {was:>14} {is_now:>14}"
    for note in report["notes"]:
        yield from textwrap.wrap(note, WIDTH)
