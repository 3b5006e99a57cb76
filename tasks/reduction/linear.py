"""Column methods that project linearly: pca, truncated_svd, random_projection, lda.

Each yields W (d, k) and b (k,) with z = x W + b, the centring folded into b. None of them whitens: the
components keep their relative deviations, so one common scale serves them all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.random_projection import GaussianRandomProjection

from tasks.reduction.column_config import LdaColumns, PcaColumns, RandomProjectionColumns, TruncatedSvdColumns
from tasks.reduction.reduction import Reduction
from tasks.reduction.sample import Sample, refusal
from tasks.reduction.spectrum import Spectrum, chunks, oriented

__all__ = [
    "count_for_share",
    "lda",
    "lost_variance",
    "most_discriminants",
    "pca",
    "projected",
    "random_projection",
    "truncated_svd",
    "variance_shares",
]

_OPTION = "columns.components"


def count_for_share(shares: NDArray[Any], share: float) -> int:
    """Fewest leading components that carry at least `share` of the variance.

    Examples
    --------
    >>> count_for_share(np.array([0.6, 0.3, 0.1]), 0.85)
    2
    """
    reached = np.cumsum(shares) >= share - 1e-12
    return int(reached.argmax()) + 1 if reached.any() else len(shares)


def lost_variance(X: NDArray[Any], mean: NDArray[Any], W: NDArray[Any]) -> float:
    """Share of the variance of `X` (n, d) outside the span of the columns of `W` (d, k).

    The error of the best linear reconstruction, ||Xc - Xc Q Q^T||^2 / ||Xc||^2, Q an orthonormal basis of W.
    """
    Q, _ = np.linalg.qr(W)
    squares = [(np.square(rows - mean).sum(), np.square((rows - mean) @ Q).sum()) for rows in chunks(X)]
    total, kept = np.sum(squares, axis=0)
    return float(max(0.0, total - kept) / total) if total > 0 else 0.0


def projected(
    method: str, axes: NDArray[Any], mean: NDArray[Any], worth: NDArray[Any], sample: Sample
) -> Reduction:
    """Fold `(x - mean) axes^T` into W and b."""
    W = axes.T
    report = {"reconstruction_error": lost_variance(sample.features, sample.mean, W)}
    projection = (W.astype(np.float32), (-mean @ W).astype(np.float32))
    return Reduction(method, shape=(len(axes),), projection=projection, worth=worth, report=report)


def _leading(method: str, k: int, found: Spectrum, sample: Sample) -> Reduction:
    n, d = sample.features.shape
    if k > found.rank:
        raise refusal(
            _OPTION,
            f"{method} has at most {found.rank} components, what {n} training rows of {d} features span",
            k,
            f"set 1 to {found.rank}, or auto",
        )
    return projected(method, found.axes[:k], found.mean, found.shares, sample)


def pca(config: PcaColumns, sample: Sample) -> Reduction:
    """Principal components: the eigenvectors of the covariance (Pearson, 1901; Hotelling, 1933)."""
    found = sample.spectrum
    wanted = config.components
    k = count_for_share(found.shares, wanted) if isinstance(wanted, float) else int(wanted)
    return _leading(config.method, k, found, sample)


def truncated_svd(config: TruncatedSvdColumns, sample: Sample) -> Reduction:
    """Leading right singular vectors of the features as they stand, not centred (Eckart and Young, 1936)."""
    found = sample.uncentred_spectrum
    reduction = _leading(config.method, int(config.components), found, sample)
    worth = sample.once("svd shares", lambda: variance_shares(sample.features, found.axes))
    return replace(reduction, worth=worth)


def variance_shares(features: NDArray[Any], axes: NDArray[Any]) -> NDArray[np.float64]:
    """Variance along each axis over that of all features together."""
    along = (features @ axes.T).var(axis=0, dtype=np.float64)
    return np.asarray(along / features.var(axis=0, dtype=np.float64).sum())


def random_projection(config: RandomProjectionColumns, sample: Sample) -> Reduction:
    """Gaussian directions of variance 1/k: distances keep their mean (Johnson and Lindenstrauss, 1984)."""
    d, k = sample.features.shape[1], int(config.components)
    if k > d:
        raise refusal(
            _OPTION,
            f"random_projection of {d} features reduces nothing beyond {d}",
            k,
            f"set 1 to {d}, or auto",
        )
    drawn = GaussianRandomProjection(n_components=k, random_state=sample.seed).fit(sample.features)
    axes = np.asarray(drawn.components_, dtype=np.float64)
    return projected(config.method, axes, sample.mean, variance_shares(sample.features, axes), sample)


def _discriminants(sample: Sample) -> LinearDiscriminantAnalysis:
    """Fit; with few rows the within-class scatter is singular and is shrunk (Ledoit and Wolf, 2004)."""
    n, d = sample.features.shape
    few = n - sample.classes < d
    solver = {"solver": "eigen", "shrinkage": "auto"} if few else {"solver": "svd"}
    try:
        return LinearDiscriminantAnalysis(**solver).fit(sample.features.astype(np.float64), sample.y)
    except np.linalg.LinAlgError as error:
        rule = "lda finds no spread within the classes along some of the features"
        raise refusal("columns.method", rule, f"{n} rows of {d} features", "use pca") from error


def _check_classes(sample: Sample) -> None:
    if sample.task != "classification":
        raise refusal("columns.method", "lda separates classes", sample.task, "use pca or select_k_best")
    if not 1 < sample.classes < len(sample.y):
        rule = "lda needs two classes and more training rows than classes"
        raise refusal("columns.method", rule, f"{len(sample.y)} rows of {sample.classes} classes", "use pca")


def _fitted(sample: Sample) -> LinearDiscriminantAnalysis:
    _check_classes(sample)
    return sample.once("discriminants", lambda: _discriminants(sample))


def most_discriminants(sample: Sample) -> int:
    """Directions along which the class means differ: at most classes - 1."""
    return min(sample.classes - 1, int(_fitted(sample).scalings_.shape[1]))


def lda(config: LdaColumns, sample: Sample) -> Reduction:
    """Directions of largest between-class to within-class scatter (Fisher, 1936; Rao, 1948)."""
    fitted = _fitted(sample)
    k, limit = int(config.components), most_discriminants(sample)
    if k > limit:
        rule = f"lda of {sample.classes} classes has at most {limit} components"
        raise refusal(_OPTION, rule, k, f"set 1 to {limit}, or auto")
    axes = oriented(np.asarray(fitted.scalings_[:, :k]).T)
    worth = np.asarray(fitted.explained_variance_ratio_, dtype=np.float64)
    return projected(config.method, axes, sample.mean, worth, sample)
