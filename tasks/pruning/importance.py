"""Criteria: how the saliency of weights ranks them, and how it adds up for a unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tasks.errors import EspalierError
from tasks.pruning.saliency import (
    Calibration,
    Saliency,
    absolute,
    activation,
    hessian,
    magnitude,
    norm_scale,
    random,
    taylor,
)

__all__ = [
    "CRITERIA",
    "Calibration",
    "Criterion",
    "Saliency",
    "Slice",
    "check_answers",
    "check_finite",
    "criterion",
    "layer_adaptive",
]


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
    """One line of the table.

    Attributes
    ----------
    weights
        Saliency of the weights it looks at.
    units
        Saliency, a group's slices, its width -> scores of its units, or None where it looks at none of them.
    single
        Saliency of a layer's weights -> what single weights are ranked by.
    """

    weights: Callable[[nn.Module, Calibration], Saliency]
    units: Callable[[Saliency, tuple[Slice, ...], int], Tensor | None]
    single: Callable[[Tensor], Tensor] = lambda saliency: saliency


def sum_over_group(saliency: Saliency, slices: tuple[Slice, ...], width: int) -> Tensor | None:
    """Add up everything that goes with a unit, over all coupled layers (Fang et al., 2023); mean 1.

    Dividing by the mean makes layers of different size comparable under a global scope.
    """
    known = [part for part in slices if part.parameter in saliency]
    if not known:
        return None
    total = torch.zeros(width)
    for part in known:
        value = saliency[part.parameter].transpose(0, part.dim)
        total.index_add_(0, part.units, value.reshape(len(value), -1).sum(1)[part.positions])
    mean = total.mean()
    return total / mean if mean > 0 else total


def first_of_group(saliency: Saliency, slices: tuple[Slice, ...], width: int) -> Tensor:
    """One number per unit, taken from the layer that makes it: keeps independent scores independent."""
    root = slices[0]
    first = saliency[root.parameter].transpose(0, root.dim).reshape(width, -1)[:, 0]
    return first[root.positions]


def layer_adaptive(squares: Tensor) -> Tensor:
    """``w_u^2 / sum of w_v^2 over v with w_v^2 >= w_u^2``, a layer's own (Lee et al., 2021, LAMP).

    The largest has 1 in every layer, so a global ranking never empties one.

    Examples
    --------
    >>> layer_adaptive(torch.tensor([1.0, 3.0, 0.0])).tolist()
    [0.25, 1.0, 0.0]
    """
    order = torch.argsort(squares.flatten(), stable=True, descending=True)
    ordered = squares.flatten()[order].double()
    scores = ordered / ordered.cumsum(0).clamp(min=torch.finfo(torch.float64).tiny)
    return torch.empty_like(squares.flatten()).index_copy_(0, order, scores.to(squares)).view(squares.shape)


def layer_adaptive_units(saliency: Saliency, slices: tuple[Slice, ...], width: int) -> Tensor | None:
    """LAMP over the units' own sums."""
    total = sum_over_group(saliency, slices, width)
    return None if total is None else layer_adaptive(total)


CRITERIA: dict[str, Criterion] = {
    "magnitude": Criterion(magnitude, sum_over_group),
    "magnitude_l1": Criterion(absolute, sum_over_group),
    "taylor": Criterion(taylor, sum_over_group),
    "hessian": Criterion(hessian, sum_over_group),
    "lamp": Criterion(magnitude, layer_adaptive_units, layer_adaptive),
    "batch_norm": Criterion(norm_scale, sum_over_group),
    "activation": Criterion(activation, sum_over_group),
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
