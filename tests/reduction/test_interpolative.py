from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import qr

from tasks.data.plan import NumericPlan
from tasks.errors import EspalierError
from tasks.reduction.column_config import InterpolativeColumns
from tasks.reduction.columns import fit_columns, largest
from tasks.reduction.interpolative import pivoted
from tasks.reduction.linear import lost_variance
from tasks.reduction.reduction import Reduction
from tasks.reduction.sample import Sample


def keep(sample: Sample, k: float) -> Reduction:
    return fit_columns(InterpolativeColumns(components=k), sample)


def test_pivots_are_those_of_a_pivoted_qr(table: Callable[..., Sample]) -> None:
    X = table().features.astype(np.float64)
    X -= X.mean(axis=0)
    _, R, order = qr(X, mode="economic", pivoting=True)
    found = pivoted(X.T @ X, np.arange(X.shape[1]))
    assert found.order.tolist() == order.tolist()
    np.testing.assert_allclose(found.variance, np.diag(R) ** 2, rtol=1e-8)


def test_what_is_lost_is_the_residual_of_the_regression_on_the_kept(table: Callable[..., Sample]) -> None:
    sample = table()
    reduction = keep(sample, 3)
    assert reduction.kept is not None
    W = np.eye(8)[:, list(reduction.kept)]
    X = sample.features - sample.mean
    fitted = X @ W @ np.linalg.lstsq(X @ W, X, rcond=None)[0]
    expected = np.square(X - fitted).sum() / np.square(X).sum()
    assert reduction.report["reconstruction_error"] == pytest.approx(expected, rel=1e-6)
    assert expected < lost_variance(sample.features, sample.mean, W)


def test_each_other_column_has_its_own_unexplained_share(table: Callable[..., Sample]) -> None:
    sample = table()
    reduction = keep(sample, 5)
    shares, spread = reduction.report["unexplained"], sample.features.var(axis=0, dtype=np.float64)
    assert len(shares) == 3
    lost = sum(share * spread[int(name[1:])] for name, share in shares.items())
    assert lost / spread.sum() == pytest.approx(reduction.report["reconstruction_error"], rel=1e-6)


def test_a_combination_of_others_is_never_needed(table: Callable[..., Sample]) -> None:
    sample = table()
    features = sample.features.copy()
    features[:, 6] = features[:, 0] - features[:, 1]
    sample = replace(sample, features=features)
    assert largest(InterpolativeColumns(), sample) == 7
    assert keep(sample, 7).report["reconstruction_error"] == pytest.approx(0, abs=1e-9)
    with pytest.raises(EspalierError, match=r"at most 7 columns.*set 1 to 7, or auto"):
        keep(sample, 8)


def test_a_column_comes_with_all_its_levels(make_plan: Callable[..., NumericPlan]) -> None:
    rng = np.random.default_rng(0)
    hot = np.eye(3)[rng.integers(0, 3, 80)]
    features = np.hstack([0.1 * rng.normal(size=(80, 2)), hot]).astype(np.float32)
    sample = Sample(features, np.arange(80) % 2, make_plan(2, levels=(3,)), "classification")
    reduction = keep(sample, 1)
    assert (reduction.kept, reduction.shape) == ((2,), (3,))
