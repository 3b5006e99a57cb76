from __future__ import annotations

import math

import pytest

from tasks.study.families import families
from tasks.study.objectives import objective
from tasks.study.rows import aggregate
from tests.study.made import scored

METRIC = objective("metric", "accuracy")


def results(seed=0, luck=0.0):
    return [
        scored("n", seed, 0.95, arm="nothing", bytes=10_000),
        scored("c", seed, 0.90, arm="columns", bytes=3_000),
        scored("p", seed, 0.90, arm="pruning", bytes=2_000),
        scored("b", seed, 0.92 + luck, arm="columns+pruning", bytes=500),
    ]


def found(trials, metric=METRIC):
    return families(aggregate(trials), metric)


def test_each_family_counts_with_nothing_and_by_its_test_metric():
    seen = found(results())
    assert seen.floor == pytest.approx(0.93 - 0.05)
    assert seen.ceiling == 10_000
    volumes = {family.name: family.volume for family in seen.families}
    assert volumes["reduction"] == pytest.approx(0)
    assert volumes["both"] == pytest.approx(0.02 * math.log10(10_000 / 500))


def test_the_floor_leaves_the_worst_family_something():
    alone = [t for t in results() if t["id"] != "n"]
    seen = found(alone)
    assert seen.floor == pytest.approx(0.88 - 0.05)
    assert seen.ceiling == 3_000
    assert {family.name: family.volume > 0 for family in seen.families} == {
        "reduction": False,
        "pruning": True,
        "both": True,
    }


def test_a_lead_that_every_seed_shows_helps():
    seen = found([t for seed in range(3) for t in results(seed, 0.001 * seed)])
    assert seen.ahead["reduction"].answer == "helps"
    assert seen.ahead["pruning"].low > 0


def test_test_rows_change_what_a_choice_is_worth_not_what_is_chosen():
    worse = [{**t, "test": {"accuracy": 0.1}} if t["id"] == "b" else t for t in results()]
    seen = found(worse)
    assert (seen.floor, seen.ceiling) == (found(results()).floor, found(results()).ceiling)
    assert seen.ahead["pruning"].value <= 0


def test_without_one_of_the_families_there_is_nothing_to_compare():
    assert found(results()[:3]) is None
    assert found([]) is None


def test_rivals_belong_to_no_family():
    rival = scored("r", 0, 0.99, arm="small dense", bytes=400)
    assert found([*results(), rival]) == found(results())
