from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool1d, avg_pool2d

from tasks.data.plan import NumericPlan
from tasks.errors import EspalierError
from tasks.models.layers import Dct, Pool
from tasks.reduction.cells import dct_matrix, frequencies, place, pooled, window_cells
from tasks.reduction.column_config import DctColumns, PoolColumns
from tasks.reduction.columns import fit_columns
from tasks.reduction.sample import Sample


def grid(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape)


@pytest.mark.parametrize("kernel", [(2, 2), (3, 2), (6, 6)])
def test_pooling_is_torchs_average_pooling(kernel: tuple[int, int]) -> None:
    X = grid(4, 2, 6, 6)
    expected = avg_pool2d(torch.from_numpy(X), kernel).numpy()
    np.testing.assert_allclose(pooled(X, kernel), expected, rtol=1e-12, atol=1e-12)


def test_pooling_a_series_is_torchs_average_pooling() -> None:
    X = grid(4, 2, 12)
    np.testing.assert_allclose(pooled(X, (3,)), avg_pool1d(torch.from_numpy(X), 3).numpy(), atol=1e-12)


@pytest.mark.parametrize(("shape", "kernel"), [((1, 7, 5), (2, 3)), ((2, 11), (4,))])
def test_pooling_agrees_with_the_graphs_layer_at_the_edges(
    shape: tuple[int, ...], kernel: tuple[int, ...]
) -> None:
    X = grid(3, *shape).astype(np.float32)
    np.testing.assert_allclose(pooled(X, kernel), Pool(kernel)(torch.from_numpy(X)).numpy(), atol=1e-6)


@pytest.mark.parametrize(("shape", "keep"), [((1, 6, 6), (3, 3)), ((2, 7, 5), (4, 2)), ((3, 9), (5,))])
def test_frequencies_agree_with_the_graphs_layer(shape: tuple[int, ...], keep: tuple[int, ...]) -> None:
    X = grid(3, *shape).astype(np.float32)
    np.testing.assert_allclose(frequencies(X, keep), Dct(shape, keep)(torch.from_numpy(X)).numpy(), atol=1e-5)


def test_windows_count_their_cells() -> None:
    np.testing.assert_array_equal(window_cells((5, 4), (2, 2)), [[4, 4], [4, 4], [2, 2]])


@pytest.mark.parametrize("length", [1, 2, 7, 28])
def test_the_full_cosine_transform_is_orthonormal(length: int) -> None:
    basis = dct_matrix(length, length)
    np.testing.assert_allclose(basis @ basis.T, np.eye(length), atol=1e-12)


def test_every_frequency_of_an_image_keeps_its_length() -> None:
    X = grid(5, 1, 6, 6)
    np.testing.assert_allclose(np.square(frequencies(X, (6, 6))).sum(), np.square(X).sum())


def test_a_flat_image_has_one_frequency() -> None:
    found = frequencies(np.ones((1, 1, 4, 4)), (4, 4))
    np.testing.assert_allclose(found.ravel(), [4.0, *[0.0] * 15], atol=1e-12)


def test_a_cell_without_a_column_is_zero(make_grid_plan: Callable[..., NumericPlan]) -> None:
    plan = make_grid_plan(1, 2, 2).select([0, 3])
    np.testing.assert_array_equal(place(np.array([[5.0, 7.0]]), plan), [[[[5, 0], [0, 7]]]])


def test_pool_and_dct_keep_a_grid(image: Sample) -> None:
    assert fit_columns(PoolColumns(kernel=4), image).shape == (1, 2, 2)
    assert fit_columns(DctColumns(keep=3), image).shape == (1, 3, 3)


def test_the_reconstruction_error_is_the_variance_that_is_not_kept(image: Sample) -> None:
    assert fit_columns(DctColumns(keep=6), image).report["reconstruction_error"] == pytest.approx(0, abs=1e-9)
    blocks = np.kron(np.arange(4.0).reshape(2, 2), np.ones((3, 3))).ravel()
    features = np.outer(np.arange(40.0), blocks).astype(np.float32)
    smooth = replace(image, features=features)
    assert fit_columns(PoolColumns(kernel=3), smooth).report["reconstruction_error"] == pytest.approx(
        0, abs=1e-6
    )


def test_a_short_axis_is_pooled_whole(image: Sample, make_grid_plan: Callable[..., NumericPlan]) -> None:
    oblong = replace(image, plan=make_grid_plan(1, 3, 12))
    assert fit_columns(PoolColumns(kernel=4), oblong).shape == (1, 1, 3)
    assert fit_columns(DctColumns(keep=5), oblong).shape == (1, 3, 5)


def test_a_kernel_beyond_the_grid_is_refused(image: Sample) -> None:
    with pytest.raises(EspalierError, match=r"reduce\.columns\.kernel: .*6 cells \(got 7\)"):
        fit_columns(PoolColumns(kernel=7), image)
