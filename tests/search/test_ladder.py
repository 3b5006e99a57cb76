from __future__ import annotations

import math

import pytest

from tasks.search.ladder import most_aggressive


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 20])
def test_the_last_rung_that_passes_is_found_wherever_it_is(size: int) -> None:
    for last in range(size):
        found = most_aggressive(range(size), lambda rung: float(-rung), floor=-float(last))
        assert (found.value, found.met) == (last, True)


@pytest.mark.parametrize("size", [1, 2, 7, 8, 20])
def test_no_more_probes_than_a_bisection_takes(size: int) -> None:
    found = most_aggressive(range(size), lambda rung: float(-rung), floor=-size / 2)
    assert len(found.probes) <= math.ceil(math.log2(size + 1))


def test_no_rung_is_probed_twice() -> None:
    found = most_aggressive(range(16), lambda rung: float(-rung), floor=-5)
    values = [probe.value for probe in found.probes]
    assert len(set(values)) == len(values)


def test_when_none_passes_the_gentlest_is_returned_and_said_to_fail() -> None:
    found = most_aggressive([3, 2, 1], lambda rung: 0.1, floor=0.9)
    assert (found.value, found.met) == (3, False)


def test_a_nan_score_never_passes() -> None:
    assert not most_aggressive([1, 2], lambda rung: float("nan"), floor=0).met


def test_what_is_returned_has_passed_even_when_scores_go_up_and_down() -> None:
    scores = [0.9, 0.2, 0.95, 0.1, 0.99, 0.3, 0.2]
    found = most_aggressive(range(7), lambda rung: scores[rung], floor=0.5)
    assert found.score >= 0.5
    assert found.score == scores[found.value]


def test_an_empty_ladder_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no rungs"):
        most_aggressive([], lambda rung: 1.0, floor=0)
