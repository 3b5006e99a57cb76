from __future__ import annotations

import pytest

from tasks.evaluation.reports import MADE_BY, MODELS, making_seconds, mostly_zero

MEASURE = {"seconds": {"fetch": 9.0, "reference": 8.0, "reduce": 1.0, "train": 3.0, "prune": 4.0}}


def test_every_model_has_a_name_and_the_stages_that_made_it():
    assert list(MODELS) == list(MADE_BY) == ["reference", "reduced", "compressed"]


@pytest.mark.parametrize(("model", "seconds"), [("reference", 8.0), ("reduced", 4.0), ("compressed", 8.0)])
def test_a_model_costs_its_own_stages(model, seconds):
    assert making_seconds(MEASURE, model) == seconds


def test_the_time_of_a_stage_that_never_ran_here_is_unknown():
    assert making_seconds({"seconds": {"reduce": 1.0, "train": 3.0}}, "compressed") is None
    assert making_seconds({}, "reference") is None


@pytest.mark.parametrize(("nonzeros", "said"), [(100, False), (96, False), (50, True)])
def test_a_few_zeros_are_not_worth_a_word(nonzeros, said):
    assert mostly_zero({"parameters": 100, "nonzeros": nonzeros}) is said
