"""The table of column methods and the one way to fit any of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from tasks.errors import EspalierError
from tasks.reduction.autoencoder import autoencoder
from tasks.reduction.column_config import ColumnsConfig, size_field
from tasks.reduction.grids import dct, grid_of, pool
from tasks.reduction.interpolative import interpolative, spanning
from tasks.reduction.linear import lda, most_discriminants, pca, random_projection, truncated_svd
from tasks.reduction.reduction import Reduction
from tasks.reduction.sample import Sample
from tasks.reduction.selection import keep_all, select_k_best, weight_norm
from tasks.reduction.supervised import most_components, pls

__all__ = ["COLUMN_METHODS", "ColumnMethod", "fit_columns", "largest"]


@dataclass(frozen=True)
class ColumnMethod:
    """How a method learns from a sample, and the largest value its size option can take there."""

    fit: Callable[[Any, Sample], Reduction]
    largest: Callable[[Sample], int]


def _longest_axis(method: str) -> Callable[[Sample], int]:
    return lambda sample: max(grid_of(method, sample)[1:])


COLUMN_METHODS: dict[str, ColumnMethod] = {
    "none": ColumnMethod(keep_all, lambda sample: sample.columns),
    "weight_norm": ColumnMethod(weight_norm, lambda sample: sample.columns),
    "select_k_best": ColumnMethod(select_k_best, lambda sample: sample.columns),
    "interpolative": ColumnMethod(interpolative, spanning),
    "pca": ColumnMethod(pca, lambda sample: sample.spectrum.rank),
    "truncated_svd": ColumnMethod(truncated_svd, lambda sample: sample.uncentred_spectrum.rank),
    "random_projection": ColumnMethod(random_projection, lambda sample: sample.plan.width),
    "pls": ColumnMethod(pls, most_components),
    "lda": ColumnMethod(lda, most_discriminants),
    "autoencoder": ColumnMethod(autoencoder, lambda sample: sample.plan.width),
    "pool": ColumnMethod(pool, _longest_axis("pool")),
    "dct": ColumnMethod(dct, _longest_axis("dct")),
}


def largest(config: ColumnsConfig, sample: Sample) -> int:
    """Largest value of the size option (components, kernel, keep) that `sample` allows; at least 1.

    Raises
    ------
    EspalierError
        When the data do not allow the method at any size.
    """
    _check_varying(config, sample)
    return COLUMN_METHODS[config.method].largest(sample)


def _check_varying(config: ColumnsConfig, sample: Sample) -> None:
    if config.method != "none" and not sample.varying:
        raise EspalierError(
            f"reduce.columns.method: {config.method} needs a feature that varies, and all "
            f"{sample.plan.width} are constant over the {len(sample.features)} training rows; use "
            "method none"
        )


def fit_columns(config: ColumnsConfig, sample: Sample) -> Reduction:
    """Fit a column method on training rows.

    Parameters
    ----------
    config
        The method with its options; `auto` resolved.
    sample
        Features, target, plan, task, scores and seed.

    Returns
    -------
    The reduction, rows untouched.

    Raises
    ------
    EspalierError
        When the data do not allow the method or its size; the message names the option and the alternatives.
    """
    if config.method == "auto":
        raise ValueError("columns.method is auto: tasks.search.components resolves it")
    option = size_field(config)
    if option and getattr(config, option) == "auto":
        raise ValueError(f"columns.{option} is auto: tasks.search.components resolves it")
    _check_varying(config, sample)
    fitted = COLUMN_METHODS[config.method].fit(config, sample)
    return replace(fitted, seed=sample.seed, report=_facts(fitted, sample))


def _facts(fitted: Reduction, sample: Sample) -> dict[str, Any]:
    """Section `columns` of reports/reduce.json; `before` and `after` count features."""
    kept = fitted.kept
    size = len(kept) if kept is not None else prod(fitted.shape)
    shares = fitted.worth if kept is None and fitted.encoder is None else None
    found = {key: fact for key, fact in fitted.report.items() if key != "reconstruction_error"}
    return {
        "method": fitted.method,
        "components": size,
        "before": sample.plan.width,
        "after": prod(fitted.shape),
        "kept": None if kept is None else [sample.plan.names[i] for i in kept],
        "explained_variance": None if shares is None else [round(float(share), 9) for share in shares[:size]],
        "reconstruction_error": fitted.report.get("reconstruction_error"),
        "trials": [],
        **found,
    }
