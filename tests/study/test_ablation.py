from pathlib import Path

import pytest

from tasks.config import overridden
from tasks.study.ablation import ARMS, MANY_ROWS, Halves, default_space
from tasks.study.candidates import candidate
from tasks.study.config import Ranged
from tasks.study.overrides import validated
from tasks.study.space import Space
from tests.study.facts_made import facts

TEXT = (Path(__file__).resolve().parents[2] / "params.yaml").read_text()

IMAGE = facts(144, shape=(1, 12, 12))
WORKSPACES = {
    "mnist": ([], facts(784, shape=(1, 28, 28), rows=3000)),
    "rows": (["reduce.rows={method: el2n, factor: 0.7}"], facts()),
    "all rows of a subset": (["reduce.rows={method: random, factor: 1.0}"], facts()),
    "many rows": ([], facts(rows=MANY_ROWS + 1)),
    "image": (["model={method: cnn2d}", "reduce.columns={method: none}"], IMAGE),
    "series": (["model={method: cnn1d}", "reduce.columns={method: dct}"], facts(80, shape=(4, 20))),
    "own": (["model={method: user}", "reduce.columns={method: none}"], IMAGE),
    "own, flat": (["model={method: user, input: flat}", "reduce.columns={method: none}"], facts()),
    "few columns": (["reduce.columns={method: none}"], facts(2, task="regression", outputs=1)),
    "linear": (["model={method: linear}", "prune.method=none"], facts()),
    "unfrozen": (["reduce.columns={method: pca}", "reduce.unfreeze=true"], facts()),
    "steps": (["prune={method: steps}", "prune.steps=[{method: inputs}, {method: blocks}]"], facts()),
    "budget": (["prune={method: budget}", "reduce.columns={method: none}"], facts()),
    "auto": (["reduce.columns.components=auto", "prune.amount=auto"], facts()),
    "threshold": (["prune={method: unstructured, threshold: 0.1}"], facts()),
    "int8": (["export.quantise.method=static"], facts()),
}


def halves(name):
    settings, data = WORKSPACES[name]
    return Halves(overridden(TEXT, settings)[1], data)


@pytest.mark.parametrize("name", WORKSPACES)
def test_each_arm_does_what_it_is_called_after_and_nothing_else(name):
    here = halves(name)
    made = {arm: candidate(here.params, changes) for arm, changes in here.arms()}
    assert list(made) == list(ARMS)
    assert {arm: one.arm for arm, one in made.items()} == {arm: arm for arm in ARMS}
    assert {one.refused for one in made.values()} == {None}


@pytest.mark.parametrize("ranges", [False, True])
@pytest.mark.parametrize("name", WORKSPACES)
def test_every_cell_of_the_default_space_makes_parameters(name, ranges):
    here = halves(name)
    space = Space(here.params, default_space(here, ranges=ranges))
    made = [candidate(here.params, point) for point in space.grid()]
    assert [one.refused for one in made if one.refused] == []
    assert len({one.id for one in made}) == len(made)
    assert {one.arm for one in made} >= (
        {"all", "rows", "columns+rows", "rows+pruning"}
        if name == "rows"
        else {"nothing", "columns", "pruning", "columns+pruning"}
    )


@pytest.mark.parametrize(
    ("name", "columns", "rows", "prune"),
    [
        ("mnist", "weight_norm", "k_center", "structured"),
        ("many rows", "weight_norm", "random", "structured"),
        ("image", "pool", "k_center", "structured"),
        ("series", "dct", "k_center", "structured"),
        ("own", "pool", "k_center", "structured"),
        ("own, flat", "select_k_best", "k_center", "structured"),
        ("few columns", "weight_norm", "k_center", "structured"),
        ("linear", "weight_norm", "k_center", "unstructured"),
        ("rows", "weight_norm", "el2n", "structured"),
        ("budget", "weight_norm", "k_center", "structured"),
    ],
)
def test_a_half_is_the_workspaces_own_else_what_its_data_and_network_allow(name, columns, rows, prune):
    here = halves(name)
    params = validated(here.params, here.arm(ARMS["all"]))
    assert (params.reduce.columns.method, params.reduce.rows.method, params.prune.method) == (
        columns,
        rows,
        prune,
    )


def test_data_with_nothing_to_leave_out_have_fewer_arms():
    params = overridden(TEXT, ["reduce.columns={method: none}"])[1]
    assert [name for name, _ in Halves(params, facts(1, rows=1)).arms()] == ["nothing", "pruning"]


def test_the_default_grid_is_small_and_holds_the_four_arms():
    here = halves("mnist")
    space = Space(here.params, default_space(here, ranges=False))
    ids = {candidate(here.params, point).id for point in space.grid()}
    arms = {candidate(here.params, changes).id for name, changes in here.arms() if "rows" not in ARMS[name]}
    assert len(ids) == 32
    assert arms <= ids


def test_samplers_get_ranges_between_the_same_ends():
    choices = default_space(halves("mnist"), ranges=True)
    assert choices["reduce.columns.components"] == Ranged(
        low=128, high=512, log=True, int=True, when={"reduce.columns.method": "weight_norm"}
    )
    assert choices["prune.amount"] == Ranged(low=0.6, high=0.9, when={"prune.method": "structured"})
