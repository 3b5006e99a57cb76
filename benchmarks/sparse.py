"""Unstructured pruning during training: `python -m benchmarks.sparse` prints validation and test accuracies.

Each seed draws the rows, the split and the weights. The sparse network learns from scratch along the cubic
schedule for as many epochs as the dense one; its share is given, so nothing is chosen on test rows.
"""

from __future__ import annotations

import argparse
import copy
import statistics
from collections.abc import Sequence

import torch

from benchmarks.problems import SETS, dense
from tasks.models.graph import input_shape
from tasks.models.zoo import build_network
from tasks.pruning.config import FinetuneConfig, UnstructuredConfig
from tasks.pruning.recipe import prune
from tasks.training.batching import Tensors
from tasks.training.config import TrainConfig
from tasks.training.scoring import score
from tasks.training.tensors import split_tensors


def accuracies(name: str, seed: int, amount: float) -> tuple[float, float]:
    """Test accuracy in percent of the dense and of the sparse network."""
    given = dense(SETS[name], seed)
    cleaner, epochs = given.cleaned.cleaner, given.problem.epochs
    train, valid, test = (
        split_tensors(given.graph, cleaner.target, None, getattr(given.cleaned, part))
        for part in ("train", "valid", "test")
    )
    network = given.graph.network
    shape = input_shape(given.problem.model, cleaner.plan, None)
    fresh = build_network(given.problem.model, shape, cleaner.target.outputs, seed=seed)
    config = UnstructuredConfig(
        method="unstructured",
        amount=amount,
        scope="global",
        schedule="gradual",
        start="scratch",
        finetune=FinetuneConfig(epochs=epochs, distil=0.0),
    )
    pruned = prune(
        copy.deepcopy(network),
        config,
        train,
        valid,
        TrainConfig(seed=seed),
        task="classification",
        outputs=cleaner.target.outputs,
        seed=seed,
        initial=fresh,
    )
    return _percent(network, test), _percent(pruned.network, test)


def _percent(network: torch.nn.Module, rows: Tensors) -> float:
    return 100 * score(network, rows, "classification")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line a seed, and the mean difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", default="MNIST-1D, mlp", choices=list(SETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--amount", type=float, default=0.95)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    gained = []
    for seed in range(options.seeds):
        before, after = accuracies(options.set, seed, options.amount)
        gained.append(after - before)
        print(
            f"{options.set} seed {seed}  dense {before:.1f}  {options.amount:.0%} zero {after:.1f}",
            flush=True,
        )
    print(f"mean difference {statistics.mean(gained):+.1f} ({min(gained):+.1f} to {max(gained):+.1f})")


if __name__ == "__main__":
    main()
