"""What speaks against a task, where nobody said so, and against what it is judged on."""

from __future__ import annotations

import torch
from torch import Tensor

from tasks.data.types import CLASSES

__all__ = ["doubts"]

_ONE_CLASS = (
    "validation rows are all of one class, which a network that always answers it is perfect on; give "
    "valid=(X, y) with rows of every class"
)


def doubts(task: str, kind: str, y: Tensor, valid: Tensor, reference: float) -> list[str]:
    """Say what speaks against a regression, and against validation rows of one class.

    Parameters
    ----------
    task : "classification", "regression" or "auto"
        As asked for.
    kind : "classification" or "regression"
        What it was taken for.
    y : Tensor, (n,)
        Training targets.
    valid : Tensor, (v,)
        Validation targets.
    reference : float
        The network's validation metric.

    Examples
    --------
    >>> y = torch.rand(9)
    >>> doubts("regression", "regression", y, y, -0.5)
    ['R2 of the network that came in is -0.5: worse than the mean of y; are y in the unit that it predicts?']
    """
    if kind != "regression":
        return [_ONE_CLASS] if bool((valid == valid[0]).all()) else []
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
