"""How many epochs of a recovery fit into what is left of a time box."""

from __future__ import annotations

import math

import pytest

from tasks.search.pace import GRACE, Pace
from tasks.training.records import EpochRecord


class Clock:
    """Tells the seconds that epochs have taken."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def record(epoch: int) -> EpochRecord:
    return EpochRecord(epoch, 0.1, 0.1, 0.9, 0.001)


def run(pace: Pace, clock: Clock, *, each: float, first: float) -> int:
    """Train until the pace ends it; return the epochs done."""
    for epoch in range(1, pace.epochs + 1):
        clock.now += first if epoch == 1 else each
        if pace(record(epoch)):
            return epoch
    return pace.epochs


@pytest.mark.parametrize("seconds", [math.inf, 100.0, 40.0])
def test_what_fits_is_left_alone(seconds):
    clock = Clock()
    pace = Pace(seconds, 30, clock)
    assert run(pace, clock, each=1.0, first=5.0) == 30
    assert (pace.fit, pace.ended) == (None, False)


def test_a_little_too_long_counts_as_fitting():
    clock = Clock()
    pace = Pace(40.0, 44, clock)
    assert run(pace, clock, each=1.0, first=1.0) == 44
    assert not pace.ended


def test_the_first_epochs_say_how_many_fit():
    clock = Clock()
    pace = Pace(20.0, 180, clock)
    assert run(pace, clock, each=1.0, first=5.0) == 3
    assert pace.fit == 13  # of 20 seconds 7 are gone
    again = Pace(pace.left, pace.fit, clock)
    assert run(again, clock, each=1.0, first=1.0) == 13
    assert clock.now == 100.0 + 20.0
    assert not again.ended


def test_without_time_for_one_more_epoch_what_there_is_has_to_do():
    clock = Clock()
    pace = Pace(6.0, 180, clock)
    assert run(pace, clock, each=2.5, first=1.0) == 3
    assert (pace.fit, pace.ended) == (0, True)


def test_epochs_that_become_longer_end_at_the_box():
    clock = Clock()
    pace = Pace(10.0, 9, clock)
    for epoch in range(1, 10):
        clock.now += 1.0 if epoch <= 3 else 3.0
        if pace(record(epoch)):
            break
    assert (pace.fit, pace.ended) == (None, True)
    assert 10.0 * (1 + GRACE) < clock.now - 100.0 <= 10.0 * (1 + GRACE) + 3.0
