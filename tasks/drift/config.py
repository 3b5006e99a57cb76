"""The `monitor` section of params.yaml: when a difference between a batch and the training rows counts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from tasks.settings import Section

__all__ = ["KINDS", "Kind", "MonitorConfig"]

Kind = Literal["schema", "columns", "missing", "reduced", "predictions", "performance"]
KINDS: tuple[Kind, ...] = ("schema", "columns", "missing", "reduced", "predictions", "performance")


class MonitorConfig(Section):
    """`espalier monitor`: what is compared with the training rows, and what counts as drift."""

    tests: tuple[Kind, ...] = Field(
        KINDS,
        min_length=1,
        description="what is looked at: schema, values and missing cells of columns, the reduced space, "
        "predictions, and the error where rows are labelled",
    )
    columns: Literal["read", "all"] = Field(
        "read", description="read: those the model reads | all: also those the reduction left out"
    )
    false_discovery: float = Field(
        0.01,
        gt=0,
        lt=0.5,
        description="largest share of false ones among what is called drift, and how often a batch without "
        "any is",
    )
    psi: float = Field(
        0.1, ge=0, allow_inf_nan=False, description="smallest population stability index that matters"
    )
    missing: float = Field(
        0.02, ge=0, lt=1, description="smallest change of a share of missing or unreadable cells that matters"
    )
    worse: float = Field(
        0.1, ge=0, allow_inf_nan=False, description="smallest growth of the error that matters; 0.1: a tenth"
    )
    rows: int = Field(100, ge=10, description="rows below which a batch is described, and nothing decided")
    sample: int = Field(
        200_000,
        ge=100,
        description="rows of a larger batch that are looked at, drawn at random by a fixed seed",
    )
    event: tuple[Kind, ...] = Field(
        KINDS, description="drift that raises the event espalier.drift; []: none does"
    )

    @field_validator("tests", "event")
    @classmethod
    def _each_once(cls, kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
        if len(set(kinds)) < len(kinds):
            raise ValueError("names a kind twice")
        return kinds
