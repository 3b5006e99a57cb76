"""Settings of the stages evaluate and measure."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tasks.metrics.names import MetricName
from tasks.settings import Section

__all__ = ["EvaluateConfig", "MeasureConfig"]

Share = Annotated[float, Field(gt=0, lt=1)]


class EvaluateConfig(Section):
    """How the exported models are judged on the test rows."""

    metric: Literal["auto", MetricName] = Field(
        "auto", description="Headline metric; auto: accuracy, or r2 for regression."
    )
    margin: float = Field(
        0.01,
        ge=0,
        allow_inf_nan=False,
        description="Largest loss against the reference, in the headline's units, that still counts as none.",
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Confidence of every interval.")
    bootstrap: int = Field(2000, ge=100, description="Resamples of the paired interval.")
    threshold: Literal["auto"] | Share = Field(
        "auto", description="Decision threshold of two classes: auto chooses on validation rows; or a number."
    )
    factor: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Share of the test rows used, for a quick look; said wherever its figures stand.",
    )
    seed: int = Field(0, ge=0, description="Seed of the resamples and of the share of test rows.")


class MeasureConfig(Section):
    """How speed is measured."""

    repeats: int = Field(30, ge=3, description="Timing rounds; in each, every model runs in turn.")
    batch: int = Field(1024, ge=1, description="Rows of the large batch.")
    threads: int = Field(1, ge=1, description="Threads of ONNX Runtime and of eager PyTorch while timing.")
