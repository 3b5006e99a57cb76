"""Section `reduce.rows` of params.yaml: one class per method, told apart by `method`."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from tasks.settings import Section

__all__ = [
    "CoverageStratifiedRows",
    "El2nRows",
    "KCenterRows",
    "KMedoidsRows",
    "NearDuplicatesRows",
    "NoRows",
    "RandomRows",
    "RowsConfig",
    "ScoredRows",
    "needs_errors",
]


class NoRows(Section):
    """Every training row is used."""

    method: Literal["none"] = Field("none", description="keep every training row")
    factor: float = Field(1.0, gt=0, le=1, description="1.0; a smaller share needs random or k_center")
    per_round: Literal["fixed", "resampled"] = Field("fixed", description="no effect without a subset")

    @model_validator(mode="after")
    def _keeps_everything(self) -> NoRows:
        if self.factor < 1:
            raise ValueError(
                f"method none keeps every row, but factor is {self.factor}: set method random or k_center"
            )
        return self


class _Subset(Section):
    factor: float = Field(0.5, gt=0, le=1, description="share of the training rows kept; 1/N keeps one")
    balanced: bool = Field(
        False, description="true: as many rows of every class, as far as it has them; false: its share"
    )


class RandomRows(_Subset):
    """A random share of every class."""

    method: Literal["random"] = Field("random", description="random, the same share of every class")
    per_round: Literal["fixed", "resampled"] = Field(
        "fixed", description="fixed: one subset | resampled: a fresh one each epoch"
    )


class _Chosen(_Subset):
    """What has one answer each time."""

    per_round: Literal["fixed", "resampled"] = Field(
        "fixed", description="fixed; only random can be resampled"
    )
    compare: bool = Field(
        True, description="also train the network on as many random rows; the report shows both"
    )

    @model_validator(mode="after")
    def _has_one_answer(self) -> _Chosen:
        if self.per_round == "resampled":
            method = type(self).model_fields["method"].default
            raise ValueError(
                f"{method} finds the same rows each time: set method random for a fresh subset each epoch"
            )
        return self


class KCenterRows(_Chosen):
    """The rows that cover the reduced space best, found farthest first."""

    method: Literal["k_center"] = Field("k_center", description="cover the reduced space, farthest first")


class KMedoidsRows(_Chosen):
    """The rows nearest to all others in the reduced space: dense regions keep more of them."""

    method: Literal["k_medoids"] = Field("k_medoids", description="medoids of the rows in the reduced space")


class ScoredRows(_Chosen):
    """Rows chosen by how wrong the reference is on them."""

    answers: Literal["final", "early"] = Field(
        "final", description="final: of the trained reference | early: of fresh networks after a few epochs"
    )
    epochs: int = Field(2, ge=1, description="early: epochs that each of them is trained")
    networks: int = Field(1, ge=1, description="early: networks whose errors are averaged")


class El2nRows(ScoredRows):
    """The hardest rows; worse than random at small factors."""

    method: Literal["el2n"] = Field(
        "el2n", description="largest error norm of the reference's answers; only for factors near 1"
    )


class CoverageStratifiedRows(ScoredRows):
    """Rows of every difficulty, without the hardest."""

    method: Literal["coverage_stratified"] = Field(
        "coverage_stratified", description="the same number of rows from every range of difficulty"
    )
    bins: int = Field(50, ge=1, description="ranges of equal width that the difficulty is divided into")
    cutoff: float = Field(0.1, ge=0, lt=1, description="share of the hardest rows left out first")


class NearDuplicatesRows(_Chosen):
    """All rows but those that stand next to a kept one of their class."""

    method: Literal["near_duplicates"] = Field(
        "near_duplicates", description="drop one of the two closest rows of a class, again and again"
    )
    quantile: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None,
        description="drop only what is closer than this quantile of nearest distances in its class, however "
        "many rows then stay above the factor; null: down to the factor",
    )


RowsConfig: TypeAlias = Annotated[
    NoRows | RandomRows | KCenterRows | KMedoidsRows | El2nRows | CoverageStratifiedRows | NearDuplicatesRows,
    Field(discriminator="method"),
]


def needs_errors(config: RowsConfig) -> bool:
    """Whether a method reads how wrong the reference is."""
    return isinstance(config, ScoredRows) and config.factor < 1
