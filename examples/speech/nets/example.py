"""A small residual network, to copy and change: `model: {method: user, builder: nets.example:build}`."""

from __future__ import annotations

import math

import torch
from torch import nn

__all__ = ["Residual", "build"]


class Residual(nn.Module):
    """Two Linear layers around a skip connection; rows on a grid are flattened."""

    def __init__(self, inputs: int, outputs: int, width: int = 128) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, width)
        self.second = nn.Linear(width, width)
        self.last = nn.Linear(width, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Rows (n, ...) -> logits (n, outputs), or the standardised target (n, 1)."""
        hidden = torch.relu(self.first(torch.flatten(x, 1)))
        hidden = hidden + torch.relu(self.second(hidden))
        out: torch.Tensor = self.last(hidden)
        return out


def build(input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Return the network for rows of `input_shape`; `outputs`: the number of classes, or 1 for regression."""
    return Residual(math.prod(input_shape), outputs)
