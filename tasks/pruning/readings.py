"""Where the units of a group are read, and moments of what is read there on calibration rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tasks.errors import EspalierError
from tasks.models.calls import on_call
from tasks.pruning.structure import UnitGroup

__all__ = ["Moments", "Read", "Reading", "called", "listening", "moments", "obstacle", "readings", "thinned"]

CHUNK = 256
"""Rows that pass through the network at once."""

_NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)
_MIXING = (nn.LayerNorm, nn.GroupNorm)
_READERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


class Read(Protocol):
    """What a layer reads, as columns that moments are taken of."""

    @property
    def layer(self) -> str:
        """Name of the layer."""

    @property
    def bias(self) -> bool:
        """Whether something can take up a constant."""

    @property
    def width(self) -> int:
        """Count of columns."""

    @property
    def asked(self) -> str:
        """Setting that wants to know."""

    def rows(self, inputs: Tensor) -> int:
        """Count of rows to look at at once."""

    def activations(self, inputs: Tensor) -> Tensor:
        """Columns, float64 (rows * cells, width), of what the layer reads."""


@dataclass(frozen=True, eq=False)
class Reading:
    """A layer that reads the units of a group.

    Attributes
    ----------
    layer : str
        A Linear or a plain convolution.
    places : Tensor of int64, (m, r)
        Inputs of the layer that belong to each of the m units: one, or the r cells of a flattened channel.
    axis : int
        Where its inputs stand in what it reads: last for a Linear, behind the batch for a convolution.
    bias : bool
        Whether it can take up a constant.
    """

    layer: str
    places: Tensor
    axis: int
    bias: bool
    asked = "prune.importance decomposition"

    @property
    def width(self) -> int:
        """Count the units."""
        return len(self.places)

    def rows(self, inputs: Tensor) -> int:
        """Count all rows: as many numbers come out as went in."""
        return max(1, len(inputs))

    def activations(self, inputs: Tensor) -> Tensor:
        """Units as columns, float64 (rows * cells, m), of what the layer reads."""
        units = inputs.movedim(self.axis, 0)[self.places]
        return units.reshape(len(self.places), -1).T.double().cpu()

    def weight(self, network: nn.Module) -> NDArray[np.float64]:
        """Read what the layer makes of each unit: (m, r, outputs, taps of its kernel)."""
        weight = network.get_parameter(f"{self.layer}.weight").detach().double().cpu()
        flat = weight.transpose(0, 1)[self.places].reshape(*self.places.shape, len(weight), -1)
        return np.asarray(flat.numpy(), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Moments:
    """Means and products over calibration rows of columns X (n, m) that are read and Y (n, m) that should be.

    Attributes
    ----------
    x, y : (m,)
        Means; zero where the reading layer has no bias to hold them.
    xx, xy : (m, m)
        (X - x)^T (X - x) and (X - x)^T (Y - y).
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    xx: NDArray[np.float64]
    xy: NDArray[np.float64]


def obstacle(network: nn.Module, group: UnitGroup) -> str | None:
    """Tell why the layers behind a group cannot make up for a removed unit; None when they can."""
    modules = dict(network.named_modules())
    for part in group.slices:
        name = part.parameter.rpartition(".")[0]
        if isinstance(modules[name], _MIXING):
            return f"{name} ({type(modules[name]).__name__}) mixes its units"
        makes = name in group.members or isinstance(modules[name], _NORMS)
        if not makes and type(modules[name]) not in _READERS:
            return f"{name} ({type(modules[name]).__name__}) reads its units"
    found = readings(network, group)
    if not found:
        return "no Linear and no convolution reads its units"
    if any(read.places.numel() == 0 for read in found):
        return "its units are read unequally often"
    return None


def readings(network: nn.Module, group: UnitGroup) -> tuple[Reading, ...]:
    """Find every layer that reads the units of a group, in the order of the graph."""
    return tuple(
        Reading(name, _places(part.positions, part.units, group.width), axis, module.bias is not None)
        for part in group.slices
        if part.dim == 1
        for name in [part.parameter.rpartition(".")[0]]
        for module in [network.get_submodule(name)]
        if type(module) in _READERS
        for axis in [-1 if isinstance(module, nn.Linear) else 1]
    )


@torch.no_grad()
def called(network: nn.Module, layers: Sequence[str], X: Tensor) -> set[str]:
    """Tell which layers run when the network answers X."""
    with listening(network, set(layers)) as heard:
        network(X.to(next(network.parameters()).device))
    return {layer for layer, inputs in heard.items() if inputs}


