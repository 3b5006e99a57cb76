from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tasks.data.plan import NumericPlan
from tasks.errors import EspalierError
from tasks.models.config import Cnn2dConfig, LinearConfig, MlpConfig, ModelConfig, ResMlpConfig
from tasks.models.graph import build_graph, input_shape
from tasks.models.zoo import build_network
from tasks.search.relevance import first_layer_norms


def plan_of(cells: int, shape: tuple[int, ...] | None = None, columns: int | None = None) -> NumericPlan:
    columns = columns or cells
    return NumericPlan(
        names=tuple(f"c{i}" for i in range(columns)),
        levels=(0,) * columns,
        fill=np.zeros(columns, np.float32),
        low=np.full(columns, -np.inf, np.float32),
        high=np.full(columns, np.inf, np.float32),
        indicator=(),
        mean=np.zeros(columns, np.float32),
        scale=np.ones(columns, np.float32),
        positions=tuple(range(cells - columns, cells)) if shape else None,
        shape=shape,
    )


def reference(network: nn.Module, reducer: nn.Module | None = None) -> Any:
    return SimpleNamespace(network=network, reducer=reducer or nn.Identity())


def graph_of(model: ModelConfig, plan: NumericPlan) -> Any:
    target = SimpleNamespace(kind="classification", labels=("a", "b"), outputs=2)
    cleaner = cast(Any, SimpleNamespace(plan=plan, target=target))
    return build_graph(cleaner, None, build_network(model, input_shape(model, plan, None), 2, seed=0))


@pytest.mark.parametrize("model", [MlpConfig(hidden=(7,)), LinearConfig(), ResMlpConfig(width=6, inner=(4,))])
def test_a_family_of_linear_layers_gives_its_first_ones_column_norms(model: ModelConfig) -> None:
    plan = plan_of(5)
    graph = graph_of(model, plan)
    first = next(layer for layer in graph.network.modules() if isinstance(layer, nn.Linear))
    expected = first.weight.detach().norm(dim=0).numpy()
    np.testing.assert_allclose(first_layer_norms(graph, plan), expected, rtol=1e-6)


def test_the_layer_that_is_called_first_counts_not_the_one_made_first() -> None:
    class Backwards(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(3, 2)
            self.first = nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return cast(Tensor, self.last(self.first(x)))

    network = Backwards()
    expected = network.first.weight.detach().norm(dim=0).numpy()
    np.testing.assert_allclose(first_layer_norms(reference(network), plan_of(4)), expected, rtol=1e-6)


def test_on_a_grid_each_column_has_the_norm_of_its_cell() -> None:
    class Placed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.pad(x, (1, 0)).reshape(-1, 1, 2, 2)

    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    norms = first_layer_norms(reference(network, Placed()), plan_of(4, (1, 2, 2), columns=3))
    np.testing.assert_allclose(norms, network[1].weight.detach().norm(dim=0).numpy()[1:], rtol=1e-6)


def test_a_convolution_is_refused_and_the_alternatives_named() -> None:
    plan = plan_of(36, (1, 6, 6))
    with pytest.raises(EspalierError, match=r"got Conv2d.*select_k_best or pca.*pool or dct"):
        first_layer_norms(graph_of(Cnn2dConfig(channels=(2,)), plan), plan)


def test_a_linear_that_reads_something_computed_is_refused() -> None:
    network = nn.Sequential(nn.Tanh(), nn.Linear(4, 2))
    with pytest.raises(EspalierError, match="something computed from them"):
        first_layer_norms(reference(network), plan_of(4))


def test_a_normalisation_before_the_linear_is_refused() -> None:
    network = nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 2))
    with pytest.raises(EspalierError, match="got LayerNorm"):
        first_layer_norms(reference(network), plan_of(4))


def test_the_reference_is_left_as_it_was() -> None:
    network = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 2)).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(EspalierError):
        first_layer_norms(reference(network), plan_of(4))
    assert network.training
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert not network[0]._forward_pre_hooks
