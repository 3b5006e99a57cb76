"""How much each weight matters: one saliency per criterion, on calibration rows where it looks at data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from tasks.models.calls import on_call
from tasks.training.losses import label_loss

__all__ = [
    "Calibration",
    "Saliency",
    "absolute",
    "activation",
    "hessian",
    "magnitude",
    "norm_scale",
    "random",
    "taylor",
]

Saliency = dict[str, Tensor]
"""Parameter name -> non-negative tensor of the parameter's shape, for those that the criterion looks at."""

HESSIAN_ROWS = 256
_CONV = nn.modules.conv._ConvNd
_BATCH_NORM = nn.modules.batchnorm._BatchNorm


@dataclass(frozen=True)
class Calibration:
    """Training rows that a criterion may look at.

    Attributes
    ----------
    X : Tensor, (n, *input shape)
    y : Tensor, (n,)
    task : "classification" or "regression"
    seed : int
        For criteria that draw numbers.
    """

    X: Tensor
    y: Tensor
    task: str
    seed: int


def magnitude(network: nn.Module, calibration: Calibration) -> Saliency:
    """``w ** 2`` (Han et al., 2015; L2 over a unit's weights as in Li et al., 2017)."""
    del calibration
    return {name: weight.detach().square() for name, weight in network.named_parameters()}


def absolute(network: nn.Module, calibration: Calibration) -> Saliency:
    """``|w|``: orders single weights like ``w ** 2``; over a unit's weights it is their L1 norm."""
    del calibration
    return {name: weight.detach().abs() for name, weight in network.named_parameters()}


def taylor(network: nn.Module, calibration: Calibration) -> Saliency:
    """``|w * dL/dw|`` on calibration rows: first-order change of the loss (Molchanov et al., 2019)."""
    with _differentiable(network) as weights:
        slopes = _gradients(network, list(weights.values()), calibration.X, calibration)
    return {
        name: (w.detach() * slope).abs() for (name, w), slope in zip(weights.items(), slopes, strict=True)
    }


def hessian(network: nn.Module, calibration: Calibration) -> Saliency:
    """``w ** 2 * E_n[(dL_n/dw) ** 2]``: second-order change of the loss (LeCun et al., 1990).

    The mean of each row's squared gradient stands for the Hessian's diagonal, as torch-pruning defines its
    `HessianImportance` (which, up to 1.6.1, keeps the last row's only). At most 256 rows, one pass each.
    """
    with _differentiable(network) as weights:
        parameters, rows = list(weights.values()), min(len(calibration.X), HESSIAN_ROWS)
        total = [torch.zeros_like(weight) for weight in parameters]
        for row in range(rows):
            one = slice(row, row + 1)
            picked = Calibration(calibration.X[one], calibration.y[one], calibration.task, calibration.seed)
            for sum_, slope in zip(total, _gradients(network, parameters, picked.X, picked), strict=True):
                sum_ += slope.square()
    return {
        name: w.detach().square() * sum_ / rows
        for (name, w), sum_ in zip(weights.items(), total, strict=True)
    }


def activation(network: nn.Module, calibration: Calibration) -> Saliency:
    """``|w_ij| * ||x_j||_2`` with x_j the input j of the layer on calibration rows (Sun et al., 2024, Wanda).

    For linear and convolution layers; a convolution's input is a channel, over rows and positions. Where a
    layer's weights are used without calling it, as attention does with its `out_proj`, nothing is heard of
    x_j: there its norm is the root mean square of all that were heard, which ranks the layer by magnitude.
    """
    layers = {
        name: module for name, module in network.named_modules() if isinstance(module, nn.Linear | _CONV)
    }
    squares = {name: torch.zeros(_inputs(module)) for name, module in layers.items()}

    heard: set[str] = set()

    def note(name: str, module: nn.Module, given: Tensor) -> None:
        heard.add(name)
        squares[name] += _square_sums(module, given).cpu()

    hooks = [on_call(module, partial(note, name)) for name, module in layers.items()]
    training = network.training
    try:
        with torch.no_grad():
            network.eval()(calibration.X.to(next(network.parameters()).device))
    finally:
        network.train(training)
        for handle in hooks:
            handle.remove()
    known = [square for name, square in squares.items() if name in heard]
    typical = torch.cat(known).mean() if known else torch.tensor(1.0)
    norms = {
        name: (square if name in heard else typical.expand_as(square)).sqrt()
        for name, square in squares.items()
    }
    return {
        f"{name}.weight" if name else "weight": module.weight.detach().cpu().abs()
        * _as_weight(module, norms[name])
        for name, module in layers.items()
    }


def norm_scale(network: nn.Module, calibration: Calibration) -> Saliency:
    """``|gamma|`` of batch norms (Liu et al., 2017, network slimming)."""
    del calibration
    return {
        f"{name}.weight": module.weight.detach().abs()
        for name, module in network.named_modules()
        if isinstance(module, _BATCH_NORM) and module.affine
    }


def random(network: nn.Module, calibration: Calibration) -> Saliency:
    """Uniform in [0, 1): the rival that every criterion has to beat."""
    generator = torch.Generator().manual_seed(calibration.seed)
    return {
        name: torch.rand(weight.shape, generator=generator) for name, weight in network.named_parameters()
    }


@contextmanager
def _differentiable(network: nn.Module) -> Iterator[dict[str, nn.Parameter]]:
    """Let every weight have a gradient, in evaluation mode, and put all back."""
    weights = dict(network.named_parameters())
    frozen, training = [weight.requires_grad for weight in weights.values()], network.training
    try:
        network.eval().requires_grad_(True)
        yield weights
    finally:
        network.train(training)
        for weight, flag in zip(weights.values(), frozen, strict=True):
            weight.requires_grad_(flag)


def _gradients(
    network: nn.Module, weights: list[nn.Parameter], X: Tensor, calibration: Calibration
) -> tuple[Tensor, ...]:
    outputs = network(X.to(weights[0].device)).cpu()
    loss = label_loss(calibration.task, outputs, calibration.y)
    return torch.autograd.grad(loss, weights, allow_unused=True, materialize_grads=True)


def _inputs(layer: nn.Module) -> int:
    return int(layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels)  # type: ignore[arg-type]


def _square_sums(layer: nn.Module, x: Tensor) -> Tensor:
    """Sum the squares of each input over everything else."""
    if isinstance(layer, nn.Linear):
        return x.reshape(-1, x.shape[-1]).square().sum(dim=0)
    return x.flatten(2).square().sum(dim=(0, 2))


def _as_weight(layer: nn.Module, norms: Tensor) -> Tensor:
    """Lay the norms of a layer's inputs out so that they broadcast over its weight."""
    if isinstance(layer, nn.Linear):
        return norms
    assert isinstance(layer, _CONV)
    after = (1,) * (layer.weight.ndim - 2)
    if layer.transposed:
        return norms.view(-1, 1, *after)
    grouped = norms.view(layer.groups, -1).repeat_interleave(layer.out_channels // layer.groups, dim=0)
    return grouped.view(*grouped.shape, *after)
