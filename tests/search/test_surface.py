import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.search.budget import Setting
from tasks.search.surface import expected, interpolated

SETTINGS = [Setting(0.5**c, 0.5**u) for c in range(3) for u in range(5)]


def loss(setting: Setting) -> float:
    return 0.01 * np.log2(setting.columns) + 0.02 * np.log2(setting.units)


def test_a_plane_is_recognised_from_a_few_of_its_points():
    known = {each: 0.9 + loss(each) for each in SETTINGS[::3]}
    before = dict.fromkeys(SETTINGS, 0.5)
    mean, _ = expected(known, before, SETTINGS, noise=1e-4)
    assert mean == pytest.approx([0.9 + loss(each) for each in SETTINGS], abs=2e-3)


@given(st.floats(-0.04, 0.04))
def test_one_that_was_lucky_is_drawn_towards_its_neighbours(luck):
    flat = {each: 0.9 + loss(each) for each in SETTINGS}
    lucky = flat | {SETTINGS[7]: flat[SETTINGS[7]] + luck}
    mean, _ = expected(lucky, dict.fromkeys(SETTINGS, 0.8), [SETTINGS[7]], noise=0.01)
    assert abs(mean[0] - flat[SETTINGS[7]]) <= abs(luck) / 2 + 2e-3


def test_nobody_knows_what_is_far_from_everything_known():
    known = dict.fromkeys(SETTINGS[:3], 0.9)
    _, deviation = expected(known, dict.fromkeys(SETTINGS, 0.8), [SETTINGS[0], SETTINGS[-1]], noise=0.005)
    assert deviation[1] > 2 * deviation[0]


def test_a_loss_before_recovery_counts_against_a_setting():
    before = dict.fromkeys(SETTINGS, 0.8) | {SETTINGS[-1]: 0.2}
    mean, _ = expected(dict.fromkeys(SETTINGS[:3], 0.9), before, SETTINGS[-2:], noise=0.005)
    assert mean[1] < mean[0]


@given(st.floats(-6, 0), st.floats(-8, 0))
def test_products_of_powers_are_interpolated_exactly_and_nothing_leaves_its_corners(columns, units):
    grid = {Setting(0.5**c, 0.5**u): 7 * 0.5**c * 0.25**u for c in (0, 3, 6) for u in (0, 4, 8)}
    asked = Setting(2**columns, 2**units)
    assert interpolated(grid, [asked])[0] == pytest.approx(7 * asked.columns * asked.units**2)
    corners = {setting: value - 1 for setting, value in grid.items()}  # some below zero: as they are
    assert min(corners.values()) - 1e-9 <= interpolated(corners, [asked])[0] <= max(corners.values()) + 1e-9
