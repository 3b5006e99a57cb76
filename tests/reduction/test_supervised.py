from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn.cross_decomposition import PLSRegression

from tasks.errors import EspalierError
from tasks.reduction.column_config import PlsColumns
from tasks.reduction.columns import fit_columns
from tasks.reduction.sample import Sample


def rotations(sample: Sample, k: int) -> np.ndarray:
    return fit_columns(PlsColumns(components=k), sample).arrays()["W"]


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_it_is_scikit_learns_partial_least_squares(task: str, table: Callable[..., Sample]) -> None:
    sample = table(n=120, task=task)
    Y = np.eye(3)[sample.y] if task == "classification" else sample.y
    theirs = PLSRegression(4, scale=False, tol=1e-14, max_iter=10_000).fit(sample.features.astype(float), Y)
    ours = rotations(sample, 4)
    signs = np.sign((ours * theirs.x_rotations_).sum(axis=0))
    np.testing.assert_allclose(ours * signs, theirs.x_rotations_, atol=1e-5)


def test_scores_are_uncorrelated(table: Callable[..., Sample]) -> None:
    sample = table()
    scores = fit_columns(PlsColumns(components=5), sample).transform(sample.features, sample.plan)
    correlations = np.corrcoef(scores.T.astype(float))
    np.testing.assert_allclose(correlations, np.eye(5), atol=1e-4)


def test_fewer_components_are_the_first_of_more(table: Callable[..., Sample]) -> None:
    sample = table()
    np.testing.assert_array_equal(rotations(sample, 2), rotations(sample, 5)[:, :2])


def test_a_target_that_is_one_direction_is_followed_first(table: Callable[..., Sample]) -> None:
    sample = table(n=400, task="regression")
    scores = sample.features @ rotations(sample, 1)[:, 0]
    assert abs(np.corrcoef(scores, sample.y)[0, 1]) > 0.95


def test_one_class_is_refused(table: Callable[..., Sample]) -> None:
    with pytest.raises(EspalierError, match=r"pls needs two classes .*use pca or interpolative"):
        fit_columns(PlsColumns(components=1), replace(table(), y=np.zeros(60, int)))


def test_a_constant_target_is_refused(table: Callable[..., Sample]) -> None:
    sample = replace(table(task="regression"), y=np.zeros(60))
    with pytest.raises(EspalierError, match=r"no feature that varies together with the target"):
        fit_columns(PlsColumns(components=1), sample)
