"""A raw column as the training rows had it: missing cells, and the distribution of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tasks.drift.counted import Bins, Levels
from tasks.drift.reading import Cells, read_cells

__all__ = ["Column", "Counted", "counted", "counted_from_dict"]

Counted = Bins | Levels


@dataclass(frozen=True, eq=False)
class Column:
    """What is kept of a column.

    Attributes
    ----------
    name : str
    entry : mapping
        How its cells are read, see `read_cells`.
    read : bool
        Whether the model reads it.
    rows, missing : int
        Training rows, and those without a value (unreadable ones not counted).
    parts : mapping
        Distribution of its values, by what they are of it.
    """

    name: str
    entry: Mapping[str, Any]
    read: bool
    rows: int
    missing: int
    parts: Mapping[str, Counted]

    @classmethod
    def fit(cls, cells: pd.Series, entry: Mapping[str, Any], missing: Sequence[str], *, read: bool) -> Column:
        """Summarise the training rows' cells (n,)."""
        found = read_cells(cells, entry, missing)
        parts = {name: counted(values) for name, values in found.parts.items()}
        return cls(str(cells.name), entry, read, len(cells), int(found.missing.sum()), parts)

    def cells(self, cells: pd.Series, missing: Sequence[str]) -> Cells:
        """Read other cells as these were."""
        return read_cells(cells, self.entry, missing)

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form."""
        return {
            "name": self.name,
            "entry": dict(self.entry),
            "read": self.read,
            "rows": self.rows,
            "missing": self.missing,
            "parts": {name: part.to_dict() for name, part in self.parts.items()},
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Column:
        """Rebuild from `to_dict`."""
        parts = {name: counted_from_dict(part) for name, part in document["parts"].items()}
        return cls(**{**document, "parts": parts})


def counted(values: Any) -> Counted:
    """Count numbers (n,) by bins, a list of strings by levels."""
    return Levels.fit(values) if isinstance(values, list) else Bins.fit(values)


def counted_from_dict(document: Mapping[str, Any]) -> Counted:
    """Rebuild either kind from its `to_dict`."""
    return Levels.from_dict(document) if "names" in document else Bins.from_dict(document)
