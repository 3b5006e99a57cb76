"""Rows as the numeric half of the pipeline sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Rows"]


@dataclass(frozen=True, eq=False)
class Rows:
    """Numeric rows with their targets.

    Attributes
    ----------
    X : ndarray of float32, shape (n, p)
        Numeric rows; NaN is a missing cell.
    y : ndarray, shape (n,)
        int64 class codes, or the float64 regression target in its original units.
    index : ndarray of int64, shape (n,)
        The row's number in the raw frame, from 0.
    """

    X: npt.NDArray[np.float32]
    y: npt.NDArray[np.int64] | npt.NDArray[np.float64]
    index: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.index)

    def take(self, indices: Sequence[int] | npt.NDArray[np.int64]) -> Rows:
        """Return the rows at `indices`, in that order."""
        chosen = np.asarray(indices, dtype=np.int64)
        return Rows(self.X[chosen], self.y[chosen], self.index[chosen])

    def take_columns(self, positions: Sequence[int] | npt.NDArray[np.int64]) -> Rows:
        """Return the same rows with the numeric columns at `positions` only."""
        chosen = np.asarray(positions, dtype=np.int64)
        return Rows(np.ascontiguousarray(self.X[:, chosen]), self.y, self.index)
