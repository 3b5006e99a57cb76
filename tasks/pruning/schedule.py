"""How much is pruned when: the ramps of gradual pruning and the shares of iterative rounds."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["RAMP", "RAMPS", "cubic", "exponential", "linear", "round_amount", "round_amounts"]

RAMP = 0.6
"""Share of the epochs over which a gradual schedule prunes; the rest recovers at the final sparsity."""


def cubic(step: int, steps: int, final: float, initial: float = 0.0) -> float:
    """Sparsity after `step` of `steps`: fast while much is redundant, slow towards the end.

    ``s_t = s_f + (s_i - s_f) * (1 - t / n) ** 3`` for t in [0, n], and s_f after it
    (Zhu & Gupta, 2017, "To prune, or not to prune").

    Parameters
    ----------
    step : int
        t, at least 0.
    steps : int
        n, the length of the ramp; 0 means that the final sparsity holds at once.
    final, initial : float
        Sparsities in [0, 1].

    Examples
    --------
    >>> [round(cubic(t, 4, 0.8), 4) for t in range(6)]
    [0.0, 0.4625, 0.7, 0.7875, 0.8, 0.8]
    """
    if step >= steps:
        return final
    return final + (initial - final) * (1 - step / steps) ** 3


def linear(step: int, steps: int, final: float, initial: float = 0.0) -> float:
    """Sparsity after `step` of `steps`, the same number of weights at each: ``s_i + (s_f - s_i) t / n``.

    Examples
    --------
    >>> [round(linear(t, 4, 0.8), 4) for t in range(6)]
    [0.0, 0.2, 0.4, 0.6, 0.8, 0.8]
    """
    return final if step >= steps else initial + (final - initial) * step / steps


def exponential(step: int, steps: int, final: float, initial: float = 0.0) -> float:
    """Sparsity after `step` of `steps`, the same share of what is left at each.

    ``1 - s_t = (1 - s_i) ((1 - s_f) / (1 - s_i)) ** (t / n)``: iterative rounds, made an epoch long. A final
    sparsity of 1 is neared through 0.999.

    Examples
    --------
    >>> [round(exponential(t, 4, 0.9375), 4) for t in range(6)]
    [0.0, 0.5, 0.75, 0.875, 0.9375, 0.9375]
    """
    if step >= steps or initial >= 1.0:
        return final
    left = max(1 - final, _NEARLY_ALL) / (1 - initial)
    return 1 - (1 - initial) * float(left ** (step / steps))


RAMPS: dict[str, Callable[..., float]] = {"cubic": cubic, "linear": linear, "exponential": exponential}
"""`prune.shape` -> (step, steps, final[, initial]) -> sparsity."""

_NEARLY_ALL = 1e-3


def round_amounts(amount: float, rounds: int) -> tuple[float, ...]:
    """Cumulative shares removed after each round; every round removes the same share of what is left.

    ``s_r = 1 - (1 - s) ** (r / R)`` (Frankle & Carbin, 2019), the last exactly `amount`.

    Examples
    --------
    >>> [round(share, 3) for share in round_amounts(0.875, 3)]
    [0.5, 0.75, 0.875]
    """
    shares = (1 - (1 - amount) ** (r / rounds) for r in range(1, rounds))
    return (*shares, amount)


def round_amount(amount: float, rounds: int, number: int) -> float:
    """Cumulative share removed after round `number` of `rounds`, counted from 1."""
    return round_amounts(amount, rounds)[number - 1]
