"""Batch norms after a removal: their running statistics are those of channels that are no longer there."""

from __future__ import annotations

import copy

import torch
from torch import nn

from tasks.training.batching import Tensors, spans

__all__ = ["recalibrated"]

BATCH = 1024

_BATCH_NORM = nn.modules.batchnorm._BatchNorm


@torch.no_grad()
def recalibrated(network: nn.Module, train: Tensors) -> nn.Module:
    """Estimate the running mean and variance of every batch norm anew, on all training rows.

    They become the means, over batches, of each batch's mean and variance (adaptive batch normalisation of
    pruned networks: Li et al., 2020, EagleEye); weights stay.

    Parameters
    ----------
    network : Module
        Not changed.
    train : Tensors
        At least two rows; with fewer, or without a batch norm, the network comes back as it is.
    """
    copied = copy.deepcopy(network)
    norms = [
        module
        for module in copied.modules()
        if isinstance(module, _BATCH_NORM) and module.track_running_stats
    ]
    if not norms or len(train) < 2:
        return network
    momenta, training = [norm.momentum for norm in norms], copied.training
    device = next(copied.parameters()).device
    copied.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over batches
        norm.train()
    for start, stop in spans(len(train), BATCH):
        copied(train.inputs(train.X[start:stop], device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return copied.train(training)
