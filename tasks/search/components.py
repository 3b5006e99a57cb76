"""`reduce.columns.components: auto`: the fewest that cost nothing, judged on validation rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tasks.data.cleaner import Cleaner
from tasks.data.rows import Rows
from tasks.models.config import ModelConfig
from tasks.models.graph import build_graph, input_shape
from tasks.models.zoo import build_network
from tasks.reduction.column_config import AutoColumns, ColumnsConfig, size_field
from tasks.reduction.columns import fit_columns, largest
from tasks.reduction.config import ReduceConfig
from tasks.reduction.reduction import Reduction
from tasks.reduction.rows import reduce_rows
from tasks.reduction.sample import Sample
from tasks.search.ladder import most_aggressive
from tasks.search.methods import choose_method
from tasks.training.config import TrainConfig
from tasks.training.fit import Fit, fit
from tasks.training.joint import unfrozen
from tasks.training.tensors import split_tensors

__all__ = [
    "ProbeTraining",
    "between",
    "choose_size",
    "coarse",
    "fit_reduction",
    "resolve_columns",
]


def coarse(option: str, most: int) -> list[int]:
    """Sizes to try first, gentle to aggressive: halves of `most`; kernels one by one up to half the axis."""
    if option == "kernel":
        return list(range(2, max(3, most // 2 + 1)))
    return [max(1, most >> i) for i in range(most.bit_length())]


def between(option: str, gentle: int, aggressive: int) -> list[int]:
    """Up to three sizes strictly between two neighbours of `coarse`, evenly spaced on a log scale."""
    if option == "kernel":
        return []
    sizes = (round(gentle ** (1 - t) * aggressive**t) for t in (0.25, 0.5, 0.75))
    return [size for size in dict.fromkeys(sizes) if aggressive < size < gentle]


def _first_pass(sizes: Sequence[int], probe: Callable[[int], float], tolerance: float) -> dict[int, float]:
    """Walk down the ladder until two rungs in a row fall out of the tolerance of the best so far."""
    scores: dict[int, float] = {}
    failed = 0
    for size in sizes:
        scores[size] = probe(size)
        failed = 0 if scores[size] >= max(scores.values()) - tolerance else failed + 1
        if failed == 2:
            break
    return scores


def _last_within(scores: dict[int, float], tolerance: float) -> int:
    """Most aggressive size, which was tried last of those near the best."""
    floor = max(scores.values()) - tolerance
    return [size for size, score in scores.items() if score >= floor][-1]


def choose_size(
    option: str, most: int, probe: Callable[[int], float], tolerance: float
) -> tuple[int, list[tuple[int, float]]]:
    """Find the most aggressive size whose score is within `tolerance` of the best one tried.

    A first pass over `coarse` sizes, then a bisection between the last that passes and the one after it.

    Returns
    -------
    The size, and every trial in order, from gentle to aggressive.
    """
    scores = _first_pass(coarse(option, most), probe, tolerance)
    sizes, last = list(scores), _last_within(scores, tolerance)
    if last != sizes[-1] and (finer := between(option, last, sizes[sizes.index(last) + 1])):
        found = most_aggressive(finer, probe, max(scores.values()) - tolerance)
        scores |= {tried.value: tried.score for tried in found.probes}
    trials = sorted(scores.items(), reverse=option != "kernel")
    return _last_within(dict(trials), tolerance), trials


def resolve_columns(
    config: ColumnsConfig, sample: Sample, probe: Callable[[Reduction], float], tolerance: float
) -> Reduction:
    """Fit the columns, method or size chosen by `probe` where it is `auto`; the report lists each trial."""
    if isinstance(config, AutoColumns):
        return choose_method(config, sample, probe)
    option = size_field(config)
    if option is None or getattr(config, option) != "auto":
        return fit_columns(config, sample)

    def fitted(size: int) -> Reduction:
        return fit_columns(config.model_copy(update={option: size}), sample)

    size, trials = choose_size(option, largest(config, sample), lambda size: probe(fitted(size)), tolerance)
    chosen = fitted(size)
    listed = [{"components": size, "score": round(score, 9)} for size, score in trials]
    return replace(chosen, report={**chosen.report, "trials": listed})


def fit_reduction(config: ReduceConfig, sample: Sample, probe: Callable[[Reduction], float]) -> Reduction:
    """Fit section `reduce`: columns first, then rows in the reduced space."""

    def opened(reduction: Reduction) -> Reduction:
        trains = reduction.projection is not None or reduction.encoder is not None
        return replace(reduction, unfreeze=config.unfreeze and trains)

    columns = resolve_columns(config.columns, sample, lambda tried: probe(opened(tried)), config.tolerance)
    return reduce_rows(config.rows, opened(columns), sample)


@dataclass(frozen=True)
class ProbeTraining:
    """Scores a reduction by the validation metric of the configured network after a few epochs.

    Parameters
    ----------
    cleaner, train, valid
        What stage clean left.
    model, training
        Sections `model` and `train`; a quarter of the epochs, at least three, with their own schedule.
    root
        Workspace of a user's network.
    """

    cleaner: Cleaner
    train: Rows
    valid: Rows
    model: ModelConfig
    training: TrainConfig
    root: Path | None = None

    @property
    def epochs(self) -> int:
        """Epochs of one probe."""
        return min(self.training.epochs, max(3, self.training.epochs // 4))

    def __call__(self, reduction: Reduction) -> float:
        """Return the best epoch's metric on the validation rows."""
        return max(record.valid_metric for record in self.fit(reduction, self.epochs).history)

    def fit(self, reduction: Reduction, epochs: int) -> Fit:
        """Train the network that `reduction` leads to, on every training row."""
        target, seed = self.cleaner.target, self.training.seed
        shape = input_shape(self.model, self.cleaner.plan, reduction)
        network = build_network(self.model, shape, target.outputs, seed=seed, root=self.root)
        graph = build_graph(self.cleaner, reduction, network)
        graph = unfrozen(graph) if reduction.unfreeze else graph
        train, valid = (split_tensors(graph, target, reduction, rows) for rows in (self.train, self.valid))
        task, outputs = target.kind, target.outputs
        return fit(
            graph.network, train, valid, self.training, task=task, outputs=outputs, seed=seed, epochs=epochs
        )
