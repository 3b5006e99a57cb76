"""Settings of the export."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from tasks.settings import Section

__all__ = [
    "AutoQuantisation",
    "DynamicQuantisation",
    "ExportConfig",
    "FoldMode",
    "NoQuantisation",
    "QuantiseConfig",
    "StaticQuantisation",
    "WeightQuantisation",
]

FoldMode = Literal["auto", "always", "apart", "never", "measured"]


class NoQuantisation(Section):
    """Weights stay in float32."""

    method: Literal["none"] = Field("none", description="float32 weights")


class _Quantisation(Section):
    per_channel: bool = Field(
        True,
        description="one scale for each unit's weights (auto: or for each layer's, where that is smaller and "
        "no worse); false: one for a layer",
    )
    tolerance: float = Field(
        0.005,
        ge=0,
        allow_inf_nan=False,
        description="int8 is kept where it is smaller and the validation metric loses at most this",
    )
    agreement: float = Field(
        0.95,
        ge=0,
        le=1,
        description="share of validation rows with the same answer (regression: R²) that int8 must reach",
    )


class _Calibrated(_Quantisation):
    calibration: int = Field(512, ge=1, description="training rows that the activations' ranges are read off")
    seed: int = Field(0, ge=0, description="seed of the choice of those rows")


class StaticQuantisation(_Calibrated):
    """int8 weights and activations; the activations' ranges are fixed by training rows."""

    method: Literal["static"] = Field("static", description="int8 throughout, ranges from training rows")


class DynamicQuantisation(_Quantisation):
    """int8 weights; the activations' ranges are taken from each batch."""

    method: Literal["dynamic"] = Field("dynamic", description="int8 products, ranges from each batch")


class WeightQuantisation(_Quantisation):
    """int8 weights in the file, float32 arithmetic."""

    method: Literal["weights"] = Field("weights", description="int8 in the file, float32 arithmetic")


class AutoQuantisation(_Calibrated):
    """All three are made; the smallest within the tolerance is kept, or float32 when none is smaller."""

    method: Literal["auto"] = Field("auto", description="the smallest of the three, or float32")


QuantiseConfig: TypeAlias = Annotated[
    NoQuantisation | StaticQuantisation | DynamicQuantisation | WeightQuantisation | AutoQuantisation,
    Field(discriminator="method"),
]


class ExportConfig(Section):
    """How a graph becomes one ONNX file (part of stage evaluate)."""

    fold: FoldMode = Field(
        "auto",
        description="Merge scaling, projection and first layer: auto (the projection where that saves "
        "multiply-adds), always (best at one row), apart (all but the projection), never; measured: as auto, "
        "near break-even whichever is faster on this machine at 1,024 rows.",
    )
    quantise: QuantiseConfig = Field(
        default_factory=NoQuantisation, description="int8 in the compressed model's file"
    )
