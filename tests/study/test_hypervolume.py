from __future__ import annotations

import itertools

import numpy as np
import pytest

from tasks.study.hypervolume import hypervolume


def by_inclusion_and_exclusion(costs, corner):
    total = 0.0
    for size in range(1, len(costs) + 1):
        for rows in itertools.combinations(costs, size):
            total -= (-1) ** size * np.prod(np.maximum(corner - np.max(rows, axis=0), 0))
    return total


@pytest.mark.parametrize("objectives", [1, 2, 3, 4, 5])
def test_it_is_the_volume_of_the_union_of_boxes(objectives):
    costs = np.random.default_rng(objectives).random((9, objectives))
    corner = np.full(objectives, 0.9)
    assert hypervolume(costs, corner) == pytest.approx(by_inclusion_and_exclusion(costs, corner))


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_many_points_agree_with_counting_cells_of_a_grid(objectives):
    cells = 6
    costs = np.random.default_rng(0).integers(0, cells, (25, objectives)).astype(float)
    grid = np.stack(np.meshgrid(*[np.arange(cells)] * objectives), axis=-1).reshape(-1, objectives)
    covered = sum(bool(np.any(np.all(costs <= cell, axis=1))) for cell in grid)
    assert hypervolume(costs, np.full(objectives, float(cells))) == pytest.approx(covered)


def test_one_point_is_its_box_and_dominated_or_equal_points_add_nothing():
    corner = np.array([2.0, 3.0, 4.0])
    assert hypervolume(np.array([[1.0, 1.0, 1.0]]), corner) == 6
    more = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.5, 1.0, 2.0]])
    assert hypervolume(more, corner) == 6


def test_nothing_counts_at_the_corner_or_beyond_it():
    assert hypervolume(np.array([[1.0, 5.0], [0.0, 2.0]]), np.array([2.0, 2.0])) == 0
    assert hypervolume(np.zeros((0, 3)), np.ones(3)) == 0


def test_the_order_of_points_does_not_matter():
    costs = np.random.default_rng(2).random((30, 3))
    assert hypervolume(costs, np.ones(3)) == pytest.approx(hypervolume(costs[::-1], np.ones(3)))


def test_a_scale_of_an_objective_scales_the_volume():
    costs = np.random.default_rng(3).random((20, 3))
    scale = np.array([2.0, 3.0, 5.0])
    assert hypervolume(costs * scale, scale) == pytest.approx(30 * hypervolume(costs, np.ones(3)))
