from pathlib import Path

import pytest

from tasks.config import overridden
from tasks.study.ablation import Halves
from tasks.study.overrides import validated
from tasks.study.rivals import early_rivals, parameters, small_dense
from tests.study.facts_made import facts

TEXT = (Path(__file__).resolve().parents[2] / "params.yaml").read_text()


def halves(*settings, data=None):
    return Halves(overridden(TEXT, list(settings))[1], data or facts())


def rivals(here):
    return {kind: validated(here.params, changes) for kind, changes in early_rivals(here)}


def test_random_units_leave_in_the_same_number_after_the_same_reduction():
    here = halves("prune.norm=l1")
    prune, own = rivals(here)["random units"].prune, here.params.prune
    assert prune == own.model_copy(update={"importance": "random", "norm": "l2"})


def test_each_step_of_a_recipe_is_drawn_at_random_where_it_ranks_anything():
    here = halves(
        "prune={method: steps}",
        "prune.steps=[{method: unstructured, threshold: 0.1}, {method: structured, amount: 0.4},"
        " {method: blocks}]",
    )
    steps = rivals(here)["random units"].prune.steps
    assert [step.importance for step in steps] == ["magnitude", "random", "random"]
    assert steps[1].amount == 0.4


@pytest.mark.parametrize("section", ["{method: low_rank}", "{method: unstructured, threshold: 0.1}"])
def test_what_ranks_nothing_has_no_random_rival(section):
    assert "random units" not in rivals(halves(f"prune={section}"))


def test_random_rows_are_as_many_and_all_else_is_left_undone():
    params = rivals(halves("reduce.rows={method: coverage_stratified, factor: 0.3, balanced: true}"))[
        "random rows"
    ]
    rows = params.reduce.rows
    assert (rows.method, rows.factor, rows.balanced) == ("random", 0.3, True)
    assert (params.reduce.columns.method, params.prune.method) == ("none", "none")


def test_a_linear_model_sees_all_columns_and_learns_as_long_as_a_pruned_network():
    params = rivals(halves("reference.weights=mine.pth"))["linear"]
    assert (params.model.method, params.reduce.columns.method, params.prune.method) == (
        "linear",
        "none",
        "none",
    )
    assert params.train.epochs == 20 + 60
    assert params.reference.weights is None


def test_a_linear_model_is_no_rival_of_itself():
    assert "linear" not in rivals(halves("model={method: linear}", "prune.method=none"))


@pytest.mark.parametrize(
    ("model", "data"),
    [
        ("{method: mlp, hidden: [64, 32]}", facts(20)),
        ("{method: resmlp, width: 32, inner: [32, 32]}", facts(20)),
        ("{method: cnn1d, channels: [8, 16], hidden: [32]}", facts(80, shape=(4, 20))),
        ("{method: cnn2d, channels: [8, 16]}", facts(144, shape=(1, 12, 12))),
    ],
)
@pytest.mark.parametrize("share", [0.9, 0.3, 2.0])
def test_the_small_dense_network_is_as_large_as_it_may_be(model, data, share):
    here = halves(f"model={model}", "reduce.columns={method: none}", data=data)
    wanted = share * parameters(here.params.model, data)
    small = validated(here.params, small_dense(here, wanted))
    assert 0.7 * wanted < parameters(small.model, data) <= wanted
    assert (small.reduce.columns.method, small.prune.method) == ("none", "none")


def test_no_network_is_smaller_than_one_unit_a_layer():
    here = halves("model={method: mlp, hidden: [8]}", data=facts(20, outputs=2))
    assert small_dense(here, 24) is None
    assert small_dense(here, 25)["model.hidden"] == [1]


@pytest.mark.parametrize("model", ["{method: linear}", "{method: user}"])
def test_a_family_without_a_size_has_no_small_rival(model):
    assert small_dense(halves(f"model={model}"), 1000) is None
