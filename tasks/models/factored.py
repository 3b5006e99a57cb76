"""A Linear or a convolution as a product of two thinner ones.

A Linear W (n, m) ~ up (n, k) down (k, m). A convolution becomes one of k filters with its window, stride,
padding and dilation, and behind it a 1 x 1 convolution that makes its n channels of them.

The pair is a plain `nn.Sequential` of two layers named `down` and `up`: whatever counts, folds, prunes or
exports layers in a chain treats it so, and only what rebuilds a network has to know that it was one layer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from torch import nn

__all__ = [
    "Factorable",
    "conv_shapes",
    "factored",
    "is_factorable",
    "is_factored",
    "linear_shapes",
    "ranks",
    "set_ranks",
]

Factorable = nn.Linear | nn.Conv1d | nn.Conv2d

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)


def is_factorable(module: nn.Module) -> TypeGuard[Factorable]:
    """Whether a module can become a pair: a Linear, or a convolution, ungrouped and padded with zeros."""
    if type(module) is nn.Conv1d or type(module) is nn.Conv2d:
        return module.groups == 1 and module.padding_mode == "zeros"
    return type(module) is nn.Linear


def factored(layer: Factorable, rank: int) -> nn.Sequential:
    """Build an untrained pair in place of a layer; only the second half has the bias, if there is one."""
    bias = layer.bias is not None
    down: nn.Module
    up: nn.Module
    if isinstance(layer, nn.Linear):
        down = nn.Linear(layer.in_features, rank, bias=False)
        up = nn.Linear(rank, layer.out_features, bias=bias)
    else:
        window: dict[str, Any] = {
            name: getattr(layer, name) for name in ("kernel_size", "stride", "padding", "dilation")
        }
        down = type(layer)(layer.in_channels, rank, bias=False, **window)
        up = type(layer)(rank, layer.out_channels, 1, bias=bias)
    return nn.Sequential(OrderedDict(down=down, up=up)).to(layer.weight).train(layer.training)


def is_factored(module: nn.Module) -> TypeGuard[nn.Sequential]:
    """Whether a module is such a pair."""
    if type(module) is not nn.Sequential or [name for name, _ in module.named_children()] != ["down", "up"]:
        return False
    down, up = module
    if type(down) is not type(up) or not (is_factorable(down) and is_factorable(up)):
        return False
    return isinstance(up, nn.Linear) or set(up.kernel_size) == {1}


def linear_shapes(module: nn.Module) -> Iterator[tuple[int, int]]:
    """Inputs and outputs of every Linear of a module in order, a pair as the one layer it stands for."""
    return _shapes(module, (nn.Linear,))


def conv_shapes(module: nn.Module) -> Iterator[tuple[int, int]]:
    """Channels into and out of every convolution of a module in order, a pair as the one it stands for."""
    return _shapes(module, _CONVOLUTIONS)


def _shapes(module: nn.Module, kinds: tuple[type[nn.Module], ...]) -> Iterator[tuple[int, int]]:
    if is_factored(module) and isinstance(module[0], kinds):
        yield _width(module[0])[0], _width(module[1])[1]
    elif isinstance(module, kinds):
        yield _width(module)
    else:
        for child in module.children():
            yield from _shapes(child, kinds)


def _width(layer: nn.Module) -> tuple[int, int]:
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    assert isinstance(layer, nn.Conv1d | nn.Conv2d)
    return layer.in_channels, layer.out_channels


def ranks(network: nn.Module) -> dict[str, int]:
    """Rank of every pair by the name of the layer it stands for."""
    return {name: _width(module[0])[1] for name, module in network.named_modules() if is_factored(module)}


def set_ranks(network: nn.Module, wanted: Mapping[str, int]) -> None:
    """Put untrained pairs of these ranks in place of layers, in place; draws as those layers do."""
    for name, rank in wanted.items():
        layer, (path, _, leaf) = network.get_submodule(name), name.rpartition(".")
        if not is_factorable(layer):
            raise TypeError(f"{name} is {type(layer).__name__}, no Linear and no plain Conv1d or Conv2d")
        setattr(network.get_submodule(path), leaf, factored(layer, rank))
