"""How much each layer matters: the validation metric with a share of that layer alone removed, untrained.

A layer here is whatever a step takes shares of: units or weights of one layer, its rank, a residual block, or
the raw columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate

import numpy as np
from torch import nn

__all__ = ["SHARES", "Curves", "allocate", "measure", "rows_of"]

SHARES: tuple[float, ...] = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
"""Shares that are tried; 1 leaves the most important element."""

TILT = 1e-3
"""Metric that a whole layer costs where nothing else tells layers apart: these lose alike."""

Curves = dict[str, tuple[tuple[float, float], ...]]
"""Layer -> (share removed, validation metric), the first with share 0."""


def measure(
    layers: Iterable[str],
    without: Callable[[str, float], nn.Module],
    score: Callable[[nn.Module], float],
    dense: nn.Module,
    shares: Sequence[float] = SHARES,
) -> Curves:
    """Score the network without a share of one layer at a time (Li et al., 2017).

    Parameters
    ----------
    without
        (layer, share) -> the network less the layer's least important share.
    score
        Validation metric, larger is better.
    dense
        The network with everything in it.
    shares
        That are tried; ``(1.0,)`` where a layer leaves as a whole.
    """
    whole = score(dense)
    return {
        layer: ((0.0, whole), *((share, score(without(layer, share))) for share in shares))
        for layer in layers
    }


def allocate(curves: Curves, sizes: Mapping[str, int], amount: float) -> dict[str, float]:
    """Divide an overall amount among the layers so that each alone would cost the same metric.

    With c_l(s) the largest metric that layer l has cost up to share s, linear between the shares tried, the
    shares are ``s_l = c_l^-1(t)`` at the level t where ``sum_l n_l s_l = amount * sum_l n_l``.

    Parameters
    ----------
    sizes : mapping of str to int
        n_l, units or weights.

    Examples
    --------
    >>> curves = {"a": ((0.0, 0.9), (1.0, 0.8)), "b": ((0.0, 0.9), (1.0, 0.6))}
    >>> {name: round(share, 2) for name, share in allocate(curves, {"a": 10, "b": 10}, 0.5).items()}
    {'a': 0.75, 'b': 0.25}
    """
    costs = {layer: _costs(points) for layer, points in curves.items()}
    wanted = amount * sum(sizes[layer] for layer in curves)
    low, high = 0.0, max(cost[-1] for _, cost in costs.values())
    for _ in range(100):
        level = (low + high) / 2
        short = sum(sizes[layer] * share for layer, share in _at(costs, level).items()) < wanted
        low, high = (level, high) if short else (low, level)
    return _at(costs, high)


def rows_of(curves: Curves) -> list[dict[str, float | str | None]]:
    """Return the curves as rows: layer, share, metric (null where it is not finite)."""
    return [
        {"layer": layer, "share": share, "metric": metric if np.isfinite(metric) else None}
        for layer, points in curves.items()
        for share, metric in points
    ]


def _costs(points: tuple[tuple[float, float], ...]) -> tuple[list[float], list[float]]:
    """Return shares and what they cost, strictly rising."""
    whole = points[0][1]
    lost = (whole - metric if np.isfinite(metric) else 1e9 for _, metric in points)
    rising = accumulate(lost, max)
    shares = [share for share, _ in points]
    return shares, [max(cost, 0.0) + TILT * share for share, cost in zip(shares, rising, strict=True)]


def _at(costs: Mapping[str, tuple[list[float], list[float]]], level: float) -> dict[str, float]:
    return {layer: float(np.interp(level, cost, shares)) for layer, (shares, cost) in costs.items()}
