"""How wrong the reference is on each training row, once trained or after a few epochs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tasks.models.graph import Graph
from tasks.reduction.difficulty import error_norms
from tasks.reduction.reduction import Reduction
from tasks.reduction.row_config import ScoredRows
from tasks.search.components import ProbeTraining
from tasks.training.batching import Tensors
from tasks.training.scoring import predict_split
from tasks.training.tensors import split_tensors

__all__ = ["reference_errors"]


def _answers(network: nn.Module, rows: Tensors, task: str) -> NDArray[Any]:
    outputs = predict_split(network, rows, 4096, torch.device("cpu"))
    return (outputs.softmax(dim=1) if task == "classification" else outputs).numpy()


def _early(config: ScoredRows, probe: ProbeTraining) -> list[nn.Module]:
    """Fresh networks of the reference's settings, each from a seed of its own, after a few epochs."""
    everything = Reduction("none", (probe.cleaner.plan.width,))
    seeds = range(probe.training.seed, probe.training.seed + config.networks)
    trainings = (replace(probe, training=probe.training.model_copy(update={"seed": seed})) for seed in seeds)
    return [training.fit(everything, config.epochs).network for training in trainings]


def reference_errors(config: ScoredRows, reference: Graph, probe: ProbeTraining) -> NDArray[np.float64]:
    """Error norm of each training row (n,), by the trained reference or by networks early in training.

    Parameters
    ----------
    reference
        Trained on every column.
    probe
        Knows the training rows, and how networks are trained; early answers cost
        `networks` x `epochs` epochs on all rows.
    """
    target = probe.cleaner.target
    rows = split_tensors(reference, target, None, probe.train)
    networks = [reference.network] if config.answers == "final" else _early(config, probe)
    answers = np.stack([_answers(network, rows, target.kind) for network in networks])
    return error_norms(answers, rows.y.numpy(), target.kind)
