"""Second moments and their principal axes, in float64 whatever the data's precision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Moments", "Spectrum", "chunks", "moments", "oriented", "spectrum"]

# 4 million float64 cells, 32 MB, are in flight at once.
CHUNK_CELLS = 4_000_000


@dataclass(frozen=True, eq=False)
class Moments:
    """Rows `n`, `mean` (d,) and centred scatter (d, d): the sum of (x - mean)(x - mean)^T."""

    n: int
    mean: NDArray[np.float64]
    scatter: NDArray[np.float64]

    def merge(self, other: Moments) -> Moments:
        """Moments of both sets of rows (Chan et al., 1979); exact, so a fit can be spread over parts."""
        n = self.n + other.n
        step = other.mean - self.mean
        scatter = self.scatter + other.scatter + np.outer(step, step) * (self.n * other.n / n)
        return Moments(n, self.mean + step * (other.n / n), scatter)


def chunks(X: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Cut `X` (n, d) into runs of rows of at most `CHUNK_CELLS` cells."""
    rows = max(1, CHUNK_CELLS // X.shape[1])
    return (X[start : start + rows] for start in range(0, len(X), rows))


def _chunk_moments(X: NDArray[Any]) -> Moments:
    mean = X.mean(axis=0, dtype=np.float64)
    centred = X - mean
    return Moments(len(X), mean, centred.T @ centred)


def moments(X: NDArray[Any]) -> Moments:
    """Mean and scatter of `X` (n, d), read in chunks of rows so that memory stays at d x d + 32 MB."""
    return reduce(Moments.merge, map(_chunk_moments, chunks(X)))


def oriented(axes: NDArray[Any]) -> NDArray[Any]:
    """Turn each row of `axes` (k, d) so that its largest entry is positive: signs then never vary."""
    largest = np.abs(axes).argmax(axis=1)
    signs = np.sign(axes[np.arange(len(axes)), largest])
    return axes * np.where(signs == 0, 1.0, signs)[:, None]


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigenvalues of the second moments, falling, and their orthonormal `axes`, one a row.

    Parameters
    ----------
    mean
        (d,), zeros when not centred.
    values
        (r,) mean square along each axis, r the rank of the rows.
    axes
        (r, d).
    """

    mean: NDArray[np.float64]
    values: NDArray[np.float64]
    axes: NDArray[np.float64]

    @property
    def rank(self) -> int:
        """Directions the rows span."""
        return len(self.values)

    @property
    def shares(self) -> NDArray[np.float64]:
        """Share of the total each axis carries."""
        return np.asarray(self.values / self.values.sum())


_Axes: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def _by_rows(X: NDArray[Any], *, centre: bool) -> _Axes:
    """Fewer rows than features: a singular value decomposition of the n x d rows is the smaller problem."""
    mean = X.mean(axis=0, dtype=np.float64) if centre else np.zeros(X.shape[1])
    _, singular, axes = np.linalg.svd(X - mean, full_matrices=False)
    spanned = singular > _resolution(X) * singular[0]
    return mean, singular[spanned] ** 2, axes[spanned]


def _by_features(X: NDArray[Any], *, centre: bool) -> _Axes:
    found = moments(X)
    mean = found.mean if centre else np.zeros(X.shape[1])
    scatter = found.scatter if centre else found.scatter + found.n * np.outer(found.mean, found.mean)
    values, vectors = np.linalg.eigh(scatter)
    spanned = values > _resolution(X) * values[-1]
    return mean, values[spanned][::-1], vectors[:, spanned].T[::-1]


def _resolution(X: NDArray[Any]) -> float:
    return float(np.finfo(np.float64).eps * max(X.shape))


def spectrum(X: NDArray[Any], *, centre: bool = True) -> Spectrum:
    """Principal axes of the rows of `X` (n, d); directions below float64's resolution are left out.

    Centred, the eigenvalues are those of the covariance with divisor n - 1 (Pearson, 1901; Hotelling, 1933);
    not centred, mean squares with divisor n.
    """
    route = _by_rows if len(X) < X.shape[1] else _by_features
    mean, squares, axes = route(X, centre=centre)
    divisor = max(1, len(X) - 1) if centre else len(X)
    return Spectrum(mean, squares / divisor, oriented(axes))
