"""Section `reduce.rows` of params.yaml: one class per method, told apart by `method`."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from tasks.settings import Section

__all__ = ["KCenterRows", "NoRows", "RandomRows", "RowsConfig"]


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


class RandomRows(_Subset):
    """A random share of every class."""

    method: Literal["random"] = Field("random", description="random, the same share of every class")
    per_round: Literal["fixed", "resampled"] = Field(
        "fixed", description="fixed: one subset | resampled: a fresh one each epoch"
    )


class KCenterRows(_Subset):
    """The rows that cover the reduced space best, found farthest first."""

    method: Literal["k_center"] = Field("k_center", description="cover the reduced space, farthest first")
    per_round: Literal["fixed", "resampled"] = Field(
        "fixed", description="fixed; only random can be resampled"
    )

    @field_validator("per_round")
    @classmethod
    def _has_one_answer(cls, per_round: str) -> str:
        if per_round == "resampled":
            raise ValueError(
                "k_center finds the same rows each time: set method random for a fresh subset each epoch"
            )
        return per_round


RowsConfig: TypeAlias = Annotated[NoRows | RandomRows | KCenterRows, Field(discriminator="method")]
