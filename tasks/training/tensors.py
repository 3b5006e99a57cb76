"""Clean rows as what a network trains on: its inputs, cached or prepared batch by batch, and its target."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tasks.data.rows import Rows
from tasks.data.target import TargetPlan
from tasks.models.graph import Graph
from tasks.reduction.reduction import Reduction
from tasks.training.batching import Tensors

__all__ = ["learning_target", "split_tensors"]


def learning_target(target: TargetPlan, y: npt.NDArray[Any]) -> Tensor:
    """Return class codes int64 (n,), or (y - mean) / std float32 (n,), of log(1 + y) when so planned."""
    if target.kind == "classification":
        return torch.from_numpy(np.asarray(y, dtype=np.int64))
    unit = np.log1p(y) if target.log else y
    return torch.from_numpy(((unit - target.mean) / target.std).astype(np.float32))


def split_tensors(
    graph: Graph, target: TargetPlan, reduction: Reduction | None, rows: Rows, *, cached: bool = True
) -> Tensors:
    """Return the network's inputs and target of a split of clean rows.

    Parameters
    ----------
    rows
        Every clean column, as stage clean left them.
    cached
        Compute the inputs once and keep them in memory; otherwise batch by batch, from `rows.X`, which may
        be memory-mapped.
    """
    kept = None if reduction is None or reduction.kept is None else torch.tensor(reduction.kept)
    X, y = torch.from_numpy(rows.X), learning_target(target, rows.y)

    def prepare(chunk: Tensor) -> Tensor:
        return graph.features(chunk if kept is None else chunk.index_select(1, kept))

    return Tensors(prepare(X), y) if cached else Tensors(X, y, prepare)
