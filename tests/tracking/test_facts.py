from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.artifacts import Layout
from tasks.config import Params, load_params
from tasks.evaluation.reports import MODELS
from tasks.tracking.facts import Facts, headline_key, percent, read_facts
from tasks.tracking.note import result_note, result_table


@pytest.fixture
def facts(workspace: Path) -> Facts:
    return read_facts(Layout(workspace), load_params(workspace))


def test_the_headline_is_the_first_metric_of_every_model(facts: Facts) -> None:
    assert {next(iter(facts.metrics(model))) for model in MODELS} == {"test/accuracy_pct"}


def test_every_model_has_the_same_metrics_in_the_same_order(facts: Facts) -> None:
    assert len({tuple(facts.metrics(model)) for model in MODELS}) == 1


def test_every_model_has_the_same_parameters(facts: Facts) -> None:
    assert len({tuple(facts.parameters(model)) for model in MODELS}) == 1


def test_an_automatic_setting_is_logged_resolved_and_its_mode_apart(facts: Facts) -> None:
    parameters = facts.parameters("compressed")
    assert (parameters["prune.amount"], parameters["prune.amount.mode"]) == ("0.8", "auto")


def test_int8_is_logged_as_it_was_kept_and_for_the_compressed_model_alone(facts: Facts) -> None:
    kept = {"method": "weights", "form": "folded", "agreement": 0.99}
    found = {"chosen": "weights", "form": "folded", "fp32": {"bytes": 4321}, "candidates": [kept]}
    tried = replace(facts, evaluate={**facts.evaluate, "quantisation": found})
    assert tried.parameters("compressed")["export.quantise.method"] == "weights"
    assert tried.parameters("reduced")["export.quantise.method"] == "none"
    metrics = tried.metrics("compressed")
    assert (metrics["size/float32_bytes"], metrics["valid/agreement_pct"]) == (4321, 99)
    assert set(metrics) == set(tried.metrics("reference"))


def test_models_before_pruning_are_logged_unpruned(facts: Facts) -> None:
    assert [facts.parameters(model)["prune.amount"] for model in MODELS] == ["0.0", "0.0", "0.8"]


def test_the_reference_is_logged_with_all_columns(facts: Facts) -> None:
    columns = [facts.parameters(model)["reduce.columns.components"] for model in MODELS]
    assert columns == ["4", "3", "3"]


def test_the_reference_differs_from_itself_by_nothing(facts: Facts) -> None:
    own = facts.metrics("reference")
    assert [own[f"difference/accuracy_pct{end}"] for end in ("", "_low", "_high")] == [0, 0, 0]
    assert own["size/times_smaller"] == own["speed/times_faster"] == 1


def test_shares_are_logged_as_percentages_and_errors_as_they_are() -> None:
    assert percent("accuracy") == ("accuracy_pct", 100.0)
    assert percent("rmse") == ("rmse", 1.0)
    assert headline_key("r2") == "test/r2_pct"


def test_the_training_time_of_a_model_is_the_sum_of_its_own_stages(facts: Facts) -> None:
    assert [facts.training_seconds(model) for model in MODELS] == [5.0, 4.0, 10.0]


def test_epochs_are_not_mistaken_for_the_final_figures(facts: Facts) -> None:
    history = facts.history("compressed")
    assert len(history) == 6
    assert not set(history[0]) & set(facts.metrics("compressed"))


def test_the_table_has_a_row_for_each_figure_and_a_column_for_each_model(facts: Facts) -> None:
    rows = result_table(facts).splitlines()
    assert {row.count("|") for row in rows} == {len(MODELS) + 2}
    assert any("9,700 (21.5x)" in row for row in rows)


def test_figures_of_one_row_have_the_same_decimals(facts: Facts) -> None:
    metrics, evaluate = {"reference": 0.9384, "reduced": 0.9, "compressed": 0.94}, facts.evaluate
    models = {
        name: {**model, "metrics": {**model["metrics"], "accuracy": metrics[name]}}
        for name, model in evaluate["models"].items()
    }
    row = next(
        line
        for line in result_table(replace(facts, evaluate={**evaluate, "models": models})).splitlines()
        if "accuracy" in line
    )
    shown = re.findall(r"\d+\.\d+|\b\d+\b", row)
    assert {"93.84", "90.00", "94.00"} <= set(shown)
    assert {len(number.partition(".")[2]) for number in shown} == {2}


@pytest.mark.parametrize(
    ("changes", "epochs"),
    [({}, "60"), ({"finetune": {"epochs": 7}}, "7"), ({"method": "budget"}, "180")],
)
def test_open_epochs_of_recovery_are_logged_resolved(facts: Facts, changes: dict, epochs: str) -> None:
    section = {"method": "structured", **changes}
    params = Params(**{**facts.params.model_dump(by_alias=True), "prune": section})
    assert replace(facts, params=params).parameters("compressed")["prune.finetune.epochs"] == epochs


def test_the_note_starts_in_plain_text_and_states_verdict_and_rows_needed(facts: Facts) -> None:
    note = result_note(facts, {"git": "abc"})
    assert note.startswith(
        "Accuracy 94.00 %, 21.5x smaller and 4.0x faster than the reference; verdict: not shown"
    )
    assert "There are 100 test rows; about 4,200 would settle it." in note


def test_a_quick_look_is_said_wherever_its_figures_stand(make_workspace: Callable[..., Path]) -> None:
    root = make_workspace(extra="evaluate: {factor: 0.1}")
    note = result_note(read_facts(Layout(root), load_params(root)), {})
    assert "10 % of the test rows" in note
