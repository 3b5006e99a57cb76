"""The bisection behind every `auto`: the most aggressive setting that is still good enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Found", "Probe", "most_aggressive"]

T = TypeVar("T")


@dataclass(frozen=True)
class Probe(Generic[T]):
    """One setting tried and the score it reached (larger is better)."""

    value: T
    score: float


@dataclass(frozen=True)
class Found(Generic[T]):
    """What a search settled on.

    Parameters
    ----------
    value, score
        The setting and its score.
    probes
        Everything tried, in order.
    met
        Whether the score reaches the floor; False only when not even the gentlest setting does.
    """

    value: T
    score: float
    probes: tuple[Probe[T], ...]
    met: bool


def most_aggressive(ladder: Sequence[T], probe: Callable[[T], float], floor: float) -> Found[T]:
    """Find the most aggressive rung whose score is at least `floor`.

    Bisection: scores are taken to fall along the ladder, near enough that a rung that passes makes gentler
    ones not worth trying. The rung returned has itself been probed and passed.

    Parameters
    ----------
    ladder
        Settings from gentle to aggressive, at least one.
    probe
        Score of a setting; called at most ``ceil(log2(len(ladder) + 1))`` times, never twice for a rung.
    floor
        Smallest score that is good enough; a NaN score never is.

    Returns
    -------
    The rung found; the gentlest, with `met` False, when none probed is good enough.

    Examples
    --------
    >>> found = most_aggressive([0.0, 0.2, 0.4, 0.6, 0.8], lambda amount: 1 - amount**2, floor=0.6)
    >>> found.value, len(found.probes)
    (0.6, 3)
    """
    if not ladder:
        raise ValueError("the ladder has no rungs")
    low, high = -1, len(ladder)  # rungs up to low pass, from high on fail
    probes: list[Probe[T]] = []
    best: Probe[T] | None = None
    while high - low > 1:
        middle = (low + high) // 2
        probes.append(tried := Probe(ladder[middle], probe(ladder[middle])))
        if tried.score >= floor:
            low, best = middle, tried
        else:
            high = middle
    settled = best or probes[-1]  # without a pass the bisection ends on the gentlest rung
    return Found(settled.value, settled.score, tuple(probes), best is not None)
