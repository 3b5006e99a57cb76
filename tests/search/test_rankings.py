"""Which criteria rank the columns of a graph, and what is said when one fails."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tasks.data.plan import NumericPlan
from tasks.errors import EspalierError
from tasks.models.graph import Graph
from tasks.models.layers import Grid, Pool, Softmax, preprocess
from tasks.pruning.config import FinetuneConfig
from tasks.search import candidates
from tasks.search.candidates import Bench
from tasks.search.problem import Problem
from tasks.training.config import TrainConfig


def bench(reducer: nn.Module, network: nn.Module) -> Bench:
    """Four columns on a grid of one row."""
    zeros, ones = np.zeros(4, np.float32), np.ones(4, np.float32)
    plan = NumericPlan(
        tuple("abcd"),
        (0,) * 4,
        zeros,
        -np.inf * ones,
        np.inf * ones,
        (),
        zeros,
        ones,
        tuple(range(4)),
        (1, 4),
    )
    graph = Graph(
        plan.names, preprocess(plan), reducer, network, Softmax(), "classification", ("no", "yes")
    ).eval()
    X = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    y = (X[:, 0] > 0).long()
    return Bench(Problem(graph, plan, X, y, X, y, "classification", 0, TrainConfig(), FinetuneConfig()))


def grid() -> Grid:
    return Grid(torch.arange(4), (1, 4))


@pytest.mark.parametrize(
    ("reducer", "network", "criteria"),
    [
        (nn.Identity(), nn.Linear(4, 2), ("decomposition", "weight")),
        (nn.Sequential(grid(), Pool([2]), nn.Flatten()), nn.Linear(2, 2), ("taylor",)),
        (
            nn.Sequential(grid()),
            nn.Sequential(nn.Conv1d(1, 2, 2), nn.Flatten(), nn.Linear(6, 2)),
            ("taylor",),
        ),
    ],
)
def test_the_first_order_change_ranks_what_no_linear_layer_reads(reducer, network, criteria):
    found = bench(reducer, network)
    assert found.criteria == criteria
    assert all(sorted(ranking) == [0, 1, 2, 3] for ranking in found.rankings.values())


def test_nothing_is_ranked_where_no_column_can_go(monkeypatch):
    monkeypatch.setattr(candidates, "column_scores", None)
    found = bench(nn.Identity(), nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 2)))
    assert found.whole
    assert len(found.criteria) == 1


def test_a_criterion_that_fails_says_so(monkeypatch):
    def fail(graph: object, plan: object, criterion: str, evidence: object) -> torch.Tensor:
        if criterion == "weight":
            raise EspalierError("weights are broken")
        return torch.arange(4.0)

    monkeypatch.setattr(candidates, "column_scores", fail)
    with pytest.raises(EspalierError, match="weights are broken"):
        bench(nn.Identity(), nn.Linear(4, 2)).criteria  # noqa: B018
