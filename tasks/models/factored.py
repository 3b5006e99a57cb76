"""A Linear layer as a product of two thinner ones, W (n, m) ~ up (n, k) down (k, m).

The pair is a plain `nn.Sequential` of two Linears named `down` and `up`: whatever counts, folds, prunes or
exports Linears in a chain treats it so, and only what rebuilds a network has to know that it was one layer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import TypeGuard

from torch import nn

__all__ = ["factored", "is_factored", "linear_shapes", "ranks", "set_ranks"]


def factored(linear: nn.Linear, rank: int) -> nn.Sequential:
    """Build an untrained pair in place of a Linear; only the second has the bias, if there is one."""
    down = nn.Linear(linear.in_features, rank, bias=False)
    up = nn.Linear(rank, linear.out_features, bias=linear.bias is not None)
    return nn.Sequential(OrderedDict(down=down, up=up)).to(linear.weight).train(linear.training)


def is_factored(module: nn.Module) -> TypeGuard[nn.Sequential]:
    """Whether a module is such a pair."""
    return type(module) is nn.Sequential and [name for name, _ in module.named_children()] == ["down", "up"]


def linear_shapes(module: nn.Module) -> Iterator[tuple[int, int]]:
    """Inputs and outputs of every Linear of a module in order, a pair as the one layer it stands for."""
    if is_factored(module):
        (inputs, _), (_, outputs) = (shape for half in module for shape in linear_shapes(half))
        yield inputs, outputs
    elif isinstance(module, nn.Linear):
        yield module.in_features, module.out_features
    else:
        for child in module.children():
            yield from linear_shapes(child)


def ranks(network: nn.Module) -> dict[str, int]:
    """Rank of every pair by the name of the layer it stands for."""
    pairs = {name: module for name, module in network.named_modules() if is_factored(module)}
    return {name: next(linear_shapes(pair[0]))[1] for name, pair in pairs.items()}


def set_ranks(network: nn.Module, wanted: Mapping[str, int]) -> None:
    """Put untrained pairs of these ranks in place of Linears, in place; draws as `nn.Linear` does."""
    for name, rank in wanted.items():
        layer, (path, _, leaf) = network.get_submodule(name), name.rpartition(".")
        if not isinstance(layer, nn.Linear):
            raise TypeError(f"{name} is {type(layer).__name__}, no Linear")
        setattr(network.get_submodule(path), leaf, factored(layer, rank))
