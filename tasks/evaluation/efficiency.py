"""How large a model is: parameters, non-zeros, multiply-adds, bytes."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from inspect import signature
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList

from tasks.evaluation.products import products_outside
from tasks.models.graph import Graph
from tasks.models.layers import Dct, Project, Scale
from tasks.models.user import UserNetwork

__all__ = [
    "COUNTERS",
    "Size",
    "multiply_adds",
    "nonzeros",
    "parameters",
    "size_of",
    "stored_bytes",
    "uncounted",
]

Inputs: TypeAlias = Mapping[str, Any]
Counter: TypeAlias = Callable[[Any, Inputs, Any], int]


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


def _dct(layer: Dct, given: Inputs, out: Tensor) -> int:
    """Count the last axis' product on all lines, then the first axis' on what is left."""
    channels, *cells = layer.shape
    if len(cells) == 1:
        return channels * cells[0] * layer.keep[0]
    return channels * (cells[0] * cells[1] * layer.keep[1] + layer.keep[0] * cells[0] * layer.keep[1])


def _per_cell(layer: Any, given: Inputs, out: Tensor) -> int:
    """Count every weight once for each position, cell or step that comes out."""
    return int(layer.weight.numel() * (out.numel() // layer.weight.shape[0]))


def _transposed(layer: Any, given: Inputs, out: Tensor) -> int:
    """Count every weight once for each cell that goes in: a cell is spread over a window."""
    return int(layer.weight.numel() * (given["input"].numel() // layer.in_channels))


def _bilinear(layer: Any, given: Inputs, out: Tensor) -> int:
    """Count x1 W for each output, then its product with x2."""
    return int(out.numel() * (layer.in1_features + 1) * layer.in2_features)


def _recurrent(layer: Any, given: Inputs, out: Any) -> int:
    """Count every matrix once a step: those of the input, of the state and of an LSTM's projection."""
    states = (out[0] if isinstance(out, tuple) else out).data  # of a packed sequence, too
    cell = isinstance(layer, nn.RNNCellBase)
    weights = (layer.weight_ih, layer.weight_hh) if cell else chain.from_iterable(layer.all_weights)
    matrices = sum(weight.numel() for weight in weights if weight.ndim > 1)
    return int(matrices * (states.numel() // states.shape[-1]))


def _attention(layer: Any, given: Inputs, out: Any) -> int:
    """Count the four projections, the scores q k' and the mean that they weigh."""
    query, key, value = (given[name] for name in ("query", "key", "value"))
    length = key.shape[1 if layer.batch_first and key.ndim == 3 else 0]
    attended = length + (layer.bias_k is not None) + layer.add_zero_attn
    projected = 2 * query.numel() + key.numel() + value.numel()
    return int(layer.embed_dim * projected + 2 * query.numel() * attended)


def _elementwise(layer: Any, given: Inputs, out: Tensor) -> int:
    return out.numel()


def _nothing(layer: Any, given: Inputs, out: Any) -> int:
    return 0


COUNTERS: dict[tuple[type[nn.Module], ...], Counter] = {
    (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d): _per_cell,
    (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d): _transposed,
    (nn.Bilinear,): _bilinear,
    (nn.RNNBase, nn.RNNCellBase): _recurrent,
    (nn.MultiheadAttention,): _attention,
    (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm): _elementwise,
    (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d): _elementwise,
    (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, Scale): _elementwise,
    (Project,): lambda layer, given, out: int(layer.W.numel()),
    (Dct,): _dct,
    (nn.Embedding, nn.EmbeddingBag, nn.PReLU): _nothing,
}
"""Multiply-adds of one row, by kind of layer: (layer, its inputs by name, its output) -> count."""

_COUNTED = ("weight", "bias")  # in the names of the parameters that a counter knows of


def _counter(layer: nn.Module) -> Counter | None:
    return next((counter for kinds, counter in COUNTERS.items() if isinstance(layer, kinds)), None)


def multiply_adds(graph: Graph) -> int:
    """Count the multiply-adds of one numeric row, layer by layer.

    Linear: inputs x outputs. Convolution: weights x output cells, a transposed one x input cells. Recurrent
    layers: weights x steps. Attention: its projections, the scores and what they weigh. Norms and scaling:
    one a cell. Biases, activations, gates, look-ups, pooling and products outside these layers count nothing;
    zeros in a weight count, since no dense runtime skips them. `uncounted` names what else there is.
    """
    total = 0

    def count(layer: nn.Module, args: tuple[Any, ...], named: dict[str, Any], out: Any) -> None:
        nonlocal total
        if counter := _counter(layer):
            total += counter(layer, _named(layer, args, named), out)

    counted = filter(_counter, graph.modules())
    hooks = [layer.register_forward_hook(count, with_kwargs=True) for layer in counted]
    try:
        with torch.no_grad():
            graph.eval()(torch.zeros(1, len(graph.columns)))
    finally:
        for hook in hooks:
            hook.remove()
    return total


def _named(layer: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> Inputs:
    """Return what a layer was called with, by name."""
    return dict(zip(signature(layer.forward).parameters, args, strict=False)) | named


def uncounted(graph: Graph) -> tuple[str, ...]:
    """Name what of the network `multiply_adds` does not count.

    A layer is named by its path, its class and its parameters that no rule counts; else one whose own code
    computes products, as ``x @ self.buffer`` or ``F.linear(x, self.layer.weight.T)`` are.

    Examples
    --------
    >>> network = nn.Sequential(nn.Linear(2, 2))
    >>> network.shift = nn.Parameter(torch.zeros(2))
    >>> uncounted(Graph("ab", nn.Identity(), nn.Identity(), network, nn.Identity(), "classification"))
    ('Sequential (shift)',)
    """
    network = graph.network.body if isinstance(graph.network, UserNetwork) else graph.network
    inputs = graph.eval().features(torch.zeros(1, len(graph.columns)))
    multiplies = products_outside(network, inputs, lambda layer: _counter(layer) is not None)
    found = []
    for path, layer in network.named_modules():
        known = _COUNTED if _counter(layer) else ()
        names = [name for name, _ in layer.named_parameters(recurse=False)]
        left = [name for name in names if not any(part in name for part in known)]
        if isinstance(layer, ParametrizationList):  # which is part of the layer that has it
            continue
        if left or layer in multiplies:
            kind = f"{type(layer).__name__} ({', '.join(left) or 'products outside its layers'})"
            found.append(f"{path}: {kind}" if path else kind)
    return tuple(found)


def stored_bytes(path: Path) -> tuple[int, int, int]:
    """Bytes of a file: as they are, gzipped (level 9, no time stamp) and as xz (preset 9)."""
    content = path.read_bytes()
    zipped = gzip.compress(content, 9, mtime=0)
    return len(content), len(zipped), len(lzma.compress(content, preset=9, check=lzma.CHECK_CRC32))


def size_of(graph: Graph, exported: Path) -> Size:
    """Measure the graph that was exported, and its file."""
    counts = parameters(graph), nonzeros(graph), multiply_adds(graph)
    return Size(*counts, *stored_bytes(exported), len(graph.columns))
