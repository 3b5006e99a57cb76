"""Which column score works: `python -m benchmarks.columns` prints validation metrics on MNIST-5k.

Each seed is a split, a dense reference trained on it, and the same network trained on the columns each score
keeps; the metric is that of the best epoch on validation rows. Test rows are not read. One split's standard
error is about a point, so differences are paired by split.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from tasks.data.cleaning.fit import fit_clean
from tasks.data.config import CleanConfig, SourceConfig, SplitConfig
from tasks.data.sources import read_source
from tasks.models.config import MlpConfig
from tasks.models.graph import build_graph, input_shape
from tasks.models.zoo import build_network
from tasks.reduction.column_config import NoColumns, PcaColumns, SelectKBestColumns, WeightNormColumns
from tasks.reduction.columns import fit_columns
from tasks.reduction.reduction import Reduction
from tasks.reduction.sample import Sample
from tasks.reduction.selection import best
from tasks.search.components import ProbeTraining
from tasks.search.relevance import first_layer_norms
from tasks.training.config import TrainConfig

Score = Callable[[Sample, int], Reduction]


def _raw_norm(sample: Sample, k: int) -> Reduction:
    """The norm without the deviation."""
    norms = sample.per_column(np.asarray(sample.scores), combine="sum")
    return _kept(sample, best(norms, k))


def _random(sample: Sample, k: int) -> Reduction:
    drawn = np.random.default_rng(sample.seed).permutation(sample.columns)[:k]
    return _kept(sample, tuple(sorted(int(i) for i in drawn)))


def _kept(sample: Sample, kept: tuple[int, ...]) -> Reduction:
    return Reduction("none", shape=(len(kept),), kept=kept)


SCORES: dict[str, Score] = {
    "weight_norm": lambda sample, k: fit_columns(WeightNormColumns(components=k), sample),
    "anova": lambda sample, k: fit_columns(SelectKBestColumns(components=k), sample),
    "norm without deviation": _raw_norm,
    "random columns": _random,
    "pca": lambda sample, k: fit_columns(PcaColumns(components=k), sample),
}


def _training(seed: int, model: MlpConfig) -> ProbeTraining:
    frame, meta = read_source(Path(), SourceConfig(uri="package:mnist"))
    cleaned = fit_clean(frame, meta, CleanConfig(split=SplitConfig(seed=seed)))
    return ProbeTraining(cleaned.cleaner, cleaned.train, cleaned.valid, model, TrainConfig(seed=seed))


def _metric(training: ProbeTraining, reduction: Reduction) -> float:
    return max(record.valid_metric for record in training.fit(reduction, training.training.epochs).history)


def _one_seed(seed: int, sizes: list[int], model: MlpConfig) -> Iterator[tuple[str, int, float]]:
    training = _training(seed, model)
    cleaner, train = training.cleaner, training.train
    sample = Sample(cleaner.plan.transform(train.X), train.y, cleaner.plan, "classification", seed=seed)
    everything = fit_columns(NoColumns(), sample)
    shape = input_shape(model, cleaner.plan, everything)
    dense = training.fit(everything, training.training.epochs)
    yield "dense", 0, max(record.valid_metric for record in dense.history)
    graph = build_graph(cleaner, None, build_network(model, shape, cleaner.target.outputs, seed=seed))
    graph.network.load_state_dict(dense.network.state_dict())
    sample = replace(sample, scores=first_layer_norms(graph, cleaner.plan))
    for name, score in SCORES.items():
        for k in sizes:
            yield name, k, _metric(training, score(sample, k))


def main() -> None:
    """Print one line per score and size: the mean, and weight_norm's paired difference from it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--sizes", type=int, nargs="+", default=[196, 128, 64])
    options = parser.parse_args()
    found: dict[tuple[str, int], list[float]] = {}
    for seed in range(options.seeds):
        for name, k, metric in _one_seed(seed, options.sizes, MlpConfig()):
            found.setdefault((name, k), []).append(100 * metric)
    print(f"validation accuracy of the best epoch, MNIST-5k, mlp 512-256, {options.seeds} splits")
    for (name, k), metrics in found.items():
        print(
            f"{name:24} {k or 'all':>4} columns  {statistics.mean(metrics):5.1f}  {_against(found, name, k)}"
        )


def _against(found: dict[tuple[str, int], list[float]], name: str, k: int) -> str:
    """Say how far weight_norm is ahead at the same size (dense: at each size), split by split."""
    sizes = [k] if k else sorted({size for _, size in found if size}, reverse=True)
    return "; ".join(_paired(found["weight_norm", size], found[name, k], size) for size in sizes)


def _paired(ours: list[float], theirs: list[float], size: int) -> str:
    """Mean difference and its standard error over the splits."""
    differences = [our - their for our, their in zip(ours, theirs, strict=True)]
    error = statistics.stdev(differences) / len(differences) ** 0.5 if len(differences) > 1 else float("nan")
    return f"weight_norm {size} is {statistics.mean(differences):+.1f} (s.e. {error:.1f})"


if __name__ == "__main__":
    main()
