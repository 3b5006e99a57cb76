from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.pruning.schedule import RAMPS, cubic, exponential, linear, round_amounts

share = st.floats(0.0, 1.0)


def test_cubic_begins_at_the_initial_sparsity():
    assert cubic(0, 10, 0.9, initial=0.2) == pytest.approx(0.2)


@pytest.mark.parametrize("step", [10, 11, 50])
def test_cubic_ends_at_the_final_sparsity_and_stays(step):
    assert cubic(step, 10, 0.9) == 0.9


def test_cubic_without_a_ramp_holds_the_final_sparsity_at_once():
    assert cubic(0, 0, 0.9) == 0.9


def test_cubic_half_way_has_seven_eighths_of_the_final_sparsity():
    assert cubic(5, 10, 0.8) == pytest.approx(0.8 * 7 / 8)


@given(final=share, steps=st.integers(1, 40))
def test_cubic_never_falls(final, steps):
    values = [cubic(step, steps, final) for step in range(steps + 2)]
    assert all(a <= b + 1e-12 for a, b in pairwise(values))


@given(amount=share, rounds=st.integers(1, 12))
def test_rounds_end_exactly_at_the_amount(amount, rounds):
    shares = round_amounts(amount, rounds)
    assert len(shares) == rounds
    assert shares[-1] == amount


@given(amount=st.floats(0.0, 0.99), rounds=st.integers(2, 12))
def test_every_round_removes_the_same_share_of_what_is_left(amount, rounds):
    left = [1.0, *(1 - s for s in round_amounts(amount, rounds))]
    ratios = [b / a for a, b in pairwise(left)]
    assert ratios == pytest.approx([ratios[0]] * rounds)


@pytest.mark.parametrize("ramp", RAMPS.values(), ids=RAMPS)
@given(final=share, steps=st.integers(1, 40))
def test_every_ramp_starts_at_the_initial_sparsity_never_falls_and_ends_at_the_final(ramp, final, steps):
    values = [ramp(step, steps, final) for step in range(steps + 2)]
    assert values[0] == pytest.approx(0.0)
    assert values[-2:] == [final, final]
    assert all(a <= b + 1e-9 for a, b in pairwise(values))


def test_linear_removes_as_much_at_each_step():
    assert linear(3, 12, 0.8, initial=0.4) == pytest.approx(0.5)


def test_exponential_removes_the_same_share_of_what_is_left_at_each_step():
    left = [1 - exponential(step, 4, 0.9375) for step in range(5)]
    assert [b / a for a, b in pairwise(left)] == pytest.approx([0.5] * 4)
