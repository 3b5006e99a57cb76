"""Stage clean's core: split first, then learn from the training rows only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.data.cleaner import Cleaner, select_outputs
from tasks.data.cleaning.columns import useless_columns
from tasks.data.cleaning.decisions import Decision
from tasks.data.cleaning.duplicates import drop_duplicates
from tasks.data.cleaning.encoding import fit_encoding, numeric_columns
from tasks.data.cleaning.numeric import fit_plan
from tasks.data.cleaning.outliers import drop_isolated
from tasks.data.cleaning.target import fit_target, known_targets
from tasks.data.config import CleanConfig
from tasks.data.encoding import encode
from tasks.data.meta import RawMeta
from tasks.data.rows import Rows
from tasks.data.splitting import split_rows
from tasks.errors import EspalierError

__all__ = ["Cleaned", "fit_clean"]

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Cleaned:
    """What stage clean hands on: the fitted cleaner, the three parts and the report of every decision."""

    cleaner: Cleaner
    train: Rows
    valid: Rows
    test: Rows
    report: dict[str, Any]


def fit_clean(frame: pd.DataFrame, meta: RawMeta, config: CleanConfig) -> Cleaned:
    """Split a raw frame, fit a cleaner on its training rows and encode all parts with it.

    Parameters
    ----------
    frame : DataFrame
        Raw rows: the features of `meta` (``meta.columns``), the target and the columns that serve splitting.
    meta : RawMeta
    config : CleanConfig

    Raises
    ------
    EspalierError
        When the data cannot be split, learnt from, or do not hold what their types say.
    """
    known, decisions = known_targets(frame[meta.target], meta)
    rows = frame.iloc[known]
    parts = split_rows(rows, meta, config.split)
    if config.duplicates == "drop":
        parts, made = drop_duplicates(rows[[*meta.columns, meta.target]], parts)
        decisions += made
    cleaner, kept, made = _fit(rows.iloc[parts["train"]], meta, config)
    parts = {**parts, "train": parts["train"][kept]}
    encoded = {name: _rows(cleaner, rows, part, known, name) for name, part in parts.items()}
    return Cleaned(cleaner, **encoded, report=_report(frame, meta, cleaner, encoded, decisions + made))


def _fit(train: pd.DataFrame, meta: RawMeta, config: CleanConfig) -> tuple[Cleaner, Indices, list[Decision]]:
    """Return the cleaner of the training rows, the rows kept, and what was decided."""
    target, decisions = fit_target(train[meta.target], meta, config.target)
    encoding, made = fit_encoding(train, meta, config)
    X = encode(train, encoding)
    rows, isolated = drop_isolated(X, config.outliers, seed=config.split.seed)
    columns, grid = numeric_columns(encoding, config), meta.shape is not None
    useless, dropped = useless_columns(X[rows], columns, config, grid=grid)
    kept = np.flatnonzero(~useless)
    if not len(kept):
        raise EspalierError("no column is left to learn from: all are constant or missing")
    encoding = select_outputs(encoding, kept.tolist())
    plan, filled = fit_plan(X[np.ix_(rows, kept)], numeric_columns(encoding, config), meta, config)
    return Cleaner(encoding, plan, target), rows, decisions + made + isolated + dropped + filled


def _rows(cleaner: Cleaner, frame: pd.DataFrame, part: Indices, known: Indices, name: str) -> Rows:
    mine = frame.iloc[part]
    try:
        return Rows(cleaner.encode(mine), cleaner.encode_target(mine[cleaner.target.name]), known[part])
    except ValueError as error:
        raise EspalierError(
            f"{error} (in the {name} rows); choose another clean.split, duplicates: keep, or mend the row"
        ) from error


def _report(
    frame: pd.DataFrame, meta: RawMeta, cleaner: Cleaner, parts: dict[str, Rows], decisions: list[Decision]
) -> dict[str, Any]:
    return {
        "rows": {"raw": len(frame), **{name: len(rows) for name, rows in parts.items()}},
        "columns": {
            "raw": len(meta.columns),
            "used": len(cleaner.required),
            "numeric": len(cleaner.plan.names),
            "features": cleaner.plan.width,
        },
        "target": _target_summary(cleaner, parts),
        "decisions": [decision.to_dict() for decision in decisions],
    }


def _target_summary(cleaner: Cleaner, parts: dict[str, Rows]) -> dict[str, Any]:
    """Rows of each class, or mean and deviation, in each part."""
    return {name: _summary(rows, cleaner.target.labels) for name, rows in parts.items()}


def _summary(rows: Rows, labels: tuple[str, ...] | None) -> dict[str, Any]:
    if labels is None:
        return {"mean": float(rows.y.mean()), "std": float(rows.y.std())}
    counts = np.bincount(rows.y.astype(np.int64), minlength=len(labels))
    return dict(zip(labels, counts.tolist(), strict=True))
