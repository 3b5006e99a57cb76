from __future__ import annotations

import numpy as np
import pytest

from tasks.drift.space import Space

RNG = np.random.default_rng(0)
X = RNG.normal(size=(500, 3)) @ RNG.normal(size=(3, 6)) + 0.01 * RNG.normal(size=(500, 6))


def _components(k):
    V = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)[2]
    W = V[:k].T
    return ((W, -X.mean(axis=0) @ W),)


def test_the_way_back_from_principal_components_is_their_transpose():
    space = Space.fit(X, _components(3))
    assert space.back is not None
    assert space.back[0] == pytest.approx(_components(3)[0][0].T, abs=1e-10)
    assert space.back[1] == pytest.approx(X.mean(axis=0), abs=1e-10)


def test_what_is_lost_is_the_variance_of_the_components_left_out():
    errors = Space.fit(X, _components(2)).errors(X)
    values = np.linalg.eigvalsh(np.cov(X, rowvar=False, bias=True))
    assert errors is not None
    assert errors.mean() * 6 == pytest.approx(values[:4].sum())


def test_a_row_off_the_plane_is_news_and_one_far_out_on_it_is_not():
    space = Space.fit(X, _components(3))
    normal = np.linalg.svd(X - X.mean(axis=0))[2][3]
    off, out = X[:1] + normal, X.mean(axis=0) + 10 * (X[:1] - X.mean(axis=0))
    ordinary = space.errors(X)
    assert ordinary is not None
    assert space.errors(off) > 100 * ordinary.max()
    assert space.errors(out) < space.errors(off) / 10
    assert space.distances(out) > space.distances(X).max()


def test_coordinates_of_the_training_rows_are_white():
    space = Space.fit(RNG.normal(size=(20_000, 4)) @ RNG.normal(size=(4, 4)), ())
    assert space.moments.mean == pytest.approx(np.zeros(4), abs=0.01)
    assert space.moments.covariance == pytest.approx(np.eye(4), abs=0.02)


def test_a_selection_loses_nothing_that_the_model_reads():
    assert Space.fit(X, ()).errors(X) is None


def test_a_reducer_that_bends_goes_back_by_least_squares():
    W = RNG.normal(size=(6, 8))
    maps = ((W, np.ones(8)), (RNG.normal(size=(8, 2)), np.zeros(2)))
    space = Space.fit(X, maps)
    z = space.reduce(X)
    assert space.back is not None
    lost = X - (z @ space.back[0] + space.back[1])
    assert (z - z.mean(axis=0)).T @ lost == pytest.approx(np.zeros((2, 6)), abs=1e-6)


def test_axes_without_variance_are_left_out():
    flat = np.column_stack([X[:, 0], np.ones(500), 2 * X[:, 0]])
    assert Space.fit(flat, ()).axes.shape == (3, 1)


def test_few_rows_look_at_few_axes():
    space = Space.fit(X, _components(3))
    assert len(space.moments_of(X[:25]).mean) == 2
    assert len(space.moments_of(X[:5]).mean) == 1


def test_it_comes_back_whole_from_its_arrays():
    space = Space.fit(X, _components(3))
    again = Space.from_dict(space.to_dict(), space.arrays())
    assert again.errors(X) == pytest.approx(space.errors(X), abs=1e-6)
    assert again.distances(X) == pytest.approx(space.distances(X), rel=1e-5)
    assert again.moments.rows == 500
