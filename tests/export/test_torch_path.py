from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tasks.export.onnx import run_onnx, session, to_model
from tasks.export.quantise import QUANTISERS
from tasks.models.graph import Graph
from tasks.models.layers import Softmax
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
