from itertools import product
from pathlib import Path

import pytest

from tasks.config import overridden
from tasks.errors import ConfigError
from tasks.search.sampling import Sampler
from tasks.study.overrides import validated
from tasks.study.space import LEVELS, Space, levels

TEXT = (Path(__file__).resolve().parents[2] / "params.yaml").read_text()


def space(text):
    params = overridden(TEXT, [f"study.space={text}"])[1]
    return Space(params, params.study.space)


def cells(text):
    return list(space(text).grid())


def problems(text):
    with pytest.raises(ConfigError) as caught:
        space(text)
    return {problem.path: str(problem) for problem in caught.value.problems}


def test_a_grid_is_every_combination():
    found = cells("{prune.amount: [0.5, 0.8], train.lr: [0.1, 0.2, 0.3]}")
    assert [(cell["prune.amount"], cell["train.lr"]) for cell in found] == list(
        product([0.5, 0.8], [0.1, 0.2, 0.3])
    )


def test_what_has_a_condition_varies_only_where_it_holds():
    found = cells(
        "{reduce.columns.components: {values: [0.9, 0.95], when: {reduce.columns.method: pca}},"
        " reduce.columns.method: [none, pca]}"
    )
    assert found == [
        {"reduce.columns.method": "none"},
        {"reduce.columns.method": "pca", "reduce.columns.components": 0.9},
        {"reduce.columns.method": "pca", "reduce.columns.components": 0.95},
    ]


def test_each_case_has_its_own_values():
    found = cells(
        "{reduce.columns.method: [none, pca, dct, pls], reduce.columns.components: {cases: ["
        "{values: [0.9], when: {reduce.columns.method: pca}},"
        "{values: [4], when: {reduce.columns.method: [pls, lda]}}]}}"
    )
    assert [cell.get("reduce.columns.components") for cell in found] == [None, 0.9, None, 4]


@pytest.mark.parametrize(
    ("condition", "count"),
    [
        ("{prune.method: structured}", 2),  # as params.yaml says
        ("{prune.method: none}", 1),
        ("{model.hidden.0: 512}", 2),
        ("{model.hidden: [[512, 256]]}", 2),
    ],
)
def test_a_condition_may_be_on_what_does_not_vary(condition, count):
    assert len(cells(f"{{prune.amount: {{values: [0.5, 0.6], when: {condition}}}}}")) == count


def test_a_condition_looks_into_a_section_that_is_chosen_whole():
    found = cells(
        "{prune.amount: {values: [0.1, 0.2], when: {prune.method: structured}},"
        " prune: [{method: none}, {method: structured}]}"
    )
    assert [len(cell) for cell in found] == [1, 2, 2]


def test_every_cell_makes_parameters_whatever_methods_it_switches():
    made = space(
        "{reduce.columns.method: [none, weight_norm, pca, auto],"
        " prune.method: [none, unstructured, low_rank], model.method: [linear, mlp, resmlp],"
        " reduce.rows: [{method: none}, {method: random, factor: 0.5}]}"
    )
    methods = {
        (p.reduce.columns.method, p.prune.method, p.model.method, p.reduce.rows.method)
        for p in (validated(made.base, cell) for cell in made.grid())
    }
    assert len(methods) == made.size() == 4 * 3 * 3 * 2


@pytest.mark.parametrize(
    ("path", "entry", "values"),
    [
        ("prune.amount", "{low: 0.5, high: 0.9, step: 0.2}", [0.5, 0.7, 0.9]),
        ("prune.amount", "{low: 0, high: 1}", [0.0, 0.25, 0.5, 0.75, 1.0]),
        ("train.lr", "{low: 0.001, high: 0.1, log: true}", [0.001, 0.00316228, 0.01, 0.0316228, 0.1]),
        ("train.epochs", "{low: 2, high: 4}", [2, 3, 4]),
        ("reduce.columns.components", "{low: 16, high: 256, log: true}", [16, 32, 64, 128, 256]),
        ("train.epochs", "{low: 10, high: 30, step: 10}", [10, 20, 30]),
        ("prune.finetune.mixup", "{low: 0, high: 2, int: true}", [0, 1, 2]),
    ],
)
def test_a_grid_takes_a_range_from_end_to_end(path, entry, values):
    choice = space(f"{{{path}: {entry}}}").choices[path]
    found = levels(path, choice)
    assert found == values
    assert len(found) <= LEVELS
    assert {type(value) for value in found} == {type(values[0])}


