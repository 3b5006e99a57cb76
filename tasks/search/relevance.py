"""What the trained reference says of its inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tasks.data.plan import NumericPlan
from tasks.errors import EspalierError
from tasks.models.calls import on_call
from tasks.models.graph import Graph

__all__ = ["first_layer", "first_layer_norms"]


@torch.no_grad()
def first_layer(network: nn.Module, x: Tensor) -> tuple[nn.Module, Tensor] | None:
    """Return the first module with weights of its own that `network(x)` calls, and what it is given."""
    calls: list[tuple[nn.Module, Tensor]] = []
    weighted = [module for module in network.modules() if any(True for _ in module.parameters(recurse=False))]
    hooks = [on_call(module, lambda called, given: calls.append((called, given))) for module in weighted]
    training = network.training
    try:
        network.eval()(x)
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return calls[0] if calls else None


def first_layer_norms(reference: Graph, plan: NumericPlan) -> NDArray[Any]:
    """Euclidean norm of each feature's column in the weight of the network's first layer.

    Parameters
    ----------
    reference
        Trained on all features of `plan`, flat or on their grid.

    Returns
    -------
    (d,) float64.

    Raises
    ------
    EspalierError
        When the first layer is not a Linear that reads the features as they are.
    """
    features = torch.randn(2, plan.width, generator=torch.Generator().manual_seed(0))
    probe = reference.reducer(features)
    layer, given = first_layer(reference.network, probe) or (reference.network, probe)
    if not isinstance(layer, nn.Linear) or not torch.equal(given.flatten(1), probe.flatten(1)):
        kind = (
            type(layer).__name__
            if not isinstance(layer, nn.Linear)
            else "Linear on something computed from them"
        )
        raise EspalierError(
            "reduce.columns.method: weight_norm needs a reference whose first layer is a Linear over the "
            f"features (got {kind}); use select_k_best or pca, or for images and series pool or dct"
        )
    norms = np.linalg.norm(layer.weight.detach().double().numpy(), axis=0)
    on_grid = len(norms) != plan.width
    return np.asarray(norms[list(plan.positions or ())] if on_grid else norms)
