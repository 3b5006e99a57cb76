"""How much luck a metric on few rows has in it."""

import math

import pytest

from tasks.search.luck import settled, spread


def test_the_spread_of_an_accuracy_is_half_the_binomial_one():
    assert spread("classification", 0.8, 100) == pytest.approx(0.5 * math.sqrt(0.8 * 0.2 / 100))


def test_it_is_never_below_one_row():
    assert spread("classification", 1.0, 50) == pytest.approx(1 / 50)


def test_the_spread_of_r2_is_half_that_of_olkin_and_finn():
    assert spread("regression", 0.6, 400) == pytest.approx(0.4 * math.sqrt(0.6) / 20)


@pytest.mark.parametrize("reached", [0.1, 0.0, -3.0])
def test_a_poor_r2_is_as_uncertain_as_the_most_uncertain_one(reached):
    assert spread("regression", reached, 400) == pytest.approx(spread("regression", 1 / 3, 400))


def test_a_training_that_settles_counts_as_the_mean_from_its_best_epoch_on():
    assert settled([0.2, 0.9, 0.88, 0.89], 2, "classification", 100) == pytest.approx(0.89)


@pytest.mark.parametrize("later", [0.3, 0.1, -5.0])
def test_a_training_that_overfits_counts_as_its_best_epoch_less_one_spread(later):
    expected = 0.5 - spread("regression", 0.5, 50)
    assert settled([0.1, 0.5, *[later] * 9], 2, "regression", 50) == pytest.approx(expected)


def test_the_luck_taken_off_shrinks_with_the_rows():
    few, many = (settled([0.9, *[0.0] * 9], 1, "classification", rows) for rows in (50, 5000))
    assert few < many < 0.9
