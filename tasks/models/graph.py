"""The one graph from numeric row to prediction: preprocess layers, reducer, network, head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from tasks.errors import EspalierError
from tasks.models.config import Cnn1dConfig, Cnn2dConfig, ModelConfig, UserConfig
from tasks.models.layers import Dct, Grid, Layer, Pool, Project, Softmax, Unscale, preprocess
from tasks.models.network import Network

if TYPE_CHECKING:
    from tasks.data.cleaner import Cleaner
    from tasks.data.plan import NumericPlan
    from tasks.reduction.reduction import Reduction

__all__ = ["Graph", "build_graph", "build_head", "build_reducer", "input_shape", "regrid"]


class Graph(nn.Module):
    """A model from numeric row (n, p; NaN = missing) to logits or standardised target.

    Attributes
    ----------
    columns
        Names of the p numeric columns it reads, in order.
    preprocess, reducer, network, head
        The four parts; the reducer is `nn.Identity` when there is none.
    task
        'classification' or 'regression'.
    labels
        Class names by output, None for regression.
    """

    def __init__(
        self,
        columns: Sequence[str],
        preprocess: nn.Module,
        reducer: nn.Module,
        network: nn.Module,
        head: nn.Module,
        task: str,
        labels: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        self.columns = tuple(columns)
        self.preprocess, self.reducer, self.network, self.head = preprocess, reducer, network, head
        self.task = task
        self.labels = None if labels is None else tuple(labels)

    def forward(self, x: Tensor) -> Tensor:
        """Numeric rows (n, p) -> logits (n, K), or the standardised target (n, 1)."""
        out: Tensor = self.network(self.reducer(self.preprocess(x)))
        return out

    def predict(self, x: Tensor) -> Tensor:
        """Numeric rows (n, p) -> probabilities (n, K), or predictions (n,) in the target's unit."""
        out: Tensor = self.head(self(x))
        return out

    def with_parts(self, *, network: nn.Module, reducer: nn.Module | None = None) -> Graph:
        """Return a graph with another network, and reducer where one is given; it shares the other parts."""
        kept = self.reducer if reducer is None else reducer
        made = Graph(self.columns, self.preprocess, kept, network, self.head, self.task, self.labels)
        return made.train(self.training)

    @torch.no_grad()
    def features(self, x: Tensor, batch: int = 8192) -> Tensor:
        """Numeric rows (n, p) -> the network's input (n, *input shape), in chunks of `batch` rows."""
        return torch.cat([self.reducer(self.preprocess(chunk)) for chunk in torch.split(x, batch)])


def input_shape(config: ModelConfig, plan: NumericPlan, reduction: Reduction | None) -> tuple[int, ...]:
    """Shape of one row as the network sees it, without the batch axis.

    Convolutions need a grid: the source's own, where columns that a selection dropped stay zero, or the one
    a pooled or DCT reduction leaves. Other families take what the reduction leaves; a user's network takes
    the grid where the reduction keeps it.

    Raises
    ------
    EspalierError
        When a grid is needed and there is none.
    """
    grid = _grid_shape(plan, reduction)
    flat = (plan.width,) if reduction is None else tuple(reduction.shape)
    if isinstance(config, UserConfig):
        selected = reduction is not None and reduction.kept is not None
        wants_grid = config.input == "grid" or (config.input == "auto" and grid is not None and not selected)
        flat = flat if len(flat) == 1 else (int(np.prod(flat)),)
    else:
        wants_grid = isinstance(config, Cnn1dConfig | Cnn2dConfig)
    if not wants_grid:
        return flat
    if grid is None:
        raise EspalierError(_no_grid(config, plan, reduction))
    return grid


def _grid_shape(plan: NumericPlan, reduction: Reduction | None) -> tuple[int, ...] | None:
    if reduction is not None and (reduction.projection is not None or reduction.encoder is not None):
        return None
    if reduction is not None and reduction.grid is not None:
        return tuple(reduction.shape)
    return plan.shape


