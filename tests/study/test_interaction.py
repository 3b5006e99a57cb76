from __future__ import annotations

import pytest

from tasks.study.interaction import answer, interactions
from tasks.study.objectives import objective
from tasks.study.rows import aggregate
from tests.study.made import failed, scored

METRIC = objective("metric", "accuracy")
OFF, UNPRUNED = {"reduce.columns.method": "none"}, {"prune.method": "none"}


def four(nothing, columns, pruning, both, seed=0, **rest):
    """Trials of the ablation of a workspace that does both."""
    return [
        scored(f"n{len(rest)}", seed, nothing, arm="nothing", overrides={**OFF, **UNPRUNED, **rest}),
        scored(f"c{len(rest)}", seed, columns, arm="columns", overrides={**UNPRUNED, **rest}),
        scored(f"p{len(rest)}", seed, pruning, arm="pruning", overrides={**OFF, **rest}),
        scored(f"b{len(rest)}", seed, both, arm="columns+pruning", overrides=rest),
    ]


def found(results, metric=METRIC, margin=0.0):
    return interactions(aggregate(results), metric, margin)


def test_it_is_both_less_the_halves_plus_nothing():
    (each,) = found(four(0.95, 0.90, 0.85, 0.84))
    assert each.effect.value == pytest.approx(0.84 - 0.90 - 0.85 + 0.95)
    assert [row.id for row in each.rows] == ["n0", "c0", "p0", "b0"]


def test_an_additive_result_has_none():
    results = [trial for seed in range(3) for trial in four(0.95, 0.93, 0.94, 0.92, seed)]
    (each,) = found(results)
    assert each.effect.value == pytest.approx(0)
    assert each.effect.answer != "helps"


def test_a_gain_that_every_seed_shows_helps():
    results = [t for seed in range(3) for t in four(0.95, 0.90, 0.90, 0.89 + 0.001 * seed, seed)]
    (each,) = found(results)
    assert each.effect.answer == "helps"
    assert each.effect.low > 0


def test_one_seed_cannot_tell():
    (each,) = found(four(0.95, 0.90, 0.85, 0.90))
    assert each.effect.answer == "cannot tell"
    assert each.effect.low is None


def test_what_a_seed_does_to_all_four_cancels():
    results = [t for s in range(3) for t in four(*(v + 0.01 * s for v in (0.8, 0.7, 0.7, 0.65)), s)]
    (each,) = found(results)
    assert each.effect.high - each.effect.low == pytest.approx(0, abs=1e-9)


def test_seeds_that_agree_to_the_last_digit_though_values_differ_cannot_tell():
    results = [t for s in range(3) for t in four(*(v + 0.01 * s for v in (0.8, 0.7, 0.7, 0.65)), s)]
    assert found(results)[0].effect.answer == "cannot tell"
    equal = [t for s in range(3) for t in four(0.8, 0.7, 0.7, 0.65, s)]
    assert found(equal)[0].effect.answer == "helps"


def test_a_loss_counts_the_other_way():
    results = four(0.95, 0.90, 0.85, 0.84)
    (each,) = found(results, objective("log_loss", "log_loss"))
    assert each.effect.value == pytest.approx(0.84 - 0.90 - 0.85 + 0.95)


def test_settings_are_held_against_their_own_halves_the_least_changed_first():
    results = [*four(0.95, 0.9, 0.9, 0.9, **{"train.epochs": 5}), *four(0.9, 0.8, 0.8, 0.8)]
    assert [each.both.id for each in found(results)] == ["b0", "b1"]


def test_a_missing_or_failed_half_leaves_nothing_to_say():
    assert found(four(0.95, 0.90, 0.85, 0.84)[1:]) == []
    results = [t for seed in range(2) for t in four(0.95, 0.9, 0.85, 0.84, seed)]
    broken = [failed("c0", 1) if (t["id"], t["seed"]) == ("c0", 1) else t for t in results]
    assert found(broken) == []


@pytest.mark.parametrize(
    ("low", "high", "margin", "said"),
    [
        (0.01, 0.02, 0.0, "helps"),
        (-0.02, -0.01, 0.0, "does not help"),
        (-0.02, 0.0, 0.0, "does not help"),
        (-0.02, 0.005, 0.0, "cannot tell"),
        (-0.02, 0.005, 0.01, "does not help"),
        (-0.02, 0.015, 0.01, "cannot tell"),
        (0.001, 0.005, 0.01, "helps"),
        (float("nan"), float("nan"), 0.01, "cannot tell"),
    ],
)
def test_the_three_answers(low, high, margin, said):
    assert answer(low, high, margin) == said
