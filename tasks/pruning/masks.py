"""Amounts to masks, and masks held on a network while it trains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor, nn

__all__ = [
    "Choice",
    "attach",
    "detach",
    "hold",
    "keep_above",
    "keep_largest",
    "masks_of",
    "prunable_weights",
    "unprunable_weights",
    "zeros",
]

SUFFIX = "_mask"
_PRUNABLE = (nn.Linear, nn.modules.conv._ConvNd)


@dataclass(frozen=True)
class Choice:
    """What stays, and where the rule 'never empty a layer' kept something that the amount would have removed.

    Attributes
    ----------
    keep : dict of bool Tensor
        True where kept; shaped like the scores it was made from.
    bound : tuple of str
        Names of the layers where one element was kept against the amount.
    """

    keep: dict[str, Tensor]
    bound: tuple[str, ...] = ()

    @property
    def removed(self) -> int:
        """Count of elements removed."""
        return sum(int((~keep).sum()) for keep in self.keep.values())


def keep_largest(scores: Mapping[str, Tensor], remove: int | Mapping[str, int]) -> Choice:
    """Keep the largest scores, and at least the largest one of every entry.

    Parameters
    ----------
    scores : mapping of str to Tensor
        One tensor of any shape per layer; ties are broken by position, later elements stay.
    remove : int or mapping of str to int
        A count over all entries (global scope), or one for each entry (local scope).

    Examples
    --------
    >>> keep_largest({"a": torch.tensor([3.0, 1.0]), "b": torch.tensor([0.1, 0.2])}, 2).keep["b"].tolist()
    [False, True]
    """
    if isinstance(remove, Mapping):
        parts = [keep_largest({name: score}, remove[name]) for name, score in scores.items()]
        keep = {name: mask for part in parts for name, mask in part.keep.items()}
        return Choice(keep, tuple(name for part in parts for name in part.bound))
    flat = torch.cat([score.flatten() for score in scores.values()])
    last = torch.cat([_best(score) for score in scores.values()])
    count = min(remove, int((~last).sum()))
    asked = _split(_lowest(flat, remove), scores)
    gone = _split(_lowest(flat.masked_fill(last, torch.inf), count), scores)
    return Choice(
        {name: ~mask for name, mask in gone.items()},
        tuple(name for name, mask in asked.items() if mask.all()),
    )


def _split(flat: Tensor, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    offsets = accumulate((value.numel() for value in like.values()), initial=0)
    return {
        name: flat[start : start + value.numel()].view(value.shape)
        for start, (name, value) in zip(offsets, like.items(), strict=False)
    }


def _lowest(flat: Tensor, count: int) -> Tensor:
    lowest = torch.zeros(flat.numel(), dtype=torch.bool)
    lowest[torch.argsort(flat, stable=True)[:count]] = True
    return lowest


def _best(score: Tensor) -> Tensor:
    """Mark the element that stays last: the largest, and among equals the one at the end."""
    best = torch.zeros(score.numel(), dtype=torch.bool)
    best[torch.argsort(score.flatten(), stable=True)[-1]] = True
    return best


def keep_above(weights: Mapping[str, Tensor], threshold: float, *, scope: str) -> Choice:
    """Keep ``|w| >= threshold`` (global), or ``|w| >= threshold * std(layer)`` (local; Han et al., 2015)."""
    limits = {
        name: threshold * (float(weight.std(correction=0)) if scope == "local" else 1.0)
        for name, weight in weights.items()
    }
    sizes = {name: weight.abs() for name, weight in weights.items()}
    return keep_largest(sizes, {name: int((size < limits[name]).sum()) for name, size in sizes.items()})


def prunable_weights(network: nn.Module) -> dict[str, Tensor]:
    """Weights of linear and convolution layers by parameter name; a shared weight counts once."""
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, module in network.named_modules():
        if isinstance(module, _PRUNABLE) and id(module.weight) not in seen:
            seen.add(id(module.weight))
            found[f"{name}.weight" if name else "weight"] = module.weight
    return found


def unprunable_weights(network: nn.Module) -> dict[str, int]:
    """Matrices of other layers (recurrent, attention, own parameters): name to count of weights."""
    known = {id(weight) for weight in prunable_weights(network).values()}
    return {
        name: parameter.numel()
        for name, parameter in network.named_parameters()
        if parameter.ndim >= 2 and id(parameter) not in known
    }


def attach(network: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Give each named weight a mask buffer, so that state, checkpoints and copies carry it; then hold."""
    for name, mask in masks.items():
        module, leaf = _owner(network, name)
        module.register_buffer(leaf + SUFFIX, mask.to(getattr(module, leaf).device, copy=True))
    hold(network)


@torch.no_grad()
def hold(network: nn.Module) -> None:
    """Set every masked weight to exactly zero; call after each optimiser step.

    Weight decay and momentum may move a masked weight inside a step: it never outlives the step.
    """
    for weight, mask in _masked(network):
        weight.mul_(mask)


def detach(network: nn.Module) -> None:
    """Remove the mask buffers; the zeros stay."""
    for module in network.modules():
        for leaf in [leaf for leaf in module._buffers if leaf.endswith(SUFFIX)]:
            del module._buffers[leaf]


def masks_of(network: nn.Module) -> dict[str, Tensor]:
    """Masks attached to the network by parameter name."""
    return {name[: -len(SUFFIX)]: mask for name, mask in network.named_buffers() if name.endswith(SUFFIX)}


def zeros(network: nn.Module) -> int:
    """Count of prunable weights that are exactly zero."""
    return sum(int((weight == 0).sum()) for weight in prunable_weights(network).values())


def _masked(network: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
    for name, mask in masks_of(network).items():
        module, leaf = _owner(network, name)
        yield getattr(module, leaf), mask


def _owner(network: nn.Module, name: str) -> tuple[nn.Module, str]:
    path, _, leaf = name.rpartition(".")
    return network.get_submodule(path), leaf
