from __future__ import annotations

import numpy as np
import pytest

from tasks.evaluation.latency import interleave, per_round, ratio


def test_models_run_in_turn_and_each_round_starts_with_another():
    seen = []
    calls = {name: lambda name=name: seen.append(name) for name in "abc"}
    interleave(calls, rounds=3, most=1)
    tries = 3 * 3
    assert "".join(seen[tries:]) == "abc" + "bca" + "cab" + "abc"


def test_the_warm_up_round_is_not_kept():
    times = interleave({"a": lambda: None, "b": lambda: None}, rounds=4, most=5)
    assert {name: len(found) for name, found in times.items()} == {"a": 4, "b": 4}
    assert all((found > 0).all() for found in times.values())


def test_a_slow_model_gets_fewer_calls_but_at_least_one():
    times = interleave({"slow": lambda: sum(range(200_000)), "fast": lambda: None}, rounds=2, seconds=1e-5)
    assert times["slow"].shape == (2, 1)
    assert times["fast"].shape[1] > 1


def test_the_ratio_is_the_median_of_the_rounds_ratios():
    reference = np.array([[2.0, 2.0], [4.0, 4.0], [9.0, 9.0]])
    model = np.ones((3, 5))
    found = ratio(reference, model)
    assert found.ratio == 4.0
    assert 2.0 <= found.low < found.ratio < found.high <= 9.0


def test_a_slow_spell_that_hits_both_cancels():
    spell = np.array([[1.0], [5.0], [1.0]])
    found = ratio(3 * spell, spell)
    assert (found.low, found.ratio, found.high) == pytest.approx((3.0, 3.0, 3.0))


def test_per_round_is_the_median_over_calls():
    assert per_round(np.array([[1.0, 2.0, 99.0], [3.0, 3.0, 3.0]])).tolist() == [2.0, 3.0]
