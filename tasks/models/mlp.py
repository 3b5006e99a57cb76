"""Fully connected networks: `mlp`, and `linear`, which has no hidden layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from tasks.models.network import Network, flat_width, linear_chain, linear_widths

__all__ = ["Mlp"]


class Mlp(Network):
    """Linear and ReLU in turn, a Linear last; a grid is flattened first.

    Parameters
    ----------
    input_shape
        (k,) or a grid.
    hidden
        Units of each hidden layer; none makes it a linear model.
    outputs
        Classes, or 1 for regression.
    """

    kind = "mlp"

    def __init__(
        self, input_shape: Sequence[int], hidden: Sequence[int], outputs: int, dropout: float = 0.0
    ) -> None:
        super().__init__(input_shape)
        self.dropout = dropout
        flatten: list[nn.Module] = [nn.Flatten()] if len(self.input_shape) > 1 else []
        widths = [flat_width(self.input_shape), *hidden, outputs]
        self.body = nn.Sequential(*flatten, *linear_chain(widths, dropout))

    def sizes(self) -> dict[str, Any]:
        inputs, *hidden, outputs = linear_widths(self.body)
        shape = self.input_shape if len(self.input_shape) > 1 else (inputs,)
        return {"input_shape": list(shape), "hidden": hidden, "outputs": outputs, "dropout": self.dropout}
