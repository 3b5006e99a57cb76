"""Section `promote` of params.yaml: what a challenger must show."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tasks.settings import Section

__all__ = ["ClassesConfig", "LimitsConfig", "PromoteConfig", "SlicesConfig"]

Loss = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class ClassesConfig(Section):
    """What holds for each class."""

    min: float | None = Field(
        None, ge=0, le=1, description="smallest recall of a class; null: none is asked for"
    )
    loss: float | None = Field(
        0.1,
        ge=0,
        le=1,
        description="largest recall that a class may be shown to lose against the champion; null: any",
    )


class SlicesConfig(Section):
    """What holds for parts of the test rows."""

    columns: tuple[str, ...] = Field((), description="raw columns whose levels are judged apart")
    rows: int = Field(30, ge=1, description="levels with fewer test rows are not judged")
    min: float | None = Field(
        None,
        allow_inf_nan=False,
        description="worst headline that a level may have (of a loss or an error the largest); null: any",
    )
    loss: float = Field(
        0.1,
        ge=0,
        allow_inf_nan=False,
        description="largest loss of the headline that a level may be shown to have against the champion",
    )


class LimitsConfig(Section):
    """What the model may take, measured here and now."""

    max_bytes: int | None = Field(None, gt=0, description="bytes of the deployed file")
    max_latency_us: float | None = Field(None, gt=0, description="median of one row, in microseconds")
    max_memory_mb: float | None = Field(
        None, gt=0, description="peak memory of a process that loads it and answers, in MB"
    )
    max_slowdown: float | None = Field(
        1.25, ge=1, description="times as long as the champion it may take for one row; null: any"
    )


class PromoteConfig(Section):
    """What a challenger must show before it becomes the champion."""

    margin: Literal["auto"] | Loss = Field(
        "auto",
        description="largest loss that counts as none, in the headline's units; auto: by the test rows",
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="confidence of every interval")
    resamples: int = Field(2000, ge=100, description="resamples of the paired intervals")
    classes: ClassesConfig = Field(ClassesConfig(), description="what holds for each class")
    slices: SlicesConfig = Field(SlicesConfig(), description="what holds for parts of the rows")
    max_calibration_error: float | None = Field(
        0.15, ge=0, le=1, description="largest calibration error (ECE) of a classifier; null: any"
    )
    limits: LimitsConfig = Field(LimitsConfig(), description="what it may take")
    shadow_rows: int = Field(
        0, ge=0, description="rows that it must have answered in the shadow of this champion"
    )
    ties: Literal["keep", "newer"] = Field(
        "newer", description="nothing gained, nothing lost: keep the champion, or take what saw other rows"
    )
    require_approval: Literal["never", "when_not_shown", "always"] = Field(
        "when_not_shown", description="when a person is asked"
    )
    approval_seconds: int = Field(3600, ge=1, description="how long the flow waits for that person")