def test_drawn_points_lie_in_the_space_and_keep_its_conditions():
    made = space(
        "{reduce.columns.method: [none, pca, pls], reduce.columns.components: {cases: ["
        "{low: 0.5, high: 0.99, when: {reduce.columns.method: pca}},"
        "{low: 2, high: 9, when: {reduce.columns.method: pls}}]}, model.hidden: [[8], [16, 8]]}"
    )
    sampler = Sampler("random", made.suggest, objectives=1, seed=0, round_size=4)
    kinds = set()
    for _ in range(40):
        point = dict(sampler.ask().point)
        params = validated(made.base, point)
        kinds.add((params.reduce.columns.method, type(point.get("reduce.columns.components"))))
    assert kinds == {("none", type(None)), ("pca", float), ("pls", int)}


@pytest.mark.parametrize(
    ("text", "path", "told"),
    [
        ("{prune.amout: [1]}", "study.space.prune.amout", "unknown key; did you mean 'amount'?"),
        ("{prunn.amount: [1]}", "study.space.prunn.amount", "unknown key; did you mean 'prune'?"),
        ("{train.lr.x: [1]}", "study.space.train.lr.x", "train.lr has nothing below it"),
        (
            "{prune.amount: [0.5, 3]}",
            "study.space.prune.amount",
            "less than or equal to 1, or must be 'auto'",
        ),
        ("{prune.amount: {low: 0, high: 3}}", "study.space.prune.amount", "(got 3.0)"),
        ("{prune.method: [none, structurd]}", "study.space.prune.method", "did you mean 'structured'?"),
        ("{prune: [{method: none, amout: 1}]}", "study.space.prune.amout", "did you mean 'amount'?"),
        ("{prune.steps: [[{method: blocs}]]}", "study.space.prune.steps.0.method", "did you mean 'blocks'?"),
        (
            "{source.uri: [a.csv]}",
            "study.space.source.uri",
            "cannot vary; every candidate learns from the same",
        ),
        ("{clean.split.seed: [1]}", "study.space.clean.split.seed", "cannot vary"),
        (
            "{prune.amount: {values: [0.5], when: {prune.metod: none}}}",
            "study.space.prune.amount.when.prune.metod",
            "did you mean 'method'?",
        ),
        (
            "{prune.amount: {values: [0.5], when: {prune.method: structurd}}}",
            "study.space.prune.amount.when.prune.method",
            "did you mean 'structured'?",
        ),
        (
            "{train.lr: {values: [1], when: {train.epochs: 2}},"
            " train.epochs: {values: [2], when: {train.lr: 1}}}",
            "study.space",
            "depend on each other in a circle: train.lr, train.epochs",
        ),
    ],
)
def test_a_space_that_cannot_be_is_refused_with_the_path_the_rule_and_the_nearest(text, path, told):
    assert told in problems(text)[path]


def test_paths_of_lists_and_of_every_method_are_known():
    text = (
        "{model.hidden.0: [8], prune.steps.0.amount: {values: [0.5], when: {prune.method: steps}},"
        " reduce.columns.kernel: {values: [2], when: {reduce.columns.method: pool}}, registry: [1]}"
    )
    assert list(problems(text)) == ["study.space.registry"]


def test_a_grid_without_end_is_refused():
    many = ", ".join(f"{path}: {{low: 0.1, high: 0.9}}" for path in SHARES)
    with pytest.raises(
        ConfigError, match=r"more than 100,000 combinations; name fewer values, or set study\.sampler"
    ):
        space(f"{{{many}}}").size()


SHARES = (
    "prune.amount",
    "train.lr",
    "train.momentum",
    "train.weight_decay",
    "train.clip_norm",
    "train.label_smoothing",
    "prune.finetune.lr",
    "prune.finetune.distil",
)
