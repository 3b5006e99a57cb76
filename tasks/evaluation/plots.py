"""Plot data as tables: one row a point, one column a model, so that DVC lines them up and diffs them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from tasks.evaluation.curves import GRID

__all__ = ["flat_metrics", "plot_tables"]


def _confusion(report: Mapping[str, Any]) -> pd.DataFrame:
    """Tabulate the last model's counts, one row a cell."""
    name = list(report["models"])[-1]
    labels = [row["label"] for row in report["models"][name]["per_class"]]
    cells = report["curves"][name]["confusion"]
    rows = [
        (actual, predicted, cells[i][j])
        for i, actual in enumerate(labels)
        for j, predicted in enumerate(labels)
    ]
    return pd.DataFrame(rows, columns=["actual", "predicted", "rows"])


def _reliability(report: Mapping[str, Any]) -> pd.DataFrame:
    """Tabulate what each model states and what came true, one row a bin."""
    rows = [
        {"model": name, "stated": point["confidence"], "observed": point["accuracy"], "rows": point["rows"]}
        for name, curves in report["curves"].items()
        for point in curves["reliability"]
    ]
    return pd.DataFrame(rows)


def _roc(report: Mapping[str, Any]) -> pd.DataFrame:
    """Tabulate true against false positive rates, or for regression shares of rows within a tolerance."""
    return pd.DataFrame({"x": GRID, **{name: curves["roc"] for name, curves in report["curves"].items()}})


def _per_class(report: Mapping[str, Any]) -> pd.DataFrame:
    """F1 of each class, or RMSE of each fifth of the target."""
    figure = "f1" if report["task"] == "classification" else "rmse"
    tables = {name: model["per_class"] for name, model in report["models"].items()}
    first = next(iter(tables.values()))
    frame = pd.DataFrame({"label": [r["label"] for r in first], "rows": [r["support"] for r in first]})
    return frame.assign(**{name: [row[figure] for row in table] for name, table in tables.items()})


def plot_tables(report: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """Tables by the name of their file: confusion, reliability, roc, per_class."""
    return {
        "confusion": _confusion(report),
        "reliability": _reliability(report),
        "roc": _roc(report),
        "per_class": _per_class(report),
    }


def flat_metrics(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers for `dvc metrics`: test figures, sizes, differences, and how many rows were used."""
    models = {
        name: {
            "test": {k: v for k, v in model["metrics"].items() if v is not None},
            "gap": model["gap"],
            "size": model["size"],
        }
        for name, model in report["models"].items()
    }
    difference = {name: found["difference"] for name, found in report["comparisons"].items()}
    return {
        **models,
        "difference": difference,
        "test_rows": report["rows"]["test"],
        "factor": report["factor"],
    }
