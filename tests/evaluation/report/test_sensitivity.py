"""The chart of what each layer alone costs, for every method that has one."""

from __future__ import annotations

from tasks.evaluation.report.sensitivity import sensitivity

LAYERS = [
    {"layer": layer, "share": share, "metric": 0.9 - cost * share}
    for layer, cost in (("body.0", 0.1), ("body.2", 0.2))
    for share in (0.0, 0.5, 1.0)
]
BLOCKS = [row for row in LAYERS if row["share"] != 0.5]


def drawn(make_facts, rows, **prune):
    facts = make_facts()
    return sensitivity(make_facts(prune={**facts.prune, "sensitivity": rows, "metric": "accuracy", **prune}))


def test_without_curves_there_is_no_chart(make_facts):
    assert drawn(make_facts, []) is None


def test_every_layer_has_a_curve_over_the_share_removed(make_facts):
    figure = drawn(make_facts, LAYERS, method="structured")
    assert [trace["name"] for trace in figure.data] == ["body.0", "body.2"]
    assert figure.data[0]["x"] == [0.0, 0.5, 1.0]
    assert figure.layout["xaxis"]["title"]["text"] == "share removed"
    assert "a share of one layer alone" in figure.note


def test_columns_have_one_curve_and_say_so(make_facts):
    rows = [{**row, "layer": "inputs"} for row in LAYERS[:3]]
    figure = drawn(make_facts, rows, method="inputs")
    assert [trace["name"] for trace in figure.data] == ["inputs"]
    assert figure.layout["xaxis"]["title"]["text"] == "share removed"
    assert "a share of the raw columns" in figure.note


def test_low_rank_says_that_the_share_is_one_of_the_rank(make_facts):
    assert "share of the rank of one layer alone" in drawn(make_facts, LAYERS, method="low_rank").note


def test_blocks_have_a_mark_each_against_the_whole_network(make_facts):
    whole, marks = drawn(make_facts, BLOCKS, method="blocks").data
    assert whole["y"] == [0.9, 0.9]
    assert whole["x"] == marks["x"] == ["body.0", "body.2"]
    assert marks["y"] == [0.9 - 0.1, 0.9 - 0.2]


def test_of_a_recipe_it_is_said_that_the_first_step_was_measured(make_facts):
    steps = [{"method": "blocks"}, {"method": "structured"}]
    figure = drawn(make_facts, BLOCKS, method="steps", steps=steps)
    assert "the recipe's first step (blocks)" in figure.note
    assert "residual block" in figure.layout["xaxis"]["title"]["text"]
