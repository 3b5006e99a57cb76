"""The `source` and `clean` sections of params.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from tasks.data.meta import ColumnType
from tasks.errors import masked
from tasks.settings import Section

__all__ = [
    "CategoriesConfig",
    "CleanConfig",
    "ImputeConfig",
    "IqrOutliers",
    "IsolationForestOutliers",
    "NoOutliers",
    "OutliersConfig",
    "QuantileOutliers",
    "SourceConfig",
    "SplitConfig",
    "TargetConfig",
    "TextConfig",
]

DatePart = Literal["year", "month", "day", "weekday", "hour", "minute", "elapsed"]
Share = Annotated[float, Field(gt=0, lt=1)]


class SourceConfig(Section):
    """Stage fetch: where the labelled rows come from."""

    uri: str = Field("package:mnist", min_length=1, description="package:NAME, a file, or an SQLAlchemy URL")
    query: str | None = Field(None, description="SQL query; needed with an SQLAlchemy URL")
    target: str | None = Field(None, description="column to predict; packaged sets and arrays know theirs")
    task: Literal["auto", "classification", "regression"] = Field("auto", description="what is predicted")
    shape: tuple[Annotated[int, Field(ge=1)], ...] | None = Field(
        None,
        min_length=2,
        max_length=3,
        description="grid of one row: [channels, height, width] or [channels, length]",
    )
    drop: tuple[str, ...] = Field((), description="columns never read")
    dtypes: dict[str, ColumnType] = Field({}, description="type of a column where guessing is wrong")
    na_values: tuple[str, ...] = Field((), description="strings that also mean 'missing'")
    group: str | None = Field(None, description="column whose equal values stay on one side of the split")
    time: str | None = Field(None, description="column that orders rows for split.method: time")
    split: str | None = Field(
        None, description="column holding train | valid | test for split.method: column"
    )

    @field_validator("uri")
    @classmethod
    def _secrets_stay_outside(cls, uri: str) -> str:
        if masked(uri) != uri:
            raise ValueError("no password here: write ${NAME} and set that environment variable")
        return uri

    @model_validator(mode="after")
    def _settings_agree(self) -> Self:
        if wrong := [*self._query_without_database(), *self._roles_in_conflict()]:
            raise ValueError("; ".join(wrong))
        return self

    def _query_without_database(self) -> Iterator[str]:
        database = "://" in self.uri
        if database != (self.query is not None):
            use = "needed" if database else "only used"
            yield f"query is {use} with an SQLAlchemy URL, uri is {self.uri!r}"

    def _roles_in_conflict(self) -> Iterator[str]:
        roles = {"target": self.target, "group": self.group, "time": self.time, "split": self.split}
        named = [name for name in roles.values() if name is not None]
        if repeated := {name for name in named if named.count(name) > 1}:
            yield f"{sorted(repeated)} cannot have two of the roles {', '.join(roles)}"
        if dropped := set(named) & set(self.drop):
            yield f"drop names {sorted(dropped)}, which another key of source uses"


class SplitConfig(Section):
    """How rows are divided before anything is learnt from them."""

    method: Literal["stratified", "random", "grouped", "time", "column"] = Field(
        "stratified", description="stratified by class (or by tenths of a regression target) ..."
    )
    test: Share = Field(0.25, description="share of rows held out for evaluate alone")
    valid: Share = Field(0.15, description="share of the remaining rows that every choice is made on")
    seed: int = Field(0, ge=0, lt=2**32, description="seed of the split")


class ImputeConfig(Section):
    """What stands in a missing number's place."""

    method: Literal["median", "mean", "most_frequent", "constant"] = Field("median", description="the filler")
    value: float = Field(0.0, allow_inf_nan=False, description="the constant")
    indicator: bool = Field(False, description="add a 0/1 feature where a value was missing")


class NoOutliers(Section):
    """Leave extreme numbers alone."""

    method: Literal["none"] = "none"
    strength: float = Field(0.01, description="unused")


class QuantileOutliers(Section):
    """Clip numbers to the training rows' quantiles `strength` and 1 - `strength`."""

    method: Literal["quantile"]
    strength: float = Field(0.01, gt=0, lt=0.5, description="share of each tail that is clipped")


class IqrOutliers(Section):
    """Clip numbers to the quartiles -/+ `strength` interquartile ranges (Tukey, 1977)."""

    method: Literal["iqr"]
    strength: float = Field(
        1.5, ge=0.5, allow_inf_nan=False, description="multiple of the interquartile range"
    )


class IsolationForestOutliers(Section):
    """Drop the training rows that an isolation forest sets apart first (Liu, Ting & Zhou, 2008)."""

    method: Literal["isolation_forest"]
    strength: float = Field(0.01, gt=0, lt=0.5, description="share of training rows dropped")


OutliersConfig = Annotated[
    NoOutliers | QuantileOutliers | IqrOutliers | IsolationForestOutliers, Field(discriminator="method")
]


class CategoriesConfig(Section):
    """How levels become numbers."""

    method: Literal["onehot", "ordinal"] = Field(
        "onehot", description="a feature per level, or the code itself"
    )
    rare: float = Field(0.01, ge=0, lt=1, description="levels under this share of rows are pooled as 'other'")
    max_levels: int = Field(50, ge=1, description="the commonest levels kept apart, the rest pooled")


class TextConfig(Section):
    """How words become numbers."""

    method: Literal["tfidf", "hashed"] = Field(
        "tfidf", description="weights of the commonest terms, or hash buckets"
    )
    width: int = Field(512, ge=2, description="terms kept, or hash buckets")


class TargetConfig(Section):
    """What is done to the target."""

    log: bool = Field(False, description="regression: learn log(1 + y)")


class CleanConfig(Section):
    """Stage clean: split first, then learn from the training rows only."""

    split: SplitConfig = Field(SplitConfig(), description="how rows are divided")
    duplicates: Literal["drop", "keep"] = Field("drop", description="exact duplicate rows")
    constant: Literal["drop", "keep"] = Field("drop", description="columns with one value")
    near_constant: float = Field(
        1.0, gt=0.5, le=1, description="drop a column when one value covers more than this share; 1: never"
    )
    max_missing: float = Field(
        0.6, ge=0, le=1, description="drop a column when more than this share is missing"
    )
    sentinels: tuple[Annotated[float, Field(allow_inf_nan=False)], ...] = Field(
        (), description="numbers that mean 'missing'"
    )
    impute: ImputeConfig = Field(ImputeConfig(), description="missing numbers")
    outliers: OutliersConfig = Field(NoOutliers(), description="extreme numbers")
    categories: CategoriesConfig = Field(CategoriesConfig(), description="category columns")
    text: TextConfig = Field(TextConfig(), description="text columns")
    dates: tuple[DatePart, ...] = Field(
        ("year", "month", "day", "weekday"), description="calendar parts of date columns; elapsed is in days"
    )
    scale: Literal["auto", "standard", "minmax", "global", "none"] = Field(
        "auto", description="auto: global on grids, standard on tables"
    )
    target: TargetConfig = Field(TargetConfig(), description="the target")

    @field_validator("dates")
    @classmethod
    def _each_part_once(cls, dates: tuple[DatePart, ...]) -> tuple[DatePart, ...]:
        if len(set(dates)) < len(dates):
            raise ValueError("names a part twice")
        return dates
