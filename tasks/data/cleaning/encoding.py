"""The encoding plan, learnt column by column from the training rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tasks.data.cleaning.categories import fit_category
from tasks.data.cleaning.dates import fit_date
from tasks.data.cleaning.decisions import Decision
from tasks.data.cleaning.numbers import fit_number
from tasks.data.cleaning.text import fit_text
from tasks.data.config import CleanConfig
from tasks.data.encoding import encode_column, is_missing
from tasks.data.meta import ColumnType, RawMeta
from tasks.errors import EspalierError

__all__ = ["NumericColumn", "fit_encoding", "numeric_columns"]


@dataclass(frozen=True)
class NumericColumn:
    """A numeric column: its name, raw column, kind, and one-hot levels (0 for a number)."""

    name: str
    source: str
    kind: ColumnType
    levels: int


def fit_encoding(
    train: pd.DataFrame, meta: RawMeta, config: CleanConfig
) -> tuple[dict[str, Any], list[Decision]]:
    """Return the encoding of the training rows' features: numbers, dates and text first, codes last.

    Raises
    ------
    EspalierError
        When a column does not hold what its type says.
    """
    entries, decisions = list[dict[str, Any]](), list[Decision]()
    for name in meta.columns:
        entry, made = _fit_column(train[name], meta, config)
        decisions += made
        if entry is not None:
            entries.append(entry)
    entries.sort(key=lambda entry: _is_code(entry, config))
    return {"version": 1, "missing": list(meta.missing), "columns": entries}, decisions


def numeric_columns(encoding: dict[str, Any], config: CleanConfig) -> list[NumericColumn]:
    """Return where each numeric column comes from."""
    return [
        NumericColumn(
            name,
            entry["source"],
            entry["kind"],
            len(entry["levels"]) + entry["other"] if _is_code(entry, config) else 0,
        )
        for entry in encoding["columns"]
        for name in entry["outputs"]
    ]


def _is_code(entry: dict[str, Any], config: CleanConfig) -> bool:
    return entry["kind"] == "category" and config.categories.method == "onehot"


def _fit_column(
    cells: pd.Series, meta: RawMeta, config: CleanConfig
) -> tuple[dict[str, Any] | None, list[Decision]]:
    name = str(cells.name)
    try:
        entry, decisions = _fit_entry(cells, meta, config)
    except ValueError as error:
        raise EspalierError(f"{error}; set source.dtypes.{name} or add to source.na_values") from error
    share = _missing_share(cells, entry, meta)
    if share > config.max_missing:
        return None, [Decision("column dropped", name, 1, f"{share:.1%} of cells missing")]
    if not entry["outputs"]:
        why = "clean.dates names no part" if entry["kind"] == "date" else "its text has no words"
        return None, [Decision("column dropped", name, 1, why)]
    return entry, decisions


def _fit_entry(cells: pd.Series, meta: RawMeta, config: CleanConfig) -> tuple[dict[str, Any], list[Decision]]:
    match meta.dtypes[str(cells.name)]:
        case "number":
            return fit_number(cells, config.sentinels, meta.missing)
        case "category":
            return fit_category(cells, config.categories, meta.missing)
        case "date":
            return fit_date(cells, config.dates, meta.missing)
        case "text":
            return fit_text(cells, config.text, meta.missing)


def _missing_share(cells: pd.Series, entry: dict[str, Any], meta: RawMeta) -> float:
    """Share of missing cells, sentinels among them; only codes and numbers encode one as NaN cheaply."""
    if entry["kind"] in ("text", "date"):
        return float(is_missing(cells, meta.missing).mean())
    return float(np.isnan(encode_column(cells, entry, meta.missing)[:, 0]).mean())
