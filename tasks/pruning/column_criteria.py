"""What ranks raw columns by how much the network needs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tasks.data.plan import NumericPlan
from tasks.errors import EspalierError
from tasks.models.graph import Graph
from tasks.pruning.decomposition import pivoted_shares
from tasks.pruning.inputs import by_column, column_weights
from tasks.training.losses import label_loss
from tasks.training.scoring import metric

__all__ = ["COLUMN_CRITERIA", "Evidence", "column_scores"]


@dataclass(frozen=True)
class Evidence:
    """Rows that a column criterion may look at.

    Attributes
    ----------
    X : Tensor, (n, p)
        Numeric training rows of the graph's columns, NaN where missing.
    y : Tensor, (n,)
    valid, y_valid : Tensor, (v, p) and (v,)
        Validation rows, for criteria that measure.
    task : "classification" or "regression"
    seed : int
        For criteria that draw numbers.
    """

    X: Tensor
    y: Tensor
    valid: Tensor
    y_valid: Tensor
    task: str
    seed: int


def _weights(graph: Graph, features: Tensor, importance: str) -> Tensor:
    V = column_weights(graph, features)
    if V is None:
        raise EspalierError(
            f"prune: importance {importance} ranks columns by the first linear layer, and this network's "
            "input is read by something else; use importance taylor or permutation"
        )
    return V


def weight(graph: Graph, owner: Tensor, evidence: Evidence) -> Tensor:
    """Norm of all first-layer weights on a column, each times the deviation of its feature.

    ``s_c^2 = sum_{i in c} sigma_i^2 sum_u V_ui^2`` with V the first layers' weights on features, through the
    projection where there is one (V = A W^T).

    Raises
    ------
    EspalierError
        When no linear layer reads the input.
    """
    features = graph.preprocess(evidence.X)
    V = _weights(graph, features, "weight")
    return by_column((V.norm(dim=0) * features.std(dim=0, correction=0)).square(), owner).sqrt()


def taylor(graph: Graph, owner: Tensor, evidence: Evidence) -> Tensor:
    """First-order change of a row's loss when a column is set to its mean (Molchanov et al., 2019).

    ``s_c = mean_n |sum_{i in c} dL_n/dx_ni (x_ni - mean_i)|``.

    Raises
    ------
    EspalierError
        When the loss has no derivative by the input, as where a network reads codes.
    """
    features = graph.preprocess(evidence.X).detach().requires_grad_(True)
    outputs = graph.network.eval()(graph.reducer(features))
    loss = label_loss(evidence.task, outputs, evidence.y) * len(features)
    (slope,) = torch.autograd.grad(loss, features, allow_unused=True) if loss.requires_grad else (None,)
    if slope is None:
        raise EspalierError(
            "prune: importance taylor ranks columns by the slope of the loss, and by this network's input "
            "there is none (it reads codes, as an embedding does); use importance permutation"
        )
    change = slope * (features.detach() - features.detach().mean(dim=0))
    columns = torch.zeros(len(change), int(owner.max()) + 1)
    return columns.index_add_(1, owner, change).abs().mean(dim=0)


@torch.no_grad()
def permutation(graph: Graph, owner: Tensor, evidence: Evidence) -> Tensor:
    """Validation metric lost when a column's cells change places between rows (Breiman, 2001)."""
    generator = torch.Generator().manual_seed(evidence.seed)
    kept = _metric(graph, evidence, evidence.valid)
    lost = []
    for column in range(int(owner.max()) + 1):
        shuffled = evidence.valid.clone()
        shuffled[:, column] = shuffled[torch.randperm(len(shuffled), generator=generator), column]
        lost.append(kept - _metric(graph, evidence, shuffled))
    return torch.tensor(lost)


def decomposition(graph: Graph, owner: Tensor, evidence: Evidence) -> Tensor:
    """Order in which columns are picked so that least of what the first layers make of all stays unexplained.

    Orthogonal least squares on the features, see `tasks.pruning.decomposition`; a column of several features
    enters with the first of them. Falls from 1.
    """
    features = graph.preprocess(evidence.X).double()
    centred = (features - features.mean(dim=0)).numpy()
    V = _weights(graph, features.float(), "decomposition").double().numpy()
    shares = torch.from_numpy(pivoted_shares([(centred.T @ centred, V.T)]))
    scores = torch.zeros(int(owner.max()) + 1, dtype=shares.dtype)
    return scores.scatter_reduce_(0, owner, shares, "amax").float()


COLUMN_CRITERIA: dict[str, Callable[[Graph, Tensor, Evidence], Tensor]] = {
    "weight": weight,
    "decomposition": decomposition,
    "taylor": taylor,
    "permutation": permutation,
}


def column_scores(graph: Graph, plan: NumericPlan, importance: str, evidence: Evidence) -> Tensor:
    """Importance of each numeric column the graph reads, (p,).

    Parameters
    ----------
    graph : Graph
        In evaluation; not changed.
    plan : NumericPlan
        Of exactly the graph's columns.
    importance : name in `COLUMN_CRITERIA`

    Raises
    ------
    EspalierError
        When the criterion does not apply, or a score is not finite.
    """
    training = graph.training
    try:
        scores = COLUMN_CRITERIA[importance](graph.eval(), torch.from_numpy(plan.owner), evidence)
    finally:
        graph.train(training)
    if not torch.isfinite(scores).all():
        raise EspalierError(
            f"prune: importance {importance} of columns is NaN or infinite; check the data for huge values "
            "(clean.outliers) and train again"
        )
    return scores


def _metric(graph: Graph, evidence: Evidence, X: Tensor) -> float:
    return metric(evidence.task, graph(X), evidence.y_valid)
