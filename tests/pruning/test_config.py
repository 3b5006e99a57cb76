from typing import get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from tasks.pruning.config import (
    Importance,
    NoPruneConfig,
    PruneConfig,
    StructuredConfig,
    UnstructuredConfig,
    steps_of,
)
from tasks.pruning.importance import CRITERIA

CONFIG: TypeAdapter = TypeAdapter(PruneConfig)


def unstructured(**keys):
    return CONFIG.validate_python({"method": "unstructured", **keys})


@pytest.mark.parametrize(
    ("method", "kind"),
    [("none", NoPruneConfig), ("structured", StructuredConfig), ("unstructured", UnstructuredConfig)],
)
def test_the_common_keys_fit_every_method(method, kind):
    keys = {"importance": "magnitude", "scope": "local", "amount": 0.8, "tolerance": 0.005, "rounds": 1}
    assert isinstance(CONFIG.validate_python({"method": method, **keys}), kind)


def test_amount_and_threshold_together_are_refused():
    with pytest.raises(ValidationError, match="amount and threshold exclude each other"):
        unstructured(amount=0.5, threshold=0.1)


def test_a_threshold_alone_leaves_no_amount():
    assert unstructured(threshold=0.1).amount is None


def test_neither_amount_nor_threshold_is_refused():
    with pytest.raises(ValidationError, match="give amount"):
        unstructured(amount=None)


def test_structured_without_an_amount_is_refused():
    with pytest.raises(ValidationError, match="structured pruning needs amount"):
        CONFIG.validate_python({"method": "structured", "amount": None})


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"start": "scratch"}, "start scratch needs schedule gradual"),
        ({"schedule": "gradual", "rewind": "init"}, "rewind init needs schedule oneshot or iterative"),
        ({"schedule": "gradual", "rewind": 2}, "rewind 2 needs schedule oneshot or iterative"),
        ({"schedule": "iterative"}, "needs rounds of 2 or more"),
        ({"rounds": 3}, "rounds 3 needs schedule iterative"),
        ({"schedule": "gradual", "threshold": 0.1}, "schedule gradual needs amount"),
        ({"importance": "taylor", "threshold": 0.1}, "importance taylor needs amount"),
        ({"shape": "linear"}, "shape linear needs schedule gradual"),
        ({"threshold": 0.1, "scope": "sensitivity"}, "scope sensitivity divides an amount"),
        ({"amount": {"body.0": 0.5}}, "amount names layers, scope is local"),
        ({"scope": "per_layer", "amount": 0.5}, "scope per_layer needs an amount for each layer"),
        ({"scope": "per_layer", "amount": {}}, "scope per_layer needs an amount for each layer"),
        ({"importance": "batch_norm"}, "importance batch_norm ranks units, not weights"),
        ({"importance": "decomposition"}, "importance decomposition ranks units, not weights"),
        ({"importance": "taylor", "norm": "l1"}, "norm l1 is of importance magnitude"),
        ({"schedule": "gradual", "finetune": {"epochs": 0}}, "finetune.epochs must be at least 1"),
    ],
)
def test_contradictory_settings_are_refused_at_load(keys, message):
    with pytest.raises(ValidationError, match=message):
        unstructured(**keys)


def test_all_contradictions_are_told_at_once():
    with pytest.raises(ValidationError, match=r"rounds 3 .*; start scratch") as caught:
        unstructured(rounds=3, start="scratch")
    assert caught.value.error_count() == 1


@pytest.mark.parametrize("rewind", [0, -1, 1.5, "start"])
def test_survivors_go_back_to_the_beginning_or_to_an_epoch(rewind):
    with pytest.raises(ValidationError):
        unstructured(rewind=rewind)
    assert unstructured(rewind=2).rewind == 2


@pytest.mark.parametrize("amount", [-0.1, 1.1, "most"])
def test_an_amount_outside_zero_to_one_is_refused(amount):
    with pytest.raises(ValidationError):
        CONFIG.validate_python({"method": "structured", "amount": amount})


def test_a_threshold_is_unknown_to_structured_pruning():
    with pytest.raises(ValidationError, match="threshold"):
        CONFIG.validate_python({"method": "structured", "threshold": 0.1})


def test_a_recipe_holds_sections_of_its_methods():
    found = CONFIG.validate_python(
        {"method": "steps", "steps": [{"method": "structured"}, {"method": "unstructured", "amount": "auto"}]}
    )
    assert [type(step) for step in steps_of(found)] == [StructuredConfig, UnstructuredConfig]


def test_a_single_section_is_a_recipe_of_one_step_and_none_of_no_step():
    assert steps_of(StructuredConfig()) == (StructuredConfig(),)
    assert steps_of(NoPruneConfig(method="none")) == ()


@pytest.mark.parametrize("keys", [{"rewind": "init"}, {"schedule": "gradual", "start": "scratch"}])
def test_a_step_cannot_go_back_behind_a_removal_of_units(keys):
    steps = [{"method": "structured"}, {"method": "unstructured", **keys}]
    with pytest.raises(ValidationError, match=r"steps\.1: start scratch and rewind need the layers"):
        CONFIG.validate_python({"method": "steps", "steps": steps})
    CONFIG.validate_python({"method": "steps", "steps": steps[::-1]})


def test_a_recipe_without_steps_is_refused():
    with pytest.raises(ValidationError, match="at least 1"):
        CONFIG.validate_python({"method": "steps", "steps": []})


@pytest.mark.parametrize("importance", get_args(Importance))
def test_every_importance_has_a_criterion(importance):
    known = CONFIG.validate_python({"method": "structured", "importance": importance}).criterion
    assert known in CRITERIA or known == "decomposition"


def test_the_norm_chooses_between_the_magnitudes():
    names = [StructuredConfig(norm=norm).criterion for norm in ("l2", "l1")]
    assert names == ["magnitude", "magnitude_l1"]
