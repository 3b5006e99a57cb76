"""Low rank against whole units at equal multiply-adds: `python -m benchmarks.low_rank` prints a table.

Every seed draws the rows, the split and the weights of a dense network. Low rank takes a share of its
weights; structured pruning takes the smallest share of every layer's units that leaves no more multiply-adds.
All recover alike. Nothing is chosen by the figures: points on test rows against the dense network.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from benchmarks.page import table
from benchmarks.problems import SETS, Dense, dense
from tasks.evaluation.efficiency import multiply_adds
from tasks.export.fold import fold
from tasks.pruning.config import FinetuneConfig, LowRankConfig, StepConfig, StructuredConfig
from tasks.pruning.recipe import prune
from tasks.pruning.structure import remove, survey
from tasks.training.config import TrainConfig
from tasks.training.scoring import predict_logits, score

CRITERIA = ("magnitude", "decomposition")


@dataclass(frozen=True)
class Found:
    """Multiply-adds as a share of the dense network's, and points gained on test rows."""

    multiply_adds: float
    points: float


class Rivals:
    """One dense network and what becomes of it."""

    def __init__(self, given: Dense, epochs: int) -> None:
        self.given, self.epochs = given, epochs
        self.train, self.valid, self.test = given.splits
        self.outputs = given.cleaned.cleaner.target.outputs
        self.groups = survey(given.graph.network, self.train.X[:2]).groups
        self.dense = self.cost(given.graph.network)
        self.teacher = predict_logits(given.graph.network, self.train.X)

    def cost(self, network: nn.Module) -> int:
        """Multiply-adds of the folded graph with another network in it."""
        graph = copy.deepcopy(self.given.graph)
        graph.network = network
        return multiply_adds(fold(graph))

    def pruned(self, config: StepConfig) -> Found:
        """Prune, recover and judge."""
        network = self.given.graph.network
        made = prune(
            network,
            config,
            self.train,
            self.valid,
            TrainConfig(seed=self.given.seed),
            task=self.given.task,
            outputs=self.outputs,
            seed=self.given.seed,
            teacher=self.teacher,
        ).network
        before, after = (score(each, self.test, self.given.task) for each in (network, made))
        return Found(self.cost(made) / self.dense, 100 * (after - before))

    def low_rank(self, amount: float) -> Found:
        """Take a share of the weights."""
        return self.pruned(LowRankConfig(method="low_rank", amount=amount, finetune=self._finetune))

    def units(self, importance: str, most: float) -> Found:
        """Take the smallest share of every layer's units, in hundredths, that leaves at most these costs."""
        share = next(s for s in (i / 100 for i in range(101)) if self._without(s) <= most * self.dense)
        keys = {"amount": share, "importance": importance, "finetune": self._finetune}
        return self.pruned(StructuredConfig.model_validate(keys))

    @property
    def _finetune(self) -> FinetuneConfig:
        return FinetuneConfig(epochs=self.epochs, mixup=0.0)

    def _without(self, share: float) -> int:
        kept = {group.name: range(max(1, group.width - round(share * group.width))) for group in self.groups}
        return self.cost(remove(self.given.graph.network, self.train.X[:2], kept))


def found(rivals: Rivals, amounts: Sequence[float]) -> Iterator[list[Found]]:
    """For each amount low rank, then whole units by each criterion."""
    for amount in amounts:
        first = rivals.low_rank(amount)
        yield [first, *(rivals.units(name, first.multiply_adds) for name in CRITERIA)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", default="MNIST-1D, cnn", choices=list(SETS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[100, 101, 102])
    parser.add_argument("--amounts", type=float, nargs="+", default=[0.5, 0.75])
    parser.add_argument("--epochs", type=int, default=20, help="of recovery")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    networks = (dense(SETS[options.set], seed) for seed in options.seeds)
    seeds = [list(found(Rivals(given, options.epochs), options.amounts)) for given in networks]
    rows = []
    for amount, *results in zip(options.amounts, *seeds, strict=True):
        share = statistics.mean(result[0].multiply_adds for result in results)
        points = [[result[i].points for result in results] for i in range(1 + len(CRITERIA))]
        rows.append([f"{amount:.0%}", f"{share:.0%}", *map(_cell, points)])
    names = ["low rank", *(f"units, {name}" for name in CRITERIA)]
    sys.stdout.write(table(["weights taken", "multiply-adds left", *names], rows) + "\n")


def _cell(points: Sequence[float]) -> str:
    return f"{statistics.mean(points):+.1f} ({min(points):+.1f} to {max(points):+.1f})"


if __name__ == "__main__":
    main()
