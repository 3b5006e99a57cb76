import math

import pytest

from tasks.study.deployed import Point, chosen, hypervolume


def test_one_candidate_is_a_rectangle():
    assert hypervolume([Point(10, 0.9, 0.8)], floor=0.5, ceiling=1000) == pytest.approx(0.3 * 2)


def test_two_candidates_are_two_steps():
    points = [Point(10, 0.7, 0.6), Point(100, 0.9, 0.8)]
    assert hypervolume(points, floor=0.5, ceiling=1000) == pytest.approx(0.1 * 1 + 0.3 * 1)


def test_a_candidate_that_is_larger_and_worse_on_validation_rows_changes_nothing():
    points = [Point(10, 0.9, 0.8)]
    assert hypervolume([*points, Point(100, 0.8, 0.99)], 0.5, 1000) == hypervolume(points, 0.5, 1000)


def test_what_validation_rows_choose_counts_even_where_test_rows_would_not():
    points = [Point(10, 0.7, 0.8), Point(100, 0.9, 0.6)]
    assert hypervolume(points, floor=0.5, ceiling=1000) == pytest.approx(0.3 * 1 + 0.1 * 1)


def test_nothing_counts_at_the_ceiling_or_below_the_floor():
    assert hypervolume([Point(1000, 0.9, 0.9)], floor=0.5, ceiling=1000) == 0
    assert hypervolume([Point(10, 0.9, 0.4)], floor=0.5, ceiling=1000) == 0
    assert hypervolume([], floor=0.5, ceiling=1000) == 0


def test_the_order_of_candidates_does_not_matter():
    points = [Point(10, 0.7, 0.6), Point(100, 0.9, 0.8), Point(30, 0.8, 0.7)]
    assert hypervolume(points, 0.5, 1000) == hypervolume(points[::-1], 0.5, 1000)


def test_the_larger_a_file_the_better_it_is_on_validation_rows():
    taken = chosen([Point(10, 0.7, 0.0), Point(20, 0.6, 0.0), Point(30, 0.8, 0.0), Point(30, 0.75, 0.0)])
    assert [(point.bytes, point.valid) for point in taken] == [(10, 0.7), (30, 0.8)]


def test_halving_every_file_adds_its_height_times_log_two():
    points = [Point(20, 0.9, 0.8)]
    halved = [Point(10, 0.9, 0.8)]
    gained = hypervolume(halved, 0.5, 1000) - hypervolume(points, 0.5, 1000)
    assert gained == pytest.approx(0.3 * math.log10(2))
