"""What every network of the package is: a module that knows its input shape and its sizes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from tasks.models.factored import linear_shapes

__all__ = ["Network", "flat_width", "linear_chain", "linear_widths"]


class Network(nn.Module):
    """A trainable network over rows of `input_shape`.

    Attributes
    ----------
    body
        The trainable chain; `forward(x)` is `body(x)`: (n, *input_shape) -> (n, outputs).
    """

    kind: str
    body: nn.Module

    def __init__(self, input_shape: Sequence[int]) -> None:
        super().__init__()
        self.input_shape = tuple(int(size) for size in input_shape)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return out

    def sizes(self) -> dict[str, Any]:
        """JSON-able sizes read off the current tensors; `from_sizes` rebuilds the same architecture."""
        raise NotImplementedError

    @classmethod
    def from_sizes(cls, sizes: Mapping[str, Any]) -> Network:
        """Build an untrained network of exactly these sizes."""
        return cls(**sizes)


def linear_chain(widths: Sequence[int], dropout: float) -> list[nn.Module]:
    """Linear, ReLU (and Dropout) in turn through `widths`; the last Linear stands alone."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths[:-1]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        layers += [nn.Dropout(dropout)] if dropout > 0 else []
    return [*layers, nn.Linear(widths[-2], widths[-1])]


def linear_widths(module: nn.Module) -> list[int]:
    """Widths of a chain's Linear layers, factored or not: inputs of the first, then outputs of each."""
    shapes = list(linear_shapes(module))
    return [shapes[0][0], *(outputs for _, outputs in shapes)]


def flat_width(input_shape: Sequence[int]) -> int:
    """Cells of one row."""
    return math.prod(input_shape)
