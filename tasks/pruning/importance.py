"""Criteria: how much each weight matters, and how that adds up for a unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tasks.errors import EspalierError
from tasks.training.losses import label_loss

__all__ = [
    "CRITERIA",
    "Calibration",
    "Criterion",
    "Saliency",
    "Slice",
    "check_answers",
    "check_finite",
    "criterion",
]

Saliency = dict[str, Tensor]
"""Parameter name -> non-negative tensor of the parameter's shape."""


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


@dataclass(frozen=True)
class Slice:
    """One parameter's part in a group of units: what goes from it when a unit goes.

    Attributes
    ----------
    parameter : str
    dim : int
        The dimension that is cut.
    positions : Tensor of int64
        Places along `dim`.
    units : Tensor of int64
        The unit that each place belongs to; several places may belong to one unit (flattened channels).
    """

    parameter: str
    dim: int
    positions: Tensor
    units: Tensor


@dataclass(frozen=True)
class Criterion:
    """One line of the table: a saliency per weight, and how a group's slices become scores of units."""

    weights: Callable[[nn.Module, Calibration], Saliency]
    units: Callable[[Saliency, tuple[Slice, ...], int], Tensor]


def magnitude(network: nn.Module, calibration: Calibration) -> Saliency:
    """``w ** 2`` (Han et al., 2015; L2 over a unit's weights as in Li et al., 2017)."""
    del calibration
    return {name: weight.detach().square() for name, weight in network.named_parameters()}


def taylor(network: nn.Module, calibration: Calibration) -> Saliency:
    """``|w * dL/dw|`` on calibration rows: first-order change of the loss (Molchanov et al., 2019)."""
    names, weights = zip(*network.named_parameters(), strict=True)
    frozen = [weight.requires_grad for weight in weights]
    training = network.training
    try:
        network.eval().requires_grad_(True)
        outputs = network(calibration.X.to(weights[0].device)).cpu()
        loss = label_loss(calibration.task, outputs, calibration.y)
        gradients = torch.autograd.grad(loss, weights, allow_unused=True, materialize_grads=True)
    finally:
        network.train(training)
        for weight, flag in zip(weights, frozen, strict=True):
            weight.requires_grad_(flag)
    return {
        name: (weight.detach() * gradient).abs()
        for name, weight, gradient in zip(names, weights, gradients, strict=True)
    }


def random(network: nn.Module, calibration: Calibration) -> Saliency:
    """Uniform in [0, 1): the rival that every criterion has to beat."""
    generator = torch.Generator().manual_seed(calibration.seed)
    return {
        name: torch.rand(weight.shape, generator=generator) for name, weight in network.named_parameters()
    }


def sum_over_group(saliency: Saliency, slices: tuple[Slice, ...], width: int) -> Tensor:
    """Add up everything that goes with a unit, over all coupled layers (Fang et al., 2023); mean 1.

    Dividing by the mean makes layers of different size comparable under a global scope.
    """
    total = torch.zeros(width)
    for part in slices:
        value = saliency[part.parameter].transpose(0, part.dim)
        total.index_add_(0, part.units, value.reshape(len(value), -1).sum(1)[part.positions])
    mean = total.mean()
    return total / mean if mean > 0 else total


def first_of_group(saliency: Saliency, slices: tuple[Slice, ...], width: int) -> Tensor:
    """One number per unit, taken from the layer that makes it: keeps independent scores independent."""
    root = slices[0]
    first = saliency[root.parameter].transpose(0, root.dim).reshape(width, -1)[:, 0]
    return first[root.positions]


CRITERIA: dict[str, Criterion] = {
    "magnitude": Criterion(magnitude, sum_over_group),
    "taylor": Criterion(taylor, sum_over_group),
    "random": Criterion(random, first_of_group),
}


def criterion(name: str, network: nn.Module, calibration: Calibration) -> tuple[Criterion, Saliency]:
    """Look a criterion up and evaluate it on every weight.

    Raises
    ------
    EspalierError
        If a weight or a saliency is not finite.
    """
    check_finite(network)
    chosen = CRITERIA[name]
    saliency = {name: value.cpu() for name, value in chosen.weights(network, calibration).items()}
    for parameter, value in saliency.items():
        if not torch.isfinite(value).all():
            raise EspalierError(
                f"prune.importance {name}: not finite for {parameter}; "
                "scale the data (clean.scale) or use importance magnitude"
            )
    return chosen, saliency


def check_finite(network: nn.Module) -> None:
    """Raise an EspalierError that names the first parameter holding NaN or infinity."""
    for name, weight in network.named_parameters():
        bad = int((~torch.isfinite(weight)).sum())
        if bad:
            raise EspalierError(
                f"prune: {bad} of {weight.numel()} values of {name} are NaN or infinite and cannot be "
                "ranked; train again with a smaller train.lr or with train.clip_norm"
            )


@torch.no_grad()
def check_answers(network: nn.Module, X: Tensor) -> None:
    """Raise an EspalierError when the network's answers to X hold NaN or infinity."""
    training = network.training
    outputs = network.eval()(X)
    network.train(training)
    if not torch.isfinite(outputs).all():
        raise EspalierError(
            "prune: the network's answers on training rows are NaN or infinite, so nothing can be ranked; "
            "check the data for huge values (clean.outliers) and train again"
        )
