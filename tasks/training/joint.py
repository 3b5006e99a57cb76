"""A reducer that trains together with its network, its fit being where it starts from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tasks.models.graph import Graph
from tasks.models.layers import Project

__all__ = ["Joint", "frozen", "moved", "unfrozen"]


class Joint(nn.Module):
    """Reducer and network as one trainable module: features (n, d) -> (n, outputs).

    Parameters
    ----------
    reducer
        Chain of `Project` and ReLU; each z = x W + b becomes a Linear of weight Wᵀ and bias b.
    network
        What reads the code.
    """

    def __init__(self, reducer: nn.Module, network: nn.Module) -> None:
        super().__init__()
        self.reducer = nn.Sequential(*(_trainable(layer) for layer in _layers(reducer)))
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Network on the reduced features."""
        out: Tensor = self.network(self.reducer(x))
        return out

    def fixed_reducer(self) -> nn.Sequential:
        """Return the reducer as it now is, as layers of a graph."""
        return nn.Sequential(*(_fixed(layer) for layer in self.reducer))


def _layers(reducer: nn.Module) -> Sequence[nn.Module]:
    return list(reducer) if isinstance(reducer, nn.Sequential) else [reducer]


def _trainable(layer: nn.Module) -> nn.Module:
    if not isinstance(layer, Project):
        return layer
    d, k = layer.W.shape
    # Weights that are replaced at once must not be drawn from the process's generator.
    linear = nn.Linear(d, k, device="meta").to_empty(device=layer.W.device)
    with torch.no_grad():
        linear.weight.copy_(layer.W.T)
        linear.bias.copy_(layer.b)
    return linear


def _fixed(layer: nn.Module) -> nn.Module:
    if not isinstance(layer, nn.Linear):
        return layer
    return Project(layer.weight.detach().T.contiguous(), layer.bias.detach().clone())


def unfrozen(graph: Graph) -> Graph:
    """Return the graph with its projections moved into the network, where they train; the same function.

    `frozen` undoes it.
    """
    return graph.with_parts(reducer=nn.Identity(), network=Joint(graph.reducer, graph.network))


def frozen(graph: Graph) -> Graph:
    """Return the graph with trained projections back in the reducer; any other graph as it is."""
    if not isinstance(graph.network, Joint):
        return graph
    return graph.with_parts(reducer=graph.network.fixed_reducer(), network=graph.network.network)


def moved(before: nn.Module, after: nn.Module) -> float:
    """How far training moved the reducer: ||W' - W|| / ||W|| over its matrices together."""
    pairs = [
        (old.W, new.W)
        for old, new in zip(_layers(before), _layers(after), strict=True)
        if isinstance(old, Project) and isinstance(new, Project)
    ]
    step = sum(float((new - old).square().sum()) for old, new in pairs)
    return math.sqrt(step / sum(float(old.square().sum()) for old, _ in pairs))
