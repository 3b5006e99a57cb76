"""What each reducer costs in quality: `python -m benchmarks.reducers columns|rows --source digits`.

Each seed is a split, a dense reference trained on it, and the same network trained on what a method leaves,
all with the settings of params.yaml; the metric is that of the best epoch on validation rows. Test rows are
not read. Differences are paired by split: of columns against pca of the same size, of rows against random of
the same factor. Seconds are those of choosing, and of training, on this machine.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from benchmarks import mnist1d
from tasks.data.cleaning.fit import fit_clean
from tasks.data.config import CleanConfig, SourceConfig, SplitConfig
from tasks.data.sources import read_source
from tasks.errors import EspalierError
from tasks.models.config import MlpConfig
from tasks.models.graph import build_graph, input_shape
from tasks.models.zoo import build_network
from tasks.reduction.column_config import ColumnsConfig, NoColumns
from tasks.reduction.columns import fit_columns
from tasks.reduction.reduction import Reduction
from tasks.reduction.row_config import RowsConfig, ScoredRows
from tasks.reduction.rows import reduce_rows, round_sampler
from tasks.reduction.sample import Sample
from tasks.search.components import ProbeTraining
from tasks.search.difficulty import reference_errors
from tasks.search.relevance import first_layer_norms
from tasks.training.config import TrainConfig
from tasks.training.fit import fit
from tasks.training.tensors import learning_target, split_tensors

COLUMNS: dict[str, dict[str, Any]] = {
    "pca": {"method": "pca"},
    "pca unfrozen": {"method": "pca"},
    "weight_norm": {"method": "weight_norm"},
    "select_k_best": {"method": "select_k_best"},
    "interpolative": {"method": "interpolative"},
    "pls": {"method": "pls"},
    "autoencoder": {"method": "autoencoder"},
    "random_projection": {"method": "random_projection"},
    "truncated_svd": {"method": "truncated_svd"},
    "lda": {"method": "lda"},
    "pool": {"method": "pool"},
    "dct": {"method": "dct"},
}
ROWS: dict[str, dict[str, Any]] = {
    "random": {"method": "random"},
    "random balanced": {"method": "random", "balanced": True},
    "k_center": {"method": "k_center"},
    "k_medoids": {"method": "k_medoids"},
    "el2n": {"method": "el2n"},
    "el2n early": {"method": "el2n", "answers": "early"},
    "coverage_stratified": {"method": "coverage_stratified"},
    "near_duplicates": {"method": "near_duplicates"},
}


@dataclass(frozen=True)
class Measured:
    """One method on one split: metric in points, seconds of choosing and of training."""

    metric: float
    chosen: float
    trained: float


@dataclass(frozen=True)
class Bench:
    """A split with its reference."""

    probe: ProbeTraining
    sample: Sample
    reference: Any
    dense: Measured


def _source(name: str, seed: int, folder: Path) -> SourceConfig:
    if name != "mnist1d":
        return SourceConfig(uri=f"package:{name}")
    X, y = mnist1d.load(5000, seed)
    np.savez(folder / "rows.npz", X=X, y=y)
    return SourceConfig(uri=str(folder / "rows.npz"))


def _bench(source: str, seed: int, hidden: tuple[int, ...]) -> Bench:
    with tempfile.TemporaryDirectory() as folder:
        frame, meta = read_source(Path(folder), _source(source, seed, Path(folder)))
    made = fit_clean(frame, meta, CleanConfig(split=SplitConfig(seed=seed)))
    cleaner, model = made.cleaner, MlpConfig(hidden=hidden)
    probe = ProbeTraining(cleaner, made.train, made.valid, model, TrainConfig(seed=seed))
    features, y = cleaner.plan.transform(made.train.X), learning_target(cleaner.target, made.train.y).numpy()
    valid = cleaner.plan.transform(made.valid.X)
    sample = Sample(features, y, cleaner.plan, cleaner.target.kind, seed=seed, valid=valid)
    everything = fit_columns(NoColumns(), sample)
    done = probe.fit(everything, probe.training.epochs)
    shape = input_shape(model, cleaner.plan, everything)
    reference = build_graph(cleaner, None, build_network(model, shape, cleaner.target.outputs, seed=seed))
    reference.network.load_state_dict(done.network.state_dict())
    dense = Measured(100 * max(record.valid_metric for record in done.history), 0.0, done.seconds)
    return Bench(probe, replace(sample, scores=first_layer_norms(reference, cleaner.plan)), reference, dense)


def _columns(bench: Bench, name: str, size: float) -> Measured:
    options = {**COLUMNS[name], **_sized(COLUMNS[name]["method"], size, bench.sample.plan.shape or (1,))}
    config: ColumnsConfig = TypeAdapter(ColumnsConfig).validate_python(options)
    started = time.perf_counter()
    reduction = fit_columns(config, replace(bench.sample))
    chosen = time.perf_counter() - started
    done = bench.probe.fit(replace(reduction, unfreeze="unfrozen" in name), bench.probe.training.epochs)
    return Measured(100 * max(record.valid_metric for record in done.history), chosen, done.seconds)


def _sized(method: str, size: float, shape: tuple[int, ...]) -> dict[str, int]:
    """Ask for about so many features: on a grid, for as many along each axis."""
    axes = len(shape) - 1 or 1
    if method == "dct":
        return {"keep": round(size ** (1 / axes))}
    if method == "pool":
        return {"kernel": round((math.prod(shape) / size) ** (1 / axes))}
    return {"components": int(size)}


def _rows(bench: Bench, name: str, factor: float) -> Measured:
    config: RowsConfig = TypeAdapter(RowsConfig).validate_python({**ROWS[name], "factor": factor})
    started, sample = time.perf_counter(), bench.sample
    if isinstance(config, ScoredRows):
        sample = replace(sample, errors=reference_errors(config, bench.reference, bench.probe))
    reduction = reduce_rows(config, fit_columns(NoColumns(), sample), sample)
    chosen = time.perf_counter() - started
    return _trained(bench, reduction, chosen)


def _trained(bench: Bench, reduction: Reduction, chosen: float) -> Measured:
    probe = bench.probe
    target, seed = probe.cleaner.target, probe.training.seed
    shape = input_shape(probe.model, probe.cleaner.plan, reduction)
    graph = build_graph(
        probe.cleaner, reduction, build_network(probe.model, shape, target.outputs, seed=seed)
    )
    train, valid = (split_tensors(graph, target, reduction, rows) for rows in (probe.train, probe.valid))
    rounds = round_sampler(reduction, train.y.numpy(), target.kind)
    options: dict[str, Any] = {"task": target.kind, "outputs": target.outputs, "seed": seed, "rounds": rounds}
    done = fit(graph.network, train, valid, probe.training, **options)
    return Measured(100 * max(record.valid_metric for record in done.history), chosen, done.seconds)


Measure = Callable[[Bench, str, float], Measured]
KINDS: dict[str, tuple[dict[str, dict[str, Any]], Measure, str]] = {
    "columns": (COLUMNS, _columns, "pca"),
    "rows": (ROWS, _rows, "random"),
}


def _measure(options: argparse.Namespace) -> Iterator[tuple[str, float, Measured]]:
    methods, measure, _ = KINDS[options.kind]
    for seed in range(options.seeds):
        bench = _bench(options.source, seed, tuple(options.hidden))
        yield "dense", 0.0, bench.dense
        for name in options.methods or methods:
            for size in options.sizes:
                try:
                    yield name, size, measure(bench, name, size)
                except EspalierError as error:
                    print(f"{name} {size:g}: {error}")


def _paired(ours: list[Measured], theirs: list[Measured]) -> str:
    """Mean difference in points and its standard error over the splits."""
    found = [our.metric - their.metric for our, their in zip(ours, theirs, strict=True)]
    error = statistics.stdev(found) / len(found) ** 0.5 if len(found) > 1 else float("nan")
    return f"{statistics.mean(found):+6.1f} (s.e. {error:.1f})"


def _line(name: str, size: float, found: list[Measured], base: list[Measured]) -> str:
    metric, chosen, trained = (
        statistics.mean(getattr(m, key) for m in found) for key in ("metric", "chosen", "trained")
    )
    against = _paired(found, base)
    return f"{name:22} {size or 'all':>5} {metric:6.1f} {against}  {chosen:6.2f} s {trained:6.2f} s"


def main() -> None:
    """Print one line per method and size: metric, paired difference, seconds of choosing and of training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument(
        "--source", default="digits", help="digits, mnist, breast_cancer, diabetes or mnist1d"
    )
    parser.add_argument("--methods", nargs="+", help="some of them, pca (random) first; all by default")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sizes", type=float, nargs="+", help="components, or factors", required=True)
    parser.add_argument("--hidden", type=int, nargs="+", default=list(MlpConfig().hidden))
    options = parser.parse_args()
    found: dict[tuple[str, float], list[Measured]] = {}
    for name, size, measured in _measure(options):
        found.setdefault((name, size), []).append(measured)
    base = KINDS[options.kind][2]
    layers = "-".join(map(str, options.hidden))
    print(
        f"{options.source}, mlp {layers}, {options.seeds} splits: validation metric in points, against {base}"
    )
    for (name, size), measured_list in found.items():
        rival = found[("dense", 0.0)] if name == "dense" else found[(base, size)]
        print(_line(name, size, measured_list, rival))


if __name__ == "__main__":
    main()
