"""What speaks against a regression, where nobody said that it is one."""

from __future__ import annotations

import torch
from torch import Tensor

from tasks.data.types import CLASSES

__all__ = ["doubts"]


def doubts(task: str, kind: str, y: Tensor, reference: float) -> list[str]:
    """Say what speaks against a regression.

    Parameters
    ----------
    task : "classification", "regression" or "auto"
        As asked for.
    kind : "classification" or "regression"
        What it was taken for.
    y : Tensor, (n,)
        Training targets.
    reference : float
        The network's validation metric.

    Examples
    --------
    >>> doubts("regression", "regression", torch.rand(9), -0.5)
    ['R2 of the network that came in is -0.5: worse than the mean of y; are y in the unit that it predicts?']
    """
    if kind != "regression":
        return []
    values, found = torch.unique(y), []
    if task == "auto" and len(values) <= min(CLASSES, len(y) // 2) and bool((values == values.round()).all()):
        found.append(
            f"y has {len(values)} values, all whole, and the network one output: taken for a regression. For "
            'classes give it an output each; say task="regression" where they are numbers'
        )
    if reference < 0:
        found.append(
            f"R2 of the network that came in is {reference:.3g}: worse than the mean of y; are y in the unit "
            "that it predicts?"
        )
    return found
