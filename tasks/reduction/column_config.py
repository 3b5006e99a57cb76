"""Section `reduce.columns` of params.yaml: one class per method, told apart by `method`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, field_validator

from tasks.settings import Section

__all__ = [
    "COLUMN_CONFIGS",
    "Auto",
    "AutoColumns",
    "AutoencoderColumns",
    "ColumnsConfig",
    "DctColumns",
    "InterpolativeColumns",
    "LdaColumns",
    "NoColumns",
    "PcaColumns",
    "PlsColumns",
    "PoolColumns",
    "RandomProjectionColumns",
    "SelectKBestColumns",
    "TruncatedSvdColumns",
    "WeightNormColumns",
    "needs_reference",
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


class InterpolativeColumns(Section):
    """Keep the columns that the others are linear combinations of."""

    method: Literal["interpolative"] = Field(
        "interpolative", description="columns found by a column-pivoted QR of the features; no target needed"
    )
    components: ColumnShare = Field(64, description="columns kept: a count, a share in (0, 1), or auto")


class PlsColumns(Section):
    """Project on the directions that vary most together with the target."""

    method: Literal["pls"] = Field("pls", description="partial least squares on the classes or the target")
    components: Count = Field(16, description="components, or auto")


class AutoencoderColumns(Section):
    """Encode by a small network trained to give its input back."""

    method: Literal["autoencoder"] = Field("autoencoder", description="the encoder of a trained autoencoder")
    components: Count = Field(32, description="units of the code, or auto")
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (128,), description="units of the layers before the code; the decoder mirrors them"
    )
    epochs: int = Field(60, ge=1, description="passes over the training rows, at most")
    batch: int = Field(128, ge=1, description="rows of one step")
    lr: float = Field(0.003, gt=0, allow_inf_nan=False, description="learning rate of Adam")
    patience: int = Field(
        8, ge=1, description="epochs without a better reconstruction of validation rows before it stops"
    )


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


AutoMember: TypeAlias = Literal[
    "weight_norm",
    "select_k_best",
    "interpolative",
    "pca",
    "truncated_svd",
    "random_projection",
    "pls",
    "lda",
    "autoencoder",
]


class AutoColumns(Section):
    """Several methods with the same number of components, compared on validation rows."""

    method: Literal["auto"] = Field("auto", description="the best of `methods` on validation rows")
    methods: tuple[AutoMember, ...] = Field(
        ("weight_norm", "select_k_best", "interpolative", "pca", "pls"),
        min_length=1,
        description="the methods compared, each with its other options at their defaults",
    )
    components: int = Field(64, ge=1, description="components, or columns, that each of them keeps")

    @field_validator("methods")
    @classmethod
    def _once_each(cls, methods: tuple[AutoMember, ...]) -> tuple[AutoMember, ...]:
        if len(set(methods)) < len(methods):
            raise ValueError("names a method twice")
        return methods

    def members(self) -> list[FittedColumns]:
        """Return the settings of each method compared."""
        return [COLUMN_CONFIGS[name](components=self.components) for name in self.methods]


FittedColumns: TypeAlias = (
    NoColumns
    | WeightNormColumns
    | SelectKBestColumns
    | InterpolativeColumns
    | PcaColumns
    | TruncatedSvdColumns
    | RandomProjectionColumns
    | PlsColumns
    | LdaColumns
    | AutoencoderColumns
    | PoolColumns
    | DctColumns
)
ColumnsConfig: TypeAlias = Annotated[FittedColumns | AutoColumns, Field(discriminator="method")]

COLUMN_CONFIGS: dict[str, Any] = {
    config.model_fields["method"].default: config
    for config in (
        NoColumns,
        WeightNormColumns,
        SelectKBestColumns,
        InterpolativeColumns,
        PcaColumns,
        TruncatedSvdColumns,
        RandomProjectionColumns,
        PlsColumns,
        LdaColumns,
        AutoencoderColumns,
        PoolColumns,
        DctColumns,
    )
}
"""The settings of every method that is fitted, by its name."""


def size_field(config: ColumnsConfig) -> str | None:
    """Name of the option that sets how much stays: components, kernel or keep; None for method none."""
    return next(
        (name for name in ("components", "kernel", "keep") if name in type(config).model_fields), None
    )


def needs_reference(config: ColumnsConfig) -> bool:
    """Whether a method, or one that auto compares, reads the trained reference."""
    names = config.methods if isinstance(config, AutoColumns) else (config.method,)
    return "weight_norm" in names