def _no_grid(config: ModelConfig, plan: NumericPlan, reduction: Reduction | None) -> str:
    if plan.shape is None or reduction is None:
        why, way = "the source has none", "set source.shape (for example [1, 28, 28]), or model.method: mlp"
    else:
        why = f"reduce.columns.method: {reduction.method} projects it away"
        way = "choose pool, dct or none there, or model.method: mlp"
    return f"model.method: {config.method} needs rows on a grid, but {why}; {way}"


def build_reducer(plan: NumericPlan, reduction: Reduction | None, shape: Sequence[int]) -> nn.Module:
    """Layers from features (n, d) of the selected columns to the network's input (n, *shape).

    Parameters
    ----------
    plan
        Plan of the columns that stay.
    shape
        Input shape of the network: a grid asks for `Grid`.

    Raises
    ------
    EspalierError
        When the network's input shape is not what these layers give.
    """
    if reduction is not None and reduction.projection is not None:
        W, b = reduction.projection
        return nn.Sequential(Project(_float(W), _float(b)))
    if reduction is not None and reduction.encoder is not None:
        return _encoder(reduction.encoder)
    layers: list[nn.Module] = []
    if reduction is not None and reduction.grid is not None:
        layers = [_grid(plan), _shrink(_shape(plan), reduction.grid)]
        layers += [nn.Flatten()] if len(shape) == 1 else []
    elif len(shape) > 1:
        layers = [_grid(plan)]
    return nn.Sequential(*layers) if layers else nn.Identity()


def regrid(reducer: nn.Sequential, plan: NumericPlan) -> nn.Sequential:
    """Return a reducer that begins with a grid, for the features of another plan: absent cells are zero."""
    _, *rest = reducer
    return nn.Sequential(_grid(plan), *rest)


def _encoder(maps: Sequence[tuple[Any, Any]]) -> nn.Sequential:
    layers = [layer for W, b in maps for layer in (Project(_float(W), _float(b)), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def _float(array: np.ndarray[Any, Any]) -> Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32))


def _shape(plan: NumericPlan) -> tuple[int, ...]:
    if plan.shape is None:
        raise EspalierError("the source has no grid; set source.shape, or choose another reduction and model")
    return plan.shape


def _grid(plan: NumericPlan) -> Grid:
    shape = _shape(plan)
    if plan.width != len(plan.names) or plan.positions is None:
        raise EspalierError(
            "a grid holds one number per cell, but category levels or missing-value indicators are present; "
            "set clean.impute.indicator: false, or choose a model that needs no grid"
        )
    source = torch.full((int(np.prod(shape)),), plan.width, dtype=torch.int64)
    source[torch.tensor(plan.positions, dtype=torch.int64)] = torch.arange(plan.width)
    return Grid(source, shape)


def _shrink(shape: tuple[int, ...], grid: Mapping[str, Any]) -> Layer:
    axes = len(shape) - 1
    sizes = grid["kernel"] if grid["kind"] == "pool" else grid["keep"]
    per_axis = [int(sizes)] * axes if isinstance(sizes, int) else [int(size) for size in sizes]
    return Pool(per_axis) if grid["kind"] == "pool" else Dct(shape, per_axis)


def build_head(cleaner: Cleaner) -> Layer:
    """Softmax for classes; for regression, back to the target's own unit."""
    target = cleaner.target
    if target.kind == "classification":
        return Softmax()
    return Unscale(float(target.mean), float(target.std), bool(target.log))


def build_graph(cleaner: Cleaner, reduction: Reduction | None, network: Network) -> Graph:
    """Put the fitted cleaning, the fitted reduction and a network into one graph.

    The graph reads the columns the reduction kept: feed it `rows.take_columns(reduction.kept)`.
    """
    if reduction is not None and reduction.kept is not None:
        cleaner = cleaner.select(reduction.kept)
    plan, target = cleaner.plan, cleaner.target
    reducer = build_reducer(plan, reduction, network.input_shape)
    return Graph(
        plan.names, preprocess(plan), reducer, network, build_head(cleaner), target.kind, target.labels
    )
