from __future__ import annotations

import numpy as np
import pytest

from tasks.data.plan import NumericPlan
from tasks.errors import EspalierError
from tasks.reduction.column_config import AutoColumns
from tasks.reduction.reduction import Reduction
from tasks.reduction.sample import Sample
from tasks.search.components import resolve_columns
from tasks.search.methods import choose_method

SCORES = {"pca": 0.9, "pls": 0.95, "interpolative": 0.95, "select_k_best": 0.8}


def sample() -> Sample:
    rng, d = np.random.default_rng(0), 6
    floats = [np.full(d, value, np.float32) for value in (0, -np.inf, np.inf, 0, 1)]
    plan = NumericPlan(
        tuple(f"c{i}" for i in range(d)), (0,) * d, floats[0], floats[1], floats[2], (), floats[3], floats[4]
    )
    y = np.arange(40) % 2
    X = rng.normal(size=(40, d)).astype(np.float32) + y[:, None].astype(np.float32)
    return Sample(X, y, plan, "classification")


def probe(reduction: Reduction) -> float:
    return SCORES[reduction.method]


def auto(*methods: str, components: int = 3) -> AutoColumns:
    return AutoColumns.model_validate({"methods": methods, "components": components})


def test_the_best_on_validation_rows_wins_and_the_report_says_by_how_much() -> None:
    report = choose_method(auto("pca", "pls", "select_k_best"), sample(), probe).report
    assert (report["method"], report["requested"], report["ahead"]) == ("pls", "auto", pytest.approx(0.05))


def test_of_equal_ones_the_first_in_the_list_wins() -> None:
    assert choose_method(auto("interpolative", "pls"), sample(), probe).method == "interpolative"
    assert choose_method(auto("pls", "interpolative"), sample(), probe).method == "pls"


def test_every_trial_is_recorded_with_the_same_size() -> None:
    trials = choose_method(auto("pca", "pls"), sample(), probe).report["trials"]
    assert trials == [
        {"method": "pca", "components": 3, "score": 0.9, "refused": None},
        {"method": "pls", "components": 3, "score": 0.95, "refused": None},
    ]


def test_what_the_data_do_not_allow_is_a_trial_with_its_reason() -> None:
    reduction = choose_method(auto("lda", "weight_norm", "pca"), sample(), probe)
    lda, weight_norm, _ = reduction.report["trials"]
    assert "at most 1 components" in lda["refused"]
    assert "trained reference" in weight_norm["refused"]
    assert (reduction.method, reduction.report["ahead"]) == ("pca", None)


def test_what_the_network_does_not_take_is_one_too() -> None:
    def grids_only(reduction: Reduction) -> float:
        if reduction.projection is not None:
            raise EspalierError("the network needs a grid")
        return 0.5

    assert choose_method(auto("pca", "select_k_best"), sample(), grids_only).method == "select_k_best"


def test_none_that_can_be_used_is_one_line_with_the_alternatives() -> None:
    with pytest.raises(EspalierError, match=r"^reduce\.columns\.methods: .*lda: .*pool or dct$") as caught:
        choose_method(auto("lda", "weight_norm"), sample(), probe)
    assert "\n" not in str(caught.value)


def test_the_search_for_columns_knows_it() -> None:
    assert resolve_columns(auto("pca", "pls"), sample(), probe, 0.0).method == "pls"
