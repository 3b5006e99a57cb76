"""How large a model is: parameters, non-zeros, multiply-adds, bytes."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tasks.models.graph import Graph
from tasks.models.layers import Dct, Project, Scale

__all__ = ["COUNTERS", "Size", "multiply_adds", "nonzeros", "parameters", "size_of", "stored_bytes"]


@dataclass(frozen=True)
class Size:
    """What a model costs to keep and to run; ``multiply_adds`` are for one row, ``inputs`` its columns."""

    parameters: int
    nonzeros: int
    multiply_adds: int
    bytes: int
    gzip_bytes: int
    xz_bytes: int
    inputs: int

    def to_dict(self) -> dict[str, int]:
        """Return the plain JSON form."""
        return asdict(self)


def _learned(graph: Graph) -> Iterator[Tensor]:
    """Yield the network's weights and every projection's matrix, which is as much part of the model."""
    yield from graph.network.parameters()
    for layer in graph.modules():
        if isinstance(layer, Project):
            yield from (layer.W, layer.b)


def parameters(graph: Graph) -> int:
    """Count weights and biases, projections included."""
    return sum(tensor.numel() for tensor in _learned(graph))


def nonzeros(graph: Graph) -> int:
    """Count weights and biases that are not 0."""
    return sum(int(torch.count_nonzero(tensor)) for tensor in _learned(graph))


def _dct(layer: Dct, out: Tensor) -> int:
    """Count the last axis' product on all lines, then the first axis' on what is left."""
    channels, *cells = layer.shape
    if len(cells) == 1:
        return channels * cells[0] * layer.keep[0]
    return channels * (cells[0] * cells[1] * layer.keep[1] + layer.keep[0] * cells[0] * layer.keep[1])


def _linear(layer: Any, out: Tensor) -> int:
    return int(layer.weight.numel() * (out[0].numel() // layer.out_features))


def _conv(layer: Any, out: Tensor) -> int:
    return int(layer.weight.numel() * (out[0].numel() // layer.out_channels))


def _elementwise(layer: Any, out: Tensor) -> int:
    return out[0].numel()


COUNTERS: dict[type[nn.Module], Callable[[Any, Tensor], int]] = {
    nn.Linear: _linear,
    nn.Conv1d: _conv,
    nn.Conv2d: _conv,
    nn.BatchNorm1d: _elementwise,
    nn.BatchNorm2d: _elementwise,
    nn.LayerNorm: _elementwise,
    Scale: _elementwise,
    Project: lambda layer, out: int(layer.W.numel()),
    Dct: _dct,
}
"""Multiply-adds of one row, by layer: (layer, output of a batch) -> count."""


def multiply_adds(graph: Graph) -> int:
    """Count the multiply-adds of one numeric row, layer by layer.

    Linear: inputs x outputs. Convolution: weights x output cells. Norms and scaling: one a cell. Biases,
    activations, pooling and products outside these layers count nothing; zeros in a weight count, since no
    dense runtime skips them.
    """
    total = 0

    def count(layer: nn.Module, _: Any, out: Tensor) -> None:
        nonlocal total
        total += COUNTERS[type(layer)](layer, out)

    hooks = [layer.register_forward_hook(count) for layer in graph.modules() if type(layer) in COUNTERS]
    try:
        with torch.no_grad():
            graph.eval()(torch.zeros(1, len(graph.columns)))
    finally:
        for hook in hooks:
            hook.remove()
    return total


def stored_bytes(path: Path) -> tuple[int, int, int]:
    """Bytes of a file: as they are, gzipped (level 9, no time stamp) and as xz (preset 9)."""
    content = path.read_bytes()
    zipped = gzip.compress(content, 9, mtime=0)
    return len(content), len(zipped), len(lzma.compress(content, preset=9, check=lzma.CHECK_CRC32))


def size_of(graph: Graph, exported: Path) -> Size:
    """Measure the graph that was exported, and its file."""
    counts = parameters(graph), nonzeros(graph), multiply_adds(graph)
    return Size(*counts, *stored_bytes(exported), len(graph.columns))
