"""Interpolative selection: real columns that the others are linear combinations of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.reduction.column_config import InterpolativeColumns
from tasks.reduction.reduction import Reduction
from tasks.reduction.sample import Sample, refusal
from tasks.reduction.spectrum import moments

__all__ = ["Pivots", "interpolative", "pivoted", "spanning"]

# Of the total variance, per feature: below this a residual is what float32 data leave behind.
NEGLIGIBLE = 1e-10


@dataclass(frozen=True, eq=False)
class Pivots:
    """Columns in the order a pivoted QR takes them.

    Parameters
    ----------
    order
        (r,) the columns taken, r at most the rank.
    variance
        (r,) what was left of each when it was taken: the squared diagonal of R.
    lost
        (r,) residual of all features together behind each.
    """

    order: NDArray[np.int64]
    variance: NDArray[np.float64]
    lost: NDArray[np.float64]


def _eliminate(residual: NDArray[Any], block: NDArray[Any]) -> NDArray[Any]:
    """Residual scatter (d, d) of the features after regression on those of `block`."""
    rows = residual[block]
    values, vectors = np.linalg.eigh(rows[:, block])
    spanned = values > NEGLIGIBLE * values[-1]
    half = (vectors[:, spanned] / np.sqrt(values[spanned])).T @ rows
    left: NDArray[Any] = residual - half.T @ half
    left[block], left[:, block] = 0.0, 0.0
    return left


def pivoted(scatter: NDArray[Any], owner: NDArray[Any]) -> Pivots:
    """Take, again and again, the column with most variance that those taken do not explain.

    The pivots of a column-pivoted QR of the features (Businger and Golub, 1965), found as those of a pivoted
    Cholesky of their scatter, so that rows are read once; a column of several features (levels, indicator)
    enters with all of them.

    Parameters
    ----------
    scatter
        (d, d) of centred features.
    owner
        (d,) column of each feature.
    """
    residual, total = np.array(scatter, dtype=np.float64), float(np.trace(scatter))
    order, variance, lost = [], [], []
    for _ in range(int(owner.max()) + 1):
        own = np.bincount(owner, np.maximum(residual.diagonal(), 0.0))
        column = int(own.argmax())
        if own[column] <= NEGLIGIBLE * total / len(scatter):
            break
        residual = _eliminate(residual, np.flatnonzero(owner == column))
        order.append(column)
        variance.append(own[column])
        lost.append(max(0.0, float(np.trace(residual))))
    return Pivots(np.array(order, np.int64), np.minimum.accumulate(variance), np.array(lost))


def _pivots(sample: Sample) -> Pivots:
    return sample.once("pivots", lambda: pivoted(_scatter(sample), sample.plan.owner))


def _scatter(sample: Sample) -> NDArray[np.float64]:
    return sample.once("scatter", lambda: moments(sample.features).scatter)


def spanning(sample: Sample) -> int:
    """Columns before the rest are combinations of those taken."""
    return len(_pivots(sample).order)


def _unexplained(sample: Sample, kept: tuple[int, ...]) -> dict[str, float]:
    """Share of its own variance that the kept columns do not explain, for each other column that varies."""
    scatter, owner = _scatter(sample), sample.plan.owner
    left = _eliminate(scatter, np.flatnonzero(np.isin(owner, kept)))
    own, lost = (np.bincount(owner, each.diagonal(), sample.columns) for each in (scatter, left))
    others = (i for i in range(sample.columns) if i not in set(kept) and own[i] > 0)
    return {sample.plan.names[i]: round(float(np.clip(lost[i] / own[i], 0, 1)), 9) for i in others}


def interpolative(config: InterpolativeColumns, sample: Sample) -> Reduction:
    """Keep the leading pivots; the report says how well the other columns follow from them.

    ``X ≈ X[:, kept] T``, T by least squares (Cheng, Gimbutas, Martinsson and Rokhlin, 2005).
    """
    pivots, size = _pivots(sample), config.components
    k = max(1, round(size * sample.columns)) if isinstance(size, float) else int(size)
    if k > len(pivots.order):
        raise refusal(
            "columns.components",
            f"interpolative keeps at most {len(pivots.order)} columns, of which the others are combinations",
            k,
            f"set 1 to {len(pivots.order)}, or auto",
        )
    kept = tuple(int(i) for i in np.sort(pivots.order[:k]))
    worth = np.zeros(sample.columns)
    worth[pivots.order] = pivots.variance / max(1, len(sample.features) - 1)
    report = {
        "reconstruction_error": float(pivots.lost[k - 1] / np.trace(_scatter(sample))),
        "unexplained": _unexplained(sample, kept),
    }
    width = int(np.isin(sample.plan.owner, kept).sum())
    return Reduction(config.method, shape=(width,), kept=kept, worth=worth, report=report)
