"""A network's outputs and the validation metric."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tasks.training.batching import Tensors

__all__ = ["METRIC", "metric", "network_inputs", "predict_logits", "predict_split", "score"]

METRIC = {"classification": "accuracy", "regression": "r2"}
"""Name of the validation metric by task."""


def predict_logits(network: nn.Module, X: Tensor, batch: int = 4096) -> Tensor:
    """Logits (n, K) or standardised targets (n, 1) of network inputs, in evaluation mode, on X's device."""
    return predict_split(network, Tensors(X, X), batch, X.device)


@torch.no_grad()
def predict_split(network: nn.Module, rows: Tensors, batch: int, device: torch.device) -> Tensor:
    """Like `predict_logits`, for rows that may still need `prepare`."""
    training = network.training
    network.eval()
    chunks = [network(rows.inputs(rows.X[i : i + batch], device)) for i in range(0, len(rows.X), batch)]
    network.train(training)
    return torch.cat(chunks)


def network_inputs(rows: Tensors, batch: int = 8192) -> Tensor:
    """Return the inputs (n, *input shape) of a split, prepared in chunks and held in memory."""
    if rows.prepare is None:
        return rows.X
    return torch.cat([rows.prepare(rows.X[i : i + batch]) for i in range(0, len(rows.X), batch)])


def metric(task: str, outputs: Tensor, y: Tensor) -> float:
    """Accuracy, or R2 = 1 - sum (y - f)^2 / sum (y - mean y)^2 in double precision."""
    if task == "classification":
        return float((outputs.argmax(dim=1) == y).double().mean())
    y, predicted = y.double(), outputs.squeeze(1).double()
    residual, total = ((y - predicted) ** 2).sum(), ((y - y.mean()) ** 2).sum()
    if total == 0:
        return float(residual == 0)
    return float(1 - residual / total)


def score(network: nn.Module, rows: Tensors, task: str) -> float:
    """Return the validation metric of a network: accuracy, or R2 of the standardised target."""
    return metric(task, predict_split(network, rows, 4096, rows.y.device), rows.y)
