"""Convolutional networks with batch norm over series (`cnn1d`) and images (`cnn2d`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import nn

from tasks.errors import EspalierError
from tasks.models.factored import conv_shapes
from tasks.models.network import Network, flat_width, linear_chain, linear_widths

__all__ = ["Cnn", "Cnn1d", "Cnn2d"]


class Cnn(Network):
    """Convolution, batch norm, ReLU and max-pooling in turn, then Linear layers.

    Parameters
    ----------
    input_shape
        (C, L) or (C, H, W).
    channels
        Channels after each convolution; the grid keeps its size under it (zero padding).
    kernel, pool
        Cells along each axis of either window; pooling stops where fewer are left.
    readout
        'flatten' hands every cell to the Linear layers, 'average' each channel's mean.
    hidden
        Units of hidden layers between the convolutions and the last Linear.
    """

    axes: ClassVar[int]
    conv: ClassVar[type[nn.Conv1d | nn.Conv2d]]
    norm: ClassVar[type[nn.BatchNorm1d | nn.BatchNorm2d]]
    max_pool: ClassVar[type[nn.MaxPool1d | nn.MaxPool2d]]
    average: ClassVar[type[nn.AdaptiveAvgPool1d | nn.AdaptiveAvgPool2d]]

    def __init__(
        self,
        input_shape: Sequence[int],
        channels: Sequence[int],
        outputs: int,
        kernel: int = 3,
        pool: int = 2,
        readout: str = "flatten",
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
    ) -> None:
        super().__init__(input_shape)
        if len(self.input_shape) != self.axes + 1:
            raise EspalierError(_wrong_grid(self.kind, self.axes, self.input_shape))
        self.kernel, self.pool, self.readout, self.dropout = kernel, pool, readout, dropout
        inputs, cells = self.input_shape[0], self.input_shape[1:]
        layers: list[nn.Module] = []
        for outs in channels:
            layers += [
                self.conv(inputs, outs, kernel, padding="same", bias=False),
                self.norm(outs),
                nn.ReLU(),
            ]
            if pool > 1 and min(cells) >= pool:
                layers.append(self.max_pool(pool))
                cells = tuple(size // pool for size in cells)
            inputs = outs
        if readout == "average":
            layers.append(self.average(1))
            cells = (1,) * self.axes
        flat = inputs * flat_width(cells)
        self.body = nn.Sequential(*layers, nn.Flatten(), *linear_chain([flat, *hidden, outputs], dropout))

    def sizes(self) -> dict[str, Any]:
        (inputs, first), *others = conv_shapes(self.body)
        _, *hidden, outputs = linear_widths(self.body)
        return {
            "input_shape": [inputs, *self.input_shape[1:]],
            "channels": [first, *(outputs for _, outputs in others)],
            "outputs": outputs,
            "kernel": self.kernel,
            "pool": self.pool,
            "readout": self.readout,
            "hidden": hidden,
            "dropout": self.dropout,
        }


def _wrong_grid(kind: str, axes: int, shape: tuple[int, ...]) -> str:
    wanted = "[channels, length]" if axes == 1 else "[channels, height, width]"
    return (
        f"model.method: {kind} needs rows on a grid {wanted}, these are {list(shape)}; set source.shape, or "
        f"choose {'mlp' if len(shape) == 1 else 'cnn1d' if axes == 2 else 'cnn2d'}"
    )


class Cnn1d(Cnn):
    """Convolutions over a series. (n, C, L) -> (n, outputs)."""

    kind = "cnn1d"
    axes, conv, norm = 1, nn.Conv1d, nn.BatchNorm1d
    max_pool, average = nn.MaxPool1d, nn.AdaptiveAvgPool1d


class Cnn2d(Cnn):
    """Convolutions over an image. (n, C, H, W) -> (n, outputs)."""

    kind = "cnn2d"
    axes, conv, norm = 2, nn.Conv2d, nn.BatchNorm2d
    max_pool, average = nn.MaxPool2d, nn.AdaptiveAvgPool2d
