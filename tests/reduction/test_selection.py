from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn.feature_selection import f_classif, f_regression

from tasks.data.plan import NumericPlan
from tasks.errors import EspalierError
from tasks.reduction.column_config import SelectKBestColumns, WeightNormColumns
from tasks.reduction.columns import fit_columns
from tasks.reduction.sample import Sample
from tasks.reduction.selection import best, column_scores, listened_to


def test_best_keeps_the_columns_in_their_order() -> None:
    assert best(np.array([1.0, 9.0, 3.0, 9.0]), 3) == (1, 2, 3)


def test_best_takes_the_earlier_of_equal_scores() -> None:
    assert best(np.array([2.0, 5.0, 2.0, 2.0]), 2) == (0, 1)


def test_a_column_scores_its_weight_norm_times_its_deviation(table: Callable[..., Sample]) -> None:
    sample = table()
    reduction = fit_columns(WeightNormColumns(components=2), sample)
    np.testing.assert_allclose(reduction.worth, sample.scores * sample.features.std(0), rtol=1e-5)


def test_a_column_that_hardly_varies_is_not_kept_for_its_weights() -> None:
    features = np.array([[0.0, 0.0], [0.01, 1.0]])
    scores = listened_to(features, np.array([10.0, 1.0]))
    assert scores[1] > scores[0]


def test_levels_and_indicator_are_added_up_for_their_column(make_plan: Callable[..., NumericPlan]) -> None:
    plan = make_plan(2, levels=(3,), indicator=(1,))
    features = np.array([[0, 0, 0, 0, 0, 0], [2, 2, 2, 2, 2, 2]], np.float32)
    norms = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    sample = Sample(features, np.array([0, 1]), plan, "classification", scores=norms)
    assert fit_columns(WeightNormColumns(components=1), sample).worth.tolist() == [1.0, 34.0, 28.0]  # type: ignore[union-attr]


def test_a_kept_category_brings_all_its_levels(make_plan: Callable[..., NumericPlan]) -> None:
    plan = make_plan(2, levels=(3,))
    features = np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32)
    sample = Sample(features, np.arange(9) % 2, plan, "classification", scores=np.array([1.0, 1, 5, 5, 5]))
    reduction = fit_columns(WeightNormColumns(components=1), sample)
    assert (reduction.kept, reduction.shape) == ((2,), (3,))


def test_selecting_features_equals_selecting_columns_first(make_plan: Callable[..., NumericPlan]) -> None:
    plan = make_plan(3, levels=(2, 3), indicator=(0, 2))
    rng = np.random.default_rng(3)
    X = np.hstack([rng.normal(size=(20, 3)), rng.integers(0, 2, (20, 2))]).astype(np.float32)
    X[::4, 0] = np.nan
    sample = Sample(
        plan.transform(X), np.arange(20) % 2, plan, "classification", scores=rng.uniform(1, 2, 10)
    )
    reduction = fit_columns(WeightNormColumns(components=3), sample)
    assert reduction.kept is not None
    kept = list(reduction.kept)
    np.testing.assert_array_equal(
        reduction.transform(sample.features, plan), plan.select(kept).transform(X[:, kept])
    )


@pytest.mark.parametrize(("share", "kept"), [(0.5, 4), (0.001, 1), (0.99, 8)])
def test_a_share_keeps_the_nearest_count_of_columns(
    share: float, kept: int, table: Callable[..., Sample]
) -> None:
    found = fit_columns(SelectKBestColumns(components=share), table()).kept
    assert found is not None
    assert len(found) == kept


def test_more_columns_than_there_are_is_refused_with_what_to_set(table: Callable[..., Sample]) -> None:
    with pytest.raises(EspalierError, match=r"\(got 256\); set 1 to 8, a share of the columns such as 0\.33"):
        fit_columns(WeightNormColumns(), table())


def test_without_the_reference_weight_norm_names_what_to_do(table: Callable[..., Sample]) -> None:
    with pytest.raises(EspalierError, match="train stage reference first, or use select_k_best or pca"):
        fit_columns(WeightNormColumns(components=2), replace(table(), scores=None))


def test_anova_is_the_f_statistic_of_the_classes(table: Callable[..., Sample]) -> None:
    sample = table()
    expected = f_classif(sample.features.astype(float), sample.y)[0]
    np.testing.assert_allclose(column_scores("anova", sample), expected)


def test_anova_of_a_numeric_target_is_that_of_the_regression(table: Callable[..., Sample]) -> None:
    sample = table(task="regression")
    expected = f_regression(sample.features.astype(float), sample.y)[0]
    np.testing.assert_allclose(column_scores("anova", sample), expected)


@pytest.mark.parametrize("score", ["anova", "mutual_info"])
def test_the_columns_that_carry_the_class_are_found(score: str, table: Callable[..., Sample]) -> None:
    config = SelectKBestColumns(components=3, score=score)
    assert fit_columns(config, table(n=300)).kept == (0, 1, 2)


@pytest.mark.parametrize("score", ["anova", "mutual_info"])
def test_a_numeric_target_finds_its_column(score: str, table: Callable[..., Sample]) -> None:
    config = SelectKBestColumns(components=1, score=score)
    assert fit_columns(config, table(n=200, task="regression")).kept == (0,)


@pytest.mark.parametrize("score", ["anova", "mutual_info"])
def test_a_constant_column_scores_nothing(score: str, table: Callable[..., Sample]) -> None:
    sample = table()
    features = sample.features.copy()
    features[:, 1] = 4.0
    assert column_scores(score, replace(sample, features=features))[1] == 0


def test_a_column_that_is_the_class_scores_a_finite_most(table: Callable[..., Sample]) -> None:
    sample = table()
    features = sample.features.copy()
    features[:, 5] = sample.y
    scores = column_scores("anova", replace(sample, features=features))
    assert np.isfinite(scores).all()
    assert scores.argmax() == 5


def test_one_class_is_refused(table: Callable[..., Sample]) -> None:
    with pytest.raises(EspalierError, match="two classes"):
        fit_columns(SelectKBestColumns(components=2), replace(table(), y=np.zeros(60, int)))


@pytest.mark.parametrize("score", ["anova", "mutual_info"])
def test_one_row_a_class_is_too_few(score: str, table: Callable[..., Sample]) -> None:
    with pytest.raises(EspalierError, match=f"{score} needs more training rows than classes"):
        fit_columns(SelectKBestColumns(components=2, score=score), table(n=3))


def test_rows_without_neighbours_are_too_few_for_mutual_information(table: Callable[..., Sample]) -> None:
    with pytest.raises(EspalierError, match=r"with 3 others \(got 3 rows\)"):
        fit_columns(SelectKBestColumns(components=2, score="mutual_info"), table(n=3, task="regression"))
