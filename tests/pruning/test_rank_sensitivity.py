import torch
from torch import nn

from tasks.pruning.config import LowRankConfig
from tasks.pruning.lowrank import factorise
from tasks.pruning.recipe import sensitivity
from tasks.pruning.sensitivity import SHARES
from tasks.training.batching import Tensors
from tasks.training.config import TrainConfig
from tasks.training.scoring import score

SETTINGS = TrainConfig(threads=1, device="cpu")


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def curves(network, rows):
    config = LowRankConfig(method="low_rank")
    return sensitivity(network, config, rows, rows, SETTINGS, task="regression", outputs=1, seed=0)


def two_layers(rank):
    """A first layer of weights of that rank, and what the network itself answers as the target."""
    network = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1)).eval()
    with torch.no_grad():
        network[0].weight.copy_(normal(8, rank, seed=1) @ normal(rank, 8, seed=2))
        X = normal(100, 8)
        return network, Tensors(X, network(X).squeeze(1))


def test_a_layer_of_half_the_rank_loses_nothing_up_to_half_of_it():
    found = dict(curves(*two_layers(rank=4))["0"])
    assert list(found) == [0.0, *SHARES]
    assert found[0.0] == 1.0
    assert min(found[share] for share in SHARES if share <= 0.5) > 1 - 1e-6
    assert found[0.75] < 1 - 1e-3


def test_a_point_is_the_network_with_that_layer_alone_as_a_pair():
    network, rows = two_layers(rank=8)
    found = dict(curves(network, rows)["0"])
    for share, rank in ((0.25, 6), (0.5, 4), (1.0, 1)):
        pair = factorise(network, {"0": rank}, rows.X)
        torch.testing.assert_close(found[share], score(pair, rows, "regression"), rtol=0, atol=1e-5)


def test_a_layer_of_one_output_has_one_rank_and_loses_nothing():
    found = curves(*two_layers(rank=8))
    assert list(found) == ["0", "2"]
    assert all(metric > 1 - 1e-6 for _, metric in found["2"])


def test_a_network_without_layers_to_factor_has_no_curve():
    rows = Tensors(normal(10, 1), normal(10))
    assert curves(nn.BatchNorm1d(1).eval(), rows) == {}
