"""Which columns to take away: `python -m benchmarks.inputs` compares `inputs.importance` after recovery.

A share of the raw columns leaves the trained dense network, which then recovers with the default settings.
Metrics are set against importance weight seed by seed, in points with their standard error. Permutation ranks
by the validation rows themselves, so the last column says how the same networks do on test rows.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence

import torch

from benchmarks.page import table
from benchmarks.problems import SETS, Dense, dense
from tasks.pruning.config import FinetuneConfig, InputsConfig
from tasks.pruning.recipe import prune
from tasks.pruning.recovery import Front
from tasks.training.scoring import metric

IMPORTANCES = ("weight", "decomposition", "taylor", "permutation")
NAMES = ("digits", "breast_cancer", "MNIST-5k", "MNIST-1D, mlp")
Figures = tuple[float, float]
"""Metric on validation and on test rows, in percent."""


def recovered(given: Dense, importance: str, share: float, finetune: FinetuneConfig) -> Figures:
    """Take the columns away, recover, and look."""
    problem, everything = given.search(0), given.graph.columns
    front = Front(problem.graph, problem.plan, problem.X, problem.valid)
    train, valid = problem.tensors(problem.graph, range(len(everything)))
    config = InputsConfig.model_validate(
        {"method": "inputs", "importance": importance, "amount": share, "finetune": finetune}
    )
    done = prune(
        problem.graph.network,
        config,
        train,
        valid,
        problem.train,
        task=problem.task,
        outputs=problem.outputs,
        seed=given.seed,
        teacher=problem.lessons.answers(finetune),
        mixing=problem.lessons.mixtures(finetune),
        front=front,
    )
    assert done.front is not None
    graph = done.front.graph.with_parts(network=done.network)
    test = torch.from_numpy(given.rows("test")[:, [everything.index(name) for name in graph.columns]])
    with torch.no_grad():
        return 100 * done.valid_metric, 100 * metric(given.task, graph(test), given.targets["test"])


def lines(share: float, seeds: Sequence[Sequence[Figures]]) -> list[list[str]]:
    """One row per importance from a list per seed, the importances in their order."""
    made = []
    for name, found in zip(IMPORTANCES, zip(*seeds, strict=True), strict=True):
        behind = [
            [own[rows] - base[0][rows] for own, base in zip(found, seeds, strict=True)] for rows in (0, 1)
        ]
        valid = statistics.mean(own[0] for own in found)
        against = ["", ""] if name == IMPORTANCES[0] else [_spread(values) for values in behind]
        made.append([f"{share:.0%}", name, f"{valid:.1f}", *against])
    return made


def _spread(values: Sequence[float]) -> str:
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{statistics.mean(values):+.2f} ± {error:.2f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table per set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.5, 0.75])
    parser.add_argument("--only", default="", help="sets whose name contains this")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for name in (name for name in NAMES if options.only in name):
        nets = [dense(SETS[name], options.first + seed) for seed in range(options.seeds)]
        rows: list[list[str]] = []
        for share in options.shares:
            seeds = [[recovered(net, each, share, FinetuneConfig()) for each in IMPORTANCES] for net in nets]
            rows += lines(share, seeds)
        heads = ["removed", "importance", "validation", "against weight", "the same, test rows"]
        print(f"{name}, {options.seeds} seeds from {options.first}\n\n{table(heads, rows)}\n", flush=True)


if __name__ == "__main__":
    main()
