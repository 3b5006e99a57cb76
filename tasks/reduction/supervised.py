"""Partial least squares: the projection whose components vary most together with the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.reduction.column_config import PlsColumns
from tasks.reduction.linear import projected, variance_shares
from tasks.reduction.reduction import Reduction
from tasks.reduction.sample import Sample, refusal
from tasks.reduction.spectrum import chunks, moments, oriented

__all__ = ["covarying", "most_components", "pls"]


@dataclass(frozen=True, eq=False)
class _Moments:
    """Scatter (d, d) of the centred features, and their products (d, m) with the centred targets."""

    scatter: NDArray[np.float64]
    cross: NDArray[np.float64]


def _targets(sample: Sample) -> NDArray[np.float64]:
    """(n, m): the classes one-hot, or the standardised target; centred."""
    y = np.asarray(sample.y)
    if sample.task == "classification":
        hot = y[:, None] == np.unique(y)
        return np.asarray(hot - hot.mean(axis=0))
    return np.asarray(y - y.mean(dtype=np.float64), dtype=np.float64)[:, None]


def _second_moments(sample: Sample) -> _Moments:
    found, Y = moments(sample.features), _targets(sample)
    cross, start = np.zeros((sample.features.shape[1], Y.shape[1])), 0
    for rows in chunks(sample.features):
        cross += (rows - found.mean).T @ Y[start : start + len(rows)]
        start += len(rows)
    return _Moments(found.scatter, cross)


def covarying(scatter: NDArray[Any], cross: NDArray[Any]) -> NDArray[np.float64]:
    """Rotations of partial least squares, one a row, in the order they are found.

    Component a maximises ``||Yᵀ X r||`` over directions whose scores are uncorrelated with those before it
    (NIPALS: Wold, 1975), computed from the second moments alone: with w the leading left singular vector of
    S = Xᵀ Y and G = Xᵀ X,

        r = w - sum_j r_j (p_jᵀ w),   p = G r / rᵀ G r,   S <- S - p (rᵀ S)

    (Dayal and MacGregor, 1997). Agrees with scikit-learn's ``PLSRegression(scale=False).x_rotations_`` up to
    the sign. It ends where nothing of the target is left to follow, or at the rank of the features.

    Parameters
    ----------
    scatter
        G (d, d) of centred features.
    cross
        S (d, m) with centred targets.
    """
    S, smallest = cross.copy(), np.finfo(np.float64).eps * len(scatter) * np.trace(scatter)
    rotations: list[NDArray[Any]] = []
    loadings: list[NDArray[Any]] = []
    start = np.linalg.norm(cross)
    for _ in range(len(scatter)):
        if np.linalg.norm(S) <= 1e-9 * start:
            break
        w = np.linalg.svd(S, full_matrices=False)[0][:, 0]
        r = w.copy()
        for earlier, p in zip(rotations, loadings, strict=True):
            r -= earlier * (p @ w)
        image = scatter @ r
        spread = r @ image
        if spread <= smallest:
            break
        p = image / spread
        S -= np.outer(p, r @ S)
        rotations.append(r)
        loadings.append(p)
    return np.asarray(rotations).reshape(-1, len(scatter))


def _rotations(sample: Sample) -> NDArray[np.float64]:
    """All of them, once: the first k are the fit of k components."""

    def compute() -> NDArray[np.float64]:
        found = _second_moments(sample)
        return oriented(covarying(found.scatter, found.cross))

    if sample.task == "classification" and sample.classes < 2:
        rule = "pls needs two classes among the training rows"
        raise refusal("columns.method", rule, sample.classes, "use pca or interpolative")
    rotations = sample.once("pls", compute)
    if not len(rotations):
        rule = "pls finds no feature that varies together with the target"
        raise refusal("columns.method", rule, "no component", "use pca or interpolative")
    return rotations


def most_components(sample: Sample) -> int:
    """Components before nothing of the target is left."""
    return len(_rotations(sample))


def pls(config: PlsColumns, sample: Sample) -> Reduction:
    """Directions of largest covariance with the one-hot classes or the standardised target (Wold, 1975)."""
    rotations, k = _rotations(sample), int(config.components)
    if k > len(rotations):
        rule = f"pls has at most {len(rotations)} components before nothing of the target is left to follow"
        raise refusal("columns.components", rule, k, f"set 1 to {len(rotations)}, or auto")
    shares = sample.once("pls shares", lambda: variance_shares(sample.features, rotations))
    return projected(config.method, rotations[:k], sample.mean, shares, sample)
