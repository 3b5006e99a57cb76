import math
from types import SimpleNamespace

import pytest

from tasks.search.budget import Figures
from tasks.search.candidates import Bench


def noise(task: str, reached: float, rows: int) -> float:
    bench = Bench(SimpleNamespace(task=task, y_valid=range(rows)))
    bench.__dict__["reference"] = Figures(1, 1, 1.0, reached)
    return bench.noise


def test_the_noise_of_an_accuracy_is_half_the_binomial_one():
    assert noise("classification", 0.8, 100) == pytest.approx(0.5 * math.sqrt(0.8 * 0.2 / 100))


def test_it_is_never_below_one_row():
    assert noise("classification", 1.0, 50) == pytest.approx(1 / 50)


def test_the_noise_of_r2_is_half_that_of_olkin_and_finn():
    assert noise("regression", 0.6, 400) == pytest.approx(0.4 * math.sqrt(0.6) / 20)


@pytest.mark.parametrize("reached", [0.1, 0.0, -3.0])
def test_a_poor_r2_is_as_uncertain_as_the_most_uncertain_one(reached):
    assert noise("regression", reached, 400) == pytest.approx(noise("regression", 1 / 3, 400))
