"""One figure for many candidates: what they reach at every size, chosen without looking at the test rows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Point", "chosen", "hypervolume"]


@dataclass(frozen=True)
class Point:
    """A candidate: size in bytes, metric on validation rows and on test rows (larger is better)."""

    bytes: float
    valid: float
    test: float


def chosen(points: Iterable[Point]) -> list[Point]:
    """Return the candidates taken as more bytes are allowed: the best on validation rows that fit so far.

    Of equally good ones the smaller; from the smallest to the largest.
    """
    taken: list[Point] = []
    for point in sorted(points, key=lambda point: (point.bytes, -point.valid)):
        if not taken or point.valid > taken[-1].valid:
            taken.append(point)
    return taken


def hypervolume(points: Iterable[Point], floor: float, ceiling: float) -> float:
    """Area between the metric of what would be chosen and a floor, over the decimal logarithm of its size.

    ``H = integral over log10 b, b <= ceiling, of max(0, test(best valid one with bytes <= b) - floor)``

    Of the two-dimensional hypervolume (Zitzler and Thiele, 1998) with the reference point (ceiling, floor) it
    differs in who belongs to the front: validation rows say that, test rows only what the front is worth.

    Parameters
    ----------
    points
        All candidates of one method.
    floor
        Metric below which nothing counts.
    ceiling
        Bytes beyond which nothing counts.

    Examples
    --------
    >>> hypervolume([Point(10, 0.9, 0.8), Point(100, 0.8, 0.9)], floor=0.5, ceiling=1000)
    0.6
    """
    front = chosen(point for point in points if point.bytes < ceiling)
    ends = [*(point.bytes for point in front), ceiling][1:]
    areas = [
        max(0.0, point.test - floor) * math.log10(end / point.bytes)
        for point, end in zip(front, ends, strict=True)
    ]
    return round(math.fsum(areas), 12)
