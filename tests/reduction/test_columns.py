"""Contracts every column method keeps, and what the data forbid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from tasks.data.plan import NumericPlan
from tasks.errors import EspalierError
from tasks.reduction.column_config import ColumnsConfig, size_field
from tasks.reduction.columns import COLUMN_METHODS, fit_columns, largest
from tasks.reduction.reduction import Reduction
from tasks.reduction.sample import Sample

SIZES: dict[str, dict[str, Any]] = {
    "none": {},
    "weight_norm": {"components": 4},
    "select_k_best": {"components": 4},
    "interpolative": {"components": 4},
    "pca": {"components": 4},
    "pls": {"components": 4},
    "autoencoder": {"components": 4, "hidden": [12], "epochs": 3},
    "truncated_svd": {"components": 4},
    "random_projection": {"components": 4},
    "lda": {"components": 1},
    "pool": {"kernel": 2},
    "dct": {"keep": 3},
}
SIZED = sorted(method for method in COLUMN_METHODS if method != "none")
TABULAR = sorted(set(SIZED) - {"pool", "dct"})


def config(method: str, **options: object) -> ColumnsConfig:
    return TypeAdapter(ColumnsConfig).validate_python({"method": method, **(options or SIZES[method])})


def fitted(method: str, sample: Sample) -> Reduction:
    return fit_columns(config(method), sample)


@pytest.mark.parametrize("method", sorted(COLUMN_METHODS))
class TestEveryMethod:
    def test_the_rows_come_out_in_the_shape_it_says(self, method: str, image: Sample) -> None:
        reduction = fitted(method, image)
        reduced = reduction.transform(image.features, image.plan)
        assert reduced.shape == (len(image.features), *reduction.shape)

    def test_it_has_at_most_one_kind_of_step(self, method: str, image: Sample) -> None:
        reduction = fitted(method, image)
        steps = (reduction.kept, reduction.projection, reduction.encoder, reduction.grid)
        assert sum(step is not None for step in steps) == (method != "none")

    def test_two_fits_are_equal_to_the_last_bit(self, method: str, image: Sample) -> None:
        once, again = fitted(method, image), fitted(method, replace(image))
        assert once.to_dict() == again.to_dict()
        for name, array in once.arrays().items():
            np.testing.assert_array_equal(array, again.arrays()[name])

    def test_it_is_rebuilt_from_its_json_and_arrays(self, method: str, image: Sample) -> None:
        reduction = fitted(method, image)
        rebuilt = Reduction.from_dict(reduction.to_dict(), reduction.arrays())
        np.testing.assert_array_equal(
            rebuilt.transform(image.features, image.plan), reduction.transform(image.features, image.plan)
        )
        assert rebuilt.to_dict() == reduction.to_dict()

    def test_it_leaves_its_sample_as_it_was(self, method: str, image: Sample) -> None:
        before = image.features.copy()
        fitted(method, image)
        np.testing.assert_array_equal(image.features, before)

    def test_its_report_counts_features(self, method: str, image: Sample) -> None:
        reduction = fitted(method, image)
        assert reduction.report["before"] == 36
        assert reduction.report["after"] == int(np.prod(reduction.shape))


@pytest.mark.parametrize("method", SIZED)
class TestEverySizedMethod:
    def test_the_largest_size_fits_and_one_more_is_refused_by_name(self, method: str, image: Sample) -> None:
        option = size_field(config(method))
        assert option
        most = largest(config(method), image)
        fit_columns(config(method, **{option: most}), image)
        with pytest.raises(EspalierError, match=rf"^reduce\.columns\.{option}: .*got {most + 1}"):
            fit_columns(config(method, **{option: most + 1}), image)

    def test_features_that_never_vary_are_refused(self, method: str, image: Sample) -> None:
        constant = replace(image, features=np.ones_like(image.features))
        with pytest.raises(EspalierError, match="constant over the 40 training rows"):
            fitted(method, constant)

    def test_a_constant_column_among_others_does_no_harm(self, method: str, image: Sample) -> None:
        features = image.features.copy()
        features[:, 5] = 1.0
        reduction = fitted(method, replace(image, features=features))
        assert np.isfinite(reduction.transform(features, image.plan)).all()

    def test_auto_must_be_resolved_first(self, method: str, image: Sample) -> None:
        option = size_field(config(method))
        with pytest.raises(ValueError, match="is auto"):
            fit_columns(config(method, **{str(option): "auto"}), image)


@pytest.mark.parametrize("method", TABULAR)
def test_more_columns_than_rows_work(method: str, table: Callable[..., Sample]) -> None:
    sample = table(n=12, d=30)
    reduction = fitted(method, sample)
    assert np.isfinite(reduction.transform(sample.features, sample.plan)).all()


@pytest.mark.parametrize("method", ["pca", "truncated_svd"])
def test_the_rank_is_the_limit_with_more_columns_than_rows(method: str, table: Callable[..., Sample]) -> None:
    sample = table(n=12, d=30)
    with pytest.raises(
        EspalierError, match=r"what 12 training rows of 30 features span .*set 1 to 1[12], or auto"
    ):
        fit_columns(config(method, components=20), sample)


@pytest.mark.parametrize("method", sorted({*TABULAR} - {"lda"}))
def test_regression_works(method: str, table: Callable[..., Sample]) -> None:
    sample = table(task="regression")
    assert fitted(method, sample).transform(sample.features, sample.plan).shape == (60, 4)


@pytest.mark.parametrize("method", ["pool", "dct"])
def test_a_table_has_no_grid_to_shrink(method: str, table: Callable[..., Sample]) -> None:
    with pytest.raises(EspalierError, match=r"images or series .*use pca, weight_norm or select_k_best"):
        fitted(method, table())


@pytest.mark.parametrize("method", ["pool", "dct"])
def test_indicators_beside_the_grid_are_refused(
    method: str, image: Sample, make_grid_plan: Callable[..., NumericPlan]
) -> None:
    plan = replace(make_grid_plan(1, 6, 6), indicator=(0,), mean=np.zeros(37, np.float32))
    features = np.hstack([image.features, image.features[:, :1]])
    with pytest.raises(EspalierError, match=r"clean\.impute\.indicator: false"):
        fitted(method, replace(image, features=features, plan=plan))


@pytest.mark.parametrize("method", ["pca", "pool", "dct"])
def test_what_is_explained_and_what_is_lost_add_up_to_one(method: str, image: Sample) -> None:
    report = fitted(method, image).report
    assert sum(report["explained_variance"]) + report["reconstruction_error"] == pytest.approx(1)


def test_another_sample_does_not_inherit_what_one_has_computed(image: Sample) -> None:
    first = fitted("pca", image)
    other = fitted("pca", replace(image, features=image.features[:, ::-1].copy()))
    assert not np.array_equal(first.arrays()["W"], other.arrays()["W"])
