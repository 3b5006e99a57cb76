"""Settings of the export."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tasks.settings import Section

__all__ = ["ExportConfig", "FoldMode"]

FoldMode = Literal["auto", "always", "never"]


class ExportConfig(Section):
    """How a graph becomes one ONNX file (part of stage evaluate)."""

    fold: FoldMode = Field(
        "auto",
        description="Merge scaling, projection and first layer: auto (if that saves work), always, never.",
    )
