import json

import pytest
import torch
from torch import nn

from tasks.models.config import Cnn1dConfig, Cnn2dConfig, LinearConfig, MlpConfig, ResMlpConfig
from tasks.models.zoo import FAMILIES, MODELS, build_network

CASES = {
    "linear": (LinearConfig(), (6,)),
    "mlp": (MlpConfig(hidden=(8, 4), dropout=0.1), (6,)),
    "resmlp": (ResMlpConfig(width=8, inner=(6, 4)), (6,)),
    "cnn1d": (Cnn1dConfig(channels=(3, 4), hidden=(5,)), (2, 9)),
    "cnn2d": (Cnn2dConfig(channels=(3, 4), readout="average"), (1, 6, 5)),
}
each_family = pytest.mark.parametrize("method", MODELS)


def test_every_method_is_tried_here():
    assert CASES.keys() == MODELS.keys()


@each_family
def test_rows_come_out_as_logits(method):
    config, shape = CASES[method]
    assert build_network(config, shape, 3, seed=0)(torch.randn(4, *shape)).shape == (4, 3)


@each_family
def test_equal_seeds_give_equal_weights_whatever_ran_before(method):
    config, shape = CASES[method]
    first = build_network(config, shape, 3, seed=5)
    torch.rand(17)
    second = build_network(config, shape, 3, seed=5)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


@each_family
def test_building_leaves_the_global_generator_alone(method):
    config, shape = CASES[method]
    before = torch.get_rng_state()
    build_network(config, shape, 3, seed=5)
    assert torch.equal(torch.get_rng_state(), before)


@each_family
def test_sizes_are_json_and_rebuild_the_architecture(method):
    config, shape = CASES[method]
    network = build_network(config, shape, 3, seed=0)
    rebuilt = FAMILIES[network.kind].from_sizes(json.loads(json.dumps(network.sizes())))
    assert [p.shape for p in rebuilt.parameters()] == [p.shape for p in network.parameters()]
    assert rebuilt.sizes() == network.sizes()


@pytest.mark.parametrize("method", ["mlp", "resmlp", "linear"])
def test_flat_families_flatten_a_grid(method):
    config, _ = CASES[method]
    assert build_network(config, (1, 2, 3), 3, seed=0)(torch.randn(4, 1, 2, 3)).shape == (4, 3)


def test_pooling_stops_where_the_grid_is_smaller_than_its_window():
    network = build_network(Cnn2dConfig(channels=(2, 2, 2, 2)), (1, 4, 4), 3, seed=0)
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in network.modules()) == 2


def test_defaults_are_those_of_the_parameter_file():
    assert MlpConfig().model_dump() == {"method": "mlp", "hidden": (512, 256), "dropout": 0.0}
