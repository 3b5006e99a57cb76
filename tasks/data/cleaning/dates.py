"""Date columns: the layout of their strings, and the calendar parts that become numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import pandas as pd

from tasks.data.cleaning.decisions import Decision
from tasks.data.encoding import parse_dates

__all__ = ["date_layout", "fit_date"]

DAYS = (
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%d.%m.%Y",
    "%Y/%m/%d",
    "%d-%m-%Y",
    "%d %b %Y",
    "%b %d, %Y",
    "%m/%d/%y",
    "%d/%m/%y",
)
LAYOUTS = ("ISO8601", *(day + time for day, time in product(DAYS, ("", " %H:%M", " %H:%M:%S"))))


def date_layout(cells: pd.Series, missing: Sequence[str] = ()) -> str | None:
    """Return the first layout that all non-missing cells have, or None."""
    sample = cells.iloc[:: max(1, len(cells) // 200)]
    likely = (layout for layout in LAYOUTS if _fits(sample, layout, missing))
    return next((layout for layout in likely if _fits(cells, layout, missing)), None)


def _fits(cells: pd.Series, layout: str, missing: Sequence[str]) -> bool:
    try:
        parse_dates(cells, layout, missing)
    except ValueError:
        return False
    return True


def fit_date(
    cells: pd.Series, parts: Sequence[str], missing: Sequence[str]
) -> tuple[dict[str, Any], list[Decision]]:
    """Return the encoding entry of a date column.

    Raises
    ------
    ValueError
        When no known layout fits all cells.
    """
    name = str(cells.name)
    layout = date_layout(cells, missing)
    if layout is None:
        raise ValueError(f"column {name!r} is declared a date, but no one layout fits all its cells")
    entry = {
        "source": name,
        "kind": "date",
        "format": layout,
        "parts": list(parts),
        "outputs": [f"{name}.{part}" for part in parts],
    }
    if "elapsed" in parts:
        when = parse_dates(cells, layout, missing)
        entry["origin"] = str(when.min().date()) if when.notna().any() else "1970-01-01"
    return entry, [Decision("date taken apart", name, len(parts), f"into {', '.join(parts)} ({layout})")]
