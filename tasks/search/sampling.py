"""Points of a search space one after the other: at random, by TPE, or by NSGA-II. Wraps Optuna."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.trial import Trial

__all__ = ["SAMPLERS", "Asked", "Draw", "Method", "Sampler"]

Method = Literal["random", "tpe", "nsga2"]


class Draw(Protocol):
    """Where the coordinates of one point come from."""

    def item(self, name: str, count: int) -> int:
        """Draw the place of one of `count` values."""

    def number(self, name: str, low: float, high: float, *, log: bool, step: float | None) -> float:
        """Draw a number from low to high."""

    def whole(self, name: str, low: int, high: int, *, log: bool, step: int) -> int:
        """Draw a whole number from low to high."""


Suggest: TypeAlias = Callable[[Draw], Mapping[str, Any]]


@dataclass(frozen=True)
class Asked:
    """A point, and the number it is told by."""

    number: int
    point: Mapping[str, Any]


@dataclass(frozen=True)
class _Trial:
    """An Optuna trial as a `Draw`."""

    trial: Trial

    def item(self, name: str, count: int) -> int:
        return int(self.trial.suggest_categorical(name, list(range(count))))

    def number(self, name: str, low: float, high: float, *, log: bool, step: float | None) -> float:
        return self.trial.suggest_float(name, low, high, log=log, step=step)

    def whole(self, name: str, low: int, high: int, *, log: bool, step: int) -> int:
        return self.trial.suggest_int(name, low, high, log=log, step=step)


class Sampler:
    """Asks for points, is told what came of them, and asks for better ones.

    A point depends on the seed and on what was told before it was asked for, in that order; so a study that
    asks and tells in rounds of fixed size gives the same points whatever its runners' timing.

    Parameters
    ----------
    method
        'random' | 'tpe': tree of Parzen estimators (Bergstra et al., 2011) | 'nsga2' (Deb et al., 2002).
    suggest
        Draws one point; which coordinates there are may depend on those drawn before.
    objectives
        Count of values told for a point, all of them to be made small.
    seed
        Of every draw.
    round_size
        Points asked for before any of them is told: the population of nsga2, the random start of tpe.
    """

    def __init__(
        self, method: Method, suggest: Suggest, *, objectives: int, seed: int, round_size: int
    ) -> None:
        import optuna

        self._suggest = suggest
        self._open: dict[int, Trial] = {}
        with _quiet():
            self._study = optuna.create_study(
                sampler=SAMPLERS[method](seed, round_size), directions=["minimize"] * objectives
            )

    def ask(self) -> Asked:
        """Return the next point."""
        with _quiet():
            trial = self._study.ask()
            point = self._suggest(_Trial(trial))
        self._open[trial.number] = trial
        return Asked(trial.number, point)

    def tell(self, number: int, values: Sequence[float] | None, violations: Sequence[float] = ()) -> None:
        """Say what came of a point.

        Parameters
        ----------
        number
            As it was asked.
        values
            One number an objective; None when there is no result.
        violations
            How far each constraint is broken; 0 or less where it is kept. The same count for every point.
        """
        from optuna.trial import TrialState

        trial = self._open.pop(number)
        with _quiet():
            if values is None:
                self._study.tell(trial, state=TrialState.FAIL)
                return
            for place, violation in enumerate(violations):
                trial.set_constraint(f"constraint {place}", violation)
            self._study.tell(trial, list(values))


def _random(seed: int, _: int) -> BaseSampler:
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=seed)


def _tpe(seed: int, round_size: int) -> BaseSampler:
    """Estimate jointly, in groups of coordinates that occur together."""
    from optuna.samplers import TPESampler

    return TPESampler(seed=seed, n_startup_trials=round_size, multivariate=True, group=True)


def _nsga2(seed: int, round_size: int) -> BaseSampler:
    from optuna.samplers import NSGAIISampler

    return NSGAIISampler(seed=seed, population_size=max(2, round_size))


SAMPLERS: dict[Method, Callable[[int, int], BaseSampler]] = {"random": _random, "tpe": _tpe, "nsga2": _nsga2}
"""(seed, round size) -> Optuna's sampler, by method."""


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna's log, and its remarks on experimental options, out of a study's output."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            yield
        finally:
            optuna.logging.set_verbosity(level)
