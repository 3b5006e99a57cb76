from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tasks.config import Params, overridden
from tasks.errors import ConfigError
from tasks.study.applied import effective
from tasks.study.overrides import canonical, identity, validated
from tasks.study.overrides import settings as settings_of

TEXT = (Path(__file__).resolve().parents[2] / "params.yaml").read_text()
BASE = overridden(TEXT, [])[1]
STEPS = overridden(
    TEXT,
    [
        "prune={method: steps}",
        "prune.steps=[{method: structured, amount: 0.5}, {method: unstructured, amount: 0.6}]",
    ],
)[1]

TEXTS = [
    TEXT,
    "train:\n  epochs: 3\n",
    overridden(TEXT, ["reduce.columns={method: pca}", "reduce.unfreeze=true", "prune.method=none"])[0],
    overridden(TEXT, ["reduce.rows={method: el2n, factor: 0.7}", "prune={method: unstructured}"])[0],
]
"""Workspaces: the default one, one that says next to nothing, and two with other methods."""

CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "reduce.columns.method": st.sampled_from(["none", "weight_norm", "pca", "dct", "auto"]),
        "reduce.columns": st.sampled_from([{"method": "none"}, {"method": "pca"}, {"method": "weight_norm"}]),
        "prune.method": st.sampled_from(["none", "structured", "unstructured", "low_rank"]),
        "prune": st.sampled_from([{"method": "none"}, {"method": "structured", "amount": 0.5}]),
        "prune.amount": st.sampled_from([0.8, 0.5, "auto"]),
        "prune.finetune.epochs": st.sampled_from([60, 5]),
        "model.hidden": st.sampled_from([[512, 256], [64]]),
        "model.hidden.0": st.sampled_from([512, 8]),
        "reduce.rows.method": st.sampled_from(["none", "random", "k_center"]),
        "reduce.rows.factor": st.sampled_from([1.0, 0.5]),
        "reduce.unfreeze": st.sampled_from([False, True]),
        "train.lr": st.sampled_from([0.003, 0.1]),
    },
)


def problems(changes, params=BASE):
    with pytest.raises(ConfigError) as caught:
        validated(params, changes)
    return {problem.path: str(problem) for problem in caught.value.problems}


def possible(text, changes):
    """Parameters that changes make, or None where they cannot be."""
    try:
        return validated(overridden(text, [])[1], changes)
    except ConfigError:
        return None


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(TEXTS), CHANGES)
def test_the_canonical_form_makes_the_same_parameters_here_and_in_the_file(text, changes):
    base, made = overridden(text, [])[1], possible(text, changes)
    assume(made)
    least = canonical(base, changes)
    assert identity(base, least) == identity(base, changes)
    assert canonical(base, least) == least
    written = overridden(text, settings_of(least))[1]
    assert effective(written) == effective(made)


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(TEXTS), CHANGES, CHANGES)
def test_ids_are_equal_exactly_where_the_parameters_are(text, one, other):
    base, first, second = overridden(text, [])[1], possible(text, one), possible(text, other)
    assume(first and second)
    same = effective(first) == effective(second)
    assert (identity(base, one) == identity(base, other)) == same


def test_what_changes_nothing_is_left_out():
    changes = {"prune.amount": 0.8, "reduce.columns.method": "weight_norm", "train.epochs": 20}
    assert canonical(BASE, changes) == {}
    assert canonical(BASE, {"prune.method": "none", "prune.amount": 0.3}) == {"prune.method": "none"}


def test_another_method_drops_what_it_does_not_know_and_keeps_the_rest():
    changed = validated(BASE, {"reduce.columns.method": "pca"})
    assert changed.reduce.columns.model_dump() == {"method": "pca", "components": 256}
    assert validated(BASE, {"reduce.columns.method": "dct"}).reduce.columns.keep == 14


def test_parameters_that_say_nothing_take_the_methods_own_defaults():
    bare = overridden("train:\n  epochs: 3\n", [])[1]
    assert validated(bare, {"reduce.columns.method": "pca"}).reduce.columns.components == 0.95
    assert validated(bare, {"prune.amount": 0.5}).prune.amount == 0.5
    assert canonical(bare, {"reduce.columns.method": "pca", "reduce.columns.components": 256}) == {
        "reduce.columns.method": "pca",
        "reduce.columns.components": 256,
    }


def test_a_path_leads_through_lists_and_comes_back_as_the_whole_list():
    changed = validated(STEPS, {"prune.steps.1.amount": 0.9})
    assert [step.amount for step in changed.prune.steps] == [0.5, 0.9]
    assert list(canonical(STEPS, {"prune.steps.1.amount": 0.9})) == ["prune.steps"]
    assert canonical(BASE, {"model.hidden.0": 8}) == {"model.hidden": [8, 256]}
    assert canonical(Params(), {"model.hidden.0": 8}) == {"model.hidden": [8, 256], "model.method": "mlp"}
    assert validated(STEPS, {"prune.steps.0.method": "blocks"}).prune.steps[0].method == "blocks"


@pytest.mark.parametrize(
    ("changes", "path", "told"),
    [
        ({"prune.amout": 0.5}, "prune.amout", "unknown key (got 0.5); did you mean 'amount'?"),
        ({"prune.amount": 3}, "prune.amount", "less than or equal to 1"),
        ({"reduce.columns.method": "pac"}, "reduce.columns.method", "did you mean 'pca'?"),
        ({"model.method": "cnn2d"}, "reduce.columns.method", "off the grid that model.method: cnn2d needs"),
        (
            {"model.hidden.7": 3},
            "model.hidden.7",
            "no such place in the list model.hidden; its places: 0 to 1",
        ),
        ({"model.hidden.0.x": 3}, "model.hidden.0.x", "has nothing below it: model.hidden.0 is 512"),
        ({"model.hidden.7.method": 3}, "model.hidden.7.method", "no such place in the list model.hidden"),
        ({"method": "none"}, "method", "unknown key"),
        ({"source.uri": "a.csv"}, "source.uri", "cannot vary; every candidate learns from the same rows"),
        ({"clean": {}}, "clean", "every candidate is judged on the same rows"),
        ({"train.seed": 3}, "train.seed", "cannot vary; the study sets it"),
        ({"evaluate.metric": "ece"}, "evaluate.metric", "every candidate is judged the same way"),
    ],
)
def test_an_override_that_cannot_be_is_refused_with_its_path_and_the_rule(changes, path, told):
    assert told in problems(changes)[path]


def test_neither_parameters_nor_overrides_are_changed():
    section = {"method": "structured", "amount": 0.5}
    before = BASE.model_dump()
    validated(BASE, {"prune": section, "prune.amount": 0.25, "model.hidden.0": 3})
    assert section == {"method": "structured", "amount": 0.5}
    assert BASE.model_dump() == before


def test_the_seed_of_the_overrides_does_not_make_another_candidate():
    other = overridden(TEXT, ["registry.name=other", "study.seeds=9", "measure.repeats=3"])[1]
    assert identity(BASE, {"prune.amount": 0.5}) == identity(other, {"prune.amount": 0.5})
