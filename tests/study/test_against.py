from __future__ import annotations

import pytest

from tasks.study.against import duels
from tasks.study.objectives import objective
from tasks.study.rows import aggregate
from tests.study.made import recipe, scored

METRIC = objective("metric", "accuracy")


def found(results):
    return {duel.rival.id: duel for duel in duels(aggregate(results), METRIC, 0.01)}


OWN = [
    scored("plain", 0, 0.99, arm="nothing", bytes=1000),
    scored("mine", 0, 0.92, arm="columns+pruning", bytes=1000, overrides={}),
    scored("fewer", 0, 0.91, arm="columns+pruning", bytes=1000, overrides={"train.epochs": 5}),
    scored("large", 0, 0.95, arm="columns", bytes=5000, overrides={"prune.method": "none"}),
]


def test_what_was_drawn_is_held_against_the_candidate_it_copies():
    changes = {"train.epochs": 5, "prune.importance": "random"}
    rival = scored("r", 0, 0.90, arm="random units", bytes=1000, overrides=changes)
    duel = found([*OWN, rival])["r"]
    assert duel.own.id == "fewer"
    assert duel.ahead.value == pytest.approx(0.01)


def test_random_rows_are_held_against_as_many_chosen_ones():
    off = {"prune.method": "none", "reduce.columns.method": "none"}
    chosen = {**off, "reduce.rows.method": "k_center", "reduce.rows.factor": 0.5}
    drawn = {**off, "reduce.rows": {"method": "random", "factor": 0.5}}
    rows = [
        scored("half", 0, 0.90, arm="rows", bytes=1000, overrides=chosen, recipe=recipe(rows=50)),
        scored("r", 0, 0.89, arm="random rows", bytes=1000, overrides=drawn, recipe=recipe(rows=50)),
    ]
    assert found([*OWN, *rows])["r"].own.id == "half"


def test_other_rivals_are_held_against_the_best_candidate_that_is_no_larger():
    rivals = [
        scored("small", 0, 0.93, arm="small dense", bytes=1000),
        scored("big", 0, 0.93, arm="linear", bytes=6000),
        scored("tiny", 0, 0.93, arm="linear", bytes=10),
    ]
    seen = found([*OWN, *rivals])
    assert {name: duel.own.id for name, duel in seen.items()} == {
        "small": "mine",
        "big": "large",
        "tiny": "fewer",
    }


def test_without_candidates_or_rivals_there_is_nothing_to_hold():
    assert found(OWN) == {}
    assert found([scored("r", 0, arm="linear")]) == {}
