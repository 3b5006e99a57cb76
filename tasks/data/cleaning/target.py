"""Cleaning of the target: missing ones, labels, and the scale of a regression."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.data.cleaning.categories import level_order
from tasks.data.cleaning.decisions import Decision
from tasks.data.config import TargetConfig
from tasks.data.encoding import level_key, parse_numbers
from tasks.data.meta import RawMeta
from tasks.data.target import LabelType, TargetPlan
from tasks.errors import EspalierError

__all__ = ["fit_target", "known_targets"]


def known_targets(values: pd.Series, meta: RawMeta) -> tuple[npt.NDArray[np.int64], list[Decision]]:
    """Return the rows whose target is known (finite, for a regression)."""
    if meta.task == "regression":
        known = np.isfinite(_as_numbers(values, meta))
    else:
        known = ~(values.isna() | values.astype(str).str.strip().isin(["", *meta.missing])).to_numpy(bool)
    lost = int((~known).sum())
    if lost == len(values):
        raise EspalierError(f"target {meta.target!r} is missing in every row: nothing can be learnt")
    decision = Decision("rows dropped", meta.target, lost, "the target is missing")
    return np.flatnonzero(known), [decision] if lost else []


def _as_numbers(values: pd.Series, meta: RawMeta) -> npt.NDArray[np.float64]:
    try:
        return parse_numbers(values, meta.missing)
    except ValueError as error:
        raise EspalierError(f"target of a regression: {error}; set source.task: classification?") from error


def fit_target(values: pd.Series, meta: RawMeta, config: TargetConfig) -> tuple[TargetPlan, list[Decision]]:
    """Return the target plan of the training rows' known targets."""
    if meta.task == "classification":
        return _fit_labels(values, meta, config)
    y = _as_numbers(values, meta)
    if config.log and y.min() <= -1:
        raise EspalierError(
            f"clean.target.log needs targets above -1, {meta.target!r} goes down to {y.min():g}"
        )
    learnt = np.log1p(y) if config.log else y
    std = float(learnt.std())
    if y.min() == y.max() or not std:  # rounding gives equal values a deviation
        raise EspalierError(f"target {meta.target!r} has one value ({y[0]:g}) in all training rows")
    plan = TargetPlan("regression", meta.target, None, "float", float(learnt.mean()), std, config.log)
    return plan, [Decision("target logged", meta.target, len(y), "clean.target.log")] if config.log else []


def _fit_labels(values: pd.Series, meta: RawMeta, config: TargetConfig) -> tuple[TargetPlan, list[Decision]]:
    if config.log:
        raise EspalierError("clean.target.log is for a regression; this target is a class")
    labels = sorted({level_key(value) for value in values.unique()}, key=level_order)
    if len(labels) < 2:
        raise EspalierError(
            f"target {meta.target!r} has one class ({labels[0]!r}) in the training rows; two are needed"
        )
    return TargetPlan("classification", meta.target, tuple(labels), label_type(values)), []


def label_type(values: pd.Series) -> LabelType:
    """Return the type labels are given back in; whole floats (a column that had gaps) are ints."""
    kinds = {_label_kind(value) for value in values.unique()}
    if kinds <= {"int", "float"}:
        return "float" if "float" in kinds else "int"
    return kinds.pop() if len(kinds) == 1 else "str"


def _label_kind(value: Any) -> LabelType:
    if isinstance(value, bool | np.bool_):
        return "bool"
    if isinstance(value, int | np.integer):
        return "int"
    if isinstance(value, float | np.floating):
        return "int" if float(value).is_integer() else "float"
    return "str"
