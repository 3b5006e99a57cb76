"""The target: labels to codes, or the scale a regression target is learnt on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.data.encoding import level_key, parse_numbers
from tasks.data.meta import Task

__all__ = ["LabelType", "TargetPlan"]

LabelType = Literal["int", "float", "str", "bool"]
READERS: dict[str, Callable[[str], Any]] = {"int": int, "float": float, "str": str, "bool": "True".__eq__}


@dataclass(frozen=True)
class TargetPlan:
    """How the target is coded.

    Attributes
    ----------
    kind : {"classification", "regression"}
    name : str
        Raw column.
    labels : tuple of str, or None
        Class of each code, in code order.
    label_dtype : {"int", "float", "str", "bool"}
        Type that predicted labels are given back in.
    mean, std : float
        Of the training targets (after the logarithm, if any); 0 and 1 for classification.
    log : bool
        The network learns ``(log(1 + y) - mean) / std``.
    """

    kind: Task
    name: str
    labels: tuple[str, ...] | None
    label_dtype: LabelType
    mean: float = 0.0
    std: float = 1.0
    log: bool = False

    @property
    def outputs(self) -> int:
        """Outputs of the network: K classes, or 1."""
        return 1 if self.labels is None else len(self.labels)

    def encode(self, values: pd.Series) -> npt.NDArray[np.int64] | npt.NDArray[np.float64]:
        """Return int64 codes, or float64 targets in their original units.

        Raises
        ------
        ValueError
            On a missing target, one that is no number, or a label the training rows do not have.
        """
        if values.isna().any():
            raise ValueError(f"target {self.name!r} has {int(values.isna().sum())} missing values")
        if self.labels is None:
            return parse_numbers(values)
        codes, uniques = pd.factorize(values)
        table = {label: code for code, label in enumerate(self.labels)}
        keys = [level_key(value) for value in uniques]
        if unknown := [key for key in keys if key not in table]:
            raise ValueError(f"target {self.name!r} has the label {unknown[0]!r}, which no training row has")
        known: npt.NDArray[np.int64] = np.asarray([table[key] for key in keys], np.int64)
        return known[codes]

    def decode(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return labels (in their type) of integer codes; regression targets come back as they are."""
        if self.labels is None:
            return values
        labels = [READERS[self.label_dtype](label) for label in self.labels]
        table = np.asarray(labels, dtype=object if self.label_dtype == "str" else None)
        decoded: npt.NDArray[Any] = table[values]
        return decoded

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form."""
        return {**asdict(self), "labels": None if self.labels is None else list(self.labels)}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> TargetPlan:
        """Rebuild from `to_dict`."""
        labels = document["labels"]
        return cls(**{**document, "labels": None if labels is None else tuple(labels)})
