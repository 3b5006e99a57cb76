"""What a newcomer would see in a table at a second look: identifiers, disguised gaps, sentinels, leaks."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from tasks.data.cleaning.dates import date_layout
from tasks.data.encoding import is_missing, level_key, tokens
from tasks.data.types import looks_numeric

__all__ = ["find_identifiers", "find_leaks", "find_missing_strings", "find_sentinels"]

MISSING_WORDS = frozenset({"?", "-", "--", ".", "n/a", "na", "nan", "none", "null", "missing", "unknown"})
SENTINELS = (-99999.0, -9999.0, -999.0, -99.0, 99999.0, 9999.0, 999.0)
ID_NAME = re.compile(r"(^|[_. ])(id|index|row|uuid|guid|unnamed)([_.: ]|$)|[a-z]I[dD]$", re.IGNORECASE)
MOSTLY = 0.9
TELLS_ALL = 0.97


def find_missing_strings(frame: pd.DataFrame) -> tuple[str, ...]:
    """Return the strings that stand for 'missing': known words, or the few non-numbers among numbers."""
    found = set[str]()
    for name in frame.columns:
        if frame[name].dtype.kind in "iufbmM":
            continue
        levels = frame[name].dropna().astype(str).str.strip().value_counts()
        present = {str(level) for level in levels.index}
        found |= {level for level in present if level.lower() in MISSING_WORDS}
        others = levels[[not _is_number(str(level)) for level in levels.index]] if len(levels) else levels
        if 0 < len(others) <= 3 and others.sum() < (1 - MOSTLY) * levels.sum():
            found |= {str(level) for level in others.index}
    return tuple(sorted(found))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def find_identifiers(frame: pd.DataFrame, target: str) -> dict[str, str]:
    """Return the columns that name the row, with why: they can only be learnt by heart."""
    reasons = {name: _identifies(frame[name]) for name in frame.columns if name != target}
    return {name: why for name, why in reasons.items() if why}


def _identifies(cells: pd.Series) -> str:
    name = str(cells.name)
    if len(cells) < 20 or cells.dtype.kind in "fM" or not cells.is_unique:
        return ""
    if cells.dtype.kind in "iu":
        counts_up = bool((cells.diff().dropna() == 1).all())
        return "counts the rows" if counts_up else "names the rows" * bool(ID_NAME.search(name))
    sample = cells.astype(str).iloc[:200]
    single = float(np.mean([len(tokens(cell)) for cell in sample])) <= 2
    named = single and looks_numeric(sample) < 1 and date_layout(sample) is None
    return "has another value in every row" if named else ""


def find_sentinels(frame: pd.DataFrame, columns: Sequence[str]) -> tuple[float, ...]:
    """Return the codes such as -999 that stand further from a column's other numbers than those spread."""
    found = set[float]()
    for name in columns:
        if frame[name].dtype.kind in "iuf":
            numbers = frame[name].to_numpy(np.float64, na_value=np.nan)
            found |= {code for code in SENTINELS if _stands_apart(numbers[np.isfinite(numbers)], code)}
    return tuple(sorted(found))


def _stands_apart(numbers: np.ndarray, code: float) -> bool:
    others = numbers[numbers != code]
    if not 1 < len(others) < len(numbers) - 1:
        return False
    distance = min(abs(code - others.min()), abs(code - others.max()))
    outside = not others.min() <= code <= others.max()
    return outside and distance > np.ptp(others)


def find_leaks(
    frame: pd.DataFrame, columns: Sequence[str], target: str, missing: Sequence[str]
) -> dict[str, float]:
    """Return the columns of few levels that alone tell a class target in nearly every row, and the share.

    A missing cell is a level: that a field was filled in only afterwards is how such columns arise.
    """
    classes = frame[target].map(level_key, na_action="ignore")
    common = float(classes.value_counts(normalize=True).iloc[0])
    shares = {name: _told(frame[name], classes, missing) for name in columns}
    return {name: share for name, share in shares.items() if share >= TELLS_ALL > common}


def _told(cells: pd.Series, classes: pd.Series, missing: Sequence[str]) -> float:
    if cells.nunique() > min(50, len(cells) // 10):
        return 0.0
    absent = is_missing(cells, missing)
    levels = pd.Series(pd.factorize(cells)[0], index=cells.index).mask(absent, -1)
    table = pd.crosstab(levels, classes)
    return float(table.max(axis=1).sum() / table.to_numpy().sum())
