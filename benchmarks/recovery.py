"""What recovery is worth: `python -m benchmarks.recovery` prints a table in Markdown.

One setting of columns and units a set, pruned by decomposition; the same candidate then recovers in several
ways. Figures are points on test rows against the dense network, mean over seeds, with their standard error.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace

import torch

from benchmarks.page import table
from benchmarks.problems import SETS, Dense, dense
from tasks.models.graph import Graph
from tasks.pruning.config import FinetuneConfig
from tasks.search.budget import Setting
from tasks.search.candidates import Bench
from tasks.training.scoring import metric

AT = {
    "digits": Setting(0.7, 0.1),
    "breast_cancer": Setting(0.35, 0.03),
    "MNIST-5k": Setting(0.3, 0.12),
    "MNIST-1D, mlp": Setting(0.7, 0.2, "weight"),
    "MNIST-1D, cnn": Setting(1.0, 0.4),
}
WAYS = {
    "labels alone": FinetuneConfig(distil=0.0, mixup=0.0, keep="best"),
    "distilled, best epoch": FinetuneConfig(mixup=0.0, keep="best"),
    "distilled, last epoch": FinetuneConfig(mixup=0.0),
    "mixtures, best epoch": FinetuneConfig(keep="best"),
    "mixtures, last epoch": FinetuneConfig(),
    "mixtures, last of 120 epochs": FinetuneConfig(epochs=120),
}


def differences(name: str, seed: int) -> list[float]:
    """Points on test rows against the dense network, for each way of recovery."""
    given = dense(SETS[name], seed)
    problem, everything = given.search(0), range(len(given.graph.columns))
    reference = _score(given, given.graph, everything)
    found = []
    for finetune in WAYS.values():
        made = Bench(replace(problem, finetune=finetune)).recover(AT[name])
        found.append(100 * (_score(given, made.graph, made.keep) - reference))
    return found


def _score(given: Dense, graph: Graph, keep: Sequence[int]) -> float:
    rows = torch.from_numpy(given.rows("test")[:, list(keep)])
    with torch.no_grad():
        return metric(given.task, graph(rows), given.targets["test"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", default="", help="sets whose name contains this")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows = []
    for name in AT:
        if options.only in name:
            seeds = [differences(name, seed) for seed in range(options.seeds)]
            cells = [_cell([seed[way] for seed in seeds]) for way in range(len(WAYS))]
            rows.append([name, *cells])
    sys.stdout.write(table(["set", *WAYS], rows) + "\n")


def _cell(values: Sequence[float]) -> str:
    spread = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{statistics.mean(values):+.2f} ± {spread:.2f}"


if __name__ == "__main__":
    main()
