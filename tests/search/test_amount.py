import pytest
from torch import nn

from tasks.pruning.recipe import Pruned
from tasks.search.amount import AMOUNTS, prune_most


def pruner(score):
    """Prune in name only: the validation metric is a function of the amount."""
    tried = []

    def prune_at(amount):
        tried.append(amount)
        return Pruned(nn.Identity(), (), score(amount), {"amount": amount, "requested": amount, "notes": []})

    return prune_at, tried


def test_the_largest_amount_that_holds_the_floor_is_found():
    prune_at, _ = pruner(lambda amount: 1.0 if amount <= 0.85 else 0.9)
    assert prune_most(prune_at, floor=0.95).report["amount"] == 0.85


def test_every_probe_is_recorded_with_its_score():
    prune_at, tried = pruner(lambda amount: 1.0 - amount)
    report = prune_most(prune_at, floor=0.5).report
    assert report["probes"] == [{"amount": amount, "score": 1.0 - amount} for amount in tried]
    assert report["requested"] == "auto"


def test_no_amount_is_tried_twice():
    prune_at, tried = pruner(lambda amount: 1.0 - amount)
    prune_most(prune_at, floor=0.2)
    assert len(tried) == len(set(tried))


def test_a_floor_that_nothing_holds_gives_the_gentlest_and_says_so():
    prune_at, _ = pruner(lambda amount: 0.5)
    result = prune_most(prune_at, floor=0.9)
    assert result.report["amount"] == AMOUNTS[0] == 0.0
    assert "no amount keeps the validation metric at 0.9000" in result.report["notes"][-1]


def test_amounts_run_from_gentle_to_aggressive():
    assert list(AMOUNTS) == sorted(set(AMOUNTS))


@pytest.mark.parametrize("floor", [0.0, 1.0])
def test_the_result_is_the_network_that_was_probed(floor):
    results = {}

    def prune_at(amount):
        results[amount] = Pruned(nn.Linear(1, 1), (), 1.0, {"amount": amount, "notes": []})
        return results[amount]

    found = prune_most(prune_at, floor=floor)
    assert found.network is results[found.report["amount"]].network
