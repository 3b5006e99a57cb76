"""How much is pruned when: the cubic ramp and the shares of iterative rounds."""

from __future__ import annotations

__all__ = ["RAMP", "cubic", "round_amounts"]

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
