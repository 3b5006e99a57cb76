"""Section `reduce` of params.yaml: one class per method, told apart by `method`."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, field_validator, model_validator

from tasks.settings import Section

__all__ = [
    "Auto",
    "ColumnsConfig",
    "DctColumns",
    "KCenterRows",
    "LdaColumns",
    "NoColumns",
    "NoRows",
    "PcaColumns",
    "PoolColumns",
    "RandomProjectionColumns",
    "RandomRows",
    "ReduceConfig",
    "RowsConfig",
    "SelectKBestColumns",
    "TruncatedSvdColumns",
    "WeightNormColumns",
    "size_field",
]

Auto: TypeAlias = Literal["auto"]


def _size(least: int = 1, share_of: str = "") -> BeforeValidator:
    """Check a size: a count, `auto`, and a share where there is something to be a share of."""
    share = f"a share of {share_of} in (0, 1), " if share_of else ""

    def check(value: object) -> object:
        count = isinstance(value, int) and not isinstance(value, bool) and value >= least
        part = bool(share_of) and isinstance(value, float) and 0 < value < 1
        if count or part or value == "auto":
            return value
        raise ValueError(f"must be a whole number of at least {least}, {share}or auto")

    return BeforeValidator(check)


Count: TypeAlias = Annotated[int | Auto, _size()]
ColumnShare: TypeAlias = Annotated[int | float | Auto, _size(share_of="the columns")]
VarianceShare: TypeAlias = Annotated[int | float | Auto, _size(share_of="variance")]
Kernel: TypeAlias = Annotated[int | Auto, _size(2)]


class NoColumns(Section):
    """Every column goes to the network."""

    method: Literal["none"] = Field("none", description="keep every column")


class WeightNormColumns(Section):
    """Keep the columns the dense reference listens to: first-layer column norm x training deviation."""

    method: Literal["weight_norm"] = Field(
        "weight_norm", description="columns ranked by the reference's first layer (needs a Linear one)"
    )
    components: ColumnShare = Field(256, description="columns kept: a count, a share in (0, 1), or auto")


class SelectKBestColumns(Section):
    """Keep the columns with the strongest one-by-one relation to the target."""

    method: Literal["select_k_best"] = Field("select_k_best", description="columns ranked one by one")
    components: ColumnShare = Field(64, description="columns kept: a count, a share in (0, 1), or auto")
    score: Literal["anova", "mutual_info"] = Field(
        "anova", description="F statistic (of a regression for numeric targets) or mutual information"
    )


class PcaColumns(Section):
    """Project on the directions of largest variance."""

    method: Literal["pca"] = Field("pca", description="principal components of the training rows")
    components: VarianceShare = Field(0.95, description="a count, a share of variance in (0, 1), or auto")


class TruncatedSvdColumns(Section):
    """Project on the leading right singular vectors, without centring."""

    method: Literal["truncated_svd"] = Field("truncated_svd", description="singular vectors, not centred")
    components: Count = Field(64, description="singular vectors kept, or auto")


class RandomProjectionColumns(Section):
    """Project on random Gaussian directions, which keeps distances in expectation."""

    method: Literal["random_projection"] = Field("random_projection", description="random directions")
    components: Count = Field(64, description="random directions, or auto")


class LdaColumns(Section):
    """Project on the directions that separate the classes best."""

    method: Literal["lda"] = Field("lda", description="linear discriminants; classification only")
    components: Count = Field(9, description="discriminants, at most classes - 1, or auto")


class PoolColumns(Section):
    """Average neighbouring cells of an image or series; the grid stays."""

    method: Literal["pool"] = Field("pool", description="average neighbouring cells of the grid")
    kernel: Kernel = Field(2, description="cells along each axis that become one, or auto")


class DctColumns(Section):
    """Keep the low frequencies of an image or series; the grid stays."""

    method: Literal["dct"] = Field("dct", description="low frequencies of the grid")
    keep: Count = Field(14, description="frequencies kept along each axis, or auto")


ColumnsConfig: TypeAlias = Annotated[
    NoColumns
    | WeightNormColumns
    | SelectKBestColumns
    | PcaColumns
    | TruncatedSvdColumns
    | RandomProjectionColumns
    | LdaColumns
    | PoolColumns
    | DctColumns,
    Field(discriminator="method"),
]


def size_field(config: ColumnsConfig) -> str | None:
    """Name of the option that sets how much stays: components, kernel or keep; None for method none."""
    return next(
        (name for name in ("components", "kernel", "keep") if name in type(config).model_fields), None
    )


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


class ReduceConfig(Section):
    """What the data lose before the small network is trained."""

    columns: ColumnsConfig = Field(default_factory=WeightNormColumns, description="fewer columns")
    rows: RowsConfig = Field(default_factory=NoRows, description="fewer training rows")
    tolerance: float = Field(
        0.005,
        ge=0,
        lt=1,
        description="auto keeps the fewest whose validation metric is within this of the best",
    )
