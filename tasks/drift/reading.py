"""A raw column's cells as what is compared: which are missing, which are unreadable, and the values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.data.encoding import is_missing, level_key, tokens

__all__ = ["Cells", "Part", "read_cells"]

Array = npt.NDArray[Any]
Part = Array | list[str]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Cells:
    """What a column of n cells holds.

    Attributes
    ----------
    missing, unreadable : ndarray of bool, shape (n,)
        The latter hold something that the column's type has no meaning for.
    parts : dict
        Values of the other cells, by what they are of the column ('' : the value itself): numbers, or levels
        as a list of strings. A date has none, for it moves on without any drift.
    """

    missing: Flags
    unreadable: Flags
    parts: Mapping[str, Part]


def read_cells(cells: pd.Series, entry: Mapping[str, Any], missing: Sequence[str]) -> Cells:
    """Read a raw column.

    Parameters
    ----------
    cells
        The column.
    entry
        Its ``kind`` (number, category, date, text), and what its encoding knows besides: ``sentinels``,
        ``format`` of dates, ``terms`` of texts.
    missing
        Strings that mean 'missing'.
    """
    return _READERS[entry["kind"]](cells, entry, is_missing(cells, missing))


def _number(cells: pd.Series, entry: Mapping[str, Any], absent: Flags) -> Cells:
    values = _numbers(cells, absent)
    unreadable = np.isnan(values) & ~absent
    absent = absent | np.isin(values, entry.get("sentinels") or []) | np.isinf(values)
    return Cells(absent, unreadable, {"": values[~absent & ~unreadable]})


def _numbers(cells: pd.Series, absent: Flags) -> Array:
    if cells.dtype.kind == "m":
        return np.asarray(cells.dt.total_seconds(), np.float64)
    known = cells if cells.dtype.kind in "iufb" else cells.mask(absent)
    return pd.to_numeric(known, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


def _category(cells: pd.Series, entry: Mapping[str, Any], absent: Flags) -> Cells:
    codes, uniques = pd.factorize(cells[~absent])
    keys = [level_key(value) for value in uniques]
    return Cells(absent, np.zeros(len(cells), bool), {"": [keys[code] for code in codes]})


def _date(cells: pd.Series, entry: Mapping[str, Any], absent: Flags) -> Cells:
    if cells.dtype.kind == "M" or not entry.get("format"):
        return Cells(absent, np.zeros(len(cells), bool), {})
    text = cells.astype(str).str.strip().mask(absent)
    dates = pd.to_datetime(text, errors="coerce", format=entry["format"], utc=True)
    return Cells(absent, dates.isna().to_numpy() & ~absent, {})


def _text(cells: pd.Series, entry: Mapping[str, Any], absent: Flags) -> Cells:
    documents = [tokens(str(cell)) for cell in cells[~absent]]
    parts: dict[str, Part] = {"words": np.array([len(words) for words in documents], np.float64)}
    if terms := frozenset(entry.get("terms") or ()):
        shares = [np.mean([word in terms for word in words]) for words in documents if words]
        parts["known words"] = np.array(shares, np.float64)
    return Cells(absent, np.zeros(len(cells), bool), parts)


_READERS: dict[str, Callable[[pd.Series, Mapping[str, Any], Flags], Cells]] = {
    "number": _number,
    "category": _category,
    "date": _date,
    "text": _text,
}
