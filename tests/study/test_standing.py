from __future__ import annotations

import itertools

import pytest

from tasks.study.config import Bound
from tasks.study.objectives import objective
from tasks.study.rows import aggregate
from tasks.study.standing import stand
from tests.study.made import failed, scored, trial

METRIC, BYTES, LATENCY = (objective(name, "accuracy") for name in ("metric", "bytes", "latency_us"))


def standing(results, objectives=(METRIC, BYTES), constraints=None, margin=0.0):
    return stand(aggregate(results), objectives, constraints or {}, margin=margin)


def ranks(found):
    return {row.id: row.rank for row in found.rows}


SOME = [
    scored("best", 0, 0.95, bytes=1000),
    scored("near", 0, 0.945, bytes=100),
    scored("tiny", 0, 0.7, bytes=10),
    scored("worse", 0, 0.9, bytes=2000),
]


def test_ranks_and_the_order_of_rows():
    found = standing(SOME)
    assert ranks(found) == {"best": 1, "near": 1, "tiny": 1, "worse": 2}
    assert [row.id for row in found.rows] == ["best", "near", "tiny", "worse"]


def test_picks_are_as_good_as_the_best_within_the_margin():
    assert standing(SOME, margin=0.01).picks == {
        "knee": "near",
        "best": "best",
        "smallest": "near",
        "fastest": "best",
    }
    assert standing(SOME).picks["smallest"] == "best"


def test_a_limit_on_the_metric_takes_the_place_of_the_margin():
    found = standing(SOME, constraints={"metric": Bound(min=0.6)})
    assert found.picks["smallest"] == "tiny"


def test_what_breaks_a_constraint_is_not_ranked_and_says_why():
    found = standing(SOME, constraints={"bytes": Bound(max=500), "accuracy": Bound(min=0.8)})
    why = {row.id: row.unranked for row in found.rows}
    assert why["best"] == "ONNX file 1,000 is above 500"
    assert why["tiny"] == "accuracy 0.7 is below 0.8"
    assert ranks(found) == {"near": 1, "best": None, "tiny": None, "worse": None}
    assert set(found.picks.values()) == {"near"}


def test_test_rows_decide_nothing():
    swapped = [{**each, "test": {"accuracy": 1 - each["valid"]["accuracy"]}} for each in SOME]
    assert ranks(standing(swapped)) == ranks(standing(SOME))
    assert standing(swapped).picks == standing(SOME).picks


def test_failed_and_unfinished_candidates_are_not_ranked():
    results = [scored("a", 0), scored("a", 1), scored("b", 0), scored("c", 0), failed("c", 1, "NaN")]
    why = {row.id: row.unranked for row in standing(results).rows}
    assert why == {"a": "", "b": "unfinished: 1 of 2 seeds", "c": "failed with seed 1: NaN"}


def test_an_objective_nobody_has_is_left_out_and_named():
    untimed = [{**each, "latency_us": None} for each in SOME]
    found = standing(untimed, (METRIC, BYTES, LATENCY))
    assert found.missing == (LATENCY,)
    assert ranks(found)["near"] == 1
    assert "fastest" not in found.picks


def test_a_candidate_without_an_objective_is_not_ranked():
    found = standing([*SOME, trial("untimed", latency_us=None)], (METRIC, LATENCY))
    assert {row.id: row.unranked for row in found.rows}["untimed"] == "without latency"


def test_a_metric_to_be_made_small_is():
    loss = objective("log_loss", "log_loss")
    rows = [{**each, "headline": "log_loss"} for each in SOME]
    assert standing(rows, (loss, BYTES)).picks["best"] == "best"


def test_nothing_finished_stands_nowhere():
    found = standing([failed("a")])
    assert found.volume is None
    assert found.picks == {}


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::7])
def test_the_order_of_results_does_not_matter(order):
    found = standing([SOME[i] for i in order], margin=0.01)
    assert found.rows == standing(SOME, margin=0.01).rows
    assert found.picks == standing(SOME, margin=0.01).picks


def test_the_hypervolume_is_a_share():
    assert 0 < standing(SOME).volume < 1
    assert standing([*SOME, scored("new", 0, 0.96, bytes=1000)]).volume > 0
