"""What touches a row at prediction time, as layers: cleaning arithmetic, reducers and heads.

A numeric row (float32, NaN = missing; number columns first, then category codes) becomes features, then the
network's input, then probabilities or a prediction. Every layer is a pure function of its input and exports
to plain ONNX operators.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from tasks.data.plan import NumericPlan

__all__ = [
    "LAYERS",
    "Clip",
    "Dct",
    "Grid",
    "Impute",
    "Indicate",
    "Layer",
    "OneHot",
    "Pool",
    "Project",
    "Scale",
    "Softmax",
    "Unscale",
    "preprocess",
]


class Layer(nn.Module):
    """A fixed layer: rebuilt as `type(**settings(), **its tensors)`."""

    def settings(self) -> dict[str, Any]:
        """Return the JSON-able constructor arguments; tensors are stored beside them."""
        return {}


class Indicate(Layer):
    """Append a 0/1 feature for each of `positions`: 1 where the cell is missing. (n, p) -> (n, p + m)."""

    positions: Tensor

    def __init__(self, positions: Tensor) -> None:
        super().__init__()
        self.register_buffer("positions", positions)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, torch.isnan(x.index_select(1, self.positions)).to(x.dtype)], dim=1)


class Impute(Layer):
    """Put `fill` (width,) in place of missing cells. (n, width) -> (n, width)."""

    fill: Tensor

    def __init__(self, fill: Tensor) -> None:
        super().__init__()
        self.register_buffer("fill", fill)

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(torch.isnan(x), self.fill, x)


class Clip(Layer):
    """Bound every column to [low, high] (width,). (n, width) -> (n, width)."""

    low: Tensor
    high: Tensor

    def __init__(self, low: Tensor, high: Tensor) -> None:
        super().__init__()
        self.register_buffer("low", low)
        self.register_buffer("high", high)

    def forward(self, x: Tensor) -> Tensor:
        return torch.minimum(torch.maximum(x, self.low), self.high)


class OneHot(Layer):
    """Replace each category code by its 0/1 levels; a code outside them gives all zeros.

    Parameters
    ----------
    column, level
        int64 and float32 (L,): output i is 1 where the cell of `column[i]` equals `level[i]`.
    numbers, codes
        How many leading columns stay as they are, and how many codes follow; what stands behind them
        (indicators) is moved behind the levels. (n, numbers + codes + m) -> (n, numbers + L + m).
    """

    column: Tensor
    level: Tensor

    def __init__(self, column: Tensor, level: Tensor, numbers: int, codes: int) -> None:
        super().__init__()
        self.numbers, self.codes = numbers, codes
        self.register_buffer("column", column)
        self.register_buffer("level", level)

    def forward(self, x: Tensor) -> Tensor:
        levels = (x.index_select(1, self.column) == self.level).to(x.dtype)
        return torch.cat([x[:, : self.numbers], levels, x[:, self.numbers + self.codes :]], dim=1)

    def settings(self) -> dict[str, Any]:
        return {"numbers": self.numbers, "codes": self.codes}


class Scale(Layer):
    """Standardise: (x - mean) / scale, both (d,). (n, d) -> (n, d)."""

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.scale


class Project(Layer):
    """Project linearly: z = x W + b, W (d, k), b (k,). (n, d) -> (n, k)."""

    W: Tensor
    b: Tensor

    def __init__(self, W: Tensor, b: Tensor) -> None:
        super().__init__()
        self.register_buffer("W", W)
        self.register_buffer("b", b)

    def forward(self, x: Tensor) -> Tensor:
        return torch.addmm(self.b, x, self.W)


class Grid(Layer):
    """Place features on a grid, zeros (the mean, once scaled) where a cell has no feature.

    Parameters
    ----------
    source
        int64 (C * H * W,): the feature of each cell in row-major order; d means none.
    shape
        (C, H, W) or (C, L).
    """

    source: Tensor

    def __init__(self, source: Tensor, shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.register_buffer("source", source)
        self.whole = bool(torch.equal(source, torch.arange(len(source))))

    def forward(self, x: Tensor) -> Tensor:
        if not self.whole:
            x = functional.pad(x, (0, 1)).index_select(1, self.source)
        return x.reshape(-1, *self.shape)

    def settings(self) -> dict[str, Any]:
        return {"shape": list(self.shape)}


class Pool(Layer):
    """Average neighbouring cells, `kernel` per spatial axis; edge windows average the cells they have."""

    def __init__(self, kernel: Sequence[int]) -> None:
        super().__init__()
        self.kernel = tuple(kernel)

    def forward(self, x: Tensor) -> Tensor:
        if len(self.kernel) == 1:
            return functional.avg_pool1d(x, self.kernel, ceil_mode=True, count_include_pad=False)
        return functional.avg_pool2d(x, self.kernel, ceil_mode=True, count_include_pad=False)

    def settings(self) -> dict[str, Any]:
        return {"kernel": list(self.kernel)}


def _dct_matrix(length: int, keep: int) -> Tensor:
    """First rows of the orthonormal DCT-II: sqrt(2/L) cos(pi (2 t + 1) f / (2 L)), row 0 times sqrt(1/2)."""
    t, f = np.arange(length), np.arange(keep)[:, None]
    basis = math.sqrt(2.0 / length) * np.cos(np.pi * (2 * t + 1) * f / (2 * length))
    basis[0] *= math.sqrt(0.5)
    return torch.from_numpy(basis.astype(np.float32))


class Dct(Layer):
    """Keep the lowest `keep` frequencies per spatial axis of the orthonormal DCT-II (Ahmed et al., 1974)."""

    def __init__(self, shape: Sequence[int], keep: Sequence[int]) -> None:
        super().__init__()
        self.shape, self.keep = tuple(shape), tuple(keep)
        bases = [_dct_matrix(length, count) for length, count in zip(self.shape[1:], self.keep, strict=True)]
        for axis, basis in enumerate(bases):
            self.register_buffer(f"basis{axis}", basis, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = x @ self.get_buffer(f"basis{len(self.keep) - 1}").T
        return x if len(self.keep) == 1 else self.get_buffer("basis0") @ x

    def settings(self) -> dict[str, Any]:
        return {"shape": list(self.shape), "keep": list(self.keep)}


class Softmax(Layer):
    """Turn logits into probabilities. (n, K) -> (n, K)."""

    def forward(self, logits: Tensor) -> Tensor:
        return logits.softmax(dim=1)


class Unscale(Layer):
    """Back to the target's own unit: y = z std + mean, then exp(y) - 1 when log. (n, 1) -> (n,)."""

    def __init__(self, mean: float = 0.0, std: float = 1.0, log: bool = False) -> None:
        super().__init__()
        self.mean, self.std, self.log = mean, std, log

    def forward(self, logits: Tensor) -> Tensor:
        y = logits.squeeze(1) * self.std + self.mean
        return torch.exp(y) - 1.0 if self.log else y

    def settings(self) -> dict[str, Any]:
        return {"mean": self.mean, "std": self.std, "log": self.log}


