from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tasks.export import torch_path
from tasks.export.fold import fold
from tasks.export.onnx import check_parity, to_model
from tasks.models.graph import Graph
from tasks.models.layers import Grid, Impute, Softmax
from tasks.models.zoo import seeded

NORMS = {
    "layer norm without weights": lambda width: nn.LayerNorm(width, elementwise_affine=False),
    "layer norm without bias": lambda width: nn.LayerNorm(width, bias=False),
    "batch norm without weights": lambda width: nn.BatchNorm1d(width, affine=False),
    "batch norm": nn.BatchNorm1d,
}


def _trained(norm: nn.Module) -> nn.Module:
    """Statistics and weights as training leaves them."""
    for name, tensor in norm.state_dict().items():
        if tensor.is_floating_point():
            nn.init.uniform_(tensor, -1.0 if name in ("bias", "running_mean") else 0.5, 2.0)
    return norm


def _rows(norm) -> Graph:
    """A norm of the six outputs of a Linear."""
    network = nn.Sequential(nn.Linear(24, 6), norm(6), nn.Tanh(), nn.Linear(6, 3))
    return _graph(nn.Identity(), network)


def _series(norm) -> Graph:
    """A norm of four series of twelve steps, over the steps or per series."""
    over = norm(4) if isinstance(norm(4), nn.BatchNorm1d) else norm(12)
    network = nn.Sequential(nn.Conv1d(2, 4, 1), over, nn.Tanh(), nn.Flatten(), nn.Linear(48, 3))
    return _graph(nn.Sequential(Grid(torch.arange(24), (2, 12))), network)


def _graph(reducer: nn.Module, network: nn.Module) -> Graph:
    _trained(network[1])
    names, labels = [f"x{i}" for i in range(24)], ["a", "b", "c"]
    return Graph(names, nn.Identity(), reducer, network, Softmax(), "classification", labels).eval()


@pytest.mark.parametrize("mode", ["auto", "never"])
@pytest.mark.parametrize("build", [_rows, _series])
@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS.keys())
def test_norms_with_and_without_weights_are_written_without_torch_onnx(norm, build, mode, monkeypatch):
    monkeypatch.delattr(torch_path, "splice")
    with seeded(0):
        graph = build(norm)
    X = np.random.default_rng(0).normal(size=(100, 24)).astype(np.float32)
    check_parity(graph, to_model(fold(graph, mode)).SerializeToString(), X)


@pytest.mark.parametrize("norm", [NORMS["batch norm without weights"], nn.BatchNorm1d], ids=["bare", "whole"])
def test_a_batch_norm_with_or_without_weights_goes_into_the_layer_before_it(norm):
    with seeded(0):
        graph, X = _rows(norm).double(), torch.randn(30, 24, dtype=torch.float64)
    folded = fold(graph)
    assert not any(isinstance(layer, nn.BatchNorm1d) for layer in folded.modules())
    torch.testing.assert_close(folded.predict(X), graph.predict(X), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("kernel", "stride", "pad"), [(2, 2, 1), (3, 2, 1), (3, 4, 1), (2, 3, 1), (2, 5, 0)])
@pytest.mark.parametrize("length", range(6, 13))
def test_a_pool_that_rounds_up_has_the_windows_of_torch(length, kernel, stride, pad):
    pool = nn.MaxPool1d(kernel, stride, pad, ceil_mode=True)
    width = pool(torch.zeros(1, 1, length)).numel()
    network = nn.Sequential(pool, nn.Flatten(), nn.Linear(width, 3))
    names, grid = [f"x{i}" for i in range(length)], nn.Sequential(Grid(torch.arange(length), (1, length)))
    whole = (Impute(torch.zeros(length)), grid, network, Softmax())
    graph = Graph(names, *whole, "classification", ["a", "b", "c"]).eval()
    X = np.random.default_rng(0).normal(size=(9, length)).astype(np.float32) - 5
    check_parity(graph, to_model(graph).SerializeToString(), X)


def test_a_pool_over_two_axes_that_rounds_up_has_the_windows_of_torch():
    network = nn.Sequential(
        nn.MaxPool2d((3, 2), (4, 2), 1, ceil_mode=True), nn.Flatten(), nn.Linear(2 * 4, 3)
    )
    whole = (Impute(torch.zeros(42)), nn.Sequential(Grid(torch.arange(42), (1, 6, 7))), network, Softmax())
    graph = Graph([f"x{i}" for i in range(42)], *whole, "classification", ["a", "b", "c"]).eval()
    X = np.random.default_rng(0).normal(size=(9, 42)).astype(np.float32) - 5
    check_parity(graph, to_model(graph).SerializeToString(), X)
