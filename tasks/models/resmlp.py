"""A residual fully connected network for tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from tasks.models.factored import linear_shapes
from tasks.models.network import Network, flat_width

__all__ = ["Block", "ResMlp"]


class Block(nn.Module):
    """x + Linear(Dropout(ReLU(Linear(BatchNorm(x))))) (Gorishniy et al., 2021). (n, width) -> same."""

    def __init__(self, width: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width)
        self.wide = nn.Linear(width, inner)
        self.back = nn.Linear(inner, width)
        self.relu = nn.ReLU()
        self.drop = nn.Dropout(dropout) if dropout > 0 else nn.Identity()

    @property
    def inner(self) -> int:
        """Units inside the block."""
        return next(linear_shapes(self.wide))[1]

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.back(self.drop(self.relu(self.wide(self.norm(x)))))
        return out


class ResMlp(Network):
    """Linear, residual blocks, then BatchNorm, ReLU and a Linear; a grid is flattened first.

    Parameters
    ----------
    width
        Units of the residual stream.
    inner
        Units inside each block; 0 for a block that was pruned, which hands its input on.
    """

    kind = "resmlp"

    def __init__(
        self, input_shape: Sequence[int], width: int, inner: Sequence[int], outputs: int, dropout: float = 0.0
    ) -> None:
        super().__init__(input_shape)
        self.dropout = dropout
        flatten: list[nn.Module] = [nn.Flatten()] if len(self.input_shape) > 1 else []
        blocks = [Block(width, units, dropout) if units else nn.Identity() for units in inner]
        first, last = nn.Linear(flat_width(self.input_shape), width), nn.Linear(width, outputs)
        self.body = nn.Sequential(*flatten, first, *blocks, nn.BatchNorm1d(width), nn.ReLU(), last)

    def sizes(self) -> dict[str, Any]:
        first, *_, last = linear_shapes(self.body)
        shape = self.input_shape if len(self.input_shape) > 1 else (first[0],)
        places = (layer for layer in self.body.children() if isinstance(layer, Block | nn.Identity))
        blocks = [layer.inner if isinstance(layer, Block) else 0 for layer in places]
        width, outputs = first[1], last[1]
        sizes = {"input_shape": list(shape), "width": width, "inner": blocks, "outputs": outputs}
        return {**sizes, "dropout": self.dropout}
