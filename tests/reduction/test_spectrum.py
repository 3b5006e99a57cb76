from __future__ import annotations

import numpy as np
import pytest

from tasks.reduction import spectrum as module
from tasks.reduction.spectrum import moments, oriented, spectrum


def rows(n: int = 50, d: int = 6) -> np.ndarray:
    return np.random.default_rng(2).normal(3, 1, (n, d)).astype(np.float32)


def test_chunks_add_up_to_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    X = rows()
    whole = moments(X)
    monkeypatch.setattr(module, "CHUNK_CELLS", 42)
    parts = moments(X)
    np.testing.assert_allclose(parts.scatter, whole.scatter, rtol=1e-12)
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-12)


def test_moments_of_parts_merge_to_those_of_the_whole() -> None:
    X = rows()
    merged = moments(X[:13]).merge(moments(X[13:]))
    np.testing.assert_allclose(merged.scatter, moments(X).scatter, rtol=1e-12)
    assert merged.n == 50


def test_a_large_mean_does_not_drown_a_small_deviation() -> None:
    X = (1e6 + np.random.default_rng(0).integers(0, 8, (500, 3))).astype(np.float32)
    expected = np.cov((X - np.float32(1e6)).T.astype(float))
    np.testing.assert_allclose(moments(X).scatter / 499, expected, rtol=1e-9)


@pytest.mark.parametrize("centre", [True, False])
def test_both_routes_find_the_same_axes(centre: bool) -> None:
    X = rows(5, 6)
    wide = spectrum(X, centre=centre)
    tall = spectrum(np.vstack([X, X]), centre=centre)
    np.testing.assert_allclose(np.abs(wide.axes @ tall.axes.T), np.eye(wide.rank), atol=1e-6)


def test_the_rank_leaves_out_directions_without_variance() -> None:
    X = rows()
    X[:, 5] = X[:, 0]
    X[:, 4] = 1.0
    assert spectrum(X).rank == 4


def test_rows_span_one_direction_less_than_they_are() -> None:
    assert spectrum(rows(5, 20)).rank == 4
    assert spectrum(rows(5, 20), centre=False).rank == 5


def test_shares_fall_and_add_up_to_one() -> None:
    shares = spectrum(rows()).shares
    assert (np.diff(shares) <= 0).all()
    assert shares.sum() == pytest.approx(1)


def test_oriented_axes_do_not_depend_on_the_sign_they_came_with() -> None:
    axes = np.array([[0.1, -0.9], [0.9, 0.1]])
    np.testing.assert_array_equal(oriented(axes), oriented(-axes))
