"""What a column holds, guessed from its cells; source.dtypes and source.task overrule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tasks.data.cleaning.dates import date_layout
from tasks.data.config import SourceConfig
from tasks.data.encoding import is_missing, level_key, tokens
from tasks.data.meta import ColumnType, Task
from tasks.errors import EspalierError

__all__ = ["column_type", "looks_numeric", "target_task"]

SAMPLE = 1000
# A category repeats and is short; text is mostly new and has several words.
WORDS, DISTINCT = 4.0, 0.5
CLASSES = 20


def column_type(cells: pd.Series, missing: Sequence[str] = ()) -> ColumnType:
    """Return the type of a column: number or duration, date, text (several words, mostly new) or category."""
    if cells.dtype.kind in "iufbm":
        return "number"
    if cells.dtype.kind == "M":
        return "date"
    known = cells[~is_missing(cells, missing)]
    sample = known.iloc[:: max(1, len(known) // SAMPLE)]
    if len(sample) and looks_numeric(sample) == 1:
        return "number" if looks_numeric(known) == 1 else "category"
    if len(sample) and date_layout(sample) and date_layout(known):
        return "date"
    return "text" if _is_prose(sample.astype(str)) else "category"


def looks_numeric(cells: pd.Series) -> float:
    """Return the share of cells that read as numbers."""
    return float(pd.to_numeric(cells.astype(str), errors="coerce").notna().mean())


def _is_prose(sample: pd.Series) -> bool:
    if not len(sample):
        return False
    words = float(np.mean([len(tokens(cell)) for cell in sample]))
    return words >= WORDS and sample.nunique() > DISTINCT * len(sample)


def target_task(values: pd.Series, config: SourceConfig) -> Task:
    """Return the task, checked against the target's values.

    Whole numbers of at most 20 distinct values (half the rows on small sets) are classes.

    Raises
    ------
    EspalierError
        When the target is missing everywhere, has one class, or as many classes as rows.
    """
    known = values[~is_missing(values, config.na_values)]
    if not len(known):
        raise EspalierError(f"target {values.name!r} is missing in every row: nothing can be learnt")
    task = _guess_task(known) if config.task == "auto" else config.task
    if task == "classification":
        _check_classes(known, config)
    return task


def _guess_task(known: pd.Series) -> Task:
    if known.dtype.kind not in "iuf":
        numeric = known.dtype.kind != "b" and looks_numeric(known) == 1
        return _guess_task(pd.to_numeric(known.astype(str))) if numeric else "classification"
    whole = bool((known == known.round()).all())
    few = known.nunique() <= min(CLASSES, max(2, len(known) // 2))
    return "classification" if whole and few else "regression"


def _check_classes(known: pd.Series, config: SourceConfig) -> None:
    classes = {level_key(value) for value in known.unique()}
    if len(classes) == 1:
        raise EspalierError(f"target {known.name!r} has one class ({classes.pop()!r}); two are needed")
    if len(classes) * 2 > len(known):
        raise EspalierError(
            f"target {known.name!r} has {len(classes)} classes in {len(known)} rows, under two rows a class; "
            "is it a number to predict (source.task: regression) or another column (source.target)?"
        )
