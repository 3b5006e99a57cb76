from __future__ import annotations

from tasks.study.objectives import objective
from tasks.study.rows import aggregate
from tasks.study.trade import trades
from tests.study.made import recipe, scored

METRIC = objective("metric", "accuracy")
HALF, THIRD = {"reduce.rows.factor": 0.5}, {"reduce.rows.factor": 0.3}


def found(results):
    return trades(aggregate(results), METRIC)


SOME = [
    scored("full", 0, 0.95, train_seconds=4.0, recipe=recipe()),
    scored("half", 0, 0.94, train_seconds=2.0, overrides=HALF, recipe=recipe(rows=50)),
    scored("third", 0, 0.90, train_seconds=1.0, overrides=THIRD, recipe=recipe(rows=30)),
]


def test_candidates_that_differ_in_rows_alone_stand_together_the_fewest_rows_first():
    (trade,) = found(SOME)
    assert trade.name == "called full"
    assert [(step.share, step.seconds, step.metric) for step in trade.own] == [
        (0.3, 1.0, 0.90),
        (0.5, 2.0, 0.94),
        (1.0, 4.0, 0.95),
    ]


def test_another_setting_stands_apart():
    other = scored("lr", 0, 0.9, overrides={**HALF, "train.lr": 1}, recipe=recipe(rows=50))
    assert found([*SOME, other]) == found(SOME)


def test_random_rows_as_a_rival_are_kept_apart():
    rival = scored("r", 0, 0.92, arm="random rows", overrides=HALF, recipe=recipe(rows=50))
    (trade,) = found([*SOME, rival])
    assert [step.id for step in trade.rivals] == ["r"]
    assert len(trade.own) == 3


def test_rows_that_do_not_vary_cost_nothing():
    assert found(SOME[:1]) == []
