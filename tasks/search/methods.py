"""`reduce.columns.method: auto`: several methods of equal size, judged on validation rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tasks.errors import EspalierError
from tasks.reduction.column_config import AutoColumns, FittedColumns
from tasks.reduction.columns import fit_columns
from tasks.reduction.reduction import Reduction
from tasks.reduction.sample import Sample

__all__ = ["choose_method"]


@dataclass(frozen=True)
class _Trial:
    """A method's reduction and its score; without them the reason it was refused."""

    method: str
    reduction: Reduction | None = None
    score: float = float("-inf")
    refused: str | None = None

    def to_dict(self) -> dict[str, Any]:
        size = None if self.reduction is None else self.reduction.report["components"]
        score = None if self.reduction is None else round(self.score, 9)
        return {"method": self.method, "components": size, "score": score, "refused": self.refused}


def _tried(config: FittedColumns, sample: Sample, probe: Callable[[Reduction], float]) -> _Trial:
    """Fit and score a method; what the data or the network do not allow is an outcome, not the end."""
    try:
        reduction = fit_columns(config, sample)
        return _Trial(config.method, reduction, probe(reduction))
    except EspalierError as error:
        return _Trial(config.method, refused=str(error))


def choose_method(config: AutoColumns, sample: Sample, probe: Callable[[Reduction], float]) -> Reduction:
    """Fit each method and keep the one with the best score; of equal ones the first in the list.

    Parameters
    ----------
    config
        The methods, and the number of components all of them keep.
    sample
        Training rows.
    probe
        Score of a reduction on validation rows, larger is better.

    Returns
    -------
    The winner; its report has `requested` auto, every trial, and `ahead`: how far it is ahead of the second
    (None when it is the only one the data allow).

    Raises
    ------
    EspalierError
        When the data or the network allow none of the methods.
    """
    trials = [_tried(member, sample, probe) for member in config.members()]
    ranked = sorted((t for t in trials if t.reduction), key=lambda trial: -trial.score)
    if not ranked or ranked[0].reduction is None:
        reasons = "; ".join(f"{trial.method}: {trial.refused}" for trial in trials)
        raise EspalierError(
            f"reduce.columns.methods: auto can use none of them ({reasons}); name other methods, or set "
            "reduce.columns.method: none, or for images and series pool or dct"
        )
    ahead = round(ranked[0].score - ranked[1].score, 9) if len(ranked) > 1 else None
    listed = [trial.to_dict() for trial in trials]
    report = {**ranked[0].reduction.report, "requested": "auto", "ahead": ahead, "trials": listed}
    return replace(ranked[0].reduction, report=report)
