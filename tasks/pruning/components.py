"""The projection's outputs as columns of the network: what it needs least leaves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from tasks.data.plan import NumericPlan
from tasks.errors import EspalierError
from tasks.models.graph import Graph
from tasks.models.layers import Project
from tasks.pruning.recovery import Front

__all__ = ["behind_projection", "with_fewer_outputs"]


def behind_projection(front: Front) -> Front:
    """Return the path from the projection's outputs on, each a column of its own.

    Raises
    ------
    EspalierError
        When nothing projects, or a layer between projection and network keeps its outputs from leaving.
    """
    project, graph = _projection(front.graph), front.graph
    names = tuple(f"component {number}" for number in range(1, project.W.shape[1] + 1))
    path = Graph(names, nn.Identity(), nn.Identity(), graph.network, graph.head, graph.task, graph.labels)
    return Front(path.eval(), _plain(names), graph.features(front.train), graph.features(front.valid))


def with_fewer_outputs(front: Front, keep: Sequence[int]) -> Front:
    """Return the whole path with a projection of only these outputs; its raw columns stay."""
    project = _projection(front.graph)
    kept = torch.tensor(list(keep))
    reducer = nn.Sequential(Project(project.W[:, kept].clone(), project.b[kept].clone()))
    graph = front.graph.with_parts(network=front.graph.network, reducer=reducer)
    return Front(graph, front.plan, front.train, front.valid)


def _projection(graph: Graph) -> Project:
    parts = list(graph.reducer) if isinstance(graph.reducer, nn.Sequential) else []
    if len(parts) == 1 and isinstance(parts[0], Project):
        return parts[0]
    raise EspalierError(
        "prune: step inputs of components takes outputs of a linear projection, and there is none; set "
        "reduce.columns.method: pca (or another projection), or of: columns"
    )


def _plain(names: tuple[str, ...]) -> NumericPlan:
    """Return the plan of numbers that are taken as they are."""
    zero, one = np.zeros(len(names), np.float32), np.ones(len(names), np.float32)
    return NumericPlan(names, (0,) * len(names), zero, -np.inf * one, np.inf * one, (), zero, one)
