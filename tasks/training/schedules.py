"""Learning rate schedules: share of the training done, validation losses so far -> factor of the rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

__all__ = ["SCHEDULES", "Schedule", "constant", "cosine", "onecycle", "plateau", "step"]

Schedule = Callable[[float, Sequence[float]], float]

WARM, START, END = 0.3, 1 / 25, 1 / 250_000
PLATEAU_PATIENCE, PLATEAU_FACTOR = 5, 0.3


def _anneal(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def onecycle(done: float, losses: Sequence[float] = ()) -> float:
    """Rise by a cosine from 1/25 to 1 over the first 30 %, then fall to 1/250,000 (Smith and Topin, 2018)."""
    if done < WARM:
        return _anneal(START, 1.0, done / WARM)
    return _anneal(1.0, END, (done - WARM) / (1 - WARM))


def cosine(done: float, losses: Sequence[float] = ()) -> float:
    """Fall by half a cosine from 1 to 0 (Loshchilov and Hutter, 2017)."""
    return _anneal(1.0, 0.0, done)


def step(done: float, losses: Sequence[float] = ()) -> float:
    """Divide by ten after half and after three quarters of the training (He et al., 2016)."""
    return 0.1 ** ((done >= 0.5) + (done >= 0.75))


def plateau(done: float, losses: Sequence[float] = ()) -> float:
    """Multiply by 0.3 each time the validation loss has not improved for five epochs."""
    factor, best, waited = 1.0, math.inf, 0
    for loss in losses:
        waited = 0 if loss < best else waited + 1
        best = min(best, loss)
        if waited == PLATEAU_PATIENCE:
            factor, waited = factor * PLATEAU_FACTOR, 0
    return factor


def constant(done: float, losses: Sequence[float] = ()) -> float:
    """Keep the learning rate."""
    return 1.0


SCHEDULES: dict[str, Schedule] = {
    "onecycle": onecycle,
    "cosine": cosine,
    "step": step,
    "plateau": plateau,
    "constant": constant,
}
