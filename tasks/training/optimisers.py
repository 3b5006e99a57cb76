"""Optimisers, fused where the device has the kernel."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from tasks.errors import EspalierError
from tasks.training.config import TrainConfig

__all__ = ["build_optimiser"]


def build_optimiser(
    parameters: Iterable[nn.Parameter], config: TrainConfig, device: torch.device
) -> Optimizer:
    """Build AdamW, or SGD with Nesterov momentum, over the parameters that are trainable.

    Raises
    ------
    EspalierError
        When nothing is trainable.
    """
    trainable = [parameter for parameter in parameters if parameter.requires_grad]
    if not trainable:
        raise EspalierError("the network has no trainable parameter; check requires_grad in your builder")
    fused = device.type in ("cpu", "cuda")
    if config.optimizer == "adamw":
        return AdamW(trainable, lr=config.lr, weight_decay=config.weight_decay, fused=fused)
    return SGD(
        trainable,
        lr=config.lr,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        nesterov=config.momentum > 0,
        fused=fused,
    )
