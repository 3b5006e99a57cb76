from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tasks.errors import EspalierError
from tasks.export.onnx import check_parity, run_onnx, session, to_model
from tasks.export.quantise import QUANTISERS
from tasks.models.graph import Graph
from tasks.models.layers import Softmax, Unscale
from tasks.models.zoo import seeded


class LastStep(nn.Module):
    """Reads the last of four steps: an index without an axis of its own, `x[:, -1]`."""

    def __init__(self, recurrent: bool) -> None:
        super().__init__()
        self.steps = nn.GRU(3, 8, batch_first=True) if recurrent else nn.Linear(3, 8)
        self.last = nn.Linear(8, 2)

    def forward(self, x):
        y = self.steps(x.view(-1, 4, 3))
        return self.last((y[0] if isinstance(y, tuple) else y)[:, -1].relu())


@pytest.mark.parametrize("recurrent", [False, True], ids=["linear", "GRU"])
def test_a_network_that_reads_the_last_step_is_written_and_becomes_int8(recurrent):
    with seeded(0):
        network = LastStep(recurrent)
    columns = [f"x{i}" for i in range(12)]
    whole = (nn.Identity(), nn.Identity(), network, Softmax())
    graph = Graph(columns, *whole, "classification", ["a", "b"]).eval()
    X = np.random.default_rng(0).normal(size=(30, 12)).astype(np.float32)
    model = to_model(graph)
    with torch.no_grad():
        wanted = graph.predict(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(run_onnx(session(model.SerializeToString()), X), wanted, rtol=1e-4, atol=1e-5)
    for make in QUANTISERS.values():
        int8 = make(model, X, True).SerializeToString()
        np.testing.assert_allclose(run_onnx(session(int8), X), wanted, atol=0.03)


class Doubles(nn.Module):
    """Computes a part in float64, in its middle or in its answer."""

    def __init__(self, last: bool) -> None:
        super().__init__()
        self.layer, self.last = nn.Linear(12, 2), last

    def forward(self, x):
        if self.last:
            return self.layer(x).double()
        return self.layer(torch.log1p(x.double().abs() * 0.1).float())


@pytest.mark.parametrize("head", [Softmax(), Unscale(2.0, 3.0, False)], ids=["classes", "numbers"])
@pytest.mark.parametrize("last", [False, True], ids=["within", "answer"])
def test_what_a_network_computes_in_float64_is_written(last, head):
    network = Doubles(last)
    task = "classification" if isinstance(head, Softmax) else "regression"
    if task == "regression":
        network.layer = nn.Linear(12, 1)
    whole = (nn.Identity(), nn.Identity(), network, head)
    graph = Graph([f"x{i}" for i in range(12)], *whole, task, ["a", "b"]).eval()
    X = np.random.default_rng(0).normal(size=(30, 12)).astype(np.float32)
    check_parity(graph, to_model(graph).SerializeToString(), X)


class Refused(nn.Module):
    """Written, but in a way that ONNX Runtime does not compute."""

    def forward(self, x):
        return (x[:, :2].to(torch.bfloat16) * x[:, 2:4].to(torch.bfloat16)).float()


def test_a_file_that_onnx_runtime_refuses_is_one_line():
    whole = (nn.Identity(), nn.Identity(), Refused(), Softmax())
    graph = Graph([f"x{i}" for i in range(12)], *whole, "classification", ["a", "b"]).eval()
    with pytest.raises(EspalierError, match="ONNX Runtime refuses the model"):
        session(to_model(graph).SerializeToString())
