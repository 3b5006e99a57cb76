from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from tasks.reduction import medoids as module
from tasks.reduction.distances import distances
from tasks.reduction.medoids import medoids, medoids_in_chunks


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def cost(points: np.ndarray, found: np.ndarray) -> float:
    return float(distances(points, points[found]).min(axis=1).sum())


def test_well_apart_clusters_are_found_with_the_best_centres() -> None:
    centres = np.array([[0.0, 0], [50, 0], [0, 50]])
    points = np.repeat(centres, 5, axis=0) + np.random.default_rng(2).normal(size=(15, 2))
    best = min(cost(points, np.array(found)) for found in combinations(range(15), 3))
    assert cost(points, medoids(points, 3, rng())) == pytest.approx(best)


def test_one_medoid_is_the_row_nearest_to_all() -> None:
    points = np.random.default_rng(1).normal(size=(30, 4))
    assert medoids(points, 1, rng()).tolist() == [int(distances(points, points).sum(axis=1).argmin())]


@pytest.mark.parametrize("k", [2, 5, 20])
def test_recentring_is_better_than_random_rows(k: int) -> None:
    points = np.random.default_rng(3).normal(size=(60, 3))
    drawn = np.mean([cost(points, np.random.default_rng(i).choice(60, k, replace=False)) for i in range(20)])
    assert cost(points, medoids(points, k, rng())) < drawn


def test_copies_still_give_as_many_different_rows() -> None:
    assert len(set(medoids(np.zeros((9, 2)), 7, rng()).tolist())) == 7


def test_every_row_can_be_a_medoid() -> None:
    points = np.random.default_rng(4).normal(size=(8, 2))
    assert medoids(points, 8, rng()).tolist() == list(range(8))


def test_many_rows_are_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 10)
    points = np.random.default_rng(5).normal(size=(45, 2))
    found = medoids_in_chunks(points, 17, rng())
    assert len(found) == len(set(found.tolist())) == 17
    np.testing.assert_array_equal(found, medoids_in_chunks(points, 17, rng()))


def test_distances_of_equal_rows_are_nought_far_from_the_origin() -> None:
    points = np.full((3, 2), 1e4) + np.array([[0.0, 0], [0, 0], [1, 0]])
    np.testing.assert_allclose(distances(points, points), [[0, 0, 1], [0, 0, 1], [1, 1, 0]], atol=1e-12)
