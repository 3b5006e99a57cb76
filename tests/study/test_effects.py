from __future__ import annotations

import itertools

import numpy as np
import pytest

from tasks.study.effects import main_effects
from tasks.study.objectives import objective
from tasks.study.rows import aggregate
from tests.study.made import recipe, scored

METRIC, BYTES = objective("metric", "accuracy"), objective("bytes", "accuracy")
COLUMNS, AMOUNTS = (16, 32, 64), (0.0, 0.5)


def factorial(level, seeds=2, keep=lambda columns, amount: True):
    """Trials of a full factorial whose accuracy is `level(columns, amount, seed)`."""
    return [
        scored(f"{c}-{a}", seed, level(c, a, seed), recipe=recipe(c, amount=a), bytes=100 * c * (1 - a))
        for c, a in itertools.product(COLUMNS, AMOUNTS)
        for seed in range(seeds)
        if keep(c, a)
    ]


def effects(results, response=METRIC, base=None):
    found = main_effects(aggregate(results), response, base or {})
    return {factor.name: {level.label: level for level in factor.levels} for factor in found}


def test_of_a_full_factorial_they_are_the_marginal_means():
    table = {(c, a): 0.8 + 0.001 * c - 0.1 * a + 0.02 * (c == 32) * a for c in COLUMNS for a in AMOUNTS}
    found = effects(factorial(lambda c, a, seed: table[c, a]))
    whole = np.mean(list(table.values()))
    for columns in COLUMNS:
        expected = np.mean([table[columns, a] for a in AMOUNTS]) - whole
        assert found["columns kept"][str(columns)].effect == pytest.approx(expected)


def test_with_candidates_missing_an_additive_truth_is_still_found():
    results = factorial(
        lambda c, a, seed: 0.5 + 0.002 * c - 0.1 * a, keep=lambda c, a: not (c == 64 and a == 0.5)
    )
    found = effects(results)
    assert found["pruned"]["0.5"].effect - found["pruned"]["0"].effect == pytest.approx(-0.05)
    assert found["columns kept"]["64"].effect - found["columns kept"]["16"].effect == pytest.approx(0.096)


def test_effects_weighted_by_how_often_they_occur_add_up_to_zero():
    results = factorial(lambda c, a, seed: 0.01 * c * a, keep=lambda c, a: (c, a) != (16, 0.0))
    for levels in effects(results).values():
        assert sum(level.candidates * level.effect for level in levels.values()) == pytest.approx(0)


def test_effects_on_a_cost_are_decades():
    found = effects(factorial(lambda c, a, seed: 0.5), BYTES)
    assert found["columns kept"]["64"].effect - found["columns kept"]["32"].effect == pytest.approx(
        np.log10(2)
    )


def test_seeds_give_the_interval():
    found = effects(factorial(lambda c, a, seed: 0.5 - 0.1 * a + (0.01 * seed if a else 0)))
    level = found["pruned"]["0.5"]
    assert level.low < level.effect < level.high
    one = effects(factorial(lambda c, a, seed: 0.5, seeds=1))
    assert one["pruned"]["0.5"].low is None


def test_levels_are_in_the_order_of_numbers():
    assert list(effects(factorial(lambda c, a, seed: 0.5))["columns kept"]) == ["16", "32", "64"]


def test_a_metric_to_be_made_small_keeps_its_sign():
    loss = objective("log_loss", "log_loss")
    found = effects(factorial(lambda c, a, seed: 0.5 - 0.2 * a), loss)
    assert found["pruned"]["0.5"].effect == pytest.approx(0.05)


def test_rivals_and_what_failed_are_left_out():
    results = factorial(lambda c, a, seed: 0.5)
    rival = [scored("r", seed, 0.1, recipe=recipe(8), arm="linear") for seed in range(2)]
    assert list(effects([*results, *rival])["columns kept"]) == ["16", "32", "64"]


def test_nothing_that_varies_has_no_effects():
    assert effects([scored("a")]) == {}
    assert effects([]) == {}
