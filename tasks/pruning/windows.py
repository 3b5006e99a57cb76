"""What a layer sees of a unit at once: the cells under a kernel, or those of a flattened channel.

Interpolation gives every removed unit as one mixture of the kept ones, the same in all cells. The layer
itself is free to weigh each cell apart, so what its outputs still lack is fitted once more on whole windows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tasks.pruning.readings import Reading, listening

__all__ = ["fit_windows", "sees_windows", "windows"]

UNKNOWNS = 1024
"""Cells of a window up to which they are fitted."""

_SAMPLES = 100_000
_CHUNK = 64


def sees_windows(network: nn.Module, read: Reading, kept: int) -> bool:
    """Whether a layer has more than one weight a unit and output, and few enough to be fitted."""
    layer = network.get_submodule(read.layer)
    cells = read.places.shape[1]
    if not isinstance(layer, nn.Linear):
        if not isinstance(layer, nn.Conv1d | nn.Conv2d) or layer.padding_mode != "zeros":
            return False
        cells *= int(np.prod(layer.kernel_size))
    return cells > 1 and kept * cells <= UNKNOWNS


def windows(layer: nn.Module, inputs: Tensor, places: Tensor) -> Tensor:
    """Return the cells of the units at `places` (k, r) that each output sees, float64 (n, k * r * taps)."""
    if isinstance(layer, nn.Linear):
        return inputs[..., places.flatten()].reshape(-1, places.numel()).double()
    assert isinstance(layer, nn.Conv1d | nn.Conv2d)
    channels = inputs[:, places.flatten()]
    axes = channels.ndim - 2
    channels = functional.pad(channels, _padding(layer))
    lengths = {"kernel_size": layer.kernel_size, "dilation": layer.dilation, "stride": layer.stride}
    if axes == 1:
        channels = channels.unsqueeze(2)
        lengths = {name: (1, *size) for name, size in lengths.items()}
    cells = functional.unfold(channels, **lengths)
    return cells.movedim(1, -1).reshape(-1, cells.shape[1]).double()


def _padding(layer: nn.Conv1d | nn.Conv2d) -> list[int]:
    """Cells before and after each axis, the last axis first; 'same' puts the odd one behind."""
    if isinstance(layer.padding, str):
        wide = 1 if layer.padding == "same" else 0
        total = [wide * d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        return [side for t in reversed(total) for side in (t // 2, t - t // 2)]
    return [int(pad) for pad in reversed(layer.padding) for _ in range(2)]


@torch.no_grad()
def fit_windows(
    network: nn.Module, wanted: nn.Module, read: Reading, kept: Sequence[int], X: Tensor, ridge: float
) -> None:
    """Add to the weights of the kept units what brings the layer's outputs nearer to those in `wanted`.

    ``W <- W + (D^T D + lambda I)^-1 D^T R`` with windows D of the kept units and R what the outputs lack,
    both without their means where the layer has a bias to hold them; lambda = ridge times the mean diagonal.

    Parameters
    ----------
    network : Module
        Changed in place.
    """
    places = read.places[torch.as_tensor(kept)]
    d, r, gram, product = _moments(network, wanted, read, places, X)
    pull = ridge * float(gram.diagonal().mean())
    if pull == 0.0:
        return
    change = torch.linalg.solve(gram + pull * torch.eye(len(gram), dtype=gram.dtype), product)
    weight = network.get_parameter(f"{read.layer}.weight")
    shape = (*places.shape, *weight.shape[2:], len(weight))
    weight.transpose(0, 1)[places] += change.reshape(shape).movedim(-1, 2).to(weight)
    if read.bias:
        network.get_parameter(f"{read.layer}.bias").add_((r - d @ change).to(weight))


def _moments(
    network: nn.Module, wanted: nn.Module, read: Reading, places: Tensor, X: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Means of windows D and of what outputs lack R, then D^T D and D^T R without them.

    Rows are taken until the samples are enough; without a bias the means are zero.
    """
    count, d, r, gram, product = 0, *(torch.zeros((), dtype=torch.float64) for _ in range(4))
    for rows in torch.split(X.to(next(network.parameters()).device), _CHUNK):
        for D, R in _samples(network, wanted, read, places, rows):
            count, d, r = count + len(D), d + D.sum(dim=0), r + R.sum(dim=0)
            gram, product = gram + D.T @ D, product + D.T @ R
        if count >= _SAMPLES:
            break
    if not read.bias:
        return torch.zeros_like(d), torch.zeros_like(r), gram, product
    d, r = d / count, r / count
    return d, r, gram - count * torch.outer(d, d), product - count * torch.outer(d, r)


def _samples(
    network: nn.Module, wanted: nn.Module, read: Reading, places: Tensor, rows: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Windows (n, k * r * taps) and lacking outputs (n, o), for each time that the layer is called."""
    layer, model = network.get_submodule(read.layer), wanted.get_submodule(read.layer)
    with listening(network, {read.layer}) as now:
        network(rows)
    with listening(wanted, {read.layer}) as then:
        wanted(rows)
    for inputs, targets in zip(now[read.layer], then[read.layer], strict=True):
        lack = model(targets) - layer(inputs)
        outputs = lack.movedim(read.axis, -1).reshape(-1, lack.shape[read.axis])
        yield windows(layer, inputs, places).cpu(), outputs.double().cpu()
