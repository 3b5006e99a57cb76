from __future__ import annotations

import math

import numpy as np
import pytest

from tasks.study.resample import over_seeds, widening


def first(means):
    return float(means[0])


def test_equal_seeds_leave_no_doubt():
    found = over_seeds(np.full((2, 3), 0.5), lambda means: float(means.sum()))
    assert (found.low, found.high) == (1.0, 1.0)


def test_one_seed_tells_nothing():
    found = over_seeds(np.array([[0.5]]), first)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_what_a_seed_does_to_all_candidates_cancels_in_a_difference():
    luck = np.array([0.3, -0.2, 0.1, 0.0])
    found = over_seeds(np.array([0.9 + luck, 0.7 + luck]), lambda means: float(means[0] - means[1]))
    assert found.low == pytest.approx(0.2)
    assert found.high == pytest.approx(0.2)


def test_a_shift_and_a_scale_carry_over():
    values = np.random.default_rng(0).normal(size=(1, 5))
    plain, changed = over_seeds(values, first), over_seeds(3 * values + 2, first)
    assert changed.low == pytest.approx(3 * plain.low + 2)
    assert changed.high == pytest.approx(3 * plain.high + 2)


@pytest.mark.parametrize("seeds", [3, 5])
def test_few_seeds_cover_the_truth_about_as_often_as_stated(seeds):
    drawn = np.random.default_rng(0).normal(size=(600, 1, seeds))
    found = [over_seeds(values, first, resamples=300) for values in drawn]
    covered = np.mean([interval.low <= 0 <= interval.high for interval in found])
    assert 0.91 <= covered <= 0.99


def test_many_seeds_need_no_widening():
    assert widening(10_000) == pytest.approx(1, abs=1e-3)
    assert widening(3) > widening(4) > widening(10) > 1
