"""Which columns a network lets go, by where else it reads them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tasks.data.plan import NumericPlan
from tasks.models.graph import Graph
from tasks.models.layers import Softmax, preprocess
from tasks.pruning.config import FinetuneConfig
from tasks.pruning.inputs import narrow
from tasks.search.budget import Setting
from tasks.search.candidates import Bench
from tasks.search.fixed import fixed_columns
from tasks.search.problem import Problem
from tasks.training.config import TrainConfig

COLUMNS = 8


class Beside(nn.Module):
    """Reads its input in a linear layer, and beside it."""

    def __init__(self, beside: Callable[[Tensor], Tensor], columns: int = COLUMNS) -> None:
        super().__init__()
        self.first, self.last, self.beside = nn.Linear(columns, 6), nn.Linear(6, 2), beside

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.first(x).relu()) + self.beside(x).sum(dim=1, keepdim=True)
        return out


def made(network: nn.Module, columns: int = COLUMNS) -> tuple[Graph, NumericPlan, Tensor]:
    zeros, ones = np.zeros(columns, np.float32), np.ones(columns, np.float32)
    names, wide = tuple("abcdefgh"[:columns]), np.inf * ones
    plan = NumericPlan(names, (0,) * columns, zeros, -wide, wide, (), zeros, ones, None, None)
    graph = Graph(names, preprocess(plan), nn.Identity(), network, Softmax(), "classification", ("no", "yes"))
    return graph.eval(), plan, torch.randn(100, columns, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("beside", "fixed"),
    [
        (lambda x: x[:, :0], ()),
        (lambda x: x[:, :1], (0,)),
        (lambda x: x[:, :3], (0, 1, 2)),
        (lambda x: x[:, 2:4], (0, 1, 2, 3)),
        (lambda x: x[:, -2:], (6, 7)),
        (lambda x: x[:, -3:-1], (5, 6, 7)),
        (lambda x: x[:, :2] * x[:, -2:], tuple(range(8))),
        (lambda x: x.mean(dim=1, keepdim=True), tuple(range(8))),
        (lambda x: x.view(len(x), -1, 4)[:, :, 0], tuple(range(8))),
    ],
)
def test_columns_that_are_read_in_their_places_stay(beside, fixed):
    torch.manual_seed(0)
    assert fixed_columns(*made(Beside(beside))) == fixed


def test_the_others_leave_in_any_combination():
    graph, plan, X = made(Beside(lambda x: x[:, :3]))
    for keep in ([0, 1, 2], [0, 1, 2, 4, 7], [0, 1, 2, 3, 5]):
        assert narrow(graph, plan, keep, X).columns == tuple("abcdefgh"[column] for column in keep)


@pytest.mark.parametrize(("network", "fixed"), [(nn.Linear(1, 2), ()), (nn.LayerNorm(1), (0,))])
def test_a_single_column_is_asked_too(network, fixed):
    assert fixed_columns(*made(network, 1)) == fixed


def test_a_candidate_has_at_least_the_columns_that_must_stay_and_says_so():
    graph, plan, X = made(Beside(lambda x: x[:, :3]))
    y = (X[:, 6] > 0).long()
    problem = Problem(graph, plan, X, y, X, y, "classification", 0, TrainConfig(), FinetuneConfig(epochs=1))
    bench = Bench(problem)

    few = bench.probe(Setting(1 / COLUMNS, 1.0))
    assert few.keep == (0, 1, 2)
    assert few.setting.columns == 3 / COLUMNS
    assert any(note.startswith("columns a to c are kept in every candidate") for note in few.notes)
    assert {0, 1, 2} < set(bench.probe(Setting(0.5, 1.0)).keep)
