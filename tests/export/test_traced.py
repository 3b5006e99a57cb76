from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from tasks.export import torch_path
from tasks.export.fold import fold
from tasks.export.onnx import run_onnx, session, to_model
from tasks.export.traced import calls, followed
from tasks.models.factored import set_ranks
from tasks.models.graph import Graph
from tasks.models.layers import Grid, Softmax
from tasks.models.zoo import seeded


def _normed(*layers: nn.Module) -> nn.Sequential:
    chain = nn.Sequential(*layers)
    for layer in chain:
        if isinstance(layer, nn.BatchNorm1d):
            nn.init.uniform_(layer.running_mean, -1, 1)
            nn.init.uniform_(layer.running_var, 0.5, 2)
    return chain


class Residual(nn.Module):
    """relu(shortcut(x) + norm(conv(x))), averaged, through a Linear: all of it known layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = _normed(nn.Conv1d(2, 4, 3, padding=1, bias=False), nn.BatchNorm1d(4))
        self.shortcut = _normed(nn.Conv1d(2, 4, 1), nn.BatchNorm1d(4))
        self.average, self.last = nn.AdaptiveAvgPool1d(1), nn.Linear(4, 3)

    def forward(self, x):
        x = torch.relu(self.norm(self.conv(x)) + self.shortcut(x))
        return self.last(torch.flatten(self.average(x), 1))


class Reader(nn.Module):
    """A layer and a batch norm, of which `read` makes an answer."""

    def __init__(self, read) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv1d(2, 2, 1), nn.BatchNorm1d(2)
        self.relu = nn.ReLU(inplace=True)
        self.read = read

    def forward(self, x):
        return self.read(self, x)


def _branches(net, x):
    return net.conv(x) if x.sum() > 0 else x


def _reads_a_weight(net, x):
    return net.conv(x) + net.norm.weight[:, None]


def _overwrites_what_is_read_again(net, x):
    z = net.conv(x)
    return net.relu(z) + z


UNKNOWN = {
    "branch on values": _branches,
    "weight beside its layer": _reads_a_weight,
    "unknown function": lambda net, x: torch.sin(net.conv(x)),
    "scaled sum": lambda net, x: torch.add(net.conv(x), x, alpha=2),
    "other axis": lambda net, x: torch.flatten(net.conv(x), 2),
    "constant": lambda net, x: net.conv(x) + 1.0,
    "shape": lambda net, x: net.conv(x).reshape(x.shape[0], -1),
    "two answers": lambda net, x: (net.conv(x), x),
    "overwritten": _overwrites_what_is_read_again,
}


@pytest.fixture
def graph():
    with seeded(0):
        network = Residual()
    columns = [f"x{i}" for i in range(24)]
    grid = nn.Sequential(Grid(torch.arange(24), (2, 12)))
    return Graph(columns, nn.Identity(), grid, network, Softmax(), "classification", list("abc")).eval()


@pytest.fixture(name="X")
def _rows():
    return np.random.default_rng(0).normal(size=(30, 24)).astype(np.float32)


@pytest.mark.parametrize("mode", ["auto", "never"])
def test_a_network_of_known_calls_is_written_without_torch_onnx(graph, X, mode, monkeypatch):
    monkeypatch.delattr(torch_path, "splice")
    got = run_onnx(session(to_model(fold(graph, mode)).SerializeToString()), X)
    with torch.no_grad():
        np.testing.assert_allclose(got, graph.predict(torch.from_numpy(X)), rtol=1e-4, atol=1e-6)


def test_batch_norms_go_into_the_convolutions_that_they_alone_read(graph, X):
    folded = fold(graph)
    assert not any(isinstance(layer, nn.BatchNorm1d) for layer in folded.modules())
    rows = torch.from_numpy(X).double()
    with torch.no_grad():
        apart = folded.double().predict(rows) - copy.deepcopy(graph).double().predict(rows)
    assert apart.abs().max() < 1e-6  # the weights were merged in float32


def test_factored_convolutions_take_up_their_batch_norms_and_are_written(graph, X, monkeypatch):
    with seeded(0):
        set_ranks(graph.network, {"conv": 2, "shortcut.0": 1})
    folded = fold(graph.double())
    assert not any(isinstance(layer, nn.BatchNorm1d) for layer in folded.modules())
    with torch.no_grad():
        wanted = graph.predict(torch.from_numpy(X).double())
        torch.testing.assert_close(folded.predict(torch.from_numpy(X).double()), wanted, rtol=0, atol=1e-9)
    monkeypatch.delattr(torch_path, "splice")
    got = run_onnx(session(to_model(folded.float()).SerializeToString()), X)
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6)


def test_a_node_a_layer_is_left(graph):
    ops = [node.op_type for node in to_model(fold(graph)).graph.node]
    wanted = ["Conv", "Conv", "Add", "Relu", "GlobalAveragePool", "Flatten", "Gemm", "Softmax"]
    assert sorted(ops) == sorted(["Reshape", *wanted])


@pytest.mark.parametrize("read", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_what_is_not_known_is_not_traced(read):
    assert calls(Reader(read).eval()) is None


def test_an_overwritten_value_that_nobody_else_reads_is_traced():
    assert calls(Reader(lambda net, x: net.relu(net.conv(x)))) is not None


@pytest.mark.parametrize(
    ("read", "pairs"),
    [
        (lambda net, x: net.norm(net.conv(x)), [("conv", "norm")]),
        (lambda net, x: net.norm(net.conv(x)) + x, [("conv", "norm")]),
        (lambda net, x: net.norm(y := net.conv(x)) + y, []),
        (lambda net, x: net.norm(net.conv(net.conv(x))), []),
        (lambda net, x: net.norm(net.norm(net.conv(x))), []),
    ],
    ids=["alone", "beside its input", "read twice", "layer called twice", "norm called twice"],
)
def test_a_pair_is_two_layers_called_once_each_for_the_other_alone(read, pairs):
    assert list(followed(calls(Reader(read)))) == pairs