LAYERS: dict[str, type[Layer]] = {
    layer.__name__: layer
    for layer in (Indicate, Impute, Clip, OneHot, Scale, Project, Grid, Pool, Dct, Softmax, Unscale)
}


def _padded(values: np.ndarray, width: int, rest: float) -> Tensor:
    """Extend `values` to `width` with `rest`: indicators pass imputation and clipping unchanged."""
    full = np.full(width, rest, dtype=np.float32)
    full[: len(values)] = values
    return torch.from_numpy(full)


def preprocess(plan: NumericPlan) -> nn.Sequential:
    """Repeat the fitted cleaning of numeric rows as layers: (n, p) -> (n, d), no missing cells left.

    Layers that would do nothing are left out; `Impute` always stays, because a cell may be missing at
    prediction that never was in training. Agrees with `plan.transform` to 1e-6.
    """
    codes = len(plan.names) - plan.numbers
    width = len(plan.names) + len(plan.indicator)
    fill = np.append(plan.fill[: plan.numbers], np.full(codes, -1.0))  # no level has code -1: all stay 0
    layers: list[nn.Module] = []
    if plan.indicator:
        layers.append(Indicate(torch.tensor(plan.indicator, dtype=torch.int64)))
    layers.append(Impute(_padded(fill, width, 0.0)))
    if np.isfinite(plan.low).any() or np.isfinite(plan.high).any():
        layers.append(Clip(_padded(plan.low, width, -np.inf), _padded(plan.high, width, np.inf)))
    if codes:
        pairs = [(column, level) for column, count in enumerate(plan.levels) for level in range(count)]
        column = torch.tensor([pair[0] for pair in pairs], dtype=torch.int64)
        level = torch.tensor([pair[1] for pair in pairs], dtype=torch.float32)
        layers.append(OneHot(column, level, plan.numbers, codes))
    if (plan.mean != 0).any() or (plan.scale != 1).any():
        layers.append(Scale(torch.from_numpy(plan.mean.copy()), torch.from_numpy(plan.scale.copy())))
    return nn.Sequential(*layers)
