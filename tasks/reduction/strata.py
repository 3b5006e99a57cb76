"""How many rows of each class a subset has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tasks.reduction.sample import refusal

__all__ = ["Indices", "by_class", "level_shares", "shares_of", "stratified", "subset_size"]

Indices: TypeAlias = NDArray[np.int64]


def subset_size(n: int, factor: float) -> int:
    """Rows in a subset: the nearest whole number to `factor` x `n`, at least one."""
    return max(1, round(factor * n))


def shares_of(size: int, counts: NDArray[Any]) -> Indices:
    """Divide `size` rows over strata of `counts` rows, in proportion, by largest remainder (Hamilton).

    Examples
    --------
    >>> shares_of(4, np.array([5, 3, 2])).tolist()
    [2, 1, 1]
    """
    exact = size * counts / counts.sum()
    whole = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - whole), kind="stable")
    whole[order[: size - whole.sum()]] += 1
    return np.asarray(whole, dtype=np.int64)


def level_shares(size: int, counts: NDArray[Any]) -> Indices:
    """Divide `size` rows over strata of `counts` rows as evenly as they can give.

    Examples
    --------
    >>> level_shares(9, np.array([5, 1, 8])).tolist()
    [4, 1, 4]
    """
    shares, left = np.zeros(len(counts), dtype=np.int64), size
    order = np.argsort(counts, kind="stable")
    for done, i in enumerate(order):
        shares[i] = min(int(counts[i]), left // (len(counts) - done))
        left -= shares[i]
    return shares


def by_class(y: NDArray[Any], task: str, *, balanced: bool = False) -> list[Indices]:
    """Rows of each class; all rows as one stratum for a numeric target.

    Raises
    ------
    EspalierError
        When classes of equal size are asked of a numeric target.
    """
    if task == "classification":
        return [np.flatnonzero(y == label) for label in np.unique(y)]
    if balanced:
        raise refusal("rows.balanced", "a numeric target has no classes to balance", True, "set it to false")
    return [np.arange(len(y))]


def stratified(
    strata: Sequence[Indices], factor: float, choose: Callable[[Indices, int], NDArray[Any]], balanced: bool
) -> Indices:
    """Choose `subset_size` rows, each stratum its share (or as many as the others); ascending positions."""
    counts = np.array([len(rows) for rows in strata])
    divide = level_shares if balanced else shares_of
    quota = divide(subset_size(int(counts.sum()), factor), counts)
    chosen = [choose(rows, int(k)) for rows, k in zip(strata, quota, strict=True) if k]
    return np.sort(np.concatenate(chosen)).astype(np.int64)
