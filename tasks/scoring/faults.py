"""Which rows an encoding refuses: it names the first cell that is wrong, a batch has to know all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.data.encoding import is_missing

__all__ = ["faults"]

Flags = npt.NDArray[np.bool_]


def faults(cells: pd.Series, entry: Mapping[str, Any], missing: Sequence[str]) -> tuple[Flags, str]:
    """Return which cells (n,) a column's encoding refuses, and what they had to be."""
    find = _FINDERS.get(entry["kind"])
    if find is None:
        return np.zeros(len(cells), np.bool_), ""
    return find(cells, entry, missing)


def _no_number(cells: pd.Series, entry: Mapping[str, Any], missing: Sequence[str]) -> tuple[Flags, str]:
    if cells.dtype.kind in "miufb":
        return np.zeros(len(cells), np.bool_), "a number"
    absent = is_missing(cells, missing)
    numbers = pd.to_numeric(cells.mask(absent), errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return np.isnan(numbers) & ~absent, "a number"


def _no_date(cells: pd.Series, entry: Mapping[str, Any], missing: Sequence[str]) -> tuple[Flags, str]:
    if cells.dtype.kind == "M":
        return np.zeros(len(cells), np.bool_), "a date"
    absent = is_missing(cells, missing)
    text = cells.astype(str).str.strip().mask(absent)
    dates = pd.to_datetime(text, errors="coerce", format=entry["format"], utc=True)
    return dates.isna().to_numpy() & ~absent, "a date"


_FINDERS: dict[str, Callable[[pd.Series, Mapping[str, Any], Sequence[str]], tuple[Flags, str]]] = {
    "number": _no_number,
    "date": _no_date,
}
