"""What is known about a raw frame beside its cells."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = ["ColumnType", "RawMeta", "Task"]

Task = Literal["classification", "regression"]
ColumnType = Literal["number", "category", "text", "date"]


@dataclass(frozen=True)
class RawMeta:
    """The roles and types of a raw frame's columns.

    Attributes
    ----------
    target : str
        Column to predict.
    task : {"classification", "regression"}
    shape : tuple of int, or None
        Grid of one row, channels first: (channels, height, width) or (channels, length).
    group, time, split : str or None
        Columns that only serve splitting; they are not features.
    rows : int
        Rows of the raw frame.
    columns : tuple of str
        Features, in order.
    dtypes : dict
        Type of each feature: "number", "category", "text" or "date".
    missing : tuple of str
        Strings that mean 'missing' beside the empty one, at prediction too.
    """

    target: str
    task: Task
    shape: tuple[int, ...] | None
    group: str | None
    time: str | None
    split: str | None
    rows: int
    columns: tuple[str, ...]
    dtypes: dict[str, ColumnType]
    missing: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form."""
        return {
            **asdict(self),
            "shape": None if self.shape is None else list(self.shape),
            "columns": list(self.columns),
            "missing": list(self.missing),
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> RawMeta:
        """Rebuild from `to_dict`."""
        shape = document["shape"]
        return cls(
            **{
                **document,
                "shape": None if shape is None else tuple(shape),
                "columns": tuple(document["columns"]),
                "missing": tuple(document["missing"]),
            }
        )
