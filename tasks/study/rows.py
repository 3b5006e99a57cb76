"""One row a candidate: what its trials reached, over the seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.study.objectives import COSTS

__all__ = ["RIVALS", "Row", "Trial", "aggregate", "complete", "mean", "per_seed"]

RIVALS = frozenset({"random units", "random rows", "small dense", "linear"})
"""Arms of the candidates that ride along as rivals."""

Trial = Mapping[str, Any]
"""The result of one candidate and seed, as `run_trial` returns it."""


@dataclass(frozen=True)
class Row:
    """A candidate: its recipe, and figures that are means over the seeds that finished.

    Attributes
    ----------
    id, name, arm
        As in the trials.
    overrides, recipe
        What it changes in params.yaml, and what came of that: columns, rows, amount, int8.
    headline
        The metric that candidates are judged by.
    valid, test
        Metrics by name, on validation rows and on test rows. Test rows inform no choice.
    bytes, macs, parameters, latency_us, train_seconds
        Costs; None where unknown.
    seeds
        Seeds that finished, ascending.
    failures
        Reasons by seed.
    history
        Validation headline after each epoch of the last training, mean over the seeds.
    trials
        The results themselves, by ascending seed.
    unranked
        Why it has no rank; empty where it has one.
    rank
        1 on the Pareto front, 2 on the front of the others, and so on.
    """

    id: str
    name: str
    arm: str
    overrides: Mapping[str, Any]
    recipe: Mapping[str, Any]
    headline: str
    valid: Mapping[str, float | None]
    test: Mapping[str, float | None]
    bytes: float | None
    macs: float | None
    parameters: float | None
    latency_us: float | None
    train_seconds: float | None
    seeds: tuple[int, ...]
    failures: Mapping[int, str]
    history: tuple[float, ...]
    trials: tuple[Trial, ...]
    unranked: str = ""
    rank: int | None = None

    @property
    def figures(self) -> dict[str, Any]:
        """What objectives are read from."""
        return {"valid": self.valid, **{cost: getattr(self, cost) for cost in COSTS}}

    @property
    def on_front(self) -> bool:
        """Whether no other candidate is as good everywhere and better somewhere."""
        return self.rank == 1

    @property
    def rival(self) -> bool:
        """Whether it rides along as a rival."""
        return self.arm in RIVALS

    @property
    def spread(self) -> float | None:
        """Standard deviation of the validation headline over the seeds; None of fewer than two."""
        values = [value for value in self.per_seed(self.headline).values() if value is not None]
        return statistics.stdev(values) if len(values) > 1 else None

    def per_seed(self, metric: str, part: str = "valid") -> dict[int, float | None]:
        """Values of a metric by seed, of the seeds that finished."""
        return {trial["seed"]: trial[part].get(metric) for trial in self.trials if _done(trial)}


def _done(trial: Trial) -> bool:
    return bool(trial["status"] == "done")


def mean(values: Iterable[float | None]) -> float | None:
    """Mean of the values that are there and finite; None of none."""
    found = [float(value) for value in values if value is not None and math.isfinite(value)]
    return math.fsum(found) / len(found) if found else None


def _means(figures: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    return {name: _whole(figures, name) for name in dict.fromkeys(name for each in figures for name in each)}


def _whole(figures: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """Mean over all finished seeds; None where one of them has no value, so that means stay comparable."""
    values = [each.get(name) for each in figures]
    return None if None in values else mean(values)


def _history(done: Sequence[Trial]) -> tuple[float, ...]:
    """Validation metric by epoch; of as many epochs as every seed has."""
    curves = [[epoch["valid_metric"] for epoch in trial.get("history") or ()] for trial in done]
    points = (mean(values) for values in zip(*curves, strict=False))
    return tuple(point for point in points if point is not None)


def _row(trials: Sequence[Trial]) -> Row:
    ordered = tuple(sorted(trials, key=lambda trial: trial["seed"]))
    done = [trial for trial in ordered if _done(trial)]
    first = (done or ordered)[0]
    return Row(
        id=first["id"],
        name=first["name"],
        arm=first["arm"],
        overrides=first["overrides"],
        recipe=first.get("recipe") or {},
        headline=str(first.get("headline") or ""),
        valid=_means([trial["valid"] for trial in done]),
        test=_means([trial["test"] for trial in done]),
        bytes=_whole(done, "bytes"),
        macs=_whole(done, "macs"),
        parameters=_whole(done, "parameters"),
        latency_us=_whole(done, "latency_us"),
        train_seconds=_whole(done, "train_seconds"),
        seeds=tuple(trial["seed"] for trial in done),
        failures={trial["seed"]: str(trial["reason"]) for trial in ordered if not _done(trial)},
        history=_history(done),
        trials=ordered,
    )


def aggregate(results: Iterable[Trial]) -> list[Row]:
    """Gather trials into one row a candidate, in the order in which candidates first appear.

    A trial given twice, as after a resumed study, counts once: the last one.
    """
    by_candidate: dict[str, dict[int, Trial]] = {}
    for trial in results:
        by_candidate.setdefault(trial["id"], {})[trial["seed"]] = trial
    return [_row(list(trials.values())) for trials in by_candidate.values()]


def complete(rows: Iterable[Row]) -> list[Row]:
    """Rows with all the seeds that any row has, none failed: what can be compared seed by seed."""
    rows = list(rows)
    fullest = max((row.seeds for row in rows), key=len, default=())
    return [row for row in rows if row.seeds == fullest and fullest and not row.failures]


def per_seed(rows: Sequence[Row], read: Callable[[Trial], float | None]) -> npt.NDArray[np.float64]:
    """Values of complete rows, one row a candidate and one column a seed, (n, s); unknown ones NaN."""
    values = [[read(trial) for trial in row.trials] for row in rows]
    return np.array([[math.nan if v is None else float(v) for v in own] for own in values], dtype=np.float64)
