"""Column methods that keep real columns: weight_norm, select_k_best, and none."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_selection import (
    f_classif,
    f_regression,
    mutual_info_classif,
    mutual_info_regression,
)

from tasks.errors import EspalierError
from tasks.reduction.column_config import Auto, NoColumns, SelectKBestColumns, WeightNormColumns
from tasks.reduction.reduction import Reduction
from tasks.reduction.sample import Sample, refusal

__all__ = ["best", "column_scores", "keep_all", "listened_to", "select_k_best", "weight_norm"]


NEIGHBOURS = 3


def keep_all(config: NoColumns, sample: Sample) -> Reduction:
    """Keep every column."""
    return Reduction(config.method, shape=(sample.plan.width,))


def best(scores: NDArray[Any], k: int) -> tuple[int, ...]:
    """Ascending positions of the `k` largest scores; of equal ones the earlier."""
    return tuple(int(i) for i in np.sort(np.argsort(-scores, kind="stable")[:k]))


def _resolved(size: float | Auto) -> float:
    if isinstance(size, str):
        raise ValueError("components is auto: tasks.search.components resolves it")
    return size


def _keep(method: str, scores: NDArray[np.float64], size: float, sample: Sample) -> Reduction:
    """Keep the best columns: `size` is their count, or as a float their share."""
    k = max(1, round(size * sample.columns)) if isinstance(size, float) else size
    if k > sample.columns:
        raise refusal(
            "columns.components",
            f"{method} keeps at most the {sample.columns} numeric columns that cleaning left",
            k,
            f"set 1 to {sample.columns}, a share of the columns such as 0.33, or auto",
        )
    kept = best(scores, k)
    width = int(np.isin(sample.plan.owner, kept).sum())
    return Reduction(method, shape=(width,), kept=kept, worth=scores)


def listened_to(features: NDArray[Any], norms: NDArray[Any]) -> NDArray[np.float64]:
    """How much of each feature reaches the first layer: ``||W[:, j]||_2 * std(x_j)``.

    The norm alone ranks near-constant columns by the weights they were initialised with; times the deviation
    on the training rows it is the root mean square of what the column adds to the layer.

    Parameters
    ----------
    features
        (n, d), what the layer reads.
    norms
        (d,) Euclidean norm of each column of the layer's weight.

    Returns
    -------
    (d,) float64.

    Examples
    --------
    >>> listened_to(np.array([[0.0, 1.0], [0.0, 3.0]]), np.array([5.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    return np.asarray(norms * features.std(axis=0, dtype=np.float64), dtype=np.float64)


def weight_norm(config: WeightNormColumns, sample: Sample) -> Reduction:
    """Keep the columns the trained reference listens to most.

    A column's score is the sum over its features (levels, indicator) of `listened_to`.
    """
    if sample.scores is None:
        raise EspalierError(
            "reduce.columns.method: weight_norm reads the first layer of the trained reference, and none "
            "was given; train stage reference first, or use select_k_best or pca"
        )
    scores = sample.per_column(listened_to(sample.features, sample.scores), combine="sum")
    return _keep(config.method, scores, _resolved(config.components), sample)


def _anova(X: NDArray[Any], sample: Sample) -> NDArray[Any]:
    test = f_classif if sample.task == "classification" else f_regression
    with np.errstate(divide="ignore"):  # a feature that is the class itself: F is infinite
        return np.asarray(test(X.astype(np.float64), sample.y)[0])


def _mutual_info(X: NDArray[Any], sample: Sample) -> NDArray[Any]:
    estimate = mutual_info_classif if sample.task == "classification" else mutual_info_regression
    discrete = np.array([len(np.unique(column)) <= 2 for column in X.T])
    options = {"discrete_features": discrete, "n_neighbors": NEIGHBOURS, "random_state": sample.seed}
    return np.asarray(estimate(X, sample.y, **options))


def column_scores(kind: str, sample: Sample) -> NDArray[np.float64]:
    """Score each numeric column (p,) by `anova` or `mutual_info`; a categorical column by its best level.

    `anova` is the F statistic of the classes, or of the one-variable regression for a numeric target (Fisher,
    1925); `mutual_info` the nearest-neighbour estimate in nats (Kraskov et al., 2004; Ross, 2014). Constant
    features score 0.
    """
    X = sample.features
    varying = X.min(axis=0) < X.max(axis=0)
    scores = np.zeros(X.shape[1])
    if varying.any():
        scores[varying] = (_anova if kind == "anova" else _mutual_info)(X[:, varying], sample)
    finite = np.nan_to_num(scores, nan=0.0, posinf=np.finfo(np.float64).max)
    return sample.per_column(finite, combine="max")


def select_k_best(config: SelectKBestColumns, sample: Sample) -> Reduction:
    """Keep the columns with the largest score of their own against the target."""
    if sample.task == "classification" and sample.classes < 2:
        raise refusal(
            "columns.method", "select_k_best needs two classes among the training rows", 1, "use pca"
        )
    if len(sample.y) <= sample.classes and sample.task == "classification":
        raise refusal(
            "columns.score",
            f"{config.score} needs more training rows than classes",
            f"{len(sample.y)} rows of {sample.classes} classes",
            "use pca or random_projection",
        )
    if config.score == "mutual_info" and len(sample.y) <= NEIGHBOURS:
        rule = f"mutual_info compares each row with {NEIGHBOURS} others"
        raise refusal("columns.score", rule, f"{len(sample.y)} rows", "use anova or pca")
    scores = sample.once(config.score, lambda: column_scores(config.score, sample))
    return _keep(config.method, scores, _resolved(config.components), sample)
