"""Section `reduce` of params.yaml."""

from __future__ import annotations

from pydantic import Field

from tasks.reduction.column_config import ColumnsConfig, WeightNormColumns
from tasks.reduction.row_config import NoRows, RowsConfig
from tasks.settings import Section

__all__ = ["ReduceConfig"]


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
