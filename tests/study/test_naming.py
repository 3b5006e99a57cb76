import pytest

from tasks.config import Params
from tasks.study.candidates import candidate
from tasks.study.naming import shown

BASE = Params()
PCA = {"reduce.columns.method": "pca", "reduce.columns.components": 0.9}
STEPS = [{"method": "structured", "amount": 0.5}, {"method": "unstructured", "amount": "auto"}]


@pytest.mark.parametrize(
    ("changes", "arm", "name"),
    [
        ({}, "columns+pruning", "weight_norm=256 prune=structured:0.80"),
        (
            {**PCA, "prune.amount": 0.75, "export.quantise.method": "auto"},
            "columns+pruning",
            "pca=0.90 prune=structured:0.75 int8",
        ),
        ({"prune.amount": 0.75}, "columns+pruning", "prune=structured:0.75 weight_norm=256"),
        ({"reduce.columns.method": "none", "prune.method": "none"}, "nothing", "dense"),
        ({"prune.method": "none"}, "columns", "weight_norm=256"),
        (
            {"reduce.rows": {"method": "random", "factor": 0.25}, "reduce.columns.method": "none"},
            "rows+pruning",
            "rows=random:0.25 prune=structured:0.80",
        ),
        (
            {"reduce.rows": {"method": "random"}},
            "all",
            "rows=random:0.50 weight_norm=256 prune=structured:0.80",
        ),
        ({"train.lr": 0.01}, "columns+pruning", "lr=0.01 weight_norm=256 prune=structured:0.80"),
        ({"model.hidden.1": 8}, "columns+pruning", "hidden=512,8 weight_norm=256 prune=structured:0.80"),
        ({"model.method": "resmlp"}, "columns+pruning", "model=resmlp weight_norm=256 prune=structured:0.80"),
        (
            {"prune.importance": "random"},
            "columns+pruning",
            "importance=random weight_norm=256 prune=structured:0.80",
        ),
        (
            {"prune": {"method": "steps", "steps": STEPS}},
            "columns+pruning",
            "prune=structured:0.50,unstructured:auto weight_norm=256",
        ),
        (
            {"prune": {"method": "unstructured", "threshold": 0.02}},
            "columns+pruning",
            "prune=unstructured:<0.02 weight_norm=256",
        ),
        ({"prune": {"method": "budget"}}, "columns+pruning", "prune=budget:smallest weight_norm=256"),
        (
            {"export.quantise.method": "static"},
            "columns+pruning",
            "weight_norm=256 prune=structured:0.80 int8=static",
        ),
    ],
)
def test_a_name_tells_the_recipe_what_differs_first(changes, arm, name):
    made = candidate(BASE, changes)
    assert (made.arm, made.name, made.refused) == (arm, name, None)


def test_what_cannot_be_is_a_candidate_that_says_why():
    made = candidate(BASE, {"model.method": "cnn2d", "prune.amount": 0.5})
    assert made.name == "model=cnn2d amount=0.50"
    assert made.refused == (
        "reduce.columns.method: takes the rows off the grid that model.method: cnn2d needs "
        "(got 'weight_norm'); valid here: none, pool, dct"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.9, "0.90"),
        (0.875, "0.875"),
        (256, "256"),
        (3e-4, "0.0003"),
        (1.0, "1"),
        (True, "yes"),
        ("auto", "auto"),
    ],
)
def test_values_are_short(value, text):
    assert shown(value) == text
