"""Number columns: sentinels, and an offset where float32 would lose the digits that matter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tasks.data.cleaning.decisions import Decision
from tasks.data.encoding import parse_numbers

__all__ = ["fit_number"]

# A float32 resolves 6e-8 of a value: past this ratio of level to spread, that is too coarse for the spread.
LEVEL_TO_SPREAD = 1e4


def fit_number(
    cells: pd.Series, sentinels: Sequence[float], missing: Sequence[str]
) -> tuple[dict[str, Any], list[Decision]]:
    """Return the encoding entry of a number column."""
    name = str(cells.name)
    entry: dict[str, Any] = {"source": name, "kind": "number", "outputs": [name]}
    decisions = []
    numbers = parse_numbers(cells, missing)
    if found := int(np.isin(numbers, sentinels).sum()) if sentinels else 0:
        decisions.append(
            Decision("sentinels made missing", name, found, f"equal to one of {list(sentinels)}")
        )
    if sentinels:
        entry["sentinels"] = list(sentinels)
    if offset := _offset(numbers[np.isfinite(numbers) & ~np.isin(numbers, sentinels)]):
        entry["offset"] = offset
        decisions.append(
            Decision("numbers shifted", name, len(cells), f"by {offset:g}: float32 keeps 7 digits")
        )
    return entry, decisions


def _offset(numbers: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    if not len(numbers):
        return 0.0
    level, spread = float(numbers[0]), float(np.ptp(numbers))
    return level if 0 < spread * LEVEL_TO_SPREAD < abs(level) else 0.0
