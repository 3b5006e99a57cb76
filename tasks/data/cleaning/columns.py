"""Columns that cannot help: one value, or nearly one value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tasks.data.cleaning.decisions import Decision, per_column
from tasks.data.cleaning.encoding import NumericColumn
from tasks.data.config import CleanConfig

__all__ = ["constant_columns", "top_share", "useless_columns"]

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


def useless_columns(
    X: Floats, columns: Sequence[NumericColumn], config: CleanConfig, *, grid: bool
) -> tuple[Flags, list[Decision]]:
    """Return which numeric columns (p,) of training rows X (n, p) to drop, and the decisions.

    Text columns are mostly zero by nature, so only a term that never varies goes.
    """
    shown = np.asarray([column.levels > 0 or config.impute.indicator for column in columns], np.bool_)
    useless = np.zeros(len(columns), np.bool_)
    decisions = list[Decision]()
    if config.constant == "drop":
        useless = constant_columns(X, shown)
        decisions += _dropped(columns, {int(i): "one value" for i in np.flatnonzero(useless)}, grid)
    if config.near_constant < 1:
        looked_at = [i for i, column in enumerate(columns) if column.kind != "text" and not useless[i]]
        shares = dict(zip(looked_at, top_share(X, looked_at).tolist(), strict=True))
        nearly = {
            i: f"one value in {share:.2%} of rows"
            for i, share in shares.items()
            if share > config.near_constant
        }
        useless[list(nearly)] = True
        decisions += _dropped(columns, nearly, grid)
    return useless, decisions


def constant_columns(X: Floats, shown: Flags) -> Flags:
    """Return which columns (p,) carry one value; where `shown`, a missing cell is a value of its own."""
    gaps = np.isnan(X)
    one_value = np.fmax.reduce(X, axis=0) == np.fmin.reduce(X, axis=0)
    return np.asarray(gaps.all(axis=0) | (one_value & ~(gaps.any(axis=0) & shown)))


def top_share(X: Floats, columns: Sequence[int]) -> npt.NDArray[np.float64]:
    """Return the share of rows that each column's commonest value covers; NaN is a value too."""
    return np.asarray([_top_count(X[:, column]) / len(X) for column in columns], np.float64)


def _top_count(values: Floats) -> int:
    _, counts = np.unique(values, return_counts=True)
    return int(counts.max())


def _dropped(columns: Sequence[NumericColumn], reasons: dict[int, str], grid: bool) -> list[Decision]:
    """One decision a raw column and reason: several of its numeric columns may go at once."""
    counts = Counter((_shown(columns[i]), why) for i, why in reasons.items())
    found = [(name, count, why) for (name, why), count in counts.items()]
    return per_column("column dropped", found, grid)


def _shown(column: NumericColumn) -> str:
    return column.name if column.kind == "date" else column.source
