from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tasks.export import torch_path
from tasks.export.activations import ACTIVATIONS
from tasks.export.emit import can_emit
from tasks.export.onnx import run_onnx, session, to_model
from tasks.export.quantise import QUANTISERS
from tasks.export.traced import calls
from tasks.models.graph import Graph
from tasks.models.layers import Grid, Softmax
from tasks.models.zoo import seeded

SETTINGS = (
    nn.Hardtanh(-2, 0.5),
    nn.LeakyReLU(0.2, inplace=True),
    nn.PReLU(4),
    nn.ELU(0.3),
    nn.CELU(0.7),
    nn.Softplus(2.0),
    nn.Softplus(0.5, 30),
    nn.GELU("tanh"),
)
LAYERS = (*(kind() for kind in ACTIVATIONS), *SETTINGS)
FUNCTIONS = {
    "relu": functional.relu,
    "relu in place": lambda x: functional.relu(x, inplace=True),
    "x.relu()": lambda x: x.relu(),
    "torch.tanh": torch.tanh,
    "x.tanh()": lambda x: x.tanh(),
    "torch.sigmoid": torch.sigmoid,
    "sigmoid": functional.sigmoid,
    "softsign": functional.softsign,
    "selu": functional.selu,
    "hardswish": functional.hardswish,
    "hardsigmoid": functional.hardsigmoid,
    "hardtanh": lambda x: functional.hardtanh(x, max_val=0.5),
    "relu6": functional.relu6,
    "leaky_relu": lambda x: functional.leaky_relu(x, 0.2),
    "elu": lambda x: functional.elu(x, 0.5),
    "celu": lambda x: functional.celu(x, 0.5),
    "softplus": lambda x: functional.softplus(x, 2, 30),
    "silu": functional.silu,
    "mish": functional.mish,
    "gelu": functional.gelu,
    "gelu tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "dropout": lambda x: functional.dropout(x, training=False),
}
UNKNOWN = {
    "a function without a layer": torch.sin,
    "a setting that is computed": lambda x: functional.hardtanh(x, min_val=x.min()),
    "a softplus that bends early": lambda x: functional.softplus(x, 1, 2),
    "dropout that is on": lambda x: functional.dropout(x, training=True),
    "by keyword": lambda x: functional.gelu(input=x),
    "overwritten": lambda x: functional.relu(x, inplace=True) + x,
}


class Calls(nn.Module):
    """A layer, a function of it, a layer."""

    def __init__(self, function) -> None:
        super().__init__()
        self.first, self.last, self.function = nn.Linear(24, 9), nn.Linear(9, 3), function

    def forward(self, x):
        return self.last(self.function(self.first(x)))


def _graph(network: nn.Module, reducer: nn.Module) -> Graph:
    names, labels = [f"x{i}" for i in range(24)], ["a", "b", "c"]
    return Graph(names, nn.Identity(), reducer, network, Softmax(), "classification", labels).eval()


def _rows(layer: nn.Module) -> Graph:
    """Between two Linear layers."""
    with seeded(0):
        network = nn.Sequential(nn.Linear(24, 4), layer, nn.Linear(4, 3))
    return _graph(network, nn.Identity())


def _series(layer: nn.Module) -> Graph:
    """Behind a convolution of two series of twelve steps."""
    with seeded(0):
        network = nn.Sequential(nn.Conv1d(2, 4, 3), layer, nn.Flatten(), nn.Linear(40, 3))
    return _graph(network, nn.Sequential(Grid(torch.arange(24), (2, 12))))


def _held_against(graph: Graph, model) -> None:
    X = np.random.default_rng(0).normal(0, 4, size=(200, 24)).astype(np.float32)
    with torch.no_grad():
        wanted = graph.predict(torch.from_numpy(X)).numpy()
    got = run_onnx(session(model.SerializeToString()), X)
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("build", [_rows, _series])
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_an_activation_is_written_without_torch_onnx(layer, build, monkeypatch):
    monkeypatch.delattr(torch_path, "splice")
    graph = build(layer)
    _held_against(graph, to_model(graph))


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_a_function_is_written_as_its_layer_is(function, monkeypatch):
    monkeypatch.delattr(torch_path, "splice")
    with seeded(0):
        graph = _graph(Calls(function), nn.Identity())
    _held_against(graph, to_model(graph))


@pytest.mark.parametrize("function", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_a_call_that_no_layer_stands_for_is_not_traced(function):
    assert calls(Calls(function).eval()) is None


def test_a_softplus_that_bends_early_is_left_to_torch_onnx():
    assert can_emit(nn.Softplus(threshold=20))
    assert not can_emit(nn.Softplus(threshold=2))


@pytest.mark.parametrize("layer", LAYERS, ids=str)
@pytest.mark.parametrize("method", QUANTISERS)
def test_int8_products_stand_around_an_activation(layer, method):
    with seeded(0):
        network = nn.Sequential(nn.Linear(24, 48), nn.Tanh(), nn.Linear(48, 4), layer, nn.Linear(4, 3))
    graph = _graph(network, nn.Identity())
    X = np.random.default_rng(0).normal(size=(200, 24)).astype(np.float32)
    model = to_model(graph)
    plain, int8 = (m.SerializeToString() for m in (model, QUANTISERS[method](model, X, True)))
    assert len(int8) < len(plain)
    np.testing.assert_allclose(run_onnx(session(int8), X), run_onnx(session(plain), X), atol=0.03)
