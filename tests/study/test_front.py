from __future__ import annotations

import numpy as np
import pytest

from tasks.study.front import corner, knee, on_front, ranks


def dominates(a, b):
    return bool(np.all(a <= b) and np.any(a < b))


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_the_front_is_what_nobody_dominates(objectives):
    costs = np.random.default_rng(objectives).integers(0, 6, (60, objectives)).astype(float)
    expected = [not any(dominates(other, own) for other in costs) for own in costs]
    assert on_front(costs).tolist() == expected


def test_equal_candidates_are_both_on_the_front():
    assert on_front(np.array([[1.0, 1.0], [1.0, 1.0], [2.0, 2.0]])).tolist() == [True, True, False]


def test_no_candidates_have_no_front():
    assert on_front(np.zeros((0, 2))).tolist() == []
    assert ranks(np.zeros((0, 2))).tolist() == []


def test_each_rank_is_the_front_of_what_the_ranks_before_it_left():
    costs = np.random.default_rng(0).random((80, 3))
    found = ranks(costs)
    for rank in range(1, found.max() + 1):
        left = np.flatnonzero(found >= rank)
        assert np.array_equal(found[left] == rank, on_front(costs[left]))


def test_ranks_count_along_a_chain():
    assert ranks(np.array([[3.0, 3.0], [1.0, 1.0], [2.0, 2.0]])).tolist() == [3, 1, 2]


def test_ranks_do_not_change_under_monotone_scales():
    costs = np.random.default_rng(1).random((40, 2))
    assert np.array_equal(ranks(costs), ranks(np.column_stack([np.exp(costs[:, 0]), 100 * costs[:, 1]])))


def test_the_knee_of_two_objectives_is_farthest_from_the_line_through_the_ends():
    x = np.linspace(0.05, 1, 30)
    costs = np.column_stack([x, 1 / x])
    ends = costs[[0, -1]]
    along = (ends[1] - ends[0]) / np.ptp(costs, axis=0)
    away = (costs - ends[0]) / np.ptp(costs, axis=0)
    distance = np.abs(along[0] * away[:, 1] - along[1] * away[:, 0])
    assert knee(costs) == int(np.argmax(distance))


def test_the_knee_is_on_the_front_and_a_tie_goes_to_the_first_objective():
    assert knee(np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]])) == 0
    assert knee(np.array([[5.0, 5.0]])) == 0


def test_the_corner_lies_a_tenth_of_the_range_beyond_the_front():
    costs = np.array([[0.0, 20.0], [10.0, 0.0], [50.0, 50.0]])
    assert corner(costs).tolist() == [11.0, 22.0]


def test_a_front_of_one_lends_the_range_of_all():
    assert corner(np.array([[1.0, 1.0], [3.0, 1.0]])).tolist() == [1.2, 1.1]
