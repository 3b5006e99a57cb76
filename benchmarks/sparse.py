"""Unstructured pruning during training: `python -m benchmarks.sparse` prints validation and test accuracies.

Each seed draws the rows, the split and the weights. The sparse network follows the cubic schedule for as many
epochs as the dense one learned, from its weights or from scratch, taught by it or by labels alone; all of
these are printed with their validation accuracy, so that none is chosen on test rows.
"""

from __future__ import annotations

import argparse
import copy
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from benchmarks.problems import SETS, Dense, dense
from tasks.pruning.config import FinetuneConfig, UnstructuredConfig
from tasks.pruning.recipe import prune
from tasks.training.batching import Tensors
from tasks.training.config import TrainConfig
from tasks.training.scoring import predict_logits, score

Recipe = tuple[Literal["trained", "scratch"], float]
RECIPES: tuple[Recipe, ...] = (("scratch", 0.0), ("scratch", 0.7), ("trained", 0.0), ("trained", 0.7))


@dataclass(frozen=True)
class Found:
    """Accuracies in percent, of the dense and of the sparse network."""

    dense_valid: float
    dense_test: float
    valid: float
    test: float


def accuracies(given: Dense, recipe: Recipe, amount: float) -> Found:
    """Prune one dense network by a recipe: where it starts, and the weight of the teacher."""
    start, distil = recipe
    seed = given.seed
    cleaner, epochs = given.cleaned.cleaner, given.problem.epochs
    train, valid, test = given.splits
    network = given.graph.network
    fresh = given.untrained(given.problem.model)
    config = UnstructuredConfig(
        method="unstructured",
        amount=amount,
        scope="global",
        schedule="gradual",
        start=start,
        finetune=FinetuneConfig(epochs=epochs, distil=distil, mixup=0.0, keep="best"),
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
        teacher=predict_logits(network, train.X) if distil else None,
    )
    before = (_percent(network, rows) for rows in (valid, test))
    return Found(*before, *(_percent(pruned.network, rows) for rows in (valid, test)))


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
    networks = [dense(SETS[options.set], seed) for seed in range(options.seeds)]
    for recipe in RECIPES:
        found = [accuracies(given, recipe, options.amount) for given in networks]
        valid, test = ([getattr(each, part) for each in found] for part in ("valid", "test"))
        gained = [each.test - each.dense_test for each in found]
        before = statistics.mean(each.dense_valid for each in found)
        print(
            f"{options.set}, {options.amount:.0%} zero, from {recipe[0]:7} teacher {recipe[1]:g}: "
            f"valid {statistics.mean(valid):.1f} (dense {before:.1f})  "
            f"test {statistics.mean(test):.1f} (dense {statistics.mean(f.dense_test for f in found):.1f}), "
            f"difference {statistics.mean(gained):+.1f} ({min(gained):+.1f} to {max(gained):+.1f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
