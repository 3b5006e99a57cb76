"""Chosen rows beside as many random ones: validation metric against training time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

__all__ = ["COLUMNS", "compared_rows", "rows_table"]

COLUMNS = ("seconds", "chosen", "random")


def _curve(history: Sequence[Mapping[str, Any]], seconds: float) -> list[dict[str, Any]]:
    """Metric after each epoch; epochs of equally many rows take equally long."""
    return [
        {
            "epoch": record["epoch"],
            "seconds": round(seconds * record["epoch"] / len(history), 4),
            "valid_metric": record["valid_metric"],
        }
        for record in history
    ]


def compared_rows(
    reduce: Mapping[str, Any], train: Mapping[str, Any], seconds: Mapping[str, float] | None
) -> dict[str, Any] | None:
    """Put the two trainings side by side.

    Parameters
    ----------
    reduce, train
        Reports of the two stages.
    seconds
        Of the training on ``chosen`` and on ``random`` rows; None where this machine has not trained them.

    Returns
    -------
    ``method``, ``rows`` and for ``chosen`` and ``random`` the best ``valid_metric``, ``seconds`` and the
    ``curve``; None where stage train compared nothing.
    """
    random = train.get("random")
    if random is None:
        return None
    reports = {"chosen": train, "random": random}
    made: dict[str, Any] = {"method": reduce["rows"]["method"], "rows": reduce["rows"]["after"]}
    for name, report in reports.items():
        took = None if seconds is None else seconds[name]
        curve = [] if took is None else _curve(report["history"], took)
        made[name] = {"valid_metric": report["valid_metric"], "seconds": took, "curve": curve}
    return made


def _reached(curve: Sequence[Mapping[str, Any]], seconds: float) -> float:
    """Metric after the last epoch that had ended by then."""
    return float([point["valid_metric"] for point in curve if point["seconds"] <= seconds][-1])


def rows_table(compared: Mapping[str, Any] | None) -> pd.DataFrame:
    """List what each training had reached whenever either ended an epoch.

    Returns
    -------
    Columns `seconds`, and the validation metric on `chosen` and on `random` rows; from the first moment at
    which both have one.
    """
    if compared is None or not compared["chosen"]["curve"]:
        return pd.DataFrame(columns=list(COLUMNS))
    curves = [compared[name]["curve"] for name in ("chosen", "random")]
    first = max(curve[0]["seconds"] for curve in curves)
    times = sorted({point["seconds"] for curve in curves for point in curve if point["seconds"] >= first})
    records = [(time, *(_reached(curve, time) for curve in curves)) for time in times]
    return pd.DataFrame(records, columns=list(COLUMNS))
