"""What became of a stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["StageOutcome", "Status"]

Status = Literal["ran", "skipped", "restored"]


@dataclass(frozen=True)
class StageOutcome:
    """A stage that ended well: executed, up to date already, or brought back from the run-cache.

    Attributes
    ----------
    name : str
        Stage of dvc.yaml.
    status : {"ran", "skipped", "restored"}
        How it came to be up to date.
    seconds : float
        Wall-clock time it took, versioning included.
    """

    name: str
    status: Status
    seconds: float
