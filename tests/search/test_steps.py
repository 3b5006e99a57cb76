import pytest
from torch import nn

from tasks.pruning.config import StructuredConfig
from tasks.pruning.recipe import Pruned
from tasks.search.steps import prune_in_steps
from tasks.training.records import EpochRecord

RECORD = EpochRecord(1, 1.0, 1.0, 1.0, 0.1)


def pruner(score=lambda amount: 1.0):
    """Prune in name only, and note what was asked for."""
    asked = []

    def prune_step(number, config, before):
        asked.append((number, config.amount, before))
        report = {
            "importance": config.importance,
            "amount": config.amount,
            "requested": config.amount,
            "rounds": 1,
            "probes": [],
            "nonzeros_after": 1,
            "parameters_before": 2,
            "history": [RECORD.to_dict()],
            "notes": [f"note {number}"],
        }
        return Pruned(nn.Linear(1, 1), (RECORD,), score(config.amount), report)

    return prune_step, asked


def recipe(*amounts, score=lambda amount: 1.0):
    prune_step, asked = pruner(score)
    steps = [StructuredConfig(amount=amount) for amount in amounts]
    return prune_in_steps(nn.Linear(4, 1), steps, prune_step, reference=1.0), asked


def test_steps_run_in_their_order_each_on_what_the_one_before_left():
    _, asked = recipe(0.5, 0.25)
    assert [(number, amount) for number, amount, _ in asked] == [(1, 0.5), (2, 0.25)]
    assert asked[0][2] is None
    assert isinstance(asked[1][2], Pruned)


def test_an_automatic_amount_is_resolved_for_its_step_alone():
    found, _ = recipe(0.5, "auto", score=lambda amount: 1.0 if amount <= 0.8 else 0.5)
    assert [step["amount"] for step in found.report["steps"]] == [0.5, 0.8]
    assert found.report["steps"][0]["probes"] == []
    assert found.report["probes"] == found.report["steps"][1]["probes"] != []


def test_the_report_counts_from_the_first_network_to_the_last():
    found, _ = recipe(0.5, 0.5)
    assert found.report["parameters_before"] == 5
    assert found.report["amount"] == pytest.approx(1 - 1 / 5)
    assert found.report["notes"] == ["note 1", "note 2"]


def test_epochs_are_numbered_through_all_steps():
    found, _ = recipe(0.5, 0.5, 0.5)
    assert [record.epoch for record in found.history] == [1, 2, 3]
    assert [record["epoch"] for record in found.report["history"]] == [1, 2, 3]
