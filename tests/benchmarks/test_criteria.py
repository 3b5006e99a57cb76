import torch
from torch import nn

from benchmarks.criteria import answers, correlation, silenced, torch_prunings, without
from benchmarks.decomposition import Dense
from tasks.models.mlp import Mlp
from tasks.models.zoo import seeded
from tasks.pruning.saliency import Calibration
from tasks.pruning.structure import remove, survey
from tasks.pruning.units import score_units
from tasks.training.batching import Tensors


def rows(n=300):
    X = torch.randn(n, 6, generator=torch.Generator().manual_seed(1))
    return Tensors(X, X[:, :3].argmax(dim=1))


def dense(network):
    return Dense(network.eval(), rows(), rows(), survey(network, rows().X[:2]).groups, 0)


def sample():
    return Calibration(rows().X, rows().y, "classification", 0)


def mlp():
    with seeded(0):
        return Mlp((6,), hidden=(8, 5), outputs=3)


def test_a_silenced_unit_is_a_removed_one():
    given = dense(mlp())
    for group in given.groups:
        kept = [unit for unit in range(group.width) if unit != 2]
        smaller = remove(given.network, rows().X[:2], {group.name: kept})
        torch.testing.assert_close(silenced(given.network, group, [2])(rows().X), smaller(rows().X))


def test_a_unit_nobody_listens_to_costs_nothing():
    network = mlp()
    with torch.no_grad():
        network.body[2].weight[:, 3] = 0
    costs = without(dense(network), sample())["body.0"]
    assert costs[3] == 0
    assert costs.abs().max() > 0


def test_the_answers_first_order_change_is_exact_where_nothing_bends():
    with seeded(0):
        network = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 3))
    (scores,) = answers(dense(network), sample()).values()
    made, weight = network[0](rows().X).detach(), network[1].weight.detach()
    centred = weight - weight.mean(dim=0)
    torch.testing.assert_close(scores, made.square().mean(dim=0) * centred.square().sum(dim=0))


def test_taylor_and_hessian_order_units_as_torch_pruning_does():
    given = dense(mlp())
    for name, theirs in torch_prunings(given, sample()).items():
        assert correlation(score_units(given.network, given.groups, name, sample()), theirs) > 0.9999
