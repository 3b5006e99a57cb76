"""A small residual network with batch norm over a series, built as a user's own network is."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["Block", "build", "eighth", "half", "quarter", "sixteenth"]


class Block(nn.Module):
    """Two convolutions with batch norm beside a shortcut (He et al., 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv1d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()
        )
        self.second = nn.Sequential(
            nn.Conv1d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm1d(outputs)
        )
        self.shortcut: nn.Module = nn.Identity()
        if (inputs, stride) != (outputs, 1):
            self.shortcut = nn.Sequential(
                nn.Conv1d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm1d(outputs)
            )
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Rows (n, inputs, length) -> (n, outputs, length / stride)."""
        out: torch.Tensor = self.relu(self.shortcut(x) + self.second(self.first(x)))
        return out


def _network(width: int, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Chain a convolution, two blocks, the average of each channel and a Linear."""
    return nn.Sequential(
        nn.Conv1d(input_shape[0], width, 5, 2, padding=2, bias=False),
        nn.BatchNorm1d(width),
        nn.ReLU(),
        Block(width, width, 1),
        Block(width, 2 * width, 2),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(2 * width, outputs),
    )


def build(input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Return the network for rows of `input_shape` (channels, length)."""
    return _network(32, input_shape, outputs)


def half(input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Return it with half the channels."""
    return _network(16, input_shape, outputs)


def quarter(input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Return it with a quarter of the channels."""
    return _network(8, input_shape, outputs)


def eighth(input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Return it with an eighth of the channels."""
    return _network(4, input_shape, outputs)


def sixteenth(input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Return it with a sixteenth of the channels."""
    return _network(2, input_shape, outputs)
