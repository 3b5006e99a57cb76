"""How fast models answer, timed side by side: what differs from run to run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Ratio", "interleave", "per_round", "ratio"]

Call = Callable[[], object]
Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ratio:
    """How many times faster a model is: the median over rounds, and where 95 % of the rounds lie."""

    ratio: float
    low: float
    high: float


def _timed(call: Call, loops: int) -> Times:
    """Time each of ``loops`` calls."""
    marks = np.empty(loops + 1, dtype=np.int64)
    marks[0] = time.perf_counter_ns()
    for i in range(loops):
        call()
        marks[i + 1] = time.perf_counter_ns()
    return np.diff(marks) / 1e9


def _loops(call: Call, seconds: float, most: int) -> int:
    """Count the calls that take about ``seconds``, at least one; trying also warms the model up."""
    once = float(np.median(_timed(call, 3)))
    return int(np.clip(seconds / max(once, 1e-9), 1, most))


def interleave(
    calls: Mapping[str, Call], *, rounds: int, seconds: float = 0.004, most: int = 200
) -> dict[str, Times]:
    """Time calls in turn, round by round, so that a slow spell of the machine hits all of them alike.

    Parameters
    ----------
    calls
        What to time, by name.
    rounds
        Rounds; each starts with another model. One more round goes first, to warm up, and is not kept.
    seconds, most
        How long a model is timed in one round, and with how many calls at the most.

    Returns
    -------
    dict
        Seconds of every call, (rounds, calls a round), by name.
    """
    loops = {name: _loops(call, seconds, most) for name, call in calls.items()}
    kept: dict[str, list[Times]] = {name: [] for name in calls}
    names = list(calls)
    for turn in range(rounds + 1):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            times = _timed(calls[name], loops[name])
            if turn:
                kept[name].append(times)
    return {name: np.stack(times) for name, times in kept.items()}


def per_round(times: Times) -> Times:
    """Median of each round, (rounds,)."""
    medians: Times = np.median(times, axis=1)
    return medians


def ratio(reference: Times, model: Times) -> Ratio:
    """Compare a model with the reference, round by round.

    Parameters
    ----------
    reference, model
        Times of `interleave`, the same rounds.
    """
    ratios = per_round(reference) / per_round(model)
    low, middle, high = np.quantile(ratios, [0.025, 0.5, 0.975])
    return Ratio(float(middle), float(low), float(high))
