"""The numeric half of the fitted cleaner: from numeric rows to features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["NumericPlan"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class NumericPlan:
    """One-hot, indicate, impute, clip and scale, as arrays.

    A numeric row has p cells: q numbers first, then category codes (0, 1, ...; NaN = missing or unseen).
    Its d features are ``[q numbers | one-hot levels, column by column | missing indicators]``; each is
    ``(value - mean) / scale``, where a number is first filled where NaN, then clipped to [low, high].
    A NaN code has an all-zero one-hot block.

    Attributes
    ----------
    names : tuple of str, length p
    levels : tuple of int, length p
        0 for a number, else the count of one-hot levels.
    fill, low, high : ndarray of float32, shape (p,)
        Infinite bounds clip nothing; entries of category columns are unused (0, -inf, inf).
    indicator : tuple of int
        Number columns whose missingness is a feature of its own, ascending.
    mean, scale : ndarray of float32, shape (d,)
        0 and 1 for one-hot levels and indicators.
    positions : tuple of int, length p, or None
        Cell of the flattened grid each numeric column stands in, when the source is a grid.
    shape : tuple of int, or None
        The grid, channels first.
    """

    names: tuple[str, ...]
    levels: tuple[int, ...]
    fill: Floats
    low: Floats
    high: Floats
    indicator: tuple[int, ...]
    mean: Floats
    scale: Floats
    positions: tuple[int, ...] | None = None
    shape: tuple[int, ...] | None = None

    @property
    def numbers(self) -> int:
        """Count q of number columns."""
        return sum(level == 0 for level in self.levels)

    @property
    def width(self) -> int:
        """Count d of features."""
        return len(self.mean)

    @property
    def owner(self) -> npt.NDArray[np.int64]:
        """The numeric column each feature comes from, shape (d,)."""
        categories = np.repeat(np.arange(len(self.names)), self.levels)
        return np.concatenate([np.arange(self.numbers), categories, self.indicator]).astype(np.int64)

    def transform(self, X: Floats) -> Floats:
        """Return the features (n, d) of numeric rows (n, p); no NaN comes out."""
        q = self.numbers
        numbers = X[:, :q]
        filled = np.where(np.isnan(numbers), self.fill[:q], numbers)
        blocks = [np.clip(filled, self.low[:q], self.high[:q])]
        blocks += [_one_hot(X[:, i], self.levels[i]) for i in range(q, len(self.names))]
        blocks.append(np.isnan(numbers[:, list(self.indicator)]).astype(np.float32))
        features: Floats = np.concatenate(blocks, axis=1, dtype=np.float32)
        features -= self.mean
        features /= self.scale
        return features

    def select(self, positions: Sequence[int]) -> NumericPlan:
        """Return the plan of the numeric columns at `positions` (strictly ascending).

        ``plan.select(s).transform(X[:, s])`` equals the features of ``plan.transform(X)`` owned by `s`.

        Raises
        ------
        ValueError
            When positions are not strictly ascending or out of range.
        """
        kept = np.asarray(positions, dtype=np.int64)
        _check_positions(kept, len(self.names))
        features = np.isin(self.owner, kept)
        place = {int(old): new for new, old in enumerate(kept)}
        return replace(
            self,
            names=tuple(self.names[i] for i in kept),
            levels=tuple(self.levels[i] for i in kept),
            fill=self.fill[kept],
            low=self.low[kept],
            high=self.high[kept],
            indicator=tuple(place[i] for i in self.indicator if i in place),
            mean=self.mean[features],
            scale=self.scale[features],
            positions=None if self.positions is None else tuple(self.positions[i] for i in kept),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form; infinite bounds become null."""
        return {
            "names": list(self.names),
            "levels": list(self.levels),
            "fill": self.fill.tolist(),
            "low": _bounds_out(self.low),
            "high": _bounds_out(self.high),
            "indicator": list(self.indicator),
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "positions": None if self.positions is None else list(self.positions),
            "shape": None if self.shape is None else list(self.shape),
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> NumericPlan:
        """Rebuild from `to_dict`."""
        return cls(
            names=tuple(document["names"]),
            levels=tuple(document["levels"]),
            fill=np.asarray(document["fill"], np.float32),
            low=_bounds_in(document["low"], -np.inf),
            high=_bounds_in(document["high"], np.inf),
            indicator=tuple(document["indicator"]),
            mean=np.asarray(document["mean"], np.float32),
            scale=np.asarray(document["scale"], np.float32),
            positions=None if document["positions"] is None else tuple(document["positions"]),
            shape=None if document["shape"] is None else tuple(document["shape"]),
        )


def _one_hot(codes: Floats, levels: int) -> Floats:
    hot: Floats = (codes[:, None] == np.arange(levels)).astype(np.float32)
    return hot


def _check_positions(kept: npt.NDArray[np.int64], columns: int) -> None:
    ascending = bool(np.all(np.diff(kept) > 0))
    inside = not len(kept) or (kept[0] >= 0 and kept[-1] < columns)
    if not ascending or not inside:
        raise ValueError(f"positions must be strictly ascending within 0..{columns - 1}, got {kept.tolist()}")


def _bounds_out(bounds: Floats) -> list[float | None]:
    return [float(bound) if np.isfinite(bound) else None for bound in bounds]


def _bounds_in(bounds: list[float | None], absent: float) -> Floats:
    return np.asarray([absent if bound is None else bound for bound in bounds], np.float32)
