from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from tasks.models.graph import Graph
from tasks.models.layers import Impute, Project, Softmax
from tasks.models.mlp import Mlp
from tasks.training.joint import frozen, moved, unfrozen


def projection(*widths: int) -> nn.Sequential:
    draws = torch.Generator().manual_seed(0)
    layers: list[nn.Module] = []
    for d, k in pairwise(widths):
        layers += [Project(torch.randn(d, k, generator=draws), torch.randn(k, generator=draws)), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@pytest.fixture(params=[(5, 2), (5, 4, 2)], ids=["projection", "encoder"])
def graph(request: pytest.FixtureRequest) -> Graph:
    preprocess = nn.Sequential(Impute(torch.zeros(5)))
    network = Mlp((2,), (3,), 2)
    return Graph("abcde", preprocess, projection(*request.param), network, Softmax(), "classification").eval()


ROWS = torch.randn(20, 5, generator=torch.Generator().manual_seed(1))


def test_unfreezing_is_the_same_function(graph: Graph) -> None:
    torch.testing.assert_close(unfrozen(graph)(ROWS), graph(ROWS))


def test_its_network_reads_the_features_and_trains_every_matrix(graph: Graph) -> None:
    opened = unfrozen(graph)
    assert torch.equal(opened.features(ROWS), ROWS)
    trained = {name for name, _ in opened.network.named_parameters()}
    assert {name for name in trained if name.startswith("reducer.")} >= {"reducer.0.weight", "reducer.0.bias"}
    assert len(trained) == len(list(graph.network.parameters())) + sum(1 for _ in graph.reducer.buffers())


def test_freezing_undoes_it(graph: Graph) -> None:
    again = frozen(unfrozen(graph))
    pairs = zip(again.reducer.buffers(), graph.reducer.buffers(), strict=True)
    assert [type(layer) for layer in again.reducer.children()] == [*map(type, graph.reducer.children())]
    assert all(torch.equal(trained, fitted) for trained, fitted in pairs)
    assert again.network is graph.network


def test_what_was_trained_is_what_is_frozen(graph: Graph) -> None:
    opened = unfrozen(graph)
    with torch.no_grad():
        for parameter in opened.network.parameters():
            parameter.add_(0.1)
    torch.testing.assert_close(frozen(opened)(ROWS), opened(ROWS))


def test_the_argument_and_the_generator_stay_as_they_were(graph: Graph) -> None:
    before, state = [buffer.clone() for buffer in graph.reducer.buffers()], torch.random.get_rng_state()
    opened = unfrozen(graph)
    with torch.no_grad():
        next(opened.network.reducer.parameters()).add_(1.0)  # type: ignore[union-attr,operator]
    assert all(torch.equal(a, b) for a, b in zip(graph.reducer.buffers(), before, strict=True))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_graph_that_was_not_opened_is_left_alone(graph: Graph) -> None:
    assert frozen(graph) is graph


def test_how_far_it_moved_is_relative_to_the_fit() -> None:
    fit = nn.Sequential(Project(torch.tensor([[3.0], [4.0]]), torch.zeros(1)))
    trained = nn.Sequential(Project(torch.tensor([[3.0], [5.0]]), torch.ones(1)))
    assert moved(fit, trained) == pytest.approx(1 / 5)
    assert moved(fit, fit) == 0
