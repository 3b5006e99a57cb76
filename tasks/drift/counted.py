"""A distribution as counts: numbers by quantile bins, levels by name."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Bins", "Levels", "Shape"]

Array = npt.NDArray[Any]
BINS = 20
ROWS_OF_A_BIN = 10
FEWEST_BINS = 5
NAMED = 50
ROWS_OF_A_NAME = 5  # a level of fewer rows is told by nobody's name
OTHER, NEW = "other known", "never seen"


@dataclass(frozen=True)
class Shape:
    """Shares of two samples by bin or level, to be drawn.

    Attributes
    ----------
    labels : tuple of str
    reference, batch : tuple of float
        Shares that add up to 1.
    """

    labels: tuple[str, ...]
    reference: tuple[float, ...]
    batch: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Bins:
    """Numbers by bins: below all of them, between their quantiles, above all of them.

    Twentieths, or of few rows fewer: ten rows a bin, and five bins at least.

    Bin i holds e_(i-1) < x <= e_i, so that a value that many rows share stays in one bin.

    Attributes
    ----------
    edges : ndarray of float64, shape (B - 1,)
        Ascending; the first is just below the smallest number, the last is the largest.
    counts : ndarray of int64, shape (B,)
        Rows of the reference.
    """

    edges: Array
    counts: Array

    @classmethod
    def fit(cls, values: Array) -> Bins:
        """Bin numbers (n,); those that are not finite are left out."""
        known = np.asarray(values, np.float64)
        known = known[np.isfinite(known)]
        if not len(known):
            return cls(np.zeros(0), np.zeros(1, np.int64))
        bins = min(BINS, max(FEWEST_BINS, len(known) // ROWS_OF_A_BIN))
        inner = np.quantile(known, np.linspace(0, 1, bins + 1)[1:], method="inverted_cdf")
        edges = np.unique(np.append(inner, np.nextafter(known.min(), -np.inf)))
        return cls(edges, _counted(edges, known))

    def count(self, values: Array) -> Array:
        """Return the counts (B,) of other numbers in these bins."""
        known = np.asarray(values, np.float64)
        return _counted(self.edges, known[np.isfinite(known)])

    def shape(self, batch: Array) -> Shape:
        """Return both shares by bin, from the batch's counts."""
        ends = [_number(edge) for edge in self.edges]
        first = f"< {ends[1]}" if len(ends) > 1 else f"< {ends[0]}" if ends else ""
        labels = (first, *(f"to {end}" for end in ends[1:]), f"> {ends[-1]}" if ends else "")
        return _shape(labels[: len(self.counts)], self.counts, batch)

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form."""
        return {"edges": self.edges.tolist(), "counts": self.counts.tolist()}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Bins:
        """Rebuild from `to_dict`."""
        return cls(np.asarray(document["edges"], np.float64), np.asarray(document["counts"], np.int64))


def _counted(edges: Array, values: Array) -> Array:
    return np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)


def _number(value: float) -> str:
    return f"{value:.4g}"


@dataclass(frozen=True, eq=False)
class Levels:
    """Levels by name: the commonest, all other known ones together, those never seen before.

    How often a row brings a level that no other row has is told by the levels of one row alone (Good, 1953):
    these are the reference's count of levels never seen.

    Attributes
    ----------
    names : tuple of str
        Levels counted apart.
    counts : ndarray of int64, shape (L + 2,)
        Rows of the reference: each name, other known levels, levels of one row alone.
    known : ndarray of uint32
        CRC-32 of every level of the reference: rare ones may name a person, so they are not kept readable.
    """

    names: tuple[str, ...]
    counts: Array
    known: Array

    @classmethod
    def fit(cls, levels: Sequence[str]) -> Levels:
        """Count levels (n,)."""
        found = Counter(levels)
        order = sorted(found, key=lambda name: (-found[name], name))
        names = tuple(name for name in order[:NAMED] if found[name] >= ROWS_OF_A_NAME)
        apart = [found[name] for name in names]
        alone = sum(count == 1 for count in found.values())
        counts = np.array([*apart, len(levels) - sum(apart) - alone, alone], np.int64)
        return cls(names, counts, np.unique(np.array([_code(name) for name in found], np.uint32)))

    def count(self, levels: Sequence[str]) -> Array:
        """Return the counts (L + 2,) of other levels."""
        found, place = Counter(levels), {name: i for i, name in enumerate(self.names)}
        counts = np.zeros(len(self.names) + 2, np.int64)
        new = self.new(found)
        for name, rows in found.items():
            counts[place.get(name, len(self.names) + (name in new))] += rows
        return counts

    def new(self, levels: Mapping[str, int]) -> dict[str, int]:
        """Return the levels never seen with their rows, of levels with theirs."""
        known = set(self.known.tolist())
        return {name: rows for name, rows in levels.items() if _code(name) not in known}

    def shape(self, batch: Array) -> Shape:
        """Return both shares by level, from the batch's counts."""
        return _shape((*self.names, OTHER, NEW), self.counts, batch)

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form."""
        return {
            "names": list(self.names),
            "counts": self.counts.tolist(),
            "known": [f"{code:08x}" for code in self.known.tolist()],
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Levels:
        """Rebuild from `to_dict`."""
        known = np.array([int(code, 16) for code in document["known"]], np.uint32)
        return cls(tuple(document["names"]), np.asarray(document["counts"], np.int64), known)


def _code(level: str) -> int:
    return zlib.crc32(level.encode(errors="replace"))


def _shape(labels: Sequence[str], reference: Array, batch: Array) -> Shape:
    r, b = (counts / max(1, counts.sum()) for counts in (reference, batch))
    return Shape(tuple(labels), tuple(r.tolist()), tuple(b.tolist()))
