"""The reduced space as the training rows filled it: its moments, and how much of a row it expresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.reduction.reduction import Affine, encode

__all__ = ["Moments", "Space"]

Array = npt.NDArray[Any]
AXES = 32  # principal axes kept
ROWS_OF_AN_AXIS = 10  # of the reference, and of a batch, for each axis that is looked at
LIMIT = 4.0  # standard deviations beyond which a coordinate counts no more
LEAST = 1e-6  # share of the largest variance below which an axis is noise
ROWS = 50_000  # rows that moments and the way back are learned from


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean (r,) and covariance (r, r) of rows."""

    mean: Array
    covariance: Array
    rows: int

    @classmethod
    def of(cls, u: Array) -> Moments:
        """Take the moments of coordinates (n, r)."""
        rows, axes = u.shape
        covariance = np.cov(u, rowvar=False).reshape(axes, axes) if axes else np.zeros((0, 0))
        return cls(u.mean(axis=0), covariance, rows)

    def first(self, axes: int) -> Moments:
        """Return those of the first axes."""
        return Moments(self.mean[:axes], self.covariance[:axes, :axes], self.rows)


@dataclass(frozen=True, eq=False)
class Space:
    """The network's input as a space of its own.

    Features x (d) become z = reduce(x) (k); the way back is the least-squares map of the training rows,
    x ~ z D + c, which for principal components is their transpose. Coordinates u = (z - center) A are the
    principal axes of z, each of variance one on the training rows.

    Attributes
    ----------
    maps : tuple of (W, b)
        Affine maps in turn, max(0, z) between them; none where the reduction projects nothing.
    back : (D, c) or None
        (k, d) and (d,); None without maps.
    center, axes : ndarray, shapes (k,) and (k, r)
    moments : Moments
        Of the training rows' coordinates, each held within four standard deviations: a mean of few rows is
        normal then, however heavy the tails.
    """

    maps: tuple[Affine, ...]
    back: Affine | None
    center: Array
    axes: Array
    moments: Moments

    @classmethod
    def fit(cls, features: Array, maps: Sequence[Affine]) -> Space:
        """Learn from the training rows' features (n, d); of more than 50,000 rows evenly spread ones do."""
        x = np.asarray(features[:: max(1, -(-len(features) // ROWS))], np.float64)
        z = encode(maps, x) if maps else x
        center = z.mean(axis=0)
        values, vectors = np.linalg.eigh(np.cov(z, rowvar=False).reshape(z.shape[1], z.shape[1]))
        order = np.argsort(values, kind="stable")[::-1][: min(AXES, len(x) // ROWS_OF_AN_AXIS)]
        order = order[values[order] > LEAST * max(values.max(), 1e-30)]
        axes = vectors[:, order] / np.sqrt(values[order])
        moments = Moments.of(_held((z - center) @ axes))
        return cls(tuple(maps), _way_back(z, x) if maps else None, center, axes, moments)

    def reduce(self, features: Array) -> Array:
        """Return z (n, k) of features (n, d)."""
        x = np.asarray(features, np.float64)
        return encode(self.maps, x) if self.maps else x

    def errors(self, features: Array) -> Array | None:
        """Return how much of each row is lost, the mean of (x - z D - c)^2 over d; None without maps."""
        if self.back is None:
            return None
        D, c = self.back
        lost: Array = ((features - (self.reduce(features) @ D + c)) ** 2).mean(axis=1)
        return lost

    def distances(self, features: Array) -> Array:
        """Return each row's distance from the centre, |u| / sqrt(r) (Mahalanobis, 1936)."""
        u = (self.reduce(features) - self.center) @ self.axes
        found: Array = np.sqrt((u**2).sum(axis=1) / max(1, u.shape[1]))
        return found

    def moments_of(self, features: Array) -> Moments:
        """Return a batch's moments, on as many axes as its rows allow; at least one."""
        axes = self.axes[:, : max(1, len(features) // ROWS_OF_AN_AXIS)]
        return Moments.of(_held((self.reduce(features) - self.center) @ axes))

    def to_dict(self) -> dict[str, Any]:
        """Return what is no array."""
        return {"maps": len(self.maps), "rows": self.moments.rows}

    def arrays(self) -> dict[str, Array]:
        """Return the arrays by name; matrices of the reducer in float32, as the model has them."""
        named = {"center": self.center, "axes": self.axes}
        named |= {"mean": self.moments.mean, "covariance": self.moments.covariance}
        for i, (W, b) in enumerate(self.maps):
            named |= {f"map{i}.W": W.astype(np.float32), f"map{i}.b": b.astype(np.float32)}
        if self.back is not None:
            D, c = self.back
            named |= {"back.D": D.astype(np.float32), "back.c": c.astype(np.float32)}
        return named

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], arrays: Mapping[str, Array]) -> Space:
        """Rebuild from `to_dict` and `arrays`."""
        maps = tuple((arrays[f"map{i}.W"], arrays[f"map{i}.b"]) for i in range(document["maps"]))
        back = (arrays["back.D"], arrays["back.c"]) if maps else None
        moments = Moments(arrays["mean"], arrays["covariance"], int(document["rows"]))
        return cls(maps, back, arrays["center"], arrays["axes"], moments)


def _held(u: Array) -> Array:
    return np.clip(u, -LIMIT, LIMIT)


def _way_back(z: Array, x: Array) -> Affine:
    """Return D (k, d) and c (d,) of the least squares min |x - z D - c|^2."""
    centre, mean = z.mean(axis=0), x.mean(axis=0)
    D: Array = np.linalg.lstsq(z - centre, x - mean, rcond=None)[0]
    return D, mean - centre @ D