def _places(positions: Tensor, units: Tensor, width: int) -> Tensor:
    """Order places by unit, (width, r); empty when some unit has more of them than another."""
    counts = torch.bincount(units, minlength=width)
    if bool((counts != counts[0]).any()):
        return positions.new_empty(width, 0)
    return positions[torch.argsort(units, stable=True)].reshape(width, -1)


@torch.no_grad()
def thinned(found: Sequence[Reading], X: Tensor, network: nn.Module, samples: int) -> Tensor:
    """Return rows of X (n, *input shape) at even distances that give each layer so many samples.

    A Linear takes one sample from a row, a convolution one from each cell: far fewer rows will do. `CHUNK` of
    them stay in any case, since the cells of a row resemble each other.
    """
    with listening(network, {read.layer for read in found}) as heard:
        network(X[:1].to(next(network.parameters()).device))
    cells = [
        sum(len(read.activations(inputs)) for inputs in heard[read.layer]) // read.places.shape[1]
        for read in found
    ]
    rows = max(math.ceil(samples / max(1, min(cells, default=1))), CHUNK)
    return X if rows >= len(X) else X[torch.linspace(0, len(X) - 1, rows).long()]


@torch.no_grad()
def moments(
    found: Sequence[Read], X: Tensor, network: nn.Module, wanted: nn.Module | None = None
) -> list[Moments]:
    """Sum up what layers read in `network`, and what they read in `wanted`, over calibration rows.

    Sums are in float64; the activations themselves are float32, so that their products lose nothing.

    Parameters
    ----------
    found : sequence of Read, the same in both networks
    X : Tensor, (n, *input shape)
    wanted : Module, optional
        `network` itself by default.

    Raises
    ------
    EspalierError
        When an activation is NaN or infinite.
    """
    sums = [_Sums(read) for read in found]
    layers = {read.layer for read in found}
    device = next(network.parameters()).device
    for rows in torch.split(X, CHUNK):
        with listening(network, layers) as heard:
            network(rows.to(device))
        now, then = heard, heard
        if wanted is not None:
            with listening(wanted, layers) as then:
                wanted(rows.to(device))
        for total in sums:
            total.add(now[total.read.layer], then[total.read.layer])
    return [total.moments() for total in sums]


class _Sums:
    """Moments of one reading under way."""

    def __init__(self, read: Read) -> None:
        self.read, self.rows = read, 0
        m = read.width
        self.x, self.y = (torch.zeros(m, dtype=torch.float64) for _ in range(2))
        self.xx, self.xy = (torch.zeros(m, m, dtype=torch.float64) for _ in range(2))

    def add(self, now: Sequence[Tensor], then: Sequence[Tensor]) -> None:
        for inputs, targets in zip(now, then, strict=True):
            size = self.read.rows(inputs)
            for some, wanted in zip(torch.split(inputs, size), torch.split(targets, size), strict=True):
                X = self.read.activations(some)
                self._add(X, X if targets is inputs else self.read.activations(wanted))

    def _add(self, X: Tensor, Y: Tensor) -> None:
        self.rows += len(X)
        self.x, self.y = self.x + X.sum(0), self.y + Y.sum(0)
        self.xx, self.xy = self.xx + X.T @ X, self.xy + X.T @ Y

    def moments(self) -> Moments:
        x, y, xx, xy = (total.numpy() for total in (self.x, self.y, self.xx, self.xy))
        if not (np.isfinite(xx).all() and np.isfinite(xy).all()):
            raise EspalierError(
                f"{self.read.asked}: what {self.read.layer} reads on training rows is NaN or "
                "infinite; check the data for huge values (clean.outliers) and train again"
            )
        if not self.read.bias:
            return Moments(np.zeros_like(x), np.zeros_like(y), xx, xy)
        x, y = x / self.rows, y / self.rows
        return Moments(x, y, xx - self.rows * np.outer(x, x), xy - self.rows * np.outer(x, y))


@contextmanager
def listening(network: nn.Module, layers: set[str]) -> Iterator[dict[str, list[Tensor]]]:
    """Collect what layers read, one entry a call: a shared layer reads several times; evaluation mode."""
    heard: dict[str, list[Tensor]] = {layer: [] for layer in layers}

    def note(layer: str, _: nn.Module, given: Tensor) -> None:
        heard[layer].append(given.detach())

    hooks = [on_call(network.get_submodule(layer), partial(note, layer)) for layer in layers]
    training = network.training
    try:
        network.eval()
        yield heard
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
