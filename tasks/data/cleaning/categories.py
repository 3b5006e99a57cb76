"""Category columns: which levels are told apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from tasks.data.cleaning.decisions import Decision
from tasks.data.config import CategoriesConfig
from tasks.data.encoding import level_key

__all__ = ["fit_category", "level_order"]


def fit_category(
    cells: pd.Series, config: CategoriesConfig, missing: Sequence[str]
) -> tuple[dict[str, Any], list[Decision]]:
    """Return the encoding entry of a category column: levels in natural order, the pooled ones last."""
    name = str(cells.name)
    counts = _level_counts(cells, missing)
    common = [level for level, count in counts.items() if count >= config.rare * len(cells)][
        : config.max_levels
    ]
    pooled = len(counts) - len(common)
    entry = {
        "source": name,
        "kind": "category",
        "levels": sorted(common, key=level_order),
        "other": pooled > 0,
        "outputs": [name],
    }
    why = f"rarer than {config.rare:.3g}, or past {config.max_levels}"
    return entry, [Decision("levels pooled", name, pooled, why)] if pooled else []


def level_order(level: str) -> tuple[int, float, str]:
    """Sort key: numbers by value, then the rest by name."""
    try:
        return 0, float(level), level
    except ValueError:
        return 1, 0.0, level


def _level_counts(cells: pd.Series, missing: Sequence[str]) -> dict[str, int]:
    """Return the count of each level, commonest first, ties by name."""
    absent = {"", *missing}
    counts: dict[str, int] = {}
    occurring = cells.value_counts(dropna=True)
    for value, count in occurring[occurring > 0].items():
        key = level_key(value)
        if key not in absent:
            counts[key] = counts.get(key, 0) + int(count)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
