"""Decomposition pruning without recovery: `python -m benchmarks.decomposition` prints validation accuracies.

Each seed is a split and a dense network trained on it, from which the same share of every layer's units (or
of the weights of its layers) is removed; nothing is trained afterwards, test rows are not read. Beside
the criteria stand the parts of the method: their own choices with the same correction, pivots of a plain QR
decomposition, the weights' plain SVD at the same ranks.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.linalg
import torch
from torch import nn

from benchmarks import mnist1d
from tasks.data.cleaning.fit import fit_clean
from tasks.data.config import CleanConfig, SourceConfig, SplitConfig
from tasks.data.sources import read_source
from tasks.models.config import Cnn1dConfig, MlpConfig
from tasks.models.graph import build_graph, input_shape
from tasks.models.zoo import build_network
from tasks.pruning.config import FinetuneConfig, StructuredConfig
from tasks.pruning.decomposition import ROWS, absorb
from tasks.pruning.importance import Calibration
from tasks.pruning.lowrank import choose_ranks, factorise, spectra
from tasks.pruning.masks import keep_largest
from tasks.pruning.readings import moments, readings
from tasks.pruning.recipe import prune
from tasks.pruning.structure import UnitGroup, remove, survey
from tasks.pruning.units import choose_units
from tasks.training.batching import Tensors
from tasks.training.config import TrainConfig
from tasks.training.fit import fit
from tasks.training.scoring import score
from tasks.training.seeds import permutation
from tasks.training.tensors import split_tensors


@dataclass(frozen=True)
class Problem:
    """A set with the dense network it is learned by."""

    source: str
    model: MlpConfig | Cnn1dConfig
    epochs: int


PROBLEMS = {
    "MNIST-5k, 512-256": Problem("package:mnist", MlpConfig(hidden=(512, 256)), 20),
    "digits, 300-100": Problem("package:digits", MlpConfig(hidden=(300, 100)), 30),
    "MNIST-1D, 512-256": Problem("mnist1d", MlpConfig(hidden=(512, 256)), 60),
    "MNIST-1D, cnn 32-64": Problem("mnist1d", Cnn1dConfig(channels=(32, 64), hidden=(32,)), 30),
}
RIVALS = ("magnitude", "taylor")


@dataclass(frozen=True)
class Dense:
    """A trained network, its rows and its units."""

    network: nn.Module
    train: Tensors
    valid: Tensors
    groups: tuple[UnitGroup, ...]
    seed: int

    @property
    def sample(self) -> Calibration:
        """Training rows to fit on."""
        order = permutation(len(self.train), self.seed, 0)[:ROWS]
        return Calibration(self.train.X[order], self.train.y[order], "classification", self.seed)

    def counts(self, share: float) -> dict[str, int]:
        """Units of each layer to remove."""
        return {group.name: round(share * group.width) for group in self.groups}

    def accuracy(self, network: nn.Module) -> float:
        """In percent, on validation rows."""
        return 100 * score(network, self.valid, "classification")


def trained(problem: Problem, seed: int) -> Dense:
    """Clean, split and train as the pipeline does."""
    with tempfile.TemporaryDirectory() as folder:
        uri = problem.source
        if uri == "mnist1d":
            X, y = mnist1d.load(5000, seed)
            np.savez(Path(folder, "mnist1d.npz"), X=X[:, None], y=y)
            uri = "mnist1d.npz"
        frame, meta = read_source(Path(folder), SourceConfig(uri=uri))
    cleaned = fit_clean(frame, meta, CleanConfig(split=SplitConfig(seed=seed)))
    target, shape = cleaned.cleaner.target, input_shape(problem.model, cleaned.cleaner.plan, None)
    network = build_network(problem.model, shape, target.outputs, seed=seed)
    graph = build_graph(cleaned.cleaner, None, network)
    train, valid = (split_tensors(graph, target, None, rows) for rows in (cleaned.train, cleaned.valid))
    fitted = fit(
        network,
        train,
        valid,
        TrainConfig(seed=seed),
        task=target.kind,
        outputs=target.outputs,
        seed=seed,
        epochs=problem.epochs,
    )
    return Dense(fitted.network, train, valid, survey(fitted.network, train.X[:2]).groups, seed)


def by_recipe(dense: Dense, importance: str, share: float) -> nn.Module:
    """What `prune.importance` gives without recovery."""
    config = StructuredConfig.model_validate(
        {"importance": importance, "amount": share, "finetune": FinetuneConfig(epochs=0, distil=0)}
    )
    settings = TrainConfig(seed=dense.seed)
    pruned = prune(
        dense.network,
        config,
        dense.train,
        dense.valid,
        settings,
        task="classification",
        outputs=10,
        seed=dense.seed,
    )
    return pruned.network


def corrected(dense: Dense, importance: str, share: float) -> nn.Module:
    """Units chosen by another criterion, and the correction of decomposition."""
    choice = choose_units(dense.network, dense.groups, importance, dense.counts(share), dense.sample)
    return _cut(dense, {name: keep.nonzero().flatten().tolist() for name, keep in choice.keep.items()})


def plain_pivots(dense: Dense, share: float) -> nn.Module:
    """Units chosen by QR of the activations with the longest column first, and the same correction."""
    scores = {}
    for group in dense.groups:
        gram = sum(seen.xx for seen in moments(readings(dense.network, group), dense.sample.X, dense.network))
        values, vectors = np.linalg.eigh(gram)
        factor = np.sqrt(values.clip(min=0))[:, None] * vectors.T
        _, order = scipy.linalg.qr(factor, mode="r", pivoting=True)
        scores[group.name] = torch.from_numpy(-np.argsort(order).astype(np.float64))
    choice = keep_largest(scores, dense.counts(share))
    return _cut(dense, {name: keep.nonzero().flatten().tolist() for name, keep in choice.keep.items()})


def _cut(dense: Dense, kept: dict[str, list[int]]) -> nn.Module:
    absorbed = absorb(dense.network, dense.groups, kept, dense.sample.X)
    return remove(absorbed, dense.train.X[:2], kept)


def low_rank(dense: Dense, amount: float) -> nn.Module:
    """Layers as pairs fitted to what passes through them."""
    ranks = choose_ranks(spectra(dense.network, dense.sample.X)[0], amount)
    return factorise(dense.network, ranks, dense.sample.X)


def plain_svd(dense: Dense, amount: float) -> nn.Module:
    """The same ranks, of the weights alone."""
    network = copy.deepcopy(dense.network)
    for name, rank in choose_ranks(spectra(network, dense.sample.X)[0], amount).items():
        weight = network.get_parameter(f"{name}.weight")
        U, S, V = torch.linalg.svd(weight.detach().flatten(1), full_matrices=False)
        weight.data = ((U[:, :rank] * S[:rank]) @ V[:rank]).reshape(weight.shape)
    return network


METHODS: dict[str, Callable[[Dense, float], nn.Module]] = {
    "magnitude": lambda dense, share: by_recipe(dense, "magnitude", share),
    "taylor": lambda dense, share: by_recipe(dense, "taylor", share),
    "random": lambda dense, share: by_recipe(dense, "random", share),
    "magnitude, corrected": lambda dense, share: corrected(dense, "magnitude", share),
    "taylor, corrected": lambda dense, share: corrected(dense, "taylor", share),
    "random, corrected": lambda dense, share: corrected(dense, "random", share),
    "plain QR, corrected": plain_pivots,
    "decomposition": lambda dense, share: by_recipe(dense, "decomposition", share),
    "low rank, plain SVD": plain_svd,
    "low rank": low_rank,
}


def measured(problem: Problem, seeds: int, share: float) -> Iterator[tuple[str, list[float]]]:
    """Accuracies of the dense network and of every method, seed by seed."""
    dense = [trained(problem, seed) for seed in range(seeds)]
    yield "dense", [each.accuracy(each.network) for each in dense]
    for name, method in METHODS.items():
        yield name, [each.accuracy(method(each, share)) for each in dense]


def lines(problem: str, share: float, found: dict[str, list[float]]) -> Iterator[str]:
    """One line per method: accuracy, points lost, and lost points as a share of what the rivals lose."""
    yield f"{problem}, {share:.0%} removed, dense {statistics.mean(found['dense']):.1f}"
    rivals = [_lost(found, name) for name in RIVALS]
    for name, values in found.items():
        lost = _lost(found, name)
        ratios = "  ".join(
            f"{_ratio(lost, rival):>5} of {label}" for label, rival in zip(RIVALS, rivals, strict=True)
        )
        yield f"  {name:22} {statistics.mean(values):5.1f}  lost {lost:5.1f} {_spread(found, name)}  {ratios}"


def _lost(found: dict[str, list[float]], name: str) -> float:
    return statistics.mean(found["dense"]) - statistics.mean(found[name])


def _spread(found: dict[str, list[float]], name: str) -> str:
    losses = [dense - other for dense, other in zip(found["dense"], found[name], strict=True)]
    return f"({min(losses):.1f} to {max(losses):.1f})"


def _ratio(lost: float, rival: float) -> str:
    return f"{lost / rival:.2f}" if rival > 0 else "-"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a block of lines per problem and share."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.75])
    parser.add_argument("--only", help="problems whose name contains this")
    options = parser.parse_args(arguments)
    for name, problem in PROBLEMS.items():
        if options.only and options.only not in name:
            continue
        for share in options.shares:
            for line in lines(name, share, dict(measured(problem, options.seeds, share))):
                print(line, flush=True)


if __name__ == "__main__":
    main()
