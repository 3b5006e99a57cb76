"""What a column method learns from, and how it refuses what cannot be learned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tasks.data.plan import NumericPlan
from tasks.errors import EspalierError
from tasks.reduction.spectrum import Spectrum, spectrum

__all__ = ["Sample", "refusal"]

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Sample:
    """Training rows as a reducer sees them.

    Parameters
    ----------
    features
        (n, d) float32 of `plan.transform`.
    y
        (n,) class codes or the numeric target.
    plan
        Plan of the numeric columns: `owner` of each feature, grid in `shape`.
    task
        classification or regression.
    scores
        (d,) column norms of the reference's first layer; only weight_norm asks for them.
    seed
        What random methods draw with.
    valid
        (m, d) features of the validation rows; only an early stop asks for them.
    errors
        (n,) how wrong the reference is on each training row; only row methods that rank by it ask for them.
    """

    features: NDArray[Any]
    y: NDArray[Any]
    plan: NumericPlan
    task: str
    scores: NDArray[Any] | None = None
    seed: int = 0
    valid: NDArray[Any] | None = None
    errors: NDArray[Any] | None = None
    _memo: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def once(self, key: str, compute: Callable[[], T]) -> T:
        """Compute what `key` names once, return it ever after: `auto` tries many sizes of one fit."""
        if key not in self._memo:
            self._memo[key] = compute()
        return self._memo[key]  # type: ignore[no-any-return]  # the key names one type

    @property
    def spectrum(self) -> Spectrum:
        """Principal axes of the centred features."""
        return self.once("spectrum", lambda: spectrum(self.features))

    @property
    def uncentred_spectrum(self) -> Spectrum:
        """Singular axes of the features as they stand."""
        return self.once("uncentred", lambda: spectrum(self.features, centre=False))

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of each feature, (d,)."""
        return self.once("mean", lambda: self.features.mean(axis=0, dtype=np.float64))

    @property
    def columns(self) -> int:
        """Numeric columns, p."""
        return len(self.plan.names)

    @property
    def varying(self) -> bool:
        """Whether any feature differs between two rows."""
        return bool((self.features != self.features[:1]).any())

    @property
    def classes(self) -> int:
        """Classes present among the rows."""
        return len(np.unique(self.y))

    def per_column(self, values: NDArray[Any], *, combine: str) -> NDArray[np.float64]:
        """Bring values of features (d,) to their owner columns (p,): `sum`, or `max` of non-negative ones."""
        gathered = np.zeros(self.columns)
        ufunc = np.add if combine == "sum" else np.maximum
        ufunc.at(gathered, self.plan.owner, values)
        return gathered


def refusal(option: str, rule: str, got: object, advice: str) -> EspalierError:
    """One line for a setting of section `reduce` that the data do not allow."""
    return EspalierError(f"reduce.{option}: {rule} (got {got}); {advice}")
