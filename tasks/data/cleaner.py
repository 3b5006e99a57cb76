"""The cleaner: what the training rows taught about turning a raw row into a numeric one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.data.encoding import encode, required_columns
from tasks.data.plan import NumericPlan
from tasks.data.target import TargetPlan
from tasks.formats import Format

__all__ = ["Cleaner", "select_outputs"]

FORMAT = Format("the cleaner", 1, {0: dict})


@dataclass(frozen=True, eq=False)
class Cleaner:
    """Fitted state of stage clean, plain JSON throughout.

    Attributes
    ----------
    encoding : dict
        Raw frame to numeric rows, see `tasks.data.encoding`.
    plan : NumericPlan
        Numeric rows to features.
    target : TargetPlan
    """

    encoding: dict[str, Any]
    plan: NumericPlan
    target: TargetPlan

    @property
    def required(self) -> list[str]:
        """Raw columns a frame must have."""
        return required_columns(self.encoding)

    def encode(self, frame: pd.DataFrame) -> npt.NDArray[np.float32]:
        """Return the numeric rows (n, p) of a raw frame; ValueError names an absent column or a bad cell."""
        return encode(frame, self.encoding)

    def encode_target(self, values: pd.Series) -> npt.NDArray[np.int64] | npt.NDArray[np.float64]:
        """Return class codes, or targets in their original units, shape (n,)."""
        return self.target.encode(values)

    def decode(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return labels of class codes; regression values come back as they are."""
        return self.target.decode(values)

    def select(self, positions: Sequence[int]) -> Cleaner:
        """Return the cleaner of the numeric columns at `positions` (ascending); unread raw columns go."""
        plan = self.plan.select(positions)
        return replace(self, encoding=select_outputs(self.encoding, positions), plan=plan)

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form."""
        parts = {"encoding": self.encoding, "plan": self.plan.to_dict(), "target": self.target.to_dict()}
        return FORMAT.stamp(parts)

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Cleaner:
        """Rebuild from `to_dict`; EspalierError where the format is a newer one."""
        document = FORMAT.current(document)
        return cls(
            document["encoding"],
            NumericPlan.from_dict(document["plan"]),
            TargetPlan.from_dict(document["target"]),
        )


def select_outputs(encoding: dict[str, Any], positions: Sequence[int]) -> dict[str, Any]:
    """Return the encoding of the numeric columns at `positions`, without the raw columns nobody reads."""
    wanted = {int(position) for position in positions}
    entries, start = list[dict[str, Any]](), 0
    for entry in encoding["columns"]:
        kept = [i for i in range(len(entry["outputs"])) if start + i in wanted]
        start += len(entry["outputs"])
        if kept:
            entries.append(_narrowed(entry, kept))
    return {**encoding, "columns": entries}


def _narrowed(entry: dict[str, Any], kept: list[int]) -> dict[str, Any]:
    """Return the entry with the outputs at `kept` only."""
    if len(kept) == len(entry["outputs"]):
        return entry
    before = entry.get("keep") or range(len(entry["outputs"]))
    return {**entry, "keep": [before[i] for i in kept], "outputs": [entry["outputs"][i] for i in kept]}
