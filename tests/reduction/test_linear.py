from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from tasks.data.plan import NumericPlan
from tasks.errors import EspalierError
from tasks.reduction.column_config import (
    ColumnsConfig,
    LdaColumns,
    PcaColumns,
    RandomProjectionColumns,
    TruncatedSvdColumns,
)
from tasks.reduction.columns import fit_columns
from tasks.reduction.linear import count_for_share, lost_variance
from tasks.reduction.sample import Sample


def reduce(config: ColumnsConfig, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """W, and the reduced rows."""
    reduction = fit_columns(config, sample)
    assert reduction.projection is not None
    return reduction.projection[0], reduction.transform(sample.features, sample.plan)


def aligned(Z: np.ndarray, like: np.ndarray) -> np.ndarray:
    return np.asarray(Z * np.sign((Z * like).sum(axis=0)))


@pytest.mark.parametrize("config", [PcaColumns(components=4), TruncatedSvdColumns(components=4)])
def test_components_are_orthonormal(config: ColumnsConfig, table: Callable[..., Sample]) -> None:
    W, _ = reduce(config, table())
    np.testing.assert_allclose(W.T @ W, np.eye(4), atol=1e-6)


@pytest.mark.parametrize(("n", "d"), [(60, 8), (12, 30)])
def test_pca_is_scikit_learns_up_to_sign(n: int, d: int, table: Callable[..., Sample]) -> None:
    sample = table(n=n, d=d)
    _, Z = reduce(PcaColumns(components=5), sample)
    expected = PCA(5, svd_solver="full").fit_transform(sample.features.astype(float))
    np.testing.assert_allclose(aligned(Z, expected), expected, atol=1e-5)


def test_the_reduced_rows_are_centred_and_uncorrelated(table: Callable[..., Sample]) -> None:
    _, Z = reduce(PcaColumns(components=5), table())
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-6)
    covariance = np.cov(Z.T)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-5)


def test_the_reconstruction_error_is_the_tail_of_the_eigenvalues(table: Callable[..., Sample]) -> None:
    sample = table()
    eigenvalues = np.linalg.eigvalsh(np.cov(sample.features.T.astype(float)))
    reported = fit_columns(PcaColumns(components=3), sample).report["reconstruction_error"]
    assert reported == pytest.approx(eigenvalues[:-3].sum() / eigenvalues.sum(), rel=1e-9)


def test_the_reconstruction_error_is_what_projecting_back_leaves(table: Callable[..., Sample]) -> None:
    sample = table()
    W, Z = reduce(PcaColumns(components=3), sample)
    centred = sample.features - sample.features.mean(axis=0)
    left = np.square(centred - Z @ W.T).sum() / np.square(centred).sum()
    assert fit_columns(PcaColumns(components=3), sample).report["reconstruction_error"] == pytest.approx(
        left, rel=1e-4
    )


def test_each_sign_makes_the_largest_entry_positive(table: Callable[..., Sample]) -> None:
    W, _ = reduce(PcaColumns(components=5), table())
    assert (W[np.abs(W).argmax(axis=0), np.arange(5)] > 0).all()


def test_the_order_of_the_rows_does_not_matter_to_pca(table: Callable[..., Sample]) -> None:
    sample = table()
    W, _ = reduce(PcaColumns(components=3), sample)
    turned, _ = reduce(PcaColumns(components=3), replace(sample, features=sample.features[::-1]))
    np.testing.assert_allclose(turned, W, atol=1e-6)


@pytest.mark.parametrize(("share", "count"), [(0.5, 1), (0.6, 1), (0.61, 2), (0.9, 2), (0.91, 3), (1.0, 3)])
def test_a_share_keeps_the_fewest_components_that_reach_it(share: float, count: int) -> None:
    assert count_for_share(np.array([0.6, 0.3, 0.1]), share) == count


def test_pca_by_share_keeps_at_least_that_share(table: Callable[..., Sample]) -> None:
    report = fit_columns(PcaColumns(components=0.8), table()).report
    assert 1 - report["reconstruction_error"] >= 0.8
    assert sum(report["explained_variance"][:-1]) < 0.8


def test_truncated_svd_is_scikit_learns_up_to_sign(table: Callable[..., Sample]) -> None:
    sample = table()
    _, Z = reduce(TruncatedSvdColumns(components=4), sample)
    expected = TruncatedSVD(4, algorithm="arpack", random_state=0).fit_transform(
        sample.features.astype(float)
    )
    np.testing.assert_allclose(aligned(Z, expected), expected, atol=1e-5)


def test_random_projection_keeps_squared_distances_on_average(make_plan: Callable[..., NumericPlan]) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(2, 50)).astype(np.float32)
    distance = np.square(features[0] - features[1]).sum()
    ratios = []
    for seed in range(200):
        sample = Sample(features, np.array([0, 1]), make_plan(50), "classification", seed=seed)
        _, Z = reduce(RandomProjectionColumns(components=20), sample)
        ratios.append(np.square(Z[0] - Z[1]).sum() / distance)
    assert np.mean(ratios) == pytest.approx(1, abs=4 * np.sqrt(2 / 20 / 200))


def test_random_projections_of_two_seeds_differ(table: Callable[..., Sample]) -> None:
    config = RandomProjectionColumns(components=4)
    W, _ = reduce(config, table())
    other, _ = reduce(config, replace(table(), seed=1))
    assert not np.allclose(W, other)


def test_lda_is_scikit_learns_up_to_sign(table: Callable[..., Sample]) -> None:
    sample = table()
    _, Z = reduce(LdaColumns(components=2), sample)
    expected = LinearDiscriminantAnalysis().fit(sample.features.astype(float), sample.y)
    scores = (sample.features - sample.features.mean(axis=0)) @ expected.scalings_[:, :2]
    np.testing.assert_allclose(aligned(Z, scores), scores, atol=1e-4)


def test_lda_separates_classes_it_can_see(table: Callable[..., Sample]) -> None:
    sample = table(n=300)
    _, Z = reduce(LdaColumns(components=2), sample)
    centres = np.array([Z[sample.y == label].mean(axis=0) for label in range(3)])
    nearest = np.linalg.norm(Z[:, None] - centres, axis=2).argmin(axis=1)
    assert (nearest == sample.y).mean() > 0.6


def test_lda_refuses_more_than_classes_minus_one(table: Callable[..., Sample]) -> None:
    with pytest.raises(
        EspalierError, match=r"lda of 3 classes has at most 2 components \(got 3\); set 1 to 2"
    ):
        fit_columns(LdaColumns(components=3), table())


def test_lda_refuses_a_numeric_target(table: Callable[..., Sample]) -> None:
    with pytest.raises(EspalierError, match="use pca or select_k_best"):
        fit_columns(LdaColumns(components=1), table(task="regression"))


def test_lda_refuses_one_row_a_class(table: Callable[..., Sample]) -> None:
    with pytest.raises(EspalierError, match="more training rows than classes"):
        fit_columns(LdaColumns(components=1), table(n=3))


def test_a_complete_basis_loses_no_variance() -> None:
    rng = np.random.default_rng(0)
    assert lost_variance(rng.normal(size=(9, 4)), np.zeros(4), rng.normal(size=(4, 4))) == pytest.approx(
        0, abs=1e-12
    )


@pytest.mark.filterwarnings("ignore:Only one sample")
def test_lda_refuses_features_without_spread_in_a_class(table: Callable[..., Sample]) -> None:
    with pytest.raises(EspalierError, match=r"no spread within the classes .*4 rows of 40 features.*use pca"):
        fit_columns(LdaColumns(components=1), table(n=4, d=40))
