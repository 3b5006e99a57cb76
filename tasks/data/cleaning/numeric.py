"""The numeric plan, learnt from the training rows' numeric form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tasks.data.cleaning.decisions import Decision, per_column
from tasks.data.cleaning.encoding import NumericColumn
from tasks.data.cleaning.missing import fit_fill, fit_indicator
from tasks.data.cleaning.outliers import fit_bounds
from tasks.data.cleaning.scaling import fit_scaling
from tasks.data.config import CleanConfig, ImputeConfig
from tasks.data.meta import RawMeta
from tasks.data.plan import NumericPlan

__all__ = ["fit_plan"]

Floats = npt.NDArray[np.float32]
COMMONEST = ImputeConfig(method="most_frequent")


def fit_plan(
    X: Floats, columns: Sequence[NumericColumn], meta: RawMeta, config: CleanConfig
) -> tuple[NumericPlan, list[Decision]]:
    """Return the plan of training rows X (n, p), numbers first, and what it will change in them."""
    q, grid = sum(column.levels == 0 for column in columns), meta.shape is not None
    numbers = X[:, :q]
    codes = np.asarray([column.kind == "category" for column in columns[:q]], np.bool_)
    measured = np.asarray([column.kind == "number" for column in columns[:q]], np.bool_)
    fill = fit_fill(numbers, config.impute)
    fill[codes] = fit_fill(numbers[:, codes], COMMONEST)
    low, high = fit_bounds(numbers, config.outliers, measured)
    indicator = fit_indicator(numbers, config.impute)
    clean = np.clip(np.where(np.isnan(numbers), fill, numbers), low, high)
    mean, scale = fit_scaling(clean, _scale_method(config, grid), _text_groups(columns[:q]))
    rest, flat = len(columns) - q, sum(column.levels for column in columns) + len(indicator)
    plan = NumericPlan(
        names=tuple(column.name for column in columns),
        levels=tuple(column.levels for column in columns),
        fill=_extend(fill, rest, 0),
        low=_extend(low, rest, -np.inf),
        high=_extend(high, rest, np.inf),
        indicator=indicator,
        mean=_extend(mean, flat, 0),
        scale=_extend(scale, flat, 1),
        positions=_cells(columns, meta) if grid else None,
        shape=meta.shape,
    )
    return plan, _filled(X, columns, fill, config, grid) + _clipped(numbers, plan, columns, config, grid)


def _scale_method(config: CleanConfig, grid: bool) -> str:
    if config.scale == "auto":
        return "global" if grid else "standard"
    return config.scale


def _text_groups(columns: Sequence[NumericColumn]) -> npt.NDArray[np.int64]:
    sources = [column.source for column in columns if column.kind == "text"]
    numbers = {source: number for number, source in enumerate(dict.fromkeys(sources))}
    return np.asarray([numbers.get(column.source, -1) for column in columns], np.int64)


def _cells(columns: Sequence[NumericColumn], meta: RawMeta) -> tuple[int, ...]:
    place = {name: cell for cell, name in enumerate(meta.columns)}
    return tuple(place[column.source] for column in columns)


def _extend(values: Floats, count: int, value: float) -> Floats:
    return np.concatenate([values, np.full(count, value, np.float32)])


def _filled(
    X: Floats, columns: Sequence[NumericColumn], fill: Floats, config: CleanConfig, grid: bool
) -> list[Decision]:
    counts = np.isnan(X).sum(axis=0)
    numbers = [
        (column.source, int(count), _filler(column, value, config))
        for column, count, value in zip(columns, counts, fill, strict=False)
        if count
    ]
    codes = [
        (column.source, int(count), "encoded as no level")
        for column, count in zip(columns[len(fill) :], counts[len(fill) :], strict=True)
        if count
    ]
    return per_column("missing cells filled", numbers, grid) + per_column("missing categories", codes, grid)


def _filler(column: NumericColumn, value: np.float32, config: CleanConfig) -> str:
    if column.kind == "category":
        return f"with the commonest code {value:.0f}"
    return f"with the {config.impute.method.replace('_', ' ')} {value:.6g}"


def _clipped(
    numbers: Floats, plan: NumericPlan, columns: Sequence[NumericColumn], config: CleanConfig, grid: bool
) -> list[Decision]:
    q = numbers.shape[1]
    counts = ((numbers < plan.low[:q]) | (numbers > plan.high[:q])).sum(axis=0)
    bounds = zip(columns, counts, plan.low, plan.high, strict=False)
    clipped = [
        (column.source, int(count), f"outside [{low:.4g}, {high:.4g}]")
        for column, count, low, high in bounds
        if count
    ]
    return per_column("outliers clipped", clipped, grid)
